//! What time and the bounds take away: told as any other change, the oldest read first.

use std::time::Duration;

use bellrope::config::Settings;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::socket::Socket;
use crate::world::{Login, World, draft};

const DAY: Duration = Duration::from_hours(24);

/// Publishes one to member 42, and returns its id.
async fn add(world: &World, key: &Login, title: &str) -> Value {
    let said = json!({ "to": "42", "title": title, "group": title });
    key.publish(world, said).await["id"].take()
}

async fn titles(world: &World, member: &Login) -> Vec<String> {
    let mut titles = Vec::new();
    for state in ["all", "archived"] {
        let path = format!("/api/v1/inbox?limit=100&state={state}");
        let page = member.get(world, &path).await.json();
        let items = page["items"].as_array().expect("items");
        titles.extend(
            items
                .iter()
                .map(|item| item["title"].as_str().expect("one").to_owned()),
        );
    }
    titles
}

async fn act(world: &World, member: &Login, act: &str, group: &str) {
    let path = format!("/api/v1/inbox/{act}");
    let done = member.post(world, &path, json!({ "group": group })).await;
    done.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn an_item_stays_ninety_days_from_when_it_came_to_the_top() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let mut ids = Vec::new();
    for title in ["unread", "read", "archived", "folded"] {
        ids.push(add(&world, &key, title).await);
    }
    act(&world, &ann, "read", "read").await;
    act(&world, &ann, "archive", "archived").await;
    world.clock.advance(89 * DAY);
    add(&world, &key, "folded").await;
    add(&world, &key, "new").await;
    let mut socket = Socket::open(&world, &ann.token).await;
    let everything = ["new", "folded", "read", "unread", "archived"];
    assert_eq!(titles(&world, &ann).await, everything);
    world.clock.advance(2 * DAY);
    let mut removed = Vec::new();
    for seq in 9..12 {
        let told = socket.event("inbox.removed").await;
        assert_eq!(told["seq"], seq);
        removed.push(told["ids"][0].clone());
        assert_eq!(told["counts"], json!({ "unread": 2, "unseen": 2 }));
    }
    removed.sort_by_key(Value::to_string);
    ids.truncate(3);
    ids.sort_by_key(Value::to_string);
    assert_eq!(removed, ids);
    assert_eq!(titles(&world, &ann).await, ["new", "folded"]);
}

#[tokio::test]
async fn a_full_inbox_makes_room_with_the_oldest_that_was_read() {
    let bounds = Settings {
        inbox_items_max: Some("4".parse().expect("a count")),
        ..Settings::default()
    };
    let world = World::forum_with(bounds).await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    for title in ["a", "b", "c", "d"] {
        add(&world, &key, title).await;
        socket.event("inbox.added").await;
    }
    for (verb, title) in [("archive", "c"), ("read", "b")] {
        act(&world, &ann, verb, title).await;
        socket.event("inbox.state").await;
    }
    let mut seq = 6;
    for (title, left) in [
        ("e", vec!["e", "d", "a", "c"]),
        ("f", vec!["f", "e", "d", "a"]),
        ("g", vec!["g", "f", "e", "d"]),
    ] {
        add(&world, &key, title).await;
        for event in ["inbox.removed", "inbox.added"] {
            seq += 1;
            assert_eq!(socket.event(event).await["seq"], seq);
        }
        assert_eq!(titles(&world, &ann).await, left);
    }
    // What only folds needs no room.
    add(&world, &key, "d").await;
    assert_eq!(socket.event("inbox.updated").await["counts"]["unread"], 4);
    assert_eq!(titles(&world, &ann).await, ["d", "g", "f", "e"]);
}

#[tokio::test]
async fn a_bound_that_was_lowered_holds_after_the_start() {
    let mut world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let items = vec![draft(json!({ "to": "42" })); 600];
    let batch = key
        .post(
            &world,
            "/api/v1/notifications/batch",
            json!({ "items": items }),
        )
        .await;
    batch.expect_status(StatusCode::OK);
    world.stop().await;
    world.config.bounds.inbox_items_max = 10;
    world.restart().await;
    let mut socket = Socket::open(&world, &ann.token).await;
    let mut counts = socket.ready["counts"].clone();
    while counts["unread"] != 10 {
        counts = socket.event("inbox.removed").await["counts"].take();
    }
    let page = ann.get(&world, "/api/v1/inbox?limit=100").await.json();
    let oldest = page["items"]
        .as_array()
        .and_then(|items| items.last())
        .expect("an item");
    assert_eq!((&oldest["seq"], &page["seq"]), (&json!(591), &json!(1190)));
    assert_eq!((&page["counts"], &page["next"]), (&counts, &Value::Null));
}

#[tokio::test]
async fn what_expires_goes_also_while_the_server_is_down() {
    let mut world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let hour = world.clock.now() + jiff::SignedDuration::from_hours(1);
    let said = |title: &str| json!({ "to": "42", "title": title, "expires_at": hour.to_string(), "key": title, "group": title });
    for title in ["unread", "read", "longer", "folded"] {
        key.publish(&world, said(title)).await;
    }
    act(&world, &ann, "archive", "read").await;
    // The newest word about it counts.
    key.publish(
        &world,
        json!({ "to": "42", "title": "longer", "key": "longer" }),
    )
    .await;
    key.publish(
        &world,
        json!({ "to": "42", "title": "folded", "group": "folded" }),
    )
    .await;
    let epoch = Socket::open(&world, &ann.token).await.ready["epoch"].clone();
    world.stop().await;
    world.clock.advance(Duration::from_secs(3601));
    world.restart().await;
    let auth = json!({ "token": ann.token, "epoch": epoch, "since": 7 });
    let mut socket = Socket::open_with(&world, auth).await;
    let mut seq = socket.ready["seq"].as_u64().expect("a number");
    while seq < 9 {
        seq = socket.event("inbox.removed").await["seq"]
            .as_u64()
            .expect("a number");
    }
    assert_eq!(titles(&world, &ann).await, ["folded", "longer"]);
    let counts = ann.get(&world, "/api/v1/inbox/counts").await.json();
    assert_eq!(counts["counts"], json!({ "unread": 2, "unseen": 2 }));
}
