//! What is sent and heard: notifications, presses of ADD AGE, and the number each carries.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ground::OBJECT;
use crate::cli::caller::{Caller, Question};
use crate::cli::control::understood;

/// How long an answer is waited for: the run has an end.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Before a notification's number, in its title, where it is found soon.
const TITLE: &[u8] = b"\"title\":\"bench ";
const ADDED: &[u8] = b"[\"inbox.added\",";
const TRANSIENT: &[u8] = b"[\"inbox.transient\",";
const MESSAGE: &[u8] = b"[\"message\",";

/// Whether what is published is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Durable,
    Transient,
}

/// A notification with a number, as it is published.
pub fn notification(to: &impl Serialize, number: u64, keep: Keep) -> Bytes {
    let (kind, id) = OBJECT;
    let body = json!({
        "to": to,
        "kind": "bench",
        "title": format!("bench {number}"),
        "url": "/bench",
        "object": { "type": kind, "id": id },
        "transient": keep == Keep::Transient,
    });
    body.to_string().into()
}

/// The number of the notification that this event tells, if it tells one.
pub fn number(event: &[u8]) -> Option<u64> {
    if !event.starts_with(ADDED) && !event.starts_with(TRANSIENT) {
        return None;
    }
    let title = event.windows(TITLE.len()).position(|at| at == TITLE)?;
    digits(&event[title + TITLE.len()..])
}

/// The new age that this event tells, if it tells one.
pub fn age(event: &[u8]) -> Option<u64> {
    digits(event.strip_prefix(MESSAGE)?)
}

fn digits(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    let digits = text.get(..end?)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Publishes a notification.
///
/// # Errors
/// What the server refuses, in its own sentence.
pub async fn publish(caller: &mut Caller, key: &str, body: Bytes) -> Result<()> {
    let question = Question {
        method: Method::POST,
        path: "/api/v1/notifications",
        token: Some(key),
        body,
    };
    let (status, answer) = ask(caller, question).await?;
    if status != StatusCode::OK {
        understood(status, &answer)?;
        bail!("the server answered {status}");
    }
    Ok(())
}

/// Publishes one that has no number, before anything is measured: with a key that may not, every
/// other would fail as well.
///
/// # Errors
/// As [`publish`].
pub async fn try_key(caller: &mut Caller, key: &str, to: &str) -> Result<()> {
    let body = json!({ "to": to, "kind": "bench", "title": "begin", "transient": true });
    let tried = publish(caller, key, body.to_string().into()).await;
    tried.context("the key cannot be used")
}

async fn ask(caller: &mut Caller, question: Question<'_>) -> Result<(StatusCode, Bytes)> {
    let answer = tokio::time::timeout(ANSWER_TIME_MAX, caller.ask(question)).await;
    answer.context("the server did not answer in half a minute")?
}

/// Presses ADD AGE.
///
/// # Errors
/// What the server refuses, in the words of the demo's envelope.
pub async fn insert(caller: &mut Caller, token: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Envelope {
        code: i32,
        #[serde(default)]
        message: String,
    }
    let question = Question {
        method: Method::POST,
        path: "/api/insert",
        token: Some(token),
        body: Bytes::new(),
    };
    let (status, answer) = ask(caller, question).await?;
    let envelope: Envelope = serde_json::from_slice(&answer)
        .with_context(|| format!("the server answered {status} without the demo's envelope"))?;
    let Envelope { code, message } = envelope;
    ensure!(code == 200, "the server answered {code}, {message}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_its_number() {
        let added = br#"["inbox.added",{"item":{"id":"x","seq":3,"kind":"bench","title":"bench 17","body":""}}]"#;
        assert_eq!(number(added), Some(17));
        let transient = br#"["inbox.transient",{"item":{"title":"bench 0"}}]"#;
        assert_eq!(number(transient), Some(0));
        assert_eq!(number(br#"["inbox.removed",{"title":"bench 0"}]"#), None);
        assert_eq!(
            number(br#"["inbox.added",{"item":{"title":"Bob replied"}}]"#),
            None
        );
        assert_eq!(age(br#"["message",170]"#), Some(170));
        assert_eq!(age(br#"["message","hello"]"#), None);
        assert_eq!(age(br#"["message",17"#), None, "cut off");
    }
}
