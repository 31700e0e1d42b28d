//! What a forum's backend asks and does about its members: who is here, read for them, sign them
//! out, let them go.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::socket::{Heard, Socket, ended};
use crate::world::{Login, PASSWORD, World};

async fn standing(world: &World, member: &Login) -> Value {
    let standing = member.get(world, "/api/v1/inbox/counts").await;
    standing.expect_status(StatusCode::OK).json()
}

async fn sockets(world: &World, key: &Login, ids: &[&str]) -> Vec<Value> {
    let asked = key
        .post(world, "/api/v1/presence", json!({ "users": ids }))
        .await;
    let users = asked.expect_status(StatusCode::OK).json()["users"].take();
    assert_eq!(users.as_object().map(serde_json::Map::len), Some(ids.len()));
    ids.iter().map(|id| users[id]["sockets"].clone()).collect()
}

#[tokio::test]
async fn a_visit_marks_read_on_every_device() {
    let world = World::forum().await;
    let key = world.key(&["publish", "inbox"]).await;
    let ann = world.member("42");
    let mut phone = Socket::open(&world, &ann.token).await;
    let mut laptop = Socket::open(&world, &ann.token).await;
    for post in ["1", "2"] {
        let object = json!({ "type": "post", "id": post });
        key.publish(&world, json!({ "to": ["42", "43"], "object": object }))
            .await;
    }
    let selector = json!({ "object": { "type": "post", "id": "1" } });
    let read = key
        .post(&world, "/api/v1/users/42/read", selector.clone())
        .await;
    let read = read.expect_status(StatusCode::OK).json();
    assert_eq!(
        (&read["seq"], &read["counts"]["unread"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(standing(&world, &ann).await, read);
    for socket in [&mut phone, &mut laptop] {
        for event in ["inbox.added", "inbox.added"] {
            socket.event(event).await;
        }
        let told = socket.event("inbox.state").await;
        assert_eq!((&told["seq"], &told["read"]), (&json!(3), &json!(true)));
    }
    assert_eq!(
        standing(&world, &world.member("43")).await["counts"]["unread"],
        2
    );
    // Again changes nothing, and a stranger is nobody who would be remembered.
    let again = key
        .post(&world, "/api/v1/users/42/read", selector.clone())
        .await;
    assert_eq!(again.json(), read);
    let nobody = key
        .post(&world, "/api/v1/users/nobody/read", selector.clone())
        .await;
    assert_eq!(nobody.json()["seq"], 0);
    let wrong = key.post(&world, "/api/v1/users/*/read", selector).await;
    wrong.expect_problem(422, "field_invalid");
    assert_eq!(wrong.json()["field"], "id");
}

#[tokio::test]
async fn who_was_signed_out_needs_a_newer_token() {
    let mut world = World::forum().await;
    let key = world.key(&["inbox"]).await;
    let (old, other) = (world.member("42"), world.member("43"));
    let own = world.account("ann").await;
    let mut sockets = [
        Socket::open(&world, &old.token).await,
        Socket::open(&world, &own.token).await,
        Socket::open(&world, &old.token).await,
    ];
    world.clock.advance(Duration::from_secs(2));
    for id in ["42", "@ann", "unseen"] {
        let path = format!("/api/v1/users/{id}/sign-out");
        let answer = key.post(&world, &path, Value::Null).await;
        assert_eq!(answer.expect_status(StatusCode::OK).json(), json!({}));
    }
    for socket in &mut sockets {
        assert!(matches!(socket.next().await, Heard::Event(name, data)
            if name == "session.ended" && (data["reason"] == "signed_out" || data["reason"] == "revoked")));
        assert_eq!(socket.next().await, Heard::Disconnected);
    }
    drop(sockets);
    let unseen = crate::world::forum_token("unseen", world.clock.now().as_second() - 2);
    let refused = [&old.token, &own.token, &unseen].map(|token| Login {
        token: token.clone(),
    });
    for _ in 0..2 {
        for login in &refused {
            let answer = login.get(&world, "/api/v1/me").await;
            answer.expect_problem(401, "token_revoked");
        }
        other
            .get(&world, "/api/v1/me")
            .await
            .expect_status(StatusCode::OK);
        world.restart().await;
    }
    for login in refused {
        let mut socket = Socket::connect(&world, json!({ "token": login.token })).await;
        let refusal = json!({ "message": "unauthorized: token_revoked" });
        assert_eq!(socket.next().await, Heard::Refused(refusal));
    }
    world.clock.advance(Duration::from_secs(2));
    for newer in [
        world.member("42"),
        world.member("unseen"),
        world.login("ann", PASSWORD).await,
    ] {
        newer
            .get(&world, "/api/v1/me")
            .await
            .expect_status(StatusCode::OK);
    }
    let wrong = key
        .post(&world, "/api/v1/users/*/sign-out", Value::Null)
        .await;
    wrong.expect_problem(422, "field_invalid");
}

#[tokio::test]
async fn who_left_is_forgotten_but_for_the_number() {
    let mut world = World::forum().await;
    let key = world.key(&["publish", "inbox"]).await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    ann.add_age(&world).await;
    for title in ["a", "b", "c"] {
        key.publish(&world, json!({ "to": "42", "title": title, "key": title }))
            .await;
    }
    ann.post(&world, "/api/v1/inbox/seen", json!({ "through": 3 }))
        .await;
    let muted = json!({ "muted": { "kinds": ["like"] } });
    ann.put(&world, "/api/v1/inbox/preferences", muted).await;
    let before = standing(&world, &ann).await;
    world.clock.advance(Duration::from_secs(2));
    let gone = key.delete(&world, "/api/v1/users/42").await;
    assert_eq!(gone.expect_status(StatusCode::OK).json(), json!({}));
    let told = loop {
        match socket.next().await {
            Heard::Event(name, _) if name != "session.ended" => {}
            other => break other,
        }
    };
    assert_eq!(told, ended("left"));
    ann.get(&world, "/api/v1/me")
        .await
        .expect_problem(401, "token_revoked");
    key.delete(&world, "/api/v1/users/42")
        .await
        .expect_problem(404, "not_found");
    let retracted = key.delete(&world, "/api/v1/notifications/by-key/a").await;
    assert_eq!(retracted.json(), json!({ "retracted": 0 }));

    drop(socket);
    world.restart().await;
    world.clock.advance(Duration::from_secs(2));
    let back = world.member("42");
    let auth = json!({ "token": back.token, "epoch": before["epoch"], "since": before["seq"] });
    let mut socket = Socket::open_with(&world, auth).await;
    let (was, is) = (before["seq"].as_u64(), socket.ready["seq"].as_u64());
    assert!(is > was, "{is:?} goes on after {was:?}");
    assert_eq!(
        socket.ready["recovered"], false,
        "what was before is another's"
    );
    assert_eq!(socket.ready["counts"], json!({ "unread": 0, "unseen": 0 }));
    assert_eq!(socket.ready["user"]["age"], 0);
    key.publish(&world, json!({ "to": "42", "kind": "like" }))
        .await;
    let told = socket.event("inbox.added").await;
    assert_eq!(told["seq"].as_u64(), is.map(|seq| seq + 1));
    assert_eq!(told["counts"], json!({ "unread": 1, "unseen": 1 }));
}

#[tokio::test]
async fn an_own_account_that_is_let_go_stays_with_an_empty_inbox() {
    let world = World::new().await;
    let key = world.key(&["publish", "inbox"]).await;
    let ann = world.account("ann").await;
    ann.add_age(&world).await;
    key.publish(&world, json!({ "to": "@ann" })).await;
    let gone = key.delete(&world, "/api/v1/users/@ann").await;
    gone.expect_status(StatusCode::OK);
    ann.get(&world, "/api/v1/me")
        .await
        .expect_problem(401, "token_revoked");
    let ann = world.login("ann", PASSWORD).await;
    assert_eq!(ann.age(&world).await, 1);
    let empty = json!({ "unread": 0, "unseen": 0 });
    assert_eq!(standing(&world, &ann).await["counts"], empty);
    let receipt = key.publish(&world, json!({ "to": "@ann" })).await;
    assert_eq!(receipt["results"][0]["unread"], 1);
    let nobody = key.delete(&world, "/api/v1/users/@nobody").await;
    nobody.expect_problem(404, "not_found");
}

#[tokio::test]
async fn presence_is_the_sockets_that_are_open() {
    let world = World::forum().await;
    let key = world.key(&["presence"]).await;
    let bob = world.account("bob").await;
    let ids = ["42", "@bob", "nobody"];
    assert_eq!(sockets(&world, &key, &ids).await, [0, 0, 0]);
    let ann = world.member("42");
    let first = Socket::open(&world, &ann.token).await;
    let _second = Socket::open(&world, &ann.token).await;
    let mut bobs = Socket::open(&world, &bob.token).await;
    assert_eq!(sockets(&world, &key, &ids).await, [2, 1, 0]);
    assert_eq!(sockets(&world, &key, &[]).await, [0; 0]);
    bob.post(&world, "/api/v1/logout", Value::Null)
        .await
        .expect_status(StatusCode::OK);
    assert_eq!(bobs.next().await, ended("logged_out"));
    assert_eq!(sockets(&world, &key, &ids).await, [2, 0, 0]);
    drop(first);
    let began = std::time::Instant::now();
    while sockets(&world, &key, &["42"]).await != [1] {
        assert!(
            began.elapsed() < crate::world::SOON,
            "a socket that has gone is still here"
        );
    }
    let many = |n: usize| json!({ "users": vec!["42"; n] });
    let path = "/api/v1/presence";
    key.post(&world, path, many(1000))
        .await
        .expect_status(StatusCode::OK);
    for body in [many(1001), json!({ "users": ["*"] })] {
        let refused = key.post(&world, path, body).await;
        refused.expect_problem(422, "field_invalid");
        assert_eq!(refused.json()["field"], "users");
    }
    for body in [
        json!({}),
        json!({ "users": "42" }),
        json!({ "users": [], "x": 1 }),
    ] {
        key.post(&world, path, body)
            .await
            .expect_problem(400, "malformed");
    }
}

#[tokio::test]
async fn an_administrator_looks_into_a_member_and_reads_none_of_it() {
    let world = World::forum().await;
    let admin = world.admin().await;
    let forum = world.key(&["publish", "inbox"]).await;
    let ann = world.account("ann").await;
    let socket = Socket::open(&world, &ann.token).await;
    let secret = "what Bob wrote to Ann";
    for kind in ["like", "reply"] {
        let said = json!({ "to": "@ann", "kind": kind, "title": secret, "body": secret });
        forum.publish(&world, said).await;
    }
    let page = ann.get(&world, "/api/v1/inbox").await.json();
    let newest = page["items"][0]["id"].clone();
    let read = json!({ "ids": [newest] });
    ann.post(&world, "/api/v1/inbox/read", read).await;
    ann.post(&world, "/api/v1/inbox/seen", json!({ "through": 1 }))
        .await;

    let answer = admin.get(&world, "/api/v1/users/@ann").await;
    let about = answer.expect_status(StatusCode::OK).json();
    assert!(!answer.text.contains(secret), "{about}");
    assert_eq!(
        (&about["id"], &about["known"]),
        (&json!("@ann"), &json!(true))
    );
    assert_eq!(about["account"]["name"], "ann");
    assert_eq!(
        (&about["account"]["role"], &about["sockets"]),
        (&json!("member"), &json!(1))
    );
    assert_eq!(about["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(about["sessions"][0]["current"], false);
    assert_eq!(about["inbox"], standing(&world, &ann).await);
    assert_eq!(about["items"], 2);
    let trace = about["trace"].as_array().expect("changes").iter();
    let trace: Vec<_> = trace
        .map(|one| {
            (
                one["seq"].as_u64(),
                one["type"].as_str(),
                one["kind"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        trace,
        [
            (Some(4), Some("inbox.state"), None),
            (Some(3), Some("inbox.state"), Some("reply")),
            (Some(2), Some("inbox.added"), Some("reply")),
            (Some(1), Some("inbox.added"), Some("like")),
        ]
    );
    let changes = &about["trace"];
    assert_eq!(
        (&changes[0]["through"], &changes[0]["seen"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(
        (&changes[1]["ids"][0], &changes[1]["read"]),
        (&newest, &json!(true))
    );

    // A member that only the forum knows has a log as well, and nothing of an account.
    forum.publish(&world, json!({ "to": "42" })).await;
    let other = admin.get(&world, "/api/v1/users/42").await.json();
    assert_eq!(
        (&other["account"], &other["sockets"]),
        (&Value::Null, &json!(0))
    );
    assert_eq!(other["trace"][0]["type"], "inbox.added");
    forum.delete(&world, "/api/v1/users/42").await;
    let gone = admin.get(&world, "/api/v1/users/42").await.json();
    assert_eq!(
        (&gone["known"], &gone["trace"]),
        (&json!(false), &json!([]))
    );
    assert!(gone["signed_out_at"].is_string(), "{gone}");

    for nobody in ["nobody", "@nobody"] {
        let path = format!("/api/v1/users/{nobody}");
        let missing = admin.get(&world, &path).await;
        missing.expect_problem(404, "not_found");
    }
    for other in [&ann, &forum] {
        let refused = other.get(&world, "/api/v1/users/@ann").await;
        refused.expect_problem(403, "scope_missing");
    }
    drop(socket);
}

/// However much there is, it is a screen of it.
#[tokio::test]
async fn a_long_log_is_shown_by_its_end() {
    let world = World::new().await;
    let admin = world.admin().await;
    let forum = world.key(&["publish"]).await;
    for _ in 0..21 {
        forum.publish(&world, json!({ "to": "42" })).await;
    }
    let about = admin.get(&world, "/api/v1/users/42").await.json();
    let seqs = about["trace"].as_array().expect("changes").iter();
    let seqs: Vec<_> = seqs.filter_map(|one| one["seq"].as_u64()).collect();
    assert_eq!(seqs, (2..=21).rev().collect::<Vec<_>>());
}
