//! The rows of what forums do: their keys, their calls, and publishes to everyone on their way.

use std::sync::Arc;

use bincode::{Decode, Encode};
use jiff::Timestamp;

use super::inbox::ContentRow;
use super::{Row, corrupt, time};
use crate::domain::call::{Call, Record};
use crate::domain::error::Result;
use crate::domain::id::{ItemId, MemberId};
use crate::domain::key::{Key, Scope};
use crate::domain::notification::{Broadcast, Content, Sum};

#[derive(Encode, Decode)]
pub struct KeyRow {
    id: String,
    name: String,
    scopes: Vec<String>,
    hash: [u8; 32],
    created_ms: i64,
    last_used_ms: Option<i64>,
}

impl Row for Key {
    const VERSION: u8 = 1;
    type Fields = KeyRow;

    fn to_fields(&self) -> KeyRow {
        let scopes = self.scopes.iter().map(|scope| scope.as_str().to_owned());
        KeyRow {
            id: self.id.clone(),
            name: self.name.clone(),
            scopes: scopes.collect(),
            hash: self.hash,
            created_ms: self.created_at.as_millisecond(),
            last_used_ms: self.last_used_at.map(Timestamp::as_millisecond),
        }
    }

    fn from_fields(row: KeyRow) -> Result<Self> {
        let scope = |word: &String| {
            let known = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
            known.ok_or_else(|| corrupt("a key has a scope that is none"))
        };
        Ok(Self {
            scopes: row.scopes.iter().map(scope).collect::<Result<_>>()?,
            id: row.id,
            name: row.name,
            hash: row.hash,
            created_at: time(row.created_ms)?,
            last_used_at: row.last_used_ms.map(time).transpose()?,
        })
    }
}

#[derive(Encode, Decode)]
pub struct CallRow {
    id: String,
    digest: [u8; 32],
}

impl From<&Call> for CallRow {
    fn from(call: &Call) -> Self {
        Self {
            id: call.id.clone(),
            digest: call.digest,
        }
    }
}

impl From<CallRow> for Call {
    fn from(row: CallRow) -> Self {
        Self {
            id: row.id,
            digest: row.digest,
        }
    }
}

#[derive(Encode, Decode)]
pub struct RecordRow {
    call: CallRow,
    at_ms: i64,
    outcome: String,
}

impl Row for Record {
    const VERSION: u8 = 1;
    type Fields = RecordRow;

    fn to_fields(&self) -> RecordRow {
        RecordRow {
            call: (&self.call).into(),
            at_ms: self.at.as_millisecond(),
            outcome: self.outcome.clone(),
        }
    }

    fn from_fields(row: RecordRow) -> Result<Self> {
        Ok(Self {
            call: row.call.into(),
            at: time(row.at_ms)?,
            outcome: row.outcome,
        })
    }
}

#[derive(Encode, Decode)]
pub struct BroadcastRow {
    id: u128,
    content: ContentRow,
    call: Option<CallRow>,
    done: Option<String>,
    delivered: u64,
    sockets: u64,
    errors: u64,
}

impl Row for Broadcast {
    const VERSION: u8 = 1;
    type Fields = BroadcastRow;

    fn to_fields(&self) -> BroadcastRow {
        BroadcastRow {
            id: self.id.0,
            content: self.content.to_fields(),
            call: self.call.as_ref().map(CallRow::from),
            done: self.done.as_ref().map(|member| member.as_str().to_owned()),
            delivered: self.sum.delivered,
            sockets: self.sum.sockets,
            errors: self.sum.errors,
        }
    }

    fn from_fields(row: BroadcastRow) -> Result<Self> {
        Ok(Self {
            id: ItemId(row.id),
            content: Arc::new(Content::from_fields(row.content)?),
            call: row.call.map(Call::from),
            done: row.done.map(MemberId::trusted),
            sum: Sum {
                delivered: row.delivered,
                sockets: row.sockets,
                errors: row.errors,
            },
        })
    }
}
