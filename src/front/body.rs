//! Bodies of requests: how large one may be, and how much of all is held at once.

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Refusal;

/// Bytes of a body that nobody is asked about: all that strangers may send. A password has 1 KiB.
pub const BODY_BYTES_FREE: usize = 16 << 10;
/// Bytes of all larger bodies that are held at once. Whoever has a key, or has stolen one, could
/// have one read on each connection.
pub const BODIES_BYTES_MAX: usize = 64 << 20;

/// Reads a body, up to the limit, and what it takes of `bodies` as it grows.
pub async fn read(
    bodies: &Semaphore,
    mut body: Incoming,
    max: usize,
) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Refusal> {
    let mut all = Vec::new();
    let mut held: Option<SemaphorePermit<'_>> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::Malformed)?.into_data() else {
            continue;
        };
        all.extend_from_slice(&data);
        if all.len() > max {
            return Err(Refusal::TooLarge(max));
        }
        let kib = all.len().saturating_sub(BODY_BYTES_FREE).div_ceil(1 << 10);
        let more = kib - held.as_ref().map_or(0, SemaphorePermit::num_permits);
        if more > 0 {
            let more = u32::try_from(more).map_err(|_| Refusal::Busy)?;
            let more = bodies.try_acquire_many(more).map_err(|_| Refusal::Busy)?;
            match &mut held {
                Some(held) => held.merge(more),
                None => held = Some(more),
            }
        }
    }
    Ok((all.into(), held))
}

pub fn is_declared_over(headers: &HeaderMap, max: usize) -> bool {
    declared(headers).is_some_and(|length| length > max as u64)
}

pub fn is_declared_within(headers: &HeaderMap, max: usize) -> bool {
    declared(headers).is_some_and(|length| length <= max as u64)
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
