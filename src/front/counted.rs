//! A connection that counts for as long as its stream lives, and dies when it takes nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

/// A connection and the slot it takes. A WebSocket outlives the request it began as, so the slot
/// goes where the stream goes.
///
/// Once a write has made no progress for [`Counted::new`]'s `stall`, reads and writes fail from
/// then on. A passing error would not do: Socket.IO's writer drops the packet an error hits and
/// goes on, which leaves the reader with a hole and the connection open.
pub struct Counted<S> {
    stream: S,
    stall: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    dead: bool,
    /// Whoever waits to read hears of the death as well.
    reader: Option<Waker>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl<S> Counted<S> {
    pub fn new(stream: S, stall: Duration, slot: Option<OwnedSemaphorePermit>) -> Self {
        let (waiting, dead, reader) = (None, false, None);
        Self {
            stream,
            stall,
            waiting,
            dead,
            reader,
            _slot: slot,
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it takes nothing any more",
            ));
        }
        Ok(())
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
        self.dead = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.alive()?;
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.reader = read.is_pending().then(|| cx.waker().clone());
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.alive()?;
        let wrote = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.watch(cx, wrote)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.alive()?;
        // A kernel's socket has nothing to flush, so this says nothing of progress.
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
