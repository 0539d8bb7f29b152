//! The plugin's database (mission.md 1.10): one file per family of tables, each with typed rows and functions.
//!
//! Functions that read take a [`Db`], which is the database ([`fts_plugin_api::sdk::Host::sql`]: committed rows), a
//! [`Read`] (several on one snapshot) or a transaction (with what it has changed). Functions that write take the [`Tx`] of [`crate::write`], so that nothing is
//! written outside of it. Migrations are the numbered files in `schema/`; a released one never changes.
//!
//! What must not happen: SQL made from values; a function that asks the host for anything but SQL (inside a transaction
//! nothing else works).
use std::collections::HashMap;

use fts_plugin_api::sdk::{
    Error, Host, Result,
    sql::{FromValue, Read, Row, Rows, Sql, Tx, Value},
};

pub mod changes;
pub mod contents;
pub mod copies;
pub mod cot;
pub mod externals;
pub mod feeds;
pub mod halves;
pub mod invitations;
pub mod keywords;
pub mod layers;
pub mod logs;
pub mod maplayers;
pub mod missions;
pub mod snapshots;
pub mod subscriptions;
pub mod uids;

const SCHEMA: &[(u32, &str)] = &[
    (1, include_str!("schema/0001_mission.sql")),
    (2, include_str!("schema/0002_items.sql")),
    (3, include_str!("schema/0003_change.sql")),
    (4, include_str!("schema/0004_member.sql")),
    (5, include_str!("schema/0005_log.sql")),
    (6, include_str!("schema/0006_attached.sql")),
    (7, include_str!("schema/0007_half.sql")),
];

/// Brings the schema up to date.
///
/// # Errors
/// What SQLite says; a database of a later version.
pub fn migrate(host: &Host) -> Result<()> {
    host.sql().migrate(SCHEMA).map(|_| ())
}

/// Something that can be read from.
pub trait Db {
    /// All rows.
    ///
    /// # Errors
    /// What SQLite says.
    fn rows(&self, sql: &str, params: &[Value]) -> Result<Rows>;

    /// The first row, read by `f`.
    ///
    /// # Errors
    /// What SQLite says; a column of another type.
    fn one<T>(&self, sql: &str, params: &[Value], f: impl FnOnce(Row<'_>) -> Result<T>) -> Result<Option<T>>
    where
        Self: Sized,
    {
        self.rows(sql, params)?.first().map(f).transpose()
    }

    /// Every row, read by `f`.
    ///
    /// # Errors
    /// As [`Db::one`].
    fn all<T>(&self, sql: &str, params: &[Value], f: impl FnMut(Row<'_>) -> Result<T>) -> Result<Vec<T>>
    where
        Self: Sized,
    {
        self.rows(sql, params)?.iter().map(f).collect()
    }

    /// The column `n` of the only row.
    ///
    /// # Errors
    /// As [`Db::one`].
    fn number(&self, sql: &str, params: &[Value]) -> Result<i64>
    where
        Self: Sized,
    {
        Ok(self.one(sql, params, |row| row.get::<Option<i64>>("n"))?.flatten().unwrap_or(0))
    }
}

impl Db for Sql<'_> {
    fn rows(&self, sql: &str, params: &[Value]) -> Result<Rows> {
        self.query(sql, params)
    }
}

impl Db for Read<'_> {
    fn rows(&self, sql: &str, params: &[Value]) -> Result<Rows> {
        self.query(sql, params)
    }
}

impl Db for Tx<'_> {
    fn rows(&self, sql: &str, params: &[Value]) -> Result<Rows> {
        self.query(sql, params)
    }
}

/// A JSON array of texts, as `json_group_array` makes it.
pub(crate) fn texts(row: &Row<'_>, column: &str) -> Result<Vec<String>> {
    let json: Option<String> = row.get(column)?;
    json.map_or_else(|| Ok(Vec::new()), |json| serde_json::from_str(&json).map_err(Error::from))
}

/// A column that holds one of our own names.
pub(crate) fn named<T>(row: &Row<'_>, column: &str, f: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    let text: String = row.get(column)?;
    f(&text).ok_or_else(|| Error::new(format!("column {column:?} holds {text:?}, which this version does not know")))
}

/// A column that must hold a value of JSON; None when NULL.
pub(crate) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|t| serde_json::from_str(&t).map_err(Error::from)).transpose()
}

/// Rows of many missions, each with the row of its own, by mission.
pub(crate) fn by_mission<T>(rows: Vec<(i64, T)>) -> HashMap<i64, Vec<T>> {
    let mut all: HashMap<i64, Vec<T>> = HashMap::new();
    rows.into_iter().for_each(|(mission, row)| all.entry(mission).or_default().push(row));
    all
}

/// The value of the only column of each row.
pub(crate) fn column<T: FromValue>(db: &impl Db, sql: &str, params: &[Value], name: &str) -> Result<Vec<T>> {
    db.all(sql, params, |row| row.get(name))
}
