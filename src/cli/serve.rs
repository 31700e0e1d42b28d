//! `bellrope serve`: run until told to stop.

use std::io::Write as _;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::domain::clock::Clock;
use crate::serve;

pub async fn run(config: &Config) -> Result<()> {
    // Before anything is opened: a stop during the start is a stop.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = serve::start(config, Clock::default()).await?;
    if let Err(error) = greet(config, &server) {
        // Whoever started it has gone; members have not.
        tracing::debug!(%error, "nobody read the greeting");
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}

fn greet(config: &Config, server: &serve::Server) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "Bellrope {} listens on http://{}",
        env!("CARGO_PKG_VERSION"),
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
