//! Settings: flag, then environment, then file, then default; and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Ran, bellrope, run};

/// What `bellrope config` is given.
pub struct Given {
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    pub file: PathBuf,
    _folder: TempDir,
}

impl Given {
    /// A settings file with this in it, and nothing else.
    pub fn file(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bellrope.toml");
        fs::write(&file, text).expect("a file");
        Self {
            flags: Vec::new(),
            environment: Vec::new(),
            file,
            _folder: folder,
        }
    }

    pub fn nothing() -> Self {
        Self::file("")
    }

    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(ToString::to_string));
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn run(&self, command: &[&str]) -> Ran {
        let environment = self.environment.iter().cloned();
        let mut bellrope = bellrope();
        bellrope.args(command).arg("--config").arg(&self.file);
        run(bellrope.args(&self.flags).envs(environment), "")
    }

    pub fn text(&self) -> String {
        self.run(&["config"]).expect_done().out.clone()
    }

    /// Value and source of each setting.
    pub fn json(&self) -> BTreeMap<String, (Value, String)> {
        let out = self.run(&["config", "--json"]).expect_done().out.clone();
        let shown: Vec<Value> = serde_json::from_str(&out).expect("JSON");
        let word = |value: &Value| value.as_str().expect("a word").to_owned();
        let one = |s: &Value| (word(&s["name"]), (s["value"].clone(), word(&s["source"])));
        shown.iter().map(one).collect()
    }

    pub fn values(&self) -> BTreeMap<String, Value> {
        let settings = self.json().into_iter();
        settings.map(|(name, (value, _))| (name, value)).collect()
    }
}

/// Settings that do not stand alone, or name a file: `forum_settings.rs` and `tls.rs` have their stories.
const APART: [&str; 5] = [
    "forum-jwks",
    "forum-key",
    "forum-secret",
    "tls-certificate",
    "tls-key",
];

/// Each setting, its default, and three other values: in the file, in the environment, as flags.
fn settings() -> [(&'static str, Value, [&'static str; 3]); 26] {
    [
        ("data", json!("./bellrope_data"), ["/a", "/b", "/c"]),
        (
            "listen",
            json!("127.0.0.1:8888"),
            ["127.0.0.1:1", "[::1]:2", "0.0.0.0:3"],
        ),
        (
            "metrics-listen",
            json!(""),
            ["127.0.0.1:4", "[::1]:5", "0.0.0.0:6"],
        ),
        (
            "public-url",
            json!("http://127.0.0.1:8888"),
            ["https://a.b", "http://b.c:1", "https://c.d"],
        ),
        (
            "trusted-proxy",
            json!([]),
            ["10.0.0.0/8", "127.0.0.1/32,fd00::/8", "192.0.2.7/32"],
        ),
        (
            "allow-origin",
            json!([]),
            [
                "https://a.b,http://c.d",
                "https://e.f",
                "https://g.h,http://i.j:2",
            ],
        ),
        ("registration", json!("closed"), ["open", "closed", "open"]),
        ("session-ttl", json!("30d"), ["12h", "5m", "2m"]),
        ("write-queue", json!(8192), ["1", "2", "3"]),
        ("connections-max", json!(10_000), ["1", "2", "3"]),
        ("strangers-per-address", json!(256), ["1", "2", "3"]),
        ("sockets-per-member", json!(200), ["1", "2", "3"]),
        ("key-rate", json!(20_000), ["1", "2", "3"]),
        (
            "forum-url",
            json!(""),
            ["https://a.b", "http://b.c:1", "https://c.d"],
        ),
        ("forum-algorithm", json!(""), ["RS256", "ES256", "EdDSA"]),
        ("forum-issuer", json!(""), ["https://a.b", "b", "c"]),
        ("forum-audience", json!(""), ["a", "b", "c"]),
        ("log-changes-max", json!(1000), ["1", "2", "100000"]),
        ("log-age-max", json!("7d"), ["1h", "2h", "3650d"]),
        ("inbox-items-max", json!(1000), ["1", "2", "1000000"]),
        ("inbox-age-max", json!("90d"), ["1h", "36h", "3650d"]),
        ("backup-every", json!(""), ["1m", "12h", "3650d"]),
        ("backup-keep", json!(7), ["1", "2", "1000000"]),
        ("backup-folder", json!(""), ["/a", "/b", "/c"]),
        ("log", json!("info"), ["warn", "info,bellrope=debug", "off"]),
        ("log-format", json!("text"), ["json", "text", "json"]),
    ]
}

/// A raw value as the default's kind of JSON.
fn value(raw: &str, default: &Value) -> Value {
    match default {
        Value::Array(_) => raw.split(',').map(Value::from).collect(),
        Value::Number(_) => json!(raw.parse::<u64>().expect("a number")),
        _ => json!(raw),
    }
}

#[test]
fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    for (name, default, [in_file, in_environment, as_flag]) in settings() {
        let text = format!("{name} = {}\n", value(in_file, &default));
        let variable = format!("BELLROPE_{}", name.replace('-', "_").to_uppercase());
        let flags = [&format!("--{name}") as &str, as_flag];

        let unset = Given::nothing();
        let file = Given::file(&text);
        let both = Given::file(&text).environment(&variable, in_environment);
        let all = Given::file(&text).environment(&variable, in_environment);
        let all = all.flags(&flags);
        let path = format!("file {}", file.file.display());
        for (given, raw, source) in [
            (&file, in_file, path),
            (&both, in_environment, format!("environment {variable}")),
            (&all, as_flag, format!("flag --{name}")),
        ] {
            assert_eq!(given.json()[name], (value(raw, &default), source), "{name}");
        }
        assert_eq!(
            unset.json()[name],
            (default, "default".to_owned()),
            "{name}"
        );
    }
    let known = settings().map(|(name, ..)| name.to_owned()).into_iter();
    let known = known.chain(APART.map(ToOwned::to_owned));
    let shown: Vec<String> = Given::nothing().values().into_keys().collect();
    let mut known: Vec<String> = known.collect();
    known.sort();
    assert_eq!(shown, known, "the tables above are the whole of them");
}

#[test]
fn a_list_is_given_as_flags_again_and_again_or_with_commas() {
    let commas = Given::nothing().flags(&["--allow-origin", "https://a.b,https://c.d"]);
    let again = [
        "--allow-origin",
        "https://a.b",
        "--allow-origin",
        "https://c.d",
    ];
    let again = Given::nothing().flags(&again);
    assert_eq!(commas.json()["allow-origin"], again.json()["allow-origin"]);
}

#[test]
fn under_systemd_the_state_directory_is_the_default_data_folder() {
    let systemd = |given: Given| given.environment("STATE_DIRECTORY", "/var/lib/a:/var/lib/b");
    let data = |given: Given| given.json()["data"].clone();
    let state = (
        json!("/var/lib/a"),
        "environment STATE_DIRECTORY".to_owned(),
    );
    assert_eq!(data(systemd(Given::nothing())), state);
    assert_eq!(data(systemd(Given::file("data = \"/f\""))).0, "/f");
    let named = systemd(Given::nothing()).environment("BELLROPE_DATA", "/e");
    assert_eq!(data(named).0, "/e");
    assert_eq!(
        data(systemd(Given::nothing()).flags(&["--data", "/x"])).0,
        "/x"
    );
}

/// What it prints can be put into a file, and then says the same.
#[test]
fn its_text_is_a_settings_file() {
    let given = Given::nothing()
        .environment("BELLROPE_TRUSTED_PROXY", "127.0.0.1,fd00::/8")
        .flags(&["--data", "/tmp/a \"b\" # \\c 李", "--session-ttl", "36h"])
        .flags(&["--allow-origin", "https://a.b", "--write-queue", "7"])
        .flags(&["--log", "info,bellrope=debug", "--registration", "open"])
        .flags(&["--forum-url", "https://a.b", "--inbox-age-max", "36h"]);
    let again = Given::file(&given.text());
    assert_eq!(again.values(), given.values());
    let from = format!("file {}", again.file.display());
    assert!(again.json().values().all(|(_, source)| *source == from));
}

#[test]
fn a_key_nobody_knows_is_refused_by_name() {
    for (text, key) in [
        ("lissten = \"127.0.0.1:1\"", "`lissten`"),
        ("log = \"info\"\nsession_ttl = \"1d\"", "`session_ttl`"),
        ("config = \"/etc/x\"", "`config`"),
        ("[server]\nlisten = \"127.0.0.1:1\"", "`server`"),
    ] {
        let given = Given::file(text);
        for command in [&["config"] as &[&str], &["serve"], &["user", "list"]] {
            let ran = given.run(command);
            assert_eq!(ran.code, 2, "{command:?}");
            assert!(ran.err.contains(key), "{ran:?}");
            assert!(
                ran.err.contains(&given.file.display().to_string()),
                "{ran:?}"
            );
        }
    }
}

#[test]
fn a_variable_nobody_knows_is_refused_by_name() {
    let given = Given::nothing().environment("BELLROPE_LISTN", "127.0.0.1:1");
    for command in [&["config"] as &[&str], &["serve"], &["user", "list"]] {
        let ran = given.run(command);
        assert_eq!(ran.code, 2, "{command:?}");
        assert!(ran.err.contains("BELLROPE_LISTN"), "{ran:?}");
    }
    // The build's own, which may be left in the environment.
    Given::nothing()
        .environment("BELLROPE_WEB_DIST", "/x")
        .text();
}

#[test]
fn a_settings_file_that_is_not_there_is_missed() {
    let mut given = Given::nothing();
    given.file = PathBuf::from("/nowhere/bellrope.toml");
    let ran = given.run(&["config"]);
    let words = "cannot read the settings file /nowhere/bellrope.toml";
    assert!(ran.code == 2 && ran.err.contains(words), "{ran:?}");
}

/// A value, the setting it is wrong for, and what the sentence about it holds.
const WRONG: [(&str, &str, &str); 20] = [
    ("listen", "localhost", "address"),
    ("listen", "127.0.0.1", "address"),
    ("public-url", "bell.example", "write it like https://"),
    ("trusted-proxy", "10.0.0.0/40", "write it like 127.0.0.1 or"),
    ("trusted-proxy", "proxy.local", "write it like 127.0.0.1 or"),
    ("allow-origin", "*", "write it like https://"),
    ("allow-origin", "https://a.b/path", "without a path"),
    ("session-ttl", "30", "write it like 12h or 30d"),
    ("session-ttl", "30s", "a login lasts 1m to 3650d"),
    ("log-age-max", "59m", "kept for 1h to 3650d"),
    ("inbox-age-max", "never", "write it like 12h or 30d"),
    ("backup-every", "59s", "every 1m to 3650d"),
    ("backup-every", "daily", "write it like 12h or 30d"),
    ("forum-url", "https://a.b/forum", "without a path"),
    ("forum-algorithm", "HS512", "RS256, ES256 or EdDSA"),
    ("forum-algorithm", "none", "RS256, ES256 or EdDSA"),
    ("write-queue", "-1", ""),
    ("connections-max", "many", ""),
    ("registration", "maybe", "open"),
    ("log-format", "xml", "json"),
];

#[test]
fn a_value_that_makes_no_sense_is_refused_with_what_would() {
    for (name, raw, words) in WRONG {
        let flag = format!("--{name}={raw}");
        let variable = format!("BELLROPE_{}", name.replace('-', "_").to_uppercase());
        let list = matches!(name, "trusted-proxy" | "allow-origin");
        let written = match raw.parse::<i64>() {
            Ok(number) if name != "session-ttl" => json!(number),
            _ if list => json!([raw]),
            _ => json!(raw),
        };
        for given in [
            Given::nothing().flags(&[&flag]),
            Given::nothing().environment(&variable, raw),
            Given::file(&format!("{name} = {written}")),
        ] {
            let ran = given.run(&["config"]);
            assert_eq!(ran.code, 2, "{name} = {raw}");
            assert_eq!(ran.out, "");
            assert!(ran.err.contains(name), "{ran:?}");
            assert!(ran.err.contains(raw), "{ran:?}");
            assert!(ran.err.contains(words), "{words}: {ran:?}");
            assert!(!ran.err.contains("usize"), "{ran:?}");
        }
    }
}

/// What can only be seen once the layers lie over each other.
const WRONG_LATER: [(&str, &str); 10] = [
    ("write-queue", "0"),
    ("connections-max", "0"),
    ("log", "==="),
    ("log-changes-max", "0"),
    ("log-changes-max", "100001"),
    ("backup-keep", "0"),
    ("inbox-items-max", "0"),
    ("inbox-items-max", "1000001"),
    // More than there can be: not to be found out by a panic of the server.
    ("write-queue", "5000000000000000000"),
    ("connections-max", "5000000000000000000"),
];

#[test]
fn a_value_out_of_bounds_is_refused_by_its_name() {
    for (name, raw) in WRONG_LATER {
        let ran = Given::nothing()
            .flags(&[&format!("--{name}"), raw])
            .run(&["config"]);
        assert_eq!(ran.code, 2, "{name} = {raw}");
        assert!(ran.err.contains(name), "{ran:?}");
    }
}

/// The unit relies on it: `RestartPreventExitStatus=2`, because no restart mends a setting.
#[test]
fn a_setting_that_cannot_be_used_is_wrong_usage_wherever_it_stands() {
    let code = |given: Given| given.run(&["serve"]).code;
    assert_eq!(
        code(Given::nothing().flags(&["--listen", "x"])),
        2,
        "a flag"
    );
    let variable = Given::nothing().environment("BELLROPE_LISTEN", "x");
    assert_eq!(code(variable), 2, "a variable");
    let unknown = Given::nothing().environment("BELLROPE_LISTN", "x");
    assert_eq!(code(unknown), 2, "an unknown variable");
    assert_eq!(code(Given::file("listen = \"x\"")), 2, "a value in a file");
    assert_eq!(code(Given::file("lissten = \"x\"")), 2, "a key in a file");
    assert_eq!(
        code(Given::nothing().flags(&["--log", "==="])),
        2,
        "a filter"
    );
}
