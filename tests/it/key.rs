//! API keys: made, shown once, used within their scopes, revoked; and what they are not.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{Login, World, draft};

const KEYS: &str = "/api/v1/keys";

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
