//! What is counted, for the administrators' page.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::actor::Caller;
use super::error::Problem;
use super::{DateTime, Tag};
use crate::domain::App;
use crate::domain::error::Error;
use crate::domain::metrics::{self, Pulse, Snapshot, Spread};

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

pub struct StatisticsApi;

/// Totals begin at 0 with each start; a client that asks twice has the rate between.
#[derive(Object)]
struct Statistics {
    time: DateTime,
    version: String,
    started_at: DateTime,
    uptime_s: f64,
    /// Why changes are refused; null while they are kept.
    unready: Option<Unready>,
    sockets: Sockets,
    /// With a socket at least.
    members_online: u64,
    totals: Totals,
    /// HTTP requests by the class of their answer.
    answers: BTreeMap<String, u64>,
    /// What was refused, by the code the client got. Codes that nobody got are left out.
    refusals: BTreeMap<String, u64>,
    store: Store,
    process: Process,
    /// Of the backups that the server makes by itself.
    backup: Backup,
}

#[derive(Object)]
struct Unready {
    code: String,
    detail: String,
}

#[derive(Object)]
struct Sockets {
    member: u64,
    anonymous: u64,
}

#[derive(Object)]
struct Totals {
    publishes: u64,
    recipients: u64,
    /// Notifications put into an inbox.
    kept: u64,
    /// Events told, one for each socket.
    deliveries: u64,
    /// How often a counter was raised.
    inserts: u64,
    logins: u64,
    logins_failed: u64,
    /// Sockets and connections that were closed because they did not keep up.
    slow_cut: u64,
}

#[derive(Object)]
struct Store {
    /// Changes that wait for a commit.
    waiting: u64,
    /// How many may.
    capacity: u64,
    file_bytes: Option<u64>,
    commits: Commits,
}

/// How long commits took.
#[derive(Object)]
struct Commits {
    count: u64,
    /// All together.
    seconds: f64,
    buckets: Vec<Bucket>,
}

#[derive(Object)]
struct Bucket {
    /// Seconds, and above the bucket before; null: any number.
    up_to: Option<f64>,
    /// In this bucket alone.
    count: u64,
}

/// What the system does not tell is null.
#[derive(Object)]
struct Process {
    resident_bytes: Option<u64>,
    descriptors: Option<u64>,
    /// How many there may be.
    descriptors_max: Option<u64>,
    cpu_seconds: f64,
}

#[derive(Object)]
struct Backup {
    /// The newest.
    made_at: Option<DateTime>,
    /// Whether the last try failed.
    failing: bool,
}

impl From<Error> for Unready {
    fn from(error: Error) -> Self {
        Self {
            code: error.code().to_owned(),
            detail: error.to_string(),
        }
    }
}

impl From<Spread> for Commits {
    fn from(spread: Spread) -> Self {
        Self {
            count: spread.count(),
            seconds: spread.sum,
            buckets: spread
                .buckets
                .into_iter()
                .map(|(up_to, count)| Bucket { up_to, count })
                .collect(),
        }
    }
}

impl From<Pulse> for Store {
    fn from(pulse: Pulse) -> Self {
        Self {
            waiting: pulse.waiting as u64,
            capacity: pulse.capacity as u64,
            file_bytes: pulse.file_bytes,
            commits: pulse.commit_seconds.into(),
        }
    }
}

impl From<metrics::Process> for Process {
    fn from(process: metrics::Process) -> Self {
        Self {
            resident_bytes: process.resident_bytes,
            descriptors: process.descriptors,
            descriptors_max: process.descriptors_max,
            cpu_seconds: process.cpu_seconds,
        }
    }
}

impl From<Snapshot> for Statistics {
    fn from(now: Snapshot) -> Self {
        let classes = CLASSES.into_iter().zip(now.answers);
        let refusals = now.refusals.into_iter().filter(|(_, count)| *count > 0);
        Self {
            time: DateTime(now.at),
            version: now.version.to_owned(),
            started_at: DateTime(now.began_at),
            uptime_s: now.at.duration_since(now.began_at).as_secs_f64(),
            unready: now.unready.map(Into::into),
            sockets: Sockets {
                member: now.here.member_sockets as u64,
                anonymous: now.here.anonymous_sockets as u64,
            },
            members_online: now.here.members as u64,
            totals: Totals {
                publishes: now.publishes,
                recipients: now.recipients,
                kept: now.kept,
                deliveries: now.deliveries,
                inserts: now.inserts,
                logins: now.logins,
                logins_failed: now.logins_failed,
                slow_cut: now.overflowed + now.stalled,
            },
            answers: classes
                .map(|(class, count)| (class.to_owned(), count))
                .collect(),
            refusals: refusals
                .map(|(code, count)| (code.to_owned(), count))
                .collect(),
            store: now.store.into(),
            process: now.process.into(),
            backup: Backup {
                made_at: now.backup_made_at.map(DateTime),
                failing: now.is_backup_failing,
            },
        }
    }
}

#[OpenApi(tag = "Tag::Server")]
impl StatisticsApi {
    /// What is counted
    ///
    /// As the page *Live* shows it. `/metrics` says the same and more to collectors. Needs the
    /// scope `admin`.
    #[oai(path = "/statistics", method = "get", operation_id = "statistics")]
    async fn read(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
    ) -> Result<Json<Statistics>, Problem> {
        let now = metrics::statistics(app.0, &caller.0).await?;
        Ok(Json(now.into()))
    }
}
