//! [`Vigil`]: sees intercept calls that do not come back. Such a call stands on the task of a sender and so keeps a thread
//! of the runtime; when that is the one that was about to read sockets and timers for all, everybody waits with it.
//!
//! Order: a call notes itself in the slot of its thread and clears it when it returns. A thread of the vigil's own looks
//! ten times a second. A call that is older than that: another thread of the runtime is woken, which takes over what the
//! kept one had to do, and nobody else enters that handler. Older than [`HANG`]: its plugin is tripped, whether the call
//! ever returns or not. What must not happen: a call waits for a look, or pays more for it than a few plain stores.
use std::{
    sync::{
        Arc, Weak,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{Generation, Plugins};

/// One call over this trips its plugin.
pub const HANG: Duration = Duration::from_secs(1);
/// Between two looks; a call this long keeps others waiting.
const LOOK: Duration = Duration::from_millis(100);

/// What a thread is in. Written by that thread alone.
#[derive(Debug, Default)]
struct Slot {
    /// [`Watched::number`]; 0 = none.
    handler: AtomicU64,
    /// Since when, ms of [`coarse`].
    since: AtomicU64,
}

static SLOTS: Mutex<Vec<Arc<Slot>>> = Mutex::new(Vec::new());
static NUMBERS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static SLOT: Arc<Slot> = {
        let slot = Arc::new(Slot::default());
        SLOTS.lock().push(slot.clone());
        slot
    };
}

/// See the file's head.
#[derive(Default)]
pub struct Vigil {
    watched: Mutex<Vec<Weak<Watched>>>,
    began: AtomicBool,
}

/// An intercept under the vigil.
pub struct Watched {
    number: u64,
    generation: Arc<Generation>,
    handler: &'static str,
    shut: AtomicBool,
}

/// A call under way; over when it is dropped.
pub struct Call<'a>(&'a Watched);

impl Watched {
    /// A call keeps its sender: nobody else should enter.
    pub fn is_shut(&self) -> bool {
        self.shut.load(Relaxed)
    }

    /// A call begins on this thread; `now` is [`coarse`].
    pub fn enter(&self, now: Duration) -> Call<'_> {
        // A thread that is ending has no slot any more, and is not seen.
        let _ = SLOT.try_with(|slot| {
            slot.since.store(millis(now), Relaxed);
            slot.handler.store(self.number, Release);
        });
        Call(self)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let _ = SLOT.try_with(|slot| slot.handler.store(0, Release));
        if self.0.is_shut() {
            self.0.shut.store(false, Relaxed);
        }
    }
}

impl Vigil {
    /// Takes an intercept under the vigil, which begins with the first.
    pub fn watch(&self, plugins: &Arc<Plugins>, generation: &Arc<Generation>, handler: &'static str) -> Arc<Watched> {
        let number = NUMBERS.fetch_add(1, Relaxed);
        let watched =
            Arc::new(Watched { number, generation: generation.clone(), handler, shut: AtomicBool::new(false) });
        let mut all = self.watched.lock();
        all.retain(|w| w.strong_count() > 0);
        all.push(Arc::downgrade(&watched));
        if !self.began.swap(true, Relaxed) {
            begin(plugins);
        }
        watched
    }

    /// Calls that are older than a look, and for how long.
    fn late(&self, now: Duration) -> Vec<(Arc<Watched>, Duration)> {
        let mut slots = SLOTS.lock();
        // Its thread has ended.
        slots.retain(|slot| Arc::strong_count(slot) > 1);
        let under_way = slots.iter().filter_map(|slot| {
            let handler = slot.handler.load(Acquire);
            (handler != 0).then(|| (handler, millis(now).saturating_sub(slot.since.load(Relaxed))))
        });
        let late: Vec<_> = under_way.filter(|(_, age)| *age >= millis(LOOK)).collect();
        if late.is_empty() {
            return Vec::new();
        }
        let watched: Vec<_> = self.watched.lock().iter().filter_map(Weak::upgrade).collect();
        let of = |number| watched.iter().find(|w| w.number == number).cloned();
        late.into_iter().filter_map(|(number, age)| Some((of(number)?, Duration::from_millis(age)))).collect()
    }
}

fn begin(plugins: &Arc<Plugins>) {
    let weak = Arc::downgrade(plugins);
    let thread = std::thread::Builder::new().name("fts-vigil".into()).spawn(move || {
        while let Some(plugins) = weak.upgrade().filter(|p| !p.ending.load(Relaxed)) {
            look(&plugins);
            drop(plugins);
            std::thread::sleep(LOOK);
        }
    });
    if let Err(error) = thread {
        tracing::error!(event = "plugin.warning", %error, "no thread to watch intercepts: one that blocks is not seen");
    }
}

fn look(plugins: &Plugins) {
    for (watched, age) in plugins.vigil.late(coarse()) {
        watched.shut.store(true, Relaxed);
        // A task from outside wakes a thread, and that one then waits for sockets and timers.
        plugins.runtime.spawn(async {});
        // A call that outlived its generation is nothing the next one did.
        if age >= HANG && watched.generation.alive() {
            let why = format!("{} has held its sender up for {} ms so far", watched.handler, age.as_millis());
            plugins.trip(&watched.generation.plugin, why);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A clock of a few milliseconds that costs next to nothing: enough to see that a call is long.
pub fn coarse() -> Duration {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    Duration::new(u64::try_from(at.tv_sec).unwrap_or(0), u32::try_from(at.tv_nsec).unwrap_or(0))
}
