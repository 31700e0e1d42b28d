//! A forum's keys, made for one test, and tokens signed with them by hand: also such as no library
//! would sign.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// What a forum signs with.
pub enum Signer {
    Secret(Vec<u8>),
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub fn secret(secret: &[u8]) -> Self {
        Self::Secret(secret.to_vec())
    }

    pub fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))
    }

    pub fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    pub fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key"))
    }

    pub fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().expect("a key"))
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(_) => "HS256",
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::P384(_) => "ES384",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn public_key(&self) -> PublicKeyX509Der<'static> {
        match self {
            Self::Secret(_) => panic!("a secret has no public half"),
            Self::Rsa(key) => key.public_key().as_der(),
            Self::P256(key) | Self::P384(key) => key.public_key().as_der(),
            Self::Ed25519(key) => key.public_key().as_der(),
        }
        .expect("DER")
    }

    /// The public key, as `openssl pkey -pubout` writes it.
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(self.public_key().as_ref());
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).expect("ASCII"))
            .collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }

    /// The public key as one of a set, with this `kid` (RFC 7517, 7518, 8037).
    pub fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Secret(secret) => json!({ "kty": "oct", "kid": kid, "k": base64(secret) }),
            Self::Rsa(key) => {
                let key = key.public_key();
                let n = base64(key.modulus().big_endian_without_leading_zero());
                let e = base64(key.exponent().big_endian_without_leading_zero());
                json!({ "kty": "RSA", "kid": kid, "n": n, "e": e })
            }
            Self::P256(key) => point(key, "P-256", kid),
            Self::P384(key) => point(key, "P-384", kid),
            Self::Ed25519(key) => {
                let x = base64(key.public_key().as_ref());
                json!({ "kty": "OKP", "kid": kid, "crv": "Ed25519", "x": x })
            }
        }
    }

    /// A token of these claims, whose header says what it is.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "typ": "JWT", "alg": self.algorithm() }), claims)
    }

    /// The same, with the name of its key.
    pub fn token_of(&self, kid: &str, claims: &Value) -> String {
        let header = json!({ "typ": "JWT", "alg": self.algorithm(), "kid": kid });
        self.sign(&header, claims)
    }

    /// A token with this header, whatever it says, signed as this kind of key signs.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(header, &claims.to_string())
    }

    /// The same with claims as a text, whatever it is.
    pub fn sign_text(&self, header: &Value, claims: &str) -> String {
        let message = format!("{}.{}", base64(header.to_string()), base64(claims));
        let signature = self.signature(message.as_bytes());
        format!("{message}.{}", base64(signature))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, message).as_ref().to_vec()
            }
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("a signature");
                signature
            }
            Self::P256(key) | Self::P384(key) => {
                let signature = key.sign(&random, message).expect("a signature");
                signature.as_ref().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

fn point(key: &EcdsaKeyPair, curve: &str, kid: &str) -> Value {
    // A byte that says "not compressed", then both coordinates.
    let (x, y) = key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
    json!({ "kty": "EC", "kid": kid, "crv": curve, "x": base64(x), "y": base64(y) })
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
