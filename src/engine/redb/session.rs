//! Sessions in the file, a member's side by side.

use jiff::Timestamp;
use redb::ReadableTable;

use super::tables::{Writing, decode, encode};
use super::{account, storage};
use crate::domain::account::Account;
use crate::domain::error::{Error, Result};
use crate::domain::event::{EndReason, Event};
use crate::domain::id::MemberId;
use crate::domain::session::{Session, SessionId};

/// Greater than every session id, which are hexadecimal.
const AFTER_ALL: &str = "\u{7f}";

pub fn get(
    table: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    member: &MemberId,
    id: &SessionId,
) -> Result<Option<Session>> {
    let row = table.get((member.as_str(), id.as_str())).map_err(storage)?;
    row.map(|row| decode(row.value())).transpose()
}

pub fn open_at(
    table: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    member: &MemberId,
    now: Timestamp,
) -> Result<Vec<Session>> {
    let mut sessions = all(table, member)?;
    sessions.retain(|session| session.expires_at > now);
    sessions.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    Ok(sessions)
}

pub fn add(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    proved: &Account,
    session: &Session,
    max: usize,
) -> Result<()> {
    let account = account::existing(tables, &proved.name)?;
    if account.disabled || account.password_hash != proved.password_hash {
        let detail = format!("The account `{}` has changed.", account.name);
        return Err(Error::NotFound(detail));
    }
    let member = account.id();
    let mut open = open_at(&tables.session, &member, session.created_at)?;
    let displaced = open.split_off(open.len().min(max - 1));
    let expired: Vec<SessionId> = all(&tables.session, &member)?
        .into_iter()
        .filter(|session| !open.contains(session))
        .map(|session| session.id)
        .collect();
    for id in &expired {
        tables
            .session
            .remove((member.as_str(), id.as_str()))
            .map_err(storage)?;
    }
    if !displaced.is_empty() {
        let sessions = displaced.into_iter().map(|session| session.id).collect();
        events.push(Event::SessionsEnded {
            member: member.clone(),
            sessions,
            reason: EndReason::Displaced,
        });
    }
    put(tables, &member, session)
}

pub fn touch(
    tables: &mut Writing<'_>,
    member: &MemberId,
    id: &SessionId,
    at: Timestamp,
) -> Result<()> {
    match get(&tables.session, member, id)? {
        Some(session) if session.last_used_at < at => put(
            tables,
            member,
            &Session {
                last_used_at: at,
                ..session
            },
        ),
        _ => Ok(()),
    }
}

pub fn remove(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    member: &MemberId,
    id: &SessionId,
    reason: EndReason,
) -> Result<()> {
    let removed = tables
        .session
        .remove((member.as_str(), id.as_str()))
        .map_err(storage)?;
    if removed.is_none() {
        return Err(Error::NotFound(
            "There is no such session; it may have ended already.".to_owned(),
        ));
    }
    events.push(Event::SessionsEnded {
        member: member.clone(),
        sessions: vec![id.clone()],
        reason,
    });
    Ok(())
}

pub fn end_all(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    member: &MemberId,
    keep: Option<&SessionId>,
    reason: EndReason,
) -> Result<()> {
    let ids = all(&tables.session, member)?
        .into_iter()
        .map(|session| session.id);
    let sessions: Vec<SessionId> = ids.filter(|id| Some(id) != keep).collect();
    for id in &sessions {
        tables
            .session
            .remove((member.as_str(), id.as_str()))
            .map_err(storage)?;
    }
    if !sessions.is_empty() {
        events.push(Event::SessionsEnded {
            member: member.clone(),
            sessions,
            reason,
        });
    }
    Ok(())
}

fn all(
    table: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    member: &MemberId,
) -> Result<Vec<Session>> {
    let range = (member.as_str(), "")..(member.as_str(), AFTER_ALL);
    let rows = table.range(range).map_err(storage)?;
    rows.map(|row| decode(row.map_err(storage)?.1.value()))
        .collect()
}

pub fn put(tables: &mut Writing<'_>, member: &MemberId, session: &Session) -> Result<()> {
    let row = encode(session)?;
    tables
        .session
        .insert((member.as_str(), session.id.as_str()), row.as_slice())
        .map_err(storage)?;
    Ok(())
}
