//! What a forum's backend asks and does about its members, over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::account::AccountBody;
use super::actor::Caller;
use super::error::Problem;
use super::inbox::{SelectorBody, StandingBody};
use super::session::SessionBody;
use super::{DateTime, Empty, Tag};
use crate::domain::inbox::Traced;
use crate::domain::user::About;
use crate::domain::{Actor, App, user};

pub struct UserApi;

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct PresenceRequest {
    /// At most 1,000 ids.
    users: Vec<String>,
}

#[derive(Object)]
struct Online {
    /// How many the member has open.
    sockets: u64,
}

#[derive(Object)]
struct Presence {
    /// By id; members without a socket as well.
    users: BTreeMap<String, Online>,
}

/// A member, as administrators see one: what happened to the inbox, and nothing of what it says.
#[derive(Object)]
struct AboutUser {
    id: String,
    /// False for whoever was forgotten and has not come back.
    known: bool,
    /// Null for a member that the forum vouches for.
    account: Option<AccountBody>,
    /// Open now.
    sockets: u64,
    /// Of the own account; the newest first.
    sessions: Vec<SessionBody>,
    inbox: StandingBody,
    /// In the inbox, archived ones included.
    items: u64,
    /// The forum's tokens until then are refused.
    signed_out_at: Option<DateTime>,
    /// The last 20 changes that the log still has; the newest first.
    trace: Vec<TraceBody>,
}

/// One change of a member's log.
#[derive(Object)]
#[oai(rename = "Trace")]
struct TraceBody {
    seq: u64,
    at: DateTime,
    /// The event's name: `inbox.added`, `inbox.updated`, `inbox.removed` or `inbox.state`.
    #[oai(rename = "type")]
    name: String,
    /// The items it was about.
    ids: Vec<String>,
    /// Of the first of them, while it is there.
    kind: Option<String>,
    /// Instead of ids: all items up to this number.
    through: Option<u64>,
    read: Option<bool>,
    seen: Option<bool>,
    archived: Option<bool>,
}

impl AboutUser {
    fn new(about: About, asks: &Actor) -> Self {
        let own = asks.member().and_then(|member| member.session());
        let own = own.ok().map(|(_, id)| id);
        let sessions = about.sessions.into_iter();
        Self {
            id: about.id.to_string(),
            known: about.trace.is_known,
            account: about.account.map(Into::into),
            sockets: about.sockets as u64,
            sessions: sessions.map(|one| SessionBody::new(one, own)).collect(),
            inbox: about.trace.standing.into(),
            items: about.trace.items,
            signed_out_at: about.trace.signed_out_at.map(DateTime),
            trace: about.trace.changes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Traced> for TraceBody {
    fn from(change: Traced) -> Self {
        Self {
            seq: change.seq,
            at: DateTime(change.at),
            name: change.name.to_owned(),
            ids: change.ids.iter().map(ToString::to_string).collect(),
            kind: change.kind,
            through: change.through,
            read: change.became.read,
            seen: change.became.seen,
            archived: change.became.archived,
        }
    }
}

type Reply<T> = Result<Json<T>, Problem>;

#[OpenApi(tag = "Tag::User")]
impl UserApi {
    /// Look into a member
    ///
    /// Whether they are there, and what happened to their inbox; no word of what they were told.
    /// 404 for whom nobody ever saw. Needs the scope `admin`.
    #[oai(path = "/users/:id", method = "get", operation_id = "user")]
    async fn look(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        id: Path<String>,
    ) -> Reply<AboutUser> {
        let about = user::look(app.0, &caller.0, &id).await?;
        Ok(Json(AboutUser::new(about, &caller.0)))
    }

    /// Mark a member's items read
    ///
    /// They opened the topic. Needs the scope `inbox`.
    #[oai(path = "/users/:id/read", method = "post", operation_id = "read_for")]
    async fn read(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        id: Path<String>,
        body: Json<SelectorBody>,
    ) -> Reply<StandingBody> {
        caller.0.require(crate::domain::key::Scope::Inbox)?;
        let standing = user::read(app.0, &caller.0, &id, body.0.selector()?).await?;
        Ok(Json(standing.into()))
    }

    /// Sign a member out
    ///
    /// Forum tokens issued until now are refused, sessions and sockets end. Needs the scope `inbox` or
    /// `admin`.
    #[oai(
        path = "/users/:id/sign-out",
        method = "post",
        operation_id = "sign_out"
    )]
    async fn sign_out(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        id: Path<String>,
    ) -> Reply<Empty> {
        user::sign_out(app.0, &caller.0, &id).await?;
        Ok(Json(Empty {}))
    }

    /// Forget a member
    ///
    /// They left the forum: their inbox goes, and they are signed out. An own account itself stays.
    /// Needs the scope `inbox`.
    #[oai(path = "/users/:id", method = "delete", operation_id = "forget_user")]
    async fn forget(&self, app: Data<&Arc<App>>, caller: Caller, id: Path<String>) -> Reply<Empty> {
        user::forget(app.0, &caller.0, &id).await?;
        Ok(Json(Empty {}))
    }

    /// Who is online
    ///
    /// Needs the scope `presence`.
    #[oai(path = "/presence", method = "post", operation_id = "presence")]
    async fn presence(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<PresenceRequest>,
    ) -> Reply<Presence> {
        let sockets = user::presence(app.0, &caller.0, &body.users).await?;
        let users = sockets.into_iter().map(|(member, sockets)| {
            let sockets = sockets as u64;
            (member.to_string(), Online { sockets })
        });
        Ok(Json(Presence {
            users: users.collect(),
        }))
    }
}
