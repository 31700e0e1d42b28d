//! A small Socket.IO client on a raw WebSocket, for what the official ones (tests/clients) hide.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::{Host, SOON};

/// A connected socket of protocol 4 (clients v3 and v4), or 3 (v2).
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What a socket hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Event(String, Value),
    /// `connect_error`, or `error` for v2 clients.
    Refused(Value),
    /// The server disconnected it.
    Disconnected,
    /// The connection is gone.
    Closed,
}

impl Socket {
    /// A v4 client with `auth.token`, that was let in and heard `hello`.
    pub async fn open(host: &impl Host, token: &str) -> Self {
        let mut socket = Self::connect(host, json!({ "token": token })).await;
        assert_eq!(socket.next().await, message("hello"));
        socket
    }

    /// A v4 client that has sent this as `auth`; whether it is let in is the next thing it hears.
    pub async fn connect(host: &impl Host, auth: Value) -> Self {
        let mut socket = Self::handshake(host, "EIO=4&transport=websocket").await;
        socket.send(format!("40{auth}")).await;
        socket
    }

    /// A v2 client with this in its query; it is not asked for anything else.
    pub async fn connect_v2(host: &impl Host, query: &str) -> Self {
        Self::handshake(host, &format!("EIO=3&transport=websocket&{query}")).await
    }

    async fn handshake(host: &impl Host, query: &str) -> Self {
        let url = format!("ws://{}/socket.io/?{query}", host.address());
        let (stream, _) = connect_async(url).await.expect("a WebSocket");
        Self { stream }
    }

    pub async fn send(&mut self, packet: String) {
        self.stream
            .send(Message::text(packet))
            .await
            .expect("an open socket");
    }

    /// Whether it could be sent: not once the server has closed the connection. What waits to be
    /// read is left alone.
    pub async fn try_send(&mut self, packet: String) -> bool {
        let sent = tokio::time::timeout(SOON, self.stream.send(Message::text(packet))).await;
        matches!(sent, Ok(Ok(())))
    }

    pub async fn emit(&mut self, event: &str, data: Value) {
        self.send(format!("42{}", json!([event, data]))).await;
    }

    /// The next thing of interest; the protocol's own packets are answered and passed over.
    pub async fn next(&mut self) -> Heard {
        tokio::time::timeout(SOON, self.hear())
            .await
            .expect("something to hear")
    }

    /// What is heard within `time`, if anything.
    pub async fn within(&mut self, time: Duration) -> Option<Heard> {
        tokio::time::timeout(time, self.hear()).await.ok()
    }

    async fn hear(&mut self) -> Heard {
        loop {
            let packet = match self.stream.next().await {
                Some(Ok(Message::Text(packet))) => packet.to_string(),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Heard::Closed,
                Some(Ok(_)) => continue,
            };
            match packet.split_at(packet.len().min(2)) {
                ("42", event) => {
                    let event: Vec<Value> = serde_json::from_str(event).expect("an event");
                    let name = event[0].as_str().expect("its name").to_owned();
                    return Heard::Event(name, event.get(1).cloned().unwrap_or_default());
                }
                ("44", error) => {
                    return Heard::Refused(serde_json::from_str(error).expect("an error"));
                }
                ("41", _) => return Heard::Disconnected,
                ("2", _) => self.send("3".to_owned()).await,
                // Open, connected, pong.
                _ => {}
            }
        }
    }
}

/// The event `message` with this.
pub fn message(data: impl Into<Value>) -> Heard {
    Heard::Event("message".to_owned(), data.into())
}

/// The event `session.ended` for this reason.
pub fn ended(reason: &str) -> Heard {
    Heard::Event("session.ended".to_owned(), json!({ "reason": reason }))
}
