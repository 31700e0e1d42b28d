//! The demo's two routes, to the letter.

use bellrope::config::Settings;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{Answer, PASSWORD, World};

async fn login(world: &World, body: impl Into<reqwest::Body>) -> Answer {
    let answer = Answer::of(world.request(Method::POST, "/api/login").body(body)).await;
    answer.expect_status(StatusCode::OK);
    answer
}

#[tokio::test]
async fn login_answers_in_the_demos_words() {
    let world = World::new().await;
    world.account("ann").await;
    world.account("eve").await;
    let admin = world.admin().await;
    admin
        .post(&world, "/api/v1/accounts/eve/disable", json!({}))
        .await
        .expect_status(StatusCode::OK);

    let right = json!({ "username": "ann", "password": PASSWORD }).to_string();
    let answer = login(&world, right).await.json();
    assert_eq!(
        (answer["code"].clone(), answer["message"].clone()),
        (json!(200), json!("登陆成功~"))
    );
    let token = answer["data"].as_str().expect("a token");
    let me = Answer::of(world.request(Method::GET, "/api/v1/me").bearer_auth(token)).await;
    me.expect_status(StatusCode::OK);

    let wrong = json!({ "code": -200, "message": "用户名或密码错误~" });
    for (name, password) in [
        ("ann", "wrong"),
        ("nobody", PASSWORD),
        ("eve", PASSWORD),
        ("a b", "x"),
    ] {
        let body = json!({ "username": name, "password": password }).to_string();
        assert_eq!(login(&world, body).await.json(), wrong, "{name}");
    }
    let incomplete = json!({ "code": -200, "message": "输入完整!" });
    let bodies = [
        "",
        "not JSON",
        "[]",
        "{}",
        r#"{"username":"ann"}"#,
        r#"{"username":"ann","password":""}"#,
        r#"{"username":"","password":"x"}"#,
        r#"{"username":null,"password":"x"}"#,
    ];
    for body in bodies {
        assert_eq!(login(&world, body).await.json(), incomplete, "{body}");
    }
}

#[tokio::test]
async fn too_many_tries_say_when_to_come_back() {
    let world = World::new().await;
    world.account("ann").await;
    let wrong = json!({ "username": "ann", "password": "a wrong guess" }).to_string();
    for _ in 0..10 {
        assert_eq!(login(&world, wrong.clone()).await.json()["code"], -200);
    }
    let answer = login(&world, wrong).await;
    assert_eq!(answer.json()["code"], 429);
    assert!(answer.json()["message"].is_string());
    assert!(
        answer
            .header("retry-after")
            .is_some_and(|s| s.parse::<u64>().is_ok())
    );
}

#[tokio::test]
async fn a_rush_of_logins_is_answered_or_told_to_come_back() {
    let world = World::new().await;
    world.account("ann").await;
    let body = json!({ "username": "ann", "password": PASSWORD }).to_string();
    let mut logins = tokio::task::JoinSet::new();
    for _ in 0..700 {
        logins.spawn(Answer::of(
            world.request(Method::POST, "/api/login").body(body.clone()),
        ));
    }
    let mut busy = 0;
    while let Some(answer) = logins.join_next().await {
        let answer = answer.expect("no panic");
        let code = answer.expect_status(StatusCode::OK).json()["code"].clone();
        assert!(code == 200 || code == 503, "{answer:?}");
        if code == 503 {
            assert_eq!(answer.header("retry-after"), Some("1"));
            busy += 1;
        }
    }
    assert!(busy > 0, "700 at once were all hashed");
}

#[tokio::test]
async fn insert_answers_in_the_demos_words() {
    let world = World::new().await;
    let ann = world.account("ann").await;
    let insert = async |method: Method, authorization: Option<&str>| -> Value {
        let request = world.request(method, "/api/insert");
        let answer = Answer::of(match authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        })
        .await;
        answer.expect_status(StatusCode::OK).json()
    };
    let bearer = format!("Bearer {}", ann.token);
    let counted = json!({ "code": 200, "message": "添加成功~" });
    assert_eq!(insert(Method::GET, Some(&bearer)).await, counted);
    assert_eq!(insert(Method::POST, Some(&bearer)).await, counted);
    assert_eq!(ann.age(&world).await, 2);

    let missing = json!({ "code": -200, "message": "请登录~" });
    assert_eq!(insert(Method::GET, None).await, missing);
    let refused = json!({ "code": 401, "message": "请登录在进行操作！" });
    for header in [
        "Bearer null",
        "Bearer undefined",
        "Bearer ",
        "null",
        "Bearer a.b.c",
    ] {
        assert_eq!(insert(Method::GET, Some(header)).await, refused, "{header}");
    }
    ann.post(&world, "/api/v1/logout", json!({}))
        .await
        .expect_status(StatusCode::OK);
    assert_eq!(insert(Method::GET, Some(&bearer)).await, refused);
}

#[tokio::test]
async fn any_origin_may_use_it_with_credentials() {
    let world = World::with(Settings::default()).await;
    let request = world
        .request(Method::POST, "/api/login")
        .header("Origin", "http://localhost:8080");
    let answer = Answer::of(request.body("{}")).await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("http://localhost:8080")
    );
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    assert!(
        answer
            .header("vary")
            .is_some_and(|vary| vary.contains("Origin"))
    );
}
