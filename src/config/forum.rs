//! How the forum vouches for its members: with a secret, with a key, or with a set of keys.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Where the secret's file is named. Under systemd, `LoadCredential=` and `%d` fill it.
pub const SECRET_FILE_ENV: &str = "BELLROPE_FORUM_SECRET_FILE";
/// What is shown in a secret's place.
const MASK: &str = "(set)";
/// Bytes of a secret at least (RFC 7518, 3.2: as long as the hash).
const SECRET_BYTES_MIN: usize = 32;
/// Bytes of a file that holds a secret or a key: many times the longest RSA key.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Whose tokens are believed, and what they must say. The algorithm is ours to choose: what a
/// token's own header names is never followed (RFC 8725, 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forum {
    pub proof: Proof,
    /// What `iss` must be; always there unless the proof is a secret.
    pub issuer: Option<String>,
    /// What `aud` must be, or hold; always there unless the proof is a secret.
    pub audience: Option<String>,
}

/// What a token's signature is checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// HS256 with a secret the forum knows as well.
    Secret(Secret),
    PublicKey {
        pem: Vec<u8>,
        algorithm: Algorithm,
    },
    Jwks {
        source: Jwks,
        algorithm: Algorithm,
    },
}

/// A secret: never printed, neither as a value nor in a message. Reading one never fails, because
/// the message would show it; it is checked with what it belongs to.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        Ok(Self(raw.trim().to_owned()))
    }
}

/// A file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(pub PathBuf);

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl FromStr for FileName {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        Ok(Self(raw.into()))
    }
}

/// Where a set of keys is (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwks {
    File(PathBuf),
    Url(Url),
}

impl fmt::Display for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl FromStr for Jwks {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        if !raw.contains("://") {
            return Ok(Self::File(raw.into()));
        }
        let wrong = |why| {
            format!("`{raw}` {why}; write it like https://forum.example/jwks.json, or name a file")
        };
        let url: Url = raw.parse().map_err(|_| wrong("is no address"))?;
        // What is shown of the settings would show the password too.
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address with a name or a password in it is not used".to_owned());
        }
        match url.scheme() {
            "https" => Ok(Self::Url(url)),
            "http" if is_loopback(&url) => Ok(Self::Url(url)),
            "http" => Err(wrong(
                "could be changed on its way; http is for loopback addresses such as 127.0.0.1",
            )),
            _ => Err(wrong("is no https address")),
        }
    }
}

/// Whether what is asked there never leaves this machine. A name is none: who answers for it decides.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

/// How the forum signs with a key whose other half we have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    RS256,
    ES256,
    EdDSA,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        })
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(raw: &str) -> std::result::Result<Self, String> {
        [Self::RS256, Self::ES256, Self::EdDSA]
            .into_iter()
            .find(|known| known.to_string().eq_ignore_ascii_case(raw))
            .ok_or_else(|| {
                format!(
                    "`{raw}` is no algorithm for a key; give RS256, ES256 or EdDSA (a shared secret goes into `forum-secret`)"
                )
            })
    }
}

/// What was set, each apart.
pub(super) struct Given {
    pub secret: Option<Secret>,
    pub key: Option<FileName>,
    pub jwks: Option<Jwks>,
    pub algorithm: Option<Algorithm>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
}

impl Forum {
    /// `None` when neither a secret nor a key is set: then no member of a forum is believed. What
    /// else is set may stay, because a command that is run by hand sees the settings file and not
    /// the service's environment, where the secret is.
    ///
    /// # Errors
    /// Settings that contradict each other, or lack one another, or name a file that cannot be read.
    pub(super) fn new(given: Given) -> Result<Option<Self>> {
        let named = [
            ("forum-secret", given.secret.is_some()),
            ("forum-key", given.key.is_some()),
            ("forum-jwks", given.jwks.is_some()),
        ];
        let named: Vec<&str> = named
            .into_iter()
            .filter_map(|(name, is_set)| is_set.then_some(name))
            .collect();
        if let [one, other, ..] = named[..] {
            bail!(
                "`{one}` and `{other}` are both set; a token is checked in one way, so set one of them"
            );
        }
        if let Some(secret) = given.secret {
            ensure!(
                given.algorithm.is_none(),
                "`forum-algorithm` is set beside `forum-secret`, which is always HS256; leave it out"
            );
            let bytes = secret.as_bytes().len();
            ensure!(
                bytes >= SECRET_BYTES_MIN,
                "`forum-secret` has {bytes} bytes and needs {SECRET_BYTES_MIN}; `openssl rand -hex 32` makes a good one"
            );
            return Ok(Some(Self {
                proof: Proof::Secret(secret),
                issuer: given.issuer,
                audience: given.audience,
            }));
        }
        let Some(name) = named.first() else {
            return Ok(None);
        };
        let wanted =
            |missing: &str, why: &str| format!("`{name}` is set and `{missing}` is not; {why}");
        let algorithm = given.algorithm.with_context(|| {
            wanted(
                "forum-algorithm",
                "give RS256, ES256 or EdDSA, as the forum signs",
            )
        })?;
        // Whoever signs with a key usually signs for others too; theirs are not for us.
        let issuer = given.issuer.with_context(|| {
            wanted("forum-issuer", "give what the forum's tokens have as `iss`")
        })?;
        let audience = given.audience.with_context(|| {
            wanted(
                "forum-audience",
                "give what the forum's tokens have as `aud`",
            )
        })?;
        let proof = match (given.key, given.jwks) {
            (Some(file), _) => Proof::PublicKey {
                pem: public_key(&file.0).context("`forum-key` cannot be used")?,
                algorithm,
            },
            (None, Some(source)) => Proof::Jwks { source, algorithm },
            (None, None) => return Ok(None),
        };
        Ok(Some(Self {
            proof,
            issuer: Some(issuer),
            audience: Some(audience),
        }))
    }

    /// The forum's secret signs tokens for members, ours signs sessions; one secret for both would
    /// let either stand for the other.
    ///
    /// # Errors
    /// When they are one.
    pub fn ensure_secret_is_not(&self, own: &[u8]) -> Result<()> {
        if let Proof::Secret(secret) = &self.proof {
            ensure!(
                secret.as_bytes() != own,
                "`forum-secret` is the secret of this server's own sessions; give the forum another"
            );
        }
        Ok(())
    }
}

/// The secret in the file the environment names, if it names one.
pub(super) fn secret_from_file() -> Result<Option<Secret>> {
    let Some(path) = std::env::var_os(SECRET_FILE_ENV).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let text =
        read(Path::new(&path)).with_context(|| format!("{SECRET_FILE_ENV} cannot be used"))?;
    let secret = Secret(text.trim().to_owned());
    ensure!(
        !secret.0.is_empty(),
        "{SECRET_FILE_ENV} names {}, which is empty",
        Path::new(&path).display()
    );
    Ok(Some(secret))
}

fn public_key(path: &Path) -> Result<Vec<u8>> {
    let text = read(path)?;
    ensure!(
        !text.contains("PRIVATE KEY"),
        "{} holds a private key, which the forum should keep to itself; `openssl pkey -pubout` makes the public one",
        path.display()
    );
    ensure!(
        text.contains("-----BEGIN PUBLIC KEY-----")
            || text.contains("-----BEGIN RSA PUBLIC KEY-----"),
        "{} holds no public key in PEM, which begins with -----BEGIN PUBLIC KEY-----",
        path.display()
    );
    Ok(text.into_bytes())
}

fn read(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(cannot)?;
    Ok(text)
}
