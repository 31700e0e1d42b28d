//! The one clock. Rules ask it, never the system, so that tests can move time by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The system's time, plus however far it was moved ahead. Clones move together.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Now, in whole milliseconds: what a row keeps is what an answer shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        let now = Timestamp::now()
            .saturating_add(ahead)
            .unwrap_or(Timestamp::MAX);
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(Timestamp::MAX)
    }

    /// Moves time ahead for everything that asks this clock.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ahead_ms.fetch_add(by, Ordering::Relaxed);
    }
}

/// As every answer shows a time: RFC 3339 in UTC, to the millisecond.
#[must_use]
pub fn shown(time: Timestamp) -> String {
    format!("{time:.3}")
}
