//! The counter over HTTP.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::actor::Caller;
use super::error::Problem;
use crate::domain::{App, counter};

pub struct CounterApi;

#[derive(Object)]
struct Age {
    /// The new age.
    age: u64,
}

#[OpenApi(tag = "Tag::Counter")]
impl CounterApi {
    /// Raise the own counter by one
    ///
    /// The new age also reaches every socket of the member as the event `message`.
    #[oai(path = "/me/age", method = "post", operation_id = "increment")]
    async fn increment(&self, app: Data<&Arc<App>>, caller: Caller) -> Result<Json<Age>, Problem> {
        let age = counter::increment(app.0, &caller.0).await?;
        Ok(Json(Age { age }))
    }
}
