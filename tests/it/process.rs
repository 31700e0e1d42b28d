//! The real executable, as a process of its own: for signals, kills, the command line and the log.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::gauge::Gauge;
use crate::world::{self, Answer, Host, SOON};

/// The built executable, in a clean environment.
pub fn bellrope() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellrope"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    /// Results.
    pub out: String,
    /// Talk.
    pub err: String,
}

/// Runs it to its end with this on its standard input.
pub fn run(command: &mut Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the executable");
    let mut stdin = child.stdin.take().expect("its stdin");
    // One that does not read its input has closed it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let ended = child.wait_with_output().expect("its end");
    Ran {
        code: ended.status.code().expect("an end of its own"),
        out: String::from_utf8(ended.stdout).expect("text"),
        err: String::from_utf8(ended.stderr).expect("text"),
    }
}

/// Runs a command on a data folder.
pub fn on(data: &Path, arguments: &[&str]) -> Ran {
    run(bellrope().args(arguments).arg("--data").arg(data), "")
}

/// Runs `bellrope user` on a data folder.
pub fn user(data: &Path, arguments: &[&str]) -> Ran {
    run(
        bellrope()
            .args(["user", "--data"])
            .arg(data)
            .args(arguments),
        "",
    )
}

/// Makes an account and returns its password.
pub fn add(data: &Path, name: &str) -> String {
    let ran = user(data, &["add", name]);
    ran.expect_done();
    ran.out.trim().to_owned()
}

/// Makes an API key with these scopes, separated by commas.
pub fn key(data: &Path, scopes: &str) -> String {
    let mut command = bellrope();
    command.args(["key", "create", "forum", "--scope", scopes, "--data"]);
    let ran = run(command.arg(data), "");
    ran.expect_done();
    ran.out.trim().to_owned()
}

impl Ran {
    #[track_caller]
    pub fn expect_done(&self) -> &Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Checks that it refused, in one sentence on stderr that holds `words`.
    #[track_caller]
    pub fn expect_refusal(&self, words: &str) -> &Self {
        assert_eq!(self.code, 1, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert!(self.err.starts_with("bellrope: "), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.contains(words), "{self:?}");
        self
    }
}

/// The executable, where a file that would grow too large is an error, and not the end.
fn limited() -> Command {
    let mut shell = Command::new("sh");
    let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
    shell.env_clear().stdin(Stdio::null());
    shell.args(["-c", script, env!("CARGO_BIN_EXE_bellrope")]);
    shell
}

/// A running `bellrope serve`.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    /// Held open: a server whose reader is gone could not say its greeting to the end.
    out: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Host for Process {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Process {
    /// Starts `serve` on `data` with more arguments, and waits until it listens. Its log goes to a
    /// file beside the folder.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::try_start(data, arguments).unwrap_or_else(|said| panic!("it did not start: {said}"))
    }

    /// The same where it may refuse to; then what it said.
    pub fn try_start(data: &Path, arguments: &[&str]) -> Result<Self, String> {
        Self::start_by(bellrope(), data, arguments)
    }

    /// On a disk that can be made full: see [`Process::limit_files`].
    pub fn start_limited(data: &Path, arguments: &[&str]) -> Self {
        Self::start_by(limited(), data, arguments)
            .unwrap_or_else(|said| panic!("it did not start: {said}"))
    }

    /// The same as systemd would, which listens here and expects a sign of life that often.
    pub fn start_watched(data: &Path, notify: &Path, every: Duration) -> Self {
        let mut command = limited();
        command.env("NOTIFY_SOCKET", notify);
        command.env("WATCHDOG_USEC", every.as_micros().to_string());
        Self::start_by(command, data, &[]).unwrap_or_else(|said| panic!("it did not start: {said}"))
    }

    /// On a socket that whoever started it listens on, as systemd hands one on.
    pub fn start_on(socket: OwnedFd, data: &Path, arguments: &[&str]) -> Result<Self, String> {
        let mut shell = Command::new("sh");
        // The first descriptor that is handed on is 3, to the process it is meant for.
        let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
        shell.env_clear().stdin(Stdio::from(socket));
        shell.args(["-c", script, env!("CARGO_BIN_EXE_bellrope")]);
        Self::start_by(shell, data, arguments)
    }

    fn start_by(mut command: Command, data: &Path, arguments: &[&str]) -> Result<Self, String> {
        let log = data.with_extension("log");
        let stderr = File::options().create(true).append(true).open(&log);
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(stderr.expect("a log"))
            .spawn()
            .expect("the executable");
        let mut out = BufReader::new(child.stdout.take().expect("its stdout"));
        let mut greeting = String::new();
        out.read_line(&mut greeting).expect("a line");
        let address = greeting.trim().rsplit("://").next();
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = out.read_to_string(&mut greeting);
            let _ = child.wait();
            let log = fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("{greeting}\n{log}"));
        };
        Ok(Self {
            child,
            address,
            out,
            log,
        })
    }

    /// The token of the setup link; it must have been started without an administrator.
    pub fn setup_token(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.out.read_line(&mut line).expect("a line");
            assert!(read > 0, "it printed no setup link");
            if let Some((_, token)) = line.trim().split_once("/setup#") {
                return token.to_owned();
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// For whoever watches it from outside.
    pub fn gauge(&self) -> Gauge {
        Gauge::of(self.child.id())
    }

    /// Lets it open so many descriptors from now on.
    pub fn limit_descriptors(&self, max: usize) {
        let mut limit = Command::new("prlimit");
        limit.arg(format!("--nofile={max}"));
        let limited = limit.arg(format!("--pid={}", self.child.id())).status();
        assert!(limited.expect("prlimit").success());
    }

    /// A request with this token.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = world::client()
            .request(method, self.url(path))
            .bearer_auth(token);
        Answer::of(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    pub async fn try_login(&self, name: &str, password: &str) -> Answer {
        let body = json!({ "username": name, "password": password });
        let request = world::client().post(self.url("/api/v1/login"));
        Answer::of(request.json(&body)).await
    }

    /// Logs in and returns the token.
    pub async fn login(&self, name: &str, password: &str) -> String {
        let answer = self.try_login(name, password).await;
        answer.expect_status(StatusCode::OK);
        let token = answer.json()["token"].as_str().map(str::to_owned);
        token.expect("a token")
    }

    pub async fn age(&self, token: &str) -> u64 {
        let me = self.ask(Method::GET, "/api/v1/me", token, None).await;
        me.expect_status(StatusCode::OK);
        me.json()["age"].as_u64().expect("an age")
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        open.expect("a running process").count()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log")
    }

    /// No warning, no flush, nothing: what a power cut does to a process.
    pub fn kill(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("its end");
    }

    /// How much memory it holds.
    pub fn resident_bytes(&self) -> u64 {
        let statm = format!("/proc/{}/statm", self.child.id());
        let statm = fs::read_to_string(statm).expect("its memory");
        let pages = statm.split(' ').nth(1).expect("a number");
        pages.parse::<u64>().expect("a number") * 4096
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let child = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &child]).status();
        assert!(sent.expect("kill").success());
    }

    /// From now on it cannot write beyond so many bytes of any file, or `unlimited`.
    pub fn limit_files(&self, bytes: &str) {
        let child = self.child.id().to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        let mut prlimit = Command::new("prlimit");
        let limited = prlimit.args(["--pid", &child, &limit]).status();
        assert!(limited.expect("prlimit").success());
    }

    /// Waits until it has ended, for [`SOON`] at most.
    pub async fn ended(mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                return status;
            }
            assert!(began.elapsed() < SOON, "it did not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops it as an operator would, and returns its whole log.
    pub async fn stop(self) -> String {
        let log = self.log.clone();
        self.signal("TERM");
        let status = self.ended().await;
        assert!(status.success(), "{status}");
        fs::read_to_string(log).expect("the log")
    }
}

impl Drop for Process {
    /// A test that fails leaves nothing running. Every log passes here, so each is looked through.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let log = fs::read(&self.log).unwrap_or_default();
            expect_no_token(&String::from_utf8_lossy(&log));
        }
    }
}

/// No JWT, no API key and no setup token, by how they look: a test need not say which it used.
#[track_caller]
fn expect_no_token(log: &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    for line in log.lines() {
        for word in line.split(|c| !is_part(c)) {
            let is_key = word.starts_with("br_") && word.matches('_').count() > 1;
            assert!(
                !word.contains("eyJ") && !is_key,
                "a token in the log: {line}"
            );
        }
    }
}
