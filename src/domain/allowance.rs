//! How often something may be done: so much at once, and so much more each second.

use std::time::Duration;

use jiff::Timestamp;

use super::error::{Error, Result};

/// What may be spent.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    pub at_once: f64,
    pub a_second: f64,
}

/// What is left of a [`Rate`] for one who spends it. It begins full.
#[derive(Debug)]
pub struct Allowance {
    left: f64,
    counted_at: Timestamp,
}

impl Allowance {
    #[must_use]
    pub fn new(rate: Rate, now: Timestamp) -> Self {
        Self {
            left: rate.at_once,
            counted_at: now,
        }
    }

    /// Spends `cost`. It may be more than is left, so that nothing is too large to be done at all;
    /// then the debt is paid off before the next.
    ///
    /// # Errors
    /// `TooMany`, with the time until there is something to spend.
    pub fn spend(&mut self, rate: Rate, cost: u32, now: Timestamp) -> Result<()> {
        let passed = now.duration_since(self.counted_at).as_secs_f64().max(0.0);
        self.left = (self.left + passed * rate.a_second).min(rate.at_once);
        self.counted_at = now;
        if self.left < 1.0 {
            let wait = (1.0 - self.left) / rate.a_second;
            return Err(Error::TooMany(Duration::from_secs_f64(wait.ceil())));
        }
        self.left -= f64::from(cost);
        Ok(())
    }
}
