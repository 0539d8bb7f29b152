//! What this thread is doing for a plugin: inside an intercept or not, and how many plugins made one event from another
//! to get here. The real host's guard knows the same (plugins.md 1.2).
use std::cell::Cell;

#[derive(Clone, Copy, Default)]
pub(super) struct Context {
    /// Only memory works.
    pub intercept: bool,
    /// Of the event being handled.
    pub hop: u8,
    /// What is sent now counts as made from that event.
    pub handling: bool,
}

thread_local! {
    static CURRENT: Cell<Context> = const { Cell::new(Context { intercept: false, hop: 0, handling: false }) };
}

pub(super) fn current() -> Context {
    CURRENT.get()
}

/// Inside an observer: the next event.
pub(super) fn set(context: Context) {
    CURRENT.set(context);
}

/// Runs `f` in this context; the one before comes back, also when `f` unwinds.
pub(super) fn within<T>(context: Context, f: impl FnOnce() -> T) -> T {
    struct Back(Context);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _back = Back(CURRENT.replace(context));
    f()
}
