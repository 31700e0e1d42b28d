//! A backup becomes the database: verified whole beside the old one, then put in its place in steps
//! that are finished by whoever comes next, should they be interrupted.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::folder::{self, Folder};
use crate::domain::backup::Manifest;
use crate::domain::backup::archive::{self, DATABASE, SECRET};
use crate::domain::clock::Clock;
use crate::engine;

/// Where a backup is unpacked and verified. Whatever is in it was interrupted, and is no loss.
const DRAFT: &str = "restore.draft";
/// What it is called from the moment on that it counts.
const READY: &str = "restore.ready";
/// In it: what the files it replaces are called from then on.
const SUFFIX: &str = "previous";

/// Whether a database that is there is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfThere {
    Refuse,
    /// It is kept under another name.
    Keep,
}

/// How a restore went.
pub struct Restored {
    pub manifest: Manifest,
    /// What contradicted itself in the backup already.
    pub faults: Vec<String>,
    /// Where the database is that was there before.
    pub previous: Option<PathBuf>,
}

/// Puts the archive's database, and its secret if it has one, into the data folder.
///
/// # Errors
/// When a server has the folder, when a database is there that must not be replaced, when the
/// archive is not whole and sound. Then everything is as it was.
pub fn restore(
    data: &Path,
    archive: impl Read,
    shown: &str,
    if_there: IfThere,
    clock: &Clock,
) -> Result<Restored> {
    let folder = Folder::create(data)?;
    folder.ensure_stopped()?;
    let database = folder.path().join(DATABASE);
    let has_database = database.try_exists()?;
    ensure!(
        !has_database || if_there == IfThere::Keep,
        "there is a database in {}; --force puts the backup in its place and keeps it under another name",
        data.display()
    );
    // Held until the end: nobody opens what is about to be replaced.
    let _lock = has_database.then(|| engine::lock(&database)).transpose()?;

    let suffix = suffix("restore", clock);
    let unpack = |draft: &Path| {
        unpack(&folder, draft, archive)
            .with_context(|| format!("{shown} cannot be restored, and nothing was changed"))
    };
    let (manifest, faults) = put(&folder, &suffix, unpack)?;
    let previous = has_database.then(|| folder.path().join(format!("{DATABASE}.{suffix}")));
    Ok(Restored {
        manifest,
        faults,
        previous,
    })
}

/// What the files are called from now on that `word` replaces.
pub(super) fn suffix(word: &str, clock: &Clock) -> String {
    let stamp = clock.now().strftime("%Y-%m-%dT%H-%M-%S%.3fZ");
    format!("before-{word}-{stamp}")
}

/// Puts what `fill` makes in a draft into its place; nothing is left of a draft that failed.
pub(super) fn put<T>(
    folder: &Folder,
    suffix: &str,
    fill: impl FnOnce(&Path) -> Result<T>,
) -> Result<T> {
    let draft = folder.path().join(DRAFT);
    clear(&draft)?;
    DirBuilder::new().mode(0o700).create(&draft)?;
    let filled = folder.claim_folder(&draft).and_then(|()| fill(&draft));
    let filled = match filled {
        Ok(filled) => filled,
        Err(error) => {
            clear(&draft)?;
            return Err(error);
        }
    };
    let mut note = new_file(folder, &draft.join(SUFFIX))?;
    io::Write::write_all(&mut note, suffix.as_bytes())?;
    note.sync_all()?;
    sync(&draft)?;
    fs::rename(&draft, folder.path().join(READY))?;
    sync(folder.path())?;
    finish(folder)?;
    folder.secret()?;
    Ok(filled)
}

/// Unpacks into the draft, and believes nothing of it before it was looked at.
fn unpack(folder: &Folder, draft: &Path, archive: impl Read) -> Result<(Manifest, Vec<String>)> {
    let manifest = archive::read(BufReader::new(archive), |name, content| {
        let file = new_file(folder, &draft.join(name)).map_err(io::Error::other)?;
        io::copy(content, &mut &file)?;
        file.sync_all()
    })?;
    let secret = draft.join(SECRET);
    if secret.exists() {
        folder::ensure_secret(&fs::read(&secret)?, &secret)?;
    }
    let database = draft.join(DATABASE);
    let report = engine::examine(&database)?;
    if let Some(unreadable) = report.unreadable.first() {
        bail!("{unreadable}");
    }
    let (said, found) = (&manifest.moment.counts, &report.moment.counts);
    ensure!(
        said == found && manifest.moment.epoch == report.moment.epoch,
        "its manifest is of another database"
    );
    engine::renew(&database)?;
    Ok((manifest, report.faults))
}

pub(super) fn new_file(folder: &Folder, path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    folder.claim(&file)?;
    Ok(file)
}

/// Puts what is ready in its place. Each step can be taken again, by this process or the next.
///
/// # Errors
/// When the folder cannot be written to.
pub(super) fn finish(folder: &Folder) -> Result<()> {
    let ready = folder.path().join(READY);
    let suffix = match fs::read_to_string(ready.join(SUFFIX)) {
        Ok(suffix) => suffix,
        // Whoever may not look into the folder cannot do anything else in it either.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(error).context("cannot finish a restore that was interrupted"),
    };
    for name in [SECRET, DATABASE] {
        let (new, place) = (ready.join(name), folder.path().join(name));
        if !new.exists() {
            continue;
        }
        let kept = folder.path().join(format!("{name}.{suffix}"));
        // A second name, so that at no time there is no database.
        if place.exists() && !kept.exists() {
            fs::hard_link(&place, &kept)?;
        }
        fs::rename(&new, &place)?;
    }
    sync(folder.path())?;
    clear(&ready)?;
    Ok(sync(folder.path())?)
}

fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
