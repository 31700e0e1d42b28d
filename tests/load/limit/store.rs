//! The members' ages in redb: one thread, and one durable commit for all that waits.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use redb::{Database, ReadableTable as _, TableDefinition};
use tokio::sync::{mpsc, oneshot};

use super::rooms::Rooms;

/// Age, and when it last changed in milliseconds of Unix time.
const USERS: TableDefinition<&str, (u64, i64)> = TableDefinition::new("users");
/// Inserts in one commit, as many as Bellrope takes.
const BATCH_MAX: usize = 1024;
const CACHE_BYTES: usize = 64 << 20;

struct Insert {
    member: String,
    done: oneshot::Sender<()>,
}

pub struct Store(mpsc::UnboundedSender<Insert>);

impl Store {
    pub fn open(file: &Path, rooms: Arc<Rooms>) -> Result<Self> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(file)?;
        let (queue, mut waiting) = mpsc::unbounded_channel();
        std::thread::Builder::new().spawn(move || {
            let mut batch = Vec::with_capacity(BATCH_MAX);
            while waiting.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
                match commit(&database, &batch) {
                    Ok(ages) => tell(&rooms, batch.drain(..).zip(ages)),
                    // Whoever waits learns it by the channel's end.
                    Err(error) => {
                        eprintln!("{error:#}");
                        batch.clear();
                    }
                }
            }
        })?;
        Ok(Self(queue))
    }

    /// Adds one to the member's age, and tells it the member's sockets once it is on disk.
    pub async fn add(&self, member: String) -> Result<()> {
        let (done, is_done) = oneshot::channel();
        let sent = self.0.send(Insert { member, done });
        sent.map_err(|_| anyhow!("the store has ended"))?;
        Ok(is_done.await?)
    }
}

fn commit(database: &Database, batch: &[Insert]) -> Result<Vec<u64>> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    let now = jiff::Timestamp::now().as_millisecond();
    let mut ages = Vec::with_capacity(batch.len());
    let mut users = transaction.open_table(USERS)?;
    for insert in batch {
        let before = users.get(insert.member.as_str())?;
        let age = before.map_or(0, |before| before.value().0) + 1;
        users.insert(insert.member.as_str(), (age, now))?;
        ages.push(age);
    }
    drop(users);
    transaction.commit()?;
    Ok(ages)
}

fn tell(rooms: &Rooms, counted: impl Iterator<Item = (Insert, u64)>) {
    for (Insert { member, done }, age) in counted {
        rooms.tell([&member], &format!("42[\"message\",{age}]").into());
        // Whoever asked may have gone.
        let _ = done.send(());
    }
}
