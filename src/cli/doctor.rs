//! `bellrope doctor`: what is wrong with an installation, and what to do about it. It changes nothing.

mod certificate;
mod folder;
mod ground;
mod live;
mod proxy;
mod public;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;
use url::Url;

use super::backup::counted;
use super::control;
use crate::config::{Config, is_loopback};
use crate::serve::Folder;

/// How long the long poll and the WebSocket are held: longer than a proxy's hasty time limit.
const HOLD_TIME: Duration = Duration::from_secs(3);
/// The same for who has patience: two of the server's pings, and more than nginx's own 60 s.
const HOLD_TIME_PATIENT: Duration = Duration::from_secs(70);

#[derive(Args)]
pub struct Options {
    /// Where members reach it [default: the setting public-url]
    #[arg(value_name = "PUBLIC-URL", value_parser = address)]
    public: Option<Url>,
    /// Hold the long poll and the WebSocket for 70 s instead of 3 s, which finds a proxy that cuts what
    /// is quiet
    #[arg(long)]
    patient: bool,
    /// As JSON: a list of {check, status, detail, advice}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Note,
    Warning,
    Failed,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    status: Status,
    detail: String,
    /// What to do; null when all is well.
    advice: Option<String>,
}

/// What one check found.
type Found = Vec<Finding>;

impl Finding {
    fn new(check: &'static str, status: Status, detail: String, advice: Option<String>) -> Self {
        Self {
            check,
            status,
            detail,
            advice,
        }
    }

    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, Status::Ok, detail.into(), None)
    }

    fn note(
        check: &'static str,
        detail: impl Into<String>,
        advice: impl Into<Option<String>>,
    ) -> Self {
        Self::new(check, Status::Note, detail.into(), advice.into())
    }

    fn warning(check: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, Status::Warning, detail.into(), Some(advice.into()))
    }

    fn failed(check: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, Status::Failed, detail.into(), Some(advice.into()))
    }
}

fn address(raw: &str) -> Result<Url, &'static str> {
    let url: Option<Url> = raw.parse().ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or("write it like https://bell.example.org")
}

/// # Errors
/// When a check failed.
pub async fn run(config: Result<Config>, options: Options) -> Result<()> {
    let mut found = Found::new();
    let config = match config {
        Ok(config) => {
            found.extend(ground::settings(&config));
            Some(config)
        }
        Err(error) => {
            found.push(Finding::failed(
                "settings",
                format!("the settings cannot be used: {error:#}"),
                "correct it; `bellrope config` says the same until it can be read",
            ));
            None
        }
    };
    let mut is_served = false;
    if let Some(config) = &config {
        let folder = Folder::as_it_is(&config.data);
        let server = ground::Server::of(&folder).await;
        is_served = server.is_some();
        found.extend(folder::look(config, &folder, server.as_ref()));
        found.extend(ground::look(config, server.as_ref()));
    }
    let public = options
        .public
        .or_else(|| default_public(config.as_ref(), is_served));
    match public {
        Some(public) => {
            let hold = if options.patient {
                HOLD_TIME_PATIENT
            } else {
                HOLD_TIME
            };
            found.extend(public::look(public, config.as_ref(), hold).await);
        }
        None => found.push(Finding::note(
            "address",
            "the way members come was not looked at: there is no public-url, and no server here that could be asked without one",
            "name the address: `bellrope doctor https://bell.example.org`".to_owned(),
        )),
    }
    print(&found, options.json)?;
    let failed = found.iter().filter(|one| one.status == Status::Failed);
    let failed = failed.count() as u64;
    let all = counted(found.len() as u64, "finding");
    ensure!(failed == 0, "{failed} of {all} must be put right");
    Ok(())
}

/// The public address that was set, or where the server listens. A server that was given a free
/// port does not say which, and a certificate is for a name.
fn default_public(config: Option<&Config>, is_served: bool) -> Option<Url> {
    let config = config?;
    let set: Option<Url> = config
        .public_url
        .as_ref()
        .and_then(|url| url.as_str().parse().ok());
    if let Some(url) = set {
        return (is_served || !is_loopback(&url)).then_some(url);
    }
    let listens = is_served && config.listen.port() != 0 && config.tls.is_none();
    listens.then(|| format!("http://{}", config.listen).parse().ok())?
}

fn print(found: &Found, json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(found)?)?;
        return Ok(());
    }
    for finding in found {
        let mark = match finding.status {
            Status::Ok => "ok",
            Status::Note => "note",
            Status::Warning => "warning",
            Status::Failed => "failed",
        };
        writeln!(out, "{mark:<8} {:<12} {}", finding.check, finding.detail)?;
        for line in finding.advice.iter().flat_map(|advice| advice.lines()) {
            writeln!(out, "{:<21} {line}", "")?;
        }
    }
    Ok(())
}
