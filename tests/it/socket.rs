//! A small Socket.IO client on a raw WebSocket, for what the official ones (tests/clients) hide.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::{Host, SOON};

/// A connected socket of protocol 4 (clients v3 and v4), or 3 (v2).
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What `ready` said, for a member's socket that was opened.
    pub ready: Value,
    /// Acknowledgements that were asked for.
    asked: u64,
    /// What was heard while something else was waited for.
    heard: VecDeque<Heard>,
}

/// What a socket hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Event(String, Value),
    /// An acknowledgement, by its number.
    Answer(u64, Value),
    /// `connect_error`, or `error` for v2 clients.
    Refused(Value),
    /// The server disconnected it.
    Disconnected,
    /// The connection is gone.
    Closed,
}

impl Socket {
    /// A v4 client with `auth.token`, that was let in and heard `hello` and, with a token, `ready`.
    pub async fn open(host: &impl Host, token: &str) -> Self {
        if !token.is_empty() {
            return Self::open_with(host, json!({ "token": token })).await;
        }
        let mut socket = Self::connect(host, json!({})).await;
        assert_eq!(socket.next().await, message("hello"));
        socket
    }

    /// The same with anything else in `auth`, such as a cursor.
    pub async fn open_with(host: &impl Host, auth: Value) -> Self {
        let mut socket = Self::connect(host, auth).await;
        assert_eq!(socket.next().await, message("hello"));
        socket.read_ready().await;
        socket
    }

    /// Waits for `ready`; what comes before it is heard after.
    pub async fn read_ready(&mut self) {
        let mut before = VecDeque::new();
        loop {
            match self.next().await {
                Heard::Event(name, ready) if name == "ready" => {
                    self.ready = ready;
                    break;
                }
                Heard::Event(name, data) if name == "message" => {
                    before.push_back(Heard::Event(name, data));
                }
                other => panic!("{other:?} before `ready`"),
            }
        }
        self.heard = before;
    }

    /// Sends an event and waits for its acknowledgement; what comes before it is heard after.
    pub async fn ask(&mut self, event: &str, data: Value) -> Value {
        let id = self.asked;
        self.asked += 1;
        self.send(format!("42{id}{}", json!([event, data]))).await;
        let mut before = std::mem::take(&mut self.heard);
        loop {
            match self.next().await {
                Heard::Answer(answered, answer) if answered == id => {
                    before.append(&mut self.heard);
                    self.heard = before;
                    return answer;
                }
                Heard::Closed | Heard::Disconnected => panic!("closed instead of an answer"),
                other => before.push_back(other),
            }
        }
    }

    /// A v4 client that has sent this as `auth`; whether it is let in is the next thing it hears.
    pub async fn connect(host: &impl Host, auth: Value) -> Self {
        let mut socket = Self::handshake(host, "EIO=4&transport=websocket").await;
        socket.send(format!("40{auth}")).await;
        socket
    }

    /// The same with more in its query.
    pub async fn connect_with(host: &impl Host, query: &str, auth: Value) -> Self {
        let query = format!("EIO=4&transport=websocket&{query}");
        let mut socket = Self::handshake(host, &query).await;
        socket.send(format!("40{auth}")).await;
        socket
    }

    /// A v2 client with this in its query; it is not asked for anything else.
    pub async fn connect_v2(host: &impl Host, query: &str) -> Self {
        Self::handshake(host, &format!("EIO=3&transport=websocket&{query}")).await
    }

    /// A v4 client that has not said yet whose it is.
    pub async fn knock(host: &impl Host) -> Self {
        Self::handshake(host, "EIO=4&transport=websocket").await
    }

    /// A connection to which a session that was polled for has moved.
    pub async fn upgrade(host: &impl Host, sid: &str) -> Self {
        let query = format!("EIO=4&transport=websocket&sid={sid}");
        let mut socket = Self::handshake(host, &query).await;
        socket.send("2probe".to_owned()).await;
        socket.send("5".to_owned()).await;
        // The session's first ping, which nobody has polled for.
        while let Some(Ok(packet)) = socket.stream.next().await {
            if packet == Message::text("2") {
                break;
            }
        }
        socket.send("3".to_owned()).await;
        socket
    }

    async fn handshake(host: &impl Host, query: &str) -> Self {
        let came = Self::try_handshake(host, query).await;
        came.expect("a WebSocket")
    }

    /// The same where the server may not be there, or may be about to go.
    pub async fn try_handshake(host: &impl Host, query: &str) -> Result<Self, Error> {
        let url = format!("ws://{}/socket.io/?{query}", host.address());
        let (stream, _) = connect_async(url).await?;
        Ok(Self {
            stream,
            ready: Value::Null,
            asked: 0,
            heard: VecDeque::new(),
        })
    }

    pub async fn send(&mut self, packet: String) {
        self.stream
            .send(Message::text(packet))
            .await
            .expect("an open socket");
    }

    /// Whether it could be sent: not once the server has closed the connection. What waits to be
    /// read is left alone.
    pub async fn try_send(&mut self, packet: impl Into<Message>) -> bool {
        let sent = tokio::time::timeout(SOON, self.stream.send(packet.into())).await;
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

    /// Hears what comes until it is this. One that is closed first never will.
    pub async fn hear_until(&mut self, last: Heard) {
        loop {
            match self.next().await {
                heard if heard == last => return,
                Heard::Closed => panic!("closed before {last:?}"),
                _ => {}
            }
        }
    }

    /// The data of the next thing it hears, which is this event.
    pub async fn event(&mut self, name: &str) -> Value {
        match self.next().await {
            Heard::Event(heard, data) if heard == name => data,
            other => panic!("{other:?} instead of `{name}`"),
        }
    }

    /// What is heard within `time`, if anything.
    pub async fn within(&mut self, time: Duration) -> Option<Heard> {
        tokio::time::timeout(time, self.hear()).await.ok()
    }

    async fn hear(&mut self) -> Heard {
        if let Some(heard) = self.heard.pop_front() {
            return heard;
        }
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
                ("43", answer) => {
                    let at = answer.find('[').expect("an answer");
                    let id = answer[..at].parse().expect("its number");
                    let answer: Vec<Value> =
                        serde_json::from_str(&answer[at..]).expect("an answer");
                    return Heard::Answer(id, answer.into_iter().next().unwrap_or_default());
                }
                ("44", error) => {
                    return Heard::Refused(serde_json::from_str(error).expect("an error"));
                }
                ("41", _) => return Heard::Disconnected,
                // One that cannot be answered will say that it is closed.
                ("2", _) => drop(self.try_send("3").await),
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
