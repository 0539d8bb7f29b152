//! [`Hands`]: events of the journal that a plugin's worker has taken and is not done with.
//!
//! They belong to a generation. What it leaves in its hands when it is over (a handler that does not come back, a panic
//! that tripped it) goes back to the front of the plugin's queue, and the next one is given it, marked as a repeat. Whoever
//! takes an event out of here is the only one who may release it or call it done, so a worker that outlived its generation
//! cannot. What must not happen: an event is in nobody's hands before it is done.
use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use crate::route::hooks::Seen;

/// See the file's head.
#[derive(Debug, Default)]
pub struct Hands {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    held: BTreeMap<u64, Arc<Seen>>,
    observed: BTreeMap<u64, Arc<Seen>>,
    closed: bool,
}

impl Hands {
    /// The worker has taken them; those in no journal are not kept, they may be lost. False = the generation is over, and
    /// they are whose they were.
    pub fn take<'a>(&self, all: impl Iterator<Item = &'a Arc<Seen>>) -> bool {
        let mut inner = self.inner.lock();
        if inner.closed {
            return false;
        }
        for seen in all.filter(|seen| seen.journal != 0) {
            let of = if seen.held.is_empty() { &mut inner.observed } else { &mut inner.held };
            of.insert(seen.journal, seen.clone());
        }
        true
    }

    /// A held event that is to be released, discarded or set aside: from now on the caller's. None = it is not here.
    pub fn held(&self, id: u64) -> Option<Arc<Seen>> {
        self.inner.lock().held.remove(&id)
    }

    /// Is this held event here?
    pub fn holds(&self, id: u64) -> bool {
        self.inner.lock().held.contains_key(&id)
    }

    /// Observed events that every handler had; those of them that were still here.
    pub fn observed(&self, ids: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut inner = self.inner.lock();
        ids.filter(|id| inner.observed.remove(id).is_some()).collect()
    }

    /// The generation is over: everything, in the order of the journal, and nothing is taken any more.
    pub fn close(&self) -> Vec<Arc<Seen>> {
        let mut inner = self.inner.lock();
        inner.closed = true;
        let mut all: Vec<_> = std::mem::take(&mut inner.held).into_values().collect();
        all.extend(std::mem::take(&mut inner.observed).into_values());
        all.sort_by_key(|seen| seen.journal);
        all.into_iter().map(again).collect()
    }

    /// Held events.
    pub fn len(&self) -> usize {
        self.inner.lock().held.len()
    }

    /// Nothing at all?
    pub fn is_empty(&self) -> bool {
        let inner = self.inner.lock();
        inner.held.is_empty() && inner.observed.is_empty()
    }
}

/// The same event, given once more.
fn again(seen: Arc<Seen>) -> Arc<Seen> {
    if seen.replayed { seen } else { Arc::new(Seen { replayed: true, ..Seen::clone(&seen) }) }
}

#[cfg(test)]
mod tests {
    use fts_plugin_api::cot::Class;

    use super::*;
    use crate::{directory::Bits, route::Owned};

    fn seen(journal: u64, held: bool) -> Arc<Seen> {
        let held = if held { vec![("mission".to_owned(), "x".to_owned())] } else { Vec::new() };
        Arc::new(Seen {
            text: bytes::Bytes::new(),
            source: Owned::Server { send: Bits::default(), except: 0 },
            origin: None,
            received: 0,
            journal,
            class: Class::Reliable,
            uid_hash: 0,
            replayed: false,
            held,
            served: vec![7],
            link: String::new(),
        })
    }

    #[test]
    fn what_is_given_back_is_in_order_a_repeat_and_nobody_elses() {
        let hands = Hands::default();
        let all = [seen(3, true), seen(1, false), seen(2, true), seen(0, false), seen(4, false)];
        assert!(hands.take(all.iter()));
        assert_eq!((hands.len(), hands.is_empty()), (2, false));
        assert!(hands.held(2).is_some() && hands.held(2).is_none() && hands.held(1).is_none());
        assert_eq!(hands.observed([4, 3, 4].into_iter()), [4], "a held one is not done by being observed");
        let left = hands.close();
        assert_eq!(left.iter().map(|s| (s.journal, s.replayed)).collect::<Vec<_>>(), [(1, true), (3, true)]);
        assert_eq!(left[1].served, [7]);
        assert!(hands.is_empty() && hands.held(3).is_none() && hands.observed([1].into_iter()).is_empty());
        assert!(!hands.take(all.iter()) && hands.is_empty());
    }
}
