//! Socket.IO through a proxy: by long polling, and over a WebSocket.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use hyper::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Finding;
use super::public::{ANSWER_TIME_MAX, Way, cause, is_problem};
use crate::cli::bench::frame::{self, Kind};
use crate::fetch::probe::{Payload, Question, Stream};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
/// What a server says at once must not take longer than this, wherever it is.
const DELAY_MAX: Duration = Duration::from_secs(2);
/// How long a session by polling may take to open, three requests or four.
const OPEN_TIME_MAX: Duration = Duration::from_secs(6);
const BYE_TIME_MAX: Duration = Duration::from_secs(1);
/// Bytes read of a WebSocket at a time.
const READ_BYTES: usize = 4 << 10;
/// What Engine.IO and Socket.IO say: a ping, its answer, the end, and who is there (nobody); and
/// what stands between the packets of one poll.
const PING: &str = "2";
const PONG: &str = "3";
const CLOSE: &str = "1";
const CONNECT: &str = "40";
const SEPARATOR: char = '\x1e';
const UPGRADE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    // RFC 6455's own example (1.3).
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
const CUT_ADVICE: &str =
    "nginx: proxy_read_timeout 75s; for the server pings every 25 s and waits 20 s for the answer";

/// A session by long polling: opened, told `hello` without delay, and held.
pub async fn polling(way: &Way<'_>) -> Finding {
    let check = "polling";
    let opened = tokio::time::timeout(OPEN_TIME_MAX, open_poll(way)).await;
    let late = || anyhow!("it takes more than {} s", OPEN_TIME_MAX.as_secs());
    let (poll, took) = match opened.unwrap_or_else(|_| Err(late())) {
        Ok(opened) => opened,
        Err(why) => {
            return Finding::failed(
                check,
                format!("Socket.IO by long polling does not work: {why}"),
                "pass /socket.io/ on with its query and its POST bodies, to one server alone",
            );
        }
    };
    if took > DELAY_MAX {
        let detail = format!(
            "a poll was answered after {} ms: something holds it up",
            took.as_millis()
        );
        return Finding::failed(
            check,
            detail,
            "nginx: proxy_buffering off; in location /socket.io/",
        );
    }
    let held = hold_poll(way, &poll).await;
    // It goes as a client does. The server would find out by itself.
    let _ = tokio::time::timeout(BYE_TIME_MAX, way.ask(post(way, &poll, CLOSE))).await;
    match held {
        Ok(()) => Finding::ok(
            check,
            format!(
                "a poll is answered at once, and may wait {} s",
                way.hold.as_secs()
            ),
        ),
        Err((after, why)) => Finding::failed(
            check,
            format!(
                "a poll that waits is cut after {} s: {why}",
                after.as_secs()
            ),
            CUT_ADVICE,
        ),
    }
}

/// The path of an open session, and how long its first event took.
async fn open_poll(way: &Way<'_>) -> Result<(String, Duration)> {
    let opened = asked(way, way.get(POLLING, &[])).await?;
    let handshake = opened.strip_prefix('0').unwrap_or_default();
    let handshake: Value = serde_json::from_str(handshake).unwrap_or_default();
    let Some(session) = handshake["sid"].as_str() else {
        bail!("the handshake was answered with something else");
    };
    let path = format!("{POLLING}&sid={}", crate::cli::encoded(session));
    let began = Instant::now();
    asked(way, post(way, &path, CONNECT)).await?;
    loop {
        for packet in poll(way, &path).await? {
            if is_in(&packet)? {
                return Ok((path, began.elapsed()));
            }
        }
    }
}

/// Waits until it was long enough; else when it was cut, and how.
async fn hold_poll(way: &Way<'_>, path: &str) -> Result<(), (Duration, anyhow::Error)> {
    let began = Instant::now();
    let polls = async {
        loop {
            if let Err(error) = poll(way, path).await {
                return error;
            }
        }
    };
    let held = tokio::time::timeout(way.hold, polls).await;
    held.map_or(Ok(()), |cut| Err((began.elapsed(), cut)))
}

/// The packets of one poll. A ping is answered.
async fn poll(way: &Way<'_>, path: &str) -> Result<Vec<String>> {
    let seen = way.probe.ask(way.get(path, &[])).await;
    let seen = seen.map_err(|error| anyhow!(cause(&error)))?;
    ensure!(seen.status.is_success(), "{}", seen.status);
    let said = String::from_utf8_lossy(&seen.body).into_owned();
    let packets: Vec<String> = said.split(SEPARATOR).map(str::to_owned).collect();
    if packets.iter().any(|packet| packet == PING) {
        asked(way, post(way, path, PONG)).await?;
    }
    Ok(packets)
}

/// Whether the server has said `hello`.
fn is_in(packet: &str) -> Result<bool> {
    if let Some(refusal) = packet.strip_prefix("44") {
        let refusal: Value = serde_json::from_str(refusal).unwrap_or_default();
        let why = refusal["message"].as_str().unwrap_or("without a word");
        bail!("the server refuses: {why}");
    }
    ensure!(packet != CLOSE, "the server closed it");
    Ok(packet.contains("hello"))
}

fn post<'q>(way: &Way<'_>, poll: &str, packet: &str) -> Question<'q> {
    Question {
        method: Method::POST,
        body: Payload::Text(packet.to_owned()),
        ..way.get(poll, &[("content-type", "text/plain;charset=UTF-8")])
    }
}

async fn asked(way: &Way<'_>, question: Question<'_>) -> Result<String> {
    let what = question.method.clone();
    let seen = way.ask(question).await.map_err(anyhow::Error::msg)?;
    ensure!(
        seen.status.is_success(),
        "a {what} was answered with {}",
        seen.status
    );
    Ok(String::from_utf8_lossy(&seen.body).into_owned())
}

/// A WebSocket: opened, told `hello`, and held.
pub async fn websocket(way: &Way<'_>) -> Finding {
    let check = "websocket";
    let upgrade = way.probe.upgrade(way.get(WEBSOCKET, &UPGRADE));
    let stream = match tokio::time::timeout(ANSWER_TIME_MAX, upgrade).await {
        Ok(Ok(Ok(stream))) => stream,
        Ok(Ok(Err(answer))) if is_problem(&answer) => {
            let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let why = said["detail"].as_str().unwrap_or_default();
            let detail = format!("no WebSocket: Bellrope refuses: {why}");
            return Finding::failed(check, detail, "Bellrope's log says more");
        }
        Ok(Ok(Err(answer))) => {
            return Finding::failed(
                check,
                format!(
                    "no WebSocket: the upgrade is answered with {}",
                    answer.status
                ),
                "nginx, beside its proxy_pass (members poll meanwhile, at a higher cost):\n  proxy_http_version 1.1;\n  proxy_set_header Upgrade $http_upgrade;\n  proxy_set_header Connection \"upgrade\";",
            );
        }
        Ok(Err(error)) => {
            return Finding::failed(
                check,
                format!("no WebSocket: {}", cause(&error)),
                "look at the proxy's log",
            );
        }
        Err(_) => {
            return Finding::failed(
                check,
                "no WebSocket: the upgrade is not answered",
                "look at the proxy's log",
            );
        }
    };
    let mut socket = Socket {
        stream,
        unread: Vec::new(),
    };
    match tokio::time::timeout(ANSWER_TIME_MAX, socket.greet()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            return Finding::failed(
                check,
                format!("the WebSocket opens, and then: {error}"),
                "look at the proxy's log",
            );
        }
        Err(_) => {
            return Finding::failed(
                check,
                "the WebSocket opens, and nothing comes through it",
                "nginx: proxy_buffering off; and look for what else stands between",
            );
        }
    }
    let began = Instant::now();
    match tokio::time::timeout(way.hold, socket.hold()).await {
        Err(_) => Finding::ok(
            check,
            format!(
                "a WebSocket opens, speaks, and may wait {} s",
                way.hold.as_secs()
            ),
        ),
        Ok(why) => Finding::failed(
            check,
            format!(
                "a WebSocket that waits is cut after {} s: {why}",
                began.elapsed().as_secs()
            ),
            CUT_ADVICE,
        ),
    }
}

struct Socket {
    stream: Stream,
    unread: Vec<u8>,
}

impl Socket {
    /// Says that it is there, and waits for `hello`.
    async fn greet(&mut self) -> Result<()> {
        let opened = self.next().await?;
        ensure!(opened.starts_with('0'), "the server opened with `{opened}`");
        self.send(CONNECT).await?;
        while !is_in(&self.next().await?)? {}
        Ok(())
    }

    /// Listens until it ends, and says why it did.
    async fn hold(&mut self) -> anyhow::Error {
        loop {
            if let Err(error) = self.next().await {
                return error;
            }
        }
    }

    async fn send(&mut self, packet: &str) -> Result<()> {
        self.stream
            .write_all(&frame::text(packet.as_bytes()))
            .await?;
        Ok(self.stream.flush().await?)
    }

    /// The next packet that is no ping; a ping is answered.
    async fn next(&mut self) -> Result<String> {
        loop {
            if let Some(frame) = frame::first(&self.unread).map_err(anyhow::Error::msg)? {
                let (kind, size) = (frame.kind, frame.size);
                let packet = String::from_utf8_lossy(frame.payload).into_owned();
                self.unread.drain(..size);
                match kind {
                    Kind::Text if packet == PING => self.send(PONG).await?,
                    Kind::Text => return Ok(packet),
                    Kind::Close => bail!("the server closed it"),
                    Kind::Ping | Kind::Other => {}
                }
                continue;
            }
            let mut bytes = [0; READ_BYTES];
            let read = self.stream.read(&mut bytes).await?;
            ensure!(read > 0, "the connection ended");
            self.unread.extend_from_slice(&bytes[..read]);
        }
    }
}
