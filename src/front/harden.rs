//! What every answer carries, whoever gives it: to browsers, what it must not be used for.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Rules;

/// For what is no page: opened by itself it runs nothing, loads nothing and submits nothing. Pages
/// bring a policy of their own.
const POLICY: &str = "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; sandbox";
/// A year, and all names below: the least that OWASP ASVS 5.0 takes (3.4.1).
const HTTPS_ALONE: &str = "max-age=31536000; includeSubDomains";

/// So many are added, and a few by CORS: room for all at once.
const HEADERS: usize = 10;

/// The headers of an answer from this path.
pub fn harden(headers: &mut HeaderMap, path: &str, rules: &Rules) {
    headers.reserve(HEADERS);
    let whose = if rules.for_everybody.contains(&path) {
        "cross-origin"
    } else {
        // Another origin asks by CORS, which this leaves alone, or not at all: it may embed nothing.
        "same-origin"
    };
    let always = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, whose),
        (OPENER_POLICY, "same-origin"),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if rules.is_https {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static(HTTPS_ALONE),
        );
    }
    let unless_said = [
        // Whatever may be private is not left in a cache.
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    for (name, value) in unless_said {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
