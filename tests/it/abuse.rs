//! What it takes to hurt the real executable, watched from outside: its memory, its processor, and
//! whoever else is there.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::gauge::Gauge;
use crate::process::{self, Process};
use crate::socket::{Heard, Socket, message};
use crate::world::{Answer, FORUM_SECRET, SOON, client, draft, forum_token};

const MIB: u64 = 1 << 20;
/// MiB that an attack may add to memory that is said to be flat: what connections take, and the
/// allocator's leftovers, but nothing of what is sent.
const FLAT: u64 = 16;

/// A server under attack, and a member who must not notice.
struct Hurt {
    server: Process,
    key: String,
    gauge: Gauge,
    /// Bytes it held before.
    before: u64,
    ear: Socket,
    _folder: TempDir,
}

impl Hurt {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        process::add(&data, "ann");
        let key = process::key(&data, "publish,presence");
        let server = Process::start(&data, &["--forum-secret", FORUM_SECRET]);
        let ear = Socket::open(&server, &member("ear")).await;
        let gauge = server.gauge();
        gauge.forget_peak();
        Self {
            server,
            key,
            before: gauge.resident(),
            gauge,
            ear,
            _folder: folder,
        }
    }

    /// MiB it held at most, above what it held before.
    fn more(&self) -> u64 {
        self.gauge.peak().saturating_sub(self.before) / MIB
    }

    async fn expect_flat(&mut self) {
        assert!(self.more() < FLAT, "{} MiB more", self.more());
        self.expect_heard().await;
    }

    async fn expect_heard(&mut self) {
        self.ear.emit("message", json!("still here")).await;
        let heard = self.ear.next().await;
        assert_eq!(heard, message("你好客户端, still here"));
    }
}

fn member(id: &str) -> String {
    forum_token(id, jiff::Timestamp::now().as_second())
}

/// From somebody who may send the largest.
#[tokio::test]
async fn a_body_without_an_end_is_refused_early_and_takes_no_memory() {
    let mut hurt = Hurt::new().await;
    let chunk = || Ok::<_, std::io::Error>(vec![b' '; 64 << 10]);
    let endless = stream::iter((0..1 << 14).map(move |_| chunk()));
    let request = client()
        .post(hurt.server.url("/api/v1/notifications"))
        .bearer_auth(&hurt.key)
        .body(reqwest::Body::wrap_stream(endless));
    // It may be cut off while it still sends.
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    hurt.expect_flat().await;
}

#[tokio::test]
async fn a_message_of_sixty_mib_closes_its_socket_and_takes_no_memory() {
    let mut hurt = Hurt::new().await;
    let mut socket = Socket::open(&hurt.server, "").await;
    let huge = format!(r#"42["message","{}"]"#, "x".repeat(60 << 20));
    // It may be closed while it still sends.
    if socket.try_send(huge).await {
        assert_eq!(socket.next().await, Heard::Closed);
    }
    hurt.expect_flat().await;
}

#[tokio::test]
async fn a_message_in_frames_without_end_closes_its_socket_and_takes_no_memory() {
    const FRAMES: usize = 60 << 7;
    let mut hurt = Hurt::new().await;
    let mut socket = Socket::open(&hurt.server, "").await;
    let frame = |kind, text| Message::Frame(Frame::message(text, OpCode::Data(kind), false));
    let first = r#"42["message",""#.to_owned();
    socket.try_send(frame(Data::Text, first)).await;
    let more = || frame(Data::Continue, "x".repeat(8 << 10));
    let taken = pour(&mut socket, more, FRAMES).await;
    assert!(taken < FRAMES, "all was taken");
    hurt.expect_flat().await;
}

#[tokio::test]
async fn a_packet_that_announces_ten_thousand_parts_closes_its_socket() {
    let mut hurt = Hurt::new().await;
    let mut socket = Socket::open(&hurt.server, "").await;
    let packet = r#"4510000-["message",{"_placeholder":true,"num":0}]"#;
    socket.send(packet.to_owned()).await;
    assert_eq!(socket.next().await, Heard::Closed);
    hurt.expect_flat().await;
}

/// Sends as many, or fewer if it is closed before; how many it took.
async fn pour(socket: &mut Socket, packet: impl Fn() -> Message, count: usize) -> usize {
    for taken in 0..count {
        if !socket.try_send(packet()).await {
            return taken;
        }
    }
    count
}

#[tokio::test]
async fn brackets_without_end_are_malformed_and_nothing_worse() {
    let mut hurt = Hurt::new().await;
    let deep = |count: usize| "[".repeat(count);
    let data = r#"{"to":"42","kind":"k","title":"t","data":"#;
    for (path, body) in [
        ("/api/v1/login", deep(16_000)),
        ("/api/v1/notifications", deep(1 << 20)),
        ("/api/v1/notifications", format!("{data}{}", deep(15_000))),
        (
            "/api/v1/notifications",
            format!("{data}{}{}}}", deep(7_000), "]".repeat(7_000)),
        ),
    ] {
        let request = client().post(hurt.server.url(path));
        let request = request.bearer_auth(&hurt.key);
        let request = request.header("Content-Type", "application/json");
        let answer = Answer::of(request.body(body)).await;
        answer.expect_problem(400, "malformed");
    }
    for packet in [
        "42",
        r#"42["message","#,
        r#"421["inbox.sync","#,
        "40",
        "451-",
    ] {
        let mut stranger = Socket::open(&hurt.server, "").await;
        let packet = format!("{packet}{}", deep(15_000));
        stranger.try_send(packet).await;
    }
    hurt.expect_flat().await;
}

#[tokio::test]
async fn when_descriptors_are_used_up_it_waits_quietly_and_recovers() {
    const DESCRIPTORS: usize = 64;
    let mut hurt = Hurt::new().await;
    let gauge = hurt.gauge.clone();
    hurt.server.limit_descriptors(DESCRIPTORS);
    let connects = (0..2 * DESCRIPTORS).map(|_| TcpStream::connect(hurt.server.address));
    let strangers: Vec<_> = join_all(connects).await;
    let began = Instant::now();
    while gauge.descriptors() < DESCRIPTORS {
        assert!(began.elapsed() < SOON, "{} are open", gauge.descriptors());
        sleep(Duration::from_millis(20)).await;
    }
    // They are closed after 10 s, and until then there is no place for the others.
    let (cpu, began) = (gauge.cpu().as_secs_f64(), Instant::now());
    sleep(Duration::from_secs(4)).await;
    let busy = (gauge.cpu().as_secs_f64() - cpu) / began.elapsed().as_secs_f64();
    assert!(busy < 0.05, "{:.0} % of a core to do nothing", busy * 100.0);
    hurt.expect_heard().await;
    drop(strangers);
    let healthy = hurt.server.ask(Method::GET, "/healthz", "", None).await;
    healthy.expect_status(StatusCode::OK);
    let log = hurt.server.stop().await;
    assert!(log.contains("limit on open files"), "{log}");
}

#[tokio::test]
async fn five_hundred_logins_at_once_are_all_answered_in_bounded_memory() {
    let mut hurt = Hurt::new().await;
    let http = client();
    let logins = (0..500).map(|n| {
        let body = json!({ "username": format!("nobody{n}"), "password": "a wrong guess" });
        let request = http.post(hurt.server.url("/api/v1/login"));
        request.json(&body).send()
    });
    let mut hashed = 0;
    for answer in join_all(logins).await {
        match answer.expect("an answer").status().as_u16() {
            401 => hashed += 1,
            429 | 503 => {}
            other => panic!("{other}"),
        }
    }
    assert!(hashed > 10, "only {hashed} were looked at");
    assert!(hurt.more() < 100, "{} MiB more", hurt.more());
    hurt.expect_heard().await;
}

/// They answer each ping without reading it, so that nothing but the write that waits tells.
#[tokio::test]
async fn fifty_readers_that_stop_are_cut_and_nobody_else_misses_anything() {
    // The kernel takes 4.3 MB for each before anybody notices.
    const BATCHES: usize = 18;
    const BATCH: usize = 20;
    // A ping, the wait for its answer, and ten seconds.
    const CUT_AFTER: Duration = Duration::from_secs(25 + 20 + 10);
    let mut hurt = Hurt::new().await;
    let stuck: Vec<_> = (0..50).map(|n| format!("stuck{n}")).collect();
    let open = stuck
        .iter()
        .map(async |id| Socket::open(&hurt.server, &member(id)).await);
    let mut sockets = join_all(open).await;
    let http = client();
    let ask = async |path: &str, body: Value| {
        let request = http.post(hurt.server.url(path)).bearer_auth(&hurt.key);
        let answer = Answer::of(request.json(&body)).await;
        answer.expect_status(StatusCode::OK).json()
    };
    let mut to = stuck.clone();
    to.push("ear".to_owned());
    let mut count = 0;
    let ear = &mut hurt.ear;
    let mut publish = async |many: usize, data: &str| {
        let said = json!({ "to": to, "data": data, "transient": true });
        let items = (count..count + many).map(|n| {
            let mut said = said.clone();
            said["title"] = json!(n.to_string());
            draft(said)
        });
        let batch = json!({ "items": items.collect::<Vec<_>>() });
        ask("/api/v1/notifications/batch", batch).await;
        for _ in 0..many {
            let heard = ear.event("inbox.transient").await;
            assert_eq!(heard["item"]["title"], count.to_string());
            count += 1;
        }
    };
    let data = "x".repeat(15_000);
    let mut fill = 0..BATCHES;
    let mut began = Instant::now();
    loop {
        let pongs = sockets
            .iter_mut()
            .map(|socket| socket.try_send("3".to_owned()));
        join_all(pongs).await;
        if fill.next().is_some() {
            publish(BATCH, &data).await;
            began = Instant::now();
        } else {
            publish(1, "").await;
        }
        let online = ask("/api/v1/presence", json!({ "users": stuck })).await;
        let online = online["users"].as_object().expect("users");
        let left = online.values().filter(|user| user["sockets"] != 0).count();
        if left == 0 {
            println!("cut after {:?}, {} MiB more", began.elapsed(), hurt.more());
            break;
        }
        assert!(began.elapsed() < CUT_AFTER, "{left} are not cut");
        sleep(Duration::from_millis(200)).await;
    }
}
