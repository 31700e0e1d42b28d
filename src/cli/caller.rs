//! One HTTP connection to a server, which comes back when the server has closed it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;

/// Where a server is reached.
#[derive(Debug, Clone)]
pub enum Line {
    /// Its port, as members reach it.
    Port(SocketAddr),
    /// The control socket in its data folder.
    Control(PathBuf),
}

pub struct Caller {
    line: Line,
    sender: SendRequest<Full<Bytes>>,
    connection: AbortHandle,
}

/// What is asked.
pub struct Question<'a> {
    pub method: Method,
    pub path: &'a str,
    /// On the control socket nobody needs one.
    pub token: Option<&'a str>,
    pub body: Bytes,
}

impl Caller {
    pub async fn open(line: Line) -> io::Result<Self> {
        let (sender, connection) = connect(&line).await?;
        Ok(Self {
            line,
            sender,
            connection,
        })
    }

    /// # Errors
    /// When there is no whole answer. One that refuses is an answer.
    pub async fn ask(&mut self, question: Question<'_>) -> Result<(StatusCode, Bytes)> {
        let response = self.send(question).await?;
        let status = response.status();
        let body = response.into_body().collect().await;
        Ok((status, body.context("the answer broke off")?.to_bytes()))
    }

    /// The answer as it begins; the rest comes for as long as the caller is kept.
    ///
    /// # Errors
    /// When there is none.
    pub async fn send(&mut self, question: Question<'_>) -> Result<Response<Incoming>> {
        let mut request = question.request(&self.line)?;
        // A server closes a connection that idles, perhaps in this moment; what was not sent can be
        // sent anew, once.
        let mut is_fresh = false;
        loop {
            if self.sender.ready().await.is_err() {
                is_fresh = true;
                self.connection.abort();
                (self.sender, self.connection) = connect(&self.line).await?;
            }
            match self.sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if !is_fresh => request = unsent,
                    _ => return Err(failed.into_error()).context("the server did not answer"),
                },
            }
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Question<'_> {
    fn request(self, line: &Line) -> Result<Request<Full<Bytes>>> {
        let host = match line {
            Line::Port(address) => address.to_string(),
            Line::Control(_) => "bellrope".to_owned(),
        };
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header("host", host)
            .header("content-type", "application/json");
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        Ok(request.body(Full::new(self.body))?)
    }
}

async fn connect(line: &Line) -> io::Result<(SendRequest<Full<Bytes>>, AbortHandle)> {
    match line {
        Line::Port(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            shake_hands(stream).await
        }
        Line::Control(path) => shake_hands(UnixStream::connect(path).await?).await,
    }
}

async fn shake_hands<S>(stream: S) -> io::Result<(SendRequest<Full<Bytes>>, AbortHandle)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(io::Error::other)?;
    // Its end is the end of what is asked through it, which tells why.
    Ok((sender, tokio::spawn(connection).abort_handle()))
}
