//! [`Outbound`]: the queue of one client (RULE-48, fanout.md 2.4 and 2.5).
//!
//! The sender's task pushes, the client's writer takes; a push never waits and never writes. Control events go ahead of
//! everything. Over the soft mark a newer state event replaces the older one of its uid in place; over the state mark
//! the oldest state events go; reliable events are never dropped: over their limit the connection is closed. Events of one
//! bundle stay together in all of it. Bytes are counted as XML length whatever the form that leaves. A closed queue refuses
//! everything.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    queue::{Bundle, Queue, together},
    round::Round,
};
use crate::{net::Lendable, wire::Event};

/// The marks of `[stream.limits]`, shared by all queues and exchanged at reload.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Marks {
    pub soft_items: usize,
    pub soft_bytes: usize,
    pub state_bytes: usize,
    pub state_age: Duration,
    pub reliable_bytes: usize,
}

/// One queued event.
#[derive(Clone, Debug)]
pub struct Item {
    /// The event; its form is chosen when it is written.
    pub event: Arc<Event>,
    /// When it was queued, ms since the process began.
    pub at: u32,
    /// After this one the stream is protobuf (the answer to a negotiation, decision 104).
    pub switch: bool,
}

/// What a push did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Events that are in the queue now because of it.
    pub queued: u32,
    /// Events refused because the queue is closed.
    pub refused: u32,
    /// More reliable bytes than the limit: the caller closes the connection.
    pub overflow: bool,
    /// How deep it is in what may not be dropped, in whole quarters of that limit.
    pub behind: u8,
}

/// The socket of a writer that has nothing to do.
#[derive(Clone, Debug)]
pub struct Lent {
    /// Where to write.
    pub socket: Lendable,
    /// In which form.
    pub proto: bool,
}

/// What became of what was lent.
#[derive(Debug)]
pub enum Reclaimed {
    /// Somebody is writing at this moment; the writer is woken when that is done.
    Busy,
    /// The socket is the writer's alone.
    Free,
    /// The same, and this round was begun and must be finished first.
    Left(Box<Round>),
}

/// An event that left the queue without being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Replaced by a newer state of the same uid.
    Conflated,
    /// Dropped as one of the oldest state events.
    Overflow,
}

/// Figures of one queue for the client list.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Depth {
    pub items: usize,
    pub bytes: usize,
    pub oldest_at: Option<u32>,
    pub coalesced: u64,
    pub dropped_state: u64,
    pub slow: bool,
}

/// The queue of one client.
#[derive(Debug)]
#[repr(C)]
pub struct Outbound {
    queue: Mutex<Queue>,
    wake: Notify,
}

impl Default for Outbound {
    fn default() -> Self {
        Self { queue: Mutex::new(Queue { idle: true, ..Queue::default() }), wake: Notify::new() }
    }
}

impl Outbound {
    /// Queues events in order, but for those that came from the connection `own` itself. `lost` hears of every event
    /// that had to go for it.
    pub fn push(
        &self,
        events: &[Arc<Event>],
        own: u64,
        at: u32,
        marks: &Marks,
        mut lost: impl FnMut(&Event, Lost),
    ) -> Pushed {
        let mut done = Pushed::default();
        let wake = {
            let mut queue = self.queue.lock();
            if queue.closed {
                done.refused = events.len() as u32;
                return done;
            }
            let mut rest = events;
            while !rest.is_empty() {
                let (bundle, others) = rest.split_at(together(rest));
                rest = others;
                let before = done.queued;
                if queue.index.is_none() {
                    // One event over the mark by itself is no sign of a slow reader: what waits before it counts.
                    let behind = queue.bytes > marks.soft_bytes;
                    for event in bundle {
                        if queue.gets(event, own) {
                            done.queued += 1;
                            queue.append(event.clone(), at);
                        }
                    }
                    if done.queued > before && (behind || queue.items.len() > marks.soft_items) {
                        queue.go_slow(&mut lost);
                    }
                } else {
                    let kept: Bundle = bundle.iter().filter(|e| queue.gets(e, own)).map(Event::compact).collect();
                    done.queued += kept.len() as u32;
                    queue.replace_or_append(&kept, at, &mut lost);
                }
            }
            if queue.index.is_some() {
                queue.shed(at, marks, &mut lost);
                done.overflow = queue.bytes - queue.state_bytes > marks.reliable_bytes;
            }
            let reliable = queue.bytes - queue.state_bytes;
            if reliable > marks.reliable_bytes / 4 {
                done.behind = (reliable.saturating_mul(4) / marks.reliable_bytes.max(1)).min(3) as u8;
            }
            done.queued > 0 && std::mem::replace(&mut queue.idle, false)
        };
        if wake {
            self.wake.notify_one();
        }
        done
    }

    /// The writer sleeps from here on and lends its socket, unless something came meanwhile.
    pub fn lend(&self, lent: Option<Lent>) {
        let mut queue = self.queue.lock();
        if queue.idle {
            queue.lent = lent;
        }
    }

    /// The writer is awake and wants its socket back.
    pub fn reclaim(&self) -> Reclaimed {
        let mut queue = self.queue.lock();
        if queue.borrowed {
            queue.wanted = true;
            return Reclaimed::Busy;
        }
        queue.lent = None;
        queue.left.take().map_or(Reclaimed::Free, Reclaimed::Left)
    }

    /// While nothing waits and the writer sleeps: what this client gets of `events` goes to `items` instead, together with
    /// the lent socket, for a write at once. None = it must be pushed.
    pub fn hand_over(&self, events: &[Arc<Event>], own: u64, at: u32, items: &mut impl Extend<Item>) -> Option<Lent> {
        let mut queue = self.queue.lock();
        if !queue.idle || queue.lent.is_none() {
            return None;
        }
        let mut wanted = events.iter().filter(|event| queue.gets(event, own)).peekable();
        wanted.peek()?;
        items.extend(wanted.map(|event| Item { event: event.clone(), at, switch: false }));
        (queue.idle, queue.borrowed) = (false, true);
        queue.lent.take()
    }

    /// Before what was handed over is written: what came meanwhile goes with it.
    pub fn gather(&self, round: &mut Round, max_items: usize, max_bytes: usize) {
        let mut queue = self.queue.lock();
        if !queue.items.is_empty() && !queue.closed && queue.control.is_empty() {
            queue.take(&mut round.items, max_items, max_bytes);
        }
    }

    /// What was handed over is written: takes what came meanwhile for one more round, or gives the socket back.
    pub fn go_on(&self, lent: Lent, round: &mut Round, max_items: usize, max_bytes: usize) -> Option<Lent> {
        let mut queue = self.queue.lock();
        if queue.items.is_empty() || queue.wanted || queue.closed || !queue.control.is_empty() {
            drop(queue);
            self.give_back(lent, None);
            return None;
        }
        queue.take(&mut round.items, max_items, max_bytes);
        Some(lent)
    }

    /// Gives a borrowed socket back; `left` is a round that could not be finished.
    pub fn give_back(&self, lent: Lent, left: Option<Box<Round>>) {
        let mut queue = self.queue.lock();
        queue.borrowed = false;
        let wanted = std::mem::replace(&mut queue.wanted, false);
        let more = left.is_some() || !queue.items.is_empty() || !queue.control.is_empty() || queue.closed;
        queue.left = left;
        if wanted || more {
            drop(queue);
            self.wake.notify_one();
        } else {
            queue.idle = true;
            queue.lent = Some(lent);
        }
    }

    /// These events were written.
    pub fn note(&self, ids: impl IntoIterator<Item = u64>, at: u32) {
        let mut queue = self.queue.lock();
        ids.into_iter().for_each(|id| queue.wrote.note(id, at));
    }

    /// When this event was written, if it is still remembered.
    pub fn wrote(&self, id: u64) -> Option<u32> {
        self.queue.lock().wrote.find(id)
    }

    /// Runs `subscribe` while no push gets in, then leaves out live what the replay up to the returned place brings.
    pub fn hold(&self, subscribe: impl FnOnce() -> u64) {
        let mut queue = self.queue.lock();
        queue.replay_to = subscribe();
    }

    /// The place up to which the replay goes.
    pub fn replay_to(&self) -> u64 {
        self.queue.lock().replay_to
    }

    /// Queues a control event ahead of everything else (RULE-41).
    pub fn push_control(&self, event: Arc<Event>, at: u32, switch: bool) {
        let wake = {
            let mut queue = self.queue.lock();
            if queue.closed {
                return;
            }
            queue.control.push_back(Item { event, at, switch });
            std::mem::replace(&mut queue.idle, false)
        };
        if wake {
            self.wake.notify_one();
        }
    }

    /// Moves what waits into `out`: at most `max_items` and about `max_bytes`. False = nothing was there and the next
    /// push will wake whoever is in [`Self::wait`].
    pub fn take(&self, out: &mut Vec<Item>, max_items: usize, max_bytes: usize) -> bool {
        let mut queue = self.queue.lock();
        if queue.control.is_empty() && queue.items.is_empty() {
            queue.idle = true;
            return false;
        }
        queue.take(out, max_items, max_bytes);
        true
    }

    /// Waits for the next wake-up: a push into an empty queue, [`Self::close`] or [`Self::nudge`].
    pub async fn wait(&self) {
        self.wake.notified().await;
    }

    /// Wakes the writer without an event (shutdown, replay).
    pub fn nudge(&self) {
        self.wake.notify_one();
    }

    /// From now on nothing is taken in; what waits can still be written. Returns what waits.
    pub fn close(&self) -> usize {
        let mut queue = self.queue.lock();
        queue.closed = true;
        // The socket ends with the writer, not with who remembers this client.
        queue.lent = None;
        let left = queue.items.len();
        drop(queue);
        self.wake.notify_one();
        left
    }

    /// Throws everything away and closes with this as the last word (the `TEST` probe).
    pub fn last_word(&self, event: Arc<Event>, at: u32) {
        let mut queue = self.queue.lock();
        *queue = Queue { closed: true, borrowed: queue.borrowed, ..Queue::default() };
        queue.control.push_back(Item { event, at, switch: false });
        drop(queue);
        self.wake.notify_one();
    }

    /// Was it closed?
    pub fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// Is nothing waiting?
    pub fn is_empty(&self) -> bool {
        let queue = self.queue.lock();
        queue.items.is_empty() && queue.control.is_empty()
    }

    /// Is this event waiting?
    pub fn holds(&self, id: u64) -> bool {
        self.queue.lock().items.iter().any(|i| i.event.head.id == id)
    }

    /// Figures for the client list.
    pub fn depth(&self) -> Depth {
        let queue = self.queue.lock();
        Depth {
            items: queue.items.len() + queue.control.len(),
            bytes: queue.bytes,
            oldest_at: queue.items.front().map(|i| i.at),
            coalesced: queue.coalesced,
            dropped_state: queue.dropped_state,
            slow: queue.index.is_some(),
        }
    }

    /// Drops state events that are older than the age mark (called by the sweep, so that a silent room ages too).
    pub fn age(&self, now: u32, marks: &Marks, mut lost: impl FnMut(&Event, Lost)) {
        let mut queue = self.queue.lock();
        if queue.items.front().is_some_and(|i| now.wrapping_sub(i.at) > marks.state_age.as_millis() as u32) {
            queue.go_slow(&mut lost);
            queue.shed(now, marks, &mut lost);
        }
    }
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod bundle_tests;
