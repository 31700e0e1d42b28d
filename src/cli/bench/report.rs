//! What was measured, as a table for people and as JSON for programs.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

/// Latencies are told apart to a thousandth or a microsecond, up to a minute.
const DIGITS: u8 = 3;
const LATENCY_MIN_NS: u64 = 1000;
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// Histograms that sockets share among them, so that two of them hardly ever wait for one.
const SHARDS: usize = 8;

/// Latencies that many tasks write down at once.
pub struct Latency([Mutex<Histogram<u64>>; SHARDS]);

impl Latency {
    /// # Errors
    /// When there is no memory for it.
    pub fn new() -> Result<Self> {
        let empty = Histogram::new_with_bounds(LATENCY_MIN_NS, LATENCY_MAX_NS, DIGITS)?;
        Ok(Self(std::array::from_fn(|_| Mutex::new(empty.clone()))))
    }

    /// `number` is the writer's, such as a socket's.
    pub fn note(&self, number: usize, latency: Duration) {
        let shard = self.0[number % SHARDS].lock();
        let mut shard = shard.unwrap_or_else(PoisonError::into_inner);
        shard.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    fn sum(&self) -> Histogram<u64> {
        let locked = |shard: &Mutex<Histogram<u64>>| {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        let [first, rest @ ..] = &self.0;
        let mut sum = locked(first);
        for shard in rest {
            sum += locked(shard);
        }
        sum
    }
}

/// How often something went wrong that never should, and why it did first.
#[derive(Default)]
pub struct Tally {
    count: AtomicU64,
    why: OnceLock<String>,
}

impl Tally {
    pub fn note(&self, why: &anyhow::Error) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.why.get_or_init(|| format!("{why:#}"));
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Where in the order of their size the latencies are told.
const POINTS: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("max", 1.0),
];

enum Figure {
    Count(u64),
    Number(f64),
    /// In microseconds, at each of the [`POINTS`].
    Latency([f64; POINTS.len()]),
}

/// The figures of one run, in the order in which they are told. A name ends in its unit.
pub struct Report {
    bench: &'static str,
    url: String,
    figures: Vec<(&'static str, Figure)>,
    /// What should not have happened. A run with any of it has failed.
    pub faults: Vec<String>,
}

impl Report {
    pub fn new(bench: &'static str, url: &str) -> Self {
        Self {
            bench,
            url: url.to_owned(),
            figures: Vec::new(),
            faults: Vec::new(),
        }
    }

    pub fn count(&mut self, name: &'static str, count: u64) {
        self.figures.push((name, Figure::Count(count)));
    }

    /// One that must be nought.
    pub fn fault(&mut self, name: &'static str, count: u64, sentence: &str) {
        self.count(name, count);
        if count > 0 {
            self.faults.push(format!("{count} {sentence}"));
        }
    }

    /// One that must be empty.
    pub fn tally(&mut self, name: &'static str, tally: &Tally, sentence: &str) {
        let why = tally.why.get().map_or("", String::as_str);
        self.fault(name, tally.count(), &format!("{sentence}: {why}"));
    }

    pub fn number(&mut self, name: &'static str, number: f64) {
        self.figures.push((name, Figure::Number(number)));
    }

    /// `count` in this time, by the second.
    pub fn rate(&mut self, name: &'static str, count: u64, time: Duration) {
        self.number(name, as_f64(count) / time.as_secs_f64());
    }

    pub fn latency(&mut self, name: &'static str, latency: &Latency) {
        let sum = latency.sum();
        let points = POINTS.map(|(_, point)| as_f64(sum.value_at_quantile(point)) / 1e3);
        self.figures.push((name, Figure::Latency(points)));
    }

    fn json(&self) -> Value {
        let figures = self.figures.iter().map(|(name, figure)| {
            let value = match figure {
                Figure::Count(count) => json!(count),
                Figure::Number(number) => json!(rounded(*number)),
                Figure::Latency(points) => {
                    let named = POINTS.iter().zip(points);
                    let points = named.map(|((name, _), us)| ((*name).to_owned(), rounded(*us)));
                    Value::Object(points.map(|(name, us)| (name, json!(us))).collect())
                }
            };
            ((*name).to_owned(), value)
        });
        let mut report: Map<String, Value> = figures.collect();
        report.insert("bench".to_owned(), json!(self.bench));
        report.insert("url".to_owned(), json!(self.url));
        Value::Object(report)
    }

    /// # Errors
    /// When nobody reads it.
    pub fn print_json(&self) -> Result<()> {
        writeln!(std::io::stdout(), "{:#}", self.json())?;
        Ok(())
    }

    /// # Errors
    /// When nobody reads it.
    pub fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} on {}", self.bench, self.url)?;
        for (name, figure) in &self.figures {
            let name = name.replace('_', " ");
            match figure {
                Figure::Count(count) => writeln!(out, "  {name:<26} {count:>12}")?,
                Figure::Number(number) => {
                    let decimals = if *number < 100.0 { 3 } else { 0 };
                    writeln!(out, "  {name:<26} {number:>12.decimals$}")?;
                }
                Figure::Latency(_) => {}
            }
        }
        let names = POINTS.map(|(name, _)| format!(" {name:>12}")).concat();
        let mut head = Some(format!("  {:<26}{names}", ""));
        for (name, figure) in &self.figures {
            if let Figure::Latency(points) = figure {
                if let Some(head) = head.take() {
                    writeln!(out, "{head}")?;
                }
                let points = points.map(|us| format!(" {us:>12.1}")).concat();
                writeln!(out, "  {:<26}{points}", name.replace('_', " "))?;
            }
        }
        Ok(())
    }
}

/// To a thousandth: more is noise.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people; it is exact up to 2^53"
)]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_told_in_microseconds_at_their_place_in_the_order() {
        let latency = Latency::new().expect("memory");
        for ms in 1..=1000 {
            latency.note(ms, Duration::from_millis(ms as u64));
        }
        latency.note(0, Duration::from_hours(1));
        let mut report = Report::new("push", "http://127.0.0.1:1");
        report.latency("push_us", &latency);
        let told = report.json();
        for (point, ms) in [("p50", 501.0), ("p90", 901.0), ("p99", 991.0)] {
            let us = told["push_us"][point].as_f64().expect("a figure");
            assert!((us / 1e3 / ms - 1.0).abs() < 0.002, "{point}: {us}");
        }
        let max = told["push_us"]["max"].as_f64().expect("a figure");
        assert!(
            (max / 60e6 - 1.0).abs() < 0.002,
            "no more than it holds: {max}"
        );
    }

    #[test]
    fn only_a_fault_that_happened_is_one() {
        let mut report = Report::new("push", "http://127.0.0.1:1");
        report.fault("missing", 0, "pushes did not arrive");
        assert_eq!(report.faults.len(), 0);
        report.fault("failed", 2, "publishes were refused");
        assert_eq!(report.faults, ["2 publishes were refused"]);
        assert_eq!(
            (&report.json()["missing"], &report.json()["failed"]),
            (&json!(0), &json!(2))
        );
    }
}
