//! What an administrator may see of an inbox: that something happened to it, and never what was said.

use jiff::Timestamp;

use super::{Became, Standing};
use crate::domain::id::ItemId;

/// A member's inbox and log from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// False for whoever was forgotten and has not come back.
    pub is_known: bool,
    pub standing: Standing,
    /// Archived ones included.
    pub items: u64,
    /// What the forum vouched for until then is refused.
    pub signed_out_at: Option<Timestamp>,
    /// The newest first.
    pub changes: Vec<Traced>,
}

/// One change of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    pub seq: u64,
    pub at: Timestamp,
    /// The event's name.
    pub name: &'static str,
    pub ids: Vec<ItemId>,
    /// Of the first of these items, while it is there.
    pub kind: Option<String>,
    /// Instead of ids: all items up to this number.
    pub through: Option<u64>,
    pub became: Became,
}
