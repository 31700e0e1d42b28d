//! `bellrope bench connect`: how many members a second come in.

use std::sync::Arc;

use anyhow::Result;

use super::crowd::Crowd;
use super::ground::{Ground, Size};
use super::report::Report;
use super::watch::Watch;

pub async fn run(ground: &Arc<Ground>, size: &Size) -> Result<Report> {
    let mut report = Report::new("connect", &ground.url);
    // Nobody has seen these members before, which the server writes down.
    let first = Crowd::open(ground, size).await?;
    report.rate("first_connects_a_second", first.len() as u64, first.time);
    drop(first);
    let watch = Watch::start(ground.process.as_ref())?;
    let crowd = Crowd::open(ground, size).await?;
    let sockets = crowd.len() as u64;
    report.count("sockets", sockets);
    report.count("members", crowd.members as u64);
    report.rate("connects_a_second", sockets, crowd.time);
    report.latency("ready_us", &crowd.latency);
    let each = ("server_cpu_us_a_connect", sockets);
    watch.end(&mut report, Some(each)).await?;
    Ok(report)
}
