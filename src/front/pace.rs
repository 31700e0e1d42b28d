//! How fast a WebSocket's client may send. What it sends faster waits in the kernel, and then at the
//! client: a flood of packets costs others no more than a member who writes much.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Duration, Instant, Sleep, sleep};

/// Bytes a second: some hundred messages. Members hardly send anything.
const BYTES_A_SECOND: f64 = 32.0 * 1024.0;
/// Bytes at once: thousands of short messages, or a few of the largest.
const BYTES_AT_ONCE: f64 = 128.0 * 1024.0;
/// A pause, once all that was spent.
const PAUSE: Duration = Duration::from_millis(250);

/// What is left of it for one connection.
pub struct Pace {
    left: f64,
    counted_at: Instant,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            left: BYTES_AT_ONCE,
            counted_at: Instant::now(),
            pause: None,
        }
    }
}

impl Pace {
    /// Ready when more may be read.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }

    /// Counts what was read. It may be more than was left; then the pauses pay it off.
    pub fn count(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = self.counted_at.elapsed().as_secs_f64() * BYTES_A_SECOND;
        self.counted_at = Instant::now();
        self.left = (self.left + earned).min(BYTES_AT_ONCE) - f64::from(bytes);
        if self.left < 0.0 {
            self.pause = Some(Box::pin(sleep(PAUSE)));
        }
    }
}
