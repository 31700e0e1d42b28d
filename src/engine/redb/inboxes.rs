//! The [`Inboxes`] of a [`Redb`]: which function of which noun does it, in which transaction.

use async_trait::async_trait;
use jiff::Timestamp;

use super::tables::Ledger;
use super::{Redb, call, inbox, member, notification, retention, trace};
use crate::domain::call::Record;
use crate::domain::engine::Inboxes;
use crate::domain::error::Result;
use crate::domain::event::EndReason;
use crate::domain::id::{ItemId, MemberId};
use crate::domain::inbox::{Act, Cursor, Muted, Page, Query, Replay, Selector, Standing, Trace};
use crate::domain::notification::{Broadcast, Delivery, Note, Publication, Recipient, Retraction};

impl Redb {
    fn stands(&self, ledger: &Ledger) -> Standing {
        inbox::standing(&self.epoch, ledger)
    }
}

#[async_trait]
impl Inboxes for Redb {
    async fn call(&self, id: &str) -> Result<Option<Record>> {
        self.read(|tables| call::get(&tables.call, id))
    }

    async fn add_call(&self, record: Record) -> Result<()> {
        self.writer
            .write(move |tables, _| call::put(tables, &record))
            .await
    }

    async fn publish(
        &self,
        publications: Vec<Publication>,
        note: Option<Note>,
        now: Timestamp,
    ) -> Result<Vec<Vec<Delivery>>> {
        let bounds = self.bounds;
        self.writer
            .write(move |tables, events| {
                notification::publish(tables, events, &publications, note.as_ref(), &bounds, now)
            })
            .await
    }

    async fn look(&self, publication: &Publication) -> Result<Vec<Delivery>> {
        self.read(|tables| notification::look(tables, publication))
    }

    async fn broadcasts(&self) -> Result<Vec<Broadcast>> {
        self.read(|tables| notification::broadcasts(&tables.broadcast))
    }

    async fn add_broadcast(&self, broadcast: Broadcast) -> Result<()> {
        self.writer
            .write(move |tables, _| notification::put_broadcast(tables, &broadcast))
            .await
    }

    async fn step(
        &self,
        broadcast: Broadcast,
        to: Vec<Recipient>,
        record: Option<Record>,
        now: Timestamp,
    ) -> Result<Broadcast> {
        let bounds = self.bounds;
        self.writer
            .write(move |tables, events| {
                let record = record.as_ref();
                notification::step(tables, events, &broadcast, &to, record, &bounds, now)
            })
            .await
    }

    async fn retract(&self, what: &Retraction, max: usize, now: Timestamp) -> Result<usize> {
        let (what, bounds) = (what.clone(), self.bounds);
        self.writer
            .write(move |tables, events| {
                notification::retract(tables, events, &what, max, &bounds, now)
            })
            .await
    }

    async fn members(&self, after: Option<&MemberId>, max: usize) -> Result<Vec<MemberId>> {
        self.read(|tables| member::after(&tables.member, after, max))
    }

    async fn note_member(&self, member: &MemberId, issued_at: Timestamp) -> Result<()> {
        let ledger = self.read(|tables| member::get(&tables.member, member))?;
        member::check(ledger.as_ref(), issued_at)?;
        if member::is_known(ledger.as_ref()) {
            return Ok(());
        }
        let member = member.clone();
        self.writer
            .write(move |tables, _| {
                member::check(member::get(&tables.member, &member)?.as_ref(), issued_at)?;
                member::note(tables, &member)
            })
            .await
    }

    async fn sign_out(&self, member: &MemberId, reason: EndReason, now: Timestamp) -> Result<()> {
        let member = member.clone();
        self.writer
            .write(move |tables, events| member::sign_out(tables, events, &member, reason, now))
            .await
    }

    async fn forget(&self, member: &MemberId, now: Timestamp) -> Result<()> {
        let (member, bounds) = (member.clone(), self.bounds);
        self.writer
            .write(move |tables, events| member::leave(tables, events, &member, &bounds, now))
            .await
    }

    async fn standing(&self, member: &MemberId) -> Result<Standing> {
        let ledger = self.read(|tables| member::get(&tables.member, member))?;
        Ok(self.stands(&ledger.unwrap_or_default()))
    }

    async fn trace(&self, member: &MemberId, max: usize) -> Result<Option<Trace>> {
        self.read(|tables| trace::of(tables, &self.epoch, member, max))
    }

    async fn page(&self, member: &MemberId, query: &Query) -> Result<Page> {
        self.read(|tables| inbox::page(tables, &self.epoch, member, query))
    }

    async fn replay(
        &self,
        member: &MemberId,
        cursor: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Replay> {
        self.read(|tables| inbox::replay(tables, &self.epoch, member, cursor, &self.bounds, now))
    }

    async fn change_items(
        &self,
        member: &MemberId,
        act: Act,
        selector: Selector,
        now: Timestamp,
    ) -> Result<Standing> {
        let (member, bounds) = (member.clone(), self.bounds);
        let ledger = self.writer.write(move |tables, events| {
            inbox::change(tables, events, &member, (act, &selector), &bounds, now)
        });
        Ok(self.stands(&ledger.await?))
    }

    async fn see(&self, member: &MemberId, through: u64, now: Timestamp) -> Result<Standing> {
        let (member, bounds) = (member.clone(), self.bounds);
        let ledger = self.writer.write(move |tables, events| {
            inbox::see(tables, events, &member, through, &bounds, now)
        });
        Ok(self.stands(&ledger.await?))
    }

    async fn remove_item(
        &self,
        member: &MemberId,
        id: ItemId,
        now: Timestamp,
    ) -> Result<Option<Standing>> {
        let (member, bounds) = (member.clone(), self.bounds);
        let ledger = self
            .writer
            .write(move |tables, events| inbox::remove(tables, events, &member, id, &bounds, now));
        Ok(ledger.await?.map(|ledger| self.stands(&ledger)))
    }

    async fn muted(&self, member: &MemberId) -> Result<Muted> {
        self.read(|tables| inbox::muted(&tables.muted, member))
    }

    async fn set_muted(&self, member: &MemberId, muted: Muted) -> Result<()> {
        let member = member.clone();
        self.writer
            .write(move |tables, _| inbox::set_muted(tables, &member, &muted))
            .await
    }

    async fn expire(&self, now: Timestamp, max: usize) -> Result<usize> {
        // Mostly there is nothing, and nothing needs no commit.
        let due = self.read(|tables| {
            retention::due(&tables.item_due, &tables.call_due, now, max).map(|due| due.len())
        })?;
        if due == 0 {
            return Ok(0);
        }
        let bounds = self.bounds;
        self.writer
            .write(move |tables, events| retention::expire(tables, events, now, max, &bounds))
            .await
    }

    async fn overdue(&self, members: Vec<MemberId>, now: Timestamp) -> Result<Vec<MemberId>> {
        self.read(|tables| {
            let mut overdue = Vec::new();
            for member in members {
                if retention::is_overdue(tables, &member, &self.bounds, now)? {
                    overdue.push(member);
                }
            }
            Ok(overdue)
        })
    }

    async fn trim(&self, member: &MemberId, now: Timestamp, max: usize) -> Result<usize> {
        let (member, bounds) = (member.clone(), self.bounds);
        self.writer
            .write(move |tables, events| {
                retention::trim(tables, events, &member, max, &bounds, now)
            })
            .await
    }
}
