//! The Bus inside one process.

use std::sync::{Mutex, PoisonError, Weak};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::domain::engine::{BUS_BATCHES_MAX, Bus, Presence};
use crate::domain::event::Event;
use crate::domain::id::MemberId;

#[derive(Default)]
pub struct Local {
    subscribers: Mutex<Vec<mpsc::Sender<Vec<Event>>>>,
    presence: Mutex<Option<Weak<dyn Presence>>>,
}

#[async_trait]
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

    async fn send(&self, events: Vec<Event>) {
        // Cloned out of the lock, so that a full subscriber holds up only whoever sends.
        let subscribers = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for subscriber in subscribers {
            // One that was dropped has stopped listening.
            let _ = subscriber.send(events.clone()).await;
        }
    }

    fn subscribe(&self) -> mpsc::Receiver<Vec<Event>> {
        let (tx, rx) = mpsc::channel(BUS_BATCHES_MAX);
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(tx);
        rx
    }

    fn attend(&self, presence: Weak<dyn Presence>) {
        *self.presence.lock().unwrap_or_else(PoisonError::into_inner) = Some(presence);
    }

    async fn sockets(&self, members: &[MemberId]) -> Vec<usize> {
        let presence = self
            .presence
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .and_then(Weak::upgrade);
        let sockets = |member| presence.as_ref().map_or(0, |here| here.sockets(member));
        members.iter().map(sockets).collect()
    }
}
