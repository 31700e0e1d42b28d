//! For whoever operates it: alive, ready, and what this server is.

use std::sync::Arc;

use poem::web::Data;
use poem::{IntoResponse as _, Response, handler};
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::Tag;
use super::error::Problem;
use crate::config::Registration;
use crate::domain::{App, Client, clock};

/// Alive: the process answers.
#[handler]
pub fn healthz() -> &'static str {
    "ok\n"
}

/// Ready: worth sending members to. Otherwise 503, and why.
#[handler]
pub async fn readyz(app: Data<&Arc<App>>) -> Response {
    match app.ready().await {
        Ok(()) => match app.backups.failed_at() {
            // No reason to send members elsewhere, and one to look.
            Some(at) => {
                let at = clock::shown(at);
                format!("ready\nthe backup of {at} failed; the log says why\n").into_response()
            }
            None => "ready\n".into_response(),
        },
        Err(error) => Problem(error).response(),
    }
}

pub struct ServerApi;

#[derive(Object)]
struct Server {
    version: String,
    /// Whether anybody may make an account.
    registration: RegistrationName,
    /// Where this request came from, as far as the server can tell; null for a command. Behind a
    /// proxy that is not in `trusted-proxy` it is the proxy.
    address: Option<String>,
}

#[derive(Enum)]
#[oai(rename = "Registration", rename_all = "lowercase")]
enum RegistrationName {
    Closed,
    Open,
}

#[OpenApi(tag = "Tag::Server")]
impl ServerApi {
    /// What this server is
    ///
    /// For anybody, so that a login page knows what to offer.
    #[expect(
        clippy::unused_async,
        reason = "an operation is async whether it waits or not"
    )]
    #[oai(path = "/server", method = "get", operation_id = "server")]
    async fn server(
        &self,
        app: Data<&Arc<App>>,
        client: Data<&Client>,
    ) -> Result<Json<Server>, Problem> {
        let registration = match app.registration {
            Registration::Closed => RegistrationName::Closed,
            Registration::Open => RegistrationName::Open,
        };
        Ok(Json(Server {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            registration,
            address: match client.0 {
                Client::Address(address) => Some(address.to_string()),
                Client::Operator => None,
            },
        }))
    }
}
