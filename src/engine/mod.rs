//! Where it is kept. [`open`] is the only place that chooses.

pub mod local;
pub mod redb;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use crate::config::Bounds;
use crate::domain::engine::{Bus, Store};
use local::Local;

pub use redb::{check_pages, compact, examine, glance, import, lock, renew};

/// A store and the bus its commits are told on.
#[derive(Clone)]
pub struct Engine {
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn Bus>,
}

/// Opens the database in the data folder.
///
/// # Errors
/// When the file cannot be opened, or was written by a newer program.
pub fn open(file: &Path, write_queue: usize, bounds: Bounds) -> Result<Engine> {
    let bus = Arc::new(Local::default());
    let store = redb::Redb::open(file, write_queue, bounds, Arc::clone(&bus) as Arc<dyn Bus>)?;
    Ok(Engine {
        store: Arc::new(store),
        bus,
    })
}
