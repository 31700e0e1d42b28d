//! The log: one line a request with its outcome and time, and nothing in it that is a secret.

use std::io::{BufRead as _, BufReader};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::process::{Process, Ran, add, bellrope, run};
use crate::socket::{Heard, Socket, message};
use crate::world::{Answer, PASSWORD, client};

/// What must never be in a log, besides the tokens.
const WRONG_PASSWORD: &str = "canary-of-a-wrong-password";
const NEW_PASSWORD: &str = "canary-of-a-new-password";
const QUERY: &str = "canary-of-a-query";

/// A server, what it was asked, and what its log must not hold.
struct Story {
    server: Process,
    /// Method, path, status and outcome of each request.
    asked: Vec<(String, String, u16, String)>,
    secrets: Vec<String>,
}

impl Story {
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        let with_query = format!("{path}?q={QUERY}&token={token}");
        let answer = self
            .server
            .ask(method.clone(), &with_query, token, body)
            .await;
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let outcome = match body["code"].as_str() {
            Some(code) => code,
            None if body["code"] == -200 => "login_failed",
            None if body["code"] == 401 => "token_invalid",
            None => "ok",
        };
        self.note(&method, path, answer.status.as_u16(), outcome);
        answer
    }

    fn note(&mut self, method: &Method, path: &str, status: u16, outcome: &str) {
        let (method, path) = (method.to_string(), path.to_owned());
        self.asked.push((method, path, status, outcome.to_owned()));
    }

    /// A token, whole and in the parts that are worth something.
    fn secret_token(&mut self, token: &str) {
        self.secrets
            .extend(token.split('.').skip(1).map(str::to_owned));
    }

    async fn post(&mut self, path: &str, token: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, token, Some(body)).await
    }

    async fn begin(data: &std::path::Path, arguments: &[&str]) -> Self {
        let made = add(data, "ann");
        let mut server = Process::start(data, arguments);
        let setup = server.setup_token();
        let mut story = Self {
            server,
            asked: Vec::new(),
            secrets: [PASSWORD, WRONG_PASSWORD, NEW_PASSWORD, QUERY, &setup, &made]
                .map(str::to_owned)
                .to_vec(),
        };
        let body = json!({ "token": setup, "username": "root", "password": PASSWORD });
        let root = story.post("/api/v1/setup", &setup, body).await;
        story.secret_token(root.json()["token"].as_str().expect("a token"));
        let ann = story.members(&made).await;
        story.sockets(&ann).await;
        story.operator(data);
        story
    }

    /// Logs in, inserts, changes the password; each rightly and wrongly.
    async fn members(&mut self, made: &str) -> String {
        let login = |password: &str| json!({ "username": "ann", "password": password });
        for path in ["/api/login", "/api/v1/login"] {
            self.post(path, "", login(WRONG_PASSWORD)).await;
        }
        let demo = self.post("/api/login", "", login(made)).await;
        self.secret_token(demo.json()["data"].as_str().expect("a token"));
        let answer = self.post("/api/v1/login", "", login(made)).await;
        let ann = answer.json()["token"].as_str().expect("a token").to_owned();
        self.secret_token(&ann);
        let forged = format!("{}canary", &ann[..ann.len() - 6]);
        self.secret_token(&forged);
        for token in [&ann, &forged] {
            self.ask(Method::GET, "/api/insert", token, None).await;
            self.ask(Method::GET, "/api/v1/me", token, None).await;
        }
        let change = |current: &str| json!({ "current": current, "new": NEW_PASSWORD });
        let refused = self.post("/api/v1/me/password", &ann, change(WRONG_PASSWORD));
        refused
            .await
            .expect_status(StatusCode::UNPROCESSABLE_ENTITY);
        let changed = self.post("/api/v1/me/password", &ann, change(made));
        changed.await.expect_status(StatusCode::OK);
        // Credentials where they do not belong.
        let body = json!([QUERY, WRONG_PASSWORD]);
        self.post("/api/v1/login", &ann, body)
            .await
            .expect_problem(400, "malformed");
        self.ask(Method::GET, "/api/nothing", &ann, None).await;
        ann
    }

    /// Tokens in the query and in `auth`, right and wrong, over WebSocket and polling.
    async fn sockets(&mut self, ann: &str) {
        let wrong = format!("{ann}wrong");
        for (token, in_query) in [(ann, true), (ann, false), (&wrong, true), (&wrong, false)] {
            let mut socket = if in_query {
                Socket::connect_v2(&self.server, &format!("token=Bearer%20{token}")).await
            } else {
                Socket::connect(&self.server, json!({ "token": token })).await
            };
            match socket.next().await {
                Heard::Refused(_) => assert_eq!(token, wrong),
                heard => assert_eq!((token, heard), (ann, message("hello"))),
            }
            self.note(&Method::GET, "/socket.io/", 101, "ok");
        }
        let url = format!("/socket.io/?EIO=4&transport=polling&token={ann}");
        let open = Answer::of(client().get(self.server.url(&url))).await;
        let sid = open.text.split('"').nth(3).expect("a session id");
        let packet = format!("40{}", json!({ "token": ann }));
        let url = self.server.url(&format!("{url}&sid={sid}"));
        let sent = Answer::of(client().post(url).body(packet)).await;
        assert_eq!(sent.text, "ok");
        self.note(&Method::GET, "/socket.io/", 200, "ok");
        self.note(&Method::POST, "/socket.io/", 200, "ok");
    }

    /// A command, through the control socket.
    fn operator(&mut self, data: &std::path::Path) {
        let mut command = bellrope();
        command.args(["user", "passwd", "ann", "--password-stdin", "--data"]);
        let ran: Ran = run(command.arg(data), NEW_PASSWORD);
        ran.expect_done();
        self.note(&Method::POST, "/api/v1/accounts/ann/password", 200, "ok");
    }
}

fn expect_no_secret(log: &str, secrets: &[String]) {
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "the secret {secret}");
    }
}

/// At its most talkative, with all the libraries' own words.
#[tokio::test]
async fn each_request_is_one_json_line_and_no_secret_is_in_any() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut story = Story::begin(&data, &["--log", "trace", "--log-format", "json"]).await;
    let log = story.server.stop().await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let requests = lines.iter().filter(|line| line["message"] == "request");
    let mut logged = Vec::new();
    for line in requests {
        let word = |name: &str| {
            line[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name}: {line}"))
        };
        let ms: f64 = word("ms").parse().expect("a number");
        assert!((0.0..20_000.0).contains(&ms), "{line}");
        let by_command = word("path").starts_with("/api/v1/accounts");
        let client = if by_command { "control" } else { "127.0.0.1" };
        assert_eq!(word("client"), client, "{line}");
        let status = line["status"]
            .as_u64()
            .and_then(|status| status.try_into().ok());
        let (method, path) = (word("method").to_owned(), word("path").to_owned());
        logged.push((
            method,
            path,
            status.expect("a status"),
            word("outcome").to_owned(),
        ));
    }
    let who = |path: &str, outcome: &str| {
        let line = lines
            .iter()
            .find(|line| line["path"] == path && line["outcome"] == outcome)
            .unwrap_or_else(|| panic!("no {outcome} from {path}"));
        line["who"].as_str()
    };
    for path in ["/api/v1/login", "/api/login", "/api/v1/me", "/api/insert"] {
        assert_eq!(who(path, "ok"), Some("@ann"), "{path}");
    }
    assert_eq!(who("/api/v1/setup", "ok"), Some("@root"));
    assert_eq!(
        who("/api/v1/me", "token_invalid"),
        None,
        "a forged token is nobody's"
    );
    assert_eq!(who("/api/v1/login", "login_failed"), None, "nobody came in");
    let tried = lines
        .iter()
        .filter(|line| line["message"] == "a login was refused");
    assert_eq!(
        tried.map(|line| line["who"].as_str()).collect::<Vec<_>>(),
        [Some("@ann"); 2]
    );

    // Sockets overlap; everything else came one after the other.
    logged.sort();
    story.asked.sort();
    assert_eq!(logged, story.asked);
    expect_no_secret(&log, &story.secrets);
}

/// As it is without a word from the operator.
#[tokio::test]
async fn by_default_each_request_is_one_line_of_text_and_healthy_sockets_are_quiet() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let story = Story::begin(&data, &[]).await;
    let log = story.server.stop().await;
    let mut requests = log.lines().filter(|line| line.contains(" request "));
    for (method, path, status, outcome) in &story.asked {
        if path == "/socket.io/" {
            continue;
        }
        let line = requests.next().expect("another line");
        for field in [
            format!(" method={method} "),
            format!(" path=\"{path}\" "),
            format!(" status={status} "),
            format!(" outcome=\"{outcome}\" "),
            " client=\"".to_owned(),
            " ms=".to_owned(),
        ] {
            assert!(line.contains(&field), "no{field}in {line}");
        }
    }
    assert_eq!(requests.next(), None);
    assert!(!log.contains('\u{1b}'), "no colours in a file");
    expect_no_secret(&log, &story.secrets);
}

/// Standard error is a pipe that nobody empties, as under a supervisor that hangs.
#[tokio::test]
async fn a_log_that_nobody_reads_does_not_stop_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = bellrope()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the executable");
    let mut greeting = String::new();
    let out = child.stdout.as_mut().expect("its stdout");
    BufReader::new(out)
        .read_line(&mut greeting)
        .expect("a line");
    let address = greeting
        .trim()
        .rsplit(' ')
        .next()
        .expect("an address")
        .to_owned();
    // A pipe holds 64 KiB; each of these leaves a line of about 150 bytes.
    let http = client();
    for _ in 0..2000 {
        let answer = Answer::of(http.get(format!("{address}/healthz"))).await;
        answer.expect_status(StatusCode::OK);
    }
    child.kill().expect("a process to kill");
    child.wait().expect("its end");
}
