//! What is counted, in the words of Prometheus (its text format, version 0.0.4).

use std::fmt;
use std::sync::Arc;

use poem::web::Data;
use poem::{Request, Response, handler};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_text::{CONTENT_TYPE, encode};
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::actor;
use super::error::Problem;
use crate::domain::metrics::{self, Snapshot, Spread};
use crate::domain::{App, error};

/// `GET /metrics` where members are: for API keys.
#[handler]
pub async fn for_keys(app: Data<&Arc<App>>, request: &Request) -> Response {
    match read(app.0, request).await {
        Ok(snapshot) => text(snapshot),
        Err(error) => Problem(error).response(),
    }
}

async fn read(app: &App, request: &Request) -> error::Result<Snapshot> {
    let actor = actor::of(request).await?;
    metrics::read(app, &actor).await
}

/// `GET /metrics` on an address of its own.
#[handler]
pub async fn for_anybody(app: Data<&Arc<App>>) -> Response {
    text(metrics::snapshot(app.0).await)
}

fn text(snapshot: Snapshot) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(snapshot)));
    let mut text = String::new();
    // Nothing refuses to be written into memory.
    let _ = encode(&mut text, &registry);
    Response::builder().content_type(CONTENT_TYPE).body(text)
}

#[derive(Debug)]
struct Scrape(Snapshot);

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let (now, mut to) = (&self.0, Sheet(encoder));
        to.gauges(
            "bellrope_build_info",
            "Always 1; which version runs",
            "version",
            [(now.version, 1)],
        )?;
        published(now, &mut to)?;
        asked(now, &mut to)?;
        here(now, &mut to)?;
        store(now, &mut to)?;
        process(now, &mut to)
    }
}

fn published(now: &Snapshot, to: &mut Sheet<'_>) -> fmt::Result {
    to.counter(
        "bellrope_publishes",
        "Notifications published, each once however many it is for, and what is not kept included",
        now.publishes,
    )?;
    to.counter(
        "bellrope_recipients",
        "Whom they were for, those who muted them included",
        now.recipients,
    )?;
    to.counter(
        "bellrope_notifications_kept",
        "Notifications put into an inbox, one for each member",
        now.kept,
    )?;
    to.counter(
        "bellrope_inserts",
        "How often a member's counter was raised",
        now.inserts,
    )?;
    to.counter(
        "bellrope_deliveries",
        "Events told to a member's sockets, one for each socket",
        now.deliveries,
    )
}

fn asked(now: &Snapshot, to: &mut Sheet<'_>) -> fmt::Result {
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    to.counters(
        "bellrope_http_requests",
        "HTTP requests answered, by the class of their status",
        "status",
        classes.into_iter().zip(now.answers),
    )?;
    to.counters(
        "bellrope_refusals",
        "What was refused over HTTP and Socket.IO, by the code the client got",
        "code",
        now.refusals.iter().copied(),
    )?;
    to.counters(
        "bellrope_logins",
        "Logins with a name and a password that were checked, by how they went",
        "outcome",
        [("ok", now.logins), ("failed", now.logins_failed)],
    )
}

fn here(now: &Snapshot, to: &mut Sheet<'_>) -> fmt::Result {
    to.gauge(
        "bellrope_members_online",
        "Members with a socket",
        now.here.members,
    )?;
    to.gauges(
        "bellrope_sockets",
        "Sockets open, by whose they are",
        "of",
        [
            ("member", now.here.member_sockets),
            ("anonymous", now.here.anonymous_sockets),
        ],
    )?;
    to.gauge(
        "bellrope_socketio_sessions",
        "Sessions of Socket.IO open, those without a socket yet included",
        now.here.sessions,
    )?;
    to.gauge(
        "bellrope_connections",
        "TCP connections that members and the forum have open",
        now.connections.open,
    )?;
    to.gauge(
        "bellrope_connections_max",
        "How many there may be; above it new ones wait",
        now.connections.max,
    )?;
    to.counters(
        "bellrope_slow_cut",
        "Sockets and connections closed because they did not keep up, by what was full",
        "why",
        [
            ("socket_buffer", now.overflowed),
            ("write_stalled", now.stalled),
        ],
    )
}

fn store(now: &Snapshot, to: &mut Sheet<'_>) -> fmt::Result {
    to.gauge(
        "bellrope_store_ready",
        "Whether changes can be kept: 1, or 0 while the disk takes no writes",
        i64::from(now.unready.is_none()),
    )?;
    if let Some(bytes) = now.store.file_bytes {
        to.gauge(
            "bellrope_store_bytes",
            "Bytes of the database's file",
            bytes,
        )?;
    }
    to.gauge(
        "bellrope_write_queue_jobs",
        "Changes that wait for a commit",
        now.store.waiting,
    )?;
    to.gauge(
        "bellrope_write_queue_capacity_jobs",
        "How many may wait; above it they are refused as busy",
        now.store.capacity,
    )?;
    to.histogram(
        "bellrope_commit_duration_seconds",
        "How long a commit took, from its first change to the disk's word that it is kept",
        &now.store.commit_seconds,
    )?;
    to.histogram(
        "bellrope_commit_jobs",
        "Changes in one commit",
        &now.store.commit_jobs,
    )?;
    if let Some(at) = now.backup_made_at {
        to.gauge(
            "bellrope_backup_last_success_timestamp_seconds",
            "When the server last made a backup by itself",
            at.as_second(),
        )?;
    }
    to.gauge(
        "bellrope_backup_failing",
        "1 when the last try of such a backup failed",
        i64::from(now.is_backup_failing),
    )
}

/// By the names that every client library gives them.
fn process(now: &Snapshot, to: &mut Sheet<'_>) -> fmt::Result {
    let of = &now.process;
    let gauges = [
        (
            "process_resident_memory_bytes",
            "Memory that is resident",
            of.resident_bytes,
        ),
        ("process_open_fds", "File descriptors open", of.descriptors),
        (
            "process_max_fds",
            "How many there may be",
            of.descriptors_max,
        ),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            to.gauge(name, help, value)?;
        }
    }
    to.gauge(
        "process_start_time_seconds",
        "When it began, in seconds since 1970",
        now.began_at.as_second(),
    )?;
    to.counter(
        "process_cpu_seconds",
        "Time spent on the processors, for it by the kernel included",
        of.cpu_seconds,
    )
}

/// What is written on.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    /// `name` without its `_total`.
    fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeCounterValue + Copy,
    ) -> fmt::Result {
        let mut metric = self.metric(name, help, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn counters<'v>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'v str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.metric(name, help, MetricType::Counter)?;
        for (of, value) in values {
            let labels = [(label, of)];
            let mut one = metric.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue + Copy,
    ) -> fmt::Result {
        let mut metric = self.metric(name, help, MetricType::Gauge)?;
        metric.encode_gauge(&value)
    }

    fn gauges<'v>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'v str, usize)>,
    ) -> fmt::Result {
        let mut metric = self.metric(name, help, MetricType::Gauge)?;
        for (of, value) in values {
            let labels = [(label, of)];
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, spread: &Spread) -> fmt::Result {
        let mut metric = self.metric(name, help, MetricType::Histogram)?;
        let buckets = spread.buckets.iter();
        let buckets: Vec<_> = buckets
            .map(|(bound, count)| (bound.unwrap_or(f64::INFINITY), *count))
            .collect();
        metric.encode_histogram::<NoLabelSet>(spread.sum, spread.count(), &buckets, None)
    }

    fn metric<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }
}
