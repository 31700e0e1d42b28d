//! A restart of the service under a thousand sockets, on a socket that systemd holds: while the forum
//! goes on publishing nobody is refused a connection, and everybody ends with everything, once and in
//! order.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Error;

use crate::process::{Process, key};
use crate::socket::{Heard, Socket};
use crate::world::{FORUM_SECRET, Host, client, forum_token};

const MEMBERS: usize = 100;
/// Of each member: a thousand in all.
const SOCKETS: usize = 10;
/// Notifications, each to every member.
const PUBLISHED: u64 = 60;
/// The restart begins when so many are kept.
const BEFORE: u64 = 20;
/// More than a busy machine needs for all of it.
const TIME_MAX: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(20);

/// Where the server is, whichever process that is now.
#[derive(Clone, Copy)]
struct Place(SocketAddr);

impl Host for Place {
    fn address(&self) -> SocketAddr {
        self.0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_sockets_and_a_forum_that_goes_on_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let systemd = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = Place(systemd.local_addr().expect("its address"));
    let start = || {
        let socket = OwnedFd::from(systemd.try_clone().expect("a copy"));
        let arguments = ["--forum-secret", FORUM_SECRET];
        Process::start_on(socket, &data, &arguments).expect("a server")
    };
    let server = start();
    let key = key(&data, "publish");

    let now = Timestamp::now().as_second();
    let (mut sockets, mut here) = (JoinSet::new(), Vec::new());
    for member in 0..MEMBERS {
        let token = forum_token(&member.to_string(), now);
        for _ in 0..SOCKETS {
            let (is_here, came) = tokio::sync::oneshot::channel();
            sockets.spawn(listen(place, token.clone(), is_here));
            here.push(came);
        }
    }
    for came in here {
        came.await.expect("a socket that is in");
    }
    let kept = Arc::new(AtomicU64::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let publisher = tokio::spawn(publish(place, key, Arc::clone(&kept)));
    let knocker = tokio::spawn(knock(place, Arc::clone(&is_over)));
    while kept.load(Ordering::Relaxed) < BEFORE {
        assert!(!publisher.is_finished(), "the forum gave up");
        tokio::time::sleep(PAUSE).await;
    }
    server.stop().await;
    let server = start();
    let before = kept.load(Ordering::Relaxed);
    assert!(before < PUBLISHED, "the restart came when all was over");

    let went = tokio::time::timeout(TIME_MAX, async {
        publisher.await.expect("a forum");
        sockets.join_all().await
    });
    let connects = went.await.expect("in time");
    // Each was cut by the restart at least, and came back.
    assert_eq!(connects.len(), MEMBERS * SOCKETS);
    assert!(connects.iter().all(|connects| *connects >= 2));
    is_over.store(true, Ordering::Relaxed);
    let knocks = knocker.await.expect("a knocker");
    assert!(knocks > 10, "{knocks} connections are no proof");
    server.stop().await;
}

/// Publishes one after the other, each until it is answered.
async fn publish(place: Place, key: String, kept: Arc<AtomicU64>) {
    let http = client();
    let to: Vec<String> = (0..MEMBERS).map(|member| member.to_string()).collect();
    for number in 1..=PUBLISHED {
        let title = number.to_string();
        let body = json!({ "to": to, "kind": "reply", "title": title });
        loop {
            let url = format!("http://{}/api/v1/notifications", place.0);
            let request = http.post(url).bearer_auth(&key).json(&body);
            match request.header("Idempotency-Key", &title).send().await {
                Ok(answer) if answer.status().is_success() => break,
                Ok(answer) => assert_eq!(answer.status(), 503, "{answer:?}"),
                Err(error) => assert!(!error.is_connect(), "refused: {error:?}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        kept.store(number, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Opens one connection after the other, and never is one refused.
async fn knock(place: Place, is_over: Arc<AtomicBool>) -> u64 {
    let mut knocks = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(place.0).await.expect("a connection");
        let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        // One that the old process had accepted when it stopped may be closed without a word.
        if stream.write_all(request).await.is_ok() {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        knocks += 1;
        tokio::time::sleep(PAUSE).await;
    }
    knocks
}

/// A client that comes back by its cursor until it has heard everything; says how often it came.
async fn listen(place: Place, token: String, is_here: tokio::sync::oneshot::Sender<()>) -> u64 {
    let (mut is_here, mut connects) = (Some(is_here), 0);
    let mut cursor = json!({ "token": token });
    let mut at = 0;
    while at < PUBLISHED {
        let mut socket = match Socket::try_handshake(&place, "EIO=4&transport=websocket").await {
            Ok(socket) => socket,
            Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                panic!("refused: {error}")
            }
            // It was about to stop.
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        connects += 1;
        socket.try_send(format!("40{cursor}")).await;
        while at < PUBLISHED {
            match socket.next().await {
                Heard::Event(name, ready) if name == "ready" => {
                    let changes = ready["changes"].as_array().expect("changes");
                    at = changes.iter().fold(at, follow);
                    // A crowd of newcomers is thinned: the first connects may not get as far.
                    let has_been_here = is_here.is_none();
                    assert_eq!(ready["recovered"], has_been_here, "at {at}: {ready}");
                    assert_eq!(ready["seq"], at);
                    cursor["epoch"] = ready["epoch"].clone();
                    if let Some(is_here) = is_here.take() {
                        is_here.send(()).expect("somebody who waits");
                    }
                }
                Heard::Event(name, change) if name == "inbox.added" => at = follow(at, &change),
                Heard::Event(name, _) => assert_eq!(name, "message"),
                Heard::Closed | Heard::Disconnected | Heard::Refused(_) => break,
                other @ Heard::Answer(..) => panic!("{other:?}"),
            }
            cursor["since"] = at.into();
        }
    }
    connects
}

/// The number after this one, with the notification of that number.
fn follow(at: u64, change: &Value) -> u64 {
    assert_eq!(change["seq"], at + 1, "{change}");
    assert_eq!(change["item"]["title"], (at + 1).to_string(), "{change}");
    at + 1
}
