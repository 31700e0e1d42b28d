//! The data folder: whose it is, who may use it, and that one server at a time does.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::{Method, StatusCode};
use tempfile::TempDir;

use crate::process::{Process, Ran, add, bellrope, run, user};

/// Ids that are not root's; they need not belong to anybody.
const OWNER: u32 = 64_001;
const STRANGER: u32 = 64_002;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode set");
}

/// Name, mode and owner of everything in a folder, by name.
pub fn entries(folder: &Path) -> Vec<(String, u32, (u32, u32))> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut all: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let about = entry.metadata().expect("its metadata");
            let name = entry.file_name().into_string().expect("a name");
            (name, about.mode() & 0o7777, (about.uid(), about.gid()))
        })
        .collect();
    all.sort();
    all
}

/// Only root can give files away and be somebody else.
pub fn is_root() -> bool {
    let root = fs::metadata("/proc/self").expect("ourselves").uid() == 0;
    if !root {
        eprintln!("not root: nothing is tested here");
    }
    root
}

#[test]
fn everything_in_it_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("deep/data");
    // Nothing is left to the umask.
    let script = "umask 0; exec \"$0\" user add ann --data \"$1\"";
    let program = bellrope().get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(program).arg(&data);
    run(&mut shell, "").expect_done();
    let _server = Process::start(&data, &[]);
    let mine = (
        fs::metadata(&data).expect("it").uid(),
        fs::metadata(&data).expect("it").gid(),
    );
    let expected =
        ["bellrope.redb", "control.sock", "session.key"].map(|name| (name.to_owned(), 0o600, mine));
    assert_eq!(entries(&data), expected);
    for made in [&data, &folder.path().join("deep")] {
        let mode = fs::metadata(made).expect("it").mode() & 0o7777;
        assert_eq!(mode, 0o700, "{}", made.display());
    }
}

/// A data folder of [`OWNER`] that others can look into, and a program that they can run.
struct Open {
    data: PathBuf,
    program: PathBuf,
    _folder: TempDir,
}

impl Open {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        set_mode(folder.path(), 0o755);
        let program = folder.path().join("bellrope");
        fs::copy(bellrope().get_program(), &program).expect("a copy");
        set_mode(&program, 0o755);
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        chown(&data, Some(OWNER), Some(OWNER)).expect("its owner set");
        set_mode(&data, 0o755);
        Self {
            data,
            program,
            _folder: folder,
        }
    }

    fn user_as(&self, uid: u32, arguments: &[&str]) -> Ran {
        let mut command = Command::new(&self.program);
        command.env_clear().uid(uid).gid(uid);
        command.args(["user", "--data"]).arg(&self.data);
        run(command.args(arguments), "")
    }
}

#[tokio::test]
async fn what_root_makes_there_is_the_owners() {
    if !is_root() {
        return;
    }
    let open = Open::new();
    add(&open.data, "ann");
    let made = entries(&open.data);
    let server = Process::start(&open.data, &[]);
    let all = entries(&open.data);
    let expected = ["bellrope.redb", "control.sock", "session.key"]
        .map(|name| (name.to_owned(), 0o600, (OWNER, OWNER)));
    assert_eq!(all, expected);
    assert_eq!(made, [&expected[0], &expected[2]].map(Clone::clone));
    // So its owner may do what root may, with root's server and after it.
    let listed = open.user_as(OWNER, &["list"]);
    assert!(listed.expect_done().out.contains("ann"));
    server.stop().await;
    open.user_as(OWNER, &["add", "bob"]).expect_done();
    assert!(
        user(&open.data, &["list"])
            .expect_done()
            .out
            .contains("bob")
    );
}

#[tokio::test]
async fn a_stranger_at_the_control_socket_is_sent_away() {
    if !is_root() {
        return;
    }
    let open = Open::new();
    let server = Process::start(&open.data, &[]);
    // First by the socket's mode, then by the server itself.
    let refused = open.user_as(STRANGER, &["add", "eve"]);
    refused.expect_refusal("are you its user, or root?");
    set_mode(&open.data.join("control.sock"), 0o666);
    let refused = open.user_as(STRANGER, &["add", "eve"]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
    assert!(refused.err.starts_with("bellrope: "), "{refused:?}");
    assert_eq!(user(&open.data, &["list"]).expect_done().out, "");
    let log = server.stop().await;
    assert!(log.contains("a stranger at the control socket"), "{log}");
}

/// It is there, they may only not see it.
#[test]
fn a_stranger_at_a_closed_folder_is_not_told_that_there_is_no_database() {
    if !is_root() {
        return;
    }
    let open = Open::new();
    add(&open.data, "ann");
    set_mode(&open.data, 0o700);
    let refused = open.user_as(STRANGER, &["list"]);
    refused.expect_refusal("ermission");
}

/// Runs `serve`, which is expected to give up.
fn serve(data: &Path, listen: &str) -> Ran {
    let mut command = bellrope();
    command.args(["serve", "--listen", listen, "--data"]);
    run(command.arg(data), "")
}

#[tokio::test]
async fn a_second_server_is_refused_and_does_the_first_no_harm() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let password = add(&data, "ann");
    let server = Process::start(&data, &[]);
    let address = server.address.to_string();

    let refused = serve(&data, "127.0.0.1:0");
    refused.expect_refusal("in use by another process");
    assert!(refused.err.contains(&data.display().to_string()));
    let refused = serve(&folder.path().join("other"), &address);
    refused.expect_refusal(&format!("cannot listen on {address}"));

    let token = server.login("ann", &password).await;
    assert_eq!(server.age(&token).await, 0);
    user(&data, &["remove", "ann"]).expect_done();
    let me = server.ask(Method::GET, "/api/v1/me", &token, None).await;
    me.expect_status(StatusCode::UNAUTHORIZED);
}

#[test]
fn a_server_without_its_socket_still_has_its_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let _server = Process::start(&data, &[]);
    fs::remove_file(data.join("control.sock")).expect("a socket");
    for verb in [&["list"] as &[&str], &["add", "ann"]] {
        user(&data, verb).expect_refusal("in use by another process");
    }
}

#[test]
fn what_a_killed_server_left_is_in_nobodys_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    add(&data, "ann");
    Process::start(&data, &[]).kill();
    assert!(data.join("control.sock").exists(), "nothing was left");
    assert!(user(&data, &["list"]).expect_done().out.contains("ann"));
    let _server = Process::start(&data, &[]);
    assert!(user(&data, &["list"]).expect_done().out.contains("ann"));
}
