//! The API's description and the page to try it.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::world::World;

#[tokio::test]
async fn the_description_names_every_operation_and_every_refusal() {
    let world = World::new().await;
    let answer = world.ask(Method::GET, "/api/openapi.json", None).await;
    let document = answer.expect_status(StatusCode::OK).json();
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3."))
    );
    assert_eq!(document["servers"][0]["url"], "/api/v1");
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            operations.push(format!("{} {path}", method.to_uppercase()));
            assert!(operation["operationId"].is_string(), "{path}");
            assert!(operation["summary"].is_string(), "{path}");
            let responses = operation["responses"].as_object().expect("responses");
            let statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
            for status in [
                "200", "400", "401", "403", "404", "409", "413", "422", "429", "503",
            ] {
                assert!(statuses.contains(&status), "{method} {path} lacks {status}");
            }
        }
    }
    operations.sort_unstable();
    let expected = [
        "DELETE /accounts/{name}",
        "DELETE /inbox/{id}",
        "DELETE /keys/{id}",
        "DELETE /me/sessions/{id}",
        "DELETE /notifications",
        "DELETE /notifications/by-key/{key}",
        "DELETE /users/{id}",
        "GET /accounts",
        "GET /backup",
        "GET /check",
        "GET /export",
        "GET /inbox",
        "GET /inbox/counts",
        "GET /inbox/preferences",
        "GET /keys",
        "GET /me",
        "GET /me/sessions",
        "GET /server",
        "GET /statistics",
        "GET /users/{id}",
        "POST /accounts",
        "POST /accounts/{name}/disable",
        "POST /accounts/{name}/enable",
        "POST /accounts/{name}/password",
        "POST /inbox/archive",
        "POST /inbox/read",
        "POST /inbox/seen",
        "POST /inbox/unarchive",
        "POST /inbox/unread",
        "POST /keys",
        "POST /login",
        "POST /logout",
        "POST /me/age",
        "POST /me/password",
        "POST /notifications",
        "POST /notifications/batch",
        "POST /presence",
        "POST /register",
        "POST /setup",
        "POST /tokens",
        "POST /tokens/check",
        "POST /users/{id}/notify",
        "POST /users/{id}/read",
        "POST /users/{id}/sign-out",
        "PUT /inbox/preferences",
    ];
    assert_eq!(operations, expected);
}

/// What the framework leaves out; that the rest is so, `tests/contract` tries.
#[tokio::test]
async fn the_description_tells_bounds_and_nulls_and_that_nothing_else_is_taken() {
    let world = World::new().await;
    let document = world.ask(Method::GET, "/api/openapi.json", None).await;
    let schemas = &document.json()["components"]["schemas"];
    assert_eq!(schemas["Notification"]["additionalProperties"], false);
    let properties = &schemas["Notification"]["properties"];
    assert_eq!(properties["kind"]["maxLength"], 64);
    assert_eq!(properties["actor"]["nullable"], true);
    assert_eq!(properties["title"]["nullable"], Value::Null);
    assert_eq!(schemas["Recipients"]["type"], Value::Null);
    // An answer has all it knows, and may have more one day.
    assert_eq!(schemas["InboxPage"]["additionalProperties"], Value::Null);
    let required = schemas["InboxPage"]["required"].as_array();
    assert!(required.is_some_and(|required| required.contains(&"next".into())));
    assert_eq!(schemas["InboxPage"]["properties"]["next"]["minimum"], 0);
}

#[tokio::test]
async fn an_address_that_does_not_take_a_method_says_which_it_takes() {
    let world = World::new().await;
    for (method, path, allowed) in [
        (Method::PATCH, "/api/v1/notifications", "DELETE, POST"),
        (Method::PUT, "/api/v1/me", "GET, HEAD"),
        (Method::GET, "/api/v1/inbox/read", "POST"),
        (Method::GET, "/api/v1/inbox/42", "DELETE"),
        (Method::GET, "/api/v1/users/4%2F2/read", "POST"),
        (Method::GET, "/api/login", "POST"),
        (Method::PUT, "/api/insert", "GET, HEAD, POST"),
        (Method::POST, "/healthz", "GET, HEAD"),
        (Method::POST, "/api/openapi.json", "GET, HEAD"),
        (Method::POST, "/login", "GET, HEAD"),
    ] {
        let answer = world.ask(method, path, None).await;
        answer.expect_problem(405, "malformed");
        assert_eq!(answer.header("allow"), Some(allowed), "{path}");
    }
}

#[tokio::test]
async fn what_needs_a_token_says_so() {
    let world = World::new().await;
    let document = world
        .ask(Method::GET, "/api/openapi.json", None)
        .await
        .json();
    let open = ["/login", "/register", "/server", "/setup"];
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let secured = operation["security"]
                .as_array()
                .is_some_and(|list| !list.is_empty());
            assert_eq!(secured, !open.contains(&path.as_str()), "{method} {path}");
            if secured {
                // And it is so: without a token, nothing else is even looked at.
                let method =
                    Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
                let path = format!("/api/v1{}", path.replace(['{', '}'], ""));
                let answer = world.ask(method, &path, Some(Value::Null)).await;
                answer.expect_problem(401, "token_missing");
            }
        }
    }
}

#[tokio::test]
async fn the_page_to_try_it_comes_from_this_server_alone() {
    let world = World::new().await;
    let page = world.ask(Method::GET, "/api/docs", None).await;
    page.expect_status(StatusCode::OK);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.header("content-security-policy")
            .is_some_and(|policy| policy.contains("script-src 'self'"))
    );
    for part in page
        .text
        .split('"')
        .filter(|part| part.ends_with(".js") || part.ends_with(".css"))
    {
        assert!(part.starts_with('/') && !part.starts_with("//"), "{part}");
        world
            .ask(Method::GET, part, None)
            .await
            .expect_status(StatusCode::OK);
    }
}
