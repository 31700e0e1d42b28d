//! The Bus inside one process.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::domain::engine::{BUS_BATCHES_MAX, Bus, Presence};
use crate::domain::event::Event;
use crate::domain::id::MemberId;
use crate::domain::metrics::Census;

#[derive(Default)]
pub struct Local {
    subscribers: Mutex<Vec<mpsc::Sender<Arc<[Event]>>>>,
    presence: Mutex<Option<Weak<dyn Presence>>>,
}

impl Local {
    /// Copied out of the lock: whoever waits for a full one holds up nobody else.
    fn listening(&self) -> Vec<mpsc::Sender<Arc<[Event]>>> {
        let mut subscribers = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| !subscriber.is_closed());
        subscribers.clone()
    }

    fn here(&self) -> Option<Arc<dyn Presence>> {
        let presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        presence.as_ref().and_then(Weak::upgrade)
    }
}

#[async_trait]
impl Bus for Local {
    fn publish(&self, events: Vec<Event>) {
        let events: Arc<[Event]> = events.into();
        for subscriber in self.listening() {
            // One that was dropped since has stopped listening.
            let _ = subscriber.blocking_send(Arc::clone(&events));
        }
    }

    async fn send(&self, events: Vec<Event>) {
        let events: Arc<[Event]> = events.into();
        for subscriber in self.listening() {
            let _ = subscriber.send(Arc::clone(&events)).await;
        }
    }

    fn subscribe(&self) -> mpsc::Receiver<Arc<[Event]>> {
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
        let presence = self.here();
        let sockets = |member| presence.as_ref().map_or(0, |here| here.sockets(member));
        members.iter().map(sockets).collect()
    }

    fn census(&self) -> Census {
        self.here()
            .map_or_else(Census::default, |here| here.census())
    }
}
