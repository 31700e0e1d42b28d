//! Sessions: what a login opens, what its token proves, and how it ends.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::account::{Account, Name, User};
use super::engine::Unless;
use super::error::{Error, Result};
use super::event::EndReason;
use super::id::{self, MemberId};
use super::{Actor, App, Client, Member, Proof};

/// What marks our session tokens, so that no other kind of JWT is ever taken for one (RFC 8725, 3.11).
pub(super) const TYPE: &str = "br-session+jwt";
/// Bytes of a token. Ours have about 250, a forum's some hundreds; more is not worth a signature
/// check.
pub(super) const TOKEN_BYTES_MAX: usize = 4096;
/// How far two clocks may differ.
pub(super) const LEEWAY: SignedDuration = SignedDuration::from_secs(5);
/// Sessions of one account. A login beyond that ends the oldest.
pub const PER_ACCOUNT_MAX: usize = 100;
/// How exact `last_used_at` is: a note each minute, not a write each request.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// Characters kept of a browser's name for itself.
const USER_AGENT_CHARS_MAX: usize = 256;

/// A session's id: the token's `jti`. Worth nothing without our signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(String);

impl SessionId {
    /// One that is looked up, so it need not be checked.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One login, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub name: Name,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub expires_at: Timestamp,
    /// Where the login came from; empty for the operator.
    pub address: String,
    pub user_agent: String,
}

/// Where a login comes from, for its owner to recognise it by.
#[derive(Debug, Clone)]
pub struct Device {
    pub client: Client,
    pub user_agent: String,
}

/// What a login answers.
pub struct Login {
    pub token: String,
    pub expires_at: Timestamp,
    pub user: User,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    jti: String,
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
}

/// What signs and verifies session tokens, and how long they are good.
pub struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    header: Header,
    ttl: SignedDuration,
}

impl Keys {
    #[must_use]
    pub fn new(secret: &[u8], ttl: SignedDuration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are checked by us, against the App's clock; presence of `exp` by `Claims`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        // There is one issuer and one audience: whoever holds the secret.
        validation.validate_aud = false;
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            header,
            ttl,
        }
    }

    fn mint(&self, session: &Session, member: &MemberId) -> Result<String> {
        let claims = Claims {
            sub: member.as_str().to_owned(),
            jti: session.id.as_str().to_owned(),
            iat: session.created_at.as_second(),
            exp: session.expires_at.as_second(),
            nbf: None,
        };
        jsonwebtoken::encode(&self.header, &claims, &self.encoding)
            .map_err(|e| Error::Storage(e.into()))
    }

    fn decode(&self, token: &str, now: Timestamp) -> Result<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::TokenInvalid("it is over 4 KiB"));
        }
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|e| Error::TokenInvalid(refusal(e.kind())))?;
        if data.header.typ.as_deref() != Some(TYPE) {
            return Err(Error::TokenInvalid("it is no session token"));
        }
        let reached = |second: i64| {
            Timestamp::from_second(second).map_err(|_| Error::TokenInvalid("its times are none"))
        };
        if now >= reached(data.claims.exp)? + LEEWAY {
            return Err(Error::TokenExpired);
        }
        if let Some(nbf) = data.claims.nbf
            && reached(nbf)? > now + LEEWAY
        {
            return Err(Error::TokenInvalid("it is not good yet"));
        }
        Ok(data.claims)
    }
}

fn refusal(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "its signature is not ours",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "its algorithm is not the configured one"
        }
        ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) => {
            "a claim it needs is missing or malformed"
        }
        _ => "it is not a token",
    }
}

/// Opens a session for an account whose owner has proved to be it.
///
/// # Errors
/// `NotFound` when the account is gone, disabled, or has another password by now; `Busy`, `Storage`.
pub(super) async fn open(app: &App, account: &Account, device: &Device) -> Result<Login> {
    let session = make(app, account, device);
    let login = login(app, account, &session).await?;
    app.store
        .add_session(account, session, PER_ACCOUNT_MAX)
        .await?;
    Ok(login)
}

/// Opens a session until then, for whoever owns the server's files.
///
/// # Errors
/// As [`open`].
pub(super) async fn open_until(
    app: &App,
    account: &Account,
    expires_at: Timestamp,
) -> Result<Login> {
    let device = Device {
        client: Client::Operator,
        user_agent: String::new(),
    };
    let session = Session {
        expires_at,
        ..make(app, account, &device)
    };
    let login = login(app, account, &session).await?;
    app.store
        .add_session(account, session, PER_ACCOUNT_MAX)
        .await?;
    Ok(login)
}

/// Whether a token says of itself that it is a session's. Nothing is verified yet.
pub(super) fn is_one(token: &str) -> bool {
    jsonwebtoken::decode_header(token).is_ok_and(|header| header.typ.as_deref() == Some(TYPE))
}

/// Adds an account together with its first session.
///
/// # Errors
/// `Exists`, as `unless` says; `Busy`, `Storage`.
pub(super) async fn open_new(
    app: &App,
    account: &Account,
    unless: Unless,
    device: &Device,
) -> Result<Login> {
    let session = make(app, account, device);
    let login = login(app, account, &session).await?;
    app.store
        .add_account(account.clone(), Some(session), unless)
        .await?;
    Ok(login)
}

fn make(app: &App, account: &Account, device: &Device) -> Session {
    let now = app.clock.now();
    Session {
        id: SessionId(id::random()),
        name: account.name.clone(),
        created_at: now,
        last_used_at: now,
        expires_at: now + app.sessions.ttl,
        address: match device.client {
            Client::Address(address) => address.to_string(),
            Client::Operator => String::new(),
        },
        user_agent: device
            .user_agent
            .chars()
            .take(USER_AGENT_CHARS_MAX)
            .collect(),
    }
}

/// What the login will answer, once its session is kept.
async fn login(app: &App, account: &Account, session: &Session) -> Result<Login> {
    let id = account.id();
    let token = app.sessions.mint(session, &id)?;
    let counter = app.store.counter(&id).await?;
    let user = User {
        id,
        name: account.name.to_string(),
        role: account.role,
        age: counter.age,
        update_date: counter.updated_at,
    };
    Ok(Login {
        token,
        expires_at: session.expires_at,
        user,
    })
}

/// Who a session token speaks for, if its signature, its times, its session and its account stand.
///
/// # Errors
/// `TokenInvalid`, `TokenExpired`, `TokenRevoked`, `Storage`.
pub(super) async fn verify(app: &App, token: &str) -> Result<Member> {
    let now = app.clock.now();
    let claims = app.sessions.decode(token, now)?;
    let member = MemberId::trusted(claims.sub);
    let session = app.store.session(&member, &SessionId(claims.jti)).await?;
    let session = session.ok_or(Error::TokenRevoked)?;
    let account = app.store.account(&session.name).await?;
    let account = account
        .filter(|account| !account.disabled)
        .ok_or(Error::TokenRevoked)?;
    if now.duration_since(session.last_used_at) >= TOUCH_EVERY {
        app.store.touch_session(&member, &session.id, now);
    }
    Ok(Member {
        id: member,
        name: account.name.to_string(),
        role: account.role,
        proof: Proof::Session {
            account: account.name,
            id: session.id,
        },
        expires_at: session.expires_at,
    })
}

/// The actor's own sessions, newest first.
///
/// # Errors
/// `NotAMember`, `NotAnAccount`, `Storage`.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Session>> {
    let member = actor.member()?;
    member.session()?;
    app.store.sessions(&member.id, app.clock.now()).await
}

/// Ends the session that asks.
///
/// # Errors
/// `NotAMember`, `Busy`, `Storage`.
pub async fn logout(app: &App, actor: &Actor) -> Result<()> {
    let member = actor.member()?;
    match app
        .store
        .remove_session(&member.id, member.session()?.1, EndReason::LoggedOut)
        .await
    {
        // It ended by another way while we were asked: what was wanted is so.
        Err(Error::NotFound(_)) => Ok(()),
        other => other,
    }
}

/// Ends one of the actor's own sessions.
///
/// # Errors
/// `NotAMember`, `NotFound`, `Busy`, `Storage`.
pub async fn revoke(app: &App, actor: &Actor, id: &SessionId) -> Result<()> {
    let member = actor.member()?;
    member.session()?;
    app.store
        .remove_session(&member.id, id, EndReason::Revoked)
        .await
}
