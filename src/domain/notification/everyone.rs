//! Publishing to everyone: in commits of some members each, taken up again after a crash.

use std::sync::Arc;

use super::receipt::{Delivery, Receipt, Sum, sum};
use super::{BUSY_PAUSE, Content, Publication, note, recipients};
use crate::domain::App;
use crate::domain::call::{self, Call};
use crate::domain::error::{Error, Result};
use crate::domain::id::{ItemId, MemberId};

/// Members in each commit of a publish to everyone.
const EVERYONE_STEP: usize = 1000;

/// A publish to everyone on its way, as the store keeps it between its commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Broadcast {
    pub id: ItemId,
    pub content: Arc<Content>,
    pub call: Option<Call>,
    /// The last member that has it.
    pub done: Option<MemberId>,
    pub sum: Sum,
}

/// The publish to everyone that an earlier call with the same key began, if it was cut off.
///
/// # Errors
/// `IdempotencyMismatch`, `Storage`.
pub(super) async fn begun(app: &App, call: Option<&Call>) -> Result<Option<Broadcast>> {
    let Some(call) = call else {
        return Ok(None);
    };
    let open = app.store.broadcasts().await?;
    let is_same = |begun: &Call| begun.id == call.id;
    let begun = open
        .into_iter()
        .find(|open| open.call.as_ref().is_some_and(is_same));
    match begun {
        Some(begun) if begun.call.as_ref() != Some(call) => Err(Error::IdempotencyMismatch),
        begun => Ok(begun),
    }
}

pub(super) async fn broadcast(
    app: &App,
    id: ItemId,
    content: Arc<Content>,
    call: Option<&Call>,
) -> Result<Receipt> {
    let broadcast = Broadcast {
        id,
        content,
        call: call.cloned(),
        done: None,
        sum: Sum::default(),
    };
    app.store.add_broadcast(broadcast.clone()).await?;
    finish(app, broadcast).await
}

/// Goes on to the end. From the first commit on it is never true that nothing was done: what is
/// cut off goes on at the next start, so whoever asked is told that the outcome is unknown.
pub(super) async fn finish(app: &App, mut broadcast: Broadcast) -> Result<Receipt> {
    loop {
        match step(app, &broadcast).await {
            Ok(Step::Next(next)) => broadcast = *next,
            Ok(Step::Last(receipt)) => return Ok(receipt),
            Err(Error::Busy) => tokio::time::sleep(BUSY_PAUSE).await,
            Err(error @ Error::Storage(_)) => return Err(error),
            Err(error) => return Err(Error::Storage(Box::new(error))),
        }
    }
}

enum Step {
    Next(Box<Broadcast>),
    Last(Receipt),
}

async fn step(app: &App, broadcast: &Broadcast) -> Result<Step> {
    let now = app.clock.now();
    let members = app.store.members(broadcast.done.as_ref(), EVERYONE_STEP);
    let to = recipients(app, members.await?).await;
    let is_last = to.is_empty();
    let receipt = sum(broadcast.id, broadcast.sum);
    let call = broadcast.call.clone().filter(|_| is_last);
    let record = call.map(|call| call::record(call, now, &receipt));
    let next = app.store.step(broadcast.clone(), to, record, now).await?;
    let kept = next.sum.delivered.saturating_sub(broadcast.sum.delivered);
    app.metrics.kept.add(kept);
    Ok(if is_last {
        Step::Last(receipt)
    } else {
        Step::Next(Box::new(next))
    })
}

/// Takes up the publishes to everyone that a crash or a stop cut off. Their calls count as running
/// from when this returns until the future it returns has ended.
///
/// # Errors
/// `Storage`.
pub async fn resume(app: Arc<App>) -> Result<impl Future<Output = ()> + Send> {
    let mut open = Vec::new();
    for broadcast in app.store.broadcasts().await? {
        let guard = broadcast.call.as_ref().map(|call| app.running.enter(call));
        open.push((broadcast, guard));
    }
    Ok(async move {
        for (broadcast, _guard) in open {
            let id = broadcast.id;
            match finish(&app, broadcast).await {
                Ok(_) => tracing::info!(%id, "a publish to everyone was taken up and finished"),
                Err(error) => tracing::warn!(
                    %id,
                    code = error.code(),
                    "a publish to everyone waits for the next start"
                ),
            }
        }
    })
}

/// Tells everyone who is there, and keeps nothing.
pub(super) async fn tell(
    app: &App,
    id: ItemId,
    content: Arc<Content>,
    call: Option<&Call>,
) -> Result<Receipt> {
    let now = app.clock.now();
    let (mut after, mut total, mut told) = (None, Sum::default(), Vec::new());
    loop {
        let members = app.store.members(after.as_ref(), EVERYONE_STEP).await?;
        let Some(last) = members.last().cloned() else {
            break;
        };
        let mut publication = Publication {
            id,
            content: Arc::clone(&content),
            to: recipients(app, members).await,
        };
        let mut deliveries = app.store.look(&publication).await?;
        total = total.with(&deliveries);
        // Only those who are there are remembered until it is recorded.
        deliveries.retain(Delivery::is_heard);
        publication.to.clear();
        told.push((publication, deliveries));
        after = Some(last);
    }
    let receipt = sum(id, total);
    note(app, call, now, &receipt).await?;
    for (publication, deliveries) in &told {
        super::tell(app, publication, deliveries, now).await;
    }
    Ok(receipt)
}
