//! Who is there: clients in slots, indexes by uid and callsign, groups as bitsets, last positions, and who left.
//!
//! Order of locks: `seats`, then `index`, then a client's `who`. No lock here is held across a push or an await.
//! Joining publishes the roster and takes the presence order's end while the newcomer's queue is held, so that a
//! position is either in its replay or delivered to it live, never both and never neither.
mod bits;
mod client;
mod filter;
mod groups;
mod identify;
mod index;
mod presence;
mod roster;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};

pub use bits::Bits;
pub use client::{Account, Arrival, Client, Contact, Figures, Leave, Who};
pub use filter::{GeoFilter, Place, inside};
pub use groups::{ANON, CANARY, GroupNames, Groups};
pub use identify::Identified;
pub use index::{Found, Index};
pub use presence::{Latest, Shelf};
pub use roster::Roster;

/// See the file's head.
#[derive(Default)]
pub struct Directory {
    /// Names of groups.
    pub groups: GroupNames,
    /// Newest SA per contact.
    pub presence: Shelf,
    /// Newest map item per uid, kept only with `cot.replay_map_items`.
    pub items: Shelf,
    /// Positions from before the restart, until their contact reports again or they are stale. Apart from the others: who
    /// has not said who it is might be shown itself.
    pub restored: Shelf,
    /// What plugins have newcomers shown.
    pub shown: Shelf,
    roster: ArcSwap<Roster>,
    index: RwLock<Index>,
    seats: Mutex<Seats>,
    gone: Mutex<VecDeque<Gone>>,
    conns: AtomicU64,
}

#[derive(Default)]
struct Seats {
    free: Vec<u32>,
    used: u32,
    per_listener: HashMap<String, usize>,
}

/// A connection that ended less than an hour ago.
#[derive(Clone, Debug)]
pub struct Gone {
    /// As it was.
    pub client: Arc<Client>,
    /// Why it left.
    pub why: Leave,
    /// When, ms UTC.
    pub at: i64,
}

/// A contact that is no longer there, for the disconnect notice (RULE-43).
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Departed {
    pub uid: Arc<str>,
    pub kind: Arc<str>,
    /// Groups its last SA was sent into.
    pub send: Bits,
}

const REMEMBER_MS: i64 = 3_600_000;
const REMEMBER_MOST: usize = 2_000;

impl Directory {
    /// The snapshot of this moment.
    pub fn roster(&self) -> Arc<Roster> {
        self.roster.load_full()
    }

    /// Clients by uid or callsign.
    pub fn index(&self) -> parking_lot::RwLockReadGuard<'_, Index> {
        self.index.read()
    }

    /// Gives a connection its slot and lets it receive from now on. Its user is the name in its certificate.
    pub fn join(&self, arrival: Arrival, replay: bool) -> Arc<Client> {
        let user = arrival.cert.as_ref().map(|c| c.common_name.clone()).unwrap_or_default();
        self.join_as(arrival, Account { user, ..Account::default() }, replay)
    }

    /// The same for a connection of this user.
    pub fn join_as(&self, arrival: Arrival, account: Account, replay: bool) -> Arc<Client> {
        let mut seats = self.seats.lock();
        let slot = seats.free.pop().unwrap_or_else(|| {
            seats.used += 1;
            seats.used - 1
        });
        let conn = self.conns.fetch_add(1, Relaxed) + 1;
        let client = Arc::new(Client::new(conn, slot, arrival, account));
        *seats.per_listener.entry(client.listener.name.clone()).or_default() += 1;
        client.out.hold(|| {
            self.roster.store(Arc::new(self.roster.load().with(&client)));
            if replay { self.presence.end() } else { 0 }
        });
        client
    }

    /// Takes a connection out; returns the contacts that are gone with it.
    pub fn leave(&self, client: &Arc<Client>, why: Leave, now: i64) -> Vec<Departed> {
        client.out.close();
        let mut departed = Vec::new();
        {
            let mut index = self.index.write();
            let who = client.who();
            let bound = (!who.uid.is_empty()).then(|| (who.uid.clone(), who.callsign.clone(), who.kind.clone()));
            let contacts = who.contacts.iter().map(|c| (c.uid.clone(), c.callsign.clone(), c.kind.clone()));
            for (uid, callsign, kind) in bound.into_iter().chain(contacts) {
                index.remove_uid(&uid, client.conn);
                index.remove_callsign(&callsign, client.conn);
                if let Some(other) = index.uid(&uid).first() {
                    self.presence.adopt(&uid, client.conn, other.conn);
                    continue;
                }
                let last = self.presence.remove(&uid, Some(client.conn));
                self.restored.remove(&uid, None);
                if !matches!(why, Leave::Replaced | Leave::Rejected | Leave::Shutdown) {
                    let send = last.map_or_else(|| client.groups().send.clone(), |l| l.send);
                    departed.push(Departed { uid, kind, send });
                }
            }
        }
        let mut seats = self.seats.lock();
        if let Some(n) = seats.per_listener.get_mut(&client.listener.name) {
            *n -= 1;
        }
        self.roster.store(Arc::new(self.roster.load().without(client)));
        seats.free.push(client.slot);
        drop(seats);
        let mut gone = self.gone.lock();
        gone.push_back(Gone { client: client.clone(), why, at: now });
        while gone.len() > REMEMBER_MOST || gone.front().is_some_and(|g| now - g.at > REMEMBER_MS) {
            gone.pop_front();
        }
        departed
    }

    /// Gives connections other groups, all in one step; their places in broadcasts follow. A connection that is gone is
    /// left out.
    pub fn regroup(&self, changes: &[(Arc<Client>, Groups)]) {
        let _seats = self.seats.lock();
        let mut next = self.roster.load().copy();
        for (client, groups) in changes {
            if next.client(client.slot).is_some_and(|c| c.conn == client.conn) {
                client.set_groups(groups.clone());
                next.replace(client);
            }
        }
        self.roster.store(Arc::new(next));
    }

    /// Connections per listener name.
    pub fn per_listener(&self) -> HashMap<String, usize> {
        self.seats.lock().per_listener.clone()
    }

    /// Who left less than an hour ago, oldest first.
    pub fn gone(&self) -> Vec<Gone> {
        self.gone.lock().iter().cloned().collect()
    }

    /// Drops a contact that said goodbye itself (RULE-44).
    pub fn forget_contact(&self, client: &Arc<Client>, uid: &str) {
        self.presence.remove(uid, Some(client.conn));
        self.restored.remove(uid, None);
        let mut index = self.index.write();
        let mut who = client.who_mut();
        if let Some(at) = who.contacts.iter().position(|c| &*c.uid == uid) {
            let contact = who.contacts.swap_remove(at);
            index.remove_uid(&contact.uid, client.conn);
            identify::uncall(&mut index, &who, &contact.callsign, client.conn);
        }
    }
}
