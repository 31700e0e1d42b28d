//! The forum's set of keys: which of them fit, which one a token means, and when to read it again.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::KEY_WAIT_MAX;
use crate::config;
use crate::domain::error::{Error, Result};

/// Keys of a set. A forum has two while it changes them; a company's whole login has a dozen.
const KEYS_MAX: usize = 100;
/// An unknown key makes us ask, and a stranger can name one: so seldom another server.
const ASK_SERVER_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// A look at a file costs next to nothing.
const ASK_FILE_EVERY: SignedDuration = SignedDuration::from_secs(2);

pub(super) struct KeySet {
    source: config::Jwks,
    algorithm: config::Algorithm,
    ask_every: SignedDuration,
    state: Mutex<State>,
    /// Wakes whoever reads the set.
    ask: Notify,
    /// Wakes whoever waits for the set to have been read.
    read: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// `None` until it was read once.
    keys: Option<Arc<Vec<Key>>>,
    /// Whether somebody waits for it to be read.
    wanted: bool,
    asked_at: Option<Timestamp>,
}

struct Key {
    id: Option<String>,
    key: DecodingKey,
}

impl KeySet {
    pub fn new(source: config::Jwks, algorithm: config::Algorithm) -> Self {
        let ask_every = match source {
            config::Jwks::File(_) => ASK_FILE_EVERY,
            config::Jwks::Url(_) => ASK_SERVER_EVERY,
        };
        Self {
            source,
            algorithm,
            ask_every,
            state: Mutex::default(),
            ask: Notify::new(),
            read: watch::Sender::new(()),
        }
    }

    pub fn source(&self) -> &config::Jwks {
        &self.source
    }

    /// The key a token names, or the only one when it names none.
    pub async fn find(&self, id: Option<&str>, now: Timestamp) -> Result<DecodingKey> {
        let found = self.look(id);
        if !matches!(found, Err(Missing::Unread | Missing::Unknown)) {
            return found.map_err(Missing::refusal);
        }
        if let Some(read) = self.want(now) {
            // In vain or not, what is there then is the answer.
            let _ = tokio::time::timeout(KEY_WAIT_MAX, read).await;
        }
        self.look(id).map_err(Missing::refusal)
    }

    fn look(&self, id: Option<&str>) -> std::result::Result<DecodingKey, Missing> {
        let keys = self.state().keys.clone().ok_or(Missing::Unread)?;
        let key = match id {
            Some(id) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
            None if keys.len() == 1 => keys.first(),
            None => return Err(Missing::Unnamed),
        };
        key.map(|key| key.key.clone()).ok_or(Missing::Unknown)
    }

    /// Asks for the set to be read, unless that was asked a moment ago; what to wait for then.
    fn want(&self, now: Timestamp) -> Option<impl Future<Output = ()> + use<>> {
        let mut state = self.state();
        if !state.wanted {
            let recent = state
                .asked_at
                .is_some_and(|at| now.duration_since(at).abs() < self.ask_every);
            if recent {
                return None;
            }
            state.wanted = true;
            state.asked_at = Some(now);
            self.ask.notify_one();
        }
        // Taken before the lock is let go of: an answer in between would not be heard.
        let mut read = self.read.subscribe();
        Some(async move {
            let _ = read.changed().await;
        })
    }

    pub async fn wanted(&self) {
        // A call may be left over from one that was answered meanwhile.
        while !self.state().wanted {
            self.ask.notified().await;
        }
    }

    pub fn accept(&self, json: &[u8]) -> std::result::Result<usize, String> {
        let keys = parse(json, self.algorithm).inspect_err(|_| self.nothing_new())?;
        let count = keys.len();
        self.state().keys = Some(Arc::new(keys));
        self.nothing_new();
        Ok(count)
    }

    pub fn nothing_new(&self) {
        self.state().wanted = false;
        self.read.send_replace(());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing can be left half-done by who panicked: each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no key for a token.
enum Missing {
    Unread,
    Unknown,
    Unnamed,
}

impl Missing {
    fn refusal(self) -> Error {
        match self {
            Self::Unread => Error::Busy,
            Self::Unknown => Error::TokenInvalid("its `kid` names no key of the forum's"),
            Self::Unnamed => Error::TokenInvalid("it has no `kid`, and the forum has several keys"),
        }
    }
}

/// The keys of a set that fit. One that is not understood is none of ours (RFC 7517, 5).
fn parse(json: &[u8], algorithm: config::Algorithm) -> std::result::Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(json).map_err(|error| {
        format!("it is no set of keys, which looks like {{\"keys\":[...]}}: {error}")
    })?;
    if set.keys.len() > KEYS_MAX {
        return Err(format!(
            "it has {} keys, and {KEYS_MAX} are read at most",
            set.keys.len()
        ));
    }
    let keys: Vec<Key> = set
        .keys
        .into_iter()
        .filter_map(|key| serde_json::from_value(key).ok())
        .filter_map(|key: Jwk| fitting(key, algorithm))
        .collect();
    if keys.is_empty() {
        return Err(format!("none of its keys is for signing with {algorithm}"));
    }
    Ok(keys)
}

fn fitting(jwk: Jwk, algorithm: config::Algorithm) -> Option<Key> {
    let common = &jwk.common;
    let may_verify = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
        && common
            .key_operations
            .as_ref()
            .is_none_or(|may| may.contains(&KeyOperations::Verify))
        && common
            .key_algorithm
            .is_none_or(|named| named == signed_with(algorithm).into());
    let is_kind = match (&jwk.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), config::Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(key), config::Algorithm::ES256) => {
            key.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::OctetKeyPair(key), config::Algorithm::EdDSA) => {
            key.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (may_verify && is_kind && is_sized(&key, algorithm)).then_some(Key {
        id: jwk.common.key_id,
        key,
    })
}

/// # Errors
/// A sentence, when it is no public key for that algorithm.
pub(super) fn from_pem(
    pem: &[u8],
    algorithm: config::Algorithm,
) -> std::result::Result<DecodingKey, String> {
    let (read, kind) = match algorithm {
        config::Algorithm::RS256 => (
            DecodingKey::from_rsa_pem(pem),
            "an RSA key of 2048 to 8192 bits",
        ),
        config::Algorithm::ES256 => (
            DecodingKey::from_ec_pem(pem),
            "an elliptic curve's key on P-256",
        ),
        config::Algorithm::EdDSA => (DecodingKey::from_ed_pem(pem), "an Ed25519 key"),
    };
    read.ok()
        .filter(|key| is_sized(key, algorithm))
        .ok_or_else(|| {
            format!("`forum-key` holds no public key for {algorithm}, which takes {kind}")
        })
}

pub(super) fn signed_with(algorithm: config::Algorithm) -> Algorithm {
    match algorithm {
        config::Algorithm::RS256 => Algorithm::RS256,
        config::Algorithm::ES256 => Algorithm::ES256,
        config::Algorithm::EdDSA => Algorithm::EdDSA,
    }
}

/// Whether a key has as many bytes as the algorithm's have. One that has not would verify nothing,
/// and nobody would learn why.
fn is_sized(key: &DecodingKey, algorithm: config::Algorithm) -> bool {
    match (algorithm, key.kind()) {
        (config::Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, .. }) => {
            (256..=1024).contains(&n.len())
        }
        // Modulus and exponent in DER: 14 bytes more than the modulus, give or take.
        (config::Algorithm::RS256, DecodingKeyKind::SecretOrDer(der)) => {
            (256 + 9..=1024 + 32).contains(&der.len())
        }
        // A byte that says "not compressed", and two coordinates of 32.
        (config::Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => point.len() == 65,
        (config::Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => point.len() == 32,
        (_, DecodingKeyKind::RsaModulusExponent { .. }) => false,
    }
}
