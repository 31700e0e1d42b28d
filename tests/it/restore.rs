//! Restoring: nothing is believed before it was looked at, and what was there is never lost.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use redb::{Database, TableDefinition};
use reqwest::Method;
use serde_json::{Value, json};

use crate::backup::{Place, append, manifest, pack, unpack};
use crate::folder::{entries, is_root};
use crate::process::{Process, Ran, add, bellrope, on, user};
use crate::socket::Socket;

const META: TableDefinition<&str, &str> = TableDefinition::new("meta");
const COUNTER: TableDefinition<&str, &[u8]> = TableDefinition::new("counter");
/// Not root's; it need not belong to anybody.
const OWNER: u32 = 64_003;
/// Restores that are killed at some moment.
const KILLS: u64 = 25;

fn restore(data: &Path, archive: &[u8], arguments: &[&str]) -> Ran {
    let file = data.with_extension("tar");
    fs::write(&file, archive).expect("a file");
    let file = file.display().to_string();
    on(data, &[&["restore", &file], arguments].concat())
}

/// The names of the accounts in a folder.
fn names(data: &Path) -> Vec<String> {
    let listed = user(data, &["list"]);
    let lines = listed.expect_done().out.lines();
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    lines.filter_map(name).collect()
}

/// Every file of a folder, with its content.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = entries(folder).into_iter().map(|(name, ..)| name);
    let content = |name: String| {
        let content = fs::read(folder.join(&name)).expect("a file");
        (name, content)
    };
    names.map(content).collect()
}

fn kept(data: &Path, name: &str) -> PathBuf {
    let prefix = format!("{name}.before-restore-2");
    let mut all = entries(data).into_iter().map(|(name, ..)| name);
    let kept = all.find(|name| name.starts_with(&prefix));
    data.join(kept.expect("what was there before"))
}

#[tokio::test]
async fn cursors_and_sessions_from_before_it() {
    let place = Place::new();
    let password = add(&place.data, "bob");
    let server = Process::start(&place.data, &[]);
    let bob = server.login("bob", &password).await;
    let mut socket = Socket::open(&server, &bob).await;
    let epoch = socket.ready["epoch"].take();
    let (with, without) = (place.path("with.tar"), place.path("without.tar"));
    for (file, more) in [(&with, None), (&without, Some("--without-secrets"))] {
        let file = file.display().to_string();
        let arguments: Vec<&str> = ["backup", &file].into_iter().chain(more).collect();
        let ran = on(&place.data, &arguments);
        let is_without = ran.expect_done().err.contains("without the key");
        assert_eq!(is_without, more.is_some(), "{ran:?}");
    }
    server.stop().await;
    let cursor = json!({ "token": bob, "epoch": epoch, "since": 0 });
    let server = Process::start(&place.data, &[]);
    let back = Socket::open_with(&server, cursor.clone()).await;
    assert_eq!(back.ready["recovered"], true, "a restart is no restore");
    server.stop().await;

    let elsewhere = place.path("elsewhere");
    for (archive, data, is_known) in [
        (&with, &place.data, true),
        (&without, &place.data, true),
        (&without, &elsewhere, false),
    ] {
        let archive = fs::read(archive).expect("a backup");
        restore(data, &archive, &["--force"]).expect_done();
        let server = Process::start(data, &[]);
        let me = server.ask(Method::GET, "/api/v1/me", &bob, None).await;
        assert_eq!(me.status.is_success(), is_known, "{me:?}");
        if is_known {
            let back = Socket::open_with(&server, cursor.clone()).await;
            assert_eq!(back.ready["recovered"], false, "{}", back.ready);
            assert_ne!(back.ready["epoch"], epoch);
        }
        server.login("bob", &password).await;
        server.stop().await;
    }
}

#[test]
fn a_database_that_is_there_is_kept_under_another_name() {
    let place = Place::new();
    let archive = place.backup("x.tar", &[]);
    add(&place.data, "bob");
    let refused = restore(&place.data, &archive, &[]);
    refused.expect_refusal("--force puts the backup in its place");
    assert_eq!(names(&place.data), ["ann", "bob"]);
    let before = contents(&place.data);
    let ran = restore(&place.data, &archive, &["--force"]);
    assert_eq!(names(&place.data), ["ann"]);
    let previous = kept(&place.data, "bellrope.redb");
    let words = format!("kept as {}.", previous.display());
    assert!(ran.expect_done().err.contains(&words), "{ran:?}");
    let secret = kept(&place.data, "session.key");
    for (name, content) in &before {
        let kept = if name == "bellrope.redb" {
            &previous
        } else {
            &secret
        };
        assert!(
            fs::read(kept).expect("it") == *content,
            "{name} is not as it was"
        );
    }
    assert!(
        entries(&place.data)
            .iter()
            .all(|(_, mode, _)| *mode == 0o600)
    );
    // Back again, by hand.
    fs::rename(&previous, place.data.join("bellrope.redb")).expect("it");
    assert_eq!(names(&place.data), ["ann", "bob"]);
}

#[tokio::test]
async fn a_server_must_be_stopped_first() {
    let place = Place::new();
    let archive = place.backup("x.tar", &[]);
    let server = Process::start(&place.data, &[]);
    let refused = restore(&place.data, &archive, &["--force"]);
    refused.expect_refusal("the server runs on");
    // One that cannot be asked has its database all the same.
    fs::remove_file(place.data.join("control.sock")).expect("a socket");
    let refused = restore(&place.data, &archive, &["--force"]);
    refused.expect_refusal("in use by another process");
    let ready = server.ask(Method::GET, "/readyz", "", None).await;
    assert!(ready.status.is_success());
    let names: Vec<String> = entries(&place.data)
        .into_iter()
        .map(|(name, ..)| name)
        .collect();
    assert_eq!(names, ["bellrope.redb", "session.key"]);
}

/// Refused by these words, and everything is as it was.
#[track_caller]
fn refuse(data: &Path, archive: &[u8], words: &str) {
    let before = contents(data);
    let refused = restore(data, archive, &["--force"]);
    refused.expect_refusal(words);
    let said = "cannot be restored, and nothing was changed";
    assert!(refused.err.contains(said), "{refused:?}");
    assert!(contents(data) == before, "something was changed");
}

#[test]
fn an_archive_that_is_torn_or_changed_is_refused() {
    let place = Place::new();
    let archive = place.backup("x.tar", &[]);
    let data = &place.data;
    let files = unpack(&archive);
    let size = files[1].1.len();
    // Torn: in each file, in each head, and between them.
    let ends = [
        0,
        100,
        512,
        600,
        1024,
        1600,
        2000,
        1024 + size,
        1536 + size,
        2048 + size,
    ];
    for end in ends {
        refuse(data, &archive[..end], "");
    }
    // Changed: one bit of the manifest, of the database's head, middle and end, of the key, of the sums.
    let key = 1536 + size.next_multiple_of(512);
    for at in [
        520,
        1024,
        1536,
        1600,
        1536 + size / 2,
        1535 + size,
        key + 520,
        key + 1540,
    ] {
        let mut archive = archive.clone();
        archive[at] ^= 0x10;
        refuse(data, &archive, "");
    }
    refuse(data, b"Dear Bob, this is no archive but a letter", "");
    refuse(data, &[], "it breaks off, or is no backup");
    // The same files put together otherwise are a backup still.
    restore(data, &pack(&files), &["--force"]).expect_done();
}

#[test]
fn an_archive_of_other_files_is_refused() {
    let place = Place::new();
    let files = unpack(&place.backup("x.tar", &[]));
    let without = |name: &str| {
        let mut files = files.clone();
        files.retain(|(other, _)| other != name);
        pack(&files)
    };
    let with = |name: &str, content: &[u8]| {
        let mut files = files.clone();
        files.retain(|(other, _)| other != name);
        files.push((name.to_owned(), content.to_owned()));
        pack(&files)
    };
    let data = &place.data;
    let lacks = "it lacks the database or the manifest";
    refuse(data, &without("manifest.json"), lacks);
    refuse(data, &without("bellrope.redb"), lacks);
    refuse(
        data,
        &with("manifest.json", b"{}"),
        "its manifest cannot be read",
    );
    refuse(
        data,
        &with("letter", b"Dear Bob"),
        "something that is in no backup",
    );
    refuse(
        data,
        &with("session.key", b"short"),
        "has 5 bytes and needs 32",
    );
    refuse(data, &with("bellrope.redb", b"a letter"), "cannot open");
    let mut other: Value = serde_json::from_slice(&files[0].1).expect("JSON");
    other["notifications"] = json!(7);
    let other = other.to_string();
    refuse(
        data,
        &with("manifest.json", other.as_bytes()),
        "its manifest is of another database",
    );

    let mut twice = tar::Builder::new(Vec::new());
    append(&mut twice, &files[0].0, &files[0].1);
    append(&mut twice, &files[0].0, &files[0].1);
    refuse(
        data,
        &twice.into_inner().expect("it"),
        "it has one file twice",
    );
    let mut link = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    let linked = link.append_link(&mut header, "bellrope.redb", "/etc/passwd");
    linked.expect("a link");
    refuse(
        data,
        &link.into_inner().expect("it"),
        "something that is in no backup",
    );
    let mut late = tar::Builder::new(Vec::new());
    for (name, content) in files.iter().rev() {
        append(&mut late, name, content);
    }
    refuse(
        data,
        &late.into_inner().expect("it"),
        "something behind its checksums",
    );
}

/// A backup whose database was changed by hand, and which has the right sums all the same.
fn changed(place: &Place, change: impl FnOnce(&redb::WriteTransaction)) -> Vec<u8> {
    let mut files = unpack(&place.backup("to-change.tar", &["--force"]));
    let file = place.path("changed.redb");
    fs::write(&file, &files[1].1).expect("a file");
    {
        let database = Database::open(&file).expect("a database");
        let write = database.begin_write().expect("a write");
        change(&write);
        write.commit().expect("a commit");
    }
    files[1].1 = fs::read(&file).expect("it");
    pack(&files)
}

#[test]
fn a_database_that_cannot_be_trusted_is_refused() {
    let place = Place::new();
    let newer = changed(&place, |write| {
        let mut meta = write.open_table(META).expect("a table");
        meta.insert("schema", "99").expect("a write");
    });
    refuse(
        &place.data,
        &newer,
        "written by a newer Bellrope (its schema is 99",
    );
    let unreadable = changed(&place, |write| {
        let mut counter = write.open_table(COUNTER).expect("a table");
        counter.insert("@ann", [9, 9].as_slice()).expect("a write");
    });
    let words = "the counter of `@ann` cannot be read: a row has the unknown version 9";
    refuse(&place.data, &unreadable, words);
    let other = changed(&place, |write| {
        let mut meta = write.open_table(META).expect("a table");
        meta.insert("epoch", "another").expect("a write");
    });
    refuse(&place.data, &other, "its manifest is of another database");
}

#[test]
fn what_root_restores_is_the_owners() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let archive = place.backup("x.tar", &[]);
    let data = place.path("theirs");
    fs::create_dir(&data).expect("a folder");
    chown(&data, Some(OWNER), Some(OWNER)).expect("its owner set");
    restore(&data, &archive, &[]).expect_done();
    let expected =
        ["bellrope.redb", "session.key"].map(|name| (name.to_owned(), 0o600, (OWNER, OWNER)));
    assert_eq!(entries(&data), expected);
}

/// What an interrupted restore may have left: nothing that counts, or all that is needed.
#[test]
fn a_restore_that_was_interrupted_counts_whole_or_not_at_all() {
    let place = Place::new();
    let files = unpack(&place.backup("x.tar", &[]));
    add(&place.data, "bob");
    let lay = |folder: &str, names: &[&str]| {
        fs::create_dir(place.data.join(folder)).expect("a folder");
        for (name, content) in files
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()))
        {
            fs::write(place.data.join(folder).join(name), content).expect("a file");
        }
        let note = place.data.join(folder).join("previous");
        fs::write(note, "before-restore-2026").expect("a file");
    };
    lay("restore.draft", &["bellrope.redb", "session.key"]);
    assert_eq!(names(&place.data), ["ann", "bob"], "it did not count yet");
    // From here on it counts, whichever file was in its place already.
    for left in [&["bellrope.redb", "session.key"][..], &["bellrope.redb"]] {
        lay("restore.ready", left);
        assert_eq!(names(&place.data), ["ann"]);
        assert!(!place.data.join("restore.ready").exists());
        fs::rename(
            kept(&place.data, "bellrope.redb"),
            place.data.join("bellrope.redb"),
        )
        .expect("what was there before");
        assert_eq!(names(&place.data), ["ann", "bob"]);
    }
    lay("restore.ready", &[]);
    assert_eq!(names(&place.data), ["ann", "bob"], "all was in its place");
    let archive = pack(&files);
    restore(&place.data, &archive, &["--force"]).expect_done();
    assert_eq!(names(&place.data), ["ann"]);
    let left = entries(&place.data).into_iter().map(|(name, ..)| name);
    let left: Vec<String> = left
        .filter(|name| !name.contains("before-restore"))
        .collect();
    assert_eq!(left, ["bellrope.redb", "session.key"]);
}

#[test]
fn one_that_is_killed_leaves_the_old_or_the_new() {
    let place = Place::new();
    let archive = place.backup("x.tar", &[]);
    let old = place.path("old");
    add(&old, "bob");
    let (mut olds, mut news) = (0, 0);
    for kill in 0..KILLS {
        let data = place.path(&format!("data-{kill}"));
        fs::create_dir(&data).expect("a folder");
        for (name, content) in contents(&old) {
            fs::write(data.join(name), content).expect("a file");
        }
        let mut command = bellrope();
        command
            .args(["restore", "--force"])
            .arg(place.path("x.tar"));
        command.arg("--data").arg(&data).stderr(Stdio::null());
        let mut child = command.spawn().expect("the executable");
        std::thread::sleep(Duration::from_millis(kill * 12));
        let _ = child.kill();
        child.wait().expect("its end");
        match names(&data).join(",").as_str() {
            "bob" => olds += 1,
            "ann" => news += 1,
            other => panic!("neither: {other}"),
        }
        on(&data, &["check"]).expect_done();
    }
    eprintln!("killed {KILLS} times: {olds} old, {news} new");
    assert_eq!(manifest(&archive)["accounts"], 1);
}
