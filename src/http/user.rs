//! What a forum's backend asks and does about its members, over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::actor::Caller;
use super::error::Problem;
use super::inbox::{SelectorBody, StandingBody};
use super::{Empty, Tag};
use crate::domain::{App, user};

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

type Reply<T> = Result<Json<T>, Problem>;

#[OpenApi(tag = "Tag::User")]
impl UserApi {
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
    /// Forum tokens issued until now are refused, sessions and sockets end. Needs the scope `inbox`.
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
