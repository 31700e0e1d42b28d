//! Which items a change of state is for, and what every device is told of it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::inbox::{act, four, page, states};
use crate::socket::Socket;
use crate::world::World;

#[tokio::test]
async fn each_selector_selects_for_each_act() {
    let world = World::forum().await;
    // What each selector means, as the titles it is for.
    let selectors = [
        ("ids", "ad"),
        ("group", "ad"),
        ("object", "acd"),
        ("kind", "acd"),
        ("through", "ab"),
        ("all", "abcd"),
    ];
    let acts = [
        ("read", "a unread", "a read"),
        ("read", "b unread", "b read"),
        ("unread", "c read", "c unread"),
        ("archive", "a unread", "a read archived"),
        ("archive", "b unread", "b read archived"),
        ("archive", "c read", "c read archived"),
        ("unarchive", "d read archived", "d read"),
    ];
    for (n, (selector, means)) in selectors.into_iter().enumerate() {
        for verb in ["read", "unread", "archive", "unarchive"] {
            let name = format!("{n}{verb}");
            let ids = four(&world, &name).await;
            let ann = world.member(&name);
            let mut socket = Socket::open(&world, &ann.token).await;
            let seq = socket.ready["seq"].as_u64().expect("a number");
            let body = match selector {
                "ids" => json!({ "ids": [ids["d"], ids["a"], "nobody's", ids["a"]] }),
                "group" => json!({ "group": "g" }),
                "object" => json!({ "object": { "type": "post", "id": "1" } }),
                "kind" => json!({ "kind": "like" }),
                "through" => json!({ "through": 2 }),
                _ => json!({ "all": true }),
            };
            let mut expected =
                ["a unread", "b unread", "c read", "d read archived"].map(str::to_owned);
            assert_eq!(states(&world, &ann).await, expected);
            let mut changed = Vec::new();
            for (act, from, to) in acts {
                let title = &from[..1];
                if act == verb && means.contains(title) {
                    let at = expected.iter().position(|state| state == from).expect("it");
                    to.clone_into(&mut expected[at]);
                    changed.push(ids[title].clone());
                }
            }
            let standing = act(&world, &ann, verb, body.clone()).await;
            assert_eq!(states(&world, &ann).await, expected, "{verb} {body}");
            let unread = expected
                .iter()
                .filter(|state| state.ends_with("unread"))
                .count();
            assert_eq!(standing["counts"]["unread"], unread, "{verb} {body}");
            let is_change = !changed.is_empty();
            assert_eq!(standing["seq"], seq + u64::from(is_change), "{verb} {body}");
            if is_change {
                let mut told = socket.event("inbox.state").await;
                check_state(&mut told, verb, &body, &changed, &standing);
            }
        }
    }
}

/// What devices are told of a change of state.
fn check_state(told: &mut Value, verb: &str, body: &Value, changed: &[Value], standing: &Value) {
    let became = match verb {
        "read" => json!({ "read": true }),
        "unread" => json!({ "read": false }),
        "archive" => json!({ "read": true, "archived": true }),
        _ => json!({ "archived": false }),
    };
    let mut expected = json!({ "seq": standing["seq"], "counts": standing["counts"] });
    let all = expected.as_object_mut().expect("an object");
    all.extend(became.as_object().expect("an object").clone());
    // "Unread" is not for all below a number: archived ones are among them.
    let is_range = verb != "unread";
    if is_range && body.get("through").is_some() {
        expected["through"] = body["through"].clone();
    } else if is_range && body.get("all").is_some() {
        expected["through"] = json!(standing["seq"].as_u64().expect("a number") - 1);
    } else {
        let ids = told["ids"].take();
        let mut ids: Vec<String> = serde_json::from_value(ids).expect("ids");
        let mut wanted: Vec<&str> = changed.iter().filter_map(Value::as_str).collect();
        ids.sort();
        wanted.sort_unstable();
        assert_eq!(ids, wanted);
        expected["ids"] = Value::Null;
    }
    assert_eq!(*told, expected);
}

#[tokio::test]
async fn a_selector_is_exactly_one() {
    let world = World::forum().await;
    let ann = world.member("42");
    let key = world.key(&["inbox"]).await;
    let paths = [
        "inbox/read",
        "inbox/unread",
        "inbox/archive",
        "inbox/unarchive",
        "users/42/read",
    ];
    for path in paths {
        let (path, login) = (
            format!("/api/v1/{path}"),
            if path.starts_with('u') { &key } else { &ann },
        );
        for body in [
            json!({}),
            json!({ "all": false }),
            json!({ "all": true, "through": 1 }),
            json!({ "ids": [], "group": "g" }),
            json!({ "everything": true }),
            json!({ "object": { "type": "post" } }),
            json!({ "object": "post:1" }),
            json!({ "through": -1 }),
            json!({ "through": "x" }),
            json!({ "ids": "x" }),
        ] {
            let refused = login.post(&world, &path, body).await;
            refused.expect_problem(400, "malformed");
        }
        let ids = |n: usize| json!({ "ids": vec!["0123456789abcdef0123456789abcdef"; n] });
        login
            .post(&world, &path, ids(1000))
            .await
            .expect_status(StatusCode::OK);
        let refused = login.post(&world, &path, ids(1001)).await;
        refused.expect_problem(422, "field_invalid");
        assert_eq!(refused.json()["field"], "ids");
    }
    for body in [
        json!({}),
        json!({ "through": null }),
        json!({ "through": 1, "all": true }),
    ] {
        let refused = ann.post(&world, "/api/v1/inbox/seen", body).await;
        refused.expect_problem(400, "malformed");
    }
}

#[tokio::test]
async fn what_changes_nothing_takes_no_number_and_is_not_told() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let ann = world.member("42");
    four(&world, "42").await;
    let mut socket = Socket::open(&world, &ann.token).await;
    let before = page(&world, &ann, "/counts").await;
    for (verb, body) in [
        ("read", json!({ "kind": "none" })),
        ("read", json!({ "ids": [] })),
        ("read", json!({ "through": 0 })),
        ("unread", json!({ "kind": "reply" })),
        ("unread", json!({ "group": "g" })),
        (
            "archive",
            json!({ "object": { "type": "post", "id": "3" } }),
        ),
        ("unarchive", json!({ "group": "h" })),
        ("seen", json!({ "through": 0 })),
    ] {
        assert_eq!(act(&world, &ann, verb, body).await, before, "{verb}");
    }
    ann.put(
        &world,
        "/api/v1/inbox/preferences",
        json!({ "muted": { "kinds": ["x"] } }),
    )
    .await;
    key.publish(&world, json!({ "to": "42" })).await;
    let seq = before["seq"].as_u64().expect("a number");
    assert_eq!(socket.event("inbox.added").await["seq"], seq + 1);
}
