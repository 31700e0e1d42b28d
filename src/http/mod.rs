//! Questions in, answers out: poem. The route table and the order of the layers.

mod account;
pub mod actor;
mod allow;
mod backup;
mod counter;
mod demo;
mod description;
pub mod error;
mod export;
mod inbox;
mod key;
mod metrics;
mod notification;
mod ops;
mod payload;
mod session;
mod statistics;
mod ui;
mod user;

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderMap, Request as HttpRequest, StatusCode};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint as _, EndpointExt as _, Request, RequestParts, Response, Route, get, post};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use poem_openapi::{Object, OpenApi, OpenApiService, Tags};

use crate::domain::{Actor, App, Client, token};
use account::AccountApi;
use actor::Asker;
use allow::Allow;
use backup::BackupApi;
use counter::CounterApi;
use description::{Described, Description};
use export::ExportApi;
use inbox::InboxApi;
use key::KeyApi;
use notification::NotificationApi;
use ops::ServerApi;
use session::SessionApi;
use statistics::StatisticsApi;
use user::UserApi;

/// Where the API is.
const PREFIX: &str = "/api/v1";
/// Bytes of a member's body.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Bytes of a publisher's body: 10,000 recipients, or a batch of 1,000 notifications of some size.
const PUBLISH_BYTES_MAX: usize = 4 << 20;

/// The room, ready to be asked.
#[derive(Clone)]
pub struct Http {
    app: Arc<App>,
    routes: Arc<BoxEndpoint<'static, Response>>,
    description: Arc<Description>,
}

impl Http {
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        let description = Arc::new(Description::new(describe));
        let routes = routes(&description);
        Self::on(app, routes, description)
    }

    /// The same with what an operator's tools ask for and nothing else, and without a key: for an
    /// address that only they reach.
    #[must_use]
    pub fn for_operators(app: Arc<App>) -> Self {
        let routes = Route::new()
            .at("/metrics", get(metrics::for_anybody))
            .at("/healthz", get(ops::healthz))
            .at("/readyz", get(ops::readyz));
        Self::on(app, routes, Arc::new(Description::new(Described::default)))
    }

    fn on(app: Arc<App>, routes: Route, description: Arc<Description>) -> Self {
        let routes = routes.catch_all_error(error::translate);
        Self {
            app,
            routes: Arc::new(routes.map_to_response().boxed()),
            description,
        }
    }

    /// Commits what was accepted, for whoever asked without serving.
    pub async fn close(&self) {
        self.app.store.close().await;
    }

    /// Bytes of a body that whoever sends this head may send, beyond what strangers may: a
    /// publisher's may name 10,000 recipients.
    pub async fn body_bytes_max(&self, headers: &HeaderMap, client: Client) -> usize {
        if client == Client::Operator {
            return PUBLISH_BYTES_MAX;
        }
        let Ok(token) = actor::bearer_of(headers) else {
            return 0;
        };
        match token::verify(&self.app, token).await {
            Ok(Actor::Key(_) | Actor::Operator) => PUBLISH_BYTES_MAX,
            Ok(Actor::Member(_)) => BODY_BYTES_MAX,
            Err(_) => 0,
        }
    }

    /// Answers one request. Never fails: a refusal is an answer.
    pub async fn call<B: Into<poem::Body>>(
        &self,
        request: HttpRequest<B>,
        client: Client,
    ) -> Response {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let nowhere = (
            LocalAddr::default(),
            RemoteAddr::default(),
            poem::http::uri::Scheme::HTTP,
        );
        let head = RequestParts::from((head, nowhere.0, nowhere.1, nowhere.2));
        let mut request = Request::from_parts(head, body.into());
        request.set_data(client);
        request.set_data(Arc::clone(&self.app));
        let asker = Asker::default();
        request.set_data(asker.clone());
        let mut response = self.routes.get_response(request).await;
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            self.description.allow.tell(&path, &mut response);
        }
        if let Some(who) = asker.who() {
            response.extensions_mut().insert(who);
        }
        response
    }
}

fn routes(description: &Arc<Description>) -> Route {
    let document = description::served(Arc::clone(description));
    Route::new()
        .at("/api/login", post(demo::login))
        .at("/api/insert", get(demo::insert).post(demo::insert))
        .at("/api/openapi.json", get(document))
        .at("/api/docs", get(ui::docs))
        .nest(PREFIX, api())
        .at("/healthz", get(ops::healthz))
        .at("/readyz", get(ops::readyz))
        .at("/metrics", get(metrics::for_keys))
        .at("/*path", get(ui::page))
}

fn api() -> OpenApiService<impl OpenApi, ()> {
    let api = (
        (NotificationApi, UserApi, InboxApi),
        (AccountApi, SessionApi, KeyApi),
        (CounterApi, ServerApi, StatisticsApi),
        (BackupApi, ExportApi),
    );
    OpenApiService::new(api, "Bellrope", env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .server(PREFIX)
}

fn describe() -> Described {
    // The framework wrote it; were it no JSON, there would be nothing to describe.
    let document = serde_json::from_str(&api().spec()).unwrap_or_default();
    let document = description::complete(document);
    Described {
        allow: Allow::of(&document, PREFIX),
        text: document.to_string(),
    }
}

const DESCRIPTION: &str = "\
Every success is 200. An error is a problem (RFC 9457): decide by its `code`. \
A 400 is a body that is no JSON or has a field missing, unknown or of the wrong type; \
a 422 names the `field` whose value is refused. A method an address does not take is 405. \
Times are RFC 3339 in UTC. \
A number or a boolean where a text is wanted is taken as its text. \
A 409 `in_flight` has `Retry-After` as well. \
A change is answered after it is on disk; after 503 `storage_failed` the outcome is unknown.";

#[derive(Tags)]
enum Tag {
    /// Publish what happened, and take it back.
    Notification,
    /// What a forum's backend asks and does about its members.
    User,
    /// A member's own inbox.
    Inbox,
    /// Accounts: log in, the own account, and administration.
    Account,
    /// Logins that are open.
    Session,
    /// API keys, and tokens for tests.
    Key,
    /// The demo's counter.
    Counter,
    /// The server itself.
    Server,
}

/// Nothing to say but that it is done.
#[derive(Object)]
struct Empty {}

/// A moment, in RFC 3339 UTC with milliseconds.
struct DateTime(Timestamp);

impl Type for DateTime {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string_date-time".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "date-time")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for DateTime {
    fn parse_from_json(value: Option<serde_json::Value>) -> ParseResult<Self> {
        let text = value
            .as_ref()
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        text.parse()
            .map(DateTime)
            .map_err(|_| ParseError::custom("a time is written as in RFC 3339"))
    }
}

impl ToJSON for DateTime {
    fn to_json(&self) -> Option<serde_json::Value> {
        Some(format!("{:.3}", self.0).into())
    }
}
