//! How publishing calls went, in the file.

use jiff::Timestamp;
use redb::ReadableTable;

use super::storage;
use super::tables::{Writing, decode, encode};
use crate::domain::call::{KEPT, Record};
use crate::domain::error::Result;

pub fn get(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &str,
) -> Result<Option<Record>> {
    let row = table.get(id).map_err(storage)?;
    row.map(|row| decode(row.value())).transpose()
}

pub fn put(tables: &mut Writing<'_>, record: &Record) -> Result<()> {
    let id = record.call.id.as_str();
    // An older record of the same call that is over: its time goes with it.
    if let Some(old) = get(&tables.call, id)? {
        tables
            .call_due
            .remove((due_ms(&old), id))
            .map_err(storage)?;
    }
    let row = encode(record)?;
    tables.call.insert(id, row.as_slice()).map_err(storage)?;
    tables
        .call_due
        .insert((due_ms(record), id), ())
        .map_err(storage)?;
    Ok(())
}

pub fn due_ms(record: &Record) -> i64 {
    (record.at + KEPT).as_millisecond()
}

/// The records that may go at `now`, at most `max`.
pub fn due(
    table: &impl ReadableTable<(i64, &'static str), ()>,
    now: Timestamp,
    max: usize,
) -> Result<Vec<(i64, String)>> {
    let rows = table.range(..(now.as_millisecond(), "")).map_err(storage)?;
    rows.take(max)
        .map(|row| {
            let (key, _) = row.map_err(storage)?;
            let (at, id) = key.value();
            Ok((at, id.to_owned()))
        })
        .collect()
}

pub fn remove(tables: &mut Writing<'_>, due: &[(i64, String)]) -> Result<()> {
    for (at, id) in due {
        tables
            .call_due
            .remove((*at, id.as_str()))
            .map_err(storage)?;
        tables.call.remove(id.as_str()).map_err(storage)?;
    }
    Ok(())
}
