//! The seam between what the product does and where it is kept.
//!
//! A [`Store`] method is one atomic product operation. A write resolves only after its commit is
//! on disk; its events then reach the [`Bus`] in commit order.

use std::fs::File;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::account::{Account, Name};
use super::backup::{Moment, Report};
use super::call::Record;
use super::counter::Counter;
use super::error::Result;
use super::event::{EndReason, Event};
use super::id::{ItemId, MemberId};
use super::inbox::{Act, Cursor, Muted, Page, Query, Replay, Selector, Standing, Trace};
use super::key::Key;
use super::metrics::{Census, Pulse};
use super::notification::{Broadcast, Delivery, Note, Publication, Recipient, Retraction};
use super::session::{Session, SessionId};

/// Whether an account may be added although an administrator exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unless {
    NameTaken,
    /// For the setup link, which is good only until somebody used one.
    NameTakenOrAdminExists,
}

/// Keeps. Every method may fail with [`super::error::Error::Storage`]; the writing ones also
/// with `Busy` (the queue is full, nothing was done), `ReadOnly` and `Stopping`.
#[async_trait]
pub trait Store: Inboxes + Copies + Send + Sync {
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

    /// Removes the account with its sessions, its counter and its inbox. `NotFound` likewise.
    async fn remove_account(&self, name: &Name, now: Timestamp) -> Result<()>;

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
        reason: EndReason,
    ) -> Result<()>;

    async fn counter(&self, member: &MemberId) -> Result<Counter>;

    /// Adds 1 and returns the new value. `TokenRevoked` when the member's own account is gone.
    async fn increment(&self, member: &MemberId, now: Timestamp) -> Result<u64>;

    async fn key(&self, id: &str) -> Result<Option<Key>>;

    /// The oldest first.
    async fn keys(&self) -> Result<Vec<Key>>;

    /// `FieldInvalid` when there are `max` already.
    async fn add_key(&self, key: Key, max: usize) -> Result<()>;

    /// As [`Store::touch_session`].
    fn touch_key(&self, id: &str, at: Timestamp);

    /// `NotFound` when there is no such key.
    async fn remove_key(&self, id: &str) -> Result<()>;

    /// How writing goes, and how large it has become.
    fn pulse(&self) -> Pulse;

    /// Resolves when the store can neither write nor be opened anew: only a new process can help.
    async fn lost(&self);

    /// Commits what was accepted; nothing is accepted after. The last owner to drop the store closes it.
    async fn close(&self);
}

/// Keeps inboxes, each with its log. Every change of one takes the log's next number in the same
/// commit, and a change that changes nothing takes none.
#[async_trait]
pub trait Inboxes: Send + Sync {
    /// How a call went, if it is still known.
    async fn call(&self, id: &str) -> Result<Option<Record>>;

    async fn add_call(&self, record: Record) -> Result<()>;

    /// Publishes to all recipients in one commit, with the note of how it went. Answers with one
    /// list for each publication, in the order of its recipients.
    async fn publish(
        &self,
        publications: Vec<Publication>,
        note: Option<Note>,
        now: Timestamp,
    ) -> Result<Vec<Vec<Delivery>>>;

    /// What publishing would deliver, without doing it.
    async fn look(&self, publication: &Publication) -> Result<Vec<Delivery>>;

    /// Publishes to everyone that are on their way.
    async fn broadcasts(&self) -> Result<Vec<Broadcast>>;

    async fn add_broadcast(&self, broadcast: Broadcast) -> Result<()>;

    /// One step of a publish to everyone, and where it stands after it. Without recipients it is
    /// the last: the broadcast is forgotten and the record kept.
    async fn step(
        &self,
        broadcast: Broadcast,
        to: Vec<Recipient>,
        record: Option<Record>,
        now: Timestamp,
    ) -> Result<Broadcast>;

    /// Takes at most `max` parts back and says how many there were.
    async fn retract(&self, what: &Retraction, max: usize, now: Timestamp) -> Result<usize>;

    /// The next members ever seen, in the order of their ids.
    async fn members(&self, after: Option<&MemberId>, max: usize) -> Result<Vec<MemberId>>;

    /// Notes that the forum vouches for a member. `TokenRevoked` when the member was signed out
    /// since `issued_at`.
    async fn note_member(&self, member: &MemberId, issued_at: Timestamp) -> Result<()>;

    /// Ends all sessions and sockets, and refuses what the forum vouched for until now.
    async fn sign_out(&self, member: &MemberId, reason: EndReason, now: Timestamp) -> Result<()>;

    /// The same, and the inbox with its log and its preferences is gone. `seq` goes on if the id
    /// returns. `NotFound` when nobody ever saw the member.
    async fn forget(&self, member: &MemberId, now: Timestamp) -> Result<()>;

    async fn standing(&self, member: &MemberId) -> Result<Standing>;

    /// How it stands, with the newest changes. `None` when nobody ever saw the member.
    async fn trace(&self, member: &MemberId, max: usize) -> Result<Option<Trace>>;

    async fn page(&self, member: &MemberId, query: &Query) -> Result<Page>;

    /// What happened since the cursor, as one moment saw it.
    async fn replay(
        &self,
        member: &MemberId,
        cursor: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Replay>;

    async fn change_items(
        &self,
        member: &MemberId,
        act: Act,
        selector: Selector,
        now: Timestamp,
    ) -> Result<Standing>;

    async fn see(&self, member: &MemberId, through: u64, now: Timestamp) -> Result<Standing>;

    /// `None` when there is no such item.
    async fn remove_item(
        &self,
        member: &MemberId,
        id: ItemId,
        now: Timestamp,
    ) -> Result<Option<Standing>>;

    async fn muted(&self, member: &MemberId) -> Result<Muted>;

    async fn set_muted(&self, member: &MemberId, muted: Muted) -> Result<()>;

    /// Removes at most `max` items and records of calls that are over; says how many there were.
    async fn expire(&self, now: Timestamp, max: usize) -> Result<usize>;

    /// Those of these members whose inbox or log holds something beyond its bounds.
    async fn overdue(&self, members: Vec<MemberId>, now: Timestamp) -> Result<Vec<MemberId>>;

    /// Removes at most `max` rows beyond their bounds; says how many there were.
    async fn trim(&self, member: &MemberId, now: Timestamp, max: usize) -> Result<usize>;
}

/// Goes through the whole of one moment, while changes go on.
#[async_trait]
pub trait Copies: Send + Sync {
    /// A copy in a file that has no name, on disk, looked through, and ready to be read from its
    /// start. `NotCopied` when the disk has no room for it or fails, `Stopping`.
    async fn copy(&self) -> Result<(Moment, File)>;

    /// The lines of an export in a file that has no name, ready to be read from its start.
    /// `NotCopied`, `Stopping` likewise.
    async fn export(&self, now: Timestamp) -> Result<File>;

    /// Looks at every row, and at what each says of the others. `Stopping` likewise.
    async fn check(&self) -> Result<Report>;
}

/// Asks the sockets, which know best who is there.
pub trait Presence: Send + Sync {
    /// Sockets that a member has open.
    fn sockets(&self, member: &MemberId) -> usize;

    /// All of them, by whose they are.
    fn census(&self) -> Census;
}

/// Tells every node what was committed, and asks every node who is there.
#[async_trait]
pub trait Bus: Send + Sync {
    /// From the writer, in commit order. Blocks while a subscriber is [`BUS_BATCHES_MAX`] behind.
    fn publish(&self, events: Vec<Event>);

    /// Tells what no commit holds, in any order among them.
    async fn send(&self, events: Vec<Event>);

    /// Everything published from now on, a commit's events at a time, in order.
    fn subscribe(&self) -> mpsc::Receiver<Arc<[Event]>>;

    /// From now on this node's sockets are asked as well.
    fn attend(&self, presence: Weak<dyn Presence>);

    /// How many sockets each of these members has open, in their order.
    async fn sockets(&self, members: &[MemberId]) -> Vec<usize>;

    /// Who is on this node.
    fn census(&self) -> Census;
}

/// Batches of events that wait for a subscriber. Telling the sockets never waits for one of them,
/// so this fills only when the processor does; then the writer is slowed rather than memory used.
pub const BUS_BATCHES_MAX: usize = 1024;
