//! Values of settings, settings files, names and key sets: any text is taken or refused.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use bellrope::config::{Age, Algorithm, Cidr, Config, Count, Forum as Vouching, Jwks, Listen};
use bellrope::config::{Maybe, Origin, Proof, Settings, Ttl};
use bellrope::domain::account::Name;
use bellrope::domain::forum::Forum;
use bellrope::domain::id::MemberId;
use proptest::prelude::*;
use serde_json::json;

use super::dice::Dice;
use crate::keys::Signer;

/// Much like a value of a setting, and anything.
const VALUES: &str = r"\PC*|[0-9a-z:./\[\]%@ -]{0,40}|(https?|ftp)://[a-zA-Z0-9.:\[\]@/-]{0,30}|[0-9]{0,25} ?[a-zµ]{0,7}";

/// What is taken is spelled in a way that is taken again, for the same.
fn holds<T: FromStr + Display + PartialEq + Debug>(raw: &str)
where
    T::Err: Debug,
{
    if let Ok(value) = raw.parse::<T>() {
        let spelled = value.to_string();
        assert_eq!(
            spelled.parse::<T>().expect("its own spelling"),
            value,
            "{raw:?}"
        );
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(2000)
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_value_is_refused_or_spelled_as_it_is_taken(raw in VALUES) {
        holds::<Origin>(&raw);
        holds::<Listen>(&raw);
        holds::<Cidr>(&raw);
        holds::<Jwks>(&raw);
        let _ = raw.parse::<Count>();
        let _ = raw.parse::<Maybe<Origin>>();
        // Spelled in seconds: what is below them is let go.
        let _ = raw.parse::<Ttl>().map(|ttl| holds::<Ttl>(&ttl.to_string()));
        let _ = raw.parse::<Age>().map(|age| holds::<Age>(&age.to_string()));
    }

    /// An account that can be made can be told something.
    #[test]
    fn a_name_is_refused_or_makes_an_id(raw in r"\PC{2,70}|[\p{L}\p{N}._-]{2,64}|\p{Lu}{2,8}") {
        if let Ok(name) = Name::parse(&raw) {
            let again = Name::parse(name.as_str()).expect("what is kept is a name");
            prop_assert_eq!(again.key(), name.key());
            let id = MemberId::of_account(&name);
            prop_assert_eq!(MemberId::parse(id.as_str(), "id").ok(), Some(id));
        }
    }

    #[test]
    fn a_set_of_keys_is_taken_or_refused(seed in any::<u64>()) {
        let vouching = |algorithm| Vouching {
            proof: Proof::Jwks { source: Jwks::File("keys.json".into()), algorithm },
            issuer: Some("https://forum.example".to_owned()),
            audience: Some("bell".to_owned()),
        };
        let mut dice = Dice::new(seed);
        let set = json!({ "keys": [Signer::p256().jwk("a"), Signer::ed25519().jwk("b")] });
        let mut bytes = set.to_string().into_bytes();
        let rsa = br#"{"kty":"RSA","n":"AQAB","e":"AQAB","use":"sig","kid":"c"}"#;
        dice.mutate(&mut bytes, &[rsa, b"null", b"\"x5c\":[]", b"\"key_ops\":[\"verify\"]"]);
        for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            let forum = Forum::new(&vouching(algorithm)).expect("a forum with no keys yet");
            let _ = forum.accept(&bytes);
        }
    }

    #[test]
    fn a_settings_file_is_taken_or_refused(seed in any::<u64>()) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bellrope.toml");
        // The settings stand there as remarks, with no space before them.
        let lines = include_str!("../../../packaging/bellrope.toml").lines();
        let lines: Vec<_> = lines.filter_map(|line| line.strip_prefix('#')).collect();
        let lines = lines.into_iter().filter(|line| !line.starts_with(' '));
        let mut text = lines.collect::<Vec<_>>().join("\n").into_bytes();
        Dice::new(seed).mutate(&mut text, &[b"listen = \"[::1]:1\"\n", b"[a.b]\n", b"\"\"\"", b"1979-05-27"]);
        std::fs::write(&file, text).expect("a file");
        let given = Settings { config: Some(file), ..Settings::default() };
        if let Err(refused) = Config::load(given, &clap::ArgMatches::default()) {
            prop_assert!(!refused.to_string().is_empty());
        }
    }
}
