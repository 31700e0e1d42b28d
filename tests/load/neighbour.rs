//! What an innocent member feels of an attack: the time from a publish's appointed moment to its push, quiet and attacked
//! in turn. `cargo bench --bench neighbour` makes every attack, `cargo bench --bench neighbour -- logins` one. The ratio
//! counts; the times are the machine's, and the attacker's own work is in them when both share its cores.

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

mod attack;
mod verdict;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use attack::{ALL, Attack, Target};
use process::Process;
use socket::{Heard, Socket};
use verdict::{Verdict, mib};
use world::{Answer, FORUM_SECRET, client, forum_token};

const ROUNDS: usize = 3;
/// A round, quiet or attacked. Longer than readers that stopped may stay.
const ROUND: Duration = Duration::from_secs(14);
/// Between rounds, for what the last one left behind.
const PAUSE: Duration = Duration::from_secs(3);
/// One publish to the neighbour each time: far below what the server can do.
const PUBLISH_EVERY: Duration = Duration::from_millis(10);
const RATIO_MAX: f64 = 2.0;
const LOGINS_MIB_MAX: f64 = 100.0;

/// Times from a publish's moment to its push.
struct Times {
    p50: f64,
    p99: f64,
}

fn main() -> ExitCode {
    // Only `cargo bench` says this; a test run has no time for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let said = |name: &&str| std::env::args().any(|argument| argument == *name);
    let chosen: Vec<_> = ALL.into_iter().filter(|(name, _)| said(name)).collect();
    let chosen = if chosen.is_empty() {
        ALL.to_vec()
    } else {
        chosen
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(measure(&chosen))
}

async fn measure(chosen: &[(&str, Attack)]) -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let password = process::add(&data, "ann");
    let key = process::key(&data, "publish");
    let server = Process::start(&data, &["--forum-secret", FORUM_SECRET]);
    let target = Target::new(&server, key, password);
    println!(
        "{:<10}{:>24}{:>24}{:>9}{:>12}",
        "attack", "quiet p50, p99 ms", "attacked p50, p99 ms", "ratio", "more MiB"
    );
    let mut verdict = Verdict::default();
    let mut bars = Vec::new();
    for (name, attack) in chosen {
        let (mut quiet, mut attacked, mut more) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            quiet.push(neighbour(&target).await);
            let gauge = server.gauge();
            gauge.forget_peak();
            let before = gauge.resident();
            let (times, ()) = tokio::join!(neighbour(&target), attack.run(&target, ROUND));
            attacked.push(times);
            more.push(mib(gauge.peak().saturating_sub(before)));
            sleep(PAUSE).await;
        }
        let (quiet, attacked, more) = (middle_of(&quiet), middle_of(&attacked), middle(more));
        let ratio = attacked.p99 / quiet.p99;
        println!(
            "{name:<10}{:>15.2}{:>9.2}{:>15.2}{:>9.2}{ratio:>9.2}{more:>12.1}",
            quiet.p50, quiet.p99, attacked.p50, attacked.p99
        );
        bars.push((
            ratio <= RATIO_MAX,
            format!("{name}: {ratio:.2} times the quiet p99, at most {RATIO_MAX}"),
        ));
        if *name == "logins" {
            bars.push((
                more < LOGINS_MIB_MAX,
                format!("{name}: {more:.1} MiB more, less than {LOGINS_MIB_MAX}"),
            ));
        }
    }
    target.print();
    for (kept, bar) in bars {
        verdict.is(kept, &bar);
    }
    server.stop().await;
    verdict.end()
}

/// A round of an ordinary member's life, on a thread of its own, so that the attacker's work is not in its way.
async fn neighbour(target: &Arc<Target>) -> Times {
    let target = Arc::clone(target);
    let round = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(hear(target))
    };
    let heard = tokio::task::spawn_blocking(round).await;
    let mut times = heard.expect("a round");
    times.sort_by(f64::total_cmp);
    Times {
        p50: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
    }
}

/// Publishes at appointed moments, however long the last one takes, and notes how long after its moment each is heard.
async fn hear(target: Arc<Target>) -> Vec<f64> {
    let token = forum_token("neighbour", jiff::Timestamp::now().as_second());
    let mut socket = Socket::open(&*target, &token).await;
    let count = ROUND.as_millis() / PUBLISH_EVERY.as_millis();
    let count = u32::try_from(count).expect("a count");
    let http = client();
    let began = Instant::now() + PUBLISH_EVERY;
    let moment = move |n: u32| began + n * PUBLISH_EVERY;
    let mut publishes = JoinSet::new();
    publishes.spawn(async move {
        let mut answers = JoinSet::new();
        for n in 0..count {
            sleep_until(moment(n)).await;
            let said = json!({ "to": "neighbour", "kind": "reply", "title": n.to_string() });
            let request = http.request(Method::POST, target.url("/api/v1/notifications"));
            let request = request.bearer_auth(&target.key).json(&said);
            answers.spawn(async move { Answer::of(request).await });
        }
        for answer in answers.join_all().await {
            assert!(answer.status.is_success(), "{answer:?}");
        }
    });
    let mut times = Vec::new();
    while times.len() < count as usize {
        match socket.next().await {
            Heard::Event(name, event) if name == "inbox.added" => {
                let n = event["item"]["title"].as_str().and_then(|n| n.parse().ok());
                let late = Instant::now() - moment(n.expect("a number"));
                times.push(late.as_secs_f64() * 1e3);
            }
            // The inbox is full: something old went.
            Heard::Event(name, _) if name == "inbox.removed" => {}
            other => panic!("{other:?}"),
        }
    }
    publishes.join_all().await;
    times
}

fn middle_of(rounds: &[Times]) -> Times {
    Times {
        p50: middle(rounds.iter().map(|times| times.p50).collect()),
        p99: middle(rounds.iter().map(|times| times.p99).collect()),
    }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
