//! [`Queue`]: what waits for a plugin's worker, in order, bounded. It belongs to the plugin's name: a reload does not
//! lose it.
//!
//! State events of one uid take each other's place where all handlers allow it. Over the mark, state events that may be
//! lost go first (oldest first); reliable ones keep only their place in the journal and are read back. Everything else
//! (client events, what was published, link frames) is bounded by its sender. Held events that could not be stored wait
//! beside it for a while ([`PutOff`]). Nothing here waits for anybody.
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use fts_plugin_api::{
    cot::Class,
    message::{ClientEvent, LinkEvent},
};
use parking_lot::{Condvar, Mutex};

use super::put_off::PutOff;
use crate::route::hooks::Seen;

/// Something for the worker.
#[derive(Debug)]
pub enum Item {
    /// An event.
    Event(Arc<Seen>),
    /// A reliable or held event that only the journal has.
    Spilled(Spilled),
    /// Something happened to a connection.
    Client(Box<ClientEvent>),
    /// Something was published: topic, bytes.
    Bus(String, Arc<[u8]>),
    /// Something happened to a link of this generation.
    Link(u32, Box<LinkEvent>),
    /// What this generation waited for: the number it gave, and whether an event was stored.
    Arrived(u32, u64, bool),
}

/// An event that is to be read back.
#[derive(Debug)]
pub struct Spilled {
    /// Its number in the journal.
    pub id: u64,
    /// It is held; else observed.
    pub held: bool,
    /// Connections that got it at once.
    pub served: Vec<u64>,
    /// It may have been given before.
    pub again: bool,
}

/// Limits of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// Events in memory.
    pub items: usize,
    /// Bytes of them.
    pub bytes: usize,
}

/// See the file's head.
pub struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
    marks: Marks,
    /// An event was put off and none was released since.
    slow: AtomicBool,
}

#[derive(Default)]
struct Inner {
    put_off: PutOff,
    items: VecDeque<Item>,
    /// Number of the item at the front.
    first: u64,
    /// State events that may be replaced: uid → number.
    states: HashMap<u64, u64>,
    bytes: usize,
    in_memory: usize,
    /// The worker took something and has not come back for more: it may not be in its hands yet.
    taken: bool,
    sleeping: bool,
    closed: bool,
    /// Grows when it is closed: a worker of before takes nothing any more.
    epoch: u64,
    dropped: u64,
}

/// What pushing came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// State events lost.
    pub dropped: u64,
    /// An older one's place was taken.
    pub replaced: bool,
}

impl Queue {
    /// An empty one.
    pub fn new(marks: Marks) -> Self {
        Self { inner: Mutex::default(), wake: Condvar::new(), marks, slow: AtomicBool::new(false) }
    }

    /// Adds an event. `coalesce` = a newer state of the uid may take its place, and it may be lost over the mark.
    pub fn event(&self, seen: &Arc<Seen>, coalesce: bool) -> Pushed {
        let mut pushed = Pushed::default();
        let mut inner = self.inner.lock();
        let state = coalesce && seen.class == Class::State && seen.held.is_empty();
        if state {
            let (first, number) = (inner.first, inner.states.get(&seen.uid_hash).copied());
            if let Some(place) = number.and_then(|n| n.checked_sub(first))
                && let Some(Item::Event(older)) = inner.items.get_mut(place as usize)
            {
                let before = std::mem::replace(older, seen.clone()).text.len();
                inner.bytes = inner.bytes + seen.text.len() - before;
                pushed.replaced = true;
                return pushed;
            }
        }
        let full = inner.in_memory >= self.marks.items || inner.bytes + seen.text.len() > self.marks.bytes;
        if full && seen.journal != 0 {
            let (held, served) = (!seen.held.is_empty(), seen.served.clone());
            inner.items.push_back(Item::Spilled(Spilled { id: seen.journal, held, served, again: false }));
        } else {
            if full {
                pushed.dropped = inner.make_room();
                inner.dropped += pushed.dropped;
            }
            if state {
                let number = inner.first + inner.items.len() as u64;
                inner.states.insert(seen.uid_hash, number);
            }
            inner.bytes += seen.text.len();
            inner.in_memory += 1;
            inner.items.push_back(Item::Event(seen.clone()));
        }
        self.ring(inner);
        pushed
    }

    /// Adds anything else.
    pub fn push(&self, item: Item) {
        let mut inner = self.inner.lock();
        inner.items.push_back(item);
        self.ring(inner);
    }

    /// Puts items back to the front, in order.
    pub fn put_back(&self, items: Vec<Item>) {
        self.inner.lock().put_back(items);
    }

    /// The plugin cannot store this held event now: it comes again after a pause, and no other held one before it.
    pub fn later(&self, spilled: Spilled) {
        self.slow.store(true, Relaxed);
        self.inner.lock().put_off.add(spilled, Instant::now());
    }

    /// A held event was released: what was put off comes again soon.
    pub fn went_on(&self) {
        if self.slow.load(Relaxed) {
            self.slow.store(false, Relaxed);
            self.inner.lock().put_off.went_on();
        }
    }

    /// Rings only when the worker sleeps.
    fn ring(&self, inner: parking_lot::MutexGuard<'_, Inner>) {
        let sleeping = inner.sleeping;
        drop(inner);
        if sleeping {
            self.wake.notify_one();
        }
    }

    /// Waits until `until` although something may wait, unless `most` items do. Who adds something wakes nobody.
    pub fn rest(&self, epoch: u64, most: usize, until: Instant) {
        let mut inner = self.inner.lock();
        inner.taken &= inner.epoch != epoch;
        while inner.items.len() < most && !inner.closed && inner.epoch == epoch {
            if self.wake.wait_until(&mut inner, until).timed_out() {
                return;
            }
        }
    }

    /// Up to `most` items; waits until there is one, `until` has come, or it is closed. None = closed.
    pub fn take(&self, epoch: u64, most: usize, until: Option<Instant>) -> Option<Vec<Item>> {
        let mut inner = self.inner.lock();
        inner.taken &= inner.epoch != epoch;
        while inner.items.is_empty() && !inner.closed && inner.epoch == epoch {
            let again = inner.put_off.take(Instant::now());
            if !again.is_empty() {
                inner.put_back(again);
                break;
            }
            inner.sleeping = true;
            match [until, inner.put_off.due()].into_iter().flatten().min() {
                Some(at) => {
                    let late = self.wake.wait_until(&mut inner, at).timed_out();
                    // Else the pause of what was put off is over.
                    if late && until == Some(at) {
                        inner.sleeping = false;
                        return Some(Vec::new());
                    }
                }
                None => self.wake.wait(&mut inner),
            }
            inner.sleeping = false;
        }
        if inner.closed || inner.epoch != epoch {
            return None;
        }
        let again = inner.put_off.take(Instant::now());
        inner.put_back(again);
        let n = inner.items.len().min(most);
        let taken: Vec<_> = inner.items.drain(..n).collect();
        inner.first += n as u64;
        inner.taken = n > 0;
        for item in &taken {
            if let Item::Event(seen) = item {
                inner.bytes -= seen.text.len();
                inner.in_memory -= 1;
                let uid = seen.uid_hash;
                if inner.states.get(&uid).is_some_and(|number| *number < inner.first) {
                    inner.states.remove(&uid);
                }
            }
        }
        Some(taken.into_iter().filter_map(|item| inner.put_off.pass(item)).collect())
    }

    /// The worker ends; what waits stays for the next one.
    pub fn close(&self) {
        {
            let mut inner = self.inner.lock();
            inner.closed = true;
            inner.epoch += 1;
        }
        self.wake.notify_all();
    }

    /// A new worker may take, with this number.
    pub fn open(&self) -> u64 {
        let mut inner = self.inner.lock();
        inner.closed = false;
        inner.taken = false;
        inner.epoch
    }

    /// Forgets everything; how many events there were.
    pub fn clear(&self) -> usize {
        let mut inner = self.inner.lock();
        let n = inner.items.iter().filter(|i| matches!(i, Item::Event(_) | Item::Spilled(_))).count();
        let n = n + inner.put_off.len();
        let first = inner.first + inner.items.len() as u64;
        let dropped = inner.dropped;
        let (closed, epoch, sleeping) = (inner.closed, inner.epoch, inner.sleeping);
        *inner = Inner { first, dropped, closed, epoch, sleeping, ..Inner::default() };
        n
    }

    /// Nothing waits, and the worker is done with what it took.
    pub fn is_idle(&self) -> bool {
        let inner = self.inner.lock();
        inner.items.len() + inner.put_off.len() == 0 && !inner.taken
    }

    /// Items, bytes in memory, state events dropped so far.
    pub fn depth(&self) -> (usize, usize, u64) {
        let inner = self.inner.lock();
        (inner.items.len() + inner.put_off.len(), inner.bytes, inner.dropped)
    }
}

impl Inner {
    fn put_back(&mut self, items: Vec<Item>) {
        for item in items.into_iter().rev() {
            if let Item::Event(seen) = &item {
                self.bytes += seen.text.len();
                self.in_memory += 1;
            }
            self.items.push_front(item);
            // What was taken is not replaced any more, so a number that does not fit is only never found.
            self.first = self.first.saturating_sub(1);
        }
    }

    /// Drops the oldest event that may be lost: one that is in no journal.
    fn make_room(&mut self) -> u64 {
        let found = self.items.iter().position(|i| matches!(i, Item::Event(seen) if seen.journal == 0));
        let Some(place) = found else { return 0 };
        let Some(Item::Event(seen)) = self.items.remove(place) else { return 0 };
        self.bytes -= seen.text.len();
        self.in_memory -= 1;
        // Everything behind it moved up by one.
        let at = self.first + place as u64;
        self.states.retain(|_, number| *number != at);
        self.states.values_mut().filter(|number| **number > at).for_each(|number| *number -= 1);
        1
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
