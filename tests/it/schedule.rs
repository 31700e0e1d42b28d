//! Backups that the server makes by itself, by a clock that is moved by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bellrope::config::{Count, Every, FileName, Maybe, Settings};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};

use crate::backup::manifest;
use crate::folder::entries;
use crate::process::{Process, on};
use crate::world::{SOON, World};

const HOUR: Duration = Duration::from_hours(1);

fn every_hour(keep: usize, folder: Option<&Path>) -> Settings {
    Settings {
        backup_every: Some(Maybe(Some(Every(HOUR)))),
        backup_keep: Some(Count(keep)),
        backup_folder: Some(Maybe(folder.map(|folder| FileName(folder.to_owned())))),
        ..Settings::default()
    }
}

/// The backups in a folder, the oldest first.
fn made(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.into_string().expect("a name"))
        .filter(|name| name.starts_with("bellrope-"))
        .collect();
    names.sort();
    names
}

/// Waits until the folder holds these many, with one newer than `than` among them.
async fn wait(folder: &Path, count: usize, than: Option<&String>) -> Vec<String> {
    let began = Instant::now();
    loop {
        let made = made(folder);
        if made.len() == count && made.last() > than {
            return made;
        }
        assert!(began.elapsed() < SOON, "{made:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn time(name: &str) -> Timestamp {
    let time = name.strip_prefix("bellrope-").expect("a backup");
    time.strip_suffix(".tar")
        .expect("a tar")
        .parse()
        .expect("a time")
}

#[tokio::test]
async fn one_is_made_when_it_is_due_and_the_oldest_goes() {
    let mut world = World::with(every_hour(2, None)).await;
    let folder = world.config.data.join("backups");
    // There was none, so the first is due at once.
    let first = wait(&folder, 1, None).await;
    world.account("ann").await;
    fs::write(folder.join(".bellrope-draft-x"), "half").expect("what a kill left");
    fs::write(folder.join("letter"), "Dear Bob").expect("somebody's file");
    world.clock.advance(HOUR);
    let second = wait(&folder, 2, first.last()).await;
    // A start is no reason for one: they keep their distance.
    world.restart().await;
    world.clock.advance(HOUR);
    let third = wait(&folder, 2, second.last()).await;
    assert_eq!(third[0], second[1], "the oldest went, and no other");
    for pair in [[&first[0], &second[1]], [&second[1], &third[1]]] {
        let apart = time(pair[1]).duration_since(time(pair[0]));
        assert!(apart >= SignedDuration::from_hours(1), "{pair:?}");
    }
    let left = entries(&folder);
    let names: Vec<&str> = left.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, [&third[0], &third[1], "letter"]);
    assert!(
        left[..2].iter().all(|(_, mode, _)| *mode == 0o600),
        "{left:?}"
    );
    let all = entries(&world.config.data);
    let (_, mode, _) = all.iter().find(|(name, ..)| name == "backups").expect("it");
    assert_eq!(*mode, 0o700);

    // Each is a whole one, with the key.
    let newest = folder.join(&third[1]);
    let said = manifest(&fs::read(&newest).expect("it"));
    assert_eq!(said["accounts"], 2);
    let data = world.config.data.with_extension("elsewhere");
    let restored = on(&data, &["restore", &newest.display().to_string()]);
    restored.expect_done();
    let keys = [&world.config.data, &data].map(|data| fs::read(data.join("session.key")));
    let [here, there] = keys.map(|key| key.expect("a key"));
    assert_eq!(here, there);
}

#[tokio::test]
async fn one_that_fails_is_said_and_tried_again() {
    let beside = tempfile::tempdir().expect("a folder");
    let folder: PathBuf = beside.path().join("disk/backups");
    fs::write(beside.path().join("disk"), "no folder").expect("a file");
    let world = World::with(every_hour(7, Some(&folder))).await;
    let began = Instant::now();
    loop {
        let ready = world.ask(Method::GET, "/readyz", None).await;
        ready.expect_status(StatusCode::OK);
        if ready.text.contains("the log says why") {
            let second = ready.text.lines().nth(1).unwrap_or_default();
            assert!(second.starts_with("the backup of 2"), "{ready:?}");
            break;
        }
        assert_eq!(ready.text, "ready\n");
        assert!(began.elapsed() < SOON, "nothing is said");
    }
    // It is mended, and nobody has to say so.
    fs::remove_file(beside.path().join("disk")).expect("it");
    world.clock.advance(Duration::from_mins(10));
    wait(&folder, 1, None).await;
    let began = Instant::now();
    while world.ask(Method::GET, "/readyz", None).await.text != "ready\n" {
        assert!(began.elapsed() < SOON, "it is still said");
    }
}

#[tokio::test]
async fn the_log_says_what_was_made_and_what_was_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = Process::start(&data, &["--backup-every", "1d"]);
    wait(&data.join("backups"), 1, None).await;
    let log = server.stop().await;
    assert!(log.contains("a backup was made path="), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
    let flags = ["--backup-every", "1m", "--backup-folder", "/dev/null/x"];
    let server = Process::start(&data, &flags);
    let began = Instant::now();
    let log = data.with_extension("log");
    let words = "no backup was made cause=\"cannot write into /dev/null/x";
    while !fs::read_to_string(&log).expect("the log").contains(words) {
        assert!(began.elapsed() < SOON, "the log is silent");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop().await;
}
