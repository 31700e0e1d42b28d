//! One change on its way through the writer: what it decides, and how it hears of the end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::engine::redb::disk;
use crate::engine::redb::tables::Writing;

/// First it decides, then it hears how the commit went.
pub trait Job: Send {
    /// An error is one of the store, not a refusal: the transaction holds half of its work, or is
    /// worthless as a whole.
    fn decide(
        &mut self,
        tables: &mut Writing<'_>,
        events: &mut Vec<Event>,
    ) -> std::result::Result<(), Fault>;
    fn answer(self: Box<Self>, end: End);
}

/// Why a transaction cannot be committed as it is.
pub enum Fault {
    /// A row this job needs cannot be read, or it panicked. Its neighbours are well.
    Job,
    /// The disk failed, so redb takes nothing more.
    Disk(Error),
}

/// How it ended for a job.
#[derive(Clone, Copy)]
pub enum End {
    /// What it decided is on disk, or was a refusal.
    Decided,
    /// Whether it is on disk nobody knows.
    Unknown,
}

pub struct Task<T, F> {
    decide: F,
    outcome: Option<Result<T>>,
    /// Of whoever waits for it.
    reply: Option<oneshot::Sender<Result<T>>>,
}

impl<T, F> Task<T, F> {
    pub fn new(decide: F, reply: Option<oneshot::Sender<Result<T>>>) -> Self {
        Self {
            decide,
            outcome: None,
            reply,
        }
    }
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: Fn(&mut Writing<'_>, &mut Vec<Event>) -> Result<T> + Send,
{
    fn decide(
        &mut self,
        tables: &mut Writing<'_>,
        events: &mut Vec<Event>,
    ) -> std::result::Result<(), Fault> {
        // What the panic leaves behind goes with the transaction.
        let decided = catch_unwind(AssertUnwindSafe(|| (self.decide)(tables, events)));
        let outcome = decided.unwrap_or_else(|_| Err(Error::Storage("a change panicked".into())));
        match outcome {
            Err(error) if disk::is_lost(&error) => Err(Fault::Disk(error)),
            Err(error @ Error::Storage(_)) => {
                // Once, with its cause; the caller gets the code.
                tracing::error!(cause = cause(&error), "a change met a row that is none");
                self.outcome = Some(Err(error));
                Err(Fault::Job)
            }
            // A refusal has written nothing: its neighbours in the commit are not harmed.
            outcome => {
                self.outcome = Some(outcome);
                Ok(())
            }
        }
    }

    fn answer(self: Box<Self>, end: End) {
        // A refusal, too, may have been decided on a neighbour that never reached the disk.
        let outcome = match (end, self.outcome) {
            (End::Decided, Some(outcome)) => outcome,
            _ => Err(Error::Storage("the commit failed".into())),
        };
        if let Some(reply) = self.reply {
            // The caller may have gone away; the change stands all the same.
            let _ = reply.send(outcome);
        }
    }
}

pub fn cause(error: &Error) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}
