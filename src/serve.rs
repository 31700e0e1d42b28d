//! The wiring: open, build, run, stop in order.

mod folder;
mod house;
pub mod import;
pub mod jwks;
pub mod restore;
mod schedule;
mod watch;
mod watchdog;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::SignedDuration;
use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

use crate::config::{self, Cidr, Config, Origin};
use crate::domain::call::Running;
use crate::domain::clock::Clock;
use crate::domain::forum::Forum;
use crate::domain::metrics::{Connections, Metrics};
use crate::domain::tries::Tries;
use crate::domain::{App, backup, inbox, key, notification, password, session, setup};
use crate::engine::{self, Engine};
use crate::front::{Front, Rules, Tls};
use crate::http::Http;
use crate::live::{self, Live};

pub use folder::{Folder, SECRET_BYTES_MIN};
use house::House;
pub use schedule::newest_backup;
use watch::Watch;

/// How long the sockets may take to hear that it is over, those that stopped reading included.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(4);
/// How long requests in flight may take to finish after that.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(4);

/// A running server.
pub struct Server {
    /// Where it listens; the port is known by now.
    pub address: SocketAddr,
    /// Where its metrics are read without a key, if anywhere.
    pub metrics_address: Option<SocketAddr>,
    /// Where members reach it.
    pub public_url: String,
    /// The token of the setup link, while there is no administrator.
    pub setup_token: Option<String>,
    app: Arc<App>,
    front: Arc<Front<House>>,
    watch: Option<Arc<Front<Watch>>>,
    live: Live,
    tasks: Vec<JoinHandle<()>>,
    folder: Folder,
}

/// Builds what the use cases need around a store, without serving anything.
///
/// # Errors
/// When hashing does not work on this machine.
pub fn app(config: &Config, engine: Engine, clock: Clock, secret: &[u8]) -> Result<App> {
    let ttl = SignedDuration::try_from(config.session_ttl)?;
    let forum = match &config.forum {
        Some(forum) => {
            forum.ensure_secret_is_not(secret)?;
            let forum = Forum::new(forum).map_err(anyhow::Error::msg)?;
            Some(Arc::new(forum))
        }
        None => None,
    };
    Ok(App {
        store: engine.store,
        bus: engine.bus,
        metrics: Arc::new(Metrics::new(clock.now())),
        clock,
        registration: config.registration,
        forum_url: config.forum_url.clone(),
        forum,
        running: Running::default(),
        sessions: session::Keys::new(secret, ttl),
        hasher: password::Hasher::new()?,
        tries: Tries::default(),
        rates: key::Rates::new(config.key_rate),
        setup: setup::Setup::default(),
        backups: backup::Desk::new(secret),
        stopping: false.into(),
    })
}

/// Reads the forum's set of keys, where it is in a file.
///
/// # Errors
/// When it cannot be read, or holds no key that fits.
pub fn read_forum_keys(app: &App) -> Result<()> {
    app.forum.as_ref().map_or(Ok(()), |forum| jwks::read(forum))
}

/// Opens the database in the data folder and starts serving it.
///
/// # Errors
/// When the address is taken, or the folder or its database cannot be used.
pub async fn start(config: &Config, clock: Clock) -> Result<Server> {
    let folder = Folder::create(&config.data)?;
    let engine = open(&folder, config)?;
    start_on(config, clock, &folder, engine).await
}

/// Opens the folder's database.
///
/// # Errors
/// When it cannot be used, or a server that does not answer has it.
pub fn open(folder: &Folder, config: &Config) -> Result<Engine> {
    engine::open(&folder.database()?, config.write_queue, config.bounds)
        .with_context(|| format!("the data folder is {}", config.data.display()))
}

/// Looks at the checksums of every page of the folder's database.
///
/// # Errors
/// When they do not fit, or somebody has it open.
pub fn check_pages(folder: &Folder) -> Result<()> {
    engine::check_pages(&folder.database()?)
}

/// Looks at a folder's database without changing it: the version of its format, and `None` when it
/// was not closed and is put in order by the next start.
///
/// # Errors
/// When it is in use, damaged, or was written by a newer program.
pub fn glance(folder: &Folder) -> Result<Option<u32>> {
    engine::glance(&folder.file())
}

/// Makes the folder's database as small as it can be; its bytes before and after.
///
/// # Errors
/// When somebody has it open, or the disk fails.
pub fn compact(folder: &Folder) -> Result<(u64, u64)> {
    folder.ensure_stopped()?;
    let file = folder.database()?;
    let bytes = || std::fs::metadata(&file).map(|about| about.len());
    let before = bytes()?;
    engine::compact(&file)?;
    Ok((before, bytes()?))
}

/// Starts serving an engine of the caller's choosing.
///
/// # Errors
/// As [`start`].
pub async fn start_on(
    config: &Config,
    clock: Clock,
    folder: &Folder,
    engine: Engine,
) -> Result<Server> {
    let app = Arc::new(app(config, engine, clock, &folder.secret()?)?);
    read_forum_keys(&app)?;
    let tls = tls(config)?;
    let listener = listener(config.listen).await?;
    let address = listener.local_addr()?;
    let (control, owner) = control(folder)?;

    let public_url = match &config.public_url {
        Some(url) => url.as_str().to_owned(),
        None => Origin::of_address(config.scheme(), address)
            .as_str()
            .to_owned(),
    };
    // As many sessions as connections: one that is polled for needs none between its polls.
    let limits = live::Limits {
        sessions_max: config.connections_max,
        strangers_per_address_max: config.strangers_per_address,
        sockets_per_member_max: config.sockets_per_member,
    };
    let (door, live) = Live::new(Arc::clone(&app), limits);
    let house = House {
        app: Arc::clone(&app),
        http: Http::new(Arc::clone(&app)),
        door,
    };
    let stalled = Arc::clone(&app.metrics.stalled);
    let rules = rules(config, &public_url, tls.clone(), stalled);
    let front = Front::new(house, rules);
    let (asked, max) = (Arc::downgrade(&front), config.connections_max);
    app.metrics.ask_connections(move || {
        let open = asked.upgrade().map_or(0, |front| front.connections());
        Connections { open, max }
    });
    let setup_token = setup::offer(&app).await?;
    let resumed = notification::resume(Arc::clone(&app)).await?;
    let watch = match config.metrics_listen {
        Some(listen) => Some(watch::open(listen, &app).await?),
        None => None,
    };
    let mut tasks = vec![
        tokio::spawn(live.clone().push(app.bus.subscribe())),
        tokio::spawn(live.clone().expire()),
        tokio::spawn(inbox::keep(Arc::clone(&app))),
        tokio::spawn(resumed),
        tokio::spawn(Arc::clone(&front).listen(listener)),
        tokio::spawn(Arc::clone(&front).listen_control(control, owner)),
    ];
    if config.backups.every.is_some() {
        let kept = schedule::keep(Arc::clone(&app), folder.clone(), config.backups.clone());
        tasks.push(tokio::spawn(kept));
    }
    let metrics_address = watch.as_ref().map(|(address, ..)| *address);
    let watch = watch.map(|(_, watch, listening)| {
        tasks.push(listening);
        watch
    });
    tasks.extend(tls.map(|tls| tokio::spawn(tls.keep())));
    if let Some(forum) = &app.forum {
        tasks.extend(jwks::keep(forum)?);
    }
    tell_systemd(&[sd_notify::NotifyState::Ready]);
    let watched = watchdog::keep(Arc::clone(&app), Arc::clone(&front));
    tasks.push(tokio::spawn(watched));
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "ready");
    Ok(Server {
        address,
        metrics_address,
        public_url,
        setup_token,
        app,
        front,
        watch,
        live,
        tasks,
        folder: folder.clone(),
    })
}

impl Server {
    /// Resolves when the database is beyond what this process can do for it. Then it is to be
    /// stopped, and started anew.
    pub async fn lost(&self) {
        self.app.store.lost().await;
    }

    /// Why the server does not go on, where the writer or the loop that accepts has been at one
    /// thing for longer than this; what the watchdog looks at.
    pub fn stall(&self, patience: Duration) -> Option<String> {
        watchdog::stall(&self.app, &self.front, patience)
    }

    /// Stops in order: not ready, no new work, the sockets told and closed, requests in flight
    /// finished, the last commit. Bounded: 4 s for the sockets, 4 s for the requests, and whatever
    /// the disk needs.
    pub async fn stop(self) {
        tell_systemd(&[sd_notify::NotifyState::Stopping]);
        tracing::info!("stopping");
        self.app.stopping.store(true, Ordering::Relaxed);
        self.front.stop();
        if let Some(watch) = &self.watch {
            watch.stop();
        }
        if tokio::time::timeout(CLOSE_TIME_MAX, self.live.close())
            .await
            .is_err()
        {
            tracing::warn!("some sockets did not read that they were closed");
        }
        let drained = async {
            self.front.drained().await;
            if let Some(watch) = &self.watch {
                watch.drained().await;
            }
        };
        if tokio::time::timeout(DRAIN_TIME_MAX, drained).await.is_err() {
            tracing::warn!("some requests did not finish in time");
        }
        self.app.store.close().await;
        for task in self.tasks {
            task.abort();
            // Its part of the App is let go of once it has ended.
            let _ = task.await;
        }
        // The next start removes what a failure leaves here.
        let _ = std::fs::remove_file(self.folder.socket());
        tracing::info!("stopped; everything that was answered is kept");
    }
}

fn tell_systemd(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell systemd");
    }
}

/// The socket members come through: systemd's, where it hands one on (`sd_listen_fds(3)`), in which
/// connections wait while the server starts anew; else our own.
async fn listener(listen: SocketAddr) -> Result<TcpListener> {
    let mut handed = ListenFd::from_env();
    match handed.len() {
        0 => TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}; is another server there?")),
        1 => {
            let socket = handed.take_tcp_listener(0).ok().flatten();
            let socket = socket.context(
                "what systemd hands on is no TCP socket that listens; name one with ListenStream=",
            )?;
            socket.set_nonblocking(true)?;
            Ok(TcpListener::from_std(socket)?)
        }
        more => bail!("systemd hands {more} sockets on, and one is served; keep one ListenStream="),
    }
}

/// The socket the commands come through, and who owns it.
fn control(folder: &Folder) -> Result<(UnixListener, u32)> {
    let path = folder.socket();
    // The database's lock is ours, so whoever made an old one is gone.
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    let listener = UnixListener::bind(&path)
        .with_context(|| format!("cannot listen on {} for commands", path.display()))?;
    let owner = folder.claim_socket()?;
    Ok((listener, owner))
}

/// What connections are encrypted with, where this server does that itself.
fn tls(config: &Config) -> Result<Option<Arc<Tls>>> {
    let open = |files: &config::Tls| Tls::open(&files.certificate, &files.key);
    let opened = config.tls.as_ref().map(open).transpose();
    opened.map_err(anyhow::Error::msg)
}

fn rules(
    config: &Config,
    public_url: &str,
    tls: Option<Arc<Tls>>,
    stalled: Arc<AtomicU64>,
) -> Rules {
    let origins = (!config.allow_origin.is_empty()).then(|| {
        let listed = config
            .allow_origin
            .iter()
            .map(|origin| origin.as_str().to_owned());
        listed.chain([public_url.to_owned()]).collect()
    });
    let proxies: Vec<Cidr> = config.trusted_proxy.clone();
    Rules {
        origins,
        for_everybody: &["/bell.js", "/client.js"],
        is_https: public_url.starts_with("https://"),
        is_trusted_proxy: Box::new(move |address| {
            proxies.iter().any(|block| block.contains(address))
        }),
        connections_max: config.connections_max,
        tls,
        stalled,
    }
}
