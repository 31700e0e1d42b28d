//! Socket.IO: events out, few commands in. Connects, rooms, and the sockets' end.

mod command;
mod push;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use socketioxide::extract::{HttpExtension, MaybeExtension, SocketRef, State, TryData};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::{ParserConfig, SocketIo};
use tokio::sync::mpsc;

use crate::domain::error::Error;
use crate::domain::event::{EndReason, Event};
use crate::domain::session::{self, SessionId};
use crate::domain::{Actor, App, Client, Member};
use push::{ended, member_room, session_room};

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
/// How often expired sessions are looked for: they end within a second.
const EXPIRY_EVERY: Duration = Duration::from_millis(250);

/// The room. Clones are the same.
#[derive(Clone)]
pub struct Live {
    io: SocketIo,
    rope: Rope,
}

/// What every handler needs.
#[derive(Clone)]
struct Rope {
    app: Arc<App>,
    /// When the sessions that have sockets expire. Bounded by the sessions there are.
    expiry: Arc<Mutex<BTreeSet<(Timestamp, SessionId)>>>,
}

/// The service that `/socket.io` goes to.
pub type Service = socketioxide::service::SocketIoService<engineioxide::service::NotFoundService>;

impl Live {
    #[must_use]
    pub fn new(app: Arc<App>) -> (Service, Self) {
        let rope = Rope {
            app,
            expiry: Arc::default(),
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
        (service, Self { io, rope })
    }

    /// Tells the sockets what happens, in order, until the bus ends.
    pub async fn push(self, mut events: mpsc::Receiver<Vec<Event>>) {
        while let Some(batch) = events.recv().await {
            for event in &batch {
                if let Event::SessionsEnded { sessions, .. } = event {
                    self.rope.forget(sessions);
                }
                push::tell(&self.io, event);
            }
        }
    }

    /// Ends sessions as they expire. Runs until it is dropped.
    pub async fn expire(self) {
        let mut tick = tokio::time::interval(EXPIRY_EVERY);
        loop {
            tick.tick().await;
            let sessions = self.rope.due();
            if !sessions.is_empty() {
                push::tell(
                    &self.io,
                    &Event::SessionsEnded {
                        sessions,
                        reason: EndReason::Expired,
                    },
                );
            }
        }
    }

    /// Closes every socket. A reader that has stopped holds this up until its write stalls out.
    pub async fn close(&self) {
        self.io.close().await;
    }
}

impl Rope {
    fn expires(&self, member: &Member) {
        let mut expiry = self.expiry.lock().unwrap_or_else(PoisonError::into_inner);
        expiry.insert((member.expires_at, member.session.clone()));
    }

    fn due(&self) -> Vec<SessionId> {
        let now = self.app.clock.now();
        let mut expiry = self.expiry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        while expiry.first().is_some_and(|(at, _)| *at <= now) {
            due.extend(expiry.pop_first().map(|(_, session)| session));
        }
        due
    }

    fn forget(&self, sessions: &[SessionId]) {
        let mut expiry = self.expiry.lock().unwrap_or_else(PoisonError::into_inner);
        expiry.retain(|(_, session)| !sessions.contains(session));
    }
}

/// What a v3 or v4 client may send along when it connects.
#[derive(Debug, Default, Deserialize)]
struct Auth {
    token: Option<Value>,
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
    TryData(auth): TryData<Auth>,
) -> Result<(), Refusal> {
    socket.on("message", command::message);
    let query = socket.req_parts().uri.query().unwrap_or_default();
    let Some(token) = token(auth.unwrap_or_default(), query) else {
        return Ok(());
    };
    match session::verify(&rope.app, &token).await {
        Ok(Actor::Member(member)) => {
            socket.extensions.insert(member);
            Ok(())
        }
        Ok(Actor::Operator) => Ok(()),
        Err(error) => {
            tracing::info!(code = error.code(), ?client, "a socket was refused");
            Err(Refusal(error))
        }
    }
}

/// Once it is in: `hello` before anything else, then the member's rooms. The dependency runs the
/// future in a task of its own, some time later; what must come first is done before it is made.
fn connect(
    socket: SocketRef,
    State(rope): State<Rope>,
    MaybeExtension(member): MaybeExtension<Member>,
) -> impl Future<Output = ()> + Send {
    if let Err(error) = socket.emit("message", "hello") {
        tracing::debug!(%error, "a socket left at once");
    }
    if let Some(member) = &member {
        socket.join([member_room(&member.id), session_room(&member.session)]);
        rope.expires(member);
    }
    async move {
        let Some(member) = member else { return };
        // The session may have ended between the check and the join; nobody told this socket then.
        match session::still_open(&rope.app, &member).await {
            Ok(true) => {}
            Ok(false) => ended(socket.clone(), EndReason::Revoked),
            Err(error) => {
                tracing::warn!(code = error.code(), "a socket's session could not be read");
                ended(socket.clone(), EndReason::Revoked);
            }
        }
        // The socket may have gone before it joined; then nobody else empties its rooms.
        if !socket.connected() {
            socket.leave_all();
        }
    }
}

/// The token of `auth.token`, else of the query; `None` for a socket that says nothing of itself.
fn token(auth: Auth, query: &str) -> Option<String> {
    let raw = match auth.token {
        Some(Value::String(token)) => token,
        None | Some(Value::Null) => {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == "token")?.1.into_owned()
        }
        // No token is written so; it is refused as one that is none.
        Some(other) => other.to_string(),
    };
    let token = match raw.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        None if raw.trim().eq_ignore_ascii_case("bearer") => "",
        _ => raw.as_str(),
    };
    // What the demo's page sends before anybody logged in: a JavaScript value, spelled out.
    let nobody = matches!(token.trim(), "" | "null" | "undefined");
    (!nobody).then(|| token.trim().to_owned())
}
