//! `bellrope key`, `notify` and `token`, with a server running and without.

use std::path::PathBuf;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, Ran, add, bellrope, run};
use crate::socket::Socket;
use crate::world::{Answer, FORUM_SECRET, client, draft};

/// A data folder with an account on it, and with a server or without one.
struct Place {
    data: PathBuf,
    server: Option<Process>,
    _folder: TempDir,
}

impl Place {
    fn new(is_served: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        add(&data, "ann");
        let server = is_served.then(|| Self::serve(&data));
        Self {
            data,
            server,
            _folder: folder,
        }
    }

    fn serve(data: &std::path::Path) -> Process {
        Process::start(data, &["--forum-secret", FORUM_SECRET])
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = bellrope();
        command.env("BELLROPE_FORUM_SECRET", FORUM_SECRET);
        run(command.args(arguments).arg("--data").arg(&self.data), "")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&ran.expect_done().out).expect("JSON")
    }

    /// A server on the folder: the one that runs, or one from now on.
    fn served(&mut self) -> &Process {
        let data = &self.data;
        self.server.get_or_insert_with(|| Self::serve(data))
    }
}

async fn publish(server: &Process, key: &str) -> Answer {
    let request = client().post(server.url("/api/v1/notifications"));
    Answer::of(request.bearer_auth(key).json(&draft(json!({ "to": "42" })))).await
}

#[tokio::test]
async fn a_key_is_made_listed_and_revoked() {
    for is_served in [true, false] {
        let mut place = Place::new(is_served);
        let empty = place.run(&["key", "list"]);
        assert_eq!(empty.expect_done().out, "");
        let made = place.run(&["key", "create", "The forum", "--scope", "publish,inbox"]);
        let key = made.expect_done().out.trim().to_owned();
        assert_eq!(made.out, format!("{key}\n"), "the key alone");
        assert!(
            key.starts_with("br_") && !made.err.contains(&key),
            "{made:?}"
        );
        let id = key.split('_').nth(1).expect("an id");
        place.run(&[
            "key", "create", "Another", "--scope", "presence", "--scope", "admin",
        ]);
        let list = place.json(&["key", "list"]);
        let shown = |at: usize| {
            let key = &list["items"][at];
            (
                key["name"].clone(),
                key["scopes"].clone(),
                key["last_used_at"].clone(),
            )
        };
        assert_eq!(
            shown(0),
            (json!("The forum"), json!(["publish", "inbox"]), Value::Null)
        );
        assert_eq!(
            shown(1),
            (json!("Another"), json!(["presence", "admin"]), Value::Null)
        );
        let text = place.run(&["key", "list"]);
        assert!(
            text.out.contains(id) && text.out.contains("publish,inbox"),
            "{text:?}"
        );
        for out in [text.out, list.to_string()] {
            assert!(!out.contains(&key), "{out}");
        }

        let answer = publish(place.served(), &key).await;
        answer.expect_status(StatusCode::OK);
        let revoked = place.run(&["key", "revoke", id]);
        assert_eq!(revoked.expect_done().out, "");
        let answer = publish(place.served(), &key).await;
        answer.expect_problem(401, "token_invalid");
        place.run(&["key", "revoke", id]).expect_refusal(id);
        let left = place.json(&["key", "list"]);
        assert_eq!(left["items"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn a_notification_from_the_command_line_arrives() {
    for is_served in [true, false] {
        let mut place = Place::new(is_served);
        let told = place.run(&["notify", "42", "First"]);
        assert_eq!(told.expect_done().out, "42: 1 unread, told to 0 sockets\n");
        let all = [
            "notify",
            "42,@ann,@nobody",
            "Second",
            "--body",
            "Text",
            "--url",
            "/t/1",
            "--kind",
            "reply",
            "--key",
            "k",
            "--group",
            "g",
            "--actor",
            "7",
            "--actor-name",
            "Bob",
            "--object",
            "post:9:1",
            "--extra",
            "{\"a\":1}",
        ];
        let receipt = place.json(&all);
        let results = json!([
            { "to": "42", "seq": 2, "unread": 2, "sockets": 0 },
            { "to": "@ann", "seq": 1, "unread": 1, "sockets": 0 },
            { "to": "@nobody", "error": { "code": "not_found" } },
        ]);
        assert_eq!(receipt["results"], results);
        let everyone = place.run(&["notify", "*", "Third"]);
        assert_eq!(
            everyone.expect_done().out,
            "2 members, told to 0 sockets; 0 refused\n"
        );
        place.run(&["notify", "@nobody", "Nobody"]);

        let token = place
            .run(&["token", "mint", "42"])
            .expect_done()
            .out
            .trim()
            .to_owned();
        let server = place.served();
        let page = server
            .ask(Method::GET, "/api/v1/inbox", &token, None)
            .await
            .json();
        let titles: Vec<&Value> = (0..3).map(|at| &page["items"][at]["title"]).collect();
        assert_eq!(titles, ["Third", "Second", "First"]);
        let item = &page["items"][1];
        for (field, value) in [
            ("body", json!("Text")),
            ("url", json!("/t/1")),
            ("kind", json!("reply")),
            ("key", json!("k")),
            ("group", json!("g")),
            ("actor", json!({ "id": "7", "name": "Bob", "avatar": null })),
            ("object", json!({ "type": "post", "id": "9:1" })),
            ("data", json!({ "a": 1 })),
        ] {
            assert_eq!(item[field], value, "{field}");
        }
        assert_eq!(page["items"][2]["kind"], "message");
        // Once a server runs, it is told at once.
        let mut socket = Socket::open(server, &token).await;
        let told = place.run(&["notify", "42", "Now", "--transient"]);
        assert_eq!(told.expect_done().out, "42: 3 unread, told to 1 sockets\n");
        let item = socket.event("inbox.transient").await["item"].take();
        assert_eq!(item["title"], "Now");
    }
}

#[test]
fn what_cannot_be_notified_is_said() {
    let place = Place::new(false);
    for (arguments, words) in [
        (vec!["42", " "], "A title has 1 to 200 characters"),
        (vec!["a\nb", "Title"], "A member's id has 1 to 128 bytes"),
        (vec!["42", "Title", "--kind", "Like"], "A kind has"),
        (
            vec!["42", "Title", "--object", "post"],
            "--object is written TYPE:ID",
        ),
        (vec!["42", "Title", "--extra", "{"], "--extra is no JSON"),
        (
            vec!["42", "Title", "--expires-at", "2020-01-01T00:00:00Z"],
            "expired already",
        ),
        (vec!["42", "Title", "--expires-at", "tomorrow"], "RFC 3339"),
    ] {
        place
            .run(&[&["notify"], &arguments[..]].concat())
            .expect_refusal(words);
    }
    let nobody = place.run(&["notify", "@nobody", "Title"]);
    assert_eq!(
        (nobody.code, nobody.out.as_str()),
        (1, "@nobody: refused, not_found\n")
    );
    let wrong: [&[&str]; 5] = [
        &["notify", "42"],
        &["key", "create", "forum"],
        &["key", "create", "forum", "--scope", "everything"],
        &["token", "mint", "42", "--ttl", "soon"],
        &["notify", "42", "Title", "--actor-name", "Bob"],
    ];
    for arguments in wrong {
        assert_eq!(place.run(arguments).code, 2, "{arguments:?}");
    }
}

#[tokio::test]
async fn a_token_is_minted_for_tests_and_checked() {
    for is_served in [true, false] {
        let mut place = Place::new(is_served);
        let mint = |id: &str| place.run(&["token", "mint", id, "--ttl", "2h"]);
        let (forum, own) = (mint("a b/汪"), mint("@ann"));
        let key = place.run(&["key", "create", "The forum", "--scope", "publish"]);
        let check = |token: &Ran| {
            let token = token.expect_done().out.trim();
            place
                .run(&["token", "check", token])
                .expect_done()
                .out
                .clone()
        };
        assert!(check(&forum).starts_with("forum of a b/汪 (a b/汪), good until 20"));
        assert!(check(&own).starts_with("session of @ann (ann), good until 20"));
        let id = key.out.split('_').nth(1).expect("an id").to_owned();
        assert_eq!(
            check(&key),
            format!("key of {id} (The forum), good until it is revoked\n")
        );
        mint("@nobody").expect_refusal("There is no account `nobody`");
        mint("*").expect_refusal("A member's id has");
        let refused = place.run(&["token", "check", "x.y.z"]);
        refused.expect_refusal("The token is refused");
        place.run(&["key", "revoke", &id]).expect_done();
        place
            .run(&["token", "check", key.out.trim()])
            .expect_refusal("there is no such API key");

        let server = place.served();
        for (token, id) in [(forum, "a b/汪"), (own, "@ann")] {
            let me = server
                .ask(Method::GET, "/api/v1/me", token.out.trim(), None)
                .await;
            assert_eq!(me.expect_status(StatusCode::OK).json()["id"], id);
        }
    }
}

#[test]
fn without_a_database_or_a_secret_there_is_nothing_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let commands: [&[&str]; 5] = [
        &["key", "list"],
        &["key", "create", "forum", "--scope", "publish"],
        &["notify", "42", "Title"],
        &["token", "mint", "42"],
        &["token", "check", "x"],
    ];
    for command in commands {
        let ran = run(bellrope().args(command).arg("--data").arg(&data), "");
        ran.expect_refusal("data");
        assert!(!data.exists());
    }
    add(&data, "ann");
    let mint = |id: &str| {
        run(
            bellrope().args(["token", "mint", id, "--data"]).arg(&data),
            "",
        )
    };
    mint("42").expect_refusal("forum-secret");
    mint("@ann").expect_done();
}
