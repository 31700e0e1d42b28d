//! How the forum's tokens are to be proved: which settings go together, and a secret that stays one.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::config::Given;
use crate::process::Ran;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const IN_FILE: &str = "BELLROPE_FORUM_SECRET_FILE";

/// A file with this in it, for as long as the folder is held.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    fs::write(&path, text).expect("a file");
    (folder, path)
}

fn shown(given: &Given) -> (Value, String) {
    given.json()["forum-secret"].clone()
}

fn refusal(given: &Given) -> Ran {
    let ran = given.run(&["config"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    ran
}

#[test]
fn a_secret_may_come_from_each_layer_and_is_never_shown() {
    let (_folder, path) = file(&format!("{SECRET}\n"));
    let text = format!("forum-secret = \"{SECRET}\"\n");
    let in_text = Given::file(&text);
    let from_text = format!("file {}", in_text.file.display());
    let named = path.display().to_string();
    for (given, source) in [
        (in_text, from_text.as_str()),
        (
            Given::file(&text).environment("BELLROPE_FORUM_SECRET", SECRET),
            "environment BELLROPE_FORUM_SECRET",
        ),
        (
            Given::file(&text).environment(IN_FILE, &named),
            "environment BELLROPE_FORUM_SECRET_FILE",
        ),
        (
            Given::file(&text)
                .environment(IN_FILE, &named)
                .flags(&["--forum-secret", SECRET]),
            "flag --forum-secret",
        ),
    ] {
        assert_eq!(shown(&given), (json!("(set)"), source.to_owned()));
        for command in [&["config"] as &[&str], &["config", "--json"]] {
            let ran = given.run(command);
            assert!(!ran.expect_done().out.contains(SECRET), "{ran:?}");
        }
        // What stands there would be taken for a secret, so it is a comment.
        assert!(given.text().contains("\n#forum-secret = "), "{source}");
    }
    let none = Given::nothing();
    assert_eq!(shown(&none), (json!(""), "default".to_owned()));
    let lifted = Given::file(&text).environment("BELLROPE_FORUM_SECRET", "");
    assert_eq!(shown(&lifted).0, "", "nothing set goes before something");
}

#[test]
fn no_refusal_quotes_a_secret() {
    let (_folder, path) = file("short-secret");
    let (_empty_folder, empty) = file("\n");
    let named = path.display().to_string();
    let short = "forum-secret = \"short-secret\"";
    for (given, words) in [
        (Given::file(short), "has 12 bytes and needs 32"),
        (
            Given::nothing().flags(&["--forum-secret", "short-secret"]),
            "has 12 bytes and needs 32",
        ),
        (
            Given::nothing().environment("BELLROPE_FORUM_SECRET", "short-secret"),
            "has 12 bytes and needs 32",
        ),
        (
            Given::nothing().environment(IN_FILE, &named),
            "has 12 bytes and needs 32",
        ),
        (
            Given::nothing()
                .environment(IN_FILE, &named)
                .environment("BELLROPE_FORUM_SECRET", "short-secret"),
            "are both set",
        ),
        (
            Given::nothing().environment(IN_FILE, "/nowhere/secret"),
            "cannot read /nowhere/secret",
        ),
        (
            Given::nothing().environment(IN_FILE, &empty.display().to_string()),
            "which is empty",
        ),
        // A file that is wrong is shown with the line that is, but not beside a secret.
        (Given::file("forum-secret = \"short-secret"), "line 1"),
        (Given::file("forum-secret = short-secret"), "line 1"),
        (Given::file("forum-secret = [\"short-secret\"]"), "line 1"),
        (
            Given::file("\"forum-secret\" = { is = \"short-secret\" }"),
            "line 1",
        ),
        (
            Given::file("forum-secret = \"\"\"\nshort-secret\n"),
            "cannot use the settings file",
        ),
        (
            Given::file("forum_secret = \"short-secret\""),
            "unknown field",
        ),
        (
            Given::file(&format!("log = 1\n{short}")),
            "line 1, `log`: invalid type",
        ),
        (
            Given::nothing().flags(&["--forum-secrets=short-secret"]),
            "unexpected argument",
        ),
        (
            Given::nothing().environment("BELLROPE_FORUM_SECRETS", "short-secret"),
            "BELLROPE_FORUM_SECRETS, which is no setting",
        ),
    ] {
        let ran = refusal(&given);
        assert!(ran.err.contains(words), "{words}: {ran:?}");
        assert!(!ran.err.contains("short-secret"), "{ran:?}");
    }
}

#[test]
fn a_token_is_proved_in_one_way() {
    let secret = ["--forum-secret", SECRET];
    let key = ["--forum-key", "/nowhere/key.pem"];
    let set = ["--forum-jwks", "https://a.b/jwks.json"];
    for (one, other) in [(&secret, &key), (&secret, &set), (&key, &set)] {
        let ran = refusal(&Given::nothing().flags(one).flags(other));
        for flag in [one[0], other[0]] {
            assert!(ran.err.contains(flag.trim_start_matches('-')), "{ran:?}");
        }
        assert!(ran.err.contains("are both set"), "{ran:?}");
    }
    let algorithm = ["--forum-algorithm", "RS256"];
    let ran = refusal(&Given::nothing().flags(&secret).flags(&algorithm));
    assert!(ran.err.contains("is always HS256"), "{ran:?}");
}

#[test]
fn a_key_or_a_set_takes_an_algorithm_an_issuer_and_an_audience() {
    let needed = [
        ("forum-algorithm", "ES256"),
        ("forum-issuer", "https://a.b"),
        ("forum-audience", "bell"),
    ];
    for (name, value) in [
        ("forum-key", "/nowhere/key.pem"),
        ("forum-jwks", "https://a.b/jwks.json"),
    ] {
        for (missing, _) in needed {
            let mut given = Given::nothing().flags(&[&format!("--{name}={value}")]);
            for (other, value) in needed.iter().filter(|(other, _)| *other != missing) {
                given = given.flags(&[&format!("--{other}={value}")]);
            }
            let words = format!("`{name}` is set and `{missing}` is not");
            let ran = refusal(&given);
            assert!(ran.err.contains(&words), "{ran:?}");
        }
    }
    // A command that is run by hand does not see the secret in the service's environment.
    let issuer = Given::file("forum-issuer = \"b\"\nforum-audience = \"a\"");
    issuer.run(&["config"]).expect_done();
}

#[test]
fn a_key_s_file_holds_a_public_key() {
    let with = |path: &str| {
        Given::nothing()
            .flags(&["--forum-key", path, "--forum-algorithm", "ES256"])
            .flags(&["--forum-issuer", "b", "--forum-audience", "a"])
    };
    for (text, words) in [
        ("-----BEGIN PRIVATE KEY-----\nabc", "holds a private key"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nabc",
            "holds a private key",
        ),
        ("ssh-ed25519 AAAA", "holds no public key in PEM"),
    ] {
        let (_folder, path) = file(text);
        let ran = refusal(&with(&path.display().to_string()));
        assert!(ran.err.contains(words), "{ran:?}");
    }
    let ran = refusal(&with("/nowhere/key.pem"));
    assert!(ran.err.contains("cannot read /nowhere/key.pem"), "{ran:?}");
}

#[test]
fn a_set_is_a_file_or_a_safe_address() {
    let with = |jwks: &str| {
        Given::nothing()
            .flags(&["--forum-jwks", jwks, "--forum-algorithm", "EdDSA"])
            .flags(&["--forum-issuer", "b", "--forum-audience", "a"])
    };
    for right in [
        "/etc/bellrope/jwks.json",
        "jwks.json",
        "https://a.b/jwks.json",
        "http://127.0.0.1:3000/jwks.json",
        "http://[::1]:3000/jwks.json",
    ] {
        assert_eq!(with(right).json()["forum-jwks"].0, right);
    }
    for (wrong, words) in [
        ("http://a.b/jwks.json", "could be changed on its way"),
        ("http://localhost/jwks.json", "could be changed on its way"),
        (
            "http://127.0.0.1.a.b/jwks.json",
            "could be changed on its way",
        ),
        ("ftp://a.b/jwks.json", "is no https address"),
        ("file:///etc/jwks.json", "is no https address"),
        ("https://", "is no address"),
    ] {
        let ran = refusal(&with(wrong));
        assert!(ran.err.contains(words), "{ran:?}");
    }
    let ran = refusal(&with("https://me:pass@a.b/jwks.json"));
    assert!(ran.err.contains("with a name or a password"), "{ran:?}");
}

#[test]
fn a_key_that_is_none_is_wrong_usage_and_not_tried_again() {
    let (_folder, path) = file("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    let given = Given::file("").flags(&[
        "--forum-key",
        &path.display().to_string(),
        "--forum-algorithm",
        "ES256",
        "--forum-issuer",
        "https://forum.example",
        "--forum-audience",
        "bellrope",
    ]);
    let ran = given.run(&["serve"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
}
