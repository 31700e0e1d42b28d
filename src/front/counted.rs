//! A connection that counts for as long as its stream lives, dies when it takes nothing, and can be
//! ended from outside.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

use super::pace::Pace;

/// A connection and the slot it takes. A WebSocket outlives the request it began as, so the slot
/// goes where the stream goes.
///
/// Once a write has made no progress for [`Counted::new`]'s `stall`, it fails, and reads fail from
/// then on. A passing error would not do: Socket.IO's writer drops the packet an error hits and
/// goes on, which leaves the reader with a hole and the connection open. It goes on all the same,
/// through everything that waits; see [`Counted::forget`].
pub struct Counted<S> {
    stream: S,
    stall: Duration,
    /// Where it is counted that one stalled.
    stalled: Arc<AtomicU64>,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    tether: Tether,
    pace: Pace,
    /// Whether others had their turn since the last write that was forgotten.
    gave_way: bool,
    _slot: Option<OwnedSemaphorePermit>,
}

/// What holds a connection from outside. Clones hold the same.
#[derive(Clone, Default)]
pub struct Tether(Arc<Held>);

#[derive(Default)]
struct Held {
    is_dead: AtomicBool,
    is_upgraded: AtomicBool,
    /// Whoever waits to read hears of the death.
    reader: Mutex<Option<Waker>>,
}

impl Tether {
    /// Ends the connection: reads fail from now on, and what is written is forgotten.
    pub fn cut(&self) {
        self.0.is_dead.store(true, Ordering::Release);
        if let Some(reader) = self.reader().take() {
            reader.wake();
        }
    }

    /// The connection is a WebSocket from now on, whose client may send so much and no more.
    pub fn upgraded(&self) {
        self.0.is_upgraded.store(true, Ordering::Relaxed);
    }

    fn reader(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.0.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Counted<S> {
    pub fn new(
        stream: S,
        stall: Duration,
        stalled: Arc<AtomicU64>,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            stream,
            stall,
            stalled,
            waiting: None,
            tether: Tether::default(),
            pace: Pace::default(),
            gave_way: false,
            _slot: slot,
        }
    }

    pub fn tether(&self) -> Tether {
        self.tether.clone()
    }

    fn is_dead(&self) -> bool {
        self.tether.0.is_dead.load(Ordering::Acquire)
    }

    /// Takes what is written and throws it away, after a turn for others. Errors would make the
    /// writer run through its whole queue without a pause, and the WebSocket layer keep each
    /// packet for a better day: fifty such readers held everybody up for half a second.
    fn forget(&mut self, cx: &Context<'_>, bytes: usize) -> Poll<io::Result<usize>> {
        self.gave_way = !self.gave_way;
        if self.gave_way {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(bytes))
    }

    /// Passes on how a write went, unless it has waited too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, went: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if went.is_ready() {
            self.waiting = None;
            return went;
        }
        let stall = self.stall;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(waiting.as_mut().poll(cx));
        self.stalled.fetch_add(1, Ordering::Relaxed);
        self.tether.cut();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> Counted<S> {
    /// Reads no faster than a WebSocket may be written to.
    fn read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.tether.0.is_upgraded.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        ready!(self.pace.poll(cx));
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.pace.count(buf.filled().len() - before);
        read
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Known before it is asked whether it is dead: nobody dies in between unheard.
        *this.tether.reader() = Some(cx.waker().clone());
        if this.is_dead() {
            let silent = "it takes nothing any more, or was cut";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, silent)));
        }
        this.read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_dead() {
            return this.forget(cx, buf.len());
        }
        let wrote = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.watch(cx, wrote)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A kernel's socket has nothing to flush, so this says nothing of progress.
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
