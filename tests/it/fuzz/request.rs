//! HTTP/1 as no client speaks it, and frames as no browser sends them.

use super::corpus::{self, Bytes};
use super::dice::Dice;
use super::{Place, QUIET, talk};
use crate::world::SOON;

const REQUESTS: &str = include_str!("../../corpus/request.txt");
const FRAMES: &str = include_str!("../../corpus/frame.txt");
/// Behind each: where the one before has its end in sight, this ends the connection.
const LAST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const UPGRADE: &[u8] = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// The end of a WebSocket, for those that have not ended before.
const CLOSE: &[u8] = b"\x88\x80\x01\x02\x03\x04";

/// The statuses of the answers in what a connection said. Nothing of ours holds such a line.
fn statuses(said: &[u8]) -> Vec<u16> {
    let said = String::from_utf8_lossy(said);
    let answers = said.match_indices("HTTP/1.1 ");
    let statuses = answers.map(|(at, _)| said.get(at + 9..at + 12)?.parse().ok());
    statuses.flatten().collect()
}

async fn play(file: &str, head: &'static [u8], last: &'static [u8]) {
    let mut place = Place::new().await;
    let known = corpus::read(file);
    let parts: Vec<&[u8]> = known.iter().map(|bytes| bytes.0.as_slice()).collect();
    let random = |dice: &mut Dice| {
        let mut bytes = dice.pick(&known).0.clone();
        dice.mutate(&mut bytes, &parts);
        Bytes(bytes)
    };
    let round = async |place: &Place, bytes: &Bytes| {
        // A request that waits for the rest of it says nothing; an upgrade is answered at once.
        let wait = if head.is_empty() { QUIET } else { SOON };
        let said = talk(place.address(), &[head, &bytes.0, last].concat(), wait).await;
        let statuses = statuses(&said);
        assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
        assert!(head.is_empty() || statuses == [101], "{statuses:?}");
    };
    place.play(known.clone(), random, round).await;
    place.end().await;
}

#[tokio::test]
async fn requests_of_any_kind_harm_nobody() {
    play(REQUESTS, b"", LAST).await;
}

#[tokio::test]
async fn frames_of_any_kind_harm_nobody() {
    play(FRAMES, UPGRADE, CLOSE).await;
}

/// Where a proxy and we could disagree on where a request ends, there is one answer at most, and the
/// connection ends: no request of a stranger's making is behind it.
#[tokio::test]
async fn what_could_be_two_requests_is_never_taken_for_two() {
    let place = Place::new().await;
    for (status, lines) in AMBIGUOUS {
        let head = format!("POST /api/login HTTP/1.1\r\nHost: x\r\n{lines}");
        let said = talk(place.address(), &[head.as_bytes(), LAST].concat(), SOON).await;
        assert_eq!(statuses(&said), [status], "{lines}");
    }
    place.end().await;
}

/// The status, and the rest of the head with a body that may be one or two.
const AMBIGUOUS: [(u16, &str); 22] = [
    (
        200,
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        200,
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX",
    ),
    (400, "Content-Length: 5\r\nContent-Length: 0\r\n\r\n"),
    (400, "Content-Length: 5, 0\r\n\r\n"),
    (400, "Content-Length: 5, 5\r\n\r\nabcde"),
    (400, "Content-Length: +5\r\n\r\nabcde"),
    (400, "Content-Length: -5\r\n\r\n"),
    (400, "Content-Length: 0x5\r\n\r\nabcde"),
    (400, "Content-Length : 5\r\n\r\nabcde"),
    (400, "Content-Length: 18446744073709551616\r\n\r\n"),
    (400, "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    (
        400,
        "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
    ),
    (400, "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n"),
    (400, "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    (400, "X: a\rContent-Length: 5\r\n\r\n"),
    (400, "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    (
        400,
        "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n4c\r\n0\r\n\r\n",
    ),
    (400, "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n"),
    (
        400,
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n",
    ),
    (400, "Transfer-Encoding: chunked\r\n\r\n1\r\nXY0\r\n\r\n"),
];
