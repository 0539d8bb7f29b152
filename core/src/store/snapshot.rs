//! [`Snapshot`]: several queries that see the same commit, on one reader of the pool.
//!
//! Order: a place among the readers (waited for like that of a query), a connection, the snapshot at once, queries, and
//! with the drop everything back. It counts as a query, so readers held for long keep others waiting; and an open snapshot
//! stops the write-ahead log from shrinking. So it ends by itself after [`Options::limit`](super::database::Options::limit):
//! queries behind that are refused. What must not happen: one that is kept while its thread waits for the writer.
use std::time::Instant;

use super::{
    connection::Link,
    error::StoreError,
    readers::{Place, Readers},
    rows::{Rows, Value},
};
use std::sync::{Arc, atomic::Ordering::Relaxed};

/// See the file's head.
#[derive(Debug)]
pub struct Snapshot {
    // None only while it is dropped.
    link: Option<Link>,
    place: Place,
    began: Instant,
}

impl Snapshot {
    pub(super) fn open(readers: &Arc<Readers>) -> Result<Self, StoreError> {
        let (place, link) = readers.lend()?;
        let snapshot = Self { link: Some(link), place, began: Instant::now() };
        // A BEGIN alone takes none: the first read does.
        snapshot.link()?.own("BEGIN; SELECT count(*) FROM sqlite_schema")?;
        Ok(snapshot)
    }

    fn link(&self) -> Result<&Link, StoreError> {
        self.link.as_ref().ok_or_else(|| self.place.facts().closed())
    }

    /// All rows of a statement that only reads, as the database was when the snapshot was taken.
    ///
    /// # Errors
    /// As [`super::database::Database::query`]; [`StoreError::TooLong`] when it is older than the limit;
    /// [`StoreError::Closed`].
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        let (link, limit) = (self.link()?, self.place.facts().options.limit);
        if link.facts.closed.load(Relaxed) {
            return Err(link.facts.closed());
        }
        if self.began.elapsed() > limit {
            return Err(link.facts.too_long("the read", limit));
        }
        link.query(sql, params, false)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // The place is free only behind this: fields drop after it.
        if let Some(link) = self.link.take() {
            self.place.give_back(link);
        }
    }
}
