//! A member's socket: the packets of Engine.IO and Socket.IO that the bench waits for, over tungstenite.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::Server;
use super::rooms::{BEAT, Outbox};

/// Members send next to nothing, and each socket holds this much.
const READ_BYTES: usize = 512;
/// What waits goes out in writes of about this size.
const WRITE_BYTES: usize = 16 << 10;

type Socket = WebSocketStream<TcpStream>;

/// Answers the upgrade; the socket lives in a task of its own from then on.
pub fn upgrade(
    server: Arc<Server>,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>> {
    let mut response = Response::new(Full::default());
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    };
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))?;
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // A client that goes away is none of its faults.
        let _ = live(server, upgrade).await;
    });
    Ok(response)
}

async fn live(server: Arc<Server>, upgrade: OnUpgrade) -> Result<()> {
    let mut socket = open(upgrade.await?).await?;
    let (sid, beat) = (server.rooms.number().to_string(), BEAT.as_millis());
    let opened = json!({
        "sid": sid, "upgrades": [], "pingInterval": beat, "pingTimeout": 20_000, "maxPayload": 16_384,
    });
    socket.send(text(format!("0{opened}"))).await?;
    let Some(member) = greeted(&server, &mut socket).await? else {
        let refused = json!({ "message": "unauthorized" });
        return Ok(socket.send(text(format!("44{refused}"))).await?);
    };
    let outbox = server.rooms.join(&member);
    let ready = json!({
        "user": { "id": member }, "epoch": "", "seq": 0, "recovered": false, "changes": [],
    });
    let connected = json!({ "sid": sid });
    socket.feed(text(format!("40{connected}"))).await?;
    socket.feed(text("42[\"message\",\"hello\"]")).await?;
    socket.feed(text(format!("42[\"ready\",{ready}]"))).await?;
    let ended = match socket.flush().await {
        Ok(()) => converse(&mut socket, &outbox).await,
        Err(error) => Err(error.into()),
    };
    server.rooms.leave(&member, &outbox);
    ended
}

async fn open(upgraded: Upgraded) -> Result<Socket> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>();
    let parts = parts.map_err(|_| anyhow!("it is no TCP stream"))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES);
    let (stream, read) = (parts.io.into_inner(), parts.read_buf.to_vec());
    let opening = Socket::from_partially_read(stream, read, Role::Server, Some(config));
    Ok(opening.await)
}

/// Whose token came with the connect, if it is anybody's.
async fn greeted(server: &Server, socket: &mut Socket) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Auth {
        token: String,
    }
    let said = socket.next().await.context("it went away")??.into_text()?;
    let auth = said.strip_prefix("40").context("it is no connect")?;
    let auth: Auth = serde_json::from_str(auth)?;
    Ok(server.member(&auth.token))
}

/// Sends what there is to send, in as few writes as it takes, until the member goes.
async fn converse(socket: &mut Socket, outbox: &Outbox) -> Result<()> {
    loop {
        tokio::select! {
            packets = outbox.take() => {
                for packet in packets {
                    socket.feed(Message::Text(packet)).await?;
                }
                socket.flush().await?;
            }
            // Heartbeats' answers are all that comes.
            said = socket.next() => match said {
                Some(said) => drop(said?),
                None => return Ok(()),
            },
        }
    }
}

fn text(packet: impl Into<Utf8Bytes>) -> Message {
    Message::Text(packet.into())
}
