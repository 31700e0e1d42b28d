//! The lines of an export, as the README has them: format 1. A change of one is another format.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Member, Part, Piece, Placed};
use crate::domain::account::Role;
use crate::domain::id::ItemId;
use crate::domain::inbox::State;
use crate::domain::key::{self, Scope, hexadecimal};
use crate::domain::notification;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// The first.
    Bellrope(Header),
    Account(Account),
    Key(Key),
    Member(MemberLine),
    Item(Box<ItemLine>),
    Part(Box<PartLine>),
    /// The last.
    End(End),
}

/// RFC 3339.
pub struct Time(pub Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(from)?;
        let at = raw.parse::<Timestamp>().ok();
        // Rows keep whole milliseconds.
        let at = at.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok());
        let wrong = || serde::de::Error::custom("a time is written as 2026-11-27T09:40:00.000Z");
        at.map(Self).ok_or_else(wrong)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub format: u32,
    /// Of the program that wrote it.
    pub version: String,
    pub exported_at: Time,
    pub epoch: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// All of them, this one included: what `wc -l` says.
    pub lines: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub name: String,
    pub role: Role,
    pub disabled: bool,
    pub password_hash: String,
    pub created_at: Time,
}

/// With the hash of its secret, so that a forum's backend goes on with the key it has. Nobody gets
/// the secret back from a SHA-256 of 128 random bits, and the hash by itself opens nothing: it is
/// worth less to a thief than the passwords' hashes, which somebody may guess at.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub id: String,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub hash: String,
    pub created_at: Time,
    pub last_used_at: Option<Time>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberLine {
    pub id: String,
    pub seq: u64,
    pub seen: u64,
    pub signed_out_at: Option<Time>,
    pub left: bool,
    pub age: u64,
    pub age_updated_at: Option<Time>,
    pub muted: Muted,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Muted {
    pub kinds: Vec<String>,
    pub groups: Vec<String>,
    pub actors: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemLine {
    pub member: String,
    pub id: ItemId,
    pub seq: u64,
    pub read: bool,
    pub archived: bool,
    pub count: u64,
    pub actors: Vec<Person>,
    pub created_at: Time,
    pub updated_at: Time,
    pub placed_at: Time,
    pub number: u32,
    pub content: Content,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartLine {
    pub member: String,
    pub item: ItemId,
    pub number: u32,
    pub content: Content,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub id: String,
    pub name: Option<String>,
    pub avatar: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    pub r#type: String,
    pub id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    pub kind: String,
    pub title: String,
    pub body: String,
    pub url: Option<String>,
    pub actor: Option<Person>,
    pub object: Option<Thing>,
    pub key: Option<String>,
    pub group: Option<String>,
    /// `null` is nothing, and so it is where it is kept.
    pub data: Option<Value>,
    pub expires_at: Option<Time>,
}

impl From<Piece> for Line {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Account(account) => Self::Account(Account {
                name: account.name.as_str().to_owned(),
                role: account.role,
                disabled: account.disabled,
                password_hash: account.password_hash,
                created_at: account.created_at.into(),
            }),
            Piece::Key(key) => Self::Key(key.into()),
            Piece::Member(member) => Self::Member((*member).into()),
            Piece::Item(placed) => Self::Item(Box::new((*placed).into())),
            Piece::Part(part) => Self::Part(Box::new((*part).into())),
        }
    }
}

impl From<key::Key> for Key {
    fn from(key: key::Key) -> Self {
        Self {
            hash: hexadecimal(&key.hash),
            id: key.id,
            name: key.name,
            scopes: key.scopes,
            created_at: key.created_at.into(),
            last_used_at: key.last_used_at.map(Time),
        }
    }
}

impl From<Member> for MemberLine {
    fn from(member: Member) -> Self {
        Self {
            id: member.id.to_string(),
            seq: member.seq,
            seen: member.seen,
            signed_out_at: member.signed_out_at.map(Time),
            left: member.left,
            age: member.counter.age,
            age_updated_at: member.counter.updated_at.map(Time),
            muted: Muted {
                kinds: member.muted.kinds,
                groups: member.muted.groups,
                actors: member.muted.actors,
            },
        }
    }
}

impl From<Placed> for ItemLine {
    fn from(placed: Placed) -> Self {
        let item = placed.item;
        Self {
            member: placed.member.to_string(),
            id: item.id,
            seq: item.seq.unwrap_or_default(),
            read: item.state != State::Unread,
            archived: item.state == State::Archived,
            count: item.count,
            actors: item.actors.into_iter().map(Person::from).collect(),
            created_at: item.created_at.into(),
            updated_at: item.updated_at.into(),
            placed_at: placed.placed_at.into(),
            number: placed.head,
            content: notification::Content::clone(&item.content).into(),
        }
    }
}

impl From<Part> for PartLine {
    fn from(part: Part) -> Self {
        Self {
            member: part.member.to_string(),
            item: part.item,
            number: part.number,
            content: part.content.into(),
        }
    }
}

impl From<notification::Person> for Person {
    fn from(notification::Person { id, name, avatar }: notification::Person) -> Self {
        Self { id, name, avatar }
    }
}

impl From<Person> for notification::Person {
    fn from(Person { id, name, avatar }: Person) -> Self {
        Self { id, name, avatar }
    }
}

impl From<notification::Content> for Content {
    fn from(content: notification::Content) -> Self {
        let thing = |notification::Thing { r#type, id }| Thing { r#type, id };
        Self {
            kind: content.kind,
            title: content.title,
            body: content.body,
            url: content.url,
            actor: content.actor.map(Person::from),
            object: content.object.map(thing),
            key: content.key,
            group: content.group,
            data: content.data,
            expires_at: content.expires_at.map(Time),
        }
    }
}

impl From<Content> for notification::Content {
    fn from(content: Content) -> Self {
        let thing = |Thing { r#type, id }| notification::Thing { r#type, id };
        Self {
            kind: content.kind,
            title: content.title,
            body: content.body,
            url: content.url,
            actor: content.actor.map(notification::Person::from),
            object: content.object.map(thing),
            key: content.key,
            group: content.group,
            data: content.data,
            expires_at: content.expires_at.map(|at| at.0),
        }
    }
}
