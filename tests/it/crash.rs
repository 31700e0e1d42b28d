//! `kill -9` under load, again and again: what was answered is there, what was not is done once
//! when it is sent again, and the file always opens.
//!
//! 100 kills; `KILLS=1000 cargo test --test it crash::` makes it another number, and
//! `FILE_MB=1000` first fills the file up to that size.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::process::{Process, add, bellrope, run};
use crate::world::{SOON, client, draft};

const KILLS: u64 = 100;
/// A kill comes this long after the load began.
const MOMENT_MS_MIN: u32 = 2;
const MOMENT_MS_MAX: u32 = 500;
/// How long a server may take from its start, after a crash, until it is ready. The middle one
/// counts: a machine that builds something else at the same time holds up one or the other.
const READY_TIME_MAX: Duration = Duration::from_secs(2);
/// Clients of each member that insert, and that publish. One at a time is in flight from each.
const CLIENTS: usize = 2;
/// All that is published stays there to be read back.
const ARGUMENTS: [&str; 4] = ["--inbox-items-max", "1000000", "--log-changes-max", "10"];

/// A member, and what the publishers know of it.
struct Member {
    id: String,
    token: String,
    age: u64,
    answered: Arc<AtomicU64>,
    /// Asked for, and never answered.
    unknown: Arc<AtomicU64>,
    said: Arc<Mutex<Said>>,
    /// The last `seq` that was read back.
    seq: u64,
}

/// What was published to a member since the last look.
#[derive(Default)]
struct Said {
    /// `seq` and title.
    answered: BTreeMap<u64, String>,
    /// Titles, which are keys as well.
    unknown: Vec<String>,
}

/// What does the load.
#[derive(Clone)]
struct Caller {
    http: Client,
    key: String,
    /// Makes each title another.
    number: Arc<AtomicU64>,
}

impl Caller {
    /// Whether it was counted; any answer but that is none of a healthy server's.
    async fn insert(&self, url: &str, token: &str) -> bool {
        let answer = self.http.post(url).bearer_auth(token).send().await;
        let Ok(answer) = answer else { return false };
        let status = answer.status();
        let Ok(body) = answer.json::<Value>().await else {
            return false;
        };
        let is_counted = status.is_success() && body["code"] == 200;
        assert!(is_counted, "{status} {body}");
        true
    }

    /// The answer, if there was one, with the `seq` it was given.
    async fn publish(&self, url: &str, to: &str, title: &str) -> Option<u64> {
        let body = draft(json!({ "to": to, "title": title }));
        let request = self.http.post(url).bearer_auth(&self.key);
        let request = request.header("Idempotency-Key", title).json(&body);
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let body: Value = answer.json().await.ok()?;
        assert!(status.is_success(), "{status} {body}");
        let seq = body["results"][0]["seq"].as_u64();
        assert!(seq.is_some(), "{body}");
        seq
    }
}

impl Member {
    async fn new(server: &Process, name: &str, password: &str) -> Self {
        Self {
            id: format!("@{name}"),
            token: server.login(name, password).await,
            age: 0,
            answered: Arc::default(),
            unknown: Arc::default(),
            said: Arc::default(),
            seq: 0,
        }
    }

    /// Inserts and publishes without pause until the server is gone.
    fn load(&self, server: &Process, caller: &Caller, tasks: &mut JoinSet<()>) {
        for _ in 0..CLIENTS {
            let (caller, url) = (caller.clone(), server.url("/api/insert"));
            let token = self.token.clone();
            let (answered, unknown) = (Arc::clone(&self.answered), Arc::clone(&self.unknown));
            tasks.spawn(async move {
                while caller.insert(&url, &token).await {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                unknown.fetch_add(1, Ordering::Relaxed);
            });
        }
        for _ in 0..CLIENTS {
            let (caller, url) = (caller.clone(), server.url("/api/v1/notifications"));
            let (id, said) = (self.id.clone(), Arc::clone(&self.said));
            tasks.spawn(async move {
                loop {
                    let title = caller.number.fetch_add(1, Ordering::Relaxed).to_string();
                    let seq = caller.publish(&url, &id, &title).await;
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    let Some(seq) = seq else {
                        said.unknown.push(title);
                        return;
                    };
                    said.answered.insert(seq, title);
                }
            });
        }
    }

    /// Checks the age, and all that was published, against what is known since the last look.
    async fn check(&mut self, server: &Process, caller: &Caller) {
        let age = server.age(&self.token).await;
        let least = self.age + self.answered.swap(0, Ordering::Relaxed);
        let most = least + self.unknown.swap(0, Ordering::Relaxed);
        assert!((least..=most).contains(&age), "{least} <= {age} <= {most}");
        self.age = age;

        let mut said = std::mem::take(&mut *self.said.lock().expect("what was said"));
        // Sent again with its key, what was cut off is done once: now, or it was done then.
        let url = server.url("/api/v1/notifications");
        for title in said.unknown {
            let seq = caller.publish(&url, &self.id, &title).await;
            said.answered.insert(seq.expect("an answer"), title);
        }
        let kept = self.read_back(server).await;
        assert_eq!(kept, said.answered, "{}", self.id);
        let numbers = self.seq + 1..;
        let is_whole = numbers.zip(kept.keys()).all(|(seq, kept)| seq == *kept);
        assert!(is_whole, "{} has a gap: {kept:?}", self.id);
        self.seq += kept.len() as u64;
    }

    /// The titles of all items that came since the last look.
    async fn read_back(&self, server: &Process) -> BTreeMap<u64, String> {
        let mut kept = BTreeMap::new();
        let mut before = String::new();
        loop {
            let path = format!("/api/v1/inbox?limit=100{before}");
            let page = server.ask(Method::GET, &path, &self.token, None).await;
            assert!(page.status.is_success(), "{page:?}");
            let page = page.json();
            assert_eq!(page["counts"]["unread"], page["seq"], "{}", self.id);
            for item in page["items"].as_array().expect("items") {
                let seq = item["seq"].as_u64().expect("a number");
                if seq <= self.seq {
                    return kept;
                }
                let title = item["title"].as_str().expect("a title");
                assert!(kept.insert(seq, title.to_owned()).is_none());
            }
            let Some(next) = page["next"].as_u64() else {
                return kept;
            };
            before = format!("&before={next}");
        }
    }
}

/// A server that is ready, and how long it took.
async fn start(data: &Path) -> (Process, Duration) {
    let began = Instant::now();
    let server = Process::start(data, &ARGUMENTS);
    let ready = server.ask(Method::GET, "/readyz", "", None).await;
    assert!(ready.status.is_success(), "{ready:?}");
    (server, began.elapsed())
}

/// Publishes until the file is this large.
async fn fill(server: &Process, data: &Path, key: &str, megabytes: u64) {
    let size = || std::fs::metadata(data.join("bellrope.redb")).map_or(0, |file| file.len() >> 20);
    // 10 copies of 3 MB in each commit.
    let to: Vec<String> = (0..10).map(|i| format!("filler {i}")).collect();
    let long = json!({ "x": "x".repeat(15_000) });
    let item = draft(json!({ "to": to, "body": "y".repeat(3000), "data": long }));
    let batch = json!({ "items": vec![item; 160] });
    let http = Client::builder().timeout(SOON * 10).build().expect("HTTP");
    while size() < megabytes {
        let request = http.post(server.url("/api/v1/notifications/batch"));
        let answer = request.bearer_auth(key).json(&batch).send().await;
        assert!(answer.expect("an answer").status().is_success());
    }
}

fn number(name: &str) -> Option<u64> {
    let given = std::env::var(name).ok()?;
    Some(given.parse().expect("a number"))
}

#[tokio::test]
async fn nothing_answered_is_lost_however_often_it_is_killed() {
    let kills = number("KILLS").unwrap_or(KILLS);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let names = ["ann", "bob", "eve"];
    let passwords = names.map(|name| add(&data, name));
    let mut create = bellrope();
    create.args(["key", "create", "forum", "--scope", "publish", "--data"]);
    let key = run(create.arg(&data), "")
        .expect_done()
        .out
        .trim()
        .to_owned();
    let caller = Caller {
        http: client(),
        key,
        number: Arc::default(),
    };
    let (mut server, _) = start(&data).await;
    if let Some(megabytes) = number("FILE_MB") {
        fill(&server, &data, &caller.key, megabytes).await;
    }
    let mut starts = Vec::new();
    // Their sessions are opened once; all that follows comes in by them.
    let mut members = Vec::new();
    for (name, password) in names.iter().zip(&passwords) {
        members.push(Member::new(&server, name, password).await);
    }
    for _ in 0..kills {
        let mut tasks = JoinSet::new();
        for member in &members {
            member.load(&server, &caller, &mut tasks);
        }
        let chance = getrandom::u32().expect("chance");
        let moment_ms = MOMENT_MS_MIN + chance % (MOMENT_MS_MAX - MOMENT_MS_MIN);
        tokio::time::sleep(Duration::from_millis(moment_ms.into())).await;
        server.kill();
        tasks.join_all().await;
        let took;
        (server, took) = start(&data).await;
        starts.push(took);
        for member in &mut members {
            member.check(&server, &caller).await;
        }
    }
    starts.sort();
    let took = starts[starts.len() / 2];
    let longest = starts[starts.len() - 1];
    let counted: u64 = members.iter().map(|member| member.age + member.seq).sum();
    println!("{kills} kills, {counted} changes kept; ready after {took:?}, {longest:?} at most");
    assert!(took < READY_TIME_MAX, "ready after {took:?}");
    assert!(counted > kills * 10, "there was no load: {counted}");
    // And once more, all of it.
    for member in &mut members {
        let seq = std::mem::take(&mut member.seq);
        assert_eq!(member.read_back(&server).await.len() as u64, seq);
    }
    for (name, password) in names.iter().zip(&passwords) {
        server.login(name, password).await;
    }
}
