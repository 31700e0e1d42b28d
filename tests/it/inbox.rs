//! A member's inbox: pages, states, counts, preferences, and every device in step.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::socket::{Socket, message};
use crate::world::{Answer, Login, World};

const INBOX: &str = "/api/v1/inbox";

pub async fn page(world: &World, member: &Login, query: &str) -> Value {
    let page = member.get(world, &format!("{INBOX}{query}")).await;
    page.expect_status(StatusCode::OK).json()
}

/// What a selector is for, in one word each: title, unread or read, archived.
pub async fn states(world: &World, member: &Login) -> Vec<String> {
    let mut states = Vec::new();
    for query in ["?limit=100", "?limit=100&state=archived"] {
        for item in page(world, member, query).await["items"]
            .as_array()
            .expect("items")
        {
            let read = if item["read"] == true {
                "read"
            } else {
                "unread"
            };
            let archived = if item["archived"] == true {
                " archived"
            } else {
                ""
            };
            states.push(format!(
                "{} {read}{archived}",
                item["title"].as_str().expect("one")
            ));
        }
    }
    states.sort();
    states
}

pub async fn act(world: &World, member: &Login, act: &str, body: Value) -> Value {
    let done = member.post(world, &format!("{INBOX}/{act}"), body).await;
    done.expect_status(StatusCode::OK).json()
}

#[tokio::test]
async fn pages_follow_each_other_without_hole_or_double() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    for n in 1..=45 {
        let kind = if n % 3 == 0 { "like" } else { "reply" };
        key.publish(
            &world,
            json!({ "to": "42", "title": n.to_string(), "kind": kind }),
        )
        .await;
    }
    act(&world, &ann, "read", json!({ "kind": "like" })).await;
    act(&world, &ann, "archive", json!({ "through": 5 })).await;
    let numbers = |page: &Value| -> Vec<u64> {
        let items = page["items"].as_array().expect("items").iter();
        items
            .map(|item| item["seq"].as_u64().expect("a number"))
            .collect()
    };
    let all = |of: fn(&u64) -> bool| (1..=45).rev().filter(of).collect::<Vec<u64>>();
    for (query, expected) in [
        ("state=all", all(|n| *n > 5)),
        ("", all(|n| *n > 5)),
        ("state=unread", all(|n| *n > 5 && n % 3 != 0)),
        ("state=archived", all(|n| *n <= 5)),
        ("kind=like", all(|n| *n > 5 && n % 3 == 0)),
        ("state=unread&kind=like", vec![]),
        ("state=archived&kind=reply", vec![5, 4, 2, 1]),
        ("kind=none", vec![]),
    ] {
        for limit in [1, 7, 100] {
            let (mut found, mut before) = (Vec::new(), String::new());
            loop {
                let query = format!("?{query}&limit={limit}{before}");
                let page = page(&world, &ann, &query).await;
                assert!(numbers(&page).len() <= limit);
                found.extend(numbers(&page));
                let Some(next) = page["next"].as_u64() else {
                    break;
                };
                assert_eq!(
                    numbers(&page).len(),
                    limit,
                    "a page before the last is full"
                );
                before = format!("&before={next}");
            }
            assert_eq!(found, expected, "{query}, {limit} at a time");
        }
    }
    let first = page(&world, &ann, "").await;
    assert_eq!((numbers(&first).len(), &first["next"]), (20, &json!(26)));
    assert_eq!(
        numbers(&page(&world, &ann, "?before=8").await),
        [7, 6],
        "exclusive"
    );
    assert_eq!(first["counts"], json!({ "unread": 26, "unseen": 26 }));
    for query in ["?limit=0", "?limit=101"] {
        let refused = ann.get(&world, &format!("{INBOX}{query}")).await;
        refused.expect_problem(422, "field_invalid");
        assert_eq!(refused.json()["field"], "limit");
    }
    for query in ["?limit=x", "?limit=-1", "?state=gone", "?before=x"] {
        let refused = ann.get(&world, &format!("{INBOX}{query}")).await;
        refused.expect_problem(400, "malformed");
    }
}

/// Four items: `a` and `b` unread, `c` read, `d` archived; and the ids by title.
pub async fn four(world: &World, member: &str) -> Value {
    let key = world.key(&["publish"]).await;
    let mut ids = json!({});
    for (title, kind, group, object) in [
        ("a", "like", "g", "1"),
        ("b", "reply", "h", "2"),
        ("c", "like", "i", "1"),
        ("d", "like", "g", "1"),
    ] {
        let object = json!({ "type": "post", "id": object });
        let said =
            json!({ "to": member, "title": title, "kind": kind, "group": group, "object": object });
        // A group that is archived takes no more.
        if title == "d" {
            let login = world.member(member);
            act(world, &login, "archive", json!({ "group": "g" })).await;
        }
        ids[title] = key.publish(world, said).await["id"].take();
    }
    let login = world.member(member);
    act(world, &login, "unarchive", json!({ "group": "g" })).await;
    act(world, &login, "unread", json!({ "ids": [ids["a"]] })).await;
    act(world, &login, "read", json!({ "ids": [ids["c"]] })).await;
    act(world, &login, "archive", json!({ "ids": [ids["d"]] })).await;
    ids
}

#[tokio::test]
async fn the_bell_counts_what_is_above_the_seen_pointer() {
    let mut world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    let mut socket = Socket::open(&world, &ann.token).await;
    for title in ["a", "b", "c"] {
        let said = json!({ "to": "42", "title": title, "group": title });
        key.publish(&world, said).await;
        socket.event("inbox.added").await;
    }
    let counts = |unread: u64, unseen: u64| json!({ "unread": unread, "unseen": unseen });
    let seen = act(&world, &ann, "seen", json!({ "through": 2 })).await;
    assert_eq!((&seen["seq"], &seen["counts"]), (&json!(4), &counts(3, 1)));
    let told = socket.event("inbox.state").await;
    assert_eq!(
        told,
        json!({ "seq": 4, "counts": counts(3, 1), "through": 2, "seen": true })
    );
    // Never back, and never above what there is.
    assert_eq!(
        act(&world, &ann, "seen", json!({ "through": 1 })).await["seq"],
        4
    );
    act(&world, &ann, "seen", json!({ "through": 1000 })).await;
    let told = socket.event("inbox.state").await;
    assert_eq!(
        (&told["through"], &told["counts"]),
        (&json!(4), &counts(3, 0))
    );
    // A fold brings it up again; reading and unreading what was seen does not.
    key.publish(&world, json!({ "to": "42", "title": "a2", "group": "a" }))
        .await;
    assert_eq!(socket.event("inbox.updated").await["counts"], counts(3, 1));
    for (verb, expected) in [("read", counts(2, 1)), ("unread", counts(3, 1))] {
        act(&world, &ann, verb, json!({ "group": "b" })).await;
        assert_eq!(socket.event("inbox.state").await["counts"], expected);
    }
    for (verb, expected) in [
        ("archive", counts(2, 0)),
        ("unarchive", counts(2, 0)),
        ("unread", counts(3, 1)),
    ] {
        act(&world, &ann, verb, json!({ "group": "a" })).await;
        assert_eq!(
            socket.event("inbox.state").await["counts"],
            expected,
            "{verb}"
        );
    }
    world.restart().await;
    assert_eq!(page(&world, &ann, "/counts").await["counts"], counts(3, 1));
}

#[tokio::test]
async fn an_item_is_deleted_once() {
    let world = World::forum().await;
    let (ann, bob) = (world.member("42"), world.member("43"));
    let ids = four(&world, "42").await;
    let mut socket = Socket::open(&world, &ann.token).await;
    let seq = socket.ready["seq"].as_u64().expect("a number");
    let path = format!("{INBOX}/{}", ids["a"].as_str().expect("an id"));
    bob.delete(&world, &path)
        .await
        .expect_problem(404, "not_found");
    let deleted = ann
        .delete(&world, &path)
        .await
        .expect_status(StatusCode::OK)
        .json();
    let counts = json!({ "unread": 1, "unseen": 1 });
    assert_eq!(
        (&deleted["seq"], &deleted["counts"]),
        (&json!(seq + 1), &counts)
    );
    let expected = json!({ "seq": seq + 1, "counts": counts, "ids": [ids["a"]] });
    assert_eq!(socket.event("inbox.removed").await, expected);
    ann.delete(&world, &path)
        .await
        .expect_problem(404, "not_found");
    let nothing = format!("{INBOX}/nothing");
    ann.delete(&world, &nothing)
        .await
        .expect_problem(404, "not_found");
    assert_eq!(
        states(&world, &ann).await,
        ["b unread", "c read", "d read archived"]
    );
}

#[tokio::test]
async fn preferences_are_replaced_and_kept() {
    let mut world = World::forum().await;
    let ann = world.account("ann").await;
    let path = "/api/v1/inbox/preferences";
    let none = json!({ "muted": { "kinds": [], "groups": [], "actors": [] } });
    assert_eq!(ann.get(&world, path).await.json(), none);
    let some = json!({ "muted": { "kinds": ["b", "a", "b"], "groups": ["g/1"], "actors": ["7"] } });
    let kept = json!({ "muted": { "kinds": ["a", "b"], "groups": ["g/1"], "actors": ["7"] } });
    assert_eq!(ann.put(&world, path, some).await.json(), kept);
    world.restart().await;
    assert_eq!(ann.get(&world, path).await.json(), kept);
    let words = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
    for (field, words) in [
        ("kinds", words(201)),
        ("groups", vec![String::new()]),
        ("actors", vec!["a".repeat(256)]),
    ] {
        let refused = ann
            .put(&world, path, json!({ "muted": { field: words } }))
            .await;
        refused.expect_problem(422, "field_invalid");
        assert_eq!(refused.json()["field"], format!("muted.{field}"));
    }
    for body in [
        json!({}),
        json!({ "muted": { "kind": [] } }),
        json!({ "muted": {}, "x": 1 }),
    ] {
        ann.put(&world, path, body)
            .await
            .expect_problem(400, "malformed");
    }
    assert_eq!(ann.get(&world, path).await.json(), kept);
    assert_eq!(
        ann.put(&world, path, json!({ "muted": {} })).await.json(),
        none
    );
}

#[tokio::test]
async fn nobody_else_sees_or_hears_any_of_it() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let (ann, bob) = (world.member("42"), world.member("43"));
    let mut stranger = Socket::connect(&world, json!({})).await;
    assert_eq!(stranger.next().await, message("hello"));
    let mut bobs = Socket::open(&world, &bob.token).await;
    let mut anns = Socket::open(&world, &ann.token).await;
    for transient in [false, true] {
        key.publish(&world, json!({ "to": "42", "transient": transient }))
            .await;
    }
    act(&world, &ann, "read", json!({ "all": true })).await;
    act(&world, &ann, "seen", json!({ "through": 1 })).await;
    for event in [
        "inbox.added",
        "inbox.transient",
        "inbox.state",
        "inbox.state",
    ] {
        anns.event(event).await;
    }
    key.publish(&world, json!({ "to": "43", "title": "For Bob" }))
        .await;
    assert_eq!(bobs.event("inbox.added").await["item"]["title"], "For Bob");
    stranger.emit("message", json!("anything?")).await;
    assert_eq!(stranger.next().await, message("你好客户端, anything?"));
    for (event, data) in [
        ("inbox.sync", json!({ "epoch": "x", "since": 0 })),
        ("session.refresh", json!({ "token": ann.token })),
    ] {
        assert_eq!(
            stranger.ask(event, data).await["error"]["code"],
            "token_missing"
        );
    }
    assert_eq!(
        page(&world, &bob, "").await["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    for (method, path) in [
        (Method::GET, ""),
        (Method::GET, "/counts"),
        (Method::POST, "/read"),
    ] {
        let request = world.request(method, &format!("{INBOX}{path}"));
        let refused = Answer::of(request.json(&json!({ "all": true }))).await;
        refused.expect_problem(401, "token_missing");
    }
}
