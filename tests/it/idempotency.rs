//! A publishing call that is sent again is done once: however often, over a restart, after a kill.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::process::{self, Process};
use crate::socket::Socket;
use crate::world::{Answer, FORUM_SECRET, Login, World, client, draft, forum_token};

const PATH: &str = "/api/v1/notifications";
const BATCH: &str = "/api/v1/notifications/batch";

fn request(world: &World, caller: &Login, path: &str, key: &str, body: &str) -> RequestBuilder {
    let request = world.request(Method::POST, path).bearer_auth(&caller.token);
    request.header("Idempotency-Key", key).body(body.to_owned())
}

async fn send(world: &World, caller: &Login, path: &str, key: &str, body: &str) -> Answer {
    Answer::of(request(world, caller, path, key, body)).await
}

/// The answer as it is when it is repeated.
fn replayed(answer: &Answer) -> Value {
    let mut answer = answer.expect_status(StatusCode::OK).json();
    assert_eq!(answer["replayed"], false);
    answer["replayed"] = json!(true);
    answer
}

async fn seq(world: &World, member: &Login) -> Value {
    let counts = member.get(world, "/api/v1/inbox/counts").await;
    counts.expect_status(StatusCode::OK).json()["seq"].take()
}

#[tokio::test]
async fn the_same_bytes_are_answered_again_for_a_day() {
    let mut world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let body = draft(json!({ "to": ["42", "@nobody"] })).to_string();
    let first = send(&world, &key, PATH, "like:9912", &body).await;
    let expected = replayed(&first);
    let again = send(&world, &key, PATH, "like:9912", &body).await;
    assert_eq!(again.expect_status(StatusCode::OK).json(), expected);
    // What is the same only to a reader of JSON is another request.
    let other = send(&world, &key, PATH, "like:9912", &format!("{body} ")).await;
    other.expect_problem(422, "idempotency_mismatch");
    assert_eq!(seq(&world, &ann).await, 1);

    world.restart().await;
    world.clock.advance(Duration::from_mins(24 * 60 - 1));
    let again = send(&world, &key, PATH, "like:9912", &body).await;
    assert_eq!(again.expect_status(StatusCode::OK).json(), expected);
    let other = send(&world, &key, PATH, "like:9912", &format!("{body} ")).await;
    other.expect_problem(422, "idempotency_mismatch");
    assert_eq!(seq(&world, &ann).await, 1);
    world.clock.advance(Duration::from_secs(61));
    let anew = send(&world, &key, PATH, "like:9912", &format!("{body} ")).await;
    assert_ne!(replayed(&anew)["id"], expected["id"]);
    assert_eq!(seq(&world, &ann).await, 2);
}

#[tokio::test]
async fn a_refusal_that_would_come_again_is_kept_as_well() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let good = draft(json!({ "to": "42" })).to_string();
    let bad = [
        ("{", 400, "malformed"),
        (
            "{\"to\":\"42\",\"kind\":\"Like\",\"title\":\"t\"}",
            422,
            "field_invalid",
        ),
        (
            "{\"to\":[],\"kind\":\"like\",\"title\":\"t\"}",
            422,
            "field_invalid",
        ),
    ];
    for (n, (body, status, code)) in bad.into_iter().enumerate() {
        let call = format!("call {n}");
        let first = send(&world, &key, PATH, &call, body).await;
        first.expect_problem(status, code);
        let again = send(&world, &key, PATH, &call, body).await;
        assert_eq!(again.json(), first.json());
        let mended = send(&world, &key, PATH, &call, &good).await;
        mended.expect_problem(422, "idempotency_mismatch");
    }
    // Who asks, and how much, is looked at before there is a call.
    let long = " ".repeat((4 << 20) + 1);
    send(&world, &key, PATH, "call", &long)
        .await
        .expect_problem(413, "too_large");
    let stranger = world.member("43");
    send(&world, &stranger, PATH, "call", &good)
        .await
        .expect_problem(403, "scope_missing");
    let done = send(&world, &key, PATH, "call", &good).await;
    assert_eq!(done.expect_status(StatusCode::OK).json()["replayed"], false);
}

#[tokio::test]
async fn a_call_is_the_callers_own_and_that_addresss() {
    let world = World::forum().await;
    let (key, other) = (world.key(&["publish"]).await, world.key(&["publish"]).await);
    let admin = world.admin().await;
    let one = draft(json!({ "to": "42" }));
    let batch = json!({ "items": [one] }).to_string();
    let one = one.to_string();
    let notify = |id: &str| format!("/api/v1/users/{id}/notify");
    let calls = [
        (&key, PATH.to_owned(), &one),
        (&other, PATH.to_owned(), &one),
        (&admin, PATH.to_owned(), &one),
        (&key, BATCH.to_owned(), &batch),
        (&key, notify("42"), &one),
        (&key, notify("%34%32"), &one),
        (&key, notify("43"), &one),
    ];
    for is_again in [false, true] {
        for (caller, path, body) in &calls {
            let answer = send(&world, caller, path, "the same", body).await;
            let mut answer = answer.expect_status(StatusCode::OK).json();
            if path == BATCH {
                answer = answer["items"][0].take();
            }
            assert_eq!(answer["replayed"], is_again, "{path}");
        }
    }
    assert_eq!(seq(&world, &world.member("42")).await, 6);
}

#[tokio::test]
async fn a_batch_and_a_text_are_repeated_whole() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let mut socket = Socket::open(&world, &world.member("42").token).await;
    let good = draft(json!({ "to": "42" }));
    let items = [
        good.clone(),
        draft(json!({ "to": "42", "kind": "Like" })),
        draft(json!({ "to": "42", "transient": true })),
    ];
    let body = json!({ "items": items }).to_string();
    let mut first = send(&world, &key, BATCH, "b", &body).await.json();
    let again = send(&world, &key, BATCH, "b", &body).await.json();
    for at in [0, 2] {
        assert_eq!(first["items"][at]["replayed"].take(), false);
        first["items"][at]["replayed"] = json!(true);
    }
    assert_eq!(first["items"][1]["error"]["field"], "kind");
    assert_eq!(again, first);

    let notify = "/api/v1/users/42/notify";
    let with = |title: &str| request(&world, &key, notify, "n", "Text").header("title", title);
    let said = Answer::of(with("Title")).await;
    let expected = replayed(&said);
    assert_eq!(Answer::of(with("Title")).await.json(), expected);
    let other = Answer::of(with("Other")).await;
    other.expect_problem(422, "idempotency_mismatch");
    let other = send(&world, &key, notify, "n", "Text").await;
    other.expect_problem(422, "idempotency_mismatch");

    let transient = draft(json!({ "to": "42", "title": "Last", "transient": true })).to_string();
    let first = send(&world, &key, PATH, "t", &transient).await;
    let expected = replayed(&first);
    let again = send(&world, &key, PATH, "t", &transient).await;
    assert_eq!(again.json(), expected);
    // Each was told once.
    let mut heard = Vec::new();
    for _ in 0..4 {
        if let crate::socket::Heard::Event(name, data) = socket.next().await {
            heard.push(format!(
                "{name} {}",
                data["item"]["title"].as_str().unwrap_or("?")
            ));
        }
    }
    heard.sort();
    let expected = [
        "inbox.added Bob replied",
        "inbox.added Title",
        "inbox.transient Bob replied",
        "inbox.transient Last",
    ];
    assert_eq!(heard, expected);
    key.publish(&world, json!({ "to": "42" })).await;
    assert_eq!(socket.event("inbox.added").await["seq"], 3);
}

#[tokio::test]
async fn a_call_that_is_being_answered_is_in_flight() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let to: Vec<String> = (0..3000).map(|id| format!("m{id}")).collect();
    key.publish(&world, json!({ "to": to, "key": "first" }))
        .await;
    for (path, body) in [
        (PATH, draft(json!({ "to": to }))),
        (PATH, draft(json!({ "to": "*" }))),
        (BATCH, json!({ "items": [draft(json!({ "to": to }))] })),
    ] {
        let (call, body) = (format!("{path} {}", body["to"]), body.to_string());
        let call = &call[..call.len().min(100)];
        let calls = (0..8).map(|_| send(&world, &key, path, call, &body));
        let (mut done, mut waited) = (0, 0);
        for answer in join_all(calls).await {
            if answer.status == StatusCode::OK {
                done += u32::from(answer.text.contains("\"replayed\":false"));
            } else {
                answer.expect_problem(409, "in_flight");
                assert_eq!(answer.header("retry-after"), Some("1"));
                waited += 1;
            }
        }
        assert!(done == 1 && waited > 0, "{done} done, {waited} in flight");
    }
    assert_eq!(seq(&world, &world.member("m2999")).await, 4);
}

#[tokio::test]
async fn a_key_for_a_call_has_a_bound() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let body = draft(json!({ "to": "42" })).to_string();
    let longest = "k".repeat(255);
    let done = send(&world, &key, PATH, &longest, &body).await;
    done.expect_status(StatusCode::OK);
    for wrong in ["", &format!("{longest}k"), "é"] {
        let refused = send(&world, &key, PATH, wrong, &body).await;
        refused.expect_problem(422, "field_invalid");
        assert_eq!(refused.json()["field"], "Idempotency-Key");
    }
    assert_eq!(seq(&world, &world.member("42")).await, 1);
}

#[tokio::test]
async fn a_publish_to_everyone_goes_on_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let start = || Process::start(&data, &["--forum-secret", FORUM_SECRET]);
    let server = start();
    let key = process::key(&data, "publish");
    let to: Vec<String> = (0..3000).map(|id| format!("m{id:04}")).collect();
    let seen = server
        .ask(Method::POST, PATH, &key, Some(draft(json!({ "to": to }))))
        .await;
    seen.expect_status(StatusCode::OK);

    let now = jiff::Timestamp::now().as_second();
    let first = forum_token("m0000", now);
    let mut socket = Socket::open(&server, &first).await;
    let object = json!({ "type": "news", "id": "1" });
    let body = draft(json!({ "to": "*", "title": "News", "object": object }));
    let http = client();
    let call = |server: &Process| {
        let request = http.post(server.url(PATH)).bearer_auth(&key);
        request.header("Idempotency-Key", "news:1").json(&body)
    };
    let cut_off = tokio::spawn(call(&server).send());
    // The first thousand have it.
    assert_eq!(socket.event("inbox.added").await["item"]["title"], "News");
    server.kill();
    let cut_off = cut_off.await.expect("no panic");
    assert!(cut_off.is_err(), "it was answered before the kill");

    let server = start();
    let mut last = Socket::open(&server, &forum_token("m2999", now)).await;
    if last.ready["seq"] == 1 {
        last.event("inbox.added").await;
    }
    let answer = loop {
        let answer = Answer::of(call(&server)).await;
        if answer.status == StatusCode::OK {
            break answer.json();
        }
        answer.expect_problem(409, "in_flight");
    };
    let results = &answer["results"];
    assert_eq!(
        (&results["delivered"], &results["errors"]),
        (&json!(3000), &json!(0))
    );
    assert_eq!(
        answer["replayed"], true,
        "it was taken up by the start, not by this call"
    );
    for member in ["m0000", "m0999", "m1000", "m2999"] {
        let token = forum_token(member, now);
        let page = server
            .ask(Method::GET, "/api/v1/inbox", &token, None)
            .await
            .json();
        let shown = (
            &page["seq"],
            &page["items"][0]["title"],
            &page["items"][0]["id"],
        );
        assert_eq!(
            shown,
            (&json!(2), &json!("News"), &answer["id"]),
            "{member}"
        );
    }
    // Everybody has it once.
    let path = format!("{PATH}?object_type=news&object_id=1");
    let retracted = server.ask(Method::DELETE, &path, &key, None).await;
    assert_eq!(retracted.json(), json!({ "retracted": 3000 }));
    server.stop().await;
}
