//! A real server on a free port, and real clients: what every story is told with.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bellrope::config::{Config, Maybe, Settings};
use bellrope::domain::clock::Clock;
use bellrope::serve::{self, Server};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::keys::Signer;

/// Nothing that is going to happen takes longer than this, even on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

pub const PASSWORD: &str = "correct horse";

/// What the forum of [`World::forum`] signs its members' tokens with.
pub const FORUM_SECRET: &str = "a secret that the forum and the bell share";
/// How long such a token is good: longer than any story.
const FORUM_TOKEN_S: i64 = 3600 * 24 * 400;

/// A server inside this process, whose clock the test moves.
pub struct World {
    pub clock: Clock,
    pub http: Client,
    pub address: SocketAddr,
    /// Where its metrics are read without a key.
    pub metrics: Option<SocketAddr>,
    pub setup_token: Option<String>,
    pub config: Config,
    server: Option<Server>,
    /// Removed when the story is over.
    _folder: TempDir,
}

/// The settings of a test's server: defaults, a free port, this folder.
pub fn config(data: &Path, settings: Settings) -> Config {
    let given = Settings {
        listen: Some("127.0.0.1:0".parse().expect("an address")),
        data: Some(data.to_owned()),
        ..settings
    };
    Config::load(given, &clap::ArgMatches::default()).expect("settings that make sense")
}

impl World {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(&folder.path().join("data"), settings);
        let clock = Clock::default();
        let server = serve::start(&config, clock.clone())
            .await
            .expect("a server");
        Self {
            clock,
            ..Self::on(server, config, folder)
        }
    }

    /// A server that believes a forum's tokens.
    pub async fn forum() -> Self {
        Self::forum_with(Settings::default()).await
    }

    pub async fn forum_with(settings: Settings) -> Self {
        let secret = FORUM_SECRET.parse().expect("a secret");
        let forum_secret = Some(Maybe(Some(secret)));
        Self::with(Settings {
            forum_secret,
            ..settings
        })
        .await
    }

    /// A member of the forum, who has a token from now on.
    pub fn member(&self, id: &str) -> Login {
        let now = self.clock.now().as_second();
        Login {
            token: forum_token(id, now),
        }
    }

    /// A fresh API key with these scopes.
    pub async fn key(&self, scopes: &[&str]) -> Login {
        let body = json!({ "name": "forum", "scopes": scopes });
        let admin = self.admin().await;
        let made = admin.post(self, "/api/v1/keys", body).await;
        let made = made.expect_status(StatusCode::OK).json();
        Login {
            token: made["key"].as_str().expect("a key").to_owned(),
        }
    }

    /// Around a server that was started by hand.
    pub fn on(server: Server, config: Config, folder: TempDir) -> Self {
        Self {
            clock: Clock::default(),
            http: client(),
            address: server.address,
            metrics: server.metrics_address,
            setup_token: server.setup_token.clone(),
            config,
            server: Some(server),
            _folder: folder,
        }
    }

    /// Stops the server as a signal would, and starts it on the same folder.
    pub async fn restart(&mut self) {
        self.stop().await;
        let server = serve::start(&self.config, self.clock.clone())
            .await
            .expect("a server");
        self.address = server.address;
        self.setup_token.clone_from(&server.setup_token);
        self.server = Some(server);
    }

    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Why the server does not go on, where it does not.
    pub fn stall(&self, patience: Duration) -> Option<String> {
        self.server
            .as_ref()
            .and_then(|server| server.stall(patience))
    }

    /// The secret that signs this server's sessions.
    pub fn secret(&self) -> Vec<u8> {
        let path = self.config.data.join("session.key");
        std::fs::read(path)
            .expect("the secret")
            .trim_ascii()
            .to_vec()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// An account made by the first administrator, and logged in.
    pub async fn account(&self, name: &str) -> Login {
        let admin = self.admin().await;
        let body = json!({ "username": name, "password": PASSWORD, "role": "member" });
        admin
            .post(self, "/api/v1/accounts", body)
            .await
            .expect_status(StatusCode::OK);
        self.login(name, PASSWORD).await
    }

    /// The first administrator, made by the setup link if there is none.
    pub async fn admin(&self) -> Login {
        let token = self
            .setup_token
            .as_ref()
            .expect("a world that began without an administrator");
        let body = json!({ "token": token, "username": "root", "password": PASSWORD });
        let answer = self.ask(Method::POST, "/api/v1/setup", Some(body)).await;
        match answer.status {
            StatusCode::OK => Login::of(&answer),
            _ => self.login("root", PASSWORD).await,
        }
    }

    pub async fn login(&self, name: &str, password: &str) -> Login {
        let body = json!({ "username": name, "password": password });
        Login::of(&self.ask(Method::POST, "/api/v1/login", Some(body)).await)
    }

    /// A request from nobody.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path);
        Answer::of(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }
}

/// Where a server is reached, be it in this process or in one of its own.
pub trait Host {
    fn address(&self) -> SocketAddr;
}

impl Host for World {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

pub fn client() -> Client {
    Client::builder()
        .timeout(SOON)
        // The server closes one that is idle for 10 s, which must not meet a request.
        .pool_idle_timeout(Duration::from_secs(5))
        .build()
        .expect("an HTTP client")
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        Self {
            status,
            headers,
            text: response.text().await.expect("a body"),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    #[track_caller]
    pub fn expect_status(&self, status: StatusCode) -> &Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Checks that it is a problem with this status and code, whole as RFC 9457 wants it.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> &Self {
        let problem = self.json();
        assert_eq!(
            (self.status.as_u16(), problem["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["status"], status);
        assert!(problem["type"].is_string() && problem["title"].is_string());
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| detail.ends_with('.')),
            "{problem}"
        );
        let must_wait = matches!(status, 429 | 503) || code == "in_flight";
        assert_eq!(self.headers.contains_key("retry-after"), must_wait);
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Login {
    pub token: String,
}

impl Login {
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        answer.expect_status(StatusCode::OK);
        Self {
            token: answer.json()["token"].as_str().expect("a token").to_owned(),
        }
    }

    pub async fn get(&self, world: &World, path: &str) -> Answer {
        Answer::of(world.request(Method::GET, path).bearer_auth(&self.token)).await
    }

    pub async fn delete(&self, world: &World, path: &str) -> Answer {
        Answer::of(world.request(Method::DELETE, path).bearer_auth(&self.token)).await
    }

    pub async fn post(&self, world: &World, path: &str, body: Value) -> Answer {
        Answer::of(
            world
                .request(Method::POST, path)
                .bearer_auth(&self.token)
                .json(&body),
        )
        .await
    }

    pub async fn put(&self, world: &World, path: &str, body: Value) -> Answer {
        let request = world.request(Method::PUT, path).bearer_auth(&self.token);
        Answer::of(request.json(&body)).await
    }

    /// Whether the metrics say this; it has to be an API key.
    pub async fn sees(&self, world: &World, sample: &str) -> bool {
        let scrape = self.get(world, "/metrics").await;
        scrape.expect_status(StatusCode::OK);
        scrape.text.lines().any(|line| line == sample)
    }

    /// Publishes this, or what it leaves out from a plain notification, and returns the receipt.
    pub async fn publish(&self, world: &World, said: Value) -> Value {
        let answer = self.post(world, "/api/v1/notifications", draft(said)).await;
        answer.expect_status(StatusCode::OK).json()
    }

    /// Presses ADD AGE and returns the new age.
    pub async fn add_age(&self, world: &World) -> u64 {
        let answer = Answer::of(
            world
                .request(Method::POST, "/api/v1/me/age")
                .bearer_auth(&self.token),
        )
        .await;
        answer.expect_status(StatusCode::OK).json()["age"]
            .as_u64()
            .expect("an age")
    }

    pub async fn age(&self, world: &World) -> u64 {
        self.get(world, "/api/v1/me").await.json()["age"]
            .as_u64()
            .expect("an age")
    }
}

/// A token as the forum signs it, issued then.
pub fn forum_token(id: &str, issued_at: i64) -> String {
    let claims = json!({ "sub": id, "iat": issued_at, "exp": issued_at + FORUM_TOKEN_S });
    Signer::secret(FORUM_SECRET.as_bytes()).token(&claims)
}

/// A notification: `said`, and a kind and a title where it has none.
pub fn draft(said: Value) -> Value {
    let mut draft = json!({ "kind": "reply", "title": "Bob replied" });
    let Value::Object(said) = said else {
        panic!("a notification is an object");
    };
    draft.as_object_mut().expect("an object").extend(said);
    draft
}
