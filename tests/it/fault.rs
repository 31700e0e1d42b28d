//! A disk in memory that fails when it is told to.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

/// Linux's numbers.
pub const ENOSPC: i32 = 28;
pub const EIO: i32 = 5;

/// A disk in memory that can be made to fail.
#[derive(Debug, Clone)]
pub struct Disk {
    memory: Arc<InMemoryBackend>,
    fault: Arc<Mutex<Option<Fault>>>,
    /// While it is set, writes do not end.
    pub hangs: Arc<AtomicBool>,
    /// Writes, syncs and changes of its length so far.
    pub operations: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Operations that still work.
    pub after: usize,
    /// And those that then fail.
    pub times: u64,
    pub errno: i32,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    Reads,
    Writes,
    Both,
}

impl Fault {
    /// From now on no write works.
    pub fn full() -> Self {
        Self::after(0, ENOSPC)
    }

    pub fn after(after: usize, errno: i32) -> Self {
        Self {
            after,
            times: u64::MAX,
            errno,
            what: What::Writes,
        }
    }
}

impl Disk {
    pub fn new() -> Self {
        Self {
            memory: Arc::new(InMemoryBackend::new()),
            fault: Arc::default(),
            hangs: Arc::default(),
            operations: Arc::default(),
        }
    }

    /// One that holds the same, and works.
    pub fn copy(&self) -> Self {
        let len = self.memory.len().map(usize::try_from);
        let mut bytes = vec![0; len.expect("a length").expect("a length")];
        self.memory.read(0, &mut bytes).expect("all of it");
        let copy = Self::new();
        copy.memory.set_len(bytes.len() as u64).expect("a length");
        copy.memory.write(0, &bytes).expect("all of it");
        copy
    }

    /// Takes all of it away behind the back of whoever uses it.
    pub fn empty(&self) {
        self.memory.set_len(0).expect("an empty file");
    }

    pub fn set(&self, fault: Option<Fault>) {
        *self.fault.lock().expect("a fault") = fault;
    }

    fn check(&self, what: What) -> std::io::Result<()> {
        if what == What::Writes {
            self.operations.fetch_add(1, Ordering::Relaxed);
            while self.hangs.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let mut fault = self.fault.lock().expect("a fault");
        match &mut *fault {
            Some(fault) if fault.what == What::Both || fault.what == what => {
                if fault.after > 0 {
                    fault.after -= 1;
                } else if fault.times > 0 {
                    fault.times -= 1;
                    return Err(std::io::Error::from_raw_os_error(fault.errno));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> std::io::Result<u64> {
        self.memory.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.check(What::Reads)?;
        // As a file does; the memory would panic.
        if offset + out.len() as u64 > self.memory.len()? {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.memory.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.check(What::Writes)?;
        self.memory.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.check(What::Writes)?;
        self.memory.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        let fits = self.check(What::Writes);
        // One that fails has written the first half.
        let written = if fits.is_ok() {
            data
        } else {
            &data[..data.len() / 2]
        };
        self.memory.write(offset, written)?;
        fits
    }
}
