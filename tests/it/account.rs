//! Accounts: setup, registration, login, password, administration, and each refusal by its code.

use std::time::Duration;

use bellrope::config::{Registration, Settings};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{Answer, PASSWORD, World};

fn named(name: &str, password: &str) -> Option<Value> {
    Some(json!({ "username": name, "password": password }))
}

#[tokio::test]
async fn the_setup_link_makes_the_first_administrator_once() {
    let mut world = World::new().await;
    let token = world.setup_token.clone().expect("a link");
    let setup = |token: &str, name: &str| {
        Some(json!({ "token": token, "username": name, "password": PASSWORD }))
    };
    let ask = async |body| world.ask(Method::POST, "/api/v1/setup", body).await;

    ask(setup("0123456789abcdef0123456789abcdef", "ann"))
        .await
        .expect_problem(401, "token_invalid");
    // A mistake in the form does not use the link up.
    let answer = ask(setup(&token, "a b")).await;
    assert_eq!(
        answer.expect_problem(422, "field_invalid").json()["field"],
        "username"
    );
    let answer = ask(setup(&token, "Ann")).await;
    let user = &answer.expect_status(StatusCode::OK).json()["user"];
    assert_eq!(
        *user,
        json!({ "id": "@ann", "name": "Ann", "role": "admin", "age": 0, "update_date": null })
    );
    ask(setup(&token, "bob"))
        .await
        .expect_problem(401, "token_invalid");

    world.restart().await;
    assert_eq!(world.setup_token, None, "an administrator exists");
    world.login("ann", PASSWORD).await;
}

#[tokio::test]
async fn a_setup_link_is_good_for_half_an_hour_and_for_nobody_who_is_late() {
    let mut world = World::new().await;
    let body =
        |token: &str| Some(json!({ "token": token, "username": "ann", "password": PASSWORD }));
    let first = world.setup_token.clone().expect("a link");
    world.clock.advance(Duration::from_mins(31));
    let answer = world.ask(Method::POST, "/api/v1/setup", body(&first)).await;
    answer.expect_problem(401, "token_expired");

    world.restart().await;
    let second = world.setup_token.clone().expect("a new link");
    assert_ne!(first, second);
    world
        .ask(Method::POST, "/api/v1/setup", body(&first))
        .await
        .expect_problem(401, "token_invalid");
    let answer = world
        .ask(Method::POST, "/api/v1/setup", body(&second))
        .await;
    answer.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn two_who_use_the_setup_link_at_once_make_one_administrator() {
    let world = World::new().await;
    let token = world.setup_token.clone().expect("a link");
    let setup = |name: &str| {
        let body = json!({ "token": token, "username": name, "password": PASSWORD });
        world.ask(Method::POST, "/api/v1/setup", Some(body))
    };
    let (one, two) = tokio::join!(setup("ann"), setup("bob"));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(matches!(statuses[1], 401 | 409), "{statuses:?}");
}

#[tokio::test]
async fn registration_is_closed_until_the_operator_opens_it() {
    let world = World::new().await;
    let answer = world
        .ask(Method::POST, "/api/v1/register", named("ann", PASSWORD))
        .await;
    answer.expect_problem(403, "registration_closed");
    let server = world.ask(Method::GET, "/api/v1/server", None).await.json();
    assert_eq!(server["registration"], "closed");

    let open = Settings {
        registration: Some(Registration::Open),
        ..Settings::default()
    };
    let world = World::with(open).await;
    let server = world.ask(Method::GET, "/api/v1/server", None).await.json();
    assert_eq!(server["registration"], "open");
    let register = async |name, password| {
        world
            .ask(Method::POST, "/api/v1/register", named(name, password))
            .await
    };
    let answer = register("Ann", PASSWORD).await;
    assert_eq!(
        answer.expect_status(StatusCode::OK).json()["user"]["role"],
        "member"
    );
    let answer = register("ａｎｎ", PASSWORD).await;
    assert_eq!(
        answer.expect_problem(409, "exists").json()["field"],
        "username"
    );
    let answer = register("bob", "short").await;
    assert_eq!(
        answer.expect_problem(422, "field_invalid").json()["field"],
        "password"
    );
    let long = "x".repeat(1025);
    let answer = register("bob", &long).await;
    assert_eq!(
        answer.expect_problem(422, "field_invalid").json()["field"],
        "password"
    );
    let answer = register("x", PASSWORD).await;
    assert_eq!(
        answer.expect_problem(422, "field_invalid").json()["field"],
        "username"
    );
}

#[tokio::test]
async fn an_unknown_name_a_wrong_password_and_a_disabled_account_are_one_answer() {
    let world = World::new().await;
    world.account("ann").await;
    world.account("eve").await;
    let admin = world.admin().await;
    admin
        .post(&world, "/api/v1/accounts/eve/disable", json!({}))
        .await
        .expect_status(StatusCode::OK);

    let mut answers = Vec::new();
    for (name, password) in [
        ("ann", "wrong password"),
        ("nobody", PASSWORD),
        ("eve", PASSWORD),
        ("not a name!", PASSWORD),
    ] {
        let answer = world
            .ask(Method::POST, "/api/v1/login", named(name, password))
            .await;
        answer.expect_problem(401, "login_failed");
        answers.push(answer.text);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");

    admin
        .post(&world, "/api/v1/accounts/eve/enable", json!({}))
        .await
        .expect_status(StatusCode::OK);
    world.login("EVE", PASSWORD).await;
}

#[tokio::test]
async fn guessing_is_stopped_for_the_guesser_and_for_nobody_else() {
    let proxied = Settings {
        trusted_proxy: Some(vec!["127.0.0.1".parse().expect("an address")]),
        ..Settings::default()
    };
    let world = World::with(proxied).await;
    world.account("ann").await;
    let login = async |from: &str, name: &str, password: &str| {
        let body = named(name, password);
        let request = world.request(Method::POST, "/api/v1/login").json(&body);
        Answer::of(request.header("X-Forwarded-For", from)).await
    };
    for _ in 0..10 {
        login("198.51.100.1", "ann", "a wrong guess")
            .await
            .expect_problem(401, "login_failed");
    }
    let refused = login("198.51.100.1", "ann", PASSWORD).await;
    refused.expect_problem(429, "too_many");
    let wait: u64 = refused
        .header("retry-after")
        .and_then(|s| s.parse().ok())
        .expect("seconds");
    assert!((880..=901).contains(&wait), "{wait}");
    // The member from their own address, and another member from the guesser's.
    login("198.51.100.2", "ann", PASSWORD)
        .await
        .expect_status(StatusCode::OK);
    login("198.51.100.1", "root", PASSWORD)
        .await
        .expect_status(StatusCode::OK);
    // A hop the client made up is not believed.
    login("198.51.100.2, 198.51.100.1", "ann", PASSWORD)
        .await
        .expect_problem(429, "too_many");

    world.clock.advance(Duration::from_secs(wait));
    login("198.51.100.1", "ann", PASSWORD)
        .await
        .expect_status(StatusCode::OK);
}

#[tokio::test]
async fn one_address_cannot_try_a_password_on_every_name() {
    let proxied = Settings {
        trusted_proxy: Some(vec!["127.0.0.1".parse().expect("an address")]),
        ..Settings::default()
    };
    let world = World::with(proxied).await;
    world.account("ann").await;
    let login = async |from: &str, name: &str, password: &str| {
        let request = world
            .request(Method::POST, "/api/v1/login")
            .json(&named(name, password));
        Answer::of(request.header("X-Forwarded-For", from)).await
    };
    // The addresses of one IPv6 site are one address.
    for n in 0..100 {
        let from = format!("2001:db8::{n:x}");
        login(&from, &format!("name{n}"), "summer2026")
            .await
            .expect_problem(401, "login_failed");
    }
    login("2001:db8::ffff", "ann", PASSWORD)
        .await
        .expect_problem(429, "too_many");
    login("2001:db8:0:1::1", "ann", PASSWORD)
        .await
        .expect_status(StatusCode::OK);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_keeps_this_one() {
    let world = World::new().await;
    let here = world.account("ann").await;
    let there = world.login("ann", PASSWORD).await;
    let change = async |current: &str, new: &str| {
        here.post(
            &world,
            "/api/v1/me/password",
            json!({ "current": current, "new": new }),
        )
        .await
    };
    let answer = change("not my password", "another horse").await;
    assert_eq!(
        answer.expect_problem(422, "field_invalid").json()["field"],
        "current"
    );
    let answer = change(PASSWORD, "short").await;
    assert_eq!(
        answer.expect_problem(422, "field_invalid").json()["field"],
        "new"
    );
    there
        .get(&world, "/api/v1/me")
        .await
        .expect_status(StatusCode::OK);

    change(PASSWORD, "another horse")
        .await
        .expect_status(StatusCode::OK);
    here.get(&world, "/api/v1/me")
        .await
        .expect_status(StatusCode::OK);
    there
        .get(&world, "/api/v1/me")
        .await
        .expect_problem(401, "token_revoked");
    let old = world
        .ask(Method::POST, "/api/v1/login", named("ann", PASSWORD))
        .await;
    old.expect_problem(401, "login_failed");
    world.login("ann", "another horse").await;
}

#[tokio::test]
async fn a_stolen_session_is_no_place_to_guess_the_password() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let guess = json!({ "current": "a wrong guess", "new": "another horse" });
    for _ in 0..10 {
        let answer = ann.post(&world, "/api/v1/me/password", guess.clone()).await;
        answer.expect_problem(422, "field_invalid");
    }
    let right = json!({ "current": PASSWORD, "new": "another horse" });
    ann.post(&world, "/api/v1/me/password", right)
        .await
        .expect_problem(429, "too_many");
}

#[tokio::test]
async fn an_administrator_manages_accounts() {
    let world = World::new().await;
    let admin = world.admin().await;
    let ann = world.account("Ann").await;
    let answer = admin.get(&world, "/api/v1/accounts").await;
    let items = answer.expect_status(StatusCode::OK).json()["items"].clone();
    let seen: Vec<_> = items
        .as_array()
        .expect("a list")
        .iter()
        .map(|i| (i["id"].clone(), i["role"].clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (json!("@ann"), json!("member")),
            (json!("@root"), json!("admin"))
        ]
    );

    let again = json!({ "username": "ANN", "password": PASSWORD, "role": "member" });
    admin
        .post(&world, "/api/v1/accounts", again)
        .await
        .expect_problem(409, "exists");

    let password = json!({ "password": "set by the admin" });
    admin
        .post(&world, "/api/v1/accounts/ann/password", password.clone())
        .await
        .expect_status(StatusCode::OK);
    ann.get(&world, "/api/v1/me")
        .await
        .expect_problem(401, "token_revoked");
    let ann = world.login("ann", "set by the admin").await;
    ann.add_age(&world).await;

    admin
        .post(&world, "/api/v1/accounts/ann/disable", json!({}))
        .await
        .expect_status(StatusCode::OK);
    ann.get(&world, "/api/v1/me")
        .await
        .expect_problem(401, "token_revoked");
    admin
        .post(&world, "/api/v1/accounts/ann/enable", json!({}))
        .await
        .expect_status(StatusCode::OK);
    assert_eq!(
        world
            .login("ann", "set by the admin")
            .await
            .age(&world)
            .await,
        1
    );

    admin
        .delete(&world, "/api/v1/accounts/ann")
        .await
        .expect_status(StatusCode::OK);
    for path in ["/api/v1/accounts/ann", "/api/v1/accounts/not%20a%20name"] {
        admin
            .delete(&world, path)
            .await
            .expect_problem(404, "not_found");
    }
    admin
        .post(&world, "/api/v1/accounts/ann/password", password)
        .await
        .expect_problem(404, "not_found");
    // The name is free again, and its counter begins anew.
    assert_eq!(world.account("ann").await.age(&world).await, 0);
}

#[tokio::test]
async fn members_and_strangers_administrate_nothing() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let routes = [
        (Method::GET, "/api/v1/accounts", Value::Null),
        (
            Method::POST,
            "/api/v1/accounts",
            json!({ "username": "eve", "password": PASSWORD, "role": "admin" }),
        ),
        (
            Method::POST,
            "/api/v1/accounts/root/password",
            json!({ "password": PASSWORD }),
        ),
        (Method::POST, "/api/v1/accounts/root/disable", Value::Null),
        (Method::POST, "/api/v1/accounts/root/enable", Value::Null),
        (Method::DELETE, "/api/v1/accounts/root", Value::Null),
    ];
    for (method, path, body) in routes {
        let request = || {
            let request = world.request(method.clone(), path);
            if body.is_null() {
                request
            } else {
                request.json(&body)
            }
        };
        Answer::of(request())
            .await
            .expect_problem(401, "token_missing");
        Answer::of(request().bearer_auth(&ann.token))
            .await
            .expect_problem(403, "scope_missing");
    }
    world.login("root", PASSWORD).await;
}

#[tokio::test]
async fn a_body_that_is_not_what_is_asked_for_is_refused_with_a_sentence() {
    let world = World::new().await;
    let login = |body: &'static str| {
        world
            .request(Method::POST, "/api/v1/login")
            .header("content-type", "application/json")
            .body(body)
    };
    for body in [
        "",
        "not JSON",
        "[]",
        "{\"username\":\"ann\"}",
        "{\"username\":{},\"password\":\"x\"}",
    ] {
        Answer::of(login(body))
            .await
            .expect_problem(400, "malformed");
    }
    let unknown = r#"{"username":"ann","password":"x","remember":true}"#;
    let answer = Answer::of(login(unknown)).await;
    let problem = answer.expect_problem(400, "malformed").json();
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("remember")),
        "{problem}"
    );
    let form = world
        .request(Method::POST, "/api/v1/login")
        .form(&[("username", "ann")]);
    Answer::of(form).await.expect_problem(400, "malformed");
}
