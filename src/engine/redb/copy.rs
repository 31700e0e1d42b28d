//! The whole in a file of its own: made from one moment while the server goes on, and looked
//! through before it is trusted.

use std::fs::File;
use std::io::{self, ErrorKind, Seek as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, bail, ensure};
use async_trait::async_trait;
use jiff::Timestamp;
use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase as _};

use super::tables::{self, Reading, Writing};
use super::{
    Redb, check, check_schema, disk, export, opened, prepare, refuse_newer, storage, writer,
};
use crate::domain::backup::{Moment, Report};
use crate::domain::engine::Copies;
use crate::domain::error::{self, Error};
use crate::domain::id;

/// Bytes of pages kept in memory for a copy, which is written and read once, from end to end.
const CACHE_BYTES: usize = 16 << 20;
/// Bytes of the disk that a copy leaves to the server, which writes on meanwhile.
const ROOM_BYTES_LEFT: u64 = 32 << 20;

/// Whether to go on: a copy of a large file must not hold up a stop.
pub type GoOn<'a> = &'a dyn Fn() -> error::Result<()>;

#[async_trait]
impl Copies for Redb {
    async fn copy(&self) -> error::Result<(Moment, File)> {
        let nowhere = Error::NotCopied("The database is in no file, so there is nothing to copy.");
        let file = self.file.clone().ok_or(nowhere)?;
        self.go_through(move |moment, go_on| make(moment, &file, go_on))
            .await
    }

    async fn export(&self, now: Timestamp) -> error::Result<File> {
        let nowhere =
            Error::NotCopied("The database is in no file, so there is nowhere to write an export.");
        let file = self.file.clone().ok_or(nowhere)?;
        let write = move |moment: &ReadTransaction, go_on: GoOn<'_>| {
            copied(export::make(moment, &file, now, go_on))
        };
        self.go_through(write).await
    }

    async fn check(&self) -> error::Result<Report> {
        self.go_through(look).await
    }
}

impl Redb {
    /// Goes through the whole of one moment on a thread that may block, until the store is closed.
    /// After an error of the disk the database is opened anew, and knows of no older moment: then
    /// what was read may have been written over meanwhile.
    async fn go_through<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction, GoOn<'_>) -> error::Result<T> + Send + 'static,
    ) -> error::Result<T> {
        let (disk, closing) = (Arc::clone(&self.disk), Arc::clone(&self.closing));
        let gone_through = tokio::task::spawn_blocking(move || {
            let begun = |database: &Database| {
                let moment = database.begin_read().map_err(storage)?;
                Ok((moment, disk.turns()))
            };
            let (moment, turn) = disk.with(begun)?;
            let go_on = || {
                if closing.load(Ordering::Relaxed) {
                    return Err(Error::Stopping);
                }
                if disk.turns() != turn {
                    return Err(Error::Storage("the disk failed meanwhile".into()));
                }
                Ok(())
            };
            let done = work(&moment, &go_on)?;
            go_on().map(|()| done)
        });
        // What is damaged may make the database panic.
        let panicked = |error: tokio::task::JoinError| Error::Storage(error.into());
        gone_through.await.map_err(panicked)?
    }
}

/// Looks at a file without changing a byte of it: the version of its format, and `None` when it was
/// not closed and is put in order by whoever opens it next.
///
/// # Errors
/// When it is in use, damaged, or was written by a newer program.
pub fn glance(file: &Path) -> Result<Option<u32>> {
    let database = match disk::builder().open_read_only(file) {
        Ok(database) => database,
        Err(DatabaseError::RepairAborted) => return Ok(None),
        Err(DatabaseError::DatabaseAlreadyOpen) => bail!("it is in use by another process"),
        Err(error) => return Err(error.into()),
    };
    let schema = tables::schema(&database.begin_read()?)?;
    check_schema(schema)?;
    Ok(schema)
}

/// Copies one moment into a file that has no name in the folder of `original`, so that nothing of
/// it is left whatever happens. It is on disk and was looked through.
///
/// # Errors
/// `NotCopied` when the disk has no room or fails; what `go_on` says.
fn make(
    moment: &ReadTransaction,
    original: &Path,
    go_on: GoOn<'_>,
) -> error::Result<(Moment, File)> {
    copied(make_in(moment, original, go_on))
}

fn copied<T>(made: Result<T>) -> error::Result<T> {
    made.map_err(|wrong| match wrong.downcast::<Error>() {
        Ok(error @ Error::Stopping) => error,
        Ok(error) => not_copied(&error.into()),
        Err(wrong) => not_copied(&wrong),
    })
}

fn make_in(moment: &ReadTransaction, original: &Path, go_on: GoOn<'_>) -> Result<(Moment, File)> {
    let folder = original.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::tempfile_in(folder).context("cannot make a file for the copy")?;
    ensure_room(&file, original)?;
    let schema = tables::schema(moment)?.context("the database has no schema")?;
    let epoch = tables::epoch(moment)?;
    let from = Reading::new(moment);
    let database = builder().create_with_backend(FileBackend::new(file.try_clone()?)?)?;
    let transaction = writer::begin(&database)?;
    {
        let mut into = Writing::new(&transaction);
        into.make()?;
        from.copy(&mut into, go_on)?;
    }
    tables::identify(&transaction, schema, &epoch)?;
    transaction.commit()?;
    drop(database);

    let copy = checked().create_with_backend(FileBackend::new(file.try_clone()?)?)?;
    let report = look(&copy.begin_read()?, go_on)?;
    drop(copy);
    let (whole, copied) = (from.counts()?, report.moment.counts);
    ensure!(whole == copied, "the copy has {copied:?} and not {whole:?}");
    if let Some(unreadable) = report.unreadable.first() {
        anyhow::bail!("{unreadable}; `bellrope check` lists all there is");
    }
    file.rewind()?;
    Ok((report.moment, file))
}

/// Looks at every row of one moment.
///
/// # Errors
/// `Storage` when not even the tables can be read; what `go_on` says.
fn look(moment: &ReadTransaction, go_on: GoOn<'_>) -> error::Result<Report> {
    let identity = || Ok((tables::schema(moment)?, tables::epoch(moment)?));
    let identity: Result<_> = identity();
    let (schema, epoch) = identity.map_err(|wrong| Error::Storage(wrong.into()))?;
    check::check(&Reading::new(moment), schema.unwrap_or(0), epoch, go_on)
}

/// Looks at a file that nobody has open, down to the checksums of its pages, and changes nothing
/// but what an older program or a crash left in it.
///
/// # Errors
/// When it is none of ours, a newer program's, or damaged.
pub fn examine(file: &Path) -> Result<Report> {
    let database = open_whole(file)?;
    Ok(look(&database.begin_read()?, &|| Ok(()))?)
}

/// Keeps everybody else out of a file, which may be too damaged to be opened, until it is dropped.
///
/// # Errors
/// When somebody has it open.
pub fn lock(file: &Path) -> Result<FileBackend> {
    let storage = FileBackend::new(File::options().read(true).write(true).open(file)?)?;
    disk::lock(&storage)?;
    Ok(storage)
}

/// Draws a new epoch, so that no cursor from before fits.
///
/// # Errors
/// As [`examine`].
pub fn renew(file: &Path) -> Result<()> {
    let database = open_whole(file)?;
    let transaction = writer::begin(&database)?;
    tables::identify(&transaction, super::SCHEMA, &id::random())?;
    transaction.commit()?;
    Ok(())
}

/// Looks at the checksums of all pages.
///
/// # Errors
/// When they do not fit, or somebody has the file open.
pub fn check_pages(file: &Path) -> Result<()> {
    refuse_newer(file)?;
    let mut database = opened(builder().open(file), file)?;
    let is_sound = database.check_integrity();
    let is_sound = is_sound.with_context(|| format!("{} is damaged", file.display()))?;
    ensure!(
        is_sound,
        "{} was damaged; what could be saved of it was, and the rest is lost",
        file.display()
    );
    Ok(())
}

/// Gives the disk what the file no longer needs.
///
/// # Errors
/// When somebody has the file open, or the disk fails.
pub fn compact(file: &Path) -> Result<()> {
    refuse_newer(file)?;
    let mut database = opened(builder().open(file), file)?;
    database.compact()?;
    Ok(())
}

fn open_whole(file: &Path) -> Result<Database> {
    refuse_newer(file)?;
    let database = opened(checked().open(file), file)?;
    check_schema(tables::schema(&database.begin_read()?)?)?;
    prepare(&database)?;
    Ok(database)
}

pub fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Opens only what its checksums fit.
fn checked() -> Builder {
    let mut builder = builder();
    builder.set_check_integrity_on_open(true);
    builder
}

/// A full disk would take the server's next commit with it.
pub fn ensure_room(on: &File, original: &Path) -> Result<()> {
    let disk = rustix::fs::fstatvfs(on).map_err(io::Error::from)?;
    let (free, needed) = (
        disk.f_bavail.saturating_mul(disk.f_frsize),
        std::fs::metadata(original)?.len() + ROOM_BYTES_LEFT,
    );
    if free < needed {
        let sizes = format!("{} MiB are free, {} needed", free >> 20, needed >> 20);
        return Err(io::Error::new(ErrorKind::StorageFull, sizes).into());
    }
    Ok(())
}

/// The sentence for whoever asked; the cause is logged.
fn not_copied(wrong: &anyhow::Error) -> Error {
    let cause = format!("{wrong:#}");
    tracing::error!(cause, "no copy of the database was made");
    let is_full = wrong.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(
            io,
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
        )
    });
    Error::NotCopied(if is_full {
        "The disk of the data folder has no room for a copy of the database. Make some; the server goes on."
    } else {
        "The database could not be copied; the server's log says why. Nothing was changed."
    })
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::config::Bounds;
    use crate::engine::local::Local;

    #[tokio::test]
    async fn a_moment_is_no_good_once_the_disk_was_opened_anew() {
        let (bounds, bus) = (Bounds::default(), Arc::new(Local::default()));
        let storage = InMemoryBackend::new();
        let store = Redb::open_backend(storage, 1, bounds, bus).expect("a store");
        assert!(store.go_through(|_, go_on| go_on()).await.is_ok());
        let disk = Arc::clone(&store.disk);
        let went = store.go_through(move |_, _| {
            disk.look().expect("a view");
            disk.reopen().expect("the disk again");
            Ok(())
        });
        let went = went.await;
        assert!(matches!(went, Err(Error::Storage(_))), "{went:?}");
    }
}
