//! `bellrope import`: an export becomes the database.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use super::backup::contents;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::serve::import::import;

#[derive(Args)]
pub struct Choice {
    /// What `bellrope export` wrote; - for standard input
    file: PathBuf,
}

pub fn run(config: &Config, choice: &Choice) -> Result<()> {
    let (lines, shown): (Box<dyn BufRead>, _) = if choice.file == Path::new("-") {
        (Box::new(io::stdin().lock()), "what came in".to_owned())
    } else {
        let shown = choice.file.display().to_string();
        let file = File::open(&choice.file);
        let file = file.with_context(|| format!("cannot read {shown}"))?;
        (Box::new(BufReader::new(file)), shown)
    };
    let imported = import(&config.data, lines, &shown, &Clock::default())?;
    let (counts, at) = (contents(&imported.counts), &imported.exported_at);
    eprintln!("Imported {counts}, as of {at}.");
    if let Some(previous) = &imported.previous {
        eprintln!(
            "The database that was there had no members; it is kept as {}.",
            previous.display()
        );
    }
    eprintln!("Clients load their inboxes afresh: the database has a new epoch.");
    Ok(())
}
