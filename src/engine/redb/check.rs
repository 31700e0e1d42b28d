//! Whether the file says the truth: every row can be read, and what is kept to be fast agrees with
//! what it was taken from.

use redb::{ReadableTable, ReadableTableMetadata as _};

use super::copy::GoOn;
use super::mailbox::{handles, tags};
use super::tables::{Kept, Ledger, Logged, Reading, Row, decode};
use super::{call, storage};
use crate::domain::account::Account;
use crate::domain::backup::{Counts, Moment, Report};
use crate::domain::call::Record;
use crate::domain::counter::Counter;
use crate::domain::error::Result;
use crate::domain::id::ItemId;
use crate::domain::inbox::{Muted, State};
use crate::domain::key::Key;
use crate::domain::notification::{Broadcast, Content};
use crate::domain::session::Session;

/// Sentences of each kind. Whoever has as many needs a backup, not a longer list.
const SENTENCES_MAX: usize = 100;

impl Reading<'_> {
    /// What is in it, as the tables themselves count.
    pub fn counts(&self) -> Result<Counts> {
        let mut members = 0;
        for row in self.member.iter().map_err(storage)? {
            let ledger: Ledger = decode(row.map_err(storage)?.1.value())?;
            members += u64::from(!ledger.left);
        }
        Ok(Counts {
            accounts: self.account.len().map_err(storage)?,
            members,
            notifications: self.item.len().map_err(storage)?,
        })
    }
}

/// Looks at everything once.
///
/// # Errors
/// `Storage` when a table cannot be gone through; what `go_on` says.
pub fn check(tables: &Reading<'_>, schema: u32, epoch: String, go_on: GoOn<'_>) -> Result<Report> {
    let mut check = Check {
        tables,
        go_on,
        unreadable: Vec::new(),
        faults: Vec::new(),
        members: 0,
        found: Found::default(),
    };
    check.accounts()?;
    check.calls()?;
    check.inboxes()?;
    check.totals()?;
    let counts = Counts {
        accounts: tables.account.len().map_err(storage)?,
        members: check.members,
        notifications: tables.item.len().map_err(storage)?,
    };
    Ok(Report {
        moment: Moment {
            schema,
            epoch,
            counts,
        },
        unreadable: check.unreadable,
        faults: check.faults,
    })
}

/// Rows that somebody's inbox leads to, a table each.
#[derive(Default)]
struct Found {
    items: u64,
    parts: u64,
    shelves: u64,
    handles: u64,
    due: u64,
    log: u64,
}

struct Check<'a, 't> {
    tables: &'a Reading<'t>,
    go_on: GoOn<'a>,
    unreadable: Vec<String>,
    faults: Vec<String>,
    members: u64,
    found: Found,
}

/// One member's, counted anew.
#[derive(Default)]
struct Recount {
    items: u64,
    unread: u64,
    unseen: u64,
}

impl Check<'_, '_> {
    fn row<R: Row>(&mut self, bytes: &[u8], of: impl FnOnce() -> String) -> Option<R> {
        match decode(bytes) {
            Ok(row) => Some(row),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                if self.unreadable.len() < SENTENCES_MAX {
                    let cause = cause.unwrap_or_else(|| error.to_string());
                    self.unreadable
                        .push(format!("{} cannot be read: {cause}", of()));
                }
                None
            }
        }
    }

    fn expect(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds && self.faults.len() < SENTENCES_MAX {
            self.faults.push(fault());
        }
    }

    /// Accounts, and the tables that have a row for each of somebody's things and no more.
    fn accounts(&mut self) -> Result<()> {
        let tables = self.tables;
        for row in tables.account.iter().map_err(storage)? {
            let (name, row) = row.map_err(storage)?;
            let name = name.value();
            let account = self.row::<Account>(row.value(), || format!("the account `{name}`"));
            let is_its = account.is_none_or(|account| account.name.key() == name);
            self.expect(is_its, || {
                format!("the account `{name}` is kept under another's name")
            });
        }
        for row in tables.session.iter().map_err(storage)? {
            (self.go_on)()?;
            let (key, row) = row.map_err(storage)?;
            let member = key.value().0;
            self.row::<Session>(row.value(), || format!("a session of `{member}`"));
            let account = member.strip_prefix('@').unwrap_or_default();
            let is_somebodys = tables.account.get(account).map_err(storage)?.is_some();
            self.expect(is_somebodys, || {
                format!("a session belongs to `{member}`, who has no account")
            });
        }
        for row in tables.counter.iter().map_err(storage)? {
            let (member, row) = row.map_err(storage)?;
            self.row::<Counter>(row.value(), || {
                format!("the counter of `{}`", member.value())
            });
        }
        for row in tables.muted.iter().map_err(storage)? {
            let (member, row) = row.map_err(storage)?;
            let of = || format!("the preferences of `{}`", member.value());
            self.row::<Muted>(row.value(), of);
        }
        for row in tables.key.iter().map_err(storage)? {
            let (id, row) = row.map_err(storage)?;
            self.row::<Key>(row.value(), || format!("the API key `{}`", id.value()));
        }
        Ok(())
    }

    fn calls(&mut self) -> Result<()> {
        let tables = self.tables;
        for row in tables.call.iter().map_err(storage)? {
            (self.go_on)()?;
            let (id, row) = row.map_err(storage)?;
            let id = id.value();
            let record = self.row::<Record>(row.value(), || format!("the call `{id}`"));
            let Some(record) = record else { continue };
            let due = tables.call_due.get((call::due_ms(&record), id));
            let is_due = due.map_err(storage)?.is_some();
            self.expect(is_due, || {
                format!("the call `{id}` will never be forgotten")
            });
        }
        for row in tables.broadcast.iter().map_err(storage)? {
            let (id, row) = row.map_err(storage)?;
            let id = ItemId(id.value());
            self.row::<Broadcast>(row.value(), || format!("the publish to everyone {id}"));
        }
        Ok(())
    }

    fn inboxes(&mut self) -> Result<()> {
        let tables = self.tables;
        for row in tables.member.iter().map_err(storage)? {
            (self.go_on)()?;
            let (member, row) = row.map_err(storage)?;
            let member = member.value();
            let recount = self.items(member)?;
            let ledger = self.row::<Ledger>(row.value(), || format!("the member `{member}`"));
            self.log(member, ledger.as_ref())?;
            let Some(ledger) = ledger else { continue };
            self.members += u64::from(!ledger.left);
            for (what, kept, counted) in [
                ("items", ledger.items, recount.items),
                ("unread", ledger.counts.unread, recount.unread),
                ("unseen", ledger.counts.unseen, recount.unseen),
            ] {
                self.expect(kept == counted, || {
                    format!("`{member}` is said to have {kept} {what}, and has {counted}")
                });
            }
        }
        Ok(())
    }

    fn items(&mut self, member: &str) -> Result<Recount> {
        let tables = self.tables;
        let ledger = tables.member.get(member).map_err(storage)?;
        let ledger = ledger.and_then(|row| decode::<Ledger>(row.value()).ok());
        let ledger = ledger.unwrap_or_default();
        let mut recount = Recount::default();
        let rows = tables.item.range((member, 0)..=(member, u128::MAX));
        for row in rows.map_err(storage)? {
            (self.go_on)()?;
            let (key, row) = row.map_err(storage)?;
            let id = ItemId(key.value().1);
            self.found.items += 1;
            let of = || format!("the item {id} of `{member}`");
            let Some(kept) = self.row::<Kept>(row.value(), of) else {
                continue;
            };
            let seq = kept.item.seq.unwrap_or_default();
            recount.items += 1;
            if kept.item.state == State::Unread {
                recount.unread += 1;
                recount.unseen += u64::from(seq > ledger.seen);
            }
            self.expect(kept.item.id == id, || {
                format!("{} is kept under another's id", of())
            });
            self.expect(seq <= ledger.seq, || {
                format!(
                    "{} is numbered {seq}, beyond the log's {}",
                    of(),
                    ledger.seq
                )
            });
            self.ways(member, &kept)?;
            self.parts(member, &kept)?;
        }
        Ok(recount)
    }

    /// Every way an item is looked for leads to it.
    fn ways(&mut self, member: &str, kept: &Kept) -> Result<()> {
        let (id, content) = (kept.item.id, &kept.item.content);
        let seq = kept.item.seq.unwrap_or_default();
        for tag in tags(content) {
            let key = (member, tag.as_str(), kept.item.state as u8, seq);
            let row = self.tables.shelf.get(key).map_err(storage)?;
            let leads_here = row.is_some_and(|row| row.value() == id.0);
            self.found.shelves += 1;
            self.expect(leads_here, || {
                format!("the item {id} of `{member}` is not found by `{tag}`")
            });
        }
        if let Some(at) = content.expires_at {
            let key = (at.as_millisecond(), member, id.0);
            let is_due = self.tables.item_due.get(key).map_err(storage)?.is_some();
            self.found.due += 1;
            self.expect(is_due, || {
                format!("the item {id} of `{member}` will never expire")
            });
        }
        self.handles(member, id, kept.head, content)
    }

    fn parts(&mut self, member: &str, kept: &Kept) -> Result<()> {
        let id = kept.item.id;
        let mut parts = 1;
        let range = (member, id.0, 0)..=(member, id.0, u32::MAX);
        for row in self.tables.part.range(range).map_err(storage)? {
            (self.go_on)()?;
            let (key, row) = row.map_err(storage)?;
            let number = key.value().2;
            parts += 1;
            let of = || format!("the part {number} of the item {id} of `{member}`");
            if let Some(content) = self.row::<Content>(row.value(), of) {
                self.handles(member, id, number, &content)?;
            }
            self.expect(number < kept.head, || {
                format!("{} is newer than the newest", of())
            });
        }
        self.found.parts += u64::from(parts) - 1;
        self.expect(parts == kept.parts, || {
            let said = kept.parts;
            format!("the item {id} of `{member}` is said to have {said} parts, and has {parts}")
        });
        Ok(())
    }

    fn handles(&mut self, member: &str, id: ItemId, part: u32, content: &Content) -> Result<()> {
        for handle in handles(content) {
            let key = (handle.as_str(), member, id.0, part);
            let is_there = self.tables.handle.get(key).map_err(storage)?.is_some();
            self.found.handles += 1;
            self.expect(is_there, || {
                format!("the item {id} of `{member}` cannot be retracted by `{handle}`")
            });
        }
        Ok(())
    }

    /// A log has no gap, and ends where its member stands.
    fn log(&mut self, member: &str, ledger: Option<&Ledger>) -> Result<()> {
        let mut last = None;
        let rows = self.tables.log.range((member, 0)..=(member, u64::MAX));
        for row in rows.map_err(storage)? {
            (self.go_on)()?;
            let (key, row) = row.map_err(storage)?;
            let seq = key.value().1;
            self.found.log += 1;
            self.row::<Logged>(row.value(), || format!("the change {seq} of `{member}`"));
            let follows = last.is_none_or(|last: u64| last.checked_add(1) == Some(seq));
            self.expect(follows, || {
                format!("the log of `{member}` has a gap before {seq}")
            });
            last = Some(seq);
        }
        if let (Some(last), Some(ledger)) = (last, ledger) {
            let seq = ledger.seq;
            self.expect(last == seq, || {
                format!("the log of `{member}` ends with {last}, and its number is {seq}")
            });
        }
        Ok(())
    }

    /// A row that nothing leads to is in the table's own count alone.
    fn totals(&mut self) -> Result<()> {
        let tables = self.tables;
        let calls = tables.call.len().map_err(storage)?;
        for (what, found, all) in [
            ("items", self.found.items, tables.item.len()),
            ("parts", self.found.parts, tables.part.len()),
            ("shelf entries", self.found.shelves, tables.shelf.len()),
            ("handles", self.found.handles, tables.handle.len()),
            ("times to expire", self.found.due, tables.item_due.len()),
            ("changes", self.found.log, tables.log.len()),
            ("times to forget calls", calls, tables.call_due.len()),
        ] {
            let all = all.map_err(storage)?;
            // What cannot be read leads to nothing; that was said already.
            let is_known = !self.unreadable.is_empty();
            self.expect(found == all || is_known, || {
                format!("there are {all} {what}, and {found} that anything leads to")
            });
        }
        Ok(())
    }
}
