//! A request for a socket, without what would be kept for nothing.

use http_body_util::Limited;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::LIVE_BODY_BYTES_MAX;

/// The same request with nothing in it but what Socket.IO reads. It keeps the head for the
/// socket's whole life, and every header and the URI is a slice of the connection's 16 KiB
/// buffer; fresh copies let go of it.
pub fn slim(request: Request<Incoming>) -> Request<Limited<Incoming>> {
    /// Of each kind of request: four leave the map half as large as eight.
    const UPGRADE: [HeaderName; 4] = [
        header::CONNECTION,
        header::UPGRADE,
        header::SEC_WEBSOCKET_KEY,
        header::SEC_WEBSOCKET_VERSION,
    ];
    const POLL: [HeaderName; 4] = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::ACCEPT_ENCODING,
    ];
    let (mut head, body) = request.into_parts();
    let read = if head.headers.contains_key(header::UPGRADE) {
        UPGRADE
    } else {
        POLL
    };
    let mut headers = HeaderMap::with_capacity(read.len());
    for name in read {
        if let Some(value) = head.headers.get(&name)
            && let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
        {
            headers.insert(name, value);
        }
    }
    head.headers = headers;
    if let Ok(uri) = head.uri.to_string().parse() {
        head.uri = uri;
    }
    Request::from_parts(head, Limited::new(body, LIVE_BODY_BYTES_MAX))
}
