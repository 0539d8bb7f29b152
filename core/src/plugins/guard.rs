//! What this thread is doing for which plugin: hop count, depth of calls, intercept or transaction. Set around every
//! call into a plugin, so that what the plugin does meanwhile is attributed and limited without its help.
//!
//! A thread of a plugin's own is under no guard: hop 1, nothing forbidden but what its generation is.
use std::cell::Cell;

use super::charge::{self, Tag};

/// See the file's head.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doing {
    /// Hops of the event that is being handled.
    pub hop: u8,
    /// Plugins that wait for each other on this thread.
    pub depth: u8,
    /// An intercept: only memory works.
    pub intercept: bool,
    /// A transaction is open: only it works.
    pub transaction: bool,
    /// Snapshots that are open on this thread, those of plugins that wait for this one included.
    pub reads: u8,
}

thread_local! {
    static DOING: Cell<Doing> = const { Cell::new(Doing { hop: 0, depth: 0, intercept: false, transaction: false, reads: 0 }) };
}

/// What this thread is doing.
pub fn doing() -> Doing {
    DOING.get()
}

/// The hop count of the event that is handled from now on, within the same call.
pub fn set_hop(hop: u8) {
    DOING.set(Doing { hop, ..DOING.get() });
}

/// A transaction began or ended on this thread.
pub fn set_transaction(open: bool) {
    DOING.set(Doing { transaction: open, ..DOING.get() });
}

/// So many snapshots are open on this thread now.
pub fn set_reads(reads: u8) {
    DOING.set(Doing { reads, ..DOING.get() });
}

/// Restores what was before.
pub struct Entered {
    before: Doing,
    reads: u8,
    _charge: charge::Before,
}

/// From now on this thread is in a plugin.
pub fn enter(tag: &'static Tag, doing: Doing) -> Entered {
    Entered { reads: doing.reads, before: DOING.replace(doing), _charge: charge::enter(tag) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // A handler that came back with a transaction open holds the writer up.
        if DOING.get().transaction && !self.before.transaction {
            super::services::rollback_left();
        }
        // An open snapshot stops the write-ahead log from shrinking.
        if DOING.get().reads > self.reads {
            super::services::end_read_left();
        }
        DOING.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_before_comes_back() {
        static TAG: Tag = Tag::new("demo", "test");
        let outer = enter(&TAG, Doing { hop: 2, ..Doing::default() });
        {
            let _inner = enter(&TAG, Doing { intercept: true, ..doing() });
            assert!(doing().intercept && doing().hop == 2);
        }
        assert!(!doing().intercept);
        drop(outer);
        assert_eq!(doing().hop, 0);
    }
}
