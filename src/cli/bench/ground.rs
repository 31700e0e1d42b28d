//! The server a bench runs against: where it is, who its members are, and what has to be put back.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Args;
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use url::Url;

use super::socket::Speech;
use super::watch::Process;
use crate::cli::caller::{Caller, Line, Question};
use crate::cli::control::{self, understood};
use crate::cli::{Failure, encoded, shown};
use crate::config::{Config, Count};
use crate::serve::Folder;

/// What the members it makes are called, before their number. The same in every run, so that one
/// clears up after another that was killed.
const MEMBER: &str = "bellrope-bench-";
/// How long their tokens are good: a run lasts an hour at most.
const TOKEN_TTL_S: u64 = 2 * 3600;
/// Members who are removed at once: they share a commit.
const REMOVED_AT_ONCE: usize = 32;
/// What everything published is about, so that it can be taken back from given members' inboxes.
pub const OBJECT: (&str, &str) = ("bench", "1");
/// How long clearing up may take: a server that is stuck is not waited for.
const CLEAR_TIME_MAX: Duration = Duration::from_mins(2);
/// What a name may take to be looked up, and a server to accept.
const REACH_TIME_MAX: Duration = Duration::from_secs(5);

/// The server, and how to come in.
#[derive(Args)]
pub struct Target {
    /// The server itself, not the proxy before it
    #[arg(default_value = "http://127.0.0.1:8888")]
    url: Url,
    /// File with members' tokens, one a line [default: members are made in --data, and removed]
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// API key with the scope publish [default: one is made in --data, and revoked]
    #[arg(long, env = "BELLROPE_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
    /// The server's process, to tell its memory and time [default: whoever has --data open, where that is used]
    #[arg(long)]
    pid: Option<u32>,
    /// Speak the demo's contract alone: tokens in the query, `hello` for `ready`
    #[arg(long, requires = "tokens")]
    demo: bool,
    /// Load a server that is not on this machine; be sure that it is yours
    #[arg(long)]
    allow_remote: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// How many come.
#[derive(Args)]
pub struct Size {
    /// Sockets that are open at once
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    pub sockets: Count<100_000>,
    /// How many of them each member has
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub sockets_each: Count<100_000>,
    /// How many come in at the same time
    #[arg(long, value_name = "COUNT", default_value = "64")]
    pub at_once: Count<1024>,
}

/// Whether it publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Members,
    Key,
}

pub struct Ground {
    pub url: String,
    pub address: SocketAddr,
    pub speech: Speech,
    /// One for each member.
    pub tokens: Vec<String>,
    /// Empty where none is needed.
    pub key: String,
    pub process: Option<Process>,
    /// The way to whoever can remove what was made.
    control: Option<Line>,
    made_members: usize,
    made_key: Option<String>,
}

impl Ground {
    /// # Errors
    /// When it is no server to load, or does not let us in.
    pub async fn prepare(
        config: &Config,
        target: &Target,
        size: &Size,
        needs: Needs,
    ) -> Result<Self, Failure> {
        if target.demo && needs == Needs::Key {
            return Err(Failure::Usage(anyhow!(
                "the demo's contract knows no notifications; a server with --demo takes connect, idle, insert, and push with --send insert"
            )));
        }
        let address = address(target).await?;
        let mut ground = Self {
            url: target.url.as_str().trim_end_matches('/').to_owned(),
            address,
            speech: if target.demo {
                Speech::Demo
            } else {
                Speech::Bellrope
            },
            tokens: Vec::new(),
            key: target.key.clone().unwrap_or_default(),
            process: target.pid.map(Process::of),
            control: None,
            made_members: 0,
            made_key: None,
        };
        ground.let_in(config, target, size, needs).await?;
        Ok(ground)
    }

    async fn let_in(
        &mut self,
        config: &Config,
        target: &Target,
        size: &Size,
        needs: Needs,
    ) -> Result<()> {
        let members = size.sockets.0.div_ceil(size.sockets_each.0);
        let needs_key = needs == Needs::Key && self.key.is_empty();
        if let Some(file) = &target.tokens {
            self.tokens = read_tokens(file, members)?;
        }
        if target.tokens.is_some() && !needs_key {
            return Ok(());
        }
        let mut caller = self.reach_control(config).await.context(
            "members and keys are made through the server's data folder: name it with --data, or give --tokens and --key",
        )?;
        if self.tokens.is_empty() {
            self.mint(&mut caller, members).await?;
        }
        if needs_key {
            let body = json!({ "name": "bellrope bench", "scopes": ["publish"] });
            let made = ask(&mut caller, Method::POST, "/keys", Some(body)).await?;
            shown(&made, "key").clone_into(&mut self.key);
            self.made_key = Some(shown(&made, "id").to_owned());
        }
        Ok(())
    }

    async fn reach_control(&mut self, config: &Config) -> Result<Caller> {
        let folder = Folder::existing(&config.data)?;
        let caller = control::running(&folder).await?;
        let caller =
            caller.with_context(|| format!("no server runs on {}", config.data.display()))?;
        if self.process.is_none() {
            let peer = UnixStream::connect(folder.socket()).await?.peer_cred()?;
            let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
            self.process = pid.map(Process::of);
        }
        self.control = Some(Line::Control(folder.socket()));
        Ok(caller)
    }

    async fn mint(&mut self, caller: &mut Caller, members: usize) -> Result<()> {
        // Who was removed in this second by a run before is refused for the rest of it.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let rest = Duration::from_secs(now.as_secs() + 1).saturating_sub(now);
        tokio::time::sleep(rest).await;
        for number in 0..members {
            let body = json!({ "id": member(number), "ttl_s": TOKEN_TTL_S });
            let minted = ask(caller, Method::POST, "/tokens", Some(body)).await;
            let minted = minted.context("no member can be made; give --tokens instead")?;
            self.tokens.push(shown(&minted, "token").to_owned());
        }
        self.made_members = members;
        Ok(())
    }

    /// Connections to call the server through.
    ///
    /// # Errors
    /// When it does not take them.
    pub async fn callers(&self, count: usize) -> Result<Vec<Caller>> {
        let mut callers = Vec::new();
        for _ in 0..count {
            callers.push(self.caller().await?);
        }
        Ok(callers)
    }

    /// # Errors
    /// As [`Ground::callers`].
    pub async fn caller(&self) -> Result<Caller> {
        let caller = Caller::open(Line::Port(self.address)).await;
        caller.with_context(|| format!("cannot reach {}", self.url))
    }

    /// Removes the members and the key that were made; from given members it takes back what was
    /// published to them.
    ///
    /// # Errors
    /// What is still there.
    pub async fn clear(&self) -> Result<()> {
        let cleared = tokio::time::timeout(CLEAR_TIME_MAX, self.put_back()).await;
        cleared.context("the server does not let us clear up")?
    }

    async fn put_back(&self) -> Result<()> {
        if self.made_members == 0 && !self.key.is_empty() {
            self.retract()
                .await
                .context("what was published to the given members could not be taken back")?;
        }
        let Some(control) = &self.control else {
            return Ok(());
        };
        self.remove_members(control).await.with_context(|| {
            format!("members called {MEMBER}0 and on are left; the next run removes them")
        })?;
        if let Some(key) = &self.made_key {
            let mut caller = Caller::open(control.clone()).await?;
            let revoked = ask(&mut caller, Method::DELETE, &format!("/keys/{key}"), None).await;
            revoked.with_context(|| format!("revoke the key with `bellrope key revoke {key}`"))?;
        }
        Ok(())
    }

    async fn retract(&self) -> Result<()> {
        let (kind, id) = OBJECT;
        let path = format!("/api/v1/notifications?object_type={kind}&object_id={id}");
        let mut caller = self.caller().await?;
        let question = Question {
            method: Method::DELETE,
            path: &path,
            token: Some(&self.key),
            body: Bytes::new(),
        };
        let (status, answer) = caller.ask(question).await?;
        understood(status, &answer)?;
        Ok(())
    }

    async fn remove_members(&self, control: &Line) -> Result<()> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks: JoinSet<Result<()>> = JoinSet::new();
        for _ in 0..REMOVED_AT_ONCE.min(self.made_members) {
            let (next, end) = (Arc::clone(&next), self.made_members);
            let mut caller = Caller::open(control.clone()).await?;
            tasks.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end {
                        return Ok(());
                    }
                    remove(&mut caller, &member(number)).await?;
                }
            });
        }
        while let Some(removed) = tasks.join_next().await {
            removed??;
        }
        Ok(())
    }
}

fn member(number: usize) -> String {
    format!("{MEMBER}{number}")
}

async fn remove(caller: &mut Caller, id: &str) -> Result<()> {
    let question = Question {
        method: Method::DELETE,
        path: &format!("/api/v1/users/{}", encoded(id)),
        token: None,
        body: Bytes::new(),
    };
    match caller.ask(question).await? {
        // One that never came in is not there.
        (StatusCode::NOT_FOUND, _) => Ok(()),
        (status, answer) => understood(status, &answer).map(drop),
    }
}

async fn ask(
    caller: &mut Caller,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Value> {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let question = Question {
        method,
        path: &format!("/api/v1{path}"),
        token: None,
        body: body.into(),
    };
    let (status, answer) = caller.ask(question).await?;
    understood(status, &answer)
}

/// The server's address, if it is one to load and somebody listens there.
async fn address(target: &Target) -> Result<SocketAddr, Failure> {
    let url = &target.url;
    let usage = |sentence: String| Err(Failure::Usage(anyhow!(sentence)));
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "http" || host.is_empty() || url.path() != "/" {
        return usage(format!(
            "`{url}` is no server to load; write it like http://127.0.0.1:8888: plain http, without a path"
        ));
    }
    let found = url.socket_addrs(|| None);
    let addresses = found.with_context(|| format!("cannot find {host}"))?;
    let is_here = addresses.iter().all(|address| address.ip().is_loopback());
    if !is_here && !target.allow_remote {
        return usage(format!(
            "{url} is not on this machine; a bench is a load that nobody should get unasked. If it is your own server, say --allow-remote"
        ));
    }
    let mut refusal = anyhow!("it has no address");
    for address in addresses {
        match tokio::time::timeout(REACH_TIME_MAX, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(address),
            Ok(Err(error)) => refusal = error.into(),
            Err(_) => refusal = anyhow!("nobody answers"),
        }
    }
    Err(refusal
        .context(format!("cannot reach {url}; does the server run?"))
        .into())
}

fn read_tokens(file: &PathBuf, members: usize) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the tokens in {}", file.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let tokens: Vec<String> = lines.take(members).map(str::to_owned).collect();
    ensure!(
        tokens.len() == members,
        "{} has {} tokens, and {members} members need one each; give more, or fewer --sockets",
        file.display(),
        tokens.len()
    );
    if let Some(odd) = tokens.iter().position(|token| !token.is_ascii()) {
        bail!("line {} of {} is no token", odd + 1, file.display());
    }
    Ok(tokens)
}
