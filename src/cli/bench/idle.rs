//! `bellrope bench idle`: what sockets cost that nobody says anything to.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::crowd::Crowd;
use super::ground::{Ground, Size};
use super::report::{Report, as_f64};
use super::seconds;
use super::watch::{Process, Watch};

#[derive(Args)]
pub struct Options {
    /// How long they stay
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = seconds())]
    seconds: u64,
}

pub async fn run(ground: &Arc<Ground>, size: &Size, options: &Options) -> Result<Report> {
    let mut report = Report::new("idle", &ground.url);
    let resident = || {
        ground
            .process
            .as_ref()
            .map(Process::resident_bytes)
            .transpose()
    };
    let before = resident()?;
    let own_before = Process::own().resident_bytes()?;
    let crowd = Crowd::open(ground, size).await?;
    let sockets = crowd.len() as u64;
    report.count("sockets", sockets);
    report.count("members", crowd.members as u64);
    let listening = crowd.listen(|_, _| {});
    let watch = Watch::start(ground.process.as_ref())?;
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    listening.report(&mut report);
    if let (Some(before), Some(after)) = (before, resident()?) {
        report.number("server_mib_before", as_f64(before) / 1024.0 / 1024.0);
        report.number("server_mib", as_f64(after) / 1024.0 / 1024.0);
        report.number("server_kib_a_socket", grown_kib(before, after, sockets));
    }
    let own = Process::own().resident_bytes()?;
    report.number("own_kib_a_socket", grown_kib(own_before, own, sockets));
    watch.end(&mut report, None).await?;
    Ok(report)
}

fn grown_kib(before: u64, after: u64, sockets: u64) -> f64 {
    (as_f64(after) - as_f64(before)) / 1024.0 / as_f64(sockets)
}
