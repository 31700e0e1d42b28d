//! A member's inbox: its items, their states, and the one log that says how it came to be so.

mod change;
mod retention;
mod trace;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

pub use change::{Became, Change, What, Which};
pub use retention::keep;
pub use trace::{Trace, Traced};

use super::account::{self, User};
use super::error::{Error, Result};
use super::id::{ItemId, MemberId};
use super::notification::{Content, Person, Thing};
use super::{Actor, App, Member, clock};

/// Items of one page.
const PAGE_MAX: usize = 100;
/// Items that a selector may name one by one.
const IDS_MAX: usize = 1000;
/// Words of each kind that a member may mute.
const MUTED_MAX: usize = 200;
/// Bytes of one such word: as long as a group may be.
const MUTED_BYTES_MAX: usize = 255;
/// Bytes of an answer with a replay. A client further behind than this loads the inbox afresh, which
/// is less.
const READY_BYTES_MAX: usize = 256 << 10;
/// Bytes of its changes: what is left beside who it is for and how the inbox stands. Of that the
/// longest is a name, which has 200 characters.
pub const REPLAY_BYTES_MAX: usize = READY_BYTES_MAX - (4 << 10);
/// Actors an item names; the rest are counted.
pub const ACTORS_MAX: usize = 5;

/// One entry of an inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub id: ItemId,
    /// Of the add or fold that put it where it is; none for what is transient.
    pub seq: Option<u64>,
    /// The newest part's. Shared by the recipients of one publish.
    pub content: Arc<Content>,
    /// Distinct actors; a part without one counts one.
    pub count: u64,
    /// The newest, at most [`ACTORS_MAX`].
    pub actors: Vec<Person>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub state: State,
}

/// Where an item lies. Archiving implies reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Unread,
    Read,
    Archived,
}

impl Item {
    #[must_use]
    pub fn new(id: ItemId, seq: Option<u64>, content: Arc<Content>, now: Timestamp) -> Self {
        Self {
            id,
            seq,
            count: 1,
            actors: content.actor.clone().into_iter().collect(),
            content,
            created_at: now,
            updated_at: now,
            state: State::Unread,
        }
    }
}

/// As the wire has it.
impl Serialize for Item {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let content = &self.content;
        let mut item = to.serialize_struct("Item", 18)?;
        item.serialize_field("id", &self.id)?;
        item.serialize_field("seq", &self.seq)?;
        item.serialize_field("kind", &content.kind)?;
        item.serialize_field("title", &content.title)?;
        item.serialize_field("body", &content.body)?;
        item.serialize_field("url", &content.url)?;
        item.serialize_field("actor", &content.actor)?;
        item.serialize_field("object", &content.object)?;
        item.serialize_field("key", &content.key)?;
        item.serialize_field("group", &content.group)?;
        item.serialize_field("count", &self.count)?;
        item.serialize_field("actors", &self.actors)?;
        item.serialize_field("data", &content.data)?;
        item.serialize_field("created_at", &clock::shown(self.created_at))?;
        item.serialize_field("updated_at", &clock::shown(self.updated_at))?;
        item.serialize_field("expires_at", &content.expires_at.map(clock::shown))?;
        item.serialize_field("read", &(self.state != State::Unread))?;
        item.serialize_field("archived", &(self.state == State::Archived))?;
        item.end()
    }
}

/// Kept with the inbox, not counted: the same cost whatever its length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Items neither read nor archived; a group counts once.
    pub unread: u64,
    /// Those of them above the `seen` pointer: what the bell shows.
    pub unseen: u64,
}

/// Where a member's log stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub epoch: String,
    pub seq: u64,
    pub counts: Counts,
}

/// What a client knows already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub epoch: String,
    pub since: u64,
}

/// The way from a cursor to now.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    pub standing: Standing,
    /// All of `(since, seq]`, or `None` where the log does not reach back so far.
    pub changes: Option<Vec<Change>>,
}

/// What a socket is told when it has come in, and when it asks to catch up.
#[derive(Debug, Serialize)]
pub struct Ready {
    pub user: User,
    #[serde(flatten)]
    pub standing: Standing,
    pub recovered: bool,
    /// Each with its `type`.
    pub changes: Vec<change::Replayed>,
    pub expires_at: String,
}

/// Which items a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Everything not archived.
    All,
    Unread,
    Archived,
}

/// A page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub filter: Filter,
    pub kind: Option<String>,
    /// Only items whose `seq` is lower.
    pub before: Option<u64>,
    pub limit: usize,
}

/// A page: newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub items: Vec<Item>,
    pub standing: Standing,
    /// `before` of the next page, if there is one.
    pub next: Option<u64>,
}

/// Which items a change of state is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    Ids(Vec<ItemId>),
    Group(String),
    Object(Thing),
    Kind(String),
    /// Inclusive.
    Through(u64),
    All,
}

/// What is done to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Read,
    /// Leaves archived items alone.
    Unread,
    Archive,
    /// Makes archived items read.
    Unarchive,
}

impl Act {
    /// Where the items it is for lie, and where it puts them.
    #[must_use]
    pub fn moves(self) -> (&'static [State], State) {
        match self {
            Self::Read => (&[State::Unread], State::Read),
            Self::Unread => (&[State::Read], State::Unread),
            Self::Archive => (&[State::Unread, State::Read], State::Archived),
            Self::Unarchive => (&[State::Archived], State::Read),
        }
    }
}

/// What a member does not want to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Muted {
    pub kinds: Vec<String>,
    pub groups: Vec<String>,
    /// Ids.
    pub actors: Vec<String>,
}

impl Muted {
    #[must_use]
    pub fn covers(&self, content: &Content) -> bool {
        let group = content.group.as_ref();
        let actor = content.actor.as_ref();
        self.kinds.contains(&content.kind)
            || group.is_some_and(|group| self.groups.contains(group))
            || actor.is_some_and(|actor| self.actors.contains(&actor.id))
    }
}

/// One page of the actor's inbox.
///
/// # Errors
/// `NotAMember`, `FieldInvalid`, `Storage`.
pub async fn page(app: &App, actor: &Actor, query: &Query) -> Result<Page> {
    let member = actor.member()?;
    if !(1..=PAGE_MAX).contains(&query.limit) {
        let detail = format!("A page has 1 to {PAGE_MAX} items.");
        return Err(Error::field("limit", detail));
    }
    app.store.page(&member.id, query).await
}

/// # Errors
/// `NotAMember`, `Storage`.
pub async fn counts(app: &App, actor: &Actor) -> Result<Standing> {
    app.store.standing(&actor.member()?.id).await
}

/// Changes the state of the actor's own items.
///
/// # Errors
/// `NotAMember`, `FieldInvalid`, `Busy`, `Storage`.
pub async fn change(app: &App, actor: &Actor, act: Act, selector: Selector) -> Result<Standing> {
    change_of(app, actor.member()?.id.clone(), act, selector).await
}

/// The same for any member, once the actor may.
pub(super) async fn change_of(
    app: &App,
    member: MemberId,
    act: Act,
    selector: Selector,
) -> Result<Standing> {
    if matches!(&selector, Selector::Ids(ids) if ids.len() > IDS_MAX) {
        let detail = format!("At most {IDS_MAX} ids at once; `through` and `all` take any number.");
        return Err(Error::field("ids", detail));
    }
    app.store
        .change_items(&member, act, selector, app.clock.now())
        .await
}

/// Moves the `seen` pointer up to `through`, never back.
///
/// # Errors
/// `NotAMember`, `Busy`, `Storage`.
pub async fn see(app: &App, actor: &Actor, through: u64) -> Result<Standing> {
    app.store
        .see(&actor.member()?.id, through, app.clock.now())
        .await
}

/// # Errors
/// `NotAMember`, `NotFound`, `Busy`, `Storage`.
pub async fn remove(app: &App, actor: &Actor, id: &str) -> Result<Standing> {
    let member = actor.member()?;
    let missing = || Error::NotFound("There is no such item; it may be gone already.".to_owned());
    let id = id.parse().map_err(|()| missing())?;
    app.store
        .remove_item(&member.id, id, app.clock.now())
        .await?
        .ok_or_else(missing)
}

/// # Errors
/// `NotAMember`, `Storage`.
pub async fn preferences(app: &App, actor: &Actor) -> Result<Muted> {
    app.store.muted(&actor.member()?.id).await
}

/// Replaces what is muted. Items that are there stay.
///
/// # Errors
/// `NotAMember`, `FieldInvalid`, `Busy`, `Storage`.
pub async fn mute(app: &App, actor: &Actor, mut muted: Muted) -> Result<Muted> {
    let member = actor.member()?;
    check_muted(&mut muted)?;
    app.store.set_muted(&member.id, muted.clone()).await?;
    Ok(muted)
}

/// Sorts the words, each once.
///
/// # Errors
/// `FieldInvalid`.
pub(super) fn check_muted(muted: &mut Muted) -> Result<()> {
    for (field, words) in [
        ("muted.kinds", &mut muted.kinds),
        ("muted.groups", &mut muted.groups),
        ("muted.actors", &mut muted.actors),
    ] {
        words.sort_unstable();
        words.dedup();
        let ok = |word: &String| (1..=MUTED_BYTES_MAX).contains(&word.len());
        if words.len() > MUTED_MAX || !words.iter().all(ok) {
            let detail =
                format!("At most {MUTED_MAX} words, each of 1 to {MUTED_BYTES_MAX} bytes.");
            return Err(Error::field(field, detail));
        }
    }
    Ok(())
}

/// What a socket of this member is told when it comes in with this cursor, or asks by it.
///
/// # Errors
/// `Storage`.
pub async fn ready(app: &App, member: &Member, cursor: Option<&Cursor>) -> Result<Ready> {
    let user = account::user(app, member).await?;
    let replay = app
        .store
        .replay(&member.id, cursor, app.clock.now())
        .await?;
    Ok(Ready {
        user,
        standing: replay.standing,
        recovered: replay.changes.is_some(),
        changes: replay
            .changes
            .unwrap_or_default()
            .into_iter()
            .map(change::Replayed)
            .collect(),
        expires_at: clock::shown(member.expires_at),
    })
}
