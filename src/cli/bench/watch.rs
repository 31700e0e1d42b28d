//! What a run costs: the server, and the load generator itself.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::report::{Latency, Report, as_f64};

/// Linux tells processor time in hundredths of a second, on every machine (proc(5), `USER_HZ`).
const TICKS_A_SECOND: u32 = 100;
/// How often our own tasks are asked whether they get their turn.
const PROBE_EVERY: Duration = Duration::from_millis(10);
/// Probes that may wait for one turn: more than a run has seconds for.
const PROBES_MAX: usize = 4096;

/// A process on this machine.
#[derive(Debug, Clone)]
pub struct Process(String);

impl Process {
    pub fn own() -> Self {
        Self("self".to_owned())
    }

    pub fn of(pid: u32) -> Self {
        Self(pid.to_string())
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.0);
        fs::read_to_string(&path)
            .with_context(|| format!("cannot read {path}; is the server's --pid right?"))
    }

    /// Processor time it has had, user's and system's.
    ///
    /// # Errors
    /// When it is not there.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // Its name comes before, in parentheses, and may be anything.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let times = fields.split_ascii_whitespace().skip(11).take(2);
        let ticks: u32 = times.filter_map(|time| time.parse::<u32>().ok()).sum();
        Ok(Duration::from_secs(1) * ticks / TICKS_A_SECOND)
    }

    /// Bytes of memory it holds.
    ///
    /// # Errors
    /// When it is not there.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: u64 = kib.unwrap_or_default().trim().parse()?;
        Ok(kib * 1024)
    }
}

/// How many files this process may open.
///
/// # Errors
/// When the system does not tell.
pub fn open_files_max() -> Result<u64> {
    let limits = Process::own().read("limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next());
    // `unlimited` is none.
    Ok(soft.and_then(|soft| soft.parse().ok()).unwrap_or(u64::MAX))
}

/// Runs along with what is measured.
pub struct Watch {
    began: Instant,
    server: Option<(Process, Duration)>,
    own: Duration,
    lag: Arc<Latency>,
    ended: Arc<AtomicBool>,
    probe: JoinHandle<()>,
}

impl Watch {
    /// # Errors
    /// When the server's process is not there.
    pub fn start(server: Option<&Process>) -> Result<Self> {
        let server = server.map(|server| Ok::<_, anyhow::Error>((server.clone(), server.cpu()?)));
        let lag = Arc::new(Latency::new()?);
        let ended = Arc::new(AtomicBool::new(false));
        let probe = probe(Arc::clone(&lag), Arc::clone(&ended));
        Ok(Self {
            server: server.transpose()?,
            own: Process::own().cpu()?,
            lag,
            ended,
            probe: tokio::spawn(probe),
            began: Instant::now(),
        })
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Writes down what it cost, and the server's time for each of so many, under this name.
    ///
    /// # Errors
    /// When the server's process has gone.
    pub async fn end(
        mut self,
        report: &mut Report,
        each: Option<(&'static str, u64)>,
    ) -> Result<()> {
        let time = self.began.elapsed().as_secs_f64();
        self.ended.store(true, Ordering::Relaxed);
        (&mut self.probe).await?;
        if let Some((server, before)) = &self.server {
            let cpu = server.cpu()?.saturating_sub(*before).as_secs_f64();
            report.number("server_cpu_s", cpu);
            report.number("server_cores", cpu / time);
            if let Some((name, count)) = each.filter(|(_, count)| *count > 0) {
                report.number(name, cpu * 1e6 / as_f64(count));
            }
        }
        let cpu = Process::own().cpu()?.saturating_sub(self.own).as_secs_f64();
        report.number("run_s", time);
        report.number("own_cpu_s", cpu);
        report.number("own_cores", cpu / time);
        report.latency("own_lag_us", &self.lag);
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// A thread of its own knocks, and a task among those that measure says how long it had to wait for
/// its turn. The timer that tasks sleep by would be up to a millisecond late by itself.
async fn probe(lag: Arc<Latency>, ended: Arc<AtomicBool>) {
    let (knock, mut door) = mpsc::channel::<Instant>(PROBES_MAX);
    let knocking = tokio::task::spawn_blocking(move || {
        while !ended.load(Ordering::Relaxed) {
            std::thread::sleep(PROBE_EVERY);
            // A door that is full has its lag written all over it.
            let _ = knock.try_send(Instant::now());
        }
    });
    while let Some(knocked) = door.recv().await {
        lag.note(0, knocked.elapsed());
    }
    let _ = knocking.await;
}
