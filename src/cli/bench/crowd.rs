//! Many members' sockets: opened some at a time, then listening together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use super::ground::{Ground, Size};
use super::report::{Latency, Report, Tally};
use super::socket::{Cursor, Guest, Ready, Socket, Speech};
use super::watch;

/// How long one member may take to come in. Beyond it the server is not slow but stuck.
const OPEN_TIME_MAX: Duration = Duration::from_mins(1);
/// Files that are open besides the sockets, and then some.
const OTHER_FILES: u64 = 64;

/// Sockets that are open, in the order of their numbers. Socket `n` is of member
/// `n % ` [`Crowd::members`].
pub struct Crowd {
    sockets: Vec<Socket>,
    /// What each was told.
    pub ready: Vec<Ready>,
    pub members: usize,
    /// From the connect to `ready`.
    pub latency: Arc<Latency>,
    /// From the first connect to the last `ready`.
    pub time: Duration,
}

struct Opening {
    ground: Arc<Ground>,
    cursors: Vec<Cursor>,
    next: AtomicUsize,
    sockets: usize,
    latency: Arc<Latency>,
}

impl Crowd {
    /// # Errors
    /// Why the first that was not let in was not.
    pub async fn open(ground: &Arc<Ground>, size: &Size) -> Result<Self> {
        Self::open_behind(ground, size, Vec::new()).await
    }

    /// The same for members who were away: each with a cursor, where there are any.
    ///
    /// # Errors
    /// As [`Crowd::open`].
    pub async fn open_behind(
        ground: &Arc<Ground>,
        size: &Size,
        cursors: Vec<Cursor>,
    ) -> Result<Self> {
        let sockets = size.sockets.0;
        let files = watch::open_files_max()?.saturating_sub(OTHER_FILES);
        ensure!(
            sockets as u64 <= files,
            "this process may open {files} sockets, not {sockets}; raise the limit with `ulimit -n`, or give fewer --sockets"
        );
        let latency = Arc::new(Latency::new()?);
        let opening = Arc::new(Opening {
            ground: Arc::clone(ground),
            cursors,
            next: AtomicUsize::new(0),
            sockets,
            latency: Arc::clone(&latency),
        });
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..size.at_once.0.min(sockets) {
            tasks.spawn(Arc::clone(&opening).run());
        }
        let mut opened = Vec::with_capacity(sockets);
        while let Some(some) = tasks.join_next().await {
            opened.append(&mut some??);
        }
        let time = began.elapsed();
        opened.sort_by_key(|(number, ..)| *number);
        let (sockets, ready) = opened
            .into_iter()
            .map(|(_, socket, ready)| (socket, ready))
            .unzip();
        Ok(Self {
            sockets,
            ready,
            members: ground.tokens.len(),
            latency,
            time,
        })
    }

    /// Tells every event of every socket to `ear`, with the socket's number.
    pub fn listen(self, ear: impl Fn(usize, &[u8]) + Send + Sync + 'static) -> Listening {
        let (ear, gone) = (Arc::new(ear), Arc::new(Tally::default()));
        let mut tasks = JoinSet::new();
        for (number, socket) in self.sockets.into_iter().enumerate() {
            let (ear, gone) = (Arc::clone(&ear), Arc::clone(&gone));
            tasks.spawn(async move {
                let why = socket.hear(|event| ear(number, event)).await;
                gone.note(&why);
            });
        }
        Listening {
            gone,
            _tasks: tasks,
        }
    }

    /// How many sockets each member has.
    pub fn sockets_each(&self) -> Vec<u64> {
        let (sockets, members) = (self.sockets.len(), self.members);
        let of = |member| sockets / members + usize::from(member < sockets % members);
        (0..members).map(|member| of(member) as u64).collect()
    }

    /// The members' ids, as `ready` told them.
    pub fn ids(&self) -> Vec<String> {
        let members = self.ready.iter().take(self.members);
        members.map(|ready| ready.user.id.clone()).collect()
    }

    pub fn len(&self) -> usize {
        self.sockets.len()
    }
}

impl Opening {
    /// Opens one after another, as long as any are left.
    async fn run(self: Arc<Self>) -> Result<Vec<(usize, Socket, Ready)>> {
        let mut opened = Vec::new();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.sockets {
                return Ok(opened);
            }
            let one = tokio::time::timeout(OPEN_TIME_MAX, self.open(number)).await;
            let one = one.context("it took too long").and_then(|one| one);
            let (socket, ready) = one.with_context(|| {
                format!("socket {} of {} was not let in", number + 1, self.sockets)
            })?;
            opened.push((number, socket, ready));
        }
    }

    async fn open(&self, number: usize) -> Result<(Socket, Ready)> {
        let ground = &self.ground;
        let member = number % ground.tokens.len();
        let guest = Guest {
            address: ground.address,
            speech: ground.speech,
            token: &ground.tokens[member],
            cursor: self.cursors.get(member),
        };
        let began = Instant::now();
        let (socket, said) = Socket::open(&guest).await?;
        self.latency.note(number, began.elapsed());
        let ready = match ground.speech {
            Speech::Demo => Ready::default(),
            Speech::Bellrope => {
                serde_json::from_str(&said).context("its `ready` is not what it should be")?
            }
        };
        Ok((socket, ready))
    }
}

/// Sockets that listen until this is dropped, which closes them.
pub struct Listening {
    gone: Arc<Tally>,
    _tasks: JoinSet<()>,
}

impl Listening {
    /// Writes down how many the server closed meanwhile.
    pub fn report(&self, report: &mut Report) {
        report.tally("closed", &self.gone, "sockets did not stay open");
    }
}
