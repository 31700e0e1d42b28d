//! Socket.IO: events out, few commands in. Connects, rooms, and the sockets' end.

mod command;
mod door;
mod ear;
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
use crate::domain::{App, Client, Member, Proof, token};
use ear::Ear;
use place::{Place, Who};
use push::{Why, bare, ended, member_room, session_room};

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
    _here: Arc<Here>,
}

/// What every handler needs.
#[derive(Clone)]
struct Rope {
    app: Arc<App>,
    sockets_per_member_max: usize,
}

/// This process's sockets, for whoever asks who is there.
struct Here(SocketIo);

impl Presence for Here {
    fn sockets(&self, member: &MemberId) -> usize {
        push::sockets(&self.0, member_room(member)).len()
    }
}

impl Live {
    #[must_use]
    pub fn new(app: Arc<App>, limits: Limits) -> (Door, Self) {
        let rope = Rope {
            app,
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
        let here = Arc::new(Here(io.clone()));
        let presence: Arc<dyn Presence> = Arc::<Here>::clone(&here);
        rope.app.bus.attend(Arc::downgrade(&presence));
        let door = Door::new(Arc::clone(&rope.app), service, limits);
        let live = Self {
            io,
            rope,
            _here: here,
        };
        (door, live)
    }

    /// Tells the sockets what happens, in order, until the bus ends.
    pub async fn push(self, mut events: mpsc::Receiver<Arc<[Event]>>) {
        while let Some(batch) = events.recv().await {
            for event in batch.iter() {
                push::tell(&self.io, event);
                // A large batch does not keep the processor from everybody else.
                tokio::task::consume_budget().await;
            }
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

/// The rooms of a member's socket.
fn rooms(member: &Member) -> Vec<String> {
    let mut rooms = vec![member_room(&member.id)];
    if let Proof::Session { id, .. } = &member.proof {
        rooms.push(session_room(id));
    }
    rooms
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
            socket
                .extensions
                .insert(Arc::new(Ear::new(member, cursor, rope.app.clock.now())));
            Ok(())
        }
        Err(error) => {
            tracing::info!(code = error.code(), ?client, "a socket was refused");
            Err(Refusal(error))
        }
    }
}

/// Once it is in: `hello` before anything else, then the member's rooms, then `ready`. The
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
        let member = ear.member();
        socket.join(rooms(&member));
        crowd_out(&socket, &member, rope.sockets_per_member_max);
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
                socket.leave_all();
                push::close(socket.clone());
            }
        }
        // The socket may have gone before it joined; then nobody else empties its rooms.
        if !socket.connected() {
            socket.leave_all();
        }
    }
}

/// Closes the oldest of a member's sockets when there are too many: whoever opens one more tab
/// expects that one to work.
fn crowd_out(socket: &SocketRef, member: &Member, max: usize) {
    let mut all = socket.within(member_room(&member.id)).sockets();
    let Some(excess) = all.len().checked_sub(max).filter(|excess| *excess > 0) else {
        return;
    };
    all.sort_by_key(|socket| socket.extensions.get::<Arc<Ear>>().map(|ear| ear.opened_at));
    for oldest in all.into_iter().take(excess) {
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
