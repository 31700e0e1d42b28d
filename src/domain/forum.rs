//! The forum: whom it vouches for, proved by a token that it signed.

mod jwks;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Error, Result};
use super::id::MemberId;
use super::session::{self, LEEWAY, TOKEN_BYTES_MAX};
use crate::config;
use jwks::KeySet;

/// Characters kept of a member's name, as of a notification's title.
const NAME_CHARS_MAX: usize = 200;
/// How long a token waits for a key that may have been published a moment ago.
const KEY_WAIT_MAX: Duration = Duration::from_secs(3);

const ALGORITHM: &str = "its algorithm is not the configured one";

/// A member as the forum vouches for them, until a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    pub id: MemberId,
    /// The claim `name`, or the id.
    pub name: String,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What verifies the forum's tokens. The algorithm comes from the configuration alone (RFC 8725, 3.1).
pub struct Forum {
    algorithm: Algorithm,
    keys: Keys,
    validation: Validation,
    issuer: Option<String>,
    audience: Option<String>,
}

enum Keys {
    Secret {
        decoding: DecodingKey,
        encoding: EncodingKey,
    },
    Public(DecodingKey),
    Set(KeySet),
}

/// What a token says, before it is believed. Each may be of any type here, so that the refusal can
/// name the one that is wrong. A token may say more, such as `avatar`: that is between the forum and
/// its pages.
#[derive(Deserialize)]
struct Claims {
    sub: Option<Value>,
    iat: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iss: Option<Value>,
    aud: Option<Value>,
    name: Option<Value>,
}

#[derive(Serialize)]
struct Minted<'a> {
    sub: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

impl Forum {
    /// A set of keys is empty at first: whoever owns this brings it, see [`Forum::wanted`].
    ///
    /// # Errors
    /// A sentence, when the key is not one for the algorithm.
    pub fn new(config: &config::Forum) -> std::result::Result<Self, String> {
        let (algorithm, keys) = match &config.proof {
            config::Proof::Secret(secret) => {
                let keys = Keys::Secret {
                    decoding: DecodingKey::from_secret(secret.as_bytes()),
                    encoding: EncodingKey::from_secret(secret.as_bytes()),
                };
                (Algorithm::HS256, keys)
            }
            config::Proof::PublicKey { pem, algorithm } => {
                let key = jwks::from_pem(pem, *algorithm)?;
                (jwks::signed_with(*algorithm), Keys::Public(key))
            }
            config::Proof::Jwks { source, algorithm } => {
                let keys = KeySet::new(source.clone(), *algorithm);
                (jwks::signed_with(*algorithm), Keys::Set(keys))
            }
        };
        let mut validation = Validation::new(algorithm);
        // The signature is theirs to check; what is claimed is checked here, with reasons and with
        // the App's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Ok(Self {
            algorithm,
            keys,
            validation,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        })
    }

    /// Whom the token vouches for. May wait for a key that is not known yet, 3 seconds at most.
    ///
    /// # Errors
    /// `TokenInvalid`, `TokenExpired`; `Busy` while the forum's keys have not been read yet.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Vouched> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::TokenInvalid("it is over 4 KiB"));
        }
        let header = self.header(token)?;
        let set_key;
        let key = match &self.keys {
            Keys::Secret { decoding, .. } => decoding,
            Keys::Public(key) => key,
            Keys::Set(set) => {
                set_key = set.find(header.kid.as_deref(), now).await?;
                &set_key
            }
        };
        let data = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|error| Error::TokenInvalid(refusal(error.kind())))?;
        self.vouched(data.claims, now)
    }

    fn header(&self, token: &str) -> Result<Header> {
        let header = jsonwebtoken::decode_header(token)
            .map_err(|error| Error::TokenInvalid(refusal(error.kind())))?;
        let typ = header.typ.as_deref().unwrap_or_default();
        if typ.eq_ignore_ascii_case(session::TYPE) {
            return Err(Error::TokenInvalid(
                "it is a session's, and not signed by us",
            ));
        }
        if header.alg != self.algorithm {
            return Err(Error::TokenInvalid(ALGORITHM));
        }
        // Whoever does not know what they mean must refuse (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(Error::TokenInvalid("its header has `crit`"));
        }
        Ok(header)
    }

    fn vouched(&self, claims: Claims, now: Timestamp) -> Result<Vouched> {
        if let Some(issuer) = &self.issuer
            && claims.iss.as_ref().and_then(Value::as_str) != Some(issuer)
        {
            return Err(Error::TokenInvalid("its `iss` is not the one that is set"));
        }
        if let Some(audience) = &self.audience
            && !claims.aud.is_some_and(|aud| is_for(&aud, audience))
        {
            return Err(Error::TokenInvalid("its `aud` is not the one that is set"));
        }
        let expires_at = time(claims.exp, "it has no `exp`")?;
        let issued_at = time(claims.iat, "it has no `iat`")?;
        if now.duration_since(expires_at) >= LEEWAY {
            return Err(Error::TokenExpired);
        }
        let too_early = |from: Timestamp| from.duration_since(now) > LEEWAY;
        if too_early(issued_at) {
            return Err(Error::TokenInvalid("its `iat` is in the future"));
        }
        if claims.nbf.is_some() && too_early(time(claims.nbf, "")?) {
            return Err(Error::TokenInvalid("it is not good yet"));
        }
        let id = member(claims.sub)?;
        let name = text(claims.name).map(|name| shown(&name));
        let name = name.filter(|name| !name.is_empty());
        Ok(Vouched {
            name: name.unwrap_or_else(|| id.as_str().to_owned()),
            id,
            issued_at,
            expires_at,
        })
    }

    /// A token for tests, as the forum would sign it; `None` when only the forum can, because it has
    /// the key's other half.
    ///
    /// # Errors
    /// `Storage`, when signing fails.
    pub fn mint(
        &self,
        member: &MemberId,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> Option<Result<String>> {
        let Keys::Secret { encoding, .. } = &self.keys else {
            return None;
        };
        let claims = Minted {
            sub: member.as_str(),
            iat: issued_at.as_second(),
            exp: expires_at.as_second(),
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
        };
        let minted = jsonwebtoken::encode(&Header::new(self.algorithm), &claims, encoding);
        Some(minted.map_err(|error| Error::Storage(error.into())))
    }

    /// Where the set of keys is, when keys come as a set.
    pub fn source(&self) -> Option<&config::Jwks> {
        self.set().map(KeySet::source)
    }

    /// Waits until a token has asked for a key that is not in the set; for ever without a set.
    /// Whoever then reads the set says how it went: [`Forum::accept`] or [`Forum::nothing_new`].
    pub async fn wanted(&self) {
        match self.set() {
            Some(set) => set.wanted().await,
            None => std::future::pending().await,
        }
    }

    /// Takes a set of keys (RFC 7517) in place of the one before; says how many fit.
    ///
    /// # Errors
    /// A sentence, when it is none, or none of its keys is for the algorithm. The one before stays.
    pub fn accept(&self, json: &[u8]) -> std::result::Result<usize, String> {
        self.set().map_or(Ok(0), |set| set.accept(json))
    }

    /// The set could not be read, or is the one before: whoever waits for it need not any longer.
    pub fn nothing_new(&self) {
        if let Some(set) = self.set() {
            set.nothing_new();
        }
    }

    fn set(&self) -> Option<&KeySet> {
        match &self.keys {
            Keys::Set(set) => Some(set),
            Keys::Secret { .. } | Keys::Public(_) => None,
        }
    }
}

fn refusal(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "its signature is not the forum's",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => ALGORITHM,
        ErrorKind::Json(_) => "its header or its claims are malformed",
        _ => "it is not a token",
    }
}

/// `aud` is one text or a list of them (RFC 7519, 4.1.3).
fn is_for(aud: &Value, audience: &str) -> bool {
    match aud {
        Value::String(one) => one == audience,
        Value::Array(several) => several.iter().any(|one| one == audience),
        _ => false,
    }
}

/// Seconds since 1970, whole or not (RFC 7519, 2).
fn time(claim: Option<Value>, missing: &'static str) -> Result<Timestamp> {
    let claim = match claim {
        Some(Value::Null) | None => return Err(Error::TokenInvalid(missing)),
        Some(claim) => claim,
    };
    let no_seconds =
        || Error::TokenInvalid("its `iat`, `exp` or `nbf` is not in seconds since 1970");
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, and what is out of range is refused below"
    )]
    let seconds = match (claim.as_i64(), claim.as_f64()) {
        (Some(seconds), _) => seconds,
        (None, Some(seconds)) => seconds.floor() as i64,
        (None, None) => return Err(no_seconds()),
    };
    // A day below the last one there is, so that leeways can be added to it.
    let last = Timestamp::MAX - SignedDuration::from_hours(24);
    Timestamp::from_second(seconds)
        .ok()
        .filter(|time| (Timestamp::UNIX_EPOCH..=last).contains(time))
        .ok_or_else(no_seconds)
}

fn member(sub: Option<Value>) -> Result<MemberId> {
    let sub = match sub {
        Some(Value::String(sub)) => sub,
        Some(Value::Null) | None => return Err(Error::TokenInvalid("it has no `sub`")),
        Some(_) => {
            return Err(Error::TokenInvalid(
                "its `sub` is not a text, such as \"42\"",
            ));
        }
    };
    if sub.starts_with('@') {
        return Err(Error::TokenInvalid(
            "its `sub` begins with `@`, as only own accounts do",
        ));
    }
    MemberId::parse(&sub, "sub").map_err(|_| {
        Error::TokenInvalid("its `sub` is not 1 to 128 bytes without control characters, or is `*`")
    })
}

fn text(claim: Option<Value>) -> Option<String> {
    match claim {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// A name on one line, of bounded length.
fn shown(name: &str) -> String {
    let printed = name.chars().filter(|c| !c.is_control());
    let cut: String = printed.take(NAME_CHARS_MAX).collect();
    cut.trim().to_owned()
}
