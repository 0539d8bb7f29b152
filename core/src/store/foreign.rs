//! [`Foreign`]: a database of another program, read and never changed. Its rows come as JSON objects, so that a column
//! that an older version does not have is simply not there.
//!
//! Every query is a transaction of its own: a program that goes on writing is never kept from it, and between two queries
//! it may have written. What must not happen: its schema runs something here (views and triggers of a file of a stranger
//! are not trusted); a file is made where there is none.
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, config::DbConfig, params_from_iter, types::ValueRef};
use serde_json::{Map, Value};

use super::error::StoreError;

/// See the file's head.
#[derive(Debug)]
pub struct Foreign {
    sqlite: Connection,
    path: PathBuf,
}

/// Row by column.
pub type Fields = Map<String, Value>;

impl Foreign {
    /// Opens it.
    ///
    /// # Errors
    /// It is not there, no database, or damaged; somebody holds it for more than 5 s.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |e| StoreError::sqlite(path, "", &e);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = Connection::open_with_flags(path, flags).map_err(fail)?;
        sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(fail)?;
        sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(fail)?;
        sqlite.busy_timeout(std::time::Duration::from_secs(5)).map_err(fail)?;
        sqlite.execute_batch("PRAGMA query_only=ON").map_err(fail)?;
        let foreign = Self { sqlite, path: path.to_owned() };
        // What is no database shows now.
        foreign.query("SELECT count(*) AS n FROM sqlite_schema", &[])?;
        Ok(foreign)
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has it this table?
    ///
    /// # Errors
    /// What SQLite says.
    pub fn has(&self, table: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS n FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
        Ok(!self.query(sql, &[table])?.is_empty())
    }

    /// Rows of a statement.
    ///
    /// # Errors
    /// What SQLite says: a table or a column is missing.
    pub fn query(&self, sql: &str, params: &[&str]) -> Result<Vec<Fields>, StoreError> {
        let run = || {
            let mut statement = self.sqlite.prepare_cached(sql)?;
            let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
            let mut rows = statement.query(params_from_iter(params))?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let mut fields = Fields::new();
                for (n, column) in columns.iter().enumerate() {
                    let value = value(row.get_ref(n)?);
                    if !value.is_null() {
                        fields.insert(column.clone(), value);
                    }
                }
                all.push(fields);
            }
            Ok(all)
        };
        run().map_err(|e| StoreError::sqlite(&self.path, sql, &e))
    }
}

/// Bytes are text, too: who stores text as a BLOB meant it so. What is not UTF-8 in it becomes U+FFFD.
fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => n.into(),
        ValueRef::Real(n) => n.into(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_objects_and_the_file_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.db");
        let theirs = Connection::open(&path).unwrap();
        theirs
            .execute_batch("CREATE TABLE Log (id TEXT, n INT, x REAL, raw BLOB, gone TEXT); INSERT INTO Log VALUES ('a', 7, 0.5, x'c3a4ff', NULL)")
            .unwrap();
        let foreign = Foreign::open(&path).unwrap();
        let rows = foreign.query("SELECT * FROM log WHERE id = ?1", &["a"]).unwrap();
        assert_eq!(json!(rows), json!([{"id": "a", "n": 7, "x": 0.5, "raw": "ä\u{fffd}"}]));
        theirs.execute("INSERT INTO Log (id) VALUES ('b')", []).unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(foreign.has("log").unwrap() && !foreign.has("mission").unwrap());
        assert!(foreign.query("DELETE FROM log", &[]).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert!(foreign.query("SELECT nothing FROM log", &[]).unwrap_err().to_string().contains("other.db"));
    }

    #[test]
    fn what_is_no_database_is_told_and_none_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none.db");
        assert!(Foreign::open(&path).is_err() && !path.exists());
        std::fs::write(&path, "not a database, but long enough to be taken for one at first sight".repeat(20)).unwrap();
        assert!(Foreign::open(&path).unwrap_err().to_string().contains("none.db"));
    }
}
