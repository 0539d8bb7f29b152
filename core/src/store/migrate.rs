//! Migrations of one database: numbered, forward only, each in a transaction of its own with its line in the record.
//!
//! Order: compare what is applied with the list (nothing is changed when they disagree); a copy of the database beside
//! it, if it already has migrations and gets new ones; then each new one. Foreign keys rest while a migration runs, so
//! that a table can be rebuilt without its children being deleted, and all are checked before its commit. The copy goes
//! back with `restore` when the start that needed the new schema fails (plugins.md 6).
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension,
    backup::{Backup, StepResult},
};

use super::{
    confine::RECORD,
    connection::{APPLICATION_ID, Link},
    error::StoreError,
};
use crate::observe::clock;

/// Pages copied before the file is looked at again; all in one go would hide a full disk no sooner.
const PAGES: i32 = 1_024;
/// Pause while another process uses the file.
const AGAIN: Duration = Duration::from_millis(10);

/// One step of a schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration<'a> {
    /// 1 or more; later ones are larger. Gaps are allowed.
    pub version: u32,
    /// For people.
    pub name: &'a str,
    /// One or more statements. Once released it never changes, not even a space.
    pub sql: &'a str,
}

/// What [`super::database::Database::migrate`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Versions applied now, in order.
    pub applied: Vec<u32>,
    /// The database as it was before the first of them; None for a new database and when nothing was applied.
    pub copy: Option<PathBuf>,
}

struct Applied {
    version: u32,
    name: String,
    checksum: String,
}

/// Brings the database to the newest version of the list.
pub(super) fn migrate(link: &Link, list: &[Migration<'_>]) -> Result<Migrated, StoreError> {
    let applied = applied(link)?;
    compare(link, &applied, list)?;
    let new = &list[applied.len()..];
    let Some(first) = new.first() else { return Ok(Migrated::default()) };
    let mut done = Migrated::default();
    if !applied.is_empty() {
        done.copy = Some(copy(link, first.version)?);
    }
    for migration in new {
        apply(link, migration).map_err(|source| StoreError::Migration {
            version: migration.version,
            name: migration.name.into(),
            source: Box::new(source),
        })?;
        tracing::info!(event = "db.migrated", db = %link.facts.path.display(), version = migration.version, name = migration.name, "schema migrated");
        done.applied.push(migration.version);
    }
    Ok(done)
}

fn applied(link: &Link) -> Result<Vec<Applied>, StoreError> {
    link.ours(RECORD, |c| {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?1";
        if c.query_row(sql, [RECORD], |_| Ok(())).optional()?.is_none() {
            return Ok(Vec::new());
        }
        let mut statement = c.prepare(&format!("SELECT version, name, checksum FROM {RECORD} ORDER BY version"))?;
        let rows =
            statement.query_map([], |r| Ok(Applied { version: r.get(0)?, name: r.get(1)?, checksum: r.get(2)? }))?;
        rows.collect()
    })
}

/// What is applied must be the beginning of the list, word for word.
fn compare(link: &Link, applied: &[Applied], list: &[Migration<'_>]) -> Result<(), StoreError> {
    let db = &link.facts.path;
    let mut before = 0;
    for migration in list {
        if migration.version <= before {
            let what = format!("migration {} comes after {before}; versions start at 1 and grow", migration.version);
            return Err(link.facts.refused(what, migration.sql));
        }
        before = migration.version;
    }
    let known = list.last().map_or(0, |m| m.version);
    let user_version: u32 = link.ours("user_version", |c| c.query_row("PRAGMA user_version", [], |r| r.get(0)))?;
    let required = applied.last().map_or(0, |a| a.version).max(user_version);
    if required > known {
        return Err(StoreError::Newer { db: db.clone(), required, known });
    }
    for (n, old) in applied.iter().enumerate() {
        let changed = |how| StoreError::Changed { db: db.clone(), version: old.version, name: old.name.clone(), how };
        match list.get(n) {
            Some(m) if m.version == old.version && checksum(m.sql) == old.checksum => {}
            Some(m) if m.version == old.version => return Err(changed("was changed after it had been applied")),
            Some(m) if m.version < old.version => {
                return Err(changed("is applied, but the list has an older new one before it"));
            }
            _ => return Err(changed("is applied, but not in the list")),
        }
    }
    Ok(())
}

fn checksum(sql: &str) -> String {
    digest::digest(&digest::SHA256, sql.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn apply(link: &Link, migration: &Migration<'_>) -> Result<(), StoreError> {
    link.own("PRAGMA foreign_keys=OFF")?;
    let result = transaction(link, migration);
    link.roll_back();
    link.own("PRAGMA foreign_keys=ON")?;
    result
}

fn transaction(link: &Link, migration: &Migration<'_>) -> Result<(), StoreError> {
    link.own("BEGIN IMMEDIATE")?;
    // The text runs under the rules for callers.
    link.sqlite.execute_batch(migration.sql).map_err(|e| link.explain(migration.sql, &e))?;
    let broken: Option<(String, Option<String>)> = link.ours("PRAGMA foreign_key_check", |c| {
        c.query_row("PRAGMA foreign_key_check", [], |r| Ok((r.get(0)?, r.get(2)?))).optional()
    })?;
    if let Some((table, parent)) = broken {
        let what = format!("rows of {table} would refer to rows of {} that do not exist", parent.unwrap_or_default());
        return Err(link.facts.refused(what, migration.sql));
    }
    link.ours(RECORD, |c| {
        c.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {RECORD}(version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, \
             applied_at INTEGER NOT NULL)"
        ))?;
        let values = (migration.version, migration.name, checksum(migration.sql), clock::now_ms() as i64);
        c.execute(&format!("INSERT INTO {RECORD} VALUES (?1, ?2, ?3, ?4)"), values)?;
        c.execute_batch(&format!("PRAGMA user_version={}", migration.version))
    })?;
    link.own("COMMIT")
}

/// `pre-<version>.db` beside the database: whole or not there; an older one of that name is replaced.
fn copy(link: &Link, version: u32) -> Result<PathBuf, StoreError> {
    let target = link.facts.path.with_file_name(format!("pre-{version}.db"));
    let temp = link.facts.path.with_file_name(format!("pre-{version}.db.tmp"));
    let io = |e: std::io::Error| StoreError::io(&target, "cannot write the copy before a migration", &e);
    match fs::remove_file(&temp) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
        _ => {}
    }
    let result = write(link, &temp).and_then(|()| fs::rename(&temp, &target).map_err(io));
    if let Err(error) = result {
        drop(fs::remove_file(&temp));
        return Err(error);
    }
    let dir = target.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(dir).and_then(|d| d.sync_all()).map_err(io)?;
    Ok(target)
}

fn write(link: &Link, target: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(target);
    new.map_err(|e| StoreError::io(target, "cannot write the copy before a migration", &e))?;
    let fail = |e| StoreError::sqlite(target, "", &e);
    let mut to = Connection::open_with_flags(target, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(fail)?;
    steps(&Backup::new(&link.sqlite, &mut to).map_err(fail)?, target, link.facts.options.busy)?;
    // One file that needs no others beside it.
    to.query_row("PRAGMA journal_mode=DELETE", [], |_| Ok(())).map_err(fail)?;
    to.close().map_err(|(_, e)| fail(e))
}

/// Puts a copy back in place of everything the database holds now.
pub(super) fn restore(link: &mut Link, copy: &Path) -> Result<(), StoreError> {
    let fail = |e| StoreError::sqlite(copy, "", &e);
    let from = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fail)?;
    let found: i64 = from.query_row("PRAGMA application_id", [], |r| r.get(0)).map_err(fail)?;
    if found != i64::from(APPLICATION_ID) {
        return Err(StoreError::Foreign { db: copy.into(), found: found as u32 });
    }
    link.sqlite.flush_prepared_statement_cache();
    let (facts, path) = (link.facts.clone(), link.facts.path.clone());
    let backup = Backup::new(&from, &mut link.sqlite).map_err(|e| StoreError::sqlite(&path, "", &e))?;
    steps(&backup, &path, facts.options.busy)
}

fn steps(backup: &Backup<'_, '_>, target: &Path, busy: Duration) -> Result<(), StoreError> {
    let mut give_up = Instant::now() + busy;
    loop {
        match backup.step(PAGES).map_err(|e| StoreError::sqlite(target, "", &e))? {
            StepResult::Done => return Ok(()),
            StepResult::More => give_up = Instant::now() + busy,
            _ if Instant::now() > give_up => {
                return Err(StoreError::Busy { db: target.into(), what: "another process uses the file".into() });
            }
            _ => std::thread::sleep(AGAIN),
        }
    }
}

#[cfg(test)]
#[path = "migrate_tests.rs"]
mod tests;
