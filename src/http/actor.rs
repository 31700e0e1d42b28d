//! Bearer to [`Actor`]: who asks.

use std::sync::{Arc, OnceLock};

use poem::http::HeaderMap;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::error::Problem;
use crate::domain::error::Error;
use crate::domain::session::{Device, Login};
use crate::domain::{Actor, App, Client, token};

/// The actor, for operations that need one.
pub struct Caller(pub Actor);

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some(
                "A session token from a login, a token the forum minted, or an API key.",
            ),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: Some("JWT"),
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme("bearer", scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["bearer"]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let actor = of(request).await.map_err(Problem)?;
        Ok(Self(actor))
    }
}

/// Who a request turned out to come from, for the log; the answer takes it along.
#[derive(Clone, Default)]
pub struct Asker(Arc<OnceLock<Arc<str>>>);

impl Asker {
    pub fn who(&self) -> Option<Arc<str>> {
        self.0.get().cloned()
    }
}

fn note(request: &Request, who: &str) {
    if let Some(asker) = request.data::<Asker>() {
        // Whoever was found first: a request has one token.
        let _ = asker.0.set(who.into());
    }
}

/// Notes whom a login let in.
pub fn entered(request: &Request, login: &Login) {
    note(request, login.user.id.as_str());
}

/// Who asks, by the request's token; by its way in, for the commands.
pub async fn of(request: &Request) -> crate::domain::error::Result<Actor> {
    if client(request) == Client::Operator {
        return Ok(Actor::Operator);
    }
    let token = bearer_of(request.headers())?;
    let actor = token::verify(app(request), token).await?;
    match &actor {
        Actor::Member(member) => note(request, member.id.as_str()),
        Actor::Key(key) => note(request, &format!("key:{}", key.id)),
        Actor::Operator => {}
    }
    Ok(actor)
}

/// The token that a request's head carries.
pub fn bearer_of(headers: &HeaderMap) -> crate::domain::error::Result<&str> {
    let header = headers.get("authorization").ok_or(Error::TokenMissing)?;
    let token = header.to_str().ok().and_then(bearer);
    token.ok_or(Error::TokenInvalid(
        "the header is not `Authorization: Bearer <token>`",
    ))
}

/// The scheme is case-insensitive (RFC 9110, 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Where the request comes from; put there by [`super::Http::call`].
pub fn client(request: &Request) -> Client {
    // Nobody without an address is let in by guess: an absent mark is a stranger's.
    let nowhere = Client::Address(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    request.data::<Client>().copied().unwrap_or(nowhere)
}

/// The same with the browser's name for itself, for a login to be recognised by.
pub fn device(request: &Request) -> Device {
    let user_agent = request.headers().get("user-agent");
    let user_agent = user_agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned());
    Device {
        client: client(request),
        user_agent: user_agent.unwrap_or_default(),
    }
}

/// # Panics
/// Never: [`super::Http::call`] puts it there.
pub fn app(request: &Request) -> &Arc<App> {
    request
        .data::<Arc<App>>()
        .expect("every request carries the App")
}
