//! [`Arrivals`]: "tell me when an event of this uid is stored", with a time limit (plugins.md 1.3 history.notify, mission.md
//! 7.1 d): clients send an event and say over HTTP in the same moment that it belongs to a mission, and the request must
//! not be answered before the event can be found.
//!
//! Order: who waits registers and only then looks whether the event is there already (what is stored between the two is
//! told); the recorder commits and names the uids; a thread of this file, begun with the first who waits, tells. So a
//! slow listener holds up other listeners, never the recorder. What must not happen: somebody waits for ever, or hears
//! of an event that [`super::History::latest`] does not find yet.
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// Who may wait at the same time.
const MOST: usize = 4_096;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// What became of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// An event of that uid was stored.
    Stored,
    /// The limit is over, or the server stops.
    Late,
}

/// Why nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// As many are waited for already as may be.
    #[error("{MOST} wait for events to be stored already; try again in a moment")]
    Full,
    /// The server stops, or no thread could be begun.
    #[error("nothing is stored any more: the server stops")]
    Closed,
}

type Tell = Box<dyn FnOnce(Arrival) + Send>;

struct Waiting {
    number: u64,
    until: Instant,
    tell: Tell,
}

#[derive(Default)]
struct State {
    number: u64,
    waiting: HashMap<String, Vec<Waiting>>,
    /// To be told that it is stored.
    ready: Vec<Tell>,
    closed: bool,
}

/// See the file's head.
#[derive(Default)]
pub(super) struct Arrivals {
    state: Mutex<State>,
    changed: Condvar,
    /// How many wait: the recorder looks at nothing else while it is none.
    many: AtomicUsize,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Somebody who waits. Dropped, it is not told any more, unless it is being told at this moment.
#[must_use = "dropped, nobody is told"]
pub struct Ticket {
    number: u64,
    uid: String,
    arrivals: Arc<Arrivals>,
}

impl Arrivals {
    /// Tells once: when the next event of `uid` is stored, or when `limit` (at most a minute) is over. `tell` runs on the
    /// thread of all who wait and must not block.
    ///
    /// # Errors
    /// [`NotTold`]; `tell` is not called then.
    pub fn notify(
        self: &Arc<Self>,
        uid: &str,
        limit: Duration,
        tell: impl FnOnce(Arrival) + Send + 'static,
    ) -> Result<Ticket, NotTold> {
        self.begun()?;
        let mut state = self.state.lock();
        if state.closed {
            return Err(NotTold::Closed);
        }
        if self.many.load(SeqCst) >= MOST {
            return Err(NotTold::Full);
        }
        state.number += 1;
        let number = state.number;
        let waiting = Waiting { number, until: Instant::now() + limit.min(LONGEST), tell: Box::new(tell) };
        state.waiting.entry(uid.to_owned()).or_default().push(waiting);
        self.many.fetch_add(1, SeqCst);
        drop(state);
        self.changed.notify_one();
        Ok(Ticket { number, uid: uid.to_owned(), arrivals: self.clone() })
    }

    /// The thread, begun with the first who waits.
    fn begun(self: &Arc<Self>) -> Result<(), NotTold> {
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let arrivals = self.clone();
            let run = std::thread::Builder::new().name("history-told".into()).spawn(move || arrivals.run());
            *thread = Some(run.map_err(|_| NotTold::Closed)?);
        }
        Ok(())
    }

    /// Events of these uids are committed. Never waits for a listener.
    pub fn stored(&self, uids: impl Iterator<Item = String>) {
        if self.many.load(SeqCst) == 0 {
            return;
        }
        let mut state = self.state.lock();
        for uid in uids {
            let found = state.waiting.remove(&uid).unwrap_or_default();
            self.many.fetch_sub(found.len(), SeqCst);
            state.ready.extend(found.into_iter().map(|w| w.tell));
        }
        let any = !state.ready.is_empty();
        drop(state);
        if any {
            self.changed.notify_one();
        }
    }

    /// Nothing is stored any more: whoever waits is told so.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }

    fn run(&self) {
        loop {
            let (ready, late, closed) = {
                let mut state = self.state.lock();
                loop {
                    let now = Instant::now();
                    let late = self.over(&mut state, now);
                    if !state.ready.is_empty() || !late.is_empty() || state.closed {
                        break (std::mem::take(&mut state.ready), late, state.closed);
                    }
                    match state.waiting.values().flatten().map(|w| w.until).min() {
                        Some(until) => drop(self.changed.wait_until(&mut state, until)),
                        None => self.changed.wait(&mut state),
                    }
                }
            };
            ready.into_iter().for_each(|tell| told(tell, Arrival::Stored));
            late.into_iter().for_each(|tell| told(tell, Arrival::Late));
            if closed {
                return;
            }
        }
    }

    /// Those whose limit is over; at the end of the server everybody.
    fn over(&self, state: &mut State, now: Instant) -> Vec<Tell> {
        let closed = state.closed;
        let mut over = Vec::new();
        state.waiting.retain(|_, all| {
            over.extend(all.extract_if(.., |w| closed || w.until <= now).map(|w| w.tell));
            !all.is_empty()
        });
        self.many.fetch_sub(over.len(), SeqCst);
        over
    }
}

/// One who panics ends neither the thread nor the waiting of others; the panic is in the log by the process's hook.
fn told(tell: Tell, what: Arrival) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tell(what)));
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.arrivals.state.lock();
        let Some(all) = state.waiting.get_mut(&self.uid) else { return };
        let before = all.len();
        all.retain(|w| w.number != self.number);
        let (gone, none) = (before - all.len(), all.is_empty());
        if none {
            state.waiting.remove(&self.uid);
        }
        self.arrivals.many.fetch_sub(gone, SeqCst);
    }
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
