//! Guesses that are clever: in parallel, hung up on, or with yesterday's password.

use bellrope::config::{Registration, Settings};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::world::{Answer, PASSWORD, SOON, World};

/// A login that read the old hash must not open a session after the change.
#[tokio::test]
async fn an_old_password_opens_nothing_once_it_was_changed() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.account("ann").await;
    for round in 0..15 {
        let (old, new) = (
            format!("password {round}"),
            format!("password {}", round + 1),
        );
        let set = json!({ "password": old });
        admin
            .post(&world, "/api/v1/accounts/ann/password", set)
            .await
            .expect_status(StatusCode::OK);
        let here = world.login("ann", &old).await;
        let change = json!({ "current": old, "new": new });
        let login = json!({ "username": "ann", "password": old });
        let (changed, login) = tokio::join!(
            here.post(&world, "/api/v1/me/password", change),
            world.ask(Method::POST, "/api/v1/login", Some(login)),
        );
        changed.expect_status(StatusCode::OK);
        if login.status == StatusCode::OK {
            let token = login.json()["token"].as_str().expect("a token").to_owned();
            let me = Answer::of(world.request(Method::GET, "/api/v1/me").bearer_auth(token)).await;
            me.expect_problem(401, "token_revoked");
        }
    }
}

/// A login that found the account open must not leave a session for the day it is opened again.
#[tokio::test]
async fn a_login_under_way_opens_nothing_once_the_account_is_disabled() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.account("ann").await;
    for _ in 0..5 {
        let login = json!({ "username": "ann", "password": PASSWORD });
        let (disabled, login) = tokio::join!(
            admin.post(&world, "/api/v1/accounts/ann/disable", json!({})),
            world.ask(Method::POST, "/api/v1/login", Some(login)),
        );
        disabled.expect_status(StatusCode::OK);
        admin
            .post(&world, "/api/v1/accounts/ann/enable", json!({}))
            .await
            .expect_status(StatusCode::OK);
        if login.status == StatusCode::OK {
            let token = login.json()["token"].as_str().expect("a token").to_owned();
            let me = Answer::of(world.request(Method::GET, "/api/v1/me").bearer_auth(token)).await;
            me.expect_problem(401, "token_revoked");
        }
    }
}

/// Else the limit would tell that the password was right.
#[tokio::test]
async fn the_right_password_of_a_disabled_account_counts_as_a_guess() {
    let world = World::new().await;
    let admin = world.admin().await;
    world.account("ann").await;
    admin
        .post(&world, "/api/v1/accounts/ann/disable", json!({}))
        .await
        .expect_status(StatusCode::OK);
    let right = json!({ "username": "ann", "password": PASSWORD });
    let login = || world.ask(Method::POST, "/api/v1/login", Some(right.clone()));
    for _ in 0..10 {
        login().await.expect_problem(401, "login_failed");
    }
    login().await.expect_problem(429, "too_many");
}

#[tokio::test]
async fn a_guess_that_hangs_up_is_counted() {
    let world = World::new().await;
    world.account("ann").await;
    let guess = json!({ "username": "ann", "password": "a wrong guess" });
    let body = guess.to_string();
    let head = "POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    for _ in 0..9 {
        let mut stream = TcpStream::connect(world.address)
            .await
            .expect("a connection");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("a request");
        stream.shutdown().await.expect("a hang-up");
    }
    // They are hashed and counted in their time: with the two asked here it is ten and one too many.
    let mut asked = 0;
    let counted = async {
        loop {
            let answer = world
                .ask(Method::POST, "/api/v1/login", Some(guess.clone()))
                .await;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                break;
            }
            asked += 1;
        }
    };
    tokio::time::timeout(SOON, counted).await.expect("a limit");
    assert!(asked < 10, "those that hung up were not counted");
    let right = json!({ "username": "ann", "password": PASSWORD });
    world
        .ask(Method::POST, "/api/v1/login", Some(right))
        .await
        .expect_problem(429, "too_many");
}

#[tokio::test]
async fn registrations_at_once_are_counted_one_by_one() {
    let open = Settings {
        registration: Some(Registration::Open),
        ..Settings::default()
    };
    let world = World::with(open).await;
    let register = |n: usize| {
        let body = json!({ "username": format!("name{n}"), "password": PASSWORD });
        world.ask(Method::POST, "/api/v1/register", Some(body))
    };
    let answers = futures_util::future::join_all((0..60).map(register)).await;
    let with = |status| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!(
        (with(StatusCode::OK), with(StatusCode::TOO_MANY_REQUESTS)),
        (20, 40)
    );
}
