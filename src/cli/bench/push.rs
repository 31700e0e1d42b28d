//! `bellrope bench push`: how long a push takes at a steady rate, from when it was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use tokio::task::JoinSet;

use super::crowd::Crowd;
use super::event::{self, Keep};
use super::ground::{Ground, Size};
use super::pace::{self, Pace};
use super::report::{Latency, Report, Tally};
use super::seconds;
use super::watch::Watch;
use crate::cli::caller::Caller;
use crate::config::Count;

/// Pushes of one run: each is remembered, so that none is missed and none heard twice.
const PUSHES_MAX: u64 = 20_000_000;

#[derive(Args)]
pub struct Options {
    /// How many are due a second
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    rate: Count<100_000>,
    /// For how long
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = seconds())]
    seconds: u64,
    /// What is sent
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = What::Durable)]
    pub send: What,
    /// How many may be asked for at the same time
    #[arg(long, value_name = "COUNT", default_value = "64")]
    callers: Count<1024>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Notifications, answered once they are on disk
    Durable,
    /// Notifications that are told and not kept
    Transient,
    /// Presses of ADD AGE (/api/insert), which every server with the demo's contract has
    Insert,
}

/// What the callers and the sockets share. Beat `n` is for member `n % members`.
struct Push {
    ground: Arc<Ground>,
    send: What,
    pace: Arc<Pace>,
    members: usize,
    ids: Vec<String>,
    sockets_each: Vec<u64>,
    beats: Vec<Beat>,
    /// Pushes that have to arrive, and those that did.
    expected: AtomicU64,
    heard: AtomicU64,
    /// The first age each socket heard; an age is never nought.
    first: Vec<AtomicU64>,
    failed: Tally,
    /// From when it was due to a socket.
    arrival: Latency,
    answer: Latency,
    /// From when it was due to when it was sent.
    late: Latency,
}

#[derive(Default)]
struct Beat {
    is_accepted: AtomicBool,
    heard: AtomicU32,
}

pub async fn run(ground: &Arc<Ground>, size: &Size, options: &Options) -> Result<Report> {
    let beats = options.rate.0 as u64 * options.seconds;
    ensure!(
        beats <= PUSHES_MAX,
        "{beats} pushes are more than one run remembers ({PUSHES_MAX}); give a lower --rate or fewer --seconds"
    );
    let mut report = Report::new("push", &ground.url);
    let crowd = Crowd::open(ground, size).await?;
    let ids = crowd.ids();
    let mut callers = ground.callers(options.callers.0).await?;
    if options.send != What::Insert {
        event::try_key(&mut callers[0], &ground.key, &ids[0]).await?;
    }
    report.count("sockets", crowd.len() as u64);
    report.count("members", crowd.members as u64);
    let mut beats_heard = Vec::new();
    beats_heard.resize_with(usize::try_from(beats)?, Beat::default);
    let mut first = Vec::new();
    first.resize_with(crowd.len(), AtomicU64::default);
    let watch = Watch::start(ground.process.as_ref())?;
    let push = Arc::new(Push {
        ground: Arc::clone(ground),
        send: options.send,
        pace: Pace::start(options.rate.0 as u64, options.seconds),
        members: crowd.members,
        ids,
        sockets_each: crowd.sockets_each(),
        beats: beats_heard,
        expected: AtomicU64::new(0),
        heard: AtomicU64::new(0),
        first,
        failed: Tally::default(),
        arrival: Latency::new()?,
        answer: Latency::new()?,
        late: Latency::new()?,
    });
    let ear = Arc::clone(&push);
    let listening = crowd.listen(move |socket, event| ear.hear(socket, event));
    let mut tasks = JoinSet::new();
    for (number, caller) in callers.into_iter().enumerate() {
        tasks.spawn(Arc::clone(&push).call(number, caller));
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    let time = watch.elapsed();
    pace::until(|| push.heard.load(Ordering::Relaxed) >= push.expected.load(Ordering::Relaxed))
        .await;
    listening.report(&mut report);
    push.report(&mut report);
    report.rate("sent_a_second", push.pace.taken(), time);
    let heard = push.heard.load(Ordering::Relaxed);
    let each = ("server_cpu_us_a_push", heard);
    watch.end(&mut report, Some(each)).await?;
    Ok(report)
}

impl Push {
    /// Sends whatever is due, as long as anything is.
    async fn call(self: Arc<Self>, number: usize, mut caller: Caller) {
        while let Some(beat) = self.pace.next().await {
            let began = Instant::now();
            self.late.note(number, began - self.pace.due_at(beat));
            let member = usize::try_from(beat).unwrap_or(usize::MAX) % self.members;
            match self.send(&mut caller, beat, member).await {
                Ok(()) => {
                    self.answer.note(number, began.elapsed());
                    if let Some((_, beat)) = self.beat(beat) {
                        beat.is_accepted.store(true, Ordering::Relaxed);
                    }
                    let sockets = self.sockets_each[member];
                    self.expected.fetch_add(sockets, Ordering::Relaxed);
                }
                Err(error) => self.failed.note(&error),
            }
        }
    }

    async fn send(&self, caller: &mut Caller, beat: u64, member: usize) -> Result<()> {
        let keep = match self.send {
            What::Insert => return event::insert(caller, &self.ground.tokens[member]).await,
            What::Durable => Keep::Durable,
            What::Transient => Keep::Transient,
        };
        let body = event::notification(&self.ids[member], beat, keep);
        event::publish(caller, &self.ground.key, body).await
    }

    fn hear(&self, socket: usize, event: &[u8]) {
        let beat = match self.send {
            What::Insert => event::age(event).map(|age| self.beat_of(socket, age)),
            What::Durable | What::Transient => event::number(event),
        };
        // One that somebody else published is passed over.
        let Some((number, beat)) = beat.and_then(|number| self.beat(number)) else {
            return;
        };
        self.arrival
            .note(socket, self.pace.due_at(number as u64).elapsed());
        let before = beat.heard.fetch_add(1, Ordering::Relaxed);
        // One that came twice does not stand for one that is under way.
        if u64::from(before) < self.sockets_each[number % self.members] {
            self.heard.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A member's numbers come in the order of the member's beats.
    fn beat_of(&self, socket: usize, age: u64) -> u64 {
        let first = &self.first[socket];
        let _ = first.compare_exchange(0, age, Ordering::Relaxed, Ordering::Relaxed);
        let earlier = age.saturating_sub(first.load(Ordering::Relaxed));
        earlier * self.members as u64 + (socket % self.members) as u64
    }

    fn beat(&self, number: u64) -> Option<(usize, &Beat)> {
        let number = usize::try_from(number).ok()?;
        self.beats.get(number).map(|beat| (number, beat))
    }

    fn report(&self, report: &mut Report) {
        let (mut accepted, mut missing, mut twice) = (0, 0, 0);
        for (number, beat) in self.beats.iter().enumerate() {
            let heard = u64::from(beat.heard.load(Ordering::Relaxed));
            let sockets = self.sockets_each[number % self.members];
            twice += heard.saturating_sub(sockets);
            if beat.is_accepted.load(Ordering::Relaxed) {
                accepted += 1;
                missing += sockets.saturating_sub(heard);
            }
        }
        report.count("due", self.pace.beats);
        report.count("accepted", accepted);
        report.tally("failed", &self.failed, "were not accepted");
        let unsent = self.pace.beats - accepted - self.failed.count();
        report.fault(
            "unsent",
            unsent,
            "were due and not sent: the rate was not kept",
        );
        report.count("heard", self.heard.load(Ordering::Relaxed));
        report.fault("missing", missing, "pushes did not arrive");
        report.fault("twice", twice, "pushes arrived more than once");
        report.latency("push_us", &self.arrival);
        report.latency("answer_us", &self.answer);
        report.latency("sent_late_us", &self.late);
    }
}
