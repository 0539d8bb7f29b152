//! [`Held`]: an event for a destination bound in Hold mode, in the plugin's hands until it is released.
use serde_bytes::ByteBuf;

use super::{Event, Host, Result, Route, Send};
use crate::{
    abi::ObservedRef,
    cot::{Cot, scan},
    message::{Also, Release, Target, op},
};

/// Makes the held events of a batch for as long as `f` runs.
pub(super) fn with_batch<T>(
    host: &Host,
    events: &ObservedRef<'_>,
    which: &[usize],
    f: impl FnOnce(Vec<Held<'_>>) -> T,
) -> T {
    let scanned: Vec<_> = which
        .iter()
        .filter_map(|index| {
            let text = events.event(*index).text.as_slice();
            // The host never gives what is no event.
            Some((*index, text, scan(text).ok()?))
        })
        .collect();
    let both: Vec<_> =
        scanned.iter().map(|(index, text, spans)| (Event::of(text, spans), Route::new(events, *index))).collect();
    f(both.iter().map(|(event, route)| Held { host, event, route, over: false }).collect())
}

/// Used once: [`Held::release`] lets the event go; dropped, it goes nowhere and is counted.
pub struct Held<'a> {
    pub(super) host: &'a Host,
    /// The event.
    pub event: &'a Event<'a>,
    /// Its way so far; `route.dests` are the bound destinations it passed.
    pub route: &'a Route<'a>,
    pub(super) over: bool,
}

impl Held<'_> {
    /// Its number in the journal: store it UNIQUE with what you store, then a repeat is known.
    pub fn journal_id(&self) -> u64 {
        self.route.journal_id()
    }

    /// True after a crash or a reload: it may have been handled before.
    pub fn replayed(&self) -> bool {
        self.route.replayed
    }

    /// Delivers first each notice to its own target, then the event, in one step per receiver.
    ///
    /// # Errors
    /// `InTransaction`, `Gone`; an unknown audience.
    pub fn release(mut self, before: &[(Cot, Send)], target: Target) -> Result<()> {
        let before = before
            .iter()
            .map(|(cot, how)| Also { text: ByteBuf::from(cot.text().to_vec()), how: how.clone().into_how() })
            .collect();
        let release = Release { id: self.journal_id(), before, target };
        self.host.ask::<()>(op::RELEASE, &release)?;
        self.over = true;
        Ok(())
    }

    /// It cannot be stored now: the database is busy, the disk full. It is given again after a pause (250 ms, growing to
    /// 10 s while nothing is released), `replayed`, and no later held event comes before it. Not for an event that can never
    /// be stored: it would hold all others up; [`Held::discard`] that one.
    ///
    /// # Errors
    /// `InTransaction` (say it behind the transaction), `Gone`, `Unsupported` (an older server: it is discarded).
    pub fn later(mut self) -> Result<()> {
        self.host.ask::<()>(op::LATER, &self.journal_id())?;
        self.over = true;
        Ok(())
    }

    /// Goes nowhere; the reason is counted.
    ///
    /// # Errors
    /// `Gone`.
    pub fn discard(mut self) -> Result<()> {
        self.over = true;
        self.host.ask(op::DISCARD, &self.journal_id())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // While a panic unwinds it is given again, or set aside.
        if !self.over && !std::thread::panicking() {
            let _ = self.host.ask::<()>(op::DISCARD, &self.journal_id());
        }
    }
}
