//! The data folder: whose it is, who may read it, whether its database can be used, room, backups.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use jiff::SignedDuration;
use rustix::fs::statvfs;
use rustix::process::geteuid;

use super::ground::Server;
use super::{Config, Finding, Folder, Found};
use crate::cli::check::size;
use crate::domain::clock::Clock;
use crate::serve::{SECRET_BYTES_MIN, glance, newest_backup};

/// Room a server should have left besides a copy of its database: days of a busy forum.
const ROOM_BYTES: u64 = 256 << 20;
/// Below this the next commits may fail.
const ROOM_BYTES_MIN: u64 = 32 << 20;
/// A backup that is this many times later than due is missing.
const LATE: i32 = 2;

pub fn look(config: &Config, folder: &Folder, server: Option<&Server>) -> Found {
    let path = folder.path();
    let shown = path.display();
    let about = match fs::metadata(path) {
        Ok(about) if about.is_dir() => about,
        Ok(_) => {
            let advice = "name a folder by `data` or --data";
            return vec![Finding::failed(
                "folder",
                format!("{shown} is no folder"),
                advice,
            )];
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return vec![Finding::failed(
                "folder",
                format!("there is no data folder {shown}"),
                "`bellrope serve` makes it; name another by `data` or --data (under systemd it is /var/lib/bellrope)",
            )];
        }
        Err(error) => return vec![unseen(path, &error)],
    };
    let mut found = Found::new();
    found.extend(owner(path, &about, server));
    match modes(path, &about) {
        Ok(wrong) => found.extend(wrong),
        Err(error) => {
            // What lies in it cannot be told from what is missing.
            found.push(unseen(path, &error));
            return found;
        }
    }
    if found.is_empty() {
        let detail = format!("{shown} and its files are for their owner alone");
        found.push(Finding::ok("folder", detail));
    }
    found.push(database(folder, server));
    found.extend(secret(folder));
    found.extend(room(folder));
    found.push(backups(config, folder, server));
    found
}

fn unseen(path: &Path, error: &std::io::Error) -> Finding {
    Finding::failed(
        "folder",
        format!("cannot look into {}: {error}", path.display()),
        "run this as root, or as the user the service runs as",
    )
}

/// Whose it is, beside whose server uses it.
fn owner(path: &Path, about: &Metadata, server: Option<&Server>) -> Option<Finding> {
    let (shown, owner) = (path.display(), about.uid());
    match server {
        Some(server) if server.user != owner && server.user != 0 => Some(Finding::failed(
            "folder",
            format!(
                "{shown} belongs to user {owner}, and the server runs as user {}",
                server.user
            ),
            format!("stop it, chown -R {} {shown}, and start it", server.user),
        )),
        Some(server) if server.user == 0 => Some(Finding::note(
            "folder",
            "the server runs as root, which it has no need of",
            "run it as a user of its own; packaging/bellrope.service does".to_owned(),
        )),
        None if geteuid().as_raw() == 0 && owner == 0 => Some(Finding::note(
            "folder",
            format!(
                "{shown} belongs to root: a service that runs as another user could not use it"
            ),
            format!("chown -R it to that user: chown -R bellrope: {shown}"),
        )),
        None if geteuid().as_raw() != 0 && geteuid().as_raw() != owner => Some(Finding::failed(
            "folder",
            format!(
                "{shown} belongs to user {owner}, and this is user {}",
                geteuid().as_raw()
            ),
            "run this as that user, or as root",
        )),
        _ => None,
    }
}

/// What others may read, or belongs to somebody else than the folder.
fn modes(path: &Path, about: &Metadata) -> std::io::Result<Found> {
    let mut open = Vec::new();
    let mut foreign = Vec::new();
    let mut judge = |path: &Path, about: &Metadata, owner: u32| {
        if about.permissions().mode() & 0o077 != 0 {
            open.push(path.display().to_string());
        }
        if about.uid() != owner {
            foreign.push(path.display().to_string());
        }
    };
    judge(path, about, about.uid());
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        // One that has just gone is not there to be read.
        let Ok(entry) = path.symlink_metadata() else {
            continue;
        };
        if !entry.is_symlink() {
            judge(&path, &entry, about.uid());
        }
    }
    let shown = path.display();
    let mut found = Found::new();
    if !open.is_empty() {
        found.push(Finding::failed(
            "folder",
            format!("others may look into {}", open.join(", ")),
            format!("chmod -R go= {shown}"),
        ));
    }
    if !foreign.is_empty() {
        found.push(Finding::failed(
            "folder",
            format!(
                "{} belongs to another user than the folder",
                foreign.join(", ")
            ),
            format!("chown -R --reference={shown} {shown}"),
        ));
    }
    Ok(found)
}

fn database(folder: &Folder, server: Option<&Server>) -> Finding {
    let file = folder.file();
    let shown = file.display();
    if let Some(server) = server {
        return match &server.ready {
            Ok(_) => Finding::ok("database", "the running server has it, and is ready"),
            Err(why) => Finding::failed(
                "database",
                format!("the running server is not ready: {why}"),
                "its log says why",
            ),
        };
    }
    if !file.exists() {
        return Finding::failed(
            "database",
            format!("there is no {shown}, and no server runs on the folder"),
            "`bellrope serve` makes one; `data` or --data names another folder",
        );
    }
    match glance(folder) {
        Ok(Some(format)) => Finding::ok(
            "database",
            format!("no server runs; {shown} can be opened, its format is {format}"),
        ),
        Ok(None) => Finding::note(
            "database",
            format!("no server runs, and {shown} was not closed by the last one"),
            "nothing is lost: the next start puts it in order".to_owned(),
        ),
        Err(error) => Finding::failed(
            "database",
            format!("{shown} cannot be used: {error:#}"),
            "if it is in use, a server hangs or a command runs; if it is damaged, `bellrope restore` a backup",
        ),
    }
}

fn secret(folder: &Folder) -> Option<Finding> {
    let path = folder.secret_file();
    let secret = match fs::read(&path) {
        Ok(secret) => secret,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(unseen(&path, &error)),
    };
    let bytes = secret.trim_ascii().len();
    (bytes < SECRET_BYTES_MIN).then(|| {
        Finding::failed(
            "secret",
            format!(
                "{} has {bytes} bytes and needs {SECRET_BYTES_MIN}",
                path.display()
            ),
            "remove it: the next start makes a new one, which ends all sessions",
        )
    })
}

fn room(folder: &Folder) -> Option<Finding> {
    let disk = statvfs(folder.path()).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let held = fs::metadata(folder.file()).map_or(0, |about| about.len());
    let detail = format!(
        "{} are free, and the database has {}",
        size(free),
        size(held)
    );
    Some(if free < ROOM_BYTES_MIN {
        let advice =
            "make room: without it changes are refused, and nothing that was answered is lost";
        Finding::failed("disk", detail, advice)
    } else if free < held.saturating_add(ROOM_BYTES) {
        let advice = "make room: a backup and `compact` need as much again as the database has";
        Finding::warning("disk", detail, advice)
    } else {
        Finding::ok("disk", detail)
    })
}

fn backups(config: &Config, folder: &Folder, server: Option<&Server>) -> Finding {
    // It speaks of a backup only when the last one failed.
    let said = server.and_then(|server| server.ready.as_ref().ok());
    if let Some(failure) = said.and_then(|said| said.lines().nth(1)) {
        return Finding::failed("backups", failure, "the server's log says why");
    }
    let Some(every) = config.backups.every else {
        return Finding::note(
            "backups",
            "the server makes no backups by itself",
            "set backup-every = \"1d\", unless something else runs `bellrope backup`".to_owned(),
        );
    };
    let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
    let Some(newest) = newest_backup(&config.backups, folder) else {
        let advice =
            "the first is made when the server starts; if it runs, its log says why there is none";
        return Finding::warning("backups", "there is no backup yet", advice);
    };
    let age = Clock::default().now().duration_since(newest);
    let detail = format!(
        "the newest backup is {:#} old",
        SignedDuration::from_secs(age.as_secs())
    );
    if age > every.saturating_mul(LATE) {
        Finding::failed(
            "backups",
            detail,
            "does the server run? its log says why there is none since",
        )
    } else {
        Finding::ok("backups", detail)
    }
}
