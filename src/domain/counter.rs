//! The demo's counter: a member's `age`, raised by one and told to that member's sockets.

use jiff::Timestamp;

use super::error::Result;
use super::{Actor, App};

/// A member's counter; all zero until it was raised once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counter {
    pub age: u64,
    pub updated_at: Option<Timestamp>,
}

/// Adds 1 and returns the new age. The event goes to every socket of the member.
///
/// # Errors
/// `NotAMember`, `Busy` (not counted), `Storage` (unknown).
pub async fn increment(app: &App, actor: &Actor) -> Result<u64> {
    let member = actor.member()?;
    let age = app.store.increment(&member.id, app.clock.now()).await?;
    app.metrics.inserts.add(1);
    Ok(age)
}
