//! What an inbox costs by its length: counts, the first page, a replay of 500 changes and a publish
//! at 10, 1,000 and 100,000 items. `cargo bench --bench inbox` prints the table; the ratios count,
//! the times are the machine's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellrope::config::Bounds;
use bellrope::domain::clock::Clock;
use bellrope::domain::engine::Store;
use bellrope::domain::id::{ItemId, MemberId};
use bellrope::domain::inbox::{Cursor, Filter, Query};
use bellrope::domain::notification::{Content, Publication, Recipient};
use bellrope::engine;
use tempfile::TempDir;

const SIZES: [usize; 3] = [10, 1_000, 100_000];
/// Items of one commit while an inbox is filled.
const FILL: usize = 1_000;
const REPLAYED: u64 = 500;
/// The newest items, which the replayed changes are of.
const EDITED: usize = 10;
/// Each size in turn, so that whatever else the machine does meets all of them.
const ROUNDS: usize = 60;

/// An inbox of so many items, alone in its file.
struct Inbox {
    store: Arc<dyn Store>,
    clock: Clock,
    member: MemberId,
    cursor: Cursor,
    _folder: TempDir,
}

impl Inbox {
    async fn new(items: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bounds = Bounds {
            inbox_items_max: usize::MAX,
            ..Bounds::default()
        };
        let engine = engine::open(&folder.path().join("bellrope.redb"), 64, bounds);
        let mut inbox = Self {
            store: engine.expect("a store").store,
            clock: Clock::default(),
            member: MemberId::parse("42", "to").expect("an id"),
            cursor: Cursor {
                epoch: String::new(),
                since: 0,
            },
            _folder: folder,
        };
        let numbers: Vec<_> = (0..items).collect();
        for numbers in numbers.chunks(FILL) {
            inbox.publish(numbers, "t").await;
        }
        // The same key with other words: a change that adds nothing.
        let mut words = 0_u64;
        while words < REPLAYED {
            let title = words.to_string();
            inbox.publish(&numbers[items - EDITED..], &title).await;
            words += EDITED as u64;
        }
        let standing = inbox.store.standing(&inbox.member).await.expect("counts");
        assert_eq!(standing.counts.unread, items as u64);
        inbox.cursor = Cursor {
            epoch: standing.epoch,
            since: standing.seq - REPLAYED,
        };
        inbox
    }

    /// One commit.
    async fn publish(&self, numbers: &[usize], title: &str) {
        let now = self.clock.now();
        let publication = |number: &usize| Publication {
            id: ItemId::new(now),
            content: Arc::new(Content {
                kind: "like".to_owned(),
                title: title.to_owned(),
                body: String::new(),
                url: None,
                actor: None,
                object: None,
                key: Some(number.to_string()),
                group: None,
                data: None,
                expires_at: None,
            }),
            to: vec![Recipient {
                member: self.member.clone(),
                sockets: 0,
            }],
        };
        let publications = numbers.iter().map(publication).collect();
        let published = self.store.publish(publications, None, now).await;
        published.expect("a commit");
    }

    async fn counts(&self) {
        self.store.standing(&self.member).await.expect("counts");
    }

    async fn first_page(&self) {
        let query = Query {
            filter: Filter::All,
            kind: None,
            before: None,
            limit: SIZES[0],
        };
        let page = self.store.page(&self.member, &query).await;
        assert_eq!(page.expect("a page").items.len(), SIZES[0]);
    }

    async fn replay(&self) {
        let (cursor, now) = (Some(&self.cursor), self.clock.now());
        let replay = self.store.replay(&self.member, cursor, now).await;
        let changes = replay.expect("a replay").changes.expect("the whole of it");
        assert_eq!(changes.len() as u64, REPLAYED);
    }
}

/// The middle times of an operation, by size.
fn row(name: &str, mut times: [Vec<Duration>; SIZES.len()]) {
    let middle = times.each_mut().map(|times| {
        times.sort();
        times[times.len() / 2]
    });
    let first = middle[0].as_secs_f64();
    let cell = |time: &Duration| {
        let us = time.as_secs_f64() * 1e6;
        format!("{us:>10.1} us {:>5.2} x", us / 1e6 / first)
    };
    let cells: Vec<_> = middle.iter().map(cell).collect();
    println!("{name:<26}{}", cells.join("  "));
}

/// Times an operation on each inbox in turn, some calls at a time.
macro_rules! measure {
    ($name:literal, $inboxes:ident, $calls:literal, |$inbox:ident, $number:ident| $call:expr) => {{
        let mut times = [const { Vec::new() }; SIZES.len()];
        for round in 0..ROUNDS {
            for ($inbox, times) in $inboxes.iter().zip(&mut times) {
                for call in 0..$calls {
                    let $number = round * $calls + call;
                    let began = Instant::now();
                    $call.await;
                    times.push(began.elapsed());
                }
            }
        }
        row($name, times);
    }};
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Only `cargo bench` says this; a test run has no time for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut inboxes = Vec::new();
    for size in SIZES {
        inboxes.push(Inbox::new(size).await);
    }
    println!(
        "{:<26}{:>13}{:>23}{:>23}",
        "items", "10", "1,000", "100,000"
    );
    measure!("counts", inboxes, 100, |inbox, _number| inbox.counts());
    measure!("first page of 10", inboxes, 20, |inbox, _number| inbox
        .first_page());
    measure!("replay of 500 changes", inboxes, 5, |inbox, _number| inbox
        .replay());
    // Its commit waits for the disk.
    measure!("edit, one commit", inboxes, 3, |inbox, number| async {
        inbox.publish(&[0], &format!("again {number}")).await;
    });
    measure!("publish, one commit", inboxes, 3, |inbox, number| async {
        inbox.publish(&[1_000_000 + number], "new").await;
    });
    for inbox in &inboxes {
        inbox.store.close().await;
    }
}
