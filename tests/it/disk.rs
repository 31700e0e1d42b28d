//! A disk that is full or fails: a clear refusal, readers who go on, nothing answered lost, nobody
//! told what is not so; and writes again, in the same process, once it works.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bellrope::config::Settings;
use bellrope::domain::clock::Clock;
use bellrope::domain::engine::{Bus, Store};
use bellrope::engine::Engine;
use bellrope::engine::local::Local;
use bellrope::engine::redb::Redb;
use bellrope::serve::{self, Folder};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

use crate::fault::{Disk, EIO, ENOSPC, Fault, What};
use crate::party::{self, Heard, Party};
use crate::process::{Process, add};
use crate::socket::{Socket, message};
use crate::world::{self, Answer, Login, PASSWORD, SOON, World};

/// Operations after which the disk fails: each number up to this.
const OPERATIONS: usize = 500;
/// The same where the disk works again by itself.
const HICCUPS: usize = 100;
/// Stores that fail at the same time.
const SIDE_BY_SIDE: usize = 20;

/// A store with something in it, none of which is in memory.
async fn opened_anew(disk: &Disk) -> (Party, Redb) {
    let mut party = Party::new(1);
    let (store, _) = party::open(disk.clone()).expect("a store");
    for _ in 0..100 {
        party.step(&store).await.expect("a step");
    }
    store.close().await;
    drop(store);
    let (store, _) = party::open(disk.clone()).expect("a store");
    (party, store)
}

/// Waits until it takes writes.
async fn mended(store: &dyn Store) {
    let began = Instant::now();
    while store.ready().await.is_err() {
        assert!(began.elapsed() < SOON, "it takes no writes");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Goes on until the disk fails, looks around, mends it, and looks again.
async fn fail_once(
    (disk, store): (&Disk, &dyn Store),
    party: &mut Party,
    heard: &mut Heard,
    fault: Fault,
) -> Result<(), String> {
    disk.set(Some(fault));
    while party.step(store).await? == 0 {}
    if fault.times == u64::MAX {
        let code = store.ready().await.map_err(|error| error.code());
        assert_eq!(code, Err("storage_failed"));
    }
    party.check(store).await?;
    disk.set(None);
    mended(store).await;
    party.settle(party.check(store).await?);
    party.hear(heard)?;
    party.check_told()?;
    // And it does take them.
    if party.step(store).await? > 0 {
        return Err("a disk that is mended refused a write".to_owned());
    }
    party.hear(heard)?;
    party.check_told()
}

/// The disk after each step of one tale, how many operations that were, and who did what.
async fn tale(operations: usize) -> Vec<(usize, Disk, Party)> {
    let disk = Disk::new();
    let (store, mut heard) = party::open(disk.clone()).expect("a store");
    let (mut party, mut tale) = (Party::new(1), Vec::new());
    let first = disk.operations.load(Ordering::Relaxed);
    loop {
        let at = disk.operations.load(Ordering::Relaxed) - first;
        tale.push((at, disk.copy(), party.clone()));
        if at >= operations {
            store.close().await;
            return tale;
        }
        assert_eq!(party.step(&store).await, Ok(0));
        party.hear(&mut heard).expect("what was done");
    }
}

/// For each number of operations up to `most`, begins where the tale was a step before and fails
/// there.
async fn fail_after_each(most: usize, faults: impl Fn(usize) -> Fault + Copy + Send + 'static) {
    let tale = Arc::new(tale(most).await);
    let mut tasks = JoinSet::new();
    for first in 1..=SIDE_BY_SIDE {
        let tale = Arc::clone(&tale);
        tasks.spawn(async move {
            for after in (first..=most).step_by(SIDE_BY_SIDE) {
                let step = tale.partition_point(|(at, ..)| *at <= after) - 1;
                let (at, disk, party) = &tale[step];
                let (disk, mut party) = (disk.copy(), party.clone());
                let (store, mut heard) = party::open(disk.clone()).expect("a store");
                let fault = faults(after - at);
                let went = fail_once((&disk, &store), &mut party, &mut heard, fault).await;
                went.unwrap_or_else(|error| panic!("after {after} operations: {error}"));
                store.close().await;
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_after_any_number_of_operations() {
    fail_after_each(OPERATIONS, |after| Fault::after(after, ENOSPC)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_after_any_number_of_operations() {
    fail_after_each(OPERATIONS, |after| Fault::after(after, EIO)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_once_after_any_number_of_operations() {
    fail_after_each(HICCUPS, |after| Fault {
        times: 1,
        ..Fault::after(after, EIO)
    })
    .await;
}

/// Serves a store on this disk.
pub async fn serve(disk: &Disk) -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let config = world::config(folder.path(), Settings::default());
    let bus: Arc<dyn Bus> = Arc::new(Local::default());
    let (queue, bounds) = (config.write_queue, config.bounds);
    let store = Redb::open_backend(disk.clone(), queue, bounds, Arc::clone(&bus));
    let engine = Engine {
        store: Arc::new(store.expect("a store")),
        bus,
    };
    let data = Folder::create(&config.data).expect("a folder");
    let server = serve::start_on(&config, Clock::default(), &data, engine).await;
    World::on(server.expect("a server"), config, folder)
}

async fn add_age(world: &World, login: &Login) -> Answer {
    let request = world.request(Method::POST, "/api/v1/me/age");
    Answer::of(request.bearer_auth(&login.token)).await
}

async fn ready(world: &World) {
    let began = Instant::now();
    loop {
        let ready = world.ask(Method::GET, "/readyz", None).await;
        if ready.status == StatusCode::OK {
            return;
        }
        ready.expect_problem(503, "storage_failed");
        assert!(began.elapsed() < SOON, "it takes no writes");
    }
}

#[tokio::test]
async fn a_full_disk_is_told_by_its_code_and_readers_go_on_until_there_is_room() {
    let disk = Disk::new();
    let world = serve(&disk).await;
    let ann = world.account("ann").await;
    let mut socket = Socket::open(&world, &ann.token).await;
    assert_eq!(ann.add_age(&world).await, 1);
    assert_eq!(socket.next().await, message(1));

    let watcher = world.key(&["presence"]).await;
    assert!(watcher.sees(&world, "bellrope_store_ready 1").await);

    disk.set(Some(Fault::full()));
    let insert = world.request(Method::GET, "/api/insert");
    let insert = Answer::of(insert.bearer_auth(&ann.token)).await;
    assert_eq!(
        insert.json(),
        json!({ "code": -200, "message": "添加失败~" })
    );
    let refused = add_age(&world, &ann).await;
    refused.expect_problem(503, "storage_failed");
    assert!(refused.text.contains("takes no writes"), "{}", refused.text);
    let ready_not = world.ask(Method::GET, "/readyz", None).await;
    ready_not.expect_problem(503, "storage_failed");
    assert!(
        ready_not.text.contains("takes no writes"),
        "{}",
        ready_not.text
    );
    let alive = world.ask(Method::GET, "/healthz", None).await;
    alive.expect_status(StatusCode::OK);
    assert!(watcher.sees(&world, "bellrope_store_ready 0").await);
    // Reads go on, and nobody was told of what was not kept.
    assert_eq!(ann.age(&world).await, 1);
    let body = json!({ "username": "ann", "password": PASSWORD });
    let login = world.ask(Method::POST, "/api/v1/login", Some(body)).await;
    login.expect_problem(503, "storage_failed");
    socket.emit("message", json!("still there")).await;
    assert_eq!(socket.next().await, message("你好客户端, still there"));

    disk.set(None);
    ready(&world).await;
    assert_eq!(ann.add_age(&world).await, 2);
    assert_eq!(socket.next().await, message(2));
    world.login("ann", PASSWORD).await;
}

/// What nobody has read before is not in memory, and redb reads nothing more from a disk that failed.
#[tokio::test]
async fn what_was_never_read_before_is_read_while_the_disk_is_full() {
    let disk = Disk::new();
    let (mut party, store) = opened_anew(&disk).await;
    disk.set(Some(Fault::full()));
    assert!(party.step(&store).await.expect("a step") > 0);
    party.check(&store).await.expect("all that was answered");
}

/// One bad read, and redb reads nothing more: it must not stay so until somebody happens to write.
#[tokio::test]
async fn one_read_that_failed_does_not_end_the_others() {
    let disk = Disk::new();
    let (party, store) = opened_anew(&disk).await;
    disk.set(Some(Fault {
        times: 1,
        what: What::Reads,
        ..Fault::after(0, EIO)
    }));
    let failed = party.check(&store).await;
    assert!(failed.is_err_and(|error| error.contains("a read failed")));
    let began = Instant::now();
    while party.check(&store).await.is_err() {
        assert!(began.elapsed() < SOON, "nothing can be read any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_disk_that_can_be_neither_written_nor_read_is_the_end_of_the_process() {
    let disk = Disk::new();
    let mut party = Party::new(1);
    let (store, _) = party::open(disk.clone()).expect("a store");
    party.step(&store).await.expect("a step");
    disk.set(Some(Fault {
        what: What::Both,
        ..Fault::after(0, EIO)
    }));
    assert!(party.step(&store).await.expect("a step") > 0);
    let lost = tokio::time::timeout(SOON, store.lost()).await;
    lost.expect("the store says that it is lost");
    assert!(
        party.check(&store).await.is_err(),
        "an answer out of nothing"
    );
}

/// To redb an empty file is a new database, and all would be gone without a word.
#[tokio::test]
async fn a_file_that_was_emptied_meanwhile_is_not_taken_for_a_new_one() {
    let disk = Disk::new();
    let mut party = Party::new(1);
    let (store, _) = party::open(disk.clone()).expect("a store");
    party.step(&store).await.expect("a step");
    disk.set(Some(Fault::full()));
    assert!(party.step(&store).await.expect("a step") > 0);
    disk.empty();
    disk.set(None);
    let lost = tokio::time::timeout(SOON, store.lost()).await;
    lost.expect("the store says that it is lost");
    assert!(
        party.check(&store).await.is_err(),
        "an answer out of nothing"
    );
}

/// Enough for the log; the database has all but its first page beyond.
const FILE_BYTES: &str = "8192";

#[tokio::test]
async fn the_executable_goes_on_by_itself_when_there_is_room_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let password = add(&data, "ann");
    let server = Process::start_limited(&data, &[]);
    let ann = server.login("ann", &password).await;
    let mut socket = Socket::open(&server, &ann).await;
    let add_age = || server.ask(Method::POST, "/api/v1/me/age", &ann, None);
    let ready = || server.ask(Method::GET, "/readyz", "", None);

    server.limit_files(FILE_BYTES);
    for _ in 0..3 {
        add_age().await.expect_problem(503, "storage_failed");
        ready().await.expect_problem(503, "storage_failed");
        assert_eq!(server.age(&ann).await, 0);
    }
    server.limit_files("unlimited");
    let began = Instant::now();
    while ready().await.status != StatusCode::OK {
        assert!(began.elapsed() < SOON, "it takes no writes");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    add_age().await.expect_status(StatusCode::OK);
    assert_eq!(socket.next().await, message(1));
    let log = server.stop().await;
    let said = |words| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(said("the disk takes no writes"), 1, "{log}");
    assert_eq!(said("the disk takes writes again"), 1, "{log}");
}

#[tokio::test]
async fn the_executable_ends_with_a_failure_when_the_file_is_beyond_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let password = add(&data, "ann");
    let server = Process::start_limited(&data, &[]);
    let ann = server.login("ann", &password).await;
    server.limit_files(FILE_BYTES);
    // Whoever did this, there is nothing left to read.
    let file = std::fs::File::options()
        .write(true)
        .open(data.join("bellrope.redb"));
    file.expect("the file").set_len(0).expect("an empty file");
    let refused = server.ask(Method::POST, "/api/v1/me/age", &ann, None).await;
    refused.expect_problem(503, "storage_failed");
    let log = data.with_extension("log");
    assert_eq!(server.ended().await.code(), Some(1));
    let log = std::fs::read_to_string(log).expect("the log");
    assert!(log.contains("cannot be opened anew"), "{log}");
}
