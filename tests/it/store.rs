//! The store: what is in the file, which files are refused, and what a failing disk does.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bellrope::config::Settings;
use bellrope::domain::clock::Clock;
use bellrope::domain::engine::Bus;
use bellrope::engine::Engine;
use bellrope::engine::local::Local;
use bellrope::engine::redb::Redb;
use bellrope::serve::{self, Folder};
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase as _, StorageBackend, TableDefinition};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::socket::{Socket, message};
use crate::world::{self, Answer, PASSWORD, World};

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

/// A disk in memory that can be made to fail.
#[derive(Debug)]
struct Disk {
    memory: InMemoryBackend,
    broken: Arc<AtomicBool>,
}

impl Disk {
    fn check(&self) -> Result<(), std::io::Error> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.memory.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.memory.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.check()?;
        self.memory.set_len(len)
    }
    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.check()?;
        self.memory.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.check()?;
        self.memory.write(offset, data)
    }
}

#[tokio::test]
async fn a_full_disk_is_told_by_its_code_and_readers_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = world::config(folder.path(), Settings::default());
    let broken = Arc::new(AtomicBool::new(false));
    let bus: Arc<dyn Bus> = Arc::new(Local::default());
    let disk = Disk {
        memory: InMemoryBackend::new(),
        broken: Arc::clone(&broken),
    };
    let store = Redb::open_backend(disk, config.write_queue, config.bounds, Arc::clone(&bus))
        .expect("a store");
    let engine = Engine {
        store: Arc::new(store),
        bus,
    };
    let data = Folder::create(Path::new(&config.data)).expect("a folder");
    let world = World::on(
        serve::start_on(&config, Clock::default(), &data, engine)
            .await
            .expect("a server"),
        config,
        folder,
    );

    let ann = world.account("ann").await;
    let mut socket = Socket::open(&world, &ann.token).await;
    assert_eq!(ann.add_age(&world).await, 1);
    assert_eq!(socket.next().await, message(1));

    broken.store(true, Ordering::SeqCst);
    let insert = Answer::of(
        world
            .request(Method::GET, "/api/insert")
            .bearer_auth(&ann.token),
    )
    .await;
    assert_eq!(
        insert.json(),
        json!({ "code": -200, "message": "添加失败~" })
    );
    let age = Answer::of(
        world
            .request(Method::POST, "/api/v1/me/age")
            .bearer_auth(&ann.token),
    )
    .await;
    age.expect_problem(503, "storage_failed");
    world
        .ask(Method::GET, "/readyz", None)
        .await
        .expect_problem(503, "storage_failed");
    world
        .ask(Method::GET, "/healthz", None)
        .await
        .expect_status(reqwest::StatusCode::OK);
    // Reads go on, and nobody was told of what was not kept.
    assert_eq!(ann.age(&world).await, 1);
    let login = world
        .ask(
            Method::POST,
            "/api/v1/login",
            Some(json!({ "username": "ann", "password": PASSWORD })),
        )
        .await;
    login.expect_problem(503, "storage_failed");
    socket.emit("message", json!("still there")).await;
    assert_eq!(socket.next().await, message("你好客户端, still there"));
}
