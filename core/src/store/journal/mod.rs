//! The journal: reliable events, on disk before they are delivered, until whoever must have them says so (fanout.md 2.7).
//!
//! The life of a record: [`Journal::append`] gives its id and makes it wait for its consumers; the writer thread
//! writes everything gathered with one call and answers the tickets; [`Consumer::done`] ends the waiting; the keeper
//! thread makes that durable, syncs, and removes segments nobody waits for. After a restart what is not done waits
//! again: at least once, in order of ids.
//!
//! Nothing here blocks a caller but the functions that say so, and no trouble of the disk is an error of an append:
//! it is told to those who wait for the ticket, counted, and shown by [`Journal::health`].
//!
//! Locks: `saving` (the file of the cursors), then `state`; neither is held during a write of records.
mod consumer;
mod cursor;
mod keeper;
mod meters;
mod open;
pub mod record;
mod segment;
mod state;
mod ticket;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use parking_lot::{Condvar, Mutex};

pub use self::{
    consumer::Consumer,
    record::{Dest, Kind, Origin, Record},
    ticket::{Outcome, Ticket},
};
use self::{
    segment::Medium,
    state::{Group, Phase, Place, State, weight},
};

const MIB: u64 = 1 << 20;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A segment; at most half of `total`, so that dropping the oldest one makes room.
    pub segment: u64,
    /// All segments together; beyond it the oldest is dropped, whoever waits for it.
    pub total: u64,
    /// Records in memory that wait for a slow disk; beyond it appends fail at once. Records whose writing failed stay
    /// readable up to half of it.
    pub queue: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { segment: 16 * MIB, total: 256 * MIB, queue: 32 * MIB }
    }
}

/// What can go wrong at a start and when a record is read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory cannot be used.
    #[error("journal {}: {source}; the server's user must be able to write there", .dir.display())]
    Directory {
        /// The journal's directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A thread did not start.
    #[error("journal: no thread: {0}")]
    Thread(io::Error),
    /// The record is done, was dropped, or was never written.
    #[error("journal record {0} is not kept any more")]
    Gone(u64),
    /// The record cannot be read.
    #[error("journal record {id}: {source}")]
    Read {
        /// Its id.
        id: u64,
        /// What the system or the checksum said.
        source: io::Error,
    },
    /// The cursors were not written; they are tried again by the keeper.
    #[error("journal {}: the cursors were not written: {source}", .dir.display())]
    Cursors {
        /// The journal's directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// How the journal is, for `/readyz` and the admin API.
#[derive(Clone, Debug)]
pub struct Health {
    /// Why the last write failed; `None` while all is well.
    pub failing: Option<Arc<str>>,
    /// Bytes of records in segments.
    pub bytes: u64,
    /// Every consumer, by name.
    pub consumers: Vec<Lag>,
}

/// How far a consumer is behind.
#[derive(Clone, Debug)]
pub struct Lag {
    /// Its name.
    pub consumer: Arc<str>,
    /// Records it is not done with.
    pub pending: usize,
    /// When the oldest of them was received, ms UTC.
    pub oldest_ms: Option<i64>,
    /// Records that went unseen since the start of the process.
    pub dropped: u64,
}

/// What a start found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Records somebody waits for.
    pub records: usize,
    /// One text per damaged file.
    pub damage: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    limits: Limits,
    medium: Box<dyn Medium>,
    state: Mutex<State>,
    saving: Mutex<()>,
    to_writer: Condvar,
    to_keeper: Condvar,
}

/// The journal of one directory. Dropping it closes it.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    found: Found,
    threads: Mutex<Option<(JoinHandle<()>, JoinHandle<()>)>>,
}

impl Journal {
    /// Opens the journal in `dir`, makes the directory when it is missing, and reads what is there. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be read or written, or a thread does not start. Damaged records are not an error: see
    /// [`Journal::found`].
    pub fn open(dir: &Path, limits: Limits) -> Result<Arc<Self>, JournalError> {
        Self::open_on(dir, limits, Box::new(segment::Disk))
    }

    /// What the start found.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Hands records to the writer and gives them ids, in order, without blocking. Records without consumers get an id
    /// and are not kept.
    pub fn append(&self, records: Vec<Record>) -> Ticket {
        let mut state = self.shared.state.lock();
        let (answer, ticket) = Ticket::new(state.next, records.len() as u64);
        let more: usize = records.iter().map(weight).sum();
        let refusal = if state.phase != Phase::Open {
            Some("the journal is closed")
        } else if state.queued > 0 && (state.queued + more) as u64 > self.shared.limits.queue {
            Some("the disk does not keep up")
        } else {
            None
        };
        if let Some(refusal) = refusal {
            // The ids are spent all the same: the caller may have told them to somebody.
            state.next += records.len() as u64;
            drop(state);
            metrics::counter!(meters::ERRORS).increment(records.len() as u64);
            answer.give(Err(refusal.into()));
            return ticket;
        }
        let admitted = state.admit(records);
        if admitted.is_empty() {
            drop(state);
            answer.give(Ok(()));
            return ticket;
        }
        state.queue.push(Group { records: admitted, answer });
        let idle = std::mem::take(&mut state.writer_idle);
        drop(state);
        if idle {
            self.shared.to_writer.notify_one();
        }
        ticket
    }

    /// Reads a record that somebody waits for. Blocks for a read from disk.
    ///
    /// # Errors
    /// [`JournalError::Gone`] when nobody waits for it any more, [`JournalError::Read`] when it cannot be read.
    pub fn read(&self, id: u64) -> Result<Record, JournalError> {
        self.shared.read(id)
    }

    /// The consumer of that name, made when there is none.
    pub fn consumer(&self, name: &str) -> Consumer {
        let name = Arc::from(name);
        self.shared.state.lock().cursor(&name);
        Consumer::new(name, self.shared.clone())
    }

    /// Removes a consumer whose plugin is gone for good: nothing waits for it any more.
    pub fn forget(&self, name: &str) {
        self.shared.state.lock().forget(name);
        self.shared.to_keeper.notify_one();
    }

    /// Gives only ids above `id` from now on. For whoever keeps ids elsewhere, should the directory have been lost.
    pub fn ids_above(&self, id: u64) {
        let mut state = self.shared.state.lock();
        state.next = state.next.max(id.saturating_add(1));
    }

    /// Records `consumer` lost because the journal was full, since the start of the process.
    pub fn dropped(&self, consumer: &str) -> u64 {
        self.shared.state.lock().cursors.get(consumer).map_or(0, |c| c.dropped)
    }

    /// How it is.
    pub fn health(&self) -> Health {
        let state = self.shared.state.lock();
        let mut consumers: Vec<Lag> = state
            .cursors
            .iter()
            .filter(|(_, c)| !c.forgotten)
            .map(|(name, c)| Lag {
                consumer: name.clone(),
                pending: c.pending.len(),
                oldest_ms: c.pending.first().and_then(|id| state.records.get(id)).map(|e| e.received_ms),
                dropped: c.dropped,
            })
            .collect();
        consumers.sort_by(|a, b| a.consumer.cmp(&b.consumer));
        Health { failing: state.failing.clone(), bytes: state.used(), consumers }
    }

    /// Writes what is queued, syncs, saves the cursors, and ends both threads. Later appends fail. Blocks.
    pub fn close(&self) {
        let Some((writer, keeper)) = self.threads.lock().take() else { return };
        self.shared.state.lock().phase = Phase::Draining;
        self.shared.to_writer.notify_all();
        // A thread that panicked has said so; the other one is still to be ended.
        let _ = writer.join();
        self.shared.state.lock().phase = Phase::Closed;
        self.shared.to_keeper.notify_all();
        let _ = keeper.join();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn read(&self, id: u64) -> Result<Record, JournalError> {
        let state = self.state.lock();
        let place = state.records.get(&id).map(|e| e.place.clone()).ok_or(JournalError::Gone(id))?;
        let (segment, offset, len) = match place {
            Place::Queued(record) | Place::Kept(record) => return Ok((*record).clone()),
            Place::Disk { segment, offset, len } => (segment, offset, len),
        };
        // The open file stays readable when the segment is removed meanwhile.
        let file = state.segments.get(&segment).map(|s| s.file.clone()).ok_or(JournalError::Gone(id))?;
        drop(state);
        segment::read(&file, offset, len).map_err(|source| JournalError::Read { id, source })
    }
}

#[cfg(test)]
#[path = "fault_tests.rs"]
mod fault_tests;
#[cfg(test)]
#[path = "kill_tests.rs"]
mod kill_tests;
#[cfg(test)]
#[path = "speed_tests.rs"]
mod speed_tests;
#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
