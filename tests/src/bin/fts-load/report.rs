//! [`Report`]: what a mode found: a table of measured values with their bounds, notes, and everything as JSON.
//!
//! A row without a bound is only shown. A row whose bound is missed makes the exit code 1 and is repeated at the end.

use std::process::ExitCode;

use serde_json::{Value, json};

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The value with its unit.
    pub value: String,
    /// What was promised.
    pub bound: String,
    /// Was the promise kept; None = nothing was promised.
    pub kept: Option<bool>,
}

/// See the file's head.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
    details: serde_json::Map<String, Value>,
}

impl Report {
    /// A value nobody promised.
    pub fn show(&mut self, what: impl Into<String>, value: impl Into<String>) {
        self.rows.push(Row { what: what.into(), value: value.into(), bound: String::new(), kept: None });
    }

    /// A value with its bound.
    pub fn promise(&mut self, what: impl Into<String>, value: impl Into<String>, bound: impl Into<String>, kept: bool) {
        self.rows.push(Row { what: what.into(), value: value.into(), bound: bound.into(), kept: Some(kept) });
    }

    /// A sentence below the table.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Raw results for the JSON.
    pub fn detail(&mut self, name: impl Into<String>, value: Value) {
        self.details.insert(name.into(), value);
    }

    /// Takes over another report's content.
    pub fn absorb(&mut self, name: &str, other: Self) {
        self.rows.extend(other.rows);
        self.notes.extend(other.notes.into_iter().map(|note| format!("{name}: {note}")));
        self.details.insert(name.to_owned(), Value::Object(other.details));
    }

    /// Were all promises kept?
    pub fn kept(&self) -> bool {
        self.rows.iter().all(|row| row.kept != Some(false))
    }

    /// Everything.
    pub fn json(&self) -> Value {
        let row = |r: &Row| json!({"what": r.what, "value": r.value, "bound": r.bound, "kept": r.kept});
        json!({"kept": self.kept(), "rows": self.rows.iter().map(row).collect::<Vec<_>>(), "notes": self.notes, "details": self.details})
    }

    /// Prints it; the exit code says whether all promises were kept.
    pub fn print(&self, as_json: bool) -> ExitCode {
        if as_json {
            println!("{:#}", self.json());
        } else {
            self.print_table();
        }
        for row in self.rows.iter().filter(|r| r.kept == Some(false)) {
            eprintln!("fts-load: not kept: {}: {} (promised: {})", row.what, row.value, row.bound);
        }
        if self.kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn print_table(&self) {
        let width = |of: fn(&Row) -> &str| self.rows.iter().map(|r| of(r).chars().count()).max().unwrap_or(0);
        let (what, value, bound) = (width(|r| &r.what), width(|r| &r.value), width(|r| &r.bound));
        for row in &self.rows {
            let kept = match row.kept {
                Some(true) => "ok",
                Some(false) => "MISSED",
                None => "",
            };
            let line = format!("{:what$}  {:value$}  {:bound$}  {kept}", row.what, row.value, row.bound);
            println!("{}", line.trim_end());
        }
        self.notes.iter().for_each(|note| println!("note: {note}"));
    }
}
