//! What the product does. Knows no transport and no database.
//!
//! Every use case is a function `noun::verb(&app, &actor, ..)`: it checks the rules, asks the
//! [`engine::Store`] for one atomic change, and the events of that change reach the
//! [`engine::Bus`] in commit order.

pub mod account;
pub mod allowance;
pub mod backup;
pub mod call;
pub mod clock;
pub mod counter;
pub mod engine;
pub mod error;
pub mod event;
pub mod export;
pub mod forum;
pub mod id;
pub mod import;
pub mod inbox;
pub mod key;
pub mod metrics;
pub mod notification;
pub mod password;
pub mod session;
pub mod setup;
pub mod token;
pub mod tries;
pub mod user;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::{Origin, Registration};
use clock::Clock;
use engine::{Bus, Store};
use error::{Error, Result};
use id::MemberId;
use key::{Key, Scope};
use session::SessionId;

/// What a use case needs. One per process, shared by every room.
pub struct App {
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn Bus>,
    pub clock: Clock,
    pub registration: Registration,
    /// What paths in notifications are resolved against.
    pub forum_url: Option<Origin>,
    /// Who vouches for members without an own account, if anybody.
    pub forum: Option<Arc<forum::Forum>>,
    /// The calls that are being answered.
    pub running: call::Running,
    pub sessions: session::Keys,
    pub hasher: password::Hasher,
    pub tries: tries::Tries,
    /// What API keys may still publish.
    pub rates: key::Rates,
    pub setup: setup::Setup,
    pub backups: backup::Desk,
    /// What is counted, for whoever watches.
    pub metrics: Arc<metrics::Metrics>,
    /// Set once, when the stop begins: `/readyz` turns to 503 so that a proxy looks elsewhere.
    pub stopping: AtomicBool,
}

impl App {
    /// Why this process should get no new work, or `Ok`.
    ///
    /// # Errors
    /// [`Error::Stopping`], or [`Error::ReadOnly`] while the disk takes no writes.
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
    /// A forum's backend, or a script.
    Key(Key),
    /// May do what an administrator may; has no inbox, no counter and no session of its own.
    Operator,
}

/// A member, through one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub name: String,
    pub role: account::Role,
    pub proof: Proof,
    pub expires_at: jiff::Timestamp,
}

/// What says that a member is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A session of an own account.
    Session {
        account: account::Name,
        id: SessionId,
    },
    /// The forum's word, given then.
    Forum { issued_at: jiff::Timestamp },
}

impl Member {
    /// The own account and the session, where there is one.
    ///
    /// # Errors
    /// [`Error::NotAnAccount`] for members the forum vouches for.
    pub fn session(&self) -> Result<(&account::Name, &SessionId)> {
        match &self.proof {
            Proof::Session { account, id } => Ok((account, id)),
            Proof::Forum { .. } => Err(Error::NotAnAccount),
        }
    }
}

impl Actor {
    /// # Errors
    /// [`Error::NotAMember`] for keys and the operator.
    pub fn member(&self) -> Result<&Member> {
        match self {
            Self::Member(member) => Ok(member),
            Self::Key(_) | Self::Operator => Err(Error::NotAMember),
        }
    }

    /// Administrators and the operator have every scope, a key those it was made with.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`].
    pub fn require(&self, scope: Scope) -> Result<()> {
        let may = match self {
            Self::Operator => true,
            Self::Key(key) => key.scopes.contains(&scope),
            Self::Member(member) => member.role == account::Role::Admin,
        };
        may.then_some(()).ok_or(Error::ScopeMissing(scope))
    }

    /// Who it is, in a word that no other caller has.
    fn caller(&self) -> String {
        match self {
            Self::Member(member) => format!("member:{}", member.id),
            Self::Key(key) => format!("key:{}", key.id),
            Self::Operator => "operator".to_owned(),
        }
    }
}
