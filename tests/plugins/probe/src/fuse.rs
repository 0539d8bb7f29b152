//! [`Fuses`]: which handlers panic the next time they are called.
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// See the file's head.
#[derive(Default)]
pub struct Fuses(Mutex<BTreeMap<String, u32>>);

impl Fuses {
    /// This handler panics the next so many times.
    pub fn set(&self, handler: &str, times: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(handler.to_owned(), times);
    }

    /// Called first thing in every handler.
    pub fn burn(&self, handler: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = all.get_mut(handler).filter(|left| **left > 0) else { return };
        *left -= 1;
        drop(all);
        blow(handler);
    }
}

/// The panic itself.
#[allow(clippy::panic)] // What it is for.
pub fn blow(handler: &str) -> ! {
    panic!("the fuse of {handler}");
}
