//! [`Database`]: the plugin's SQLite, with the rules of the server's: one writer, a transaction belongs to the thread that
//! began it, queries outside see the committed state, cursors a snapshot.
//!
//! A file in the mock's folder, so that snapshots are real ones; opened with the first use. A read on one snapshot belongs
//! to the thread that began it. Not modelled: time limits.
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::ThreadId,
    time::Duration,
};

use rusqlite::{
    Connection, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};
use serde_bytes::ByteBuf;

use super::schema;
use crate::{
    abi::{Failure, failure},
    message::{CursorPage, Migrated, Migration, Rows, Statement, Value},
    shim,
};

/// Longest wait for the writer.
const WRITER_WAIT: Duration = Duration::from_secs(5);
/// Open cursors at the same time.
const CURSORS: usize = 8;
/// Rows of one page.
const PAGE: usize = 64;

pub(super) struct Database {
    path: PathBuf,
    links: OnceLock<Result<Links, Failure>>,
    free: Condvar,
    cursors: Mutex<(u64, HashMap<u64, Rows>)>,
    /// Snapshots by thread, with how often each was begun.
    reads: Mutex<HashMap<ThreadId, (Connection, u32)>>,
}

struct Links {
    writer: Mutex<Writer>,
    reader: Mutex<Connection>,
}

struct Writer {
    link: Connection,
    /// The thread with a transaction.
    owner: Option<ThreadId>,
}

pub(super) fn other(text: impl Into<String>) -> Failure {
    shim::failure(failure::OTHER, text)
}

pub(super) fn sqlite(sql: &str, error: &rusqlite::Error) -> Failure {
    let code = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => failure::CONSTRAINT,
        _ => failure::OTHER,
    };
    shim::failure(code, format!("sql: {error} in `{}`", sql.trim()))
}

impl Database {
    pub fn new(path: PathBuf) -> Self {
        Self { path, links: OnceLock::new(), free: Condvar::new(), cursors: Mutex::default(), reads: Mutex::default() }
    }

    fn links(&self) -> Result<&Links, Failure> {
        let open = || {
            let fail = |e| sqlite("open", &e);
            let mut writer = Connection::open(&self.path).map_err(fail)?;
            writer.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())).map_err(fail)?;
            writer.execute_batch("PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON").map_err(fail)?;
            writer.authorizer(Some(schema::allowed)).map_err(fail)?;
            let reader = self.reader()?;
            Ok(Links { writer: Mutex::new(Writer { link: writer, owner: None }), reader: Mutex::new(reader) })
        };
        self.links.get_or_init(open).as_ref().map_err(Clone::clone)
    }

    fn reader(&self) -> Result<Connection, Failure> {
        let fail = |e| sqlite("open", &e);
        let mut reader = Connection::open(&self.path).map_err(fail)?;
        reader.execute_batch("PRAGMA query_only=ON").map_err(fail)?;
        reader.authorizer(Some(schema::allowed)).map_err(fail)?;
        Ok(reader)
    }

    /// From now on queries of this thread see one snapshot.
    pub fn begin_read(&self) -> Result<(), Failure> {
        self.links()?;
        let (mut reads, me) = (lock(&self.reads), std::thread::current().id());
        if let Some((_, begun)) = reads.get_mut(&me) {
            *begun += 1;
            return Ok(());
        }
        let link = self.reader()?;
        // A BEGIN alone takes none: the first read does.
        schema::ours(|| link.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema"))
            .map_err(|e| sqlite("BEGIN", &e))?;
        reads.insert(me, (link, 1));
        Ok(())
    }

    pub fn end_read(&self) -> Result<(), Failure> {
        let (mut reads, me) = (lock(&self.reads), std::thread::current().id());
        let Some((_, begun)) = reads.get_mut(&me) else {
            return Err(shim::failure(failure::INVALID, "no read is open on this thread"));
        };
        *begun -= 1;
        if *begun == 0 {
            reads.remove(&me);
        }
        Ok(())
    }

    /// While a read is open on this thread nothing is written on it.
    fn only_reads(&self) -> Result<(), Failure> {
        if lock(&self.reads).contains_key(&std::thread::current().id()) {
            return Err(shim::failure(failure::INVALID, "a read is open on this thread: it only reads"));
        }
        Ok(())
    }

    /// This thread holds a transaction.
    pub fn in_transaction(&self) -> bool {
        let me = Some(std::thread::current().id());
        self.links.get().and_then(|l| l.as_ref().ok()).is_some_and(|l| lock(&l.writer).owner == me)
    }

    /// The writer: of this thread's transaction, or as soon as it is free.
    fn writer(&self) -> Result<MutexGuard<'_, Writer>, Failure> {
        let me = std::thread::current().id();
        let taken = |w: &mut Writer| w.owner.is_some_and(|owner| owner != me);
        let waited = self.free.wait_timeout_while(lock(&self.links()?.writer), WRITER_WAIT, taken);
        let (writer, result) = waited.unwrap_or_else(PoisonError::into_inner);
        if result.timed_out() {
            return Err(shim::failure(failure::BUSY, "another thread of the plugin holds a transaction"));
        }
        Ok(writer)
    }

    pub fn migrate(&self, steps: &[Migration], now: i64) -> Result<Migrated, Failure> {
        schema::migrate(&mut self.writer()?.link, steps, now)
    }

    pub fn exec(&self, statement: &Statement) -> Result<usize, Failure> {
        self.only_reads()?;
        let writer = self.writer()?;
        let fail = |e| sqlite(&statement.sql, &e);
        let before = writer.link.total_changes();
        let mut prepared = writer.link.prepare(&statement.sql).map_err(fail)?;
        let mut rows = prepared.query(params_from_iter(statement.params.iter().map(Param))).map_err(fail)?;
        while rows.next().map_err(fail)?.is_some() {}
        // The count of the last change stays when a statement changes none.
        Ok(if writer.link.total_changes() == before { 0 } else { writer.link.changes() as usize })
    }

    pub fn query(&self, statement: &Statement) -> Result<Rows, Failure> {
        if self.in_transaction() {
            return rows(&self.writer()?.link, statement, true);
        }
        if let Some((link, _)) = lock(&self.reads).get(&std::thread::current().id()) {
            return rows(link, statement, false);
        }
        rows(&lock(&self.links()?.reader), statement, false)
    }

    pub fn begin(&self) -> Result<(), Failure> {
        self.only_reads()?;
        let mut writer = self.writer()?;
        schema::ours(|| writer.link.execute_batch("BEGIN IMMEDIATE")).map_err(|e| sqlite("BEGIN", &e))?;
        writer.owner = Some(std::thread::current().id());
        Ok(())
    }

    pub fn commit(&self) -> Result<(), Failure> {
        self.end("COMMIT")
    }

    pub fn rollback(&self) -> Result<(), Failure> {
        self.end("ROLLBACK")
    }

    fn end(&self, how: &str) -> Result<(), Failure> {
        if !self.in_transaction() {
            return Err(shim::failure(failure::INVALID, format!("{how} without a transaction on this thread")));
        }
        let mut writer = self.writer()?;
        writer.owner = None;
        let ended = schema::ours(|| writer.link.execute_batch(how));
        if ended.is_err() && !writer.link.is_autocommit() {
            // The transaction must not stay open; its failure is what is told.
            let _ = schema::ours(|| writer.link.execute_batch("ROLLBACK"));
        }
        drop(writer);
        self.free.notify_all();
        ended.map_err(|e| sqlite(how, &e))
    }

    /// All rows at once: the snapshot. They are handed out by the page.
    pub fn cursor(&self, statement: &Statement) -> Result<u64, Failure> {
        let rows = rows(&lock(&self.links()?.reader), statement, false)?;
        let mut cursors = lock(&self.cursors);
        if cursors.1.len() >= CURSORS {
            return Err(shim::failure(failure::BUSY, format!("{CURSORS} cursors are open")));
        }
        cursors.0 += 1;
        let id = cursors.0;
        cursors.1.insert(id, rows);
        Ok(id)
    }

    pub fn next(&self, id: u64) -> Result<CursorPage, Failure> {
        let mut cursors = lock(&self.cursors);
        let all = cursors.1.get_mut(&id).ok_or_else(|| shim::failure(failure::NOT_FOUND, "the cursor is closed"))?;
        let later = all.rows.split_off(all.rows.len().min(PAGE));
        let page = std::mem::replace(&mut all.rows, later);
        let end = all.rows.is_empty();
        Ok(CursorPage { rows: Rows { columns: all.columns.clone(), rows: page }, end })
    }

    pub fn close(&self, id: u64) {
        lock(&self.cursors).1.remove(&id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rows(link: &Connection, statement: &Statement, writes: bool) -> Result<Rows, Failure> {
    let fail = |e| sqlite(&statement.sql, &e);
    let mut prepared = link.prepare(&statement.sql).map_err(fail)?;
    if !writes && !prepared.readonly() {
        let text = "a query only reads; use exec, or a transaction's query for RETURNING";
        return Err(other(format!("{text}: `{}`", statement.sql)));
    }
    let columns: Vec<String> = prepared.column_names().map(Into::into).collect();
    let mut found = prepared.query(params_from_iter(statement.params.iter().map(Param))).map_err(fail)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(fail)? {
        let values = (0..columns.len()).map(|n| row.get_ref(n).map(value));
        rows.push(values.collect::<Result<_, _>>().map_err(fail)?);
    }
    Ok(Rows { columns, rows })
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Int(n),
        ValueRef::Real(x) => Value::Real(x),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(ByteBuf::from(bytes)),
    }
}

struct Param<'a>(&'a Value);

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(n) => ValueRef::Integer(*n),
            Value::Real(x) => ValueRef::Real(*x),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
