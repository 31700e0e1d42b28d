//! Sessions over HTTP: log out, list, end one.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::actor::Caller;
use super::error::Problem;
use super::{DateTime, Empty, Tag};
use crate::domain::App;
use crate::domain::session::{self, Session, SessionId};

pub struct SessionApi;

/// One login.
#[derive(Object)]
#[oai(rename = "Session")]
pub struct SessionBody {
    id: String,
    created_at: DateTime,
    /// To the minute.
    last_used_at: DateTime,
    expires_at: DateTime,
    /// Where the login came from.
    address: String,
    user_agent: String,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionBody {
    /// `asks` is the one that asks, where a session does.
    pub fn new(session: Session, asks: Option<&SessionId>) -> Self {
        Self {
            current: asks == Some(&session.id),
            id: session.id.as_str().to_owned(),
            created_at: DateTime(session.created_at),
            last_used_at: DateTime(session.last_used_at),
            expires_at: DateTime(session.expires_at),
            address: session.address,
            user_agent: session.user_agent,
        }
    }
}

#[derive(Object)]
struct Sessions {
    items: Vec<SessionBody>,
}

#[OpenApi(tag = "Tag::Session")]
impl SessionApi {
    /// Log out
    ///
    /// Ends the session that asks, its sockets included.
    #[oai(path = "/logout", method = "post", operation_id = "logout")]
    async fn logout(&self, app: Data<&Arc<App>>, caller: Caller) -> Result<Json<Empty>, Problem> {
        session::logout(app.0, &caller.0).await?;
        Ok(Json(Empty {}))
    }

    /// List the own sessions
    ///
    /// Newest first.
    #[oai(path = "/me/sessions", method = "get", operation_id = "sessions")]
    async fn list(&self, app: Data<&Arc<App>>, caller: Caller) -> Result<Json<Sessions>, Problem> {
        let current = caller.0.member()?.session()?.1.clone();
        let sessions = session::list(app.0, &caller.0).await?;
        let items = sessions
            .into_iter()
            .map(|session| SessionBody::new(session, Some(&current)))
            .collect();
        Ok(Json(Sessions { items }))
    }

    /// End one of the own sessions
    ///
    /// At once, its sockets included.
    #[oai(
        path = "/me/sessions/:id",
        method = "delete",
        operation_id = "revoke_session"
    )]
    async fn revoke(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        id: Path<String>,
    ) -> Result<Json<Empty>, Problem> {
        session::revoke(app.0, &caller.0, &SessionId::new(id.0)).await?;
        Ok(Json(Empty {}))
    }
}
