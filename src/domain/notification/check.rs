//! The rules for what a notification may hold: each refusal names its field.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{BATCH_MAX, Content, Draft, Person, RECIPIENTS_MAX, To};
use crate::domain::App;
use crate::domain::error::{Error, Result};
use crate::domain::id::MemberId;

const TITLE_CHARS_MAX: usize = 200;
const BODY_CHARS_MAX: usize = 4000;
const KIND_BYTES_MAX: usize = 64;
const URL_BYTES_MAX: usize = 2048;
/// Of `key` and `group`: the forum's own handles.
const HANDLE_BYTES_MAX: usize = 255;
/// Of an actor's id, and of an object's type and id.
const ID_BYTES_MAX: usize = 128;
const NAME_CHARS_MAX: usize = 200;
const DATA_BYTES_MAX: usize = 16 << 10;

/// Members in the order given, each once.
pub fn recipients(raw: &[String]) -> Result<Vec<MemberId>> {
    if raw.is_empty() || raw.len() > RECIPIENTS_MAX {
        let detail = format!("Give 1 to {RECIPIENTS_MAX} ids, or \"*\" for everyone.");
        return Err(Error::field("to", detail));
    }
    let mut seen = HashSet::new();
    let mut members = Vec::with_capacity(raw.len());
    for raw in raw {
        if seen.insert(raw) {
            members.push(MemberId::parse(raw, "to")?);
        }
    }
    Ok(members)
}

pub fn batch(drafts: &[Draft]) -> Result<()> {
    let recipients = drafts.iter().map(|draft| match &draft.to {
        To::Everyone => 1,
        To::Members(members) => members.len(),
    });
    let recipients: usize = recipients.sum();
    if drafts.is_empty() || drafts.len() > BATCH_MAX || recipients > RECIPIENTS_MAX {
        let detail = format!(
            "A batch has 1 to {BATCH_MAX} notifications, and {RECIPIENTS_MAX} recipients in all."
        );
        return Err(Error::field("items", detail));
    }
    Ok(())
}

/// One of a batch: what it says, and to whom.
pub fn of_batch(app: &App, mut draft: Draft) -> Result<(Content, Vec<MemberId>)> {
    content(app, &mut draft.content)?;
    let To::Members(raw) = &draft.to else {
        let detail = "In a batch everyone cannot be meant: publish that by itself.";
        return Err(Error::field("to", detail));
    };
    Ok((draft.content, recipients(raw)?))
}

/// Checks what is said, and resolves its link.
pub fn content(app: &App, content: &mut Content) -> Result<()> {
    said(content)?;
    if let Some(url) = &content.url {
        content.url = Some(link(app, url)?);
    }
    // What a row keeps is what is compared when the same comes again: whole milliseconds.
    let whole = |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
    content.expires_at = content.expires_at.map(whole);
    if content.expires_at.is_some_and(|at| at <= app.clock.now()) {
        let detail = "It has expired already; give a time to come.";
        return Err(Error::field("expires_at", detail));
    }
    Ok(())
}

/// Checks what was published once: its link is resolved, and its time may be over.
pub fn kept(content: &Content) -> Result<()> {
    said(content)?;
    match &content.url {
        // The forum's own address came in front of a path.
        Some(url) if !is_path(url) && !is_web(url, 2 * URL_BYTES_MAX) => Err(wrong_link()),
        _ => Ok(()),
    }
}

fn said(content: &Content) -> Result<()> {
    let kind_ok = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
    };
    let kind = &content.kind;
    if !(1..=KIND_BYTES_MAX).contains(&kind.len()) || !kind.bytes().all(kind_ok) {
        let detail = "A kind has 1 to 64 of a-z, 0-9, `.`, `_` and `-`.";
        return Err(Error::field("kind", detail));
    }
    if content.title.trim().is_empty() || content.title.chars().count() > TITLE_CHARS_MAX {
        let detail = format!("A title has 1 to {TITLE_CHARS_MAX} characters; more goes in `body`.");
        return Err(Error::field("title", detail));
    }
    if content.body.chars().count() > BODY_CHARS_MAX {
        let detail = format!("A body has at most {BODY_CHARS_MAX} characters.");
        return Err(Error::field("body", detail));
    }
    if let Some(actor) = &content.actor {
        person(actor)?;
    }
    if let Some(object) = &content.object {
        id("object.type", &object.r#type)?;
        id("object.id", &object.id)?;
    }
    handle("key", content.key.as_deref())?;
    handle("group", content.group.as_deref())?;
    if content
        .data
        .as_ref()
        .is_some_and(|data| data.to_string().len() > DATA_BYTES_MAX)
    {
        let detail = format!("`data` has at most {DATA_BYTES_MAX} bytes as JSON.");
        return Err(Error::field("data", detail));
    }
    Ok(())
}

pub fn person(actor: &Person) -> Result<()> {
    id("actor.id", &actor.id)?;
    if let Some(name) = &actor.name
        && name.chars().count() > NAME_CHARS_MAX
    {
        let detail = format!("A name has at most {NAME_CHARS_MAX} characters.");
        return Err(Error::field("actor.name", detail));
    }
    match &actor.avatar {
        Some(avatar) if !is_web(avatar, URL_BYTES_MAX) => {
            let detail = "An avatar is an http or https URL of at most 2048 bytes.";
            Err(Error::field("actor.avatar", detail))
        }
        _ => Ok(()),
    }
}

fn id(field: &'static str, raw: &str) -> Result<()> {
    if (1..=ID_BYTES_MAX).contains(&raw.len()) && !raw.contains(char::is_control) {
        return Ok(());
    }
    let detail = format!("It has 1 to {ID_BYTES_MAX} bytes and no control characters.");
    Err(Error::field(field, detail))
}

fn handle(field: &'static str, raw: Option<&str>) -> Result<()> {
    match raw {
        Some(raw)
            if !(1..=HANDLE_BYTES_MAX).contains(&raw.len()) || raw.contains(char::is_control) =>
        {
            let detail = format!("It has 1 to {HANDLE_BYTES_MAX} bytes and no control characters.");
            Err(Error::field(field, detail))
        }
        _ => Ok(()),
    }
}

/// An http(s) URL as it is, or a path on the forum.
fn link(app: &App, raw: &str) -> Result<String> {
    if is_path(raw) {
        let forum = app.forum_url.as_ref();
        return Ok(forum.map_or_else(
            || raw.to_owned(),
            |forum| format!("{}{raw}", forum.as_str()),
        ));
    }
    if is_web(raw, URL_BYTES_MAX) {
        return Ok(raw.to_owned());
    }
    Err(wrong_link())
}

fn wrong_link() -> Error {
    let detail = format!(
        "A link is an http or https URL, or a path that begins with one `/`, of at most {URL_BYTES_MAX} bytes."
    );
    Error::field("url", detail)
}

/// A browser drops tabs and newlines from a URL, so `"/\t/elsewhere"` would be another host.
fn is_path(raw: &str) -> bool {
    let is_clean = raw.len() <= URL_BYTES_MAX && !raw.contains(char::is_control);
    is_clean && raw.starts_with('/') && !raw.starts_with("//") && !raw.starts_with("/\\")
}

/// The scheme is spelled out: a parser passes over spaces in front, and takes it without slashes,
/// which to a browser is a path on some pages.
fn is_web(raw: &str, bytes_max: usize) -> bool {
    let parsed = url::Url::parse(raw);
    let spells = |scheme: &str| {
        raw.get(..scheme.len())
            .is_some_and(|s| s.eq_ignore_ascii_case(scheme))
    };
    raw.len() <= bytes_max
        && (spells("https://") || spells("http://"))
        && !raw.contains(char::is_control)
        && parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
