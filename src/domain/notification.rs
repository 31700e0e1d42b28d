//! Publishing: what a forum says happened, to whom, and what became of it.

mod check;
mod everyone;
mod receipt;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{self, Call, Record};
use super::error::{Error, Result};
use super::event::Event;
use super::id::{ItemId, MemberId};
use super::inbox::Item;
use super::key::Scope;
use super::{Actor, App, key};
use receipt::receipt;

pub(super) use check::{kept as check_kept, person as check_person};
pub use everyone::{Broadcast, resume};
pub use receipt::{Delivery, Outcome, Receipt, Refused, Results, Sum};

/// Recipients of one call. They are one commit, which everybody else's writes wait for.
pub const RECIPIENTS_MAX: usize = 10_000;
/// Notifications of one batch.
pub const BATCH_MAX: usize = 1000;
/// A pause of what takes several commits, when the write queue is full.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// Parts that one commit retracts; more of them are several commits.
const RETRACT_STEP: usize = 1000;
/// Recipients of a notification that is not kept which cost its key as much as one of a kept one:
/// there is nothing to write.
const TRANSIENT_RECIPIENTS: usize = 100;

/// Whom a notification is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// All members ever seen.
    Everyone,
    Members(Vec<String>),
}

/// Somebody of the forum, as an item shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    pub id: String,
    pub name: Option<String>,
    pub avatar: Option<String>,
}

/// What it is about: lets a visit mark it read, and a deletion retract it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thing {
    pub r#type: String,
    pub id: String,
}

/// What a notification says. One part of a folded item is one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub kind: String,
    pub title: String,
    pub body: String,
    pub url: Option<String>,
    pub actor: Option<Person>,
    pub object: Option<Thing>,
    pub key: Option<String>,
    pub group: Option<String>,
    pub data: Option<Value>,
    pub expires_at: Option<Timestamp>,
}

/// A notification as it is asked for, unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub to: To,
    pub content: Content,
    /// Pushed to open sockets only, never kept.
    pub transient: bool,
}

/// A checked notification on its way to the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    pub id: ItemId,
    pub content: Arc<Content>,
    pub to: Vec<Recipient>,
}

/// Whom it goes to, and how many sockets they have open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    pub member: MemberId,
    pub sockets: usize,
}

/// Writes down how a call went, once its deliveries are known: one list for each publication.
pub type Note = Box<dyn Fn(&[Vec<Delivery>]) -> Record + Send>;

/// Publishes one notification.
///
/// # Errors
/// `ScopeMissing`, `TooMany`, `Malformed`, `FieldInvalid`, `InFlight`, `IdempotencyMismatch`, `Busy`,
/// `Storage`.
pub async fn publish(
    app: &App,
    actor: &Actor,
    call: Option<&Call>,
    draft: Result<Draft>,
) -> Result<Receipt> {
    actor.require(Scope::Publish)?;
    key::spend(app, actor, draft.as_ref().map_or(1, cost))?;
    let work = async {
        let mut draft = draft?;
        if draft.to == To::Everyone
            && let Some(begun) = everyone::begun(app, call).await?
        {
            return everyone::finish(app, begun).await;
        }
        check::content(app, &mut draft.content)?;
        let (id, now) = (ItemId::new(app.clock.now()), app.clock.now());
        let content = Arc::new(draft.content);
        let members = match &draft.to {
            To::Everyone if draft.transient => {
                return everyone::tell(app, id, content, call).await;
            }
            To::Everyone => return everyone::broadcast(app, id, content, call).await,
            To::Members(raw) => check::recipients(raw)?,
        };
        let to = recipients(app, members).await;
        let publication = Publication { id, content, to };
        if draft.transient {
            let deliveries = app.store.look(&publication).await?;
            let receipt = receipt(id, deliveries.clone());
            note(app, call, now, &receipt).await?;
            tell(app, &publication, &deliveries, now).await;
            return Ok(receipt);
        }
        let note = call.cloned().map(|call| -> Note {
            Box::new(move |deliveries| {
                call::record(call.clone(), now, &receipt(id, deliveries.concat()))
            })
        });
        let deliveries = app.store.publish(vec![publication], note, now).await?;
        app.metrics.kept(&deliveries);
        Ok(receipt(id, deliveries.concat()))
    };
    let receipt = call::once(app, call, work).await?;
    app.metrics.published(&receipt);
    Ok(receipt)
}

/// What a batch answers for each of its notifications.
#[derive(Debug, Serialize, Deserialize)]
pub struct Batch(pub Vec<std::result::Result<Receipt, Problem>>);

/// Why one notification of a batch was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Problem {
    pub code: String,
    pub detail: String,
    pub field: Option<String>,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self {
            code: error.code().to_owned(),
            detail: error.to_string(),
            field: match error {
                Error::FieldInvalid { field, .. } => Some(field.into_owned()),
                _ => None,
            },
        }
    }
}

impl call::Answer for Batch {
    fn replayed(&mut self) {
        for receipt in self.0.iter_mut().flatten() {
            receipt.replayed = true;
        }
    }
}

/// Publishes many notifications in one commit; one that is refused does not harm the others.
///
/// # Errors
/// As [`publish`], for the batch as a whole.
pub async fn publish_batch(
    app: &App,
    actor: &Actor,
    call: Option<&Call>,
    drafts: Result<Vec<Draft>>,
) -> Result<Batch> {
    actor.require(Scope::Publish)?;
    let costs = drafts.as_ref().map(|drafts| drafts.iter().map(cost));
    key::spend(
        app,
        actor,
        costs.map_or(1, |costs| costs.sum::<u32>().max(1)),
    )?;
    let work = async {
        let drafts = drafts?;
        check::batch(&drafts)?;
        let now = app.clock.now();
        let mut answers = Vec::with_capacity(drafts.len());
        let (mut kept, mut transient) = (Vec::new(), Vec::new());
        for (at, draft) in drafts.into_iter().enumerate() {
            let is_transient = draft.transient;
            let (content, members) = match check::of_batch(app, draft) {
                Ok(checked) => checked,
                Err(error) => {
                    answers.push(Err(Problem::from(error)));
                    continue;
                }
            };
            let publication = Publication {
                id: ItemId::new(now),
                content: Arc::new(content),
                to: recipients(app, members).await,
            };
            if is_transient {
                let deliveries = app.store.look(&publication).await?;
                answers.push(Ok(receipt(publication.id, deliveries.clone())));
                transient.push((publication, deliveries));
            } else {
                answers.push(Ok(receipt(publication.id, Vec::new())));
                kept.push((at, publication));
            }
        }
        let (places, kept): (Vec<usize>, Vec<Publication>) = kept.into_iter().unzip();
        let fill = move |mut answers: Vec<std::result::Result<Receipt, Problem>>,
                         deliveries: &[Vec<Delivery>]| {
            for (at, deliveries) in places.iter().zip(deliveries) {
                if let Ok(answer) = &mut answers[*at] {
                    *answer = receipt(answer.id, deliveries.clone());
                }
            }
            Batch(answers)
        };
        let note = call.cloned().map(|call| -> Note {
            let (fill, answers) = (fill.clone(), answers.clone());
            Box::new(move |deliveries| {
                call::record(call.clone(), now, &fill(answers.clone(), deliveries))
            })
        });
        let deliveries = app.store.publish(kept, note, now).await?;
        app.metrics.kept(&deliveries);
        // Told once the call is recorded: another try must not tell it again.
        for (publication, deliveries) in &transient {
            tell(app, publication, deliveries, now).await;
        }
        Ok(fill(answers, &deliveries))
    };
    let batch = call::once(app, call, work).await?;
    for receipt in batch.0.iter().flatten() {
        app.metrics.published(receipt);
    }
    Ok(batch)
}

/// What a notification takes of its key's rate.
fn cost(draft: &Draft) -> u32 {
    let recipients = match &draft.to {
        To::Everyone => RECIPIENTS_MAX,
        To::Members(members) => members.len(),
    };
    let cost = if draft.transient {
        recipients / TRANSIENT_RECIPIENTS
    } else {
        recipients
    };
    u32::try_from(cost).unwrap_or(u32::MAX).max(1)
}

async fn recipients(app: &App, members: Vec<MemberId>) -> Vec<Recipient> {
    let sockets = app.bus.sockets(&members).await;
    let recipients = members.into_iter().zip(sockets);
    recipients
        .map(|(member, sockets)| Recipient { member, sockets })
        .collect()
}

/// Records the answer of a call that keeps nothing else.
async fn note(app: &App, call: Option<&Call>, now: Timestamp, receipt: &Receipt) -> Result<()> {
    match call {
        Some(call) => {
            let record = call::record(call.clone(), now, receipt);
            app.store.add_call(record).await
        }
        None => Ok(()),
    }
}

/// Tells those who are there what is not kept.
async fn tell(app: &App, publication: &Publication, deliveries: &[Delivery], now: Timestamp) {
    let content = Arc::clone(&publication.content);
    let item = Arc::new(Item::new(publication.id, None, content, now));
    let reached = deliveries.iter().filter(|delivery| delivery.is_heard());
    let events = reached.map(|delivery| Event::Transient {
        member: delivery.to.clone(),
        item: Arc::clone(&item),
    });
    app.bus.send(events.collect()).await;
}

/// What is taken back, from everybody who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retraction {
    Key(String),
    Object(Thing),
    Actor(String),
}

/// Takes parts back from all inboxes and says how many there were.
///
/// # Errors
/// `ScopeMissing`, `TooMany`, `Busy`, `Storage`: what went before the failure stays retracted.
pub async fn retract(app: &App, actor: &Actor, what: &Retraction) -> Result<u64> {
    actor.require(Scope::Publish)?;
    key::spend(app, actor, 1)?;
    let mut retracted = 0;
    loop {
        let step = app.store.retract(what, RETRACT_STEP, app.clock.now());
        let step = match step.await {
            // What went before is retracted: it goes on rather than say that nothing was done.
            Err(Error::Busy) if retracted > 0 => {
                tokio::time::sleep(BUSY_PAUSE).await;
                continue;
            }
            step => step?,
        };
        retracted += step as u64;
        if step < RETRACT_STEP {
            return Ok(retracted);
        }
    }
}
