//! API keys: made, shown once, used within their scopes, revoked; and what they are not.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::socket::{Heard, Socket};
use crate::world::{Answer, Login, World, draft};

const KEYS: &str = "/api/v1/keys";
const SCOPES: [&str; 4] = ["publish", "presence", "inbox", "admin"];

async fn list(world: &World, admin: &Login) -> Value {
    let keys = admin.get(world, KEYS).await;
    keys.expect_status(StatusCode::OK).json()["items"].take()
}

#[tokio::test]
async fn a_key_is_shown_once_works_over_a_restart_and_is_revoked() {
    let mut world = World::new().await;
    let admin = world.admin().await;
    let body = json!({ "name": "Das Forum", "scopes": ["inbox", "publish", "inbox"] });
    let made = admin.post(&world, KEYS, body).await;
    let made = made.expect_status(StatusCode::OK).json();
    let (id, key) = (
        made["id"].as_str().expect("an id"),
        made["key"].as_str().expect("a key"),
    );
    let secret = key
        .strip_prefix(&format!("br_{id}_"))
        .expect("both its parts");
    assert!(secret.len() >= 32, "{key}");
    let listed = json!({
        "id": id, "name": "Das Forum", "scopes": ["publish", "inbox"],
        "created_at": made["created_at"], "last_used_at": null,
    });
    assert_eq!(list(&world, &admin).await, json!([listed]));
    // Only a hash of it is in the file.
    let file = std::fs::read(world.config.data.join("bellrope.redb")).expect("the file");
    let holds = |needle: &str| file.windows(needle.len()).any(|at| at == needle.as_bytes());
    assert!(holds("Das Forum") && !holds(secret));

    let forum = Login {
        token: key.to_owned(),
    };
    forum.publish(&world, json!({ "to": "42" })).await;
    let used = async || list(&world, &admin).await[0]["last_used_at"].take();
    let first = used().await;
    assert!(first.is_string());
    world.clock.advance(Duration::from_secs(30));
    forum.publish(&world, json!({ "to": "42" })).await;
    assert_eq!(used().await, first, "to the minute");
    world.clock.advance(Duration::from_secs(31));
    forum.publish(&world, json!({ "to": "42" })).await;
    assert_ne!(used().await, first);

    world.restart().await;
    forum.publish(&world, json!({ "to": "42" })).await;
    let path = format!("{KEYS}/{id}");
    admin
        .delete(&world, &path)
        .await
        .expect_status(StatusCode::OK);
    let refused = forum
        .post(
            &world,
            "/api/v1/notifications",
            draft(json!({ "to": "42" })),
        )
        .await;
    refused.expect_problem(401, "token_invalid");
    assert_eq!(list(&world, &admin).await, json!([]));
    admin
        .delete(&world, &path)
        .await
        .expect_problem(404, "not_found");
}

#[tokio::test]
async fn what_makes_no_key_is_refused() {
    let world = World::new().await;
    let admin = world.admin().await;
    let long = "n".repeat(65);
    for (body, field) in [
        (json!({ "name": "", "scopes": ["publish"] }), "name"),
        (json!({ "name": long, "scopes": ["publish"] }), "name"),
        (json!({ "name": "a\nb", "scopes": ["publish"] }), "name"),
        (json!({ "name": "forum", "scopes": [] }), "scopes"),
    ] {
        let refused = admin.post(&world, KEYS, body).await;
        refused.expect_problem(422, "field_invalid");
        assert_eq!(refused.json()["field"], field);
    }
    for body in [
        json!({ "name": "forum" }),
        json!({ "scopes": ["publish"] }),
        json!({ "name": "forum", "scopes": ["everything"] }),
        json!({ "name": "forum", "scopes": "publish" }),
        json!({ "name": "forum", "scopes": ["publish"], "key": "br_1_2" }),
    ] {
        admin
            .post(&world, KEYS, body)
            .await
            .expect_problem(400, "malformed");
    }
    assert_eq!(list(&world, &admin).await, json!([]));
}

#[tokio::test]
async fn a_key_with_a_wrong_part_opens_nothing() {
    let world = World::new().await;
    let good = world.key(&["publish"]).await.token;
    let other = world.key(&["publish"]).await.token;
    let (id, _) = good.rsplit_once('_').expect("two parts");
    let (_, secret) = other.rsplit_once('_').expect("two parts");
    let bad = [
        "br_".to_owned(),
        "br__".to_owned(),
        id.to_owned(),
        format!("{id}_"),
        format!("{id}_{secret}"),
        format!("{good}0"),
        good.to_uppercase(),
        good.replacen("br_", "bR_", 1),
        good[..good.len() - 1].to_owned(),
    ];
    for token in bad {
        let login = Login { token };
        let refused = login
            .post(
                &world,
                "/api/v1/notifications",
                draft(json!({ "to": "42" })),
            )
            .await;
        refused.expect_problem(401, "token_invalid");
    }
    let nobody = world.ask(
        Method::POST,
        "/api/v1/notifications",
        Some(draft(json!({ "to": "42" }))),
    );
    nobody.await.expect_problem(401, "token_missing");
}

/// Every door that a scope opens: the scope, a request, and what whoever may is answered.
fn doors() -> Vec<(&'static str, Method, &'static str, Value, u16)> {
    let (post, get, delete) = (Method::POST, Method::GET, Method::DELETE);
    let said = draft(json!({ "to": "42" }));
    let items = json!({ "items": [said] });
    let key = json!({ "name": "another", "scopes": ["publish"] });
    let account = json!({ "username": "zoe", "password": "correct horse", "role": "member" });
    let none = Value::Null;
    vec![
        ("publish", post.clone(), "/notifications", said, 200),
        ("publish", post.clone(), "/notifications/batch", items, 200),
        (
            "publish",
            post.clone(),
            "/users/42/notify",
            json!("Text"),
            200,
        ),
        (
            "publish",
            delete.clone(),
            "/notifications/by-key/k",
            none.clone(),
            200,
        ),
        (
            "publish",
            delete.clone(),
            "/notifications?actor=7",
            none.clone(),
            200,
        ),
        (
            "inbox",
            post.clone(),
            "/users/42/read",
            json!({ "all": true }),
            200,
        ),
        (
            "inbox",
            post.clone(),
            "/users/42/sign-out",
            none.clone(),
            200,
        ),
        ("inbox", delete.clone(), "/users/nobody", none.clone(), 404),
        (
            "presence",
            post.clone(),
            "/presence",
            json!({ "users": ["42"] }),
            200,
        ),
        ("admin", get.clone(), "/keys", none.clone(), 200),
        ("admin", post.clone(), "/keys", key, 200),
        ("admin", delete.clone(), "/keys/none", none.clone(), 404),
        ("admin", get, "/accounts", none.clone(), 200),
        ("admin", post.clone(), "/accounts", account, 200),
        ("admin", delete, "/accounts/nobody", none, 404),
        ("admin", post, "/tokens/check", json!({ "token": "x" }), 401),
    ]
}

#[tokio::test]
async fn each_scope_opens_its_doors_and_no_other() {
    let world = World::forum().await;
    let mut callers = Vec::new();
    for scope in SCOPES {
        callers.push((vec![scope], world.key(&[scope]).await));
    }
    callers.push((vec![], world.account("ann").await));
    callers.push((vec![], world.member("43")));
    callers.push((SCOPES.to_vec(), world.admin().await));
    for (scopes, login) in &callers {
        for (scope, method, path, body, status) in doors() {
            let request = world.request(method, &format!("/api/v1{path}"));
            let request = match body {
                Value::Null => request,
                body => request.json(&body),
            };
            let answer = Answer::of(request.bearer_auth(&login.token)).await;
            if scopes.contains(&scope) {
                // The administrator comes last, when some of it is there already.
                let is_again = path == "/accounts" && answer.status == StatusCode::CONFLICT;
                assert!(
                    is_again || answer.status == status,
                    "{path}: {}",
                    answer.text
                );
            } else {
                answer.expect_problem(403, "scope_missing");
            }
        }
    }
    // To speak as somebody else is for whoever owns the server's files.
    let body = json!({ "id": "42", "ttl_s": 60 });
    for (_, login) in callers {
        let refused = login.post(&world, "/api/v1/tokens", body.clone()).await;
        refused.expect_problem(403, "scope_missing");
    }
}

#[tokio::test]
async fn a_key_is_no_member() {
    let world = World::new().await;
    let key = world.key(&SCOPES).await;
    let all = json!({ "all": true });
    let muted = json!({ "muted": {} });
    let age = json!({ "current": "correct horse", "new": "correct horses" });
    let (post, get, delete) = (Method::POST, Method::GET, Method::DELETE);
    let doors = [
        (get.clone(), "/me", None),
        (post.clone(), "/me/age", None),
        (post.clone(), "/me/password", Some(age)),
        (get.clone(), "/me/sessions", None),
        (delete.clone(), "/me/sessions/1", None),
        (post.clone(), "/logout", None),
        (get.clone(), "/inbox", None),
        (get.clone(), "/inbox/counts", None),
        (post.clone(), "/inbox/read", Some(all.clone())),
        (post.clone(), "/inbox/unread", Some(all.clone())),
        (post.clone(), "/inbox/archive", Some(all.clone())),
        (post.clone(), "/inbox/unarchive", Some(all)),
        (post, "/inbox/seen", Some(json!({ "through": 1 }))),
        (get, "/inbox/preferences", None),
        (Method::PUT, "/inbox/preferences", Some(muted)),
        (delete, "/inbox/0123456789abcdef0123456789abcdef", None),
    ];
    for (method, path, body) in doors {
        let request = world.request(method, &format!("/api/v1{path}"));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = Answer::of(request.bearer_auth(&key.token)).await;
        assert_eq!(answer.json()["code"], "not_a_member", "{path}");
        answer.expect_problem(403, "not_a_member");
    }
    let insert = world
        .request(Method::POST, "/api/insert")
        .bearer_auth(&key.token);
    assert_eq!(Answer::of(insert).await.json()["code"], 401);
    let refusal = json!({ "message": "unauthorized: token_invalid" });
    let mut socket = Socket::connect(&world, json!({ "token": key.token })).await;
    assert_eq!(socket.next().await, Heard::Refused(refusal));
}
