//! The forum's set of keys: it changes while the server runs, in a file or on another server.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bellrope::config::{Algorithm, Forum as Config, Jwks, Proof};
use bellrope::domain::error::Error;
use bellrope::domain::forum::{Forum, Vouched};
use bellrope::fetch::{self, Fetch};
use bellrope::serve::jwks;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::keys::Signer;

const NOW: i64 = 1_800_000_000;
const UNKNOWN: &str = "its `kid` names no key of the forum's";

/// Another server, which answers as it is told and counts how often it was asked.
struct Other {
    address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
    asked: Arc<AtomicUsize>,
}

impl Other {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let other = Self {
            address: listener.local_addr().expect("an address"),
            answer: Arc::default(),
            asked: Arc::default(),
        };
        let (answer, asked) = (Arc::clone(&other.answer), Arc::clone(&other.asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                asked.fetch_add(1, Ordering::SeqCst);
                let answer = answer.lock().expect("an answer").clone();
                // Without an answer it keeps the connection and says nothing.
                if answer.is_empty() {
                    tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
                } else {
                    let _ = stream.write_all(&answer).await;
                }
            }
        });
        other
    }

    fn say(&self, head: &str, body: impl AsRef<[u8]>) {
        let mut answer = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").into_bytes();
        answer.extend_from_slice(body.as_ref());
        *self.answer.lock().expect("an answer") = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn url(&self) -> url::Url {
        let url = format!("http://{}/jwks.json", self.address);
        url.parse().expect("an address")
    }
}

/// A forum whose set is kept, and the test's own clock.
struct Kept {
    forum: Arc<Forum>,
    now: Timestamp,
    task: JoinHandle<()>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Kept {
    fn new(source: Jwks, algorithm: Algorithm) -> Self {
        let forum = Arc::new(forum(source, algorithm));
        let task = jwks::keep(&forum).expect("a client");
        Self {
            task: task.expect("a set to keep"),
            forum,
            now: Timestamp::from_second(NOW).expect("a time"),
        }
    }

    async fn verify(&self, token: &str) -> Result<Vouched, Error> {
        self.forum.verify(token, self.now).await
    }

    #[track_caller]
    fn expect(vouched: &Result<Vouched, Error>) {
        assert!(vouched.is_ok(), "{vouched:?}");
    }

    fn later(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }
}

fn forum(source: Jwks, algorithm: Algorithm) -> Forum {
    Forum::new(&Config {
        proof: Proof::Jwks { source, algorithm },
        issuer: Some("forum".to_owned()),
        audience: Some("bell".to_owned()),
    })
    .expect("a forum")
}

fn claims() -> Value {
    json!({ "sub": "42", "iss": "forum", "aud": "bell", "iat": NOW - 10, "exp": NOW + 9999 })
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn refusal(vouched: Result<Vouched, Error>) -> &'static str {
    match vouched {
        Err(Error::TokenInvalid(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jwks.json");
    fs::write(&path, text).expect("a file");
    (folder, path)
}

#[tokio::test]
async fn a_file_that_changes_is_read_again_when_a_token_names_a_new_key() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let of_old = old.token_of("old", &claims());
    let of_new = new.token_of("new", &claims());
    let (folder, path) = file(&set(&[old.jwk("old")]));
    let mut kept = Kept::new(Jwks::File(path.clone()), Algorithm::ES256);
    Kept::expect(&kept.verify(&of_old).await);
    assert_eq!(refusal(kept.verify(&of_new).await), UNKNOWN);

    // Both for a while, then the new one alone: written beside it and renamed, as many do.
    for (keys, is_old_good) in [
        (vec![old.jwk("old"), new.jwk("new")], true),
        (vec![new.jwk("new")], false),
    ] {
        let draft = folder.path().join("draft");
        fs::write(&draft, set(&keys)).expect("a file");
        fs::rename(&draft, &path).expect("a rename");
        kept.later(2);
        // A name that is nobody's makes it look, too.
        let other = new.token_of("nobody's", &claims());
        assert_eq!(refusal(kept.verify(&other).await), UNKNOWN);
        Kept::expect(&kept.verify(&of_new).await);
        assert_eq!(kept.verify(&of_old).await.is_ok(), is_old_good);
    }

    // One that is half-written, or gone, changes nothing.
    fs::write(&path, "{\"keys\":[").expect("a file");
    kept.later(2);
    assert_eq!(refusal(kept.verify(&of_old).await), UNKNOWN);
    Kept::expect(&kept.verify(&of_new).await);
    fs::remove_file(&path).expect("a file");
    kept.later(2);
    assert_eq!(refusal(kept.verify(&of_old).await), UNKNOWN);
    Kept::expect(&kept.verify(&of_new).await);
    fs::write(&path, set(&[old.jwk("old")])).expect("a file");
    kept.later(2);
    Kept::expect(&kept.verify(&of_old).await);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_told_at_the_start() {
    let key = Signer::ed25519();
    let (_folder, path) = file(&set(&[key.jwk("a")]));
    let good = forum(Jwks::File(path.clone()), Algorithm::EdDSA);
    jwks::read(&good).expect("a set");
    let now = Timestamp::from_second(NOW).expect("a time");
    let vouched = good.verify(&key.token_of("a", &claims()), now).await;
    Kept::expect(&vouched);

    let (_other_folder, huge) = file(&" ".repeat(256 * 1024 + 1));
    for (path, algorithm, words) in [
        (
            path,
            Algorithm::RS256,
            "none of its keys is for signing with RS256",
        ),
        (huge, Algorithm::EdDSA, "it has more than 262144 bytes"),
        (
            "/nowhere/jwks.json".into(),
            Algorithm::EdDSA,
            "No such file",
        ),
    ] {
        let why = jwks::read(&forum(Jwks::File(path), algorithm)).expect_err("a sentence");
        assert!(format!("{why:#}").contains(words), "{why:#}");
    }
}

#[tokio::test]
async fn only_keys_that_fit_are_taken() {
    let key = Signer::p256();
    let with = |name: &str, value: Value| {
        let mut jwk = key.jwk("a");
        jwk[name] = value;
        jwk
    };
    let source = || Jwks::File("/nowhere".into());
    for right in [
        key.jwk("a"),
        with("use", json!("sig")),
        with("alg", json!("ES256")),
        with("key_ops", json!(["verify"])),
        with("x5c", json!(["AAAA"])),
    ] {
        let forum = forum(source(), Algorithm::ES256);
        // Beside others that are not understood (RFC 7517, 5).
        let others = [
            json!({ "kty": "new", "kid": "b" }),
            json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
            json!("none"),
            Signer::rsa().jwk("c"),
            Signer::secret(b"a secret of more than 32 bytes ...").jwk("d"),
            right.clone(),
        ];
        assert_eq!(forum.accept(set(&others).as_bytes()), Ok(1), "{right}");
    }
    for wrong in [
        with("use", json!("enc")),
        with("alg", json!("ES384")),
        with("alg", json!("HS256")),
        with("key_ops", json!(["sign"])),
        with("crv", json!("P-384")),
        with("x", json!("AAAA")),
        with("kty", json!("oct")),
        Signer::p384().jwk("a"),
        Signer::ed25519().jwk("a"),
    ] {
        let forum = forum(source(), Algorithm::ES256);
        let refused = forum.accept(set(std::slice::from_ref(&wrong)).as_bytes());
        assert!(refused.is_err(), "{wrong}");
    }
    let forum = forum(source(), Algorithm::ES256);
    for wrong in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "<html>"] {
        assert!(forum.accept(wrong.as_bytes()).is_err(), "{wrong}");
    }
    let many = vec![key.jwk("a"); 101];
    assert!(forum.accept(set(&many).as_bytes()).is_err());
    assert_eq!(forum.accept(set(&many[1..]).as_bytes()), Ok(100));
}

#[tokio::test]
async fn a_token_without_a_name_of_its_key_needs_there_to_be_one() {
    let (one, other) = (Signer::rsa(), Signer::rsa());
    let (_folder, path) = file(&set(&[one.jwk("a")]));
    let kept = Kept::new(Jwks::File(path), Algorithm::RS256);
    Kept::expect(&kept.verify(&one.token(&claims())).await);
    let forged = kept.verify(&other.token_of("a", &claims())).await;
    assert_eq!(refusal(forged), "its signature is not the forum's");

    let two = set(&[one.jwk("a"), other.jwk("b")]);
    kept.forum.accept(two.as_bytes()).expect("two keys");
    let why = refusal(kept.verify(&one.token(&claims())).await);
    assert_eq!(why, "it has no `kid`, and the forum has several keys");
    Kept::expect(&kept.verify(&other.token_of("b", &claims())).await);
}

#[tokio::test]
async fn a_server_s_set_is_asked_for_again_when_a_token_names_a_new_key_but_seldom() {
    let (old, new) = (Signer::ed25519(), Signer::ed25519());
    let of_old = old.token_of("old", &claims());
    let of_new = new.token_of("new", &claims());
    let other = Other::start().await;
    other.say("200 OK", set(&[old.jwk("old")]));
    let mut kept = Kept::new(Jwks::Url(other.url()), Algorithm::EdDSA);
    Kept::expect(&kept.verify(&of_old).await);
    kept.later(30);
    let asked = other.asked();
    assert_eq!(refusal(kept.verify(&of_new).await), UNKNOWN);
    assert_eq!(other.asked(), asked + 1, "asked, in vain");

    // It is there now, but whoever names keys nobody has must not make us ask without end.
    other.say("200 OK", set(&[old.jwk("old"), new.jwk("new")]));
    let began = Instant::now();
    for _ in 0..20 {
        kept.later(1);
        assert_eq!(refusal(kept.verify(&of_new).await), UNKNOWN);
    }
    assert_eq!(other.asked(), asked + 1);
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "none of them waits"
    );
    kept.later(10);
    Kept::expect(&kept.verify(&of_new).await);
    assert_eq!(other.asked(), asked + 2);

    // Whatever goes wrong over there, the last good set stays.
    for (head, body) in [
        ("500 Internal Server Error", set(&[old.jwk("old")])),
        ("200 OK", "<html>Down for maintenance</html>".to_owned()),
        ("200 OK", set(&[])),
        ("200 OK", set(&[old.jwk("x".repeat(256 * 1024).as_str())])),
        ("302 Found\r\nlocation: /other.json", String::new()),
        ("204 No Content", String::new()),
    ] {
        other.say(head, body);
        kept.later(30);
        let (asked, stranger) = (other.asked(), new.token_of("nobody's", &claims()));
        assert_eq!(refusal(kept.verify(&stranger).await), UNKNOWN);
        assert_eq!(other.asked(), asked + 1, "{head}");
        Kept::expect(&kept.verify(&of_old).await);
        Kept::expect(&kept.verify(&of_new).await);
    }
    other.say("200 OK", set(&[new.jwk("new")]));
    kept.later(30);
    let stranger = new.token_of("nobody's", &claims());
    assert_eq!(refusal(kept.verify(&stranger).await), UNKNOWN);
    assert_eq!(refusal(kept.verify(&of_old).await), UNKNOWN, "withdrawn");
}

#[tokio::test]
async fn until_the_set_was_read_once_nobody_is_believed_and_nobody_is_refused_for_good() {
    let key = Signer::ed25519();
    let token = key.token_of("a", &claims());
    let other = Other::start().await;
    let mut kept = Kept::new(Jwks::Url(other.url()), Algorithm::EdDSA);
    // It takes the question and says nothing: a token waits for a moment, not for ever.
    let began = Instant::now();
    assert!(matches!(kept.verify(&token).await, Err(Error::Busy)));
    let waited = began.elapsed();
    assert!((3..10).contains(&waited.as_secs()), "{waited:?}");

    let other = Other::start().await;
    other.say("503 Service Unavailable", "");
    kept = Kept::new(Jwks::Url(other.url()), Algorithm::EdDSA);
    assert!(matches!(kept.verify(&token).await, Err(Error::Busy)));
    other.say("200 OK", set(&[key.jwk("a")]));
    kept.later(30);
    Kept::expect(&kept.verify(&token).await);
}

#[tokio::test]
async fn many_tokens_with_a_new_key_make_one_question() {
    let (old, new) = (Signer::ed25519(), Signer::ed25519());
    let other = Other::start().await;
    other.say("200 OK", set(&[old.jwk("old")]));
    let mut kept = Kept::new(Jwks::Url(other.url()), Algorithm::EdDSA);
    Kept::expect(&kept.verify(&old.token_of("old", &claims())).await);
    other.say("200 OK", set(&[old.jwk("old"), new.jwk("new")]));
    kept.later(30);
    let (asked, token) = (other.asked(), new.token_of("new", &claims()));
    let all = (0..100).map(|_| kept.verify(&token));
    for vouched in futures_util::future::join_all(all).await {
        Kept::expect(&vouched);
    }
    assert_eq!(other.asked(), asked + 1);
}

#[tokio::test]
async fn what_is_fetched_has_limits() {
    let fetch = Fetch::new().expect("a client");
    let other = Other::start().await;
    let get = async |bytes_max| fetch.get(&other.url(), bytes_max).await;
    other.say("200 OK\r\ncache-control: public, max-age=600", "12345678");
    let answer = get(8).await.expect("an answer");
    assert_eq!(answer.body, b"12345678");
    assert_eq!(answer.fresh_for, Some(Duration::from_mins(10)));
    assert!(matches!(get(7).await, Err(fetch::Error::TooLarge(7))));
    for location in [
        "http://127.0.0.1/",
        "/other.json",
        "http://a.b/",
        "file:///etc/passwd",
    ] {
        other.say(&format!("302 Found\r\nlocation: {location}"), "");
        let asked = other.asked();
        assert!(get(8).await.is_err(), "{location}");
        assert_eq!(other.asked(), asked + 1, "{location}");
    }
    for wrong in [
        "http://a.b/",
        "http://localhost/",
        "http://10.0.0.1/",
        "ftp://127.0.0.1/",
    ] {
        let url = wrong.parse().expect("an address");
        let refused = fetch.get(&url, 8).await;
        assert!(matches!(refused, Err(fetch::Error::Unsafe(_))), "{wrong}");
    }
    // One that never answers is given up.
    *other.answer.lock().expect("an answer") = Vec::new();
    let gave_up = tokio::time::timeout(Duration::from_secs(20), get(8)).await;
    let why = gave_up.expect("an end").expect_err("no answer").to_string();
    assert!(why.contains("timed out"), "{why}");
}
