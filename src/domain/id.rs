//! Ids and secrets: who a member is, and words nobody can guess.

use std::fmt;

use super::account::Name;

/// A member's id, compared byte for byte. An own account's is `@` and its folded name; a forum
/// member's may not begin with `@`, so the two never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(String);

impl MemberId {
    #[must_use]
    pub fn of_account(name: &Name) -> Self {
        Self(format!("@{}", name.key()))
    }

    /// An id that was checked when it was first kept or signed by us.
    #[must_use]
    pub fn trusted(id: String) -> Self {
        Self(id)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folded name, when it is an own account's id.
    #[must_use]
    pub fn account_key(&self) -> Option<&str> {
        self.0.strip_prefix('@')
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 128 bits from the system's generator as 32 hexadecimal digits: more than anybody can try
/// (OWASP asks for 64 bits of entropy in a session id).
///
/// # Panics
/// When the system has no random numbers to give; nothing secret could be made then.
#[must_use]
pub fn random() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    format!("{:032x}", u128::from_le_bytes(bytes))
}
