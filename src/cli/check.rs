//! `bellrope check` and `bellrope compact`: whether the database is sound, and how large it is.

use std::io::Write as _;

use anyhow::{Result, bail};
use hyper::Method;
use serde_json::Value;

use super::backup::counted;
use super::control::{Control, IfMissing};
use crate::config::Config;
use crate::serve::{self, Folder};

pub async fn run(config: &Config) -> Result<()> {
    let folder = Folder::existing(&config.data)?;
    let pages = if folder.is_served() {
        "the checksums of its pages can only be looked at while the server is stopped"
    } else {
        serve::check_pages(&folder)?;
        "and the checksums of its pages"
    };
    let control = Control::open(config, IfMissing::Refuse).await?;
    let report = control.ask(Method::GET, "/check", None).await?;
    let lists = [&report["unreadable"], &report["faults"]];
    let found: Vec<&str> = lists
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut out = std::io::stdout().lock();
    for sentence in &found {
        writeln!(out, "{sentence}")?;
    }
    if !found.is_empty() {
        bail!(
            "{}; a backup from before can be put in its place with `bellrope restore`",
            counted(found.len() as u64, "fault")
        );
    }
    let count = |field: &str, noun| counted(report[field].as_u64().unwrap_or_default(), noun);
    eprintln!(
        "Sound: {}, {}, {}; every row was read, {pages}.",
        count("accounts", "account"),
        count("members", "member"),
        count("notifications", "notification")
    );
    Ok(())
}

pub fn compact(config: &Config) -> Result<()> {
    let (before, after) = serve::compact(&Folder::existing(&config.data)?)?;
    eprintln!("Compacted: {} before, {} after.", size(before), size(after));
    Ok(())
}

pub fn size(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
