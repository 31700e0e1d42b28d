//! The limit that Bellrope is measured against: hyper, tungstenite and a group-committing redb with nothing between them.
//!
//! It answers what `bellrope bench` asks and no more, the few packets of Socket.IO written by hand. It promises what
//! matters: a token is verified with each request and each connection, an answered insert is on disk (as Bellrope's:
//! two-phase, with quick-repair), and a member's numbers arrive in order. It keeps no inbox, limits nothing, revokes
//! nothing, cuts no slow reader, and serves no client but that one.

mod rooms;
mod socket;
mod store;

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use rooms::Rooms;
use store::Store;

struct Server {
    rooms: Arc<Rooms>,
    store: Store,
    secret: DecodingKey,
    validation: Validation,
    /// The publisher's, as it stands in the header.
    bearer: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let needed = |name: &str| env::var(name).with_context(|| format!("{name} is not set"));
    let port = env::var("PEER_PORT").map_or(Ok(0), |port| port.parse())?;
    let rooms = Arc::new(Rooms::default());
    let file = Path::new(&needed("PEER_DATA")?).join("limit.redb");
    let server = Arc::new(Server {
        store: Store::open(&file, Arc::clone(&rooms))?,
        rooms: Arc::clone(&rooms),
        secret: DecodingKey::from_secret(needed("PEER_SECRET")?.as_bytes()),
        validation: Validation::new(Algorithm::HS256),
        bearer: format!("Bearer {}", needed("PEER_KEY")?),
    });
    tokio::spawn(rooms::beat(rooms));
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    println!("listens on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(Arc::clone(&server).serve(stream));
    }
}

impl Server {
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { server.answer(request).await }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A client that goes away is none of its faults.
        let _ = connection.with_upgrades().await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        match request.uri().path() {
            "/socket.io/" => socket::upgrade(self, request),
            "/api/insert" => Ok(json_answer(
                StatusCode::OK,
                &self.insert(request.headers()).await,
            )),
            "/api/v1/notifications" => self.notify(request).await,
            _ => Ok(json_answer(StatusCode::NOT_FOUND, &json!({}))),
        }
    }

    /// The demo's envelope, after the commit.
    async fn insert(&self, headers: &HeaderMap) -> Value {
        let Some(bearer) = authorization(headers) else {
            return json!({ "code": -200, "message": "请登录~" });
        };
        let Some(member) = self.member(bearer.strip_prefix("Bearer ").unwrap_or_default()) else {
            return json!({ "code": 401, "message": "请登录在进行操作！" });
        };
        match self.store.add(member).await {
            Ok(()) => json!({ "code": 200, "message": "添加成功~" }),
            Err(_) => json!({ "code": -200, "message": "添加失败~" }),
        }
    }

    async fn notify(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        if authorization(request.headers()) != Some(&self.bearer) {
            return Ok(json_answer(StatusCode::UNAUTHORIZED, &json!({})));
        }
        // Nothing is kept, so there is nothing to take back.
        if request.method() == Method::DELETE {
            return Ok(json_answer(StatusCode::OK, &json!({})));
        }
        let body = request.into_body().collect().await?.to_bytes();
        let (status, answer) = match serde_json::from_slice::<Asked>(&body) {
            Ok(asked) if asked.transient => (StatusCode::OK, self.tell(&asked)),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, json!({})),
        };
        Ok(json_answer(status, &answer))
    }

    /// Encoded once, in Bellrope's words.
    fn tell(&self, asked: &Asked) -> Value {
        let id = self.rooms.number().to_string();
        let now = format!("{:.3}", jiff::Timestamp::now());
        let item = json!({
            "id": id, "seq": null, "kind": asked.kind, "title": asked.title, "body": "", "url": asked.url,
            "actor": null, "object": asked.object, "key": null, "group": null, "count": 1, "actors": [],
            "data": null, "created_at": now, "updated_at": now, "expires_at": null, "read": false,
            "archived": false,
        });
        let event = format!("42[\"inbox.transient\",{{\"item\":{item}}}]").into();
        match &asked.to {
            To::One(member) if member == "*" => self.rooms.tell_all(&event),
            To::One(member) => self.rooms.tell([member], &event),
            To::Some(members) => self.rooms.tell(members, &event),
        }
        json!({ "id": id })
    }

    /// Whose token it is.
    fn member(&self, token: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Claims {
            sub: String,
        }
        let read = jsonwebtoken::decode::<Claims>(token, &self.secret, &self.validation);
        Some(read.ok()?.claims.sub)
    }
}

/// A notification, as far as the bench sends one.
#[derive(Deserialize)]
struct Asked {
    to: To,
    kind: String,
    title: String,
    url: Option<String>,
    object: Option<Value>,
    #[serde(default)]
    transient: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum To {
    One(String),
    Some(Vec<String>),
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.to_string().into()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
