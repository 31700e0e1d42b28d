//! The database: one redb file, one writer. Reads are transactions of their own and never wait.

mod account;
mod call;
mod check;
mod copy;
mod counter;
mod disk;
mod export;
mod import;
mod inbox;
mod inboxes;
mod key;
mod mailbox;
mod member;
mod notification;
mod retention;
mod session;
mod tables;
mod trace;
mod view;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use jiff::Timestamp;
use redb::{Database, DatabaseError, ReadableDatabase as _, StorageBackend};

use crate::config::Bounds;
use crate::domain::account::{Account, Name};
use crate::domain::counter::Counter;
use crate::domain::engine::{Bus, Store, Unless};
use crate::domain::error::{self, Error};
use crate::domain::event::EndReason;
use crate::domain::id::{self, MemberId};
use crate::domain::key::Key;
use crate::domain::metrics::Pulse;
use crate::domain::session::{Session, SessionId};
use disk::Disk;
use tables::{META, Reading, Writing};

pub use copy::{check_pages, compact, examine, glance, lock, renew};
pub use import::import;
use writer::Writer;

/// What this program writes. A file with a higher number is refused, one with a lower migrated.
const SCHEMA: u32 = 2;

/// The [`Store`] on redb.
pub struct Redb {
    disk: Arc<Disk>,
    writer: Writer,
    epoch: String,
    bounds: Bounds,
    /// Where the file is, unless it is none.
    file: Option<PathBuf>,
    closing: Arc<AtomicBool>,
}

impl Redb {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When the file cannot be opened, is in use, or was written by a newer program.
    pub fn open(file: &Path, queue: usize, bounds: Bounds, bus: Arc<dyn Bus>) -> Result<Self> {
        refuse_newer(file)?;
        let disk =
            Disk::open_file(file).with_context(|| format!("cannot open {}", file.display()))?;
        let opened = Self::on(disk, queue, bounds, bus)
            .with_context(|| format!("cannot use {}", file.display()))?;
        Ok(Self {
            file: Some(file.to_owned()),
            ..opened
        })
    }

    /// Opens a database on a storage of the caller's making, such as one that fails.
    ///
    /// # Errors
    /// As [`Redb::open`].
    pub fn open_backend(
        storage: impl StorageBackend,
        queue: usize,
        bounds: Bounds,
        bus: Arc<dyn Bus>,
    ) -> Result<Self> {
        Self::on(Disk::open(storage)?, queue, bounds, bus)
    }

    fn on(disk: Disk, queue: usize, bounds: Bounds, bus: Arc<dyn Bus>) -> Result<Self> {
        let epoch = disk.with(|database| Ok(prepare(database)))??;
        let disk = Arc::new(disk);
        let writer = Writer::start(Arc::clone(&disk), queue, bus)?;
        Ok(Self {
            disk,
            writer,
            epoch,
            bounds,
            file: None,
            closing: Arc::default(),
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Reading<'_>) -> error::Result<T>) -> error::Result<T> {
        let answer = self.disk.with(|database| {
            let transaction = database.begin_read().map_err(storage)?;
            read(&Reading::new(&transaction))
        });
        if answer.as_ref().is_err_and(disk::is_lost) {
            // One page that cannot be read, and redb reads no other: the next write finds that out
            // and opens the file anew.
            self.writer.write_unheard(|_, _| Ok(()));
        }
        answer
    }
}

/// A database that somebody has is in use; any other failure is the file's.
fn opened(opened: Result<Database, DatabaseError>, file: &Path) -> Result<Database> {
    if matches!(opened, Err(DatabaseError::DatabaseAlreadyOpen)) {
        bail!("the database is in use by another process");
    }
    opened.with_context(|| format!("cannot open {}", file.display()))
}

/// Looks before anything is written: opening a file for writing changes it. One that needs repair
/// cannot be looked at so; it is looked at after.
fn refuse_newer(file: &Path) -> Result<()> {
    let Ok(database) = disk::builder().open_read_only(file) else {
        return Ok(());
    };
    let schema = tables::schema(&database.begin_read()?);
    schema
        .and_then(check_schema)
        .with_context(|| format!("cannot use {}", file.display()))
}

fn check_schema(schema: Option<u32>) -> Result<()> {
    match schema {
        Some(schema) if schema > SCHEMA => {
            bail!(
                "it was written by a newer Bellrope (its schema is {schema}, this program knows {SCHEMA}); use that one, nothing was changed"
            )
        }
        _ => Ok(()),
    }
}

/// Makes the tables of a new file, or those an older one lacks, and returns the file's epoch. That
/// is drawn for it, and again by every restore, so that a cursor from elsewhere never fits.
fn prepare(database: &Database) -> Result<String> {
    let schema = tables::schema(&database.begin_read()?)?;
    check_schema(schema)?;
    if schema != Some(SCHEMA) {
        migrate(database, schema)?;
    }
    tables::epoch(&database.begin_read()?)
}

fn migrate(database: &Database, schema: Option<u32>) -> Result<()> {
    let transaction = writer::begin(database)?;
    {
        let mut meta = transaction.open_table(META)?;
        if schema.is_none() {
            meta.insert("epoch", id::random().as_str())?;
        }
        meta.insert("schema", SCHEMA.to_string().as_str())?;
        // What is new in schema 2: inboxes, and that every account has been seen.
        let mut tables = Writing::new(&transaction);
        tables.make()?;
        for account in account::all(&tables.account)? {
            member::note(&mut tables, &account.id())?;
        }
    }
    transaction.commit()?;
    if let Some(schema) = schema {
        tracing::info!(
            from = schema,
            to = SCHEMA,
            "the database was brought up to date"
        );
    }
    Ok(())
}

/// Every failure of redb is one to us: the disk cannot be trusted with this any more.
fn storage(error: impl Into<redb::Error>) -> Error {
    Error::Storage(Box::new(error.into()))
}

#[async_trait]
impl Store for Redb {
    async fn ready(&self) -> error::Result<()> {
        self.writer.ready()
    }

    async fn account(&self, name: &Name) -> error::Result<Option<Account>> {
        self.read(|tables| account::get(&tables.account, name))
    }

    async fn accounts(&self) -> error::Result<Vec<Account>> {
        self.read(|tables| account::all(&tables.account))
    }

    async fn add_account(
        &self,
        account: Account,
        session: Option<Session>,
        unless: Unless,
    ) -> error::Result<()> {
        self.writer
            .write(move |tables, _| account::add(tables, &account, session.as_ref(), unless))
            .await
    }

    async fn set_password(
        &self,
        name: &Name,
        hash: String,
        keep: Option<SessionId>,
    ) -> error::Result<()> {
        let name = name.clone();
        self.writer
            .write(move |tables, events| {
                account::set_password(tables, events, &name, &hash, keep.as_ref())
            })
            .await
    }

    async fn disable_account(&self, name: &Name) -> error::Result<()> {
        let name = name.clone();
        self.writer
            .write(move |tables, events| account::disable(tables, events, &name))
            .await
    }

    async fn enable_account(&self, name: &Name) -> error::Result<()> {
        let name = name.clone();
        self.writer
            .write(move |tables, _| account::enable(tables, &name))
            .await
    }

    async fn remove_account(&self, name: &Name, now: Timestamp) -> error::Result<()> {
        let (name, bounds) = (name.clone(), self.bounds);
        self.writer
            .write(move |tables, events| account::remove(tables, events, &name, &bounds, now))
            .await
    }

    async fn session(&self, member: &MemberId, id: &SessionId) -> error::Result<Option<Session>> {
        self.read(|tables| session::get(&tables.session, member, id))
    }

    async fn sessions(&self, member: &MemberId, now: Timestamp) -> error::Result<Vec<Session>> {
        self.read(|tables| session::open_at(&tables.session, member, now))
    }

    async fn add_session(
        &self,
        account: &Account,
        session: Session,
        max: usize,
    ) -> error::Result<()> {
        let account = account.clone();
        self.writer
            .write(move |tables, events| session::add(tables, events, &account, &session, max))
            .await
    }

    fn touch_session(&self, member: &MemberId, id: &SessionId, at: Timestamp) {
        let (member, id) = (member.clone(), id.clone());
        self.writer
            .write_unheard(move |tables, _| session::touch(tables, &member, &id, at));
    }

    async fn remove_session(
        &self,
        member: &MemberId,
        id: &SessionId,
        reason: EndReason,
    ) -> error::Result<()> {
        let (member, id) = (member.clone(), id.clone());
        self.writer
            .write(move |tables, events| session::remove(tables, events, &member, &id, reason))
            .await
    }

    async fn counter(&self, member: &MemberId) -> error::Result<Counter> {
        self.read(|tables| counter::get(&tables.counter, member))
    }

    async fn increment(&self, member: &MemberId, now: Timestamp) -> error::Result<u64> {
        let member = member.clone();
        self.writer
            .write(move |tables, events| counter::increment(tables, events, &member, now))
            .await
    }

    async fn key(&self, id: &str) -> error::Result<Option<Key>> {
        self.read(|tables| key::get(&tables.key, id))
    }

    async fn keys(&self) -> error::Result<Vec<Key>> {
        self.read(|tables| key::all(&tables.key))
    }

    async fn add_key(&self, key: Key, max: usize) -> error::Result<()> {
        self.writer
            .write(move |tables, _| key::add(tables, &key, max))
            .await
    }

    fn touch_key(&self, id: &str, at: Timestamp) {
        let id = id.to_owned();
        self.writer
            .write_unheard(move |tables, _| key::touch(tables, &id, at));
    }

    async fn remove_key(&self, id: &str) -> error::Result<()> {
        let id = id.to_owned();
        self.writer
            .write(move |tables, _| key::remove(tables, &id))
            .await
    }

    fn pulse(&self) -> Pulse {
        let about = self.file.as_ref().and_then(|file| file.metadata().ok());
        self.writer.pulse(about.map(|about| about.len()))
    }

    async fn lost(&self) {
        self.writer.ended().await;
    }

    async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.writer.stop().await;
    }
}
