//! [`Transaction`]: the writer of a database, lent to one caller until commit, drop, or the end of its time.
//!
//! From [`super::database::Database::begin`] to the end no other write happens, so everything read is current. It ends
//! by [`Transaction::commit`]; dropping it rolls back. At its limit the running statement is interrupted, everything is
//! rolled back and each later call says so; if it just sits there, those who wait take the connection (see
//! `writer`). It may move to another thread (`Send + Sync`), but the thread that began it counts as being
//! inside: there the database itself answers [`StoreError::InTransaction`] until the end.
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    connection::Link,
    database::Database,
    error::StoreError,
    group::SLOW,
    rows::{Rows, Value},
    settle,
    writer::Held,
};

/// An open transaction; see the module.
pub struct Transaction {
    database: Database,
    held: Arc<Mutex<Held>>,
    began: Instant,
    limit: Duration,
}

impl Transaction {
    pub(super) fn begin(database: &Database, lazy: bool) -> Result<Self, StoreError> {
        let writer = database.writer();
        let link = writer.take()?;
        let ready = if lazy { settle::begin(database.inner(), &link) } else { Ok(()) };
        if let Err(error) = ready.and_then(|()| link.own("BEGIN IMMEDIATE")) {
            writer.release(link);
            return Err(error);
        }
        let (began, limit) = (Instant::now(), writer.facts.options.limit);
        let held = writer.hold(link, began + limit);
        Ok(Self { database: database.clone(), held, began, limit })
    }

    /// Runs one statement; rows it returns are dropped. Gives the number of rows changed.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] or [`StoreError::RolledBack`]: the transaction is over. Any other: this statement did
    /// nothing, the transaction goes on.
    pub fn exec(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        self.run(|link| link.exec(sql, params))
    }

    /// Runs one INSERT; the number of the row it made.
    ///
    /// # Errors
    /// As [`Self::exec`].
    pub fn insert(&self, sql: &str, params: &[Value]) -> Result<i64, StoreError> {
        self.run(|link| link.exec(sql, params).map(|_| link.sqlite.last_insert_rowid()))
    }

    /// All rows of one statement, which sees what this transaction wrote and may write itself (RETURNING).
    ///
    /// # Errors
    /// As [`Self::exec`]; [`StoreError::TooLarge`] above [`super::database::Options::answer`] bytes: what the statement
    /// wrote before it stays until the end of the transaction.
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        self.run(|link| link.query(sql, params, true))
    }

    /// Makes everything durable; after Ok it survives a power cut (with `synchronous` full, and unless it is a lazy one).
    ///
    /// # Errors
    /// Nothing of the transaction is stored.
    pub fn commit(self) -> Result<(), StoreError> {
        let link = self.take(None)?;
        let result = if self.over() { Err(self.too_long()) } else { link.own("COMMIT") };
        self.give_back(link);
        result
    }

    fn run<T>(&self, f: impl FnOnce(&Link) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.over() {
            self.end(self.too_long());
            return Err(self.ended());
        }
        let (result, lost) = {
            let held = self.held.lock();
            let Some(link) = &held.link else { return Err(held.ended.clone().unwrap_or_else(|| self.too_long())) };
            link.deadline(Some(self.began + self.limit));
            let result = f(link);
            link.deadline(None);
            (result, link.sqlite.is_autocommit())
        };
        match &result {
            Err(StoreError::TooLong { .. }) => self.end(self.too_long()),
            // Some failures end the transaction; a further statement would commit by itself.
            Err(error) if lost => {
                self.end(StoreError::RolledBack { db: self.database.path().into(), cause: error.to_string() })
            }
            _ => {}
        }
        if matches!(result, Err(StoreError::TooLong { .. })) { Err(self.too_long()) } else { result }
    }

    fn over(&self) -> bool {
        self.began.elapsed() >= self.limit
    }

    fn too_long(&self) -> StoreError {
        self.database.writer().facts.too_long("the transaction", self.limit)
    }

    fn ended(&self) -> StoreError {
        self.held.lock().ended.clone().unwrap_or_else(|| self.too_long())
    }

    fn end(&self, why: StoreError) {
        if let Ok(link) = self.take(Some(why)) {
            self.give_back(link);
        }
    }

    /// The connection, once; later the reason why it is gone.
    fn take(&self, why: Option<StoreError>) -> Result<Link, StoreError> {
        let mut held = self.held.lock();
        match held.link.take() {
            Some(link) => {
                held.ended = why;
                Ok(link)
            }
            None => Err(held.ended.clone().unwrap_or_else(|| self.too_long())),
        }
    }

    fn give_back(&self, link: Link) {
        // Rolls back what was not committed.
        self.database.writer().release(link);
        if self.began.elapsed() > SLOW {
            let ms = self.began.elapsed().as_millis() as u64;
            tracing::warn!(event = "sql.slow", db = %self.database.path().display(), ms,
                "a transaction was slow; others waited behind it, slice bulk work");
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Ok(link) = self.take(None) {
            self.give_back(link);
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("db", &self.database.path())
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}
