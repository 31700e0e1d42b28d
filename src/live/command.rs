//! The few things a socket may send.

use std::future::{Ready, ready};

use socketioxide::extract::{SocketRef, TryData};

/// `message` with a string: the demo's answer to it. Anything else was never part of the demo and
/// is not answered. All is done before the future is made, because the dependency runs each in a
/// task of its own, and answers must leave in the order they were asked for.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a handler takes its socket so"
)]
pub fn message(socket: SocketRef, TryData(text): TryData<String>) -> Ready<()> {
    if let Ok(text) = text
        && let Err(error) = socket.emit("message", &format!("你好客户端, {text}"))
    {
        tracing::debug!(%error, "a socket could not be answered");
    }
    ready(())
}
