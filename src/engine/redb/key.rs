//! API keys in the file.

use jiff::Timestamp;
use redb::ReadableTable;

use super::storage;
use super::tables::{Writing, decode, encode};
use crate::domain::error::{Error, Result};
use crate::domain::key::Key;

pub fn get(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &str,
) -> Result<Option<Key>> {
    let row = table.get(id).map_err(storage)?;
    row.map(|row| decode(row.value())).transpose()
}

pub fn all(table: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Vec<Key>> {
    let rows = table.iter().map_err(storage)?;
    let keys = rows.map(|row| decode(row.map_err(storage)?.1.value()));
    let mut keys = keys.collect::<Result<Vec<Key>>>()?;
    keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(keys)
}

pub fn add(tables: &mut Writing<'_>, key: &Key, max: usize) -> Result<()> {
    if all(&tables.key)?.len() >= max {
        let detail = format!("There are {max} keys already; revoke those nobody uses.");
        return Err(Error::field("name", detail));
    }
    put(tables, key)
}

pub fn touch(tables: &mut Writing<'_>, id: &str, at: Timestamp) -> Result<()> {
    match get(&tables.key, id)? {
        Some(key) if key.last_used_at.is_none_or(|used| used < at) => put(
            tables,
            &Key {
                last_used_at: Some(at),
                ..key
            },
        ),
        _ => Ok(()),
    }
}

pub fn remove(tables: &mut Writing<'_>, id: &str) -> Result<()> {
    let removed = tables.key.remove(id).map_err(storage)?;
    match removed {
        Some(_) => Ok(()),
        None => Err(Error::NotFound(format!("There is no key `{id}`."))),
    }
}

fn put(tables: &mut Writing<'_>, key: &Key) -> Result<()> {
    let row = encode(key)?;
    tables
        .key
        .insert(key.id.as_str(), row.as_slice())
        .map_err(storage)?;
    Ok(())
}
