//! The store: what is in the file, which files are refused, and whom a row that is none harms.

use bellrope::config::Settings;
use bellrope::domain::clock::Clock;
use bellrope::serve;
use futures_util::future::join_all;
use redb::{Database, ReadableDatabase as _, TableDefinition};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::socket::Socket;
use crate::world::{self, Answer, Login, PASSWORD, World, draft};

const META: TableDefinition<&str, &str> = TableDefinition::new("meta");
const COUNTER: TableDefinition<&str, &[u8]> = TableDefinition::new("counter");
const MEMBER: TableDefinition<&str, &[u8]> = TableDefinition::new("member");

fn database(world: &World) -> Database {
    Database::open(world.config.data.join("bellrope.redb"))
        .expect("the file, which nobody has open")
}

#[tokio::test]
async fn the_file_says_what_it_is_and_its_epoch_stays() {
    let mut world = World::new().await;
    let identity = |world: &World| {
        let database = database(world);
        let read = database.begin_read().expect("a read");
        let meta = read.open_table(META).expect("the table");
        let get = |key| {
            meta.get(key)
                .expect("a read")
                .expect("a value")
                .value()
                .to_owned()
        };
        (get("schema"), get("epoch"))
    };
    world.stop().await;
    let first = identity(&world);
    assert_eq!(first.0, "2");
    assert_eq!(first.1.len(), 32);
    world.restart().await;
    world.stop().await;
    assert_eq!(identity(&world), first);
    let other = &mut World::new().await;
    other.stop().await;
    assert_ne!(identity(other).1, first.1, "drawn for each database");
}

/// The bytes of a row, written down once: a later program must read them the same.
#[tokio::test]
async fn a_row_is_a_version_and_its_fields() {
    let mut world = World::new().await;
    let ann = world.account("ann").await;
    for _ in 0..300 {
        ann.add_age(&world).await;
    }
    world.stop().await;
    {
        let database = database(&world);
        let read = database.begin_read().expect("a read");
        let table = read.open_table(COUNTER).expect("the table");
        let row = table
            .get("@ann")
            .expect("a read")
            .expect("a row")
            .value()
            .to_vec();
        // Version 1; age 300 as a varint of two bytes; a time is there, zigzag in eight bytes.
        assert_eq!(row[..6], [1, 251, 44, 1, 1, 253], "{row:?}");
        assert_eq!(row.len(), 14);

        let write = database.begin_write().expect("a write");
        {
            let mut table = write.open_table(COUNTER).expect("the table");
            // Age 7, never changed.
            table.insert("@ann", [1, 7, 0].as_slice()).expect("a write");
        }
        write.commit().expect("a commit");
    }
    world.restart().await;
    assert_eq!(ann.add_age(&world).await, 8);
}

#[tokio::test]
async fn a_row_that_is_none_is_an_error_and_not_a_number() {
    let mut world = World::new().await;
    let ann = world.account("ann").await;
    for broken in [
        &[][..],
        &[9, 7, 0],
        &[1],
        &[1, 7, 0, 0],
        &[1, 255, 255, 255],
    ] {
        world.stop().await;
        {
            let database = database(&world);
            let write = database.begin_write().expect("a write");
            write
                .open_table(COUNTER)
                .expect("the table")
                .insert("@ann", broken)
                .expect("a write");
            write.commit().expect("a commit");
        }
        world.restart().await;
        let answer = ann.get(&world, "/api/v1/me").await;
        answer.expect_problem(503, "storage_failed");
        assert!(
            !answer.text.contains("version"),
            "insides are not told: {}",
            answer.text
        );
    }
}

/// Where a member stands: version 1; seq, seen, unread, unseen, items; never signed out; not gone.
#[tokio::test]
async fn a_members_row_is_five_numbers_and_two_marks() {
    let mut world = World::new().await;
    let admin = world.admin().await;
    let body = json!({ "to": ["@root", "42"], "kind": "like", "title": "Bob liked it" });
    let answer = admin.post(&world, "/api/v1/notifications", body).await;
    answer.expect_status(StatusCode::OK);
    world.stop().await;
    let database = database(&world);
    let read = database.begin_read().expect("a read");
    let table = read.open_table(MEMBER).expect("the table");
    for member in ["@root", "42"] {
        let row = table.get(member).expect("a read").expect("a row");
        assert_eq!(row.value(), [1, 1, 0, 1, 1, 1, 0, 0], "{member}");
    }
}

/// Schema 1 had no inboxes: a file of then opens, keeps what it has, and everybody in it is reached.
#[tokio::test]
async fn a_file_of_an_older_program_is_brought_up_to_date() {
    let mut world = World::new().await;
    let ann = world.account("ann").await;
    ann.add_age(&world).await;
    world.stop().await;
    {
        let database = database(&world);
        let write = database.begin_write().expect("a write");
        let tables: Vec<_> = write.list_tables().expect("the tables").collect();
        for table in tables {
            let name = redb::TableHandle::name(&table).to_owned();
            if !["meta", "account", "session", "counter"].contains(&name.as_str()) {
                assert!(write.delete_table(table).expect("a write"), "{name}");
            }
        }
        write
            .open_table(META)
            .expect("the table")
            .insert("schema", "1")
            .expect("a write");
        write.commit().expect("a commit");
    }
    world.restart().await;
    assert_eq!(ann.age(&world).await, 1);
    let root = world.login("root", PASSWORD).await;
    let body = json!({ "to": "*", "kind": "news", "title": "There is an inbox now" });
    let answer = root.post(&world, "/api/v1/notifications", body).await;
    assert_eq!(answer.json()["results"]["delivered"], 2, "{}", answer.text);
    let page = ann.get(&world, "/api/v1/inbox").await.json();
    assert_eq!(page["items"][0]["title"], "There is an inbox now");
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused_and_left_alone() {
    let mut world = World::new().await;
    world.stop().await;
    {
        let database = database(&world);
        let write = database.begin_write().expect("a write");
        write
            .open_table(META)
            .expect("the table")
            .insert("schema", "3")
            .expect("a write");
        write.commit().expect("a commit");
    }
    let before = std::fs::read(world.config.data.join("bellrope.redb")).expect("the file");
    let Err(error) = serve::start(&world.config, Clock::default()).await else {
        panic!("a newer file was opened");
    };
    let sentence = format!("{error:#}");
    assert!(
        sentence.contains("newer Bellrope") && sentence.contains("schema is 3"),
        "{sentence}"
    );
    let after = std::fs::read(world.config.data.join("bellrope.redb")).expect("the file");
    assert!(before == after, "the file was changed");
}

#[tokio::test]
async fn something_else_in_its_place_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = world::config(folder.path(), Settings::default());
    std::fs::write(
        folder.path().join("bellrope.redb"),
        b"this is no database, but somebody's letter",
    )
    .expect("a file");
    let Err(error) = serve::start(&config, Clock::default()).await else {
        panic!("it was opened")
    };
    assert!(format!("{error:#}").contains("cannot open"), "{error:#}");
    let letter = std::fs::read(folder.path().join("bellrope.redb")).expect("the file");
    assert!(letter.starts_with(b"this is no database"));
}

/// Writes a row that is none in the place of one.
fn spoil(world: &World, table: TableDefinition<&str, &[u8]>, key: &str) {
    put(world, table, key, &[9]);
}

fn put(world: &World, table: TableDefinition<&str, &[u8]>, key: &str, row: &[u8]) {
    let database = database(world);
    let write = database.begin_write().expect("a write");
    {
        let mut table = write.open_table(table).expect("the table");
        table.insert(key, row).expect("a write");
    }
    write.commit().expect("a commit");
}

#[tokio::test]
async fn a_row_that_is_none_harms_nobody_else() {
    let mut world = World::new().await;
    let (ann, bob) = (world.account("ann").await, world.account("bob").await);
    world.stop().await;
    spoil(&world, COUNTER, "@ann");
    world.restart().await;
    // In flight together, so that they share commits.
    let insert = |login: &Login| {
        let request = world.request(Method::POST, "/api/v1/me/age");
        Answer::of(request.bearer_auth(&login.token))
    };
    let inserts = (0..40).map(|i| insert(if i % 4 == 0 { &ann } else { &bob }));
    for (i, answer) in join_all(inserts).await.iter().enumerate() {
        if i % 4 == 0 {
            answer.expect_problem(503, "storage_failed");
        } else {
            answer.expect_status(StatusCode::OK);
        }
    }
    assert_eq!(bob.age(&world).await, 30);
    let ready = world.ask(Method::GET, "/readyz", None).await;
    ready.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn a_publish_that_meets_one_leaves_no_trace_of_what_it_wrote_before() {
    let mut world = World::forum().await;
    let admin = world.admin().await;
    let said = |to: &[&str], title: &str| json!({ "to": to, "title": title });
    admin.publish(&world, said(&["43"], "before")).await;
    world.stop().await;
    spoil(&world, MEMBER, "43");
    world.restart().await;
    let admin = world.login("root", PASSWORD).await;
    let member = world.member("42");
    let mut socket = Socket::open(&world, &member.token).await;
    let publish = |to: &[&str], title| {
        let body = draft(said(to, title));
        admin.post(&world, "/api/v1/notifications", body)
    };
    // The first of the two is written before the second is found to be spoilt.
    let calls = (0..8).map(|i| match i % 4 {
        0 => publish(&["42", "43"], "to both"),
        _ => publish(&["42"], "to one"),
    });
    for (i, answer) in join_all(calls).await.iter().enumerate() {
        if i % 4 == 0 {
            answer.expect_problem(503, "storage_failed");
        } else {
            answer.expect_status(StatusCode::OK);
        }
    }
    for seq in 1..=6 {
        let added = socket.event("inbox.added").await;
        assert_eq!(added["seq"], seq);
        assert_eq!(added["item"]["title"], "to one");
    }
    let page = member.get(&world, "/api/v1/inbox").await.json();
    assert_eq!(page["seq"], 6);
    assert_eq!(page["counts"]["unread"], 6);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(6));
}

/// A row can be whole and wrong all the same.
#[tokio::test]
async fn counts_that_do_not_add_up_harm_nobody_else() {
    let mut world = World::forum().await;
    let admin = world.admin().await;
    admin.publish(&world, json!({ "to": ["42", "43"] })).await;
    world.stop().await;
    // One item, and none of it unread.
    put(&world, MEMBER, "42", &[1, 1, 0, 0, 0, 1, 0, 0]);
    world.restart().await;
    let (wrong, right) = (world.member("42"), world.member("43"));
    let all = json!({ "all": true });
    let read = wrong.post(&world, "/api/v1/inbox/read", all.clone()).await;
    read.expect_problem(503, "storage_failed");
    let read = right.post(&world, "/api/v1/inbox/read", all).await;
    read.expect_status(StatusCode::OK);
    let ready = world.ask(Method::GET, "/readyz", None).await;
    ready.expect_status(StatusCode::OK);
}
