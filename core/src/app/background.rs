//! Threads that step back: under full load whoever reads and writes sockets comes first (fanout.md 2). What they have to do
//! is queued and late at worst.
//!
//! A thread that others wait for gets the core when it wakes. Who never sleeps under load waits for a tick of the system's
//! clock instead, up to 4 ms; so threads that step back also give way by themselves after a fraction of that, and have
//! slices as short (`slice`). Those that come first have shorter ones still: the shorter slice is the one that wakes into
//! a busy core.
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use super::slice;

/// How much the recorder of the history steps back (niceness, 0–19): a position recorded late costs least.
pub const RECORDER: i32 = 10;
/// The same of the worker of a plugin: who was sent an event by name does not wait for it, who is in a mission does.
pub const WORKER: i32 = 5;

/// So long such a thread keeps a core others want.
const BREATH: Duration = Duration::from_micros(200);
/// The slice of threads that come first, the shortest there is.
const FIRST: Duration = Duration::from_micros(100);

thread_local! {
    /// When this thread gave way last; None = it is one of those that come first.
    static GAVE_WAY: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Between two pieces of work of a thread that stepped back: whoever waits for the core goes first now and then.
pub fn breathe() {
    GAVE_WAY.with(|gave| {
        if gave.get().is_some_and(|at| at.elapsed() >= BREATH) {
            std::thread::yield_now();
            gave.set(Some(Instant::now()));
        }
    });
}

/// This thread is one of those that come first: one of the runtime's.
pub fn come_first() {
    let _ = slice::set(FIRST);
}

/// A piece of work on a thread of the runtime that is lent for it: meanwhile the thread gives way as if it had stepped back.
pub fn gives_way<T>(work: impl FnOnce() -> T) -> T {
    /// Also when the work panics.
    struct Over;
    impl Drop for Over {
        fn drop(&mut self) {
            GAVE_WAY.set(None);
            come_first();
        }
    }
    GAVE_WAY.set(Some(Instant::now()));
    let _over = Over;
    let _ = slice::set(BREATH);
    work()
}

/// From now on this thread is preferred less. Without the right to it, or off Linux, nothing changes.
pub fn step_back(niceness: i32) {
    GAVE_WAY.set(Some(Instant::now()));
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), niceness);
    let _ = slice::set(BREATH);
}
