//! The plugin's own database: one SQLite file the server opens (a plugin never links SQLite itself).
use serde_bytes::ByteBuf;

use super::{Code, Error, Host, Result};
use crate::message::{self, CursorPage, Migrated, Migration, Statement, op};

pub use crate::message::Value;

/// Parameters of a statement: `params![uid, 7, None::<i64>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::sdk::sql::Value::from($value)),*][..] };
}

/// Made by [`Host::sql`].
#[derive(Clone, Copy)]
pub struct Sql<'a>(pub(super) &'a Host);

impl<'a> Sql<'a> {
    /// Brings the schema up to date: (number, statements), numbers from 1, texts never changed once released. Before a
    /// new one the server keeps a copy, and puts it back when the start fails.
    ///
    /// # Errors
    /// The statement and what SQLite says; a database newer than the list; a changed text.
    pub fn migrate(&self, steps: &[(u32, &str)]) -> Result<Migrated> {
        let steps: Vec<_> =
            steps.iter().map(|(version, sql)| Migration { version: *version, sql: (*sql).to_owned() }).collect();
        self.0.ask(op::SQL_MIGRATE, &steps)
    }

    /// One statement, on disk when this returns; how many rows changed.
    ///
    /// # Errors
    /// The statement and what SQLite says.
    pub fn exec(&self, sql: &str, params: &[Value]) -> Result<usize> {
        exec(self.0, sql, params)
    }

    /// All rows, on one snapshot.
    ///
    /// # Errors
    /// The statement and what SQLite says; over 64 MiB use [`Sql::cursor`].
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Rows> {
        query(self.0, sql, params)
    }

    /// Rows as they are needed, on one snapshot. Do not keep it open long.
    ///
    /// # Errors
    /// The statement and what SQLite says; `Busy` when too many are open.
    pub fn cursor(&self, sql: &str, params: &[Value]) -> Result<Cursor> {
        let id = self.0.ask(op::SQL_CURSOR, &statement(sql, params))?;
        Ok(Cursor { host: self.0.clone(), id, page: Rows::default(), at: 0, end: false })
    }

    /// Several queries on one snapshot: what they find belongs together, whatever is committed meanwhile. Short, at most
    /// 5 s; it only reads, and writing on this thread is refused meanwhile. Inside another `read` it is the same snapshot;
    /// inside `tx` use the transaction.
    ///
    /// ```
    /// # use fts_plugin_api::sdk::{Error, Host, Result};
    /// # fn totals(host: &Host) -> Result<(i64, i64)> {
    /// host.sql().read(|read| {
    ///     let one = |sql| read.query(sql, &[])?.first().map_or(Ok(0), |row| row.get("n"));
    ///     Ok((one("SELECT count(*) AS n FROM item")?, one("SELECT max(id) AS n FROM change")?))
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `f` returns; `Busy` when all readers are in use; `InTransaction`; what SQLite says.
    pub fn read<T, E: From<Error>>(&self, f: impl FnOnce(&Read<'a>) -> Result<T, E>) -> Result<T, E> {
        self.0.ask::<()>(op::SQL_READ, &())?;
        let _end = EndRead(self.0);
        f(&Read(self.0))
    }

    /// All or nothing: committed when `f` returns Ok, else rolled back. Inside only `t` works; at most 5 s.
    ///
    /// # Errors
    /// What `f` returns; what SQLite says.
    pub fn tx<T>(&self, f: impl FnOnce(&Tx<'a>) -> Result<T>) -> Result<T> {
        self.0.ask::<()>(op::SQL_BEGIN, &())?;
        self.run(f)
    }

    /// As [`Sql::tx`], but the commit does not wait for the disk, which has it within a second: everybody sees it and it
    /// survives the end of the process at once, a power cut only then. For held events, which the server's journal keeps;
    /// never for what is answered to somebody.
    ///
    /// # Errors
    /// As [`Sql::tx`].
    pub fn tx_lazy<T>(&self, f: impl FnOnce(&Tx<'a>) -> Result<T>) -> Result<T> {
        match self.0.ask::<()>(op::SQL_BEGIN_LAZY, &()) {
            // A server that does not know it waits for the disk.
            Err(error) if error.code() == Code::Unsupported => self.0.ask::<()>(op::SQL_BEGIN, &())?,
            begun => begun?,
        }
        self.run(f)
    }

    fn run<T>(&self, f: impl FnOnce(&Tx<'a>) -> Result<T>) -> Result<T> {
        let mut undo = Undo { host: self.0, over: false };
        let found = f(&Tx(self.0))?;
        undo.over = true;
        self.0.ask::<()>(op::SQL_COMMIT, &())?;
        Ok(found)
    }
}

/// Rolls back when a transaction is left by an error or a panic.
struct Undo<'a> {
    host: &'a Host,
    over: bool,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if !self.over {
            let _ = self.host.ask::<()>(op::SQL_ROLLBACK, &());
        }
    }
}

struct EndRead<'a>(&'a Host);

impl Drop for EndRead<'_> {
    fn drop(&mut self) {
        // A generation that is over has no snapshot.
        let _ = self.0.ask::<()>(op::SQL_READ_END, &());
    }
}

/// One snapshot of the database, inside [`Sql::read`].
pub struct Read<'a>(&'a Host);

impl Read<'_> {
    /// All rows.
    ///
    /// # Errors
    /// The statement and what SQLite says; over 64 MiB.
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Rows> {
        query(self.0, sql, params)
    }
}

/// A transaction.
pub struct Tx<'a>(&'a Host);

impl Tx<'_> {
    /// One statement; how many rows changed.
    ///
    /// # Errors
    /// The statement and what SQLite says.
    pub fn exec(&self, sql: &str, params: &[Value]) -> Result<usize> {
        exec(self.0, sql, params)
    }

    /// All rows, with what the transaction has changed.
    ///
    /// # Errors
    /// The statement and what SQLite says.
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Rows> {
        query(self.0, sql, params)
    }
}

fn statement(sql: &str, params: &[Value]) -> Statement {
    Statement { sql: sql.to_owned(), params: params.to_vec() }
}

fn exec(host: &Host, sql: &str, params: &[Value]) -> Result<usize> {
    host.ask(op::SQL_EXEC, &statement(sql, params))
}

fn query(host: &Host, sql: &str, params: &[Value]) -> Result<Rows> {
    host.ask::<message::Rows>(op::SQL_QUERY, &statement(sql, params)).map(Rows)
}

/// Rows of a query.
#[derive(Clone, Debug, Default)]
pub struct Rows(message::Rows);

impl Rows {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.rows.len()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.0.rows.is_empty()
    }

    /// Row by row.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.0.rows.iter().map(|values| Row { columns: &self.0.columns, values })
    }

    /// The first row.
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    values: &'a [Value],
}

impl Row<'_> {
    /// The value of a column as the type that is wanted.
    ///
    /// # Errors
    /// No such column; another type.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T> {
        let at = self.columns.iter().position(|c| c == column);
        let value = at.and_then(|at| self.values.get(at)).ok_or_else(|| {
            Error::new(format!("no column {column:?} in the answer: there are {}", self.columns.join(", ")))
        })?;
        T::from_value(value).ok_or_else(|| Error::new(format!("column {column:?} holds {value:?}")))
    }
}

/// Rows as they are needed.
pub struct Cursor {
    host: Host,
    id: u64,
    page: Rows,
    at: usize,
    end: bool,
}

impl Cursor {
    /// Applies `f` to the next row; None = the end.
    ///
    /// # Errors
    /// What SQLite says; what `f` returns.
    pub fn next_row<T>(&mut self, f: impl FnOnce(Row<'_>) -> Result<T>) -> Result<Option<T>> {
        if self.at >= self.page.len() {
            if self.end {
                return Ok(None);
            }
            let page: CursorPage = self.host.ask(op::SQL_NEXT, &self.id)?;
            (self.page, self.at, self.end) = (Rows(page.rows), 0, page.end);
        }
        let Some(values) = self.page.0.rows.get(self.at) else { return Ok(None) };
        self.at += 1;
        f(Row { columns: &self.page.0.columns, values }).map(Some)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let _ = self.host.ask::<()>(op::SQL_CLOSE, &self.id);
    }
}

/// What a column can be read as.
pub trait FromValue: Sized {
    /// None = another type.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! value {
    ($type:ty, $from:expr, $pattern:pat => $read:expr) => {
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                $from(value)
            }
        }
        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $pattern => $read,
                    _ => None,
                }
            }
        }
    };
}
value!(i64, Value::Int, Value::Int(n) => Some(*n));
value!(i32, |n| Value::Int(i64::from(n)), Value::Int(n) => i32::try_from(*n).ok());
value!(u32, |n| Value::Int(i64::from(n)), Value::Int(n) => u32::try_from(*n).ok());
value!(bool, |b| Value::Int(i64::from(b)), Value::Int(n) => Some(*n != 0));
value!(f64, Value::Real, Value::Real(x) => Some(*x));
value!(String, Value::Text, Value::Text(text) => Some(text.clone()));
value!(Vec<u8>, |bytes| Value::Blob(ByteBuf::from(bytes)), Value::Blob(bytes) => Some(bytes.to_vec()));

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(n: usize) -> Self {
        Value::from(n as u64)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(text.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Value::Blob(ByteBuf::from(bytes))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}
