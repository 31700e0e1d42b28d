//! The end of a member's log, for whoever looks why something did not arrive.

use redb::ReadableTable as _;

use super::tables::{Entry, Kept, Logged, Reading, decode};
use super::{inbox, member, storage};
use crate::domain::error::Result;
use crate::domain::id::{ItemId, MemberId};
use crate::domain::inbox::{Became, Trace, Traced};

/// `None` for whom nobody ever saw.
pub fn of(
    tables: &Reading<'_>,
    epoch: &str,
    member: &MemberId,
    max: usize,
) -> Result<Option<Trace>> {
    let Some(ledger) = member::get(&tables.member, member)? else {
        return Ok(None);
    };
    let key = member.as_str();
    let log = tables.log.range((key, 0)..=(key, u64::MAX));
    let newest = log.map_err(storage)?.rev().take(max).map(|row| {
        let (at, row) = row.map_err(storage)?;
        traced(tables, member, at.value().1, decode(row.value())?)
    });
    Ok(Some(Trace {
        is_known: member::is_known(Some(&ledger)),
        standing: inbox::standing(epoch, &ledger),
        items: ledger.items,
        signed_out_at: ledger.signed_out_at,
        changes: newest.collect::<Result<_>>()?,
    }))
}

fn traced(tables: &Reading<'_>, member: &MemberId, seq: u64, logged: Logged) -> Result<Traced> {
    let (name, raw, through, became) = match logged.entry {
        Entry::Added(id) => ("inbox.added", vec![id], None, Became::default()),
        Entry::Updated(id) => ("inbox.updated", vec![id], None, Became::default()),
        Entry::Removed(ids) => ("inbox.removed", ids, None, Became::default()),
        Entry::StateOf(ids, became) => ("inbox.state", ids, None, became.into()),
        Entry::StateThrough(seq, became) => ("inbox.state", vec![], Some(seq), became.into()),
    };
    let kind = match raw.first() {
        Some(id) => kind(tables, member, *id)?,
        None => None,
    };
    Ok(Traced {
        seq,
        at: logged.at,
        name,
        ids: raw.into_iter().map(ItemId).collect(),
        kind,
        through,
        became,
    })
}

fn kind(tables: &Reading<'_>, member: &MemberId, id: u128) -> Result<Option<String>> {
    let row = tables.item.get((member.as_str(), id)).map_err(storage)?;
    row.map(|row| decode::<Kept>(row.value()).map(|kept| kept.item.content.kind.clone()))
        .transpose()
}
