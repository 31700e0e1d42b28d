//! The attacks: each hurts for as long as it is let, and counts what it was answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::process::Process;
use crate::socket::{Heard, Socket};
use crate::world::{Host, client, forum_token};

const READERS: usize = 50;
const HANDSHAKES: usize = 5_000;
/// Of those at the same time: fewer than the machine has ports, enough to be in the way.
const HANDSHAKES_AT_ONCE: usize = 64;
const LOGINS: usize = 500;
/// Of each kind of slow client.
const SLOW: usize = 100;
/// How long they try.
const SLOW_TIME: Duration = Duration::from_secs(12);
const DRIP_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy)]
pub enum Attack {
    Readers,
    Strangers,
    Logins,
    Floods,
    Slow,
}

pub const ALL: [(&str, Attack); 5] = [
    ("readers", Attack::Readers),
    ("strangers", Attack::Strangers),
    ("logins", Attack::Logins),
    ("floods", Attack::Floods),
    ("slow", Attack::Slow),
];

/// A server, and what is known of it.
pub struct Target {
    address: SocketAddr,
    http: Client,
    pub key: String,
    password: String,
    answers: Mutex<BTreeMap<String, u64>>,
}

impl Host for Target {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Target {
    pub fn new(server: &Process, key: String, password: String) -> Arc<Self> {
        Arc::new(Self {
            address: server.address,
            http: client(),
            key,
            password,
            answers: Mutex::default(),
        })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn count(&self, what: String) {
        *self
            .answers
            .lock()
            .expect("a lock")
            .entry(what)
            .or_default() += 1;
    }

    /// What the attacks were answered.
    pub fn print(&self) {
        for (what, count) in &*self.answers.lock().expect("a lock") {
            println!("{what}: {count}");
        }
    }

    /// Asks, and counts the answer.
    async fn ask(&self, name: &str, request: RequestBuilder) {
        let answer = match request.send().await {
            Ok(answer) => answer.status().as_u16().to_string(),
            Err(_) => "none".to_owned(),
        };
        self.count(format!("{name} answered {answer}"));
    }
}

impl Attack {
    pub async fn run(self, target: &Target, time: Duration) {
        match self {
            Self::Readers => readers(target, time).await,
            Self::Strangers => strangers(target).await,
            Self::Logins => logins(target).await,
            Self::Floods => flood(target, time).await,
            Self::Slow => slow(target).await,
        }
    }
}

/// Members with a tab that stopped, who are published to all the same.
async fn readers(target: &Target, time: Duration) {
    let until = Instant::now() + time;
    let members: Vec<_> = (0..READERS).map(|n| format!("stuck{n}")).collect();
    let now = jiff::Timestamp::now().as_second();
    let open = members
        .iter()
        .map(async |id| Socket::open(target, &forum_token(id, now)).await);
    let mut sockets = join_all(open).await;
    let data = "x".repeat(15_000);
    while Instant::now() < until {
        let said =
            json!({ "to": members, "kind": "k", "title": "t", "data": data, "transient": true });
        let request = target.http.post(target.url("/api/v1/notifications"));
        target
            .ask(
                "readers, publish",
                request.bearer_auth(&target.key).json(&said),
            )
            .await;
        sleep(Duration::from_millis(10)).await;
    }
    for socket in &mut sockets {
        let is_open =
            socket.try_send("3".to_owned()).await && socket.try_send("3".to_owned()).await;
        target.count(format!(
            "readers {}",
            if is_open { "still open" } else { "cut" }
        ));
    }
}

async fn strangers(target: &Target) {
    let handshakes = stream::iter(0..HANDSHAKES).map(|_| {
        let request = target
            .http
            .get(target.url("/socket.io/?EIO=4&transport=polling"));
        target.ask("strangers, handshake", request)
    });
    handshakes
        .buffer_unordered(HANDSHAKES_AT_ONCE)
        .collect::<()>()
        .await;
}

/// Half of them with a password that is right.
async fn logins(target: &Target) {
    let logins = (0..LOGINS).map(|n| {
        let name = if n % 2 == 0 {
            "ann".to_owned()
        } else {
            format!("nobody{n}")
        };
        let body = json!({ "username": name, "password": target.password });
        target.ask(
            "logins",
            target.http.post(target.url("/api/v1/login")).json(&body),
        )
    });
    join_all(logins).await;
}

/// One socket that speaks without a pause, and again when it is closed.
async fn flood(target: &Target, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        let mut socket = Socket::open(target, "").await;
        while Instant::now() < until {
            let mut is_open = true;
            for _ in 0..100 {
                is_open &= socket.try_send(r#"42["message","x"]"#.to_owned()).await;
            }
            // Hears what is there, so that it is not cut for not reading.
            while let Some(heard) = socket.within(Duration::ZERO).await {
                is_open &= matches!(heard, Heard::Event(..));
                if !is_open {
                    break;
                }
            }
            target.count("floods, a hundred messages".to_owned());
            if !is_open {
                target.count("floods, closed".to_owned());
                break;
            }
        }
    }
}

/// Says nothing, half a head, half a body, one request and no more, or a head that drips.
async fn slow(target: &Target) {
    let heads: [&[u8]; 5] = [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost:",
        b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nX: ",
    ];
    let clients = (0..SLOW * heads.len()).map(async |n| {
        let head = heads[n % heads.len()];
        let mut stream = TcpStream::connect(target.address)
            .await
            .expect("a connection");
        stream.write_all(head).await.expect("a head");
        let mut bytes = [0; 1024];
        let closed = timeout(SLOW_TIME, async {
            while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
        });
        if !head.ends_with(b"X: ") {
            closed.await.ok();
            return;
        }
        let dripping = async {
            while stream.write_all(b"x").await.is_ok() {
                sleep(DRIP_EVERY).await;
            }
        };
        timeout(SLOW_TIME, dripping).await.ok();
    });
    join_all(clients).await;
}
