//! One port: accept, limits, origins, proxies, write stalls, one line of log a request, drain.
//!
//! It is our own loop because nothing ready-made holds up: the framework's server sets no timer on
//! half-sent requests, spins when descriptors run out, and mounting Socket.IO inside it takes the
//! connection's upgrade away, which breaks every WebSocket without an error.

mod beat;
mod body;
mod counted;
mod forwarded;
mod harden;
mod line;
mod origin;
mod pace;
mod slim;
mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use http_body_util::Limited;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use beat::Beat;
use body::{BODIES_BYTES_MAX, BODY_BYTES_FREE, is_declared_over, is_declared_within, read};
use counted::Counted;
use forwarded::client_of;
use harden::harden;
use line::Lines;
use origin::{is_allowed, is_preflight, preflight, share};
use slim::slim;

pub use counted::Tether;
pub use tls::Tls;

/// How long a request's head may take, and how long a connection may idle before one.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a request's body may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of a request's head: a token of 4 KiB, and whatever browsers and proxies add.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// Bytes of what a long-polling client posts at once; as much as a WebSocket's message may have.
const LIVE_BODY_BYTES_MAX: usize = 16 << 10;
/// How long a write may make no progress. A reader that stopped reading is cut, not waited for;
/// Socket.IO's own writer would wait for ever.
const WRITE_STALL_MAX: Duration = Duration::from_secs(10);
/// A pause after a failed accept: descriptors are used up, and asking again at once helps nobody.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
pub type Body = BoxBody<Bytes, io::Error>;

/// What lies behind the front. The wiring provides it, so that the front knows none of the rooms.
pub trait Rooms: Send + Sync + 'static {
    /// Bytes of a body that may follow this head, if they are more than anybody may send.
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

    /// A request for `/socket.io`, still attached to its connection for an upgrade, and what can
    /// end that connection.
    fn live(
        &self,
        request: Request<Limited<Incoming>>,
        client: Option<IpAddr>,
        tether: Tether,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// The words for a refusal by the front itself.
    fn refuse(&self, refusal: Refusal) -> Response<Body>;

    /// Every answer passes here on its way out, to be counted.
    fn answered(&self, response: &Response<Body>);
}

/// What the front itself refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Origin,
    /// Over so many bytes.
    TooLarge(usize),
    TooSlow,
    /// Too much is being read from others.
    Busy,
    /// The body broke off.
    Malformed,
    /// No `Host`, or more than one.
    Host,
    Stopping,
    /// Our fault.
    Broken,
}

/// The words that tell how a request went, for the log. A room may put it on a response.
pub type Outcome = &'static str;

/// Who asked, once their token was good, for the log. A room may put it on a response.
pub type Who = Arc<str>;

/// Who may come in, and how many.
pub struct Rules {
    /// `None`: any origin.
    pub origins: Option<Vec<String>>,
    /// Addresses whose files any page may load all the same.
    pub for_everybody: &'static [&'static str],
    /// Members reach it by HTTPS, so their browsers are told never to try without.
    pub is_https: bool,
    pub is_trusted_proxy: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    pub connections_max: usize,
    /// `None`: what comes is not encrypted, because a proxy in front does that.
    pub tls: Option<Arc<Tls>>,
    /// How many connections were cut because they took nothing for too long.
    pub stalled: Arc<AtomicU64>,
}

/// The front, shared by its listeners.
pub struct Front<R> {
    rooms: R,
    rules: Rules,
    slots: Arc<Semaphore>,
    /// A permit a KiB of [`BODIES_BYTES_MAX`].
    bodies: Semaphore,
    lines: Lines,
    /// Of the loop that accepts.
    beat: Beat,
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
            bodies: Semaphore::new(BODIES_BYTES_MAX >> 10),
            lines: Lines::default(),
            beat: Beat::default(),
            stop,
            connections,
        })
    }

    /// Serves members until [`Front::stop`].
    pub async fn listen(self: Arc<Self>, listener: TcpListener) {
        while let Some(slot) = self.beat.during(self.slot()).await {
            let accepted = tokio::select! {
                accepted = self.beat.during(listener.accept()) => accepted,
                () = self.stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Without it a push waits for the last one's acknowledgement, 40 ms at worst.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection was gone before it began");
                        continue;
                    }
                    let stream = self.counted(stream, Some(slot));
                    self.connections.spawn(Arc::clone(&self).meet(stream, peer));
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
                        let stream = self.counted(stream, None);
                        let tether = stream.tether();
                        self.connections
                            .spawn(Arc::clone(&self).serve(stream, tether, None));
                    }
                    peer => tracing::warn!(?peer, "a stranger at the control socket was sent away"),
                },
                Err(error) => pause(&error).await,
            }
        }
    }

    fn counted<S>(&self, stream: S, slot: Option<OwnedSemaphorePermit>) -> Counted<S> {
        let stalled = Arc::clone(&self.rules.stalled);
        Counted::new(stream, WRITE_STALL_MAX, stalled, slot)
    }

    /// How long ago the loop that accepts went round; a second at most while it is well.
    pub fn silent_for(&self) -> Duration {
        self.beat.silent_for()
    }

    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            slot = Arc::clone(&self.slots).acquire_owned() => slot.ok(),
            () = self.stop.cancelled() => None,
        }
    }

    /// Serves a connection, encrypted where there is a certificate.
    async fn meet(self: Arc<Self>, stream: Counted<TcpStream>, peer: SocketAddr) {
        let tether = stream.tether();
        let Some(tls) = self.rules.tls.clone() else {
            return self.serve(stream, tether, Some(peer)).await;
        };
        match tokio::time::timeout(HEAD_TIME_MAX, tls.accept(stream)).await {
            // Every other connection's task would be larger by it.
            Ok(Ok(stream)) => Box::pin(self.serve(stream, tether, Some(peer))).await,
            Ok(Err(error)) => tracing::debug!(%error, "a connection could not be encrypted"),
            Err(_) => tracing::debug!("a connection did not come to be encrypted"),
        }
    }

    async fn serve<S>(self: Arc<Self>, stream: S, tether: Tether, peer: Option<SocketAddr>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let front = Arc::clone(&self);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let front = Arc::clone(&front);
            if is_live(request.uri().path()) {
                request.extensions_mut().insert(tether.clone());
            }
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
            let response = self.rooms.refuse(Refusal::Broken);
            self.rooms.answered(&response);
            response
        })
    }

    async fn handle(&self, request: Request<Incoming>, peer: Option<SocketAddr>) -> Response<Body> {
        let began = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let client =
            peer.map(|peer| client_of(peer.ip(), request.headers(), &self.rules.is_trusted_proxy));
        let origin = request.headers().get(header::ORIGIN).cloned();
        let allowed = is_allowed(&self.rules, &path, origin.as_ref());
        let mut response = if !is_host_clear(&request) {
            self.rooms.refuse(Refusal::Host)
        } else if !allowed {
            self.rooms.refuse(Refusal::Origin)
        } else if is_preflight(&request) {
            preflight()
        } else if self.stop.is_cancelled() {
            self.rooms.refuse(Refusal::Stopping)
        } else {
            self.answer(request, client).await
        };
        let headers = response.headers_mut();
        harden(headers, &path, &self.rules);
        share(headers, origin.filter(|_| allowed));
        self.rooms.answered(&response);
        self.lines
            .log(&method, &path, client, &response, began.elapsed());
        response
    }

    async fn answer_live(
        &self,
        mut request: Request<Incoming>,
        client: Option<IpAddr>,
    ) -> Response<Body> {
        if is_declared_over(request.headers(), LIVE_BODY_BYTES_MAX) {
            return self.rooms.refuse(Refusal::TooLarge(LIVE_BODY_BYTES_MAX));
        }
        let has_body = request.method() == Method::POST;
        let tether = request.extensions_mut().remove::<Tether>();
        let tether = tether.unwrap_or_default();
        let answered = self.rooms.live(slim(request), client, tether.clone());
        // A poll waits for news as long as it likes; a body has to come.
        if has_body {
            return match tokio::time::timeout(BODY_TIME_MAX, answered).await {
                Ok(response) => response,
                Err(_) => self.rooms.refuse(Refusal::TooSlow),
            };
        }
        let response = answered.await;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            tether.upgraded();
        }
        response
    }

    async fn answer(&self, request: Request<Incoming>, client: Option<IpAddr>) -> Response<Body> {
        if is_live(request.uri().path()) {
            // Every request's task would be larger by it.
            return Box::pin(self.answer_live(request, client)).await;
        }
        let (head, body) = request.into_parts();
        let is_small = body.is_end_stream() || is_declared_within(&head.headers, BODY_BYTES_FREE);
        let max = if is_small {
            BODY_BYTES_FREE
        } else {
            let max = self.rooms.body_bytes_max(&head.headers, client);
            max.await.max(BODY_BYTES_FREE)
        };
        if is_declared_over(&head.headers, max) {
            return self.rooms.refuse(Refusal::TooLarge(max));
        }
        match tokio::time::timeout(BODY_TIME_MAX, read(&self.bodies, body, max)).await {
            // Its part of what may be held is given back once it is answered.
            Ok(Ok((body, _held))) => {
                let request = Request::from_parts(head, body);
                self.rooms.http(request, client).await
            }
            Ok(Err(refusal)) => self.rooms.refuse(refusal),
            Err(_) => self.rooms.refuse(Refusal::TooSlow),
        }
    }

    /// How many connections members have open.
    pub fn connections(&self) -> usize {
        let taken = self.rules.connections_max - self.slots.available_permits();
        // The listener holds a slot for whoever comes next.
        taken.saturating_sub(1)
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

/// RFC 9112, 3.2: a request names one host, or a proxy in front of us may have understood another
/// than we do. Version 1.0 need not name any.
fn is_host_clear(request: &Request<Incoming>) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts == 1 || hosts == 0 && request.version() == Version::HTTP_10
}
