//! Bus to sockets: the only emit of what happens to members.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use socketioxide::extract::SocketRef;
use socketioxide::operators::BroadcastOperators;

use super::ear::Ear;
use super::here::Here;
use super::place::Place;
use crate::domain::event::{EndReason, Event};

/// How often a full socket that must go is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// Emits what happened to one member, in order, to whom it concerns, and to nobody else. Says how
/// often a socket was told something.
pub fn tell(sockets: &BroadcastOperators, here: &Here, events: &[&Event]) -> u64 {
    let mut told = 0;
    let Some(first) = events.first() else {
        return told;
    };
    // All of them to one socket before the next: what waits for it when its turn comes is one write.
    for (socket, ear) in here.of(sockets, first.member()) {
        for event in events {
            match event {
                _ if ear.has_left() => break,
                // Nothing it is told.
                Event::SessionsEnded { sessions, .. } if !ear.is_of(sessions) => continue,
                Event::Counted { age, .. } => emit(socket.clone(), "message", age),
                Event::Changed { .. } | Event::Transient { .. } => ear.hear(&socket, event),
                Event::SessionsEnded { reason, .. } | Event::SignedOut { reason, .. } => {
                    ended(socket.clone(), *reason);
                }
            }
            told += 1;
        }
    }
    told
}

/// Why a socket is closed although its session goes on.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The member has as many as it may; a newer one took this one's place.
    Crowded,
    /// It sent more than it may.
    TooMany,
}

/// Tells a socket why it is closed, and closes it. A client that knows the event does not come back
/// by itself, to crowd out the next.
pub fn send_away(socket: SocketRef, why: Why) {
    leave(&socket);
    let told = socket.emit("socket.closed", &json!({ "reason": why }));
    if let Err(error) = told {
        tracing::debug!(%error, "a socket did not hear why it was closed");
    }
    close(socket);
}

/// Tells a socket that its session is over, and closes it.
pub fn ended(socket: SocketRef, reason: EndReason) {
    leave(&socket);
    let told = socket.emit("session.ended", &json!({ "reason": reason }));
    if let Err(error) = told {
        tracing::debug!(%error, "a socket did not hear that its session ended");
    }
    close(socket);
}

/// It hears nothing more of its member.
fn leave(socket: &SocketRef) {
    if let Some(ear) = socket.extensions.get::<Arc<Ear>>() {
        ear.leave();
    }
}

pub fn emit(socket: SocketRef, event: &str, data: &impl Serialize) {
    let sent = socket.emit(event, data);
    heard(socket, sent.map_err(|error| error.to_string()));
}

/// What follows from how sending went.
pub fn heard(socket: SocketRef, sent: Result<(), String>) {
    match sent {
        Err(error) if socket.connected() => {
            tracing::debug!(error, "a packet found no place");
            overflowed(socket);
        }
        // It has gone; whoever it was will read anew.
        Ok(()) | Err(_) => {}
    }
}

/// A socket whose buffer is full has a hole now: it hears nothing more and must connect anew.
pub fn overflowed(socket: SocketRef) {
    tracing::info!(id = %socket.id, "a socket that does not keep up is closed");
    if let Some(place) = socket.req_parts().extensions.get::<Arc<Place>>() {
        place.overflowed();
    }
    leave(&socket);
    close(socket);
}

/// A token as it is, without the word that says what it is.
pub fn bare(raw: &str) -> &str {
    match raw.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        None if raw.trim().eq_ignore_ascii_case("bearer") => "",
        _ => raw.trim(),
    }
}

/// Closes a socket now, or as soon as its buffer has room for the packet that says so. One that
/// never reads on is cut by the front's write stall, or by its missing heartbeat.
pub fn close(socket: SocketRef) {
    if socket.clone().disconnect().is_ok() {
        return;
    }
    tokio::spawn(async move {
        while socket.connected() && socket.clone().disconnect().is_err() {
            tokio::time::sleep(RETRY_EVERY).await;
        }
    });
}
