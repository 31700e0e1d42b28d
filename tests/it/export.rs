//! Exports and imports: all of it comes along, and nothing that contradicts itself comes in.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backup::Place;
use crate::folder::entries;
use crate::process::{Process, Ran, add, bellrope, key, on, run, user};
use crate::socket::Socket;
use crate::world::{FORUM_SECRET, draft, forum_token};

/// Notifications of the large one.
const MANY: u64 = 20_000;
/// Recipients of one call.
const AT_ONCE: u64 = 10_000;
/// Memory that a server may take on top while it is exported: a database's cache, and some pieces.
const EXPORT_BYTES_MAX: u64 = 48 << 20;

/// An export of this folder, as lines.
#[track_caller]
fn export(data: &Path) -> Vec<Value> {
    let ran = on(data, &["export"]);
    lines(&ran.expect_done().out)
}

#[track_caller]
fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON")
}

fn text(lines: &[Value]) -> String {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

fn import(data: &Path, text: &str) -> Ran {
    let mut command = bellrope();
    command.args(["import", "-", "--data"]).arg(data);
    run(&mut command, text)
}

/// Without what is another's each time.
fn lasting(mut lines: Vec<Value>) -> Vec<Value> {
    let first = lines[0].as_object_mut().expect("an object");
    assert_eq!(first["format"], 1);
    for field in ["exported_at", "epoch"] {
        assert!(first.remove(field).is_some_and(|value| value.is_string()));
    }
    lines
}

fn serve(data: &Path) -> Process {
    Process::start(data, &["--forum-secret", FORUM_SECRET])
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// What members see of themselves.
async fn seen(server: &Process, tokens: &[&str]) -> Vec<Value> {
    let mut seen = Vec::new();
    for token in tokens {
        for path in [
            "/inbox?limit=100",
            "/inbox?limit=100&state=unread",
            "/inbox?limit=100&state=archived",
            "/inbox/preferences",
            "/me",
        ] {
            let path = format!("/api/v1{path}");
            let mut answer = server.ask(Method::GET, &path, token, None).await.json();
            let answer_of = answer.as_object_mut().expect("an object");
            answer_of.remove("epoch");
            answer_of.remove("expires_at");
            seen.push(answer);
        }
        seen.push(json!(server.age(token).await));
    }
    seen
}

struct Full {
    place: Place,
    key: String,
    password: String,
}

impl Full {
    /// A server with some of everything.
    async fn new() -> (Self, Vec<Value>, Value) {
        let place = Place::new();
        let data = &place.data;
        let password = add(data, "bob");
        user(data, &["add", "root", "--role", "admin"]).expect_done();
        add(data, "idle");
        user(data, &["disable", "idle"]).expect_done();
        let key = key(data, "publish,inbox");
        let server = serve(data);
        let bob = server.login("bob", &password).await;
        let carl = forum_token("carl", now());
        let publish = async |said: Value| {
            let answer = server.ask(
                Method::POST,
                "/api/v1/notifications",
                &key,
                Some(draft(said)),
            );
            answer.await.expect_status(StatusCode::OK);
        };
        let both = json!(["@bob", "carl"]);
        for (at, actor) in ["x", "y", "x", "z"].iter().enumerate() {
            publish(json!({ "to": both, "group": "likes", "key": format!("like:{at}"),
                "actor": { "id": actor, "name": "中文 \u{1F514}" }, "object": { "type": "post", "id": "9" } }))
            .await;
        }
        publish(json!({ "to": both, "kind": "old", "data": { "b": [1, 2.5, null], "a": "x" } }))
            .await;
        publish(json!({ "to": both, "kind": "older", "url": "/t/1", "body": "\"\n\u{1}" })).await;
        publish(json!({ "to": both, "kind": "late", "expires_at": "2100-01-01T00:00:00Z" })).await;
        let post = async |path: &str, token: &str, body: Value| {
            let path = format!("/api/v1{path}");
            let answer = server.ask(Method::POST, &path, token, Some(body)).await;
            assert!(answer.status.is_success(), "{path}: {answer:?}");
        };
        post("/inbox/read", &bob, json!({ "kind": "old" })).await;
        post("/inbox/archive", &bob, json!({ "kind": "older" })).await;
        post("/inbox/seen", &carl, json!({ "through": 5 })).await;
        let muted = json!({ "muted": { "kinds": ["like"], "groups": ["g"], "actors": ["q"] } });
        let answer = server.ask(Method::PUT, "/api/v1/inbox/preferences", &bob, Some(muted));
        answer.await.expect_status(StatusCode::OK);
        for token in [&bob, &bob, &carl] {
            post("/me/age", token, json!({})).await;
        }
        let gone = server.ask(Method::DELETE, "/api/v1/users/42", &key, None);
        assert!(gone.await.status.is_success());
        let mut socket = Socket::open(&server, &carl).await;
        let cursor = json!({ "token": carl, "epoch": socket.ready["epoch"].take(),
            "since": socket.ready["seq"].take() });
        let seen = seen(&server, &[&bob, &carl]).await;
        server.stop().await;
        let full = Self {
            place,
            key,
            password,
        };
        (full, seen, cursor)
    }
}

#[tokio::test]
async fn all_of_it_comes_along() {
    let (full, before, cursor) = Full::new().await;
    let first = export(&full.place.data);
    let types: Vec<_> = first.iter().map(|line| line["type"].clone()).collect();
    for r#type in [
        "bellrope", "account", "key", "member", "item", "part", "end",
    ] {
        assert!(types.contains(&json!(r#type)), "{type} in {types:?}");
    }
    assert_eq!(first[first.len() - 1]["lines"], first.len());

    let elsewhere = full.place.path("elsewhere");
    let ran = import(&elsewhere, &text(&first));
    let words = "Imported 4 accounts, 5 members, 9 notifications, as of 2";
    assert!(ran.expect_done().err.starts_with(words), "{ran:?}");
    on(&elsewhere, &["check"]).expect_done();
    let second = export(&elsewhere);
    assert_ne!(first[0]["epoch"], second[0]["epoch"]);
    assert_eq!(lasting(first), lasting(second));

    let server = serve(&elsewhere);
    let bob = server.login("bob", &full.password).await;
    let carl = forum_token("carl", now());
    assert_eq!(seen(&server, &[&bob, &carl]).await, before);
    let back = Socket::open_with(&server, cursor).await;
    assert_eq!(back.ready["recovered"], false, "{}", back.ready);

    // What folds, edits and retracts goes on, with the key the forum has.
    let more = draft(json!({ "to": "carl", "group": "likes", "actor": { "id": "new" } }));
    let path = "/api/v1/notifications";
    let answer = server.ask(Method::POST, path, &full.key, Some(more)).await;
    answer.expect_status(StatusCode::OK);
    let unread = "/api/v1/inbox?state=unread";
    let page = server.ask(Method::GET, unread, &carl, None).await.json();
    assert_eq!(page["items"][0]["count"], 4, "{page}");
    let path = "/api/v1/notifications/by-key/like:0";
    let answer = server.ask(Method::DELETE, path, &full.key, None).await;
    assert_eq!(answer.expect_status(StatusCode::OK).json()["retracted"], 2);
    server.stop().await;
    on(&elsewhere, &["check"]).expect_done();
}

#[tokio::test]
async fn a_server_that_runs_is_exported_and_not_imported_into() {
    let place = Place::new();
    let server = serve(&place.data);
    let file = place.path("bell.jsonl");
    let shown = file.display().to_string();
    let ran = on(&place.data, &["export", &shown]);
    assert_eq!(ran.expect_done().out, "");
    let words = "1 account, 2 members, 2 notifications, as of 2";
    assert!(ran.err.starts_with(words), "{ran:?}");
    let mode = fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    on(&place.data, &["export", &shown]).expect_refusal("or replace it with --force");
    on(&place.data, &["export", &shown, "--force"]).expect_done();
    let by_name = fs::read_to_string(&file).expect("a file");
    on(&place.data, &["import", &shown]).expect_refusal("the server runs on");
    server.stop().await;
    assert_eq!(lasting(export(&place.data)), lasting(lines(&by_name)));
    on(&place.data, &["import", &shown]).expect_refusal("there is a database with members in");
    on(&place.path("none"), &["export"]).expect_refusal("there is no database in");
}

#[tokio::test]
async fn a_database_without_members_is_kept_under_another_name() {
    let place = Place::new();
    let lines = text(&export(&place.data));
    let data = place.path("empty");
    serve(&data).stop().await;
    let ran = import(&data, &lines);
    let words = "kept as";
    assert!(ran.expect_done().err.contains(words), "{ran:?}");
    let names: Vec<_> = entries(&data).into_iter().map(|(name, ..)| name).collect();
    let kept = |name: &&String| name.starts_with("bellrope.redb.before-import-2");
    assert_eq!(names.iter().filter(kept).count(), 1, "{names:?}");
    assert_eq!(names.len(), 3, "{names:?}");
}

/// A change of an export, and the words it is refused with.
type Wrong = (Box<dyn Fn(&mut Vec<Value>)>, &'static str);

fn at(r#type: &str, lines: &[Value]) -> usize {
    let is_it = |line: &Value| {
        let member = &line["member"];
        line["type"] == r#type && (member.is_null() || member == "carl")
    };
    let at = lines.iter().position(is_it);
    at.expect("such a line")
}

/// Another value in the first line of this type.
fn field(of: &'static str, pointer: &'static str, value: Value, words: &'static str) -> Wrong {
    let change = move |lines: &mut Vec<Value>| {
        let at = at(of, lines);
        *lines[at].pointer_mut(pointer).expect("a field") = value.clone();
    };
    (Box::new(change), words)
}

/// The first line of this type once more, behind itself.
fn twice(of: &'static str, words: &'static str) -> Wrong {
    let change = move |lines: &mut Vec<Value>| {
        let at = at(of, lines);
        lines.insert(at, lines[at].clone());
    };
    (Box::new(change), words)
}

fn refused(place: &Place, text: &str, words: &str) {
    let data: PathBuf = place.path("refused");
    let ran = import(&data, text);
    ran.expect_refusal(words);
    assert!(ran.err.contains("nothing was changed"), "{ran:?}");
    assert!(!data.exists(), "nothing is left of it");
    // Neither in a folder that was there.
    fs::create_dir(&data).expect("a folder");
    import(&data, text).expect_refusal(words);
    assert_eq!(entries(&data), []);
    fs::remove_dir(&data).expect("an empty folder");
}

fn long(chars: usize) -> Value {
    json!("x".repeat(chars))
}

fn of_people() -> Vec<Wrong> {
    vec![
        field(
            "account",
            "/type",
            json!("friend"),
            "line 2: unknown variant `friend`",
        ),
        field(
            "account",
            "/disabled",
            json!("no"),
            "line 2: invalid type: string \"no\"",
        ),
        field(
            "account",
            "/name",
            json!("a b"),
            "line 2: A name has 2 to 64 letters",
        ),
        field(
            "account",
            "/password_hash",
            json!("secret"),
            "line 2: A password's hash is a PHC string",
        ),
        field(
            "account",
            "/created_at",
            json!("today"),
            "line 2: a time is written as",
        ),
        field("key", "/hash", json!("00"), "A key's hash has 64 digits"),
        field(
            "key",
            "/scopes",
            json!([]),
            "A key needs at least one scope",
        ),
        field(
            "member",
            "/muted/kinds",
            json!([long(256)]),
            "At most 200 words",
        ),
        field(
            "member",
            "/seen",
            json!(1_000_000),
            "`seen` is 1000000, beyond",
        ),
        field("member", "/seq", json!(u64::MAX), "`seq` is at most"),
        (
            Box::new(|lines| {
                let ann = lines.iter().position(|line| line["id"] == "@ann");
                lines[ann.expect("Ann")]["id"] = json!("@nobody");
            }),
            "has the account of `@nobody`",
        ),
    ]
}

fn of_items() -> Vec<Wrong> {
    vec![
        field(
            "item",
            "/content/title",
            long(201),
            "A title has 1 to 200 characters",
        ),
        field(
            "item",
            "/content/body",
            long(4001),
            "A body has at most 4000 characters",
        ),
        field("item", "/content/kind", json!("A"), "A kind has 1 to 64"),
        field(
            "item",
            "/content/url",
            json!("javascript:1"),
            "A link is an http or https URL",
        ),
        field(
            "item",
            "/content/data",
            long(16 << 10),
            "`data` has at most 16384 bytes",
        ),
        field(
            "item",
            "/seq",
            json!(1000),
            "its `seq` 1000 is beyond its member's",
        ),
        field("item", "/archived", json!(true), "What is archived is read"),
        field(
            "item",
            "/member",
            json!("stranger"),
            "has the member `stranger`",
        ),
        field(
            "part",
            "/number",
            json!(7),
            "its number 7 is not below its item's, 3",
        ),
        field(
            "part",
            "/content/group",
            json!("other"),
            "its group is not its item's",
        ),
        field(
            "part",
            "/content/key",
            json!("like:1"),
            "with the key `like:1` already",
        ),
    ]
}

fn of_lines() -> Vec<Wrong> {
    vec![
        field("end", "/lines", json!(3), "3 lines were written"),
        field("bellrope", "/format", json!(2), "line 1: its format is 2"),
        twice("bellrope", "line 2: another export begins here"),
        twice("account", "the account `ann` is there already"),
        twice("key", "is there already"),
        twice("member", "the member `42` is there already"),
        twice("item", "is there already"),
        twice("part", "the part 0 is there already"),
        (
            Box::new(|lines| lines.truncate(4)),
            "it breaks off after line 4",
        ),
        (Box::new(Vec::clear), "line 1: it is no export"),
        (
            Box::new(|lines| lines[1]["more"] = json!(1)),
            "line 2: unknown field `more`",
        ),
        (
            Box::new(|lines| {
                let at = at("part", lines) - 1;
                lines[at]["count"] = json!(1);
            }),
            "its `count` is 1, and its parts have 3 actors",
        ),
        (
            Box::new(|lines| {
                let items = lines.iter().enumerate();
                let items =
                    items.filter(|(_, line)| line["type"] == "item" && line["member"] == "carl");
                let items: Vec<_> = items.map(|(at, _)| at).collect();
                lines[items[1]]["seq"] = lines[items[0]]["seq"].clone();
            }),
            "another item of `carl` has the `seq`",
        ),
        (
            Box::new(|lines| lines.push(json!({}))),
            "there is something behind the end",
        ),
    ]
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_by_its_line() {
    let (full, ..) = Full::new().await;
    let place = &full.place;
    let good = export(&place.data);
    let cases = [of_people(), of_items(), of_lines()].into_iter().flatten();
    for (change, words) in cases {
        let mut lines = good.clone();
        change(&mut lines);
        refused(place, &text(&lines), words);
    }
    let whole = text(&good);
    let second = whole.find('\n').expect("a line") + 10;
    refused(place, &whole[..second], "line 2: it breaks off");
    let nonsense = whole.replacen('\n', "\nhello\n", 1);
    refused(place, &nonsense, "line 2: it is no JSON");
    let endless = whole.replacen('\n', &format!("\n\"{}", "x".repeat(1 << 20)), 1);
    refused(place, &endless, "line 2: it is longer than 1048576 bytes");
    // What is over when it comes in is no fault: it goes as everything that expires.
    let mut over = good.clone();
    for line in &mut over {
        if line["content"]["kind"] == "late" {
            line["content"]["expires_at"] = json!("2020-01-01T00:00:00.000Z");
        }
    }
    import(&place.path("over"), &text(&over)).expect_done();
    on(&place.path("over"), &["check"]).expect_done();
}

#[tokio::test]
async fn a_large_one_takes_no_more_memory() {
    let place = Place::new();
    let key = key(&place.data, "publish");
    let server = serve(&place.data);
    for call in 0..MANY / AT_ONCE {
        let to: Vec<String> = (0..AT_ONCE).map(|at| format!("m{at}")).collect();
        let said = draft(json!({ "to": to, "body": "x".repeat(1000), "key": format!("k{call}") }));
        let answer = server.ask(Method::POST, "/api/v1/notifications", &key, Some(said));
        answer.await.expect_status(StatusCode::OK);
    }
    let gauge = server.gauge();
    gauge.forget_peak();
    let before = gauge.resident();
    let file = place.path("large.jsonl");
    let shown = file.display().to_string();
    on(&place.data, &["export", &shown]).expect_done();
    let more = gauge.peak().saturating_sub(before);
    let bytes = fs::metadata(&file).expect("a file").len();
    assert!(bytes > MANY * 1000, "{bytes}");
    assert!(more < EXPORT_BYTES_MAX, "{more} bytes more");
    server.stop().await;
    let data = place.path("elsewhere");
    on(&data, &["import", &shown]).expect_done();
    on(&data, &["check"]).expect_done();
}
