//! An export becomes the database: made whole beside, looked through, then put in its place as a
//! restore is.

use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::folder::Folder;
use super::restore;
use crate::domain::backup::archive::DATABASE;
use crate::domain::backup::{Counts, Moment};
use crate::domain::clock::Clock;
use crate::domain::import::{self, Lines};
use crate::engine;

/// How an import went.
pub struct Imported {
    pub counts: Counts,
    pub exported_at: String,
    /// Where the database is, without a member in it, that was there before.
    pub previous: Option<PathBuf>,
}

/// Makes the data folder's database of an export.
///
/// # Errors
/// When a server has the folder, when its database has members, when a line does not fit. Then
/// everything is as it was.
pub fn import(data: &Path, lines: impl BufRead, shown: &str, clock: &Clock) -> Result<Imported> {
    let is_new = !data.try_exists()?;
    let imported = import_into(data, lines, shown, clock);
    if imported.is_err() && is_new {
        // Only if there is nothing in it; why it failed matters more than that it stays.
        let _ = fs::remove_dir(data);
    }
    imported
}

fn import_into(data: &Path, lines: impl BufRead, shown: &str, clock: &Clock) -> Result<Imported> {
    let folder = Folder::create(data)?;
    folder.ensure_stopped()?;
    let database = folder.path().join(DATABASE);
    let has_database = database.try_exists()?;
    if has_database {
        let counts = engine::examine(&database)?.moment.counts;
        ensure!(
            counts.accounts == 0 && counts.members == 0,
            "there is a database with members in {}; an import is for an empty data folder, `--data` names another",
            data.display()
        );
    }
    // Held until the end: nobody opens what is about to be replaced.
    let _lock = has_database.then(|| engine::lock(&database)).transpose()?;
    let suffix = restore::suffix("import", clock);
    let make = |draft: &Path| {
        let file = draft.join(DATABASE);
        make(&folder, &file, lines)
            .with_context(|| format!("{shown} cannot be imported, and nothing was changed"))
    };
    let (counts, exported_at) = restore::put(&folder, &suffix, make)?;
    let previous = has_database.then(|| folder.path().join(format!("{DATABASE}.{suffix}")));
    Ok(Imported {
        counts,
        exported_at,
        previous,
    })
}

/// Makes the database, and believes nothing of it before it was looked at.
fn make(folder: &Folder, file: &Path, lines: impl BufRead) -> Result<(Counts, String)> {
    let lines = Lines::new(lines)?;
    let exported_at = crate::domain::clock::shown(lines.header.exported_at.0);
    let place = restore::new_file(folder, file)?;
    let pieces = lines.map(|line| {
        let (number, line) = line?;
        let piece = import::checked(line).map_err(|error| import::wrong(number, error))?;
        Ok((number, piece))
    });
    engine::import(file, pieces)?;
    let report = engine::examine(file)?;
    if let Some(wrong) = report.unreadable.iter().chain(&report.faults).next() {
        bail!("{wrong}");
    }
    place.sync_all()?;
    let Moment { counts, .. } = report.moment;
    Ok((counts, exported_at))
}
