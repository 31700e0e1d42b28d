//! What happened, and whom it concerns: the only things the Bus carries.

use std::sync::Arc;

use serde::Serialize;

use super::id::MemberId;
use super::inbox::{Change, Counts, Item};
use super::session::SessionId;

/// One thing that happened, in the order of the commits that made it.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A member's counter has this value now. For every socket of that member.
    Counted { member: MemberId, age: u64 },
    /// These sessions of a member are over. For the sockets that came in by them, which are then closed.
    SessionsEnded {
        member: MemberId,
        sessions: Vec<SessionId>,
        reason: EndReason,
    },
    /// A member's inbox changed, and its counts are these now. For every socket of that member.
    Changed {
        member: MemberId,
        change: Change,
        counts: Counts,
    },
    /// Something that is shown and not kept. For every socket of that member.
    Transient { member: MemberId, item: Arc<Item> },
    /// Every socket of that member is closed, whatever it came in by.
    SignedOut { member: MemberId, reason: EndReason },
}

impl Event {
    /// Whom it concerns.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        match self {
            Self::Counted { member, .. }
            | Self::SessionsEnded { member, .. }
            | Self::Changed { member, .. }
            | Self::Transient { member, .. }
            | Self::SignedOut { member, .. } => member,
        }
    }
}

/// Why a session is over, as `session.ended` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    Expired,
    LoggedOut,
    Revoked,
    PasswordChanged,
    AccountDisabled,
    AccountRemoved,
    /// The account has [`super::session::PER_ACCOUNT_MAX`] sessions; a newer login took this one's place.
    Displaced,
    /// The forum signed the member out.
    SignedOut,
    /// The forum said that the member left it.
    Left,
}
