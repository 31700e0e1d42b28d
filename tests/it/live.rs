//! Sockets: who is let in, what they hear first, and what the server does not put up with.

use bellrope::config::Settings;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::socket::{Heard, Socket, message};
use crate::world::{Answer, World, draft};

#[tokio::test]
async fn a_socket_without_a_token_hears_hello_and_its_own_echo() {
    let world = World::new().await;
    for token in [
        json!({}),
        json!({ "token": "" }),
        json!({ "token": null }),
        json!({ "token": "null" }),
        json!({ "token": "undefined" }),
        json!({ "token": "Bearer null" }),
        json!({ "token": "Bearer " }),
    ] {
        let mut socket = Socket::connect(&world, token.clone()).await;
        assert_eq!(socket.next().await, message("hello"), "{token}");
        socket.emit("message", json!("你好")).await;
        assert_eq!(socket.next().await, message("你好客户端, 你好"));
    }
    for query in [
        "",
        "token=",
        "token=null",
        "token=Bearer%20null",
        "token=Bearer+undefined",
    ] {
        let mut socket = Socket::connect_v2(&world, query).await;
        assert_eq!(socket.next().await, message("hello"), "{query}");
    }
}

#[tokio::test]
async fn a_member_is_known_by_auth_and_by_query_with_and_without_bearer() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let token = &ann.token;
    let mut sockets = vec![
        Socket::connect(&world, json!({ "token": token })).await,
        Socket::connect(&world, json!({ "token": format!("Bearer {token}") })).await,
        Socket::connect_v2(&world, &format!("token={token}")).await,
        Socket::connect_v2(&world, &format!("token=Bearer%20{token}")).await,
    ];
    for socket in &mut sockets {
        assert_eq!(socket.next().await, message("hello"));
        socket.read_ready().await;
    }
    let mut age = 0;
    for socket in &mut sockets {
        // Whether it is in its room already shows when a number comes.
        loop {
            age = age.max(ann.add_age(&world).await);
            if let Some(Heard::Event(_, Value::Number(_))) =
                socket.within(std::time::Duration::from_millis(500)).await
            {
                break;
            }
        }
    }
}

#[tokio::test]
async fn what_a_socket_sends_that_makes_no_sense_harms_nobody() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let mut socket = Socket::open(&world, &ann.token).await;
    for packet in [
        "42[\"message\",{\"not\":\"a string\"}]",
        "42[\"message\"]",
        "42[\"message\",1,2,3]",
        "42[\"unheard of\",\"x\"]",
        "421[\"message\",\"with an acknowledgement\"]",
    ] {
        socket.send(packet.to_owned()).await;
    }
    let heard = socket.next().await;
    assert_eq!(heard, message("你好客户端, with an acknowledgement"));
    // Broken packets close the socket that sent them, and no other.
    let mut other = Socket::open(&world, &ann.token).await;
    for packet in [
        "4",
        "9",
        "42",
        "42[",
        "4951-[\"message\",{\"_placeholder\":true,\"num\":0}]",
        "40/admin,",
    ] {
        let mut broken = Socket::connect(&world, json!({})).await;
        assert_eq!(broken.next().await, message("hello"));
        broken.send(packet.to_owned()).await;
    }
    let mut huge = Socket::connect(&world, json!({})).await;
    assert_eq!(huge.next().await, message("hello"));
    huge.send(format!("42[\"message\",\"{}\"]", "x".repeat(64 << 10)))
        .await;
    assert_eq!(huge.next().await, Heard::Closed);

    ann.add_age(&world).await;
    assert_eq!(other.next().await, message(1));
    assert_eq!(socket.next().await, message(1));
}

#[tokio::test]
async fn an_origin_that_is_not_allowed_gets_no_socket() {
    let strict = Settings {
        allow_origin: Some(vec!["https://forum.example".parse().expect("an origin")]),
        ..Settings::default()
    };
    let world = World::with(strict).await;
    let handshake = async |origin: Option<&str>| {
        let request = world.request(Method::GET, "/socket.io/?EIO=4&transport=polling");
        Answer::of(match origin {
            Some(origin) => request.header("Origin", origin),
            None => request,
        })
        .await
    };
    for origin in [
        "https://evil.example",
        "null",
        "https://forum.example.evil.example",
        "http://forum.example",
    ] {
        let answer = handshake(Some(origin)).await;
        answer.expect_problem(403, "origin_refused");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let own = world.url("");
    for origin in ["https://forum.example", own.as_str()] {
        let answer = handshake(Some(origin)).await;
        answer.expect_status(StatusCode::OK);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
    handshake(None).await.expect_status(StatusCode::OK);
}

/// A write that waits too long fails for good: the connection goes, rather than the packet.
#[tokio::test]
async fn a_reader_that_stops_reading_is_cut() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let mut socket = Socket::open(&world, &world.member("42").token).await;
    // None of it is read: more than the kernel's buffers take.
    let item = draft(json!({ "to": "42", "transient": true, "data": "x".repeat(15_000) }));
    let batch = json!({ "items": vec![item; 200] });
    for _ in 0..3 {
        let told = key.post(&world, "/api/v1/notifications/batch", batch.clone());
        told.await.expect_status(StatusCode::OK);
    }
    let began = std::time::Instant::now();
    // The answer to a ping is small, and goes out for as long as there is a connection.
    while socket.try_send("3".to_owned()).await {
        assert!(began.elapsed().as_secs() < 40, "it is still open");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let cut = "bellrope_slow_cut_total{why=\"write_stalled\"} 1";
    assert!(key.sees(&world, cut).await, "it is not counted");
}

/// What does not fit into an answer to a poll is forgotten when the client upgrades, so all fits.
#[tokio::test]
async fn one_poll_brings_all_that_waits() {
    let world = World::new().await;
    let url = "/socket.io/?EIO=4&transport=polling";
    let open = world.ask(Method::GET, url, None).await;
    let open: Value = serde_json::from_str(&open.text[1..]).expect("an open packet");
    let path = format!("{url}&sid={}", open["sid"].as_str().expect("an id"));
    let post = |body: String| Answer::of(world.request(Method::POST, &path).body(body));
    post("40{}".to_owned()).await.expect_status(StatusCode::OK);
    let mut heard = String::new();
    while !heard.contains("hello") {
        heard += &world.ask(Method::GET, &path, None).await.text;
    }
    for n in 0..40 {
        let echo = format!(r#"42["message","{n}:{}"]"#, "x".repeat(2000));
        post(echo).await.expect_status(StatusCode::OK);
    }
    let answer = world.ask(Method::GET, &path, None).await.text;
    for n in 0..40 {
        assert!(answer.contains(&format!(" {n}:xx")), "{n} is not in it");
    }
    let huge = post("4".repeat(17 << 10)).await;
    huge.expect_problem(413, "too_large");
}

#[tokio::test]
async fn sessions_that_hold_no_connection_are_bounded_too() {
    let narrow = Settings {
        connections_max: Some("5".parse().expect("a count")),
        ..Settings::default()
    };
    let world = World::with(narrow).await;
    let open = || world.ask(Method::GET, "/socket.io/?EIO=3&transport=polling", None);
    for _ in 0..5 {
        open().await.expect_status(StatusCode::OK);
    }
    open().await.expect_problem(503, "busy");
}
