//! The archive: a tar that `tar xf` and `sha256sum -c SHA256SUMS` take apart as well.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};
use tar::{Builder, Entry, EntryType, Header};

use super::Manifest;
use crate::domain::key::hexadecimal;

pub const DATABASE: &str = "bellrope.redb";
pub const SECRET: &str = "session.key";
const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";

/// Bytes of any file in it but the database.
const SMALL_BYTES_MAX: u64 = 64 << 10;

/// Writes an archive from end to end. The sums come last, so that one that broke off has none.
pub(super) fn write(
    manifest: &Manifest,
    mut database: &File,
    secret: Option<&[u8]>,
    out: impl Write,
) -> io::Result<()> {
    let mtime = manifest.made_at.parse::<jiff::Timestamp>();
    let mtime = mtime.map_or(0, |at| at.as_second().unsigned_abs());
    let mut archive = Builder::new(out);
    // Each file's line of the sums.
    let mut add = |name: &str, bytes: u64, content: &mut dyn Read| {
        let mut header = Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(mtime);
        let mut content = Hashing::new(content.take(bytes));
        archive.append_data(&mut header, name, &mut content)?;
        if content.bytes != bytes {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(format!("{}  {name}\n", content.sum()))
    };
    let text = format!("{:#}\n", serde_json::to_value(manifest)?);
    let mut sums = add(MANIFEST, text.len() as u64, &mut text.as_bytes())?;
    sums += &add(DATABASE, database.metadata()?.len(), &mut database)?;
    if let Some(secret) = secret {
        let line = [secret, b"\n"].concat();
        sums += &add(SECRET, line.len() as u64, &mut line.as_slice())?;
    }
    add(SUMS, sums.len() as u64, &mut sums.as_bytes())?;
    archive.into_inner()?.flush()
}

/// Reads an archive from end to end, and hands the database and the secret on as they come. What
/// was handed on is good only if this returns well.
///
/// # Errors
/// `InvalidData`, with what is wrong with it; what `from` and `take` say.
pub fn read(
    mut from: impl Read,
    mut take: impl FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> io::Result<Manifest> {
    let mut sums = BTreeMap::new();
    let mut manifest = None;
    let mut listed = None;
    for entry in tar::Archive::new(&mut from).entries()?.raw(true) {
        let mut entry = entry?;
        let name = name_of(&entry)?;
        if listed.is_some() {
            return Err(wrong("it has something behind its checksums"));
        }
        if name == SUMS {
            listed = Some(small(&mut entry)?);
            continue;
        }
        let mut content = Hashing::new(&mut entry);
        if name == MANIFEST {
            let text = small(&mut content)?;
            let read = serde_json::from_str::<Manifest>(&text);
            manifest = Some(read.map_err(|_| wrong("its manifest cannot be read"))?);
        } else {
            take(name, &mut content)?;
            // Whatever was not taken counts for the sum as well.
            io::copy(&mut content, &mut io::sink())?;
        }
        if sums.insert(name, content.sum()).is_some() {
            return Err(wrong("it has one file twice"));
        }
    }
    // What a pipe still holds, so that its writer is not cut off.
    io::copy(&mut from, &mut io::sink())?;
    let listed = listed.ok_or_else(|| wrong("it breaks off, or is no backup"))?;
    let lines = listed.lines().map(|line| line.split_once("  "));
    let said: Option<BTreeMap<_, _>> = lines
        .map(|line| line.map(|(sum, name)| (name, sum.to_owned())))
        .collect();
    if said.as_ref() != Some(&sums) {
        return Err(wrong("its files are not those its checksums are of"));
    }
    match manifest {
        Some(manifest) if sums.contains_key(DATABASE) => Ok(manifest),
        _ => Err(wrong("it lacks the database or the manifest")),
    }
}

fn name_of(entry: &Entry<'_, impl Read>) -> io::Result<&'static str> {
    let is_file = entry.header().entry_type() == EntryType::Regular;
    let path = entry.path_bytes();
    [MANIFEST, DATABASE, SECRET, SUMS]
        .into_iter()
        .find(|name| is_file && name.as_bytes() == &*path)
        .ok_or_else(|| wrong("it holds something that is in no backup"))
}

fn small(from: &mut dyn Read) -> io::Result<String> {
    let mut text = String::new();
    let read = from.take(SMALL_BYTES_MAX).read_to_string(&mut text)?;
    if read as u64 == SMALL_BYTES_MAX {
        return Err(wrong("one of its files is too large"));
    }
    Ok(text)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads, and sums up what was read.
struct Hashing<R> {
    from: R,
    hash: Sha256,
    bytes: u64,
}

impl<R> Hashing<R> {
    fn new(from: R) -> Self {
        Self {
            from,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    fn sum(self) -> String {
        hexadecimal(&self.hash.finalize())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(out)?;
        self.hash.update(&out[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
