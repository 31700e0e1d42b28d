//! The way in: which requests open a session, and how one is ended from outside.

use std::io;
use std::sync::Arc;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::{Body, Bytes};
use hyper::service::Service as _;
use hyper::{Request, Response, StatusCode};

use super::place::{Cut, Place, Places, Who};
use super::token_of;
use crate::domain::error::Result;
use crate::domain::{App, Client, tries};

type Service = socketioxide::service::SocketIoService<engineioxide::service::NotFoundService>;
type Answer = Response<BoxBody<Bytes, io::Error>>;

/// The service that `/socket.io` goes to.
pub struct Door {
    app: Arc<App>,
    service: Arc<Service>,
    places: Arc<Places>,
}

impl Door {
    pub(super) fn new(app: Arc<App>, service: Service, places: Arc<Places>) -> Self {
        Self {
            app,
            service: Arc::new(service),
            places,
        }
    }

    /// Answers a request; `cut` ends its connection, should that become a session's own.
    ///
    /// # Errors
    /// `Busy`, `TooMany`: no session was opened.
    pub async fn call<B>(&self, mut request: Request<B>, client: Client, cut: Cut) -> Result<Answer>
    where
        B: Body<Data: Send, Error: std::fmt::Debug> + std::fmt::Debug + Send + Unpin + 'static,
    {
        let query = request.uri().query().unwrap_or_default().to_owned();
        if let Some(sid) = raw(&query, "sid=") {
            let answer = pass(&self.service, request).await;
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                self.places.moved(sid, cut);
            }
            return Ok(answer);
        }
        let network = match client {
            Client::Address(address) => Some(tries::network(address)),
            Client::Operator => None,
        };
        let is_legacy = raw(&query, "EIO=") == Some("3");
        // Legacy clients are asked for nothing after the handshake.
        let who = if is_legacy && token_of(&query, None).is_none() {
            Who::Anonymous
        } else {
            Who::Pending
        };
        let place = self.places.take(network, who, self.app.clock.now())?;
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(Arc::clone(&place));
        let answer = pass(&self.service, request).await;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            place.cut_by(cut);
            return Ok(answer);
        }
        Ok(self.name(&place, answer, is_legacy).await)
    }

    /// Reads from the answer what the session is called. One that is polled for has no connection
    /// of its own that could be cut; it is told that its client says goodbye.
    async fn name(&self, place: &Arc<Place>, answer: Answer, is_legacy: bool) -> Answer {
        let (head, body) = answer.into_parts();
        let bytes = body
            .collect()
            .await
            .map_or_else(|_| Bytes::new(), Collected::to_bytes);
        let text = String::from_utf8_lossy(&bytes);
        let sid = text
            .split_once("\"sid\":\"")
            .and_then(|(_, rest)| rest.split_once('"'));
        if let Some((sid, _)) = sid {
            let (engine, goodbye) = if is_legacy { (3, "1:1") } else { (4, "1") };
            let uri = format!("/socket.io/?EIO={engine}&transport=polling&sid={sid}");
            // Weakly: the session that holds this is held by the service.
            let service = Arc::downgrade(&self.service);
            let cut = move || {
                let request = Request::post(&uri).body(Full::<Bytes>::from(goodbye));
                if let (Some(service), Ok(request)) = (service.upgrade(), request) {
                    tokio::spawn(async move { pass(&service, request).await });
                }
            };
            place.named(sid.to_owned(), Box::new(cut));
        }
        Response::from_parts(
            head,
            Full::from(bytes).map_err(|never| match never {}).boxed(),
        )
    }
}

/// Found as the dependency finds it, undecoded: what it takes for a handshake needs a place.
fn raw<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(key))
}

async fn pass<B>(service: &Service, request: Request<B>) -> Answer
where
    B: Body<Data: Send, Error: std::fmt::Debug> + std::fmt::Debug + Send + Unpin + 'static,
{
    match service.call(request).await {
        Ok(answer) => answer.map(|body| body.map_err(io::Error::other).boxed()),
        Err(never) => match never {},
    }
}
