//! The kinds of value a setting may have, each checked as it is read.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A scheme, a host and perhaps a port, spelled as a browser sends it in `Origin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

impl Origin {
    /// The origin of a server that is reached where it listens.
    #[must_use]
    pub fn of_address(scheme: &str, address: SocketAddr) -> Self {
        Self(format!("{scheme}://{address}"))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        let wrong = || {
            format!(
                "`{raw}` is no origin; write it like https://forum.example or http://127.0.0.1:8080, without a path"
            )
        };
        let lower = raw.trim_end_matches('/').to_ascii_lowercase();
        let (scheme, rest) = lower.split_once("://").ok_or_else(wrong)?;
        let default_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(wrong()),
        };
        // Browsers leave the scheme's own port out (RFC 6454, 6.1).
        let authority = rest.strip_suffix(default_port).unwrap_or(rest);
        let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if authority.is_empty() || !authority.chars().all(ok) {
            return Err(wrong());
        }
        Ok(Self(format!("{scheme}://{authority}")))
    }
}

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Listen(pub SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        raw.parse().map(Self).map_err(|_| {
            format!("`{raw}` is no address with a port; write it like 127.0.0.1:8888 or [::1]:8888")
        })
    }
}

/// How many of something may wait or be held: 1 to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "usize")]
pub struct Count<const MAX: usize = COUNT_MAX>(pub usize);

/// Beyond any machine this runs on, and within what every queue can be asked to hold.
const COUNT_MAX: usize = 1_000_000;
/// Changes of one member's log: what is sent to catch up ends at 256 KiB, far below as many.
pub const LOG_CHANGES_MAX: usize = 100_000;

impl<const MAX: usize> TryFrom<i64> for Count<MAX> {
    type Error = String;

    fn try_from(raw: i64) -> std::result::Result<Self, String> {
        let count = usize::try_from(raw)
            .ok()
            .filter(|count| (1..=MAX).contains(count));
        count
            .map(Self)
            .ok_or_else(|| format!("`{raw}` is out of range; give 1 to {MAX}"))
    }
}

impl<const MAX: usize> From<Count<MAX>> for usize {
    fn from(count: Count<MAX>) -> Self {
        count.0
    }
}

impl<const MAX: usize> FromStr for Count<MAX> {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        let number: i64 = raw
            .parse()
            .map_err(|_| format!("`{raw}` is no whole number; give 1 to {MAX}"))?;
        number.try_into()
    }
}

/// A setting that may be left out: the empty text says so, also over a layer below that has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maybe<T>(pub Option<T>);

impl<T: FromStr<Err: fmt::Display>> FromStr for Maybe<T> {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        match raw {
            "" => Ok(Self(None)),
            raw => raw
                .parse()
                .map(|value| Self(Some(value)))
                .map_err(|wrong: T::Err| wrong.to_string()),
        }
    }
}

impl<T: fmt::Display> Serialize for Maybe<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match &self.0 {
            None => serializer.serialize_str(""),
            Some(value) => serializer.collect_str(value),
        }
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A block of addresses; a single address is a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr(ipnet::IpNet);

impl Cidr {
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        let block = raw
            .parse()
            .or_else(|_| raw.parse::<IpAddr>().map(Into::into));
        block.map(Self).map_err(|_| {
            format!(
                "`{raw}` is neither an address nor a block; write it like 127.0.0.1 or 10.0.0.0/8"
            )
        })
    }
}

/// A length of time that a login may have: a minute to ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ttl(pub Duration);

impl FromStr for Ttl {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        let time = time(raw, Duration::from_mins(1));
        Ok(Self(time?.ok_or_else(|| {
            format!("`{raw}` is out of range; a login lasts 1m to 3650d")
        })?))
    }
}

/// How long something is kept: an hour to ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Age(pub Duration);

impl FromStr for Age {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        let time = time(raw, Duration::from_hours(1));
        Ok(Self(time?.ok_or_else(|| {
            format!("`{raw}` is out of range; it is kept for 1h to 3650d")
        })?))
    }
}

/// How often something is done: a minute to ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Every(pub Duration);

impl FromStr for Every {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        let time = time(raw, Duration::from_mins(1));
        Ok(Self(time?.ok_or_else(|| {
            format!("`{raw}` is out of range; it is done every 1m to 3650d")
        })?))
    }
}

/// A length of time, or `None` when it is below `least` or above ten years.
fn time(raw: &str, least: Duration) -> std::result::Result<Option<Duration>, String> {
    let time = humantime::parse_duration(raw)
        .map_err(|_| format!("`{raw}` is no length of time; write it like 12h or 30d"))?;
    let most = Duration::from_hours(24 * 3650);
    Ok((least..=most).contains(&time).then_some(time))
}

/// As a settings file spells it, in the largest unit that leaves no rest.
fn spelled_time(time: Duration) -> String {
    let seconds = time.as_secs();
    let unit = [(86_400, "d"), (3600, "h"), (60, "m")]
        .into_iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

/// `Display` and the string conversions serde uses, for the types above.
macro_rules! spelled {
    ($type:ty, $shown:expr) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let shown: fn(&$type) -> String = $shown;
                f.write_str(&shown(self))
            }
        }
        impl TryFrom<String> for $type {
            type Error = String;
            fn try_from(raw: String) -> std::result::Result<Self, String> {
                raw.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}
spelled!(Listen, |listen| listen.0.to_string());
spelled!(Origin, |origin| origin.0.clone());
spelled!(Cidr, |cidr| cidr.0.to_string());
spelled!(Ttl, |ttl| spelled_time(ttl.0));
spelled!(Age, |age| spelled_time(age.0));
spelled!(Every, |every| spelled_time(every.0));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_spelled_as_browsers_spell_them() {
        let spelled = |raw: &str| raw.parse::<Origin>().map(String::from);
        assert_eq!(
            spelled("https://Forum.example/"),
            Ok("https://forum.example".to_owned())
        );
        assert_eq!(
            spelled("https://forum.example:443"),
            Ok("https://forum.example".to_owned())
        );
        assert_eq!(
            spelled("http://127.0.0.1:8080"),
            Ok("http://127.0.0.1:8080".to_owned())
        );
        for wrong in [
            "forum.example",
            "ftp://forum.example",
            "https://",
            "https://a/b",
            "null",
            "*",
        ] {
            assert!(spelled(wrong).is_err(), "{wrong}");
        }
    }
}
