//! Who has a place: sessions in all, and strangers of one address.
//!
//! A session is a stranger's until a token was taken. Clients of protocol 4 send theirs only after
//! the handshake, so a handshake says nothing, and a limit on handshakes would keep members out
//! whose address somebody floods. Instead a newcomer takes the place of the oldest session that
//! has not said yet whose it is: who says so at once gets in, who sits and waits does not.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{CONNECT_TIME_MAX, Limits};
use crate::domain::allowance::{Allowance, Rate};
use crate::domain::error::{Error, Result};
use crate::domain::metrics::Metrics;

/// What a socket may send: bursts of hundreds of messages, and a steady trickle.
const EVENTS: Rate = Rate {
    at_once: 1000.0,
    a_second: 100.0,
};
/// Sessions of one address that were cut and are not gone yet: the dependency keeps one that never
/// connected, some KiB, until its [`CONNECT_TIME_MAX`].
const LEAVING_MAX: usize = 8192;
/// How long a socket that the server closed may take to read why, before its session is cut.
const FAREWELL: Duration = Duration::from_secs(5);

/// How often it is logged that strangers are too many: what limits a flood must not flood the log.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// Ends a session from outside.
pub type Cut = Box<dyn Fn() + Send + Sync>;

/// All places.
pub struct Places {
    limits: Limits,
    metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    taken: usize,
    next: u64,
    crowds: HashMap<IpAddr, Crowd>,
    /// Sessions that began by long polling, and may go on as a WebSocket.
    polling: HashMap<String, Weak<Place>>,
    warned_at: Option<Instant>,
}

/// The strangers of one address.
#[derive(Default)]
struct Crowd {
    anonymous: usize,
    leaving: usize,
    /// The oldest first.
    pending: BTreeMap<u64, Weak<Place>>,
}

/// Whose a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// It has not said.
    Pending,
    /// Nobody's, as it said.
    Anonymous,
    Member,
    /// A newer one has its place.
    Displaced,
}

/// A session's place, kept with its head for as long as it lives.
pub struct Place {
    places: Arc<Places>,
    id: u64,
    /// None for whoever comes by the control socket.
    network: Option<IpAddr>,
    /// Locked after [`Places::inner`], never before.
    session: Mutex<Session>,
}

struct Session {
    who: Who,
    cut: Option<Cut>,
    /// As long-polling clients name it.
    sid: Option<String>,
    events: Allowance,
}

impl Places {
    pub fn new(limits: Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            metrics,
            inner: Mutex::default(),
        })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.inner().taken
    }

    /// A place for a new session, if need be that of the oldest which has not said whose it is.
    ///
    /// # Errors
    /// `Busy` when all are taken, `TooMany` when those for strangers of this address are.
    pub fn take(
        self: &Arc<Self>,
        network: Option<IpAddr>,
        who: Who,
        now: Timestamp,
    ) -> Result<Arc<Place>> {
        let mut inner = self.inner();
        if inner.taken >= self.limits.sessions_max {
            return Err(Error::Busy);
        }
        if let Some(crowd) = network.and_then(|network| inner.crowds.get(&network)) {
            let is_full = match who {
                Who::Anonymous => crowd.anonymous >= self.limits.strangers_per_address_max,
                _ => crowd.leaving >= LEAVING_MAX,
            };
            if is_full {
                inner.warn(network);
                return Err(Error::TooMany(CONNECT_TIME_MAX));
            }
        }
        inner.next += 1;
        inner.taken += 1;
        let session = Session {
            who,
            cut: None,
            sid: None,
            events: Allowance::new(EVENTS, now),
        };
        let place = Arc::new(Place {
            places: Arc::clone(self),
            id: inner.next,
            network,
            session: Mutex::new(session),
        });
        inner.count(&place, who);
        let displaced = inner.displace(network, self.limits.strangers_per_address_max);
        drop(inner);
        if let Some(displaced) = displaced {
            displaced.cut();
        }
        Ok(place)
    }

    /// The session that began by polling goes on over a connection that can be cut.
    pub fn moved(&self, sid: &str, cut: Cut) {
        let place = self.inner().polling.get(sid).and_then(Weak::upgrade);
        if let Some(place) = place {
            place.cut_by(cut);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn count(&mut self, place: &Arc<Place>, who: Who) {
        let Some(network) = place.network else { return };
        match who {
            Who::Pending => {
                let crowd = self.crowds.entry(network).or_default();
                crowd.pending.insert(place.id, Arc::downgrade(place));
            }
            Who::Anonymous => self.crowds.entry(network).or_default().anonymous += 1,
            Who::Displaced => self.crowds.entry(network).or_default().leaving += 1,
            Who::Member => {}
        }
    }

    fn discount(&mut self, place: &Place, who: Who) {
        let Some(network) = place.network else { return };
        let Some(crowd) = self.crowds.get_mut(&network) else {
            return;
        };
        match who {
            Who::Pending => drop(crowd.pending.remove(&place.id)),
            Who::Anonymous => crowd.anonymous -= 1,
            Who::Displaced => crowd.leaving -= 1,
            Who::Member => {}
        }
        if crowd.anonymous + crowd.leaving + crowd.pending.len() == 0 {
            self.crowds.remove(&network);
        }
    }

    /// Takes the place of the oldest pending session when there are too many of an address.
    fn displace(&mut self, network: Option<IpAddr>, max: usize) -> Option<Arc<Place>> {
        let crowd = self.crowds.get_mut(&network?)?;
        if crowd.pending.len() <= max {
            return None;
        }
        let (_, oldest) = crowd.pending.pop_first()?;
        let oldest = oldest.upgrade()?;
        crowd.leaving += 1;
        self.taken -= 1;
        self.warn(network);
        oldest.session().who = Who::Displaced;
        Some(oldest)
    }

    /// Many members behind one proxy look like this as well.
    fn warn(&mut self, network: Option<IpAddr>) {
        let is_news = self.warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if let Some(address) = network.filter(|_| is_news) {
            self.warned_at = Some(Instant::now());
            tracing::warn!(
                %address,
                "too many strangers from one address; if it is a proxy, name it in `trusted-proxy`"
            );
        }
    }
}

impl Place {
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session has said whose it is.
    ///
    /// # Errors
    /// `TooMany` when there are enough of these, or this one has lost its place.
    pub fn settle(self: &Arc<Self>, who: Who) -> Result<()> {
        let mut inner = self.places.inner();
        let mut session = self.session();
        let crowd = self
            .network
            .and_then(|network| inner.crowds.get(&network))
            .map_or(0, |crowd| crowd.anonymous);
        let max = self.places.limits.strangers_per_address_max;
        let is_one_more = who == Who::Anonymous && session.who != who;
        if session.who == Who::Displaced || is_one_more && crowd >= max {
            inner.warn(self.network);
            return Err(Error::TooMany(CONNECT_TIME_MAX));
        }
        inner.discount(self, session.who);
        inner.count(self, who);
        session.who = who;
        Ok(())
    }

    /// Whether the session may send one more thing that costs so much.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn spend(&self, cost: u32, now: Timestamp) -> Result<()> {
        self.session().events.spend(EVENTS, cost, now)
    }

    /// Its socket does not keep up.
    pub fn overflowed(&self) {
        self.places.metrics.overflowed.add(1);
    }

    /// How to end the session from now on.
    pub fn cut_by(&self, cut: Cut) {
        let mut session = self.session();
        if session.who == Who::Displaced {
            drop(session);
            cut();
        } else {
            session.cut = Some(cut);
        }
    }

    /// The session has this name for as long as it is polled for.
    pub fn named(self: &Arc<Self>, sid: String, cut: Cut) {
        let mut inner = self.places.inner();
        inner.polling.insert(sid.clone(), Arc::downgrade(self));
        self.session().sid = Some(sid);
        drop(inner);
        self.cut_by(cut);
    }

    /// Ends the session.
    pub fn cut(&self) {
        let cut = self.session().cut.take();
        if let Some(cut) = cut {
            cut();
        }
    }

    /// Ends the session once its client had the time to read what was said last.
    pub fn cut_later(self: &Arc<Self>) {
        let place = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(FAREWELL).await;
            if let Some(place) = place.upgrade() {
                place.cut();
            }
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = Arc::clone(&self.places);
        let mut inner = places.inner();
        let (who, sid) = {
            let mut session = self.session();
            (session.who, session.sid.take())
        };
        if who != Who::Displaced {
            inner.taken -= 1;
        }
        if let Some(sid) = sid {
            inner.polling.remove(&sid);
        }
        inner.discount(self, who);
    }
}
