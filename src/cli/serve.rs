//! `bellrope serve`: run until told to stop.

use std::io::Write as _;

use anyhow::{Result, ensure};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::domain::clock::Clock;
use crate::serve;

pub async fn run(config: &Config) -> Result<()> {
    forbid_core();
    // Before anything is opened: a stop during the start is a stop.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = serve::start(config, Clock::default()).await?;
    if let Err(error) = greet(config, &server) {
        // Whoever started it has gone; members have not.
        tracing::debug!(%error, "nobody read the greeting");
    }
    let is_lost = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = server.lost() => true,
    };
    server.stop().await;
    // So that whoever looks after the service starts it anew.
    ensure!(
        !is_lost,
        "the database could not be opened anew after the disk failed; the log says why"
    );
    Ok(())
}

/// A crash leaves no core file: members' tokens and the forum's secret would be in it.
fn forbid_core() {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, nothing) {
        tracing::warn!(%error, "a crash may leave a core file, and secrets in it");
    }
}

fn greet(config: &Config, server: &serve::Server) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "Bellrope {} listens on {}://{}",
        env!("CARGO_PKG_VERSION"),
        config.scheme(),
        server.address
    )?;
    if let Some(token) = &server.setup_token {
        writeln!(
            out,
            "There is no administrator yet. Make one within 30 minutes at"
        )?;
        writeln!(out, "  {}/setup#{token}", server.public_url)?;
        writeln!(out, "or with")?;
        writeln!(
            out,
            "  bellrope user add NAME --role admin --data {}",
            config.data.display()
        )?;
    }
    Ok(())
}
