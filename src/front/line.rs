//! The line of log that each request leaves.

use std::net::IpAddr;
use std::time::Duration;

use hyper::{Method, Response};

use super::{Body, Outcome, is_live};

/// Characters of a path that are logged.
const PATH_LOGGED_MAX: usize = 256;

/// One line a request: never the query string, never a header. Polls come every few seconds a
/// socket, so those that went well are for debugging.
pub fn log(
    method: &Method,
    path: &str,
    client: Option<IpAddr>,
    response: &Response<Body>,
    took: Duration,
) {
    let status = response.status().as_u16();
    let outcome = response
        .extensions()
        .get::<Outcome>()
        .copied()
        .unwrap_or("ok");
    let client = client.map_or_else(|| "control".to_owned(), |client| client.to_string());
    let ms = took.as_secs_f64() * 1000.0;
    let path = path
        .char_indices()
        .nth(PATH_LOGGED_MAX)
        .map_or(path, |(end, _)| &path[..end]);
    // What a stop refuses is no fault.
    if response.status().is_server_error() && outcome != "stopping" {
        tracing::warn!(%method, path, status, outcome, client, ms = format_args!("{ms:.1}"), "request");
    } else if is_live(path) && !response.status().is_client_error() {
        tracing::debug!(%method, path, status, outcome, client, ms = format_args!("{ms:.1}"), "request");
    } else {
        tracing::info!(%method, path, status, outcome, client, ms = format_args!("{ms:.1}"), "request");
    }
}
