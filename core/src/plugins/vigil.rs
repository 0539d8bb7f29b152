//! [`Vigil`]: sees intercept calls that do not come back. Such a call stands on the task of a sender and so keeps a thread
//! of the runtime; when that is the one that was about to read sockets and timers for all, everybody waits with it.
//!
//! Order: a call of a sender takes one of the places, of which there is one fewer than threads that serve: whoever would
//! be in the last thread waits until another is out, [`WAIT`] at most, and is then not asked. It notes itself in the slot
//! of its thread and clears it when it returns. A thread of the vigil's own looks ten times a second; where nobody is in a
//! call it dozes ([`Doze`]) until somebody is. A call that is older
//! than that: its place is free again (it keeps its thread, so there is one place fewer), another thread of the runtime is
//! woken, which takes over what the kept one had to do, and nobody else enters an intercept of that plugin. Older than
//! [`HANG`]: its plugin is tripped, whether the call ever returns or not. Where one thread serves everybody
//! ([`Plugins::has_one_thread`]) each call is made on a thread that serves no longer, which costs a change of threads. What
//! must not happen: all threads are in intercepts that block; or, where there are several, a call pays more than a count up,
//! a count down and a few plain stores.
use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
        },
    },
    thread::Thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::runtime::RuntimeFlavor;

use super::{Generation, Plugins};

/// One call over this trips its plugin.
pub const HANG: Duration = Duration::from_secs(1);
/// Between two looks; a call this long keeps others waiting.
const LOOK: Duration = Duration::from_millis(100);
/// Between two looks while nobody is in a call.
const DOZE: Duration = Duration::from_secs(1);
/// Who finds all places taken waits no longer: two looks, by then those who are in them are known to be late.
const WAIT: Duration = Duration::from_millis(250);
/// In a slot, beside the number: the call has a place.
const PLACED: u64 = 1 << 62;
/// The call is late: its place was taken back.
const LATE: u64 = 1 << 63;

/// What a thread is in. Written by that thread alone.
#[derive(Debug, Default)]
struct Slot {
    /// [`Watched::number`] with [`PLACED`] and [`LATE`]; 0 = none. Only the vigil sets the last one.
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
    places: Arc<Places>,
    doze: Arc<Doze>,
}

/// The vigil's thread while there is nothing to see. A call that begins at the moment it dozes off may not be seen until
/// the doze is over by itself: that is what it costs that calls pay no fence.
#[derive(Debug, Default)]
struct Doze {
    dozes: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Doze {
    fn doze(&self, most: Duration) {
        self.dozes.store(true, SeqCst);
        if !anybody() {
            std::thread::park_timeout(most);
        }
        self.dozes.store(false, Relaxed);
    }

    fn rouse(&self) {
        if self.dozes.load(Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if self.dozes.swap(false, Relaxed)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

/// Is any thread in a call?
fn anybody() -> bool {
    SLOTS.lock().iter().any(|slot| slot.handler.load(SeqCst) != 0)
}

/// Senders in intercepts, those that are late left out, and how many that may be.
#[derive(Debug)]
struct Places {
    taken: AtomicUsize,
    most: AtomicUsize,
}

impl Default for Places {
    fn default() -> Self {
        Self { taken: AtomicUsize::new(0), most: AtomicUsize::new(usize::MAX) }
    }
}

impl Places {
    fn take(&self, shut: impl Fn() -> bool) -> bool {
        if self.taken.fetch_add(1, AcqRel) < self.most.load(Relaxed) {
            return true;
        }
        self.taken.fetch_sub(1, AcqRel);
        self.wait(shut)
    }

    /// All are taken, nearly always for a few microseconds.
    #[cold]
    fn wait(&self, shut: impl Fn() -> bool) -> bool {
        let until = Instant::now() + WAIT;
        let more = |taken: usize| (taken < self.most.load(Relaxed)).then_some(taken + 1);
        let mut looks = 0_u32;
        loop {
            if shut() || Instant::now() > until {
                return false;
            }
            if self.taken.fetch_update(AcqRel, Relaxed, more).is_ok() {
                // A place that was taken back from who is late is for others: see `look`.
                if shut() {
                    self.give();
                    return false;
                }
                return true;
            }
            looks += 1;
            if looks < 64 { std::thread::yield_now() } else { std::thread::sleep(Duration::from_micros(100)) }
        }
    }

    fn give(&self) {
        self.taken.fetch_sub(1, AcqRel);
    }
}

/// An intercept under the vigil.
pub struct Watched {
    number: u64,
    generation: Arc<Generation>,
    handler: &'static str,
    shut: AtomicBool,
    places: Arc<Places>,
    doze: Arc<Doze>,
}

/// A call under way; over when it is dropped.
pub struct Call<'a>(&'a Watched, bool);

impl Watched {
    /// A call into this plugin keeps its sender: nobody else should enter.
    pub fn is_shut(&self) -> bool {
        self.shut.load(Relaxed)
    }

    /// A call begins on this thread. `places`: the thread is one that serves, so a place is needed; None = there is
    /// none, or nobody should enter any more.
    pub fn enter(&self, places: bool) -> Option<Call<'_>> {
        if places && !self.places.take(|| self.is_shut()) {
            return None;
        }
        // A thread that is ending has no slot any more, and is not seen; its place is given back all the same.
        let _ = SLOT.try_with(|slot| {
            slot.since.store(millis(coarse()), Relaxed);
            slot.handler.store(self.number | if places { PLACED } else { 0 }, Release);
        });
        self.doze.rouse();
        Some(Call(self, places))
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let late = SLOT.try_with(|slot| slot.handler.swap(0, AcqRel) & LATE != 0).unwrap_or(false);
        if self.1 && !late {
            self.0.places.give();
        }
        // It is back. Where another one still stands in it the next look shuts it again.
        if self.0.is_shut() {
            self.0.shut.store(false, Relaxed);
        }
    }
}

impl Vigil {
    /// Takes an intercept under the vigil, which begins with the first.
    pub fn watch(&self, plugins: &Arc<Plugins>, generation: &Arc<Generation>, handler: &'static str) -> Arc<Watched> {
        let number = NUMBERS.fetch_add(1, Relaxed);
        let (generation, places, doze) = (generation.clone(), self.places.clone(), self.doze.clone());
        let watched = Arc::new(Watched { number, generation, handler, shut: AtomicBool::new(false), places, doze });
        let mut all = self.watched.lock();
        all.retain(|w| w.strong_count() > 0);
        all.push(Arc::downgrade(&watched));
        if !self.began.swap(true, Relaxed) {
            begin(plugins);
        }
        watched
    }

    /// Calls that are older than a look, and for how long; how many of them keep a thread that serves; and of how many the
    /// place is to be given back, once nobody else gets into the same with it.
    fn late(&self, now: Duration) -> (Vec<(Arc<Watched>, Duration)>, usize, usize) {
        let mut slots = SLOTS.lock();
        // Its thread has ended.
        slots.retain(|slot| Arc::strong_count(slot) > 1);
        let watched: Vec<_> = self.watched.lock().iter().filter_map(Weak::upgrade).collect();
        let (mut late, mut kept, mut marked) = (Vec::new(), 0, 0);
        for slot in slots.iter() {
            let handler = slot.handler.load(Acquire);
            let age = millis(now).saturating_sub(slot.since.load(Relaxed));
            let found = watched.iter().find(|w| w.number == handler & !(PLACED | LATE));
            let Some(found) = found.filter(|_| age >= millis(LOOK)) else { continue };
            // It may come back at this moment: then it is not late.
            if handler & (PLACED | LATE) == PLACED {
                if slot.handler.compare_exchange(handler, handler | LATE, AcqRel, Relaxed).is_err() {
                    continue;
                }
                marked += 1;
            }
            kept += usize::from(handler & PLACED != 0);
            late.push((found.clone(), Duration::from_millis(age)));
        }
        (late, kept, marked)
    }

    /// Nobody enters the plugins of these, everybody enters the others.
    fn shut(&self, late: &[(Arc<Watched>, Duration)]) {
        for watched in self.watched.lock().iter().filter_map(Weak::upgrade) {
            let shut = late.iter().any(|(l, _)| Arc::ptr_eq(&l.generation, &watched.generation));
            if shut != watched.is_shut() {
                watched.shut.store(shut, Relaxed);
            }
        }
    }
}

impl Plugins {
    /// Does the runtime serve everybody with one thread, so that it stands still when that one blocks?
    pub(super) fn has_one_thread(&self) -> bool {
        self.runtime.runtime_flavor() == RuntimeFlavor::MultiThread && self.runtime.metrics().num_workers() == 1
    }
}

fn begin(plugins: &Arc<Plugins>) {
    let weak = Arc::downgrade(plugins);
    let doze = plugins.vigil.doze.clone();
    let thread = std::thread::Builder::new().name("fts-vigil".into()).spawn(move || {
        let _ = doze.thread.set(std::thread::current());
        while let Some(plugins) = weak.upgrade().filter(|p| !p.ending.load(Relaxed)) {
            look(&plugins);
            drop(plugins);
            doze.doze(DOZE);
            std::thread::sleep(LOOK);
        }
    });
    if let Err(error) = thread {
        tracing::error!(event = "plugin.warning", %error, "no thread to watch intercepts: one that blocks is not seen");
    }
}

fn look(plugins: &Plugins) {
    let (late, kept, marked) = plugins.vigil.late(coarse());
    // One thread is left for everybody else; where there is only one, it must do.
    let most = plugins.runtime.metrics().num_workers().saturating_sub(1 + kept).max(1);
    plugins.vigil.places.most.store(most, Relaxed);
    plugins.vigil.shut(&late);
    (0..marked).for_each(|_| plugins.vigil.places.give());
    for (watched, age) in late {
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

#[cfg(test)]
#[path = "vigil_tests.rs"]
mod tests;
