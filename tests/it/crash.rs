//! `kill -9` under load, again and again: what was answered is there, and the file always opens.
//!
//! 40 kills; `KILLS=1000 cargo test --test it crash::` makes it another number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::process::{Process, add};
use crate::world::client;

const KILLS: u32 = 40;
/// A kill comes this long after the load began.
const MOMENT_MS_MIN: u32 = 2;
const MOMENT_MS_MAX: u32 = 500;
/// How long a server may take from its start, after a crash, until it is ready. The middle one
/// counts: a machine that builds something else at the same time holds up one or the other.
const READY_TIME_MAX: Duration = Duration::from_secs(2);
/// Clients of each member. One at a time is in flight from each.
const CLIENTS: usize = 2;

/// A member, and what the publishers know of the inserts.
struct Member {
    token: String,
    age: u64,
    answered: Arc<AtomicU64>,
    /// Asked for, and never answered.
    unknown: Arc<AtomicU64>,
}

impl Member {
    async fn new(server: &Process, name: &str, password: &str) -> Self {
        Self {
            token: server.login(name, password).await,
            age: 0,
            answered: Arc::default(),
            unknown: Arc::default(),
        }
    }

    /// Inserts without pause until the server is gone.
    fn load(&self, server: &Process, tasks: &mut JoinSet<()>) {
        let http = client();
        for _ in 0..CLIENTS {
            let (http, url) = (http.clone(), server.url("/api/insert"));
            let token = self.token.clone();
            let (answered, unknown) = (Arc::clone(&self.answered), Arc::clone(&self.unknown));
            tasks.spawn(async move {
                while insert(&http, &url, &token).await {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                unknown.fetch_add(1, Ordering::Relaxed);
            });
        }
    }

    /// Checks the age against what is known since the last look.
    async fn check(&mut self, server: &Process) {
        let age = server.age(&self.token).await;
        let least = self.age + self.answered.swap(0, Ordering::Relaxed);
        let most = least + self.unknown.swap(0, Ordering::Relaxed);
        assert!((least..=most).contains(&age), "{least} <= {age} <= {most}");
        self.age = age;
    }
}

/// Whether it was answered; any answer but "counted" is none of a healthy server's.
async fn insert(http: &Client, url: &str, token: &str) -> bool {
    let request = http.post(url).bearer_auth(token);
    let Ok(answer) = request.send().await else {
        return false;
    };
    let status = answer.status();
    let Ok(body) = answer.json::<Value>().await else {
        return false;
    };
    assert!(
        status.is_success() && body["code"] == 200,
        "{status} {body}"
    );
    true
}

/// A server that is ready, and how long it took.
async fn start(data: &std::path::Path) -> (Process, Duration) {
    let began = Instant::now();
    let server = Process::start(data, &[]);
    let ready = server.ask(Method::GET, "/readyz", "", None).await;
    assert!(ready.status.is_success(), "{ready:?}");
    (server, began.elapsed())
}

#[tokio::test]
async fn no_answered_insert_is_lost_however_often_it_is_killed() {
    let kills = std::env::var("KILLS").map_or(KILLS, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let names = ["ann", "bob", "eve"];
    let passwords = names.map(|name| add(&data, name));
    let (mut server, _) = start(&data).await;
    let mut starts = Vec::new();
    // Their sessions are opened once; all that follows comes in by them.
    let mut members = Vec::new();
    for (name, password) in names.iter().zip(&passwords) {
        members.push(Member::new(&server, name, password).await);
    }
    for _ in 0..kills {
        let mut tasks = JoinSet::new();
        for member in &members {
            member.load(&server, &mut tasks);
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
            member.check(&server).await;
        }
    }
    starts.sort();
    let took = starts[starts.len() / 2];
    assert!(took < READY_TIME_MAX, "ready after {took:?}");
    let counted: u64 = members.iter().map(|member| member.age).sum();
    assert!(
        counted > u64::from(kills) * 10,
        "there was no load: {counted}"
    );
    for (name, password) in names.iter().zip(&passwords) {
        server.login(name, password).await;
    }
}
