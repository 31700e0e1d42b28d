//! Coming back: what a socket is told of what it missed, all of it or nothing.

use std::time::Duration;

use bellrope::config::Settings;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::socket::{Heard, Socket, message};
use crate::world::{Login, World, draft};

/// With a cursor from elsewhere or from here.
async fn back(world: &World, member: &Login, epoch: &Value, since: impl Into<Value>) -> Socket {
    let (epoch, since) = (epoch.clone(), since.into());
    let auth = json!({ "token": member.token, "epoch": epoch, "since": since });
    Socket::open_with(world, auth).await
}

/// Each with its type, its number, and what it is about.
fn shown(ready: &Value) -> Vec<String> {
    let changes = ready["changes"].as_array().expect("changes");
    let shown = |change: &Value| {
        let about = match &change["item"]["title"] {
            Value::Null => change.get("ids").or(change.get("through")).cloned(),
            title => Some(title.clone()),
        };
        assert!(change.get("counts").is_none(), "{change}");
        let name = change["type"].as_str().expect("a type");
        format!("{name} {} {}", change["seq"], about.expect("something"))
    };
    changes.iter().map(shown).collect()
}

#[tokio::test]
async fn ready_says_who_where_and_what_was_missed() {
    let mut world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    let epoch = socket.ready["epoch"].clone();
    let expected = json!({
        "user": ann.get(&world, "/api/v1/me").await.json(), "epoch": epoch, "seq": 0,
        "counts": { "unread": 0, "unseen": 0 }, "recovered": false, "changes": [],
        "expires_at": socket.ready["expires_at"],
    });
    assert_eq!(socket.ready, expected);
    assert!(
        expected["expires_at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z'))
    );

    let mut lived = Vec::new();
    let gone = key
        .publish(&world, json!({ "to": "42", "title": "Gone" }))
        .await["id"]
        .take();
    key.publish(&world, json!({ "to": "42", "title": "Old", "key": "k" }))
        .await;
    key.publish(&world, json!({ "to": "42", "title": "New", "key": "k" }))
        .await;
    let path = format!("/api/v1/inbox/{}", gone.as_str().expect("an id"));
    ann.delete(&world, &path).await;
    ann.post(&world, "/api/v1/inbox/read", json!({ "all": true }))
        .await;
    ann.post(&world, "/api/v1/inbox/seen", json!({ "through": 2 }))
        .await;
    let names = [
        "inbox.added",
        "inbox.added",
        "inbox.updated",
        "inbox.removed",
        "inbox.state",
        "inbox.state",
    ];
    for name in names {
        let mut told = socket.event(name).await;
        told["type"] = json!(name);
        told.as_object_mut().expect("an object").remove("counts");
        lived.push(told);
    }
    drop(socket);
    world.restart().await;
    let socket = back(&world, &ann, &epoch, 0).await;
    assert_eq!(
        (&socket.ready["recovered"], &socket.ready["seq"]),
        (&json!(true), &json!(6))
    );
    let removed = format!("[{gone}]");
    let expected = [
        format!("inbox.removed 1 {removed}"),
        "inbox.added 2 \"New\"".to_owned(),
        "inbox.updated 3 \"New\"".to_owned(),
        format!("inbox.removed 4 {removed}"),
        "inbox.state 5 4".to_owned(),
        "inbox.state 6 2".to_owned(),
    ];
    assert_eq!(shown(&socket.ready), expected);
    // What is no item is as it was told; items are as they are now.
    let changes = socket.ready["changes"].as_array().expect("changes");
    assert_eq!(changes[3..], lived[3..]);
    assert_eq!(changes[1]["item"], changes[2]["item"]);
    assert_eq!(changes[2]["item"]["read"], true);
    let later = back(&world, &ann, &epoch, 5).await;
    assert_eq!(later.ready["changes"], json!(lived[5..]));
}

#[tokio::test]
async fn it_is_recovered_only_where_the_log_reaches() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    for _ in 0..3 {
        key.publish(&world, json!({ "to": "42" })).await;
    }
    let mut socket = Socket::open(&world, &ann.token).await;
    let epoch = socket.ready["epoch"].clone();
    let other = json!("0123456789abcdef0123456789abcdef");
    let cases = [
        (&epoch, json!(0), Some(3)),
        (&epoch, json!("1"), Some(2)),
        (&epoch, json!(3), Some(0)),
        (&epoch, json!(4), None),
        (&epoch, json!(u64::MAX), None),
        (&epoch, json!(-1), None),
        (&epoch, json!("x"), None),
        (&epoch, Value::Null, None),
        (&other, json!(3), None),
        (&Value::Null, json!(3), None),
    ];
    for (epoch, since, changes) in cases {
        let ready = back(&world, &ann, epoch, since.clone()).await.ready;
        assert_eq!(ready["recovered"], changes.is_some(), "{epoch} {since}");
        let found = ready["changes"].as_array().map(Vec::len);
        assert_eq!(found, Some(changes.unwrap_or(0)), "{epoch} {since}");
        assert_eq!(
            (&ready["seq"], &ready["counts"]["unread"]),
            (&json!(3), &json!(3))
        );
        // To ask for it is answered the same.
        if let (Some(epoch), Some(since)) = (epoch.as_str(), since.as_u64()) {
            let asked = json!({ "epoch": epoch, "since": since });
            assert_eq!(socket.ask("inbox.sync", asked).await, ready);
        }
    }
    for wrong in [
        json!({}),
        json!({ "epoch": epoch }),
        json!({ "epoch": epoch, "since": "x" }),
        Value::Null,
    ] {
        let refused = socket.ask("inbox.sync", wrong).await;
        assert_eq!(refused["error"]["code"], "malformed");
        assert!(refused["error"]["detail"].is_string());
    }
    // In the query, as the oldest clients have it.
    let epoch = epoch.as_str().expect("text");
    let query = format!("token=Bearer%20{}&epoch={epoch}&since=2", ann.token);
    let mut old = Socket::connect_v2(&world, &query).await;
    assert_eq!(old.next().await, message("hello"));
    old.read_ready().await;
    assert_eq!(shown(&old.ready), ["inbox.added 3 \"Bob replied\""]);
}

#[tokio::test]
async fn a_log_that_was_cut_is_never_told_in_part() {
    let bounds = Settings {
        log_changes_max: Some("5".parse().expect("a count")),
        log_age_max: Some("2h".parse().expect("an age")),
        ..Settings::default()
    };
    let world = World::forum_with(bounds).await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    for _ in 0..9 {
        key.publish(&world, json!({ "to": "42" })).await;
    }
    let epoch = Socket::open(&world, &ann.token).await.ready["epoch"].clone();
    let recovered = async |since: u64| {
        let ready = back(&world, &ann, &epoch, since).await.ready;
        (ready["recovered"] == true).then(|| shown(&ready).len())
    };
    assert_eq!([recovered(3).await, recovered(4).await], [None, Some(5)]);
    world.clock.advance(Duration::from_mins(90));
    key.publish(&world, json!({ "to": "42" })).await;
    assert_eq!([recovered(4).await, recovered(5).await], [None, Some(5)]);
    // The older four are over two hours old now.
    world.clock.advance(Duration::from_hours(1));
    assert_eq!([recovered(5).await, recovered(8).await], [None, None]);
    assert_eq!(
        [recovered(9).await, recovered(10).await],
        [Some(1), Some(0)]
    );
}

#[tokio::test]
async fn an_answer_has_at_most_256_kib() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    // Small ones, of which the wrapping is a good part.
    let items = vec![draft(json!({ "to": "42" })); 900];
    let batch = json!({ "items": items });
    let published = key.post(&world, "/api/v1/notifications/batch", batch).await;
    published.expect_status(StatusCode::OK);
    let mut socket = Socket::open(&world, &ann.token).await;
    let epoch = socket.ready["epoch"].clone();
    let (mut most, mut is_over) = (0, false);
    for since in (0..900).rev().step_by(25) {
        let asked = json!({ "epoch": epoch, "since": since });
        let answer = socket.ask("inbox.sync", asked).await;
        if answer["recovered"] == false {
            assert_eq!(answer["changes"], json!([]));
            is_over = true;
            break;
        }
        most = answer.to_string().len();
        assert!(most <= 256 << 10, "{most} bytes since {since}");
    }
    assert!(is_over && most > 240 << 10, "{most} bytes at most");
}

#[tokio::test]
async fn events_and_answers_keep_their_order_on_a_socket() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    let epoch = socket.ready["epoch"].clone();
    let publish = async {
        for n in 0..60 {
            key.publish(&world, json!({ "to": "42", "title": n.to_string() }))
                .await;
        }
    };
    let next = |(name, told): (String, Value), at: u64| {
        assert_eq!(
            (name.as_str(), &told["seq"]),
            ("inbox.added", &json!(at + 1))
        );
        at + 1
    };
    let listen = async {
        let mut at = 0;
        while at < 60 {
            let asked = json!(["inbox.sync", { "epoch": epoch, "since": at }]);
            socket.send(format!("427{asked}")).await;
            let answer = loop {
                match socket.next().await {
                    Heard::Event(name, told) => at = next((name, told), at),
                    Heard::Answer(7, answer) => break answer,
                    other => panic!("{other:?}"),
                }
            };
            // What was heard between the question and the answer may be in it.
            for change in answer["changes"].as_array().expect("changes") {
                let seq = change["seq"].as_u64().expect("a number");
                assert!(seq <= at + 1, "{seq} after {at}");
                at = at.max(seq);
            }
            assert_eq!(answer["seq"], at);
            // Not asked again at once: a socket has an allowance of answers.
            for _ in 0..3.min(60 - at) {
                let told = socket.event("inbox.added").await;
                at = next(("inbox.added".to_owned(), told), at);
            }
        }
    };
    tokio::join!(publish, listen);
}

#[tokio::test]
async fn a_socket_that_asks_without_end_is_told_to_wait() {
    let world = World::forum().await;
    let mut socket = Socket::open(&world, &world.member("42").token).await;
    let asked = json!({ "epoch": socket.ready["epoch"], "since": 0 });
    let mut answered = 0;
    let refused = loop {
        let answer = socket.ask("inbox.sync", asked.clone()).await;
        if answer["error"].is_object() {
            break answer;
        }
        answered += 1;
        assert!(answered < 1000, "it never has enough");
    };
    assert_eq!(refused["error"]["code"], "too_many");
    assert!(answered >= 32, "{answered} answers");
}
