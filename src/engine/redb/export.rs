//! One moment as the lines of an export: members in the order of their ids, items in that of theirs.

use std::fs::File;
use std::io::{BufWriter, Seek as _, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable as _};

use super::copy::{GoOn, ensure_room};
use super::tables::{self, Kept, Ledger, Reading, decode};
use super::{account, counter, inbox, key};
use crate::domain::export::{Member, Part, Piece, Placed, Writer};
use crate::domain::id::{ItemId, MemberId};

/// Writes one moment into a file that has no name in the folder of `original`.
///
/// # Errors
/// When the disk has no room or fails, when a row cannot be read; what `go_on` says.
pub fn make(
    moment: &ReadTransaction,
    original: &Path,
    now: Timestamp,
    go_on: GoOn<'_>,
) -> Result<File> {
    let folder = original.parent().unwrap_or(Path::new("."));
    let file = tempfile::tempfile_in(folder).context("cannot make a file for the export")?;
    ensure_room(&file, original)?;
    let mut out = Writer::new(BufWriter::new(file), now, tables::epoch(moment)?)?;
    write(&Reading::new(moment), &mut out, go_on)?;
    let mut file = out.end()?.into_inner()?;
    file.rewind()?;
    Ok(file)
}

fn write(tables: &Reading<'_>, out: &mut Writer<impl Write>, go_on: GoOn<'_>) -> Result<()> {
    for account in account::all(&tables.account)? {
        out.put(Piece::Account(account))?;
    }
    for key in key::all(&tables.key)? {
        out.put(Piece::Key(key))?;
    }
    for row in tables.member.iter()? {
        let (id, row) = row?;
        let id = MemberId::trusted(id.value().to_owned());
        let ledger: Ledger = decode(row.value())?;
        out.put(Piece::Member(Box::new(Member {
            seq: ledger.seq,
            seen: ledger.seen,
            signed_out_at: ledger.signed_out_at,
            left: ledger.left,
            counter: counter::get(&tables.counter, &id)?,
            muted: inbox::muted(&tables.muted, &id)?,
            id: id.clone(),
        })))?;
        items(tables, &id, out, go_on)?;
    }
    Ok(())
}

fn items(
    tables: &Reading<'_>,
    member: &MemberId,
    out: &mut Writer<impl Write>,
    go_on: GoOn<'_>,
) -> Result<()> {
    let key = |id| (member.as_str(), id);
    for row in tables.item.range(key(0)..=key(u128::MAX))? {
        go_on()?;
        let kept: Kept = decode(row?.1.value())?;
        let id = kept.item.id;
        out.put(Piece::Item(Box::new(Placed {
            member: member.clone(),
            item: kept.item,
            head: kept.head,
            placed_at: kept.placed_at,
        })))?;
        let key = |number| (member.as_str(), id.0, number);
        for row in tables.part.range(key(0)..=key(u32::MAX))? {
            go_on()?;
            let (key, row) = row?;
            let (_, item, number) = key.value();
            out.put(Piece::Part(Box::new(Part {
                member: member.clone(),
                item: ItemId(item),
                number,
                content: decode(row.value())?,
            })))?;
        }
    }
    Ok(())
}
