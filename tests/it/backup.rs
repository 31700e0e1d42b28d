//! Backups: a moment that really was, whatever goes on meanwhile; and where there is no place for one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bellrope::config::Settings;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::folder::{entries, is_root};
use crate::process::{Process, add, bellrope, on, run};
use crate::world::{Answer, FORUM_SECRET, Login, SOON, World, client, draft, forum_token};

/// Those who publish at the same time, each to a member of its own.
const PUBLISHERS: usize = 4;
/// Answers of each publisher before the first backup, and between two.
const ANSWERS: u64 = 20;

/// The files of an archive, by name.
pub fn unpack(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let files = archive.entries().expect("an archive").map(|entry| {
        let mut entry = entry.expect("a file");
        let name = entry.path().expect("a name").display().to_string();
        let mut content = Vec::new();
        std::io::copy(&mut entry, &mut content).expect("its content");
        (name, content)
    });
    files.collect()
}

/// An archive of these files, with the sums of those that are no sums.
pub fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut sums = Vec::new();
    for (name, content) in files.iter().filter(|(name, _)| name != "SHA256SUMS") {
        append(&mut archive, name, content);
        for byte in Sha256::digest(content) {
            write!(sums, "{byte:02x}").expect("a sum");
        }
        writeln!(sums, "  {name}").expect("a name");
    }
    append(&mut archive, "SHA256SUMS", &sums);
    archive.into_inner().expect("an archive")
}

pub fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    archive
        .append_data(&mut header, name, content)
        .expect("a file");
}

pub fn manifest(archive: &[u8]) -> Value {
    let files = unpack(archive);
    let (_, text) = files
        .iter()
        .find(|(name, _)| name == "manifest.json")
        .expect("a manifest");
    serde_json::from_slice(text).expect("JSON")
}

/// What a publisher asked for, and what of it was answered.
#[derive(Default)]
struct Known {
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Known {
    fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }
}

/// Publishes 1, 2, 3, ... to one member until it is told to stop.
async fn publish(url: String, key: Login, to: String, known: Arc<Known>, stop: Arc<AtomicBool>) {
    let http = client();
    while !stop.load(Ordering::SeqCst) {
        let number = known.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let body = draft(json!({ "to": to, "title": number.to_string() }));
        let request = http.post(&url).bearer_auth(&key.token).json(&body);
        Answer::of(request).await.expect_status(StatusCode::OK);
        known.answered.store(number, Ordering::SeqCst);
    }
}

/// What a member's inbox has, the oldest first.
async fn numbers(server: &Process, member: &str) -> Vec<u64> {
    let token = forum_token(member, jiff::Timestamp::now().as_second());
    let (mut numbers, mut before) = (Vec::new(), u64::MAX >> 1);
    loop {
        let path = format!("/api/v1/inbox?limit=100&before={before}");
        let page = server.ask(Method::GET, &path, &token, None).await.json();
        for item in page["items"].as_array().expect("items") {
            let title = item["title"].as_str().expect("a title");
            numbers.push(title.parse().expect("a number"));
        }
        match page["next"].as_u64() {
            Some(next) => before = next,
            None => break,
        }
    }
    numbers.reverse();
    numbers
}

/// A world where everything was kept, so that nothing is missed for another reason.
async fn roomy() -> World {
    let settings = Settings {
        inbox_items_max: Some(bellrope::config::Count(100_000)),
        ..Settings::default()
    };
    World::forum_with(settings).await
}

#[tokio::test]
async fn a_backup_under_full_load_is_a_moment_that_really_was() {
    let world = roomy().await;
    let (key, admin) = (world.key(&["publish"]).await, world.admin().await);
    let stop = Arc::new(AtomicBool::new(false));
    let known: Vec<Arc<Known>> = (0..PUBLISHERS).map(|_| Arc::default()).collect();
    let mut load = JoinSet::new();
    for (at, known) in known.iter().enumerate() {
        let (url, to) = (world.url("/api/v1/notifications"), format!("member-{at}"));
        let (known, stop) = (Arc::clone(known), Arc::clone(&stop));
        load.spawn(publish(url, key.clone(), to, known, stop));
    }
    let mut backups = Vec::new();
    for round in 1..=3 {
        while known.iter().any(|known| known.answered() < ANSWERS * round) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let before: Vec<u64> = known.iter().map(|known| known.answered()).collect();
        let request = world.request(Method::GET, "/api/v1/backup");
        let answer = request.bearer_auth(&admin.token).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/x-tar");
        let archive = answer.bytes().await.expect("a whole answer");
        let asked = |known: &Arc<Known>| known.asked.load(Ordering::SeqCst);
        backups.push((before, archive, known.iter().map(asked).collect::<Vec<_>>()));
    }
    stop.store(true, Ordering::SeqCst);
    load.join_all().await;

    for (before, archive, after) in backups {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, data) = (folder.path().join("x.tar"), folder.path().join("data"));
        fs::write(&file, &archive).expect("a file");
        let restored = on(&data, &["restore", &file.display().to_string()]);
        let items: u64 = manifest(&archive)["notifications"].as_u64().expect("some");
        let words = format!("{items} notifications, as of 2");
        assert!(restored.expect_done().err.contains(&words), "{restored:?}");
        on(&data, &["check"]).expect_done();
        let server = Process::start(&data, &["--forum-secret", FORUM_SECRET]);
        let mut all = 0;
        for at in 0..PUBLISHERS {
            let numbers = numbers(&server, &format!("member-{at}")).await;
            let prefix: Vec<u64> = (1..=numbers.len() as u64).collect();
            assert_eq!(numbers, prefix, "a hole");
            let least = before[at];
            assert!(
                (least..=after[at]).contains(&(numbers.len() as u64)),
                "{least} were answered before it began, {} asked for when it ended, {} are there",
                after[at],
                numbers.len()
            );
            all += numbers.len() as u64;
        }
        assert_eq!(all, items);
    }
}

/// A data folder with an account and some notifications.
pub struct Place {
    pub data: PathBuf,
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        add(&data, "ann");
        let ring = ["notify", "@ann,42", "Bob replied", "--group", "g"];
        for _ in 0..2 {
            on(&data, &ring).expect_done();
        }
        Self { data, folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A backup into this file, and its bytes.
    pub fn backup(&self, name: &str, arguments: &[&str]) -> Vec<u8> {
        let path = self.path(name);
        let file = path.display().to_string();
        let ran = on(&self.data, &[&["backup", &file], arguments].concat());
        assert_eq!(ran.expect_done().out, "");
        let words = "1 account, 2 members, 2 notifications, as of 2";
        assert!(ran.err.starts_with(words), "{ran:?}");
        fs::read(path).expect("a file")
    }

    /// A backup that is refused, with these words.
    #[track_caller]
    fn refuse(&self, file: &Path, words: &str) {
        let ran = on(&self.data, &["backup", &file.display().to_string()]);
        ran.expect_refusal(words);
    }
}

#[tokio::test]
async fn it_is_the_same_whether_the_server_runs_or_not() {
    let place = Place::new();
    let server = Process::start(&place.data, &[]);
    let running = place.backup("running.tar", &[]);
    server.stop().await;
    let stopped = place.backup("stopped.tar", &[]);
    let [mut running, mut stopped] = [running, stopped].map(|archive| unpack(&archive));
    let names: Vec<&str> = running.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "manifest.json",
        "bellrope.redb",
        "session.key",
        "SHA256SUMS",
    ];
    assert_eq!(names, expected);
    // Only the time differs.
    for files in [&mut running, &mut stopped] {
        files.retain(|(name, _)| name != "SHA256SUMS");
        let mut said: Value = serde_json::from_slice(&files[0].1).expect("JSON");
        said["made_at"].take();
        files[0].1 = said.to_string().into_bytes();
    }
    assert!(running == stopped, "they differ");
    let kept = fs::read(place.data.join("session.key")).expect("the key");
    assert_eq!(running[2].1, kept);
    // Nothing of the work is left behind.
    let left = ["bellrope.redb", "session.key"];
    let names: Vec<String> = entries(&place.data)
        .into_iter()
        .map(|(name, ..)| name)
        .collect();
    assert_eq!(names, left);
}

#[test]
fn it_can_be_taken_apart_and_checked_by_hand() {
    let place = Place::new();
    place.backup("x.tar", &[]);
    let script = "tar xf x.tar && sha256sum --strict --check SHA256SUMS";
    let mut by_hand = Command::new("sh");
    by_hand
        .args(["-c", script])
        .current_dir(place.folder.path());
    let ran = run(&mut by_hand, "");
    let expected = "manifest.json: OK\nbellrope.redb: OK\nsession.key: OK\n";
    assert_eq!(ran.expect_done().out, expected);
    let said = fs::read(place.path("manifest.json")).expect("a file");
    let said: Value = serde_json::from_slice(&said).expect("JSON");
    assert_eq!(said["program"], env!("CARGO_PKG_VERSION"));
    assert_eq!(said["schema"], 2);
    assert_eq!(said["epoch"].as_str().map(str::len), Some(32));
    // And the database in it is one.
    let database = redb::Database::open(place.path("bellrope.redb"));
    assert!(database.is_ok(), "{:?}", database.err());
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_told() {
    let place = Place::new();
    let letter = place.path("letter");
    fs::write(&letter, "Dear Bob").expect("a file");
    place.refuse(
        &letter,
        "is there already; name another, or replace it with --force",
    );
    assert_eq!(fs::read_to_string(&letter).expect("it"), "Dear Bob");
    let link = place.path("link");
    std::os::unix::fs::symlink(&letter, &link).expect("a link");
    for no_file in [&link, &place.data, Path::new("/dev/null")] {
        place.refuse(no_file, "is no file; name another");
    }
    place.refuse(&place.path("nowhere/x.tar"), "cannot write beside");
    assert_eq!(fs::read_to_string(&letter).expect("it"), "Dear Bob");
    let archive = place.backup("letter", &["--force"]);
    assert_eq!(manifest(&archive)["accounts"], 1);
    let names: Vec<String> = entries(place.folder.path())
        .into_iter()
        .map(|(name, ..)| name)
        .collect();
    assert_eq!(names, ["data", "letter", "link"], "no draft is left");

    let empty = place.path("empty");
    let ran = on(
        &empty,
        &["backup", &place.path("y.tar").display().to_string()],
    );
    ran.expect_refusal("there is no database in");
    assert!(!empty.exists() && !place.path("y.tar").exists());
}

#[test]
fn it_is_for_whoever_made_it_alone() {
    let place = Place::new();
    let script = "umask 0; exec \"$0\" backup \"$1\" --data \"$2\"";
    let program = bellrope().get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(program);
    shell.arg(place.path("x.tar")).arg(&place.data);
    run(&mut shell, "").expect_done();
    let all = entries(place.folder.path());
    let (_, mode, _) = all.iter().find(|(name, ..)| name == "x.tar").expect("it");
    assert_eq!(*mode, 0o600);
}

/// A pipe gets the same, and whoever reads only a part of it has no backup.
#[test]
fn it_goes_down_a_pipe_as_well() {
    let place = Place::new();
    let mut command = bellrope();
    command.args(["backup", "-", "--data"]).arg(&place.data);
    let out = command.output().expect("its end");
    let said = String::from_utf8(out.stderr).expect("text");
    assert!(
        out.status.success() && said.contains("1 account, 2 members"),
        "{said}"
    );
    assert_eq!(unpack(&out.stdout).len(), 4);

    let full = fs::File::options().write(true).open("/dev/full");
    let (_, nobody) = std::io::pipe().expect("a pipe");
    let nowhere: [Stdio; 2] = [full.expect("it").into(), nobody.into()];
    for (out, words) in nowhere.into_iter().zip(["No space left", "Broken pipe"]) {
        let out = command.stdout(out).output().expect("its end");
        let said = String::from_utf8(out.stderr).expect("text");
        let words = format!("bellrope: the backup is not whole: {words}");
        assert!(said.starts_with(&words), "{said}");
        assert_eq!(out.status.code(), Some(1), "{said}");
    }
}

#[tokio::test]
async fn it_is_for_administrators_and_without_the_key_over_the_network() {
    let world = World::new().await;
    let (admin, ann) = (world.admin().await, world.account("ann").await);
    let key = world.key(&["publish", "presence", "inbox"]).await;
    for path in ["/api/v1/backup", "/api/v1/check"] {
        for other in [&ann, &key] {
            let answer = other.get(&world, path).await;
            answer.expect_problem(403, "scope_missing");
        }
    }
    let may = world.key(&["admin"]).await;
    for administrator in [&admin, &may] {
        let path = world.url("/api/v1/backup");
        let request = world.http.get(path).bearer_auth(&administrator.token);
        let answer = request.send().await.expect("an answer");
        let archive = answer.bytes().await.expect("a body");
        let names: Vec<String> = unpack(&archive).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["manifest.json", "bellrope.redb", "SHA256SUMS"]);
        let path = "/api/v1/backup?secrets=true";
        let refused = administrator.get(&world, path).await;
        refused.expect_problem(422, "field_invalid");
        assert!(refused.text.contains("use `bellrope backup` there"));
    }
}

/// The second is refused while the first is not taken; then somebody else may.
#[tokio::test]
async fn there_is_one_at_a_time() {
    let world = World::forum().await;
    let (admin, key) = (world.admin().await, world.key(&["publish"]).await);
    // More than a connection holds by itself.
    let to: Vec<String> = (0..600).map(|member| member.to_string()).collect();
    let data = "so much to say ".repeat(1000);
    key.publish(&world, json!({ "to": to, "data": data })).await;
    let url = world.url("/api/v1/backup");
    let http = reqwest::Client::new();
    let first = http.get(&url).bearer_auth(&admin.token).send().await;
    let first = first.expect("an answer");
    assert_eq!(first.status(), StatusCode::OK);
    for path in ["/api/v1/backup", "/api/v1/check"] {
        admin.get(&world, path).await.expect_problem(503, "busy");
    }
    // It went away in the middle.
    drop((first, http));
    let began = Instant::now();
    while admin.get(&world, "/api/v1/check").await.status != StatusCode::OK {
        assert!(began.elapsed() < SOON, "nobody else ever may");
    }
}

/// A small disk of its own.
struct Disk(PathBuf);

impl Disk {
    /// `None` where only root, or not even root, can have one.
    fn new(folder: &Path, size: &str) -> Option<Self> {
        fs::create_dir(folder).expect("a folder");
        let size = format!("size={size},mode=700");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder);
        let is_mounted = is_root() && mount.status().is_ok_and(|status| status.success());
        if !is_mounted {
            eprintln!("no disk can be mounted: nothing is tested here");
        }
        is_mounted.then(|| Self(folder.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_without_room_for_it_gets_no_half_of_it() {
    let place = Place::new();
    let Some(disk) = Disk::new(&place.path("disk"), "32k") else {
        return;
    };
    place.refuse(&disk.0.join("x.tar"), "No space left on device");
    assert!(entries(&disk.0).is_empty(), "something is left");
}

#[tokio::test]
async fn a_data_folder_without_room_for_a_copy_says_so_and_the_server_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = Disk::new(&folder.path().join("disk"), "33m") else {
        return;
    };
    let data = disk.0.clone();
    let password = add(&data, "ann");
    let server = Process::start(&data, &[]);
    let ann = server.login("ann", &password).await;
    let file = folder.path().join("x.tar").display().to_string();
    on(&data, &["backup", &file]).expect_done();
    // What is left now is the server's.
    fs::write(data.join("ballast"), vec![7; 2 << 20]).expect("a file");
    let again = ["backup", &file, "--force"];
    let before = fs::read(&file).expect("the first");
    on(&data, &again).expect_refusal("has no room for a copy of the database");
    assert!(fs::read(&file).expect("it") == before, "the first is gone");
    let counted = server.ask(Method::POST, "/api/v1/me/age", &ann, None).await;
    counted.expect_status(StatusCode::OK);
    let ready = server.ask(Method::GET, "/readyz", "", None).await;
    ready.expect_status(StatusCode::OK);
    let log = server.stop().await;
    assert!(log.contains("MiB are free"), "{log}");
    drop(disk);
}
