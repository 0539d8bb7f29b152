//! Events and tracks that are stored, and what newcomers are shown.
use std::time::Duration;

use serde_bytes::ByteBuf;

use super::{Host, Result, host::Tell};
use crate::{
    cot::Cot,
    message::{Await, EventQuery, Latest, Replay, StoredEvent, TrackPoint, TrackQuery, op},
};

/// What became of waiting for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is stored, and [`History::latest`] finds it.
    Stored,
    /// The limit is over.
    Late,
}

/// Made by [`Host::history`].
#[derive(Clone, Copy)]
pub struct History<'a>(pub(super) &'a Host);

impl History<'_> {
    /// The newest event of a uid.
    ///
    /// # Errors
    /// `InIntercept`, `Gone`.
    pub fn latest(&self, uid: &str) -> Result<Option<Latest>> {
        Ok(self.latest_of([uid])?.into_iter().next())
    }

    /// The newest events of these uids, those that there are.
    ///
    /// # Errors
    /// `InIntercept`, `Gone`.
    pub fn latest_of<S: Into<String>>(&self, uids: impl IntoIterator<Item = S>) -> Result<Vec<Latest>> {
        let uids: Vec<String> = uids.into_iter().map(Into::into).collect();
        self.0.ask(op::LATEST, &uids)
    }

    /// Stored events, newest first.
    ///
    /// # Errors
    /// `InIntercept`, `Gone`; the database's.
    pub fn query(&self, query: &EventQuery) -> Result<Vec<StoredEvent>> {
        self.0.ask(op::HISTORY_QUERY, query)
    }

    /// Where somebody was, by time.
    ///
    /// # Errors
    /// `InIntercept`, `Gone`; the database's.
    pub fn tracks(&self, query: &TrackQuery) -> Result<Vec<TrackPoint>> {
        self.0.ask(op::HISTORY_TRACKS, query)
    }

    /// Calls `f` once, on the plugin's worker: when the next event of this uid is stored, or when the limit (at most a
    /// minute) is over. Ask first and look with [`History::latest`] then, or what is stored in between is missed. A request
    /// that waits for it waits on a channel, with a limit of its own.
    ///
    /// # Errors
    /// `Busy` when too much is waited for, `Unavailable` where no events are stored, `InIntercept`, `InTransaction`, `Gone`;
    /// `f` is not called then.
    pub fn notify(&self, uid: &str, limit: Duration, f: impl FnOnce(Arrival) + Send + 'static) -> Result<()> {
        let tell: Tell = Box::new(move |stored| f(if stored { Arrival::Stored } else { Arrival::Late }));
        let number = self.0.awaited().put(tell);
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let asked = self.0.ask(op::HISTORY_NOTIFY, &Await { number, uid: uid.to_owned(), limit });
        if asked.is_err() {
            self.0.awaited().take(number);
        }
        asked
    }

    /// Adds points to tracks without routing anything: an uploaded track. A time that is there already for its uid stays
    /// as it is. How many are new.
    ///
    /// # Errors
    /// `InIntercept`, `Gone`, `Invalid` (a place or time that is none); the database's.
    pub fn append(&self, points: &[TrackPoint]) -> Result<usize> {
        self.0.ask(op::HISTORY_APPEND, &points)
    }

    /// From now on newcomers (of these groups) are shown this event, until it is removed.
    ///
    /// # Errors
    /// `Gone`.
    pub fn show(&self, uid: &str, event: &Cot, groups: Option<Vec<String>>) -> Result<()> {
        let text = ByteBuf::from(event.text().to_vec());
        self.0.ask(op::REPLAY_SET, &Replay { uid: uid.to_owned(), text, groups })
    }

    /// They are not shown it any more.
    ///
    /// # Errors
    /// `Gone`.
    pub fn hide(&self, uid: &str) -> Result<()> {
        self.0.ask(op::REPLAY_REMOVE, &uid)
    }
}
