//! What is shipped beside the program says what the program says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::process::{bellrope, run};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/bellrope.toml");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// The settings in force with this file.
fn settings(file: &Path) -> BTreeMap<String, Value> {
    let mut command = bellrope();
    command.args(["config", "--json", "--config"]).arg(file);
    let shown: Vec<Value> =
        serde_json::from_str(&run(&mut command, "").expect_done().out).expect("JSON");
    let name = |shown: &Value| shown["name"].as_str().expect("a name").to_owned();
    shown
        .iter()
        .map(|shown| (name(shown), shown.clone()))
        .collect()
}

/// The settings of the example, uncommented: a comment that begins without a space is one.
fn example() -> String {
    let text = fs::read_to_string(EXAMPLE).expect("the example");
    let lines = text.lines().filter_map(|line| line.strip_prefix('#'));
    let lines = lines.filter(|line| line.starts_with(|first: char| first != ' '));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_settings_change_nothing() {
    let text = fs::read_to_string(EXAMPLE).expect("the example");
    let set = text
        .lines()
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(set, None, "every setting is commented out");
}

#[test]
fn the_example_settings_are_all_there_are_each_at_its_default() {
    let folder = tempfile::tempdir().expect("a folder");
    let [empty, example_file] = ["empty.toml", "example.toml"].map(|name| folder.path().join(name));
    fs::write(&empty, "").expect("a file");
    fs::write(&example_file, example()).expect("a file");
    let defaults = settings(&empty);

    let example = example();
    let mut named: Vec<&str> = example
        .lines()
        .map(|line| line.split(" = ").next().expect("a name"))
        .collect();
    named.sort_unstable();
    assert_eq!(
        named,
        defaults.keys().collect::<Vec<_>>(),
        "each of them once"
    );

    // The file's own spelling is the person's (`30d`), the shown one is the program's (`30days`).
    let from_file = format!("file {}", example_file.display());
    for (name, setting) in settings(&example_file) {
        assert_eq!(setting["value"], defaults[&name]["value"], "{name}");
        assert_eq!(setting["source"], from_file, "{name}");
    }
}

#[test]
fn the_readme_tells_of_every_setting() {
    let readme = fs::read_to_string(README).expect("README.md");
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty.toml");
    fs::write(&empty, "").expect("a file");
    for name in settings(&empty).keys() {
        let cell = format!("`{name}`");
        let told = readme
            .lines()
            .any(|line| line.starts_with('|') && line.contains(&cell));
        assert!(told, "the settings table has no {cell}");
    }
}

/// Requirements of levels 1 and 2 in each chapter of OWASP ASVS 5.0.0, V1 to V17.
const REQUIREMENTS: [usize; 17] = [27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7];

#[test]
fn the_security_list_has_a_verdict_on_each_requirement_and_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("packaging/security/asvs.md")).expect("the list");
    let mut counted = [0; 17];
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for row in list.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let ids = cells[1]
            .split(", ")
            .filter(|id| id.matches('.').count() == 2);
        for id in ids {
            let chapter: usize = id.split('.').next().and_then(|n| n.parse().ok()).expect(id);
            counted[chapter - 1] += 1;
            assert!(seen.insert(id), "{id} is there twice");
            *verdicts.entry(cells[2]).or_default() += 1;
            assert!(!cells[3].is_empty(), "{id}: no reason");
        }
    }
    assert_eq!(counted, REQUIREMENTS);
    let of = |verdict: &str| verdicts.get(verdict).copied().unwrap_or_default();
    let said = format!(
        "Of {}: {} met, {} with HTTPS, {} not met, {} n/a.",
        seen.len(),
        of("met"),
        of("with HTTPS"),
        of("not met"),
        of("n/a")
    );
    assert!(list.contains(&said), "it should say: {said}");
    let named = list.split('`').filter_map(|word| {
        let (folder, name) = word.split_once('/')?;
        match folder {
            "it" => Some(format!("tests/it/{name}.rs")),
            "clients" => Some(format!("tests/clients/{name}.test.mjs")),
            "domain" | "front" | "http" => Some(format!("src/{word}")),
            "packaging" | "src" | "tests" => Some(word.to_owned()),
            "client" => Some(format!("assets/src/{word}")),
            _ => None,
        }
    });
    for path in named {
        assert!(root.join(&path).exists(), "{path} is named, and not there");
    }
}
