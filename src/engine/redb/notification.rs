//! Publishing in the file: add, fold, update, retract.

use std::sync::Arc;

use jiff::Timestamp;
use redb::ReadableTable;

use super::mailbox::{Mailbox, actor_handle, group_tag, key_handle, object_tag};
use super::tables::{Kept, Writing, decode, encode, sum};
use super::{call, inbox, member, retention, storage};
use crate::config::Bounds;
use crate::domain::call::Record;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::id::{ItemId, MemberId};
use crate::domain::inbox::{ACTORS_MAX, State};
use crate::domain::notification::{
    Broadcast, Content, Delivery, Note, Outcome, Person, Publication, Recipient, Refused,
    Retraction,
};

/// Parts that are looked through for an item's newest actors.
const ACTORS_SCAN_MAX: usize = 100;
/// Parts of one item that are kept. Older ones stay counted and cannot be retracted one by one.
pub const PARTS_MAX: u32 = 10_000;

pub fn publish(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    publications: &[Publication],
    note: Option<&Note>,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<Vec<Vec<Delivery>>> {
    let mut deliveries = Vec::with_capacity(publications.len());
    for Publication { id, content, to } in publications {
        deliveries.push(deliver(tables, events, (*id, content), to, bounds, now)?);
    }
    if let Some(note) = note {
        call::put(tables, &note(&deliveries))?;
    }
    Ok(deliveries)
}

fn deliver(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    what: (ItemId, &Arc<Content>),
    to: &[Recipient],
    bounds: &Bounds,
    now: Timestamp,
) -> Result<Vec<Delivery>> {
    let deliver = |recipient: &Recipient| {
        let outcome = deliver_one(tables, events, what, recipient, bounds, now)?;
        Ok(Delivery {
            to: recipient.member.clone(),
            outcome,
        })
    };
    to.iter().map(deliver).collect()
}

fn deliver_one(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    (id, content): (ItemId, &Arc<Content>),
    to: &Recipient,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<Outcome> {
    if !is_there(&tables.account, &to.member)? {
        return Ok(Outcome::Refused(Refused::NotFound));
    }
    let muted = inbox::muted(&tables.muted, &to.member)?;
    let mut mailbox = Mailbox::open(tables, events, &to.member, bounds, now)?;
    let known = match &content.key {
        Some(key) => mailbox.by_key(key)?,
        None => None,
    };
    let seq = if let Some((item, part)) = known {
        edit(&mut mailbox, item, part, content)?
    } else if muted.covers(content) {
        return Ok(Outcome::Refused(Refused::Muted));
    } else if let Some(kept) = open_group(&mailbox, content)? {
        fold(&mut mailbox, kept, content)?
    } else {
        // One in, one out. Where the bound was lowered a second goes, and retention takes the rest.
        for _ in 0..2 {
            if mailbox.ledger.items >= bounds.inbox_items_max as u64 {
                retention::make_room(&mut mailbox)?;
            }
        }
        mailbox.add(id, Arc::clone(content))?
    };
    let ledger = mailbox.close()?;
    Ok(Outcome::Delivered {
        seq: Some(seq),
        unread: ledger.counts.unread,
        sockets: to.sockets,
    })
}

/// Whether an own account's id has an account: nobody's inbox must wait for whoever takes the name.
fn is_there(
    accounts: &impl ReadableTable<&'static str, &'static [u8]>,
    member: &MemberId,
) -> Result<bool> {
    match member.account_key() {
        Some(key) => Ok(accounts.get(key).map_err(storage)?.is_some()),
        None => Ok(true),
    }
}

/// What publishing would deliver.
pub fn look(
    tables: &super::tables::Reading<'_>,
    publication: &Publication,
) -> Result<Vec<Delivery>> {
    let look = |to: &Recipient| {
        let muted = inbox::muted(&tables.muted, &to.member)?;
        let outcome = if !is_there(&tables.account, &to.member)? {
            Outcome::Refused(Refused::NotFound)
        } else if muted.covers(&publication.content) {
            Outcome::Refused(Refused::Muted)
        } else {
            let ledger = member::get(&tables.member, &to.member)?.unwrap_or_default();
            Outcome::Delivered {
                seq: None,
                unread: ledger.counts.unread,
                sockets: to.sockets,
            }
        };
        Ok(Delivery {
            to: to.member.clone(),
            outcome,
        })
    };
    publication.to.iter().map(look).collect()
}

/// The item that takes one more part of this group.
fn open_group(mailbox: &Mailbox<'_, '_>, content: &Content) -> Result<Option<Kept>> {
    let Some(group) = &content.group else {
        return Ok(None);
    };
    let newest = mailbox.last(&group_tag(group), State::Unread)?;
    newest.map(|(_, id)| mailbox.existing(id)).transpose()
}

/// One more part: the item shows it and moves to the top.
fn fold(mailbox: &mut Mailbox<'_, '_>, mut kept: Kept, content: &Arc<Content>) -> Result<u64> {
    let id = kept.item.id;
    mailbox.lift(&kept)?;
    mailbox.put_part(id, kept.head, &kept.item.content)?;
    if kept.parts == PARTS_MAX {
        let oldest = mailbox.parts(id)?.next().transpose()?;
        if let Some((number, content)) = oldest {
            mailbox.drop_part(id, number)?;
            mailbox.detach(&content, id, number)?;
            kept.parts = sum(kept.parts.checked_sub(1))?;
        }
    }
    let is_new = match &content.actor {
        Some(actor) => !mailbox.has_actor(id, actor)?,
        None => true,
    };
    kept.item.count = sum(kept.item.count.checked_add(u64::from(is_new)))?;
    if let Some(actor) = &content.actor {
        kept.item.actors.retain(|known| known.id != actor.id);
        kept.item.actors.insert(0, actor.clone());
        kept.item.actors.truncate(ACTORS_MAX);
    }
    kept.head = sum(kept.head.checked_add(1))?;
    kept.parts = sum(kept.parts.checked_add(1))?;
    kept.item.seq = Some(mailbox.next_seq()?);
    kept.item.content = Arc::clone(content);
    kept.item.updated_at = mailbox.now;
    kept.placed_at = mailbox.now;
    mailbox.attach(content, id, kept.head)?;
    mailbox.place(&kept)?;
    mailbox.update(kept)
}

/// The same key again: the part says something else, in its place.
fn edit(mailbox: &mut Mailbox<'_, '_>, id: ItemId, part: u32, content: &Content) -> Result<u64> {
    let mut kept = mailbox.existing(id)?;
    let old = if part == kept.head {
        Arc::clone(&kept.item.content)
    } else {
        Arc::new(mailbox.existing_part(id, part)?)
    };
    let new = Content {
        // A part stays with its item.
        group: old.group.clone(),
        ..content.clone()
    };
    if *old == new {
        return Ok(mailbox.ledger.seq);
    }
    mailbox.lift(&kept)?;
    take(mailbox, &mut kept, &old, part)?;
    give(mailbox, &mut kept, &new, part)?;
    let is_same_actor = old.actor == new.actor;
    if part == kept.head {
        kept.item.content = Arc::new(new);
    } else {
        mailbox.put_part(id, part, &new)?;
    }
    if !is_same_actor {
        kept.item.actors = newest_actors(mailbox, &kept)?;
    }
    kept.item.updated_at = mailbox.now;
    mailbox.place(&kept)?;
    mailbox.update(kept)
}

/// Takes a part's handles, and its actor out of the count.
fn take(mailbox: &mut Mailbox<'_, '_>, kept: &mut Kept, part: &Content, at: u32) -> Result<()> {
    mailbox.detach(part, kept.item.id, at)?;
    let is_last = match &part.actor {
        Some(actor) => !mailbox.has_actor(kept.item.id, actor)?,
        None => true,
    };
    kept.item.count = sum(kept.item.count.checked_sub(u64::from(is_last)))?;
    Ok(())
}

fn give(mailbox: &mut Mailbox<'_, '_>, kept: &mut Kept, part: &Content, at: u32) -> Result<()> {
    let is_first = match &part.actor {
        Some(actor) => !mailbox.has_actor(kept.item.id, actor)?,
        None => true,
    };
    kept.item.count += u64::from(is_first);
    mailbox.attach(part, kept.item.id, at)
}

fn newest_actors(mailbox: &Mailbox<'_, '_>, kept: &Kept) -> Result<Vec<Person>> {
    let mut actors: Vec<Person> = kept.item.content.actor.clone().into_iter().collect();
    for part in mailbox.parts(kept.item.id)?.rev().take(ACTORS_SCAN_MAX) {
        if actors.len() == ACTORS_MAX {
            break;
        }
        if let Some(actor) = part?.1.actor
            && !actors.iter().any(|known| known.id == actor.id)
        {
            actors.push(actor);
        }
    }
    Ok(actors)
}

/// Takes back at most `max` parts; how many there were.
pub fn retract(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    what: &Retraction,
    max: usize,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<usize> {
    let handle = match what {
        Retraction::Key(key) => key_handle(key),
        Retraction::Object(object) => object_tag(object),
        Retraction::Actor(actor) => actor_handle(actor),
    };
    let parts = {
        let rows = tables.handle.range((handle.as_str(), "", 0, 0)..);
        let rows = rows.map_err(storage)?.map(|row| {
            let (key, _) = row.map_err(storage)?;
            let (at, member, id, part) = key.value();
            let is_of = at == handle;
            Ok(is_of.then(|| (MemberId::trusted(member.to_owned()), ItemId(id), part)))
        });
        let rows = rows.take(max).map(Result::transpose);
        rows.map_while(|row| row).collect::<Result<Vec<_>>>()?
    };
    // Those of one item lie side by side, and are one change of it.
    for parts in parts.chunk_by(|(a, x, _), (b, y, _)| (a, x) == (b, y)) {
        let (member, id, _) = &parts[0];
        let numbers: Vec<u32> = parts.iter().map(|(_, _, number)| *number).collect();
        let mut mailbox = Mailbox::open(tables, events, member, bounds, now)?;
        retract_parts(&mut mailbox, *id, &numbers)?;
        mailbox.close()?;
    }
    Ok(parts.len())
}

/// Takes these parts out of an item, as one change; with the last of them the item goes.
pub fn retract_parts(mailbox: &mut Mailbox<'_, '_>, id: ItemId, parts: &[u32]) -> Result<()> {
    let mut kept = mailbox.existing(id)?;
    if kept.parts as usize <= parts.len() {
        return mailbox.remove(&[kept]);
    }
    mailbox.lift(&kept)?;
    let head = kept.head;
    for part in parts.iter().copied().filter(|part| *part != head) {
        let old = mailbox.existing_part(id, part)?;
        take(mailbox, &mut kept, &old, part)?;
        mailbox.drop_part(id, part)?;
    }
    if parts.contains(&head) {
        let old = Arc::clone(&kept.item.content);
        take(mailbox, &mut kept, &old, head)?;
        // There is an older one: the item has more parts than these.
        if let Some((number, content)) = mailbox.older_part(id)? {
            mailbox.drop_part(id, number)?;
            kept.head = number;
            kept.item.content = Arc::new(content);
        }
    }
    let gone = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    kept.parts = sum(kept.parts.checked_sub(gone))?;
    kept.item.actors = newest_actors(mailbox, &kept)?;
    kept.item.updated_at = mailbox.now;
    mailbox.place(&kept)?;
    mailbox.update(kept).map(drop)
}

pub fn broadcasts(table: &impl ReadableTable<u128, &'static [u8]>) -> Result<Vec<Broadcast>> {
    let rows = table.iter().map_err(storage)?;
    rows.map(|row| decode(row.map_err(storage)?.1.value()))
        .collect()
}

pub fn put_broadcast(tables: &mut Writing<'_>, broadcast: &Broadcast) -> Result<()> {
    let row = encode(broadcast)?;
    let broadcasts = &mut tables.broadcast;
    broadcasts
        .insert(broadcast.id.0, row.as_slice())
        .map_err(storage)?;
    Ok(())
}

pub fn step(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    broadcast: &Broadcast,
    to: &[Recipient],
    record: Option<&Record>,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<Broadcast> {
    let Some(last) = to.last() else {
        if let Some(record) = record {
            call::put(tables, record)?;
        }
        tables.broadcast.remove(broadcast.id.0).map_err(storage)?;
        return Ok(broadcast.clone());
    };
    let what = (broadcast.id, &broadcast.content);
    let deliveries = deliver(tables, events, what, to, bounds, now)?;
    let next = Broadcast {
        done: Some(last.member.clone()),
        sum: broadcast.sum.with(&deliveries),
        ..broadcast.clone()
    };
    put_broadcast(tables, &next)?;
    Ok(next)
}
