//! Lazy transactions: at once committed for every reader and for `kill -9`, on the disk within a second.
//!
//! For what is in the journal until then and is answered to nobody: events that a plugin holds (fanout.md 2.7, whose own
//! flush is as late). Waiting for the disk once per batch is what such an event would wait for most of the time. Order: the
//! commit leaves its pages in the write-ahead log without a flush; a thread of the database's flushes the log once a second
//! and moves it into the file, which the writer then needs not do in the middle of an event. A long log is moved to its end
//! with the writer at hand, else it would never begin anew under steady writes. What must not happen: a transaction that
//! is not lazy returns before the disk has it and all before it.
use std::{
    fs::File,
    sync::{
        Arc, Weak,
        atomic::Ordering::{AcqRel, Acquire, Release},
    },
    thread,
    time::Duration,
};

use super::{
    connection::Link,
    database::{Inner, Synchronous},
    error::StoreError,
};

/// How late the disk may be.
const EVERY: Duration = Duration::from_secs(1);
/// Pages of a log that is long.
const LONG: i64 = 8_192;
/// From the first lazy transaction on: the writer itself moves the log only when nobody else did for long.
const SETTINGS: &str = "PRAGMA wal_autocheckpoint=32768";

/// The writer's connection is about to begin a lazy transaction.
pub(super) fn begin(inner: &Arc<Inner>, link: &Link) -> Result<(), StoreError> {
    let facts = &link.facts;
    if facts.options.synchronous != Synchronous::Full {
        return Ok(());
    }
    if !facts.settles.swap(true, AcqRel) {
        link.own(SETTINGS)?;
        let (weak, name) = (Arc::downgrade(inner), "db-settle".to_owned());
        if let Err(error) = thread::Builder::new().name(name).spawn(move || run(&weak)) {
            facts.settles.store(false, Release);
            return Err(StoreError::io(&facts.path, "no thread left for the database", &error));
        }
    }
    facts.unsettled.store(true, Release);
    link.relax()
}

fn run(database: &Weak<Inner>) {
    loop {
        thread::sleep(EVERY);
        let Some(inner) = database.upgrade() else { return };
        let facts = &inner.writer.facts;
        if facts.closed.load(Acquire) {
            return;
        }
        if facts.unsettled.swap(false, AcqRel)
            && let Err(error) = settle(&inner)
        {
            facts.unsettled.store(true, Release);
            tracing::error!(event = "db.error", %error, "the last second of a database is not on the disk yet");
        }
    }
}

fn settle(inner: &Inner) -> Result<(), StoreError> {
    let path = &inner.writer.facts.path;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let flushed = File::open(&log).and_then(|log| log.sync_data());
    flushed.map_err(|e| StoreError::io(path, "cannot flush the write-ahead log", &e))?;
    if inner.readers.read(checkpoint)? < LONG {
        return Ok(());
    }
    // Little is left of it now, and nothing is added meanwhile.
    let link = inner.writer.take()?;
    let done = checkpoint(&link);
    inner.writer.release(link);
    done.map(|_| ())
}

/// Moves what it can into the file; pages of the log.
fn checkpoint(link: &Link) -> Result<i64, StoreError> {
    link.ours("PRAGMA wal_checkpoint", |c| c.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)))
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
