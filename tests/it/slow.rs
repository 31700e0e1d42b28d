//! Slow clients, many at once: each is closed in its time, and who only waits is not.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::socket::{Socket, message};
use crate::world::{Answer, World};

/// Of each kind.
const CLIENTS: usize = 20;
/// A head has 10 s and a body 30 s; the rest is for a busy machine.
const HEAD_MAX: Duration = Duration::from_secs(20);
const BODY_MAX: Duration = Duration::from_secs(45);

#[tokio::test]
async fn slow_clients_are_closed_in_time_and_polls_and_sockets_outlive_them() {
    let world = World::forum().await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    let url = "/socket.io/?EIO=4&transport=polling";
    let sid = poll(&world, url, &ann.token).await;
    let parked = world.request(Method::GET, &format!("{url}&sid={sid}"));
    let parked = tokio::spawn(Answer::of(parked.timeout(BODY_MAX)));
    let half = poll(&world, url, &ann.token).await;

    let login = "POST /api/v1/login HTTP/1.1";
    let post = format!("POST {url}&sid={half} HTTP/1.1");
    let body = "\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";
    let kinds = [
        (String::new(), "", HEAD_MAX),
        ("GET /healthz HTTP/1.1\r\nHost:".to_owned(), "", HEAD_MAX),
        // It was used once, and idles.
        (
            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "HTTP/1.1 200",
            HEAD_MAX,
        ),
        (format!("{login}{body}"), "HTTP/1.1 408", BODY_MAX),
        (format!("{post}{body}"), "HTTP/1.1 4", BODY_MAX),
    ];
    let mut slow = JoinSet::new();
    for (said, answered, max) in kinds {
        for _ in 0..CLIENTS {
            slow.spawn(wait(world.address, said.clone(), answered, max));
        }
    }
    for _ in 0..CLIENTS {
        slow.spawn(drip(world.address));
    }
    let began = Instant::now();
    while let Some(ended) = slow.join_next().await {
        ended.expect("closed in time");
        // Its pings are due meanwhile.
        socket.emit("message", json!("here")).await;
        assert_eq!(socket.next().await, message("你好客户端, here"));
    }
    assert!(began.elapsed() > Duration::from_secs(25), "nobody was slow");
    let heard = parked.await.expect("a poll").text;
    assert!(heard.starts_with('2'), "a ping, and nothing else: {heard}");
}

/// A member's polling session that has heard all there is.
async fn poll(world: &World, url: &str, token: &str) -> String {
    let open = world.ask(Method::GET, url, None).await;
    let open: Value = serde_json::from_str(&open.text[1..]).expect("an open packet");
    let sid = open["sid"].as_str().expect("an id").to_owned();
    let path = format!("{url}&sid={sid}");
    let post = async |packet: String| {
        let posted = world.request(Method::POST, &path).body(packet);
        assert_eq!(Answer::of(posted).await.text, "ok");
    };
    post(format!("40{}", json!({ "token": token }))).await;
    let mut heard = String::new();
    while !heard.contains("ready") {
        heard += &world.ask(Method::GET, &path, None).await.text;
    }
    // The first ping comes at once, the next after 25 s.
    post("3".to_owned()).await;
    sid
}

/// Says this and nothing more, until the server closes the connection.
async fn wait(address: std::net::SocketAddr, said: String, answered: &str, max: Duration) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(said.as_bytes()).await.expect("a request");
    let mut answer = Vec::new();
    let closed = timeout(max, stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(closed.is_ok(), "still open: {said} {answer}");
    assert!(answer.starts_with(answered), "{said}: {answer}");
    let is_late = answer.starts_with("HTTP/1.1 408");
    assert_eq!(is_late, answer.contains("too_slow"), "{answer}");
}

/// A head that drips.
async fn drip(address: std::net::SocketAddr) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let dripping = async {
        for byte in b"GET /healthz HTTP/1.1\r\nX: ".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let closed = timeout(HEAD_MAX, dripping).await;
    assert!(closed.is_ok(), "a head may drip for ever");
}
