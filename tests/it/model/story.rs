//! Stories: random steps over a small world of words, so that they meet each other often.

use std::fmt;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::list::Part;

/// Both members of a story.
pub const BOTH: [usize; 2] = [0, 1];

#[derive(Clone)]
pub struct Story(pub Vec<Step>);

#[derive(Debug, Clone)]
pub enum Step {
    /// A call for one, a batch for more of them.
    Publish(Vec<Draft>),
    Everyone(Draft),
    Transient(Draft),
    Retract(Handle),
    Change {
        who: usize,
        act: Act,
        which: Which,
    },
    /// The forum's own "the member opened the topic".
    Visit {
        who: usize,
        which: Which,
    },
    /// Up to this far behind the newest, or ahead of it.
    See {
        who: usize,
        behind: i64,
    },
    /// The item at this place, if there is one.
    Delete {
        who: usize,
        at: usize,
    },
    Mute {
        who: usize,
        muted: Muted,
    },
    /// The second device goes offline.
    Leave {
        who: usize,
    },
    /// It comes back.
    Return {
        who: usize,
        with: Cursor,
    },
    Hours(u64),
    Restart,
}

#[derive(Clone)]
pub struct Draft {
    pub to: Vec<usize>,
    pub kind: u8,
    pub title: u8,
    pub key: Option<u8>,
    pub group: Option<u8>,
    pub actor: Option<u8>,
    pub object: Option<u8>,
    pub expires_h: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub enum Handle {
    Key(u8),
    Object(u8),
    Actor(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Read,
    Unread,
    Archive,
    Unarchive,
}

#[derive(Debug, Clone)]
pub enum Which {
    /// Those at these places; beyond the last, one that is not there.
    Ids(Vec<usize>),
    Group(u8),
    Object(u8),
    Kind(u8),
    /// Up to this far behind the newest.
    Through(u64),
    All,
}

#[derive(Debug, Clone, Default)]
pub struct Muted {
    pub kind: Option<u8>,
    pub group: Option<u8>,
    pub actor: Option<u8>,
}

/// What a device says that comes back.
#[derive(Debug, Clone, Copy)]
pub enum Cursor {
    Own,
    /// In the query, as a v2 client.
    OwnV2,
    None,
    /// Of another database.
    Elsewhere,
    /// Above what there is.
    Ahead,
}

impl Draft {
    /// What it says, in the words of the story with this number, at this hour of it.
    pub fn part(&self, number: u64, hour: u64) -> Part {
        Part {
            kind: kind(self.kind),
            title: format!("t{}", self.title),
            key: self.key.map(|key| word(number, 'k', key)),
            group: self.group.map(group),
            actor: self.actor.map(|actor| word(number, 'a', actor)),
            object: self.object.map(|object| word(number, 'o', object)),
            expires_h: self.expires_h.map(|hours| hour + hours),
        }
    }
}

/// A word that is one story's own: what is retracted is taken from all inboxes.
pub fn word(number: u64, letter: char, index: u8) -> String {
    format!("{letter}{index}-{number}")
}

pub fn kind(index: u8) -> String {
    format!("kind{index}")
}

pub fn group(index: u8) -> String {
    format!("g{index}")
}

pub fn object(id: &str) -> Value {
    json!({ "type": "post", "id": id })
}

impl Act {
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Unread => "unread",
            Self::Archive => "archive",
            Self::Unarchive => "unarchive",
        }
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            write!(f, "\n{at:4}. {step:?}")?;
        }
        Ok(())
    }
}

/// Only what it has.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {:?} kind{} t{}", self.to, self.kind, self.title)?;
        for (name, word) in [
            ("key", self.key),
            ("group", self.group),
            ("actor", self.actor),
            ("object", self.object),
        ] {
            if let Some(word) = word {
                write!(f, " {name} {word}")?;
            }
        }
        match self.expires_h {
            Some(hours) => write!(f, " for {hours} h"),
            None => Ok(()),
        }
    }
}

pub fn stories(steps: usize) -> impl Strategy<Value = Story> {
    vec(step(), 1..=steps).prop_map(Story)
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..2_usize;
    prop_oneof![
        12 => vec(draft(), 1).prop_map(Step::Publish),
        3 => vec(draft(), 2..5).prop_map(Step::Publish),
        1 => draft().prop_map(Step::Everyone),
        1 => draft().prop_map(Step::Transient),
        3 => handle().prop_map(Step::Retract),
        10 => (who.clone(), act(), which()).prop_map(|(who, act, which)| Step::Change { who, act, which }),
        1 => (who.clone(), which()).prop_map(|(who, which)| Step::Visit { who, which }),
        2 => (who.clone(), -2..6_i64).prop_map(|(who, behind)| Step::See { who, behind }),
        2 => (who.clone(), 0..8_usize).prop_map(|(who, at)| Step::Delete { who, at }),
        1 => (who.clone(), muted()).prop_map(|(who, muted)| Step::Mute { who, muted }),
        2 => who.clone().prop_map(|who| Step::Leave { who }),
        2 => (who, cursor()).prop_map(|(who, with)| Step::Return { who, with }),
        1 => prop_oneof![4 => Just(2), 1 => Just(8 * 24), 1 => Just(91 * 24)].prop_map(Step::Hours),
        1 => Just(Step::Restart),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let to = prop_oneof![Just(vec![0]), Just(vec![1]), Just(vec![0, 1])];
    let words = (of(0..3_u8), of(0..2_u8), of(0..7_u8), of(0..2_u8));
    let expires_h = proptest::option::weighted(0.1, prop_oneof![Just(1), Just(3)]);
    (to, 0..3_u8, 0..3_u8, words, expires_h).prop_map(|(to, kind, title, words, expires_h)| {
        let (key, group, actor, object) = words;
        Draft {
            to,
            kind,
            title,
            key,
            group,
            actor,
            object,
            expires_h,
        }
    })
}

fn handle() -> impl Strategy<Value = Handle> {
    prop_oneof![
        (0..3_u8).prop_map(Handle::Key),
        (0..2_u8).prop_map(Handle::Object),
        (0..7_u8).prop_map(Handle::Actor),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Read),
        Just(Act::Unread),
        Just(Act::Archive),
        Just(Act::Unarchive),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        vec(0..9_usize, 1..4).prop_map(Which::Ids),
        (0..2_u8).prop_map(Which::Group),
        (0..2_u8).prop_map(Which::Object),
        (0..3_u8).prop_map(Which::Kind),
        (0..9_u64).prop_map(Which::Through),
        Just(Which::All),
    ]
}

fn muted() -> impl Strategy<Value = Muted> {
    (of(0..3_u8), of(0..2_u8), of(0..7_u8)).prop_map(|(kind, group, actor)| Muted {
        kind,
        group,
        actor,
    })
}

fn cursor() -> impl Strategy<Value = Cursor> {
    prop_oneof![
        4 => Just(Cursor::Own),
        2 => Just(Cursor::OwnV2),
        1 => Just(Cursor::None),
        1 => Just(Cursor::Elsewhere),
        1 => Just(Cursor::Ahead),
    ]
}
