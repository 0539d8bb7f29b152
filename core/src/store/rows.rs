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
