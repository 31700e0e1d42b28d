//! What a person may set, in the words of the command line and of the settings file.

use std::path::PathBuf;

use clap::{Args, FromArgMatches as _, ValueEnum};
use serde::{Deserialize, Serialize};

use super::forum::{Algorithm, FileName, Jwks, Secret};
use super::value::{Age, Cidr, Count, Every, LOG_CHANGES_MAX, Listen, Maybe, Origin, Ttl};

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

    /// Address and port of /metrics, /healthz and /readyz alone, for anybody who reaches it [default: none]
    #[arg(long, env = "BELLROPE_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<Maybe<Listen>>,

    /// A file with the certificate, and those that vouch for it below it, in PEM; read again when it changes
    #[arg(long, env = "BELLROPE_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<Maybe<FileName>>,

    /// A file with the certificate's private key, in PEM
    #[arg(long, env = "BELLROPE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<Maybe<FileName>>,

    /// Where members reach this server, for links and for its own pages' origin [default: http(s)://LISTEN]
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

    /// Sockets without a member that one address holds; an IPv6 /64 counts as one [default: 256]
    #[arg(long, env = "BELLROPE_STRANGERS_PER_ADDRESS", value_name = "COUNT")]
    pub strangers_per_address: Option<Count>,

    /// Sockets one member holds at once; a newer one takes the place of the oldest [default: 200]
    #[arg(long, env = "BELLROPE_SOCKETS_PER_MEMBER", value_name = "COUNT")]
    pub sockets_per_member: Option<Count>,

    /// Recipients a second that one API key publishes to, of half a minute at once [default: 20000]
    #[arg(long, env = "BELLROPE_KEY_RATE", value_name = "COUNT")]
    pub key_rate: Option<Count>,

    /// Where the forum is: what a notification's path is resolved against
    #[arg(long, env = "BELLROPE_FORUM_URL", value_name = "URL")]
    pub forum_url: Option<Maybe<Origin>>,

    /// Secret the forum signs its members' tokens with (HS256), 32 bytes at least; or put it into a file
    /// and that file's name into BELLROPE_FORUM_SECRET_FILE, which other users of the machine cannot see
    #[arg(long, env = "BELLROPE_FORUM_SECRET", value_name = "SECRET")]
    pub forum_secret: Option<Maybe<Secret>>,

    /// File with the public key, in PEM, of the forum's tokens
    #[arg(long, env = "BELLROPE_FORUM_KEY", value_name = "FILE")]
    pub forum_key: Option<Maybe<FileName>>,

    /// Key set (JWKS) of the forum's tokens: a file, or an https address
    #[arg(long, env = "BELLROPE_FORUM_JWKS", value_name = "FILE|URL")]
    pub forum_jwks: Option<Maybe<Jwks>>,

    /// How the forum signs with its key: RS256, ES256 or EdDSA
    #[arg(long, env = "BELLROPE_FORUM_ALGORITHM", value_name = "ALGORITHM")]
    pub forum_algorithm: Option<Maybe<Algorithm>>,

    /// What the forum's tokens have as `iss`
    #[arg(long, env = "BELLROPE_FORUM_ISSUER", value_name = "TEXT")]
    pub forum_issuer: Option<Maybe<String>>,

    /// What the forum's tokens have as `aud`, or among it
    #[arg(long, env = "BELLROPE_FORUM_AUDIENCE", value_name = "TEXT")]
    pub forum_audience: Option<Maybe<String>>,

    /// Changes of an inbox a member who was away can catch up with one by one [default: 1000]
    #[arg(long, env = "BELLROPE_LOG_CHANGES_MAX", value_name = "COUNT")]
    pub log_changes_max: Option<Count<LOG_CHANGES_MAX>>,

    /// How long such a change is kept for that, such as 7d [default: 7d]
    #[arg(long, env = "BELLROPE_LOG_AGE_MAX", value_name = "TIME")]
    pub log_age_max: Option<Age>,

    /// Items an inbox keeps; above it the oldest read ones go first [default: 1000]
    #[arg(long, env = "BELLROPE_INBOX_ITEMS_MAX", value_name = "COUNT")]
    pub inbox_items_max: Option<Count>,

    /// How long an inbox keeps an item, such as 90d [default: 90d]
    #[arg(long, env = "BELLROPE_INBOX_AGE_MAX", value_name = "TIME")]
    pub inbox_age_max: Option<Age>,

    /// How often the server makes a backup by itself, such as 1d [default: never]
    #[arg(long, env = "BELLROPE_BACKUP_EVERY", value_name = "TIME")]
    pub backup_every: Option<Maybe<Every>>,

    /// How many of those are kept; the oldest goes when a new one is whole [default: 7]
    #[arg(long, env = "BELLROPE_BACKUP_KEEP", value_name = "COUNT")]
    pub backup_keep: Option<Count>,

    /// Where they are kept [default: backups/ in the data folder]
    #[arg(long, env = "BELLROPE_BACKUP_FOLDER", value_name = "FOLDER")]
    pub backup_folder: Option<Maybe<FileName>>,

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

impl Settings {
    /// What the environment says, for commands whose flags are their own.
    #[must_use]
    pub fn of_environment() -> Self {
        let command = Self::augment_args(clap::Command::new("environment")).no_binary_name(true);
        let matches = command.get_matches_from::<_, &str>([]);
        Self::from_arg_matches(&matches).unwrap_or_default()
    }
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
