//! `bellrope bench`: a load for a server of one's own, and what it made of it.

mod connect;
mod crowd;
mod event;
mod fanout;
pub(super) mod frame;
mod ground;
mod idle;
mod insert;
mod pace;
mod push;
mod replay;
mod report;
mod socket;
mod watch;

use std::fs;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, encoded};
use crate::config::Config;
use ground::{Ground, Needs, Size, Target};
use report::Report;

#[derive(Subcommand)]
pub enum Command {
    /// How many members a second come in, and how long it takes them
    Connect(Asked<()>),
    /// What sockets cost that nobody says anything to
    ///
    /// Memory that a server once had is used again, so start it anew for this.
    Idle(Asked<idle::Options>),
    /// How long a push takes at a steady rate, counted from when it was due
    Push(Asked<push::Options>),
    /// How many durable changes a second callers get done that each wait for an answer
    Insert(Asked<insert::Options>),
    /// One notification to every socket, again and again
    Fanout(Asked<fanout::Options>),
    /// How long members who were away wait for what happened meanwhile
    Replay(Asked<replay::Options>),
}

#[derive(Args)]
pub struct Asked<Options: Args> {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    size: Size,
    #[command(flatten)]
    options: Options,
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    // Sleeps end when they should, and not up to 50 us later, as Linux does to save power. Where it
    // does not let us, latencies hold that much of our own.
    let _ = fs::write("/proc/self/timerslack_ns", "1");
    super::runtime()?.block_on(async {
        match command {
            Command::Connect(asked) => {
                let run = async |ground: &_, size: &_, (): &_| connect::run(ground, size).await;
                measure(config, asked, Needs::Members, run).await
            }
            Command::Idle(asked) => measure(config, asked, Needs::Members, idle::run).await,
            Command::Push(asked) => {
                let needs = match asked.options.send {
                    push::What::Insert => Needs::Members,
                    push::What::Durable | push::What::Transient => Needs::Key,
                };
                measure(config, asked, needs, push::run).await
            }
            Command::Insert(asked) => measure(config, asked, Needs::Members, insert::run).await,
            Command::Fanout(asked) => measure(config, asked, Needs::Key, fanout::run).await,
            Command::Replay(asked) => measure(config, asked, Needs::Key, replay::run).await,
        }
    })
}

/// Makes ready, runs, puts back what was made, and tells.
async fn measure<Options: Args>(
    config: &Config,
    asked: Asked<Options>,
    needs: Needs,
    run: impl AsyncFnOnce(&Arc<Ground>, &Size, &Options) -> Result<Report>,
) -> Result<(), Failure> {
    let Asked {
        target,
        size,
        options,
    } = asked;
    // Before anything is made: whoever stops a run does not want to be left with its members.
    let mut interrupt = signal(SignalKind::interrupt()).context("no signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("no signals")?;
    let ground = Arc::new(Ground::prepare(config, &target, &size, needs).await?);
    let ran = tokio::select! {
        ran = run(&ground, &size, &options) => ran,
        _ = interrupt.recv() => Err(anyhow!("it was interrupted")),
        _ = terminate.recv() => Err(anyhow!("it was stopped")),
    };
    let cleared = ground.clear().await;
    let report = match (ran, &cleared) {
        (Ok(report), _) => report,
        (Err(error), Ok(())) => return Err(error.into()),
        (Err(error), Err(left)) => return Err(error.context(format!("{left:#}")).into()),
    };
    if target.json {
        report.print_json()?;
    } else {
        report.print()?;
    }
    cleared.context("it ran, but")?;
    if !report.faults.is_empty() {
        return Err(anyhow!("{}", report.faults.join("; ")).into());
    }
    Ok(())
}

/// How long a run may take.
fn seconds() -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(1..=3600)
}
