//! [`StoreError`]: what a database answers instead of a result.
//!
//! Every text names the file, the statement where there is one (its first 200 characters) and SQLite's own words, and
//! says what to do where that is known. Kinds a caller treats differently are variants; the rest is [`StoreError::Sql`].
//! It can be cloned: a failed commit is the answer to every statement that went with it.
use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Characters of a statement shown in an error.
const SHOWN: usize = 200;

/// Where and how SQLite failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Database file.
    pub db: PathBuf,
    /// Beginning of the statement; empty where none was involved.
    pub sql: String,
    /// SQLite's message.
    pub message: String,
    /// SQLite's extended result code; 0 when the failure is not SQLite's.
    pub code: i32,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.db.display(), self.message)?;
        if self.sql.is_empty() { Ok(()) } else { write!(f, " in `{}`", self.sql) }
    }
}

/// Why a database did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else has what is needed for longer than the wait allowed. Nothing was changed; try again.
    #[error("{}: busy: {what}; nothing was changed, try again", db.display())]
    Busy { db: PathBuf, what: String },
    /// A UNIQUE, NOT NULL, CHECK or foreign key rule forbids it. Nothing was changed by this statement.
    #[error("constraint: {0}")]
    Constraint(Failure),
    /// No space left. Nothing was changed by this statement.
    #[error("disk full: {0}; make space and try again")]
    Full(Failure),
    /// The database was closed, or is being closed.
    #[error("{}: the database is closed", db.display())]
    Closed { db: PathBuf },
    /// A statement, transaction or cursor went over its time and was rolled back.
    #[error("{}: {what} took longer than {limit:?} and was rolled back; slice the work into smaller pieces", db.display())]
    TooLong { db: PathBuf, what: &'static str, limit: Duration },
    /// The statement is not allowed here.
    #[error("{}: refused: {what} in `{sql}`", db.display())]
    Refused { db: PathBuf, what: String, sql: String },
    /// The answer would be larger than one answer may be.
    #[error("{}: more than {limit} bytes of rows; use a cursor for `{sql}`", db.display())]
    TooLarge { db: PathBuf, limit: usize, sql: String },
    /// This thread holds a transaction: only the transaction itself works until it ends.
    #[error("{}: this thread is inside a transaction; use the transaction, or end it first", db.display())]
    InTransaction { db: PathBuf },
    /// SQLite ended the transaction because of an earlier failure; nothing of it is stored.
    #[error("{}: the transaction was rolled back earlier: {cause}; begin again", db.display())]
    RolledBack { db: PathBuf, cause: String },
    /// An applied migration differs from the one in the list.
    #[error("{}: migration {version} ({name}) {how}; applied migrations never change, add a new one", db.display())]
    Changed { db: PathBuf, version: u32, name: String, how: &'static str },
    /// The database was written by a newer version.
    #[error("{}: schema version {required} is required, this program knows up to {known}; install the newer version or restore a copy", db.display())]
    Newer { db: PathBuf, required: u32, known: u32 },
    /// A migration failed and was rolled back.
    #[error("migration {version} ({name}) failed and was rolled back: {source}")]
    Migration { version: u32, name: String, source: Box<StoreError> },
    /// Not one of our databases.
    #[error("{}: application id {found:#x} is not that of an fts database; move the file away", db.display())]
    Foreign { db: PathBuf, found: u32 },
    /// The file is damaged.
    #[error("damaged: {0}; restore a backup")]
    Corrupt(Failure),
    /// The file system failed outside SQLite.
    #[error("{}: {what}: {message}", path.display())]
    Io { path: PathBuf, what: &'static str, message: String },
    /// Everything else SQLite says.
    #[error("sql: {0}")]
    Sql(Failure),
}

impl StoreError {
    pub(super) fn io(path: &Path, what: &'static str, error: &impl fmt::Display) -> Self {
        Self::Io { path: path.into(), what, message: error.to_string() }
    }

    /// Sorts an SQLite error. Interrupts and refusals are the connection's to explain and come out as `Sql` here.
    pub(super) fn sqlite(db: &Path, sql: &str, error: &rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode};
        let (code, message) = match error {
            Error::SqliteFailure(code, Some(message)) => (Some(code), message.clone()),
            Error::SqlInputError { error, msg, .. } => (Some(error), msg.clone()),
            Error::MultipleStatement => (None, "more than one statement; call once for each".into()),
            other => (other.sqlite_error(), other.to_string()),
        };
        let extended = code.map_or(0, |c| c.extended_code);
        let failure = Failure { db: db.into(), sql: shown(sql), message, code: extended };
        match code.map(|c| c.code) {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { db: failure.db, what: failure.message }
            }
            Some(ErrorCode::ConstraintViolation) => Self::Constraint(failure),
            Some(ErrorCode::DiskFull) => Self::Full(failure),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(failure),
            _ => Self::Sql(failure),
        }
    }
}

/// The beginning of a statement, for people.
pub(super) fn shown(sql: &str) -> String {
    match sql.trim().char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &sql.trim()[..end]),
        None => sql.trim().into(),
    }
}
