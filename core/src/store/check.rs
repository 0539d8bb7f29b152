//! Is the core's database sound (`fts db check`)? SQLite's quick check of the file, then that no row refers to one that is
//! not there. Reads only.
use super::{database::Database, error::StoreError};

/// Findings reported at most.
const MOST: usize = 100;

/// What was looked at and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tables with their numbers of rows.
    pub tables: Vec<(String, i64)>,
    /// What is wrong; empty = nothing.
    pub findings: Vec<String>,
    /// Number of the schema.
    pub schema: i64,
}

/// Looks through all of it.
///
/// # Errors
/// It cannot be read at all; damage that can be named is a finding.
pub fn check(db: &Database) -> Result<Report, StoreError> {
    let mut report = Report::default();
    match db.check() {
        Err(StoreError::Corrupt(failure)) => report.findings.push(failure.message),
        other => other?,
    }
    let rows = db.query(
        "SELECT \"table\" AS child, rowid AS at, parent FROM pragma_foreign_key_check LIMIT ?1",
        &[(MOST as i64).into()],
    )?;
    report.findings.extend(rows.iter().map(|row| {
        format!(
            "row {} of {} refers to a row of {} that does not exist",
            row.int("at"),
            row.text("child"),
            row.text("parent")
        )
    }));
    let schema = db.query("SELECT user_version AS v FROM pragma_user_version", &[])?;
    report.schema = schema.first().map_or(0, |r| r.int("v"));
    for table in tables(db)? {
        let sql = format!("SELECT count(*) AS n FROM {}", quoted(&table));
        let n = db.query(&sql, &[])?.first().map_or(0, |r| r.int("n"));
        report.tables.push((table, n));
    }
    Ok(report)
}

/// Names of the tables, without SQLite's own.
///
/// # Errors
/// The database's.
pub fn tables(db: &Database) -> Result<Vec<String>, StoreError> {
    let sql =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    Ok(db.query(sql, &[])?.iter().map(|r| r.text("name").to_owned()).collect())
}

/// A table's name in a statement: names come from the schema itself, never from a caller.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_database_says_so_and_a_loose_end_is_named() {
        let db = super::super::core::temporary().unwrap();
        let report = check(&db).unwrap();
        assert!(report.findings.is_empty() && report.schema >= 6, "{report:?}");
        assert!(report.tables.iter().any(|(t, n)| t == "cot_event" && *n == 0));
        db.exec("INSERT INTO group_set(id, names) VALUES(1, '[]')", &[]).unwrap();
        db.exec("INSERT INTO chat(event_id, uid, type, sender_uid, sender_callsign, sender_user, room, room_id, everyone, text, time_ms, server_ms, groups) VALUES(NULL, 'u', 'b-t-f', '', '', '', '', '', 1, '', 0, 0, 1)", &[]).unwrap();
        let path = db.path().to_owned();
        // Somebody who does not keep the rules.
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("PRAGMA foreign_keys=OFF; DELETE FROM group_set;").unwrap();
        drop(other);
        let report = check(&db).unwrap();
        assert!(report.findings.len() == 1 && report.findings[0].contains("chat"), "{report:?}");
    }
}
