//! A new database from the lines of an export. Counts and everything that leads to an item are made
//! by the same hands that keep them, so that no line can contradict them.

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use redb::ReadableTable as _;

use super::copy::builder;
use super::mailbox::{EVERY, Mailbox};
use super::notification::PARTS_MAX;
use super::tables::{Kept, Ledger, Writing, sum};
use super::{account, counter, inbox, key, member, prepare, storage, writer};
use crate::config::Bounds;
use crate::domain::account::Account;
use crate::domain::error::{self, Error};
use crate::domain::event::Event;
use crate::domain::export::{self, Part, Piece, Placed};
use crate::domain::id::MemberId;
use crate::domain::import::wrong;
use crate::domain::inbox::State;
use crate::domain::key::{KEYS_MAX, Key};
use crate::domain::notification::Content;

/// Makes the database in a file that is empty, with an epoch of its own: no cursor from elsewhere
/// fits. It is all one commit, which a line that does not fit is the end of.
///
/// # Errors
/// `Malformed` for such a line, with its number; when the disk fails.
pub fn import(
    file: &Path,
    pieces: impl Iterator<Item = error::Result<(u64, Piece)>>,
) -> Result<()> {
    let database = builder().create(file)?;
    prepare(&database)?;
    let transaction = writer::begin(&database)?;
    {
        let mut import = Import {
            tables: Writing::new(&transaction),
            events: Vec::new(),
            open: None,
        };
        for piece in pieces {
            let (line, piece) = piece?;
            if !matches!(piece, Piece::Part(_)) {
                import.close()?;
            }
            import.take(line, piece).map_err(|error| at(line, error))?;
        }
        import.close()?;
        import.end()?;
    }
    transaction.commit()?;
    Ok(())
}

/// A refusal with its line.
fn at(line: u64, error: Error) -> Error {
    match error {
        Error::Malformed(_) | Error::FieldInvalid { .. } | Error::Exists { .. } => {
            wrong(line, error)
        }
        error => error,
    }
}

fn refuse<T>(detail: String) -> error::Result<T> {
    Err(Error::Malformed(detail))
}

struct Import<'t> {
    tables: Writing<'t>,
    /// Nobody is there to be told.
    events: Vec<Event>,
    open: Option<Open>,
}

/// An item whose parts may follow.
struct Open {
    line: u64,
    member: MemberId,
    kept: Kept,
    /// Distinct actors, and parts without one.
    actors: u64,
}

impl<'t> Import<'t> {
    fn take(&mut self, line: u64, piece: Piece) -> error::Result<()> {
        match piece {
            Piece::Account(account) => self.account(&account),
            Piece::Key(key) => self.key(&key),
            Piece::Member(member) => self.member(&member),
            Piece::Item(placed) => self.item(line, *placed),
            Piece::Part(part) => self.part(&part),
        }
    }

    fn account(&mut self, account: &Account) -> error::Result<()> {
        if account::get(&self.tables.account, &account.name)?.is_some() {
            return refuse(format!("the account `{}` is there already", account.name));
        }
        account::put(&mut self.tables, account)
    }

    fn key(&mut self, key: &Key) -> error::Result<()> {
        if key::get(&self.tables.key, &key.id)?.is_some() {
            return refuse(format!("the API key `{}` is there already", key.id));
        }
        key::add(&mut self.tables, key, KEYS_MAX)
    }

    fn member(&mut self, from: &export::Member) -> error::Result<()> {
        let (tables, id) = (&mut self.tables, &from.id);
        if member::get(&tables.member, id)?.is_some() {
            return refuse(format!("the member `{id}` is there already"));
        }
        if let Some(key) = id.account_key()
            && !from.left
            && tables.account.get(key).map_err(storage)?.is_none()
        {
            return refuse(format!("no line before this one has the account of `{id}`"));
        }
        // What is counted is counted as it comes.
        let ledger = Ledger {
            seq: from.seq,
            seen: from.seen,
            signed_out_at: from.signed_out_at,
            left: from.left,
            ..Ledger::default()
        };
        member::put(tables, id, &ledger)?;
        if from.counter.age > 0 {
            counter::put(tables, id, &from.counter)?;
        }
        inbox::set_muted(tables, id, &from.muted)
    }

    fn mailbox(&mut self, member: &MemberId) -> error::Result<Mailbox<'_, 't>> {
        let (tables, events) = (&mut self.tables, &mut self.events);
        // Nothing is logged, so neither bounds nor the time matter.
        Mailbox::open(tables, events, member, &Bounds::NONE, Timestamp::UNIX_EPOCH)
    }

    fn item(&mut self, line: u64, placed: Placed) -> error::Result<()> {
        let (member, item) = (placed.member, placed.item);
        let (id, seq) = (item.id, item.seq.unwrap_or_default());
        if member::get(&self.tables.member, &member)?.is_none_or(|ledger| ledger.left) {
            return refuse(format!(
                "no line before this one has the member `{member}` as one who is here"
            ));
        }
        let mut mailbox = self.mailbox(&member)?;
        if mailbox.item(id)?.is_some() {
            return refuse(format!("the item {id} of `{member}` is there already"));
        }
        if seq > mailbox.ledger.seq {
            let of = mailbox.ledger.seq;
            return refuse(format!("its `seq` {seq} is beyond its member's, {of}"));
        }
        for state in [State::Unread, State::Read, State::Archived] {
            let key = (member.as_str(), EVERY, state as u8, seq);
            let row = mailbox.tables.shelf.get(key).map_err(storage)?;
            if row.is_some() {
                return refuse(format!("another item of `{member}` has the `seq` {seq}"));
            }
        }
        ensure_key_is_new(&mailbox, &item.content)?;
        let kept = Kept {
            item,
            head: placed.head,
            parts: 1,
            placed_at: placed.placed_at,
        };
        mailbox.ledger.items = sum(mailbox.ledger.items.checked_add(1))?;
        mailbox.place(&kept)?;
        mailbox.attach(&kept.item.content, id, kept.head)?;
        mailbox.put(&kept)?;
        mailbox.close()?;
        self.open = Some(Open {
            line,
            member,
            kept,
            actors: 1,
        });
        Ok(())
    }

    fn part(&mut self, part: &Part) -> error::Result<()> {
        let Part {
            member,
            item,
            number,
            content,
        } = part;
        let number = *number;
        let open = self.open.take();
        let open = open.filter(|open| open.member == *member && open.kept.item.id == *item);
        let Some(mut open) = open else {
            return refuse(format!("it does not follow the item {item} of `{member}`"));
        };
        if number >= open.kept.head {
            let head = open.kept.head;
            return refuse(format!(
                "its number {number} is not below its item's, {head}"
            ));
        }
        if content.group.is_none() || content.group != open.kept.item.content.group {
            return refuse("its group is not its item's".to_owned());
        }
        if open.kept.parts == PARTS_MAX {
            return refuse(format!("an item has at most {PARTS_MAX} parts"));
        }
        let mut mailbox = self.mailbox(member)?;
        if mailbox.part(*item, number)?.is_some() {
            return refuse(format!("the part {number} is there already"));
        }
        ensure_key_is_new(&mailbox, content)?;
        let is_known = match &content.actor {
            Some(actor) => mailbox.has_actor(*item, actor)?,
            None => false,
        };
        open.actors += u64::from(!is_known);
        open.kept.parts += 1;
        mailbox.put_part(*item, number, content)?;
        mailbox.attach(content, *item, number)?;
        self.open = Some(open);
        Ok(())
    }

    /// Writes the item down whose parts are all there. Its count is the one in the file, because
    /// actors of parts that are no longer kept are in it; but retracting must never take more from it
    /// than there is.
    fn close(&mut self) -> error::Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let Open {
            line,
            member,
            kept,
            actors,
        } = open;
        if kept.item.count < actors {
            let said = kept.item.count;
            let detail = format!("its `count` is {said}, and its parts have {actors} actors");
            return Err(wrong(line, detail));
        }
        self.mailbox(&member)?.put(&kept)
    }

    /// Every account has been seen.
    fn end(&mut self) -> error::Result<()> {
        for account in account::all(&self.tables.account)? {
            member::note(&mut self.tables, &account.id())?;
        }
        Ok(())
    }
}

/// A forum's key stands for one part of an inbox.
fn ensure_key_is_new(mailbox: &Mailbox<'_, '_>, content: &Content) -> error::Result<()> {
    match &content.key {
        Some(key) if mailbox.by_key(key)?.is_some() => {
            let member = &mailbox.member;
            refuse(format!(
                "`{member}` has something with the key `{key}` already"
            ))
        }
        _ => Ok(()),
    }
}
