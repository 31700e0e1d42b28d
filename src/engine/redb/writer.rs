//! The one writer: it drains what waits into one durable commit, tells, then answers everybody.

mod job;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot, watch};

use super::disk::Disk;
use super::storage;
use super::tables::{self, Writing};
use crate::domain::engine::Bus;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::metrics::{Commits, Pulse};
use job::{End, Fault, Job, Task, cause};

/// Jobs in one commit. More would make the first of them wait for the last; the disk's part of a
/// commit is spread thin enough by then.
const BATCH_MAX: usize = 1024;

/// Where so many wait, those that were answered last are about to come again: they are waited for a
/// moment, half of what a commit takes, and share its cost. Few never wait.
const CROWD: usize = 8;
const LINGER: Duration = Duration::from_micros(500);

/// Events after which a commit takes no further job: one may be a publish to 10,000 members, and
/// everybody behind it waits.
const EVENTS_MAX: usize = 10_000;

/// Pauses between tries of a disk that takes no writes: short while it may be a hiccup, longer
/// when somebody has to make room first.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The way to the writer's thread.
pub struct Writer {
    /// Gone once the writer was told to stop.
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// While the disk takes no writes.
    failed: Arc<AtomicBool>,
    counted: Arc<Commits>,
    turn: Arc<Turn>,
    /// Closed when the thread has ended.
    ended: watch::Receiver<()>,
}

impl Writer {
    pub fn start(disk: Arc<Disk>, queue: usize, bus: Arc<dyn Bus>) -> std::io::Result<Self> {
        let (tx, queue) = mpsc::channel(queue);
        let (running, ended) = watch::channel(());
        let (failed, turn) = (Arc::new(AtomicBool::new(false)), Arc::<Turn>::default());
        let counted = Arc::new(Commits::default());
        let pen = Pen {
            disk,
            queue,
            bus,
            failed: Arc::clone(&failed),
            counted: Arc::clone(&counted),
            turn: Arc::clone(&turn),
            commits: 0,
            pause: Duration::ZERO,
            _running: running,
        };
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || pen.run())?;
        Ok(Self {
            queue: Mutex::new(Some(tx)),
            thread: Mutex::new(Some(thread)),
            failed,
            counted,
            turn,
            ended,
        })
    }

    pub fn ready(&self) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::ReadOnly);
        }
        match self.sender() {
            Some(sender) if sender.is_closed() => Err(Error::Storage("the writer is gone".into())),
            Some(_) => Ok(()),
            None => Err(Error::Stopping),
        }
    }

    /// How it does. What is in the commit under way waits no longer.
    pub fn pulse(&self, file_bytes: Option<u64>) -> Pulse {
        let sender = self.sender();
        let room = sender.map_or((0, 0), |sender| (sender.capacity(), sender.max_capacity()));
        self.counted
            .pulse(room.1 - room.0, room.1, file_bytes, self.turn.took())
    }

    /// One atomic change: `decide` reads, refuses or writes, and lists what happened. Resolves
    /// after the commit that holds it is on disk. It may be called again, where a neighbour spoilt
    /// the transaction.
    pub async fn write<T, F>(&self, decide: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Writing<'_>, &mut Vec<Event>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.push(Task::new(decide, Some(reply)))?;
        // Without an answer the thread died in the middle of it.
        answer
            .await
            .unwrap_or_else(|_| Err(Error::Storage("the writer is gone".into())))
    }

    /// The same for a change nobody waits for, and nobody misses.
    pub fn write_unheard<F>(&self, decide: F)
    where
        F: Fn(&mut Writing<'_>, &mut Vec<Event>) -> Result<()> + Send + 'static,
    {
        if let Err(error) = self.push(Task::new(decide, None)) {
            tracing::debug!(code = error.code(), "a note was not kept");
        }
    }

    fn push(&self, job: impl Job + 'static) -> Result<()> {
        self.ready()?;
        let sender = self.sender().ok_or(Error::Stopping)?;
        sender.try_send(Box::new(job)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Error::Stopping,
        })
    }

    fn sender(&self) -> Option<mpsc::Sender<Box<dyn Job>>> {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Resolves when the thread has ended, whatever the reason.
    pub async fn ended(&self) {
        // Nothing is ever sent on it.
        let _ = self.ended.clone().changed().await;
    }

    /// Takes nothing more, commits what was taken, and returns when the thread has ended.
    pub async fn stop(&self) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // It may be in a pause between two tries of the disk.
            thread.thread().unpark();
            let ended = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(ended, Ok(Ok(()))) {
                tracing::error!("the writer's thread panicked");
            }
        }
    }
}

/// When the turn began that the thread is at; none while it waits for jobs.
#[derive(Default)]
struct Turn(Mutex<Option<Instant>>);

impl Turn {
    fn set(&self, began: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = began;
    }

    fn took(&self) -> Duration {
        let began = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        began.map_or(Duration::ZERO, |began| began.elapsed())
    }
}

/// The writer's thread.
struct Pen {
    disk: Arc<Disk>,
    queue: mpsc::Receiver<Box<dyn Job>>,
    bus: Arc<dyn Bus>,
    failed: Arc<AtomicBool>,
    counted: Arc<Commits>,
    turn: Arc<Turn>,
    /// The number of the commit that was tried last.
    commits: u64,
    /// Before the disk is tried again: none after a commit that went well.
    pause: Duration,
    /// Dropped with the thread's end.
    _running: watch::Sender<()>,
}

impl Pen {
    fn run(mut self) {
        let mut batch = Vec::new();
        // As many of the batch as were decided without a fault, where the next was none.
        let mut sound = None;
        while !batch.is_empty() || self.wait(&mut batch) {
            self.turn.set(Some(Instant::now()));
            if sound.is_none() && batch.len() >= CROWD {
                self.linger(&mut batch);
            }
            let (mut events, mut decided) = (Vec::new(), 0);
            let jobs = sound.take().unwrap_or(batch.len());
            let began = Instant::now();
            match self.commit(&mut batch[..jobs], &mut decided, &mut events) {
                Ok(()) => {
                    self.counted.committed(decided, began.elapsed());
                    self.pause = Duration::ZERO;
                    if !events.is_empty() {
                        self.bus.publish(events);
                    }
                    for job in batch.drain(..decided) {
                        job.answer(End::Decided);
                    }
                }
                Err(Fault::Job) => {
                    let at = decided - 1;
                    batch.remove(at).answer(End::Decided);
                    // Those before it go in a commit of their own, so that none is decided more
                    // than twice, however many faults a batch has.
                    sound = (at > 0).then_some(at);
                }
                Err(Fault::Disk(error)) => {
                    self.failed.store(true, Ordering::Relaxed);
                    tracing::error!(
                        cause = cause(&error),
                        "the disk takes no writes; what is kept can be read, and writing is tried until it works"
                    );
                    // Before anybody is answered: who then reads must be able to.
                    let looked = self.disk.look();
                    for job in batch.drain(..) {
                        job.answer(End::Unknown);
                    }
                    if !self.recover(looked, events) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits for jobs. False when no more can come.
    fn wait(&mut self, batch: &mut Vec<Box<dyn Job>>) -> bool {
        self.turn.set(None);
        self.queue.blocking_recv_many(batch, BATCH_MAX) > 0
    }

    /// Takes along whoever comes a moment later.
    fn linger(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        std::thread::sleep(LINGER);
        while batch.len() < BATCH_MAX
            && let Ok(job) = self.queue.try_recv()
        {
            batch.push(job);
        }
    }

    /// Commits as many of these jobs as make a commit of some size, from the first on. After a
    /// fault `events` holds what happened if the commit is there all the same.
    fn commit(
        &mut self,
        jobs: &mut [Box<dyn Job>],
        decided: &mut usize,
        events: &mut Vec<Event>,
    ) -> std::result::Result<(), Fault> {
        let disk = Arc::clone(&self.disk);
        let (mut fault, mut is_tried) = (None, false);
        let committed = disk.with(|database| {
            let transaction = begin(database).map_err(storage)?;
            {
                let mut tables = Writing::new(&transaction);
                for job in jobs {
                    *decided += 1;
                    if let Err(met) = job.decide(&mut tables, events) {
                        fault = Some(met);
                        return Ok(());
                    }
                    if events.len() >= EVENTS_MAX {
                        break;
                    }
                }
            }
            self.commits = tables::commits(&transaction)? + 1;
            tables::put_commits(&transaction, self.commits)?;
            is_tried = true;
            transaction.commit().map_err(storage)
        });
        if !is_tried {
            events.clear();
        }
        match (committed, fault) {
            (Err(error), _) => Err(Fault::Disk(error)),
            (Ok(()), Some(fault)) => Err(fault),
            (Ok(()), None) => Ok(()),
        }
    }

    /// Tries the disk until it takes writes, and then tells what of the commit that failed is
    /// there after all. False when there is nothing more to write, or nothing to write to.
    fn recover(&mut self, mut looked: anyhow::Result<()>, events: Vec<Event>) -> bool {
        loop {
            if let Err(error) = looked {
                let cause = format!("{error:#}");
                tracing::error!(
                    cause,
                    "the database cannot be opened anew; only a new start can help"
                );
                return false;
            }
            std::thread::park_timeout(self.pause);
            self.turn.set(Some(Instant::now()));
            self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
            if !self.refuse_waiting() {
                return false;
            }
            match self.disk.reopen() {
                Ok(commits) => {
                    // Else the commit left nothing behind, and nobody must hear of it.
                    if commits == self.commits && !events.is_empty() {
                        self.bus.publish(events);
                    }
                    self.failed.store(false, Ordering::Relaxed);
                    tracing::info!("the disk takes writes again");
                    return true;
                }
                Err(error) => {
                    let cause = format!("{error:#}");
                    tracing::debug!(cause, "the disk still takes no writes");
                    looked = self.disk.look();
                }
            }
        }
    }

    /// Answers those that came in before they could know. False when no more can come.
    fn refuse_waiting(&mut self) -> bool {
        loop {
            match self.queue.try_recv() {
                Ok(job) => job.answer(End::Unknown),
                Err(mpsc::error::TryRecvError::Empty) => return true,
                Err(mpsc::error::TryRecvError::Disconnected) => return false,
            }
        }
    }
}

/// A transaction that is on disk once committed. Two-phase, because members' words are in it and
/// redb advises that for hostile input; with quick-repair, so that a large file opens at once
/// after a crash.
pub fn begin(database: &Database) -> std::result::Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(transaction)
}
