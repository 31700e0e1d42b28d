//! The counter: one by one, in order, to the member's sockets and nobody else's, and kept.

use bellrope::config::Settings;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::socket::{Socket, message};
use crate::world::{Answer, PASSWORD, World};

#[tokio::test]
async fn the_new_age_reaches_every_socket_of_the_member_and_no_other() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let again = world.login("ann", PASSWORD).await;
    let bob = world.account("bob").await;
    let mut phone = Socket::open(&world, &ann.token).await;
    let mut laptop = Socket::open(&world, &again.token).await;
    let mut bobs = Socket::open(&world, &bob.token).await;
    let mut stranger = Socket::open(&world, "").await;

    assert_eq!(ann.add_age(&world).await, 1);
    assert_eq!(again.add_age(&world).await, 2);
    for socket in [&mut phone, &mut laptop] {
        assert_eq!(socket.next().await, message(1));
        assert_eq!(socket.next().await, message(2));
    }
    // The others hear their own next thing first: nothing came before it.
    assert_eq!(bob.add_age(&world).await, 1);
    assert_eq!(bobs.next().await, message(1));
    stranger.emit("message", json!("anything?")).await;
    assert_eq!(stranger.next().await, message("你好客户端, anything?"));

    let me = ann.get(&world, "/api/v1/me").await.json();
    assert_eq!(me["age"], 2);
    assert!(
        me["update_date"]
            .as_str()
            .is_some_and(|date| date.ends_with('Z')),
        "{me}"
    );
}

#[tokio::test]
async fn a_thousand_at_once_arrive_ascending_and_gapless_on_each_socket() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let mut v4 = Socket::open(&world, &ann.token).await;
    let mut other = Socket::open(&world, &ann.token).await;
    let mut v2 = Socket::connect_v2(&world, &format!("token=Bearer%20{}", ann.token)).await;
    assert_eq!(v2.next().await, message("hello"));
    v2.read_ready().await;

    let mut inserts = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let request = world
            .request(Method::POST, "/api/insert")
            .bearer_auth(&ann.token);
        inserts.spawn(Answer::of(request));
    }
    for socket in [&mut v4, &mut other, &mut v2] {
        for age in 1..=1000 {
            assert_eq!(socket.next().await, message(age));
        }
    }
    while let Some(answer) = inserts.join_next().await {
        assert_eq!(
            answer.expect("no panic").json(),
            json!({ "code": 200, "message": "添加成功~" })
        );
    }
    assert_eq!(ann.age(&world).await, 1000);
}

#[tokio::test]
async fn a_restart_keeps_the_count() {
    let mut world = World::new().await;
    let ann = world.account("ann").await;
    ann.add_age(&world).await;
    ann.add_age(&world).await;
    world.restart().await;
    assert_eq!(ann.age(&world).await, 2);
    let mut socket = Socket::open(&world, &ann.token).await;
    assert_eq!(ann.add_age(&world).await, 3);
    assert_eq!(socket.next().await, message(3));
}

#[tokio::test]
async fn a_full_queue_refuses_and_counts_nothing() {
    let narrow = Settings {
        write_queue: Some("1".parse().expect("a count")),
        ..Settings::default()
    };
    let world = World::with(narrow).await;
    let ann = world.account("ann").await;
    let mut requests = tokio::task::JoinSet::new();
    for n in 0..600 {
        let path = if n % 2 == 0 {
            "/api/insert"
        } else {
            "/api/v1/me/age"
        };
        requests.spawn(Answer::of(
            world.request(Method::POST, path).bearer_auth(&ann.token),
        ));
    }
    let (mut counted, mut busy, mut busy_demo) = (0, 0, 0);
    while let Some(answer) = requests.join_next().await {
        let answer = answer.expect("no panic");
        match (answer.status.as_u16(), answer.json()["code"].clone()) {
            (503, _) => {
                answer.expect_problem(503, "busy");
                busy += 1;
            }
            (200, code) if code == 503 => {
                assert_eq!(answer.header("retry-after"), Some("1"));
                busy_demo += 1;
            }
            (200, code) if code == 200 || code.is_null() => counted += 1,
            _ => panic!("{answer:?}"),
        }
    }
    assert!(
        busy > 0 && busy_demo > 0,
        "the queue never filled: {counted} counted"
    );
    assert_eq!(ann.age(&world).await, counted);
}

#[tokio::test]
async fn a_socket_that_does_not_keep_up_is_closed_and_has_no_hole_before() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let mut quick = Socket::open(&world, &ann.token).await;
    // A long-polling client that does not poll: what it is sent waits in its buffer.
    let poll = |query: String| {
        world.request(
            Method::GET,
            &format!("/socket.io/?EIO=4&transport=polling{query}"),
        )
    };
    let open = Answer::of(poll(String::new())).await;
    let open: serde_json::Value = serde_json::from_str(&open.text[1..]).expect("an open packet");
    let sid = format!("&sid={}", open["sid"].as_str().expect("an id"));
    let path = format!("/socket.io/?EIO=4&transport=polling{sid}");
    let auth = format!("40{}", json!({ "token": ann.token }));
    Answer::of(world.request(Method::POST, &path).body(auth))
        .await
        .expect_status(StatusCode::OK);
    // It answers the first ping, and polls until it hears its own number: it is in its room then.
    Answer::of(world.request(Method::POST, &path).body("3"))
        .await
        .expect_status(StatusCode::OK);
    let first = loop {
        let age = ann.add_age(&world).await;
        let answer = Answer::of(poll(sid.clone())).await;
        let heard = &answer.expect_status(StatusCode::OK).text;
        if heard.contains(&format!("[\"message\",{age}]")) {
            break age;
        }
    };

    let inserts = (0..25).map(async |_| {
        for _ in 0..100 {
            ann.add_age(&world).await;
        }
    });
    // Somebody who keeps up hears them all.
    tokio::join!(
        futures_util::future::join_all(inserts),
        quick.hear_until(message(first + 2500)),
    );
    let mut ages = Vec::new();
    let mut closed = false;
    while !closed {
        let answer = Answer::of(poll(sid.clone())).await;
        closed = answer.status != StatusCode::OK;
        for packet in answer.text.split('\u{1e}') {
            closed |= packet == "41" || packet == "1";
            if let Some(age) = packet.strip_prefix("42[\"message\",") {
                ages.push(age.trim_end_matches(']').parse::<u64>().expect("an age"));
            }
        }
    }
    assert!(
        ages.len() >= 2000,
        "the buffer holds at least 2,048 packets: {}",
        ages.len()
    );
    let expected: Vec<u64> = (first + 1..).take(ages.len()).collect();
    assert_eq!(ages, expected, "no hole before it was closed");
    let cut = "bellrope_slow_cut_total{why=\"socket_buffer\"} 1";
    assert!(world.key(&["presence"]).await.sees(&world, cut).await);
}
