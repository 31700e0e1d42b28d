//! The real executable, as a process of its own: for signals, kills, the command line and the log.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

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
        let log = data.with_extension("log");
        let stderr = File::options().create(true).append(true).open(&log);
        let mut child = bellrope()
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
        let address = greeting.trim().rsplit("http://").next();
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = out.read_to_string(&mut greeting);
            let log = fs::read_to_string(&log).unwrap_or_default();
            panic!("it did not start: {greeting}\n{log}");
        };
        Self {
            child,
            address,
            out,
            log,
        }
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

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
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

    /// No warning, no flush, nothing: what a power cut does to a process.
    pub fn kill(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("its end");
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let child = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &child]).status();
        assert!(sent.expect("kill").success());
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
    /// A test that fails leaves nothing running.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
