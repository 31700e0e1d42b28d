//! Idempotency: a publishing call with the same key is done once, however often it is sent.
//!
//! The answer is recorded in the commit that does the work, so no crash can come between the two.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{Error, Result};
use super::key::hexadecimal;
use super::{Actor, App};

/// How long an answer is kept. A forum that retries does so within minutes.
pub const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Bytes of an `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 255;

/// One call that may be sent again: who asks what under which key, and the bytes asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Caller, method, path and key in one, hashed: the bound of a row's key whatever they hold.
    pub id: String,
    pub digest: [u8; 32],
}

impl Call {
    /// # Errors
    /// `FieldInvalid` when the key has no 1 to 255 visible ASCII characters.
    pub fn new(actor: &Actor, operation: &str, key: &str, bytes: &[u8]) -> Result<Self> {
        let ok = (1..=KEY_BYTES_MAX).contains(&key.len());
        if !ok
            || !key
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ')
        {
            let detail = "An Idempotency-Key has 1 to 255 visible ASCII characters.";
            return Err(Error::field("Idempotency-Key", detail));
        }
        let id = Sha256::digest(format!("{}\0{operation}\0{key}", actor.caller()));
        Ok(Self {
            id: hexadecimal(&id),
            digest: Sha256::digest(bytes).into(),
        })
    }
}

/// How a call went, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub call: Call,
    pub at: Timestamp,
    /// The outcome as JSON.
    pub outcome: String,
}

/// What a record says: the answer, or the refusal that another try would meet again.
#[derive(Serialize, Deserialize)]
enum Outcome<T> {
    Answered(T),
    Malformed(String),
    FieldInvalid(String, String),
}

/// An answer that can say that it was given before.
pub trait Answer: Serialize + DeserializeOwned + Send {
    fn replayed(&mut self);
}

/// The record of an answer, for the commit that makes it true.
pub fn record<T: Answer>(call: Call, at: Timestamp, answer: &T) -> Record {
    written(call, at, &Outcome::Answered(answer))
}

fn written<T: Serialize>(call: Call, at: Timestamp, outcome: &Outcome<T>) -> Record {
    Record {
        call,
        at,
        // Structs of strings and numbers: there is nothing in them that JSON has not.
        outcome: serde_json::to_string(outcome).unwrap_or_default(),
    }
}

/// The calls that are being answered, so that a second one does not start over.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<HashSet<String>>>);

impl Running {
    /// # Errors
    /// `InFlight`.
    pub fn enter(&self, call: &Call) -> Result<Guard> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.insert(call.id.clone()) {
            return Err(Error::InFlight);
        }
        Ok(Guard(self.clone(), call.id.clone()))
    }
}

/// Runs until it is dropped.
pub struct Guard(Running, String);

impl Drop for Guard {
    fn drop(&mut self) {
        let mut running = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.1);
    }
}

/// Does the work, or repeats the answer it had. The work itself records its success, in its own
/// commit; refusals that would come again are recorded here.
///
/// # Errors
/// `InFlight`, `IdempotencyMismatch`, and whatever the work refuses or refused.
pub async fn once<T: Answer>(
    app: &App,
    call: Option<&Call>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(call) = call else {
        return work.await;
    };
    let _running = app.running.enter(call)?;
    let now = app.clock.now();
    if let Some(record) = app.store.call(&call.id).await?
        && now.duration_since(record.at) < KEPT
    {
        return repeat(call, &record);
    }
    let done = work.await;
    let refusal: Outcome<T> = match &done {
        Err(Error::Malformed(detail)) => Outcome::Malformed(detail.clone()),
        Err(Error::FieldInvalid { field, detail }) => {
            Outcome::FieldInvalid(field.to_string(), detail.clone())
        }
        _ => return done,
    };
    app.store
        .add_call(written(call.clone(), now, &refusal))
        .await?;
    done
}

fn repeat<T: Answer>(call: &Call, record: &Record) -> Result<T> {
    if record.call.digest != call.digest {
        return Err(Error::IdempotencyMismatch);
    }
    let outcome: Outcome<T> =
        serde_json::from_str(&record.outcome).map_err(|e| Error::Storage(e.into()))?;
    match outcome {
        Outcome::Answered(mut answer) => {
            answer.replayed();
            Ok(answer)
        }
        Outcome::Malformed(detail) => Err(Error::Malformed(detail)),
        Outcome::FieldInvalid(field, detail) => Err(Error::FieldInvalid {
            field: Cow::Owned(field),
            detail,
        }),
    }
}
