//! The few things a socket may send.

use std::future::{Ready, ready};

use socketioxide::extract::{SocketRef, TryData};

use super::push::emit;

/// `message` with a string: the demo's answer to it. Anything else was never part of the demo and
/// is not answered. All is done before the future is made, because the dependency runs each in a
/// task of its own, and answers must leave in the order they were asked for.
pub fn message(socket: SocketRef, TryData(text): TryData<String>) -> Ready<()> {
    if let Ok(text) = text {
        // A client that asks and does not read is closed like any other that does not keep up.
        emit(socket, "message", &format!("你好客户端, {text}"));
    }
    ready(())
}
