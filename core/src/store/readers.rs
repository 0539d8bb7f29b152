//! Connections that read: opened when first needed, kept, lent for one query or one cursor.
//!
//! Queries share `Options::readers` connections and wait their turn; cursors have their own allowance, so that cursors
//! left open cannot stop queries. Every reader sees one snapshot from its first row on, whatever the writer does. A
//! reader goes back without an open transaction: a snapshot left behind would stop the write-ahead log from shrinking.
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc::Sender},
    time::Instant,
};

use parking_lot::{Condvar, Mutex};

use super::{
    connection::{Facts, Link, Role},
    cursor::Ask,
    error::StoreError,
};

#[derive(Debug)]
pub(super) struct Readers {
    pub facts: Arc<Facts>,
    state: Mutex<Pool>,
    back: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Link>,
    queries: usize,
    /// Open cursors by number, with the way to end them.
    cursors: HashMap<u64, Sender<Ask>>,
    opened: u64,
}

/// The right to one connection; ends when dropped.
#[derive(Debug)]
pub(super) struct Place {
    readers: Arc<Readers>,
    cursor: Option<u64>,
}

impl Readers {
    pub fn new(facts: Arc<Facts>) -> Arc<Self> {
        Arc::new(Self { facts, state: Mutex::default(), back: Condvar::new() })
    }

    /// Lends a connection for one query.
    pub fn read<T>(self: &Arc<Self>, f: impl FnOnce(&Link) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // In this order: the connection is back before its place is free.
        let (place, link) = self.lend()?;
        let result = f(&link);
        place.give_back(link);
        result
    }

    /// Lends a connection; the caller gives it back to the place.
    pub fn lend(self: &Arc<Self>) -> Result<(Place, Link), StoreError> {
        let give_up = Instant::now() + self.facts.options.busy;
        let mut pool = self.state.lock();
        while pool.queries >= self.facts.options.readers.max(1) {
            if self.back.wait_until(&mut pool, give_up).timed_out() {
                return Err(self.facts.busy("all readers are in use"));
            }
        }
        if self.facts.closed.load(Relaxed) {
            return Err(self.facts.closed());
        }
        pool.queries += 1;
        drop(pool);
        let place = Place { readers: self.clone(), cursor: None };
        let link = place.link()?;
        Ok((place, link))
    }

    /// A place for a cursor, which ends when `end` is told to stop.
    pub fn cursor(self: &Arc<Self>, end: Sender<Ask>) -> Result<Place, StoreError> {
        let mut pool = self.state.lock();
        if self.facts.closed.load(Relaxed) {
            return Err(self.facts.closed());
        }
        if pool.cursors.len() >= self.facts.options.cursors {
            return Err(self.facts.busy(format!("{} cursors are open, drop one first", pool.cursors.len())));
        }
        pool.opened += 1;
        let number = pool.opened;
        pool.cursors.insert(number, end);
        Ok(Place { readers: self.clone(), cursor: Some(number) })
    }

    /// Whether a query runs.
    #[cfg(test)]
    pub fn any(&self) -> bool {
        self.state.lock().queries > 0
    }

    /// Ends cursors, waits for queries (they are being interrupted) and closes all. The database is marked closed before.
    pub fn close(&self) -> Result<(), StoreError> {
        let give_up = Instant::now() + self.facts.options.busy;
        let mut pool = self.state.lock();
        pool.idle.clear();
        // A cursor that has ended by itself no longer listens.
        pool.cursors.values().for_each(|end| drop(end.send(Ask::Stop)));
        while pool.queries > 0 || !pool.cursors.is_empty() {
            if self.back.wait_until(&mut pool, give_up).timed_out() {
                return Err(self.facts.busy(format!(
                    "{} queries and {} cursors did not end",
                    pool.queries,
                    pool.cursors.len()
                )));
            }
        }
        Ok(())
    }
}

impl Place {
    pub fn facts(&self) -> &Facts {
        &self.readers.facts
    }

    /// An idle connection, or a new one.
    pub fn link(&self) -> Result<Link, StoreError> {
        let idle = self.readers.state.lock().idle.pop();
        idle.map_or_else(|| Link::open(&self.readers.facts, Role::Reader), Ok)
    }

    pub fn give_back(&self, link: Link) {
        link.roll_back();
        let mut pool = self.readers.state.lock();
        if pool.idle.len() < self.readers.facts.options.readers && !self.readers.facts.closed.load(Relaxed) {
            pool.idle.push(link);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut pool = self.readers.state.lock();
        match self.cursor {
            Some(number) => drop(pool.cursors.remove(&number)),
            None => pool.queries -= 1,
        }
        self.readers.back.notify_all();
    }
}
