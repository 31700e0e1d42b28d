//! How long a certificate is still good (RFC 5280, 4.1).

use simple_asn1::ASN1Block::{Explicit, GeneralizedTime, Sequence, UTCTime};

const DAY_S: i64 = 24 * 3600;

/// Whole days until it ends, from a time in seconds since 1970. `None`: it is no certificate.
pub fn days_left(der: &[u8], now_s: i64) -> Option<i64> {
    let blocks = simple_asn1::from_der(der).ok()?;
    let [Sequence(_, parts)] = blocks.as_slice() else {
        return None;
    };
    let Some(Sequence(_, signed)) = parts.first() else {
        return None;
    };
    // The version may be left out; then come serial number, algorithm, issuer, and from when to when.
    let mut fields = signed.iter().filter(|field| !matches!(field, Explicit(..)));
    let Some(Sequence(_, validity)) = fields.nth(3) else {
        return None;
    };
    let (UTCTime(_, end) | GeneralizedTime(_, end)) = validity.get(1)? else {
        return None;
    };
    Some((end.assume_utc().unix_timestamp() - now_s).div_euclid(DAY_S))
}
