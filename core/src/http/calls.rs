//! [`CallLimits`]: how many calls of an owner run at once and how many wait, and `Generation`: the calls that are under
//! way for one registration of an owner. A slot is taken when the whole request is there and given back when the handler
//! has returned and its answer is made; the client's speed has no part in it. Answers that are long in the making have a
//! quarter of the slots: who asks a short question does not wait for them (plugins.md 10).
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{route::Owner, space::Space};

/// The numbers of [`CallLimits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// Calls at once (`http_concurrency`).
    pub concurrency: usize,
    /// Requests waiting for a slot (`http_waiting`); one more is 503.
    pub waiting: usize,
    /// How long one waits, then 503.
    pub patience: Duration,
    /// Until the answer begins, then 504.
    pub first_byte: Duration,
}

impl Default for CallSettings {
    /// 16, 1 024, 10 s, 30 s (plugins.md 5; DECISIONS 66, 91).
    fn default() -> Self {
        Self { concurrency: 16, waiting: 1024, patience: Duration::from_secs(10), first_byte: Duration::from_secs(30) }
    }
}

/// Slots for calls; shared by the handlers of an owner.
#[derive(Debug)]
pub struct CallLimits {
    slots: Arc<Semaphore>,
    /// Places for answers that are long in the making; each takes a slot as well.
    long: Arc<Semaphore>,
    waiting: AtomicUsize,
    settings: CallSettings,
}

/// A taken slot.
#[derive(Debug)]
pub(super) struct Slot {
    _slot: OwnedSemaphorePermit,
    long: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// May the answer be long?
    pub fn long(&self) -> bool {
        self.long.is_some()
    }
}

impl CallLimits {
    /// New ones, nothing taken.
    pub fn new(settings: CallSettings) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(settings.concurrency.max(1)));
        let long = Arc::new(Semaphore::new((settings.concurrency / 4).max(1)));
        Arc::new(Self { slots, long, waiting: AtomicUsize::new(0), settings })
    }

    /// The numbers.
    pub fn settings(&self) -> &CallSettings {
        &self.settings
    }

    /// Slots that are free now.
    pub fn free(&self) -> usize {
        self.slots.available_permits()
    }

    /// Requests that wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A slot for a new call; None: too many wait, or it took too long. `long` = answers to such calls are long in the
    /// making; that may turn out while it waits.
    pub(super) async fn slot(&self, long: &AtomicBool) -> Option<Slot> {
        if !long.load(Ordering::Relaxed)
            && let Ok(slot) = self.slots.clone().try_acquire_owned()
        {
            return Some(Slot { _slot: slot, long: None });
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _leaves = Leaves(&self.waiting);
        if before >= self.settings.waiting {
            return None;
        }
        timeout(self.settings.patience, self.take(long)).await.ok()?
    }

    async fn take(&self, long: &AtomicBool) -> Option<Slot> {
        loop {
            if long.load(Ordering::Relaxed) {
                return self.slot_for_long().await;
            }
            let slot = self.slots.clone().acquire_owned().await.ok()?;
            if !long.load(Ordering::Relaxed) {
                return Some(Slot { _slot: slot, long: None });
            }
        }
    }

    /// A slot for an answer that is long, or goes on: it waits as long as it takes. None cannot happen, nobody closes
    /// the slots.
    pub(super) async fn slot_for_long(&self) -> Option<Slot> {
        let long = self.long.clone().acquire_owned().await.ok()?;
        let slot = self.slots.clone().acquire_owned().await.ok()?;
        Some(Slot { _slot: slot, long: Some(long) })
    }
}

/// Also counts down where the request goes away while it waits.
struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One registration of an owner and its calls under way.
#[derive(Debug)]
pub(super) struct Generation {
    pub owner: Owner,
    pub space: Arc<Space>,
    in_flight: AtomicUsize,
    ended: Notify,
    cut: Mutex<CancellationToken>,
}

impl Generation {
    pub fn new(owner: Owner, space: Arc<Space>) -> Arc<Self> {
        Arc::new(Self { owner, space, in_flight: AtomicUsize::new(0), ended: Notify::new(), cut: Mutex::default() })
    }

    /// Counts a call from before its last look at the table until its answer is made. Whoever parks the owner first and
    /// counts afterwards therefore sees every call that did not see the parking.
    pub fn begin(self: &Arc<Self>) -> Flight {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        Flight { generation: self.clone(), cut: self.cut.lock().clone() }
    }

    /// Calls under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Answers under way break off; calls that have not answered yet are left to return.
    pub fn cut(&self) {
        std::mem::take(&mut *self.cut.lock()).cancel();
    }

    /// Waits until no call is under way, at most `limit`; then the rest is cut. How many that were.
    pub async fn drain(&self, limit: Duration) -> usize {
        let all = async {
            loop {
                let ended = self.ended.notified();
                if self.in_flight() == 0 {
                    return;
                }
                ended.await;
            }
        };
        if timeout(limit, all).await.is_ok() {
            return 0;
        }
        let left = self.in_flight();
        self.cut();
        left
    }
}

/// A call under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub generation: Arc<Generation>,
    /// Cancelled: the answer breaks off.
    pub cut: CancellationToken,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.generation.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.generation.ended.notify_waiters();
        }
    }
}
