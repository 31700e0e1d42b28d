//! What the server stands on: settings that fit together, the limit on open files, the clock.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use hyper::Method;
use hyper::body::Bytes;
use rustix::process::{Resource, getrlimit};
use tokio::net::UnixStream;

use super::{Config, Finding, Folder, Found, control, is_loopback};
use crate::cli::caller::Question;
use crate::config::Origin;
use crate::domain::forum::Forum;

/// How long a server may take to answer on its control socket.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);
/// Descriptors a server needs besides its members' connections: the database, sockets, backups.
const DESCRIPTORS_SPARE: u64 = 64;
/// How far into the future a file's time may be: filesystems round.
const FUTURE_MAX: Duration = Duration::from_mins(1);
/// An address for documentation (RFC 5737), which no proxy has.
const NO_PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The server that runs on the data folder.
pub struct Server {
    pid: Option<i32>,
    pub user: u32,
    /// What it said to `/readyz`; why it did not, if it did not.
    pub ready: Result<String, String>,
}

impl Server {
    /// `None`: nobody listens on the control socket.
    pub async fn of(folder: &Folder) -> Option<Self> {
        let stream = UnixStream::connect(folder.socket()).await.ok()?;
        let peer = stream.peer_cred().ok()?;
        let asked = tokio::time::timeout(ANSWER_TIME_MAX, ready(folder)).await;
        Some(Self {
            pid: peer.pid(),
            user: peer.uid(),
            ready: asked.unwrap_or_else(|_| Err("it does not answer".to_owned())),
        })
    }
}

async fn ready(folder: &Folder) -> Result<String, String> {
    let caller = control::running(folder).await;
    let caller = caller.map_err(|error| format!("{error:#}"))?;
    let mut caller = caller.ok_or("it has just stopped")?;
    let question = Question {
        method: Method::GET,
        path: "/readyz",
        token: None,
        body: Bytes::new(),
    };
    let answer = caller.ask(question).await;
    let (status, body) = answer.map_err(|error| format!("{error:#}"))?;
    let said = String::from_utf8_lossy(&body).trim().to_owned();
    if status.is_success() {
        return Ok(said);
    }
    let problem: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
    let detail = problem["detail"].as_str().map(str::to_owned);
    Err(detail.unwrap_or(said))
}

/// Whether the settings make sense together.
pub fn settings(config: &Config) -> Found {
    let mut found = way(config);
    found.extend(forum(config));
    found.extend(secret_in_reach(config));
    if found.is_empty() {
        found.push(Finding::ok(
            "settings",
            "the settings can be read and fit together",
        ));
    }
    found
}

/// Where members come to, and through which proxy.
fn way(config: &Config) -> Found {
    let mut found = Found::new();
    let public = config.public_url.as_ref().map(Origin::as_str);
    let public_url: Option<url::Url> = public.and_then(|url| url.parse().ok());
    let own = Origin::of_address(config.scheme(), config.listen);
    let own = own.as_str();
    let is_https = public_url
        .as_ref()
        .is_some_and(|url| url.scheme() == "https");
    // Nothing stands in front of a server that encrypts by itself.
    let is_alone = config.tls.is_some();
    let is_inside = is_alone || config.listen.ip().is_loopback();
    if let Some(url) = public_url
        .as_ref()
        .filter(|url| !is_https && !is_loopback(url))
    {
        found.push(Finding::warning(
            "settings",
            format!("`public-url` is {url}: members' tokens cross the network unencrypted"),
            "serve HTTPS by nginx or Caddy (packaging/ has both), and set public-url to https://...",
        ));
    }
    if !is_inside && is_https {
        found.push(Finding::note(
            "settings",
            format!(
                "`listen` is {}: whoever reaches that port goes round the proxy and its TLS",
                config.listen
            ),
            "let only the proxy reach it (firewall, container network), or listen on 127.0.0.1"
                .to_owned(),
        ));
    } else if !is_inside {
        found.push(Finding::warning(
            "settings",
            format!("`listen` is {}, which other machines reach, and there is no TLS", config.listen),
            "set listen = \"127.0.0.1:8888\" with nginx or Caddy in front, and public-url = \"https://...\"",
        ));
    }
    if is_https && !is_alone && config.trusted_proxy.is_empty() {
        found.push(Finding::warning(
            "settings",
            "`public-url` is https, so a proxy stands in front, and `trusted-proxy` names none: all members seem to come from its address, and share its limits",
            "set trusted-proxy = [\"127.0.0.1\"], or the address the proxy comes from",
        ));
    }
    if public.is_none() && !config.trusted_proxy.is_empty() {
        found.push(Finding::warning(
            "settings",
            format!("`trusted-proxy` is set and `public-url` is not: links lead to {own}"),
            "set public-url to the address that members use",
        ));
    }
    if public.is_none() && is_alone {
        found.push(Finding::warning(
            "settings",
            format!(
                "`tls-certificate` is set and `public-url` is not: links lead to {own}, which the certificate hardly names"
            ),
            "set public-url to the name that the certificate is for",
        ));
    }
    if config
        .trusted_proxy
        .iter()
        .any(|block| block.contains(NO_PROXY))
    {
        found.push(Finding::warning(
            "settings",
            "`trusted-proxy` holds the whole internet: anybody may choose the address they seem to come from",
            "name the proxy's own address or network",
        ));
    }
    found
}

/// Whose pages may ask, and whose members are believed.
fn forum(config: &Config) -> Found {
    let mut found = Found::new();
    if let Some(forum) = config.forum_url.as_ref()
        && !config.allow_origin.is_empty()
        && !config.allow_origin.contains(forum)
        && config.public_url.as_ref() != Some(forum)
    {
        found.push(Finding::failed(
            "settings",
            format!(
                "`allow-origin` does not list the forum, {}: its pages are refused",
                forum.as_str()
            ),
            format!("add \"{}\" to allow-origin", forum.as_str()),
        ));
    }
    match config.forum.as_ref().map(Forum::new) {
        None => found.push(Finding::note(
            "settings",
            "no forum is believed here: there is no forum-secret, forum-key or forum-jwks, so only accounts made here can log in",
            "set one, unless it is in the service's own environment, which this command does not see".to_owned(),
        )),
        Some(Err(wrong)) => found.push(Finding::failed("settings", wrong, "correct it")),
        Some(Ok(_)) => {}
    }
    found
}

/// A forum's secret in a file that others read: they can speak as any member.
fn secret_in_reach(config: &Config) -> Option<Finding> {
    let setting = config.shown.iter().find(|one| one.name == "forum-secret");
    let source = setting.filter(|one| one.masked).map(|one| &one.source)?;
    let path = match source.strip_prefix("file ") {
        Some(path) => PathBuf::from(path),
        None => std::env::var_os("BELLROPE_FORUM_SECRET_FILE")?.into(),
    };
    let mode = fs::metadata(&path).ok()?.permissions().mode() & 0o777;
    // A group may be the service's own.
    (mode & 0o007 != 0).then(|| {
        Finding::failed(
            "secret",
            format!("everybody on this machine may read the forum's secret in {} ({mode:03o}), and speak as any member", path.display()),
            format!("chmod o= {}", path.display()),
        )
    })
}

/// What the machine gives.
pub fn look(config: &Config, server: Option<&Server>) -> Found {
    let mut found = vec![descriptors(config, server)];
    let newest = [
        std::env::current_exe().ok(),
        Some(Folder::as_it_is(&config.data).file()),
    ];
    let times = newest.into_iter().flatten().filter_map(|path| {
        let about = fs::metadata(&path).ok()?;
        Some((about.modified().ok()?, path))
    });
    let now = SystemTime::now();
    let later = times.max().filter(|(time, _)| *time > now + FUTURE_MAX);
    found.push(match later {
        Some((_, path)) => Finding::failed(
            "clock",
            format!(
                "this machine's clock is before the time of {}",
                path.display()
            ),
            "set the clock, and keep it by NTP (`timedatectl`); tokens and expiries go by it",
        ),
        None => Finding::ok(
            "clock",
            "the clock is not before the program's and the database's last change",
        ),
    });
    found
}

fn descriptors(config: &Config, server: Option<&Server>) -> Finding {
    let of_server = server.and_then(|server| server.pid).and_then(limit_of);
    let whose = if of_server.is_some() {
        "the running server"
    } else {
        "a server started from here"
    };
    let limit = of_server.or_else(|| getrlimit(Resource::Nofile).current);
    let limit = limit.unwrap_or(u64::MAX);
    let wanted = config.connections_max as u64 + DESCRIPTORS_SPARE;
    if limit >= wanted {
        return Finding::ok(
            "open files",
            format!(
                "{whose} may open enough files for {} connections",
                config.connections_max
            ),
        );
    }
    Finding::warning(
        "open files",
        format!(
            "{whose} may open {limit} files, and `connections-max` is {}: further members would not get in",
            config.connections_max
        ),
        format!(
            "allow {wanted}: LimitNOFILE={wanted} in the unit, `ulimit -n {wanted}` before a start by hand"
        ),
    )
}

/// The soft limit of another process.
fn limit_of(pid: i32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        limit => limit.parse().ok(),
    }
}
