//! One member's inbox in the hands of the writer: every change keeps the rows, the ways they are
//! looked for, the counts and the log in step.

use std::sync::Arc;

use jiff::Timestamp;
use redb::ReadableTable as _;

use super::tables::{Entry, Kept, Ledger, Logged, Writing, decode, encode, sum};
use super::{member, storage};
use crate::config::Bounds;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::id::{ItemId, MemberId};
use crate::domain::inbox::{Became, Change, Item, State, What, Which};
use crate::domain::notification::{Content, Person, Thing};

/// The tag of all items.
pub const EVERY: &str = "";

/// Tags: how a member's items are looked for.
pub fn kind_tag(kind: &str) -> String {
    format!("k:{kind}")
}

pub fn group_tag(group: &str) -> String {
    format!("g:{group}")
}

pub fn object_tag(object: &Thing) -> String {
    // Neither holds a control character.
    format!("o:{}\0{}", object.r#type, object.id)
}

/// Handles: how parts are found in all inboxes.
pub fn key_handle(key: &str) -> String {
    format!("k:{key}")
}

pub fn actor_handle(actor: &str) -> String {
    format!("a:{actor}")
}

pub fn tags(content: &Content) -> Vec<String> {
    let mut tags = vec![EVERY.to_owned(), kind_tag(&content.kind)];
    tags.extend(content.group.as_deref().map(group_tag));
    tags.extend(content.object.as_ref().map(object_tag));
    tags
}

pub fn handles(content: &Content) -> Vec<String> {
    let actor = content.actor.as_ref();
    let mut handles = Vec::new();
    handles.extend(content.key.as_deref().map(key_handle));
    handles.extend(content.object.as_ref().map(object_tag));
    handles.extend(actor.map(|actor| actor_handle(&actor.id)));
    handles
}

/// Opened for one member, changed, and closed again, all within one commit.
pub struct Mailbox<'a, 't> {
    pub tables: &'a mut Writing<'t>,
    events: &'a mut Vec<Event>,
    pub member: MemberId,
    pub ledger: Ledger,
    pub now: Timestamp,
    log_max: u64,
}

impl<'a, 't> Mailbox<'a, 't> {
    /// A member who was never seen begins with an empty one.
    pub fn open(
        tables: &'a mut Writing<'t>,
        events: &'a mut Vec<Event>,
        member: &MemberId,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Result<Self> {
        let ledger = member::get(&tables.member, member)?.unwrap_or_default();
        Ok(Self {
            tables,
            events,
            member: member.clone(),
            ledger,
            now,
            log_max: bounds.log_changes_max as u64,
        })
    }

    /// Writes the ledger down.
    pub fn close(self) -> Result<Ledger> {
        member::put(self.tables, &self.member, &self.ledger)?;
        Ok(self.ledger)
    }

    pub fn item(&self, id: ItemId) -> Result<Option<Kept>> {
        let row = self.tables.item.get((self.member.as_str(), id.0));
        let row = row.map_err(storage)?;
        row.map(|row| decode(row.value())).transpose()
    }

    /// An item that an index speaks of.
    pub fn existing(&self, id: ItemId) -> Result<Kept> {
        self.item(id)?
            .ok_or_else(|| Error::Storage("an index speaks of an item that is not there".into()))
    }

    /// The lowest of a member's items with this tag and state.
    pub fn first(&self, tag: &str, state: State) -> Result<Option<(u64, ItemId)>> {
        let mut rows = self.range(tag, state, u64::MAX)?;
        rows.next().transpose()
    }

    /// The highest likewise.
    pub fn last(&self, tag: &str, state: State) -> Result<Option<(u64, ItemId)>> {
        let mut rows = self.range(tag, state, u64::MAX)?;
        rows.next_back().transpose()
    }

    /// Items with this tag and state, the oldest first, up to `through`.
    pub fn range(
        &self,
        tag: &str,
        state: State,
        through: u64,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(u64, ItemId)>> + use<'_, 'a, 't>> {
        let key = |seq| (self.member.as_str(), tag, state as u8, seq);
        let rows = self.tables.shelf.range(key(0)..=key(through));
        Ok(rows.map_err(storage)?.map(|row| {
            let (key, id) = row.map_err(storage)?;
            Ok((key.value().3, ItemId(id.value())))
        }))
    }

    /// The number of the next change.
    pub fn next_seq(&self) -> Result<u64> {
        sum(self.ledger.seq.checked_add(1))
    }

    /// A new item with its first part.
    pub fn add(&mut self, id: ItemId, content: Arc<Content>) -> Result<u64> {
        let seq = self.next_seq()?;
        let kept = Kept {
            item: Item::new(id, Some(seq), content, self.now),
            head: 0,
            parts: 1,
            placed_at: self.now,
        };
        self.ledger.items = sum(self.ledger.items.checked_add(1))?;
        // Whoever is told something has been seen.
        self.ledger.left = false;
        self.place(&kept)?;
        self.attach(&kept.item.content, id, 0)?;
        self.put(&kept)?;
        let item = Box::new(kept.item);
        self.log(Entry::Added(id.0), What::Added { item })
    }

    /// Writes an item back that kept its place, and tells it.
    pub fn update(&mut self, kept: Kept) -> Result<u64> {
        self.put(&kept)?;
        let item = Box::new(kept.item);
        self.log(Entry::Updated(item.id.0), What::Updated { item })
    }

    /// Removes these items, as one change.
    pub fn remove(&mut self, items: &[Kept]) -> Result<()> {
        for kept in items {
            self.erase(kept)?;
        }
        let ids: Vec<ItemId> = items.iter().map(|kept| kept.item.id).collect();
        let entry = Entry::Removed(ids.iter().map(|id| id.0).collect());
        self.log(entry, What::Removed { ids })?;
        Ok(())
    }

    /// Removes an item with all that leads to it, untold.
    pub fn erase(&mut self, kept: &Kept) -> Result<()> {
        let id = kept.item.id;
        self.lift(kept)?;
        self.detach(&kept.item.content, id, kept.head)?;
        while let Some((number, content)) = self.older_part(id)? {
            self.drop_part(id, number)?;
            self.detach(&content, id, number)?;
        }
        let key = (self.member.as_str(), id.0);
        self.tables.item.remove(key).map_err(storage)?;
        self.ledger.items = sum(self.ledger.items.checked_sub(1))?;
        Ok(())
    }

    /// Moves items, as one change.
    pub fn shift(&mut self, ids: &[ItemId], to: State, which: Which, became: Became) -> Result<()> {
        for id in ids {
            let mut kept = self.existing(*id)?;
            self.lift(&kept)?;
            kept.item.state = to;
            self.place(&kept)?;
            self.put(&kept)?;
        }
        let entry = Entry::state(&which, became);
        self.log(entry, What::state(which, became))?;
        Ok(())
    }

    /// Moves the `seen` pointer, as one change.
    pub fn see(&mut self, through: u64) -> Result<()> {
        let mut newly = 0;
        for row in self.range(EVERY, State::Unread, through)?.rev() {
            if row?.0 <= self.ledger.seen {
                break;
            }
            newly += 1;
        }
        self.ledger.seen = through;
        let counts = &mut self.ledger.counts;
        counts.unseen = sum(counts.unseen.checked_sub(newly))?;
        let which = Which::Through(through);
        let entry = Entry::state(&which, Became::SEEN);
        self.log(entry, What::state(which, Became::SEEN))?;
        Ok(())
    }

    pub fn put(&mut self, kept: &Kept) -> Result<()> {
        let key = (self.member.as_str(), kept.item.id.0);
        let row = encode(kept)?;
        self.tables
            .item
            .insert(key, row.as_slice())
            .map_err(storage)?;
        Ok(())
    }

    /// Puts an item where it is looked for, and counts it.
    pub fn place(&mut self, kept: &Kept) -> Result<()> {
        let (item, seq) = (&kept.item, kept.item.seq.unwrap_or_default());
        for tag in tags(&item.content) {
            let key = (self.member.as_str(), tag.as_str(), item.state as u8, seq);
            self.tables.shelf.insert(key, item.id.0).map_err(storage)?;
        }
        if let Some(at) = item.content.expires_at {
            let key = (at.as_millisecond(), self.member.as_str(), item.id.0);
            self.tables.item_due.insert(key, ()).map_err(storage)?;
        }
        if item.state == State::Unread {
            let counts = &mut self.ledger.counts;
            counts.unread = sum(counts.unread.checked_add(1))?;
            let newly = u64::from(seq > self.ledger.seen);
            counts.unseen = sum(counts.unseen.checked_add(newly))?;
        }
        Ok(())
    }

    /// Takes it away from there.
    pub fn lift(&mut self, kept: &Kept) -> Result<()> {
        let (item, seq) = (&kept.item, kept.item.seq.unwrap_or_default());
        for tag in tags(&item.content) {
            let key = (self.member.as_str(), tag.as_str(), item.state as u8, seq);
            self.tables.shelf.remove(key).map_err(storage)?;
        }
        if let Some(at) = item.content.expires_at {
            let key = (at.as_millisecond(), self.member.as_str(), item.id.0);
            self.tables.item_due.remove(key).map_err(storage)?;
        }
        if item.state == State::Unread {
            let counts = &mut self.ledger.counts;
            counts.unread = sum(counts.unread.checked_sub(1))?;
            let newly = u64::from(seq > self.ledger.seen);
            counts.unseen = sum(counts.unseen.checked_sub(newly))?;
        }
        Ok(())
    }

    /// Lets a part be found by its handles.
    pub fn attach(&mut self, content: &Content, id: ItemId, part: u32) -> Result<()> {
        for handle in handles(content) {
            let key = (handle.as_str(), self.member.as_str(), id.0, part);
            self.tables.handle.insert(key, ()).map_err(storage)?;
        }
        Ok(())
    }

    pub fn detach(&mut self, content: &Content, id: ItemId, part: u32) -> Result<()> {
        for handle in handles(content) {
            let key = (handle.as_str(), self.member.as_str(), id.0, part);
            self.tables.handle.remove(key).map_err(storage)?;
        }
        Ok(())
    }

    /// The part of this member's that the forum's key stands for.
    pub fn by_key(&self, key: &str) -> Result<Option<(ItemId, u32)>> {
        let handle = key_handle(key);
        let key = |id, part| (handle.as_str(), self.member.as_str(), id, part);
        let mut rows = self
            .tables
            .handle
            .range(key(0, 0)..=key(u128::MAX, u32::MAX))
            .map_err(storage)?;
        let row = rows.next().transpose().map_err(storage)?;
        Ok(row.map(|(key, _)| {
            let (_, _, id, part) = key.value();
            (ItemId(id), part)
        }))
    }

    /// Whether a part of this item is this actor's.
    pub fn has_actor(&self, id: ItemId, actor: &Person) -> Result<bool> {
        let handle = actor_handle(&actor.id);
        let key = |part| (handle.as_str(), self.member.as_str(), id.0, part);
        let rows = self.tables.handle.range(key(0)..=key(u32::MAX));
        let first = rows.map_err(storage)?.next().transpose();
        Ok(first.map_err(storage)?.is_some())
    }

    pub fn part(&self, id: ItemId, number: u32) -> Result<Option<Content>> {
        let row = self.tables.part.get((self.member.as_str(), id.0, number));
        let row = row.map_err(storage)?;
        row.map(|row| decode(row.value())).transpose()
    }

    /// A part that an index speaks of.
    pub fn existing_part(&self, id: ItemId, number: u32) -> Result<Content> {
        self.part(id, number)?
            .ok_or_else(|| Error::Storage("an index speaks of a part that is not there".into()))
    }

    pub fn put_part(&mut self, id: ItemId, number: u32, content: &Content) -> Result<()> {
        let key = (self.member.as_str(), id.0, number);
        let row = encode(content)?;
        self.tables
            .part
            .insert(key, row.as_slice())
            .map_err(storage)?;
        Ok(())
    }

    pub fn drop_part(&mut self, id: ItemId, number: u32) -> Result<()> {
        let key = (self.member.as_str(), id.0, number);
        self.tables.part.remove(key).map_err(storage)?;
        Ok(())
    }

    /// The older parts of an item, the oldest first.
    pub fn parts(
        &self,
        id: ItemId,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(u32, Content)>> + use<'_, 'a, 't>> {
        let key = |number| (self.member.as_str(), id.0, number);
        let rows = self.tables.part.range(key(0)..=key(u32::MAX));
        Ok(rows.map_err(storage)?.map(|row| {
            let (key, content) = row.map_err(storage)?;
            Ok((key.value().2, decode(content.value())?))
        }))
    }

    /// The newest of the older parts.
    pub fn older_part(&self, id: ItemId) -> Result<Option<(u32, Content)>> {
        self.parts(id)?.next_back().transpose()
    }

    /// The next number, in the log and in the event.
    fn log(&mut self, entry: Entry, what: What) -> Result<u64> {
        self.ledger.seq = self.next_seq()?;
        let (seq, member) = (self.ledger.seq, self.member.as_str());
        let logged = encode(&Logged {
            at: self.now,
            entry,
        })?;
        let log = &mut self.tables.log;
        log.insert((member, seq), logged.as_slice())
            .map_err(storage)?;
        // One in, one out; what a lowered bound leaves behind goes by retention.
        if let Some(over) = seq.checked_sub(self.log_max) {
            log.remove((member, over)).map_err(storage)?;
        }
        self.events.push(Event::Changed {
            member: self.member.clone(),
            change: Change { seq, what },
            counts: self.ledger.counts,
        });
        Ok(seq)
    }
}
