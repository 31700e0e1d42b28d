//! What a proxy makes of a request: its origin, its size, and where it came from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use hyper::Method;
use serde_json::Value;

use super::Finding;
use super::public::{Way, cause, is_direct, is_problem};
use crate::fetch::probe::{Payload, Probe, Question, Seen};

/// Bytes a forum's backend may send at once.
const BODY_BYTES: usize = 4 << 20;
/// A proxy that refuses a size does so when it reads it; one that waits for the bytes let it pass.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(2);
/// Where we say we come from: an address for documentation (RFC 5737), which nobody has.
const FORGED: &str = "192.0.2.77";
/// On loopback everybody is 127.0.0.1, the proxy too; this is us.
const APART: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));

/// Whether the forum's pages may read what they ask for.
pub async fn cors(way: &Way<'_>) -> Finding {
    let check = "cors";
    let forum = way.config.and_then(|config| {
        let listed = config.allow_origin.first();
        config.forum_url.as_ref().or(listed)
    });
    let own = way.public.origin().ascii_serialization();
    let origin = forum.map_or(own.as_str(), |forum| forum.as_str());
    let asks = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = Question {
        method: Method::OPTIONS,
        ..way.get("/api/v1/inbox/read", &asks)
    };
    let questions = [
        ("GET", way.get("/api/v1/server", &asks[..1])),
        ("preflight", preflight),
    ];
    for (what, question) in questions {
        let seen = match way.ask(question).await {
            Ok(seen) => seen,
            Err(why) => {
                return Finding::failed(
                    check,
                    format!("a {what} from {origin} failed: {why}"),
                    "look at the proxy's log",
                );
            }
        };
        let allowed = seen.headers.get_all("access-control-allow-origin");
        let allowed: Vec<_> = allowed
            .iter()
            .map(|value| value.to_str().unwrap_or_default())
            .collect();
        if allowed.len() > 1 {
            return Finding::failed(
                check,
                format!(
                    "Access-Control-Allow-Origin comes {} times ({}), which browsers refuse",
                    allowed.len(),
                    allowed.join(" and ")
                ),
                "remove the proxy's add_header Access-Control-...: Bellrope answers CORS itself",
            );
        }
        if !seen.status.is_success() && is_problem(&seen) {
            return Finding::failed(
                check,
                format!("pages of {origin} are refused ({})", seen.status),
                format!("add \"{origin}\" to allow-origin"),
            );
        }
        if allowed.first() != Some(&origin) {
            let shown = allowed.first().unwrap_or(&"nothing");
            return Finding::failed(
                check,
                format!(
                    "the answer to a {what} from {origin} allows {shown} ({})",
                    seen.status
                ),
                "pass Origin and OPTIONS requests on to Bellrope as they are, and its Access-Control-... back: it answers CORS itself",
            );
        }
    }
    Finding::ok(check, format!("pages of {origin} may ask"))
}

/// Whether a forum's largest request gets to Bellrope. It is announced only: Bellrope refuses it by
/// its own word, because it has no key.
pub async fn body(way: &Way<'_>) -> Finding {
    let check = "body size";
    let question = Question {
        method: Method::POST,
        body: Payload::Announced(BODY_BYTES),
        ..way.get(
            "/api/v1/notifications",
            &[("content-type", "application/json")],
        )
    };
    let ok = Finding::ok(check, "a request of 4 MiB gets through to Bellrope");
    let asked = tokio::time::timeout(REFUSAL_TIME_MAX, way.probe.ask(question)).await;
    match asked {
        // Whoever waits for the bytes has let their number pass.
        Err(_) => ok,
        Ok(Ok(seen)) if is_problem(&seen) => ok,
        Ok(Ok(seen)) if seen.status.as_u16() == 413 => Finding::failed(
            check,
            "the proxy refuses a request of 4 MiB (413), which a forum may send to many members",
            "nginx: client_max_body_size 5m;",
        ),
        Ok(Ok(seen)) => Finding::warning(
            check,
            format!(
                "the proxy answers a request of 4 MiB with {}, and not Bellrope",
                seen.status
            ),
            "look at the proxy's log",
        ),
        Ok(Err(error)) => Finding::warning(
            check,
            format!("a request of 4 MiB breaks off: {}", cause(&error)),
            "look at the proxy's log",
        ),
    }
}

/// Whether Bellrope sees where members come from, and not where the proxy does.
pub async fn client(way: &Way<'_>, first: &Seen) -> Finding {
    let check = "addresses";
    if is_direct(way, first.address) {
        return Finding::ok(
            check,
            "no proxy stands between: members' addresses are their own",
        );
    }
    let Some(own) = first.address.and_then(own_address) else {
        let detail = "which address of this machine arrives there was not looked at: both ends have the same";
        return Finding::note(check, detail, None);
    };
    let from = (own == APART).then_some(own);
    let asked = match Probe::new(from) {
        Ok(probe) => {
            let way = Way {
                probe,
                public: way.public.clone(),
                ..*way
            };
            let forged = [("x-forwarded-for", FORGED)];
            way.ask(way.get("/api/v1/server", &forged)).await
        }
        Err(error) => Err(cause(&error)),
    };
    let seen = match asked {
        Ok(seen) => seen,
        Err(why) => {
            let detail = format!("a request with X-Forwarded-For failed: {why}");
            return Finding::failed(check, detail, "look at the proxy's log");
        }
    };
    let answer: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let shown = answer["address"].as_str().unwrap_or_default();
    match shown.parse::<IpAddr>() {
        Ok(seen) if seen == own => {
            Finding::ok(check, "Bellrope sees the address that members come from")
        }
        Ok(_) if shown == FORGED => Finding::failed(
            check,
            "anybody may choose the address they seem to come from: the proxy passes on what they wrote into X-Forwarded-For",
            "nginx: proxy_set_header X-Forwarded-For $remote_addr;",
        ),
        Ok(seen) if seen.is_loopback() => Finding::failed(
            check,
            format!(
                "Bellrope takes all members for the proxy, {seen}: they share one address's limits"
            ),
            format!(
                "set trusted-proxy = [\"{seen}\"] and start it anew; nginx: proxy_set_header X-Forwarded-For $remote_addr;"
            ),
        ),
        Ok(seen) => Finding::warning(
            check,
            format!("Bellrope sees {seen}, and this machine's own address is {own}"),
            format!(
                "if {seen} is a proxy's and not the one this network goes out by, add it to trusted-proxy"
            ),
        ),
        Err(_) => Finding::note(
            check,
            "the server that answers does not say which address it sees",
            "start the service anew with this version".to_owned(),
        ),
    }
}

/// The address we come from when we ask there.
fn own_address(peer: SocketAddr) -> Option<IpAddr> {
    match peer.ip() {
        IpAddr::V4(peer) if peer.is_loopback() => return Some(APART),
        // Everybody has the same there.
        IpAddr::V6(peer) if peer.is_loopback() => return None,
        _ => {}
    }
    // Nothing is sent: it only finds the way.
    let any: IpAddr = if peer.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
