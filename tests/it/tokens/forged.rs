//! Tokens that were never good: forged, touched, early, late, and for somebody else.

use bellrope::config::{Maybe, Settings};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{EXPIRED, INVALID, REVOKED, Row, claims, let_in, refused, sign, touched, with};
use crate::keys::{Signer, base64};
use crate::world::{FORUM_SECRET, World};

const SESSION: &str = "br-session+jwt";
const ISSUER: &str = "https://forum.example";
const AUDIENCE: &str = "bellrope";

/// With a forum as well, whose tokens are told from ours.
#[tokio::test]
async fn a_session_token_that_is_none() {
    for world in [World::new().await, World::forum().await] {
        refuse_sessions(&world).await;
    }
}

async fn refuse_sessions(world: &World) {
    let ann = world.account("ann").await;
    let (good, secret) = (claims(&ann.token), world.secret());
    let now = world.clock.now().as_second();
    let ours =
        |claims: &Value, secret: &[u8]| sign(Algorithm::HS256, Some(SESSION), claims, secret);
    let changed = |change: Value| ours(&with(&good, change), &secret);
    let_in(world, &ours(&good, &secret)).await;
    refused(
        world,
        touched(&ann.token, &with(&good, json!({ "sub": "@root" }))),
    )
    .await;
    let other = b"some other secret, also 32 bytes";
    let as_kind = |algorithm, typ| sign(algorithm, typ, &good, &secret);
    let rows: Vec<Row> = vec![
        ("another secret", ours(&good, other), INVALID),
        ("an empty secret", ours(&good, b""), INVALID),
        (
            "the forum's secret",
            ours(&good, FORUM_SECRET.as_bytes()),
            INVALID,
        ),
        ("HS384", as_kind(Algorithm::HS384, Some(SESSION)), INVALID),
        ("HS512", as_kind(Algorithm::HS512, Some(SESSION)), INVALID),
        (
            "another kind",
            as_kind(Algorithm::HS256, Some("JWT")),
            INVALID,
        ),
        ("no kind", as_kind(Algorithm::HS256, None), INVALID),
        ("no exp", changed(json!({ "exp": null })), INVALID),
        ("no jti", changed(json!({ "jti": null })), INVALID),
        ("no sub", changed(json!({ "sub": null })), INVALID),
        ("exp is text", changed(json!({ "exp": "never" })), INVALID),
        (
            "good in a minute",
            changed(json!({ "nbf": now + 60 })),
            INVALID,
        ),
        ("expired", changed(json!({ "exp": now - 6 })), EXPIRED),
        ("unknown session", changed(json!({ "jti": "f00" })), REVOKED),
        (
            "another's session",
            changed(json!({ "sub": "@root" })),
            REVOKED,
        ),
        ("a forum member's", changed(json!({ "sub": "42" })), REVOKED),
        (
            "over 4 KiB",
            changed(json!({ "pad": "x".repeat(4096) })),
            INVALID,
        ),
    ];
    refused(world, rows).await;
}

/// A server that believes this signer's tokens: the key in a file, or in a set of keys.
async fn believing(signer: &Signer, is_set: bool) -> (World, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    let file = path.to_str().expect("a path");
    let mut settings = Settings {
        forum_issuer: Some(Maybe(Some(ISSUER.to_owned()))),
        forum_audience: Some(Maybe(Some(AUDIENCE.to_owned()))),
        ..Settings::default()
    };
    if let Signer::Secret(secret) = signer {
        let secret = std::str::from_utf8(secret).expect("a text");
        settings.forum_secret = Some(Maybe(Some(secret.parse().expect("a secret"))));
    } else {
        let algorithm = signer.algorithm().parse().expect("an algorithm");
        settings.forum_algorithm = Some(Maybe(Some(algorithm)));
        let text = if is_set {
            settings.forum_jwks = Some(Maybe(Some(file.parse().expect("a file"))));
            json!({ "keys": [signer.jwk("a"), Signer::rsa().jwk("b")] }).to_string()
        } else {
            settings.forum_key = Some(Maybe(Some(file.parse().expect("a file"))));
            signer.pem()
        };
        std::fs::write(&path, text).expect("a file");
    }
    (World::with(settings).await, folder)
}

fn vouched(world: &World) -> Value {
    let now = world.clock.now().as_second();
    json!({ "sub": "42", "iss": ISSUER, "aud": AUDIENCE, "iat": now - 10, "exp": now + 3600 })
}

#[tokio::test]
async fn a_forum_token_that_is_none() {
    let signer = Signer::secret(FORUM_SECRET.as_bytes());
    let (world, _folder) = believing(&signer, false).await;
    let (good, secret) = (vouched(&world), FORUM_SECRET.as_bytes());
    let now = world.clock.now().as_second();
    let changed = |change: Value| signer.token(&with(&good, change));
    let_in(&world, &signer.token(&good)).await;
    let other = with(&good, json!({ "sub": "7" }));
    refused(&world, touched(&signer.token(&good), &other)).await;
    let typed = |algorithm, typ| sign(algorithm, typ, &good, secret);
    let crit = json!({ "alg": "HS256", "crit": ["exp"] });
    let by = |secret: &[u8]| Signer::secret(secret).token(&good);
    let rows: Vec<Row> = vec![
        (
            "another secret",
            by(b"another secret of at least 32 bytes"),
            INVALID,
        ),
        ("an empty secret", by(b""), INVALID),
        ("our own secret", by(&world.secret()), INVALID),
        ("HS384", typed(Algorithm::HS384, None), INVALID),
        ("HS512", typed(Algorithm::HS512, None), INVALID),
        ("RS256", Signer::rsa().token(&good), INVALID),
        (
            "a session's kind",
            typed(Algorithm::HS256, Some(SESSION)),
            INVALID,
        ),
        (
            "a session's, shouted",
            typed(Algorithm::HS256, Some("BR-SESSION+JWT")),
            INVALID,
        ),
        ("something critical", signer.sign(&crit, &good), INVALID),
        ("no exp", changed(json!({ "exp": null })), INVALID),
        ("no iat", changed(json!({ "iat": null })), INVALID),
        ("no sub", changed(json!({ "sub": null })), INVALID),
        (
            "an own account's id",
            changed(json!({ "sub": "@root" })),
            INVALID,
        ),
        ("everybody", changed(json!({ "sub": "*" })), INVALID),
        (
            "good in a minute",
            changed(json!({ "nbf": now + 60 })),
            INVALID,
        ),
        (
            "issued in a minute",
            changed(json!({ "iat": now + 60 })),
            INVALID,
        ),
        ("expired", changed(json!({ "exp": now - 6 })), EXPIRED),
        ("no issuer", changed(json!({ "iss": null })), INVALID),
        (
            "another issuer",
            changed(json!({ "iss": "https://a.example" })),
            INVALID,
        ),
        ("no audience", changed(json!({ "aud": null })), INVALID),
        (
            "another audience",
            changed(json!({ "aud": ["other"] })),
            INVALID,
        ),
        (
            "over 4 KiB",
            changed(json!({ "pad": "x".repeat(4096) })),
            INVALID,
        ),
    ];
    refused(&world, rows).await;
}

/// The algorithm and the key are the server's to choose (RFC 8725, 2.1 and 3.1).
#[tokio::test]
async fn a_forum_token_by_another_kind_of_key() {
    for (signer, stranger) in [
        (Signer::rsa(), Signer::rsa()),
        (Signer::p256(), Signer::p256()),
        (Signer::ed25519(), Signer::ed25519()),
    ] {
        for is_set in [false, true] {
            let (world, _folder) = believing(&signer, is_set).await;
            let (good, pem) = (vouched(&world), signer.pem());
            let algorithm = signer.algorithm();
            let named = |key: Value| {
                let mut header = json!({ "alg": algorithm, "kid": "a" });
                header
                    .as_object_mut()
                    .expect("an object")
                    .extend(key.as_object().cloned().unwrap_or_default());
                header
            };
            let plain = named(json!({}));
            let_in(&world, &signer.sign(&plain, &good)).await;
            let hmac = |secret: &[u8], algorithm: &str| {
                let header = json!({ "alg": algorithm, "kid": "a", "typ": "JWT" });
                Signer::secret(secret).sign(&header, &good)
            };
            let another: [Signer; 3] = [Signer::rsa(), Signer::p256(), Signer::ed25519()];
            let mut rows: Vec<Row> = another
                .iter()
                .map(|key| ("a stranger's key", key.token_of("a", &good), INVALID))
                .collect();
            let embedded = named(json!({ "jwk": stranger.jwk("a") }));
            let linked = named(json!({ "jku": "http://127.0.0.1/jwks.json" }));
            let unknown = json!({ "alg": algorithm, "kid": "c" });
            rows.extend([
                (
                    "HS256 with the public key",
                    hmac(pem.as_bytes(), "HS256"),
                    INVALID,
                ),
                (
                    "the same, trimmed",
                    hmac(pem.trim().as_bytes(), "HS256"),
                    INVALID,
                ),
                (
                    "HS256 under its name",
                    hmac(pem.as_bytes(), algorithm),
                    INVALID,
                ),
                (
                    "HS256 with our own secret",
                    hmac(&world.secret(), "HS256"),
                    INVALID,
                ),
                ("a key of its own", stranger.sign(&embedded, &good), INVALID),
                ("a set of its own", stranger.sign(&linked, &good), INVALID),
                (
                    "another key's name",
                    stranger.sign(&unknown, &good),
                    INVALID,
                ),
                (
                    "the other key's name",
                    signer.sign(&json!({ "alg": algorithm, "kid": "b" }), &good),
                    INVALID,
                ),
                (
                    "alg none",
                    format!(
                        "{}.{}.",
                        base64(r#"{"alg":"none"}"#),
                        base64(good.to_string())
                    ),
                    INVALID,
                ),
            ]);
            if !is_set {
                // One key has no name, whatever the token calls it.
                rows.retain(|(what, ..)| *what != "the other key's name");
            }
            refused(&world, rows).await;
        }
    }
}
