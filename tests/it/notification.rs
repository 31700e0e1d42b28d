//! Publishing: what becomes of a notification, for whom, and each way to be refused.

use std::time::Duration;

use bellrope::config::{Maybe, Settings};
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::socket::Socket;
use crate::world::{Login, World, draft};

const PATH: &str = "/api/v1/notifications";

/// The titles of a member's inbox, newest first.
async fn titles(world: &World, member: &Login) -> Vec<String> {
    let page = member.get(world, "/api/v1/inbox?limit=100").await.json();
    let items = page["items"].as_array().expect("items");
    let title = |item: &Value| item["title"].as_str().expect("a title").to_owned();
    items.iter().map(title).collect()
}

#[tokio::test]
async fn what_is_published_is_told_on_every_device_and_kept_over_a_restart() {
    let forum_url = Some(Maybe(Some("https://forum.example".parse().expect("one"))));
    let settings = Settings {
        forum_url,
        ..Settings::default()
    };
    let mut world = World::forum_with(settings).await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let mut phone = Socket::open(&world, &ann.token).await;
    let mut laptop = Socket::open(&world, &ann.token).await;
    let expires_at = Timestamp::now() + SignedDuration::from_hours(1);
    let expires_at = format!("{expires_at:.3}");
    let said = json!({
        "to": "42", "kind": "like", "title": "Bob liked your post", "body": "“Hé”",
        "url": "/t/1#991", "actor": { "id": "7", "name": "Bob", "avatar": "https://forum.example/7.png" },
        "object": { "type": "post", "id": "991" }, "key": "like:991:7", "group": "like:991",
        "data": { "deep": [1, null, "☃"] }, "expires_at": expires_at,
    });
    let receipt = key.publish(&world, said.clone()).await;
    let id = receipt["id"].as_str().expect("an id");
    assert_eq!(id.len(), 32);
    let results = json!([{ "to": "42", "seq": 1, "unread": 1, "sockets": 2 }]);
    let expected = json!({ "id": id, "results": results, "replayed": false });
    assert_eq!(receipt, expected);

    let told = phone.event("inbox.added").await;
    assert_eq!(told, laptop.event("inbox.added").await);
    let at = told["item"]["created_at"].clone();
    let mut item = said;
    let more = json!({
        "id": id, "seq": 1, "url": "https://forum.example/t/1#991", "count": 1,
        "actors": [item["actor"]], "created_at": at, "updated_at": at,
        "read": false, "archived": false,
    });
    let Value::Object(more) = more else { panic!() };
    item.as_object_mut().expect("an object").extend(more);
    item.as_object_mut().expect("an object").remove("to");
    let counts = json!({ "unread": 1, "unseen": 1 });
    assert_eq!(told, json!({ "seq": 1, "counts": counts, "item": item }));

    let page = ann.get(&world, "/api/v1/inbox").await.json();
    let epoch = page["epoch"].clone();
    let expected =
        json!({ "items": [item], "counts": counts, "epoch": epoch, "seq": 1, "next": null });
    assert_eq!(page, expected);
    world.restart().await;
    assert_eq!(ann.get(&world, "/api/v1/inbox").await.json(), expected);
}

#[tokio::test]
async fn what_is_left_out_is_null() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    key.publish(&world, json!({ "to": ["42"] })).await;
    let item = socket.event("inbox.added").await["item"].take();
    for field in [
        "url",
        "actor",
        "object",
        "key",
        "group",
        "data",
        "expires_at",
    ] {
        assert_eq!(item.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!((&item["body"], &item["actors"]), (&json!(""), &json!([])));
    assert_eq!(
        (&item["count"], &item["kind"]),
        (&json!(1), &json!("reply"))
    );
}

#[tokio::test]
async fn each_recipient_has_its_result_in_the_order_of_to_and_once() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.account("ann").await;
    let (bob, eve) = (world.member("bob"), world.member("eve"));
    let muted = json!({ "muted": { "kinds": ["like"], "groups": ["topic:1"], "actors": ["7"] } });
    let put = eve.put(&world, "/api/v1/inbox/preferences", muted).await;
    put.expect_status(StatusCode::OK);
    let _open = Socket::open(&world, &ann.token).await;
    key.publish(&world, json!({ "to": ["bob", "eve"] })).await;

    let everybody = json!(["eve", "bob", "@nobody", "@ann", "bob"]);
    let bobs = |seq: u64| json!({ "to": "bob", "seq": seq, "unread": seq, "sockets": 0 });
    let anns = |seq: u64| json!({ "to": "@ann", "seq": seq, "unread": seq, "sockets": 1 });
    let (muted, gone) = (
        json!({ "to": "eve", "error": { "code": "muted" } }),
        json!({ "to": "@nobody", "error": { "code": "not_found" } }),
    );
    for (n, said) in [
        json!({ "kind": "like" }),
        json!({ "group": "topic:1" }),
        json!({ "actor": { "id": "7" } }),
    ]
    .into_iter()
    .enumerate()
    {
        let n = n as u64;
        let mut said = said;
        said["to"] = everybody.clone();
        let receipt = key.publish(&world, said).await;
        let expected = json!([muted, bobs(2 + n), gone, anns(1 + n)]);
        assert_eq!(receipt["results"], expected);
    }
    let unread = |login: Login| {
        let world = &world;
        async move { login.get(world, "/api/v1/inbox/counts").await.json()["counts"]["unread"].clone() }
    };
    assert_eq!(
        [unread(ann).await, unread(bob).await, unread(eve).await],
        [3, 4, 1]
    );
}

#[tokio::test]
async fn over_a_hundred_recipients_there_are_sums_and_ten_thousand_are_one_call() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let some = |n: u64| (0..n).map(|id| format!("m{id}")).collect::<Vec<_>>();
    let _open = Socket::open(&world, &world.member("m9999").token).await;
    let receipt = key.publish(&world, json!({ "to": some(100) })).await;
    assert_eq!(receipt["results"].as_array().map(Vec::len), Some(100));
    let mut to = some(101);
    to.extend(["m0".to_owned(), "@nobody".to_owned()]);
    let receipt = key.publish(&world, json!({ "to": to })).await;
    let sums = json!({ "delivered": 101, "sockets": 0, "errors": 1 });
    assert_eq!(receipt["results"], sums);
    let receipt = key.publish(&world, json!({ "to": some(10_000) })).await;
    let sums = json!({ "delivered": 10_000, "sockets": 1, "errors": 0 });
    assert_eq!(receipt["results"], sums);

    // Everybody who was ever seen, and the administrator has been as well.
    let receipt = key
        .publish(&world, json!({ "to": "*", "title": "All" }))
        .await;
    let sums = json!({ "delivered": 10_001, "sockets": 1, "errors": 0 });
    assert_eq!(receipt["results"], sums);
    for (member, seq) in [("m0", 4), ("m100", 3), ("m101", 2), ("m9999", 2)] {
        let member = world.member(member);
        let page = member.get(&world, "/api/v1/inbox?limit=1").await.json();
        assert_eq!(
            (&page["items"][0]["title"], &page["seq"]),
            (&json!("All"), &json!(seq))
        );
    }
    let too_many = key
        .post(&world, PATH, draft(json!({ "to": some(10_001) })))
        .await;
    too_many.expect_problem(422, "field_invalid");
}

#[tokio::test]
async fn everyone_is_whoever_was_seen_and_has_not_left() {
    let world = World::forum().await;
    let key = world.key(&["publish", "inbox"]).await;
    let (came, left) = (world.member("came"), world.member("left"));
    let _open = Socket::open(&world, &came.token).await;
    left.get(&world, "/api/v1/me")
        .await
        .expect_status(StatusCode::OK);
    key.publish(&world, json!({ "to": "told" })).await;
    key.delete(&world, "/api/v1/users/left")
        .await
        .expect_status(StatusCode::OK);
    let muted = json!({ "muted": { "kinds": ["news"] } });
    came.put(&world, "/api/v1/inbox/preferences", muted).await;

    // Came, told, and the administrator.
    for (kind, delivered, sockets) in [("reply", 3, 1), ("news", 2, 0)] {
        for transient in [true, false] {
            let said = json!({ "to": "*", "kind": kind, "transient": transient });
            let receipt = key.publish(&world, said).await;
            let errors = 3 - delivered;
            let sums = json!({ "delivered": delivered, "sockets": sockets, "errors": errors });
            assert_eq!(receipt["results"], sums, "{kind} {transient}");
        }
    }
    assert_eq!(titles(&world, &world.member("told")).await.len(), 3);
    assert_eq!(titles(&world, &came).await.len(), 1);
}

#[tokio::test]
async fn what_is_transient_is_told_and_never_kept() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    key.publish(&world, json!({ "to": "42" })).await;
    socket.event("inbox.added").await;
    let said = json!({ "to": ["42", "43"], "title": "Bob is typing", "transient": true, "key": "k", "group": "g" });
    let receipt = key.publish(&world, said).await;
    let expected = json!([
        { "to": "42", "seq": null, "unread": 1, "sockets": 1 },
        { "to": "43", "seq": null, "unread": 0, "sockets": 0 },
    ]);
    assert_eq!(receipt["results"], expected);
    let told = socket.event("inbox.transient").await;
    assert_eq!(
        told.as_object().map(serde_json::Map::len),
        Some(1),
        "{told}"
    );
    let item = &told["item"];
    assert_eq!((&item["seq"], &item["id"]), (&Value::Null, &receipt["id"]));
    assert_eq!(item["title"], "Bob is typing");
    assert_eq!(titles(&world, &ann).await, ["Bob replied"]);
    let again = Socket::open(&world, &ann.token).await;
    assert_eq!(again.ready["seq"], 1);
    let retracted = key.delete(&world, &format!("{PATH}/by-key/k")).await;
    assert_eq!(retracted.json(), json!({ "retracted": 0 }));
}

#[tokio::test]
async fn an_item_goes_when_it_expires() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    let expires_at = world.clock.now() + SignedDuration::from_mins(10);
    let receipt = key
        .publish(
            &world,
            json!({ "to": "42", "title": "Sale", "expires_at": expires_at.to_string() }),
        )
        .await;
    key.publish(&world, json!({ "to": "42" })).await;
    socket.event("inbox.added").await;
    socket.event("inbox.added").await;
    world.clock.advance(Duration::from_mins(9));
    key.publish(&world, json!({ "to": "42" })).await;
    socket.event("inbox.added").await;
    world.clock.advance(Duration::from_mins(2));
    let expected =
        json!({ "seq": 4, "counts": { "unread": 2, "unseen": 2 }, "ids": [receipt["id"]] });
    assert_eq!(socket.event("inbox.removed").await, expected);
    assert_eq!(titles(&world, &ann).await, ["Bob replied", "Bob replied"]);
}
