//! The port: limits, origins, and what every answer carries.

use std::time::Duration;

use bellrope::config::Settings;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::socket::{Socket, message};
use crate::world::{Answer, World};

#[tokio::test]
async fn a_body_over_the_limit_is_refused_early() {
    let world = World::new().await;
    for path in ["/api/v1/login", "/api/login"] {
        // Declared: refused before a byte of it is read.
        let mut stream = TcpStream::connect(world.address)
            .await
            .expect("a connection");
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("a request");
        let mut answer = [0; 1024];
        let read = stream.read(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("too_large"), "{answer}");
        // Chunked: refused as soon as it is over.
        let chunks = futures_util::stream::iter(
            (0..64).map(|_| Ok::<_, std::io::Error>(vec![b' '; 32 << 10])),
        );
        let request = world
            .request(Method::POST, path)
            .body(reqwest::Body::wrap_stream(chunks));
        if let Ok(answer) = request.send().await {
            assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
    }
    world
        .ask(Method::GET, "/healthz", None)
        .await
        .expect_status(StatusCode::OK);
}

#[tokio::test]
async fn a_request_names_one_host() {
    let world = World::new().await;
    let table = [
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n", "200"),
        ("GET /healthz HTTP/1.1\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n", "400"),
        ("GET /healthz HTTP/1.0\r\n", "200"),
        ("GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n", "400"),
        (
            "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n",
            "400",
        ),
    ];
    for (head, status) in table {
        let mut stream = TcpStream::connect(world.address)
            .await
            .expect("a connection");
        let request = format!("{head}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let told = answer.split(' ').nth(1);
        assert_eq!(told, Some(status), "{head:?}: {answer}");
        if status == "400" {
            assert!(answer.contains("`Host`"), "{answer}");
        }
    }
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_free_place() {
    let narrow = Settings {
        connections_max: Some("2".parse().expect("a count")),
        ..Settings::default()
    };
    let world = World::with(narrow).await;
    // A WebSocket counts for as long as it lives, like any connection.
    let mut first = Socket::connect(&world, json!({})).await;
    assert_eq!(first.next().await, message("hello"));
    let _second = TcpStream::connect(world.address)
        .await
        .expect("a connection");
    let mut third = TcpStream::connect(world.address)
        .await
        .expect("a place in the queue");
    third
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("a request");
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(300), third.read(&mut byte)).await;
    assert!(early.is_err(), "it was served beyond the limit");
    drop(first);
    third
        .read_exact(&mut byte)
        .await
        .expect("served once a place was free");
}

#[tokio::test]
async fn a_preflight_says_what_other_origins_may_send() {
    let world = World::new().await;
    let request = world
        .request(Method::OPTIONS, "/api/v1/me/sessions/abc")
        .header("Origin", "https://forum.example")
        .header("Access-Control-Request-Method", "DELETE")
        .header("Access-Control-Request-Headers", "authorization");
    let answer = Answer::of(request).await;
    answer.expect_status(StatusCode::NO_CONTENT);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://forum.example")
    );
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .is_some_and(|m| m.contains("DELETE"))
    );
    let headers = answer.header("access-control-allow-headers");
    assert_eq!(
        headers,
        Some("Authorization, Content-Type, Idempotency-Key")
    );
}

#[tokio::test]
async fn with_a_list_of_origins_the_others_are_refused_everywhere() {
    let strict = Settings {
        allow_origin: Some(vec!["https://forum.example".parse().expect("an origin")]),
        public_url: Some("https://bell.example".parse().expect("an origin")),
        ..Settings::default()
    };
    let world = World::with(strict).await;
    let from = async |origin: &str, path: &str| {
        Answer::of(world.request(Method::GET, path).header("Origin", origin)).await
    };
    for path in ["/api/insert", "/api/v1/server", "/", "/healthz"] {
        from("https://evil.example", path)
            .await
            .expect_problem(403, "origin_refused");
        from("null", path)
            .await
            .expect_problem(403, "origin_refused");
        from("https://forum.example", path)
            .await
            .expect_status(StatusCode::OK);
        from("https://bell.example", path)
            .await
            .expect_status(StatusCode::OK);
        world
            .ask(Method::GET, path, None)
            .await
            .expect_status(StatusCode::OK);
    }
}

#[tokio::test]
async fn an_address_nobody_has_is_a_problem_and_a_page_is_a_page() {
    let world = World::new().await;
    for path in [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v2/me",
        "/assets/no.js",
        "/no.png",
    ] {
        world
            .ask(Method::GET, path, None)
            .await
            .expect_problem(404, "not_found");
    }
    let answer = world.ask(Method::DELETE, "/api/v1/login", None).await;
    answer.expect_problem(405, "malformed");

    for path in ["/", "/login", "/sessions", "/setup"] {
        let page = world.ask(Method::GET, path, None).await;
        page.expect_status(StatusCode::OK);
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{path}"
        );
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(
            policy.contains("script-src 'self'; style-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
    let page = world.ask(Method::GET, "/", None).await;
    let tag = page.header("etag").expect("a tag").to_owned();
    let again = Answer::of(world.request(Method::GET, "/").header("If-None-Match", tag)).await;
    again.expect_status(StatusCode::NOT_MODIFIED);
    // What is in the page is there, and may be kept for ever: its name changes with its content.
    let script = page
        .text
        .split('"')
        .find(|part| part.starts_with("/assets/") && part.ends_with(".js"));
    let script = world
        .ask(Method::GET, script.expect("a script"), None)
        .await;
    script.expect_status(StatusCode::OK);
    assert!(
        script
            .header("cache-control")
            .is_some_and(|age| age.contains("immutable"))
    );
}

#[tokio::test]
async fn answers_about_members_are_not_kept_in_caches() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let me = ann.get(&world, "/api/v1/me").await;
    assert_eq!(me.header("cache-control"), Some("no-store"));
    assert_eq!(me.header("referrer-policy"), Some("no-referrer"));
}

#[tokio::test]
async fn it_says_that_it_is_alive_and_ready() {
    let world = World::new().await;
    world
        .ask(Method::GET, "/healthz", None)
        .await
        .expect_status(StatusCode::OK);
    world
        .ask(Method::GET, "/readyz", None)
        .await
        .expect_status(StatusCode::OK);
}
