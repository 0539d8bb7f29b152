//! Time stands still until [`MockHost::tick`] moves it; timers that are due run on the way, each at its own moment.
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{MockHost, context::Context, state::Caller};
use crate::{
    abi::RResult,
    message::{self, CallerKind},
};

impl MockHost {
    /// ms UTC; begins at 2025-01-01T00:00:00Z.
    pub fn now(&self) -> i64 {
        self.shared.now()
    }

    /// Lets time pass. Timers run in the order they are due, with the clock at that moment, and after each the worker
    /// finishes what it caused.
    pub fn tick(&self, by: Duration) {
        self.settle();
        let until = self.now().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        while let Some((due, timer)) = self.next_due(until) {
            self.shared.now.fetch_max(due, Relaxed);
            self.run_timer(&timer);
            self.settle();
        }
        self.shared.now.store(until, Relaxed);
        self.sweep();
    }

    /// Moves the clock without running a timer, as when a machine was suspended.
    pub fn jump_to(&self, ms: i64) {
        self.shared.now.store(ms, Relaxed);
    }

    /// Takes the earliest timer and sets it to its next time.
    fn next_due(&self, until: i64) -> Option<(i64, Arc<Caller>)> {
        let now = self.now();
        let mut state = self.shared.lock();
        if state.tripped {
            return None;
        }
        let timers = &mut state.handlers.timers;
        let first = timers.iter_mut().filter(|t| t.due <= until).min_by_key(|t| t.due)?;
        let (due, caller) = (first.due, first.caller.clone());
        match first.every {
            // A tick that was missed is not made up for.
            Some(period) => first.due = due.max(now).saturating_add(period),
            None => timers.retain(|t| !Arc::ptr_eq(&t.caller, &caller)),
        }
        Some((due, caller))
    }

    fn run_timer(&self, caller: &Caller) {
        let called = self.shared.call(Context::default(), || caller.handler.call(message::pack(&()).as_slice().into()));
        if let RResult::RErr(failure) = called {
            let handler = match caller.kind {
                CallerKind::Every(ms) => format!("timer every {ms} ms"),
                _ => "timer".to_owned(),
            };
            self.shared.failed(&handler, &failure);
        }
    }
}
