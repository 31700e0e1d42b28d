//! Imports: each line of an export is looked at as closely as what comes in over the API.

use std::io::{BufRead, Read as _};
use std::sync::Arc;

use super::account::{Account, Name};
use super::counter::Counter;
use super::error::{Error, Result};
use super::export::line::{self, Line};
use super::export::{FORMAT, Member, Part, Piece, Placed};
use super::id::MemberId;
use super::inbox::{self, ACTORS_MAX, Item, Muted, State};
use super::key::{self, Key};
use super::notification::{self, Content, Person};
use super::password;

/// Bytes of a line. The longest mutes 600 words, each byte of them written as six.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// What a number may be at most: beyond it a browser's numbers have gaps, and a log could not go on.
const NUMBER_MAX: u64 = (1 << 53) - 1;
/// What the number of a part may be at most: an item folds as often again before they run out.
const PART_MAX: u32 = u32::MAX / 2;

/// Reads the lines between the first and the last, and sees to it that both are there. What was
/// read is good only once this has ended.
pub struct Lines<R> {
    from: R,
    number: u64,
    ended: bool,
    pub header: line::Header,
}

impl<R: BufRead> Lines<R> {
    /// # Errors
    /// `Malformed` when it does not begin as an export does.
    pub fn new(mut from: R) -> Result<Self> {
        let none = || Error::Malformed("line 1: it is no export of Bellrope".to_owned());
        let first = read(&mut from, 1)?.ok_or_else(none)?;
        // Another format's first line may have other fields.
        let value = serde_json::from_slice::<serde_json::Value>(&first).map_err(|_| none())?;
        if value["type"] != "bellrope" {
            return Err(none());
        }
        if value["format"] != FORMAT {
            let (format, of) = (&value["format"], &value["version"]);
            return Err(wrong(
                1,
                format!(
                    "its format is {format}, of Bellrope {of}, and this program knows {FORMAT}"
                ),
            ));
        }
        let Line::Bellrope(header) = parse(&first, 1)? else {
            return Err(none());
        };
        Ok(Self {
            from,
            number: 1,
            ended: false,
            header,
        })
    }

    fn line(&mut self) -> Result<Option<Line>> {
        let number = self.number + 1;
        let Some(bytes) = read(&mut self.from, number)? else {
            let cut = format!("it breaks off after line {}", self.number);
            return Err(Error::Malformed(cut));
        };
        self.number = number;
        match parse(&bytes, number)? {
            Line::Bellrope(_) => Err(wrong(number, "another export begins here")),
            Line::End(line::End { lines }) if lines != number => {
                let detail = format!("{lines} lines were written, and {number} are here");
                Err(wrong(number, detail))
            }
            Line::End(_) => match read(&mut self.from, number + 1)? {
                Some(_) => Err(wrong(number + 1, "there is something behind the end")),
                None => Ok(None),
            },
            line => Ok(Some(line)),
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<(u64, Line)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = self.line().transpose()?;
        self.ended = line.is_err();
        Some(line.map(|line| (self.number, line)))
    }
}

/// What is wrong with a line.
#[must_use]
pub fn wrong(line: u64, detail: impl std::fmt::Display) -> Error {
    Error::Malformed(format!("line {line}: {detail}"))
}

fn read(from: &mut impl BufRead, number: u64) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = from.take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
    let read = read.map_err(|cause| wrong(number, format!("it cannot be read: {cause}")))?;
    if read as u64 == LINE_BYTES_MAX {
        let detail = format!("it is longer than {LINE_BYTES_MAX} bytes");
        return Err(wrong(number, detail));
    }
    Ok((read > 0).then_some(line))
}

fn parse(bytes: &[u8], number: u64) -> Result<Line> {
    serde_json::from_slice(bytes).map_err(|cause| {
        let detail = if cause.is_eof() {
            "it breaks off".to_owned()
        } else if cause.is_syntax() {
            "it is no JSON".to_owned()
        } else {
            // Where in the line is said behind it, and is no help with one that has no end.
            let said = cause.to_string();
            let end = said.rfind(" at line ").unwrap_or(said.len());
            said[..end].to_owned()
        };
        wrong(number, detail)
    })
}

/// What a line says, once every field of it is as the API would take it.
///
/// # Errors
/// `FieldInvalid`, `Malformed`.
pub fn checked(line: Line) -> Result<Piece> {
    Ok(match line {
        Line::Account(account) => Piece::Account(self::account(account)?),
        Line::Key(key) => Piece::Key(self::key(key)?),
        Line::Member(member) => Piece::Member(Box::new(self::member(member)?)),
        Line::Item(item) => Piece::Item(Box::new(self::item(*item)?)),
        Line::Part(part) => Piece::Part(Box::new(Part {
            member: MemberId::parse(&part.member, "member")?,
            item: part.item,
            number: number_of(part.number)?,
            content: content(part.content)?,
        })),
        Line::Bellrope(_) | Line::End(_) => {
            let detail = "It begins or ends an export.";
            return Err(Error::Malformed(detail.to_owned()));
        }
    })
}

fn account(line: line::Account) -> Result<Account> {
    password::check_hash(&line.password_hash)?;
    Ok(Account {
        name: Name::parse(&line.name)?,
        role: line.role,
        disabled: line.disabled,
        password_hash: line.password_hash,
        created_at: line.created_at.0,
    })
}

fn key(line: line::Key) -> Result<Key> {
    let scopes = key::check(&line.name, line.scopes)?;
    let hash = key::parse(&line.id, &line.hash)?;
    Ok(Key {
        id: line.id,
        name: line.name,
        scopes,
        hash,
        created_at: line.created_at.0,
        last_used_at: line.last_used_at.map(|at| at.0),
    })
}

fn member(line: line::MemberLine) -> Result<Member> {
    let line::Muted {
        kinds,
        groups,
        actors,
    } = line.muted;
    let mut muted = Muted {
        kinds,
        groups,
        actors,
    };
    inbox::check_muted(&mut muted)?;
    let (seq, seen) = (number("seq", line.seq)?, line.seen);
    if seen > seq {
        let detail = format!("`seen` is {seen}, beyond the `seq` {seq}.");
        return Err(Error::field("seen", detail));
    }
    Ok(Member {
        id: MemberId::parse(&line.id, "id")?,
        seq,
        seen,
        signed_out_at: line.signed_out_at.map(|at| at.0),
        left: line.left,
        counter: Counter {
            age: number("age", line.age)?,
            updated_at: line.age_updated_at.map(|at| at.0),
        },
        muted,
    })
}

fn item(line: line::ItemLine) -> Result<Placed> {
    let state = match (line.read, line.archived) {
        (false, false) => State::Unread,
        (true, false) => State::Read,
        (true, true) => State::Archived,
        (false, true) => {
            let detail = "What is archived is read.";
            return Err(Error::field("read", detail));
        }
    };
    let seq = number("seq", line.seq)?;
    if seq == 0 {
        return Err(Error::field("seq", "`seq` begins with 1."));
    }
    let actors: Vec<Person> = line.actors.into_iter().map(Person::from).collect();
    if actors.len() > ACTORS_MAX {
        let detail = format!("An item names at most {ACTORS_MAX} actors.");
        return Err(Error::field("actors", detail));
    }
    actors.iter().try_for_each(notification::check_person)?;
    Ok(Placed {
        member: MemberId::parse(&line.member, "member")?,
        item: Item {
            id: line.id,
            seq: Some(seq),
            content: Arc::new(content(line.content)?),
            count: number("count", line.count)?,
            actors,
            created_at: line.created_at.0,
            updated_at: line.updated_at.0,
            state,
        },
        head: number_of(line.number)?,
        placed_at: line.placed_at.0,
    })
}

fn content(line: line::Content) -> Result<Content> {
    let content = Content::from(line);
    notification::check_kept(&content)?;
    Ok(content)
}

fn number(field: &'static str, number: u64) -> Result<u64> {
    if number <= NUMBER_MAX {
        return Ok(number);
    }
    let detail = format!("`{field}` is at most {NUMBER_MAX}.");
    Err(Error::field(field, detail))
}

fn number_of(part: u32) -> Result<u32> {
    if part <= PART_MAX {
        return Ok(part);
    }
    let detail = format!("The number of a part is at most {PART_MAX}.");
    Err(Error::field("number", detail))
}
