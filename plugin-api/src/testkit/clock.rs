//! Time stands still until [`MockHost::tick`] moves it; timers that are due run on the way, each at its own moment.
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    MockHost,
    context::Context,
    state::{Caller, State},
    worker::Job,
};
use crate::{
    abi::RResult,
    message::{self, Arrived, CallerKind},
};

/// Something whose time has come.
enum Due {
    Timer(i64, Arc<Caller>),
    /// It is in the worker's queue.
    Worker(i64),
}

impl State {
    /// When the next thing beside timers is due.
    fn waits_until(&self) -> Option<i64> {
        let put_off = (!self.put_off.is_empty()).then_some(self.put_off_until);
        self.awaited.iter().map(|(_, _, until)| *until).chain(put_off).min()
    }

    /// Whatever is due now goes to the worker.
    fn give_due(&mut self, now: i64) {
        if !self.put_off.is_empty() && self.put_off_until <= now {
            self.give_put_off();
        }
        let late: Vec<_> = self.awaited.extract_if(.., |(_, _, until)| *until <= now).collect();
        let jobs = late.into_iter().map(|(number, ..)| Job::Arrived(Arrived { number, stored: false }));
        self.queue.extend(jobs);
    }
}

impl MockHost {
    /// ms UTC; begins at 2025-01-01T00:00:00Z.
    pub fn now(&self) -> i64 {
        self.shared.now()
    }

    /// Lets time pass. Timers run in the order they are due, with the clock at that moment, and after each the worker
    /// finishes what it caused. Held events that were put off come again, and what was waited for in vain is told.
    pub fn tick(&self, by: Duration) {
        self.settle();
        let until = self.now().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        while let Some(due) = self.next_due(until) {
            match due {
                Due::Timer(at, timer) => {
                    self.shared.now.fetch_max(at, Relaxed);
                    self.run_timer(&timer);
                }
                Due::Worker(at) => {
                    self.shared.now.fetch_max(at, Relaxed);
                }
            }
            self.settle();
        }
        self.shared.now.store(until, Relaxed);
        self.sweep();
    }

    /// Moves the clock without running a timer, as when a machine was suspended.
    pub fn jump_to(&self, ms: i64) {
        self.shared.now.store(ms, Relaxed);
    }

    /// Takes the earliest: a timer, which is set to its next time, or something that waits for the worker.
    fn next_due(&self, until: i64) -> Option<Due> {
        let now = self.now();
        let mut state = self.shared.lock();
        if state.tripped {
            return None;
        }
        let timer = state.handlers.timers.iter().map(|t| t.due).min().unwrap_or(i64::MAX);
        if let Some(at) = state.waits_until().filter(|at| *at <= until.min(timer)) {
            state.give_due(at);
            return Some(Due::Worker(at));
        }
        let timers = &mut state.handlers.timers;
        let first = timers.iter_mut().filter(|t| t.due <= until).min_by_key(|t| t.due)?;
        let (due, caller) = (first.due, first.caller.clone());
        match first.every {
            // A tick that was missed is not made up for.
            Some(period) => first.due = due.max(now).saturating_add(period),
            None => timers.retain(|t| !Arc::ptr_eq(&t.caller, &caller)),
        }
        Some(Due::Timer(due, caller))
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
