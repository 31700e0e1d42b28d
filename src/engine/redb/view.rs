//! What a disk holds at one moment, for readers while it takes no writes: whatever redb writes
//! when it opens a file that was left in the middle stays in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, PoisonError, RwLock};

use redb::StorageBackend;

/// Bytes that are kept in memory once one of them is written: redb's own page.
const BLOCK: usize = 4096;

#[derive(Debug)]
pub struct View {
    disk: Arc<dyn StorageBackend>,
    /// How long the disk was when this began; what is beyond is zero until it is written here.
    disk_len: usize,
    over: RwLock<Over>,
}

#[derive(Debug)]
struct Over {
    len: usize,
    /// By their numbers.
    blocks: BTreeMap<usize, Vec<u8>>,
}

impl View {
    pub fn new(disk: Arc<dyn StorageBackend>) -> Result<Self> {
        let disk_len = position(disk.len()?)?;
        let over = Over {
            len: disk_len,
            blocks: BTreeMap::new(),
        };
        Ok(Self {
            disk,
            disk_len,
            over: RwLock::new(over),
        })
    }

    fn read_disk(&self, at: usize, out: &mut [u8]) -> Result<()> {
        let there = self.disk_len.saturating_sub(at).min(out.len());
        let (there, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        if there.is_empty() {
            return Ok(());
        }
        self.disk.read(at as u64, there)
    }
}

fn position(offset: u64) -> Result<usize> {
    usize::try_from(offset).map_err(Error::other)
}

/// The blocks that these bytes lie in: which one, from where in it, and from where in the bytes.
fn pieces(at: usize, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let (block, first) = (at / BLOCK, at % BLOCK);
    let count = (first + len).div_ceil(BLOCK);
    (0..count).map(move |i| match i {
        0 => (block, first, 0),
        _ => (block + i, 0, i * BLOCK - first),
    })
}

impl StorageBackend for View {
    fn len(&self) -> Result<u64> {
        let over = self.over.read().unwrap_or_else(PoisonError::into_inner);
        Ok(over.len as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let first = position(offset)?;
        let over = self.over.read().unwrap_or_else(PoisonError::into_inner);
        if first.saturating_add(out.len()) > over.len {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
        self.read_disk(first, out)?;
        for (block, from, at) in pieces(first, out.len()) {
            if let Some(bytes) = over.blocks.get(&block) {
                let len = (BLOCK - from).min(out.len() - at);
                out[at..at + len].copy_from_slice(&bytes[from..from + len]);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let mut over = self.over.write().unwrap_or_else(PoisonError::into_inner);
        over.len = position(len)?;
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let first = position(offset)?;
        let mut over = self.over.write().unwrap_or_else(PoisonError::into_inner);
        over.len = over.len.max(first + data.len());
        for (block, from, at) in pieces(first, data.len()) {
            let bytes = match over.blocks.entry(block) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(free) => {
                    let mut bytes = vec![0; BLOCK];
                    self.read_disk(block * BLOCK, &mut bytes)?;
                    free.insert(bytes)
                }
            };
            let len = (BLOCK - from).min(data.len() - at);
            bytes[from..from + len].copy_from_slice(&data[at..at + len]);
        }
        Ok(())
    }
}
