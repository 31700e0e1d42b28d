//! What the product does. Knows no transport and no database.
//!
//! Every use case is a function `noun::verb(&app, &actor, ..)`: it checks the rules, asks the
//! [`engine::Store`] for one atomic change, and the events of that change reach the
//! [`engine::Bus`] in commit order.

pub mod account;
pub mod clock;
pub mod counter;
pub mod engine;
pub mod error;
pub mod event;
pub mod id;
pub mod password;
pub mod session;
pub mod setup;
pub mod tries;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Registration;
use clock::Clock;
use engine::{Bus, Store};
use error::{Error, Result};
use id::MemberId;
use session::SessionId;

/// What a use case needs. One per process, shared by every room.
pub struct App {
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn Bus>,
    pub clock: Clock,
    pub registration: Registration,
    pub sessions: session::Keys,
    pub hasher: password::Hasher,
    pub tries: tries::Tries,
    pub setup: setup::Setup,
    /// Set once, when the stop begins: `/readyz` turns to 503 so that a proxy looks elsewhere.
    pub stopping: AtomicBool,
}

impl App {
    /// Why this process should get no new work, or `Ok`.
    ///
    /// # Errors
    /// [`Error::Stopping`], or [`Error::Storage`] when the disk refused a write.
    pub async fn ready(&self) -> Result<()> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Error::Stopping);
        }
        self.store.ready().await
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Over the network, after trusted proxies were looked through.
    Address(IpAddr),
    /// From somebody who owns the data folder: the commands, through its Unix socket or in-process.
    Operator,
}

/// Who asks, once the question "who is this?" is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    Member(Member),
    /// May do what an administrator may; has no inbox, no counter and no session of its own.
    Operator,
}

/// A member with an own account, speaking through one of its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub name: account::Name,
    pub role: account::Role,
    pub session: SessionId,
    pub expires_at: jiff::Timestamp,
}

impl Actor {
    /// # Errors
    /// [`Error::NotAMember`] for the operator.
    pub fn member(&self) -> Result<&Member> {
        match self {
            Self::Member(member) => Ok(member),
            Self::Operator => Err(Error::NotAMember),
        }
    }

    /// # Errors
    /// [`Error::ScopeMissing`] for members who are no administrators.
    pub fn require_admin(&self) -> Result<()> {
        match self {
            Self::Operator => Ok(()),
            Self::Member(member) if member.role == account::Role::Admin => Ok(()),
            Self::Member(_) => Err(Error::ScopeMissing),
        }
    }
}
