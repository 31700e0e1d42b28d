//! Backups that are made by themselves: one every so often, and the oldest goes when there are enough.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use tokio::time::MissedTickBehavior;

use super::Folder;
use crate::config::Backups;
use crate::domain::backup::{self, Secrets};
use crate::domain::{Actor, App};

/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after a failure the next try is, at most.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// What a backup's name begins and ends with; between them stands its time.
const PREFIX: &str = "bellrope-";
const SUFFIX: &str = ".tar";
/// What one is called that is not whole yet.
const DRAFT: &str = ".bellrope-draft-";

/// Makes backups when they are due. Runs until it is dropped.
pub async fn keep(app: Arc<App>, data: Folder, settings: Backups) {
    let Some(every) = settings.every else { return };
    let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
    let folder = kept_in(&settings, &data);
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let newest = newest(&folder, app.clock.now());
    if let Some(at) = newest {
        app.backups.made(at);
    }
    let mut due = next(newest, every, app.clock.now());
    loop {
        tick.tick().await;
        let now = app.clock.now();
        if now < due {
            continue;
        }
        match make(&app, &data, &folder, settings.keep).await {
            Ok(path) => {
                tracing::info!(path = %path.display(), "a backup was made");
                app.backups.made(now);
                due = now.saturating_add(every).unwrap_or(Timestamp::MAX);
            }
            Err(error) => {
                let cause = format!("{error:#}");
                due = now
                    .saturating_add(every.min(RETRY_AFTER))
                    .unwrap_or(Timestamp::MAX);
                let again = due.to_string();
                tracing::error!(cause, again, "no backup was made");
                app.backups.failed(now);
            }
        }
    }
}

fn kept_in(settings: &Backups, data: &Folder) -> PathBuf {
    let folder = settings.folder.clone();
    folder.unwrap_or_else(|| data.path().join("backups"))
}

/// When the newest one was made, if there is one; by its name, which a clock's mistake may have put
/// into the future.
#[must_use]
pub fn newest_backup(settings: &Backups, data: &Folder) -> Option<Timestamp> {
    newest(&kept_in(settings, data), Timestamp::MAX)
}

/// When the newest there is was made.
fn newest(folder: &Path, now: Timestamp) -> Option<Timestamp> {
    let made = made(folder).unwrap_or_default();
    // One from the future is a clock's mistake of then, and must not put off all that follow.
    let made = made.into_iter().map(|(at, _)| at).filter(|at| *at <= now);
    made.max()
}

/// When the next one is due: at once, unless there is one.
fn next(newest: Option<Timestamp>, every: SignedDuration, now: Timestamp) -> Timestamp {
    let due = newest.map(|at| at.saturating_add(every));
    due.map_or(now, |due| due.unwrap_or(Timestamp::MAX))
}

/// Makes one, and removes the oldest beyond `keep`.
async fn make(app: &Arc<App>, data: &Folder, folder: &Path, keep: usize) -> Result<PathBuf> {
    let name = app.clock.now().strftime("%Y%m%dT%H%M%S%.3fZ").to_string();
    let path = folder.join(format!("{PREFIX}{name}{SUFFIX}"));
    let backup = backup::make(app, &Actor::Operator, Secrets::Included).await?;
    // Weakly: what is written at the end must not hold the database after a stop.
    let (app, data) = (Arc::downgrade(app), data.clone());
    tokio::task::spawn_blocking(move || {
        let folder = path.parent().unwrap_or(Path::new("."));
        let cannot = || format!("cannot write into {}", folder.display());
        prepare(&data, folder).with_context(cannot)?;
        let draft = tempfile::Builder::new().prefix(DRAFT).tempfile_in(folder);
        let draft = draft.with_context(cannot)?;
        data.claim(draft.as_file())?;
        let out = UntilStop {
            out: io::BufWriter::new(draft.as_file()),
            app,
        };
        backup.write(out).with_context(cannot)?;
        draft.as_file().sync_all().with_context(cannot)?;
        draft
            .persist_noclobber(&path)
            .map_err(|wrong| wrong.error)
            .with_context(cannot)?;
        File::open(folder)?.sync_all().with_context(cannot)?;
        thin(folder, &path, keep).context("an old backup cannot be removed")?;
        Ok(path)
    })
    .await?
}

/// Makes the folder if it is missing, and removes what a kill left in it.
fn prepare(data: &Folder, folder: &Path) -> Result<()> {
    if !folder.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        data.claim_folder(folder)?;
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(DRAFT) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes the oldest until `keep` are left, `newest` among them whatever its time.
fn thin(folder: &Path, newest: &Path, keep: usize) -> io::Result<()> {
    let mut others = made(folder)?;
    others.retain(|(_, path)| path != newest);
    others.sort();
    let too_many = (others.len() + 1).saturating_sub(keep);
    for (_, path) in others.drain(..too_many.min(others.len())) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// The backups in a folder, with their times. What has another name is not ours.
fn made(folder: &Path) -> io::Result<Vec<(Timestamp, PathBuf)>> {
    let mut made = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let time = name.and_then(|name| {
            name.strip_prefix(PREFIX)?
                .strip_suffix(SUFFIX)?
                .parse()
                .ok()
        });
        made.extend(time.map(|time| (time, path)));
    }
    Ok(made)
}

/// Writes until the server stops, which does not wait for a large backup.
struct UntilStop<W> {
    out: W,
    app: Weak<App>,
}

impl<W: Write> Write for UntilStop<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let app = self.app.upgrade();
        if app.is_none_or(|app| app.stopping.load(Ordering::Relaxed)) {
            return Err(io::Error::other("the server stops"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
