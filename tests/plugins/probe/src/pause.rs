//! [`Pause`]: a step before which the held handler stops, so that a test can kill the server, reload it or take members
//! away right there.
use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

#[derive(Default)]
struct Inner {
    /// The step: `commit`, `release`, `""` = none.
    before: String,
    /// Somebody stands there.
    waiting: bool,
    /// It goes on by itself after this; None = never.
    at_most: Option<Duration>,
    /// Not even when the plugin is stopped.
    stubborn: bool,
}

/// See the file's head.
#[derive(Default)]
pub struct Pause {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Pause {
    /// From the start on.
    pub fn before(step: &str) -> Self {
        let pause = Self::default();
        pause.set(step, None, false);
        pause
    }

    /// Whoever comes before this step stops.
    pub fn set(&self, step: &str, at_most: Option<Duration>, stubborn: bool) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        step.clone_into(&mut inner.before);
        (inner.at_most, inner.stubborn) = (at_most, stubborn);
    }

    /// Nobody stops any more.
    pub fn go_on(&self) {
        self.set("", None, false);
        self.changed.notify_all();
    }

    /// The plugin ends: whoever stands there goes on, but for the stubborn.
    pub fn stop(&self) {
        if !self.inner.lock().unwrap_or_else(PoisonError::into_inner).stubborn {
            self.go_on();
        }
    }

    /// Does somebody stand there?
    pub fn waiting(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).waiting
    }

    /// Comes before a step.
    pub fn at(&self, step: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.before != step {
            return;
        }
        inner.waiting = true;
        let here = |inner: &mut Inner| inner.before == step;
        inner = match inner.at_most {
            None => self.changed.wait_while(inner, here).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                self.changed.wait_timeout_while(inner, limit, here).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        inner.waiting = false;
    }
}
