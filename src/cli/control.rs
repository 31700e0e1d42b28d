//! The way to a server's App: through its control socket while it runs, else straight to its files.
//!
//! Either way a command asks the same HTTP API, so it does the same whether the server runs or not.

use std::io::ErrorKind;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::config::{Bounds, Config};
use crate::domain::Client;
use crate::domain::clock::Clock;
use crate::http::Http;
use crate::serve::{self, Folder};

/// Whether a command may make a database where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    Create,
    Refuse,
}

pub enum Control {
    /// The server runs; this is its socket.
    Running(UnixStream),
    /// It does not; we hold its files.
    Here(Box<Http>),
}

impl Control {
    /// # Errors
    /// When there is no database, or somebody has it open who does not answer.
    pub async fn open(config: &Config, if_missing: IfMissing) -> Result<Self> {
        let folder = match if_missing {
            IfMissing::Create => Folder::create(&config.data)?,
            IfMissing::Refuse => Folder::existing(&config.data)?,
        };
        match UnixStream::connect(folder.socket()).await {
            Ok(stream) => return Ok(Self::Running(stream)),
            // No server, or one that was killed and left its socket behind.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => {
                return Err(error)
                    .context("cannot reach the running server; are you its user, or root?");
            }
        }
        // The server's own bounds may be others than this command's: only it takes anything away.
        let config = &Config {
            bounds: Bounds::NONE,
            ..config.clone()
        };
        let engine = serve::open(&folder, config)?;
        let app = serve::app(config, engine, Clock::default(), &folder.secret()?)?;
        if let Err(error) = serve::read_forum_keys(&app) {
            eprintln!("bellrope: {error:#}; its members' tokens cannot be checked");
        }
        Ok(Self::Here(Box::new(Http::new(Arc::new(app)))))
    }

    /// Asks once, and closes.
    ///
    /// # Errors
    /// What the API refuses, in its own sentence.
    pub async fn ask(self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("host", "bellrope")
            .header("content-type", "application/json");
        let (status, answer) = match self {
            Self::Here(http) => {
                let mut response = http.call(request.body(body)?, Client::Operator).await;
                http.close().await;
                (response.status(), response.take_body().into_bytes().await?)
            }
            Self::Running(stream) => {
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
                let connection = tokio::spawn(connection);
                let response = sender
                    .send_request(request.body(Full::<Bytes>::from(body))?)
                    .await?;
                let status = response.status();
                let answer = response.into_body().collect().await?.to_bytes();
                connection.abort();
                (status, answer)
            }
        };
        let answer: Value = serde_json::from_slice(&answer).with_context(|| {
            format!("the server answered {status} with something that is no JSON")
        })?;
        if status != StatusCode::OK {
            bail!(
                "{}",
                answer["detail"]
                    .as_str()
                    .unwrap_or("the server refused without a word")
            );
        }
        Ok(answer)
    }
}
