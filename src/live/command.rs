//! The few things a socket may send.

use socketioxide::extract::{SocketRef, TryData};

/// `message` with a string: the demo's answer to it. Anything else was never part of the demo and
/// is not answered.
pub async fn message(socket: SocketRef, TryData(text): TryData<String>) {
    let Ok(text) = text else { return };
    if let Err(error) = socket.emit("message", &format!("你好客户端, {text}")) {
        tracing::debug!(%error, "a socket could not be answered");
    }
}
