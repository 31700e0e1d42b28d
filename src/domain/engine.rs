//! The seam between what the product does and where it is kept.
//!
//! A [`Store`] method is one atomic product operation. A write resolves only after its commit is
//! on disk; its events then reach the [`Bus`] in commit order.

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::account::{Account, Name};
use super::counter::Counter;
use super::error::Result;
use super::event::Event;
use super::id::MemberId;
use super::session::{Session, SessionId};

/// Whether an account may be added although an administrator exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unless {
    NameTaken,
    /// For the setup link, which is good only until somebody used one.
    NameTakenOrAdminExists,
}

/// Keeps. Every method may fail with [`super::error::Error::Storage`]; the writing ones also
/// with `Busy` (the queue is full, nothing was done) and `Stopping`.
#[async_trait]
pub trait Store: Send + Sync {
    /// `Ok` while writes can be expected to work.
    async fn ready(&self) -> Result<()>;

    async fn account(&self, name: &Name) -> Result<Option<Account>>;

    /// All accounts, by name.
    async fn accounts(&self) -> Result<Vec<Account>>;

    /// Adds an account, with its first session if it has one. Fails with `Exists`, as `unless` says.
    async fn add_account(
        &self,
        account: Account,
        session: Option<Session>,
        unless: Unless,
    ) -> Result<()>;

    /// Ends every session of the account but `keep`. `NotFound` when there is no such account.
    async fn set_password(&self, name: &Name, hash: String, keep: Option<SessionId>) -> Result<()>;

    /// Ends every session of the account as well. `NotFound` when there is no such account.
    async fn disable_account(&self, name: &Name) -> Result<()>;

    /// `NotFound` likewise.
    async fn enable_account(&self, name: &Name) -> Result<()>;

    /// Removes the account with its sessions and its counter. `NotFound` likewise.
    async fn remove_account(&self, name: &Name) -> Result<()>;

    async fn session(&self, member: &MemberId, id: &SessionId) -> Result<Option<Session>>;

    /// A member's sessions that are not over at `now`, newest first.
    async fn sessions(&self, member: &MemberId, now: Timestamp) -> Result<Vec<Session>>;

    /// Adds a session, forgets the account's expired ones, and beyond `max` ends its oldest.
    /// `account` is as it was when its owner proved to be it: `NotFound` when it was removed or
    /// disabled since, or has another password.
    async fn add_session(&self, account: &Account, session: Session, max: usize) -> Result<()>;

    /// Notes that the session was used at `at`. Does not wait for the disk: a lost note is no harm.
    fn touch_session(&self, member: &MemberId, id: &SessionId, at: Timestamp);

    /// `NotFound` when it was over already.
    async fn remove_session(
        &self,
        member: &MemberId,
        id: &SessionId,
        reason: super::event::EndReason,
    ) -> Result<()>;

    async fn counter(&self, member: &MemberId) -> Result<Counter>;

    /// Adds 1 and returns the new value. `TokenRevoked` when the member's own account is gone.
    async fn increment(&self, member: &MemberId, now: Timestamp) -> Result<u64>;

    /// Commits what was accepted; nothing is accepted after. The last owner to drop the store closes it.
    async fn close(&self);
}

/// Tells every node what was committed.
pub trait Bus: Send + Sync {
    /// From the writer, in commit order. Blocks while a subscriber is [`BUS_BATCHES_MAX`] behind.
    fn publish(&self, events: Vec<Event>);

    /// Everything published from now on, a commit's events at a time, in order.
    fn subscribe(&self) -> mpsc::Receiver<Vec<Event>>;
}

/// Batches of events that wait for a subscriber. Telling the sockets never waits for one of them,
/// so this fills only when the processor does; then the writer is slowed rather than memory used.
pub const BUS_BATCHES_MAX: usize = 1024;
