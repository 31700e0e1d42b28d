//! `bellrope export`: everything a person would take along, as lines of JSON.

use std::io::{BufReader, Read};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tokio::sync::mpsc;

use super::backup::{PIECES_MAX, Target, contents};
use super::control::{Control, IfMissing};
use crate::config::Config;
use crate::domain::backup::Counts;
use crate::domain::clock;
use crate::domain::export::line::Line;
use crate::domain::import::Lines;

#[derive(Args)]
pub struct Choice {
    /// Where to write it: lines of JSON that only you can read; - for standard output
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub async fn run(config: &Config, choice: Choice) -> Result<()> {
    let target = Target::new(&choice.file, choice.force)?;
    let control = Control::open(config, IfMissing::Refuse).await?;
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    // It is read through on the way, so that what is on disk is known to be whole.
    let written = tokio::task::spawn_blocking(move || target.take("export", receiver, read));
    let asked = control.download("/export", sender).await;
    let written = written.await?;
    asked?;
    let (counts, exported_at) = written?;
    eprintln!("{}, as of {exported_at}.", contents(&counts));
    Ok(())
}

fn read(from: &mut dyn Read) -> Result<(Counts, String)> {
    let mut lines = Lines::new(BufReader::new(from))?;
    let mut counts = Counts::default();
    for line in &mut lines {
        match line?.1 {
            Line::Account(_) => counts.accounts += 1,
            Line::Member(member) => counts.members += u64::from(!member.left),
            Line::Item(_) => counts.notifications += 1,
            _ => {}
        }
    }
    Ok((counts, clock::shown(lines.header.exported_at.0)))
}
