//! The way members come: the name, TLS, whether it is this Bellrope that answers, and its headers.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::{Config, Finding, Found, certificate, live, proxy};
use crate::domain::clock::Clock;
use crate::fetch::Error;
use crate::fetch::probe::{Payload, Probe, Question, Seen};

/// How long one answer may take.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// A certificate is renewed a month before its end; one with less left was not.
const DAYS_LEFT_MIN: i64 = 14;
/// How far two clocks may differ: what is allowed where a token's times are looked at.
const CLOCKS_APART_S_MAX: i64 = 5;

/// Members' way to a server.
pub struct Way<'a> {
    pub probe: Probe,
    pub public: Url,
    pub config: Option<&'a Config>,
    /// How long what waits is held.
    pub hold: Duration,
}

impl Way<'_> {
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.public.clone();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        url.set_path(&format!(
            "{}{path}",
            self.public.path().trim_end_matches('/')
        ));
        url.set_query((!query.is_empty()).then_some(query));
        url
    }

    pub fn get<'q>(&self, path: &str, headers: &'q [(&'static str, &'q str)]) -> Question<'q> {
        Question {
            method: Method::GET,
            url: self.url(path),
            headers,
            body: Payload::Text(String::new()),
        }
    }

    /// An answer, or why there is none.
    pub async fn ask(&self, question: Question<'_>) -> Result<Seen, String> {
        match tokio::time::timeout(ANSWER_TIME_MAX, self.probe.ask(question)).await {
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(error)) => Err(cause(&error)),
            Err(_) => Err(format!("no answer within {} s", ANSWER_TIME_MAX.as_secs())),
        }
    }
}

/// What went wrong, without whose words it went through.
pub fn cause(error: &Error) -> String {
    let told = error.to_string();
    let (_, cause) = told.rsplit_once("(Connect): ").unwrap_or(("", &told));
    cause.to_owned()
}

/// Whether Bellrope itself refuses.
pub fn is_problem(seen: &Seen) -> bool {
    let kind = seen.headers.get("content-type");
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"))
}

pub async fn look(public: Url, config: Option<&Config>, hold: Duration) -> Found {
    let probe = match Probe::new(None) {
        Ok(probe) => probe,
        Err(error) => {
            let advice = "install the package ca-certificates; look at /etc/resolv.conf";
            return vec![Finding::failed("address", cause(&error), advice)];
        }
    };
    let way = Way {
        probe,
        public,
        config,
        hold,
    };
    let seen = match way.ask(way.get("/api/v1/server", &[])).await {
        Ok(seen) => seen,
        Err(why) => return vec![unreached(&way.public, &why)],
    };
    let mut found = vec![Finding::ok("address", format!("{} answers", way.public))];
    found.extend(expiry(&seen));
    match who(&way, &seen) {
        Ok(ok) => found.push(ok),
        // What somebody else answers tells nothing of Bellrope.
        Err(failed) => {
            found.push(failed);
            return found;
        }
    }
    found.extend(clock(&seen));
    found.push(headers(&way, &seen));
    let (polling, websocket, cors, body, client) = tokio::join!(
        live::polling(&way),
        live::websocket(&way),
        proxy::cors(&way),
        proxy::body(&way),
        proxy::client(&way, &seen),
    );
    found.extend([polling, websocket, cors, body, client]);
    found
}

fn unreached(public: &Url, why: &str) -> Finding {
    let is_name = why.contains("dns error");
    let advice = if why.contains("certificate") {
        "have a certificate for this name in place, with its chain (fullchain.pem), as Certbot and Caddy make it; a private authority must be known to this machine"
    } else if is_name {
        "give the name an address in the DNS, or correct public-url"
    } else if why.contains("refused") {
        "start what listens there: nginx or Caddy, or Bellrope itself; look at the port and the firewall"
    } else {
        "look whether the address is right, what listens there, and what a firewall lets through"
    };
    // The resolver's own words are long, and say no more.
    let why = if is_name {
        "its name cannot be resolved"
    } else {
        why
    };
    Finding::failed(
        "address",
        format!("{public} cannot be reached: {why}"),
        advice,
    )
}

fn expiry(seen: &Seen) -> Option<Finding> {
    let der = seen.certificate.as_ref()?;
    let days = certificate::days_left(der, Clock::default().now().as_second())?;
    let detail = format!("the certificate is trusted, and good for {days} more days");
    Some(if days < DAYS_LEFT_MIN {
        let advice = "look why it is not renewed: `certbot renew`, or Caddy's log";
        Finding::warning("certificate", detail, advice)
    } else {
        Finding::ok("certificate", detail)
    })
}

/// Whether a Bellrope answers, and this one.
fn who(way: &Way<'_>, seen: &Seen) -> Result<Finding, Finding> {
    let check = "bellrope";
    let header = |name: &str| {
        let value = seen.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if seen.status.is_redirection() {
        return Err(Finding::failed(
            check,
            format!("{} redirects to {}", way.public, header("location")),
            "set public-url, and the forum's plugin, to the address it leads to: sockets and programs do not follow",
        ));
    }
    let answer: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let version = answer["version"].as_str();
    if seen.status == StatusCode::OK
        && let Some(version) = version.filter(|_| answer["registration"].is_string())
    {
        let ours = env!("CARGO_PKG_VERSION");
        let prefix = way.public.path();
        if prefix != "/" {
            return Err(Finding::failed(
                check,
                format!(
                    "Bellrope answers below {prefix}, where its pages and sockets do not find each other"
                ),
                "give it a host name of its own, such as bell.example.org",
            ));
        }
        if version != ours {
            return Ok(Finding::note(
                check,
                format!("Bellrope {version} answers, and this program is {ours}"),
                "after an upgrade, start the service anew".to_owned(),
            ));
        }
        return Ok(Finding::ok(check, format!("Bellrope {version} answers")));
    }
    let is_page = String::from_utf8_lossy(&seen.body).contains("<title>Bellrope</title>");
    let is_problem = is_problem(seen);
    if is_page || is_problem && answer["code"] == "not_found" {
        return Err(Finding::failed(
            check,
            "Bellrope answers, but was asked for another path: the proxy changes it",
            "pass paths on as they are: in nginx `proxy_pass http://127.0.0.1:8888;` without a path behind the port, and no rewrite",
        ));
    }
    if is_problem && let Some(detail) = answer["detail"].as_str() {
        let advice = "Bellrope's log says more";
        return Err(Finding::failed(
            check,
            format!("Bellrope refuses: {detail}"),
            advice,
        ));
    }
    let status = seen.status;
    Err(match status.as_u16() {
        502..=504 => Finding::failed(
            check,
            format!("the proxy answers {status}: it does not reach Bellrope"),
            "start Bellrope, and let proxy_pass lead to its `listen` address",
        ),
        _ => Finding::failed(
            check,
            format!("something else answers there, with {status}"),
            "let the proxy pass this host name on to Bellrope's `listen` address (packaging/nginx.conf, packaging/Caddyfile)",
        ),
    })
}

/// This machine's clock beside the server's.
fn clock(seen: &Seen) -> Option<Finding> {
    let date = seen.headers.get("date")?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(date)
        .ok()?;
    let apart = Clock::default().now().as_second() - date.as_second();
    (apart.abs() > CLOCKS_APART_S_MAX).then(|| {
        let which = if apart > 0 { "behind" } else { "ahead of" };
        Finding::warning(
            "clock",
            format!(
                "the clock there is {} s {which} this machine's",
                apart.abs()
            ),
            "keep both by NTP (`timedatectl`): tokens and expiries go by it",
        )
    })
}

/// Whether what protects browsers gets through, each once.
fn headers(way: &Way<'_>, seen: &Seen) -> Finding {
    let check = "headers";
    let count = |name: &str| seen.headers.get_all(name).iter().count();
    let expected = [
        "content-security-policy",
        "x-content-type-options",
        "referrer-policy",
    ];
    let lacking: Vec<_> = expected
        .into_iter()
        .filter(|name| count(name) == 0)
        .collect();
    if !lacking.is_empty() {
        return Finding::warning(
            check,
            format!("the proxy takes away {}", lacking.join(", ")),
            "remove the proxy's proxy_hide_header or header rules for it",
        );
    }
    let is_https = way.public.scheme() == "https";
    if is_https && count("strict-transport-security") == 0 {
        return Finding::warning(
            check,
            "browsers are not told to come by HTTPS alone (HSTS)",
            "set public-url to this https address, and let the proxy pass Strict-Transport-Security on",
        );
    }
    let twice = ["strict-transport-security", "content-security-policy"];
    if let Some(name) = twice.into_iter().find(|name| count(name) > 1) {
        let detail = format!("{name} comes twice");
        return Finding::warning(check, detail, "remove the proxy's own: Bellrope sends it");
    }
    Finding::ok(check, "the headers that protect browsers get through")
}

/// Whether nothing stands between us and the server of these settings.
pub fn is_direct(way: &Way<'_>, peer: Option<SocketAddr>) -> bool {
    let listen = way.config.map(|config| config.listen);
    let (Some(listen), Some(peer)) = (listen, peer) else {
        return false;
    };
    let is_everywhere = listen.ip().is_unspecified() && peer.ip().is_loopback();
    listen == peer || is_everywhere && listen.port() == peer.port()
}
