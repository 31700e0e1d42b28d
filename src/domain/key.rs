//! API keys: what a forum's backend and an operator's scripts speak with.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::allowance::{Allowance, Rate};
use super::error::{Error, Result};
use super::{Actor, App, id};

/// Keys of one server. Each integration needs one; a list that nobody can read helps nobody.
pub const KEYS_MAX: usize = 1000;
/// Characters of a key's name.
const NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=64;
/// Hexadecimal digits of a key's id: enough to be unique among a thousand.
const ID_DIGITS: usize = 12;
/// How exact `last_used_at` is: a note each minute, not a write each request.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// Seconds whose recipients a key may publish to at once: a newsletter in lists of 10,000 goes out
/// in one go.
const AT_ONCE_S: f64 = 30.0;
/// What a key begins with, so that scanners for leaked secrets know it.
pub const PREFIX: &str = "br_";

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Publish and retract notifications.
    Publish,
    /// Ask who is online.
    Presence,
    /// Act on members' inboxes: mark read, sign out, delete.
    Inbox,
    /// What an administrator may.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Publish, Self::Presence, Self::Inbox, Self::Admin];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Presence => "presence",
            Self::Inbox => "inbox",
            Self::Admin => "admin",
        }
    }
}

/// A key, as the store keeps it: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: String,
    pub name: String,
    pub scopes: Vec<Scope>,
    /// SHA-256 of the secret, which has 128 random bits: nothing slower would guard it better.
    pub hash: [u8; 32],
    pub created_at: Timestamp,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
}

/// What each key may still publish. Only keys have a limit: theirs is the one that lies in a forum's
/// configuration, and leaks. In memory: a restart forgives them.
pub struct Rates {
    rate: Rate,
    left: Mutex<HashMap<String, Allowance>>,
}

impl Rates {
    #[must_use]
    pub fn new(recipients_a_second: usize) -> Self {
        let a_second = f64::from(u32::try_from(recipients_a_second).unwrap_or(u32::MAX));
        let at_once = a_second * AT_ONCE_S;
        let left = Mutex::default();
        Self {
            rate: Rate { at_once, a_second },
            left,
        }
    }

    fn left(&self) -> std::sync::MutexGuard<'_, HashMap<String, Allowance>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what a call costs, in recipients, from what its key may publish.
///
/// # Errors
/// `TooMany`, with the time until the key may go on.
pub(super) fn spend(app: &App, actor: &Actor, cost: u32) -> Result<()> {
    let Actor::Key(key) = actor else {
        return Ok(());
    };
    let (rate, now) = (app.rates.rate, app.clock.now());
    let mut left = app.rates.left();
    let left = left.entry(key.id.clone());
    left.or_insert_with(|| Allowance::new(rate, now))
        .spend(rate, cost, now)
}

/// Makes a key. The second part of the answer is the key itself, which nobody can show again.
///
/// # Errors
/// `ScopeMissing`, `FieldInvalid` (also when there are too many keys), `Busy`, `Storage`.
pub async fn create(
    app: &App,
    actor: &Actor,
    name: &str,
    scopes: Vec<Scope>,
) -> Result<(Key, String)> {
    actor.require(Scope::Admin)?;
    let scopes = check(name, scopes)?;
    let mut id = id::random();
    id.truncate(ID_DIGITS);
    let secret = id::random();
    let shown = format!("{PREFIX}{id}_{secret}");
    let key = Key {
        id,
        name: name.to_owned(),
        scopes,
        hash: Sha256::digest(&secret).into(),
        created_at: app.clock.now(),
        last_used_at: None,
    };
    app.store.add_key(key.clone(), KEYS_MAX).await?;
    Ok((key, shown))
}

/// The scopes in order, each once.
///
/// # Errors
/// `FieldInvalid`.
pub(super) fn check(name: &str, mut scopes: Vec<Scope>) -> Result<Vec<Scope>> {
    if !NAME_CHARS.contains(&name.chars().count()) || name.contains(char::is_control) {
        let detail = "A key's name has 1 to 64 characters, none of them a control character.";
        return Err(Error::field("name", detail));
    }
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        let detail = "A key needs at least one scope: publish, presence, inbox or admin.";
        return Err(Error::field("scopes", detail));
    }
    Ok(scopes)
}

/// The hash of a key as an export has it, once its id is one.
///
/// # Errors
/// `FieldInvalid`.
pub(super) fn parse(id: &str, hash: &str) -> Result<[u8; 32]> {
    let is_lower = |raw: &str| raw.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if id.len() != ID_DIGITS || !is_lower(id) {
        let detail = format!("A key's id has {ID_DIGITS} digits of 0-9 and a-f.");
        return Err(Error::field("id", detail));
    }
    let digits = hash.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() || !is_lower(hash) {
        let detail = "A key's hash has 64 digits of 0-9 and a-f.";
        return Err(Error::field("hash", detail));
    }
    let value = |digit: u8| digit - if digit < b'a' { b'0' } else { b'a' - 10 };
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0]) << 4 | value(pair[1]);
    }
    Ok(bytes)
}

/// All keys, the oldest first.
///
/// # Errors
/// `ScopeMissing`, `Storage`.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Key>> {
    actor.require(Scope::Admin)?;
    app.store.keys().await
}

/// From now on the key opens nothing.
///
/// # Errors
/// `ScopeMissing`, `NotFound`, `Busy`, `Storage`.
pub async fn revoke(app: &App, actor: &Actor, id: &str) -> Result<()> {
    actor.require(Scope::Admin)?;
    app.store.remove_key(id).await?;
    app.rates.left().remove(id);
    Ok(())
}

/// The key behind a bearer token that begins with [`PREFIX`].
///
/// # Errors
/// `TokenInvalid` (also for one that was revoked: it left no trace), `Storage`.
pub async fn verify(app: &App, token: &str) -> Result<Key> {
    let refused = || Error::TokenInvalid("there is no such API key");
    let parts = token
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('_'));
    let (id, secret) = parts.ok_or_else(refused)?;
    let key = app.store.key(id).await?.ok_or_else(refused)?;
    let hash: [u8; 32] = Sha256::digest(secret).into();
    if !bool::from(hash.ct_eq(&key.hash)) {
        return Err(refused());
    }
    let now = app.clock.now();
    if key
        .last_used_at
        .is_none_or(|used| now.duration_since(used) >= TOUCH_EVERY)
    {
        app.store.touch_key(&key.id, now);
    }
    Ok(key)
}

/// A hash in hexadecimal, for keys of maps and tables.
#[must_use]
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
