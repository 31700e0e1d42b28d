//! What is tried each time: lines of bytes, written as Rust would escape them.

use std::fmt;

/// One line of bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

/// The lines of a file that are no remark.
pub fn read(file: &str) -> Vec<Bytes> {
    let lines = file
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| Bytes(unescape(line))).collect()
}

/// As [`slice::escape_ascii`] writes it; letters that need no escape may stand for themselves.
fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        let escaped = (byte == b'\\').then(|| rest.next().expect("something behind a backslash"));
        bytes.push(match escaped {
            None => byte,
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'x') => {
                let digits = [rest.next(), rest.next()].map(|digit| digit.expect("two digits"));
                let digits = std::str::from_utf8(&digits).expect("digits");
                u8::from_str_radix(digits, 16).expect("hexadecimal digits")
            }
            Some(itself) => itself,
        });
    }
    bytes
}

#[test]
fn a_line_of_the_corpus_is_any_bytes() {
    let all = Bytes((0..=255).collect());
    assert_eq!(
        read(&format!("# what it is\n\n{all}\né\n")),
        [all, Bytes("é".into())]
    );
}
