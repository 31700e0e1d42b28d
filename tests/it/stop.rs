//! SIGTERM and SIGINT: nothing answered is lost, everybody hears of it, and it is over in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::process::{Process, add, bellrope, run};
use crate::socket::{Heard, Socket, message};
use crate::world::{SOON, client, draft};

/// What an operator is promised.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// A connection on which the story speaks HTTP by itself.
struct Wire(BufReader<TcpStream>);

impl Wire {
    async fn open(server: &Process) -> Self {
        let stream = TcpStream::connect(server.address).await;
        Self(BufReader::new(stream.expect("a connection")))
    }

    async fn say(&mut self, text: &str) {
        let said = self.0.write_all(text.as_bytes()).await;
        said.expect("an open connection");
    }

    async fn get(&mut self, path: &str) {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
    }

    /// A request that is in flight: the server has said that it waits for the body, `{}`.
    async fn begin(server: &Process, request: &str, token: &str) -> Self {
        let mut wire = Self::open(server).await;
        let head = format!("{request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}");
        let head = format!("{head}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        wire.say(&head).await;
        assert!(wire.answer().await.starts_with("HTTP/1.1 100"));
        wire
    }

    /// The next answer, head and body, or nothing once it is closed.
    async fn answer(&mut self) -> String {
        let answer = tokio::time::timeout(SOON, self.read());
        answer.await.expect("an answer or an end")
    }

    async fn read(&mut self) -> String {
        let (mut answer, mut length) = (String::new(), 0);
        loop {
            let before = answer.len();
            self.0.read_line(&mut answer).await.expect("a clean end");
            let line = answer[before..].to_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.expect("a whole body");
        answer + &String::from_utf8(body).expect("text")
    }

    /// A polling client that has heard `hello` and waits for what comes.
    async fn poll(server: &Process) -> Self {
        let mut wire = Self::open(server).await;
        let path = "/socket.io/?EIO=4&transport=polling";
        wire.get(path).await;
        let open = wire.answer().await;
        let sid = open.split('"').nth(3).expect("a session id");
        let path = format!("{path}&sid={sid}");
        let post = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n40");
        wire.say(&post).await;
        assert!(wire.answer().await.ends_with("ok"));
        // Greeted and pinged, in one answer or several.
        let mut heard = String::new();
        while !heard.contains("hello") || !heard.contains("\u{1e}2\u{1e}") {
            wire.get(&path).await;
            let answer = wire.answer().await;
            let (_, packets) = answer.split_once("\r\n\r\n").expect("a body");
            heard.extend(["\u{1e}", packets, "\u{1e}"]);
        }
        wire.get(&path).await;
        wire
    }
}

/// How the inserts of a load ended.
#[derive(Default)]
struct Inserts {
    answered: AtomicU64,
    unknown: AtomicU64,
}

/// Members who insert one after the other until the server is gone.
fn load(server: &Process, token: &str, inserts: &Arc<Inserts>) -> JoinSet<()> {
    let (url, http) = (server.url("/api/insert"), client());
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (url, token, inserts) = (url.clone(), token.to_owned(), Arc::clone(inserts));
        let http = http.clone();
        tasks.spawn(async move { while insert(&http, &url, &token, &inserts).await {} });
    }
    tasks
}

async fn insert(http: &Client, url: &str, token: &str, inserts: &Inserts) -> bool {
    let Ok(answer) = http.post(url).bearer_auth(token).send().await else {
        inserts.unknown.fetch_add(1, Ordering::Relaxed);
        return false;
    };
    let status = answer.status().as_u16();
    let Ok(body) = answer.json::<Value>().await else {
        inserts.unknown.fetch_add(1, Ordering::Relaxed);
        return false;
    };
    if status == 503 && body["code"] == "stopping" {
        return false;
    }
    assert!(status == 200 && body["code"] == 200, "{status} {body}");
    inserts.answered.fetch_add(1, Ordering::Relaxed);
    true
}

async fn stops_in_order(signal: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let password = add(&data, "ann");
    let server = Process::start(&data, &[]);
    let ann = server.login("ann", &password).await;

    let mut listener = Socket::open(&server, &ann).await;
    let mut stranger = Socket::open(&server, "").await;
    let mut older = Socket::connect_v2(&server, &format!("token=Bearer%20{ann}")).await;
    assert_eq!(older.next().await, message("hello"));
    let mut poll = Wire::poll(&server).await;
    let mut idle = Wire::open(&server).await;
    idle.get("/healthz").await;
    assert!(idle.answer().await.starts_with("HTTP/1.1 200"));
    // Half a head; the answer to what stands before it shows that it has arrived.
    let mut half = Wire::open(&server).await;
    half.say("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n")
        .await;
    assert!(half.answer().await.starts_with("HTTP/1.1 200"));
    let mut flight = Wire::begin(&server, "POST /api/insert", &ann).await;
    let mut ready = Wire::begin(&server, "GET /readyz", &ann).await;
    let inserts = Arc::default();
    let tasks = load(&server, &ann, &inserts);
    listener.hear_until(message(200)).await;

    let began = Instant::now();
    server.signal(signal);
    for socket in [&mut listener, &mut stranger, &mut older] {
        while !matches!(socket.next().await, Heard::Disconnected | Heard::Closed) {}
    }
    let polled = poll.answer().await;
    assert!(polled.ends_with("\r\n\r\n1"), "not told to close: {polled}");
    assert_eq!(idle.answer().await, "", "an idle connection is closed");
    assert_eq!(half.answer().await, "", "half a request is not waited for");
    if let Ok(late) = client().get(server.url("/healthz")).send().await {
        assert_eq!(late.status(), 503, "a new connection was served");
    }
    ready.say("{}").await;
    let not_ready = ready.answer().await;
    assert!(not_ready.starts_with("HTTP/1.1 503"), "{not_ready}");
    assert!(not_ready.contains(r#""code":"stopping""#), "{not_ready}");
    flight.say("{}").await;
    let counted = flight.answer().await;
    assert!(counted.contains(r#""code":200"#), "{counted}");
    assert_eq!(flight.answer().await, "", "a connection is closed after it");
    assert!(server.ended().await.success());
    let took = began.elapsed();
    assert!(took < STOP_TIME_MAX, "it took {took:?}");

    tasks.join_all().await;
    let server = Process::start(&data, &[]);
    let answered = inserts.answered.load(Ordering::Relaxed) + 1;
    let possible = answered + inserts.unknown.load(Ordering::Relaxed);
    let age = server.age(&ann).await;
    assert!(
        (answered..=possible).contains(&age),
        "{answered} <= {age} <= {possible}"
    );
}

#[tokio::test]
async fn a_service_managers_stop_loses_nothing() {
    stops_in_order("TERM").await;
}

#[tokio::test]
async fn ctrl_c_loses_nothing() {
    stops_in_order("INT").await;
}

/// A socket of a member that has heard `ready` and reads nothing more, and its port.
async fn stuck(server: SocketAddr, token: String) -> (WebSocketStream<TcpStream>, u16) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let stream = socket.connect(server).await.expect("a connection");
    let port = stream.local_addr().expect("its address").port();
    let url = format!("ws://{server}/socket.io/?EIO=4&transport=websocket");
    let (mut stream, _) = tokio_tungstenite::client_async(url, stream)
        .await
        .expect("a WebSocket");
    let auth = format!("40{}", json!({ "token": token }));
    stream.send(Message::text(auth)).await.expect("sent");
    let is_ready = |packet: &Message| packet.to_text().is_ok_and(|text| text.contains("ready"));
    while !is_ready(&stream.next().await.expect("a packet").expect("a packet")) {}
    (stream, port)
}

/// Tells `@ann` more than the kernel takes from a server for a reader with a small buffer (4 MiB at
/// most).
async fn tell_much(server: &Process, key: &str) {
    let item = draft(json!({ "to": "@ann", "transient": true, "data": "x".repeat(15_000) }));
    let batch = json!({ "items": vec![item; 150] });
    for _ in 0..2 {
        let path = "/api/v1/notifications/batch";
        let told = server.ask(Method::POST, path, key, Some(batch.clone()));
        told.await.expect_status(StatusCode::OK);
    }
}

/// Whether the server has read all that came from `port`, and has something that does not go out
/// to it.
fn is_stuck(server: u16, port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let [server, port] = [server, port].map(|port| format!(":{port:04X}"));
    table.lines().any(|row| {
        // Its number, local address, remote address, state, bytes to send and to read.
        let columns: Vec<&str> = row.split_whitespace().collect();
        let ours = columns[1].ends_with(&server) && columns[2].ends_with(&port);
        let queues = columns[4].split_once(':');
        ours && queues.is_some_and(|(send, read)| send != "00000000" && read == "00000000")
    })
}

#[tokio::test]
async fn readers_that_stopped_reading_do_not_hold_it_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let password = add(&data, "ann");
    let server = Process::start(&data, &[]);
    let token = server.login("ann", &password).await;
    let create = ["key", "create", "forum", "--scope", "publish", "--data"];
    let key = run(bellrope().args(create).arg(&data), "");
    let readers: JoinSet<_> = (0..5)
        .map(|_| stuck(server.address, token.clone()))
        .collect();
    let readers = readers.join_all().await;
    tell_much(&server, key.expect_done().out.trim()).await;
    let began = Instant::now();
    for (_, port) in &readers {
        while !is_stuck(server.address.port(), *port) {
            assert!(began.elapsed() < SOON, "what it was told went out");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let began = Instant::now();
    server.signal("TERM");
    assert!(server.ended().await.success());
    let took = began.elapsed();
    assert!(took < STOP_TIME_MAX, "it took {took:?}");
}
