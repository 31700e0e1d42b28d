//! Backups: one moment of everything, in one archive that can be checked by hand.

pub mod archive;

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::error::{Error, Result};
use super::key::Scope;
use super::{Actor, App, clock};

/// Bytes of an archive that are handed on at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for a slow reader.
const CHUNKS_MAX: usize = 4;

/// What copying needs beside the store.
pub struct Desk {
    /// What signs sessions.
    secret: Vec<u8>,
    /// One at a time: each takes as much of the disk as the database.
    one: Arc<Semaphore>,
    /// How those go that make themselves.
    log: Mutex<Log>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Log {
    made_at: Option<Timestamp>,
    /// Of the last try, if it failed.
    failed_at: Option<Timestamp>,
}

impl Desk {
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self {
            secret: secret.to_owned(),
            one: Arc::new(Semaphore::new(1)),
            log: Mutex::default(),
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes when the newest backup was made that the server made by itself.
    pub fn made(&self, at: Timestamp) {
        *self.log() = Log {
            made_at: Some(at),
            failed_at: None,
        };
    }

    /// Notes that it could make none.
    pub fn failed(&self, at: Timestamp) {
        self.log().failed_at = Some(at);
    }

    #[must_use]
    pub fn made_at(&self) -> Option<Timestamp> {
        self.log().made_at
    }

    /// When the last try failed, until one goes well.
    #[must_use]
    pub fn failed_at(&self) -> Option<Timestamp> {
        self.log().failed_at
    }

    pub(super) fn take(&self) -> Result<OwnedSemaphorePermit> {
        let one = Arc::clone(&self.one).try_acquire_owned();
        one.map_err(|_| Error::Busy)
    }
}

/// Whether the secret that signs sessions goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    Included,
    LeftOut,
}

/// What a database was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub schema: u32,
    pub epoch: String,
    #[serde(flatten)]
    pub counts: Counts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub accounts: u64,
    /// Who has not left.
    pub members: u64,
    pub notifications: u64,
}

/// What was seen in a database, every row of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub moment: Moment,
    /// A sentence for each row that cannot be read.
    pub unreadable: Vec<String>,
    /// A sentence for each thing that contradicts another.
    pub faults: Vec<String>,
}

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the program that made it.
    pub program: String,
    /// RFC 3339.
    pub made_at: String,
    #[serde(flatten)]
    pub moment: Moment,
}

/// A backup that is ready to be written out.
pub struct Backup {
    manifest: Manifest,
    database: File,
    secret: Option<Vec<u8>>,
    _one: OwnedSemaphorePermit,
}

/// Copies everything as it is now. The server goes on meanwhile.
///
/// # Errors
/// `ScopeMissing`; `FieldInvalid` when somebody asks for the secret over the network; `Busy` while
/// another is made; `NotCopied`.
pub async fn make(app: &App, actor: &Actor, secrets: Secrets) -> Result<Backup> {
    actor.require(Scope::Admin)?;
    // Who has it speaks as anybody, which not even an administrator may.
    if secrets == Secrets::Included && *actor != Actor::Operator {
        let detail = "The secret that signs sessions leaves only through the server's own machine: use `bellrope backup` there.";
        return Err(Error::field("secrets", detail));
    }
    let one = app.backups.take()?;
    let made_at = clock::shown(app.clock.now());
    let (moment, database) = app.store.copy().await?;
    Ok(Backup {
        manifest: Manifest {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            made_at,
            moment,
        },
        database,
        secret: (secrets == Secrets::Included).then(|| app.backups.secret.clone()),
        _one: one,
    })
}

/// Looks at every row as it is now.
///
/// # Errors
/// `ScopeMissing`, `Busy` while something else goes through it all, `Storage`.
pub async fn check(app: &App, actor: &Actor) -> Result<Report> {
    actor.require(Scope::Admin)?;
    let _one = app.backups.take()?;
    app.store.check().await
}

impl Backup {
    /// Writes the archive. Blocks.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write(self, out: impl io::Write) -> io::Result<Manifest> {
        archive::write(&self.manifest, &self.database, self.secret.as_deref(), out)?;
        Ok(self.manifest)
    }

    /// The archive in pieces, or why it broke off. Ends when nobody takes them any more.
    #[must_use]
    pub fn chunks(self) -> mpsc::Receiver<io::Result<Vec<u8>>> {
        chunks(move |out| self.write(out).map(drop))
    }
}

/// What `write` writes, in pieces.
pub(super) fn chunks(
    write: impl FnOnce(io::BufWriter<Chunks>) -> io::Result<()> + Send + 'static,
) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        let out = io::BufWriter::with_capacity(CHUNK_BYTES, Chunks(sender.clone()));
        if let Err(error) = write(out) {
            // Nobody may be there to hear it.
            let _ = sender.blocking_send(Err(error));
        }
    });
    receiver
}

pub(super) struct Chunks(mpsc::Sender<io::Result<Vec<u8>>>);

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(bytes.to_owned()));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
