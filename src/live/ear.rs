//! What a member's socket has heard of its inbox, so that it hears the rest once, and in order.
//!
//! A socket is listed with its member first and reads the store after. What is told in between is
//! held back, and let go behind the answer that was read: whatever that answer has in it already
//! is dropped by its number. So a change is in the answer or follows it, never in neither.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use socketioxide::extract::SocketRef;
use socketioxide::socket::Sid;

use super::PACKETS_MAX;
use super::here::Here;
use super::push::{emit, overflowed};
use crate::domain::allowance::{Allowance, Rate};
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::inbox::{Cursor, Ready};
use crate::domain::session::SessionId;
use crate::domain::{Member, Proof};

/// Answers to `inbox.sync` that a socket may ask for at once, and how many more each second. A client
/// asks when it sees a gap, which is hardly ever.
const ANSWERS: Rate = Rate {
    at_once: 32.0,
    a_second: 4.0,
};

/// One for each authenticated socket, kept with it.
pub struct Ear {
    /// Held by whoever answers the socket or changes what it is: one at a time.
    turn: tokio::sync::Mutex<()>,
    /// What the client knew when it came.
    cursor: Option<Cursor>,
    pub opened_at: Instant,
    here: Weak<Here>,
    id: Sid,
    /// It hears nothing more: what followed a hole would hide it.
    has_left: AtomicBool,
    /// As its newest token says. Locked after `inner`, never before.
    member: Mutex<Member>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Answers that are being read.
    asking: usize,
    /// The number of the last change the socket heard of.
    since: u64,
    held: Vec<Event>,
    /// Answers it may ask for.
    answers: Allowance,
}

impl Ear {
    /// Of a socket that is owed its first answer.
    pub fn new(
        here: &Arc<Here>,
        id: Sid,
        member: Member,
        cursor: Option<Cursor>,
        now: Timestamp,
    ) -> Self {
        let inner = Inner {
            asking: 1,
            since: 0,
            held: Vec::new(),
            answers: Allowance::new(ANSWERS, now),
        };
        Self {
            turn: tokio::sync::Mutex::default(),
            cursor,
            opened_at: Instant::now(),
            here: Arc::downgrade(here),
            id,
            has_left: AtomicBool::new(false),
            member: Mutex::new(member),
            inner: Mutex::new(inner),
        }
    }

    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Whether one more answer is in the socket's allowance. Each may have 256 KiB, and all that a
    /// client does not read waits in memory.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn allow(&self, now: Timestamp) -> Result<()> {
        self.inner().answers.spend(ANSWERS, 1, now)
    }

    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn whose(&self) -> std::sync::MutexGuard<'_, Member> {
        self.member.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn member(&self) -> Member {
        self.whose().clone()
    }

    pub fn expires_at(&self) -> Timestamp {
        self.whose().expires_at
    }

    /// Whether it came in by one of these sessions.
    pub fn is_of(&self, sessions: &[SessionId]) -> bool {
        matches!(&self.whose().proof, Proof::Session { id, .. } if sessions.contains(id))
    }

    pub fn refreshed(&self, member: Member) {
        *self.whose() = member;
    }

    /// From now on it hears what happens to its member.
    pub fn join(self: &Arc<Self>) {
        if let Some(here) = self.here.upgrade() {
            here.join(&self.whose().id, self.id, self);
        }
    }

    pub fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// It hears nothing more.
    pub fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
        if let Some(here) = self.here.upgrade() {
            here.leave(&self.whose().id, self.id);
        }
    }

    /// From now on events wait for the answer that is going to be read.
    pub fn ask(&self) {
        self.inner().asking += 1;
    }

    /// Sends the answer and, when no other is being read, what waited for it.
    pub fn answer(&self, socket: &SocketRef, ready: &Ready, send: impl FnOnce(&Ready)) {
        let mut inner = self.inner();
        send(ready);
        inner.since = inner.since.max(ready.standing.seq);
        self.let_go(&mut inner, socket);
    }

    /// There is no answer: what waited for it goes on.
    pub fn give_up(&self, socket: &SocketRef) {
        self.let_go(&mut self.inner(), socket);
    }

    fn let_go(&self, inner: &mut Inner, socket: &SocketRef) {
        inner.asking -= 1;
        if inner.asking == 0 {
            for event in std::mem::take(&mut inner.held) {
                self.tell(inner, socket, &event);
            }
        }
    }

    /// Tells the socket, now or behind the answer it waits for.
    pub fn hear(&self, socket: &SocketRef, event: &Event) {
        let mut inner = self.inner();
        if inner.asking == 0 {
            self.tell(&mut inner, socket, event);
        } else if inner.held.len() < PACKETS_MAX {
            inner.held.push(event.clone());
        } else {
            overflowed(socket.clone());
        }
    }

    fn tell(&self, inner: &mut Inner, socket: &SocketRef, event: &Event) {
        match event {
            _ if self.has_left() => {}
            Event::Changed { change, counts, .. } if change.seq > inner.since => {
                inner.since = change.seq;
                emit(socket.clone(), change.what.name(), &change.told(*counts));
            }
            Event::Transient { item, .. } => {
                #[derive(Serialize)]
                struct Told<'a> {
                    item: &'a crate::domain::inbox::Item,
                }
                emit(socket.clone(), "inbox.transient", &Told { item });
            }
            // Known already; or nothing of the inbox.
            Event::Changed { .. }
            | Event::Counted { .. }
            | Event::SessionsEnded { .. }
            | Event::SignedOut { .. } => {}
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.leave();
    }
}
