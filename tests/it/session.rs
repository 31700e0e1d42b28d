//! Sessions: listed, ended, expired, forged; over HTTP and on live sockets alike.

use std::time::Duration;

use bellrope::config::Settings;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::socket::{Heard, Socket, ended, message};
use crate::tokens;
use crate::world::{Answer, PASSWORD, World};

#[tokio::test]
async fn a_member_sees_their_sessions_and_ends_one() {
    let world = World::new().await;
    let here = world.account("ann").await;
    world.clock.advance(Duration::from_secs(1));
    let there = world.login("ann", PASSWORD).await;
    let answer = here.get(&world, "/api/v1/me/sessions").await;
    let items = answer.expect_status(StatusCode::OK).json()["items"].clone();
    let items = items.as_array().expect("a list");
    assert_eq!(items.len(), 2);
    let current: Vec<_> = items.iter().map(|item| item["current"] == true).collect();
    assert_eq!(current, [false, true], "newest first");
    assert_eq!(items[0]["address"], "127.0.0.1");
    for field in [
        "id",
        "created_at",
        "last_used_at",
        "expires_at",
        "user_agent",
    ] {
        assert!(items[0][field].is_string(), "{field}");
    }

    let id = items[0]["id"].as_str().expect("an id");
    let path = format!("/api/v1/me/sessions/{id}");
    here.delete(&world, &path)
        .await
        .expect_status(StatusCode::OK);
    there
        .get(&world, "/api/v1/me")
        .await
        .expect_problem(401, "token_revoked");
    here.delete(&world, &path)
        .await
        .expect_problem(404, "not_found");
}

#[tokio::test]
async fn use_is_noted_to_the_minute() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let used = async || {
        let sessions = ann.get(&world, "/api/v1/me/sessions").await.json();
        sessions["items"][0]["last_used_at"].clone()
    };
    let first = used().await;
    world.clock.advance(Duration::from_secs(90));
    // This request leaves the note, and a write that is answered comes after it in the queue.
    ann.add_age(&world).await;
    assert_ne!(used().await, first);
}

#[tokio::test]
async fn a_revoked_session_ends_its_sockets_at_once_and_no_others() {
    let world = World::new().await;
    let here = world.account("ann").await;
    let there = world.login("ann", PASSWORD).await;
    let mut kept = Socket::open(&world, &here.token).await;
    let mut cut = Socket::open(&world, &there.token).await;

    there
        .post(&world, "/api/v1/logout", json!({}))
        .await
        .expect_status(StatusCode::OK);
    assert_eq!(cut.next().await, ended("logged_out"));
    assert_eq!(cut.next().await, Heard::Disconnected);
    assert_eq!(here.add_age(&world).await, 1);
    assert_eq!(kept.next().await, message(1));
}

#[tokio::test]
async fn each_way_a_session_ends_is_told_with_its_reason() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.account("ann").await;
    let password = json!({ "password": PASSWORD });
    let ways = [
        (
            "POST",
            "/api/v1/accounts/ann/password",
            password,
            "password_changed",
        ),
        (
            "POST",
            "/api/v1/accounts/ann/disable",
            json!({}),
            "account_disabled",
        ),
        (
            "DELETE",
            "/api/v1/accounts/ann",
            json!({}),
            "account_removed",
        ),
    ];
    for (method, path, body, reason) in ways {
        admin
            .post(&world, "/api/v1/accounts/ann/enable", json!({}))
            .await;
        let ann = world.login("ann", PASSWORD).await;
        let mut socket = Socket::open(&world, &ann.token).await;
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = world
            .request(method, path)
            .bearer_auth(&admin.token)
            .json(&body);
        Answer::of(request).await.expect_status(StatusCode::OK);
        assert_eq!(socket.next().await, ended(reason), "{path}");
        assert_eq!(socket.next().await, Heard::Disconnected);
        ann.get(&world, "/api/v1/me")
            .await
            .expect_problem(401, "token_revoked");
    }
}

#[tokio::test]
async fn a_session_expires_on_http_and_on_its_live_sockets() {
    let short = Settings {
        session_ttl: Some("1h".parse().expect("a time")),
        ..Settings::default()
    };
    let world = World::with(short).await;
    let ann = world.account("ann").await;
    let mut socket = Socket::open(&world, &ann.token).await;
    world.clock.advance(Duration::from_mins(59));
    assert_eq!(ann.add_age(&world).await, 1);
    assert_eq!(socket.next().await, message(1));

    world.clock.advance(Duration::from_secs(66));
    assert_eq!(socket.next().await, ended("expired"));
    assert_eq!(socket.next().await, Heard::Disconnected);
    tokens::refused(&world, [("expired", ann.token, "token_expired")]).await;
    // A login sweeps what has expired.
    let ann = world.login("ann", PASSWORD).await;
    let sessions = ann.get(&world, "/api/v1/me/sessions").await.json();
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_member_has_a_hundred_sessions_at_most_and_the_oldest_goes() {
    let world = World::new().await;
    let first = world.account("ann").await;
    for _ in 0..99 {
        world.clock.advance(Duration::from_millis(1));
        world.login("ann", PASSWORD).await;
    }
    let mut socket = Socket::open(&world, &first.token).await;
    world.clock.advance(Duration::from_millis(1));
    let last = world.login("ann", PASSWORD).await;
    assert_eq!(socket.next().await, ended("displaced"));
    first
        .get(&world, "/api/v1/me")
        .await
        .expect_problem(401, "token_revoked");
    let sessions = last.get(&world, "/api/v1/me/sessions").await.json();
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn a_restart_keeps_sessions_and_ended_ones_stay_ended() {
    let mut world = World::new().await;
    let here = world.account("ann").await;
    let there = world.login("ann", PASSWORD).await;
    there
        .post(&world, "/api/v1/logout", json!({}))
        .await
        .expect_status(StatusCode::OK);
    world.restart().await;
    here.get(&world, "/api/v1/me")
        .await
        .expect_status(StatusCode::OK);
    there
        .get(&world, "/api/v1/me")
        .await
        .expect_problem(401, "token_revoked");
}

#[tokio::test]
async fn a_header_that_is_no_bearer_is_refused() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let with = |value: String| {
        world
            .request(Method::GET, "/api/v1/me")
            .header("Authorization", value)
    };
    Answer::of(world.request(Method::GET, "/api/v1/me"))
        .await
        .expect_problem(401, "token_missing");
    for value in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Basic {}", ann.token),
        ann.token.clone(),
    ] {
        Answer::of(with(value))
            .await
            .expect_problem(401, "token_invalid");
    }
    Answer::of(with(format!("bearer {}", ann.token)))
        .await
        .expect_status(StatusCode::OK);
}
