//! Tokens that were good once, and API keys, which are no member's.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{INVALID, REVOKED, claims, let_in, refused, refused_beside_the_api};
use crate::world::{Answer, PASSWORD, World};

/// Each way a token comes to its end, at whoever's word.
#[tokio::test]
async fn a_token_that_was_good() {
    let world = World::forum().await;
    let (admin, key) = (world.admin().await, world.key(&["inbox"]).await);
    world.account("ann").await;
    let (none, password) = (json!({}), json!({ "password": PASSWORD }));
    let own = json!({ "current": PASSWORD, "new": PASSWORD });
    for (what, by, method, path, body) in [
        ("logged out", None, Method::POST, "/logout", &none),
        (
            "another login ended it",
            None,
            Method::DELETE,
            "/me/sessions/{id}",
            &none,
        ),
        ("a new password", None, Method::POST, "/me/password", &own),
        (
            "an administrator's password",
            Some(&admin),
            Method::POST,
            "/accounts/ann/password",
            &password,
        ),
        (
            "signed out",
            Some(&key),
            Method::POST,
            "/users/@ann/sign-out",
            &none,
        ),
        (
            "forgotten",
            Some(&key),
            Method::DELETE,
            "/users/@ann",
            &none,
        ),
        (
            "disabled",
            Some(&admin),
            Method::POST,
            "/accounts/ann/disable",
            &none,
        ),
        (
            "removed",
            Some(&admin),
            Method::DELETE,
            "/accounts/ann",
            &none,
        ),
    ] {
        let enable = admin.post(&world, "/api/v1/accounts/ann/enable", json!({}));
        enable.await.expect_status(StatusCode::OK);
        let (ann, another) = (
            world.login("ann", PASSWORD).await,
            world.login("ann", PASSWORD).await,
        );
        let_in(&world, &ann.token).await;
        let by = match by {
            Some(by) => by,
            None if path == "/logout" => &ann,
            None => &another,
        };
        let id = claims(&ann.token)["jti"]
            .as_str()
            .expect("an id")
            .to_owned();
        let path = format!("/api/v1{}", path.replace("{id}", &id));
        let request = world
            .request(method, &path)
            .bearer_auth(&by.token)
            .json(body);
        Answer::of(request).await.expect_status(StatusCode::OK);
        refused(&world, [(what, ann.token, REVOKED)]).await;
    }
    for (what, method, path) in [
        ("signed out", Method::POST, "/api/v1/users/42/sign-out"),
        ("forgotten", Method::DELETE, "/api/v1/users/42"),
    ] {
        world.clock.advance(Duration::from_secs(2));
        let member = world.member("42");
        let_in(&world, &member.token).await;
        world.clock.advance(Duration::from_secs(2));
        let request = world.request(method, path).bearer_auth(&key.token);
        Answer::of(request).await.expect_status(StatusCode::OK);
        refused(&world, [(what, member.token, REVOKED)]).await;
    }
}

/// A key speaks for no member: not on the demo's route, not on a socket, and nowhere once it is
/// revoked.
#[tokio::test]
async fn an_api_key_is_no_member_s_token() {
    let world = World::new().await;
    let admin = world.admin().await;
    let key = world.key(&["publish", "presence", "inbox", "admin"]).await;
    let me = key.get(&world, "/api/v1/me").await;
    me.expect_problem(403, "not_a_member");
    refused_beside_the_api(&world, "a key", &key, INVALID).await;
    let id = key.token.split('_').nth(1).expect("an id");
    let path = format!("/api/v1/keys/{id}");
    let revoked = admin.delete(&world, &path).await;
    revoked.expect_status(StatusCode::OK);
    let wrong = format!("{}0", key.token);
    let rows = [
        ("revoked", key.token.clone(), INVALID),
        ("wrong", wrong, INVALID),
    ];
    refused(&world, rows).await;
}
