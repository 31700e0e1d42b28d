//! What a forum does to what it has published: fold, edit, take back.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::socket::Socket;
use crate::world::{Login, World};

const PATH: &str = "/api/v1/notifications";

async fn page(world: &World, member: &Login) -> Value {
    let page = member.get(world, "/api/v1/inbox?state=all").await;
    page.expect_status(StatusCode::OK).json()
}

/// A like of post 1 by this actor.
fn like(actor: &str) -> Value {
    json!({
        "to": ["42", "43"], "kind": "like", "title": format!("{actor} liked your post"),
        "actor": { "id": actor, "name": null, "avatar": null }, "key": format!("like:1:{actor}"),
        "object": { "type": "post", "id": "1" }, "group": "like:1",
    })
}

fn ids(people: &Value) -> Vec<&str> {
    let people = people.as_array().expect("people");
    people
        .iter()
        .map(|person| person["id"].as_str().expect("an id"))
        .collect()
}

async fn retract(world: &World, key: &Login, what: &str) -> u64 {
    let answer = key.delete(world, &format!("{PATH}{what}")).await;
    let answer = answer.expect_status(StatusCode::OK).json();
    answer["retracted"].as_u64().expect("a number")
}

#[tokio::test]
async fn a_group_folds_into_one_item_at_the_top() {
    let mut world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let (mut phone, mut laptop) = (
        Socket::open(&world, &ann.token).await,
        Socket::open(&world, &ann.token).await,
    );
    let first = key.publish(&world, like("a")).await;
    assert_eq!(phone.event("inbox.added").await["item"]["count"], 1);
    key.publish(&world, json!({ "to": "42" })).await;
    phone.event("inbox.added").await;
    let folded = key.publish(&world, like("b")).await;
    assert_eq!(
        folded["results"][0],
        json!({ "to": "42", "seq": 3, "unread": 2, "sockets": 2 })
    );
    assert_ne!(folded["id"], first["id"]);

    let told = phone.event("inbox.updated").await;
    let item = &told["item"];
    assert_eq!((&told["seq"], &item["seq"]), (&json!(3), &json!(3)));
    assert_eq!(told["counts"], json!({ "unread": 2, "unseen": 2 }));
    assert_eq!((&item["id"], &item["count"]), (&first["id"], &json!(2)));
    assert_eq!(item["title"], "b liked your post");
    assert_eq!(
        (&item["actor"]["id"], ids(&item["actors"])),
        (&json!("b"), vec!["b", "a"])
    );
    for _ in 0..2 {
        laptop.event("inbox.added").await;
    }
    assert_eq!(laptop.event("inbox.updated").await, told);
    let items = page(&world, &ann).await["items"].take();
    assert_eq!((&items[0], items.as_array().map(Vec::len)), (item, Some(2)));

    // Distinct actors count, the five newest are named, and one without an actor counts one.
    for actor in ["c", "d", "a", "e", "f"] {
        let mut said = like(actor);
        said["key"] = Value::Null;
        key.publish(&world, said).await;
    }
    let mut nobody = like("nobody");
    nobody["actor"] = Value::Null;
    key.publish(&world, nobody).await;
    let items = page(&world, &ann).await["items"].take();
    assert_eq!(
        (&items[0]["count"], &items[0]["actor"]),
        (&json!(7), &Value::Null)
    );
    assert_eq!(ids(&items[0]["actors"]), ["f", "e", "a", "d", "c"]);
    assert_eq!(items[0]["created_at"], item["created_at"]);

    world.restart().await;
    assert_eq!(page(&world, &ann).await["items"], items);
    key.publish(&world, like("g")).await;
    assert_eq!(page(&world, &ann).await["items"][0]["count"], 8);
}

#[tokio::test]
async fn a_group_that_was_read_or_archived_opens_anew() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    for (n, act) in ["read", "archive"].into_iter().enumerate() {
        key.publish(&world, like(&format!("{n}a"))).await;
        key.publish(&world, like(&format!("{n}b"))).await;
        let path = format!("/api/v1/inbox/{act}");
        let done = ann.post(&world, &path, json!({ "group": "like:1" })).await;
        assert_eq!(done.json()["counts"]["unread"], 0, "{act}");
        let receipt = key.publish(&world, like(&format!("{n}c"))).await;
        let items = page(&world, &ann).await["items"].take();
        assert_eq!(
            (&items[0]["id"], &items[0]["count"]),
            (&receipt["id"], &json!(1)),
            "{act}"
        );
        ann.post(&world, "/api/v1/inbox/read", json!({ "all": true }))
            .await;
    }
}

#[tokio::test]
async fn the_same_key_edits_in_place_whoever_publishes() {
    let world = World::forum().await;
    let (key, other) = (world.key(&["publish"]).await, world.key(&["publish"]).await);
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    let said = json!({ "to": "42", "key": "post:1", "title": "Hllo", "url": "/t/1" });
    let first = key.publish(&world, said).await;
    key.publish(&world, json!({ "to": "42" })).await;
    ann.post(
        &world,
        "/api/v1/inbox/read",
        json!({ "ids": [first["id"]] }),
    )
    .await;
    for event in ["inbox.added", "inbox.added", "inbox.state"] {
        socket.event(event).await;
    }
    // What is muted meanwhile stays up to date all the same.
    let muted = json!({ "muted": { "kinds": ["reply"] } });
    ann.put(&world, "/api/v1/inbox/preferences", muted).await;
    let said = json!({ "to": ["42", "43"], "key": "post:1", "title": "Hello" });
    let receipt = other.publish(&world, said.clone()).await;
    let results = json!([
        { "to": "42", "seq": 4, "unread": 1, "sockets": 1 },
        { "to": "43", "seq": 1, "unread": 1, "sockets": 0 },
    ]);
    assert_eq!(receipt["results"], results);
    let told = socket.event("inbox.updated").await;
    let item = &told["item"];
    assert_eq!(
        (&item["id"], &item["seq"], &item["read"]),
        (&first["id"], &json!(1), &json!(true))
    );
    assert_eq!(
        (&item["title"], &item["url"]),
        (&json!("Hello"), &Value::Null)
    );
    assert_eq!(
        (&told["seq"], &told["counts"]["unread"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(page(&world, &ann).await["items"][1], *item);

    // Nothing that changes: no number, and nothing is told.
    let receipt = other.publish(&world, said).await;
    assert_eq!(receipt["results"][0]["seq"], 4);
    key.publish(&world, json!({ "to": "42", "kind": "like" }))
        .await;
    assert_eq!(socket.event("inbox.added").await["seq"], 5);
}

#[tokio::test]
async fn retracting_parts_lowers_the_count_and_the_last_takes_the_item_along() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    let first = key.publish(&world, like("a")).await;
    for actor in ["b", "c"] {
        key.publish(&world, like(actor)).await;
    }
    // A part of the past is edited in the past.
    let mut edited = like("b");
    edited["title"] = json!("b loved your post");
    key.publish(&world, edited).await;
    for event in [
        "inbox.added",
        "inbox.updated",
        "inbox.updated",
        "inbox.updated",
    ] {
        socket.event(event).await;
    }
    assert_eq!(
        page(&world, &ann).await["items"][0]["title"],
        "c liked your post"
    );

    // The newest goes, and the one before shows; its place is the same.
    assert_eq!(retract(&world, &key, "/by-key/like:1:c").await, 2);
    let told = socket.event("inbox.updated").await;
    let item = &told["item"];
    assert_eq!(
        (&told["seq"], &item["seq"], &item["count"]),
        (&json!(5), &json!(3), &json!(2))
    );
    assert_eq!(
        (&item["title"], ids(&item["actors"])),
        (&json!("b loved your post"), vec!["b", "a"])
    );
    assert_eq!(retract(&world, &key, "?actor=a").await, 2);
    let item = socket.event("inbox.updated").await["item"].take();
    assert_eq!(
        (&item["count"], ids(&item["actors"])),
        (&json!(1), vec!["b"])
    );
    assert_eq!(
        retract(&world, &key, "?object_type=post&object_id=1").await,
        2
    );
    let counts = json!({ "unread": 0, "unseen": 0 });
    let expected = json!({ "seq": 7, "counts": counts, "ids": [first["id"]] });
    assert_eq!(socket.event("inbox.removed").await, expected);
    assert_eq!(page(&world, &ann).await["items"], json!([]));
    for nothing in [
        "/by-key/like:1:c",
        "?actor=a",
        "?object_type=post&object_id=1",
    ] {
        assert_eq!(retract(&world, &key, nothing).await, 0);
    }
}

#[tokio::test]
async fn what_is_retracted_goes_from_every_inbox_whatever_its_state() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let to: Vec<String> = (0..2500).map(|id| format!("m{id}")).collect();
    let (read, archived) = (world.member("m0"), world.member("m1"));
    let spam = json!({ "to": to, "title": "Buy", "actor": { "id": "spammer" }, "key": "spam" });
    key.publish(&world, spam).await;
    key.publish(
        &world,
        json!({ "to": ["m0", "m1"], "actor": { "id": "spammer2" } }),
    )
    .await;
    let all = json!({ "through": 1 });
    read.post(&world, "/api/v1/inbox/read", all.clone()).await;
    archived.post(&world, "/api/v1/inbox/archive", all).await;
    let mut socket = Socket::open(&world, &archived.token).await;
    assert_eq!(retract(&world, &key, "?actor=spammer").await, 2500);
    assert_eq!(socket.event("inbox.removed").await["counts"]["unread"], 1);
    for member in [read, archived] {
        let page = page(&world, &member).await;
        assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
        assert_eq!(page["counts"]["unread"], 1);
    }
}
