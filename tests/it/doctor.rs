//! `bellrope doctor`: every fault is made for real, and has to be found with what to do about it.

mod nginx;

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use redb::{Database, TableDefinition};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, Ran, add, bellrope, run};
use crate::world::SOON;
use nginx::{Nginx, certificate, changed, free_port, packaged, with_tls};

const FORUM: &str = "https://forum.example";

struct Place {
    folder: TempDir,
    data: PathBuf,
}

impl Place {
    /// A data folder with a database that nobody has open.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        add(&data, "ann");
        Self { folder, data }
    }

    fn doctor(&self, arguments: &[&str]) -> Findings {
        doctor(&self.data, arguments, &[])
    }

    /// A server that trusts a proxy on this machine, and knows its forum.
    fn serve(&self) -> Process {
        let settings = ["--trusted-proxy", "127.0.0.1", "--forum-url", FORUM];
        Process::start(&self.data, &settings)
    }

    /// What is found through nginx with the packaged settings, once `change` has been at them.
    fn through(&self, change: impl FnOnce(&str) -> String) -> Findings {
        let server = self.serve();
        let port = free_port();
        let nginx = Nginx::start(port, &change(&packaged(port, server.address)));
        self.doctor(&["--forum-url", FORUM, &nginx.url()])
    }
}

fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = bellrope();
    command
        .arg("doctor")
        .args(arguments)
        .arg("--data")
        .arg(data);
    command
}

fn doctor(data: &Path, arguments: &[&str], environment: &[(&str, &Path)]) -> Findings {
    let mut command = command(data, arguments);
    command.arg("--json");
    for (name, value) in environment {
        command.env(name, value);
    }
    let ran = run(&mut command, "");
    let found = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("no JSON: {ran:?}"));
    Findings { found, ran }
}

#[derive(Debug)]
struct Findings {
    found: Vec<Value>,
    ran: Ran,
}

impl Findings {
    /// Checks that a check says this, with what to do about it.
    #[track_caller]
    fn expect(&self, check: &str, status: &str, detail: &str, advice: &str) -> &Self {
        let text = |finding: &Value, field: &str| finding[field].as_str().unwrap_or("").to_owned();
        let is_it = |finding: &&Value| {
            finding["check"] == check
                && finding["status"] == status
                && text(finding, "detail").contains(detail)
                && text(finding, "advice").contains(advice)
        };
        let is_found = self.found.iter().any(|found| is_it(&found));
        assert!(is_found, "{check} {status} {detail}: {}", self.ran.out);
        let failed = self.found.iter().any(|found| found["status"] == "failed");
        assert_eq!(self.ran.code, i32::from(failed), "{}", self.ran.out);
        self
    }

    /// Checks that nothing else is warned of than these checks.
    #[track_caller]
    fn expect_no_other(&self, checks: &[&str]) -> &Self {
        for found in &self.found {
            let is_bad = matches!(found["status"].as_str(), Some("failed" | "warning"));
            let is_known = checks.iter().any(|check| found["check"] == *check);
            assert!(!is_bad || is_known, "{}", self.ran.out);
            assert_eq!(
                found["status"] == "ok",
                found["advice"].is_null(),
                "{found}"
            );
        }
        self
    }
}

/// Every file of a folder with its bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths
        .map(|path| (path.clone(), fs::read(path).unwrap_or_default()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_folder_that_is_not_there_is_named_and_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("nowhere");
    doctor(&data, &[], &[]).expect("folder", "failed", "there is no data folder", "--data");
    assert!(!data.exists());
    fs::create_dir(&data).expect("it");
    fs::set_permissions(&data, Permissions::from_mode(0o700)).expect("its mode");
    let found = doctor(&data, &[], &[]);
    found.expect("database", "failed", "there is no ", "bellrope serve");
    assert_eq!(files(&data), []);
}

#[test]
fn a_stopped_server_s_folder_is_looked_at_and_left_as_it_is() {
    let place = Place::new();
    let before = files(&place.data);
    let found = place.doctor(&[]);
    found
        .expect("database", "ok", "its format is 2", "")
        .expect(
            "address",
            "note",
            "no public-url",
            "bellrope doctor https://",
        )
        .expect_no_other(&[]);
    assert!(files(&place.data) == before, "it changed something");
}

#[test]
fn what_others_may_read_is_found_and_the_advice_mends_it() {
    let place = Place::new();
    let database = place.data.join("bellrope.redb");
    for (path, mode) in [(&place.data, 0o755), (&database, 0o640)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
    }
    let found = place.doctor(&[]);
    found.expect("folder", "failed", "bellrope.redb", "chmod -R go=");
    let failed = found.found.iter().find(|one| one["status"] == "failed");
    let advice = failed.and_then(|one| one["advice"].as_str()).expect("it");
    let done = Command::new("sh").args(["-c", advice]).status();
    assert!(done.expect("a shell").success());
    place.doctor(&[]).expect_no_other(&[]);
}

#[test]
fn what_belongs_to_another_user_is_found() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can give a file away.
        return;
    }
    let place = Place::new();
    let found = place.doctor(&[]);
    found.expect("folder", "note", "belongs to root", "chown");
    let daemon = Some(1);
    std::os::unix::fs::chown(&place.data, daemon, None).expect("its owner");
    let found = place.doctor(&[]);
    found.expect("folder", "failed", "another user", "chown -R --reference=");
}

#[test]
fn a_database_that_cannot_be_used_is_found() {
    let place = Place::new();
    let file = place.data.join("bellrope.redb");
    let database = Database::open(&file).expect("it");
    let in_use = "in use by another process";
    place.doctor(&[]).expect("database", "failed", in_use, "");
    let write = database.begin_write().expect("a transaction");
    let meta: TableDefinition<&str, &str> = TableDefinition::new("meta");
    let mut table = write.open_table(meta).expect("the table");
    table.insert("schema", "9").expect("a write");
    drop(table);
    write.commit().expect("a commit");
    drop(database);
    let newer = "written by a newer Bellrope";
    place.doctor(&[]).expect("database", "failed", newer, "");
    fs::write(&file, "no database").expect("it");
    let restore = "bellrope restore";
    let found = place.doctor(&[]);
    found.expect("database", "failed", "cannot be used", restore);
}

#[test]
fn a_server_that_was_killed_or_hangs_is_told_apart() {
    let place = Place::new();
    let server = place.serve();
    let found = place.doctor(&[&server.url("")]);
    found.expect("database", "ok", "the running server has it", "");
    server.signal("STOP");
    let found = place.doctor(&[]);
    found.expect("database", "failed", "it does not answer", "its log");
    server.kill();
    let found = place.doctor(&[]);
    found.expect("database", "note", "was not closed", "nothing is lost");
    found.expect_no_other(&[]);
}

#[test]
fn a_limit_on_files_below_the_connections_is_found() {
    let place = Place::new();
    let server = place.serve();
    server.limit_descriptors(256);
    let found = place.doctor(&[]);
    let said = "the running server may open 256 files";
    found.expect("open files", "warning", said, "LimitNOFILE=10064");
    let found = place.doctor(&["--connections-max", "100"]);
    found.expect("open files", "ok", "enough files for 100", "");
}

#[test]
fn secrets_that_are_short_or_in_reach_are_found() {
    let place = Place::new();
    fs::write(place.data.join("session.key"), "short").expect("it");
    let found = place.doctor(&[]);
    found.expect("secret", "failed", "has 5 bytes and needs 32", "remove it");
    fs::remove_file(place.data.join("session.key")).expect("it");

    let secret = place.folder.path().join("forum.secret");
    fs::write(&secret, "x".repeat(32)).expect("it");
    fs::set_permissions(&secret, Permissions::from_mode(0o644)).expect("its mode");
    let given = [("BELLROPE_FORUM_SECRET_FILE", secret.as_path())];
    let found = doctor(&place.data, &[], &given);
    found.expect("secret", "failed", "speak as any member", "chmod o= ");
    fs::set_permissions(&secret, Permissions::from_mode(0o640)).expect("its mode");
    doctor(&place.data, &[], &given).expect_no_other(&[]);
    fs::write(&secret, "short").expect("it");
    let found = doctor(&place.data, &[], &given);
    found.expect("settings", "failed", "32", "");
}

#[test]
fn a_clock_before_the_database_s_last_change_is_found() {
    let place = Place::new();
    let database = File::options()
        .write(true)
        .open(place.data.join("bellrope.redb"));
    let tomorrow = SystemTime::now() + Duration::from_hours(24);
    database
        .expect("it")
        .set_modified(tomorrow)
        .expect("its time");
    place
        .doctor(&[])
        .expect("clock", "failed", "bellrope.redb", "NTP");
}

#[test]
fn settings_that_do_not_fit_together_are_found() {
    let place = Place::new();
    let file = place.folder.path().join("bellrope.toml");
    fs::write(&file, "lisen = \"127.0.0.1:1\"").expect("it");
    let config = file.to_str().expect("a path");
    let found = place.doctor(&["--config", config]);
    found.expect("settings", "failed", "lisen", "bellrope config");

    let nobody = "http://127.0.0.1:9";
    for (flags, status, words, advice) in [
        (
            "--listen 0.0.0.0:8888",
            "warning",
            "there is no TLS",
            "127.0.0.1:8888",
        ),
        (
            "--listen 0.0.0.0:8888 --public-url https://a.example",
            "note",
            "goes round the proxy",
            "firewall",
        ),
        (
            "--public-url http://a.example",
            "warning",
            "unencrypted",
            "https",
        ),
        (
            "--public-url https://a.example",
            "warning",
            "`trusted-proxy` names none",
            "127.0.0.1",
        ),
        (
            "--trusted-proxy 127.0.0.1",
            "warning",
            "`public-url` is not",
            "public-url",
        ),
        (
            "--trusted-proxy 0.0.0.0/0",
            "warning",
            "the whole internet",
            "own address",
        ),
        (
            "--forum-url https://f.example --allow-origin https://g.example",
            "failed",
            "does not list the forum",
            "\"https://f.example\"",
        ),
        (
            "--connections-max 5",
            "note",
            "no forum is believed",
            "the service's own environment",
        ),
    ] {
        let mut flags: Vec<&str> = flags.replace(' ', "\n").leak().lines().collect();
        flags.push(nobody);
        place
            .doctor(&flags)
            .expect("settings", status, words, advice);
    }
}

#[test]
fn a_server_that_encrypts_by_itself_needs_no_proxy() {
    let place = Place::new();
    let folder = place.folder.path();
    certificate(folder, 90);
    let [pem, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name).display().to_string());
    let tls = ["--tls-certificate", &pem, "--tls-key", &key];
    let server = Process::start(&place.data, &tls);
    let (listen, url) = (
        server.address.to_string(),
        format!("https://{}", server.address),
    );
    let doctor = |more: &[&str]| {
        let settings = [&tls, more].concat();
        doctor(
            &place.data,
            &settings,
            &[("SSL_CERT_FILE", Path::new(&pem))],
        )
    };

    // Of the address it listens on no certificate need be.
    doctor(&["--listen", &listen])
        .expect("settings", "warning", &url, "public-url")
        .expect("address", "note", "was not looked at", "name the address");
    for listen in [&listen, "0.0.0.0:8443"] {
        doctor(&["--listen", listen, "--public-url", &url])
            .expect("certificate", "ok", "", "")
            .expect("websocket", "ok", "", "")
            .expect_no_other(&[]);
    }
}

#[test]
fn a_backup_that_is_missing_or_old_is_found() {
    let place = Place::new();
    let every = ["--backup-every", "1d"];
    let found = place.doctor(&every);
    found.expect("backups", "warning", "there is no backup yet", "its log");
    let folder = place.data.join("backups");
    fs::create_dir(&folder).expect("it");
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("its mode");
    fs::write(folder.join("bellrope-20260101T000000.000Z.tar"), "").expect("it");
    let found = place.doctor(&every);
    found.expect("backups", "failed", "the newest backup is", "its log");
    place
        .doctor(&[])
        .expect("backups", "note", "no backups", "backup-every");
}

#[test]
fn a_healthy_server_without_a_proxy_is_well() {
    let place = Place::new();
    let server = place.serve();
    let listen = server.address.to_string();
    // Its own address is where members come when nothing else is set.
    let found = place.doctor(&["--listen", &listen]);
    for check in [
        "address",
        "bellrope",
        "headers",
        "polling",
        "websocket",
        "cors",
        "body size",
    ] {
        found.expect(check, "ok", "", "");
    }
    found.expect("addresses", "ok", "no proxy stands between", "");
    found.expect_no_other(&[]);

    let ran = run(&mut command(&place.data, &["--listen", &listen]), "");
    ran.expect_done();
    let first = ran.out.lines().find(|line| line.starts_with("ok"));
    let database = "ok       database     the running server has it, and is ready";
    assert_eq!(first, Some(database), "{ran:?}");
}

#[test]
fn our_own_settings_for_nginx_are_well() {
    let place = Place::new();
    let found = place.through(str::to_owned);
    found.expect("address", "ok", "answers", "");
    found
        .expect("addresses", "ok", "Bellrope sees", "")
        .expect_no_other(&[]);
}

#[test]
fn our_own_settings_for_nginx_are_well_with_tls() {
    let place = Place::new();
    let port = free_port();
    let url = format!("https://127.0.0.1:{port}");
    let settings = ["--trusted-proxy", "127.0.0.1", "--public-url", &url];
    let server = Process::start(&place.data, &settings);
    let start = |settings: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        certificate(folder.path(), 10);
        Nginx::start_in(folder, port, settings)
    };
    let packaged = with_tls(port, server.address);
    let silent = "server_name 127.0.0.1; proxy_hide_header Strict-Transport-Security;";
    let nginx = start(&changed(&packaged, "server_name 127.0.0.1;", silent));
    let trusted = nginx.folder().join("cert.pem");
    let found = doctor(&place.data, &settings, &[("SSL_CERT_FILE", &trusted)]);
    found.expect("headers", "warning", "(HSTS)", "public-url");
    drop(nginx);

    let nginx = start(&packaged);
    let trusted = nginx.folder().join("cert.pem");
    let found = doctor(&place.data, &settings, &[("SSL_CERT_FILE", &trusted)]);
    found.expect("certificate", "warning", "more days", "certbot");
    found
        .expect("headers", "ok", "", "")
        .expect("websocket", "ok", "", "");
    found.expect_no_other(&["certificate"]);
    // To everybody else it is a certificate that nobody vouches for.
    let other = nginx::other_authority(nginx.folder());
    let found = doctor(&place.data, &settings, &[("SSL_CERT_FILE", &other)]);
    found.expect("address", "failed", "certificate", "fullchain.pem");
}

#[test]
fn an_nginx_that_drops_the_upgrade_is_told_its_lines() {
    let place = Place::new();
    let drop = |settings: &str| changed(settings, "proxy_set_header Upgrade $http_upgrade;", "");
    let found = place.through(drop);
    for line in [
        "proxy_http_version 1.1;",
        "Upgrade $http_upgrade;",
        "Connection \"upgrade\";",
    ] {
        found.expect("websocket", "failed", "no WebSocket", line);
    }
    found.expect_no_other(&["websocket"]);
}

#[test]
fn an_nginx_that_refuses_large_bodies_is_told_its_line() {
    let place = Place::new();
    for max in ["100k", "1m"] {
        let limit = format!("client_max_body_size {max};");
        let found = place.through(|settings| changed(settings, "client_max_body_size 5m;", &limit));
        found.expect("body size", "failed", "413", "client_max_body_size 5m;");
        found.expect_no_other(&["body size"]);
    }
}

#[test]
fn an_nginx_that_answers_cors_as_well_is_found() {
    let place = Place::new();
    let header = "server_name 127.0.0.1; add_header Access-Control-Allow-Origin *;";
    let found = place.through(|settings| changed(settings, "server_name 127.0.0.1;", header));
    found.expect("cors", "failed", "comes 2 times", "add_header");
    found.expect_no_other(&["cors"]);
}

#[test]
fn a_forum_that_may_not_ask_is_found() {
    let place = Place::new();
    let server = Process::start(&place.data, &["--allow-origin", "https://other.example"]);
    let found = place.doctor(&["--forum-url", FORUM, &server.url("")]);
    found.expect(
        "cors",
        "failed",
        "are refused",
        "add \"https://forum.example\" to allow-origin",
    );
}

#[test]
fn an_address_that_gets_lost_or_can_be_chosen_is_found() {
    let place = Place::new();
    let untold = |settings: &str| {
        changed(
            settings,
            "proxy_set_header X-Forwarded-For $remote_addr;",
            "",
        )
    };
    let found = place.through(untold);
    found.expect(
        "addresses",
        "failed",
        "may choose the address",
        "X-Forwarded-For $remote_addr;",
    );
    found.expect_no_other(&["addresses"]);

    let server = Process::start(&place.data, &[]);
    let port = free_port();
    let nginx = Nginx::start(port, &packaged(port, server.address));
    let found = place.doctor(&[&nginx.url()]);
    let advice = "trusted-proxy = [\"127.0.0.1\"]";
    found.expect("addresses", "failed", "the proxy, 127.0.0.1", advice);
    found.expect_no_other(&["addresses"]);
}

#[test]
fn an_nginx_that_cuts_what_waits_is_found() {
    let place = Place::new();
    let hasty = |settings: &str| {
        changed(
            settings,
            "proxy_read_timeout 75s;",
            "proxy_read_timeout 1s;",
        )
    };
    let found = place.through(hasty);
    found.expect("polling", "failed", "504", "proxy_read_timeout 75s;");
    found.expect(
        "websocket",
        "failed",
        "a WebSocket that waits is cut",
        "proxy_read_timeout 75s;",
    );
    found.expect_no_other(&["polling", "websocket"]);
}

#[test]
fn headers_that_are_taken_away_or_doubled_are_found() {
    let place = Place::new();
    for (line, words) in [
        (
            "proxy_hide_header Content-Security-Policy;",
            "takes away content-security-policy",
        ),
        (
            "add_header Content-Security-Policy none;",
            "content-security-policy comes twice",
        ),
    ] {
        let line = format!("server_name 127.0.0.1; {line}");
        let found = place.through(|settings| changed(settings, "server_name 127.0.0.1;", &line));
        found.expect("headers", "warning", words, "the proxy's");
        found.expect_no_other(&["headers"]);
    }
}

/// Whatever does not answer, it ends in time.
#[test]
fn what_never_answers_is_not_waited_for() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = silent.local_addr().map(|address| (silent, address));
    let (_held, silent) = silent.expect("its address");
    let began = Instant::now();
    let found = place.doctor(&[&format!("http://{silent}")]);
    found.expect("address", "failed", "no answer within 5 s", "firewall");

    let location =
        format!("location /socket.io/ {{ proxy_pass http://{silent}; }} location /none/ {{");
    let found = place.through(|settings| changed(settings, "location /socket.io/ {", &location));
    found.expect("polling", "failed", "does not work", "");
    found.expect("websocket", "failed", "is not answered", "");
    found.expect_no_other(&["polling", "websocket"]);
    assert!(began.elapsed() < 2 * SOON, "{:?}", began.elapsed());
}

#[test]
fn another_version_and_another_time_are_found() {
    let place = Place::new();
    let old = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", old.local_addr().expect("its address"));
    // It answers everybody the same, until the test is over.
    std::thread::spawn(move || {
        let body = r#"{"registration":"closed","version":"0.0.9"}"#;
        let date = "Wed, 01 Jan 2020 00:00:00 GMT";
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nDate: {date}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        for stream in old.incoming().flatten() {
            let mut stream = stream;
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let found = place.doctor(&[&url]);
    found.expect(
        "bellrope",
        "note",
        "Bellrope 0.0.9 answers",
        "start the service anew",
    );
    found.expect("clock", "warning", "behind this machine's", "NTP");
    found.expect("addresses", "note", "does not say", "this version");
    found.expect("websocket", "failed", "answered with 200", "Upgrade");
}

#[test]
fn another_answer_than_bellrope_s_is_told_apart() {
    let place = Place::new();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let found = place.doctor(&[&nobody]);
    found.expect("address", "failed", "refused", "start what listens there");

    let ran = run(&mut command(&place.data, &["bell.example"]), "");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("write it like https://"), "{ran:?}");

    let server = place.serve();
    let upstream = server.address;
    let gone = free_port();
    for (location, path, words, advice) in [
        (
            "/ { return 301 https://bell.example$request_uri; }".to_owned(),
            "",
            "redirects to https://bell.example/",
            "public-url",
        ),
        (
            "/ { return 200 hello; }".to_owned(),
            "",
            "something else answers",
            "packaging/nginx.conf",
        ),
        (
            format!("/ {{ proxy_pass http://127.0.0.1:{gone}; }}"),
            "",
            "502",
            "proxy_pass",
        ),
        (
            format!("/ {{ proxy_pass http://{upstream}/bell/; }}"),
            "",
            "asked for another path",
            "without a path",
        ),
        (
            format!("/ {{ proxy_pass http://{upstream}/api/v1/; }}"),
            "",
            "asked for another path",
            "without a path",
        ),
        (
            format!("/bell/ {{ proxy_pass http://{upstream}/; }}"),
            "/bell",
            "answers below /bell",
            "host name of its own",
        ),
    ] {
        let port = free_port();
        let servers = format!("server {{ listen 127.0.0.1:{port}; location {location} }}");
        let nginx = Nginx::start(port, &servers);
        let found = place.doctor(&[&format!("{}{path}", nginx.url())]);
        found.expect("bellrope", "failed", words, advice);
    }
}
