//! The only way out: an HTTPS client with limits.

pub mod probe;

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::config;

/// How long a connection and its TLS may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long the whole may take, redirects and the body included.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Enough for a move to another host and a login page's detour; a loop ends here.
const REDIRECTS_MAX: usize = 3;
/// Connections that stay open for the next time: it is an hour away.
const IDLE_MAX: usize = 0;

/// Asks other servers. It keeps no cookies, follows no proxy settings of the environment, and
/// trusts the certificates this machine trusts.
#[derive(Debug, Clone)]
pub struct Fetch {
    client: Client,
}

/// What another server answered.
#[derive(Debug)]
pub struct Answer {
    pub body: Vec<u8>,
    /// How much longer it may be used, when the server says so (RFC 9111, 5.2.2.1).
    pub fresh_for: Option<Duration>,
}

/// Why there is no answer, for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("this machine cannot ask other servers: {0}")]
    Unable(String),
    #[error("{0} is not asked: only https is, and http on a loopback address")]
    Unsafe(Url),
    #[error("it cannot be asked: {0}")]
    Failed(String),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer has more than {0} bytes")]
    TooLarge(usize),
}

impl Fetch {
    /// # Errors
    /// When this machine has no certificates to trust, or no settings for names.
    pub fn new() -> Result<Self, Error> {
        let client = Client::builder()
            .user_agent(concat!("bellrope/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIME_MAX)
            .timeout(TIME_MAX)
            .pool_max_idle_per_host(IDLE_MAX)
            .redirect(Policy::custom(follow))
            .referer(false)
            .no_proxy()
            .dns_resolver(Names::new()?)
            .build()
            .map_err(|error| Error::Unable(told(&error)))?;
        Ok(Self { client })
    }

    /// The body at an address, of `bytes_max` bytes at most.
    ///
    /// # Errors
    /// When the address is not one to ask, does not answer in time, or answers anything but 200.
    pub async fn get(&self, url: &Url, bytes_max: usize) -> Result<Answer, Error> {
        if !is_safe(url) {
            return Err(Error::Unsafe(url.clone()));
        }
        let failed = |error: reqwest::Error| Error::Failed(told(&error.without_url()));
        let response = self.client.get(url.clone()).send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(Error::Status(response.status()));
        }
        let fresh_for = fresh_for(response.headers());
        let body = read(response, bytes_max).await?;
        Ok(Answer { body, fresh_for })
    }
}

async fn read(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    // The length a server promises is not believed.
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Error::Failed(told(&error.without_url())))?
    {
        if body.len() + chunk.len() > bytes_max {
            return Err(Error::TooLarge(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whether nobody on the way can change what is answered.
fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => config::is_loopback(url),
        _ => false,
    }
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > REDIRECTS_MAX {
        attempt.error(format!("it redirects more than {REDIRECTS_MAX} times"))
    } else if attempt.url().scheme() != "https" {
        attempt.error("it redirects to an address that is not https")
    } else {
        attempt.follow()
    }
}

/// An error and its causes in one line: the outermost alone says next to nothing.
fn told(error: &reqwest::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase());
    let mut fresh = None;
    for directive in directives {
        match directive.split_once('=') {
            Some(("max-age", seconds)) => fresh = seconds.trim_matches('"').parse().ok(),
            None if directive == "no-store" || directive == "no-cache" => {
                return Some(Duration::ZERO);
            }
            _ => {}
        }
    }
    // What a cache on the way has used up of it (RFC 9111, 5.1).
    let age = headers.get(AGE).and_then(|value| value.to_str().ok());
    let age = age.and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    fresh.map(|seconds: u64| Duration::from_secs(seconds.saturating_sub(age)))
}

/// Looks names up as this machine is set to, in `/etc/hosts` and by the servers in
/// `/etc/resolv.conf`, and by no others. Not the C library, which a static binary has only half of.
struct Names(TokioResolver);

impl Names {
    fn new() -> Result<Self, Error> {
        TokioResolver::builder_tokio()
            .and_then(hickory_resolver::ResolverBuilder::build)
            .map(Self)
            .map_err(|error| Error::Unable(format!("/etc/resolv.conf cannot be used: {error}")))
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.0.clone();
        Box::pin(async move {
            let found = resolver.lookup_ip(name.as_str()).await?;
            // The port is the address's own.
            let addresses: Vec<SocketAddr> = found.iter().map(|ip| (ip, 0).into()).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_fresh_for_as_long_as_its_server_says() {
        let told = |said: &[&str], age: Option<&str>| {
            let mut headers = HeaderMap::new();
            for said in said {
                headers.append(CACHE_CONTROL, said.parse().expect("a header"));
            }
            if let Some(age) = age {
                headers.insert(AGE, age.parse().expect("a header"));
            }
            fresh_for(&headers).map(|time| time.as_secs())
        };
        assert_eq!(told(&[], None), None);
        assert_eq!(told(&["public"], None), None);
        assert_eq!(told(&["max-age=60"], None), Some(60));
        assert_eq!(told(&["public", "Max-Age=\"60\""], None), Some(60));
        assert_eq!(told(&["s-maxage=5, max-age=60"], Some("20")), Some(40));
        assert_eq!(told(&["max-age=60"], Some("70")), Some(0));
        assert_eq!(told(&["max-age=60"], Some("young")), Some(60));
        assert_eq!(told(&["max-age=60, no-store"], None), Some(0));
        assert_eq!(told(&["no-cache, max-age=60"], None), Some(0));
        assert_eq!(told(&["max-age=-1"], None), None);
    }
}
