//! `bellrope bench replay`: how long a member who was away waits for what happened meanwhile.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::crowd::Crowd;
use super::event::{self, Keep};
use super::ground::{Ground, Size};
use super::report::Report;
use super::socket::Cursor;
use super::watch::Watch;
use crate::config::Count;

#[derive(Args)]
pub struct Options {
    /// How many changes each member missed
    #[arg(long, value_name = "COUNT", default_value = "100")]
    behind: Count<1000>,
}

pub async fn run(ground: &Arc<Ground>, size: &Size, options: &Options) -> Result<Report> {
    let mut report = Report::new("replay", &ground.url);
    let before = Crowd::open(ground, size).await?;
    let ids = before.ids();
    let cursors = before
        .ready
        .iter()
        .take(before.members)
        .map(|ready| Cursor {
            epoch: ready.epoch.clone(),
            since: ready.seq,
        });
    let cursors = cursors.collect();
    drop(before);
    let mut caller = ground.caller().await?;
    event::try_key(&mut caller, &ground.key, &ids[0]).await?;
    let behind = options.behind.0;
    for number in 0..behind as u64 {
        let body = event::notification(&ids, number, Keep::Durable);
        event::publish(&mut caller, &ground.key, body).await?;
    }
    let watch = Watch::start(ground.process.as_ref())?;
    let after = Crowd::open_behind(ground, size, cursors).await?;
    let sockets = after.len() as u64;
    report.count("sockets", sockets);
    report.count("members", after.members as u64);
    report.count("behind", behind as u64);
    let afresh = after.ready.iter().filter(|ready| !ready.recovered);
    report.fault(
        "afresh",
        afresh.count() as u64,
        "members were sent to load their inbox afresh: the server's log or its 256 KiB end before; give fewer --behind",
    );
    let told = after.ready.iter().filter(|ready| ready.recovered);
    let odd = told.filter(|ready| ready.changes.len() != behind);
    report.fault(
        "odd",
        odd.count() as u64,
        "members were told more or less than they missed",
    );
    report.rate("replays_a_second", sockets, after.time);
    report.rate("changes_a_second", sockets * behind as u64, after.time);
    report.latency("ready_us", &after.latency);
    let each = ("server_cpu_us_a_replay", sockets);
    watch.end(&mut report, Some(each)).await?;
    Ok(report)
}
