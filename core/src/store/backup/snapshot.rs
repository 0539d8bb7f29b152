//! A copy of a database from one snapshot, while others write to it: by SQLite's own copying, from a connection that only
//! reads. The copy is one file that needs no log beside it.
use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use super::BackupError;

/// How long others that lock the file are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> BackupError {
    let path = path.to_owned();
    move |e| BackupError::Database { path: path.clone(), message: e.to_string() }
}

/// Opens a database to look at it.
pub(super) fn open(path: &Path) -> Result<Connection, BackupError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed(path))?;
    connection.busy_timeout(PATIENCE).map_err(failed(path))?;
    Ok(connection)
}

/// Copies `from` into the new file `to`; the number of its schema.
pub(super) fn copy(from: &Path, to: &Path) -> Result<u32, BackupError> {
    let source = open(from)?;
    let new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    new.map_err(BackupError::io(to))?;
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed(to))?;
    {
        let backup = Backup::new(&source, &mut target).map_err(failed(from))?;
        let until = Instant::now() + PATIENCE;
        // All pages in one step are one snapshot; in several, every write of others would begin it anew.
        loop {
            match backup.step(-1).map_err(failed(from))? {
                StepResult::Done => break,
                StepResult::Busy | StepResult::Locked if Instant::now() > until => {
                    let message = "another process keeps the database locked".to_owned();
                    return Err(BackupError::Database { path: from.to_owned(), message });
                }
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
    target.query_row("PRAGMA journal_mode=DELETE", [], |_| Ok(())).map_err(failed(to))?;
    let schema = target.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(failed(to))?;
    target.close().map_err(|(_, e)| failed(to)(e))?;
    Ok(schema)
}

/// What is wrong with a database file; None = nothing.
pub(super) fn integrity(path: &Path) -> Result<Option<String>, BackupError> {
    let connection = open(path)?;
    let said = connection.query_row("PRAGMA integrity_check(1)", [], |r| r.get::<_, String>(0));
    let said = said.map_err(failed(path))?;
    Ok((said != "ok").then_some(said))
}

/// Hashes of stored files that rows of the copy name.
pub(super) fn hashes(path: &Path) -> Result<Vec<String>, BackupError> {
    let connection = open(path)?;
    let mut statement = connection.prepare("SELECT DISTINCT hash FROM resource ORDER BY hash").map_err(failed(path))?;
    let rows = statement.query_map([], |r| r.get(0)).map_err(failed(path))?;
    rows.collect::<Result<_, _>>().map_err(failed(path))
}
