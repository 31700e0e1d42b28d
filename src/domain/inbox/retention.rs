//! What time does to inboxes: items expire, grow too old, and the log is cut.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::MissedTickBehavior;

use crate::domain::App;
use crate::domain::error::{Error, Result};

/// How often expired items are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// How often each inbox is looked at for what is too old.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Rows that one commit removes: some milliseconds, during which nobody else writes.
const STEP: usize = 256;
/// Members that are looked at without a pause for others.
const MEMBERS: usize = 100;

/// Removes what is over, in small commits. Runs until it is dropped.
pub async fn keep(app: Arc<App>) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swept_at: Option<Timestamp> = None;
    loop {
        tick.tick().await;
        let now = app.clock.now();
        let is_due = swept_at.is_none_or(|at| now.duration_since(at) >= SWEEP_EVERY);
        let done = async {
            let expired = expire(&app, now).await;
            if is_due {
                sweep(&app, now).await?;
            }
            expired
        };
        match done.await {
            Ok(()) if is_due => swept_at = Some(now),
            // Later is early enough; a failing disk is told by the writer.
            Ok(()) | Err(Error::Busy | Error::Stopping | Error::ReadOnly | Error::Storage(_)) => {}
            Err(error) => tracing::error!(code = error.code(), "retention was refused"),
        }
    }
}

async fn expire(app: &App, now: Timestamp) -> Result<()> {
    while app.store.expire(now, STEP).await? == STEP {}
    Ok(())
}

async fn sweep(app: &App, now: Timestamp) -> Result<()> {
    let mut after = None;
    loop {
        let members = app.store.members(after.as_ref(), MEMBERS).await?;
        let Some(last) = members.last().cloned() else {
            return Ok(());
        };
        for member in app.store.overdue(members, now).await? {
            while app.store.trim(&member, now, STEP).await? == STEP {}
        }
        after = Some(last);
        tokio::task::yield_now().await;
    }
}
