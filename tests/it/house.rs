//! The walls of the house: who may name whom, as `src/lib.rs` says. A wrong `use` fails here.

use std::fs;
use std::path::{Path, PathBuf};

/// Room, rooms it may name, and packages that are at home in it alone.
const ROOMS: [(&str, &[&str], &[&str]); 9] = [
    (
        "cli",
        &["config", "domain", "fetch", "http", "serve"],
        &[
            "hdrhistogram",
            "clap_complete",
            "clap_mangen",
            "simple_asn1",
        ],
    ),
    (
        "serve",
        &[
            "config", "domain", "engine", "fetch", "front", "http", "live",
        ],
        &["sd_notify", "listenfd"],
    ),
    ("front", &[], &["hyper_util", "tokio_rustls"]),
    ("fetch", &["config"], &["reqwest", "hickory_resolver"]),
    (
        "http",
        &["config", "domain"],
        &[
            "poem",
            "poem_openapi",
            "rust_embed",
            "mime_guess",
            "prometheus_client",
        ],
    ),
    ("live", &["domain"], &["socketioxide", "engineioxide"]),
    ("engine", &["config", "domain"], &["redb", "bincode"]),
    ("domain", &["config"], &["argon2", "jsonwebtoken", "tar"]),
    ("config", &[], &["toml", "humantime", "ipnet", "clap"]),
];

/// Packages that have a second home, and why.
const ALSO: [(&str, &str); 5] = [
    // A command is a client of the control socket.
    ("cli", "hyper_util"),
    // The command line itself; the settings are its flags as well.
    ("cli", "clap"),
    // `bellrope config` prints lines a settings file takes.
    ("cli", "toml"),
    // The wiring names the one error the front hands it.
    ("serve", "sd_notify"),
    ("cli", "sd_notify"),
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Each file of the code: its name below `src`, its room, its text.
pub fn sources() -> Vec<(String, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = files(&src).into_iter().map(|path| {
        let name = path
            .strip_prefix(&src)
            .expect("below src")
            .to_string_lossy()
            .into_owned();
        let room = name.split(['/', '.']).next().expect("a room").to_owned();
        (name, room, fs::read_to_string(&path).expect("a file"))
    });
    sources.filter(|(name, ..)| name.ends_with(".rs")).collect()
}

/// The code without its comments: a name in a sentence is no use of it.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether the code names this path's first segment.
fn names(code: &str, segment: &str) -> bool {
    code.match_indices(segment).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + segment.len()..];
        after.starts_with("::")
            && !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
    })
}

#[test]
fn a_room_names_only_the_rooms_it_may() {
    let mut wrong = Vec::new();
    for (name, room, text) in sources() {
        let Some((_, may, _)) = ROOMS.iter().find(|(known, ..)| *known == room) else {
            assert!(
                matches!(room.as_str(), "main" | "lib"),
                "{name} is in no room of the house"
            );
            continue;
        };
        let code = code(&text);
        for (other, ..) in ROOMS {
            let used = code.contains(&format!("crate::{other}"));
            if used && other != room && !may.contains(&other) {
                wrong.push(format!("{name} names crate::{other}"));
            }
        }
        assert!(
            !code.contains("use crate::{"),
            "{name}: name the room after `crate::`, so that this test reads it"
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_package_is_at_home_in_one_room() {
    let mut wrong = Vec::new();
    for (name, room, text) in sources() {
        let code = code(&text);
        for (home, _, packages) in ROOMS {
            for package in packages {
                let allowed = home == room || ALSO.contains(&(room.as_str(), *package));
                if !allowed && names(&code, package) {
                    wrong.push(format!("{name} names {package}, which lives in {home}"));
                }
            }
        }
        let is_writer = name == "engine/redb/writer.rs";
        assert!(
            is_writer || !code.contains("begin_write("),
            "{name}: only the writer begins a write"
        );
        let in_tables = name.starts_with("engine/redb/tables");
        assert!(
            in_tables || !names(&code, "bincode"),
            "{name}: only the tables know bincode"
        );
        let may_wrap = matches!(
            room.as_str(),
            "main" | "cli" | "serve" | "config" | "engine"
        );
        assert!(
            may_wrap || !names(&code, "anyhow"),
            "{name}: errors here are domain errors"
        );
        assert!(
            room == "domain" || !code.contains("Timestamp::now()"),
            "{name}: ask the clock of the App"
        );
        let has_static = |line: &str| {
            line.trim_start()
                .trim_start_matches("pub ")
                .starts_with("static ")
        };
        assert!(
            !code.lines().any(has_static),
            "{name}: no statics; state is in the App"
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_stay_small_and_begin_with_a_caption() {
    for (name, _, text) in sources() {
        assert!(text.starts_with("//! "), "{name} has no caption");
        let lines = text.lines().count();
        assert!(
            lines <= 420,
            "{name} has {lines} lines; does it hold two things?"
        );
    }
}

#[test]
fn the_architecture_page_names_what_is_there() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let page = fs::read_to_string(src.join("lib.rs")).expect("the page");
    for word in page
        .split('`')
        .filter(|word| word.contains('/') && word.ends_with(".rs") && !word.contains(' '))
    {
        let path = if word.starts_with("tests/") {
            src.join("..").join(word)
        } else {
            src.join(word)
        };
        assert!(
            path.exists(),
            "src/lib.rs speaks of {word}, which is not there"
        );
    }
    for (room, may, _) in ROOMS {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("//! | [`{room}`]")));
        let row = row.unwrap_or_else(|| panic!("src/lib.rs has no row for {room}"));
        if may.is_empty() {
            assert!(row.contains("| none |"), "{row}");
        } else if room != "serve" {
            for other in may {
                assert!(row.contains(other), "{row} lacks {other}");
            }
        }
    }
}
