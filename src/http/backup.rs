//! Backups and checks over HTTP.

use std::io;
use std::sync::Arc;

use futures_util::stream;
use poem::Body;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::{Binary, Json};
use poem_openapi::{ApiResponse, Object, OpenApi};
use tokio::sync::mpsc::Receiver;

use super::Tag;
use super::actor::Caller;
use super::error::Problem;
use crate::domain::App;
use crate::domain::backup::{self, Report, Secrets};

pub struct BackupApi;

#[derive(ApiResponse)]
enum Archive {
    /// A tar of `manifest.json`, `bellrope.redb` and `SHA256SUMS`, and `session.key` if it was asked for.
    #[oai(status = 200, content_type = "application/x-tar")]
    Whole(Binary<Body>, #[oai(header = "Content-Disposition")] String),
}

/// What was seen, every row of it.
#[derive(Object)]
struct Checked {
    accounts: u64,
    /// Who has not left.
    members: u64,
    notifications: u64,
    /// A sentence for each row that cannot be read; at most 100.
    unreadable: Vec<String>,
    /// A sentence for each thing that contradicts another; at most 100.
    faults: Vec<String>,
}

impl From<Report> for Checked {
    fn from(report: Report) -> Self {
        let counts = report.moment.counts;
        Self {
            accounts: counts.accounts,
            members: counts.members,
            notifications: counts.notifications,
            unreadable: report.unreadable,
            faults: report.faults,
        }
    }
}

#[OpenApi(tag = "Tag::Server")]
impl BackupApi {
    /// Download a backup
    ///
    /// One moment of everything, for administrators; `bellrope restore` takes it. One at a time: a
    /// second is `busy`. An answer that breaks off is none.
    #[oai(path = "/backup", method = "get", operation_id = "backup")]
    async fn backup(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        /// Whether the secret that signs sessions goes along. It does not leave over the network.
        secrets: Query<Option<bool>>,
    ) -> Result<Archive, Problem> {
        let secrets = match secrets.0 {
            Some(true) => Secrets::Included,
            _ => Secrets::LeftOut,
        };
        let chunks = backup::make(app.0, &caller.0, secrets).await?.chunks();
        Ok(Archive::Whole(
            body(chunks),
            "attachment; filename=\"bellrope.tar\"".to_owned(),
        ))
    }

    /// Check the database
    ///
    /// Reads every row of one moment, and looks whether they agree. For administrators.
    #[oai(path = "/check", method = "get", operation_id = "check")]
    async fn check(&self, app: Data<&Arc<App>>, caller: Caller) -> Result<Json<Checked>, Problem> {
        let report = backup::check(app.0, &caller.0).await?;
        Ok(Json(report.into()))
    }
}

/// What comes in pieces, as a body.
pub(super) fn body(mut chunks: Receiver<io::Result<Vec<u8>>>) -> Binary<Body> {
    let chunks = stream::poll_fn(move |context| chunks.poll_recv(context));
    Binary(Body::from_bytes_stream(chunks))
}
