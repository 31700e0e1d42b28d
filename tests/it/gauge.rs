//! What the kernel tells of a process, as Linux has it below `/proc`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Clock ticks of a second in `/proc/PID/stat`: the same on every Linux.
const TICKS: u64 = 100;

/// A process that is watched from outside.
#[derive(Debug, Clone)]
pub struct Gauge(PathBuf);

impl Gauge {
    pub fn of(pid: u32) -> Self {
        Self(Path::new("/proc").join(pid.to_string()))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).expect("a process that runs")
    }

    /// The number in this line of `status`, such as `Threads:`.
    pub fn status(&self, name: &str) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|n| n.parse().ok()).expect("a number")
    }

    /// Bytes of memory it holds.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:") << 10
    }

    /// The most it held since it began, or since [`Gauge::forget_peak`].
    pub fn peak(&self) -> u64 {
        self.status("VmHWM:") << 10
    }

    pub fn forget_peak(&self) {
        // proc_pid_clear_refs(5): "5" makes the peak what is resident now.
        fs::write(self.0.join("clear_refs"), "5").expect("a process of our own");
    }

    pub fn descriptors(&self) -> usize {
        let open = fs::read_dir(self.0.join("fd"));
        open.expect("a process that runs").count()
    }

    /// Time it has spent on the processors, its own and the kernel's for it.
    pub fn cpu(&self) -> Duration {
        let stat = self.read("stat");
        // What comes before is its name, which may hold anything.
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let fields = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.map(|ticks| ticks.parse().unwrap_or(0)).sum();
        Duration::from_millis(ticks * 1000 / TICKS)
    }
}
