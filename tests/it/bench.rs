//! `bellrope bench`, small, against a real server: what it counts is what happened, and it leaves
//! nothing behind.

mod liar;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, Ran, bellrope, run};
use crate::socket::Socket;
use crate::world::{FORUM_SECRET, SOON, draft, forum_token};

/// A server and its data folder.
struct Place {
    server: Process,
    data: PathBuf,
    folder: TempDir,
}

impl Place {
    /// One that knows a forum's secret.
    fn new() -> Self {
        Self::with(&["--forum-secret", FORUM_SECRET])
    }

    fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        Self {
            server: Process::start(&data, arguments),
            data,
            folder,
        }
    }

    /// Runs it beside the server, as its operator.
    fn bench(&self, kind: &str, arguments: &[&str]) -> Ran {
        run(self.command(kind).args(arguments), "")
    }

    fn command(&self, kind: &str) -> Command {
        let mut command = bellrope();
        let url = self.server.url("");
        command
            .args(["bench", kind, &url, "--data"])
            .arg(&self.data);
        command
    }

    /// What it measured, when nothing went wrong.
    fn figures(&self, kind: &str, arguments: &[&str]) -> Value {
        let ran = self.bench(kind, &[arguments, &["--json"]].concat());
        let figures: Value = serde_json::from_str(&ran.expect_done().out).expect("JSON");
        assert_eq!(figures["bench"], kind);
        assert!(figures["own_cpu_s"].is_number(), "{figures}");
        assert!(figures["server_cpu_s"].is_number(), "{figures}");
        assert!(us(&figures, "own_lag_us") > 0.0, "{figures}");
        figures
    }

    fn cli(&self, arguments: &[&str]) -> Ran {
        run(bellrope().args(arguments).arg("--data").arg(&self.data), "")
    }

    fn key(&self, scope: &str) -> String {
        let made = self.cli(&["key", "create", "forum", "--scope", scope]);
        made.expect_done().out.trim().to_owned()
    }

    /// How many members there are: everybody is told something.
    fn members(&self) -> Value {
        let told = self.cli(&["notify", "*", "Hello", "--transient", "--json"]);
        let told: Value = serde_json::from_str(&told.expect_done().out).expect("JSON");
        told["results"]["delivered"].clone()
    }

    /// A file with tokens of the forum's members 1 to `count`.
    fn tokens(&self, count: usize) -> String {
        let file = self.folder.path().join("tokens");
        let now = jiff::Timestamp::now().as_second();
        let tokens = (1..=count).map(|id| forum_token(&id.to_string(), now));
        fs::write(&file, tokens.collect::<Vec<_>>().join("\n")).expect("a file");
        file.to_string_lossy().into_owned()
    }
}

/// The middle of a latency.
fn us(figures: &Value, name: &str) -> f64 {
    figures[name]["p50"].as_f64().unwrap_or_default()
}

/// A count.
fn n(figures: &Value, name: &str) -> u64 {
    figures[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {figures}"))
}

#[test]
fn members_come_in_and_stay() {
    let place = Place::new();
    let size = ["--sockets", "20", "--sockets-each", "2", "--at-once", "5"];
    let figures = place.figures("connect", &size);
    assert_eq!((n(&figures, "sockets"), n(&figures, "members")), (20, 10));
    assert!(us(&figures, "ready_us") > 0.0, "{figures}");
    let a_second = figures["connects_a_second"].as_f64();
    assert!(a_second.is_some_and(|connects| connects > 0.0), "{figures}");

    let figures = place.figures("idle", &[&size[..], &["--seconds", "1"]].concat());
    assert_eq!((n(&figures, "sockets"), n(&figures, "closed")), (20, 0));
    let memory = figures["server_mib"].as_f64();
    assert!(memory.is_some_and(|mib| mib > 1.0), "{figures}");
    assert!(figures["run_s"].as_f64().is_some_and(|s| s >= 1.0));
}

#[test]
fn each_push_is_heard_once_on_each_socket() {
    let place = Place::new();
    for send in ["durable", "transient", "insert"] {
        let size = ["--sockets", "21", "--sockets-each", "2", "--rate", "60"];
        let what = ["--seconds", "1", "--send", send];
        let figures = place.figures("push", &[&size[..], &what].concat());
        assert_eq!(n(&figures, "members"), 11, "{send}");
        assert_eq!((n(&figures, "due"), n(&figures, "accepted")), (60, 60));
        // The last member has one socket, and every eleventh push.
        assert_eq!(n(&figures, "heard"), 2 * 60 - 5, "{send}");
        for nought in ["failed", "unsent", "missing", "twice", "closed"] {
            assert_eq!(n(&figures, nought), 0, "{nought} of {send}");
        }
        assert!(us(&figures, "push_us") > 0.0 && us(&figures, "answer_us") > 0.0);
    }
}

#[test]
fn every_insert_is_heard_in_order_however_many_press_at_once() {
    let place = Place::new();
    let size = ["--sockets", "6", "--sockets-each", "3", "--callers", "8"];
    let figures = place.figures("insert", &[&size[..], &["--seconds", "1"]].concat());
    assert!(n(&figures, "inserts") > 0, "{figures}");
    assert_eq!(n(&figures, "heard"), 3 * n(&figures, "inserts"));
    for nought in ["failed", "missing", "out_of_order", "too_many", "closed"] {
        assert_eq!(n(&figures, nought), 0, "{nought}");
    }
}

#[test]
fn one_notification_reaches_every_socket_again_and_again() {
    let place = Place::new();
    for send in ["transient", "durable", "everyone"] {
        let size = ["--sockets", "20", "--sockets-each", "4", "--in-flight", "3"];
        let what = ["--seconds", "1", "--send", send];
        let figures = place.figures("fanout", &[&size[..], &what].concat());
        assert!(n(&figures, "published") > 0, "{figures}");
        assert_eq!(n(&figures, "heard"), 20 * n(&figures, "published"));
        assert_eq!((n(&figures, "failed"), n(&figures, "twice")), (0, 0));
    }
}

#[tokio::test]
async fn everyone_is_whoever_is_there() {
    let place = Place::new();
    let now = jiff::Timestamp::now().as_second();
    let mut bob = Socket::open(&place.server, &forum_token("bob", now)).await;
    let size = ["--sockets", "4", "--seconds", "1"];
    place.figures("fanout", &[&size[..], &["--send", "everyone"]].concat());
    let told = bob.event("inbox.transient").await;
    assert_eq!(told["item"]["kind"], "bench", "{told}");
}

#[test]
fn members_who_were_away_are_told_what_they_missed() {
    let place = Place::with(&["--forum-secret", FORUM_SECRET, "--log-changes-max", "30"]);
    let size = ["--sockets", "6", "--sockets-each", "2"];
    let figures = place.figures("replay", &[&size[..], &["--behind", "30"]].concat());
    assert_eq!((n(&figures, "sockets"), n(&figures, "behind")), (6, 30));
    assert_eq!((n(&figures, "afresh"), n(&figures, "odd")), (0, 0));
    assert!(us(&figures, "ready_us") > 0.0, "{figures}");

    // Further behind than the server's log goes back.
    let ran = place.bench(
        "replay",
        &[&size[..], &["--behind", "31", "--json"]].concat(),
    );
    assert!(
        ran.code == 1 && ran.err.contains("give fewer --behind"),
        "{ran:?}"
    );
    let figures: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(n(&figures, "afresh"), 6);
    assert_eq!(place.members(), 0);
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let place = Place::new();
    let now = jiff::Timestamp::now().as_second();
    let _bob = Socket::open(&place.server, &forum_token("bob", now)).await;
    let key = place.key("inbox");
    let keys = place.cli(&["key", "list"]).out;
    assert_eq!(place.members(), 1);
    let size = ["--sockets", "5", "--seconds", "1"];
    let ran = place.bench("push", &[&size[..], &["--rate", "20"]].concat());
    assert!(
        ran.expect_done()
            .out
            .starts_with("push on http://127.0.0.1:")
    );
    assert!(ran.out.contains("push us"), "{ran:?}");
    assert_eq!(place.members(), 1, "bob alone");
    assert_eq!(place.cli(&["key", "list"]).out, keys);
    let path = "/api/v1/users/bellrope-bench-0";
    let gone = place.server.ask(Method::DELETE, path, &key, None).await;
    gone.expect_problem(404, "not_found");

    // The next run has the same members, as soon as it likes.
    place.bench("insert", &size).expect_done();
    assert_eq!(place.members(), 1, "bob alone");
}

#[tokio::test]
async fn given_members_keep_all_but_what_it_published() {
    let place = Place::new();
    let (tokens, key) = (place.tokens(4), place.key("publish"));
    let body = draft(json!({ "to": "1" }));
    let path = "/api/v1/notifications";
    let published = place.server.ask(Method::POST, path, &key, Some(body)).await;
    published.expect_status(StatusCode::OK);
    let url = place.server.url("");
    // No data folder: as from another machine.
    let bench = |kind: &str, more: &[&str]| {
        let mut command = bellrope();
        command.args([
            "bench",
            kind,
            &url,
            "--sockets",
            "8",
            "--sockets-each",
            "2",
            "--json",
        ]);
        command
            .args(["--data", "/nowhere", "--tokens", &tokens])
            .env("BELLROPE_KEY", &key);
        let ran = run(command.args(more), "");
        serde_json::from_str::<Value>(&ran.expect_done().out).expect("JSON")
    };
    let figures = bench("push", &["--rate", "40", "--seconds", "1"]);
    assert_eq!((n(&figures, "accepted"), n(&figures, "heard")), (40, 80));
    assert_eq!(
        figures["server_cpu_s"],
        Value::Null,
        "nobody said which it is"
    );
    assert_eq!(place.members(), 4);
    let token = fs::read_to_string(&tokens).expect("the file");
    let first = token.lines().next().expect("a token");
    let inbox = place
        .server
        .ask(Method::GET, "/api/v1/inbox", first, None)
        .await;
    let items = inbox.expect_status(StatusCode::OK).json()["items"].take();
    assert_eq!(items.as_array().map(Vec::len), Some(1), "{items}");
    assert_eq!(items[0]["title"], "Bob replied");

    // The same members where only the demo's contract is spoken.
    let demo = bench("connect", &["--demo"]);
    assert_eq!((n(&demo, "sockets"), n(&demo, "members")), (8, 4));
    let demo = bench("insert", &["--demo", "--seconds", "1"]);
    assert_eq!(n(&demo, "heard"), 2 * n(&demo, "inserts"));
    let demo = bench(
        "push",
        &[
            "--demo",
            "--seconds",
            "1",
            "--rate",
            "40",
            "--send",
            "insert",
        ],
    );
    assert_eq!((n(&demo, "accepted"), n(&demo, "heard")), (40, 80));
    assert_eq!(place.members(), 4);
}

#[test]
fn whoever_stops_it_is_left_with_nothing_either() {
    let place = Place::new();
    for signal in ["INT", "TERM"] {
        let mut command = place.command("push");
        command.args(["--sockets", "5", "--rate", "20", "--seconds", "60"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let bench = command.spawn().expect("the executable");
        let began = Instant::now();
        while place.members() != 5 {
            assert!(began.elapsed() < SOON, "nobody came in");
            std::thread::sleep(Duration::from_millis(20));
        }
        let pid = bench.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.expect("kill").success());
        let ended = bench.wait_with_output().expect("its end");
        let err = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{err}");
        assert!(
            err.starts_with("bellrope: it was ") && ended.stdout.is_empty(),
            "{err}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(50),
            "it ran to its end"
        );
        assert_eq!(place.members(), 0);
        assert_eq!(place.cli(&["key", "list"]).out, "");
    }
}

#[test]
fn a_server_that_does_not_do_is_told_from_one_that_is_slow() {
    let place = Place::new();
    let tokens = place.tokens(1);
    let few = ["--sockets", "2", "--seconds", "1"];
    let with = |more: &[&str]| place.bench("push", &[&few[..], more].concat());
    with(&["--key", "br_nobody_knows"]).expect_refusal("the key cannot be used");
    with(&["--key", &place.key("inbox")]).expect_refusal("publish");
    with(&["--tokens", "/nowhere"]).expect_refusal("cannot read the tokens in /nowhere");
    with(&["--tokens", &tokens]).expect_refusal("has 1 tokens, and 2 members need one each");
    with(&["--pid", "4194304"]).expect_refusal("is the server's --pid right?");
    fs::write(&tokens, "nonsense\nnonsense").expect("a file");
    with(&["--tokens", &tokens]).expect_refusal("unauthorized");
    assert_eq!(place.members(), 0);
    assert_eq!(place.cli(&["key", "list"]).out.lines().count(), 1);

    let url = place.server.url("");
    let bench = |url: &str| {
        run(
            bellrope().args(["bench", "connect", url, "--data", "/nowhere"]),
            "",
        )
    };
    bench(&url).expect_refusal("name it with --data, or give --tokens");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("its address");
    drop(port);
    bench(&format!("http://{address}")).expect_refusal("does the server run?");

    let plain = Place::with(&[]);
    let ran = plain.bench("connect", &["--sockets", "2"]);
    ran.expect_refusal("forum-secret");
    assert!(ran.err.contains("give --tokens instead"), "{ran:?}");
}

#[test]
fn callers_whose_connections_idled_away_connect_again() {
    let place = Place::new();
    // Each has its turn once, and the server waits 10 s for a request.
    let size = ["--sockets", "1", "--callers", "13"];
    let figures = place.figures(
        "push",
        &[&size[..], &["--rate", "1", "--seconds", "13"]].concat(),
    );
    assert_eq!((n(&figures, "accepted"), n(&figures, "heard")), (13, 13));
}

#[test]
fn more_sockets_than_files_are_refused_before_any_is_opened() {
    let place = Place::new();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 100; exec \"$@\"", "sh"]);
    let bench = place.command("connect");
    command.arg(bench.get_program()).args(bench.get_args());
    let ran = run(command.args(["--sockets", "90"]), "");
    ran.expect_refusal("may open 36 sockets, not 90; raise the limit with `ulimit -n`");
    assert_eq!(place.members(), 0);
}

#[test]
fn its_help_does_not_tell_the_key() {
    for help in ["--help", "-h"] {
        let mut command = bellrope();
        command.args(["bench", "push", help]);
        let ran = run(command.env("BELLROPE_KEY", "br_a_canary"), "");
        assert!(ran.expect_done().out.contains("BELLROPE_KEY"), "{ran:?}");
        assert!(!ran.out.contains("canary"), "{ran:?}");
    }
}

#[test]
fn what_makes_no_sense_is_wrong_usage() {
    let wrong: [(&[&str], &str); 13] = [
        (&["connect", "http://192.0.2.1:8888"], "--allow-remote"),
        (&["connect", "https://127.0.0.1:8888"], "plain http"),
        (&["connect", "http://127.0.0.1:8888/path"], "without a path"),
        (&["connect", "127.0.0.1:8888"], "URL"),
        (&["connect", "--sockets", "0"], "give 1 to 100000"),
        (&["connect", "--seconds", "1"], "--seconds"),
        (&["connect", "--demo"], "--tokens"),
        (&["idle", "--seconds", "3601"], "3600"),
        (&["push", "--rate", "fast"], "no whole number"),
        (
            &["push", "--send", "everything"],
            "durable, transient, insert",
        ),
        (
            &["fanout", "--tokens", "x", "--demo"],
            "knows no notifications",
        ),
        (&["replay", "--behind", "1001"], "give 1 to 1000"),
        (&["everything"], "everything"),
    ];
    for (arguments, words) in wrong {
        let ran = run(bellrope().arg("bench").args(arguments), "");
        assert!(
            ran.code == 2 && ran.err.contains(words),
            "{arguments:?}: {ran:?}"
        );
        assert_eq!(ran.out, "", "{arguments:?}");
    }
}
