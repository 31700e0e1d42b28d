//! The disk under the database. After an error redb takes no write, and reads only what it has in
//! memory, until the file is opened anew. Readers get a [`View`] of it until that works.

use std::io::Result as IoResult;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, Result, bail, ensure};
use redb::backends::FileBackend;
use redb::{BackendError, Builder, Database, StorageBackend};

use super::view::View;
use super::{tables, writer};
use crate::domain::error::{self, Error};

/// Bytes of pages kept in memory. redb's own default of 1 GiB is a small server's whole memory.
const CACHE_BYTES: usize = 64 << 20;

/// What the database lies on, and the database: the one that is written to or, while the disk
/// takes no writes, a view.
pub struct Disk {
    storage: Arc<dyn StorageBackend>,
    /// Nothing where the disk could not be read either.
    database: RwLock<Option<Database>>,
    /// How often it was put aside. Nothing that was begun before the last time is good any more.
    turns: AtomicU64,
}

impl Disk {
    /// The lock is held for as long as the process lives, so that nobody else comes in between
    /// when the file is opened anew.
    pub fn open(storage: impl StorageBackend) -> Result<Self> {
        lock(&storage)?;
        let storage: Arc<dyn StorageBackend> = Arc::new(storage);
        let database = builder().create_with_backend(Shared(Arc::clone(&storage)))?;
        Ok(Self {
            storage,
            database: RwLock::new(Some(database)),
            turns: AtomicU64::new(0),
        })
    }

    pub fn open_file(path: &Path) -> Result<Self> {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        Self::open(FileBackend::new(file)?)
    }

    /// Uses the database. Whoever does holds up its being replaced: never across an `.await`.
    pub fn with<T>(&self, use_it: impl FnOnce(&Database) -> error::Result<T>) -> error::Result<T> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match &*database {
            Some(database) => use_it(database),
            None => Err(Error::Storage("the disk can no longer be read".into())),
        }
    }

    /// How often the database was put aside; asked while it is used.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::SeqCst)
    }

    /// Puts a view of what the disk holds now in the place of the database.
    pub fn look(&self) -> Result<()> {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        self.turns.fetch_add(1, Ordering::SeqCst);
        // First, because one that is closed may still write.
        drop(database.take());
        let view = View::new(Arc::clone(&self.storage)).context("the disk cannot be read")?;
        *database = Some(self.open_again(view)?);
        Ok(())
    }

    /// Opens the database anew, tries a write, and puts it in the place of the view. Says how many
    /// commits it holds.
    ///
    /// Readers keep the view meanwhile. What it shows is not overwritten by the first commit after
    /// it, but may be by the second: before another try a new view must be taken.
    pub fn reopen(&self) -> Result<u64> {
        let fresh = self.open_again(Shared(Arc::clone(&self.storage)))?;
        let transaction = writer::begin(&fresh)?;
        let commits = tables::commits(&transaction)?;
        tables::put_commits(&transaction, commits)?;
        transaction.commit()?;
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *database = Some(fresh);
        Ok(commits)
    }

    fn open_again(&self, storage: impl StorageBackend) -> Result<Database> {
        // redb would make a new database of it, and all would be gone without a word.
        ensure!(self.storage.len()? > 0, "the file has been emptied");
        Ok(builder().create_with_backend(storage)?)
    }
}

/// Takes the lock that keeps everybody else out, for as long as the storage is there.
pub fn lock(storage: &impl StorageBackend) -> Result<()> {
    match storage.try_lock_range(Bound::Unbounded, Bound::Unbounded) {
        // A disk without locks is a test's, or one that nobody shares.
        Ok(true) | Err(BackendError::Unsupported) => Ok(()),
        Ok(false) => bail!("the database is in use by another process"),
        Err(error) => Err(std::io::Error::from(error).into()),
    }
}

pub fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Whether redb can do nothing more until the file is opened anew. Else it is about a row or a
/// page, and only whoever needs that is hurt.
pub fn is_lost(error: &Error) -> bool {
    let Error::Storage(cause) = error else {
        return false;
    };
    let cause = cause.downcast_ref::<redb::Error>();
    cause.is_some_and(|cause| {
        !matches!(
            cause,
            redb::Error::Corrupted(_) | redb::Error::ValueTooLarge(_)
        )
    })
}

/// The storage in the hands of one database after the other: closing one leaves it open.
#[derive(Debug)]
struct Shared(Arc<dyn StorageBackend>);

impl StorageBackend for Shared {
    fn len(&self) -> IoResult<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> IoResult<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> IoResult<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> IoResult<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> IoResult<()> {
        self.0.write(offset, data)
    }
}
