//! The rows of inboxes: members, items, their parts, and the log.

use std::sync::Arc;

use bincode::{Decode, Encode};
use jiff::Timestamp;

use super::{Row, corrupt, time};
use crate::domain::error::{Error, Result};
use crate::domain::id::ItemId;
use crate::domain::inbox::{Became, Counts, Item, Muted, State, Which};
use crate::domain::notification::{Content, Person, Thing};

/// Where a member's inbox and log stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    pub seq: u64,
    /// The `seen` pointer.
    pub seen: u64,
    pub counts: Counts,
    pub items: u64,
    /// What the forum vouched for until then is refused.
    pub signed_out_at: Option<Timestamp>,
    /// The member is gone; only `seq` and `signed_out_at` still mean something.
    pub left: bool,
}

#[derive(Encode, Decode)]
pub struct LedgerRow {
    seq: u64,
    seen: u64,
    unread: u64,
    unseen: u64,
    items: u64,
    signed_out_ms: Option<i64>,
    left: bool,
}

impl Row for Ledger {
    const VERSION: u8 = 1;
    type Fields = LedgerRow;

    fn to_fields(&self) -> LedgerRow {
        LedgerRow {
            seq: self.seq,
            seen: self.seen,
            unread: self.counts.unread,
            unseen: self.counts.unseen,
            items: self.items,
            signed_out_ms: self.signed_out_at.map(Timestamp::as_millisecond),
            left: self.left,
        }
    }

    fn from_fields(row: LedgerRow) -> Result<Self> {
        Ok(Self {
            seq: row.seq,
            seen: row.seen,
            counts: Counts {
                unread: row.unread,
                unseen: row.unseen,
            },
            items: row.items,
            signed_out_at: row.signed_out_ms.map(time).transpose()?,
            left: row.left,
        })
    }
}

/// An item with what only the store needs to know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub item: Item,
    /// The number of the part that is shown; the older ones are rows of their own.
    pub head: u32,
    pub parts: u32,
    /// When it came to its place.
    pub placed_at: Timestamp,
}

#[derive(Encode, Decode)]
pub struct KeptRow {
    id: u128,
    seq: u64,
    state: u8,
    content: ContentRow,
    count: u64,
    actors: Vec<PersonRow>,
    created_ms: i64,
    updated_ms: i64,
    placed_ms: i64,
    head: u32,
    parts: u32,
}

impl Row for Kept {
    const VERSION: u8 = 1;
    type Fields = KeptRow;

    fn to_fields(&self) -> KeptRow {
        let item = &self.item;
        KeptRow {
            id: item.id.0,
            seq: item.seq.unwrap_or_default(),
            state: item.state as u8,
            content: item.content.to_fields(),
            count: item.count,
            actors: item.actors.iter().map(PersonRow::from).collect(),
            created_ms: item.created_at.as_millisecond(),
            updated_ms: item.updated_at.as_millisecond(),
            placed_ms: self.placed_at.as_millisecond(),
            head: self.head,
            parts: self.parts,
        }
    }

    fn from_fields(row: KeptRow) -> Result<Self> {
        let state = match row.state {
            0 => State::Unread,
            1 => State::Read,
            2 => State::Archived,
            _ => return Err(corrupt("an item is in no state there is")),
        };
        Ok(Self {
            item: Item {
                id: ItemId(row.id),
                seq: Some(row.seq),
                content: Arc::new(Content::from_fields(row.content)?),
                count: row.count,
                actors: row.actors.into_iter().map(Person::from).collect(),
                created_at: time(row.created_ms)?,
                updated_at: time(row.updated_ms)?,
                state,
            },
            head: row.head,
            parts: row.parts,
            placed_at: time(row.placed_ms)?,
        })
    }
}

#[derive(Encode, Decode)]
pub struct PersonRow {
    id: String,
    name: Option<String>,
    avatar: Option<String>,
}

impl From<&Person> for PersonRow {
    fn from(person: &Person) -> Self {
        Self {
            id: person.id.clone(),
            name: person.name.clone(),
            avatar: person.avatar.clone(),
        }
    }
}

impl From<PersonRow> for Person {
    fn from(row: PersonRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            avatar: row.avatar,
        }
    }
}

#[derive(Encode, Decode)]
pub struct ContentRow {
    kind: String,
    title: String,
    body: String,
    url: Option<String>,
    actor: Option<PersonRow>,
    object: Option<(String, String)>,
    key: Option<String>,
    group: Option<String>,
    /// JSON.
    data: Option<String>,
    expires_ms: Option<i64>,
}

impl Row for Content {
    const VERSION: u8 = 1;
    type Fields = ContentRow;

    fn to_fields(&self) -> ContentRow {
        let object = self.object.as_ref();
        ContentRow {
            kind: self.kind.clone(),
            title: self.title.clone(),
            body: self.body.clone(),
            url: self.url.clone(),
            actor: self.actor.as_ref().map(PersonRow::from),
            object: object.map(|object| (object.r#type.clone(), object.id.clone())),
            key: self.key.clone(),
            group: self.group.clone(),
            data: self.data.as_ref().map(ToString::to_string),
            expires_ms: self.expires_at.map(Timestamp::as_millisecond),
        }
    }

    fn from_fields(row: ContentRow) -> Result<Self> {
        let data = row.data.map(|data| serde_json::from_str(&data)).transpose();
        Ok(Self {
            kind: row.kind,
            title: row.title,
            body: row.body,
            url: row.url,
            actor: row.actor.map(Person::from),
            object: row.object.map(|(r#type, id)| Thing { r#type, id }),
            key: row.key,
            group: row.group,
            data: data.map_err(|e| Error::Storage(e.into()))?,
            expires_at: row.expires_ms.map(time).transpose()?,
        })
    }
}

/// An entry of the log: what changed, without what it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    pub at: Timestamp,
    pub entry: Entry,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Entry {
    Added(u128),
    Updated(u128),
    Removed(Vec<u128>),
    StateOf(Vec<u128>, BecameRow),
    StateThrough(u64, BecameRow),
}

#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode)]
pub struct BecameRow {
    read: Option<bool>,
    seen: Option<bool>,
    archived: Option<bool>,
}

impl From<Became> for BecameRow {
    fn from(became: Became) -> Self {
        let Became {
            read,
            seen,
            archived,
        } = became;
        Self {
            read,
            seen,
            archived,
        }
    }
}

impl From<BecameRow> for Became {
    fn from(row: BecameRow) -> Self {
        Self {
            read: row.read,
            seen: row.seen,
            archived: row.archived,
        }
    }
}

impl Entry {
    pub fn state(which: &Which, became: Became) -> Self {
        match which {
            Which::Ids(ids) => Self::StateOf(ids.iter().map(|id| id.0).collect(), became.into()),
            Which::Through(seq) => Self::StateThrough(*seq, became.into()),
        }
    }
}

impl Row for Logged {
    const VERSION: u8 = 1;
    type Fields = (i64, Entry);

    fn to_fields(&self) -> (i64, Entry) {
        (self.at.as_millisecond(), self.entry.clone())
    }

    fn from_fields((ms, entry): (i64, Entry)) -> Result<Self> {
        Ok(Self {
            at: time(ms)?,
            entry,
        })
    }
}

impl Row for Muted {
    const VERSION: u8 = 1;
    type Fields = (Vec<String>, Vec<String>, Vec<String>);

    fn to_fields(&self) -> Self::Fields {
        (self.kinds.clone(), self.groups.clone(), self.actors.clone())
    }

    fn from_fields((kinds, groups, actors): Self::Fields) -> Result<Self> {
        Ok(Self {
            kinds,
            groups,
            actors,
        })
    }
}
