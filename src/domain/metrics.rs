//! What a running server counts, and how it is read. Each meter is kept where it happens, by an atomic
//! that nobody waits for; what can be asked of what is there is asked, and not counted.

mod process;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;

use super::error::{CODES, Error, Result};
use super::key::Scope;
use super::notification::{Delivery, Outcome, Receipt, Results};
use super::{Actor, App};

pub use process::Process;

/// Upper bounds of a commit's time, in microseconds: from a fast disk's sync to one that hangs.
const COMMIT_US: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];
const US_A_SECOND: f64 = 1_000_000.0;
/// Upper bounds of the jobs in one commit, up to the most there are.
const COMMIT_JOBS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// Goes up, and never down.
#[derive(Debug, Default)]
pub struct Tally(AtomicU64);

impl Tally {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How values spread over buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// Of the values as they are observed, in one as it is shown.
    scale: f64,
    /// One for each bound, and one for what is above all.
    buckets: Box<[Tally]>,
    sum: Tally,
}

impl Histogram {
    fn new(bounds: &'static [u64], scale: f64) -> Self {
        let buckets = (0..=bounds.len()).map(|_| Tally::default());
        Self {
            bounds,
            scale,
            buckets: buckets.collect(),
            sum: Tally::default(),
        }
    }

    fn observe(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[at].add(1);
        self.sum.add(value);
    }

    fn spread(&self) -> Spread {
        let shown = |value: u64| {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let value = value as f64;
            value / self.scale
        };
        let bounds = self.bounds.iter().map(|bound| Some(shown(*bound)));
        let counts = self.buckets.iter().map(Tally::count);
        Spread {
            buckets: bounds.chain([None]).zip(counts).collect(),
            sum: shown(self.sum.count()),
        }
    }
}

/// A histogram as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// An upper bound and how many values are in this bucket alone; the last has no bound.
    pub buckets: Vec<(Option<f64>, u64)>,
    pub sum: f64,
}

impl Spread {
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

/// What a store's writer counts.
#[derive(Debug)]
pub struct Commits {
    seconds: Histogram,
    jobs: Histogram,
}

impl Default for Commits {
    fn default() -> Self {
        Self {
            seconds: Histogram::new(&COMMIT_US, US_A_SECOND),
            jobs: Histogram::new(&COMMIT_JOBS, 1.0),
        }
    }
}

impl Commits {
    /// A commit of so many jobs is on disk.
    pub fn committed(&self, jobs: usize, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.seconds.observe(us);
        self.jobs.observe(jobs as u64);
    }

    /// With what waits for them now.
    #[must_use]
    pub fn pulse(
        &self,
        waiting: usize,
        capacity: usize,
        file_bytes: Option<u64>,
        step: Duration,
    ) -> Pulse {
        Pulse {
            waiting,
            capacity,
            file_bytes,
            step,
            commit_seconds: self.seconds.spread(),
            commit_jobs: self.jobs.spread(),
        }
    }
}

/// How a store does.
#[derive(Debug, Clone)]
pub struct Pulse {
    /// Jobs that wait for a commit, and how many may.
    pub waiting: usize,
    pub capacity: usize,
    /// `None`: it is in no file.
    pub file_bytes: Option<u64>,
    /// How long one step of writing has been under way, such as a commit; zero where none is.
    pub step: Duration,
    pub commit_seconds: Spread,
    pub commit_jobs: Spread,
}

/// Who is there, as the sockets say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Members with a socket.
    pub members: usize,
    pub member_sockets: usize,
    pub anonymous_sockets: usize,
    /// Sessions of Socket.IO, those included that have no socket yet.
    pub sessions: usize,
}

/// Of the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    pub open: usize,
    pub max: usize,
}

/// The meters of what happens outside of the store.
#[derive(Default)]
pub struct Metrics {
    began_at: Timestamp,
    pub publishes: Tally,
    pub recipients: Tally,
    /// Notifications put into an inbox.
    pub kept: Tally,
    pub deliveries: Tally,
    pub inserts: Tally,
    pub logins: Tally,
    pub logins_failed: Tally,
    /// Sockets whose buffer was full.
    pub overflowed: Tally,
    /// Connections that took nothing for too long. The front counts them, which knows no meters.
    pub stalled: Arc<AtomicU64>,
    /// Asks the front. Nothing before there is one.
    connections: OnceLock<Box<dyn Fn() -> Connections + Send + Sync>>,
    /// From 1xx to 5xx.
    answers: [Tally; 5],
    refusals: [Tally; CODES.len()],
}

impl Metrics {
    #[must_use]
    pub fn new(began_at: Timestamp) -> Self {
        Self {
            began_at,
            ..Self::default()
        }
    }

    /// From now on it is known whom to ask for connections.
    pub fn ask_connections(&self, ask: impl Fn() -> Connections + Send + Sync + 'static) {
        // A server has one front.
        let _ = self.connections.set(Box::new(ask));
    }

    /// A request was answered with this status and, where it was refused, this code.
    pub fn answered(&self, status: u16, code: Option<&str>) {
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(answers) = self.answers.get(class) {
            answers.add(1);
        }
        if let Some(code) = code {
            self.refused(code);
        }
    }

    /// Something was refused with this code.
    pub fn refused(&self, code: &str) {
        if let Some(at) = CODES.iter().position(|known| *known == code) {
            self.refusals[at].add(1);
        }
    }

    /// The store has put these into their inboxes, those refused excepted.
    pub(super) fn kept(&self, deliveries: &[Vec<Delivery>]) {
        let is_kept = |one: &&Delivery| matches!(one.outcome, Outcome::Delivered { .. });
        let kept = deliveries.iter().flatten().filter(is_kept).count();
        self.kept.add(kept as u64);
    }

    /// A publish was done, unless it had been done before.
    pub(super) fn published(&self, receipt: &Receipt) {
        if receipt.replayed {
            return;
        }
        self.publishes.add(1);
        self.recipients.add(match &receipt.results {
            Results::Each(deliveries) => deliveries.len() as u64,
            Results::Sum(sum) => sum.delivered + sum.errors,
        });
    }
}

/// All there is to know of a running server at one moment.
#[derive(Debug)]
pub struct Snapshot {
    pub version: &'static str,
    pub at: Timestamp,
    pub began_at: Timestamp,
    pub publishes: u64,
    pub recipients: u64,
    pub kept: u64,
    pub deliveries: u64,
    pub inserts: u64,
    pub logins: u64,
    pub logins_failed: u64,
    pub overflowed: u64,
    pub stalled: u64,
    /// HTTP requests by the class of their answer, from 1xx to 5xx.
    pub answers: [u64; 5],
    /// Every code, and how often it was the reason.
    pub refusals: Vec<(&'static str, u64)>,
    pub connections: Connections,
    pub here: Census,
    /// Why the store takes no writes; `None` while it does.
    pub unready: Option<Error>,
    pub store: Pulse,
    /// Of the backups the server makes by itself: the newest, and whether the last try failed.
    pub backup_made_at: Option<Timestamp>,
    pub is_backup_failing: bool,
    pub process: Process,
}

/// What whoever has an API key may read: the forum's backend, or a collector with a key of its own.
///
/// # Errors
/// `ScopeMissing` for members.
pub async fn read(app: &App, actor: &Actor) -> Result<Snapshot> {
    match actor {
        Actor::Key(_) | Actor::Operator => Ok(snapshot(app).await),
        Actor::Member(_) => Err(Error::KeyMissing),
    }
}

/// The same for the administrators' page.
///
/// # Errors
/// `ScopeMissing`.
pub async fn statistics(app: &App, actor: &Actor) -> Result<Snapshot> {
    actor.require(Scope::Admin)?;
    Ok(snapshot(app).await)
}

/// The same for whoever is known to be allowed.
pub async fn snapshot(app: &App) -> Snapshot {
    let meters = &app.metrics;
    let refusals = CODES.iter().zip(&meters.refusals);
    // Listing open descriptors takes a moment where there are thousands.
    let process = tokio::task::spawn_blocking(process::look);
    Snapshot {
        version: env!("CARGO_PKG_VERSION"),
        at: app.clock.now(),
        began_at: meters.began_at,
        publishes: meters.publishes.count(),
        recipients: meters.recipients.count(),
        kept: meters.kept.count(),
        deliveries: meters.deliveries.count(),
        inserts: meters.inserts.count(),
        logins: meters.logins.count(),
        logins_failed: meters.logins_failed.count(),
        overflowed: meters.overflowed.count(),
        stalled: meters.stalled.load(Ordering::Relaxed),
        answers: [0, 1, 2, 3, 4].map(|class: usize| meters.answers[class].count()),
        refusals: refusals
            .map(|(code, tally)| (*code, tally.count()))
            .collect(),
        connections: meters
            .connections
            .get()
            .map_or_else(Connections::default, |ask| ask()),
        here: app.bus.census(),
        unready: app.store.ready().await.err(),
        store: app.store.pulse(),
        backup_made_at: app.backups.made_at(),
        is_backup_failing: app.backups.failed_at().is_some(),
        process: process.await.unwrap_or_default(),
    }
}
