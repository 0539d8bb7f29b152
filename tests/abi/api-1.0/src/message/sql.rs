//! The plugin's own database.
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// A value of a column or parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// NULL.
    #[default]
    Null,
    /// INTEGER.
    Int(i64),
    /// REAL.
    Real(f64),
    /// TEXT.
    Text(String),
    /// BLOB.
    Blob(ByteBuf),
}

/// SQL with its parameters (`?1`, `?2` …).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// One statement.
    pub sql: String,
    /// Its parameters.
    pub params: Vec<Value>,
}

/// Rows of a query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// Column names.
    pub columns: Vec<String>,
    /// Values in that order.
    pub rows: Vec<Vec<Value>>,
}

/// Some rows of a cursor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CursorPage {
    /// The rows.
    pub rows: Rows,
    /// Nothing follows.
    pub end: bool,
}

/// One step of the schema. Numbers grow, texts never change once released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// From 1.
    pub version: u32,
    /// One or more statements.
    pub sql: String,
}

/// What a migration did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Migrated {
    /// Versions applied now.
    pub applied: Vec<u32>,
}
