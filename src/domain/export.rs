//! Exports: everything a person would take along, as lines of JSON that need no Bellrope to be read.

pub mod line;

use std::fs::File;
use std::io::{self, Write};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::account::Account;
use super::counter::Counter;
use super::error::Result;
use super::id::{ItemId, MemberId};
use super::inbox::{Item, Muted};
use super::key::{Key, Scope};
use super::notification::Content;
use super::{Actor, App, backup, clock};
use line::Line;

/// What the lines are, counted up whenever one of them changes.
pub const FORMAT: u32 = 1;

/// Something that is taken along. They come in this order: accounts, keys, then each member with
/// the items behind it, and behind each item its older parts.
pub enum Piece {
    Account(Account),
    Key(Key),
    Member(Box<Member>),
    Item(Box<Placed>),
    Part(Box<Part>),
}

/// Somebody who was seen once, and where the inbox stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub id: MemberId,
    pub seq: u64,
    pub seen: u64,
    pub signed_out_at: Option<Timestamp>,
    pub left: bool,
    pub counter: Counter,
    pub muted: Muted,
}

/// An item where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    pub member: MemberId,
    pub item: Item,
    /// The number of the part that is shown.
    pub head: u32,
    pub placed_at: Timestamp,
}

/// An older part of a folded item.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub member: MemberId,
    pub item: ItemId,
    pub number: u32,
    pub content: Content,
}

/// Writes the lines, and counts them.
pub struct Writer<W> {
    out: W,
    lines: u64,
}

impl<W: Write> Writer<W> {
    /// # Errors
    /// What `out` says.
    pub fn new(out: W, exported_at: Timestamp, epoch: String) -> io::Result<Self> {
        let mut writer = Self { out, lines: 0 };
        writer.line(&Line::Bellrope(line::Header {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            exported_at: exported_at.into(),
            epoch,
        }))?;
        Ok(writer)
    }

    /// # Errors
    /// What `out` says.
    pub fn put(&mut self, piece: Piece) -> io::Result<()> {
        self.line(&piece.into())
    }

    /// Without this line the others are no export.
    ///
    /// # Errors
    /// What `out` says.
    pub fn end(mut self) -> io::Result<W> {
        let lines = self.lines + 1;
        self.line(&Line::End(line::End { lines }))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")?;
        self.lines += 1;
        Ok(())
    }
}

/// An export that is ready to be read.
pub struct Export {
    file: File,
    _one: tokio::sync::OwnedSemaphorePermit,
}

/// Writes down everything as it is now. The server goes on meanwhile. It goes into a file without a
/// name first, so that a slow reader does not hold on to the moment, whose pages the database could
/// not use again, and so that a row that cannot be read is an answer rather than a cut file.
///
/// # Errors
/// `ScopeMissing`; `Busy` while something else goes through it all; `NotCopied`.
pub async fn make(app: &App, actor: &Actor) -> Result<Export> {
    actor.require(Scope::Admin)?;
    let one = app.backups.take()?;
    let file = app.store.export(app.clock.now()).await?;
    Ok(Export { file, _one: one })
}

impl Export {
    /// The lines in pieces, or why they broke off. Ends when nobody takes them any more.
    #[must_use]
    pub fn chunks(self) -> mpsc::Receiver<io::Result<Vec<u8>>> {
        backup::chunks(move |mut out| {
            io::copy(&mut &self.file, &mut out)?;
            out.flush()
        })
    }
}

impl From<Timestamp> for line::Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl serde::Serialize for line::Time {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(&clock::shown(self.0))
    }
}
