//! Accounts in the file.

use jiff::Timestamp;
use redb::ReadableTable;

use super::tables::{Writing, decode, encode};
use super::{member, session, storage};
use crate::config::Bounds;
use crate::domain::account::{Account, Name, Role};
use crate::domain::engine::Unless;
use crate::domain::error::{Error, Result};
use crate::domain::event::{EndReason, Event};
use crate::domain::session::{Session, SessionId};

pub fn get(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &Name,
) -> Result<Option<Account>> {
    let row = table.get(name.key()).map_err(storage)?;
    row.map(|row| decode(row.value())).transpose()
}

pub fn all(table: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Vec<Account>> {
    let rows = table.iter().map_err(storage)?;
    rows.map(|row| decode(row.map_err(storage)?.1.value()))
        .collect()
}

pub fn add(
    tables: &mut Writing<'_>,
    account: &Account,
    first: Option<&Session>,
    unless: Unless,
) -> Result<()> {
    if unless == Unless::NameTakenOrAdminExists
        && all(&tables.account)?
            .iter()
            .any(|account| account.role == Role::Admin)
    {
        return Err(Error::Exists {
            field: None,
            detail: "There is an administrator already. Log in instead.".to_owned(),
        });
    }
    if get(&tables.account, &account.name)?.is_some() {
        let detail = format!("The name `{}` is taken.", account.name);
        return Err(Error::Exists {
            field: Some("username"),
            detail,
        });
    }
    put(tables, account)?;
    member::note(tables, &account.id())?;
    first.map_or(Ok(()), |first| session::put(tables, &account.id(), first))
}

pub fn set_password(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    name: &Name,
    hash: &str,
    keep: Option<&SessionId>,
) -> Result<()> {
    let account = Account {
        password_hash: hash.to_owned(),
        ..existing(tables, name)?
    };
    put(tables, &account)?;
    session::end_all(
        tables,
        events,
        &account.id(),
        keep,
        EndReason::PasswordChanged,
    )
}

pub fn disable(tables: &mut Writing<'_>, events: &mut Vec<Event>, name: &Name) -> Result<()> {
    let account = Account {
        disabled: true,
        ..existing(tables, name)?
    };
    put(tables, &account)?;
    session::end_all(
        tables,
        events,
        &account.id(),
        None,
        EndReason::AccountDisabled,
    )
}

pub fn enable(tables: &mut Writing<'_>, name: &Name) -> Result<()> {
    let account = Account {
        disabled: false,
        ..existing(tables, name)?
    };
    put(tables, &account)
}

pub fn remove(
    tables: &mut Writing<'_>,
    events: &mut Vec<Event>,
    name: &Name,
    bounds: &Bounds,
    now: Timestamp,
) -> Result<()> {
    let member = existing(tables, name)?.id();
    tables.account.remove(name.key()).map_err(storage)?;
    tables.counter.remove(member.as_str()).map_err(storage)?;
    session::end_all(tables, events, &member, None, EndReason::AccountRemoved)?;
    member::forget(tables, events, &member, bounds, now)
}

pub fn existing(tables: &Writing<'_>, name: &Name) -> Result<Account> {
    let missing = || Error::NotFound(format!("There is no account `{name}`."));
    get(&tables.account, name)?.ok_or_else(missing)
}

pub fn put(tables: &mut Writing<'_>, account: &Account) -> Result<()> {
    let row = encode(account)?;
    tables
        .account
        .insert(account.name.key(), row.as_slice())
        .map_err(storage)?;
    Ok(())
}
