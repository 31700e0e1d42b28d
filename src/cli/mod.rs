//! The command line. Results on stdout, talk on stderr; 0 done, 1 refused or failed, 2 wrong usage.

mod backup;
mod bench;
mod caller;
mod check;
mod config;
mod control;
mod doctor;
mod export;
mod import;
mod key;
mod manual;
mod notify;
mod restore;
mod serve;
mod token;
mod user;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::Value;
use tracing::Level;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Config, LogFormat, Place, Settings};
use crate::domain::forum::Forum;

/// Lines of log that wait for whoever reads it: some megabytes at most.
const LOG_LINES_MAX: usize = 16_384;

/// What the manual says below the commands.
const EPILOGUE: &str = "\
A setting is taken from its flag, else from its environment variable, else from the settings file, else it has its default; \
`bellrope config` tells which. Results are written to stdout, talk to stderr.

Exit status: 0 done, 1 refused or failed, 2 wrong usage.

Files: /etc/bellrope/bellrope.toml, the settings, where there is one; ./bellrope_data, under systemd /var/lib/bellrope, the \
database and the secrets.";

/// Pushes to a forum's member, in real time and without loss, what happened to them
#[derive(Parser)]
#[command(
    name = "bellrope",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_long_help = EPILOGUE
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve {
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Print each setting's value in force, and where it came from
    Config {
        #[command(flatten)]
        settings: Box<Settings>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Manage accounts, whether the server runs or not
    User {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: user::Command,
    },
    /// Manage API keys, whether the server runs or not
    Key {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: key::Command,
    },
    /// Make or check a member's token
    Token {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: token::Command,
    },
    /// Publish a notification
    Notify {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        notification: Box<notify::Notification>,
    },
    /// Write everything as it is now into one file, whether the server runs or not
    Backup {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        choice: backup::Choice,
    },
    /// Put a backup into the data folder; the server must be stopped
    Restore {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        choice: restore::Choice,
    },
    /// Write everything a person would take along as lines of JSON, whether the server runs or not
    Export {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        choice: export::Choice,
    },
    /// Make the database of what `bellrope export` wrote; the server must be stopped
    Import {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        choice: import::Choice,
    },
    /// Look whether every row can be read and agrees with the others; stopped, the pages' checksums too
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Give the disk what the database no longer needs; the server must be stopped
    Compact {
        #[command(flatten)]
        place: Place,
    },
    /// Find what is wrong with an installation, and say what to do
    ///
    /// Looks at the settings, the data folder and the machine, and comes to the server the way
    /// members do. It changes nothing. Give it the flags `serve` gets, if it gets any.
    Doctor {
        #[command(flatten)]
        settings: Box<Settings>,
        #[command(flatten)]
        options: doctor::Options,
    },
    /// Load a server of your own, and tell how fast it is
    ///
    /// Members and a key are made through the data folder of the server, which has to know a
    /// forum-secret, and are removed afterwards. One bench at a time.
    Bench {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: Box<bench::Command>,
    },
    /// Print the manual page
    Man {
        /// Write it and a page for each command into this folder instead, for `man` to find
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Print what completes this program's commands in a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// The command line as it is parsed and told.
fn program() -> clap::Command {
    // What is set in the environment is for `bellrope config` to tell.
    Cli::command().mut_subcommands(|command| command.mut_args(|arg| arg.hide_env_values(true)))
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let matches = program().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match run(cli, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        // `bellrope user list | head`: whoever read it has seen enough.
        Err(Failure::Other(error)) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => {
            eprintln!("bellrope: {error:#}");
            ExitCode::from(2)
        }
        Err(Failure::Other(error)) => {
            eprintln!("bellrope: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Why a command did not do it.
enum Failure {
    /// The settings make no sense: trying again without changing them is of no use.
    Usage(anyhow::Error),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

fn run(cli: Cli, matches: &ArgMatches) -> Result<(), Failure> {
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    let load = |settings| Config::load(settings, matches).map_err(Failure::Usage);
    match cli.command {
        Command::Serve { settings } => {
            let config = load(*settings)?;
            // A key that is none is wrong usage: another start would find it the same.
            if let Some(Err(wrong)) = config.forum.as_ref().map(Forum::new) {
                return Err(Failure::Usage(anyhow::Error::msg(wrong)));
            }
            let _flushed_at_the_end = log(&config);
            runtime()?.block_on(serve::run(&config))?;
        }
        Command::Config { settings, json } => config::run(&load(*settings)?, json)?,
        Command::User { place, command } => {
            runtime()?.block_on(user::run(&load(here(place))?, command))?;
        }
        Command::Key { place, command } => {
            runtime()?.block_on(key::run(&load(here(place))?, command))?;
        }
        Command::Token { place, command } => {
            runtime()?.block_on(token::run(&load(here(place))?, command))?;
        }
        Command::Notify {
            place,
            notification,
        } => runtime()?.block_on(notify::run(&load(here(place))?, *notification))?,
        Command::Backup { place, choice } => {
            runtime()?.block_on(backup::run(&load(here(place))?, choice))?;
        }
        Command::Restore { place, choice } => restore::run(&load(here(place))?, &choice)?,
        Command::Export { place, choice } => {
            runtime()?.block_on(export::run(&load(here(place))?, choice))?;
        }
        Command::Import { place, choice } => import::run(&load(here(place))?, &choice)?,
        Command::Check { place } => runtime()?.block_on(check::run(&load(here(place))?))?,
        Command::Compact { place } => check::compact(&load(here(place))?)?,
        Command::Doctor { settings, options } => {
            let config = Config::load(*settings, matches);
            runtime()?.block_on(doctor::run(config, options))?;
        }
        Command::Bench { place, command } => bench::run(&load(here(place))?, *command)?,
        Command::Man { folder } => manual::pages(program(), folder.as_deref())?,
        Command::Completions { shell } => manual::completions(program(), shell)?,
    }
    Ok(())
}

/// The settings of a command that asks a server, and what it says on the way: the cause of a
/// failure is logged, and its code is the answer.
fn here(place: Place) -> Settings {
    tracing_subscriber::fmt()
        .with_max_level(Level::ERROR)
        .with_writer(std::io::stderr)
        .init();
    Settings {
        data: place.data,
        config: place.config,
        ..Settings::of_environment()
    }
}

/// A text field of an answer.
fn shown<'a>(answer: &'a Value, field: &str) -> &'a str {
    answer[field].as_str().unwrap_or_default()
}

/// A name as a path segment.
fn encoded(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

/// Logs to stderr, so that stdout stays for results; through a thread of its own, because a reader
/// of the log that stops reading must not stop the server. Then lines are lost, and nothing else.
fn log(config: &Config) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LOG_LINES_MAX)
        .lossy(true)
        .finish(std::io::stderr());
    // Checked when the settings were read.
    let filter = EnvFilter::new(&config.log);
    // Below `info` the libraries print what they read, and members' tokens are in it.
    let only_ours =
        filter_fn(|line| line.target().starts_with("bellrope") || *line.level() <= Level::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(only_ours).with_filter(filter))
        .init();
    guard
}
