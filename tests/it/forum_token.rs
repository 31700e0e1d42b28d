//! The forum's tokens: the good ones of each kind, and every way to make a bad one.

use bellrope::config::{Algorithm, Forum as Config, Proof};
use bellrope::domain::error::Error;
use bellrope::domain::forum::{Forum, Vouched};
use bellrope::domain::id::MemberId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::keys::{Signer, base64};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ISSUER: &str = "https://forum.example";
const AUDIENCE: &str = "bellrope";
const MALFORMED: &str = "its header or its claims are malformed";
/// When these stories happen.
const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("a time")
}

fn with(proof: Proof) -> Result<Forum, String> {
    Forum::new(&Config {
        proof,
        issuer: Some(ISSUER.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
    })
}

fn with_secret() -> Forum {
    with(Proof::Secret(SECRET.parse().expect("a secret"))).expect("a forum")
}

fn with_key(signer: &Signer, algorithm: Algorithm) -> Result<Forum, String> {
    let pem = signer.pem().into_bytes();
    with(Proof::PublicKey { pem, algorithm })
}

/// Claims that are good, but for what `changed` says; `null` takes one out.
fn claims(changed: Value) -> Value {
    let mut claims = json!({
        "sub": "42", "iss": ISSUER, "aud": AUDIENCE, "iat": NOW - 10, "exp": NOW + 600,
    });
    let Value::Object(changed) = changed else {
        panic!("claims are an object");
    };
    let all = claims.as_object_mut().expect("an object");
    for (name, value) in changed {
        if value.is_null() {
            all.remove(&name);
        } else {
            all.insert(name, value);
        }
    }
    claims
}

fn good() -> Value {
    claims(json!({}))
}

async fn verify(forum: &Forum, token: &str) -> Result<Vouched, Error> {
    forum.verify(token, now()).await
}

/// The reason it is refused for; `expired` stands for itself.
async fn refusal(forum: &Forum, token: &str) -> String {
    match verify(forum, token).await {
        Err(Error::TokenInvalid(why)) => why.to_owned(),
        Err(Error::TokenExpired) => "expired".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// With the claims of a token that the forum's own secret signed.
async fn claimed(changed: Value) -> Result<Vouched, Error> {
    let token = Signer::secret(SECRET.as_bytes()).token(&claims(changed));
    verify(&with_secret(), &token).await
}

#[tokio::test]
async fn each_kind_of_key_vouches_and_no_other_of_its_kind() {
    let ours = [
        Signer::secret(SECRET.as_bytes()),
        Signer::rsa(),
        Signer::p256(),
        Signer::ed25519(),
    ];
    let strangers = [
        Signer::secret(b"another secret of at least 32 bytes"),
        Signer::rsa(),
        Signer::p256(),
        Signer::ed25519(),
    ];
    let forums = [
        with_secret(),
        with_key(&ours[1], Algorithm::RS256).expect("a forum"),
        with_key(&ours[2], Algorithm::ES256).expect("a forum"),
        with_key(&ours[3], Algorithm::EdDSA).expect("a forum"),
    ];
    let expected = Vouched {
        id: MemberId::parse("42", "to").expect("an id"),
        name: "42".to_owned(),
        issued_at: now() - SignedDuration::from_secs(10),
        expires_at: now() + SignedDuration::from_secs(600),
    };
    for (index, forum) in forums.iter().enumerate() {
        for (other, signer) in ours.iter().enumerate() {
            let token = signer.token(&good());
            if index == other {
                assert_eq!(verify(forum, &token).await.expect("a member"), expected);
            } else {
                let why = refusal(forum, &token).await;
                assert_eq!(why, "its algorithm is not the configured one");
            }
        }
        let forged = strangers[index].token(&good());
        assert_eq!(
            refusal(forum, &forged).await,
            "its signature is not the forum's"
        );
    }
}

/// What is public must not be worth a secret (RFC 8725, 2.1).
#[tokio::test]
async fn a_public_key_is_no_secret() {
    for (signer, algorithm) in [
        (Signer::rsa(), Algorithm::RS256),
        (Signer::p256(), Algorithm::ES256),
        (Signer::ed25519(), Algorithm::EdDSA),
    ] {
        let forum = with_key(&signer, algorithm).expect("a forum");
        let pem = signer.pem();
        for secret in [pem.as_bytes(), pem.trim().as_bytes()] {
            let forger = Signer::secret(secret);
            let why = refusal(&forum, &forger.token(&good())).await;
            assert_eq!(why, "its algorithm is not the configured one");
            // The header says what is set, the signature is the other kind's.
            let header = json!({ "typ": "JWT", "alg": signer.algorithm() });
            let why = refusal(&forum, &forger.sign(&header, &good())).await;
            assert_eq!(why, "its signature is not the forum's");
        }
    }
}

#[tokio::test]
async fn the_header_decides_nothing() {
    let forum = with_secret();
    let secret = Signer::secret(SECRET.as_bytes());
    let typed = |header: Value| secret.sign(&header, &good());
    for header in [
        json!({ "alg": "HS256" }),
        json!({ "alg": "HS256", "typ": "at+jwt", "kid": "anything" }),
    ] {
        verify(&forum, &typed(header)).await.expect("a member");
    }
    for (header, why) in [
        (
            json!({ "alg": "HS256", "typ": "br-session+jwt" }),
            "it is a session's, and not signed by us",
        ),
        (
            json!({ "alg": "HS256", "typ": "BR-Session+JWT" }),
            "it is a session's, and not signed by us",
        ),
        (
            json!({ "alg": "HS256", "crit": ["exp"], "exp": 1 }),
            "its header has `crit`",
        ),
        (
            json!({ "alg": "HS384" }),
            "its algorithm is not the configured one",
        ),
        (json!({ "alg": "none" }), MALFORMED),
        (json!({ "alg": "NONE" }), MALFORMED),
        (json!({ "typ": "JWT" }), MALFORMED),
    ] {
        assert_eq!(refusal(&forum, &typed(header)).await, why);
    }
}

#[tokio::test]
async fn a_token_that_was_touched_is_none() {
    let forum = with_secret();
    let secret = Signer::secret(SECRET.as_bytes());
    let token = secret.token(&good());
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    let (header, _) = message.split_once('.').expect("claims");
    let other = base64(claims(json!({ "sub": "1" })).to_string());
    let none = base64(json!({ "alg": "none", "typ": "JWT" }).to_string());
    let stolen = &secret.token(&claims(json!({ "sub": "7" })));
    let (_, of_another) = stolen.rsplit_once('.').expect("a signature");
    for touched in [
        format!("{message}."),
        message.to_owned(),
        format!("{none}.{other}."),
        format!("{none}.{other}.{signature}"),
        format!("{header}.{other}.{signature}"),
        format!("{message}.{of_another}"),
        format!("{message}.{}", &signature[1..]),
        format!("{token}.{signature}"),
        format!("{token}="),
        format!(" {token}"),
        String::new(),
        "..".to_owned(),
        "42".to_owned(),
        "x".repeat(4096),
    ] {
        let refused = verify(&forum, &touched).await;
        assert!(matches!(refused, Err(Error::TokenInvalid(_))), "{touched}");
    }
}

#[tokio::test]
async fn a_token_is_at_most_4_kib() {
    let long = |bytes: usize| {
        Signer::secret(SECRET.as_bytes()).token(&claims(json!({ "x": "x".repeat(bytes) })))
    };
    let rest = long(0).len();
    let fits = long((4096 - rest) * 3 / 4 - 3);
    let over = long((4096 - rest) * 3 / 4 + 3);
    assert!(fits.len() <= 4096 && over.len() > 4096);
    let forum = with_secret();
    verify(&forum, &fits).await.expect("a member");
    assert_eq!(refusal(&forum, &over).await, "it is over 4 KiB");
}

#[tokio::test]
async fn times_are_seconds_and_two_clocks_may_differ_by_five() {
    let in_seconds = "its `iat`, `exp` or `nbf` is not in seconds since 1970";
    for changed in [
        json!({ "exp": NOW - 4 }),
        json!({ "iat": NOW + 5 }),
        json!({ "nbf": NOW + 5 }),
        json!({ "nbf": NOW - 1000 }),
        // Whole or not (RFC 7519, 2).
        json!({ "exp": 1_800_000_000.75, "iat": 1_799_999_999.25, "nbf": 1_799_999_999.5 }),
        json!({ "exp": 253_000_000_000_i64 }),
        json!({ "nbf": null }),
    ] {
        claimed(changed.clone())
            .await
            .unwrap_or_else(|e| panic!("{changed}: {e}"));
    }
    for (changed, why) in [
        (json!({ "exp": NOW - 5 }), "expired"),
        (json!({ "exp": 0 }), "expired"),
        (json!({ "iat": NOW + 6 }), "its `iat` is in the future"),
        (json!({ "nbf": NOW + 6 }), "it is not good yet"),
        (json!({ "nbf": NOW * 1000 }), in_seconds),
        (json!({ "exp": null }), "it has no `exp`"),
        (json!({ "iat": null }), "it has no `iat`"),
        (json!({ "exp": NOW * 1000 }), in_seconds),
        (json!({ "exp": i64::MAX }), in_seconds),
        (json!({ "exp": u64::MAX }), in_seconds),
        (json!({ "exp": 1e300 }), in_seconds),
        (json!({ "exp": -1 }), in_seconds),
        (json!({ "exp": "1800000600" }), in_seconds),
        (json!({ "iat": "2027-01-15" }), in_seconds),
        (json!({ "iat": true }), in_seconds),
        (json!({ "nbf": [NOW] }), MALFORMED),
    ] {
        let why = (changed.clone(), why);
        let refused = match claimed(changed.clone()).await {
            Err(Error::TokenExpired) => "expired",
            Err(Error::TokenInvalid(why)) => why,
            other => panic!("{changed}: {other:?}"),
        };
        assert_eq!((changed, refused), why);
    }
}

#[tokio::test]
async fn a_token_is_for_us_and_from_the_one_that_is_set() {
    claimed(json!({ "aud": ["other", AUDIENCE] }))
        .await
        .expect("a member");
    let issuer = "its `iss` is not the one that is set";
    let audience = "its `aud` is not the one that is set";
    for (changed, why) in [
        (json!({ "iss": null }), issuer),
        (json!({ "iss": "https://forum.example/" }), issuer),
        (json!({ "iss": [ISSUER] }), issuer),
        (json!({ "aud": null }), audience),
        (json!({ "aud": "Bellrope" }), audience),
        (json!({ "aud": [] }), audience),
        (json!({ "aud": ["other"] }), audience),
        (json!({ "aud": { "bellrope": true } }), audience),
    ] {
        let refused = claimed(changed.clone()).await;
        assert!(
            matches!(refused, Err(Error::TokenInvalid(said)) if said == why),
            "{changed}: {refused:?}"
        );
    }
    // With a secret of their own, two need not name themselves.
    let bare = Forum::new(&Config {
        proof: Proof::Secret(SECRET.parse().expect("a secret")),
        issuer: None,
        audience: None,
    });
    let bare = bare.expect("a forum");
    for changed in [
        json!({ "iss": null, "aud": null }),
        json!({ "iss": "x", "aud": "y" }),
    ] {
        let token = Signer::secret(SECRET.as_bytes()).token(&claims(changed));
        verify(&bare, &token).await.expect("a member");
    }
}

#[tokio::test]
async fn a_member_s_id_is_a_forum_s_and_never_an_own_account_s() {
    let longest = "x".repeat(128);
    for right in ["42", "李雷", "a b", "a@b.example", "**", " ", &longest] {
        let vouched = claimed(json!({ "sub": right })).await.expect("a member");
        assert_eq!(vouched.id.as_str(), right);
    }
    let shape = "its `sub` is not 1 to 128 bytes without control characters, or is `*`";
    for (wrong, why) in [
        (
            json!("@root"),
            "its `sub` begins with `@`, as only own accounts do",
        ),
        (
            json!("@"),
            "its `sub` begins with `@`, as only own accounts do",
        ),
        (json!(""), shape),
        (json!("*"), shape),
        (json!("a\nb"), shape),
        (json!("\u{0}"), shape),
        (json!("a\u{9b}b"), shape),
        (json!("x".repeat(129)), shape),
        (json!("李".repeat(43)), shape),
        (json!(42), "its `sub` is not a text, such as \"42\""),
        (json!(["42"]), MALFORMED),
        (json!(null), "it has no `sub`"),
    ] {
        let refused = claimed(json!({ "sub": wrong.clone() })).await;
        assert!(
            matches!(refused, Err(Error::TokenInvalid(said)) if said == why),
            "{wrong}: {refused:?}"
        );
    }
    // Said twice, it could be read either way.
    let twice = format!(
        "{{\"sub\":\"1\",\"sub\":\"2\",\"iat\":{NOW},\"exp\":{}}}",
        NOW + 9
    );
    let secret = Signer::secret(SECRET.as_bytes());
    let why = refusal(
        &with_secret(),
        &secret.sign_text(&json!({ "alg": "HS256" }), &twice),
    )
    .await;
    assert_eq!(why, MALFORMED);
}

#[tokio::test]
async fn a_name_is_taken_as_far_as_it_is_fit_to_show() {
    for (name, shown) in [
        (json!("Ann 李"), "Ann 李"),
        (json!(" Ann\n\u{7}Bo "), "AnnBo"),
        (json!("李".repeat(201)), &"李".repeat(200)),
        (json!(" "), "42"),
        (json!(7), "42"),
        (json!(null), "42"),
    ] {
        let vouched = claimed(json!({ "name": name })).await.expect("a member");
        assert_eq!(vouched.name, shown);
    }
    // What else it says is not looked at.
    for avatar in [
        json!("https://a.b/1.png"),
        json!("javascript:alert(1)"),
        json!(1),
    ] {
        claimed(json!({ "avatar": avatar }))
            .await
            .expect("a member");
    }
}

#[test]
fn a_key_that_is_not_for_the_algorithm_is_refused_at_the_start() {
    for (signer, fits) in [
        (Signer::rsa(), Some(Algorithm::RS256)),
        (Signer::p256(), Some(Algorithm::ES256)),
        (Signer::ed25519(), Some(Algorithm::EdDSA)),
        (Signer::p384(), None),
    ] {
        for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            let made = with_key(&signer, algorithm);
            assert_eq!(made.is_ok(), fits == Some(algorithm), "{algorithm}");
            if let Err(why) = made {
                let words = format!("`forum-key` holds no public key for {algorithm}");
                assert!(why.starts_with(&words), "{why}");
            }
        }
    }
    for pem in [
        SMALL_RSA,
        "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n",
        "",
    ] {
        let algorithm = Algorithm::RS256;
        let pem = pem.as_bytes().to_vec();
        assert!(with(Proof::PublicKey { pem, algorithm }).is_err());
    }
}

#[tokio::test]
async fn a_minted_token_is_one_the_forum_could_have_signed() {
    let forum = with_secret();
    let id = MemberId::parse("42", "to").expect("an id");
    let until = now() + SignedDuration::from_hours(1);
    let minted = forum.mint(&id, now(), until).expect("a secret");
    let vouched = verify(&forum, &minted.expect("a token")).await;
    let vouched = vouched.expect("a member");
    assert_eq!((vouched.id, vouched.expires_at), (id.clone(), until));
    let key = with_key(&Signer::ed25519(), Algorithm::EdDSA).expect("a forum");
    assert!(key.mint(&id, now(), until).is_none(), "only the forum can");
}

/// 1024 bits, which nobody should sign with any more.
const SMALL_RSA: &str = "\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDhsofw1OysqpqLDR+peNFzyeq+
oADhd4I+MiHGIXvrvwl3F3P63Ct9U4LcJ+KoQtp/Nz8tNQHSSLMUU/JFWcGKlAzX
i0zpBG4Fwp7TyzUCnxNFQ1CuYjzBqtefiZy10ehPu74zq4P0GSzCTF+snae4gS/M
kkP0QSLBcRWQvw5M5wIDAQAB
-----END PUBLIC KEY-----
";
