//! Members in the file: everybody ever seen, and where their inboxes stand.

use std::ops::Bound;

use jiff::Timestamp;
use redb::ReadableTable;

use super::mailbox::Mailbox;
use super::tables::{Ledger, Writing, decode, encode, sum};
use super::{session, storage};
use crate::config::Bounds;
use crate::domain::error::{Error, Result};
use crate::domain::event::{EndReason, Event};
use crate::domain::id::MemberId;
use crate::domain::inbox::State;

pub fn get(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    member: &MemberId,
) -> Result<Option<Ledger>> {
    let row = table.get(member.as_str()).map_err(storage)?;
    row.map(|row| decode(row.value())).transpose()
}

pub fn put(tables: &mut Writing<'_>, member: &MemberId, ledger: &Ledger) -> Result<()> {
    let row = encode(ledger)?;
    let member_table = &mut tables.member;
    member_table
        .insert(member.as_str(), row.as_slice())
        .map_err(storage)?;
    Ok(())
}

/// The next members who have not left.
pub fn after(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    after: Option<&MemberId>,
    max: usize,
) -> Result<Vec<MemberId>> {
    let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str()));
    let rows = table.range::<&str>((start, Bound::Unbounded));
    let mut members = Vec::new();
    for row in rows.map_err(storage)? {
        let (id, ledger) = row.map_err(storage)?;
        if !decode::<Ledger>(ledger.value())?.left {
            members.push(MemberId::trusted(id.value().to_owned()));
        }
        if members.len() == max {
            break;
        }
    }
    Ok(members)
}

/// Whether the forum's word of then still counts.
pub fn check(ledger: Option<&Ledger>, issued_at: Timestamp) -> Result<()> {
    match ledger.and_then(|ledger| ledger.signed_out_at) {
        Some(until) if issued_at <= until => Err(Error::TokenRevoked),
        _ => Ok(()),
    }
}

/// Whether there is nothing to write down about somebody who was just seen.
pub fn is_known(ledger: Option<&Ledger>) -> bool {
    ledger.is_some_and(|ledger| !ledger.left)
}

/// Writes down that somebody was seen.
pub fn note(tables: &mut Writing<'_>, member: &MemberId) -> Result<()> {
    let ledger = get(&tables.member, member)?;
    if is_known(ledger.as_ref()) {
        return Ok(());
    }
    let ledger = Ledger {
        left: false,
        ..ledger.unwrap_or_default()
    };
    put(tables, member, &ledger)
}

pub fn sign_out(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    member: &MemberId,
    reason: EndReason,
    now: Timestamp,
) -> Result<()> {
    // Somebody nobody saw yet may hold a token all the same.
    let ledger = get(&tables.member, member)?.unwrap_or(Ledger {
        left: true,
        ..Ledger::default()
    });
    let ledger = Ledger {
        signed_out_at: Some(now),
        ..ledger
    };
    put(tables, member, &ledger)?;
    session::end_all(tables, events, member, None, reason)?;
    events.push(Event::SignedOut {
        member: member.clone(),
        reason,
    });
    Ok(())
}

/// The member left the forum. An own account stays, with an empty inbox.
pub fn leave(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    member: &MemberId,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<()> {
    if !is_known(get(&tables.member, member)?.as_ref()) {
        let detail = format!("Nobody with the id `{member}` was ever seen.");
        return Err(Error::NotFound(detail));
    }
    sign_out(tables, events, member, EndReason::Left, now)?;
    forget(tables, events, member, bounds, now)?;
    if member.account_key().is_some() {
        return note(tables, member);
    }
    tables.counter.remove(member.as_str()).map_err(storage)?;
    Ok(())
}

/// Forgets the inbox, its log and its preferences. `seq` is kept: a client of the next member with
/// this id must not take an old number for a new one.
pub fn forget(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    member: &MemberId,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<()> {
    let mut mailbox = Mailbox::open(tables, events, member, bounds, now)?;
    for state in [State::Unread, State::Read, State::Archived] {
        while let Some((_, id)) = mailbox.first(super::mailbox::EVERY, state)? {
            let kept = mailbox.existing(id)?;
            mailbox.erase(&kept)?;
        }
    }
    let ledger = mailbox.close()?;
    let key = member.as_str();
    tables
        .log
        .remove_in((key, 0)..=(key, u64::MAX))
        .map_err(storage)?;
    tables.muted.remove(key).map_err(storage)?;
    let ledger = Ledger {
        left: true,
        // The number between the two lives belongs to neither.
        seq: sum(ledger.seq.checked_add(1))?,
        seen: 0,
        ..ledger
    };
    put(tables, member, &ledger)
}
