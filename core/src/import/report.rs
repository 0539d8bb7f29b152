//! [`Report`]: what became of every row, by table of the installation; what failed is named with why.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Counts {
    pub read: u64,
    pub imported: u64,
    /// They were here, or say nothing.
    pub skipped: u64,
    pub failed: u64,
}

/// A row that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Failed {
    pub table: String,
    pub key: String,
    pub why: String,
}

/// See the file's head.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The database it began with.
    pub source: String,
    /// By table.
    pub tables: BTreeMap<String, Counts>,
    /// Row by row.
    pub failed: Vec<Failed>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// What a plugin says of the rows it got. What it leaves out is nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    guid: Option<String>,
    imported: BTreeMap<String, u64>,
    skipped: BTreeMap<String, u64>,
    failed: Vec<Failed>,
    notes: Vec<String>,
}

impl Report {
    /// Of nothing yet.
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    fn table(&mut self, table: &str) -> &mut Counts {
        self.tables.entry(table.to_owned()).or_default()
    }

    /// So many rows were found.
    pub fn read(&mut self, table: &str, rows: usize) {
        if rows > 0 {
            self.table(table).read += rows as u64;
        }
    }

    /// One was taken.
    pub fn imported(&mut self, table: &str) {
        self.table(table).imported += 1;
    }

    /// One was here already.
    pub fn skipped(&mut self, table: &str) {
        self.table(table).skipped += 1;
    }

    /// One could not be taken.
    pub fn failed(&mut self, table: &str, key: &str, why: impl Into<String>) {
        self.table(table).failed += 1;
        self.failed.push(Failed { table: table.to_owned(), key: key.to_owned(), why: why.into() });
    }

    /// What a plugin says of rows is added; the guid it names, if there is one.
    pub fn take(&mut self, said: &Value) -> Option<String> {
        let said: Said = serde_json::from_value(said.clone()).unwrap_or_default();
        said.imported.iter().for_each(|(table, n)| self.table(table).imported += n);
        said.skipped.iter().for_each(|(table, n)| self.table(table).skipped += n);
        said.failed.iter().for_each(|failed| self.table(&failed.table).failed += 1);
        self.failed.extend(said.failed);
        self.notes.extend(said.notes);
        said.guid
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_plugins_say_adds_up() {
        let mut report = Report::new("x.db");
        report.read("log", 3);
        report.read("none", 0);
        let failed = json!([{"table": "log", "key": "k", "why": "no"}]);
        let said = json!({"guid": "g", "imported": {"log": 1}, "skipped": {"log": 1}, "failed": failed, "notes": ["n"], "more": 1});
        assert_eq!(report.take(&said).as_deref(), Some("g"));
        assert_eq!(report.take(&json!("nothing")), None);
        assert_eq!(report.tables["log"], Counts { read: 3, imported: 1, skipped: 1, failed: 1 });
        assert_eq!((report.tables.len(), report.failed.len(), report.notes.len()), (1, 1, 1));
    }
}
