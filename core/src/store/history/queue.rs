//! The queue between router and recorder: bounded in events and bytes, never waited for by who fills it.
//!
//! Over the bound positions go first, those in the queue before the new ones, and are counted. An event that is in the
//! journal is never lost here: over the bound only its number is kept and the recorder reads it back (fanout.md 2.7).
//! Sessions always fit. [`Queue::flush`] is for who wants to read what it has just seen.
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{
    kept::{Item, Kept},
    meters,
};

/// Events waiting at most (cot.md RULE-82).
pub(super) const MOST: usize = 50_000;
/// Bytes waiting at most: events of ordinary size meet the other bound first.
const MOST_BYTES: usize = 128 << 20;
/// Rows of one commit at most (RULE-82).
pub(super) const BATCH: usize = 500;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    state: Mutex<State>,
    /// To the recorder.
    filled: Condvar,
    /// To those who flush.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    /// Records of the journal there was no room for.
    spilled: Vec<u64>,
    /// Items ever put in, and how many of them are dealt with.
    put: u64,
    done: u64,
    /// Somebody waits: what is there is written at once.
    hurry: bool,
    idle: bool,
    closed: bool,
    skipped: u64,
}

/// What the recorder takes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub items: Vec<Item>,
    pub spilled: Vec<u64>,
    /// Told to [`Queue::done`] when it is written.
    pub upto: u64,
}

impl Queue {
    pub fn new(most: usize) -> Self {
        Self { most, state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() }
    }

    /// Events of one turn.
    pub fn events(&self, kept: Vec<Kept>) {
        if kept.is_empty() {
            return;
        }
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mut skipped = 0;
        for event in kept {
            let item = Item::Event(event);
            let full = |s: &State| s.items.len() >= self.most || s.bytes + item.weight() > MOST_BYTES;
            if full(state) && !item.is_state() {
                skipped += state.shed();
            }
            if state.closed || full(state) {
                match &item {
                    Item::Event(event) if event.journal != 0 => state.spilled.push(event.journal),
                    _ => skipped += 1,
                }
                continue;
            }
            state.add(item);
        }
        state.skipped += skipped;
        self.wake(guard);
        if skipped > 0 {
            meters::skipped(skipped);
        }
    }

    /// A session; it always fits.
    pub fn put(&self, item: Item) {
        let mut state = self.state.lock();
        state.add(item);
        self.wake(state);
    }

    fn wake(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        if idle {
            self.filled.notify_one();
        }
    }

    /// Waits for something and a moment for more. None = closed and empty. In a steady flow it looks once per moment and is
    /// woken by nobody; only after a moment without anything it asks to be.
    pub fn take(&self) -> Option<Batch> {
        let mut state = self.state.lock();
        loop {
            let until = Instant::now() + GATHER;
            while state.items.len() < BATCH && !state.hurry && !state.closed {
                if self.filled.wait_until(&mut state, until).timed_out() {
                    break;
                }
            }
            if !state.items.is_empty() || !state.spilled.is_empty() {
                break;
            }
            if state.closed {
                return None;
            }
            state.hurry = false;
            state.idle = true;
            self.filled.wait(&mut state);
        }
        let n = state.items.len().min(BATCH);
        let items: Vec<Item> = state.items.drain(..n).collect();
        state.bytes -= items.iter().map(Item::weight).sum::<usize>();
        // What did not fit is read back when the rest is written.
        let spilled = if state.items.is_empty() { std::mem::take(&mut state.spilled) } else { Vec::new() };
        state.hurry &= !state.items.is_empty();
        meters::depth(state.items.len());
        Some(Batch { items, spilled, upto: state.put - state.items.len() as u64 })
    }

    /// A batch is written.
    pub fn done(&self, upto: u64) {
        self.state.lock().done = upto;
        self.emptied.notify_all();
    }

    /// Returns when what is in the queue now is written, or the time is over. False = it is not.
    pub fn flush(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.state.lock();
        let wanted = state.put;
        while state.done < wanted {
            if !state.hurry {
                state.hurry = true;
                self.filled.notify_one();
            }
            if self.emptied.wait_until(&mut state, until).timed_out() {
                return state.done >= wanted;
            }
        }
        true
    }

    /// Nothing more comes; the recorder ends when it has written the rest.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_one();
    }

    /// Nothing more comes.
    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Items waiting now.
    pub fn depth(&self) -> usize {
        self.state.lock().items.len()
    }

    /// Events left out since the start.
    pub fn skipped(&self) -> u64 {
        self.state.lock().skipped
    }
}

impl State {
    fn add(&mut self, item: Item) {
        self.put += 1;
        self.bytes += item.weight();
        self.items.push_back(item);
    }

    /// Throws out all positions; how many there were.
    fn shed(&mut self) -> u64 {
        let before = self.items.len();
        let mut freed = 0;
        self.items.retain(|item| {
            let keep = !item.is_state();
            freed += if keep { 0 } else { item.weight() };
            keep
        });
        self.bytes -= freed;
        let gone = (before - self.items.len()) as u64;
        // `put` stays: they count as dealt with.
        gone
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::directory::Bits;

    fn kept(name: &str, state: bool, journal: u64) -> Kept {
        let text = Bytes::copy_from_slice(name.as_bytes());
        Kept { text, received: 0, state, journal, groups: Bits::of([2]), readers: None, client: None, store: true }
    }

    fn names(batch: &Batch) -> Vec<String> {
        let name = |item: &Item| match item {
            Item::Event(kept) => String::from_utf8_lossy(&kept.text).into_owned(),
            _ => "session".into(),
        };
        batch.items.iter().map(name).collect()
    }

    #[test]
    fn over_the_bound_positions_go_first_and_what_is_journaled_comes_back() {
        let queue = Queue::new(3);
        queue.events(vec![kept("p1", true, 0), kept("p2", true, 0), kept("c1", false, 0)]);
        queue.events(vec![kept("p3", true, 0)]);
        assert_eq!(queue.skipped(), 1, "a position finds no room");
        queue.events(vec![kept("c2", false, 0), kept("c3", false, 7), kept("c4", false, 8), kept("c5", false, 0)]);
        assert_eq!(queue.skipped(), 4, "two positions made room, the fifth chat is in no journal");
        let batch = queue.take().unwrap();
        assert_eq!((names(&batch), batch.spilled.clone()), (vec!["c1".into(), "c2".into(), "c3".into()], vec![8]));
        queue.done(batch.upto);
        assert!(queue.flush(Duration::ZERO) && queue.depth() == 0);
    }

    #[test]
    fn a_flush_waits_for_what_is_there_and_not_longer() {
        let queue = Queue::new(10);
        queue.events(vec![kept("p1", true, 0)]);
        assert!(!queue.flush(Duration::from_millis(5)), "nobody writes");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| queue.flush(Duration::from_secs(20)));
            let batch = queue.take().unwrap();
            queue.done(batch.upto);
            assert!(waits.join().unwrap());
        });
        queue.events(vec![kept("p2", true, 0)]);
        queue.close();
        assert_eq!(names(&queue.take().unwrap()), ["p2"], "what is left at the end is still given");
        assert!(queue.take().is_none());
    }
}
