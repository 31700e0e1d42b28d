//! The Bus inside one process.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::domain::engine::{BUS_BATCHES_MAX, Bus};
use crate::domain::event::Event;

#[derive(Default)]
pub struct Local {
    subscribers: Mutex<Vec<mpsc::Sender<Vec<Event>>>>,
}

impl Bus for Local {
    fn publish(&self, events: Vec<Event>) {
        let mut subscribers = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // One that was dropped has stopped listening. Nobody else takes the lock for long, and
        // only the writer's thread is here, so waiting under it holds up nobody but the writer.
        subscribers.retain(|subscriber| subscriber.blocking_send(events.clone()).is_ok());
    }

    fn subscribe(&self) -> mpsc::Receiver<Vec<Event>> {
        let (tx, rx) = mpsc::channel(BUS_BATCHES_MAX);
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(tx);
        rx
    }
}
