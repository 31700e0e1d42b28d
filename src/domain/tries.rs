//! Limits on tries: how often something may fail before the next is refused unheard.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::error::{Error, Result};

/// The window in which failures are counted. After it they are forgotten.
const WINDOW: Duration = Duration::from_mins(15);
/// Failed logins for one name from one address: far above a person's mistakes, far below guessing.
const NAME_AND_ADDRESS_MAX: u32 = 10;
/// Failed logins from one address, whatever the names. A school or an office shares one address.
const ADDRESS_MAX: u32 = 100;
/// Accounts registered from one address in a window.
const REGISTERED_MAX: u32 = 20;
/// Counters kept. Past this the ones nearest to being forgotten make room; some 300 bytes each.
const KEPT_MAX: usize = 65_536;

/// What is counted. Never a name alone: then anybody could lock anybody out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Login { name: String, network: IpAddr },
    Address(IpAddr),
    Register(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Timestamp,
    failures: u32,
}

/// Failures by key, in memory: a restart forgives them.
#[derive(Default)]
pub struct Tries {
    counts: Mutex<HashMap<Key, Count>>,
}

impl Tries {
    /// # Errors
    /// [`Error::TooMany`] with the time until the next try is heard.
    pub fn check_login(&self, name: &str, address: IpAddr, now: Timestamp) -> Result<()> {
        let network = network(address);
        check(
            &self.lock(),
            &Key::Login {
                name: name.to_owned(),
                network,
            },
            NAME_AND_ADDRESS_MAX,
            now,
        )?;
        check(&self.lock(), &Key::Address(network), ADDRESS_MAX, now)
    }

    pub fn login_failed(&self, name: &str, address: IpAddr, now: Timestamp) {
        let network = network(address);
        count(
            &mut self.lock(),
            Key::Login {
                name: name.to_owned(),
                network,
            },
            now,
        );
        count(&mut self.lock(), Key::Address(network), now);
    }

    /// Whoever knows the password is not guessing it.
    pub fn login_succeeded(&self, name: &str, address: IpAddr) {
        let key = Key::Login {
            name: name.to_owned(),
            network: network(address),
        };
        self.lock().remove(&key);
    }

    /// Counts a registration before it is made, so that many at once are not one too many.
    ///
    /// # Errors
    /// [`Error::TooMany`] as for logins.
    pub fn take_register(&self, address: IpAddr, now: Timestamp) -> Result<()> {
        let mut counts = self.lock();
        let key = Key::Register(network(address));
        check(&counts, &key, REGISTERED_MAX, now)?;
        count(&mut counts, key, now);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Count>> {
        // Nothing panics while it is held, and a count is whole at any moment.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(counts: &HashMap<Key, Count>, key: &Key, max: u32, now: Timestamp) -> Result<()> {
    match counts.get(key) {
        Some(count) if count.failures >= max && !over(count, now) => {
            let waited = now.duration_since(count.since).unsigned_abs();
            // Whole seconds, rounded up, so that whoever waits as told is heard.
            let left = WINDOW.saturating_sub(waited).as_secs() + 1;
            Err(Error::TooMany(Duration::from_secs(left)))
        }
        _ => Ok(()),
    }
}

fn count(counts: &mut HashMap<Key, Count>, key: Key, now: Timestamp) {
    if counts.len() >= KEPT_MAX && !counts.contains_key(&key) {
        make_room(counts, now);
    }
    let fresh = Count {
        since: now,
        failures: 0,
    };
    let count = counts.entry(key).or_insert(fresh);
    if over(count, now) {
        *count = fresh;
    }
    count.failures += 1;
}

fn over(count: &Count, now: Timestamp) -> bool {
    now.duration_since(count.since).unsigned_abs() >= WINDOW
}

/// Forgets what is over, and if that is little, the older half: a flood of addresses costs an
/// attacker their own counts first.
fn make_room(counts: &mut HashMap<Key, Count>, now: Timestamp) {
    counts.retain(|_, count| !over(count, now));
    if counts.len() > KEPT_MAX / 2 {
        let mut since: Vec<Timestamp> = counts.values().map(|count| count.since).collect();
        let (_, median, _) = since.select_nth_unstable(counts.len() / 2);
        let median = *median;
        counts.retain(|_, count| count.since > median);
    }
}

/// What one subscriber holds: an IPv4 address, or an IPv6 /64 (RFC 6177: the smallest a site gets).
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(n))
    }

    #[test]
    fn a_v6_site_is_one_subscriber() {
        let one: IpAddr = "2001:db8:1:2::1".parse().expect("an address");
        let two: IpAddr = "2001:db8:1:2:ffff::9".parse().expect("an address");
        let other: IpAddr = "2001:db8:1:3::1".parse().expect("an address");
        assert_eq!(network(one), network(two));
        assert_ne!(network(one), network(other));
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(
            network(mapped),
            "192.0.2.1".parse::<IpAddr>().expect("an address")
        );
    }

    #[test]
    fn memory_stays_bounded_under_a_flood_of_addresses() {
        let tries = Tries::default();
        let now = Timestamp::now();
        for n in 0..200_000 {
            tries.login_failed("ann", address(n), now);
        }
        assert!(tries.lock().len() <= KEPT_MAX);
    }
}
