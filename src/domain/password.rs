//! Passwords: their rule, their hash, and how many are hashed at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{Error, Result};
use super::id;

/// Bytes of a password. Eight is the least NIST SP 800-63B allows for one chosen by a person; the
/// upper bound only keeps a request from being a file.
pub const BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

/// Hashes that may wait for a free core before the next caller is told to come back.
const WAITING_MAX: usize = 512;
/// What a stored hash may ask for at most, several times what ours do: a damaged one must not take all
/// the memory there is, or for ever.
const MEMORY_KIB_MAX: u32 = 64 << 10;
const PASSES_MAX: u32 = 8;
/// How long one hash waits for a free core.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Hashes with Argon2id at OWASP's minimum (19 MiB, 2 passes, 1 lane), off the async threads, on all
/// cores but one: whoever has a login sent five hundred times would have them all else, and members
/// would wait for their pushes behind guesses. Each takes 19 MiB, which this bounds as well.
pub struct Hasher {
    cores: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// What hashes work in, 19 MiB each and one for each of these cores at most. It is kept, because the
    /// allocator, asked anew by each thread in turn, came to hold several times as much.
    memories: Arc<Mutex<Vec<Vec<Block>>>>,
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
        let cores = cores.saturating_sub(1).max(1);
        Ok(Self {
            cores: Arc::new(Semaphore::new(cores)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            memories: Arc::default(),
            nobody: hash(&mut Vec::new(), &id::random())?,
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
        let matches = self
            .blocking(turn, move |memory| verify(memory, &stored, &password))
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
        self.blocking(&turn, move |memory| hash(memory, &password))
            .await
    }

    /// Runs on a thread that may block. The thread holds the turn as well: a caller that goes
    /// away must not free a core that is still hashing.
    async fn blocking<T: Send + 'static>(
        &self,
        turn: &Turn,
        work: impl FnOnce(&mut Vec<Block>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = turn.clone();
        let memories = Arc::clone(&self.memories);
        let work = move || {
            let lock = || memories.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = lock().pop().unwrap_or_default();
            let done = work(&mut memory);
            lock().push(memory);
            drop(turn);
            done
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|e| Error::Storage(e.into()))?
    }
}

fn hash(memory: &mut Vec<Block>, password: &str) -> Result<String> {
    let argon2 = Argon2::default();
    let salt = Salt::generate();
    let output = compute(memory, &argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN)?;
    let hash = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(argon2.params()).map_err(broken)?,
        salt: Some(salt),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// With the parameters the stored hash was made with, which may be an earlier program's.
fn verify(memory: &mut Vec<Block>, stored: &str, password: &str) -> Result<bool> {
    let (argon2, salt, expected) = read(stored)?;
    // `Output` compares in constant time.
    Ok(compute(memory, &argon2, password, &salt, expected.len())? == expected)
}

/// Refuses a hash from elsewhere that no password could be checked by.
///
/// # Errors
/// [`Error::FieldInvalid`] naming `password_hash`.
pub(super) fn check_hash(stored: &str) -> Result<()> {
    let wrong = |_| {
        let detail = format!(
            "A password's hash is a PHC string of Argon2 (`$argon2id$v=19$m=..,t=..,p=..$salt$hash`) that asks for at most {MEMORY_KIB_MAX} KiB and {PASSES_MAX} passes."
        );
        Error::field("password_hash", detail)
    };
    read(stored).map(drop).map_err(wrong)
}

fn read(stored: &str) -> Result<(Argon2<'static>, Salt, Output)> {
    let stored = PasswordHash::new(stored).map_err(broken)?;
    let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
        return Err(Error::Storage("a stored password hash is not whole".into()));
    };
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(broken)?;
    let version = stored
        .version
        .map(Version::try_from)
        .transpose()
        .map_err(broken)?;
    let params = Params::try_from(&stored).map_err(broken)?;
    if params.m_cost() > MEMORY_KIB_MAX || params.t_cost() > PASSES_MAX {
        return Err(Error::Storage(
            "a stored password hash asks for too much".into(),
        ));
    }
    let argon2 = Argon2::new(algorithm, version.unwrap_or_default(), params);
    Ok((argon2, salt, expected))
}

fn compute(
    memory: &mut Vec<Block>,
    argon2: &Argon2<'_>,
    password: &str,
    salt: &Salt,
    bytes: usize,
) -> Result<Output> {
    memory.resize(argon2.params().block_count(), Block::new());
    let mut output = [0; Output::MAX_LENGTH];
    let output = output
        .get_mut(..bytes)
        .ok_or(Error::Storage("a stored hash is too long".into()))?;
    argon2
        .hash_password_into_with_memory(password.as_bytes(), salt, output, memory.as_mut_slice())
        .map_err(broken)?;
    Output::new(output).map_err(broken)
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Storage(Box::new(error))
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

/// A password for somebody to change: 32 hexadecimal digits (128 bits) in groups that can be read out.
#[must_use]
pub fn generate() -> String {
    let digits = id::random();
    let groups: Vec<&str> = (0..8).map(|i| &digits[i * 4..i * 4 + 4]).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_hash_that_is_none_is_refused(
            m in prop_oneof!["[0-9]{0,12}", Just("8".to_owned())],
            t in prop_oneof!["[0-9]{0,12}", Just("1".to_owned())],
            p in prop_oneof!["[0-9]{0,12}", Just("1".to_owned())],
            rest in prop_oneof!["[a-zA-Z0-9+/$=]{0,120}", Just("c29tZXNhbHQ$AAAA".to_owned())],
            any in "\\PC{0,80}",
        ) {
            let mut memory = Vec::new();
            let stored = format!("$argon2id$v=19$m={m},t={t},p={p}${rest}");
            for stored in [stored, any] {
                prop_assert!(!verify(&mut memory, &stored, "password").unwrap_or_default());
            }
        }
    }

    #[test]
    fn a_hash_that_asks_for_too_much_is_refused() {
        for asked in ["m=4294967295,t=1,p=1", "m=8,t=4294967295,p=1"] {
            let stored = format!(
                "$argon2id$v=19${asked}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
            );
            assert!(verify(&mut Vec::new(), &stored, "password").is_err());
        }
    }

    /// Made by the reference program: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1`.
    #[test]
    fn a_hash_of_the_reference_program_is_known_again() {
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let mut memory = Vec::new();
        assert!(verify(&mut memory, stored, "password").expect("a hash"));
        assert!(!verify(&mut memory, stored, "Password").expect("a hash"));
    }

    #[test]
    fn hashes_are_argon2id_at_owasps_minimum_and_salted() {
        let mut memory = Vec::new();
        let one = hash(&mut memory, "correct horse").expect("a hash");
        let two = hash(&mut memory, "correct horse").expect("a hash");
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, two);
        for stored in [one, two] {
            assert!(verify(&mut memory, &stored, "correct horse").expect("a hash"));
            assert!(!verify(&mut memory, &stored, "wrong horse").expect("a hash"));
        }
    }
}
