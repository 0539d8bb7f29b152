//! One SQLite connection of a database, with its hooks.
//!
//! Opening: our application id or an empty file, then WAL and the other settings, then the hooks: the authorizer
//! ([`super::confine`]) and the progress handler, which ends a statement at its deadline or when the database closes.
//! Statements of callers go through the cache; our own (BEGIN and the like) never do, else a caller's same text would
//! find one prepared with our rights.
use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rusqlite::{
    Connection, ErrorCode, OpenFlags,
    config::DbConfig,
    hooks::{AuthContext, Authorization},
    params_from_iter,
};

use super::{
    confine,
    database::{Options, Synchronous},
    error::{StoreError, shown},
    rows::{self, Rows, Value},
};

/// "FTSR", in the header of our databases (operations.md 7.1).
pub(super) const APPLICATION_ID: u32 = 0x4654_5352;
/// Prepared statements kept for each connection.
const PREPARED: usize = 128;
/// Virtual machine steps between two looks at the clock: some ten microseconds.
const STEPS: i32 = 1_000;
/// The write-ahead log is cut back to this when a checkpoint has emptied it.
const LOG_KEPT: u32 = 64 << 20;

/// What all connections of one database share.
#[derive(Debug)]
pub(super) struct Facts {
    pub path: PathBuf,
    pub options: Options,
    pub closed: AtomicBool,
    /// Lazy transactions there were, and a thread that settles them ([`super::settle`]).
    pub settles: AtomicBool,
    /// Something lazy may not be on the disk.
    pub unsettled: AtomicBool,
}

impl Facts {
    pub fn new(path: PathBuf, options: Options) -> Self {
        let no = || AtomicBool::new(false);
        Self { path, options, closed: no(), settles: no(), unsettled: no() }
    }
    pub fn closed(&self) -> StoreError {
        StoreError::Closed { db: self.path.clone() }
    }
    pub fn busy(&self, what: impl Into<String>) -> StoreError {
        StoreError::Busy { db: self.path.clone(), what: what.into() }
    }
    pub fn too_long(&self, what: &'static str, limit: Duration) -> StoreError {
        StoreError::TooLong { db: self.path.clone(), what, limit }
    }
    pub fn refused(&self, what: impl Into<String>, sql: &str) -> StoreError {
        StoreError::Refused { db: self.path.clone(), what: what.into(), sql: shown(sql) }
    }
}

/// What the hooks of one connection look at.
#[derive(Debug)]
struct Guard {
    base: Instant,
    /// Nanoseconds after `base`; `u64::MAX` = none.
    deadline: AtomicU64,
    ours: AtomicBool,
    refused: Mutex<Option<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
}

#[derive(Debug)]
pub(super) struct Link {
    pub sqlite: Connection,
    pub facts: Arc<Facts>,
    guard: Arc<Guard>,
    /// Commits do not wait for the disk, until the end of this transaction.
    relaxed: AtomicBool,
}

impl Link {
    pub fn open(facts: &Arc<Facts>, role: Role) -> Result<Self, StoreError> {
        let path = &facts.path;
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if role == Role::Writer {
            // Made by us first, so that it and the files SQLite puts beside it are the owner's alone.
            fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(|e| {
                StoreError::io(path, "cannot open the database; check that the directory exists and is writable", &e)
            })?;
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let fail = |e| StoreError::sqlite(path, "", &e);
        let sqlite = Connection::open_with_flags(path, flags).map_err(fail)?;
        let guard = Guard {
            base: Instant::now(),
            deadline: AtomicU64::new(u64::MAX),
            ours: AtomicBool::new(false),
            refused: Mutex::new(None),
        };
        let mut link = Self { sqlite, facts: facts.clone(), guard: Arc::new(guard), relaxed: AtomicBool::new(false) };
        link.settle(role)?;
        link.hook().map_err(fail)?;
        Ok(link)
    }

    fn settle(&self, role: Role) -> Result<(), StoreError> {
        let (path, options) = (&self.facts.path, &self.facts.options);
        let fail = |e| StoreError::sqlite(path, "", &e);
        self.sqlite.busy_timeout(options.busy).map_err(fail)?;
        self.sqlite.set_prepared_statement_cache_capacity(PREPARED);
        if role == Role::Writer {
            self.claim()?;
        }
        let synchronous = match options.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        let query_only = role == Role::Reader;
        let settings = format!(
            "PRAGMA synchronous={synchronous}; PRAGMA foreign_keys=ON; PRAGMA journal_size_limit={LOG_KEPT}; \
             PRAGMA query_only={query_only};"
        );
        self.sqlite.execute_batch(&settings).map_err(fail)?;
        if role == Role::Writer {
            // Positions of many clients, items of a mission go to as many places of an index: KiB.
            self.sqlite.execute_batch("PRAGMA cache_size=-8192").map_err(fail)?;
        }
        // A statement stays prepared whatever its parameters are; without it some are prepared for every run.
        self.sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(fail)?;
        if options.confined {
            self.sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(fail)?;
        }
        Ok(())
    }

    /// Ours, or empty and made ours; before anything writes to the file.
    fn claim(&self) -> Result<(), StoreError> {
        let path = &self.facts.path;
        let fail = |e| StoreError::sqlite(path, "", &e);
        let (found, tables): (u32, u32) = self
            .sqlite
            .query_row(
                "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id",
                [],
                |r| Ok((r.get::<_, i64>(0)? as u32, r.get(1)?)),
            )
            .map_err(fail)?;
        let new = found == 0 && tables == 0;
        if !new && found != APPLICATION_ID {
            return Err(StoreError::Foreign { db: path.clone(), found });
        }
        if new && self.facts.options.incremental {
            // Only before anything is in it.
            self.sqlite.execute_batch("PRAGMA auto_vacuum=INCREMENTAL").map_err(fail)?;
        }
        let mode: String = self.sqlite.query_row("PRAGMA journal_mode=WAL", [], |r| r.get(0)).map_err(fail)?;
        if mode != "wal" {
            return Err(StoreError::io(path, "no write-ahead log on this file system; use a local disk", &mode));
        }
        if new {
            self.sqlite.execute_batch(&format!("PRAGMA application_id={APPLICATION_ID}")).map_err(fail)?;
        }
        Ok(())
    }

    fn hook(&mut self) -> rusqlite::Result<()> {
        let (guard, facts) = (self.guard.clone(), self.facts.clone());
        self.sqlite.progress_handler(
            STEPS,
            Some(move || {
                let deadline = guard.deadline.load(Relaxed);
                // Writes are finished when a database closes; reads are cut short.
                if deadline == u64::MAX {
                    return facts.closed.load(Relaxed) && !guard.ours.load(Relaxed);
                }
                guard.base.elapsed().as_nanos() as u64 > deadline
            }),
        )?;
        let (guard, confined) = (self.guard.clone(), self.facts.options.confined);
        self.sqlite.authorizer(Some(move |context: AuthContext<'_>| {
            if guard.ours.load(Relaxed) {
                return Authorization::Allow;
            }
            match confine::refusal(context.action, confined) {
                None => Authorization::Allow,
                Some(why) => {
                    *guard.refused.lock() = Some(why);
                    Authorization::Deny
                }
            }
        }))
    }

    /// From now on statements end at `until`; None = no limit.
    pub fn deadline(&self, until: Option<Instant>) {
        let nanos = |at: Instant| at.saturating_duration_since(self.guard.base).as_nanos() as u64;
        self.guard.deadline.store(until.map_or(u64::MAX, nanos), Relaxed);
    }

    /// Runs something of our own, free of the rules for callers. Nothing a caller wrote may be prepared in here.
    pub fn ours<T>(&self, what: &str, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.guard.ours.store(true, Relaxed);
        let result = f(&self.sqlite);
        self.guard.ours.store(false, Relaxed);
        result.map_err(|e| StoreError::sqlite(&self.facts.path, what, &e))
    }

    /// One of our own statements.
    pub fn own(&self, sql: &'static str) -> Result<(), StoreError> {
        self.ours(sql, |c| c.execute_batch(sql))
    }

    /// The next transaction does not wait for the disk; from [`Self::roll_back`] on all do again.
    pub fn relax(&self) -> Result<(), StoreError> {
        self.own("PRAGMA synchronous=NORMAL")?;
        self.relaxed.store(true, Relaxed);
        Ok(())
    }

    /// Ends whatever transaction is open. After it the connection is as new, or the next BEGIN says why not.
    pub fn roll_back(&self) {
        self.deadline(None);
        if !self.sqlite.is_autocommit()
            && let Err(error) = self.own("ROLLBACK")
        {
            tracing::error!(event = "db.error", %error, "rollback failed");
        }
        if self.relaxed.swap(false, Relaxed)
            && let Err(error) = self.own("PRAGMA synchronous=FULL")
        {
            tracing::error!(event = "db.error", %error, "commits of this database may be late on the disk");
        }
    }

    /// Runs a statement to its end; rows it returns are dropped. Gives the number of rows changed.
    pub fn exec(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        let run = || {
            let mut statement = self.sqlite.prepare_cached(sql)?;
            let before = self.sqlite.total_changes();
            let mut rows = statement.query(params_from_iter(params))?;
            while rows.next()?.is_some() {}
            // The count of the last change stays when a statement changes none.
            Ok(if self.sqlite.total_changes() == before { 0 } else { self.sqlite.changes() as usize })
        };
        run().map_err(|e| self.explain(sql, &e))
    }

    /// All rows of a statement. `writes`: it may change something, too (RETURNING).
    pub fn query(&self, sql: &str, params: &[Value], writes: bool) -> Result<Rows, StoreError> {
        let fail = |e| self.explain(sql, &e);
        let mut statement = self.sqlite.prepare_cached(sql).map_err(fail)?;
        if !writes && !statement.readonly() {
            return Err(self
                .facts
                .refused("a query only reads; use exec, or a transaction's query for RETURNING", sql));
        }
        let columns: Vec<String> = statement.column_names().map(Into::into).collect();
        let (mut all, mut bytes, limit) = (Vec::new(), 0, self.facts.options.answer);
        let mut rows = statement.query(params_from_iter(params)).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            let (values, size) = rows::read(row, columns.len()).map_err(fail)?;
            bytes += size;
            if bytes > limit {
                return Err(StoreError::TooLarge { db: self.facts.path.clone(), limit, sql: shown(sql) });
            }
            all.push(values);
        }
        Ok(Rows { columns, rows: all })
    }

    /// The error of a caller's statement, with what only this connection knows: why it was interrupted or refused.
    pub fn explain(&self, sql: &str, error: &rusqlite::Error) -> StoreError {
        let code = match error {
            rusqlite::Error::SqliteFailure(code, _) | rusqlite::Error::SqlInputError { error: code, .. } => {
                Some(code.code)
            }
            _ => None,
        };
        // A refused function has no code of its own, only this text.
        let denied =
            code == Some(ErrorCode::AuthorizationForStatementDenied) || error.to_string().contains("not authorized");
        if let Some(why) = self.guard.refused.lock().take().filter(|_| denied) {
            return self.facts.refused(why, sql);
        }
        match code {
            Some(ErrorCode::OperationInterrupted) if self.guard.deadline.load(Relaxed) == u64::MAX => {
                self.facts.closed()
            }
            Some(ErrorCode::OperationInterrupted) => self.facts.too_long("the work", self.facts.options.limit),
            _ => StoreError::sqlite(&self.facts.path, sql, error),
        }
    }
}
