//! Floods: of handshakes, of events, of packets that mean nothing. Whoever else is there is served.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bellrope::config::{Count, Settings};
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::process::{Process, add};
use crate::socket::{Heard, Socket, message};
use crate::world::{Host, SOON, World};

/// Handshakes of strangers from one address, in each of the protocols.
const STRANGERS: usize = 2500;
/// Of these, how many wait for an answer at once.
const AT_ONCE: usize = 50;
/// How long the server keeps a session that never connected.
const KEPT: Duration = Duration::from_secs(10);

/// All strangers of a protocol knock: those that got in, and how many were told that there are too
/// many. A member opens a socket now and then.
async fn flood(
    server: &Process,
    engine: u8,
    token: &str,
) -> (Vec<TcpStream>, usize, Vec<JoinHandle<Option<Heard>>>) {
    let mut flood = futures_util::stream::iter(0..STRANGERS)
        .map(|_| knock(server, engine))
        .buffer_unordered(AT_ONCE);
    let (mut held, mut refused, mut members) = (Vec::new(), 0, Vec::new());
    while let Some((stream, status)) = flood.next().await {
        match status {
            101 => held.push(stream),
            429 => refused += 1,
            other => panic!("a stranger was answered {other}"),
        }
        if (held.len() + refused).is_multiple_of(250) {
            // By the token that is sent after the handshake, in the middle of it.
            members.push(listen(server, token).await);
        }
    }
    (held, refused, members)
}

/// A handshake for a WebSocket whose client then says nothing: the connection, and the status it got.
async fn knock(host: &impl Host, engine: u8) -> (TcpStream, u16) {
    let mut stream = TcpStream::connect(host.address())
        .await
        .expect("a connection");
    let head = format!(
        "GET /socket.io/?EIO={engine}&transport=websocket HTTP/1.1\r\nHost: x\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("a request");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    let status = String::from_utf8_lossy(&status[9..]).parse();
    (stream, status.expect("a status"))
}

/// Whether the server has closed it.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 1024];
    loop {
        match tokio::time::timeout(Duration::from_millis(50), stream.read(&mut bytes)).await {
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
            Err(_) => return false,
        }
    }
}

/// A socket of a member, which answers the server's pings and tells what it hears first.
async fn listen(server: &Process, token: &str) -> JoinHandle<Option<Heard>> {
    let mut socket = Socket::open(server, token).await;
    tokio::spawn(async move { socket.within(4 * SOON).await })
}

#[tokio::test]
async fn strangers_by_the_thousand_are_few_at_once_and_a_member_gets_in_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let password = add(&data, "ann");
    let server = Process::start(&data, &[]);
    let token = server.login("ann", &password).await;
    let first = listen(&server, &token).await;
    // Of the older protocol all are refused but those that have a place.
    let (_older, refused, mut members) = flood(&server, 3, &token).await;
    assert_eq!(refused, STRANGERS - 256);
    let (mut held, refused, more) = flood(&server, 4, &token).await;
    assert_eq!(refused, 0);
    members.extend(more);
    // Of the newer one the last ones: all others were cut.
    let began = Instant::now();
    loop {
        let closed = join_all(held.iter_mut().map(is_closed)).await;
        let open = closed.into_iter().filter(|closed| !closed).count();
        if open <= 256 {
            break;
        }
        // Long before they would have to go anyway.
        assert!(began.elapsed() < KEPT / 2, "{open} strangers are there");
    }
    let answer = server
        .ask(Method::POST, "/api/v1/me/age", &token, None)
        .await;
    answer.expect_status(StatusCode::OK);
    for heard in members.into_iter().chain([first]) {
        assert_eq!(heard.await.expect("a listener"), Some(message(1)));
    }
    // Once those are gone, as many more find room where they were.
    drop(held);
    tokio::time::sleep(KEPT).await;
    let before = server.resident_bytes();
    let (_held, ..) = flood(&server, 4, &token).await;
    let after = server.resident_bytes();
    assert!(
        after <= before + before / 10,
        "from {before} bytes to {after}"
    );
}

/// Everything a socket can be flooded with as an event, and how it ends.
#[tokio::test]
async fn a_socket_that_floods_is_closed_and_its_neighbour_hears() {
    let world = World::forum().await;
    let (ann, bob) = (world.member("42"), world.member("43"));
    let mut neighbour = Socket::open(&world, &bob.token).await;
    for packet in [
        r#"42["message","x"]"#,
        r#"42["message",{}]"#,
        r#"42["unheard of"]"#,
        r#"421["session.refresh",{"token":"x"}]"#,
        r#"421["inbox.sync",{}]"#,
    ] {
        let mut socket = Socket::open(&world, &ann.token).await;
        let mut echoes = 0;
        for _ in 0..2000 {
            if !socket.try_send(packet.to_owned()).await {
                break;
            }
        }
        let why = loop {
            match socket.next().await {
                Heard::Event(name, why) if name == "socket.closed" => break why,
                Heard::Event(_, echo) => {
                    assert_eq!(echo, "你好客户端, x");
                    echoes += 1;
                }
                Heard::Answer(_, answer) => assert!(answer["error"].is_object(), "{answer}"),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(why, json!({ "reason": "too_many" }), "{packet}");
        assert!(echoes == 0 || echoes >= 900, "{echoes} echoes");
        while socket.next().await != Heard::Closed {}
        bob.add_age(&world).await;
        assert!(matches!(
            neighbour.next().await,
            Heard::Event(_, Value::Number(_))
        ));
    }
}

/// Each connect costs a look at the token, or an answer as large as the inbox.
#[tokio::test]
async fn a_session_that_connects_again_and_again_is_cut() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let good = format!("40{}", json!({ "token": ann.token }));
    let bad = format!("40{}", json!({ "token": "made up" }));
    for packet in [good, bad] {
        let mut socket = Socket::knock(&world).await;
        let mut heard = 0;
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < SOON, "{heard} answers and no end");
            if !socket.try_send(packet.clone()).await {
                break;
            }
            match socket.next().await {
                Heard::Closed => break,
                Heard::Refused(_) => heard += 1,
                _ => {
                    // Connected; once more from the start.
                    heard += 1;
                    if !socket.try_send("41".to_owned()).await {
                        break;
                    }
                }
            }
        }
        assert!(heard <= 100, "{heard}");
    }
}

/// Packets no handler sees are read no faster than a member could ever write.
#[tokio::test]
async fn packets_that_mean_nothing_are_read_at_their_own_pace() {
    let world = World::new().await;
    let mut neighbour = Socket::open(&world, "").await;
    let url = format!(
        "ws://{}/socket.io/?EIO=4&transport=websocket",
        world.address
    );
    let (stream, _) = tokio_tungstenite::connect_async(url)
        .await
        .expect("a WebSocket");
    let (mut sink, mut stream) = stream.split();
    let began = Instant::now();
    let flood = async {
        for n in 0..24_000_u32 {
            // 18 bytes each; the pong has its number.
            let ping = Message::Ping(format!("{n:012}").into_bytes().into());
            if sink.send(ping).await.is_err() {
                break;
            }
        }
    };
    let listen = async {
        while let Some(Ok(packet)) = stream.next().await {
            if let Message::Pong(number) = packet {
                let number = String::from_utf8_lossy(&number).into_owned();
                let number: u32 = number.parse().expect("a number");
                // 192 KiB of them: 64 more than may be sent at once, at 32 a second.
                if number * 18 > 192 << 10 {
                    break;
                }
            }
        }
        began.elapsed()
    };
    let ((), took) = tokio::join!(flood, listen);
    assert!(took >= Duration::from_millis(1500), "192 KiB in {took:?}");
    neighbour.emit("message", json!("still there?")).await;
    assert_eq!(neighbour.next().await, message("你好客户端, still there?"));
}

#[tokio::test]
async fn a_flood_of_refusals_is_a_few_lines_of_log_and_their_sum() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = Process::start(
        &data,
        &["--strangers-per-address", "1", "--log-format", "json"],
    );
    let mut statuses: HashMap<u16, u64> = HashMap::new();
    let mut held = Vec::new();
    for _ in 0..100 {
        let (stream, status) = knock(&server, 3).await;
        held.push(stream);
        *statuses.entry(status).or_default() += 1;
    }
    assert_eq!(statuses, HashMap::from([(101, 1), (429, 99)]));
    let log = data.with_extension("log");
    let began = Instant::now();
    let summary = loop {
        let text = std::fs::read_to_string(&log).expect("the log");
        let lines = text.lines().filter(|line| line.contains("too_many"));
        let lines: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        if let Some(summary) = lines.iter().find(|line| line["more"].is_u64()) {
            assert_eq!(lines.len(), 21, "{text}");
            break summary["more"].clone();
        }
        assert!(began.elapsed() < SOON, "no summary");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(summary, 79);
}

/// What is asked of a client that has to come back, the default included.
#[tokio::test]
async fn a_burst_of_messages_is_no_flood() {
    let world = World::with(Settings {
        strangers_per_address: Some(Count(1)),
        ..Settings::default()
    })
    .await;
    let mut socket = Socket::open(&world, "").await;
    for n in 0..900 {
        socket.emit("message", json!(format!("{n}"))).await;
    }
    for n in 0..900 {
        assert_eq!(socket.next().await, message(format!("你好客户端, {n}")));
    }
}
