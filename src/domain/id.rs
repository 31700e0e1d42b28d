//! Ids and secrets: who a member is, and words nobody can guess.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::account::Name;
use super::error::{Error, Result};

/// Bytes of an id that a forum gives. A forum's ids are numbers, names or UUIDs.
const MEMBER_BYTES_MAX: usize = 128;

/// A member's id, compared byte for byte. An own account's is `@` and its folded name; a forum
/// member's may not begin with `@`, so the two never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberId(String);

impl MemberId {
    #[must_use]
    pub fn of_account(name: &Name) -> Self {
        Self(format!("@{}", name.key()))
    }

    /// An id from outside: a forum member's, 1 to 128 bytes without control characters and not `*`;
    /// or an own account's, whose length the rule for names bounds.
    ///
    /// # Errors
    /// [`Error::FieldInvalid`] naming `field`.
    pub fn parse(raw: &str, field: &'static str) -> Result<Self> {
        let ok = match raw.strip_prefix('@') {
            Some(key) => Name::of_key(key).is_ok(),
            None => {
                (1..=MEMBER_BYTES_MAX).contains(&raw.len())
                    && raw != "*"
                    && !raw.contains(char::is_control)
            }
        };
        if ok {
            return Ok(Self(raw.to_owned()));
        }
        Err(Error::field(
            field,
            "A member's id has 1 to 128 bytes, no control characters, and is not `*`; an own account's is `@` and its name in lower case.",
        ))
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

/// An item's id, the same for every recipient of one publish: the milliseconds of its making, then
/// 80 random bits, so that new rows lie side by side in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(pub u128);

impl ItemId {
    /// # Panics
    /// As [`random`].
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let ms = u128::from(now.as_millisecond().unsigned_abs());
        Self(ms << 80 | bits() >> 48)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ItemId {
    type Err = ();

    fn from_str(raw: &str) -> std::result::Result<Self, ()> {
        let is_ours = raw.len() == 32 && raw.bytes().all(|b| b.is_ascii_hexdigit());
        let id = is_ours
            .then(|| u128::from_str_radix(raw, 16).ok())
            .flatten();
        id.map(Self).ok_or(())
    }
}

impl Serialize for ItemId {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ItemId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let raw = String::deserialize(from)?;
        raw.parse()
            .map_err(|()| serde::de::Error::custom("an id has 32 hexadecimal digits"))
    }
}

/// 128 bits from the system's generator as 32 hexadecimal digits: more than anybody can try
/// (OWASP asks for 64 bits of entropy in a session id).
///
/// # Panics
/// When the system has no random numbers to give; nothing secret could be made then.
#[must_use]
pub fn random() -> String {
    format!("{:032x}", bits())
}

fn bits() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    u128::from_le_bytes(bytes)
}
