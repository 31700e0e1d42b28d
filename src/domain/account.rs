//! Own accounts: names, roles, and everything done to them by members, administrators, commands.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::engine::Unless;
use super::error::{Error, Result};
use super::id::MemberId;
use super::key::Scope;
use super::session::{self, Device, Login};
use super::{Actor, App, Client, Member, clock, password};
use crate::config::Registration;

/// Characters of a user name.
const NAME_CHARS: std::ops::RangeInclusive<usize> = 2..=64;

/// Bytes of a user name as it is sent: 64 characters of 4 bytes, each with as many marks to compose.
const NAME_BYTES_MAX: usize = 1024;

/// A user name: 2 to 64 letters or digits of any script, `.`, `_`, `-`. Two names that are equal
/// after NFKC and lower case are one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    shown: String,
    key: String,
}

impl Name {
    /// # Errors
    /// [`Error::FieldInvalid`] naming `username`.
    pub fn parse(raw: &str) -> Result<Self> {
        // Normalizing can make it eleven times as long, so it is measured first.
        let raw = if raw.len() > NAME_BYTES_MAX { "" } else { raw };
        let shown: String = raw.nfkc().collect();
        let ok = NAME_CHARS.contains(&shown.chars().count())
            && shown
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
        // One letter at least: `..` in a path means something else.
        if !ok || !shown.contains(char::is_alphanumeric) {
            return Err(wrong_name());
        }
        let key = shown.chars().flat_map(char::to_lowercase).nfkc().collect();
        Ok(Self { shown, key })
    }

    /// The name with this key. A key is a name itself but for one letter: `İ` in lower case has its
    /// dot as a mark of its own, which is no letter.
    ///
    /// # Errors
    /// As [`Name::parse`]; no name has the key.
    pub fn of_key(key: &str) -> Result<Self> {
        let name = Self::parse(&key.replace("i\u{307}", "İ"))?;
        if name.key == key {
            Ok(name)
        } else {
            Err(wrong_name())
        }
    }

    /// What two spellings of one name share; the account's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// As its owner wrote it, after NFKC.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shown
    }
}

fn wrong_name() -> Error {
    let detail = "A name has 2 to 64 letters or digits of any script, `.`, `_` or `-`.";
    Error::field("username", detail)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Member,
    Admin,
}

impl Role {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

/// An own account, as the store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    pub name: Name,
    pub role: Role,
    pub disabled: bool,
    /// A PHC string.
    pub password_hash: String,
    pub created_at: Timestamp,
}

/// Without the hash: whoever reads a log must not have it to guess at.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

impl Account {
    #[must_use]
    pub fn id(&self) -> MemberId {
        MemberId::of_account(&self.name)
    }
}

/// What `GET /me` shows of a member.
#[derive(Debug, Clone, Serialize)]
pub struct User {
    pub id: MemberId,
    pub name: String,
    pub role: Role,
    pub age: u64,
    /// When the age last changed.
    #[serde(serialize_with = "shown")]
    pub update_date: Option<Timestamp>,
}

#[expect(clippy::ref_option, reason = "the serializer hands it over so")]
fn shown<S: serde::Serializer>(
    time: &Option<Timestamp>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    time.map(clock::shown).serialize(to)
}

/// The member behind the actor.
///
/// # Errors
/// `NotAMember`, `Storage`.
pub async fn me(app: &App, actor: &Actor) -> Result<User> {
    user(app, actor.member()?).await
}

pub(super) async fn user(app: &App, member: &Member) -> Result<User> {
    let counter = app.store.counter(&member.id).await?;
    Ok(User {
        id: member.id.clone(),
        name: member.name.clone(),
        role: member.role,
        age: counter.age,
        update_date: counter.updated_at,
    })
}

/// Checks name and password and opens a session. Unknown, wrong and disabled are one answer, and
/// take the same time.
///
/// # Errors
/// `LoginFailed`, `TooMany`, `Busy`, `Storage`.
pub async fn login(app: &App, username: &str, secret: &str, device: &Device) -> Result<Login> {
    let entered = enter(app, username, secret, device).await;
    match &entered {
        Ok(_) => app.metrics.logins.add(1),
        Err(Error::LoginFailed) => app.metrics.logins_failed.add(1),
        Err(_) => {}
    }
    entered
}

async fn enter(app: &App, username: &str, secret: &str, device: &Device) -> Result<Login> {
    let name = Name::parse(username).ok();
    let known_as = name.as_ref().map_or("", Name::key);
    let limited = || match device.client {
        Client::Address(address) => app.tries.check_login(known_as, address, app.clock.now()),
        Client::Operator => Ok(()),
    };
    limited()?;
    let turn = app.hasher.turn().await?;
    limited()?;
    let account = match &name {
        Some(name) => app.store.account(name).await?,
        None => None,
    };
    let hash = account
        .as_ref()
        .map(|account| account.password_hash.as_str());
    let matches = app.hasher.verify(&turn, hash, secret).await?;
    if let Some(account) = account
        .as_ref()
        .filter(|account| !matches || account.disabled)
    {
        // A name that is nobody's is not logged: it may be a password in the wrong field.
        tracing::info!(who = account.id().as_str(), client = ?device.client, "a login was refused");
    }
    let Some(account) = account.filter(|account| matches && !account.disabled) else {
        if let Client::Address(address) = device.client {
            app.tries.login_failed(known_as, address, app.clock.now());
        }
        return Err(Error::LoginFailed);
    };
    if let Client::Address(address) = device.client {
        app.tries.login_succeeded(known_as, address);
    }
    drop(turn);
    match session::open(app, &account, device).await {
        // Removed or disabled while its password was being checked.
        Err(Error::NotFound(_)) => Err(Error::LoginFailed),
        other => other,
    }
}

/// Makes an account for whoever asks, where the operator opened registration.
///
/// # Errors
/// `RegistrationClosed`, `FieldInvalid`, `Exists`, `TooMany`, `Busy`, `Storage`.
pub async fn register(app: &App, username: &str, secret: &str, device: &Device) -> Result<Login> {
    if app.registration == Registration::Closed {
        return Err(Error::RegistrationClosed);
    }
    if let Client::Address(address) = device.client {
        app.tries.take_register(address, app.clock.now())?;
    }
    let account = prepare(app, username, secret, Role::Member).await?;
    session::open_new(app, &account, Unless::NameTaken, device).await
}

/// Changes the own password and ends the member's other sessions.
///
/// # Errors
/// `FieldInvalid` (`current` is wrong, `new` is too short or long), `TooMany`, `Busy`, `Storage`.
pub async fn change_password(
    app: &App,
    actor: &Actor,
    current: &str,
    new: &str,
    client: Client,
) -> Result<()> {
    let (name, session) = actor.member()?.session()?;
    password::check("new", new)?;
    let limited = || match client {
        Client::Address(address) => app.tries.check_login(name.key(), address, app.clock.now()),
        Client::Operator => Ok(()),
    };
    limited()?;
    let turn = app.hasher.turn().await?;
    limited()?;
    let account = app.store.account(name).await?;
    let hash = account
        .as_ref()
        .map(|account| account.password_hash.as_str());
    if !app.hasher.verify(&turn, hash, current).await? {
        // A stolen session must not become a place to guess the password at.
        if let Client::Address(address) = client {
            app.tries.login_failed(name.key(), address, app.clock.now());
        }
        return Err(Error::field(
            "current",
            "This is not your current password.",
        ));
    }
    drop(turn);
    let hash = app.hasher.hash(new).await?;
    app.store
        .set_password(name, hash, Some(session.clone()))
        .await
}

/// A checked, hashed account that is not stored yet.
///
/// # Errors
/// `FieldInvalid`, `Busy`.
pub(super) async fn prepare(
    app: &App,
    username: &str,
    secret: &str,
    role: Role,
) -> Result<Account> {
    let name = Name::parse(username)?;
    password::check("password", secret)?;
    let password_hash = app.hasher.hash(secret).await?;
    Ok(Account {
        name,
        role,
        disabled: false,
        password_hash,
        created_at: app.clock.now(),
    })
}

/// All accounts, by name. For administrators, as everything below.
///
/// # Errors
/// `ScopeMissing`, `Storage`.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Account>> {
    actor.require(Scope::Admin)?;
    app.store.accounts().await
}

/// # Errors
/// `ScopeMissing`, `FieldInvalid`, `Exists`, `Busy`, `Storage`.
pub async fn add(
    app: &App,
    actor: &Actor,
    username: &str,
    secret: &str,
    role: Role,
) -> Result<Account> {
    actor.require(Scope::Admin)?;
    let account = prepare(app, username, secret, role).await?;
    app.store
        .add_account(account.clone(), None, Unless::NameTaken)
        .await?;
    Ok(account)
}

/// Sets somebody's password and ends all their sessions.
///
/// # Errors
/// `ScopeMissing`, `NotFound`, `FieldInvalid`, `Busy`, `Storage`.
pub async fn set_password(app: &App, actor: &Actor, username: &str, secret: &str) -> Result<()> {
    actor.require(Scope::Admin)?;
    let name = known(username)?;
    password::check("password", secret)?;
    let hash = app.hasher.hash(secret).await?;
    app.store.set_password(&name, hash, None).await
}

/// A disabled account cannot log in and has no sessions; everything else of it is kept.
///
/// # Errors
/// `ScopeMissing`, `NotFound`, `Storage`.
pub async fn disable(app: &App, actor: &Actor, username: &str) -> Result<()> {
    actor.require(Scope::Admin)?;
    app.store.disable_account(&known(username)?).await
}

/// # Errors
/// `ScopeMissing`, `NotFound`, `Storage`.
pub async fn enable(app: &App, actor: &Actor, username: &str) -> Result<()> {
    actor.require(Scope::Admin)?;
    app.store.enable_account(&known(username)?).await
}

/// # Errors
/// `ScopeMissing`, `NotFound`, `Storage`.
pub async fn remove(app: &App, actor: &Actor, username: &str) -> Result<()> {
    actor.require(Scope::Admin)?;
    let now = app.clock.now();
    app.store.remove_account(&known(username)?, now).await
}

/// A name in a path: one that cannot be a name is the name of nobody.
fn known(username: &str) -> Result<Name> {
    Name::parse(username).map_err(|_| Error::NotFound(format!("There is no account `{username}`.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_the_same_are_the_same() {
        let key = |raw| Name::parse(raw).expect("a name").key;
        assert_eq!(key("Ann"), key("ann"));
        // Full-width letters, and an Ångström sign against a letter with a ring.
        assert_eq!(key("Ａｎｎ"), key("ann"));
        assert_eq!(key("\u{212B}ke"), key("\u{E5}ke"));
        assert_ne!(key("ann"), key("anna"));
    }

    #[test]
    fn names_are_of_any_script_and_nothing_else() {
        for good in ["李雷", "an", "Ann-Marie_2.0", &"x".repeat(64), "ألف"] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            &"x".repeat(65),
            "a b",
            "a@b",
            "a/b",
            "<b>",
            "a\u{200B}b",
            "\u{1F600}\u{1F600}",
            "..",
            &"\u{FDFA}".repeat(400),
        ] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
    }
}
