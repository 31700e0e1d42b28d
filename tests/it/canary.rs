//! Secrets stay where they belong: canaries go through the real program at its most talkative, and
//! are looked for in all it says and all it leaves.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house;
use crate::process::{Process, bellrope, run};
use crate::socket::{Socket, message};
use crate::world::{self, Answer};

const ANN: &str = "canary-password-of-ann";
const NEW: &str = "canary-password-that-is-new";
const WRONG: &str = "canary-password-that-is-wrong";
const FORUM: &str = "canary-secret-that-the-forum-signs-with";

/// The program while it runs, what must not be seen, and what was.
struct Story {
    _folder: TempDir,
    data: PathBuf,
    settings: PathBuf,
    server: Process,
    http: Client,
    setup: String,
    /// Tokens of each kind, by their names.
    tokens: Vec<(&'static str, String)>,
    /// What the program answered and printed, each with what made it.
    seen: Vec<(String, String)>,
}

impl Story {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (data, settings) = (folder.path().join("data"), folder.path().join("settings"));
        fs::write(&settings, format!("forum-secret = {FORUM:?}\n")).expect("a file");
        let file = settings.to_str().expect("a path");
        let mut server = Process::start(&data, &["--log", "trace", "--config", file]);
        let mut story = Self {
            _folder: folder,
            setup: server.setup_token(),
            http: world::client(),
            data,
            settings,
            server,
            tokens: Vec::new(),
            seen: Vec::new(),
        };
        story.mint().await;
        story
    }

    /// All that is a secret, with the name of each.
    fn secrets(&self) -> Vec<(&'static str, String)> {
        let mut secrets = vec![
            ("ann's password", ANN.to_owned()),
            ("the new password", NEW.to_owned()),
            ("a wrong password", WRONG.to_owned()),
            ("the forum's secret", FORUM.to_owned()),
            ("the setup token", self.setup.clone()),
        ];
        for (name, token) in &self.tokens {
            // The first part says only what it is; of a key, its id may be shown.
            let (mark, known) = if token.contains('.') {
                ('.', 1)
            } else {
                ('_', 2)
            };
            let worth = token.split(mark).skip(known);
            secrets.extend(worth.map(|part| (*name, part.to_owned())));
        }
        secrets
    }

    /// Whoever may is given a secret, once: those answers are not looked at.
    async fn mint(&mut self) {
        let body = json!({ "token": self.setup, "username": "root", "password": ANN });
        let root = self.mint_at("/api/v1/setup", "", body, "token").await;
        let account = json!({ "username": "ann", "password": ANN, "role": "member" });
        self.ask(Method::POST, "/api/v1/accounts", &root, Some(account))
            .await;
        let login = json!({ "username": "ann", "password": ANN });
        let session = self
            .mint_at("/api/v1/login", "", login.clone(), "token")
            .await;
        let demo = self.mint_at("/api/login", "", login, "data").await;
        let key = json!({ "name": "forum", "scopes": ["publish", "presence", "inbox", "admin"] });
        let key = self.mint_at("/api/v1/keys", &root, key, "key").await;
        let forum = self.command(&["token", "mint", "42"], "").trim().to_owned();
        self.seen.clear();
        self.tokens = vec![
            ("the administrator's token", root),
            ("ann's token", session),
            ("ann's token of the demo", demo),
            ("the API key", key),
            ("the forum's token", forum),
        ];
    }

    async fn mint_at(&mut self, path: &str, token: &str, body: Value, field: &str) -> String {
        let answer = self.ask(Method::POST, path, token, Some(body)).await;
        answer.json()[field].as_str().expect("a secret").to_owned()
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.http.request(method.clone(), self.server.url(path));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let answer = Answer::of(match body {
            // A body that breaks off.
            Some(Value::String(text)) => request
                .header("Content-Type", "application/json")
                .body(text),
            Some(body) => request.json(&body),
            None => request,
        })
        .await;
        self.seen
            .push((format!("{method} {path}"), format!("{answer:?}")));
        answer
    }

    /// A command beside the server.
    fn command(&mut self, arguments: &[&str], input: &str) -> String {
        let mut command = bellrope();
        let ran = run(command.args(arguments).arg("--data").arg(&self.data), input);
        self.seen.push((arguments.join(" "), format!("{ran:?}")));
        ran.out
    }

    /// Every operation there is, and what is beside them, as everybody: with secrets where they
    /// belong, where they do not, and in a body that breaks off.
    async fn every_operation(&mut self) {
        let description = self
            .ask(Method::GET, "/api/openapi.json", "", None)
            .await
            .json();
        let mut operations: Vec<(Method, String)> = ["/api/login", "/api/insert"]
            .map(|path| (Method::POST, path.to_owned()))
            .into();
        for path in [
            "/",
            "/healthz",
            "/readyz",
            "/metrics",
            "/api/docs",
            "/nothing",
        ] {
            operations.push((Method::GET, path.to_owned()));
        }
        for (path, methods) in description["paths"].as_object().expect("paths") {
            let path = format!("/api/v1{}", path.replace(['{', '}'], ""));
            for method in methods.as_object().expect("methods").keys() {
                let method = method.to_uppercase().parse().expect("a method");
                // Whatever text this one is sent is somebody's to read.
                if !path.ends_with("/notify") {
                    operations.push((method, path.clone()));
                }
            }
        }
        let mut tokens: Vec<_> = self.tokens.iter().map(|(_, token)| token.clone()).collect();
        let forged = tokens.iter().map(|token| format!("{token}0"));
        tokens = forged
            .chain(tokens.clone())
            .chain([String::new()])
            .collect();
        for (method, path) in operations {
            for token in &tokens {
                let everything = json!({
                    "token": token, "username": "ann", "password": WRONG, "current": WRONG, "new": NEW,
                });
                let nested =
                    json!({ "username": [WRONG], "password": { "is": ANN }, "token": [token] });
                let broken = json!(format!(r#"{{"password":"{ANN}","token":"{token}"#));
                for body in [everything, nested, broken] {
                    self.ask(method.clone(), &path, token, Some(body)).await;
                }
            }
        }
    }

    /// What is no request, and what is no event.
    async fn malformed(&mut self) {
        for (_, token) in self.tokens.clone() {
            let bearer = format!("Authorization: Bearer {token}");
            let long = "x".repeat(200_000);
            for head in [
                format!("GET / HTTP/1.1\r\n{bearer}\r\nno header\r\n\r\n"),
                format!("GET /?token={token} HTTP/9\r\nHost: a\r\n{bearer}\r\n\r\n"),
                format!("GET / HTTP/1.1\r\nHost: a\r\n{bearer}\r\nX: {long}\r\n\r\n"),
                format!(
                    "POST /api/login HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n{bearer}\r\n\r\n{ANN}"
                ),
                format!(
                    "POST /api/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{bearer}\r\n\r\n{ANN}"
                ),
            ] {
                let mut stream = TcpStream::connect(self.server.address)
                    .await
                    .expect("a connection");
                // It may be closed before all of it was sent.
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.shutdown().await;
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer).await;
                let answer = String::from_utf8_lossy(&answer).into_owned();
                self.seen.push(("what is no request".to_owned(), answer));
            }
        }
    }

    /// Sockets that are let in and that are not, and what none should send.
    async fn sockets(&mut self) {
        for (_, token) in self.tokens.clone() {
            for token in [token.clone(), format!("{token}0")] {
                let query = format!("token=Bearer%20{token}");
                let sent = json!({ "token": token, "password": ANN });
                for mut socket in [
                    Socket::connect(&self.server, json!({ "token": token })).await,
                    Socket::connect(&self.server, json!({ "token": { "is": token } })).await,
                    Socket::connect_with(&self.server, &query, json!([token])).await,
                    Socket::connect_v2(&self.server, &query).await,
                ] {
                    let first = socket.next().await;
                    let is_in = first == message("hello");
                    self.seen
                        .push(("a socket".to_owned(), format!("{first:?}")));
                    for (event, data) in [
                        ("session.refresh", sent.clone()),
                        ("session.refresh", json!(token)),
                        ("inbox.sync", sent.clone()),
                    ] {
                        if is_in {
                            let answer = socket.ask(event, data).await;
                            self.seen.push((event.to_owned(), answer.to_string()));
                        }
                    }
                    for packet in [
                        format!("42{}", json!(["unknown", sent])),
                        format!("42[\"{token}"),
                        format!("9{token}"),
                    ] {
                        socket.try_send(packet).await;
                    }
                }
            }
            let poll = format!("/socket.io/?EIO=4&transport=polling&token={token}");
            self.ask(Method::GET, &poll, &token, None).await;
            let body = json!(format!("40{{\"token\":\"{token}\"}}"));
            self.ask(
                Method::POST,
                &format!("{poll}&sid=none"),
                &token,
                Some(body),
            )
            .await;
        }
    }

    /// All that prints something, but for what prints a secret because it was asked to.
    fn commands(&mut self) {
        let ann = self.tokens[1].1.clone();
        for (arguments, input) in [
            (&["user", "list", "--json"] as &[&str], ""),
            (&["user", "passwd", "ann", "--password-stdin"], NEW),
            (&["user", "add", "bob", "--password-stdin"], NEW),
            (&["user", "add", "ann", "--password-stdin"], NEW),
            (&["user", "add", "b", "--password-stdin"], NEW),
            (&["key", "list"], ""),
            (&["key", "list", "--json"], ""),
            (&["token", "check", &ann], ""),
            (&["token", "check", &format!("{ann}0")], ""),
            (
                &["serve", "--forum-secret", FORUM, "--listen", "127.0.0.1:0"],
                "",
            ),
            (
                &["serve", "--forum-secret", FORUM, "--forum-key", "/nowhere"],
                "",
            ),
        ] {
            self.command(arguments, input);
        }
        let file = self.settings.to_str().expect("a path").to_owned();
        for arguments in [
            &["config", "--config", &file] as &[&str],
            &["config", "--config", &file, "--json"],
            &["--help"],
            &["config", "--help"],
            &["serve", "--help"],
        ] {
            let mut command = bellrope();
            let ran = run(
                command.args(arguments).env("BELLROPE_FORUM_SECRET", FORUM),
                "",
            );
            assert_eq!(ran.code, 0, "{ran:?}");
            self.seen.push((arguments.join(" "), format!("{ran:?}")));
        }
    }
}

/// Each file of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.collect()
}

#[tokio::test]
async fn no_secret_is_in_anything_the_program_says_or_leaves() {
    let mut story = Story::begin().await;
    story.sockets().await;
    story.commands();
    story.malformed().await;
    story.every_operation().await;
    let secrets = story.secrets();
    let session_key = fs::read_to_string(story.data.join("session.key")).expect("a key");
    let log = story.server.stop().await;
    let mut said = story.seen;
    assert!(
        log.contains(" request "),
        "a log that says nothing proves nothing"
    );
    said.push(("the log".to_owned(), log));
    for (what, text) in &said {
        assert!(
            !text.contains(session_key.trim()),
            "the session key in {what}"
        );
        for (name, secret) in &secrets {
            let at = text.find(secret.as_str());
            let around = at.map(|at| &text[at.saturating_sub(200)..at]);
            assert_eq!(around, None, "{name} in {what}");
        }
    }
    for file in files(&story.data) {
        let bytes = fs::read(&file).expect("a file");
        let holds = |needle: &str| {
            bytes
                .windows(needle.len())
                .any(|at| at == needle.as_bytes())
        };
        if file.ends_with("bellrope.redb") {
            assert!(
                holds("$argon2id$") && holds("forum"),
                "hashes and names are there"
            );
            assert!(
                !holds(session_key.trim()),
                "the session key in the database"
            );
        }
        for (name, secret) in &secrets {
            assert!(!holds(secret), "{name} in {}", file.display());
        }
    }
}

/// A type that prints itself in a log or a panic has nothing in it that must not be seen.
#[test]
fn what_prints_itself_holds_no_secret() {
    for (file, _, text) in house::sources() {
        let derived = text.split("#[derive(").skip(1);
        for printed in derived.filter(|rest| {
            rest.split(')')
                .next()
                .is_some_and(|all| all.contains("Debug"))
        }) {
            let body = printed.split("\n}").next().unwrap_or_default();
            for field in body.lines().filter_map(|line| line.trim().split_once(": ")) {
                let name = field.0.trim_start_matches("pub ");
                let is_secret = ["token", "password", "secret", "password_hash"].contains(&name);
                assert!(!is_secret, "{file}: `{name}` prints itself: {body}");
            }
        }
    }
}

/// Neither signal nor fault leaves one, whatever the shell that started it allows.
#[tokio::test]
async fn a_crash_leaves_no_core_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Process::start(&folder.path().join("data"), &[]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).expect("limits");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words = line.expect("a limit").split_whitespace();
    assert_eq!(words.collect::<Vec<_>>()[4..6], ["0", "0"]);
}
