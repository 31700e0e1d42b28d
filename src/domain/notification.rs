//! Publishing: what a forum says happened, to whom, and what became of it.

mod check;
mod everyone;
mod receipt;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{self, Call, Record};
use super::error::{Error, Result};
use super::event::Event;
use super::id::{ItemId, MemberId};
use super::inbox::Item;
use super::key::Scope;
use super::{Actor, App};
use everyone::{broadcast, tell_everyone};
use receipt::receipt;

pub use everyone::{Broadcast, resume};
pub use receipt::{Delivery, Outcome, Receipt, Refused, Results, Sum};

/// Recipients of one call. They are one commit, which everybody else's writes wait for.
pub const RECIPIENTS_MAX: usize = 10_000;
/// Notifications of one batch.
pub const BATCH_MAX: usize = 1000;
/// Parts that one commit retracts; more of them are several commits.
const RETRACT_STEP: usize = 1000;
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
    pub content: Content,
    pub to: Vec<Recipient>,
}

/// Whom it goes to, and how many sockets they have open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    pub member: MemberId,
    pub sockets: usize,
}

/// Writes down how a call went, once its deliveries are known: one list for each publication.
pub type Note = Box<dyn FnOnce(&[Vec<Delivery>]) -> Record + Send>;

/// Publishes one notification.
///
/// # Errors
/// `ScopeMissing`, `Malformed`, `FieldInvalid`, `InFlight`, `IdempotencyMismatch`, `Busy`, `Storage`.
pub async fn publish(
    app: &App,
    actor: &Actor,
    call: Option<&Call>,
    draft: Result<Draft>,
) -> Result<Receipt> {
    actor.require(Scope::Publish)?;
    let work = async {
        let mut draft = draft?;
        check::content(app, &mut draft.content)?;
        let members = match &draft.to {
            To::Everyone if draft.transient => {
                return tell_everyone(app, draft.content, call).await;
            }
            To::Everyone => return broadcast(app, draft.content, call).await,
            To::Members(raw) => check::recipients(raw)?,
        };
        if draft.transient {
            return tell(app, draft.content, members, call).await;
        }
        let publication = address(app, draft.content, members).await;
        let (id, now, call) = (publication.id, app.clock.now(), call.cloned());
        let note = call.map(|call| -> Note {
            Box::new(move |deliveries| call::record(call, now, &receipt(id, deliveries.concat())))
        });
        let deliveries = app.store.publish(vec![publication], note, now).await?;
        Ok(receipt(id, deliveries.concat()))
    };
    call::once(app, call, work).await
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
    let work = async {
        let drafts = drafts?;
        check::batch(&drafts)?;
        let mut answers = Vec::new();
        let mut publications = Vec::new();
        let mut transients = Vec::new();
        for (at, draft) in drafts.into_iter().enumerate() {
            match check::of_batch(app, draft) {
                Ok((content, members, false)) => {
                    let publication = address(app, content, members).await;
                    answers.push(Ok(receipt(publication.id, Vec::new())));
                    publications.push((at, publication));
                }
                Ok((content, members, true)) => {
                    let publication = address(app, content, members).await;
                    answers.push(Ok(receipt(publication.id, Vec::new())));
                    transients.push((at, publication));
                }
                Err(error) => answers.push(Err(Problem::from(error))),
            }
        }
        let now = app.clock.now();
        for (at, publication) in &transients {
            answers[*at] = Ok(receipt(publication.id, send(app, publication, now).await?));
        }
        let (places, publications): (Vec<usize>, Vec<Publication>) =
            publications.into_iter().unzip();
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
            Box::new(move |deliveries| call::record(call, now, &fill(answers, deliveries)))
        });
        let deliveries = app.store.publish(publications, note, now).await?;
        Ok(fill(answers, &deliveries))
    };
    call::once(app, call, work).await
}

async fn address(app: &App, content: Content, members: Vec<MemberId>) -> Publication {
    let sockets = app.bus.sockets(&members).await;
    Publication {
        id: ItemId::new(app.clock.now()),
        content,
        to: members
            .into_iter()
            .zip(sockets)
            .map(|(member, sockets)| Recipient { member, sockets })
            .collect(),
    }
}

/// A transient notification: told, not kept.
async fn tell(
    app: &App,
    content: Content,
    members: Vec<MemberId>,
    call: Option<&Call>,
) -> Result<Receipt> {
    let now = app.clock.now();
    let publication = address(app, content, members).await;
    let receipt = receipt(publication.id, send(app, &publication, now).await?);
    note(app, call, now, &receipt).await?;
    Ok(receipt)
}

async fn note(app: &App, call: Option<&Call>, now: Timestamp, receipt: &Receipt) -> Result<()> {
    match call {
        Some(call) => {
            let record = call::record(call.clone(), now, receipt);
            app.store.add_call(record).await
        }
        None => Ok(()),
    }
}

async fn send(app: &App, publication: &Publication, now: Timestamp) -> Result<Vec<Delivery>> {
    let deliveries = app.store.look(publication).await?;
    let item = Item::transient(publication.id, publication.content.clone(), now);
    let item = Arc::new(item);
    let reached = deliveries.iter().filter(
        |delivery| matches!(delivery.outcome, Outcome::Delivered { sockets, .. } if sockets > 0),
    );
    let events = reached.map(|delivery| Event::Transient {
        member: delivery.to.clone(),
        item: Arc::clone(&item),
    });
    app.bus.send(events.collect()).await;
    Ok(deliveries)
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
/// `ScopeMissing`, `Busy`, `Storage`: what went before the failure stays retracted.
pub async fn retract(app: &App, actor: &Actor, what: &Retraction) -> Result<u64> {
    actor.require(Scope::Publish)?;
    let mut retracted = 0;
    loop {
        let step = app
            .store
            .retract(what, RETRACT_STEP, app.clock.now())
            .await?;
        retracted += step as u64;
        if step < RETRACT_STEP {
            return Ok(retracted);
        }
    }
}
