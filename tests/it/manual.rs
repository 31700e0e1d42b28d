//! The manual pages and the shells' completions: all commands are in them, and a shell can read them.

use std::fs;
use std::process::Command;

use crate::process::{bellrope, run};

fn out(args: &[&str]) -> String {
    let ran = run(bellrope().args(args), "");
    ran.expect_done();
    ran.out
}

#[test]
fn the_page_names_every_command_and_each_has_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    assert_eq!(out(&["man", path]), "");
    let page = |name: &str| fs::read_to_string(folder.path().join(name)).expect(name);
    assert_eq!(page("bellrope.1"), out(&["man"]));

    let help = out(&["--help"]);
    let listed = help.split("Commands:\n").nth(1).expect("commands");
    let listed = listed.split("\n\n").next().expect("their list");
    // A name stands at two spaces, the lines of its sentence further right.
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| {
            line.strip_prefix("  ")
                .filter(|line| !line.starts_with(' '))
        })
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.contains(&"serve"), "{names:?}");
    for name in names {
        let page_name = format!("bellrope-{name}.1");
        assert!(page("bellrope.1").contains(&format!("bellrope\\-{name}(1)")));
        assert!(page(&page_name).contains(".SH SYNOPSIS"), "{page_name}");
    }
    assert!(page("bellrope-serve.1").contains("\\-\\-trusted\\-proxy"));
    assert!(page("bellrope-user-add.1").contains("password\\-stdin"));
    assert!(out(&["man"]).contains("Exit status"));
}

#[test]
fn what_the_environment_holds_is_on_no_page() {
    let secret = "a-secret-of-32-bytes-at-the-least";
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = bellrope();
    command.env("BELLROPE_FORUM_SECRET", secret).arg("man");
    run(command.arg(folder.path()), "").expect_done();
    for entry in fs::read_dir(folder.path()).expect("the folder") {
        let page = fs::read_to_string(entry.expect("an entry").path()).expect("a page");
        assert!(!page.contains(secret));
    }
}

#[test]
fn bash_completes_a_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("bellrope");
    fs::write(&script, out(&["completions", "bash"])).expect("a file");
    let complete = "source \"$1\"; COMP_WORDS=(bellrope user di); COMP_CWORD=2; \
                    _bellrope bellrope di user; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    let bash = bash.args(["-c", complete, "bash"]).arg(&script);
    assert_eq!(run(bash, "").expect_done().out, "disable\n");
}

#[test]
fn refusals_say_what_to_do() {
    let unknown = run(bellrope().args(["completions", "tcsh"]), "");
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("bash, elvish, fish, powershell, zsh"));
    run(bellrope().args(["man", "/nowhere/at/all"]), "").expect_refusal("/nowhere/at/all");
}
