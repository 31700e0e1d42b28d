//! The one writer: it drains what waits into one durable commit, tells, then answers everybody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use redb::{Database, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::storage;
use super::tables::Writing;
use crate::domain::engine::Bus;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;

/// Jobs in one commit. More would make the first of them wait for the last; the disk's part of a
/// commit is spread thin enough by then.
const BATCH_MAX: usize = 1024;

/// Events after which a commit takes no further job: one may be a publish to 10,000 members, and
/// everybody behind it waits.
const EVENTS_MAX: usize = 10_000;

/// The way to the writer's thread.
pub struct Writer {
    /// Gone once the writer was told to stop.
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Set by the first failure: what is in the file is unknown until it is opened again.
    failed: Arc<AtomicBool>,
}

impl Writer {
    pub fn start(
        database: Arc<Database>,
        queue: usize,
        bus: Arc<dyn Bus>,
    ) -> std::io::Result<Self> {
        let (tx, rx) = mpsc::channel(queue);
        let failed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&failed);
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || run(&database, rx, &*bus, &flag))?;
        Ok(Self {
            queue: Mutex::new(Some(tx)),
            thread: Mutex::new(Some(thread)),
            failed,
        })
    }

    pub fn ready(&self) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::Storage(
                "a write failed; the file must be opened again".into(),
            ));
        }
        match self.sender() {
            Some(sender) if !sender.is_closed() => Ok(()),
            _ => Err(Error::Stopping),
        }
    }

    /// One atomic change: `decide` reads, refuses or writes, and lists what happened. Resolves
    /// after the commit that holds it is on disk.
    pub async fn write<T, F>(&self, decide: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>, &mut Vec<Event>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.push(Task {
            decide: Some(decide),
            outcome: None,
            reply: Some(reply),
        })?;
        // Without an answer the thread died in the middle of it.
        answer
            .await
            .unwrap_or_else(|_| Err(Error::Storage("the writer is gone".into())))
    }

    /// The same for a change nobody waits for, and nobody misses.
    pub fn write_unheard<F>(&self, decide: F)
    where
        F: FnOnce(&mut Writing<'_>, &mut Vec<Event>) -> Result<()> + Send + 'static,
    {
        let task = Task {
            decide: Some(decide),
            outcome: None,
            reply: None,
        };
        if let Err(error) = self.push(task) {
            tracing::debug!(code = error.code(), "a note was not kept");
        }
    }

    fn push(&self, job: impl Job + 'static) -> Result<()> {
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
            let ended = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(ended, Ok(Ok(()))) {
                tracing::error!("the writer's thread panicked");
            }
        }
    }
}

/// A change on its way through the writer. First it decides, then it hears how the commit went.
trait Job: Send {
    /// `Err` only for what makes the whole transaction worthless.
    fn decide(&mut self, tables: &mut Writing<'_>, events: &mut Vec<Event>) -> Result<()>;
    fn answer(self: Box<Self>, committed: bool);
}

struct Task<T, F> {
    decide: Option<F>,
    outcome: Option<Result<T>>,
    reply: Option<oneshot::Sender<Result<T>>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut Writing<'_>, &mut Vec<Event>) -> Result<T> + Send,
{
    fn decide(&mut self, tables: &mut Writing<'_>, events: &mut Vec<Event>) -> Result<()> {
        let Some(decide) = self.decide.take() else {
            return Ok(());
        };
        match decide(tables, events) {
            Err(Error::Storage(cause)) => Err(Error::Storage(cause)),
            // A refusal has written nothing: its neighbours in the commit are not harmed.
            outcome => {
                self.outcome = Some(outcome);
                Ok(())
            }
        }
    }

    fn answer(self: Box<Self>, committed: bool) {
        // A refusal, too, may have been decided on a neighbour that never reached the disk.
        let outcome = match self.outcome {
            Some(outcome) if committed => outcome,
            _ => Err(Error::Storage("the commit failed".into())),
        };
        if let Some(reply) = self.reply {
            // The caller may have gone away; the change stands all the same.
            let _ = reply.send(outcome);
        }
    }
}

fn run(
    database: &Database,
    mut queue: mpsc::Receiver<Box<dyn Job>>,
    bus: &dyn Bus,
    failed: &AtomicBool,
) {
    let mut batch = Vec::new();
    while !batch.is_empty() || queue.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        let mut events = Vec::new();
        let mut decided = 0;
        let committed = match commit(database, &mut batch, &mut decided, &mut events) {
            Ok(()) => true,
            Err(error) => {
                // Once, with its cause; the callers get the code.
                if !failed.swap(true, Ordering::Relaxed) {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(
                        cause,
                        "the database refuses writes; mend the disk and restart"
                    );
                }
                false
            }
        };
        if committed && !events.is_empty() {
            bus.publish(events);
        }
        // After a failure the rest is tried in a commit of its own.
        for job in batch.drain(..decided.max(1)) {
            job.answer(committed);
        }
    }
}

/// Commits as many of the batch's jobs as make a commit of some size, from the first on.
fn commit(
    database: &Database,
    batch: &mut [Box<dyn Job>],
    decided: &mut usize,
    events: &mut Vec<Event>,
) -> Result<()> {
    let transaction = begin(database).map_err(storage)?;
    {
        let mut tables = Writing::new(&transaction)?;
        for job in batch {
            *decided += 1;
            job.decide(&mut tables, events)?;
            if events.len() >= EVENTS_MAX {
                break;
            }
        }
    }
    transaction.commit().map_err(storage)
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
