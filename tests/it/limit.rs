//! Who may have how much: strangers of one address, sockets of one member, what a key publishes.

use std::time::Duration;

use bellrope::config::{Count, Settings};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::socket::{Heard, Socket, message};
use crate::world::{Answer, SOON, World, draft};

const LEGACY: &str = "/socket.io/?EIO=3&transport=polling";
const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const PUBLISH: &str = "/api/v1/notifications";
/// Long enough for a session that is cut, and too short for the ten seconds after which one that
/// never connected has to go anyway.
const CUT: Duration = Duration::from_secs(5);

fn few_strangers() -> Settings {
    Settings {
        strangers_per_address: Some(Count(8)),
        trusted_proxy: Some(vec!["127.0.0.1".parse().expect("an address")]),
        ..Settings::default()
    }
}

/// A handshake that a proxy passes on for this address.
async fn handshake(world: &World, path: &str, address: &str) -> Answer {
    let request = world.request(Method::GET, path);
    Answer::of(request.header("X-Forwarded-For", address)).await
}

/// What a session is called by the answer to its handshake.
fn sid(answer: &Answer) -> String {
    answer.expect_status(StatusCode::OK);
    let (_, open) = answer.text.split_once('{').expect("an open packet");
    let open: Value = serde_json::from_str(&format!("{{{open}")).expect("JSON");
    open["sid"].as_str().expect("an id").to_owned()
}

/// A poll of a session, which has nothing to hear: `None` as long as it waits.
async fn is_over(world: &World, sid: &str) -> bool {
    let path = format!("{POLLING}&sid={sid}");
    let poll = world.ask(Method::GET, &path, None);
    let answered = tokio::time::timeout(Duration::from_millis(200), poll).await;
    answered.is_ok_and(|answer| answer.status == StatusCode::BAD_REQUEST)
}

#[tokio::test]
async fn strangers_of_one_address_are_limited_and_its_members_are_not() {
    let world = World::with(few_strangers()).await;
    let ann = world.account("ann").await;
    let mut first = Socket::connect_v2(&world, "").await;
    assert_eq!(first.next().await, message("hello"));
    for _ in 1..8 {
        sid(&handshake(&world, LEGACY, "127.0.0.1").await);
    }
    let one_more = handshake(&world, LEGACY, "127.0.0.1").await;
    one_more.expect_problem(429, "too_many");
    // Clients of protocol 4 are asked first whose they are.
    let mut nobody = Socket::connect(&world, json!({})).await;
    assert_eq!(
        nobody.next().await,
        Heard::Refused(json!({ "message": "too_many" }))
    );
    // A member's is not a stranger's, however it shows its token.
    let mut socket = Socket::open(&world, &ann.token).await;
    let mut legacy = Socket::connect_v2(&world, &format!("token={}", ann.token)).await;
    assert_eq!(legacy.next().await, message("hello"));
    legacy.read_ready().await;
    ann.add_age(&world).await;
    assert_eq!(socket.next().await, message(1));
    assert_eq!(legacy.next().await, message(1));
    // Who leaves makes room.
    drop(first);
    let began = std::time::Instant::now();
    while handshake(&world, LEGACY, "127.0.0.1").await.status != StatusCode::OK {
        assert!(
            began.elapsed() < SOON,
            "the place of one who left stays taken"
        );
    }
}

#[tokio::test]
async fn an_address_is_the_one_behind_the_proxy_and_a_v6_site_is_one() {
    let world = World::with(few_strangers()).await;
    for host in 0..8 {
        sid(&handshake(&world, LEGACY, &format!("2001:db8:1:2::{host}")).await);
    }
    let same_site = handshake(&world, LEGACY, "2001:db8:1:2:ffff::9").await;
    same_site.expect_problem(429, "too_many");
    for other in ["2001:db8:1:3::1", "198.51.100.1"] {
        sid(&handshake(&world, LEGACY, other).await);
    }
}

#[tokio::test]
async fn who_does_not_say_whose_it_is_loses_its_place_to_the_next() {
    let world = World::with(few_strangers()).await;
    let ann = world.account("ann").await;
    let mut sockets = Vec::new();
    for _ in 0..8 {
        sockets.push(Socket::knock(&world).await);
    }
    for mut oldest in sockets.drain(..4).collect::<Vec<_>>() {
        let mut member = Socket::open(&world, &ann.token).await;
        assert_eq!(oldest.within(CUT).await, Some(Heard::Closed));
        // Once it is known as a member's it is nobody's to take.
        sockets.push(Socket::knock(&world).await);
        assert_eq!(member.within(Duration::ZERO).await, None);
    }
    for mut kept in sockets {
        kept.send("40{}".to_owned()).await;
        assert_eq!(kept.next().await, message("hello"));
    }
}

#[tokio::test]
async fn a_session_that_is_polled_for_loses_its_place_as_well() {
    let world = World::with(few_strangers()).await;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(sid(&world.ask(Method::GET, POLLING, None).await));
    }
    // The oldest goes over to a WebSocket and still says nothing.
    let mut moved = Socket::upgrade(&world, &sessions[0]).await;
    for _ in 0..4 {
        sid(&world.ask(Method::GET, POLLING, None).await);
    }
    assert_eq!(moved.within(CUT).await, Some(Heard::Closed));
    let began = std::time::Instant::now();
    for lost in &sessions[1..4] {
        while !is_over(&world, lost).await {
            assert!(began.elapsed() < CUT, "{lost} is still there");
        }
    }
    for kept in &sessions[4..] {
        assert!(!is_over(&world, kept).await);
    }
}

#[tokio::test]
async fn a_session_does_not_outlive_its_socket() {
    let world = World::forum().await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    socket.send("41".to_owned()).await;
    assert_eq!(socket.next().await, Heard::Closed);
    // One that the server closes has time to read why.
    let key = world.key(&["inbox"]).await;
    let mut socket = Socket::open(&world, &ann.token).await;
    let signed_out = key.post(&world, "/api/v1/users/42/sign-out", json!({}));
    signed_out.await.expect_status(StatusCode::OK);
    assert_eq!(socket.next().await, crate::socket::ended("signed_out"));
    assert_eq!(socket.next().await, Heard::Disconnected);
    assert_eq!(socket.next().await, Heard::Closed);
}

#[tokio::test]
async fn of_too_many_sockets_of_one_member_the_oldest_is_closed() {
    let world = World::forum_with(Settings {
        sockets_per_member: Some(Count(3)),
        ..Settings::default()
    })
    .await;
    let (ann, bob) = (world.member("42"), world.member("43"));
    let mut others = Socket::open(&world, &bob.token).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(Socket::open(&world, &ann.token).await);
    }
    for mut oldest in sockets.drain(..2) {
        let why = oldest.event("socket.closed").await;
        assert_eq!(why, json!({ "reason": "crowded" }));
        assert_eq!(oldest.next().await, Heard::Disconnected);
    }
    ann.add_age(&world).await;
    bob.add_age(&world).await;
    for socket in sockets.iter_mut().chain([&mut others]) {
        assert_eq!(socket.next().await, message(1));
    }
}

#[tokio::test]
async fn a_hundred_tabs_of_one_member_all_hear() {
    let world = World::forum().await;
    let ann = world.member("42");
    let tabs = (0..100).map(|_| Socket::open(&world, &ann.token));
    let mut tabs = futures_util::future::join_all(tabs).await;
    ann.add_age(&world).await;
    for tab in &mut tabs {
        assert_eq!(tab.next().await, message(1));
    }
}

fn slow_key() -> Settings {
    Settings {
        key_rate: Some(Count(10)),
        ..Settings::default()
    }
}

/// Recipients, as many.
fn many(count: usize) -> Value {
    let to: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    draft(json!({ "to": to }))
}

#[tokio::test]
async fn a_key_that_publishes_without_end_is_told_when_to_go_on() {
    let world = World::with(slow_key()).await;
    let (key, other) = (world.key(&["publish"]).await, world.key(&["publish"]).await);
    let publish = |body: Value| key.post(&world, PUBLISH, body);
    publish(many(299)).await.expect_status(StatusCode::OK);
    // Little is left; the call may cost more, and the next waits until that is paid off.
    let batch = json!({ "items": [many(500), many(500)] });
    let batch = key.post(&world, "/api/v1/notifications/batch", batch);
    batch.await.expect_status(StatusCode::OK);
    let refused = publish(many(1)).await;
    refused.expect_problem(429, "too_many");
    let wait: u64 = refused
        .header("retry-after")
        .expect("a wait")
        .parse()
        .expect("seconds");
    assert!(
        (70..=100).contains(&wait),
        "{wait} s for 999 recipients at 10 a second"
    );
    for path in ["by-key/x", "?actor=7"] {
        let path = format!("{PUBLISH}/{path}").replace("/?", "?");
        key.delete(&world, &path)
            .await
            .expect_problem(429, "too_many");
    }
    // Nobody else waits for it.
    let others = other.post(&world, PUBLISH, many(1)).await;
    others.expect_status(StatusCode::OK);
    let admin = world.admin().await;
    admin
        .post(&world, PUBLISH, many(1))
        .await
        .expect_status(StatusCode::OK);
    world.clock.advance(Duration::from_secs(wait));
    publish(many(1)).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn everyone_counts_as_the_longest_list_and_what_is_not_kept_counts_little() {
    let world = World::with(slow_key()).await;
    let key = world.key(&["publish"]).await;
    for _ in 0..20 {
        let told = key.post(
            &world,
            PUBLISH,
            draft(json!({ "to": "42", "transient": true })),
        );
        told.await.expect_status(StatusCode::OK);
    }
    let everyone = draft(json!({ "to": "*" }));
    let told = key.post(&world, PUBLISH, everyone.clone()).await;
    told.expect_status(StatusCode::OK);
    let refused = key.post(&world, PUBLISH, everyone).await;
    refused.expect_problem(429, "too_many");
    assert!(
        refused
            .header("retry-after")
            .is_some_and(|wait| wait.len() == 3),
        "{refused:?}"
    );
}

/// A refusal is no answer to keep: the same call is done once the key may.
#[tokio::test]
async fn a_call_that_came_too_early_is_done_on_its_next_try() {
    let world = World::with(slow_key()).await;
    let key = world.key(&["publish"]).await;
    let publish = |body: Value| {
        let request = world.request(Method::POST, PUBLISH).bearer_auth(&key.token);
        Answer::of(request.header("Idempotency-Key", "like:1").json(&body))
    };
    let spent = key.post(&world, PUBLISH, many(1300)).await;
    spent.expect_status(StatusCode::OK);
    publish(many(2)).await.expect_problem(429, "too_many");
    world.clock.advance(Duration::from_secs(101));
    let done = publish(many(2)).await;
    assert_eq!(done.expect_status(StatusCode::OK).json()["replayed"], false);
}

#[tokio::test]
async fn a_leaked_key_that_floods_is_stopped_by_revoking_it() {
    let world = World::new().await;
    let (admin, key) = (world.admin().await, world.key(&["publish"]).await);
    let flood = async || loop {
        let answer = key.post(&world, PUBLISH, many(20)).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
    };
    let revoke = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let id = key.token.split('_').nth(1).expect("an id");
        let revoked = admin.delete(&world, &format!("/api/v1/keys/{id}")).await;
        revoked.expect_status(StatusCode::OK);
        // From the answer on.
        key.post(&world, PUBLISH, many(1)).await
    };
    let (after, floods) = tokio::join!(
        revoke,
        futures_util::future::join_all((0..8).map(|_| flood()))
    );
    for answer in floods.iter().chain([&after]) {
        answer.expect_problem(401, "token_invalid");
    }
}

#[tokio::test]
async fn bodies_that_are_held_at_once_have_a_bound_and_small_ones_pass() {
    let world = World::new().await;
    let key = world.key(&["publish"]).await;
    let start = format!(
        "POST {PUBLISH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        key.token,
        4 << 20
    );
    // All but the end of each.
    let mut held = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(world.address)
            .await
            .expect("a connection");
        stream.write_all(start.as_bytes()).await.expect("a head");
        stream
            .write_all(&vec![b' '; (4 << 20) - 1])
            .await
            .expect("a body");
        held.push(stream);
    }
    let large = || {
        let mut body = many(1).to_string();
        body.push_str(&" ".repeat(2 << 20));
        Answer::of(
            world
                .request(Method::POST, PUBLISH)
                .bearer_auth(&key.token)
                .body(body),
        )
    };
    let began = std::time::Instant::now();
    let refused = loop {
        // What was written last is still being read.
        let answer = large().await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        assert!(began.elapsed() < SOON, "there is no bound");
    };
    refused.expect_problem(503, "busy");
    key.publish(&world, json!({ "to": "42" })).await;
    drop(held);
    while large().await.status != StatusCode::OK {
        assert!(
            began.elapsed() < SOON,
            "what was given up is not given back"
        );
    }
}
