//! `bellrope serve`: run until told to stop.

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
    println!(
        "Bellrope {} listens on http://{}",
        env!("CARGO_PKG_VERSION"),
        server.address
    );
    if let Some(token) = &server.setup_token {
        println!("There is no administrator yet. Make one within 30 minutes at");
        println!("  {}/setup#{token}", server.public_url);
        println!("or with");
        println!(
            "  bellrope user add NAME --role admin --data {}",
            config.data.display()
        );
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}
