//! The beat of a loop that mostly waits: it is heard each second, as long as the loop can be woken.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(1);

/// When the loop was last heard.
pub struct Beat(Mutex<Instant>);

impl Default for Beat {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Beat {
    /// Waits, and says each second that it still does.
    pub async fn during<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = std::pin::pin!(wait);
        loop {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if let Ok(done) = tokio::time::timeout(EVERY, wait.as_mut()).await {
                return done;
            }
        }
    }

    pub fn silent_for(&self) -> Duration {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.elapsed()
    }
}
