//! `bellrope user`, with a server running and without, and what all commands have in common.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, Ran, add, bellrope, run, user};
use crate::socket::{Heard, Socket, ended, message};
use crate::world::{Answer, PASSWORD};

/// A data folder, with a server on it or without one.
struct Place {
    data: PathBuf,
    server: Option<Process>,
    _folder: TempDir,
}

impl Place {
    fn without_server() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            data: folder.path().join("data"),
            server: None,
            _folder: folder,
        }
    }

    fn with_server() -> Self {
        let place = Self::without_server();
        let server = Some(Process::start(&place.data, &[]));
        Self { server, ..place }
    }

    fn user(&self, arguments: &[&str]) -> Ran {
        user(&self.data, arguments)
    }

    /// A command that reads the password from this input.
    fn user_told(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = bellrope();
        command.args(["user", "--data"]).arg(&self.data);
        run(command.args(arguments).arg("--password-stdin"), input)
    }

    /// What these logins are answered, by the server or by one that runs only for this.
    async fn logins<const N: usize>(&self, logins: [(&str, &str); N]) -> [StatusCode; N] {
        let own = match &self.server {
            Some(_) => None,
            None => Some(Process::start(&self.data, &[])),
        };
        let server = self.server.as_ref().or(own.as_ref()).expect("a server");
        let mut answers = [StatusCode::OK; N];
        for (answer, (name, password)) in answers.iter_mut().zip(logins) {
            *answer = server.try_login(name, password).await.status;
        }
        if let Some(own) = own {
            own.stop().await;
        }
        answers
    }

    /// Names, each with a `-` when it is disabled.
    fn names(&self) -> Vec<String> {
        let ran = self.user(&["list", "--json"]);
        let list: Value = serde_json::from_str(&ran.expect_done().out).expect("JSON");
        let items = list["items"].as_array().expect("items");
        let shown = |account: &Value| {
            let state = if account["disabled"] == true { "-" } else { "" };
            format!("{}{state}", account["name"].as_str().expect("a name"))
        };
        items.iter().map(shown).collect()
    }
}

const YES: StatusCode = StatusCode::OK;
const NO: StatusCode = StatusCode::UNAUTHORIZED;

async fn accounts_come_and_go(place: Place) {
    let made = place.user(&["add", "Ann"]);
    let password = made.expect_done().out.trim_end();
    assert_eq!(made.out, format!("{password}\n"), "alone on stdout");
    assert!(password.len() >= 20, "{password}");
    assert!(made.err.contains("Added the member Ann."), "{made:?}");
    assert!(!made.err.contains(password), "shown twice: {made:?}");
    let told = place.user_told(&["add", "bob"], &format!("{PASSWORD}\r\nmore"));
    assert_eq!(told.expect_done().out, "");
    let admin = place.user(&["add", "root", "--role", "admin"]);
    assert!(admin.expect_done().err.contains("the admin root"));
    let logins = [("ann", password), ("bob", PASSWORD), ("bob", "wrong one")];
    assert_eq!(place.logins(logins).await, [YES, YES, NO]);

    let table = place.user(&["list"]);
    let rows: Vec<Vec<&str>> = table.expect_done().out.lines().map(columns).collect();
    assert_eq!(rows.len(), 3, "{table:?}");
    assert_eq!(rows[0][..3], ["Ann", "member", "enabled"]);
    assert_eq!(rows[2][..3], ["root", "admin", "enabled"]);
    assert!(rows[0][3].ends_with('Z'), "a time in UTC: {table:?}");
    let json = place.user(&["list", "--json"]);
    let json: Value = serde_json::from_str(&json.expect_done().out).expect("JSON");
    assert_eq!(json["items"][2]["role"], "admin");
    assert_eq!(json["items"][0]["created_at"], rows[0][3]);

    let anew = place.user(&["passwd", "ANN"]);
    let new = anew.expect_done().out.trim_end();
    assert_eq!(anew.out, format!("{new}\n"), "alone on stdout");
    assert_ne!(new, password);
    let told = place.user_told(&["passwd", "bob"], "battery staple");
    assert_eq!(told.expect_done().out, "");
    let logins = [("ann", password), ("ann", new), ("bob", "battery staple")];
    assert_eq!(place.logins(logins).await, [NO, YES, YES]);

    assert_eq!(place.user(&["disable", "bob"]).expect_done().out, "");
    assert_eq!(place.names(), ["Ann", "bob-", "root"]);
    assert!(place.user(&["list"]).out.contains("disabled"));
    let logins = [("ann", new), ("bob", "battery staple")];
    assert_eq!(place.logins(logins).await, [YES, NO]);
    assert_eq!(place.user(&["enable", "bob"]).expect_done().out, "");
    assert_eq!(place.user(&["remove", "ann"]).expect_done().out, "");
    assert_eq!(place.names(), ["bob", "root"]);
    assert_eq!(place.logins(logins).await, [NO, YES]);
}

fn columns(row: &str) -> Vec<&str> {
    row.split_whitespace().collect()
}

#[tokio::test]
async fn accounts_come_and_go_while_the_server_runs() {
    accounts_come_and_go(Place::with_server()).await;
}

#[tokio::test]
async fn accounts_come_and_go_without_a_server() {
    accounts_come_and_go(Place::without_server()).await;
}

fn mistakes_change_nothing(place: &Place) {
    place.user_told(&["add", "ann"], PASSWORD).expect_done();
    for verb in ["passwd", "disable", "enable", "remove"] {
        for nobody in ["zoe", "a b", "../ann", "ann/password", ".", "李雷"] {
            place
                .user(&[verb, nobody])
                .expect_refusal(&format!("There is no account `{nobody}`."));
        }
    }
    for taken in ["ann", "ANN", "ａｎｎ"] {
        place.user(&["add", taken]).expect_refusal("is taken.");
    }
    for wrong in ["", "a", "a b", "@ann", "a/b", &"x".repeat(65)] {
        place.user(&["add", wrong]).expect_refusal("A name has 2");
    }
    for verb in ["add", "passwd"] {
        let name = if verb == "add" { "bob" } else { "ann" };
        let told = |input: &str| place.user_told(&[verb, name], input);
        told("short\n").expect_refusal("this one has 5.");
        told(&"x".repeat(1025)).expect_refusal("this one has 1025.");
        told("").expect_refusal("no password");
        told("\n").expect_refusal("no password");
    }
    assert_eq!(place.names(), ["ann"]);
}

#[tokio::test]
async fn mistakes_change_nothing_while_the_server_runs() {
    let place = Place::with_server();
    mistakes_change_nothing(&place);
    assert_eq!(place.logins([("ann", PASSWORD)]).await, [YES]);
}

#[tokio::test]
async fn mistakes_change_nothing_without_a_server() {
    let place = Place::without_server();
    mistakes_change_nothing(&place);
    assert_eq!(place.logins([("ann", PASSWORD)]).await, [YES]);
}

#[tokio::test]
async fn a_command_ends_the_sessions_of_a_running_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let password = ["ann", "bob", "eve", "joe"].map(|name| add(&data, name));
    let server = Process::start(&data, &[]);
    let joe = server.login("joe", &password[3]).await;
    let mut joes = Socket::open(&server, &joe).await;
    for (verb, name, password, reason) in [
        ("passwd", "ann", &password[0], "password_changed"),
        ("disable", "bob", &password[1], "account_disabled"),
        ("remove", "eve", &password[2], "account_removed"),
    ] {
        let token = server.login(name, password).await;
        let mut socket = Socket::open(&server, &token).await;
        user(&data, &[verb, name]).expect_done();
        assert_eq!(socket.next().await, ended(reason));
        assert_eq!(socket.next().await, Heard::Disconnected);
        let me = server.ask(Method::GET, "/api/v1/me", &token, None).await;
        me.expect_problem(401, "token_revoked");
    }
    // Nobody else's ended.
    let add_age = server.ask(Method::POST, "/api/v1/me/age", &joe, None);
    add_age.await.expect_status(StatusCode::OK);
    assert_eq!(joes.next().await, message(1));
}

#[test]
fn only_serve_and_user_add_make_a_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let verbs: [&[&str]; 5] = [
        &["list"],
        &["passwd", "ann"],
        &["disable", "ann"],
        &["enable", "ann"],
        &["remove", "ann"],
    ];
    for verb in verbs {
        let refused = user(&data, verb);
        refused.expect_refusal("there is no database in");
        for hint in [
            &data.display().to_string(),
            "`bellrope user add`",
            "`--data`",
        ] {
            assert!(refused.err.contains(hint), "{refused:?}");
        }
        assert!(!data.exists(), "{verb:?} made something");
    }
    add(&data, "ann");
    user(&data, &["list"]).expect_done();
}

#[tokio::test]
async fn the_first_administrator_is_asked_for_until_there_is_one() {
    let place = Place::without_server();
    let mut server = Process::start(&place.data, &[]);
    let token = server.setup_token();
    place
        .user(&["add", "root", "--role", "admin"])
        .expect_done();
    // Another way was faster: the link is of no use any more.
    let body = serde_json::json!({ "token": token, "username": "eve", "password": PASSWORD });
    let late: Answer = server
        .ask(Method::POST, "/api/v1/setup", "", Some(body))
        .await;
    late.expect_problem(409, "exists");
    assert_eq!(place.names(), ["root"]);
}

#[test]
fn wrong_usage_is_said_on_stderr_and_exits_with_2() {
    let wrong: [&[&str]; 11] = [
        &[],
        &["sing"],
        &["serve", "--sing"],
        &["serve", "now"],
        &["user"],
        &["user", "sing"],
        &["user", "add"],
        &["user", "add", "ann", "--role", "king"],
        &["config", "--session-ttl", "soon"],
        &["backup"],
        &["restore"],
    ];
    for arguments in wrong {
        let ran = run(bellrope().args(arguments), "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn every_command_explains_itself() {
    let commands: [&[&str]; 21] = [
        &[],
        &["serve"],
        &["config"],
        &["user"],
        &["user", "add"],
        &["user", "list"],
        &["user", "passwd"],
        &["user", "disable"],
        &["user", "enable"],
        &["user", "remove"],
        &["backup"],
        &["restore"],
        &["check"],
        &["compact"],
        &["bench"],
        &["bench", "connect"],
        &["bench", "idle"],
        &["bench", "push"],
        &["bench", "insert"],
        &["bench", "fanout"],
        &["bench", "replay"],
    ];
    for command in commands {
        let ran = run(bellrope().args(command).arg("--help"), "");
        let usage = format!("Usage: {}", [&["bellrope"], command].concat().join(" "));
        assert!(ran.expect_done().out.contains(&usage), "{ran:?}");
        assert_eq!(ran.err, "");
        let is_about_a_server = !command.is_empty();
        for variable in ["BELLROPE_DATA", "BELLROPE_CONFIG"] {
            let named = ran.out.contains(variable);
            assert_eq!(named, is_about_a_server, "{variable} in {ran:?}");
        }
    }
    let version = run(bellrope().arg("--version"), "");
    let expected = format!("bellrope {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(version.expect_done().out, expected);
}

/// A standard output that nobody reads any more, as in `bellrope config | true`.
fn nobody() -> Stdio {
    let (_, writer) = std::io::pipe().expect("a pipe");
    writer.into()
}

#[test]
fn a_reader_that_leaves_is_no_disaster() {
    let config: [&[&str]; 2] = [&["config"], &["config", "--json"]];
    for command in config {
        let ran = bellrope().args(command).stdout(nobody()).output();
        let said = String::from_utf8(ran.expect("its end").stderr).expect("text");
        assert!(!said.contains("panicked"), "{said}");
    }
    // A server has better things to do than to greet: it stays until it is told to stop.
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = bellrope()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .stdout(nobody())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the executable");
    let mut log = BufReader::new(server.stderr.take().expect("its log"));
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    assert!(line.contains("ready"), "{line}");
    let id = server.id().to_string();
    let sent = Command::new("kill").arg(id).status().expect("kill");
    assert!(sent.success());
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("text");
    let status = server.wait().expect("its end");
    assert_eq!(status.code(), Some(0), "{rest}");
}

#[test]
fn the_data_folder_is_found_by_variable_and_by_file_too() {
    let place = Place::without_server();
    add(&place.data, "ann");
    let file = place.data.with_extension("toml");
    let text = format!("data = {}\n", serde_json::json!(place.data));
    std::fs::write(&file, text).expect("a file");
    let mut commands = [bellrope(), bellrope(), bellrope()];
    commands[0].env("BELLROPE_DATA", &place.data);
    commands[1].env("BELLROPE_CONFIG", &file);
    commands[2]
        .arg("user")
        .arg("--config")
        .arg(&file)
        .arg("list");
    for command in &mut commands[..2] {
        command.args(["user", "list"]);
    }
    for command in &mut commands {
        assert!(run(command, "").expect_done().out.contains("ann"));
    }
}

/// The account is there, and nobody has its password: that is no success.
#[test]
fn a_password_that_nobody_reads_is_a_failure_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = bellrope();
    command
        .args(["user", "add", "ann", "--data"])
        .arg(folder.path().join("data"));
    let ran = command.stdout(nobody()).output().expect("its end");
    let said = String::from_utf8(ran.stderr).expect("text");
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("bellrope user passwd"), "{said}");
}

/// A file that was not closed needs repair, and one that needs repair cannot be looked at first.
#[test]
fn a_command_closes_the_database_behind_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    add(&data, "ann");
    for _ in 0..5 {
        user(&data, &["list"]).expect_done();
        let file = redb::Builder::new().open_read_only(data.join("bellrope.redb"));
        assert!(file.is_ok(), "{:?}", file.err());
    }
}
