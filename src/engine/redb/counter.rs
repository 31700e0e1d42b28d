//! Counters in the file.

use jiff::Timestamp;
use redb::ReadableTable;

use super::storage;
use super::tables::{Writing, decode, encode, sum};
use crate::domain::counter::Counter;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id::MemberId;

pub fn get(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    member: &MemberId,
) -> Result<Counter> {
    let row = table.get(member.as_str()).map_err(storage)?;
    row.map_or(Ok(Counter::default()), |row| decode(row.value()))
}

pub fn increment(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    member: &MemberId,
    now: Timestamp,
) -> Result<u64> {
    // Verified a moment ago, and removed since: the next account of that name begins at 0.
    if let Some(key) = member.account_key()
        && tables.account.get(key).map_err(storage)?.is_none()
    {
        return Err(Error::TokenRevoked);
    }
    let age = sum(get(&tables.counter, member)?.age.checked_add(1))?;
    let counter = Counter {
        age,
        updated_at: Some(now),
    };
    put(tables, member, &counter)?;
    events.push(Event::Counted {
        member: member.clone(),
        age,
    });
    Ok(age)
}

pub fn put(tables: &mut Writing<'_>, member: &MemberId, counter: &Counter) -> Result<()> {
    let row = encode(counter)?;
    let counters = &mut tables.counter;
    counters
        .insert(member.as_str(), row.as_slice())
        .map_err(storage)?;
    Ok(())
}
