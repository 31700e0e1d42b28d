//! Whether every bar was kept.

use std::process::ExitCode;

#[derive(Default)]
pub struct Verdict {
    missed: usize,
}

impl Verdict {
    pub fn is(&mut self, kept: bool, what: &str) {
        println!("{} {what}", if kept { "kept  " } else { "MISSED" });
        self.missed += usize::from(!kept);
    }

    pub fn end(self) -> ExitCode {
        ExitCode::from(u8::from(self.missed > 0))
    }
}

pub fn mib(bytes: u64) -> f64 {
    let kib = u32::try_from(bytes >> 10).expect("less than 4 TiB");
    f64::from(kib) / 1024.0
}
