//! The plain text form of publishing: what a shell script says with `curl -d`.

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::socket::Socket;
use crate::world::{Answer, Login, World};

/// A request to notify member 42.
fn notify(world: &World, key: &Login, query: &str) -> RequestBuilder {
    let path = format!("/api/v1/users/42/notify{query}");
    world.request(Method::POST, &path).bearer_auth(&key.token)
}

/// With headers of these bytes.
fn with(mut request: RequestBuilder, headers: &[(&str, &[u8])]) -> RequestBuilder {
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a name");
        request = request.header(name, HeaderValue::from_bytes(value).expect("a value"));
    }
    request
}

#[tokio::test]
async fn a_text_is_a_whole_notification_whatever_its_content_type() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let mut socket = Socket::open(&world, &world.member("42").token).await;
    let types = [
        "application/x-www-form-urlencoded",
        "application/json",
        "image/png",
        "no type",
    ];
    for content_type in types {
        let text = "Bob replied & said: 100% “é”";
        let request = notify(&world, &key, "").header("content-type", content_type);
        let answer = Answer::of(request.body(text)).await;
        let receipt = answer.expect_status(StatusCode::OK).json();
        assert_eq!(receipt["results"][0]["to"], "42");
        let item = socket.event("inbox.added").await["item"].take();
        assert_eq!((&item["title"], &item["body"]), (&json!(text), &json!("")));
        assert_eq!(
            (&item["kind"], &item["id"]),
            (&json!("message"), &receipt["id"])
        );
    }
}

#[tokio::test]
async fn the_rest_is_in_headers_or_in_the_query() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let mut socket = Socket::open(&world, &world.member("42").token).await;
    let shown = |item: &Value| {
        ["title", "body", "kind", "url", "key", "group"].map(|field| item[field].clone())
    };
    let headers: [(&str, &[u8]); 5] = [
        ("Title", "Ännchen antwortet 汪".as_bytes()),
        ("Kind", b"reply"),
        ("Url", b"/t/1#991"),
        ("Key", b"reply:991"),
        ("Group", b"topic:1"),
    ];
    let answer = Answer::of(with(notify(&world, &key, ""), &headers).body("Nein.\nDoch.")).await;
    answer.expect_status(StatusCode::OK);
    let item = socket.event("inbox.added").await["item"].take();
    let expected = [
        "Ännchen antwortet 汪",
        "Nein.\nDoch.",
        "reply",
        "/t/1#991",
        "reply:991",
        "topic:1",
    ];
    assert_eq!(shown(&item), expected.map(Value::from));

    let query =
        "?title=%C3%84nnchen%20%2B1&kind=like&url=%2Ft%2F2%3Fa%3D1%26b&key=k%2F1&group=g%25";
    let answer = Answer::of(notify(&world, &key, query).body("Text")).await;
    answer.expect_status(StatusCode::OK);
    let item = socket.event("inbox.added").await["item"].take();
    let expected = ["Ännchen +1", "Text", "like", "/t/2?a=1&b", "k/1", "g%"];
    assert_eq!(shown(&item), expected.map(Value::from));

    // The same key edits, in this form as well.
    let answer = Answer::of(notify(&world, &key, "?key=k%2F1").body("Other")).await;
    answer.expect_status(StatusCode::OK);
    let item = socket.event("inbox.updated").await["item"].take();
    assert_eq!(
        (&item["title"], &item["kind"]),
        (&json!("Other"), &json!("message"))
    );
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_by_its_name() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let send = |query: &'static str, headers: Vec<(&'static str, Vec<u8>)>, body: Vec<u8>| {
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(n, v)| (*n, &v[..])).collect();
        Answer::of(with(notify(&world, &key, query), &headers).body(body))
    };
    let long = "x".repeat(4001);
    for (query, headers, body, field) in [
        ("", vec![], "x".repeat(201), "title"),
        ("", vec![], String::new(), "title"),
        ("?title=", vec![], "Text".to_owned(), "title"),
        ("?title=t", vec![], long, "body"),
        ("?kind=Like", vec![], "Text".to_owned(), "kind"),
        ("?url=t/1", vec![], "Text".to_owned(), "url"),
        ("?key=", vec![], "Text".to_owned(), "key"),
        (
            "",
            vec![("group", vec![b'g'; 256])],
            "Text".to_owned(),
            "group",
        ),
        (
            "",
            vec![("title", vec![0xff, 0xfe])],
            "Text".to_owned(),
            "title",
        ),
    ] {
        let answer = send(query, headers, body.into_bytes()).await;
        answer.expect_problem(422, "field_invalid");
        assert_eq!(answer.json()["field"], field, "{query}");
    }
    send("", vec![], vec![0xff])
        .await
        .expect_problem(400, "malformed");
    let own = world.request(Method::POST, "/api/v1/users/@nobody/notify");
    let answer = Answer::of(own.bearer_auth(&key.token).body("Text")).await;
    assert_eq!(answer.json()["results"][0]["error"]["code"], "not_found");
    for (user, status) in [("*", 422), ("a%0Ab", 422), ("@Root", 422)] {
        let path = format!("/api/v1/users/{user}/notify");
        let request = world.request(Method::POST, &path).bearer_auth(&key.token);
        let answer = Answer::of(request.body("Text")).await;
        answer.expect_problem(status, "field_invalid");
        assert_eq!(answer.json()["field"], "to", "{user}");
    }
    let ann = world.member("42");
    assert_eq!(
        ann.get(&world, "/api/v1/inbox/counts").await.json()["seq"],
        0
    );
}

#[tokio::test]
async fn what_the_readme_shows_works_with_curl_itself() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let authorization = format!("Authorization: Bearer {}", key.token);
    let url = world.url("/api/v1/users/42/notify");
    let mut curl = std::process::Command::new("curl");
    curl.args([
        "-sS",
        "-H",
        &authorization,
        "-H",
        "Title: Für dich",
        "-d",
        "Bob replied",
        &url,
    ]);
    let ran = tokio::task::spawn_blocking(move || curl.output()).await;
    let ran = ran.expect("no panic").expect("curl");
    let receipt: Value = serde_json::from_slice(&ran.stdout).expect("a receipt");
    assert_eq!(receipt["results"][0]["seq"], 1, "{ran:?}");
    let page = world.member("42").get(&world, "/api/v1/inbox").await.json();
    let item = &page["items"][0];
    assert_eq!(
        (&item["title"], &item["body"]),
        (&json!("Für dich"), &json!("Bob replied"))
    );
}
