//! What became of a publish.

use serde::{Deserialize, Serialize};

use crate::domain::call;
use crate::domain::id::{ItemId, MemberId};

/// Recipients whose results are listed one by one; over it there are sums.
const LISTED_MAX: usize = 100;

/// What became of a publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub id: ItemId,
    pub results: Results,
    pub replayed: bool,
}

impl call::Answer for Receipt {
    fn replayed(&mut self) {
        self.replayed = true;
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Results {
    /// In the order of `to`.
    Each(Vec<Delivery>),
    Sum(Sum),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub delivered: u64,
    pub sockets: u64,
    pub errors: u64,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Delivered { sockets, .. } => {
                self.delivered += 1;
                self.sockets += *sockets as u64;
            }
            Outcome::Refused(_) => self.errors += 1,
        }
    }

    /// This and these.
    #[must_use]
    pub fn with(mut self, deliveries: &[Delivery]) -> Self {
        for delivery in deliveries {
            self.add(&delivery.outcome);
        }
        self
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub to: MemberId,
    pub outcome: Outcome,
}

impl Delivery {
    /// Whether somebody is there to hear it.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        matches!(self.outcome, Outcome::Delivered { sockets, .. } if sockets > 0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Delivered {
        /// None for what is not kept.
        seq: Option<u64>,
        unread: u64,
        /// Open when it was published.
        sockets: usize,
    },
    Refused(Refused),
}

/// Why one recipient gets nothing while the others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// They muted its kind, its group or its actor.
    Muted,
    /// An own account that does not exist.
    NotFound,
}

impl Refused {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Muted => "muted",
            Self::NotFound => "not_found",
        }
    }
}

pub(super) fn receipt(id: ItemId, deliveries: Vec<Delivery>) -> Receipt {
    let results = if deliveries.len() > LISTED_MAX {
        Results::Sum(Sum::default().with(&deliveries))
    } else {
        Results::Each(deliveries)
    };
    Receipt {
        id,
        results,
        replayed: false,
    }
}

pub(super) fn sum(id: ItemId, sum: Sum) -> Receipt {
    Receipt {
        id,
        results: Results::Sum(sum),
        replayed: false,
    }
}
