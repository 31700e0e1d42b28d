//! A forum's ordinary hours, in a hurry: members come, stay, vanish and return, are published to, read and log in, beside
//! strangers. Whatever that takes must be given back. `SOAK_MINUTES=60 cargo bench --bench soak` prints what the server
//! held every minute and whether each bar was kept; without it, two minutes show that the load runs.
//!
//! What is kept does not grow: inboxes are full before the first sample, so that each new item displaces one.

#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../it/gauge.rs"]
mod gauge;
#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../it/keys.rs"]
mod keys;
#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../it/process.rs"]
mod process;
#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../it/socket.rs"]
mod socket;
#[expect(dead_code, reason = "the stories use the rest")]
#[path = "../it/world.rs"]
mod world;

mod crowd;
mod verdict;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::Database;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crowd::Crowd;
use gauge::Gauge;
use verdict::{Verdict, mib};

const MINUTES: u64 = 2;
/// Visits, publications and logins: one begins each time. Some percent of a core.
const ACT_EVERY: Duration = Duration::from_millis(40);
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// After this part of the time all that is filled slowly is full.
const WARM_UP: f64 = 0.25;
/// Below this the noise of a sample is more than what an hour may add.
const JUDGED_MINUTES_MIN: u64 = 30;
const SLOPE_MIB_H_MAX: f64 = 1.0;
/// The file may have so many times the bytes that are alive in it.
const FILE_RATIO_MAX: f64 = 3.0;
/// A client that vanished is missed after a ping and its pong, 45 s; threads that idle end after 10 s.
const REST_MAX: Duration = Duration::from_secs(90);

/// What the server held at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Since the load began.
    at: Duration,
    resident: u64,
    descriptors: usize,
    threads: u64,
    /// Of all members, asked of the server.
    sockets: u64,
    file: u64,
    cpu: Duration,
}

impl Sample {
    async fn take(gauge: &Gauge, crowd: &Crowd, file: &Path, began: Instant) -> Self {
        let sockets = crowd.sockets().await;
        Self {
            at: began.elapsed(),
            resident: gauge.resident(),
            descriptors: gauge.descriptors(),
            threads: gauge.status("Threads:"),
            sockets,
            file: std::fs::metadata(file).expect("the database").len(),
            cpu: gauge.cpu(),
        }
    }

    fn print(&self, name: &str) {
        println!(
            "{name:<12}{:>9.1}{:>13}{:>9}{:>9}{:>11.1}{:>9.1}",
            mib(self.resident),
            self.descriptors,
            self.threads,
            self.sockets,
            mib(self.file),
            self.cpu.as_secs_f64(),
        );
    }
}

#[tokio::main(worker_threads = 1)]
async fn main() -> ExitCode {
    // Only `cargo bench` says this; a test run has no time for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let minutes = std::env::var("SOAK_MINUTES").map_or(MINUTES, |n| n.parse().expect("minutes"));
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let file = data.join("bellrope.redb");
    let (server, crowd) = crowd::start(&data);
    let gauge = server.gauge();
    crowd.fill().await;
    // Until the connections and threads that filled it have ended.
    sleep(Duration::from_secs(15)).await;
    let began = Instant::now();
    println!(
        "{:<12}{:>9}{:>13}{:>9}{:>9}{:>11}{:>9}",
        "", "RSS MiB", "descriptors", "threads", "sockets", "file MiB", "CPU s"
    );
    let base = Sample::take(&gauge, &crowd, &file, began).await;
    base.print("full, idle");
    let samples = load(&crowd, &gauge, &file, Duration::from_mins(minutes)).await;
    let rest = rest(&crowd, &gauge, &file, &base).await;
    rest.print("at rest");
    crowd.print();
    let log = server.stop().await;

    let mut verdict = Verdict::default();
    let slope = slope(&samples);
    let memory = format!("memory after the warm-up: {slope:+.2} MiB/h, at most {SLOPE_MIB_H_MAX}");
    if minutes < JUDGED_MINUTES_MIN {
        println!("      {memory}; judged from {JUDGED_MINUTES_MIN} minutes on");
    } else {
        verdict.is(slope < SLOPE_MIB_H_MAX, &memory);
    }
    let (had, has) = (base.descriptors, rest.descriptors);
    verdict.is(
        has <= had,
        &format!("descriptors: {had} before, {has} after"),
    );
    let (had, has) = (base.threads, rest.threads);
    verdict.is(has <= had, &format!("threads: {had} before, {has} after"));
    verdict.is(
        rest.sockets == 0,
        &format!("sockets left: {}", rest.sockets),
    );
    let (live, pages) = live_bytes(&file);
    let ratio = mib(rest.file) / mib(live);
    let sizes = format!(
        "{:.1} MiB, {ratio:.2} times the {:.1} of its rows, which are in {:.1} of pages",
        mib(rest.file),
        mib(live),
        mib(pages)
    );
    verdict.is(
        ratio < FILE_RATIO_MAX,
        &format!("file: {sizes}, at most {FILE_RATIO_MAX}"),
    );
    verdict.is(
        crowd.faults() == 0,
        &format!("answers that were wrong: {}", crowd.faults()),
    );
    let errors = log.lines().filter(|line| line.contains("ERROR")).count();
    verdict.is(errors == 0, &format!("errors in the log: {errors}"));
    verdict.end()
}

/// Keeps the crowd busy, and looks at the server meanwhile. All who are still there leave at once.
async fn load(crowd: &Arc<Crowd>, gauge: &Gauge, file: &Path, until: Duration) -> Vec<Sample> {
    let (mut samples, mut tasks) = (Vec::new(), JoinSet::new());
    let mut act = interval(ACT_EVERY);
    act.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut look = interval(SAMPLE_EVERY);
    let began = Instant::now();
    while began.elapsed() < until {
        tokio::select! {
            _ = act.tick() => {
                tasks.spawn(Arc::clone(crowd).act());
            }
            _ = look.tick() => {
                let sample = Sample::take(gauge, crowd, file, began).await;
                let minute = sample.at.as_secs() / 60;
                if samples.last().is_none_or(|last: &Sample| last.at.as_secs() / 60 < minute) {
                    sample.print(&format!("{minute} min"));
                }
                samples.push(sample);
            }
            Some(done) = tasks.join_next() => crowd.ended(&done),
        }
    }
    tasks.shutdown().await;
    samples
}

/// Waits until all is given back, or for as long as that may take.
async fn rest(crowd: &Crowd, gauge: &Gauge, file: &Path, base: &Sample) -> Sample {
    let began = Instant::now();
    loop {
        // The connection that asks is closed in between, being idle.
        sleep(Duration::from_secs(15)).await;
        let now = Sample::take(gauge, crowd, file, began).await;
        let is_back =
            now.sockets == 0 && now.descriptors <= base.descriptors && now.threads <= base.threads;
        if is_back || began.elapsed() > REST_MAX {
            return now;
        }
    }
}

/// How fast memory grew after the warm-up, in MiB an hour: the middle of the slopes between any two
/// samples (Theil and Sen), which a peak or two do not move.
fn slope(samples: &[Sample]) -> f64 {
    let end = samples.last().map_or(0.0, |last| last.at.as_secs_f64());
    let warm = |sample: &&Sample| sample.at.as_secs_f64() >= end * WARM_UP;
    let warm: Vec<_> = samples.iter().filter(warm).collect();
    let mut slopes = Vec::new();
    for (at, one) in warm.iter().enumerate() {
        for other in &warm[at + 1..] {
            let hours = (other.at.as_secs_f64() - one.at.as_secs_f64()) / 3600.0;
            slopes.push((mib(other.resident) - mib(one.resident)) / hours);
        }
    }
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Bytes of the rows in the file of a server that has stopped, and of the pages they are in.
fn live_bytes(file: &Path) -> (u64, u64) {
    let database = Database::open(file).expect("the database");
    let transaction = database.begin_write().expect("a look at it");
    let stats = transaction.stats().expect("its statistics");
    transaction.abort().expect("nothing was written");
    let pages = stats.allocated_pages() * stats.page_size() as u64;
    (stats.stored_bytes(), pages)
}
