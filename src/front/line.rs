//! The line of log that each request leaves.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::{Method, Response, StatusCode};

use super::{Body, Outcome, Who, is_live};

/// Characters of a path that are logged.
const PATH_LOGGED_MAX: usize = 256;
/// Refusals for being too many that have a line of their own, of each outcome in each
/// [`SUMMARY_EVERY`]; the rest share one. What limits a flood must not flood the log.
const REFUSALS_MAX: u64 = 20;
const SUMMARY_EVERY: Duration = Duration::from_secs(5);

/// Writes the lines.
#[derive(Default)]
pub struct Lines {
    refused: Arc<Refused>,
}

/// How many were refused since the last summary, by outcome.
#[derive(Default)]
struct Refused(Mutex<HashMap<Outcome, u64>>);

impl Refused {
    fn counts(&self) -> MutexGuard<'_, HashMap<Outcome, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one, and says whether it has a line of its own.
    fn count(self: &Arc<Self>, outcome: Outcome) -> bool {
        let mut counts = self.counts();
        let count = counts.entry(outcome).or_default();
        *count += 1;
        if *count == REFUSALS_MAX + 1 {
            tokio::spawn(Arc::clone(self).sum_up(outcome));
        }
        *count <= REFUSALS_MAX
    }

    async fn sum_up(self: Arc<Self>, outcome: Outcome) {
        tokio::time::sleep(SUMMARY_EVERY).await;
        let count = self.counts().remove(outcome).unwrap_or_default();
        let more = count.saturating_sub(REFUSALS_MAX);
        tracing::warn!(outcome, more, "requests refused beyond those logged");
    }
}

impl Lines {
    /// One line a request: never the query string, never a header. Polls come every few seconds a
    /// socket, so those that went well are for debugging.
    pub fn log(
        &self,
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
        let is_limit = matches!(
            response.status(),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        if is_limit && !self.refused.count(outcome) {
            return;
        }
        let who = response.extensions().get::<Who>().map(AsRef::as_ref);
        let client = client.map_or_else(|| "control".to_owned(), |client| client.to_string());
        let ms = took.as_secs_f64() * 1000.0;
        let path = path
            .char_indices()
            .nth(PATH_LOGGED_MAX)
            .map_or(path, |(end, _)| &path[..end]);
        // What a stop refuses is no fault.
        if response.status().is_server_error() && outcome != "stopping" {
            tracing::warn!(%method, path, status, outcome, who, client, ms = format_args!("{ms:.1}"), "request");
        } else if is_live(path) && !response.status().is_client_error() {
            tracing::debug!(%method, path, status, outcome, who, client, ms = format_args!("{ms:.1}"), "request");
        } else {
            tracing::info!(%method, path, status, outcome, who, client, ms = format_args!("{ms:.1}"), "request");
        }
    }
}
