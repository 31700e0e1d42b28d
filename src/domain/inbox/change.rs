//! One change of an inbox: what is told live, and what is told again to whoever missed it.

use serde::{Serialize, Serializer};

use super::{Act, Counts, Item};
use crate::domain::id::ItemId;

/// A change with its number in the member's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub seq: u64,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum What {
    Added {
        item: Box<Item>,
    },
    /// Also a fold, whose item has a new place: its `seq` is the change's.
    Updated {
        item: Box<Item>,
    },
    Removed {
        ids: Vec<ItemId>,
    },
    State(StateChange),
}

impl What {
    #[must_use]
    pub fn state(which: Which, became: Became) -> Self {
        Self::State(StateChange { which, became })
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Added { .. } => "inbox.added",
            Self::Updated { .. } => "inbox.updated",
            Self::Removed { .. } => "inbox.removed",
            Self::State(_) => "inbox.state",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateChange {
    #[serde(flatten)]
    pub which: Which,
    #[serde(flatten)]
    pub became: Became,
}

/// The items a change of state is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    Ids(Vec<ItemId>),
    /// All with this `seq` or a lower one, as far as the change can be theirs.
    Through(u64),
}

/// What they became. Only what the change was about is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Became {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

impl Became {
    pub const SEEN: Self = Self {
        read: None,
        seen: Some(true),
        archived: None,
    };
}

impl From<Act> for Became {
    fn from(act: Act) -> Self {
        let (read, archived) = match act {
            Act::Read => (Some(true), None),
            Act::Unread => (Some(false), None),
            Act::Archive => (Some(true), Some(true)),
            Act::Unarchive => (None, Some(false)),
        };
        Self {
            read,
            seen: None,
            archived,
        }
    }
}

/// A change as it is told live.
#[derive(Serialize)]
pub struct Told<'a> {
    seq: u64,
    counts: Counts,
    #[serde(flatten)]
    what: &'a What,
}

impl Change {
    #[must_use]
    pub fn told(&self, counts: Counts) -> Told<'_> {
        Told {
            seq: self.seq,
            counts,
            what: &self.what,
        }
    }

    fn told_again(&self) -> ToldAgain<'_> {
        ToldAgain {
            r#type: self.what.name(),
            seq: self.seq,
            what: &self.what,
        }
    }

    /// Bytes of it when it is told again, and of the comma behind it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        serde_json::to_vec(&self.told_again()).map_or(0, |json| json.len() + 1)
    }
}

/// A change as it is told again: with its event's name, without counts.
#[derive(Serialize)]
struct ToldAgain<'a> {
    r#type: &'static str,
    seq: u64,
    #[serde(flatten)]
    what: &'a What,
}

/// A change that is told again.
#[derive(Debug)]
pub struct Replayed(pub Change);

impl Serialize for Replayed {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.told_again().serialize(to)
    }
}
