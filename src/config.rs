//! Settings: flag, then environment, then file, then default; checked once, into one [`Config`].

mod forum;
mod settings;
mod value;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use serde::Serialize;

use forum::SECRET_FILE_ENV;

pub use forum::{Algorithm, FileName, Forum, Jwks, Proof, Secret, is_loopback};
pub use settings::{LogFormat, Place, Registration, Settings};
pub use value::{Age, Cidr, Count, Every, LOG_CHANGES_MAX, Listen, Maybe, Origin, Ttl};

/// Read when it is there and `--config` names no other.
const FILE: &str = "/etc/bellrope/bellrope.toml";
/// Only this machine reaches it, and the demo's page looks for it there.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8888);
const SESSION_TTL: Duration = Duration::from_hours(24 * 30);
/// A week of daily ones.
const BACKUPS_KEPT: usize = 7;
/// Where a value came from that nobody set.
const DEFAULT: &str = "default";
/// Environment variables that begin like a setting and are none: the build script's, which
/// `cargo run` passes on, and the API key that `bellrope bench` asks with.
const NOT_SETTINGS: [&str; 3] = ["BELLROPE_WEB_DIST", "BELLROPE_DIST", "BELLROPE_KEY"];

/// Every setting with the value in force.
#[derive(Debug, Clone)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// Where metrics are read without a key; `None`: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// `None`: what comes is not encrypted.
    pub tls: Option<Tls>,
    /// `None`: wherever it comes to listen.
    pub public_url: Option<Origin>,
    pub trusted_proxy: Vec<Cidr>,
    pub allow_origin: Vec<Origin>,
    pub registration: Registration,
    pub session_ttl: Duration,
    pub write_queue: usize,
    pub connections_max: usize,
    pub strangers_per_address: usize,
    pub sockets_per_member: usize,
    pub key_rate: usize,
    /// What a notification's path is resolved against.
    pub forum_url: Option<Origin>,
    /// Whose tokens are believed; `None`: no forum's.
    pub forum: Option<Forum>,
    pub bounds: Bounds,
    pub backups: Backups,
    pub log: String,
    pub log_format: LogFormat,
    /// The same once more, for people.
    pub shown: Vec<Shown>,
}

/// What connections are encrypted with: files in PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// How much is kept for one member. Above it the oldest goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub log_changes_max: usize,
    pub log_age_max: Duration,
    pub inbox_items_max: usize,
    pub inbox_age_max: Duration,
}

/// Backups the server makes by itself.
#[derive(Debug, Clone)]
pub struct Backups {
    /// `None`: none.
    pub every: Option<Duration>,
    pub keep: usize,
    /// `None`: in the data folder.
    pub folder: Option<PathBuf>,
}

impl Bounds {
    /// For whoever only visits a database: nothing in it is too much.
    pub const NONE: Self = Self {
        log_changes_max: usize::MAX,
        log_age_max: Duration::MAX,
        inbox_items_max: usize::MAX,
        inbox_age_max: Duration::MAX,
    };
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            log_changes_max: 1000,
            log_age_max: Duration::from_hours(24 * 7),
            inbox_items_max: 1000,
            inbox_age_max: Duration::from_hours(24 * 90),
        }
    }
}

/// One setting as `bellrope config` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    pub name: String,
    pub value: serde_json::Value,
    pub source: String,
    /// Whether the value stands for another, which is not shown.
    #[serde(skip)]
    pub masked: bool,
}

/// A setting's value from the uppermost layer that has one, or the default.
macro_rules! pick {
    ($layers:expr, $setting:ident, $default:expr) => {{
        let given = $layers.given.$setting.take();
        let file = $layers.file.$setting.take();
        $layers.pick(stringify!($setting), given, file, || $default)
    }};
}

impl Config {
    /// Lays the layers over each other. `matches` are the command's own, and tell which of
    /// `given` came from a flag and which from the environment.
    ///
    /// # Errors
    /// A file that cannot be read, a key nobody knows, a value that makes no sense: each in a
    /// sentence that names it.
    pub fn load(given: Settings, matches: &ArgMatches) -> Result<Self> {
        refuse_unknown_environment()?;
        let (file, path) = read_file(given.config.as_deref())?;
        let mut layers = Layers {
            given,
            file,
            matches,
            path,
            shown: Vec::new(),
        };
        let data = layers.data();
        let listen = pick!(layers, listen, Listen(ADDRESS)).0;
        let tls = layers.tls()?;
        let own = Origin::of_address(scheme(tls.as_ref()), listen);
        let public_url = pick!(layers, public_url, own.clone());
        let config = Self {
            data,
            listen,
            tls,
            public_url: (!layers.is_default()).then_some(public_url),
            metrics_listen: layers.metrics_listen(),
            trusted_proxy: pick!(layers, trusted_proxy, Vec::new()),
            allow_origin: pick!(layers, allow_origin, Vec::new()),
            registration: pick!(layers, registration, Registration::Closed),
            session_ttl: pick!(layers, session_ttl, Ttl(SESSION_TTL)).0,
            write_queue: pick!(layers, write_queue, Count(8192)).0,
            connections_max: pick!(layers, connections_max, Count(10_000)).0,
            strangers_per_address: pick!(layers, strangers_per_address, Count(256)).0,
            sockets_per_member: pick!(layers, sockets_per_member, Count(200)).0,
            key_rate: pick!(layers, key_rate, Count(20_000)).0,
            forum_url: pick!(layers, forum_url, Maybe(None)).0,
            forum: layers.forum()?,
            bounds: layers.bounds(),
            backups: layers.backups(),
            log: pick!(layers, log, "info".to_owned()),
            log_format: pick!(layers, log_format, LogFormat::Text),
            shown: layers.shown,
        };
        config
            .log
            .parse::<tracing_subscriber::EnvFilter>()
            .with_context(|| format!("`log` = `{}` is no filter; try info or debug", config.log))?;
        Ok(config)
    }

    /// How it is reached where it listens itself.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        scheme(self.tls.as_ref())
    }
}

fn scheme(tls: Option<&Tls>) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

struct Layers<'a> {
    given: Settings,
    file: Settings,
    matches: &'a ArgMatches,
    path: Option<PathBuf>,
    shown: Vec<Shown>,
}

impl Layers<'_> {
    fn pick<T: Serialize>(
        &mut self,
        id: &'static str,
        given: Option<T>,
        file: Option<T>,
        default: impl FnOnce() -> T,
    ) -> T {
        let name = id.replace('_', "-");
        let by_flag = || {
            let source = self.matches.try_contains_id(id).unwrap_or(false);
            source && self.matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        let (value, source) = match (given, file) {
            (Some(value), _) if by_flag() => (value, format!("flag --{name}")),
            (Some(value), _) => (value, format!("environment BELLROPE_{}", id.to_uppercase())),
            (None, Some(value)) => {
                let path = self.path.as_deref().unwrap_or(Path::new("?"));
                (value, format!("file {}", path.display()))
            }
            (None, None) => (default(), DEFAULT.to_owned()),
        };
        self.shown.push(Shown {
            name,
            value: serde_json::to_value(&value).unwrap_or_default(),
            source,
            masked: false,
        });
        value
    }

    /// Whether nobody set what was picked last.
    fn is_default(&self) -> bool {
        self.shown.last().is_some_and(|last| last.source == DEFAULT)
    }

    /// Says of what was picked last that it came from elsewhere.
    fn came_from(&mut self, source: String) {
        if let Some(last) = self.shown.last_mut() {
            last.source = source;
        }
    }

    fn data(&mut self) -> PathBuf {
        let state = std::env::var_os("STATE_DIRECTORY").filter(|dirs| !dirs.is_empty());
        // systemd joins several with colons; the first is ours.
        let state = state.map(|dirs| {
            let dirs = dirs.to_string_lossy();
            PathBuf::from(dirs.split(':').next().unwrap_or_default())
        });
        let is_state = state.is_some();
        let fallback = state.unwrap_or_else(|| PathBuf::from("./bellrope_data"));
        let data = pick!(self, data, fallback);
        if is_state && self.is_default() {
            self.came_from("environment STATE_DIRECTORY".to_owned());
        }
        data
    }

    fn tls(&mut self) -> Result<Option<Tls>> {
        let certificate: Option<FileName> = pick!(self, tls_certificate, Maybe(None)).0;
        let key: Option<FileName> = pick!(self, tls_key, Maybe(None)).0;
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Tls {
                certificate: certificate.0,
                key: key.0,
            })),
            (Some(_), None) => bail!("`tls-certificate` needs `tls-key`, the file with its key"),
            (None, Some(_)) => bail!("`tls-key` needs `tls-certificate`, the file it belongs to"),
        }
    }

    fn metrics_listen(&mut self) -> Option<SocketAddr> {
        let listen: Option<Listen> = pick!(self, metrics_listen, Maybe(None)).0;
        listen.map(|listen| listen.0)
    }

    fn forum(&mut self) -> Result<Option<Forum>> {
        let given = forum::Given {
            secret: self.forum_secret()?,
            key: pick!(self, forum_key, Maybe(None)).0,
            jwks: pick!(self, forum_jwks, Maybe(None)).0,
            algorithm: pick!(self, forum_algorithm, Maybe(None)).0,
            issuer: pick!(self, forum_issuer, Maybe(None)).0,
            audience: pick!(self, forum_audience, Maybe(None)).0,
        };
        Forum::new(given)
    }

    fn forum_secret(&mut self) -> Result<Option<Secret>> {
        let in_file = forum::secret_from_file()?;
        let mut secret = pick!(self, forum_secret, Maybe(None)).0;
        let source = self.shown.last().map(|last| last.source.as_str());
        let source = source.unwrap_or_default();
        // A flag goes before the environment, and the environment before the settings file.
        if in_file.is_some() && !source.starts_with("flag ") {
            ensure!(
                secret.is_none() || !source.starts_with("environment "),
                "BELLROPE_FORUM_SECRET and {SECRET_FILE_ENV} are both set; set one of them"
            );
            secret = in_file;
            self.came_from(format!("environment {SECRET_FILE_ENV}"));
        }
        if let Some(last) = self.shown.last_mut() {
            last.masked = secret.is_some();
            last.value = serde_json::to_value(Maybe(secret.clone()))?;
        }
        Ok(secret)
    }

    fn backups(&mut self) -> Backups {
        let every = pick!(self, backup_every, Maybe(None)).0;
        let keep = pick!(self, backup_keep, Count(BACKUPS_KEPT)).0;
        let folder = pick!(self, backup_folder, Maybe(None)).0;
        Backups {
            every: every.map(|every| every.0),
            keep,
            folder: folder.map(|folder: FileName| folder.0),
        }
    }

    fn bounds(&mut self) -> Bounds {
        let default = Bounds::default();
        let log_age_max = Age(default.log_age_max);
        let inbox_age_max = Age(default.inbox_age_max);
        Bounds {
            log_changes_max: pick!(self, log_changes_max, Count(default.log_changes_max)).0,
            log_age_max: pick!(self, log_age_max, log_age_max).0,
            inbox_items_max: pick!(self, inbox_items_max, Count(default.inbox_items_max)).0,
            inbox_age_max: pick!(self, inbox_age_max, inbox_age_max).0,
        }
    }
}

fn read_file(named: Option<&Path>) -> Result<(Settings, Option<PathBuf>)> {
    let path = match named {
        Some(path) => path,
        None if Path::new(FILE).exists() => Path::new(FILE),
        None => return Ok((Settings::default(), None)),
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the settings file {}", path.display()))?;
    let settings = toml::from_str(&text)
        .map_err(|wrong| sentence(&wrong, &text))
        .with_context(|| format!("cannot use the settings file {}", path.display()))?;
    Ok((settings, Some(path.to_owned())))
}

/// What is wrong with a settings file. Its lines are shown only when no secret is among them.
fn sentence(wrong: &toml::de::Error, text: &str) -> anyhow::Error {
    if !text.contains("secret") {
        return anyhow!("{wrong}");
    }
    let start = wrong.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let name = line.split('=').next().unwrap_or_default();
    match name.trim_matches([' ', '\t', '"', '\'']) {
        // The message would quote what stands there.
        "forum-secret" => anyhow!("line {number}: `forum-secret` is no text between quotes"),
        // The line may be the rest of a secret that lacks a quote.
        _ if before.contains("secret") => anyhow!("line {number}: {}", wrong.message()),
        name => anyhow!("line {number}, `{name}`: {}", wrong.message()),
    }
}

/// A misspelt variable would silently leave a default in force.
fn refuse_unknown_environment() -> Result<()> {
    let known = <Settings as Args>::augment_args(clap::Command::new("settings"));
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("BELLROPE_")) else {
            continue;
        };
        let is_known = known
            .get_arguments()
            .any(|arg| arg.get_env().is_some_and(|env| env == name));
        if !is_known && name != SECRET_FILE_ENV && !NOT_SETTINGS.contains(&name) {
            bail!(
                "the environment has {name}, which is no setting; `bellrope serve --help` lists them"
            );
        }
    }
    Ok(())
}
