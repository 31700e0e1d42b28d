//! A member's socket: Socket.IO (protocol 5, as clients v3 and v4) over a bare WebSocket.

use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use super::frame::{self, Kind};

/// Bytes read at a time: some tens of pushes.
const READ_BYTES: usize = 8 << 10;
/// Bytes of the answer to the upgrade.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// RFC 6455's own example (1.3). A drawn one would tell a fresh answer from a cached one, and
/// nothing between us and the server caches.
const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const NONCE_ANSWER: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// `auth.token`, and `ready` once the inbox was read.
    Bellrope,
    /// The demo's contract: `query.token`, and `hello`.
    Demo,
}

/// The last change a member knows.
#[derive(Debug, Clone)]
pub struct Cursor {
    pub epoch: String,
    pub since: u64,
}

/// Who comes in, and where.
pub struct Guest<'a> {
    pub address: SocketAddr,
    pub speech: Speech,
    pub token: &'a str,
    pub cursor: Option<&'a Cursor>,
}

/// What `ready` says, as far as it is looked at.
#[derive(Debug, Default, Deserialize)]
pub struct Ready {
    pub user: User,
    pub epoch: String,
    pub seq: u64,
    pub recovered: bool,
    pub changes: Vec<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
pub struct User {
    pub id: String,
}

/// A socket that is open.
pub struct Socket {
    stream: TcpStream,
    /// The beginning of a frame whose rest is on its way.
    unread: Vec<u8>,
}

impl Socket {
    /// Connects and waits until the server says that the member is in: with `ready`, or with `hello`
    /// where there is no more. What it says is returned as it came.
    ///
    /// # Errors
    /// Why it was not let in.
    pub async fn open(guest: &Guest<'_>) -> Result<(Self, String)> {
        let stream = TcpStream::connect(guest.address).await?;
        stream.set_nodelay(true)?;
        let unread = Vec::new();
        let mut socket = Self { stream, unread };
        socket.upgrade(guest).await?;
        let opened = socket.next().await?;
        ensure!(
            opened.starts_with('0'),
            "the server opened with `{opened}`, which is no Engine.IO"
        );
        let hello = format!("40{}", guest.auth());
        let frame = frame::text(hello.as_bytes());
        socket.stream.write_all(&frame).await?;
        let last = match guest.speech {
            Speech::Bellrope => "42[\"ready\",",
            Speech::Demo => "42[\"message\",",
        };
        loop {
            let packet = socket.next().await?;
            if let Some(said) = packet.strip_prefix(last) {
                let said = said.strip_suffix(']').unwrap_or(said).to_owned();
                return Ok((socket, said));
            }
            if let Some(refusal) = packet.strip_prefix("44") {
                let refusal: Value = serde_json::from_str(refusal).unwrap_or_default();
                let why = refusal["message"].as_str().unwrap_or("without a word");
                bail!("the server refused the member's token: {why}");
            }
            ensure!(!packet.starts_with("41"), "the server disconnected it");
        }
    }

    async fn upgrade(&mut self, guest: &Guest<'_>) -> Result<()> {
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket{} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {NONCE}\r\n\r\n",
            guest.query(),
            guest.address,
        );
        self.stream.write_all(request.as_bytes()).await?;
        let length = loop {
            let end = self.unread.windows(4).position(|end| end == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            ensure!(
                self.unread.len() < HEAD_BYTES_MAX,
                "the server's answer to the upgrade does not end"
            );
            self.read_more().await?;
        };
        let head = String::from_utf8_lossy(&self.unread[..length]).into_owned();
        let status = head.lines().next().unwrap_or_default();
        ensure!(
            status.starts_with("HTTP/1.1 101") && head.contains(NONCE_ANSWER),
            "the server opened no WebSocket; it answered `{status}`"
        );
        self.unread.drain(..length);
        Ok(())
    }

    /// The next packet, while nothing is measured.
    async fn next(&mut self) -> Result<String> {
        loop {
            let Some(frame) = frame::first(&self.unread).map_err(anyhow::Error::msg)? else {
                self.read_more().await?;
                continue;
            };
            let size = frame.size;
            let packet = match frame.kind {
                Kind::Text => Some(String::from_utf8_lossy(frame.payload).into_owned()),
                Kind::Close => bail!("the server closed it"),
                Kind::Ping | Kind::Other => None,
            };
            self.unread.drain(..size);
            if let Some(packet) = packet {
                return Ok(packet);
            }
        }
    }

    async fn read_more(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.unread).await?;
        ensure!(read > 0, "the server closed the connection");
        Ok(())
    }

    /// Tells every event, such as `["message",1]`, to `ear` until the connection ends, and why it did.
    pub async fn hear(mut self, ear: impl Fn(&[u8])) -> anyhow::Error {
        // What was read with `ready` comes first, and is not held for as long as the socket lives.
        let before = std::mem::take(&mut self.unread);
        let taken = self.take(&before, &ear);
        drop(before);
        match taken {
            Ok(()) => std::future::poll_fn(|cx| self.poll_hear(cx, &ear)).await,
            Err(error) => error,
        }
    }

    /// Reads into a buffer of this call's, so that a socket that waits holds none.
    fn poll_hear(&mut self, cx: &mut Context<'_>, ear: &impl Fn(&[u8])) -> Poll<anyhow::Error> {
        loop {
            let mut room = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut room);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            let taken = match read {
                Ok(()) if buffer.filled().is_empty() => Err(anyhow!("the server closed it")),
                Ok(()) => self.take(buffer.filled(), ear),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = taken {
                return Poll::Ready(error);
            }
        }
    }

    fn take(&mut self, read: &[u8], ear: &impl Fn(&[u8])) -> Result<()> {
        if self.unread.is_empty() {
            let used = self.packets(read, ear)?;
            self.unread.extend(&read[used..]);
        } else {
            let mut unread = std::mem::take(&mut self.unread);
            unread.extend(read);
            let used = self.packets(&unread, ear)?;
            if used < unread.len() {
                unread.drain(..used);
                self.unread = unread;
            }
        }
        Ok(())
    }

    /// Goes through whole frames, and says how many bytes they were.
    fn packets(&self, bytes: &[u8], ear: &impl Fn(&[u8])) -> Result<usize> {
        let mut used = 0;
        while let Some(frame) = frame::first(&bytes[used..]).map_err(anyhow::Error::msg)? {
            used += frame.size;
            match (frame.kind, frame.payload) {
                (Kind::Text, [b'4', b'2', event @ ..]) => ear(event),
                // Engine.IO's own heartbeat.
                (Kind::Text, [b'2']) => self.send(&frame::text(b"3"))?,
                (Kind::Text, [b'4', b'1', ..]) => bail!("the server disconnected it"),
                (Kind::Ping, payload) => self.send(&frame::pong(payload))?,
                (Kind::Close, _) => bail!("the server closed it"),
                (Kind::Text | Kind::Other, _) => {}
            }
        }
        Ok(used)
    }

    /// A few bytes, which always find a place: a heartbeat is all that is ever sent.
    fn send(&self, frame: &[u8]) -> Result<()> {
        let sent = self.stream.try_write(frame);
        let sent = sent.context("the server does not read its heartbeats' answers")?;
        ensure!(sent == frame.len(), "a heartbeat's answer was sent in part");
        Ok(())
    }
}

impl Guest<'_> {
    fn auth(&self) -> Value {
        match (self.speech, self.cursor) {
            (Speech::Demo, _) => json!({}),
            (Speech::Bellrope, None) => json!({ "token": self.token }),
            (Speech::Bellrope, Some(cursor)) => {
                json!({ "token": self.token, "epoch": cursor.epoch, "since": cursor.since })
            }
        }
    }

    fn query(&self) -> String {
        match self.speech {
            Speech::Bellrope => String::new(),
            Speech::Demo => format!("&token=Bearer%20{}", super::encoded(self.token)),
        }
    }
}
