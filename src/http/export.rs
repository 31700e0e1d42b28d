//! Exports over HTTP.

use std::sync::Arc;

use poem::Body;
use poem::web::Data;
use poem_openapi::payload::Binary;
use poem_openapi::{ApiResponse, OpenApi};

use super::Tag;
use super::actor::Caller;
use super::backup::body;
use super::error::Problem;
use crate::domain::{App, export};

pub struct ExportApi;

#[derive(ApiResponse)]
enum Lines {
    /// One JSON object a line; the last is `{"type":"end","lines":N}`.
    #[oai(status = 200, content_type = "application/x-ndjson")]
    Whole(Binary<Body>, #[oai(header = "Content-Disposition")] String),
}

#[OpenApi(tag = "Tag::Server")]
impl ExportApi {
    /// Download an export
    ///
    /// One moment of everything a person would take along, as lines of JSON, for administrators;
    /// `bellrope import` takes it. One at a time, as backups. One without its last line is none.
    #[oai(path = "/export", method = "get", operation_id = "export")]
    async fn export(&self, app: Data<&Arc<App>>, caller: Caller) -> Result<Lines, Problem> {
        let chunks = export::make(app.0, &caller.0).await?.chunks();
        Ok(Lines::Whole(
            body(chunks),
            "attachment; filename=\"bellrope.jsonl\"".to_owned(),
        ))
    }
}
