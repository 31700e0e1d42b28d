//! Sessions: listed, ended, expired, forged; over HTTP and on live sockets alike.

use std::time::Duration;

use bellrope::config::Settings;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::socket::{Heard, Socket, ended, message};
use crate::world::{Answer, Login, PASSWORD, World};

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(token)
        .expect("a token")
        .claims
}

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
async fn nobody_ends_somebody_elses_session() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let bob = world.account("bob").await;
    let id = claims(&ann.token)["jti"]
        .as_str()
        .expect("an id")
        .to_owned();
    let answer = bob
        .delete(&world, &format!("/api/v1/me/sessions/{id}"))
        .await;
    answer.expect_problem(404, "not_found");
    ann.get(&world, "/api/v1/me")
        .await
        .expect_status(StatusCode::OK);
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
    ann.get(&world, "/api/v1/me")
        .await
        .expect_problem(401, "token_expired");
    refused_on_a_socket(&world, &ann.token, "token_expired").await;
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

/// Every kind of token that is none, on HTTP and on a socket.
#[expect(clippy::too_many_lines, reason = "it is one table")]
#[tokio::test]
async fn a_forged_token_is_refused_everywhere() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let secret = world.secret();
    let good = claims(&ann.token);
    let now = jiff::Timestamp::now().as_second();
    let header = |algorithm, typ: Option<&str>| {
        let mut header = Header::new(algorithm);
        header.typ = typ.map(str::to_owned);
        header
    };
    let ours = || header(Algorithm::HS256, Some("br-session+jwt"));
    let sign = |header: &Header, claims: &Value, secret: &[u8]| {
        encode(header, claims, &EncodingKey::from_secret(secret)).expect("a token")
    };
    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        claims
    };
    let without = |field: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("claims").remove(field);
        claims
    };
    let unsigned = |algorithm: &str| {
        let header = json!({ "alg": algorithm, "typ": "br-session+jwt" });
        format!("{}.{}.", base64(&header), base64(&good))
    };
    let parts: Vec<&str> = ann.token.split('.').collect();

    // What we sign ourselves with the same claims is good: the table below differs in one thing each.
    let twin = Login {
        token: sign(&ours(), &good, &secret),
    };
    twin.get(&world, "/api/v1/me")
        .await
        .expect_status(StatusCode::OK);

    let table: Vec<(&str, String, &str)> = vec![
        (
            "another secret",
            sign(&ours(), &good, b"some other secret, also 32 bytes"),
            "token_invalid",
        ),
        (
            "an empty secret",
            sign(&ours(), &good, b""),
            "token_invalid",
        ),
        ("alg none", unsigned("none"), "token_invalid"),
        ("alg NONE", unsigned("NONE"), "token_invalid"),
        (
            "no signature",
            format!("{}.{}.", parts[0], parts[1]),
            "token_invalid",
        ),
        (
            "HS384",
            sign(
                &header(Algorithm::HS384, Some("br-session+jwt")),
                &good,
                &secret,
            ),
            "token_invalid",
        ),
        (
            "HS512",
            sign(
                &header(Algorithm::HS512, Some("br-session+jwt")),
                &good,
                &secret,
            ),
            "token_invalid",
        ),
        (
            "another kind",
            sign(&header(Algorithm::HS256, Some("JWT")), &good, &secret),
            "token_invalid",
        ),
        (
            "no kind",
            sign(&header(Algorithm::HS256, None), &good, &secret),
            "token_invalid",
        ),
        (
            "no exp",
            sign(&ours(), &without("exp"), &secret),
            "token_invalid",
        ),
        (
            "no jti",
            sign(&ours(), &without("jti"), &secret),
            "token_invalid",
        ),
        (
            "exp is text",
            sign(&ours(), &with("exp", json!("never")), &secret),
            "token_invalid",
        ),
        (
            "future nbf",
            sign(&ours(), &with("nbf", json!(now + 60)), &secret),
            "token_invalid",
        ),
        (
            "expired",
            sign(&ours(), &with("exp", json!(now - 6)), &secret),
            "token_expired",
        ),
        (
            "unknown session",
            sign(&ours(), &with("jti", json!("f00")), &secret),
            "token_revoked",
        ),
        (
            "another's session",
            sign(&ours(), &with("sub", json!("@root")), &secret),
            "token_revoked",
        ),
        (
            "over 4 KiB",
            sign(&ours(), &with("pad", json!("x".repeat(4096))), &secret),
            "token_invalid",
        ),
        (
            "changed claims",
            format!(
                "{}.{}.{}",
                parts[0],
                base64(&with("sub", json!("@root"))),
                parts[2]
            ),
            "token_invalid",
        ),
        ("not a token", "abc".to_owned(), "token_invalid"),
        ("dots", "..".to_owned(), "token_invalid"),
    ];
    for (what, token, code) in table {
        let answer = Answer::of(world.request(Method::GET, "/api/v1/me").bearer_auth(&token)).await;
        assert_eq!(answer.json()["code"], code, "{what}");
        answer.expect_problem(401, code);
        let demo = Answer::of(
            world
                .request(Method::POST, "/api/insert")
                .bearer_auth(&token),
        )
        .await;
        assert_eq!(
            demo.json(),
            json!({ "code": 401, "message": "请登录在进行操作！" }),
            "{what}"
        );
        refused_on_a_socket(&world, &token, code).await;
    }
    assert_eq!(ann.age(&world).await, 0);
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

/// A v4 client by `auth`, a v4 client by the query, and a v2 client.
async fn refused_on_a_socket(world: &World, token: &str, code: &str) {
    let reason = format!("unauthorized: {code}");
    let refused = |heard: Heard| match heard {
        Heard::Refused(error) if error["message"] == reason || error == reason => {}
        other => panic!("{token} was not refused: {other:?}"),
    };
    // More than a socket may send at once is cut off before anybody looks at it.
    let whole = token.len() < 4096;
    if whole {
        refused(
            Socket::connect(world, json!({ "token": token }))
                .await
                .next()
                .await,
        );
        refused(
            Socket::connect(world, json!({ "token": format!("Bearer {token}") }))
                .await
                .next()
                .await,
        );
    }
    refused(
        Socket::connect_v2(world, &format!("token=Bearer%20{token}"))
            .await
            .next()
            .await,
    );
}

fn base64(value: &Value) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
}
