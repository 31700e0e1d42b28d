//! Chance that can be repeated, and what it does to bytes.

/// Bytes that parsers stumble over: separators, lengths, signs of encodings.
const ODD: [&[u8]; 30] = [
    b"\x1e",
    b"\0",
    b"\r\n",
    b"\n",
    b" ",
    b"\t",
    b"\xff",
    b"\xc3",
    b"\xf0\x9f\x98",
    b"\xed\xa0\x80",
    "\u{feff}".as_bytes(),
    "é".as_bytes(),
    "😀".as_bytes(),
    b"-",
    b"/",
    b",",
    b":",
    b"[",
    b"]",
    b"{",
    b"\"",
    b"\\ud800",
    b"99999999999999999999",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"b",
    b"%00",
    b"%",
    b"..",
];

/// `SplitMix64`: small, and good enough to roll dice with.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to one below `sides`.
    pub fn below(&mut self, sides: usize) -> usize {
        let sides = u64::try_from(sides).expect("a number");
        usize::try_from(self.roll() % sides.max(1)).expect("a number")
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        self.below(bytes.len() + 1)
    }

    /// Changes a few things about it.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>, others: &[&[u8]]) {
        for _ in 0..=self.below(4) {
            let (from, to) = (self.place(bytes), self.place(bytes));
            let range = from.min(to)..from.max(to).min(from.min(to) + 64);
            match self.below(7) {
                0 if !bytes.is_empty() => {
                    let at = self.below(bytes.len());
                    bytes[at] ^= 1 << self.below(8);
                }
                1 => bytes.truncate(from),
                2 => drop(bytes.drain(range)),
                3 => {
                    let again = bytes[range].to_vec();
                    let times = *self.pick(&[1, 2, 50]);
                    bytes.splice(from..from, again.repeat(times));
                }
                4 if !others.is_empty() => {
                    let other = *self.pick(others);
                    let part = self.place(other);
                    bytes.splice(from..from, other[part..].iter().copied());
                }
                _ => {
                    let odd = *self.pick(&ODD);
                    bytes.splice(from..from, odd.iter().copied());
                }
            }
        }
    }
}

const SECONDS: u64 = 4;

/// How long to go on at random.
pub fn seconds() -> u64 {
    std::env::var("FUZZ_SECONDS").map_or(SECONDS, |seconds| seconds.parse().expect("a number"))
}

/// The seed of this run: another each time when it is a long one, and always the same in the gate,
/// which is about what has changed.
pub fn seed() -> u64 {
    match (std::env::var("FUZZ_SEED"), std::env::var("FUZZ_SECONDS")) {
        (Ok(seed), _) => seed.parse().expect("a number"),
        (Err(_), Ok(_)) => getrandom::u64().expect("chance"),
        (Err(_), Err(_)) => 1,
    }
}
