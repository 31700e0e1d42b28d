//! API keys over HTTP, and tokens for tests.

use std::sync::Arc;

use jiff::SignedDuration;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::actor::Caller;
use super::error::Problem;
use super::{DateTime, Empty, Tag};
use crate::domain::key::{self, Key, Scope};
use crate::domain::{Actor, App, Proof, token};

pub struct KeyApi;

#[derive(Enum, Clone, Copy)]
#[oai(rename = "Scope", rename_all = "lowercase")]
enum ScopeName {
    /// Publish and retract notifications.
    Publish,
    /// Ask who is online.
    Presence,
    /// Act on members' inboxes: mark read, sign out, delete.
    Inbox,
    /// What an administrator may.
    Admin,
}

impl From<Scope> for ScopeName {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Publish => Self::Publish,
            Scope::Presence => Self::Presence,
            Scope::Inbox => Self::Inbox,
            Scope::Admin => Self::Admin,
        }
    }
}

impl From<ScopeName> for Scope {
    fn from(scope: ScopeName) -> Self {
        match scope {
            ScopeName::Publish => Self::Publish,
            ScopeName::Presence => Self::Presence,
            ScopeName::Inbox => Self::Inbox,
            ScopeName::Admin => Self::Admin,
        }
    }
}

/// An API key, without its secret.
#[derive(Object)]
#[oai(rename = "Key")]
struct KeyBody {
    id: String,
    name: String,
    scopes: Vec<ScopeName>,
    created_at: DateTime,
    /// To the minute.
    last_used_at: Option<DateTime>,
}

impl From<Key> for KeyBody {
    fn from(key: Key) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes.into_iter().map(Into::into).collect(),
            created_at: DateTime(key.created_at),
            last_used_at: key.last_used_at.map(DateTime),
        }
    }
}

#[derive(Object)]
struct Keys {
    items: Vec<KeyBody>,
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NewKey {
    /// 1 to 64 characters, to recognise it by.
    name: String,
    scopes: Vec<ScopeName>,
}

#[derive(Object)]
struct FreshKey {
    id: String,
    name: String,
    scopes: Vec<ScopeName>,
    created_at: DateTime,
    last_used_at: Option<DateTime>,
    /// For `Authorization: Bearer`. Shown this once.
    key: String,
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct TokenRequest {
    /// The member it speaks for.
    id: String,
    /// Seconds it is good for.
    ttl_s: u32,
}

#[derive(Object)]
struct MintedToken {
    token: String,
    expires_at: DateTime,
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct TokenCheck {
    token: String,
}

#[derive(Enum)]
#[oai(rename_all = "lowercase")]
enum TokenKind {
    Session,
    Forum,
    Key,
}

/// What a token is good for.
#[derive(Object)]
struct CheckedToken {
    kind: TokenKind,
    /// The member's, or the key's.
    id: String,
    name: String,
    /// A key's.
    scopes: Option<Vec<ScopeName>>,
    /// A key has none.
    expires_at: Option<DateTime>,
}

type Reply<T> = Result<Json<T>, Problem>;

#[OpenApi(tag = "Tag::Key")]
impl KeyApi {
    /// List API keys
    ///
    /// The oldest first. For administrators, as all of `/keys`.
    #[oai(path = "/keys", method = "get", operation_id = "keys")]
    async fn list(&self, app: Data<&Arc<App>>, caller: Caller) -> Reply<Keys> {
        let keys = key::list(app.0, &caller.0).await?;
        Ok(Json(Keys {
            items: keys.into_iter().map(Into::into).collect(),
        }))
    }

    /// Make an API key
    ///
    /// The answer is the only place where its secret is ever shown.
    #[oai(path = "/keys", method = "post", operation_id = "create_key")]
    async fn create(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<NewKey>,
    ) -> Reply<FreshKey> {
        let scopes = body.scopes.iter().map(|scope| Scope::from(*scope));
        let (key, secret) = key::create(app.0, &caller.0, &body.name, scopes.collect()).await?;
        let shown = KeyBody::from(key);
        Ok(Json(FreshKey {
            id: shown.id,
            name: shown.name,
            scopes: shown.scopes,
            created_at: shown.created_at,
            last_used_at: shown.last_used_at,
            key: secret,
        }))
    }

    /// Revoke an API key
    ///
    /// It opens nothing from now on.
    #[oai(path = "/keys/:id", method = "delete", operation_id = "revoke_key")]
    async fn revoke(&self, app: Data<&Arc<App>>, caller: Caller, id: Path<String>) -> Reply<Empty> {
        key::revoke(app.0, &caller.0, &id).await?;
        Ok(Json(Empty {}))
    }

    /// Mint a member's token, for tests
    ///
    /// Only from the server's own machine, as `bellrope token mint`: nobody who asks over the
    /// network may speak as somebody else.
    #[oai(path = "/tokens", method = "post", operation_id = "mint_token")]
    async fn mint(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<TokenRequest>,
    ) -> Reply<MintedToken> {
        let ttl = SignedDuration::from_secs(i64::from(body.ttl_s));
        let (token, expires_at) = token::mint(app.0, &caller.0, &body.id, ttl).await?;
        Ok(Json(MintedToken {
            token,
            expires_at: DateTime(expires_at),
        }))
    }

    /// Check a token
    ///
    /// What it is good for, or why it is refused. For administrators.
    #[oai(path = "/tokens/check", method = "post", operation_id = "check_token")]
    async fn check(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<TokenCheck>,
    ) -> Reply<CheckedToken> {
        caller.0.require(Scope::Admin)?;
        Ok(Json(match token::verify(app.0, &body.token).await? {
            Actor::Member(member) => CheckedToken {
                kind: match member.proof {
                    Proof::Session { .. } => TokenKind::Session,
                    Proof::Forum { .. } => TokenKind::Forum,
                },
                id: member.id.to_string(),
                name: member.name,
                scopes: None,
                expires_at: Some(DateTime(member.expires_at)),
            },
            Actor::Key(key) => CheckedToken {
                kind: TokenKind::Key,
                id: key.id,
                name: key.name,
                scopes: Some(key.scopes.into_iter().map(Into::into).collect()),
                expires_at: None,
            },
            // No token is the operator's.
            Actor::Operator => return Err(crate::domain::error::Error::TokenMissing.into()),
        }))
    }
}
