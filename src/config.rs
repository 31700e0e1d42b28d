//! Settings: flag, then environment, then file, then default; checked once, into one [`Config`].

mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, ValueEnum};
use serde::{Deserialize, Serialize};

pub use value::{Cidr, Count, Listen, Origin, Ttl};

/// Read when it is there and `--config` names no other.
const FILE: &str = "/etc/bellrope/bellrope.toml";
/// Environment variables that begin like a setting and are none: the build script's, which
/// `cargo run` passes on.
const NOT_SETTINGS: [&str; 2] = ["BELLROPE_WEB_DIST", "BELLROPE_DIST"];

/// What a person may set. Every field is absent until somebody sets it, in each of the layers.
#[expect(
    clippy::doc_markdown,
    reason = "the fields' docs are the command's help, which is plain text"
)]
#[derive(Debug, Default, Clone, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8888]
    #[arg(long, env = "BELLROPE_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<Listen>,

    /// Where members reach this server, for links and for its own pages' origin [default: http://LISTEN]
    #[arg(long, env = "BELLROPE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<Origin>,

    /// Proxies whose X-Forwarded-For is believed, as addresses or CIDR blocks [default: none]
    #[arg(
        long,
        env = "BELLROPE_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub trusted_proxy: Option<Vec<Cidr>>,

    /// Origins whose pages may use this server; with none given, any may
    #[arg(
        long,
        env = "BELLROPE_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub allow_origin: Option<Vec<Origin>>,

    /// Who may make an account: only administrators for others (closed), or anybody (open) [default: closed]
    #[arg(long, env = "BELLROPE_REGISTRATION")]
    pub registration: Option<Registration>,

    /// How long a login lasts, such as 12h [default: 30d]
    #[arg(long, env = "BELLROPE_SESSION_TTL", value_name = "TIME")]
    pub session_ttl: Option<Ttl>,

    /// Writes that may wait for the disk; above it they are refused with `busy` [default: 8192]
    #[arg(long, env = "BELLROPE_WRITE_QUEUE", value_name = "COUNT")]
    pub write_queue: Option<Count>,

    /// Connections held open at once; above it new ones wait [default: 10000]
    #[arg(long, env = "BELLROPE_CONNECTIONS_MAX", value_name = "COUNT")]
    pub connections_max: Option<Count>,

    /// What is logged: error, warn, info, debug or trace, or a filter such as info,bellrope=debug [default: info]
    #[arg(long, env = "BELLROPE_LOG", value_name = "FILTER")]
    pub log: Option<String>,

    /// How it is logged [default: text]
    #[arg(long, env = "BELLROPE_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Data folder [default: ./bellrope_data; under systemd: $STATE_DIRECTORY]
    #[arg(long, env = "BELLROPE_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,

    /// Settings file in TOML [default: /etc/bellrope/bellrope.toml when it is there]
    #[arg(long, env = "BELLROPE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

/// Which server a command is about: the two settings every command shares.
#[expect(
    clippy::doc_markdown,
    reason = "the fields' docs are the command's help, which is plain text"
)]
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Data folder [default: ./bellrope_data; under systemd: $STATE_DIRECTORY]
    #[arg(long, env = "BELLROPE_DATA", value_name = "FOLDER", global = true)]
    pub data: Option<PathBuf>,

    /// Settings file in TOML [default: /etc/bellrope/bellrope.toml when it is there]
    #[arg(long, env = "BELLROPE_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    Closed,
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// Every setting with the value in force.
#[derive(Debug, Clone)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// `None`: wherever it comes to listen.
    pub public_url: Option<Origin>,
    pub trusted_proxy: Vec<Cidr>,
    pub allow_origin: Vec<Origin>,
    pub registration: Registration,
    pub session_ttl: Duration,
    pub write_queue: usize,
    pub connections_max: usize,
    pub log: String,
    pub log_format: LogFormat,
    /// The same once more, for people.
    pub shown: Vec<Shown>,
}

/// One setting as `bellrope config` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    pub name: &'static str,
    pub value: serde_json::Value,
    pub source: String,
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
            matches,
            path,
            shown: Vec::new(),
        };

        let state = std::env::var_os("STATE_DIRECTORY")
            .filter(|dirs| !dirs.is_empty())
            .map(PathBuf::from);
        let (fallback, fallback_source) = match state {
            // systemd joins several with colons; the first is ours.
            Some(dirs) => (
                PathBuf::from(dirs.to_string_lossy().split(':').next().unwrap_or_default()),
                "environment STATE_DIRECTORY",
            ),
            None => (PathBuf::from("./bellrope_data"), "default"),
        };
        let data = layers.pick("data", given.data, file.data, || fallback);
        if let Some(shown) = layers
            .shown
            .last_mut()
            .filter(|shown| shown.source == "default")
        {
            fallback_source.clone_into(&mut shown.source);
        }
        let default = SocketAddr::from(([127, 0, 0, 1], 8888));
        let listen = layers
            .pick("listen", given.listen, file.listen, || Listen(default))
            .0;
        let own = Origin::of_address(listen);
        let named = given.public_url.is_some() || file.public_url.is_some();
        let public_url = layers.pick("public-url", given.public_url, file.public_url, || own);
        let config = Self {
            data,
            listen,
            public_url: named.then_some(public_url),
            trusted_proxy: layers.pick(
                "trusted-proxy",
                given.trusted_proxy,
                file.trusted_proxy,
                Vec::new,
            ),
            allow_origin: layers.pick(
                "allow-origin",
                given.allow_origin,
                file.allow_origin,
                Vec::new,
            ),
            registration: layers.pick(
                "registration",
                given.registration,
                file.registration,
                || Registration::Closed,
            ),
            session_ttl: layers
                .pick("session-ttl", given.session_ttl, file.session_ttl, || {
                    Ttl(Duration::from_hours(24 * 30))
                })
                .0,
            write_queue: layers
                .pick("write-queue", given.write_queue, file.write_queue, || {
                    Count(8192)
                })
                .0,
            connections_max: layers
                .pick(
                    "connections-max",
                    given.connections_max,
                    file.connections_max,
                    || Count(10_000),
                )
                .0,
            log: layers.pick("log", given.log, file.log, || "info".to_owned()),
            log_format: layers.pick("log-format", given.log_format, file.log_format, || {
                LogFormat::Text
            }),
            shown: layers.shown,
        };
        config
            .log
            .parse::<tracing_subscriber::EnvFilter>()
            .with_context(|| format!("`log` = `{}` is no filter; try info or debug", config.log))?;
        Ok(config)
    }
}

struct Layers<'a> {
    matches: &'a ArgMatches,
    path: Option<PathBuf>,
    shown: Vec<Shown>,
}

impl Layers<'_> {
    fn pick<T: Serialize>(
        &mut self,
        name: &'static str,
        given: Option<T>,
        file: Option<T>,
        default: impl FnOnce() -> T,
    ) -> T {
        let flag_id = name.replace('-', "_");
        let by_flag = || {
            let source = self.matches.try_contains_id(&flag_id).unwrap_or(false);
            source && self.matches.value_source(&flag_id) == Some(ValueSource::CommandLine)
        };
        let (value, source) = match (given, file) {
            (Some(value), _) if by_flag() => (value, format!("flag --{name}")),
            (Some(value), _) => (
                value,
                format!("environment BELLROPE_{}", flag_id.to_uppercase()),
            ),
            (None, Some(value)) => {
                let path = self.path.as_deref().unwrap_or(Path::new("?"));
                (value, format!("file {}", path.display()))
            }
            (None, None) => (default(), "default".to_owned()),
        };
        let shown = serde_json::to_value(&value).unwrap_or_default();
        self.shown.push(Shown {
            name,
            value: shown,
            source,
        });
        value
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
        .with_context(|| format!("cannot use the settings file {}", path.display()))?;
    Ok((settings, Some(path.to_owned())))
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
        if !is_known && !NOT_SETTINGS.contains(&name) {
            bail!(
                "the environment has {name}, which is no setting; `bellrope serve --help` lists them"
            );
        }
    }
    Ok(())
}
