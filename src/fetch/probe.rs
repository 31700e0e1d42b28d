//! One question and its answer as it came: for whoever has to see what a proxy made of it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::tls::TlsInfo;
use reqwest::{Client, Method, Response, StatusCode};
use url::Url;

use super::{CONNECT_TIME_MAX, Error, IDLE_MAX, Names, read, told};

/// Bytes of an answer that are looked at: the longest we ask for has a few hundred.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// What a WebSocket is spoken over once a server has agreed to one.
pub type Stream = reqwest::Upgraded;

/// Asks by HTTP/1.1, as a proxy's `Upgrade` wants it, and follows nothing. Whoever asks bounds the
/// time.
#[derive(Debug, Clone)]
pub struct Probe {
    client: Client,
}

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    pub method: Method,
    pub url: Url,
    pub headers: &'a [(&'static str, &'a str)],
    pub body: Payload,
}

#[derive(Debug)]
pub enum Payload {
    Text(String),
    /// So many bytes are announced, and none comes.
    Announced(usize),
}

/// What came back.
#[derive(Debug)]
pub struct Seen {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// The server's own certificate, in DER; `None` without TLS.
    pub certificate: Option<Vec<u8>>,
    /// Who answered.
    pub address: Option<SocketAddr>,
}

impl Probe {
    /// `from` is the address of this machine to ask from, where it matters.
    ///
    /// # Errors
    /// When this machine has no certificates to trust, or no settings for names.
    pub fn new(from: Option<IpAddr>) -> Result<Self, Error> {
        let client = Client::builder()
            .user_agent(concat!("bellrope-doctor/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIME_MAX)
            .pool_max_idle_per_host(IDLE_MAX)
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Names::new()?)
            .http1_only()
            .tls_info(true)
            .local_address(from)
            .build()
            .map_err(|error| Error::Unable(told(&error)))?;
        Ok(Self { client })
    }

    /// # Errors
    /// When there is no whole answer.
    pub async fn ask(&self, question: Question<'_>) -> Result<Seen, Error> {
        seen(self.send(question).await?).await
    }

    /// Asks for a WebSocket: its stream, or the answer that is none.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn upgrade(&self, question: Question<'_>) -> Result<Result<Stream, Seen>, Error> {
        let response = self.send(question).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Err(seen(response).await?));
        }
        Ok(Ok(response.upgrade().await.map_err(failed)?))
    }

    async fn send(&self, question: Question<'_>) -> Result<Response, Error> {
        let mut request = self.client.request(question.method, question.url);
        for (name, value) in question.headers {
            request = request.header(*name, *value);
        }
        let request = match question.body {
            Payload::Text(text) => request.body(text),
            Payload::Announced(bytes) => {
                let never = stream::pending::<io::Result<Frame<Bytes>>>();
                let body = reqwest::Body::wrap(StreamBody::new(never));
                request.header(CONTENT_LENGTH, bytes).body(body)
            }
        };
        request.send().await.map_err(failed)
    }
}

async fn seen(response: Response) -> Result<Seen, Error> {
    let tls = response.extensions().get::<TlsInfo>();
    let certificate = tls.and_then(TlsInfo::peer_certificate);
    Ok(Seen {
        status: response.status(),
        headers: response.headers().clone(),
        certificate: certificate.map(<[u8]>::to_vec),
        address: response.remote_addr(),
        body: read(response, ANSWER_BYTES_MAX).await?,
    })
}

fn failed(error: reqwest::Error) -> Error {
    Error::Failed(told(&error.without_url()))
}
