//! What a forum's backend does to its members: read for them, sign them out, let them go; who is
//! online; and what an administrator sees of one.

use std::collections::BTreeMap;

use super::account::{Account, Name};
use super::error::{Error, Result};
use super::event::EndReason;
use super::id::MemberId;
use super::inbox::{self, Act, Selector, Standing, Trace};
use super::key::Scope;
use super::session::Session;
use super::{Actor, App, key};

/// Members that one question about presence may name.
const PRESENCE_MAX: usize = 1000;
/// Changes of a member's log that an administrator is shown.
const TRACE_MAX: usize = 20;

/// A member, as administrators see one.
pub struct About {
    pub id: MemberId,
    /// Where there is an own one.
    pub account: Option<Account>,
    /// Open now.
    pub sockets: usize,
    /// Of the own account; the newest first.
    pub sessions: Vec<Session>,
    pub trace: Trace,
}

/// Looks into a member: whether they are there, and what happened to their inbox.
///
/// # Errors
/// `ScopeMissing`, `TooMany`, `FieldInvalid`, `NotFound`, `Storage`.
pub async fn look(app: &App, actor: &Actor, id: &str) -> Result<About> {
    actor.require(Scope::Admin)?;
    key::spend(app, actor, 1)?;
    let id = MemberId::parse(id, "id")?;
    let Some(trace) = app.store.trace(&id, TRACE_MAX).await? else {
        let detail = format!("Nobody with the id `{id}` was ever seen.");
        return Err(Error::NotFound(detail));
    };
    let account = match id.account_key() {
        Some(key) => app.store.account(&Name::of_key(key)?).await?,
        None => None,
    };
    let sessions = match account {
        Some(_) => app.store.sessions(&id, app.clock.now()).await?,
        None => Vec::new(),
    };
    let sockets = app.bus.sockets(std::slice::from_ref(&id)).await;
    Ok(About {
        sockets: sockets.into_iter().sum(),
        id,
        account,
        sessions,
        trace,
    })
}

/// Marks a member's items read: they opened the topic.
///
/// # Errors
/// `ScopeMissing`, `TooMany`, `FieldInvalid`, `Busy`, `Storage`.
pub async fn read(app: &App, actor: &Actor, id: &str, selector: Selector) -> Result<Standing> {
    actor.require(Scope::Inbox)?;
    key::spend(app, actor, 1)?;
    inbox::change_of(app, MemberId::parse(id, "id")?, Act::Read, selector).await
}

/// Refuses the forum tokens a member has until now, and ends their sessions and sockets.
///
/// # Errors
/// `ScopeMissing`, `TooMany`, `FieldInvalid`, `Busy`, `Storage`.
pub async fn sign_out(app: &App, actor: &Actor, id: &str) -> Result<()> {
    // A forum does it when its member logs out, an administrator's script when an account is at risk.
    if actor.require(Scope::Admin).is_err() {
        actor.require(Scope::Inbox)?;
    }
    key::spend(app, actor, 1)?;
    let member = MemberId::parse(id, "id")?;
    app.store
        .sign_out(&member, EndReason::SignedOut, app.clock.now())
        .await
}

/// Forgets a member's inbox and signs them out. An own account itself stays: removing that is for
/// administrators.
///
/// # Errors
/// `ScopeMissing`, `TooMany`, `FieldInvalid`, `NotFound`, `Busy`, `Storage`.
pub async fn forget(app: &App, actor: &Actor, id: &str) -> Result<()> {
    actor.require(Scope::Inbox)?;
    key::spend(app, actor, 1)?;
    let member = MemberId::parse(id, "id")?;
    app.store.forget(&member, app.clock.now()).await
}

/// How many sockets each of these members has open.
///
/// # Errors
/// `ScopeMissing`, `TooMany`, `FieldInvalid`.
pub async fn presence(
    app: &App,
    actor: &Actor,
    ids: &[String],
) -> Result<BTreeMap<MemberId, usize>> {
    actor.require(Scope::Presence)?;
    key::spend(app, actor, 1)?;
    if ids.len() > PRESENCE_MAX {
        let detail = format!("At most {PRESENCE_MAX} ids at once.");
        return Err(Error::field("users", detail));
    }
    let members: Result<Vec<MemberId>> =
        ids.iter().map(|id| MemberId::parse(id, "users")).collect();
    let members = members?;
    let sockets = app.bus.sockets(&members).await;
    Ok(members.into_iter().zip(sockets).collect())
}
