//! Members who insert, publish, read and archive on a real store, and what they know of it: after
//! an answer it must be where that says, after none there or one step before.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellrope::config::Bounds;
use bellrope::domain::clock::Clock;
use bellrope::domain::engine::{Bus, Store};
use bellrope::domain::event::Event;
use bellrope::domain::id::{ItemId, MemberId};
use bellrope::domain::inbox::{Act, Cursor, Filter, Item, Query, Selector, State};
use bellrope::domain::notification::{Content, Publication, Recipient};
use bellrope::engine::local::Local;
use bellrope::engine::redb::Redb;
use futures_util::future::join_all;
use redb::StorageBackend;
use tokio::sync::mpsc;

const MEMBERS: usize = 4;
const KINDS: usize = 3;
/// More than anybody here has.
const EVERY: usize = 100_000;

/// Chance that comes again with its seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = (mixed ^ (mixed >> 31)) % end as u64;
        usize::try_from(number).expect("less than that")
    }
}

/// Opens a store; what its commits tell comes out of the other end.
pub fn open(storage: impl StorageBackend) -> anyhow::Result<(Redb, Heard)> {
    let bus: Arc<dyn Bus> = Arc::new(Local::default());
    let heard = bus.subscribe();
    let bounds = Bounds {
        log_changes_max: EVERY,
        inbox_items_max: EVERY,
        ..Bounds::default()
    };
    Ok((Redb::open_backend(storage, 1024, bounds, bus)?, heard))
}

pub type Heard = mpsc::Receiver<Arc<[Event]>>;

/// Where a member stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stand {
    age: u64,
    seq: u64,
    /// By their `seq`.
    items: BTreeMap<u64, Shown>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    title: String,
    kind: String,
    group: Option<String>,
    state: State,
    count: u64,
}

impl From<&Item> for Shown {
    fn from(item: &Item) -> Self {
        Self {
            title: item.content.title.clone(),
            kind: item.content.kind.clone(),
            group: item.content.group.clone(),
            state: item.state,
            count: item.count,
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert,
    Publish(Arc<Content>),
    Read,
    Archive(String),
}

impl Step {
    /// The `number` makes what is published unlike anything else.
    fn any(chance: &mut Chance, number: usize) -> Self {
        let kind = format!("k{}", chance.below(KINDS));
        match chance.below(8) {
            0..2 => Self::Insert,
            2..6 => Self::Publish(content(chance, kind, number)),
            6 => Self::Read,
            _ => Self::Archive(kind),
        }
    }
}

fn content(chance: &mut Chance, kind: String, number: usize) -> Arc<Content> {
    let group = (chance.below(2) == 0).then(|| kind.clone());
    Arc::new(Content {
        title: format!("{number} {}", "x".repeat(chance.below(180))),
        body: "y".repeat(chance.below(600)),
        kind,
        url: None,
        actor: None,
        object: None,
        key: Some(number.to_string()),
        group,
        data: None,
        expires_at: None,
    })
}

impl Stand {
    fn after(&self, step: &Step) -> Self {
        let mut next = self.clone();
        match step {
            Step::Insert => next.age += 1,
            Step::Publish(content) => {
                next.seq += 1;
                let is_open = |item: &Shown| {
                    item.state == State::Unread
                        && item.group.is_some()
                        && item.group == content.group
                };
                let open = next.items.iter().rev().find(|(_, item)| is_open(item));
                let open = open
                    .map(|(seq, _)| *seq)
                    .and_then(|seq| next.items.remove(&seq));
                let shown = Shown {
                    title: content.title.clone(),
                    kind: content.kind.clone(),
                    group: content.group.clone(),
                    state: State::Unread,
                    count: open.map_or(1, |open| open.count + 1),
                };
                next.items.insert(next.seq, shown);
            }
            Step::Read => next.shift(|item| item.state == State::Unread, State::Read),
            Step::Archive(kind) => {
                let is_meant = |item: &Shown| item.state != State::Archived && item.kind == *kind;
                next.shift(is_meant, State::Archived);
            }
        }
        next
    }

    fn shift(&mut self, is_meant: impl Fn(&Shown) -> bool, to: State) {
        let mut meant = self
            .items
            .values_mut()
            .filter(|item| is_meant(item))
            .peekable();
        self.seq += u64::from(meant.peek().is_some());
        meant.for_each(|item| item.state = to);
    }
}

/// All of them, and where each stands for sure.
#[derive(Debug, Clone)]
pub struct Party {
    members: Vec<MemberId>,
    pub stands: Vec<Stand>,
    /// Where those are perhaps whose last step was not answered.
    perhaps: Vec<Option<Stand>>,
    /// The last age and `seq` that was told.
    told: Vec<(u64, u64)>,
    chance: Chance,
    number: usize,
    clock: Clock,
}

impl Party {
    pub fn new(seed: u64) -> Self {
        let member = |i| MemberId::trusted(format!("member {i}"));
        Self {
            members: (0..MEMBERS).map(member).collect(),
            stands: vec![Stand::default(); MEMBERS],
            perhaps: vec![None; MEMBERS],
            told: vec![(0, 0); MEMBERS],
            chance: Chance(seed),
            number: 0,
            clock: Clock::default(),
        }
    }

    /// A step of each, all in flight together, or one publish to all. Says how many of them were
    /// refused; each must be with the code of a disk that failed.
    pub async fn step(&mut self, store: &dyn Store) -> Result<usize, String> {
        self.number += 1;
        let is_for_all = self.chance.below(4) == 0;
        let mut steps: Vec<Step> = (0..MEMBERS)
            .map(|i| Step::any(&mut self.chance, self.number * MEMBERS + i))
            .collect();
        let answers = if is_for_all {
            let kind = format!("k{}", self.chance.below(KINDS));
            let content = content(&mut self.chance, kind, self.number * MEMBERS);
            steps.fill(Step::Publish(Arc::clone(&content)));
            let answer = self.publish(store, content, &self.members).await;
            vec![answer; MEMBERS]
        } else {
            let takes = self.members.iter().zip(&steps);
            join_all(takes.map(|(member, step)| self.take(store, member, step))).await
        };
        let mut refused = 0;
        for (i, answer) in answers.into_iter().enumerate() {
            let next = self.stands[i].after(&steps[i]);
            match answer {
                Ok(()) => self.stands[i] = next,
                Err("storage_failed") => {
                    refused += 1;
                    self.perhaps[i] = Some(next);
                }
                Err(code) => return Err(format!("refused with {code}")),
            }
        }
        Ok(refused)
    }

    async fn take(
        &self,
        store: &dyn Store,
        member: &MemberId,
        step: &Step,
    ) -> Result<(), &'static str> {
        let now = self.clock.now();
        let done = match step {
            Step::Insert => store.increment(member, now).await.map(drop),
            Step::Publish(content) => {
                let to = std::slice::from_ref(member);
                return self.publish(store, Arc::clone(content), to).await;
            }
            Step::Read => {
                let read = store.change_items(member, Act::Read, Selector::All, now);
                read.await.map(drop)
            }
            Step::Archive(kind) => {
                let selector = Selector::Kind(kind.clone());
                let archive = store.change_items(member, Act::Archive, selector, now);
                archive.await.map(drop)
            }
        };
        done.map_err(|error| error.code())
    }

    async fn publish(
        &self,
        store: &dyn Store,
        content: Arc<Content>,
        to: &[MemberId],
    ) -> Result<(), &'static str> {
        let to = to.iter().cloned();
        let publication = Publication {
            id: ItemId::new(self.clock.now()),
            content,
            to: to.map(|member| Recipient { member, sockets: 0 }).collect(),
        };
        let published = store.publish(vec![publication], None, self.clock.now());
        published.await.map(drop).map_err(|error| error.code())
    }

    /// Checks that everybody stands where they must, or where they are perhaps.
    pub async fn check(&self, store: &dyn Store) -> Result<Vec<Stand>, String> {
        let mut found = Vec::new();
        for (i, member) in self.members.iter().enumerate() {
            let stand = self.look(store, member).await?;
            let is_perhaps = self.perhaps[i].as_ref() == Some(&stand);
            if stand != self.stands[i] && !is_perhaps {
                let (sure, perhaps) = (&self.stands[i], &self.perhaps[i]);
                return Err(format!(
                    "{member} stands at\n{stand:?}, not at\n{sure:?}, nor at\n{perhaps:?}"
                ));
            }
            found.push(stand);
        }
        Ok(found)
    }

    /// From now on what was found is sure.
    pub fn settle(&mut self, found: Vec<Stand>) {
        self.stands = found;
        self.perhaps = vec![None; MEMBERS];
    }

    /// The party as it is if what it did last is done, or not.
    pub fn between(mut self, next: &Self) -> Self {
        self.perhaps = next.stands.iter().cloned().map(Some).collect();
        self
    }

    /// Takes in what was told: each number is the one after the last.
    pub fn hear(&mut self, heard: &mut Heard) -> Result<(), String> {
        while let Ok(events) = heard.try_recv() {
            for event in events.iter() {
                let (member, is_next) = match event {
                    Event::Counted { member, age } => (member, (*age, None)),
                    Event::Changed { member, change, .. } => (member, (0, Some(change.seq))),
                    other => return Err(format!("{other:?} was told")),
                };
                let at = self.members.iter().position(|known| known == member);
                let (age, seq) = &mut self.told[at.ok_or("somebody else was told")?];
                let (last, number) = match is_next {
                    (number, None) => (age, number),
                    (_, Some(number)) => (seq, number),
                };
                if number != *last + 1 {
                    return Err(format!("{member} was told {number} after {last}"));
                }
                *last = number;
            }
        }
        Ok(())
    }

    /// Checks that all that is there was told, and nothing else.
    pub fn check_told(&self) -> Result<(), String> {
        let stands: Vec<_> = self
            .stands
            .iter()
            .map(|stand| (stand.age, stand.seq))
            .collect();
        if self.told != stands {
            return Err(format!("told {:?}, and there is {stands:?}", self.told));
        }
        Ok(())
    }

    /// Where a member stands in the store, which must agree with itself.
    async fn look(&self, store: &dyn Store, member: &MemberId) -> Result<Stand, String> {
        let code = |error: bellrope::domain::error::Error| format!("a read failed: {error:?}");
        let mut items = BTreeMap::new();
        let mut unread = 0;
        for filter in [Filter::All, Filter::Archived] {
            let query = Query {
                filter,
                kind: None,
                before: None,
                limit: EVERY,
            };
            for item in store.page(member, &query).await.map_err(code)?.items {
                unread += u64::from(item.state == State::Unread);
                items.insert(item.seq.unwrap_or_default(), Shown::from(&item));
            }
        }
        let standing = store.standing(member).await.map_err(code)?;
        let counts = standing.counts;
        if (counts.unread, counts.unseen) != (unread, unread) {
            return Err(format!(
                "{member} has {unread} unread items, and {counts:?}"
            ));
        }
        let cursor = Cursor {
            epoch: standing.epoch,
            since: standing.seq.saturating_sub(100),
        };
        let replay = store.replay(member, Some(&cursor), self.clock.now());
        let replay = replay.await.map_err(code)?;
        let changes = replay.changes.ok_or("the log has a hole")?;
        if !(cursor.since + 1..=standing.seq).eq(changes.iter().map(|change| change.seq)) {
            return Err(format!("the log of {member} is not whole"));
        }
        Ok(Stand {
            age: store.counter(member).await.map_err(code)?.age,
            seq: standing.seq,
            items,
        })
    }
}
