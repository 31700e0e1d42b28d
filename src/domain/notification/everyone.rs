//! Publishing to everyone: in commits of some members each, taken up again after a crash.

use std::sync::Arc;
use std::time::Duration;

use super::receipt::{Receipt, Sum, sum};
use super::{Content, address, note, send};
use crate::domain::App;
use crate::domain::call::{self, Call};
use crate::domain::error::{Error, Result};
use crate::domain::id::{ItemId, MemberId};

/// Members in each commit of a publish to everyone.
const EVERYONE_STEP: usize = 1000;
/// A pause of a publish to everyone when the write queue is full.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// A publish to everyone on its way, as the store keeps it between its commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Broadcast {
    pub id: ItemId,
    pub content: Content,
    pub call: Option<Call>,
    /// The last member that has it.
    pub done: Option<MemberId>,
    pub sum: Sum,
}

/// Publishes to everyone, or goes on with it where an earlier call with the same key was cut off.
pub(super) async fn broadcast(app: &App, content: Content, call: Option<&Call>) -> Result<Receipt> {
    let begun = match call {
        Some(call) => {
            let mut open = app.store.broadcasts().await?.into_iter();
            open.find(|open| open.call.as_ref().is_some_and(|begun| begun.id == call.id))
        }
        None => None,
    };
    let broadcast = match begun {
        Some(begun) if begun.call.as_ref() != call => return Err(Error::IdempotencyMismatch),
        Some(begun) => begun,
        None => {
            let broadcast = Broadcast {
                id: ItemId::new(app.clock.now()),
                content,
                call: call.cloned(),
                done: None,
                sum: Sum::default(),
            };
            app.store.add_broadcast(broadcast.clone()).await?;
            broadcast
        }
    };
    finish(app, broadcast).await
}

async fn finish(app: &App, mut broadcast: Broadcast) -> Result<Receipt> {
    loop {
        let now = app.clock.now();
        let members = app.store.members(broadcast.done.as_ref(), EVERYONE_STEP);
        let members = members.await?;
        let is_last = members.is_empty();
        let to = address(app, broadcast.content.clone(), members).await.to;
        let note = broadcast
            .call
            .clone()
            .filter(|_| is_last)
            .map(|call| call::record(call, now, &sum(broadcast.id, broadcast.sum)));
        match app.store.step(broadcast.clone(), to, note, now).await {
            Ok(_) if is_last => return Ok(sum(broadcast.id, broadcast.sum)),
            Ok(next) => broadcast = next,
            Err(Error::Busy) => tokio::time::sleep(BUSY_PAUSE).await,
            Err(error) => return Err(error),
        }
    }
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

/// Tells everyone, and keeps nothing.
pub(super) async fn tell_everyone(
    app: &App,
    content: Content,
    call: Option<&Call>,
) -> Result<Receipt> {
    let now = app.clock.now();
    let mut publication = address(app, content, Vec::new()).await;
    let (mut after, mut total) = (None, Sum::default());
    loop {
        let members = app.store.members(after.as_ref(), EVERYONE_STEP).await?;
        let Some(last) = members.last().cloned() else {
            break;
        };
        publication.to = address(app, publication.content.clone(), members).await.to;
        total = total.with(&send(app, &publication, now).await?);
        after = Some(last);
    }
    let receipt = sum(publication.id, total);
    note(app, call, now, &receipt).await?;
    Ok(receipt)
}
