//! What publishing takes and answers, as JSON and as the API's description has it.

use poem_openapi::types::Any;
use poem_openapi::{Object, Union};
use serde_json::Value;

use crate::domain::notification::{
    self, Content, Delivery, Draft, Outcome, Person, Receipt, Results, Sum, Thing, To,
};
use crate::http::DateTime;

/// Whom it is for: one id, a list of at most 10,000, or `"*"` for all members ever seen.
#[derive(Union)]
#[oai(one_of)]
pub enum Recipients {
    One(String),
    Many(Vec<String>),
}

impl From<Recipients> for To {
    fn from(to: Recipients) -> Self {
        match to {
            Recipients::One(all) if all == "*" => Self::Everyone,
            Recipients::One(one) => Self::Members(vec![one]),
            Recipients::Many(many) => Self::Members(many),
        }
    }
}

/// Who did it.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub struct Actor {
    id: String,
    name: Option<String>,
    /// An http or https URL.
    avatar: Option<String>,
}

impl From<Actor> for Person {
    fn from(Actor { id, name, avatar }: Actor) -> Self {
        Self { id, name, avatar }
    }
}

impl From<Person> for Actor {
    fn from(Person { id, name, avatar }: Person) -> Self {
        Self { id, name, avatar }
    }
}

/// What it is about: lets a visit mark it read, and a deletion retract it.
#[derive(Object)]
#[oai(rename = "Object", deny_unknown_fields)]
pub struct Target {
    r#type: String,
    id: String,
}

impl From<Target> for Thing {
    fn from(Target { r#type, id }: Target) -> Self {
        Self { r#type, id }
    }
}

impl From<Thing> for Target {
    fn from(Thing { r#type, id }: Thing) -> Self {
        Self { r#type, id }
    }
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
pub struct Notification {
    to: Recipients,
    /// The forum's own word for what happened: 1 to 64 of a-z, 0-9, `.`, `_`, `-`.
    kind: String,
    /// At most 200 characters.
    title: String,
    /// Plain text, at most 4,000 characters.
    body: Option<String>,
    /// http or https, or a path that begins with one `/`, resolved against the setting `forum-url`.
    url: Option<String>,
    actor: Option<Actor>,
    object: Option<Target>,
    /// The forum's handle, at most 255 bytes: publishing it again edits, retracting names it.
    key: Option<String>,
    /// Unread items of one group fold into one. At most 255 bytes.
    group: Option<String>,
    /// Any JSON of at most 16 KiB, handed on as it is.
    data: Option<Any<Value>>,
    /// Pushed to open sockets only, never kept.
    #[oai(default)]
    transient: bool,
    expires_at: Option<DateTime>,
}

impl From<Notification> for Draft {
    fn from(asked: Notification) -> Self {
        Self {
            to: asked.to.into(),
            content: Content {
                kind: asked.kind,
                title: asked.title,
                body: asked.body.unwrap_or_default(),
                url: asked.url,
                actor: asked.actor.map(Into::into),
                object: asked.object.map(Into::into),
                key: asked.key,
                group: asked.group,
                data: asked.data.map(|data| data.0),
                expires_at: asked.expires_at.map(|at| at.0),
            },
            transient: asked.transient,
        }
    }
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
pub struct Notifications {
    /// At most 1,000, with 10,000 recipients in all.
    pub items: Vec<Notification>,
}

#[derive(Object)]
pub struct Delivered {
    to: String,
    /// The number of the change in the recipient's log; null when nothing is kept.
    seq: Option<u64>,
    unread: u64,
    /// Open when it was published.
    sockets: u64,
}

/// `muted`, or `not_found` for an own account that does not exist.
#[derive(Object)]
pub struct Why {
    code: String,
}

#[derive(Object)]
pub struct Undelivered {
    to: String,
    error: Why,
}

#[derive(Union)]
#[oai(one_of)]
pub enum DeliveryBody {
    Delivered(Delivered),
    Undelivered(Undelivered),
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        let to = delivery.to.to_string();
        match delivery.outcome {
            Outcome::Delivered {
                seq,
                unread,
                sockets,
            } => Self::Delivered(Delivered {
                to,
                seq,
                unread,
                sockets: sockets as u64,
            }),
            Outcome::Refused(why) => Self::Undelivered(Undelivered {
                to,
                error: Why {
                    code: why.code().to_owned(),
                },
            }),
        }
    }
}

/// How many recipients got it, on how many sockets, and how many did not.
#[derive(Object)]
pub struct Sums {
    delivered: u64,
    sockets: u64,
    errors: u64,
}

/// One for each recipient, in the order of `to`; over 100 recipients, and for `"*"`, only sums.
#[derive(Union)]
#[oai(one_of)]
pub enum ResultsBody {
    Each(Vec<DeliveryBody>),
    Sums(Sums),
}

#[derive(Object)]
#[oai(rename = "Receipt")]
pub struct ReceiptBody {
    id: String,
    results: ResultsBody,
    /// Whether this is the answer that an earlier call with the same `Idempotency-Key` had.
    replayed: bool,
}

impl From<Receipt> for ReceiptBody {
    fn from(receipt: Receipt) -> Self {
        let results = match receipt.results {
            Results::Each(each) => ResultsBody::Each(each.into_iter().map(Into::into).collect()),
            Results::Sum(Sum {
                delivered,
                sockets,
                errors,
            }) => ResultsBody::Sums(Sums {
                delivered,
                sockets,
                errors,
            }),
        };
        Self {
            id: receipt.id.to_string(),
            results,
            replayed: receipt.replayed,
        }
    }
}

#[derive(Object)]
#[oai(rename = "ItemProblem", skip_serializing_if_is_none)]
pub struct BatchProblem {
    code: String,
    detail: String,
    field: Option<String>,
}

#[derive(Object)]
pub struct BatchRefusal {
    error: BatchProblem,
}

#[derive(Union)]
#[oai(one_of)]
pub enum BatchAnswer {
    Receipt(ReceiptBody),
    Refusal(BatchRefusal),
}

impl From<Result<Receipt, notification::Problem>> for BatchAnswer {
    fn from(answer: Result<Receipt, notification::Problem>) -> Self {
        match answer {
            Ok(receipt) => Self::Receipt(receipt.into()),
            Err(notification::Problem {
                code,
                detail,
                field,
            }) => Self::Refusal(BatchRefusal {
                error: BatchProblem {
                    code,
                    detail,
                    field,
                },
            }),
        }
    }
}

#[derive(Object)]
pub struct Receipts {
    /// In the order of the notifications.
    pub items: Vec<BatchAnswer>,
}

#[derive(Object)]
pub struct Retracted {
    /// Parts that were taken back, over all inboxes.
    pub retracted: u64,
}
