//! Inboxes in the file: pages, replays, and changes of state.

use jiff::Timestamp;
use redb::ReadableTable;

use super::mailbox::{EVERY, Mailbox, group_tag, kind_tag, object_tag};
use super::tables::{Entry, Kept, Ledger, Logged, Reading, Writing, decode, encode};
use super::{member, retention, storage};
use crate::config::Bounds;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id::{ItemId, MemberId};
use crate::domain::inbox::{
    Act, Became, Change, Cursor, Filter, Item, Muted, Page, Query, REPLAY_BYTES_MAX, Replay,
    Selector, Standing, State, What, Which,
};

/// Items of one change, so that its event and its row in the log have a bound.
const CHANGE_IDS_MAX: usize = 1000;

pub fn muted(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    member: &MemberId,
) -> Result<Muted> {
    let row = table.get(member.as_str()).map_err(storage)?;
    row.map_or(Ok(Muted::default()), |row| decode(row.value()))
}

pub fn set_muted(tables: &mut Writing<'_>, member: &MemberId, muted: &Muted) -> Result<()> {
    if member::get(&tables.member, member)?.is_some_and(|ledger| ledger.left) {
        // Deleted a moment ago: nothing is kept for whoever has the id next.
        return Ok(());
    }
    let (key, row) = (member.as_str(), encode(muted)?);
    if *muted == Muted::default() {
        tables.muted.remove(key).map_err(storage)?;
    } else {
        tables.muted.insert(key, row.as_slice()).map_err(storage)?;
    }
    Ok(())
}

pub fn standing(epoch: &str, ledger: &Ledger) -> Standing {
    Standing {
        epoch: epoch.to_owned(),
        seq: ledger.seq,
        counts: ledger.counts,
    }
}

pub fn page(tables: &Reading<'_>, epoch: &str, member: &MemberId, query: &Query) -> Result<Page> {
    let ledger = member::get(&tables.member, member)?.unwrap_or_default();
    let tag = query
        .kind
        .as_deref()
        .map_or_else(|| EVERY.to_owned(), kind_tag);
    let states: &[State] = match query.filter {
        Filter::All => &[State::Unread, State::Read],
        Filter::Unread => &[State::Unread],
        Filter::Archived => &[State::Archived],
    };
    // One more than asked for tells whether there is a next page.
    let mut rows = Vec::new();
    for state in states {
        let key = |seq| (member.as_str(), tag.as_str(), *state as u8, seq);
        let range = key(0)..key(query.before.unwrap_or(u64::MAX));
        let newest = tables.shelf.range(range).map_err(storage)?.rev();
        for row in newest.take(query.limit + 1) {
            let (key, id) = row.map_err(storage)?;
            rows.push((key.value().3, id.value()));
        }
    }
    rows.sort_unstable_by(|a, b| b.cmp(a));
    let next = (rows.len() > query.limit).then(|| rows[query.limit - 1].0);
    rows.truncate(query.limit);
    let items = rows.into_iter().map(|(_, id)| {
        let kept = item(tables, member, id)?;
        kept.ok_or_else(|| Error::Storage("an index speaks of an item that is not there".into()))
    });
    Ok(Page {
        items: items.collect::<Result<_>>()?,
        standing: standing(epoch, &ledger),
        next,
    })
}

fn item(tables: &Reading<'_>, member: &MemberId, id: u128) -> Result<Option<Item>> {
    let row = tables.item.get((member.as_str(), id)).map_err(storage)?;
    row.map(|row| decode::<Kept>(row.value()).map(|kept| kept.item))
        .transpose()
}

/// All of `(since, seq]`, or none of it: where the log has been cut, where it is too old, where
/// the answer would be too large, and where the cursor is from elsewhere.
pub fn replay(
    tables: &Reading<'_>,
    epoch: &str,
    member: &MemberId,
    cursor: Option<&Cursor>,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<Replay> {
    let ledger = member::get(&tables.member, member)?.unwrap_or_default();
    let changes = match cursor {
        Some(cursor) if cursor.epoch == epoch && cursor.since <= ledger.seq => {
            changes(tables, member, (cursor.since, ledger.seq), bounds, now)?
        }
        _ => None,
    };
    Ok(Replay {
        standing: standing(epoch, &ledger),
        changes,
    })
}

fn changes(
    tables: &Reading<'_>,
    member: &MemberId,
    (since, seq): (u64, u64),
    bounds: &Bounds,
    now: Timestamp,
) -> Result<Option<Vec<Change>>> {
    if seq - since > bounds.log_changes_max as u64 {
        return Ok(None);
    }
    let mut changes = Vec::new();
    let mut bytes = 0;
    let key = member.as_str();
    for row in tables
        .log
        .range((key, since + 1)..=(key, seq))
        .map_err(storage)?
    {
        let (at, row) = row.map_err(storage)?;
        let (_, at) = at.value();
        let logged: Logged = decode(row.value())?;
        let is_next = at == since + 1 + changes.len() as u64;
        if !is_next || retention::is_old(logged.at, bounds.log_age_max, now) {
            return Ok(None);
        }
        let what = what(tables, member, logged.entry)?;
        let change = Change { seq: at, what };
        bytes += change.bytes();
        if bytes > REPLAY_BYTES_MAX {
            return Ok(None);
        }
        changes.push(change);
    }
    let is_whole = changes.len() as u64 == seq - since;
    Ok(is_whole.then_some(changes))
}

/// An entry with its items as they are now.
fn what(tables: &Reading<'_>, member: &MemberId, entry: Entry) -> Result<What> {
    let ids = |raw: Vec<u128>| raw.into_iter().map(ItemId).collect::<Vec<_>>();
    let now = |id| -> Result<std::result::Result<Box<Item>, What>> {
        let gone = || What::Removed {
            ids: vec![ItemId(id)],
        };
        Ok(item(tables, member, id)?.map(Box::new).ok_or_else(gone))
    };
    Ok(match entry {
        Entry::Added(id) => now(id)?.map_or_else(|gone| gone, |item| What::Added { item }),
        Entry::Updated(id) => now(id)?.map_or_else(|gone| gone, |item| What::Updated { item }),
        Entry::Removed(raw) => What::Removed { ids: ids(raw) },
        Entry::StateOf(raw, became) => What::state(Which::Ids(ids(raw)), became.into()),
        Entry::StateThrough(seq, became) => What::state(Which::Through(seq), became.into()),
    })
}

pub fn change(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    member: &MemberId,
    (act, selector): (Act, &Selector),
    bounds: &Bounds,
    now: Timestamp,
) -> Result<Ledger> {
    let mut mailbox = Mailbox::open(tables, events, member, bounds, now)?;
    let ids = selected(&mailbox, act, selector)?;
    if ids.is_empty() {
        return Ok(mailbox.ledger);
    }
    let (_, to) = act.moves();
    let became = Became::from(act);
    let through = match (act, selector) {
        // Which items it is for depends on which are archived now, and a client that is told again
        // later may know them otherwise: they are named.
        (Act::Unread, _) => None,
        (_, Selector::Through(seq)) => Some(*seq.min(&mailbox.ledger.seq)),
        (_, Selector::All) => Some(mailbox.ledger.seq),
        _ => None,
    };
    match through {
        Some(seq) => mailbox.shift(&ids, to, Which::Through(seq), became)?,
        None => {
            for ids in ids.chunks(CHANGE_IDS_MAX) {
                mailbox.shift(ids, to, Which::Ids(ids.to_vec()), became)?;
            }
        }
    }
    mailbox.close()
}

/// The items that the act would change.
fn selected(mailbox: &Mailbox<'_, '_>, act: Act, selector: &Selector) -> Result<Vec<ItemId>> {
    let (from, _) = act.moves();
    let (tag, through) = match selector {
        Selector::Ids(ids) => {
            let mut selected = Vec::new();
            for id in ids {
                let kept = mailbox.item(*id)?;
                let is_meant = kept.is_some_and(|kept| from.contains(&kept.item.state));
                if is_meant && !selected.contains(id) {
                    selected.push(*id);
                }
            }
            return Ok(selected);
        }
        Selector::Group(group) => (group_tag(group), u64::MAX),
        Selector::Object(object) => (object_tag(object), u64::MAX),
        Selector::Kind(kind) => (kind_tag(kind), u64::MAX),
        Selector::Through(seq) => (EVERY.to_owned(), *seq),
        Selector::All => (EVERY.to_owned(), u64::MAX),
    };
    let mut selected = Vec::new();
    for state in from {
        for row in mailbox.range(&tag, *state, through)? {
            selected.push(row?.1);
        }
    }
    Ok(selected)
}

pub fn see(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    member: &MemberId,
    through: u64,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<Ledger> {
    let mut mailbox = Mailbox::open(tables, events, member, bounds, now)?;
    let through = through.min(mailbox.ledger.seq);
    if through <= mailbox.ledger.seen || mailbox.ledger.left {
        return Ok(mailbox.ledger);
    }
    mailbox.see(through)?;
    mailbox.close()
}

pub fn remove(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    member: &MemberId,
    id: ItemId,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<Option<Ledger>> {
    let mut mailbox = Mailbox::open(tables, events, member, bounds, now)?;
    let Some(kept) = mailbox.item(id)? else {
        return Ok(None);
    };
    mailbox.remove(&[kept])?;
    mailbox.close().map(Some)
}
