//! Threads that step back: under full load whoever reads and writes sockets comes first (fanout.md 2). What they have to do
//! is queued and late at worst.

/// How much the recorder of the history steps back (niceness, 0–19): a position recorded late costs least.
pub const RECORDER: i32 = 10;
/// The same of the worker of a plugin: who was sent an event by name does not wait for it, who is in a mission does.
pub const WORKER: i32 = 5;

/// From now on this thread is preferred less. Without the right to it, or off Linux, nothing changes.
pub fn step_back(niceness: i32) {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), niceness);
}
