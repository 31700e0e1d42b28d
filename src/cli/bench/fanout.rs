//! `bellrope bench fanout`: one notification to everybody who is there, again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::crowd::Crowd;
use super::event::{self, Keep};
use super::ground::{Ground, Size};
use super::pace::LATE_MAX;
use super::report::{Latency, Report, Tally};
use super::seconds;
use super::watch::Watch;
use crate::cli::caller::Caller;
use crate::config::Count;

/// Members that one call may name.
const RECIPIENTS_MAX: usize = 10_000;

#[derive(Args)]
pub struct Options {
    /// How many are on their way at the same time; the next follows once every socket heard one
    #[arg(long, value_name = "COUNT", default_value = "1")]
    in_flight: Count<64>,
    /// For how long
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = seconds())]
    seconds: u64,
    /// What is sent
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = What::Transient)]
    send: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Notifications, answered once they are on disk
    Durable,
    /// Notifications that are told and not kept
    Transient,
    /// The same to `"*"`: whoever else has a socket open gets them too
    Everyone,
}

/// How a notification says whom it is for.
#[derive(Serialize)]
#[serde(untagged)]
enum To {
    Members(Vec<String>),
    Everyone(&'static str),
}

/// What the callers and the sockets share. Notification `n` is flight `n % flights`'s.
struct Fanout {
    ground: Arc<Ground>,
    end: Instant,
    keep: Keep,
    to: To,
    sockets: u64,
    flights: Vec<Flight>,
    heard: AtomicU64,
    /// Notifications that every socket heard.
    whole: AtomicU64,
    failed: Tally,
    strays: AtomicU64,
    /// From the call to the last socket.
    latency: Latency,
}

/// One notification that is on its way.
#[derive(Default)]
struct Flight {
    number: AtomicU64,
    heard: AtomicU64,
    all: Notify,
}

pub async fn run(ground: &Arc<Ground>, size: &Size, options: &Options) -> Result<Report> {
    let mut report = Report::new("fanout", &ground.url);
    let crowd = Crowd::open(ground, size).await?;
    let (sockets, members) = (crowd.len() as u64, crowd.members);
    ensure!(
        members <= RECIPIENTS_MAX,
        "one call names {RECIPIENTS_MAX} members at most, not {members}; give more --sockets-each"
    );
    let ids = crowd.ids();
    let mut callers = ground.callers(options.in_flight.0).await?;
    event::try_key(&mut callers[0], &ground.key, &ids[0]).await?;
    report.count("sockets", sockets);
    report.count("members", members as u64);
    report.count("in_flight", callers.len() as u64);
    let watch = Watch::start(ground.process.as_ref())?;
    let mut flights = Vec::new();
    flights.resize_with(callers.len(), Flight::default);
    let fanout = Arc::new(Fanout {
        ground: Arc::clone(ground),
        end: Instant::now() + Duration::from_secs(options.seconds),
        keep: match options.send {
            What::Durable => Keep::Durable,
            What::Transient | What::Everyone => Keep::Transient,
        },
        to: match options.send {
            What::Durable | What::Transient => To::Members(ids),
            What::Everyone => To::Everyone("*"),
        },
        sockets,
        flights,
        heard: AtomicU64::new(0),
        whole: AtomicU64::new(0),
        failed: Tally::default(),
        strays: AtomicU64::new(0),
        latency: Latency::new()?,
    });
    let ear = Arc::clone(&fanout);
    let listening = crowd.listen(move |_, event| ear.hear(event));
    let mut tasks = JoinSet::new();
    for (number, caller) in callers.into_iter().enumerate() {
        tasks.spawn(Arc::clone(&fanout).call(number, caller));
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    let time = watch.elapsed();
    listening.report(&mut report);
    let heard = fanout.heard.load(Ordering::Relaxed);
    report.count("published", fanout.whole.load(Ordering::Relaxed));
    report.tally("failed", &fanout.failed, "did not reach every socket");
    report.count("heard", heard);
    let strays = fanout.strays.load(Ordering::Relaxed);
    report.fault("twice", strays, "messages arrived more than once");
    report.rate("messages_a_second", heard, time);
    report.latency("all_heard_us", &fanout.latency);
    let each = ("server_cpu_us_a_push", heard);
    watch.end(&mut report, Some(each)).await?;
    Ok(report)
}

impl Fanout {
    async fn call(self: Arc<Self>, number: usize, mut caller: Caller) {
        let flight = &self.flights[number];
        let (mut next, step) = (number as u64, self.flights.len() as u64);
        while Instant::now() < self.end {
            flight.heard.store(0, Ordering::Relaxed);
            flight.number.store(next, Ordering::Relaxed);
            let began = Instant::now();
            match self.reach_all(flight, &mut caller, next).await {
                Ok(()) => {
                    self.latency.note(number, began.elapsed());
                    self.whole.fetch_add(1, Ordering::Relaxed);
                }
                // Its stragglers would be taken for the next one's.
                Err(error) => return self.failed.note(&error),
            }
            next += step;
        }
    }

    async fn reach_all(&self, flight: &Flight, caller: &mut Caller, number: u64) -> Result<()> {
        let body = event::notification(&self.to, number, self.keep);
        event::publish(caller, &self.ground.key, body).await?;
        let all = tokio::time::timeout(LATE_MAX, flight.all.notified()).await;
        all.map_err(|_| {
            let heard = flight.heard.load(Ordering::Relaxed);
            anyhow!("only {heard} of {} sockets heard it", self.sockets)
        })
    }

    fn hear(&self, event: &[u8]) {
        let Some(number) = event::number(event) else {
            return;
        };
        let at = usize::try_from(number).unwrap_or(usize::MAX) % self.flights.len();
        let flight = &self.flights[at];
        let is_on_its_way = flight.number.load(Ordering::Relaxed) == number;
        let before = flight.heard.fetch_add(1, Ordering::Relaxed);
        if !is_on_its_way || before >= self.sockets {
            self.strays.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.heard.fetch_add(1, Ordering::Relaxed);
        if before + 1 == self.sockets {
            flight.all.notify_one();
        }
    }
}
