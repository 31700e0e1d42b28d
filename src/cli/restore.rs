//! `bellrope restore`: a backup becomes the database.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use super::backup::sentence;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::serve::restore::{IfThere, restore};

#[derive(Args)]
pub struct Choice {
    /// What `bellrope backup` wrote; - for standard input
    file: PathBuf,
    /// Put it in the place of a database that is there, which is kept under another name
    #[arg(long)]
    force: bool,
}

pub fn run(config: &Config, choice: &Choice) -> Result<()> {
    let (archive, shown): (Box<dyn Read>, _) = if choice.file == Path::new("-") {
        (Box::new(io::stdin().lock()), "what came in".to_owned())
    } else {
        let shown = choice.file.display().to_string();
        let file = File::open(&choice.file);
        let file = file.with_context(|| format!("cannot read {shown}"))?;
        (Box::new(file), shown)
    };
    let if_there = if choice.force {
        IfThere::Keep
    } else {
        IfThere::Refuse
    };
    let restored = restore(&config.data, archive, &shown, if_there, &Clock::default())?;
    eprintln!("Restored {}.", sentence(&restored.manifest));
    for fault in &restored.faults {
        eprintln!("It was so in the backup already: {fault}.");
    }
    if let Some(previous) = &restored.previous {
        eprintln!("The previous database is kept as {}.", previous.display());
    }
    eprintln!("Clients load their inboxes afresh: the database has a new epoch.");
    Ok(())
}
