//! [`Ticket`]: the answer to one append, awaited by a task or by a thread, never for longer than its limit.
//!
//! The ids are known at once, whatever becomes of the writing. An answer that comes too late or not at all costs
//! durability only: the caller delivers anyway (fanout.md 2.7).
use std::{ops::Range, sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::meters;

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All records survive `kill -9`.
    Written {
        /// Id of the first record; the others follow without a gap.
        first_id: u64,
    },
    /// Not written within the limit; it may be later.
    Late,
    /// At least one record was not written: why.
    Failed(Arc<str>),
}

#[derive(Debug, Default)]
struct Slot {
    outcome: Mutex<Option<Result<(), Arc<str>>>>,
    thread: Condvar,
    task: Notify,
}

/// The writer's end.
#[derive(Debug)]
pub(super) struct Answer(Arc<Slot>);

impl Answer {
    pub fn give(self, outcome: Result<(), Arc<str>>) {
        *self.0.outcome.lock() = Some(outcome);
        self.0.thread.notify_all();
        // Keeps a permit when nobody waits yet.
        self.0.task.notify_one();
    }
}

/// The answer to one append.
#[derive(Debug)]
pub struct Ticket {
    first: u64,
    count: u64,
    slot: Arc<Slot>,
}

impl Ticket {
    pub(super) fn new(first: u64, count: u64) -> (Answer, Self) {
        let slot = Arc::<Slot>::default();
        (Answer(slot.clone()), Self { first, count, slot })
    }

    /// Ids of the records, in the order given to append.
    pub fn ids(&self) -> Range<u64> {
        self.first..self.first + self.count
    }

    /// The answer, if it is there already.
    pub fn now(&self) -> Option<Outcome> {
        self.slot.outcome.lock().clone().map(|outcome| self.told(outcome))
    }

    /// Waits for the answer in a task. Too late is counted.
    pub async fn wait(self, limit: Duration) -> Outcome {
        if self.now().is_none() {
            // Whether it came in time is decided by the slot: the answer may arrive together with the limit.
            let _ = tokio::time::timeout(limit, self.slot.task.notified()).await;
        }
        self.now().unwrap_or_else(|| self.late())
    }

    /// Waits for the answer on a thread that may block. Too late is counted.
    pub fn wait_blocking(self, limit: Duration) -> Outcome {
        let mut outcome = self.slot.outcome.lock();
        self.slot.thread.wait_while_for(&mut outcome, |o| o.is_none(), limit);
        drop(outcome);
        self.now().unwrap_or_else(|| self.late())
    }

    fn told(&self, outcome: Result<(), Arc<str>>) -> Outcome {
        match outcome {
            Ok(()) => Outcome::Written { first_id: self.first },
            Err(why) => Outcome::Failed(why),
        }
    }

    fn late(&self) -> Outcome {
        metrics::counter!(meters::LATE).increment(self.count);
        Outcome::Late
    }
}
