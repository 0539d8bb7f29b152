//! [`Shelf`]: the newest event per uid in order of last report: what a newcomer is shown (RULE-37, 39) and where a
//! contact was last seen.
//!
//! Each update gets the next place in the order. A newcomer takes the order's end at subscription and pulls everything
//! up to it at the speed of its own socket; a uid that reports meanwhile moves behind that end and reaches it live. So
//! there is no gap, no duplicate and no list per newcomer. Events are kept compact.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use fts_plugin_api::cot::Millis;
use parking_lot::Mutex;

use super::Bits;
use crate::wire::Event;

/// The newest event of one uid.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The contact or item.
    pub uid: Arc<str>,
    /// As it was relayed.
    pub event: Arc<Event>,
    /// Connection that reported it; 0 = none (UDP, the server).
    pub conn: u64,
    /// Groups it was sent into.
    pub send: Bits,
    /// Its own `time`, ms UTC.
    pub time: Millis,
    /// When the cache lets it go (RULE-23), ms UTC.
    pub expires: Millis,
}

/// See the file's head.
#[derive(Debug, Default)]
pub struct Shelf {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_uid: HashMap<Arc<str>, (u64, Latest)>,
    /// (place, uid) in ascending order; entries whose place is no longer their uid's are skipped.
    order: VecDeque<(u64, Arc<str>)>,
    end: u64,
}

/// A clock reset: an event that is older by its own time but this much newer by arrival is believed (RULE-76).
const CLOCK_RESET_MS: i64 = 60_000;

impl Shelf {
    /// Puts the newest event of a uid and returns its place in the order; None when it is older (by its own time) than
    /// what is there (RULE-76). The place exists only together with the entry: a newcomer that counts on its replay
    /// for everything up to some place finds it there.
    pub fn put(&self, latest: Latest) -> Option<u64> {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let place = inner.end + 1;
        let uid = if let Some((older, there)) = inner.by_uid.get_mut(&latest.uid) {
            let arrived = latest.event.head.received - there.event.head.received;
            if latest.time < there.time && arrived <= CLOCK_RESET_MS {
                return None;
            }
            let uid = there.uid.clone();
            *older = place;
            *there = Latest { uid: uid.clone(), ..latest };
            uid
        } else {
            let uid = latest.uid.clone();
            inner.by_uid.insert(uid.clone(), (place, latest));
            uid
        };
        inner.end = place;
        inner.order.push_back((place, uid));
        if inner.order.len() > 2 * inner.by_uid.len() + 64 {
            let by_uid = &inner.by_uid;
            inner.order.retain(|(place, uid)| by_uid.get(uid).is_some_and(|(p, _)| p == place));
        }
        Some(place)
    }

    /// The order's end: everything up to it is what a newcomer of this moment is shown.
    pub fn end(&self) -> u64 {
        self.inner.lock().end
    }

    /// The next entries after `cursor` up to `end` that `wanted` accepts, at most `max`; the new cursor with them.
    pub fn after(
        &self,
        cursor: u64,
        end: u64,
        max: usize,
        mut wanted: impl FnMut(&Latest) -> bool,
    ) -> (u64, Vec<Arc<Event>>) {
        let inner = self.inner.lock();
        let from = inner.order.partition_point(|(place, _)| *place <= cursor);
        let mut out = Vec::new();
        for (place, uid) in inner.order.range(from..) {
            if *place > end {
                break;
            }
            let Some((current, latest)) = inner.by_uid.get(uid) else { continue };
            if current == place && wanted(latest) {
                out.push(latest.event.clone());
                if out.len() == max {
                    return (*place, out);
                }
            }
        }
        (end, out)
    }

    /// The newest event of a uid.
    pub fn get(&self, uid: &str) -> Option<Latest> {
        self.inner.lock().by_uid.get(uid).map(|(_, l)| l.clone())
    }

    /// Forgets a uid if it still belongs to this connection (`conn` None = whoever's it is).
    pub fn remove(&self, uid: &str, conn: Option<u64>) -> Option<Latest> {
        let mut inner = self.inner.lock();
        if conn.is_some_and(|c| inner.by_uid.get(uid).is_none_or(|(_, l)| l.conn != c)) {
            return None;
        }
        inner.by_uid.remove(uid).map(|(_, l)| l)
    }

    /// Another connection speaks for a uid from now on.
    pub fn adopt(&self, uid: &str, from: u64, to: u64) {
        if let Some((_, latest)) = self.inner.lock().by_uid.get_mut(uid).filter(|(_, l)| l.conn == from) {
            latest.conn = to;
        }
    }

    /// Everything, in no order.
    pub fn all(&self) -> Vec<Latest> {
        self.inner.lock().by_uid.values().map(|(_, l)| l.clone()).collect()
    }

    /// What a connection reported counts as sent into other groups from now on.
    pub fn regroup(&self, conn: u64, send: &Bits) {
        for (_, latest) in self.inner.lock().by_uid.values_mut().filter(|(_, l)| l.conn == conn) {
            latest.send = send.clone();
        }
    }

    /// Forgets what has expired.
    pub fn expire(&self, now: Millis) {
        self.inner.lock().by_uid.retain(|_, (_, l)| l.expires > now);
    }

    /// How many uids are kept.
    pub fn len(&self) -> usize {
        self.inner.lock().by_uid.len()
    }

    /// True when nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use fts_plugin_api::cot::Class;

    use super::*;
    use crate::wire::Head;

    fn put(shelf: &Shelf, uid: &str, time: Millis) -> bool {
        let head = Head {
            id: 0,
            conn: 0,
            received: time,
            class: Class::State,
            replaceable: false,
            hop: 0,
            uid_hash: 0,
            bundle: 0,
        };
        let event = Arc::new(Event::whole(head, uid.as_bytes().to_vec()));
        shelf
            .put(Latest { uid: uid.into(), event, conn: 1, send: Bits::of([2]), time, expires: time + 1_000 })
            .is_some()
    }

    fn shown(shelf: &Shelf, mut cursor: u64, end: u64) -> Vec<String> {
        let mut all = Vec::new();
        while cursor < end {
            let (next, events) = shelf.after(cursor, end, 2, |_| true);
            all.extend(events.iter().map(|e| String::from_utf8_lossy(e.xml()).into_owned()));
            cursor = next;
        }
        all
    }

    #[test]
    fn a_newcomer_sees_each_uid_once_in_order_of_last_report() {
        let shelf = Shelf::default();
        for (uid, time) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
            assert!(put(&shelf, uid, time));
        }
        let end = shelf.end();
        put(&shelf, "b", 5); // live for the newcomer
        put(&shelf, "d", 6);
        assert_eq!(shown(&shelf, 0, end), ["c", "a"]);
    }

    #[test]
    fn an_older_event_never_overwrites_a_newer_one() {
        let shelf = Shelf::default();
        assert!(put(&shelf, "a", 10_000));
        assert!(!put(&shelf, "a", 9_000));
        let head = Head {
            id: 0,
            conn: 0,
            received: 90_000,
            class: Class::State,
            replaceable: false,
            hop: 0,
            uid_hash: 0,
            bundle: 0,
        };
        let reset = Latest {
            uid: "a".into(),
            event: Arc::new(Event::whole(head, "r")),
            conn: 1,
            send: Bits::default(),
            time: 5,
            expires: 0,
        };
        assert!(shelf.put(reset).is_some(), "clock reset is believed after 60 s");
    }

    #[test]
    fn removal_asks_for_the_owner_and_expiry_forgets() {
        let shelf = Shelf::default();
        put(&shelf, "a", 1);
        assert!(shelf.remove("a", Some(2)).is_none());
        assert!(shelf.remove("a", Some(1)).is_some());
        put(&shelf, "b", 1);
        shelf.expire(2_000);
        assert!(shelf.is_empty());
    }

    #[test]
    fn the_order_does_not_grow_with_updates() {
        let shelf = Shelf::default();
        for n in 0..10_000 {
            put(&shelf, "a", n);
        }
        assert!(shelf.inner.lock().order.len() <= 70);
    }
}
