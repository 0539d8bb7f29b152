//! [`guard`]: catches a panic and knows where it happened.
//!
//! The hook notes message and place of panics under a guard and stays silent about them: the host logs them with the
//! plugin's name. Panics of other threads go to the hook that was there before. A plugin file has its own std and so
//! its own hook; linked in, host and plugins share one, which is the same.
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use crate::message::Panic;

thread_local! {
    static GUARDED: Cell<u32> = const { Cell::new(0) };
    static LAST: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// Installs the hook, once.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if GUARDED.try_with(Cell::get).unwrap_or(0) == 0 {
                return before(info);
            }
            let place = info.location().map(|l| format!("{}:{}:{}", l.file(), l.line(), l.column()));
            let said = (said(info.payload()), place.unwrap_or_default());
            let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = Some(said)));
        }));
    });
}

fn said(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|t| (*t).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no message)".into())
}

/// Runs `f`; a panic in it becomes an error with `handler` as its name.
///
/// # Errors
/// The caught panic.
pub fn guard<T>(handler: &dyn std::fmt::Display, f: impl FnOnce() -> T) -> Result<T, Panic> {
    quietly(f).map_err(|payload| {
        let (message, place) = last().unwrap_or_else(|| (said(&*payload), String::new()));
        // A payload whose destructor panics would end the process; so would what that one threw, which is left alone.
        if let Err(again) = quietly(|| drop(payload)) {
            std::mem::forget(again);
            last();
            tracing::error!("the message of a panic panicked itself");
        }
        Panic { handler: handler.to_string(), message, place }
    })
}

/// Runs `f` with the hook silent: one that writes a backtrace would take the router's thread seconds.
fn quietly<T>(f: impl FnOnce() -> T) -> std::thread::Result<T> {
    GUARDED.set(GUARDED.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(f));
    GUARDED.set(GUARDED.get() - 1);
    result
}

/// Message and place of the last panic of this thread, once.
fn last() -> Option<(String, String)> {
    LAST.with(|last| last.try_borrow_mut().ok().and_then(|mut l| l.take()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[test]
    fn a_panic_comes_back_with_its_place() {
        install();
        let panic = guard(&"observer b-t-f*", || panic!("no {}", 7)).map(|()| 0).unwrap_err();
        assert_eq!((panic.handler.as_str(), panic.message.as_str()), ("observer b-t-f*", "no 7"));
        assert!(panic.place.contains("hook.rs:"), "{}", panic.place);
        assert_eq!(guard(&"x", || 3).unwrap(), 3);
    }

    #[test]
    fn a_payload_that_panics_when_dropped_ends_nothing() {
        static LOUD: AtomicU32 = AtomicU32::new(0);
        struct Bomb(u8);
        impl Drop for Bomb {
            fn drop(&mut self) {
                if self.0 > 0 {
                    LOUD.fetch_add(u32::from(GUARDED.get() == 0), Relaxed);
                    std::panic::panic_any(Bomb(self.0 - 1));
                }
            }
        }
        install();
        for depth in [0, 1, 2] {
            assert!(guard(&"x", || std::panic::panic_any(Bomb(depth))).map(|()| 0).is_err());
            assert_eq!(last(), None, "the next panic is not told with this one's place");
        }
        assert_eq!(LOUD.load(Relaxed), 0, "the hook that writes backtraces is not asked");
    }
}
