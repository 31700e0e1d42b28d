//! A steady beat, and what is due by it, whoever has time to do it.
//!
//! Latency is counted from when something was due, not from when somebody got round to it: a server
//! that stalls would else be asked less while it stalls, and look fast (coordinated omission).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// A beat that is due is done within this, or not at all: the run has an end.
pub const LATE_MAX: Duration = Duration::from_secs(5);

/// How often the end of a run is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub struct Pace {
    began: Instant,
    rate: u64,
    /// Beats of the whole run.
    pub beats: u64,
    taken: AtomicU64,
    /// One place for each beat that is due and that nobody took.
    due: Semaphore,
}

impl Pace {
    /// `rate` beats a second, from now on.
    pub fn start(rate: u64, seconds: u64) -> Arc<Self> {
        let pace = Arc::new(Self {
            began: Instant::now(),
            rate,
            beats: rate * seconds,
            taken: AtomicU64::new(0),
            due: Semaphore::new(0),
        });
        let beating = Arc::downgrade(&pace);
        // A thread of its own: tasks sleep by a timer that knows only milliseconds.
        tokio::task::spawn_blocking(move || beat(&beating));
        pace
    }

    /// When this beat is due.
    pub fn due_at(&self, beat: u64) -> Instant {
        let seconds = Duration::from_secs(beat / self.rate);
        self.began + seconds + Duration::from_nanos(beat % self.rate * 1_000_000_000 / self.rate)
    }

    /// The next beat, once it is due, for one taker; `None` after the last.
    pub async fn next(&self) -> Option<u64> {
        let end = self.due_at(self.beats) + LATE_MAX;
        let until = tokio::time::Instant::from_std(end);
        let due = tokio::time::timeout_at(until, self.due.acquire()).await;
        // Closed once the last is taken.
        due.ok()?.ok()?.forget();
        let beat = self.taken.fetch_add(1, Ordering::Relaxed);
        if beat + 1 == self.beats {
            self.due.close();
        }
        (Instant::now() <= end).then_some(beat)
    }

    /// Beats that somebody took.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Beats until the last, or until nobody listens any more.
fn beat(pace: &Weak<Pace>) {
    let mut beat = 0;
    loop {
        let due = match pace.upgrade() {
            Some(pace) if beat < pace.beats => pace.due_at(beat),
            _ => return,
        };
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if let Some(pace) = pace.upgrade() {
            pace.due.add_permits(1);
        }
        beat += 1;
    }
}

/// Waits until it is so, or until nobody would wait any longer.
pub async fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + LATE_MAX;
    while !is_so() && Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
