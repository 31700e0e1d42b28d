//! WebSocket frames (RFC 6455, 5), as far as a Socket.IO server sends and expects them.
//!
//! Our own, because a load generator must not be the bottleneck: a frame is looked at where it was
//! read, without a copy, and a socket that waits holds no buffer.

/// The bit that ends a message, and in the next byte the one that says that a mask follows.
const TOP: u8 = 0x80;
const OPCODE: u8 = 0x0f;
/// In place of a length: the length follows, in two bytes or in eight.
const SHORT: u8 = 0x7e;
const LONG: u8 = 0x7f;
/// Bytes of one frame. A `ready` with a whole replay is 256 KiB.
const FRAME_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Ping,
    Close,
    /// Binary data and pongs: nobody asked for either.
    Other,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: Kind,
    pub payload: &'a [u8],
    /// The bytes it took, its head included.
    pub size: usize,
}

/// The frame that these bytes begin with, once it is whole.
///
/// # Errors
/// A sentence, when it is one that no server should send, or a part of a message in several frames.
pub fn first(bytes: &[u8]) -> Result<Option<Frame<'_>>, &'static str> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    let opcode = first & OPCODE;
    if first & TOP == 0 || opcode == 0 {
        return Err("the server sent a message in several frames");
    }
    if second & TOP != 0 {
        return Err("the server sent a masked frame");
    }
    let (length, rest) = match second {
        SHORT => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
            None => return Ok(None),
        },
        LONG => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest),
            None => return Ok(None),
        },
        length => (u64::from(length), rest),
    };
    let length = match usize::try_from(length) {
        Ok(bytes) if length <= FRAME_BYTES_MAX => bytes,
        _ => return Err("the server sent a frame of more than 1 MiB"),
    };
    let size = bytes.len() - rest.len() + length;
    let kind = match opcode {
        1 => Kind::Text,
        8 => Kind::Close,
        9 => Kind::Ping,
        _ => Kind::Other,
    };
    Ok(rest.get(..length).map(|payload| Frame {
        kind,
        payload,
        size,
    }))
}

/// A text, as a client has to send it.
pub fn text(payload: &[u8]) -> Vec<u8> {
    masked(1, payload)
}

/// The answer to a ping.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    masked(10, payload)
}

/// The mask is all zeros and leaves the bytes as they are. A drawn one protects proxies from a
/// browser's scripts, and here are neither.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![TOP | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..SHORT), _) => frame.push(TOP | length),
        (_, Ok(length)) => {
            frame.push(TOP | SHORT);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(TOP | LONG);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a server sends it: with the shortest length that fits, and no mask.
    fn sent(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = masked(opcode, payload);
        let mask = frame.len() - payload.len() - 4;
        frame.drain(mask..mask + 4);
        frame[1] &= !TOP;
        frame
    }

    #[test]
    fn a_frame_is_read_once_it_is_whole() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut bytes = sent(1, &payload);
            let size = bytes.len();
            for part in [0, 1, 2, size - 1] {
                if part < size {
                    assert_eq!(first(&bytes[..part]), Ok(None), "{part} of {size}");
                }
            }
            bytes.extend(sent(9, b"next"));
            let frame = first(&bytes).expect("a frame").expect("all of it");
            assert_eq!((frame.kind, frame.size), (Kind::Text, size));
            assert_eq!(frame.payload, payload);
            let next = first(&bytes[size..]).expect("a frame").expect("all of it");
            assert_eq!((next.kind, next.payload), (Kind::Ping, &b"next"[..]));
        }
    }

    #[test]
    fn what_no_server_should_send_is_refused() {
        assert!(first(&[0x01, 0x00]).is_err(), "not the last part");
        assert!(first(&[0x80, 0x00]).is_err(), "not the first part");
        assert!(first(&text(b"x")).is_err(), "masked");
        let mut huge = vec![0x81, 127];
        huge.extend(u64::MAX.to_be_bytes());
        assert!(first(&huge).is_err(), "larger than anything");
    }
}
