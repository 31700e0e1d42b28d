//! The few things a socket may send.

use std::future::{Ready, ready};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use socketioxide::extract::{AckSender, MaybeExtension, SocketRef, State, TryData};

use super::Rope;
use super::ear::Ear;
use super::place::Place;
use super::push::{self, Why, emit, ended};
use crate::domain::error::{Error, Result};
use crate::domain::event::EndReason;
use crate::domain::inbox::{self, Cursor};
use crate::domain::{clock, token};

/// What the events take, in a sentence's words.
const SINCE: &str = r#"`{"epoch": "...", "since": 0}`, as `ready` had them,"#;
const REFRESH: &str = r#"`{"token": "..."}`"#;

/// `message` with a string: the demo's answer to it. Anything else was never part of the demo and
/// is not answered. All is done before the future is made, because the dependency runs each in a
/// task of its own, and answers must leave in the order they were asked for.
pub fn message(
    socket: SocketRef,
    State(rope): State<Rope>,
    TryData(text): TryData<String>,
) -> Ready<()> {
    if may(socket.clone(), &rope)
        && let Ok(text) = text
    {
        // A client that asks and does not read is closed like any other that does not keep up.
        emit(socket, "message", &format!("你好客户端, {text}"));
    }
    ready(())
}

/// Any other event is not answered.
pub fn unknown(socket: SocketRef, State(rope): State<Rope>) -> Ready<()> {
    may(socket, &rope);
    ready(())
}

/// Whether one more event is in what the socket may send. One that floods is closed.
fn may(socket: SocketRef, rope: &Rope) -> bool {
    let place = socket.req_parts().extensions.get::<Arc<Place>>();
    let now = rope.app.clock.now();
    let may = place.is_none_or(|place| place.spend(1, now).is_ok());
    // What it sent before it was closed may still arrive.
    if !may && socket.connected() {
        tracing::info!(id = %socket.id, "a socket that sends too much is closed");
        push::send_away(socket, Why::TooMany);
    }
    may
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    epoch: String,
    since: u64,
}

/// `inbox.sync`: what happened since, acknowledged like `ready`.
pub async fn sync(
    socket: SocketRef,
    State(rope): State<Rope>,
    MaybeExtension(ear): MaybeExtension<Arc<Ear>>,
    TryData(since): TryData<Since>,
    ack: AckSender,
) {
    if !may(socket.clone(), &rope) {
        return;
    }
    let known = ear.ok_or(Error::TokenMissing);
    let asked = known.and_then(|ear| {
        ear.allow(rope.app.clock.now())?;
        Ok((ear, since.map_err(|_| malformed(SINCE))?))
    });
    let (ear, since) = match asked {
        Ok(asked) => asked,
        Err(error) => return refuse(&rope, socket, ack, &error),
    };
    // One answer at a time, so that they leave in the order of what they know.
    let _turn = ear.turn().await;
    ear.ask();
    let cursor = Cursor {
        epoch: since.epoch,
        since: since.since,
    };
    match inbox::ready(&rope.app, &ear.member(), Some(&cursor)).await {
        Ok(ready) => ear.answer(&socket, &ready, |ready| answer(socket.clone(), ack, ready)),
        Err(error) => {
            refuse(&rope, socket.clone(), ack, &error);
            ear.give_up(&socket);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    token: String,
}

/// `session.refresh`: a token that lasts longer, for a socket that stays.
pub async fn refresh(
    socket: SocketRef,
    State(rope): State<Rope>,
    MaybeExtension(ear): MaybeExtension<Arc<Ear>>,
    TryData(refresh): TryData<Refresh>,
    ack: AckSender,
) {
    if !may(socket.clone(), &rope) {
        return;
    }
    let known = ear.ok_or(Error::TokenMissing);
    let asked = known.and_then(|ear| Ok((ear, refresh.map_err(|_| malformed(REFRESH))?)));
    let refreshed = match asked {
        Ok((ear, Refresh { token })) => take(&socket, &rope, &ear, &token).await,
        Err(error) => Err(error),
    };
    match refreshed {
        Ok(expires_at) => answer(socket, ack, &json!({ "expires_at": expires_at })),
        Err(error) => refuse(&rope, socket, ack, &error),
    }
}

async fn take(socket: &SocketRef, rope: &Rope, ear: &Ear, token: &str) -> Result<String> {
    let _turn = ear.turn().await;
    let old = ear.member();
    let fresh = token::refresh(&rope.app, &old, push::bare(token)).await?;
    let expires_at = clock::shown(fresh.expires_at);
    ear.refreshed(fresh.clone());
    // It may have ended between the check and now; nobody told this socket then.
    if !token::still_good(&rope.app, &fresh).await? {
        ended(socket.clone(), EndReason::Revoked);
        return Err(Error::TokenRevoked);
    }
    Ok(expires_at)
}

/// Says what is wanted and never what came: that may be a token in a wrong place.
fn malformed(wanted: &str) -> Error {
    Error::Malformed(format!("The event takes {wanted} and nothing else."))
}

fn answer(socket: SocketRef, ack: AckSender, data: &impl Serialize) {
    push::heard(socket, ack.send(data).map_err(|error| error.to_string()));
}

fn refuse(rope: &Rope, socket: SocketRef, ack: AckSender, error: &Error) {
    rope.app.metrics.refused(error.code());
    let refusal = json!({ "error": { "code": error.code(), "detail": error.to_string() } });
    answer(socket, ack, &refusal);
}
