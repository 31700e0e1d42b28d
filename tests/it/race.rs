//! The race between connecting and committing, by force: clients come, listen and leave without a
//! pause while their members are published to at full speed. Each must have been told every number
//! of its log, once and in order, by whichever way it came.
//!
//! 8 seconds; `RACE_SECONDS=600 cargo test --test it race::` makes it longer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bellrope::config::{Count, Settings};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::socket::{Heard, Socket, message};
use crate::world::{Login, World};

const SECONDS: u64 = 8;
const MEMBERS: usize = 3;
/// Of each member.
const CLIENTS: usize = 10;
const PUBLISHERS: usize = 4;
/// Fewer connects than this are no race.
const CONNECTS_MIN: u64 = 100;

/// What the publishers were answered: a member's title at each number.
type Said = Mutex<[BTreeMap<u64, String>; MEMBERS]>;

struct Race {
    world: World,
    members: [Login; MEMBERS],
    said: Said,
    titles: AtomicU64,
    connects: AtomicU64,
    recovered: AtomicU64,
    is_over: AtomicBool,
}

impl Race {
    fn is_young(&self) -> bool {
        self.connects.load(Ordering::Relaxed) < CONNECTS_MIN
            || self.recovered.load(Ordering::Relaxed) < CONNECTS_MIN / 2
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_connects_while_it_is_published_misses_nothing_and_hears_nothing_twice() {
    let seconds = std::env::var("RACE_SECONDS").map_or(SECONDS, |n| n.parse().expect("a number"));
    let world = World::forum_with(Settings {
        inbox_items_max: Some(Count(1_000_000)),
        log_changes_max: Some(Count(100_000)),
        ..Settings::default()
    })
    .await;
    let key = world.key(&["publish"]).await;
    let race = Arc::new(Race {
        members: std::array::from_fn(|who| world.member(&who.to_string())),
        world,
        said: Said::default(),
        titles: AtomicU64::default(),
        connects: AtomicU64::default(),
        recovered: AtomicU64::default(),
        is_over: AtomicBool::default(),
    });
    let mut clients = JoinSet::new();
    for who in 0..MEMBERS {
        for _ in 0..CLIENTS {
            let first = Client::enter(&race, who).await;
            clients.spawn(live(Arc::clone(&race), first));
        }
    }
    let mut publishers = JoinSet::new();
    for number in 0..PUBLISHERS {
        publishers.spawn(publish(Arc::clone(&race), key.clone(), number));
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // A busy machine takes longer for as much.
    let enough = async {
        while race.is_young() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let more = Duration::from_mins(2);
    let went = tokio::time::timeout(more, enough).await;
    went.expect("fewer connects than a race needs");
    race.is_over.store(true, Ordering::Relaxed);
    publishers.join_all().await;
    let clients = clients.join_all().await;
    for client in clients {
        client.check(&race).await;
    }
    let connects = race.connects.load(Ordering::Relaxed);
    let recovered = race.recovered.load(Ordering::Relaxed);
    let published = race.titles.load(Ordering::Relaxed);
    println!("{connects} connects, {recovered} by a cursor, against {published} notifications");
}

/// One by one, in batches, to one and to all, folding and not, without a pause.
async fn publish(race: Arc<Race>, key: Login, number: usize) {
    let all: Vec<_> = (0..MEMBERS).map(|who| who.to_string()).collect();
    for round in number.. {
        if race.is_over.load(Ordering::Relaxed) {
            return;
        }
        let draft = |to: Value, group: Option<&str>| {
            let title = race.titles.fetch_add(1, Ordering::Relaxed).to_string();
            json!({ "to": to, "kind": "k", "title": title, "group": group })
        };
        let drafts = match round % 4 {
            0 => vec![draft(json!(all), None)],
            1 => vec![draft(json!((round / 4 % MEMBERS).to_string()), None)],
            2 => vec![draft(json!(all), Some("g"))],
            _ => (0..5)
                .map(|at| draft(json!(all), (at % 2 == 0).then_some("h")))
                .collect(),
        };
        let body = json!({ "items": drafts });
        let (path, body) = match &drafts[..] {
            [draft] => ("/api/v1/notifications", draft.clone()),
            _ => ("/api/v1/notifications/batch", body),
        };
        let answer = key.post(&race.world, path, body).await;
        let answer = answer.expect_status(StatusCode::OK).json();
        let receipts = match answer["items"].as_array() {
            Some(receipts) => receipts.clone(),
            None => vec![answer],
        };
        let mut said = race.said.lock().expect("a lock");
        for (draft, receipt) in drafts.iter().zip(receipts) {
            for result in receipt["results"].as_array().expect("results") {
                let who: usize = text(&result["to"]).parse().expect("a member");
                let seq = result["seq"].as_u64().expect("a number");
                let other = said[who].insert(seq, text(&draft["title"]));
                assert_eq!(other, None, "two notifications have the number {seq}");
            }
        }
    }
}

/// A client over all its connections.
struct Client {
    who: usize,
    socket: Socket,
    epoch: String,
    /// The last number it was told.
    at: u64,
    /// What it was told at each number: the title, where it is known to be of then.
    told: BTreeMap<u64, Option<String>>,
}

impl Client {
    /// With an empty inbox.
    async fn enter(race: &Race, who: usize) -> Self {
        let socket = Socket::open(&race.world, &race.members[who].token).await;
        assert_eq!(socket.ready["seq"], 0);
        Self {
            who,
            epoch: text(&socket.ready["epoch"]),
            socket,
            at: 0,
            told: BTreeMap::new(),
        }
    }

    /// Leaves without a word and comes back by its cursor.
    async fn again(&mut self, race: &Race, is_v2: bool) {
        let (token, epoch, since) = (&race.members[self.who].token, &self.epoch, self.at);
        self.socket = if is_v2 {
            let query = format!("token={token}&epoch={epoch}&since={since}");
            let mut socket = Socket::connect_v2(&race.world, &query).await;
            assert_eq!(socket.next().await, message("hello"));
            socket.read_ready().await;
            socket
        } else {
            let auth = json!({ "token": token, "epoch": epoch, "since": since });
            Socket::open_with(&race.world, auth).await
        };
        race.connects.fetch_add(1, Ordering::Relaxed);
        race.recovered.fetch_add(1, Ordering::Relaxed);
        let ready = self.socket.ready.clone();
        self.take(&ready);
    }

    /// All of what it missed, up to the number of now.
    fn take(&mut self, ready: &Value) {
        assert_eq!(ready["recovered"], true, "since {}: {ready}", self.at);
        for change in ready["changes"].as_array().expect("changes") {
            self.hear(change, false);
        }
        assert_eq!(ready["seq"], self.at);
    }

    fn hear(&mut self, change: &Value, is_live: bool) {
        assert_eq!(change["seq"], self.at + 1, "{change}");
        self.at += 1;
        let item = &change["item"];
        // One that folded since is told as it is now.
        let is_of_then = is_live || item["seq"] == change["seq"];
        let title = is_of_then.then(|| text(&item["title"]));
        self.told.insert(self.at, title);
    }

    async fn next(&mut self) {
        match self.socket.next().await {
            Heard::Event(_, change) => self.hear(&change, true),
            other => panic!("{other:?} at {}", self.at),
        }
    }

    /// Asks again for the last few. What came before the answer is in it; the rest follows it.
    async fn sync(&mut self) {
        let since = self.at;
        let cursor = json!({ "epoch": self.epoch, "since": since });
        let ready = self.socket.ask("inbox.sync", cursor).await;
        self.take(&ready);
        let mut before = since;
        while let Some(heard) = self.socket.within(Duration::ZERO).await {
            let Heard::Event(_, change) = heard else {
                panic!("{heard:?} at {}", self.at);
            };
            if change["seq"].as_u64() <= ready["seq"].as_u64() {
                before += 1;
                assert_eq!(change["seq"], before, "after {since}: {change}");
            } else {
                self.hear(&change, true);
            }
        }
    }

    /// Catches up for the last time and compares.
    async fn check(mut self, race: &Race) {
        self.again(race, false).await;
        let said = &race.said.lock().expect("a lock")[self.who];
        assert!(self.told.keys().eq(said.keys()), "not what was published");
        for (seq, title) in &self.told {
            if let Some(title) = title {
                assert_eq!(title, &said[seq], "at {seq}");
            }
        }
    }
}

/// Comes, listens for a while and leaves, until it is over.
async fn live(race: Arc<Race>, mut client: Client) -> Client {
    for round in 0_u32.. {
        if race.is_over.load(Ordering::Relaxed) {
            break;
        }
        if round % 5 == 4 {
            stranger(&race, client.who).await;
        }
        client.again(&race, round % 3 == 2).await;
        for _ in 0..round % 4 {
            // Nothing more may come once it is over.
            if race.is_over.load(Ordering::Relaxed) {
                return client;
            }
            client.next().await;
        }
        if round % 2 == 0 {
            client.sync().await;
        }
    }
    client
}

/// A device that knows nothing: what follows `ready` begins with the next number.
async fn stranger(race: &Race, who: usize) {
    let mut socket = Socket::open(&race.world, &race.members[who].token).await;
    race.connects.fetch_add(1, Ordering::Relaxed);
    assert_eq!(socket.ready["recovered"], false);
    let mut at = socket.ready["seq"].as_u64().expect("a number");
    for _ in 0..3 {
        let Some(Heard::Event(_, change)) = socket.within(Duration::from_millis(200)).await else {
            return;
        };
        at += 1;
        assert_eq!(change["seq"], at, "{change}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
