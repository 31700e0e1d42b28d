//! Whose pages may ask: origins, and what browsers are told of them (the Fetch standard's CORS).

use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::{Body, Rules};

/// How long a browser may remember that an origin is allowed.
const PREFLIGHT_AGE: &str = "600";

/// Whether a page of this origin may ask for this path. Who sends none is no page.
pub fn is_allowed(rules: &Rules, path: &str, origin: Option<&HeaderValue>) -> bool {
    match (&rules.origins, origin) {
        (None, _) | (_, None) => true,
        (Some(allowed), Some(origin)) => {
            let is_listed = |one: &String| one.as_bytes() == origin.as_bytes();
            rules.for_everybody.contains(&path) || allowed.iter().any(is_listed)
        }
    }
}

/// Lets the page that asked read the answer.
pub fn share(headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = allowed else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let always = [
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Retry-After"),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

pub fn is_preflight(request: &Request<Incoming>) -> bool {
    let asks = |name| request.headers().contains_key(name);
    request.method() == Method::OPTIONS
        && asks(header::ORIGIN)
        && asks(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What a page of another origin may send.
pub fn preflight() -> Response<Body> {
    let empty = Full::default().map_err(|never| match never {});
    let mut response = Response::new(empty.boxed());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let told = [
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, POST, PUT, DELETE",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, Idempotency-Key",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE),
    ];
    for (name, value) in told {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
