//! Publishing over HTTP.

mod wire;

use std::sync::Arc;

use poem::Request;
use poem::http::HeaderValue;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;

use super::Tag;
use super::actor::Caller;
use super::error::Problem;
use super::payload::{Deferred, Text};
use crate::domain::call::Call;
use crate::domain::error::{Error, Result};
use crate::domain::key::Scope;
use crate::domain::notification::{self, Content, Draft, Retraction, Thing, To};
use crate::domain::{self, App};
use wire::{Notification, Notifications, ReceiptBody, Receipts, Retracted};

pub use wire::{Actor, Target};

pub struct NotificationApi;

/// The kind of a notification whose sender gives none.
const KIND: &str = "message";
/// What may stand in headers beside a text.
const SAID_IN_HEADERS: [&str; 5] = ["title", "kind", "url", "key", "group"];

type Reply<T> = std::result::Result<Json<T>, Problem>;

/// The call, when it can be repeated. `said` is all that makes it what it is.
fn call(caller: &Caller, request: &Request, said: &[u8]) -> Result<Option<Call>> {
    caller.0.require(Scope::Publish)?;
    let operation = format!("{} {}", request.method(), request.original_uri().path());
    // The framework passes over a header that is no text, and the call would be done twice.
    let key = request.headers().get("Idempotency-Key");
    let key = key.map(|key| key.to_str().unwrap_or_default());
    key.map(|key| Call::new(&caller.0, &operation, key, said))
        .transpose()
}

/// All that makes a text's call what it is: its query and headers as well, each behind its length.
fn said_in_all(request: &Request, text: &[u8]) -> Vec<u8> {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let headers = SAID_IN_HEADERS.map(|name| request.headers().get(name));
    let headers = headers.map(|said| said.map_or(&b""[..], HeaderValue::as_bytes));
    let mut all = Vec::new();
    for part in headers.into_iter().chain([query, text]) {
        all.extend((part.len() as u64).to_le_bytes());
        all.extend(part);
    }
    all
}

#[OpenApi(tag = "Tag::Notification")]
impl NotificationApi {
    /// Publish a notification
    ///
    /// One commit, however many recipients; to everyone in commits of 1,000 members. The same `key`
    /// again edits in place, a `group` folds. Needs the scope `publish`, as everything here.
    #[oai(path = "/notifications", method = "post", operation_id = "publish")]
    async fn publish(
        &self,
        app: Data<&Arc<App>>,
        request: &Request,
        caller: Caller,
        /// At most 255 characters: a call that is sent again with it is done once.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
        body: Deferred<Notification>,
    ) -> Reply<ReceiptBody> {
        let call = call(&caller, request, &body.bytes)?;
        let draft = body.decode().map(Draft::from);
        let receipt = notification::publish(app.0, &caller.0, call.as_ref(), draft).await?;
        Ok(Json(receipt.into()))
    }

    /// Publish many notifications
    ///
    /// In one commit. One that is refused does not harm the others.
    #[oai(
        path = "/notifications/batch",
        method = "post",
        operation_id = "publish_batch"
    )]
    async fn publish_batch(
        &self,
        app: Data<&Arc<App>>,
        request: &Request,
        caller: Caller,
        #[oai(name = "Idempotency-Key")] _key: Header<Option<String>>,
        body: Deferred<Notifications>,
    ) -> Reply<Receipts> {
        let call = call(&caller, request, &body.bytes)?;
        let drafts = body.decode();
        let drafts = drafts.map(|batch| batch.items.into_iter().map(Draft::from).collect());
        let batch = notification::publish_batch(app.0, &caller.0, call.as_ref(), drafts).await?;
        Ok(Json(Receipts {
            items: batch.0.into_iter().map(Into::into).collect(),
        }))
    }

    /// Publish a text
    ///
    /// The body is the text; all else is in headers of these names or in the query. Without a
    /// title the text is the title. `curl -H "Authorization: Bearer $KEY" -d "Bob replied" ...`
    /// is a whole integration.
    #[oai(path = "/users/:id/notify", method = "post", operation_id = "notify")]
    #[expect(clippy::too_many_arguments, reason = "a parameter of the request each")]
    async fn notify(
        &self,
        app: Data<&Arc<App>>,
        request: &Request,
        caller: Caller,
        id: Path<String>,
        #[oai(name = "Idempotency-Key")] _key: Header<Option<String>>,
        #[oai(name = "title")] title: Query<Option<String>>,
        /// Unless given, `message`.
        #[oai(name = "kind")]
        kind: Query<Option<String>>,
        #[oai(name = "url")] url: Query<Option<String>>,
        #[oai(name = "key")] handle: Query<Option<String>>,
        #[oai(name = "group")] group: Query<Option<String>>,
        body: Text,
    ) -> Reply<ReceiptBody> {
        let said = |name: &'static str, query: Option<String>| {
            let header = || request.headers().get(name);
            match (query, header()) {
                (Some(said), _) => Ok(Some(said)),
                (None, Some(said)) => {
                    let said = String::from_utf8(said.as_bytes().to_vec());
                    let wrong = |_| Error::field(name, "The header is no UTF-8 text.");
                    said.map(Some).map_err(wrong)
                }
                (None, None) => Ok(None),
            }
        };
        let content = || -> Result<Content> {
            let text = body.decode()?;
            let (title, body) = match said("title", title.0)? {
                Some(title) => (title, text),
                None => (text, String::new()),
            };
            Ok(Content {
                kind: said("kind", kind.0)?.unwrap_or_else(|| KIND.to_owned()),
                title,
                body,
                url: said("url", url.0)?,
                actor: None,
                object: None,
                key: said("key", handle.0)?,
                group: said("group", group.0)?,
                data: None,
                expires_at: None,
            })
        };
        let draft = content().map(|content| Draft {
            to: To::Members(vec![id.0]),
            content,
            transient: false,
        });
        let call = call(&caller, request, &said_in_all(request, &body.0))?;
        let receipt = notification::publish(app.0, &caller.0, call.as_ref(), draft).await?;
        Ok(Json(receipt.into()))
    }

    /// Retract by key
    ///
    /// From everybody who has it. A folded item loses this part, the last part takes the item along.
    #[oai(
        path = "/notifications/by-key/:key",
        method = "delete",
        operation_id = "retract_key"
    )]
    async fn retract_key(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        key: Path<String>,
    ) -> Reply<Retracted> {
        retract(app.0, &caller.0, &Retraction::Key(key.0)).await
    }

    /// Retract by object or actor
    ///
    /// The post is gone, or the spammer is. Give `object_type` and `object_id`, or `actor`.
    #[oai(path = "/notifications", method = "delete", operation_id = "retract")]
    async fn retract(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        object_type: Query<Option<String>>,
        object_id: Query<Option<String>>,
        actor: Query<Option<String>>,
    ) -> Reply<Retracted> {
        caller.0.require(Scope::Publish)?;
        let what = match (object_type.0, object_id.0, actor.0) {
            (Some(r#type), Some(id), None) => Retraction::Object(Thing { r#type, id }),
            (None, None, Some(actor)) => Retraction::Actor(actor),
            _ => {
                let detail = "Give either `object_type` and `object_id`, or `actor`.";
                return Err(Error::Malformed(detail.to_owned()).into());
            }
        };
        retract(app.0, &caller.0, &what).await
    }
}

async fn retract(app: &App, actor: &domain::Actor, what: &Retraction) -> Reply<Retracted> {
    let retracted = notification::retract(app, actor, what).await?;
    Ok(Json(Retracted { retracted }))
}
