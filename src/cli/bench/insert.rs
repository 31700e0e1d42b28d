//! `bellrope bench insert`: how many durable changes a second callers get done that do not wait for
//! each other, each of them pushed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use tokio::task::JoinSet;

use super::crowd::Crowd;
use super::event;
use super::ground::{Ground, Size};
use super::pace;
use super::report::{Latency, Report, Tally};
use super::seconds;
use super::watch::Watch;
use crate::cli::caller::Caller;
use crate::config::Count;

/// After a refusal: asking again at once helps nobody.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Args)]
pub struct Options {
    /// How many press ADD AGE (/api/insert), each again once it is answered
    #[arg(long, value_name = "COUNT", default_value = "64")]
    callers: Count<1024>,
    /// For how long
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = seconds())]
    seconds: u64,
}

/// What the callers and the sockets share. Press `n` is member `n % members`'s.
struct Insert {
    ground: Arc<Ground>,
    end: Instant,
    pressed: AtomicU64,
    /// Presses that were answered, by member.
    counted: Vec<AtomicU64>,
    heard: Vec<Heard>,
    failed: Tally,
    answer: Latency,
}

/// What a socket heard. Ages are never nought.
#[derive(Default)]
struct Heard {
    first: AtomicU64,
    last: AtomicU64,
    count: AtomicU64,
    /// Numbers that did not follow the one before.
    jumps: AtomicU64,
}

pub async fn run(ground: &Arc<Ground>, size: &Size, options: &Options) -> Result<Report> {
    let mut report = Report::new("insert", &ground.url);
    let crowd = Crowd::open(ground, size).await?;
    let callers = ground.callers(options.callers.0).await?;
    report.count("sockets", crowd.len() as u64);
    report.count("members", crowd.members as u64);
    report.count("callers", callers.len() as u64);
    let (mut counted, mut heard) = (Vec::new(), Vec::new());
    counted.resize_with(crowd.members, AtomicU64::default);
    heard.resize_with(crowd.len(), Heard::default);
    let watch = Watch::start(ground.process.as_ref())?;
    let insert = Arc::new(Insert {
        ground: Arc::clone(ground),
        end: Instant::now() + Duration::from_secs(options.seconds),
        pressed: AtomicU64::new(0),
        counted,
        heard,
        failed: Tally::default(),
        answer: Latency::new()?,
    });
    let ear = Arc::clone(&insert);
    let listening = crowd.listen(move |socket, event| ear.hear(socket, event));
    let mut tasks = JoinSet::new();
    for (number, caller) in callers.into_iter().enumerate() {
        tasks.spawn(Arc::clone(&insert).call(number, caller));
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    let time = watch.elapsed();
    pace::until(|| insert.is_over()).await;
    let until_heard = watch.elapsed();
    listening.report(&mut report);
    insert.report(&mut report, time, until_heard);
    let each = ("server_cpu_us_a_push", insert.heard());
    watch.end(&mut report, Some(each)).await?;
    Ok(report)
}

impl Insert {
    async fn call(self: Arc<Self>, number: usize, mut caller: Caller) {
        while Instant::now() < self.end {
            let press = self.pressed.fetch_add(1, Ordering::Relaxed);
            let member = usize::try_from(press).unwrap_or(usize::MAX) % self.counted.len();
            let began = Instant::now();
            match event::insert(&mut caller, &self.ground.tokens[member]).await {
                Ok(()) => {
                    self.answer.note(number, began.elapsed());
                    self.counted[member].fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    self.failed.note(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn hear(&self, socket: usize, event: &[u8]) {
        let Some(age) = event::age(event) else { return };
        let heard = &self.heard[socket];
        let last = heard.last.swap(age, Ordering::Relaxed);
        if last == 0 {
            heard.first.store(age, Ordering::Relaxed);
        } else if age != last + 1 {
            heard.jumps.fetch_add(1, Ordering::Relaxed);
        }
        heard.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether each socket has heard its last number. How many it heard does not tell: one that came
    /// twice would stand for one that is under way.
    fn is_over(&self) -> bool {
        self.heard.iter().enumerate().all(|(socket, heard)| {
            let last = heard.last.load(Ordering::Relaxed);
            let numbers = last + 1 - heard.first.load(Ordering::Relaxed);
            let expected = self.counted(socket % self.counted.len());
            expected == 0 || last > 0 && numbers >= expected
        })
    }

    fn counted(&self, member: usize) -> u64 {
        self.counted[member].load(Ordering::Relaxed)
    }

    /// Numbers that all the sockets heard.
    fn heard(&self) -> u64 {
        let counts = self
            .heard
            .iter()
            .map(|heard| heard.count.load(Ordering::Relaxed));
        counts.sum()
    }

    fn report(&self, report: &mut Report, time: Duration, until_heard: Duration) {
        let inserts = (0..self.counted.len())
            .map(|member| self.counted(member))
            .sum();
        let (mut jumps, mut missing, mut more) = (0, 0, 0);
        for (socket, heard) in self.heard.iter().enumerate() {
            let expected = self.counted(socket % self.counted.len());
            let count = heard.count.load(Ordering::Relaxed);
            missing += expected.saturating_sub(count);
            more += count.saturating_sub(expected);
            jumps += heard.jumps.load(Ordering::Relaxed);
        }
        report.count("inserts", inserts);
        report.tally("failed", &self.failed, "inserts were not counted");
        let heard = self.heard();
        report.count("heard", heard);
        report.fault("missing", missing, "numbers did not arrive");
        report.fault(
            "out_of_order",
            jumps,
            "numbers did not follow the one before",
        );
        // One that was not answered may have been counted all the same.
        if self.failed.count() > 0 {
            more = 0;
        }
        report.fault(
            "too_many",
            more,
            "numbers arrived that nobody had asked for",
        );
        report.rate("inserts_a_second", inserts, time);
        report.rate("pushes_a_second", heard, until_heard);
        report.latency("answer_us", &self.answer);
    }
}
