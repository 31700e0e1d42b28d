//! The address for an operator's tools: what they ask for, for anybody who reaches it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use http_body_util::Limited;
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::domain::App;
use crate::front::{Body, Front, Refusal, Rooms, Rules, Tether};
use crate::http::Http;
use crate::http::error::nothing_here;

/// Collectors, a probe, and whoever looks by hand. They take nothing from what members may have.
const CONNECTIONS_MAX: usize = 64;

/// The room behind the address.
pub struct Watch(Http);

/// Serves there until [`Front::stop`].
///
/// # Errors
/// When the address is taken.
pub async fn open(
    listen: SocketAddr,
    app: &Arc<App>,
) -> Result<(SocketAddr, Arc<Front<Watch>>, JoinHandle<()>)> {
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!(
            "cannot listen on {listen} for metrics (`metrics-listen`); is another server there?"
        )
    })?;
    let address = listener.local_addr()?;
    let rules = Rules {
        // No page of any site has business here.
        origins: Some(Vec::new()),
        for_everybody: &[],
        is_https: false,
        is_trusted_proxy: Box::new(|_| false),
        connections_max: CONNECTIONS_MAX,
        tls: None,
        stalled: Arc::default(),
    };
    let watch = Front::new(Watch(Http::for_operators(Arc::clone(app))), rules);
    tracing::info!(%address, "metrics");
    let listening = tokio::spawn(Arc::clone(&watch).listen(listener));
    Ok((address, watch, listening))
}

impl Rooms for Watch {
    async fn body_bytes_max(&self, _headers: &HeaderMap, _client: Option<IpAddr>) -> usize {
        0
    }

    async fn http(&self, request: Request<Bytes>, client: Option<IpAddr>) -> Response<Body> {
        self.0
            .call(request, super::house::client(client))
            .await
            .into()
    }

    async fn live(
        &self,
        _request: Request<Limited<Incoming>>,
        _client: Option<IpAddr>,
        _tether: Tether,
    ) -> Response<Body> {
        nothing_here().into()
    }

    fn refuse(&self, refusal: Refusal) -> Response<Body> {
        super::house::refused(refusal)
    }

    fn answered(&self, _response: &Response<Body>) {
        // What is counted is what members and the forum ask, and not who watches.
    }
}
