//! [`Turn`]: what several readers took in is delivered together.
//!
//! A reader stages its batch and goes on, but for a full turn; the turn's task runs when the readers that are ready have had theirs, and
//! delivers what is staged, in the order of arrival within each lane (`waiting`): each receiver's queue is locked once per run instead of once per
//! event, and a run leaves as one slice of one buffer. Who cannot wait for the task (shutdown, tests, too much staged)
//! calls [`Router::drain`] itself; one turn is delivered at a time, so order is kept. Nothing here waits for a receiver.
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
    time::Instant,
};

use bytes::Bytes;
use fts_plugin_api::cot::{Cot, Millis, Repairs, Spans};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    Batch, Policy, Router, Source,
    bundle::InBundle,
    destination::Hold,
    hooks::Aim,
    source::{FromPlugin, Owned},
    waiting::Waiting,
};
use crate::{session::prompt::Prompt, store::journal::Ticket, wire::Head};

/// One admitted event before its buffer is frozen.
pub(super) struct Draft {
    pub spans: Spans,
    pub text: Range<usize>,
    pub form: Range<usize>,
    pub repairs: Repairs,
    /// The frame it came as when nothing was changed.
    pub frame: Option<Bytes>,
}

/// One event that waits for its turn.
#[derive(Debug)]
pub(super) struct Staged {
    pub head: Head,
    /// Its place in the presence order; 0 = not in presence.
    pub presence: u64,
    /// What it says, `<marti>` included.
    pub cot: Cot,
    /// What XML clients get.
    pub form: Bytes,
    /// What protobuf clients get, when it came as that and nothing was changed.
    pub frame: Option<Bytes>,
    /// What plugins have to do with it; nearly always nothing.
    pub more: Option<Box<More>>,
}

/// Who holds an event, and for which of its destinations (kind, name).
pub(super) type HeldBy = (Arc<dyn Hold>, Vec<(String, String)>);

/// What plugins have to do with an event.
#[derive(Debug, Default)]
pub(super) struct More {
    /// A plugin said where it goes.
    pub aim: Option<(Arc<FromPlugin>, Aim)>,
    /// Who holds it, and for which of its destinations.
    pub holds: Vec<HeldBy>,
    /// Its number in the journal; 0 = it is not there.
    pub journal: u64,
    /// A held event that is let go.
    pub released: bool,
    /// A held event that is let go: who got it before.
    pub served: Vec<u64>,
    /// A held position that is let go, or a notice of it.
    pub bundle: Option<InBundle>,
}

/// The events of one batch with what is common to them.
pub(super) struct Ready {
    pub source: Owned,
    pub policy: Arc<Policy>,
    pub now: Millis,
    pub tick: u32,
    pub began: Instant,
    pub events: SmallVec<[Staged; 1]>,
}

impl Ready {
    pub fn source(&self) -> Source<'_> {
        self.source.lend()
    }

    /// Is its last event none of a bundle, or the last of one?
    pub fn ends_bundle(&self) -> bool {
        let bundle = self.events.last().and_then(|e| e.more.as_ref()).and_then(|m| m.bundle);
        bundle.is_none_or(|bundle| bundle.last)
    }
}

/// What the session must do after a batch.
#[derive(Default)]
#[must_use]
pub struct Done {
    /// This batch bound the connection (RULE-35): welcome chat, limits, replay at identify.
    pub bound: bool,
    /// The uid is live elsewhere and the policy refuses this connection.
    pub rejected: bool,
    /// Events of it that a plugin holds; each costs its sender more (decision 88).
    pub held: u32,
    /// What must be in the journal before it may be delivered.
    pub pending: Option<Pending>,
}

/// A batch that waits for the journal.
pub struct Pending {
    pub(super) ready: Vec<Ready>,
    pub(super) bytes: usize,
    ticket: Option<Ticket>,
    /// It is waited for no longer.
    until: Instant,
}

/// The journal gets this long, then the event is delivered all the same (fanout.md 2.7). It counts from when the journal was
/// given it: with a disk that hangs, those that wait in a row are not late one after the other.
const JOURNAL_WAIT: Duration = Duration::from_millis(50);

impl Pending {
    pub(super) fn new(ready: Vec<Ready>, bytes: usize, ticket: Option<Ticket>) -> Self {
        Self { ready, bytes, ticket, until: Instant::now() + JOURNAL_WAIT }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Waits until the journal has it. Who breaks that off stages it all the same.
    pub async fn wait(&mut self) {
        let left = self.left();
        if let Some(ticket) = self.ticket.take() {
            // Late or failed is counted there; an emergency is not held back for a full disk.
            let _ = ticket.wait(left).await;
        }
    }

    /// Stages.
    pub fn stage(self, router: &Router) {
        router.stage(self.ready, self.bytes);
    }

    /// Both for a plugin, on a thread that may wait.
    pub fn stage_blocking(self, router: &Router) {
        let left = self.left();
        if let Some(ticket) = self.ticket {
            let _ = ticket.wait_blocking(left);
        }
        router.stage_for(self.ready, self.bytes, From::Plugin);
    }
}

/// Who staged an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// A client, an input, the server.
    Outside,
    /// A plugin.
    Plugin,
}

/// See the file's head.
#[derive(Default)]
pub struct Turn {
    staged: Mutex<Waiting>,
    delivering: Mutex<()>,
    wake: Notify,
    /// Events staged.
    waiting: AtomicUsize,
    /// The task runs; without it everything is delivered at once.
    pub(super) runs: AtomicBool,
}

/// A turn with this many events is full: whoever reads next waits until it is delivered. A writer takes as many per
/// round, so that more comes in only as fast as it goes out, and TCP holds the senders back.
const FULL: usize = 256;
/// Clients written to in a row for a pile of plugins' events; then what came in meanwhile has its turn.
const IN_A_ROW: usize = 16;
/// More than this does not wait for the task: queues shed what is too much, this list does not.
const MOST_BYTES: usize = 4 * 1024 * 1024;

impl Turn {
    /// Takes some of what is staged.
    fn take<T>(&self, some: impl FnOnce(&mut Waiting) -> T) -> T {
        let mut staged = self.staged.lock();
        let taken = some(&mut staged);
        self.waiting.store(staged.len(), Relaxed);
        taken
    }
}

impl Batch<'_> {
    /// Takes everything admitted so far over; the batch is empty afterwards and can go on.
    pub fn finish(&mut self) -> Done {
        let mut done = Done::default();
        if self.drafts.is_empty() {
            return done;
        }
        let buf = self.freeze();
        let drafts = std::mem::take(&mut self.drafts);
        let hooks = self.router.hooks.load();
        let mut also = Vec::new();
        let mut events: SmallVec<[Staged; 1]> =
            drafts.into_iter().filter_map(|d| self.staged(&buf, d, &hooks, &mut also, &mut done)).collect();
        if events.is_empty() && also.is_empty() {
            return done;
        }
        let ticket = self.journal(&hooks, &mut events, &mut done);
        let mut ready = Vec::with_capacity(1 + also.len());
        if !events.is_empty() {
            ready.push(self.ready(self.source.own(), events));
        }
        ready.extend(also.into_iter().filter_map(|outgoing| self.router.outgoing(&outgoing)));
        let behind = std::mem::take(&mut self.behind);
        if ticket.is_some() || behind {
            // What follows in this read must not overtake it.
            self.behind = true;
            done.pending = Some(Pending::new(ready, buf.len(), ticket));
        } else {
            self.router.stage(ready, buf.len());
        }
        done
    }

    pub(super) fn ready(&self, source: Owned, events: SmallVec<[Staged; 1]>) -> Ready {
        Ready { source, policy: self.policy.clone(), now: self.now, tick: self.tick, began: self.began, events }
    }

    /// Something of this read waits already: what follows waits behind it.
    pub fn set_behind(&mut self, behind: bool) {
        self.behind = behind;
    }
}

impl Router {
    pub(super) fn stage(&self, ready: Vec<Ready>, bytes: usize) {
        self.stage_for(ready, bytes, From::Outside);
    }

    /// The same, whoever made it.
    pub(super) fn stage_for(&self, ready: Vec<Ready>, bytes: usize, from: From) {
        let turn = &self.turn;
        turn.waiting.fetch_add(ready.iter().map(|r| r.events.len()).sum(), Relaxed);
        let (first, much) = {
            let mut staged = turn.staged.lock();
            let first = staged.is_empty();
            match from {
                From::Outside => staged.incoming.add(ready, bytes),
                From::Plugin => staged.of_plugins.add(ready, bytes),
            }
            (first, staged.bytes() > MOST_BYTES)
        };
        if much || !turn.runs.load(Relaxed) {
            self.drain();
        } else if first {
            turn.wake.notify_one();
        }
    }

    /// Returns when there is room in the turn.
    pub async fn room(&self) {
        while self.turn.waiting.load(Relaxed) >= FULL {
            tokio::task::yield_now().await;
        }
    }

    /// On a thread of its own, where waiting for room keeps nobody: what is too much for a turn is delivered here, so that
    /// whoever sends without end sees what its receivers make of it.
    pub(super) fn relieve(&self) {
        if self.turn.waiting.load(Relaxed) >= FULL {
            self.drain();
        }
    }

    /// Delivers everything staged, in the order of arrival.
    pub fn drain(&self) {
        let _one = self.turn.delivering.lock();
        self.deliver_all(&mut None);
    }

    /// Delivers everything staged, then does this before anything else is delivered. It must stage nothing.
    pub(super) fn between_turns(&self, change: impl FnOnce()) {
        let one = self.turn.delivering.lock();
        self.deliver_all(&mut None);
        change();
        drop(one);
    }

    fn deliver_all(&self, prompt: &mut Option<Prompt>) {
        loop {
            let waiting = self.turn.take(std::mem::take);
            if waiting.is_empty() {
                return;
            }
            let Waiting { mut incoming, mut of_plugins } = waiting;
            self.deliver(&incoming.all(), prompt);
            self.deliver(&of_plugins.all(), prompt);
        }
    }

    /// Delivers what came in.
    pub(super) fn deliver_incoming(&self, prompt: &mut Option<Prompt>) {
        let _one = self.turn.delivering.lock();
        loop {
            let ready = self.turn.take(|waiting| waiting.incoming.all());
            if ready.is_empty() {
                return;
            }
            self.deliver(&ready, prompt);
        }
    }

    /// Delivers a piece of what plugins sent.
    pub(super) fn deliver_piece(&self, prompt: &mut Option<Prompt>) {
        let _one = self.turn.delivering.lock();
        let ready = self.turn.take(|waiting| waiting.of_plugins.piece());
        self.deliver(&ready, prompt);
    }

    /// The turn's task.
    pub async fn turns(self: Arc<Self>, stop: CancellationToken) {
        self.turn.runs.store(true, Relaxed);
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let (mut prompt, mut pile) = (Some(Prompt::for_incoming(threads)), Some(Prompt::for_piles()));
        loop {
            tokio::select! {
                biased;
                () = self.turn.wake.notified() => {}
                () = stop.cancelled() => break,
            }
            loop {
                // Behind the readers that are ready already: their events come along.
                tokio::task::yield_now().await;
                self.deliver_incoming(&mut prompt);
                if let Some(prompt) = &mut prompt {
                    prompt.write(&self, usize::MAX);
                }
                let left = pile.as_mut().is_some_and(|pile| pile.write(&self, IN_A_ROW));
                if !left {
                    self.deliver_piece(&mut pile);
                }
                let left = pile.as_ref().is_some_and(|pile| !pile.is_empty());
                if !left && self.turn.staged.lock().is_empty() {
                    break;
                }
            }
        }
        self.turn.runs.store(false, Relaxed);
        self.drain();
    }
}
