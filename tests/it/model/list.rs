//! The model: a member's inbox as a plain list. Nothing is indexed, everything is counted afresh.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::story::{Act, object};

/// Items an inbox keeps, and changes its log: so few that stories reach them.
pub const ITEMS_MAX: usize = 8;
pub const LOG_MAX: u64 = 30;
/// How long it keeps them.
const ITEM_AGE_H: u64 = 90 * 24;
const LOG_AGE_H: u64 = 7 * 24;
/// Actors that an item names.
const ACTORS_MAX: usize = 5;

/// What one publish said.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub kind: String,
    pub title: String,
    pub key: Option<String>,
    pub group: Option<String>,
    pub actor: Option<String>,
    pub object: Option<String>,
    /// The hour of the story.
    pub expires_h: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lies {
    Unread,
    Read,
    Archived,
}

#[derive(Debug, Clone)]
pub struct Item {
    pub id: String,
    pub seq: u64,
    placed_h: u64,
    /// The oldest first, never none.
    parts: Vec<Part>,
    lies: Lies,
}

impl Item {
    /// The newest part: the one that is shown.
    fn head(&self) -> &Part {
        self.parts.last().expect("a part")
    }

    fn actors(&self) -> Vec<&str> {
        let mut actors = Vec::new();
        for part in self.parts.iter().rev() {
            if let Some(actor) = part.actor.as_deref()
                && !actors.contains(&actor)
            {
                actors.push(actor);
            }
        }
        actors
    }

    fn count(&self) -> usize {
        let nobodys = self.parts.iter().filter(|part| part.actor.is_none());
        self.actors().len() + nobodys.count()
    }

    /// As the wire has it, but for its times.
    fn shown(&self) -> Value {
        let head = self.head();
        let named = self.actors().into_iter().take(ACTORS_MAX).map(person);
        json!({
            "id": self.id, "seq": self.seq, "kind": head.kind, "title": head.title, "body": "",
            "url": null, "actor": head.actor.as_deref().map(person),
            "object": head.object.as_deref().map(object), "key": head.key, "group": head.group,
            "count": self.count(), "actors": named.collect::<Vec<_>>(), "data": null,
            "read": self.lies != Lies::Unread, "archived": self.lies == Lies::Archived,
        })
    }
}

pub fn person(id: &str) -> Value {
    json!({ "id": id, "name": id, "avatar": null })
}

/// What a member does not want to hear of.
#[derive(Debug, Clone, Default)]
pub struct Muted {
    pub kind: Option<String>,
    pub group: Option<String>,
    pub actor: Option<String>,
}

impl Muted {
    pub fn covers(&self, part: &Part) -> bool {
        self.kind.as_ref() == Some(&part.kind)
            || (self.group.is_some() && self.group == part.group)
            || (self.actor.is_some() && self.actor == part.actor)
    }
}

/// Which items, in the model's own words.
#[derive(Debug, Clone)]
pub enum Chosen {
    Ids(Vec<String>),
    Group(String),
    Object(String),
    Kind(String),
    Through(u64),
    All,
}

impl Chosen {
    fn has(&self, item: &Item) -> bool {
        let head = item.head();
        match self {
            Self::Ids(ids) => ids.contains(&item.id),
            Self::Group(group) => head.group.as_ref() == Some(group),
            Self::Object(object) => head.object.as_ref() == Some(object),
            Self::Kind(kind) => head.kind == *kind,
            Self::Through(seq) => item.seq <= *seq,
            Self::All => true,
        }
    }

    pub fn selector(&self) -> Value {
        match self {
            Self::Ids(ids) => json!({ "ids": ids }),
            Self::Group(group) => json!({ "group": group }),
            Self::Object(id) => json!({ "object": object(id) }),
            Self::Kind(kind) => json!({ "kind": kind }),
            Self::Through(seq) => json!({ "through": seq }),
            Self::All => json!({ "all": true }),
        }
    }
}

/// One member's.
#[derive(Debug, Default)]
pub struct List {
    pub seq: u64,
    pub items: Vec<Item>,
    pub muted: Muted,
    seen: u64,
    /// The hour of each change.
    log: BTreeMap<u64, u64>,
    /// The counts after a change, where they were looked at.
    counts: BTreeMap<u64, Value>,
}

impl List {
    fn change(&mut self, hour: u64) -> u64 {
        self.seq += 1;
        self.log.insert(self.seq, hour);
        self.seq
    }

    pub fn unread(&self) -> usize {
        let unread = self.items.iter().filter(|item| item.lies == Lies::Unread);
        unread.count()
    }

    pub fn counts(&self) -> Value {
        let unseen = |item: &&Item| item.lies == Lies::Unread && item.seq > self.seen;
        let unseen = self.items.iter().filter(unseen).count();
        json!({ "unread": self.unread(), "unseen": unseen })
    }

    /// Notes the counts as they are now, for [`List::counts_at`].
    pub fn look(&mut self) {
        self.counts.insert(self.seq, self.counts());
    }

    pub fn counts_at(&self, seq: u64) -> Option<&Value> {
        self.counts.get(&seq)
    }

    /// Newest first, those that `filter` lets pass, as the wire has them but for their times.
    pub fn shown(&self, filter: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut items: Vec<_> = self.items.iter().map(Item::shown).collect();
        items.sort_by_key(|item| std::cmp::Reverse(item["seq"].as_u64()));
        items.retain(filter);
        items
    }

    /// The log's number after it, or `None` for what is muted.
    pub fn publish(&mut self, id: &str, part: Part, hour: u64) -> Option<u64> {
        let is_known = |at: &Part| part.key.is_some() && at.key == part.key;
        for item in &mut self.items {
            if let Some(old) = item.parts.iter_mut().find(|at| is_known(at)) {
                let group = old.group.clone();
                let part = Part { group, ..part };
                if *old == part {
                    return Some(self.seq);
                }
                *old = part;
                return Some(self.change(hour));
            }
        }
        if self.muted.covers(&part) {
            return None;
        }
        let open = self.items.iter_mut().filter(|item| {
            part.group.is_some() && item.head().group == part.group && item.lies == Lies::Unread
        });
        let next = self.seq + 1;
        if let Some(item) = open.max_by_key(|item| item.seq) {
            item.parts.push(part);
            item.seq = next;
            item.placed_h = hour;
            return Some(self.change(hour));
        }
        while self.items.len() >= ITEMS_MAX {
            self.make_room(hour);
        }
        let seq = self.change(hour);
        self.items.push(Item {
            id: id.to_owned(),
            seq,
            placed_h: hour,
            parts: vec![part],
            lies: Lies::Unread,
        });
        Some(seq)
    }

    /// The oldest goes, a read one first.
    fn make_room(&mut self, hour: u64) {
        let oldest = self
            .items
            .iter()
            .min_by_key(|item| (item.lies == Lies::Unread, item.seq));
        let id = oldest.map(|item| item.id.clone());
        self.items.retain(|item| Some(&item.id) != id.as_ref());
        self.change(hour);
    }

    /// How many parts were taken back. Those of one item are one change.
    pub fn retract(&mut self, is_meant: impl Fn(&Part) -> bool, hour: u64) -> usize {
        let (mut retracted, mut changes) = (0, 0);
        for item in &mut self.items {
            let before = item.parts.len();
            item.parts.retain(|part| !is_meant(part));
            retracted += before - item.parts.len();
            changes += usize::from(item.parts.len() < before);
        }
        self.items.retain(|item| !item.parts.is_empty());
        for _ in 0..changes {
            self.change(hour);
        }
        retracted
    }

    pub fn act(&mut self, act: Act, chosen: &Chosen, hour: u64) {
        let mut is_changed = false;
        for item in &mut self.items {
            let to = match (act, item.lies) {
                (Act::Read, Lies::Unread) | (Act::Unarchive, Lies::Archived) => Lies::Read,
                (Act::Unread, Lies::Read) => Lies::Unread,
                (Act::Archive, Lies::Unread | Lies::Read) => Lies::Archived,
                (_, stays) => stays,
            };
            if chosen.has(item) && to != item.lies {
                item.lies = to;
                is_changed = true;
            }
        }
        if is_changed {
            self.change(hour);
        }
    }

    pub fn see(&mut self, through: u64, hour: u64) {
        let through = through.min(self.seq);
        if through > self.seen {
            self.seen = through;
            self.change(hour);
        }
    }

    pub fn delete(&mut self, at: usize, hour: u64) {
        self.items.remove(at);
        self.change(hour);
    }

    /// What time takes: newest parts that are over, one by one, which lets older ones come to light,
    /// and items that grew too old, whatever parts they have.
    pub fn expire(&mut self, hour: u64) {
        let mut changes = 0;
        let is_over = |part: &Part| part.expires_h.is_some_and(|at| at <= hour);
        for item in &mut self.items {
            let is_old = item.placed_h + ITEM_AGE_H < hour;
            while item.parts.last().is_some_and(is_over) {
                item.parts.pop();
                changes += 1;
                if is_old {
                    break;
                }
            }
            if is_old && !item.parts.is_empty() {
                item.parts.clear();
                changes += 1;
            }
        }
        self.items.retain(|item| !item.parts.is_empty());
        for _ in 0..changes {
            self.change(hour);
        }
    }

    /// Whether the log reaches from there to now.
    pub fn covers(&self, since: u64, hour: u64) -> bool {
        let is_kept = |at: u64| {
            self.log
                .get(&at)
                .is_some_and(|then| then + LOG_AGE_H >= hour)
        };
        since <= self.seq && self.seq - since <= LOG_MAX && (since + 1..=self.seq).all(is_kept)
    }
}
