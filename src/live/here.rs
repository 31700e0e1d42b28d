//! Who is here: this process's sockets, by member.
//!
//! The dependency has rooms for this. They hold each name and each socket several times, and a look
//! into one takes three locks and as many allocations; here it is one of each. Nothing is counted: a
//! socket that is gone is not found any more, and its ear takes itself off the list when it is dropped.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use socketioxide::extract::SocketRef;
use socketioxide::operators::BroadcastOperators;
use socketioxide::socket::Sid;

use super::ear::Ear;
use crate::domain::id::MemberId;

#[derive(Default)]
pub struct Here(RwLock<HashMap<MemberId, Ears>>);

type Ears = Vec<(Sid, Weak<Ear>)>;

impl Here {
    /// From now on the socket hears what happens to its member.
    pub fn join(&self, member: &MemberId, id: Sid, ear: &Arc<Ear>) {
        let one = (id, Arc::downgrade(ear));
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(member) {
            Some(ears) => ears.push(one),
            // Most members have one, and room for four would be taken.
            None => drop(all.insert(member.clone(), vec![one])),
        }
    }

    /// It hears nothing more.
    pub fn leave(&self, member: &MemberId, id: Sid) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(ears) = all.get_mut(member) else {
            return;
        };
        ears.retain(|(other, _)| *other != id);
        if ears.is_empty() {
            all.remove(member);
        }
    }

    /// How many members are here, and how many sockets they have. One that is about to go may be counted still.
    pub fn count(&self) -> (usize, usize) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (all.len(), all.values().map(Vec::len).sum())
    }

    /// The member's among all sockets, in the order they came.
    pub fn of(
        &self,
        all_sockets: &BroadcastOperators,
        member: &MemberId,
    ) -> Vec<(SocketRef, Arc<Ear>)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(ears) = all.get(member) else {
            return Vec::new();
        };
        // The socket first: it keeps its ear, whose end would want the lock that is held here.
        let found = ears.iter().filter_map(|(id, ear)| {
            let socket = all_sockets.get_socket(*id)?;
            Some((socket, ear.upgrade()?))
        });
        found.collect()
    }
}
