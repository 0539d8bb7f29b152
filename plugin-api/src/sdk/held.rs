//! [`Held`]: an event for a destination bound in Hold mode, in the plugin's hands until it is released.
use serde_bytes::ByteBuf;

use super::{Code, Event, Host, Result, Route, Send};
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
    /// A position of something that moves (`a-*` that identifies its sender or has `how` `m-*`, without `<archive/>`) is one
    /// state with its notices, when it has no more notices than destinations and all targets are audiences or connections:
    /// for a client that reads slowly the newest of its uid and destinations replaces the older one, notices and event
    /// together, and both may go. Everything else is never dropped (mission.md 7.3).
    ///
    /// # Errors
    /// `InTransaction`, `Gone`; an unknown audience.
    pub fn release(mut self, before: &[(Cot, Send)], target: Target) -> Result<()> {
        self.host.ask::<()>(op::RELEASE, &self.order(before, target))?;
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

    fn order(&self, before: &[(Cot, Send)], target: Target) -> Release {
        let also =
            |(cot, how): &(Cot, Send)| Also { text: ByteBuf::from(cot.text().to_vec()), how: how.clone().into_how() };
        Release { id: self.journal_id(), before: before.iter().map(also).collect(), target }
    }

    /// As [`Held::release`] for each, in order, but all leave in one step: what came in one batch should leave so, else
    /// each event is a write to each of its receivers. Those that cannot be released go nowhere; why, by journal number.
    ///
    /// # Errors
    /// `InTransaction`, `Gone`.
    pub fn release_all(host: &Host, mut all: Vec<Going<'_>>) -> Result<Vec<(u64, String)>> {
        let orders: Vec<_> = all.iter().map(|going| going.held.order(&going.before, going.target.clone())).collect();
        let refused: Vec<(u64, String)> = match host.ask(op::RELEASE_ALL, &orders) {
            // A server that does not know it releases them one after another.
            Err(error) if error.code() == Code::Unsupported => {
                let one = |order: &Release| Some((order.id, host.ask::<()>(op::RELEASE, order).err()?.to_string()));
                orders.iter().filter_map(one).collect()
            }
            done => done?,
        };
        for going in &mut all {
            let id = going.held.journal_id();
            going.held.over = !refused.iter().any(|(refused, _)| *refused == id);
        }
        Ok(refused)
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

/// A held event on its way out; see [`Held::release_all`].
pub struct Going<'a> {
    /// The event.
    pub held: Held<'a>,
    /// Notices, each with its own target.
    pub before: Vec<(Cot, Send)>,
    /// Whom the event is for.
    pub target: Target,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // While a panic unwinds it is given again, or set aside.
        if !self.over && !std::thread::panicking() {
            let _ = self.host.ask::<()>(op::DISCARD, &self.journal_id());
        }
    }
}
