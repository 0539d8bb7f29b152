//! Events and tracks that are stored, and what newcomers are shown.
use serde_bytes::ByteBuf;

use super::{Host, Result};
use crate::{
    cot::Cot,
    message::{EventQuery, Latest, Replay, StoredEvent, TrackPoint, TrackQuery, op},
};

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
