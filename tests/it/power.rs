//! Power that is cut at any moment: of what was written and not synced, the disk keeps some sectors
//! and forgets others, and the power may go again while the file is being repaired.
//!
//! 900 cuts; `CUTS=9000 cargo test --test it power::` makes it another number, and `SEED=...` tells
//! the story of a failure again.

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use bellrope::domain::engine::Store as _;
use redb::{Database, StorageBackend};

use crate::party::{self, Chance, Party};

const CUTS: usize = 900;
/// Cuts of one workload, of which only the power's moments differ.
const CUTS_EACH: usize = 100;
/// Steps of a workload.
const STEPS: usize = 60;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What was asked of the disk.
#[derive(Debug, Clone)]
enum Operation {
    Write(u64, Arc<[u8]>),
    SetLen(u64),
    Sync,
}

/// A disk that remembers how it came to hold what it holds.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    journal: Vec<Operation>,
}

impl Disk {
    fn of(bytes: Vec<u8>) -> Self {
        let journal = Vec::new();
        Self(Arc::new(Mutex::new(State { bytes, journal })))
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.0.lock().expect("a disk"))
    }

    fn journal(&self) -> Vec<Operation> {
        self.with(|state| state.journal.clone())
    }

    fn operations(&self) -> usize {
        self.with(|state| state.journal.len())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> std::io::Result<u64> {
        self.with(|state| Ok(state.bytes.len() as u64))
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let at = usize::try_from(offset).expect("an offset");
        self.with(|state| match state.bytes.get(at..at + out.len()) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(std::io::ErrorKind::UnexpectedEof.into()),
        })
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.with(|state| {
            state.journal.push(Operation::SetLen(len));
            set_len(&mut state.bytes, len);
        });
        Ok(())
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.with(|state| state.journal.push(Operation::Sync));
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.with(|state| {
            state.journal.push(Operation::Write(offset, data.into()));
            write(&mut state.bytes, offset, data);
        });
        Ok(())
    }
}

fn set_len(bytes: &mut Vec<u8>, len: u64) {
    bytes.resize(usize::try_from(len).expect("a length"), 0);
}

fn write(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let at = usize::try_from(offset).expect("an offset");
    bytes.resize(bytes.len().max(at + data.len()), 0);
    bytes[at..at + data.len()].copy_from_slice(data);
}

/// What the disk holds on which these operations were done, and then the power was cut.
fn after_the_cut(before: &[u8], journal: &[Operation], chance: &mut Chance) -> Vec<u8> {
    let synced = journal
        .iter()
        .rposition(|done| matches!(done, Operation::Sync));
    let (sure, loose) = journal.split_at(synced.map_or(0, |at| at + 1));
    let mut bytes = before.to_vec();
    for done in sure {
        match done {
            Operation::Write(offset, data) => write(&mut bytes, *offset, data),
            Operation::SetLen(len) => set_len(&mut bytes, *len),
            Operation::Sync => {}
        }
    }
    // How much of the rest the disk had come to: nothing, all, or anything between.
    let likely = chance.below(5);
    for done in loose {
        match done {
            Operation::Write(offset, data) => {
                for (i, sector) in data.chunks(SECTOR).enumerate() {
                    if chance.below(4) < likely {
                        write(&mut bytes, offset + (i * SECTOR) as u64, sector);
                    }
                }
            }
            Operation::SetLen(len) if chance.below(4) < likely => set_len(&mut bytes, *len),
            Operation::SetLen(_) | Operation::Sync => {}
        }
    }
    bytes
}

/// What the members did, and how far the disk was when they were answered.
struct Workload {
    journal: Vec<Operation>,
    answered: Vec<(usize, Party)>,
}

impl Workload {
    async fn new(seed: u64) -> Self {
        let disk = Disk::default();
        let (store, _heard) = party::open(disk.clone()).expect("a store");
        let mut party = Party::new(seed);
        let mut answered = vec![(disk.operations(), party.clone())];
        for _ in 0..STEPS {
            assert_eq!(party.step(&store).await, Ok(0));
            answered.push((disk.operations(), party.clone()));
        }
        let journal = disk.journal();
        store.close().await;
        Self { journal, answered }
    }

    /// Cuts the power at a moment that chance chooses, and checks that what was answered before it
    /// is there.
    async fn cut(&self, chance: &mut Chance) -> Result<(), String> {
        // Before it there is no database, and nothing to lose.
        let first = self.answered[0].0;
        let moment = first + chance.below(self.journal.len() - first + 1);
        let last = self.answered.partition_point(|(at, _)| *at <= moment) - 1;
        let (_, party) = &self.answered[last];
        let party = match self.answered.get(last + 1) {
            Some((_, next)) => party.clone().between(next),
            None => party.clone(),
        };
        let mut bytes = after_the_cut(&[], &self.journal[..moment], chance);
        // Again, while it is repaired.
        if chance.below(2) == 0 {
            let disk = Disk::of(bytes.clone());
            let opened = party::open(disk.clone()).map_err(|error| format!("{error:#}"))?;
            let journal = disk.journal();
            drop(opened);
            let moment = chance.below(journal.len() + 1);
            bytes = after_the_cut(&bytes, &journal[..moment], chance);
        }
        let disk = Disk::of(bytes);
        let mut database = Database::builder()
            .create_with_backend(disk.clone())
            .map_err(|error| format!("it does not open: {error}"))?;
        if !matches!(database.check_integrity(), Ok(true)) {
            return Err("its pages are not whole".to_owned());
        }
        drop(database);
        let (store, _heard) = party::open(disk).map_err(|error| format!("{error:#}"))?;
        let found = party.check(&store).await;
        store.close().await;
        found.map(drop)
    }
}

fn given<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    let given = std::env::var(name).ok()?;
    Some(given.parse().expect("a number"))
}

#[tokio::test]
async fn nothing_answered_is_lost_or_torn_whenever_the_power_is_cut() {
    let cuts = given("CUTS").unwrap_or(CUTS);
    let seed = given("SEED").unwrap_or_else(|| getrandom::u64().expect("chance"));
    for first in (0..cuts).step_by(CUTS_EACH) {
        let workload = Workload::new(seed.wrapping_add(first as u64)).await;
        for cut in first..cuts.min(first + CUTS_EACH) {
            let went = workload
                .cut(&mut Chance(seed.wrapping_add(cut as u64)))
                .await;
            went.unwrap_or_else(|error| panic!("SEED={seed}, cut {cut}: {error}"));
        }
    }
}

/// The control: on a disk that only says that it has synced, the same check finds losses.
#[tokio::test]
async fn without_syncs_the_same_cuts_lose_what_was_answered() {
    let seed = getrandom::u64().expect("chance");
    let mut workload = Workload::new(seed).await;
    // The file was made, and then nothing was synced any more.
    let made = workload.answered[0].0;
    let mut at = 0;
    workload.journal.retain(|done| {
        at += 1;
        at <= made || !matches!(done, Operation::Sync)
    });
    // All was answered by the end of what is left.
    let end = workload.journal.len();
    let (_, all) = workload.answered.pop().expect("the last");
    workload.answered = vec![(end, all)];
    let mut lost = 0;
    for cut in 0..20 {
        let workload = Workload {
            journal: workload.journal.clone(),
            answered: workload.answered.clone(),
        };
        let mut chance = Chance(seed.wrapping_add(cut));
        // Such a file may even make redb panic.
        let went = tokio::spawn(async move { workload.cut(&mut chance).await }).await;
        lost += u32::from(!matches!(went, Ok(Ok(()))));
    }
    assert!(
        lost > 0,
        "SEED={seed}: nothing was lost, so the check finds nothing"
    );
}
