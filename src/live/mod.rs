//! Socket.IO: events out, few commands in. Connects, rooms, and the sockets' end.

mod command;
mod door;
mod ear;
mod here;
mod place;
mod push;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use socketioxide::extract::{HttpExtension, MaybeExtension, SocketRef, State, TryData};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::operators::BroadcastOperators;
use socketioxide::socket::DisconnectReason;
use socketioxide::{ParserConfig, SocketIo};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::domain::engine::Presence;
use crate::domain::error::Error;
use crate::domain::event::{EndReason, Event};
use crate::domain::id::MemberId;
use crate::domain::inbox::{self, Cursor};
use crate::domain::{App, Client, token};
use ear::Ear;
use here::Here;
use place::{Place, Who};
use push::{Why, bare, ended};

pub use door::Door;

/// Packets that wait for a socket. Memory is taken as needed; a socket that overflows is closed.
const PACKETS_MAX: usize = 2048;
/// Bytes of one message from a client: a token of 4 KiB and then some.
const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Bytes of one answer to a poll. More than can wait for one: the dependency forgets the packet
/// that did not fit when the client upgrades. What clients post is bounded by the front.
const POLL_BYTES_MAX: u64 = 64 << 20;
/// Bytes read at a time: members hardly send anything, and there is one such buffer a socket.
const READ_BUFFER_BYTES: usize = 512;
/// How long a client may take from its handshake to its first packet.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How often expired tokens are looked for: their sockets end within a second.
const EXPIRY_EVERY: Duration = Duration::from_millis(500);

/// Batches of events that are told together. What a socket hears of them is one write.
const BATCHES_AT_ONCE: usize = 64;

/// What a connect costs of what a socket may send: it is answered like `inbox.sync`.
const CONNECT_COST: u32 = 25;

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub sessions_max: usize,
    pub strangers_per_address_max: usize,
    pub sockets_per_member_max: usize,
}

/// The room. Clones are the same.
#[derive(Clone)]
pub struct Live {
    io: SocketIo,
    rope: Rope,
    /// Held here alone: the bus only looks at it.
    _present: Arc<Present>,
}

/// What every handler needs.
#[derive(Clone)]
struct Rope {
    app: Arc<App>,
    here: Arc<Here>,
    sockets_per_member_max: usize,
}

/// For whoever asks who is there.
struct Present(SocketIo, Arc<Here>);

impl Presence for Present {
    fn sockets(&self, member: &MemberId) -> usize {
        // None when everything is being closed.
        let all = self.0.of("/");
        all.map_or(0, |all| self.1.of(&all, member).len())
    }
}

impl Live {
    #[must_use]
    pub fn new(app: Arc<App>, limits: Limits) -> (Door, Self) {
        let rope = Rope {
            app,
            here: Arc::default(),
            sockets_per_member_max: limits.sockets_per_member_max,
        };
        let (service, io) = SocketIo::builder()
            .with_state(rope.clone())
            .with_parser(ParserConfig::common().max_incoming_binaries(0))
            .max_buffer_size(PACKETS_MAX)
            .max_payload(POLL_BYTES_MAX)
            .ws_max_message_size(MESSAGE_BYTES_MAX)
            .ws_max_frame_size(MESSAGE_BYTES_MAX)
            .ws_read_buffer_size(READ_BUFFER_BYTES)
            .connect_timeout(CONNECT_TIME_MAX)
            .build_svc();
        io.ns("/", connect.with(admit));
        let present = Arc::new(Present(io.clone(), Arc::clone(&rope.here)));
        let presence: Arc<dyn Presence> = Arc::<Present>::clone(&present);
        rope.app.bus.attend(Arc::downgrade(&presence));
        let door = Door::new(Arc::clone(&rope.app), service, limits);
        let live = Self {
            io,
            rope,
            _present: present,
        };
        (door, live)
    }

    /// Tells the sockets what happens, in order, until the bus ends.
    pub async fn push(self, mut events: mpsc::Receiver<Arc<[Event]>>) {
        let mut batches = Vec::new();
        while events.recv_many(&mut batches, BATCHES_AT_ONCE).await > 0 {
            let mut all: Vec<&Event> = batches.iter().flat_map(|batch| batch.iter()).collect();
            // A stable sort: one member's stay in order, and among members there is none.
            all.sort_by_key(|event| event.member());
            // None when everything is being closed.
            let Some(sockets) = self.io.of("/") else {
                return;
            };
            for one in all.chunk_by(|one, next| one.member() == next.member()) {
                push::tell(&sockets, &self.rope.here, one);
                // A large batch does not keep the processor from everybody else.
                tokio::task::consume_budget().await;
            }
            batches.clear();
        }
    }

    /// Ends sockets as their tokens expire. Asks each of them, so that nothing has to be kept in
    /// step with who comes and goes. Runs until it is dropped.
    pub async fn expire(self) {
        let mut tick = tokio::time::interval(EXPIRY_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let now = self.rope.app.clock.now();
            let all = self.io.of("/").map(BroadcastOperators::sockets);
            for socket in all.unwrap_or_default() {
                let ear = socket.extensions.get::<Arc<Ear>>();
                if ear.is_some_and(|ear| ear.expires_at() <= now) {
                    ended(socket, EndReason::Expired);
                }
            }
        }
    }

    /// How many members are here, and how many sockets they have.
    pub fn present(&self) -> (usize, usize) {
        self.rope.here.count()
    }

    /// Closes every socket. A reader that has stopped holds this up until its write stalls out.
    pub async fn close(&self) {
        let all = self.io.of("/").map(BroadcastOperators::sockets);
        self.io.close().await;
        // A room that was closed remembers its sockets, and they the App, until each is let go.
        for socket in all.unwrap_or_default() {
            let _ = socket.disconnect();
        }
    }
}

/// What a v3 or v4 client may send along when it connects; v2 clients have it in the query.
#[derive(Default, Deserialize)]
struct Auth {
    token: Option<Value>,
    epoch: Option<Value>,
    since: Option<Value>,
}

/// Why a socket is not let in. Clients get this one line, and nothing else can be sent with it.
#[derive(Debug)]
struct Refusal(Error);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            error @ (Error::TokenInvalid(_) | Error::TokenExpired | Error::TokenRevoked) => {
                write!(f, "unauthorized: {}", error.code())
            }
            error => f.write_str(error.code()),
        }
    }
}

/// Before the socket is let in. Handlers are set here, because a client may speak as soon as it
/// hears that it is connected.
async fn admit(
    socket: SocketRef,
    State(rope): State<Rope>,
    HttpExtension(client): HttpExtension<Client>,
    HttpExtension(place): HttpExtension<Arc<Place>>,
    TryData(auth): TryData<Auth>,
) -> Result<(), Refusal> {
    if let Err(error) = place.spend(CONNECT_COST, rope.app.clock.now()) {
        place.cut();
        return Err(Refusal(error));
    }
    socket.on("message", command::message);
    socket.on("inbox.sync", command::sync);
    socket.on("session.refresh", command::refresh);
    socket.on_fallback(command::unknown);
    socket.on_disconnect(disconnect);
    let auth = auth.unwrap_or_default();
    let query = socket.req_parts().uri.query().unwrap_or_default();
    let said = |key, value: &Option<Value>| said(query, key, value.as_ref());
    let Some(token) = token_of(query, auth.token.as_ref()) else {
        return place.settle(Who::Anonymous).map_err(Refusal);
    };
    match token::verify_for_socket(&rope.app, &token).await {
        Ok(member) => {
            place.settle(Who::Member).map_err(Refusal)?;
            let since = said("since", &auth.since).and_then(|since| since.parse().ok());
            let cursor = said("epoch", &auth.epoch)
                .zip(since)
                .map(|(epoch, since)| Cursor { epoch, since });
            let ear = Ear::new(&rope.here, socket.id, member, cursor, rope.app.clock.now());
            socket.extensions.insert(Arc::new(ear));
            Ok(())
        }
        Err(error) => {
            tracing::info!(code = error.code(), ?client, "a socket was refused");
            Err(Refusal(error))
        }
    }
}

/// Once it is in: `hello` before anything else, then what happens to its member, then `ready`. The
/// dependency runs the future in a task of its own, some time later; what must come first is done
/// before it is made.
fn connect(
    socket: SocketRef,
    State(rope): State<Rope>,
    MaybeExtension(ear): MaybeExtension<Arc<Ear>>,
) -> impl Future<Output = ()> + Send {
    if let Err(error) = socket.emit("message", "hello") {
        tracing::debug!(%error, "a socket left at once");
    }
    if let Some(ear) = &ear {
        ear.join();
        crowd_out(&socket.broadcast(), &rope, &ear.member().id);
    }
    async move {
        let Some(ear) = ear else { return };
        let _turn = ear.turn().await;
        let member = ear.member();
        // The token may have ended between the check and the join; nobody told this socket then.
        let ready = async {
            if token::still_good(&rope.app, &member).await? {
                inbox::ready(&rope.app, &member, ear.cursor()).await
            } else {
                Err(Error::TokenRevoked)
            }
        };
        match ready.await {
            Ok(ready) => ear.answer(&socket, &ready, |ready| {
                push::emit(socket.clone(), "ready", ready);
            }),
            Err(Error::TokenRevoked) => ended(socket.clone(), EndReason::Revoked),
            Err(error) => {
                tracing::warn!(code = error.code(), "a socket's inbox could not be read");
                ear.leave();
                push::close(socket.clone());
            }
        }
    }
}

/// Closes the oldest of a member's sockets when there are too many: whoever opens one more tab
/// expects that one to work.
fn crowd_out(sockets: &BroadcastOperators, rope: &Rope, member: &MemberId) {
    let mut all = rope.here.of(sockets, member);
    let excess = all.len().saturating_sub(rope.sockets_per_member_max);
    all.sort_by_key(|(_, ear)| ear.opened_at);
    for (oldest, _) in all.into_iter().take(excess) {
        push::send_away(oldest, Why::Crowded);
    }
}

/// A session without a socket in it is nobody's, and would stay for as long as it answers pings.
async fn disconnect(reason: DisconnectReason, HttpExtension(place): HttpExtension<Arc<Place>>) {
    match reason {
        DisconnectReason::ClientNSDisconnect => place.cut(),
        DisconnectReason::ServerNSDisconnect => place.cut_later(),
        _ => {}
    }
}

/// The token a client sends, if it sends one.
fn token_of(query: &str, auth: Option<&Value>) -> Option<String> {
    let raw = said(query, "token", auth)?;
    let token = bare(&raw);
    // What the demo's page sends before anybody logged in: a JavaScript value, spelled out.
    let is_none = matches!(token, "" | "null" | "undefined");
    (!is_none).then(|| token.to_owned())
}

/// What a client says in its `auth`, else in its query.
fn said(query: &str, key: &str, auth: Option<&Value>) -> Option<String> {
    match auth {
        Some(Value::String(text)) => Some(text.clone()),
        None | Some(Value::Null) => {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            Some(pairs.find(|(found, _)| found == key)?.1.into_owned())
        }
        // A number, or what is none of what is asked for and is refused as that.
        Some(other) => Some(other.to_string()),
    }
}
