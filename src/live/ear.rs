//! What a member's socket has heard of its inbox, so that it hears the rest once, and in order.
//!
//! A socket joins its member's room first and reads the store after. What is told in between is
//! held back, and let go behind the answer that was read: whatever that answer has in it already
//! is dropped by its number. So a change is in the answer or follows it, never in neither.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use socketioxide::extract::SocketRef;

use super::PACKETS_MAX;
use super::push::{emit, overflowed};
use crate::domain::Member;
use crate::domain::allowance::{Allowance, Rate};
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::inbox::{Cursor, Ready};

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
    inner: Mutex<Inner>,
}

struct Inner {
    /// As its newest token says.
    member: Member,
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
    pub fn new(member: Member, cursor: Option<Cursor>, now: Timestamp) -> Self {
        let inner = Inner {
            member,
            asking: 1,
            since: 0,
            held: Vec::new(),
            answers: Allowance::new(ANSWERS, now),
        };
        Self {
            turn: tokio::sync::Mutex::default(),
            cursor,
            opened_at: Instant::now(),
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

    pub fn member(&self) -> Member {
        self.inner().member.clone()
    }

    pub fn expires_at(&self) -> Timestamp {
        self.inner().member.expires_at
    }

    pub fn refreshed(&self, member: Member) {
        self.inner().member = member;
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
        inner.let_go(socket);
    }

    /// There is no answer: what waited for it goes on.
    pub fn give_up(&self, socket: &SocketRef) {
        self.inner().let_go(socket);
    }

    /// Tells the socket, now or behind the answer it waits for.
    pub fn hear(&self, socket: &SocketRef, event: &Event) {
        let mut inner = self.inner();
        if inner.asking == 0 {
            inner.tell(socket, event);
        } else if inner.held.len() < PACKETS_MAX {
            inner.held.push(event.clone());
        } else {
            overflowed(socket.clone());
        }
    }
}

impl Inner {
    fn let_go(&mut self, socket: &SocketRef) {
        self.asking -= 1;
        if self.asking == 0 {
            for event in std::mem::take(&mut self.held) {
                self.tell(socket, &event);
            }
        }
    }

    fn tell(&mut self, socket: &SocketRef, event: &Event) {
        match event {
            Event::Changed { change, counts, .. } if change.seq > self.since => {
                self.since = change.seq;
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
