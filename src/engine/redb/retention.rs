//! What time and the bounds take out of the file, a few rows in each commit.

use jiff::Timestamp;
use redb::ReadableTable;

use super::mailbox::{EVERY, Mailbox};
use super::tables::{Kept, Logged, Reading, Writing, decode};
use super::{call, member, notification, storage};
use crate::config::Bounds;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::id::{ItemId, MemberId};
use crate::domain::inbox::State;

const STATES: [State; 3] = [State::Unread, State::Read, State::Archived];

/// Items and records whose time has come.
pub struct Due {
    items: Vec<(i64, MemberId, ItemId)>,
    calls: Vec<(i64, String)>,
}

impl Due {
    pub fn len(&self) -> usize {
        self.items.len() + self.calls.len()
    }
}

/// What is due at `now`, at most `max` rows.
pub fn due(
    items: &impl ReadableTable<(i64, &'static str, u128), ()>,
    calls: &impl ReadableTable<(i64, &'static str), ()>,
    now: Timestamp,
    max: usize,
) -> Result<Due> {
    let until = (now.as_millisecond() + 1, "", 0);
    let rows = items.range(..until).map_err(storage)?.take(max);
    let items = rows.map(|row| {
        let (key, _) = row.map_err(storage)?;
        let (at, member, id) = key.value();
        Ok((at, MemberId::trusted(member.to_owned()), ItemId(id)))
    });
    let items = items.collect::<Result<Vec<_>>>()?;
    let calls = call::due(calls, now, max - items.len())?;
    Ok(Due { items, calls })
}

pub fn expire(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    now: Timestamp,
    max: usize,
    bounds: &Bounds,
) -> Result<usize> {
    let due = due(&tables.item_due, &tables.call_due, now, max)?;
    for (at, member, id) in &due.items {
        let mut mailbox = Mailbox::open(tables, events, member, bounds, now)?;
        if let Some(kept) = mailbox.item(*id)? {
            // The newest part is over; the older ones come to light, each with its own time.
            notification::retract_parts(&mut mailbox, *id, &[kept.head])?;
        } else {
            // Must not be; but if it is, it must not be looked for every second.
            let row = (*at, member.as_str(), id.0);
            mailbox.tables.item_due.remove(row).map_err(storage)?;
        }
        mailbox.close()?;
    }
    call::remove(tables, &due.calls)?;
    Ok(due.len())
}

/// Removes the oldest item to make room for one: an archived or read one, else an unread one.
pub fn make_room(mailbox: &mut Mailbox<'_, '_>) -> Result<()> {
    let read = mailbox.first(EVERY, State::Read)?;
    let archived = mailbox.first(EVERY, State::Archived)?;
    let oldest = match (read, archived) {
        (Some(read), Some(archived)) => Some(read.min(archived)),
        (read, archived) => read.or(archived),
    };
    let oldest = match oldest {
        Some(oldest) => Some(oldest),
        None => mailbox.first(EVERY, State::Unread)?,
    };
    if let Some((_, id)) = oldest {
        let kept = mailbox.existing(id)?;
        mailbox.remove(&[kept])?;
    }
    Ok(())
}

/// Whether something of the member's lies beyond its bounds.
pub fn is_overdue(
    tables: &Reading<'_>,
    member: &MemberId,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<bool> {
    let ledger = member::get(&tables.member, member)?.unwrap_or_default();
    if ledger.items > bounds.inbox_items_max as u64 {
        return Ok(true);
    }
    let key = member.as_str();
    for state in STATES {
        let key = |seq| (key, EVERY, state as u8, seq);
        let mut rows = tables
            .shelf
            .range(key(0)..=key(u64::MAX))
            .map_err(storage)?;
        if let Some(row) = rows.next() {
            let id = row.map_err(storage)?.1.value();
            let row = tables.item.get((member.as_str(), id)).map_err(storage)?;
            let kept = row.map(|row| decode::<Kept>(row.value())).transpose()?;
            if kept.is_some_and(|kept| is_old(kept.placed_at, bounds.inbox_age_max, now)) {
                return Ok(true);
            }
        }
    }
    let mut log = tables
        .log
        .range((key, 0)..=(key, u64::MAX))
        .map_err(storage)?;
    match log.next() {
        Some(row) => {
            let (at, row) = row.map_err(storage)?;
            let logged: Logged = decode(row.value())?;
            let is_over = at.value().1.saturating_add(bounds.log_changes_max as u64) <= ledger.seq;
            Ok(is_over || is_old(logged.at, bounds.log_age_max, now))
        }
        None => Ok(false),
    }
}

/// Removes at most `max` rows beyond their bounds.
pub fn trim(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    member: &MemberId,
    max: usize,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<usize> {
    let mut mailbox = Mailbox::open(tables, events, member, bounds, now)?;
    let mut removed = 0;
    for state in STATES {
        while removed < max {
            let Some((_, id)) = mailbox.first(EVERY, state)? else {
                break;
            };
            let kept = mailbox.existing(id)?;
            if !is_old(kept.placed_at, bounds.inbox_age_max, now) {
                break;
            }
            mailbox.remove(&[kept])?;
            removed += 1;
        }
    }
    while removed < max && mailbox.ledger.items > bounds.inbox_items_max as u64 {
        make_room(&mut mailbox)?;
        removed += 1;
    }
    let ledger = mailbox.close()?;
    while removed < max {
        let key = member.as_str();
        let oldest = {
            let mut log = tables
                .log
                .range((key, 0)..=(key, u64::MAX))
                .map_err(storage)?;
            match log.next() {
                Some(row) => {
                    let (at, row) = row.map_err(storage)?;
                    Some((at.value().1, decode::<Logged>(row.value())?.at))
                }
                None => None,
            }
        };
        let Some((seq, at)) = oldest else { break };
        let is_over = seq.saturating_add(bounds.log_changes_max as u64) <= ledger.seq;
        if !is_over && !is_old(at, bounds.log_age_max, now) {
            break;
        }
        tables.log.remove((key, seq)).map_err(storage)?;
        removed += 1;
    }
    Ok(removed)
}

/// Whether something of then is older than it may be.
pub fn is_old(at: Timestamp, age: std::time::Duration, now: Timestamp) -> bool {
    now.checked_sub(age).is_ok_and(|cutoff| at < cutoff)
}
