//! Who is there, and what waits to be sent to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Engine.IO's heartbeat, one for everybody.
pub const BEAT: Duration = Duration::from_secs(25);

/// Each member's sockets.
#[derive(Default)]
pub struct Rooms {
    members: RwLock<HashMap<String, Vec<Arc<Outbox>>>>,
    last: AtomicU64,
}

/// What one socket has yet to send. A packet is encoded once and shared by all that send it.
#[derive(Default)]
pub struct Outbox {
    waiting: Mutex<Vec<Utf8Bytes>>,
    more: Notify,
}

impl Rooms {
    /// One that nobody had before.
    pub fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed)
    }

    pub fn join(&self, member: &str) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::default());
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        let sockets = members.entry(member.to_owned()).or_default();
        sockets.push(Arc::clone(&outbox));
        outbox
    }

    pub fn leave(&self, member: &str, outbox: &Arc<Outbox>) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        let Some(sockets) = members.get_mut(member) else {
            return;
        };
        sockets.retain(|socket| !Arc::ptr_eq(socket, outbox));
        if sockets.is_empty() {
            members.remove(member);
        }
    }

    pub fn tell<'a>(&self, to: impl IntoIterator<Item = &'a String>, packet: &Utf8Bytes) {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        let sockets = to.into_iter().filter_map(|member| members.get(member));
        for socket in sockets.flatten() {
            socket.put(packet);
        }
    }

    pub fn tell_all(&self, packet: &Utf8Bytes) {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        for socket in members.values().flatten() {
            socket.put(packet);
        }
    }
}

impl Outbox {
    fn put(&self, packet: &Utf8Bytes) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(packet.clone());
        drop(waiting);
        self.more.notify_one();
    }

    /// All that waits, once anything does.
    pub async fn take(&self) -> Vec<Utf8Bytes> {
        self.more.notified().await;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut waiting)
    }
}

/// Keeps clients from taking a quiet line for a dead one.
pub async fn beat(rooms: Arc<Rooms>) {
    let ping = Utf8Bytes::from_static("2");
    loop {
        tokio::time::sleep(BEAT).await;
        rooms.tell_all(&ping);
    }
}
