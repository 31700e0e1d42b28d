//! Everything that can be refused or fail, with the stable codes clients rely on.

use std::borrow::Cow;
use std::time::Duration;

use super::key::Scope;

/// Every code there is, for whoever counts them.
pub const CODES: [&str; 23] = [
    "malformed",
    "token_missing",
    "token_invalid",
    "token_expired",
    "token_revoked",
    "login_failed",
    "scope_missing",
    "not_a_member",
    "not_an_account",
    "wrong_member",
    "origin_refused",
    "registration_closed",
    "not_found",
    "exists",
    "in_flight",
    "idempotency_mismatch",
    "too_large",
    "too_slow",
    "field_invalid",
    "too_many",
    "busy",
    "stopping",
    "storage_failed",
];

pub type Result<T> = std::result::Result<T, Error>;

/// The reasons a use case gives for a "no". The transports turn them into statuses and
/// acknowledgements; [`Error::code`] is the same everywhere. The `Display` text is shown to
/// clients, so it says what was wrong and what to do, and nothing of our insides.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Malformed(String),
    #[error("This needs a token: send the header `Authorization: Bearer <token>`.")]
    TokenMissing,
    #[error("The token is refused: {0}.")]
    TokenInvalid(&'static str),
    #[error("The token has expired. Log in again; a setup link is printed anew by each start.")]
    TokenExpired,
    #[error("The token's session was ended. Log in again.")]
    TokenRevoked,
    #[error("The name or the password is wrong.")]
    LoginFailed,
    #[error(
        "This is for administrators and for API keys with the scope `{}`.",
        .0.as_str()
    )]
    ScopeMissing(Scope),
    /// An API key of any scope is wanted.
    #[error("This is for API keys, of whatever scope; make one with `bellrope key create`.")]
    KeyMissing,
    #[error("Only a member has this; an API key and the server's operator are none.")]
    NotAMember,
    #[error("Only an own account has this; the forum that made your token looks after its own.")]
    NotAnAccount,
    #[error("The token belongs to another member, or is of another kind.")]
    WrongMember,
    #[error(
        "Pages of this origin may not use this server. Its operator can allow them with `--allow-origin`."
    )]
    OriginRefused,
    #[error("Registration is closed here. Ask an administrator for an account.")]
    RegistrationClosed,
    #[error("{0}")]
    NotFound(String),
    #[error("{detail}")]
    Exists {
        field: Option<&'static str>,
        detail: String,
    },
    #[error(
        "The first call with this Idempotency-Key is still being answered. Try again in a moment."
    )]
    InFlight,
    #[error(
        "This Idempotency-Key was used for a different request. Use a new key for a new request."
    )]
    IdempotencyMismatch,
    #[error("The request is too large; at most {0} bytes are read.")]
    TooLarge(usize),
    #[error("The request did not arrive in time. Send it again.")]
    TooSlow,
    #[error("{detail}")]
    FieldInvalid {
        field: Cow<'static, str>,
        detail: String,
    },
    #[error("That is too many. Wait {} seconds before the next try.", .0.as_secs())]
    TooMany(Duration),
    #[error("The server is busy and nothing was done. Try again in a moment.")]
    Busy,
    #[error("The server is stopping and nothing was done. Try again in a moment.")]
    Stopping,
    /// A copy, which changes nothing. Why, in a sentence.
    #[error("{0}")]
    NotCopied(&'static str),
    #[error(
        "The disk takes no writes, so nothing was done; what is kept can be read. It is tried again every few seconds."
    )]
    ReadOnly,
    /// The cause is logged where it happened and never sent.
    #[error("The disk failed, so whether this was kept is unknown. Read it back, then try again.")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    #[must_use]
    pub fn field(field: &'static str, detail: impl Into<String>) -> Self {
        Self::FieldInvalid {
            field: field.into(),
            detail: detail.into(),
        }
    }

    /// The stable word for this refusal, the same over HTTP and Socket.IO.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TokenMissing => "token_missing",
            Self::TokenInvalid(_) => "token_invalid",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::LoginFailed => "login_failed",
            Self::ScopeMissing(_) | Self::KeyMissing => "scope_missing",
            Self::NotAMember => "not_a_member",
            Self::NotAnAccount => "not_an_account",
            Self::WrongMember => "wrong_member",
            Self::OriginRefused => "origin_refused",
            Self::RegistrationClosed => "registration_closed",
            Self::NotFound(_) => "not_found",
            Self::Exists { .. } => "exists",
            Self::InFlight => "in_flight",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::TooLarge(_) => "too_large",
            Self::TooSlow => "too_slow",
            Self::FieldInvalid { .. } => "field_invalid",
            Self::TooMany(_) => "too_many",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
            Self::NotCopied(_) | Self::ReadOnly | Self::Storage(_) => "storage_failed",
        }
    }
}
