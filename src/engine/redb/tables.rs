//! All keys and rows: the only place that knows bincode, and what a byte in the file means.
//!
//! A row is a version byte, then its fields in bincode's standard configuration. Rows are types
//! of their own, so that the wire can change without the file and the file without the wire.

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden;
mod inbox;
mod late;
mod outside;

use bincode::{Decode, Encode};
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable as _, TableDefinition, TableError, WriteTransaction};

use super::storage;
use crate::domain::account::{Account, Name, Role};
use crate::domain::counter::Counter;
use crate::domain::error::{Error, Result};
use crate::domain::session::{Session, SessionId};
pub use inbox::{Entry, Kept, Ledger, Logged};
use late::Late;

/// What the file is: `schema`, `epoch`; and `commits`, the number of the last one.
pub const META: TableDefinition<&str, &str> = TableDefinition::new("meta");
/// Folded name -> [`AccountRow`].
const ACCOUNT: TableDefinition<&str, &[u8]> = TableDefinition::new("account");
/// Member id and session id -> [`SessionRow`].
const SESSION: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("session");
/// Member id -> [`CounterRow`].
const COUNTER: TableDefinition<&str, &[u8]> = TableDefinition::new("counter");

/// Member id -> [`Ledger`]: everybody ever seen.
const MEMBER: TableDefinition<&str, &[u8]> = TableDefinition::new("member");
/// Member id and item id -> [`Kept`].
const ITEM: TableDefinition<(&str, u128), &[u8]> = TableDefinition::new("item");
/// Member id, item id and number -> [`Content`]: the older parts of a folded item.
const PART: TableDefinition<(&str, u128, u32), &[u8]> = TableDefinition::new("part");
/// Member id, tag, state and `seq` -> item id: every way a member's items are looked for.
const SHELF: TableDefinition<(&str, &str, u8, u64), u128> = TableDefinition::new("shelf");
/// Handle, member id, item id and part: every way a forum takes back what it published.
const HANDLE: TableDefinition<(&str, &str, u128, u32), ()> = TableDefinition::new("handle");
/// Member id and `seq` -> [`Logged`].
const LOG: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("log");
/// Milliseconds, member id and item id: what expires, the soonest first.
const ITEM_DUE: TableDefinition<(i64, &str, u128), ()> = TableDefinition::new("item_due");
/// Member id -> [`Muted`].
const MUTED: TableDefinition<&str, &[u8]> = TableDefinition::new("muted");
/// Key id -> [`Key`].
const KEY: TableDefinition<&str, &[u8]> = TableDefinition::new("key");
/// Call id -> [`Record`].
const CALL: TableDefinition<&str, &[u8]> = TableDefinition::new("call");
/// Milliseconds and call id: when a record may go.
const CALL_DUE: TableDefinition<(i64, &str), ()> = TableDefinition::new("call_due");
/// Item id -> [`Broadcast`].
const BROADCAST: TableDefinition<u128, &[u8]> = TableDefinition::new("broadcast");

/// Bytes of a decoded row. No row comes near it; a torn length must not reserve memory.
const ROW_BYTES_MAX: usize = 4 << 20;

/// The tables, for reading and for the writer, listed once.
macro_rules! tables {
    ($($name:ident: $table:ident, $key:ty => $value:ty;)*) => {
        /// The tables, for reading.
        pub struct Reading<'t> {
            $(pub $name: Late<'t, ReadTransaction, $key, $value>,)*
        }

        impl<'t> Reading<'t> {
            pub fn new(transaction: &'t ReadTransaction) -> Self {
                Self { $($name: Late::new(transaction, $table),)* }
            }

            /// Copies every row. Between two of them it asks whether to go on.
            pub fn copy(
                &self,
                into: &mut Writing<'_>,
                go_on: &dyn Fn() -> Result<()>,
            ) -> Result<()> {
                $(for row in self.$name.iter().map_err(storage)? {
                    go_on()?;
                    let (key, value) = row.map_err(storage)?;
                    let put = into.$name.insert(key.value(), value.value());
                    put.map_err(storage)?;
                })*
                Ok(())
            }
        }

        /// The tables, for the writer.
        pub struct Writing<'t> {
            $(pub $name: Late<'t, WriteTransaction, $key, $value>,)*
        }

        impl<'t> Writing<'t> {
            pub fn new(transaction: &'t WriteTransaction) -> Self {
                Self { $($name: Late::new(transaction, $table),)* }
            }

            /// Makes those that are not there yet, so that readers find each.
            pub fn make(&self) -> Result<()> {
                $(self.$name.open().map_err(storage)?;)*
                Ok(())
            }
        }
    };
}

tables! {
    account: ACCOUNT, &'static str => &'static [u8];
    session: SESSION, (&'static str, &'static str) => &'static [u8];
    counter: COUNTER, &'static str => &'static [u8];
    member: MEMBER, &'static str => &'static [u8];
    item: ITEM, (&'static str, u128) => &'static [u8];
    part: PART, (&'static str, u128, u32) => &'static [u8];
    shelf: SHELF, (&'static str, &'static str, u8, u64) => u128;
    handle: HANDLE, (&'static str, &'static str, u128, u32) => ();
    log: LOG, (&'static str, u64) => &'static [u8];
    item_due: ITEM_DUE, (i64, &'static str, u128) => ();
    muted: MUTED, &'static str => &'static [u8];
    key: KEY, &'static str => &'static [u8];
    call: CALL, &'static str => &'static [u8];
    call_due: CALL_DUE, (i64, &'static str) => ();
    broadcast: BROADCAST, u128 => &'static [u8];
}

/// The file's schema, or `None` when it is new.
pub fn schema(transaction: &ReadTransaction) -> anyhow::Result<Option<u32>> {
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let schema = meta.get("schema")?;
    let schema = schema
        .ok_or_else(|| anyhow::anyhow!("it is no database of Bellrope: its schema is missing"))?;
    Ok(Some(schema.value().parse()?))
}

/// The file's epoch: drawn for a new one, and again by every restore.
pub fn epoch(transaction: &ReadTransaction) -> anyhow::Result<String> {
    let meta = transaction.open_table(META)?;
    let epoch = meta.get("epoch")?;
    let epoch = epoch.ok_or_else(|| anyhow::anyhow!("its epoch is missing"))?;
    Ok(epoch.value().to_owned())
}

/// Writes down what the file is.
pub fn identify(transaction: &WriteTransaction, schema: u32, epoch: &str) -> anyhow::Result<()> {
    let mut meta = transaction.open_table(META)?;
    meta.insert("schema", schema.to_string().as_str())?;
    meta.insert("epoch", epoch)?;
    Ok(())
}

/// The number of the last commit: whether one that failed is there all the same shows by it.
pub fn commits(transaction: &WriteTransaction) -> Result<u64> {
    let meta = transaction.open_table(META).map_err(storage)?;
    let commits = meta.get("commits").map_err(storage)?;
    let number = commits.map_or(Ok(0), |commits| commits.value().parse());
    number.map_err(|_| corrupt("the number of commits is none"))
}

pub fn put_commits(transaction: &WriteTransaction, number: u64) -> Result<()> {
    let mut meta = transaction.open_table(META).map_err(storage)?;
    let number = number.to_string();
    meta.insert("commits", number.as_str()).map_err(storage)?;
    Ok(())
}

/// What is kept of a noun, and how it is written down.
pub trait Row: Sized {
    const VERSION: u8;
    type Fields: Encode + Decode<()>;

    fn to_fields(&self) -> Self::Fields;
    fn from_fields(fields: Self::Fields) -> Result<Self>;
}

pub fn encode<R: Row>(row: &R) -> Result<Vec<u8>> {
    let mut bytes = vec![R::VERSION];
    let config = bincode::config::standard();
    bincode::encode_into_std_write(row.to_fields(), &mut bytes, config)
        .map_err(|e| Error::Storage(e.into()))?;
    Ok(bytes)
}

pub fn decode<R: Row>(bytes: &[u8]) -> Result<R> {
    let config = bincode::config::standard().with_limit::<ROW_BYTES_MAX>();
    match bytes.split_first() {
        Some((&version, fields)) if version == R::VERSION => {
            let (fields, read) =
                bincode::decode_from_slice(fields, config).map_err(|e| Error::Storage(e.into()))?;
            if read + 1 != bytes.len() {
                return Err(corrupt("a row is longer than its fields"));
            }
            R::from_fields(fields)
        }
        Some((version, _)) => Err(corrupt(&format!("a row has the unknown version {version}"))),
        None => Err(corrupt("a row is empty")),
    }
}

fn corrupt(what: &str) -> Error {
    Error::Storage(what.into())
}

/// What a count comes to. Rows that contradict each other can want more taken off than there is.
pub fn sum<T>(counted: Option<T>) -> Result<T> {
    counted.ok_or_else(|| corrupt("a count does not add up"))
}

fn time(ms: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(ms).map_err(|e| Error::Storage(e.into()))
}

fn name(raw: &str) -> Result<Name> {
    Name::parse(raw).map_err(|_| corrupt("a row holds a name that is none"))
}

#[derive(Encode, Decode)]
pub struct AccountRow {
    name: String,
    admin: bool,
    disabled: bool,
    password_hash: String,
    created_ms: i64,
}

impl Row for Account {
    const VERSION: u8 = 1;
    type Fields = AccountRow;

    fn to_fields(&self) -> AccountRow {
        AccountRow {
            name: self.name.as_str().to_owned(),
            admin: self.role == Role::Admin,
            disabled: self.disabled,
            password_hash: self.password_hash.clone(),
            created_ms: self.created_at.as_millisecond(),
        }
    }

    fn from_fields(row: AccountRow) -> Result<Self> {
        Ok(Self {
            name: name(&row.name)?,
            role: if row.admin { Role::Admin } else { Role::Member },
            disabled: row.disabled,
            password_hash: row.password_hash,
            created_at: time(row.created_ms)?,
        })
    }
}

#[derive(Encode, Decode)]
pub struct SessionRow {
    id: String,
    name: String,
    created_ms: i64,
    last_used_ms: i64,
    expires_ms: i64,
    address: String,
    user_agent: String,
}

impl Row for Session {
    const VERSION: u8 = 1;
    type Fields = SessionRow;

    fn to_fields(&self) -> SessionRow {
        SessionRow {
            id: self.id.as_str().to_owned(),
            name: self.name.as_str().to_owned(),
            created_ms: self.created_at.as_millisecond(),
            last_used_ms: self.last_used_at.as_millisecond(),
            expires_ms: self.expires_at.as_millisecond(),
            address: self.address.clone(),
            user_agent: self.user_agent.clone(),
        }
    }

    fn from_fields(row: SessionRow) -> Result<Self> {
        Ok(Self {
            id: SessionId::new(row.id),
            name: name(&row.name)?,
            created_at: time(row.created_ms)?,
            last_used_at: time(row.last_used_ms)?,
            expires_at: time(row.expires_ms)?,
            address: row.address,
            user_agent: row.user_agent,
        })
    }
}

#[derive(Encode, Decode)]
pub struct CounterRow {
    age: u64,
    updated_ms: Option<i64>,
}

impl Row for Counter {
    const VERSION: u8 = 1;
    type Fields = CounterRow;

    fn to_fields(&self) -> CounterRow {
        CounterRow {
            age: self.age,
            updated_ms: self.updated_at.map(Timestamp::as_millisecond),
        }
    }

    fn from_fields(row: CounterRow) -> Result<Self> {
        Ok(Self {
            age: row.age,
            updated_at: row.updated_ms.map(time).transpose()?,
        })
    }
}
