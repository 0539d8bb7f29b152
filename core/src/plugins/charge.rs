//! Which plugin this thread is in, for the case that the process does not survive it. The guard says so around every
//! call ([`enter`]); [`crate::app`]'s signal handler asks on the thread that failed ([`current`]).
//!
//! Nothing here locks, allocates or registers a destructor once a [`Tag`] is made: it is read from within a signal.
use std::{
    cell::Cell,
    collections::BTreeSet,
    marker::PhantomData,
    sync::atomic::{Ordering::SeqCst, compiler_fence},
};

use parking_lot::Mutex;

/// A plugin and one of its handlers.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// Name of the plugin.
    pub plugin: &'static str,
    /// `observe b-t-f*`.
    pub handler: &'static str,
}

/// Tags made at run time. A plugin has few handlers, and its next generation has the same.
static MADE: Mutex<BTreeSet<&'static Tag>> = Mutex::new(BTreeSet::new());

thread_local! {
    // Const and without a destructor: reading it is one instruction, at any moment of a thread's life.
    static CHARGE: Cell<Option<&'static Tag>> = const { Cell::new(None) };
}

impl Tag {
    /// For a static.
    pub const fn new(plugin: &'static str, handler: &'static str) -> Self {
        Self { plugin, handler }
    }

    /// The tag of these two, made once and kept for ever. Control characters, which would break the line of a crash,
    /// become spaces.
    pub fn of(plugin: &str, handler: &str) -> &'static Self {
        let plain = |text: &str| text.replace(|c: char| c.is_control(), " ");
        let (plugin, handler) = (plain(plugin).replace(' ', "-"), plain(handler));
        let mut made = MADE.lock();
        if let Some(tag) = made.iter().find(|t| t.plugin == plugin && t.handler == handler) {
            return tag;
        }
        let tag: &'static Tag = Box::leak(Box::new(Tag::new(plugin.leak(), handler.leak())));
        made.insert(tag);
        tag
    }
}

/// Who was in charge before; is again when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Before {
    before: Option<&'static Tag>,
    /// It belongs to the thread it was made on.
    _here: PhantomData<*const ()>,
}

/// From now on `tag` is in charge of this thread.
pub fn enter(tag: &'static Tag) -> Before {
    let before = CHARGE.replace(Some(tag));
    // The call that follows may not come before it: a signal would find the wrong one.
    compiler_fence(SeqCst);
    Before { before, _here: PhantomData }
}

impl Drop for Before {
    fn drop(&mut self) {
        compiler_fence(SeqCst);
        CHARGE.set(self.before);
    }
}

/// Who is in charge of this thread. Async-signal-safe.
pub fn current() -> Option<&'static Tag> {
    CHARGE.try_with(Cell::get).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_nest_and_threads_are_apart() {
        static KML: Tag = Tag::new("kml", "route GET /x");
        assert_eq!(current(), None);
        let outer = enter(Tag::of("mission", "observe b-t-f*"));
        {
            let _inner = enter(&KML);
            assert_eq!(current(), Some(&KML));
            assert_eq!(std::thread::spawn(|| current().is_none()).join().ok(), Some(true));
        }
        assert_eq!(current().map(|t| t.handler), Some("observe b-t-f*"));
        drop(outer);
        assert_eq!(current(), None);
    }

    #[test]
    fn a_panic_restores_it_too() {
        let caught = std::panic::catch_unwind(|| {
            let _in = enter(Tag::of("mission", "timer"));
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(caught.is_err() && current().is_none());
    }

    #[test]
    fn a_tag_is_made_once_and_stays_on_its_line() {
        let tag = Tag::of("kml", "route\nGET");
        assert_eq!((tag.plugin, tag.handler), ("kml", "route GET"));
        assert!(std::ptr::eq(tag, Tag::of("kml", "route GET")));
    }
}
