//! What is shipped beside the program says what the program says.

use std::collections::BTreeMap;
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
