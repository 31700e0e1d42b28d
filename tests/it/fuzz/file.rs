//! A database whose rows somebody else has been at: each answer is right or a refusal.

use std::path::Path;
use std::time::{Duration, Instant};

use redb::{
    Database, Key, ReadableTable as _, ReadableTableMetadata as _, TableDefinition,
    TableHandle as _, WriteTransaction,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::dice::{self, Dice};
use crate::process::Process;
use crate::world::{self, Answer, Login, PASSWORD, World, draft};

type Rows<K> = TableDefinition<'static, K, &'static [u8]>;
const ACCOUNT: Rows<&str> = TableDefinition::new("account");
const SESSION: Rows<(&str, &str)> = TableDefinition::new("session");
const COUNTER: Rows<&str> = TableDefinition::new("counter");
const MEMBER: Rows<&str> = TableDefinition::new("member");
const ITEM: Rows<(&str, u128)> = TableDefinition::new("item");
const PART: Rows<(&str, u128, u32)> = TableDefinition::new("part");
const LOG: Rows<(&str, u64)> = TableDefinition::new("log");
const MUTED: Rows<&str> = TableDefinition::new("muted");
const KEY: Rows<&str> = TableDefinition::new("key");
const CALL: Rows<&str> = TableDefinition::new("call");

/// Rounds at least, however long one takes.
const ROUNDS_MIN: u64 = 10;

#[tokio::test]
async fn rows_that_were_changed_are_refused_or_read() {
    let mut world = World::new().await;
    let (ann, key) = fill(&world).await;
    world.stop().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (seed, seconds) = (dice::seed(), dice::seconds());
    println!("FUZZ_SEED={seed} FUZZ_SECONDS={seconds}");
    let ends = Instant::now() + Duration::from_secs(seconds);
    for round in 0.. {
        if round >= ROUNDS_MIN && Instant::now() > ends {
            break;
        }
        let data = folder.path().join(round.to_string());
        copy(&world.config.data, &data);
        let mut dice = Dice::new(seed.wrapping_add(round));
        let database = Database::open(data.join("bellrope.redb")).expect("the file");
        let write = database.begin_write().expect("a write");
        for _ in 0..=dice.below(3) {
            spoil_one(&write, &mut dice);
        }
        write.commit().expect("a commit");
        drop(database);
        let log = match Process::try_start(&data, &[]) {
            Ok(server) => {
                visit(&server, &ann, &key).await;
                server.stop().await
            }
            Err(said) => said,
        };
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Every kind of row.
async fn fill(world: &World) -> (Login, Login) {
    let ann = world.account("ann").await;
    ann.add_age(world).await;
    let key = world.key(&["publish", "inbox", "presence", "admin"]).await;
    for number in 0..4 {
        let actor = json!({ "id": number.to_string() });
        let said = json!({ "to": ["@ann", "42"], "actor": actor, "group": "g", "key": number.to_string() });
        key.publish(world, said).await;
        key.publish(world, json!({ "to": "@ann", "data": { "n": number } }))
            .await;
    }
    let muted = json!({ "muted": { "kinds": ["k"], "groups": [], "actors": ["9"] } });
    ann.put(world, "/api/v1/inbox/preferences", muted).await;
    ann.post(world, "/api/v1/inbox/read", json!({ "through": 3 }))
        .await;
    repeated(&world.url(PUBLISH), &key).await;
    (ann, key)
}

const PUBLISH: &str = "/api/v1/notifications";

/// A call that has a record.
async fn repeated(url: &str, key: &Login) -> Answer {
    let request = world::client().post(url).bearer_auth(&key.token);
    let said = draft(json!({ "to": "@ann" }));
    Answer::of(request.header("Idempotency-Key", "one").json(&said)).await
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        // The control socket of the one that has stopped is no file.
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
}

fn spoil_one(write: &WriteTransaction, dice: &mut Dice) {
    match dice.below(10) {
        0 => spoil(write, ACCOUNT, dice),
        1 => spoil(write, SESSION, dice),
        2 => spoil(write, COUNTER, dice),
        3 => spoil(write, MEMBER, dice),
        4 => spoil(write, ITEM, dice),
        5 => spoil(write, PART, dice),
        6 => spoil(write, LOG, dice),
        7 => spoil(write, MUTED, dice),
        8 => spoil(write, KEY, dice),
        _ => spoil(write, CALL, dice),
    }
}

/// Changes a row's bytes, or takes it away: then what others say of it is wrong.
fn spoil<K: Key + 'static>(write: &WriteTransaction, rows: Rows<K>, dice: &mut Dice) {
    let mut table = write.open_table(rows).expect("a table");
    let at = dice.below(usize::try_from(table.len().expect("a length")).expect("a number"));
    let row = table.iter().expect("rows").nth(at).map(|row| {
        let (key, value) = row.expect("a row");
        (
            K::as_bytes(&key.value()).as_ref().to_vec(),
            value.value().to_vec(),
        )
    });
    let Some((key, mut bytes)) = row else { return };
    println!("{} {at}: {}", rows.name(), bytes.escape_ascii());
    match dice.below(4) {
        0 => {
            table.remove(K::from_bytes(&key)).expect("a row");
        }
        // One number in it, so that it is still a row.
        1 | 2 if bytes.len() > 1 => {
            let at = 1 + dice.below(bytes.len() - 1);
            bytes[at] = u8::try_from(dice.below(251)).expect("a byte");
            table
                .insert(K::from_bytes(&key), bytes.as_slice())
                .expect("a row");
        }
        _ => {
            dice.mutate(&mut bytes, &[]);
            table
                .insert(K::from_bytes(&key), bytes.as_slice())
                .expect("a row");
        }
    }
    println!("    {}", bytes.escape_ascii());
}

/// Asks and writes what concerns every row.
async fn visit(server: &Process, ann: &Login, key: &Login) {
    let asked: [(Method, &str, &Login, Option<Value>); 12] = [
        (Method::GET, "/api/v1/me", ann, None),
        (Method::GET, "/api/v1/me/sessions", ann, None),
        (Method::GET, "/api/v1/inbox", ann, None),
        (Method::GET, "/api/v1/inbox?state=unread&limit=1", ann, None),
        (Method::POST, "/api/v1/me/age", ann, None),
        (
            Method::POST,
            PUBLISH,
            key,
            Some(draft(
                json!({ "to": ["@ann", "42"], "group": "g", "key": "1" }),
            )),
        ),
        (
            Method::POST,
            PUBLISH,
            key,
            Some(draft(json!({ "to": "*", "group": "g" }))),
        ),
        (
            Method::POST,
            "/api/v1/inbox/unread",
            ann,
            Some(json!({ "all": true })),
        ),
        (
            Method::POST,
            "/api/v1/inbox/archive",
            ann,
            Some(json!({ "group": "g" })),
        ),
        (Method::DELETE, "/api/v1/notifications/by-key/2", key, None),
        (Method::GET, "/api/v1/accounts", key, None),
        (Method::DELETE, "/api/v1/users/42", key, None),
    ];
    let mut answers = vec![
        server.try_login("ann", PASSWORD).await,
        repeated(&server.url(PUBLISH), key).await,
    ];
    for (method, path, who, body) in asked {
        answers.push(server.ask(method, path, &who.token, body).await);
    }
    for answer in answers {
        if answer.status.is_server_error() {
            answer.expect_problem(503, "storage_failed");
        }
    }
    // Whatever it said of the rows, it answers still.
    let alive = Answer::of(world::client().get(server.url("/healthz"))).await;
    assert_eq!(alive.text, "ok\n");
}
