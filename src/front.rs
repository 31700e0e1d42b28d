//! One port: accept, limits, origins, proxies, write stalls, one line of log a request, drain.
//!
//! It is our own loop because nothing ready-made holds up: the framework's server sets no timer on
//! half-sent requests, spins when descriptors run out, and mounting Socket.IO inside it takes the
//! connection's upgrade away, which breaks every WebSocket without an error.

mod counted;
mod forwarded;
mod line;
mod slim;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use counted::Counted;
use forwarded::client_of;
use slim::slim;

/// How long a request's head may take, and how long a connection may idle before one.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a request's body may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of a request's head: a token of 4 KiB, and whatever browsers and proxies add.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// Bytes of a body that nobody is asked about.
const BODY_BYTES_FREE: usize = 16 << 10;
/// Bytes of what a long-polling client posts at once; as much as a WebSocket's message may have.
const LIVE_BODY_BYTES_MAX: usize = 16 << 10;
/// How long a write may make no progress. A reader that stopped reading is cut, not waited for;
/// Socket.IO's own writer would wait for ever.
const WRITE_STALL_MAX: Duration = Duration::from_secs(10);
/// A pause after a failed accept: descriptors are used up, and asking again at once helps nobody.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a browser may remember that an origin is allowed.
const PREFLIGHT_AGE: &str = "600";

pub type Body = BoxBody<Bytes, io::Error>;

/// What lies behind the front. The wiring provides it, so that the front knows none of the rooms.
pub trait Rooms: Send + Sync + 'static {
    /// Bytes of a body that may follow this head. Each connection may make us hold as many.
    fn body_bytes_max(
        &self,
        headers: &HeaderMap,
        client: Option<IpAddr>,
    ) -> impl Future<Output = usize> + Send;

    /// A request with its whole body. `client` is `None` for the control socket.
    fn http(
        &self,
        request: Request<Bytes>,
        client: Option<IpAddr>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// A request for `/socket.io`, still attached to its connection for an upgrade.
    fn live(
        &self,
        request: Request<Limited<Incoming>>,
        client: Option<IpAddr>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// The words for a refusal by the front itself.
    fn refuse(&self, refusal: Refusal) -> Response<Body>;
}

/// What the front itself refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Origin,
    /// Over so many bytes.
    TooLarge(usize),
    TooSlow,
    Malformed,
    Stopping,
    /// Our fault.
    Broken,
}

/// The words that tell how a request went, for the log. A room may put it on a response.
pub type Outcome = &'static str;

/// Who may come in, and how many.
pub struct Rules {
    /// `None`: any origin.
    pub origins: Option<Vec<String>>,
    /// Addresses whose files any page may load all the same.
    pub for_everybody: &'static [&'static str],
    pub is_trusted_proxy: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    pub connections_max: usize,
}

/// The front, shared by its listeners.
pub struct Front<R> {
    rooms: R,
    rules: Rules,
    slots: Arc<Semaphore>,
    /// Cancelled: no new connection, no new request on an old one.
    stop: CancellationToken,
    connections: TaskTracker,
}

impl<R: Rooms> Front<R> {
    pub fn new(rooms: R, rules: Rules) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(rules.connections_max));
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        Arc::new(Self {
            rooms,
            rules,
            slots,
            stop,
            connections,
        })
    }

    /// Serves members until [`Front::stop`].
    pub async fn listen(self: Arc<Self>, listener: TcpListener) {
        while let Some(slot) = self.slot().await {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Without it a push waits for the last one's acknowledgement, 40 ms at worst.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection was gone before it began");
                        continue;
                    }
                    let stream = Counted::new(stream, WRITE_STALL_MAX, Some(slot));
                    self.connections
                        .spawn(Arc::clone(&self).serve(stream, Some(peer)));
                }
                Err(error) => pause(&error).await,
            }
        }
    }

    /// Serves the commands of whoever may use the data folder, until [`Front::stop`].
    /// `owner` and root may; the socket's mode keeps others out, this is the second lock.
    pub async fn listen_control(self: Arc<Self>, listener: UnixListener, owner: u32) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(peer) if peer.uid() == owner || peer.uid() == 0 => {
                        let stream = Counted::new(stream, WRITE_STALL_MAX, None);
                        self.connections
                            .spawn(Arc::clone(&self).serve(stream, None));
                    }
                    peer => tracing::warn!(?peer, "a stranger at the control socket was sent away"),
                },
                Err(error) => pause(&error).await,
            }
        }
    }

    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            slot = Arc::clone(&self.slots).acquire_owned() => slot.ok(),
            () = self.stop.cancelled() => None,
        }
    }

    async fn serve<S>(self: Arc<Self>, stream: S, peer: Option<SocketAddr>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let front = Arc::clone(&self);
        let service = service_fn(move |request| {
            let front = Arc::clone(&front);
            async move { Ok::<_, Infallible>(front.see_through(request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }

    /// Answers a request to its end even when its sender goes away, so that it is counted and
    /// logged; but a poll, which only waits, ends with its connection.
    async fn see_through(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Option<SocketAddr>,
    ) -> Response<Body> {
        if is_live(request.uri().path()) {
            return self.handle(request, peer).await;
        }
        let front = Arc::clone(&self);
        let answer = self
            .connections
            .spawn(async move { front.handle(request, peer).await });
        answer.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request panicked");
            self.rooms.refuse(Refusal::Broken)
        })
    }

    async fn handle(&self, request: Request<Incoming>, peer: Option<SocketAddr>) -> Response<Body> {
        let began = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let client =
            peer.map(|peer| client_of(peer.ip(), request.headers(), &self.rules.is_trusted_proxy));
        let origin = request.headers().get(header::ORIGIN).cloned();
        let allowed =
            self.rules.for_everybody.contains(&path.as_str()) || self.allowed(origin.as_ref());
        let mut response = if !allowed {
            self.rooms.refuse(Refusal::Origin)
        } else if is_preflight(&request) {
            preflight()
        } else if self.stop.is_cancelled() {
            self.rooms.refuse(Refusal::Stopping)
        } else {
            self.answer(request, client).await
        };
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin.filter(|_| allowed) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("Retry-After"),
            );
        }
        line::log(&method, &path, client, &response, began.elapsed());
        response
    }

    async fn answer(&self, request: Request<Incoming>, client: Option<IpAddr>) -> Response<Body> {
        if is_live(request.uri().path()) {
            if is_declared_over(request.headers(), LIVE_BODY_BYTES_MAX) {
                return self.rooms.refuse(Refusal::TooLarge(LIVE_BODY_BYTES_MAX));
            }
            let has_body = request.method() == Method::POST;
            let answered = self.rooms.live(slim(request), client);
            // A poll waits for news as long as it likes; a body has to come.
            if !has_body {
                return answered.await;
            }
            return match tokio::time::timeout(BODY_TIME_MAX, answered).await {
                Ok(response) => response,
                Err(_) => self.rooms.refuse(Refusal::TooSlow),
            };
        }
        let (head, body) = request.into_parts();
        let is_small = body.is_end_stream() || is_declared_within(&head.headers, BODY_BYTES_FREE);
        let max = if is_small {
            BODY_BYTES_FREE
        } else {
            self.rooms.body_bytes_max(&head.headers, client).await
        };
        match tokio::time::timeout(BODY_TIME_MAX, read(&head.headers, body, max)).await {
            Ok(Ok(body)) => {
                self.rooms
                    .http(Request::from_parts(head, body), client)
                    .await
            }
            Ok(Err(refusal)) => self.rooms.refuse(refusal),
            Err(_) => self.rooms.refuse(Refusal::TooSlow),
        }
    }

    fn allowed(&self, origin: Option<&HeaderValue>) -> bool {
        match (&self.rules.origins, origin) {
            (None, _) | (_, None) => true,
            (Some(allowed), Some(origin)) => allowed
                .iter()
                .any(|one| one.as_bytes() == origin.as_bytes()),
        }
    }

    /// No new connection, and no new request on an old one. What is being answered goes on.
    pub fn stop(&self) {
        self.stop.cancel();
        self.connections.close();
    }

    /// Resolves when, after [`Front::stop`], the last connection has ended.
    pub async fn drained(&self) {
        self.connections.wait().await;
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection; is the limit on open files too low?");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

fn is_live(path: &str) -> bool {
    path == "/socket.io" || path.starts_with("/socket.io/")
}

/// Reads a body, up to the limit. A declared length over it is refused before a byte is read.
async fn read(headers: &HeaderMap, body: Incoming, max: usize) -> Result<Bytes, Refusal> {
    if is_declared_over(headers, max) {
        return Err(Refusal::TooLarge(max));
    }
    match Limited::new(body, max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge(max)),
        Err(_) => Err(Refusal::Malformed),
    }
}

fn is_declared_over(headers: &HeaderMap, max: usize) -> bool {
    declared(headers).is_some_and(|length| length > max as u64)
}

fn is_declared_within(headers: &HeaderMap, max: usize) -> bool {
    declared(headers).is_some_and(|length| length <= max as u64)
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn is_preflight(request: &Request<Incoming>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight() -> Response<Body> {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PUT, DELETE"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, Idempotency-Key"),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static(PREFLIGHT_AGE),
    );
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::default().map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}
