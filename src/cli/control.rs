//! The way to a server's App: through its control socket while it runs, else straight to its files.
//!
//! Either way a command asks the same HTTP API, so it does the same whether the server runs or not.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;

use super::caller::{Caller, Line, Question};
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
    /// The server runs; this leads to its socket.
    Running(Caller),
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
        if let Some(caller) = running(&folder).await? {
            return Ok(Self::Running(caller));
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
        self.send(method, path, body).await?.json().await
    }

    /// Asks for what is long, and hands it on as it comes. Whoever takes it may leave early.
    ///
    /// # Errors
    /// What the API refuses; when the answer breaks off.
    pub async fn download(self, path: &str, into: mpsc::Sender<io::Result<Bytes>>) -> Result<()> {
        let mut answer = self.send(Method::GET, path, None).await?;
        if answer.status != StatusCode::OK {
            return answer.json().await.map(drop);
        }
        while let Some(frame) = answer.body.frame().await {
            let piece = frame.map(|frame| frame.into_data().unwrap_or_default());
            let broken = piece.as_ref().err().map(ToString::to_string);
            if into.send(piece).await.is_err() {
                break;
            }
            if let Some(broken) = broken {
                bail!("the server broke off ({broken}); its log says why");
            }
        }
        answer.close().await;
        Ok(())
    }

    async fn send(self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let path = &format!("/api/v1{path}");
        match self {
            Self::Here(http) => {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header("host", "bellrope")
                    .header("content-type", "application/json");
                let response = http.call(request.body(body)?, Client::Operator).await;
                Ok(Answer::of(response.into(), Held::Files(http)))
            }
            Self::Running(mut caller) => {
                let question = Question {
                    method,
                    path,
                    token: None,
                    body: body.into(),
                };
                let response = caller.send(question).await?;
                let response = response.map(|body| body.map_err(io::Error::other).boxed());
                Ok(Answer::of(response, Held::Line(caller)))
            }
        }
    }
}

type Body = BoxBody<Bytes, io::Error>;

/// An answer that is not read yet.
struct Answer {
    status: StatusCode,
    body: Body,
    held: Held,
}

/// What the answer comes from.
enum Held {
    Files(Box<Http>),
    Line(Caller),
}

impl Answer {
    fn of(response: Response<Body>, held: Held) -> Self {
        Self {
            status: response.status(),
            body: response.into_body(),
            held,
        }
    }

    async fn json(mut self) -> Result<Value> {
        let body = std::mem::take(&mut self.body);
        let (status, answer) = (self.status, body.collect().await);
        self.close().await;
        understood(status, &answer?.to_bytes())
    }

    async fn close(self) {
        match self.held {
            Held::Files(http) => http.close().await,
            Held::Line(caller) => drop(caller),
        }
    }
}

/// The server that runs on this folder, if one does.
///
/// # Errors
/// When one does that cannot be reached.
pub async fn running(folder: &Folder) -> Result<Option<Caller>> {
    match Caller::open(Line::Control(folder.socket())).await {
        Ok(caller) => Ok(Some(caller)),
        // No server, or one that was killed and left its socket behind.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => {
            Err(error).context("cannot reach the running server; are you its user, or root?")
        }
    }
}

/// What the API answered.
///
/// # Errors
/// What it refuses, in its own sentence.
pub fn understood(status: StatusCode, answer: &[u8]) -> Result<Value> {
    let answer: Value = serde_json::from_slice(answer)
        .with_context(|| format!("the server answered {status} with something that is no JSON"))?;
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
