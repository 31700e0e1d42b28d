//! Passwords: their rule, their hash, and how many are hashed at once.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{Error, Result};
use super::id;

/// Bytes of a password. Eight is the least NIST SP 800-63B allows for one chosen by a person; the
/// upper bound only keeps a request from being a file.
pub const BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

/// Hashes that may wait for a free core before the next caller is told to come back.
const WAITING_MAX: usize = 512;
/// How long one hash waits for a free core.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Hashes with Argon2id at OWASP's minimum (19 MiB, 2 passes, 1 lane), off the async threads, as
/// many at once as there are cores: each takes 19 MiB, so an unbounded rush would take them all.
pub struct Hasher {
    cores: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// A hash nothing matches. It is checked when there is no such account, so that an unknown
    /// name takes as long as a wrong password.
    nobody: String,
}

/// A core to hash on. Held over check, hash and count, so that parallel guesses cannot all pass a
/// limit before the first of them is counted.
#[derive(Clone)]
pub struct Turn {
    _core: Arc<OwnedSemaphorePermit>,
}

impl Hasher {
    /// # Errors
    /// When hashing does not work at all on this machine.
    pub fn new() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            cores: Arc::new(Semaphore::new(cores)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            nobody: hash(&id::random())?,
        })
    }

    /// Waits for a core.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait already, or none became free in time.
    pub async fn turn(&self) -> Result<Turn> {
        let _waiting = self.waiting.try_acquire().map_err(|_| Error::Busy)?;
        let core = tokio::time::timeout(WAIT_MAX, Arc::clone(&self.cores).acquire_owned()).await;
        match core {
            Ok(Ok(permit)) => Ok(Turn {
                _core: Arc::new(permit),
            }),
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
    }

    /// Whether `password` is the one `stored` was made of; without a stored hash it is not, after
    /// the same time.
    ///
    /// # Errors
    /// [`Error::Storage`] for a stored hash that is none.
    pub async fn verify(&self, turn: &Turn, stored: Option<&str>, password: &str) -> Result<bool> {
        let known = stored.is_some();
        let stored = stored.unwrap_or(&self.nobody).to_owned();
        let password = password.to_owned();
        let matches = blocking(turn, move || {
            let stored = PasswordHash::new(&stored).map_err(|e| Error::Storage(e.into()))?;
            Ok(Argon2::default()
                .verify_password(password.as_bytes(), &stored)
                .is_ok())
        })
        .await?;
        Ok(known && matches)
    }

    /// A fresh hash as a PHC string.
    ///
    /// # Errors
    /// [`Error::Busy`], as [`Hasher::turn`].
    pub async fn hash(&self, password: &str) -> Result<String> {
        let turn = self.turn().await?;
        let password = password.to_owned();
        blocking(&turn, move || hash(&password)).await
    }
}

/// Runs on a thread that may block. The thread holds the turn as well: a caller that goes away
/// must not free a core that is still hashing.
async fn blocking<T: Send + 'static>(
    turn: &Turn,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let turn = turn.clone();
    let work = move || {
        let done = work();
        drop(turn);
        done
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::Storage(e.into()))?
}

fn hash(password: &str) -> Result<String> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|e| Error::Storage(e.into()))?;
    Ok(hash.to_string())
}

/// Refuses a password that is too short or too long to be one.
///
/// # Errors
/// [`Error::FieldInvalid`] naming `field`.
pub fn check(field: &'static str, password: &str) -> Result<()> {
    if BYTES.contains(&password.len()) {
        return Ok(());
    }
    let (least, most) = (BYTES.start(), BYTES.end());
    Err(Error::field(
        field,
        format!(
            "A password has {least} to {most} bytes; this one has {}.",
            password.len()
        ),
    ))
}

/// A password for somebody to change: 25 hexadecimal digits (100 bits) in groups that can be read out.
#[must_use]
pub fn generate() -> String {
    let digits = id::random();
    let groups: Vec<&str> = (0..5).map(|i| &digits[i * 5..i * 5 + 5]).collect();
    groups.join("-")
}
