//! Bearer tokens: which kind one is, whom it speaks for, and whether it still does.

use jiff::{SignedDuration, Timestamp};

use super::account::{Name, Role};
use super::error::{Error, Result};
use super::id::MemberId;
use super::session::{self, LEEWAY};
use super::{Actor, App, Member, Proof, key};

/// Whom a token speaks for: a member by a session or by the forum's word, or an API key.
///
/// # Errors
/// `TokenInvalid`, `TokenExpired`, `TokenRevoked`, `Storage`.
pub async fn verify(app: &App, token: &str) -> Result<Actor> {
    if token.starts_with(key::PREFIX) {
        return key::verify(app, token).await.map(Actor::Key);
    }
    verify_member(app, token).await.map(Actor::Member)
}

/// The same where only a member will do.
///
/// # Errors
/// As [`verify`]; an API key is none.
pub async fn verify_member(app: &App, token: &str) -> Result<Member> {
    match &app.forum {
        Some(forum) if !session::is_one(token) => {
            let now = app.clock.now();
            let vouched = forum.verify(token, now).await?;
            app.store
                .note_member(&vouched.id, vouched.issued_at)
                .await?;
            Ok(Member {
                id: vouched.id,
                name: vouched.name,
                role: Role::Member,
                proof: Proof::Forum {
                    issued_at: vouched.issued_at,
                },
                expires_at: vouched.expires_at,
            })
        }
        _ => session::verify(app, token).await,
    }
}

/// The same for a socket, which would be ended at once if its token were only within the leeway.
///
/// # Errors
/// As [`verify_member`].
pub async fn verify_for_socket(app: &App, token: &str) -> Result<Member> {
    let member = verify_member(app, token).await?;
    if member.expires_at <= app.clock.now() {
        return Err(Error::TokenExpired);
    }
    Ok(member)
}

/// Whether a member who was verified a moment ago still is one.
///
/// # Errors
/// `Storage`.
pub async fn still_good(app: &App, member: &Member) -> Result<bool> {
    if is_over(member.expires_at, app.clock.now()) {
        return Ok(false);
    }
    match &member.proof {
        Proof::Session { id, .. } => Ok(app.store.session(&member.id, id).await?.is_some()),
        Proof::Forum { issued_at } => match app.store.note_member(&member.id, *issued_at).await {
            Err(Error::TokenRevoked) => Ok(false),
            other => other.map(|()| true),
        },
    }
}

/// Whether a token that expires then has expired, as far as two clocks may differ.
#[must_use]
pub fn is_over(expires_at: Timestamp, now: Timestamp) -> bool {
    now >= expires_at + LEEWAY
}

/// A token that lasts longer for the same member, of the same kind.
///
/// # Errors
/// As [`verify_member`]; `WrongMember`.
pub async fn refresh(app: &App, member: &Member, token: &str) -> Result<Member> {
    let fresh = verify_for_socket(app, token).await?;
    let is_same_kind =
        std::mem::discriminant(&fresh.proof) == std::mem::discriminant(&member.proof);
    if fresh.id != member.id || !is_same_kind {
        return Err(Error::WrongMember);
    }
    Ok(fresh)
}

/// A token for tests, for whoever owns the server's files.
///
/// # Errors
/// `ScopeMissing` for everybody else, `FieldInvalid`, `NotFound`, `Busy`, `Storage`.
pub async fn mint(
    app: &App,
    actor: &Actor,
    id: &str,
    ttl: SignedDuration,
) -> Result<(String, Timestamp)> {
    // It speaks as somebody else, which not even an administrator may.
    if *actor != Actor::Operator {
        return Err(Error::ScopeMissing(key::Scope::Admin));
    }
    let member = MemberId::parse(id, "id")?;
    let now = app.clock.now();
    let expires_at = now
        .checked_add(ttl)
        .map_err(|_| Error::field("ttl_s", "That is too long."))?;
    if let Some(key) = member.account_key() {
        let missing = || Error::NotFound(format!("There is no account `{key}`."));
        let name = Name::of_key(key).map_err(|_| missing())?;
        let account = app.store.account(&name).await?.ok_or_else(missing)?;
        let login = session::open_until(app, &account, expires_at).await?;
        return Ok((login.token, login.expires_at));
    }
    let minted = app
        .forum
        .as_ref()
        .and_then(|forum| forum.mint(&member, now, expires_at));
    let token = minted.unwrap_or_else(|| {
        let detail = "Only a forum's shared secret (`forum-secret`) can sign here; with a public key or a JWKS the forum alone can. An own account's id begins with `@`.";
        Err(Error::field("id", detail))
    })?;
    Ok((token, expires_at))
}
