//! What a server counts, as a collector reads it; and that alerts and dashboard ask for what is there.

#![expect(clippy::float_cmp, reason = "whole numbers, as they were written")]
#![expect(clippy::cast_precision_loss, reason = "far below 2^52")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bellrope::config::{Count, Every, Listen, Maybe, Settings};
use bellrope::domain::error::CODES;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::socket::{Heard, Socket, message};
use crate::world::{Answer, PASSWORD, SOON, World};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A server that has an address for metrics, and makes backups.
async fn world() -> World {
    World::forum_with(Settings {
        metrics_listen: Some(Maybe(Some(Listen("127.0.0.1:0".parse().expect("one"))))),
        backup_every: Some(Maybe(Some(Every(Duration::from_hours(24))))),
        ..Settings::default()
    })
    .await
}

async fn ask(world: &World, path: &str) -> Answer {
    let address = world.metrics.expect("an address for metrics");
    Answer::of(world.http.get(format!("http://{address}{path}"))).await
}

/// What was read, taken apart as the text format's description says.
#[derive(Debug, Default)]
struct Scrape {
    /// The type of each metric, by its name.
    kinds: BTreeMap<String, String>,
    /// Each sample's value, by its name and labels as they are written.
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    async fn of(world: &World) -> Self {
        let answer = ask(world, "/metrics").await;
        answer.expect_status(StatusCode::OK);
        Self::read(&answer.text)
    }

    fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends, too");
        let (mut scrape, mut helped) = (Self::default(), None);
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a name and its help");
                assert!(help.len() > 10, "{name}: {help}");
                helped = Some(name.to_owned());
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and its type");
                assert_eq!(helped.as_deref(), Some(name), "its help comes first");
                assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                let old = scrape.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(old, None, "{name} is there twice");
            } else {
                let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
                let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
                let family = helped.as_deref().expect("a family");
                let part = name.strip_prefix(family).expect("a sample of its family");
                let is_histogram = scrape.kinds[family] == "histogram";
                let parts: &[&str] = if is_histogram {
                    &["_bucket", "_sum", "_count"]
                } else {
                    &[""]
                };
                assert!(parts.contains(&part), "{line}");
                assert!(labels.ends_with('}'), "{line}");
                let value = value.parse().expect("a number");
                let old = scrape.samples.insert(sample.to_owned(), value);
                assert_eq!(old, None, "{sample} is there twice");
            }
        }
        scrape.expect_buckets_to_add_up();
        scrape
    }

    fn expect_buckets_to_add_up(&self) {
        let histograms = self.kinds.iter().filter(|(_, kind)| *kind == "histogram");
        for (name, _) in histograms {
            let prefix = format!("{name}_bucket{{le=\"");
            let buckets = self.samples.iter().filter_map(|(sample, count)| {
                let bound = sample.strip_prefix(&prefix)?.strip_suffix("\"}")?;
                Some((bound.parse::<f64>().expect("a bound"), *count))
            });
            let mut buckets: Vec<(f64, f64)> = buckets.collect();
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.is_sorted_by(|one, next| one.1 <= next.1), "{name}");
            let last = buckets.last().copied();
            assert_eq!(
                last,
                Some((f64::INFINITY, self.value(&format!("{name}_count"))))
            );
        }
    }

    #[track_caller]
    fn value(&self, sample: &str) -> f64 {
        let value = self.samples.get(sample);
        *value.unwrap_or_else(|| panic!("no {sample} in {:#?}", self.samples))
    }
}

/// Waits until a scrape has this value: what is counted on another thread is there a moment later.
async fn until(world: &World, sample: &str, wanted: f64) -> Scrape {
    let began = Instant::now();
    loop {
        let scrape = Scrape::of(world).await;
        if scrape.samples.get(sample) == Some(&wanted) {
            return scrape;
        }
        assert!(began.elapsed() < SOON, "{sample}: {:#?}", scrape.samples);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Ann has two sockets open and a stranger one; a forum publishes, somebody guesses a password.
async fn story(world: &World) -> (Socket, Socket, Socket) {
    let ann = world.account("ann").await;
    let guess = json!({ "username": "ann", "password": "a wrong one" });
    let refused = world.ask(Method::POST, "/api/v1/login", Some(guess)).await;
    refused.expect_problem(401, "login_failed");
    let mut phone = Socket::open(world, &ann.token).await;
    let mut laptop = Socket::open(world, &ann.token).await;
    let mut stranger = Socket::open(world, "").await;
    let answer = stranger.ask("inbox.sync", json!({})).await;
    assert_eq!(answer["error"]["code"], "token_missing");

    let forum = world.key(&["publish"]).await;
    forum.publish(world, json!({ "to": ["@ann", "bob"] })).await;
    phone.event("inbox.added").await;
    laptop.event("inbox.added").await;
    forum
        .publish(world, json!({ "to": "@ann", "transient": true }))
        .await;
    phone.event("inbox.transient").await;
    laptop.event("inbox.transient").await;
    ann.add_age(world).await;
    assert_eq!(phone.next().await, message(1));
    assert_eq!(laptop.next().await, message(1));
    (phone, laptop, stranger)
}

#[tokio::test]
async fn what_happens_is_counted_where_it_happens() {
    let world = world().await;
    let before = Scrape::of(&world).await;
    for (sample, value) in &before.samples {
        let is_total = sample.starts_with("bellrope_") && sample.contains("_total");
        assert!(!is_total || *value == 0.0, "{sample} begins at {value}");
    }
    let (phone, laptop, stranger) = story(&world).await;
    let scrape = until(&world, "bellrope_deliveries_total", 6.0).await;
    for (sample, wanted) in [
        ("bellrope_publishes_total", 2.0),
        ("bellrope_recipients_total", 3.0),
        ("bellrope_notifications_kept_total", 2.0),
        ("bellrope_inserts_total", 1.0),
        ("bellrope_logins_total{outcome=\"failed\"}", 1.0),
        ("bellrope_refusals_total{code=\"login_failed\"}", 1.0),
        ("bellrope_refusals_total{code=\"token_missing\"}", 1.0),
        ("bellrope_http_requests_total{status=\"5xx\"}", 0.0),
        ("bellrope_members_online", 1.0),
        ("bellrope_sockets{of=\"member\"}", 2.0),
        ("bellrope_sockets{of=\"anonymous\"}", 1.0),
        ("bellrope_socketio_sessions", 3.0),
        ("bellrope_slow_cut_total{why=\"socket_buffer\"}", 0.0),
        ("bellrope_store_ready", 1.0),
        ("bellrope_write_queue_capacity_jobs", 8192.0),
        ("bellrope_backup_failing", 0.0),
    ] {
        assert_eq!(scrape.value(sample), wanted, "{sample}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("bellrope_build_info{{version=\"{version}\"}}");
    assert_eq!(scrape.value(&build), 1.0);
    // Logins by the tests' own helper, each a request that went well.
    assert!(scrape.value("bellrope_logins_total{outcome=\"ok\"}") >= 1.0);
    assert!(scrape.value("bellrope_http_requests_total{status=\"2xx\"}") >= 6.0);
    assert!(scrape.value("bellrope_http_requests_total{status=\"4xx\"}") >= 1.0);
    let commits = scrape.value("bellrope_commit_duration_seconds_count");
    assert!(commits >= 5.0);
    assert_eq!(scrape.value("bellrope_commit_jobs_count"), commits);
    assert!(scrape.value("bellrope_commit_jobs_sum") >= commits);
    assert!(scrape.value("bellrope_commit_duration_seconds_sum") > 0.0);
    let file = world.config.data.join("bellrope.redb");
    let bytes = fs::metadata(file).expect("the database").len();
    assert_eq!(scrape.value("bellrope_store_bytes"), bytes as f64);
    let made = scrape.value("bellrope_backup_last_success_timestamp_seconds");
    let began = scrape.value("process_start_time_seconds");
    let now = world.clock.now().as_second() as f64;
    assert!(began <= made + 1.0 && made <= now && now - began < 600.0);
    assert!(scrape.value("process_resident_memory_bytes") > 1e6);
    assert!(scrape.value("process_cpu_seconds_total") > 0.0);
    let open = scrape.value("process_open_fds");
    assert!(open > 5.0 && open < scrape.value("process_max_fds"));

    drop((phone, laptop, stranger));
    let left = until(&world, "bellrope_socketio_sessions", 0.0).await;
    assert_eq!(left.value("bellrope_members_online"), 0.0);
    assert_eq!(left.value("bellrope_sockets{of=\"member\"}"), 0.0);
    assert_eq!(left.value("bellrope_sockets{of=\"anonymous\"}"), 0.0);
}

#[tokio::test]
async fn an_answer_given_again_is_not_counted_again() {
    let world = world().await;
    let forum = world.key(&["publish"]).await;
    for _ in 0..2 {
        let body = json!({ "to": ["bob", "eve"], "kind": "reply", "title": "Ann replied" });
        let request = world.request(Method::POST, "/api/v1/notifications");
        let request = request.bearer_auth(&forum.token).json(&body);
        let answer = Answer::of(request.header("idempotency-key", "once")).await;
        answer.expect_status(StatusCode::OK);
    }
    let everyone = forum.publish(&world, json!({ "to": "*" })).await;
    let members = everyone["results"]["delivered"].as_f64().expect("a number");
    let scrape = Scrape::of(&world).await;
    assert_eq!(scrape.value("bellrope_publishes_total"), 2.0);
    assert_eq!(scrape.value("bellrope_recipients_total"), 2.0 + members);
    assert_eq!(
        scrape.value("bellrope_notifications_kept_total"),
        2.0 + members
    );
}

#[tokio::test]
async fn where_members_are_it_is_for_api_keys_alone() {
    let world = world().await;
    let nobody = world.ask(Method::GET, "/metrics", None).await;
    nobody.expect_problem(401, "token_missing");
    for login in [
        world.admin().await,
        world.account("ann").await,
        world.member("7"),
    ] {
        let answer = login.get(&world, "/metrics").await;
        answer.expect_problem(403, "scope_missing");
    }
    for scope in ["publish", "presence", "inbox", "admin"] {
        let answer = world.key(&[scope]).await.get(&world, "/metrics").await;
        answer.expect_status(StatusCode::OK);
        let kind = answer.header("content-type");
        assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
        Scrape::read(&answer.text);
    }
    // None is there by default.
    assert_eq!(World::new().await.metrics, None);
}

#[tokio::test]
async fn its_own_address_answers_nothing_else() {
    let mut world = world().await;
    let ready = ask(&world, "/readyz").await;
    assert_eq!(
        (ready.status, ready.text.as_str()),
        (StatusCode::OK, "ready\n")
    );
    assert_eq!(ask(&world, "/healthz").await.text, "ok\n");
    for path in [
        "/",
        "/api/v1/server",
        "/api/docs",
        "/socket.io/?EIO=4&transport=polling",
    ] {
        ask(&world, path).await.expect_problem(404, "not_found");
    }
    let address = world.metrics.expect("an address");
    let url = format!("http://{address}/metrics");
    let page = world.http.get(&url).header("origin", "http://evil.example");
    Answer::of(page).await.expect_problem(403, "origin_refused");
    let posted = Answer::of(world.http.post(&url)).await;
    posted.expect_problem(405, "malformed");
    assert_eq!(posted.header("allow"), Some("GET, HEAD"));
    // Scrapes are none of what members ask.
    let requests = "bellrope_http_requests_total{status=\"2xx\"}";
    assert_eq!(Scrape::of(&world).await.value(requests), 0.0);
    world.stop().await;
    assert!(world.http.get(&url).send().await.is_err(), "it stopped too");
}

#[tokio::test]
async fn a_login_is_counted_by_how_it_went() {
    let world = world().await;
    world.account("ann").await;
    let before = Scrape::of(&world).await;
    let [ok, failed] =
        ["ok", "failed"].map(|how| format!("bellrope_logins_total{{outcome=\"{how}\"}}"));
    world.login("ann", PASSWORD).await;
    // The demo's way, which answers 200 whatever happens.
    for password in [PASSWORD, "a wrong one"] {
        let body = json!({ "username": "ann", "password": password });
        world.ask(Method::POST, "/api/login", Some(body)).await;
    }
    let after = Scrape::of(&world).await;
    assert_eq!(after.value(&ok) - before.value(&ok), 2.0);
    assert_eq!(after.value(&failed) - before.value(&failed), 1.0);
    let refused = "bellrope_refusals_total{code=\"login_failed\"}";
    assert_eq!(after.value(refused) - before.value(refused), 1.0);
}

#[test]
fn every_code_of_a_refusal_is_counted() {
    let source = fs::read_to_string(Path::new(ROOT).join("src/domain/error.rs")).expect("a file");
    let (_, codes) = source.split_once("fn code(").expect("the codes");
    let codes = codes.split("=> \"").skip(1);
    let codes: BTreeSet<_> = codes.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(codes, CODES.into_iter().collect());
}

/// Metrics that a query names, each with what it wants of its labels.
fn asked(query: &str) -> Vec<(String, Vec<String>)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut asked = Vec::new();
    for (at, _) in query.match_indices(['b', 'p']) {
        let (before, rest) = query.split_at(at);
        let is_ours = rest.starts_with("bellrope_") || rest.starts_with("process_");
        if !is_ours || before.ends_with(is_part) {
            continue;
        }
        let (name, rest) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        let labels = rest
            .strip_prefix('{')
            .and_then(|rest| rest.split('}').next());
        let labels = labels.into_iter().flat_map(|labels| labels.split(','));
        // Who was scraped is for Prometheus to know.
        let ours =
            labels.filter(|label| !label.starts_with("instance") && !label.starts_with("job"));
        asked.push((name.to_owned(), ours.map(str::to_owned).collect()));
    }
    asked
}

fn shipped(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join("packaging").join(name)).expect("a shipped file")
}

#[tokio::test]
async fn alerts_and_dashboard_ask_for_what_is_there() {
    let world = world().await;
    let _sockets = story(&world).await;
    let backup = "bellrope_backup_last_success_timestamp_seconds";
    let began = Instant::now();
    let scrape = loop {
        let scrape = Scrape::of(&world).await;
        if scrape.samples.contains_key(backup) {
            break scrape;
        }
        assert!(began.elapsed() < SOON, "no backup was made");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut used = BTreeSet::new();
    for file in ["prometheus/alerts.yml", "grafana/bellrope.json"] {
        // As JSON writes what is between quotes.
        let text = shipped(file).replace("\\\"", "\"");
        let asked = asked(&text);
        assert!(asked.len() > 15, "{file}: {asked:?}");
        for (name, labels) in asked {
            let mut samples = scrape.samples.keys().filter(|sample| {
                let (known, with) = sample.split_once('{').unwrap_or((sample, ""));
                known == name && labels.iter().all(|label| with.contains(label.as_str()))
            });
            assert!(
                samples.next().is_some(),
                "{file}: no {name} with {labels:?}"
            );
            used.insert(name);
        }
    }
    // What nobody looks at need not be counted.
    for name in scrape.kinds.keys() {
        let is_used = used.iter().any(|used| used.starts_with(name));
        assert!(is_used, "no alert and no panel asks for {name}");
    }
}

#[test]
fn each_alert_says_what_to_do() {
    let text = shipped("prometheus/alerts.yml");
    let alerts: Vec<&str> = text.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        for part in ["expr:", "severity: ", "summary: \"", "description: >-"] {
            assert!(alert.contains(part), "no {part} in {alert}");
        }
    }
    assert!(shipped("prometheus/prometheus.yml").contains("- alerts.yml"));
}

#[test]
fn each_panel_has_a_unit_and_says_what_it_shows() {
    let board: Value = serde_json::from_str(&shipped("grafana/bellrope.json")).expect("JSON");
    let panels = board["panels"].as_array().expect("panels");
    assert!(panels.len() >= 12);
    let mut places = BTreeSet::new();
    for panel in panels {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let title = text(&panel["title"]);
        assert!(text(&panel["description"]).len() > 20, "{title}");
        assert_ne!(
            text(&panel["fieldConfig"]["defaults"]["unit"]),
            "",
            "{title}"
        );
        let place = ["x", "y"].map(|axis| panel["gridPos"][axis].as_u64());
        assert!(places.insert(place), "{title} lies on another");
        for target in panel["targets"].as_array().expect("queries") {
            assert!(!asked(&text(&target["expr"])).is_empty(), "{title}");
        }
    }
}

#[tokio::test]
async fn connections_are_asked_and_a_socket_that_is_refused_is_counted() {
    let world = World::with(Settings {
        metrics_listen: Some(Maybe(Some(Listen("127.0.0.1:0".parse().expect("one"))))),
        connections_max: Some(Count(7)),
        ..Settings::default()
    })
    .await;
    let ann = world.account("ann").await;
    let open = Scrape::of(&world).await.value("bellrope_connections");
    let socket = Socket::open(&world, &ann.token).await;
    let scrape = Scrape::of(&world).await;
    assert_eq!(scrape.value("bellrope_connections"), open + 1.0);
    assert_eq!(scrape.value("bellrope_connections_max"), 7.0);
    drop(socket);
    until(&world, "bellrope_connections", open).await;
    let refused = Socket::connect(&world, json!({ "token": "no token" }))
        .await
        .next()
        .await;
    assert!(matches!(refused, Heard::Refused(_)), "{refused:?}");
    let scrape = Scrape::of(&world).await;
    assert_eq!(
        scrape.value("bellrope_refusals_total{code=\"token_invalid\"}"),
        1.0
    );
}
