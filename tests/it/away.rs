//! A member who was away through a restart, a `kill -9` and 500 notifications, and comes back.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::process::{self, Process};
use crate::socket::Socket;
use crate::world::{Answer, FORUM_SECRET, Login, forum_token};

const NOTIFICATIONS: usize = 500;
/// Notifications of one call.
const CALL: usize = 10;
/// What the member had before they went.
const BEFORE: usize = 3;

/// A `serve` that the forum's tokens are good for.
fn start(data: &std::path::Path) -> Process {
    Process::start(data, &["--forum-secret", FORUM_SECRET])
}

async fn post(server: &Process, token: &str, path: &str, body: Value) -> Answer {
    server.ask(Method::POST, path, token, Some(body)).await
}

/// Publishes these numbers in one commit; each has the next number of the log.
async fn publish(server: &Process, key: &str, numbers: std::ops::Range<usize>) {
    let draft = |number: usize| json!({ "to": "42", "kind": "reply", "title": number.to_string() });
    let items: Vec<_> = numbers.clone().map(draft).collect();
    let body = json!({ "items": items });
    let answer = post(server, key, "/api/v1/notifications/batch", body).await;
    let batch = answer.expect_status(StatusCode::OK).json();
    let receipts = batch["items"].as_array().expect("receipts");
    for (receipt, number) in receipts.iter().zip(numbers) {
        assert_eq!(receipt["results"][0]["seq"], number + 1);
    }
}

/// An administrator's key.
async fn key(server: &Process, password: &str) -> String {
    let token = server.login("root", password).await;
    let body = json!({ "name": "forum", "scopes": ["publish"] });
    let made = post(server, &token, "/api/v1/keys", body).await;
    let made = made.expect_status(StatusCode::OK).json();
    made["key"].as_str().expect("a key").to_owned()
}

/// All titles over HTTP, the oldest first.
async fn titles(server: &Process, member: &Login) -> Vec<String> {
    let (mut titles, mut before) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/inbox?limit=100{before}");
        let page = server.ask(Method::GET, &path, &member.token, None).await;
        let page = page.expect_status(StatusCode::OK).json();
        for item in page["items"].as_array().expect("items") {
            titles.push(item["title"].as_str().expect("a title").to_owned());
        }
        match page["next"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    titles.reverse();
    titles
}

#[tokio::test]
async fn a_member_who_was_away_through_it_all_sees_everything_once_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let added = process::user(&data, &["add", "root", "--role", "admin"]);
    let password = added.expect_done().out.trim();
    let mut server = start(&data);
    let key = key(&server, password).await;
    let now = jiff::Timestamp::now().as_second();
    let member = Login {
        token: forum_token("42", now),
    };
    publish(&server, &key, 0..BEFORE).await;
    let socket = Socket::open(&server, &member.token).await;
    let (epoch, since) = (socket.ready["epoch"].clone(), socket.ready["seq"].clone());
    assert_eq!(since, BEFORE);
    drop(socket);

    let all = BEFORE + NOTIFICATIONS;
    for (round, from) in (BEFORE..all).step_by(CALL).enumerate() {
        match round {
            20 => {
                server.stop().await;
                server = start(&data);
            }
            35 => {
                server.kill();
                server = start(&data);
            }
            _ => {}
        }
        publish(&server, &key, from..from + CALL).await;
    }
    server.kill();
    server = start(&data);

    let counts = json!({ "unread": all, "unseen": all });
    let auth = json!({ "token": member.token, "epoch": epoch, "since": since });
    let ready = Socket::open_with(&server, auth).await.ready;
    assert_eq!(
        (&ready["recovered"], &ready["counts"]),
        (&json!(true), &counts)
    );
    assert_eq!(ready["seq"], all);
    let changes = ready["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), NOTIFICATIONS);
    for (change, number) in changes.iter().zip(BEFORE..) {
        let (seq, title) = (&change["seq"], &change["item"]["title"]);
        assert_eq!(
            (seq, title),
            (&json!(number + 1), &json!(number.to_string()))
        );
        assert_eq!(change["type"], "inbox.added");
    }

    let ready = Socket::open(&server, &member.token).await.ready;
    assert_eq!(
        (&ready["recovered"], &ready["changes"]),
        (&json!(false), &json!([]))
    );
    assert_eq!((&ready["counts"], &ready["seq"]), (&counts, &json!(all)));
    let expected: Vec<_> = (0..all).map(|number| number.to_string()).collect();
    assert_eq!(titles(&server, &member).await, expected);
    let body = Some(json!({ "all": true }));
    let read = server
        .ask(Method::POST, "/api/v1/inbox/read", &member.token, body)
        .await;
    assert_eq!(read.json()["counts"], json!({ "unread": 0, "unseen": 0 }));
    server.stop().await;
}
