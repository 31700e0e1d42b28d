//! `bellrope check` and `bellrope compact`.

use std::fs;
use std::path::Path;

use redb::{Database, ReadableTable as _, TableDefinition, WriteTransaction};
use reqwest::Method;

use crate::backup::Place;
use crate::process::{Process, on};

const COUNTER: TableDefinition<&str, &[u8]> = TableDefinition::new("counter");
const MEMBER: TableDefinition<&str, &[u8]> = TableDefinition::new("member");
const SHELF: TableDefinition<(&str, &str, u8, u64), u128> = TableDefinition::new("shelf");
const LOG: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("log");

/// Changes a database that nobody has open.
fn change(data: &Path, change: impl FnOnce(&WriteTransaction)) {
    let database = Database::open(data.join("bellrope.redb")).expect("a database");
    let write = database.begin_write().expect("a write");
    change(&write);
    write.commit().expect("a commit");
}

/// What `check` finds, with a server on the folder and without; it is the same.
#[track_caller]
fn found(data: &Path) -> Vec<String> {
    let stopped = on(data, &["check"]);
    let server = Process::start(data, &[]);
    let running = on(data, &["check"]);
    drop(server);
    assert_eq!((stopped.code, &stopped.out), (running.code, &running.out));
    let found: Vec<String> = stopped.out.lines().map(str::to_owned).collect();
    assert_eq!(stopped.code, i32::from(!found.is_empty()), "{stopped:?}");
    if !found.is_empty() {
        assert!(stopped.err.starts_with("bellrope: "), "{stopped:?}");
    }
    found
}

#[test]
fn a_sound_database_is_called_so() {
    let place = Place::new();
    assert_eq!(found(&place.data), [""; 0]);
    let ran = on(&place.data, &["check"]);
    let words = "Sound: 1 account, 2 members, 2 notifications; every row was read";
    assert!(ran.expect_done().err.starts_with(words), "{ran:?}");
    on(&place.path("nothing"), &["check"]).expect_refusal("there is no database in");
}

#[test]
fn what_contradicts_itself_is_said_in_a_sentence_each() {
    let place = Place::new();
    change(&place.data, |write| {
        let mut member = write.open_table(MEMBER).expect("a table");
        // seq, seen, unread, unseen, items; never signed out; not gone.
        let row = [1, 2, 0, 7, 1, 1, 0, 0];
        member.insert("42", row.as_slice()).expect("a write");
    });
    let unread = "`42` is said to have 7 unread, and has 1".to_owned();
    assert_eq!(found(&place.data), [unread.as_str()]);
    change(&place.data, |write| {
        let mut shelf = write.open_table(SHELF).expect("a table");
        let removed = shelf.remove(("@ann", "g:g", 0, 2)).expect("a write");
        assert!(removed.is_some());
        drop(removed);
        shelf.insert(("43", "", 0, 1), 5).expect("a write");
        let mut log = write.open_table(LOG).expect("a table");
        let row = log.get(("@ann", 1)).expect("a read");
        let row = row.map(|row| row.value().to_vec()).expect("a row");
        log.insert(("@ann", 9), row.as_slice()).expect("a write");
        let mut counter = write.open_table(COUNTER).expect("a table");
        counter.insert("@ann", [9].as_slice()).expect("a write");
    });
    let found = found(&place.data);
    for words in [
        unread.as_str(),
        "the counter of `@ann` cannot be read: a row has the unknown version 9",
        "of `@ann` is not found by `g:g`",
        "the log of `@ann` has a gap before 9",
        "the log of `@ann` ends with 9, and its number is 2",
    ] {
        let is_said = found.iter().any(|sentence| sentence.contains(words));
        assert!(is_said, "{words}: {found:?}");
    }
}

#[test]
fn a_row_that_nothing_leads_to_is_missed_in_the_count() {
    let place = Place::new();
    change(&place.data, |write| {
        let mut shelf = write.open_table(SHELF).expect("a table");
        shelf.insert(("43", "", 0, 1), 5).expect("a write");
    });
    let sentence = "there are 7 shelf entries, and 6 that anything leads to";
    assert_eq!(found(&place.data), [sentence]);
}

/// Only a server that is stopped lets its pages be looked at.
#[test]
fn a_page_that_was_changed_is_found() {
    let place = Place::new();
    let file = place.data.join("bellrope.redb");
    let whole = fs::read(&file).expect("the file");
    let at = whole
        .windows(11)
        .position(|bytes| bytes == b"Bob replied")
        .expect("a title");
    let mut changed = whole;
    changed[at] = b'R';
    fs::write(&file, changed).expect("it");
    let ran = on(&place.data, &["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("damaged"), "{ran:?}");
}

#[tokio::test]
async fn compacting_needs_a_stopped_server_and_loses_nothing() {
    let place = Place::new();
    let server = Process::start(&place.data, &[]);
    on(&place.data, &["compact"]).expect_refusal("the server runs on");
    let ready = server.ask(Method::GET, "/readyz", "", None).await;
    assert!(ready.status.is_success());
    server.stop().await;
    let body = "so much to say ".repeat(200);
    for to in 0..30 {
        let to = format!("member-{to}");
        let ring = ["notify", &to, "Bob replied", "--body", &body];
        on(&place.data, &ring).expect_done();
    }
    let size = || {
        fs::metadata(place.data.join("bellrope.redb"))
            .expect("it")
            .len()
    };
    let before = size();
    let ran = on(&place.data, &["compact"]);
    assert!(
        ran.expect_done().err.starts_with("Compacted: 0."),
        "{ran:?}"
    );
    assert!(size() < before, "{before} and then {}", size());
    let ran = on(&place.data, &["check"]);
    assert!(ran.expect_done().err.contains("32 members"), "{ran:?}");
}
