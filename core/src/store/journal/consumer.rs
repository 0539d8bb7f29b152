//! [`Consumer`]: somebody who must have seen records before they may go, and what it is done with.
//!
//! Done is so in memory at once and on disk within 200 ms; a process that is killed in between gives the records
//! again. Whoever cannot bear that calls [`Consumer::done_durable`], or keeps the ids with what it makes of them.
use std::{ops::Bound::Excluded, ops::Bound::Unbounded, sync::Arc};

use super::{JournalError, Record, Shared};

/// Ids fetched under one lock.
const PAGE: usize = 256;

/// One consumer. Handles of the same name are the same consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Arc<str>,
    shared: Arc<Shared>,
}

impl Consumer {
    pub(super) fn new(name: Arc<str>, shared: Arc<Shared>) -> Self {
        Self { name, shared }
    }

    /// Its name, as records give it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// It is done with this record. Ids it does not wait for are nothing to it.
    pub fn done(&self, id: u64) {
        self.done_many(&[id]);
    }

    /// It is done with these records.
    pub fn done_many(&self, ids: &[u64]) {
        let mut state = self.shared.state.lock();
        state.done(&self.name, ids.iter().copied());
        let wanted = state.keeper_wanted;
        drop(state);
        if wanted {
            self.shared.to_keeper.notify_one();
        }
    }

    /// It is done with everything up to `id`: for a consumer that keeps its own mark.
    pub fn done_to(&self, id: u64) {
        let ids: Vec<u64> = {
            let state = self.shared.state.lock();
            state.cursors.get(&self.name).map(|c| c.pending.range(..=id).copied().collect()).unwrap_or_default()
        };
        self.done_many(&ids);
    }

    /// It is done with these records, and that survives `kill -9` and power cuts when this returns. Blocks for a sync.
    ///
    /// # Errors
    /// When the cursors cannot be written; in memory the records are done all the same.
    pub fn done_durable(&self, ids: &[u64]) -> Result<(), JournalError> {
        self.done_many(ids);
        self.shared.save(true).map_err(|source| JournalError::Cursors { dir: self.shared.dir.clone(), source })
    }

    /// Ids it is not done with, ascending; records that come meanwhile may be among them.
    pub fn pending(&self) -> impl Iterator<Item = u64> + use<> {
        let (name, shared) = (self.name.clone(), self.shared.clone());
        let mut page = Vec::new().into_iter();
        let mut after = 0;
        std::iter::from_fn(move || {
            if page.as_slice().is_empty() {
                let state = shared.state.lock();
                let pending = &state.cursors.get(&name)?.pending;
                page = pending.range((Excluded(after), Unbounded)).take(PAGE).copied().collect::<Vec<_>>().into_iter();
            }
            page.next().inspect(|id| after = *id)
        })
    }

    /// How many records it is not done with.
    pub fn waiting(&self) -> usize {
        self.shared.state.lock().cursors.get(&self.name).map_or(0, |c| c.pending.len())
    }

    /// Records that went unseen because the journal was full, since the start of the process.
    pub fn dropped(&self) -> u64 {
        self.shared.state.lock().cursors.get(&self.name).map_or(0, |c| c.dropped)
    }

    /// Reads a record; see [`super::Journal::read`]. Blocks for a read from disk.
    ///
    /// # Errors
    /// As there.
    pub fn read(&self, id: u64) -> Result<Record, JournalError> {
        self.shared.read(id)
    }
}
