//! Rows as they leave the store: values with SQLite's own five types, no conversion, no loss.
//!
//! The size of a row is what it takes in memory; answers and batches are bounded by it, not by a number of rows.
use std::mem::size_of;

use rusqlite::types::FromSqlError;
pub use rusqlite::types::Value;

/// The answer to a query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Names as SQLite gives them: the alias, else the column or the expression.
    pub columns: Vec<String>,
    /// One inner list per row, as long as `columns`.
    pub rows: Vec<Vec<Value>>,
}

/// One row, its values by name of their column. A column that is not there is a mistake in the statement: it reads as
/// NULL, and as a failed assertion in tests.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    values: &'a [Value],
}

impl Rows {
    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|values| Row { columns: &self.columns, values })
    }

    /// The first one.
    #[must_use]
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }
}

impl<'a> Row<'a> {
    /// Any value.
    #[must_use]
    pub fn value(&self, column: &str) -> &'a Value {
        let at = self.columns.iter().position(|c| c == column);
        debug_assert!(at.is_some(), "no column {column}");
        at.and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }

    /// Text; NULL is "".
    #[must_use]
    pub fn text(&self, column: &str) -> &'a str {
        self.opt_text(column).unwrap_or("")
    }

    /// Text, or None for NULL.
    #[must_use]
    pub fn opt_text(&self, column: &str) -> Option<&'a str> {
        match self.value(column) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number; NULL is 0.
    #[must_use]
    pub fn int(&self, column: &str) -> i64 {
        self.opt_int(column).unwrap_or(0)
    }

    /// A whole number, or None for NULL.
    #[must_use]
    pub fn opt_int(&self, column: &str) -> Option<i64> {
        match self.value(column) {
            Value::Integer(n) => Some(*n),
            _ => None,
        }
    }

    /// A number, or None for NULL.
    #[must_use]
    pub fn opt_real(&self, column: &str) -> Option<f64> {
        match self.value(column) {
            Value::Real(n) => Some(*n),
            Value::Integer(n) => Some(*n as f64),
            _ => None,
        }
    }

    /// Not 0 and not NULL.
    #[must_use]
    pub fn flag(&self, column: &str) -> bool {
        self.int(column) != 0
    }
}

/// The values of one row and the bytes they take.
pub(super) fn read(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<(Vec<Value>, usize)> {
    let mut bytes = size_of::<Vec<Value>>() + columns * size_of::<Value>();
    let mut values = Vec::with_capacity(columns);
    for n in 0..columns {
        let found = row.get_ref(n)?;
        // Text that is not UTF-8 is an error: changing it silently would lose it.
        let value = Value::try_from(found)
            .map_err(|e: FromSqlError| rusqlite::Error::FromSqlConversionFailure(n, found.data_type(), Box::new(e)))?;
        bytes += match &value {
            Value::Text(text) => text.len(),
            Value::Blob(blob) => blob.len(),
            _ => 0,
        };
        values.push(value);
    }
    Ok((values, bytes))
}
