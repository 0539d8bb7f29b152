//! [`Database`]: one SQLite file of the core or of a plugin, with one writer and readers on snapshots.
//!
//! Everything here blocks: callers are plain threads and blocking pools, never the router. A write is committed when the
//! call returns (`writer`); a query sees one snapshot (`readers`). A handle is cheap to clone; the file
//! closes with [`Database::close`], or with the last handle, transaction and cursor. Opened with
//! [`Options::confined`], statements cannot leave the file (`confine`). operations.md 7.1, plugins.md 1.3.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    connection::{Facts, Link, Role},
    migrate,
    readers::Readers,
    writer::Writer,
};
pub use super::{
    cursor::Cursor,
    error::{Failure, StoreError},
    migrate::{Migrated, Migration},
    rows::{Rows, Value},
    snapshot::Snapshot,
    transaction::Transaction,
};

/// When a commit is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Before the call returns: an answered request survives a power cut (decision 98).
    #[default]
    Full,
    /// Survives the end of the process; a power cut may take the last commits.
    Normal,
}

/// How a database is opened. The defaults are the core's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub synchronous: Synchronous,
    /// Wait for a reader, and for other processes that lock the file. For the writer the wait is this and `limit`.
    pub busy: Duration,
    /// Queries at the same time, at least 1; cursors come on top.
    pub readers: usize,
    /// A plugin's: no other files, few pragmas.
    pub confined: bool,
    /// A new file keeps a map of its pages, so that free ones can be given back without writing it anew.
    pub incremental: bool,
    /// Longest single statement that writes, and longest transaction from its begin.
    pub limit: Duration,
    /// Bytes of memory the rows of one query may take.
    pub answer: usize,
    /// Open cursors at the same time.
    pub cursors: usize,
    /// A cursor nobody pulled from for this long loses its snapshot.
    pub cursor_idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            busy: Duration::from_secs(5),
            readers: 4,
            confined: false,
            incremental: false,
            limit: Duration::from_secs(5),
            answer: 64 << 20,
            cursors: 8,
            cursor_idle: Duration::from_secs(60),
        }
    }
}

/// A handle on one open database; see the module.
#[derive(Debug, Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

// Fields drop in this order: readers cannot move the log into the file, the writer, closing last, does.
#[derive(Debug)]
pub(super) struct Inner {
    pub readers: Arc<Readers>,
    pub writer: Writer,
    _dir: Option<TempDir>,
}

impl Database {
    /// Opens the file, or makes it (mode 0600; the directory must exist).
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Foreign`] (somebody else's database), [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        Self::with(path, options, None)
    }

    /// A database for tests, gone with its last handle. It is a file in a directory of its own, so that snapshots,
    /// cursors and copies are the same as in production.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn memory(options: Options) -> Result<Self, StoreError> {
        let dir =
            TempDir::with_prefix("fts-db-").map_err(|e| StoreError::io(&std::env::temp_dir(), "no directory", &e))?;
        let path = dir.path().join("data.db");
        Self::with(&path, Options { synchronous: Synchronous::Normal, ..options }, Some(dir))
    }

    fn with(path: &Path, options: Options, dir: Option<TempDir>) -> Result<Self, StoreError> {
        let facts = Arc::new(Facts::new(path.into(), options));
        let writer = Writer::new(Link::open(&facts, Role::Writer)?);
        Ok(Self { inner: Arc::new(Inner { readers: Readers::new(facts), writer, _dir: dir }) })
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.writer.facts.path
    }

    /// Brings the schema to the newest version of the list; the writer is taken meanwhile, without limit of time.
    ///
    /// # Errors
    /// [`StoreError::Changed`], [`StoreError::Newer`]: nothing was done. [`StoreError::Migration`]: those before the named one are
    /// applied, it is not.
    pub fn migrate(&self, list: &[Migration<'_>]) -> Result<Migrated, StoreError> {
        let link = self.inner.writer.take()?;
        let result = migrate::migrate(&link, list);
        self.inner.writer.release(link);
        result
    }

    /// Puts the copy a migration made back in place of all content. Readers see it with their next query.
    ///
    /// # Errors
    /// [`StoreError::Foreign`], or SQLite's; then nothing was changed.
    pub fn restore(&self, copy: &Path) -> Result<(), StoreError> {
        let mut link = self.inner.writer.take()?;
        let result = migrate::restore(&mut link, copy);
        self.inner.writer.release(link);
        result
    }

    /// Runs one statement and commits it; rows it returns are dropped. Gives the number of rows changed.
    ///
    /// # Errors
    /// Nothing was changed; see [`StoreError`].
    pub fn exec(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        self.inner.writer.exec(sql, params)
    }

    /// All rows of a statement that only reads.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] above [`Options::answer`] bytes, [`StoreError::Refused`] when it would write.
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        self.inner.writer.check()?;
        self.inner.readers.read(|link| link.query(sql, params, false))
    }

    /// Several queries on the same commit: what was committed when this returns. Drop it soon; it ends by itself after
    /// [`Options::limit`].
    ///
    /// # Errors
    /// [`StoreError::Busy`] when all readers are in use; [`StoreError::InTransaction`], [`StoreError::Closed`].
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.inner.writer.check()?;
        Snapshot::open(&self.inner.readers)
    }

    /// The rows of a query in batches, as they are now.
    ///
    /// # Errors
    /// [`StoreError::Busy`] with [`Options::cursors`] open.
    pub fn cursor(&self, sql: &str, params: &[Value]) -> Result<Cursor, StoreError> {
        self.inner.writer.check()?;
        Cursor::open(&self.inner.readers, sql, params)
    }

    /// Takes the writer for several statements.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::InTransaction`], [`StoreError::Closed`].
    pub fn begin(&self) -> Result<Transaction, StoreError> {
        Transaction::begin(self, false)
    }

    /// The same, but the commit does not wait for the disk, which has it within a second: it survives the end of the
    /// process at once, a power cut only then. For what a journal keeps meanwhile.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_lazy(&self) -> Result<Transaction, StoreError> {
        Transaction::begin(self, true)
    }

    /// Bytes on disk: file and write-ahead log.
    #[must_use]
    pub fn size(&self) -> u64 {
        let mut log = self.path().as_os_str().to_owned();
        log.push("-wal");
        [self.path().to_owned(), PathBuf::from(log)].iter().filter_map(|p| fs::metadata(p).ok()).map(|m| m.len()).sum()
    }

    /// Looks through the whole file for damage (SQLite's quick check).
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first finding.
    pub fn check(&self) -> Result<(), StoreError> {
        self.inner.writer.check()?;
        let found: String = self
            .inner
            .readers
            .read(|link| link.ours("PRAGMA quick_check", |c| c.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))))?;
        if found == "ok" {
            return Ok(());
        }
        Err(StoreError::Corrupt(Failure {
            db: self.path().into(),
            sql: "PRAGMA quick_check".into(),
            message: found,
            code: 0,
        }))
    }

    /// Writes the file anew without free space; the writer is taken meanwhile, without limit of time. Needs that much
    /// space twice while it runs.
    ///
    /// # Errors
    /// [`StoreError::Full`]; nothing was changed.
    pub fn vacuum(&self) -> Result<(), StoreError> {
        let link = self.inner.writer.take()?;
        let result = link.own("VACUUM").and_then(|()| {
            // Without this the log stays as large as the new file. With readers on old snapshots it stays; that is no error.
            link.ours("PRAGMA wal_checkpoint", |c| c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
        });
        self.inner.writer.release(link);
        result
    }

    /// Gives free pages back to the disk, so many at a time; `go_on` is asked in between. Only in databases made with
    /// [`Options::incremental`].
    ///
    /// # Errors
    /// [`StoreError::Busy`].
    pub fn give_back(&self, pages: u32, mut go_on: impl FnMut() -> bool) -> Result<(), StoreError> {
        loop {
            let link = self.inner.writer.take()?;
            let freed = link.ours("PRAGMA incremental_vacuum", |c| {
                let left = |c: &rusqlite::Connection| c.query_row("PRAGMA freelist_count", [], |r| r.get::<_, i64>(0));
                let before = left(c)?;
                // A statement that gives a row per page: all of it is stepped through.
                c.execute_batch(&format!("PRAGMA incremental_vacuum({pages})"))?;
                Ok(before - left(c)?)
            });
            self.inner.writer.release(link);
            if freed? <= 0 || !go_on() {
                return Ok(());
            }
        }
    }

    /// Finishes the writes already asked for, ends readers and cursors, moves the log into the file and closes it. Every
    /// later call, from any handle, answers [`StoreError::Closed`]. A second close does nothing.
    ///
    /// # Errors
    /// It is closed all the same; the log stays beside the file and is read at the next opening.
    pub fn close(&self) -> Result<(), StoreError> {
        let Some(link) = self.inner.writer.take_last()? else { return Ok(()) };
        let readers = self.inner.readers.close();
        let log = link.ours("PRAGMA wal_checkpoint", |c| {
            c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get::<_, bool>(0))
        });
        let closed = link.sqlite.close().map_err(|(_, e)| StoreError::sqlite(self.path(), "", &e));
        readers?;
        if log? {
            return Err(self.inner.writer.facts.busy("another process reads the file, its log stays beside it"));
        }
        closed
    }

    /// Whether [`Self::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.writer.facts.closed.load(Relaxed)
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.inner.writer
    }
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
