//! `bellrope backup`: one moment of everything, in one file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Args;
use hyper::body::Bytes;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;

use super::control::{Control, IfMissing};
use crate::config::Config;
use crate::domain::backup::archive;
use crate::domain::backup::{Counts, Manifest};

/// Pieces that wait for a slow disk.
pub const PIECES_MAX: usize = 4;

#[derive(Args)]
pub struct Choice {
    /// Where to write it: a tar that only you can read; - for standard output
    file: PathBuf,
    /// Leave out the key that signs sessions: after a restore elsewhere everybody logs in again
    #[arg(long)]
    without_secrets: bool,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub async fn run(config: &Config, choice: Choice) -> Result<()> {
    ensure!(
        choice.file != Path::new("-") || !io::stdout().is_terminal(),
        "a backup is nothing to look at; send it into a file or a program"
    );
    let target = Target::new(&choice.file, choice.force)?;
    let control = Control::open(config, IfMissing::Refuse).await?;
    let path = format!("/backup?secrets={}", !choice.without_secrets);
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    // It is read through on the way, so that what is on disk is known to be whole.
    let written = tokio::task::spawn_blocking(move || target.take("backup", receiver, read));
    let asked = control.download(&path, sender).await;
    let written = written.await?;
    asked?;
    let manifest = written?;
    let without = if choice.without_secrets {
        ", without the key that signs sessions"
    } else {
        ""
    };
    eprintln!("{}{without}.", sentence(&manifest));
    Ok(())
}

/// What a backup holds.
pub fn sentence(manifest: &Manifest) -> String {
    let counts = contents(&manifest.moment.counts);
    format!("{counts}, as of {}", manifest.made_at)
}

/// How much of everything there is.
pub fn contents(counts: &Counts) -> String {
    format!(
        "{}, {}, {}",
        counted(counts.accounts, "account"),
        counted(counts.members, "member"),
        counted(counts.notifications, "notification")
    )
}

/// A number with its noun: `1 member`, `5,120 members`.
pub fn counted(number: u64, noun: &str) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    let plural = if number == 1 { "" } else { "s" };
    format!("{shown} {noun}{plural}")
}

/// Where a backup goes. A file has another name until it is whole and on disk.
pub enum Target {
    Stdout,
    File {
        draft: NamedTempFile,
        path: PathBuf,
        replace: bool,
    },
}

impl Target {
    pub fn new(path: &Path, replace: bool) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let shown = path.display();
        match path.symlink_metadata() {
            Ok(there) if !there.is_file() => bail!("{shown} is no file; name another"),
            Ok(_) if !replace => {
                bail!("{shown} is there already; name another, or replace it with --force")
            }
            _ => {}
        }
        let name = path.file_name().context("name a file")?;
        let prefix = format!(".{}.", name.to_string_lossy());
        let draft = tempfile::Builder::new()
            .prefix(&prefix)
            .tempfile_in(folder_of(path))
            .with_context(|| format!("cannot write beside {shown}"))?;
        Ok(Self::File {
            draft,
            path: path.to_owned(),
            replace,
        })
    }

    /// Writes down what comes, and reads it through on the way.
    pub fn take<T>(
        self,
        noun: &str,
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        read: impl FnOnce(&mut dyn Read) -> Result<T>,
    ) -> Result<T> {
        let pieces = Pieces {
            pieces,
            rest: Bytes::new(),
        };
        match self {
            Self::Stdout => {
                let out = io::stdout().lock();
                // Whoever reads it has no backup when they leave early.
                copy(pieces, out, read)
                    .map_err(|wrong| anyhow!("the {noun} is not whole: {wrong:#}"))
            }
            Self::File {
                mut draft,
                path,
                replace,
            } => {
                let shown = path.display();
                let cannot = || format!("no {noun} was made: cannot write {shown}");
                let found = copy(pieces, draft.as_file_mut(), read).with_context(cannot)?;
                draft.as_file().sync_all().with_context(cannot)?;
                let named = if replace {
                    draft.persist(&path)
                } else {
                    draft.persist_noclobber(&path)
                };
                named.map_err(|wrong| wrong.error).with_context(cannot)?;
                File::open(folder_of(&path))
                    .and_then(|folder| folder.sync_all())
                    .with_context(cannot)?;
                Ok(found)
            }
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new("."))
}

fn read(from: &mut dyn Read) -> Result<Manifest> {
    Ok(archive::read(from, |_, _| Ok(()))?)
}

/// Copies what comes, and reads it through.
fn copy<T>(
    pieces: Pieces,
    out: impl Write,
    read: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<T> {
    let mut tee = Tee { from: pieces, out };
    let found = read(&mut tee)?;
    tee.out.flush()?;
    Ok(found)
}

/// What comes, as something to read.
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(out.len()));
        out[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// Writes down all that is read.
struct Tee<W> {
    from: Pieces,
    out: W,
}

impl<W: Write> Read for Tee<W> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(out)?;
        self.out.write_all(&out[..read])?;
        Ok(read)
    }
}
