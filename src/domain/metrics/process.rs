//! What the kernel says of this process, as Linux has it below `/proc`.

use std::fs;

use rustix::param::page_size;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// What cannot be read is `None`.
#[derive(Debug, Clone, Default)]
pub struct Process {
    pub resident_bytes: Option<u64>,
    pub descriptors: Option<u64>,
    /// How many there may be; `None`: any number.
    pub descriptors_max: Option<u64>,
    /// On all processors together, the kernel's work for it included.
    pub cpu_seconds: f64,
}

/// Blocks for a moment.
pub fn look() -> Process {
    Process {
        resident_bytes: resident(),
        descriptors: fs::read_dir("/proc/self/fd")
            .ok()
            // One of them is the list's own.
            .map(|open| open.count().saturating_sub(1) as u64),
        descriptors_max: descriptors_max(),
        cpu_seconds: seconds(clock_gettime(ClockId::ProcessCPUTime)),
    }
}

/// `proc_pid_limits(5)`: the first of two numbers. A sandbox may forbid the call that asks for it.
fn descriptors_max() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let mut lines = limits.lines();
    let limit = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    limit.split_whitespace().next()?.parse().ok()
}

/// `proc_pid_statm(5)`: in pages, the second number.
fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * page_size() as u64)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn seconds(time: Timespec) -> f64 {
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
