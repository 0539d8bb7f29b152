//! The plugin's own database, and the key-value table in it.
//!
//! A transaction belongs to the thread that began it: it is kept there until it ends, and with the generation's handler
//! that forgot it. The same with reads on one snapshot ([`super::read`]).
use std::{cell::RefCell, sync::Arc};

use fts_plugin_api::{
    abi::{Failure, failure},
    message::{CursorPage, KvSet, Migrated, Migration, Rows, Statement, Value, op},
    shim,
};
use serde_bytes::ByteBuf;

use super::{
    super::{Generation, Plugins, guard},
    Answer, answer, args, invalid, read, refuse,
};
use crate::store::database::{self, Database, StoreError, Transaction};

thread_local! {
    static OPEN: RefCell<Option<(Arc<str>, Transaction)>> = const { RefCell::new(None) };
}

/// Rows a cursor hands over at once, at most.
const PAGE: usize = 500;

pub(super) fn failed(error: &StoreError) -> Failure {
    let code = match error {
        StoreError::Busy { .. } => failure::BUSY,
        StoreError::Full(_) => failure::FULL,
        StoreError::Constraint { .. } => failure::CONSTRAINT,
        StoreError::InTransaction { .. } => failure::IN_TRANSACTION,
        StoreError::Closed { .. } => failure::GONE,
        _ => failure::OTHER,
    };
    shim::failure(code, error.to_string())
}

fn value(value: Value) -> database::Value {
    match value {
        Value::Null => database::Value::Null,
        Value::Int(n) => database::Value::Integer(n),
        Value::Real(x) => database::Value::Real(x),
        Value::Text(text) => database::Value::Text(text),
        Value::Blob(bytes) => database::Value::Blob(bytes.into_vec()),
    }
}

fn back(value: database::Value) -> Value {
    match value {
        database::Value::Null => Value::Null,
        database::Value::Integer(n) => Value::Int(n),
        database::Value::Real(x) => Value::Real(x),
        database::Value::Text(text) => Value::Text(text),
        database::Value::Blob(bytes) => Value::Blob(ByteBuf::from(bytes)),
    }
}

fn rows(found: database::Rows) -> Rows {
    let rows = found.rows.into_iter().map(|row| row.into_iter().map(back).collect()).collect();
    Rows { columns: found.columns, rows }
}

pub(super) fn database(plugins: &Plugins, generation: &Generation) -> Result<Database, Failure> {
    let dir = plugins.own_dir(generation.name()).map_err(super::io)?;
    generation.plugin.database(&dir).map_err(|e| failed(&e))
}

/// One operation.
pub fn call(plugins: &Arc<Plugins>, generation: &Arc<Generation>, operation: &str, bytes: &[u8]) -> Answer {
    match operation {
        op::SQL_MIGRATE => answer(migrate(plugins, generation, &args::<Vec<Migration>>(bytes)?)),
        op::SQL_EXEC => answer(exec(plugins, generation, args(bytes)?)),
        op::SQL_QUERY => answer(query(plugins, generation, args(bytes)?)),
        op::SQL_BEGIN => answer(begin(plugins, generation, false)),
        op::SQL_BEGIN_LAZY => answer(begin(plugins, generation, true)),
        op::SQL_COMMIT => answer(end(generation, true)),
        op::SQL_ROLLBACK => answer(end(generation, false)),
        op::SQL_READ => answer(read::begin(plugins, generation)),
        op::SQL_READ_END => answer(read::end(generation)),
        op::SQL_CURSOR => answer(cursor(plugins, generation, args(bytes)?)),
        op::SQL_NEXT => answer(next(generation, args(bytes)?)),
        op::SQL_CLOSE => {
            generation.cursors.lock().remove(&args::<u64>(bytes)?);
            answer(Ok(()))
        }
        op::KV_GET => answer(kv_get(plugins, generation, args(bytes)?)),
        op::KV_SET => answer(kv_set(plugins, generation, args(bytes)?)),
        op::KV_KEYS => answer(kv_keys(plugins, generation, args(bytes)?)),
        _ => refuse(failure::UNSUPPORTED, format!("this server does not know the operation {operation:?}")),
    }
}

/// Numbers below this are the plugin's own.
const KV_VERSION: u32 = 1_000_000;

fn migrate(plugins: &Plugins, generation: &Generation, steps: &[Migration]) -> Result<Migrated, Failure> {
    if let Some(step) = steps.iter().find(|s| s.version == 0 || s.version >= KV_VERSION) {
        return invalid(format!("migration {}: numbers are 1 to {}", step.version, KV_VERSION - 1));
    }
    let list: Vec<_> =
        steps.iter().map(|s| database::Migration { version: s.version, name: "", sql: &s.sql }).collect();
    let migrated = database(plugins, generation)?.migrate(&list).map_err(|e| failed(&e))?;
    if let Some(copy) = migrated.copy {
        *generation.plugin.copied.lock() = Some(copy);
    }
    Ok(Migrated { applied: migrated.applied })
}

fn in_transaction<T>(
    generation: &Generation,
    f: impl FnOnce(&Transaction) -> Result<T, StoreError>,
) -> Option<Result<T, Failure>> {
    OPEN.with_borrow(|open| match open {
        Some((owner, transaction)) if **owner == **generation.name() => Some(f(transaction).map_err(|e| failed(&e))),
        _ => None,
    })
}

fn exec(plugins: &Plugins, generation: &Generation, statement: Statement) -> Result<usize, Failure> {
    read::only(generation)?;
    let params: Vec<_> = statement.params.into_iter().map(value).collect();
    match in_transaction(generation, |t| t.exec(&statement.sql, &params)) {
        Some(done) => done,
        None => database(plugins, generation)?.exec(&statement.sql, &params).map_err(|e| failed(&e)),
    }
}

fn query(plugins: &Plugins, generation: &Generation, statement: Statement) -> Result<Rows, Failure> {
    let params: Vec<_> = statement.params.into_iter().map(value).collect();
    if let Some(found) = read::query(generation, &statement.sql, &params) {
        return found.map(rows);
    }
    match in_transaction(generation, |t| t.query(&statement.sql, &params)) {
        Some(done) => done.map(rows),
        None => database(plugins, generation)?.query(&statement.sql, &params).map(rows).map_err(|e| failed(&e)),
    }
}

fn begin(plugins: &Plugins, generation: &Generation, lazy: bool) -> Result<(), Failure> {
    read::only(generation)?;
    let database = database(plugins, generation)?;
    let transaction = if lazy { database.begin_lazy() } else { database.begin() }.map_err(|e| failed(&e))?;
    OPEN.set(Some((generation.name().clone(), transaction)));
    guard::set_transaction(true);
    Ok(())
}

fn end(generation: &Generation, commit: bool) -> Result<(), Failure> {
    let open = OPEN.take();
    guard::set_transaction(false);
    match open {
        Some((owner, transaction)) if *owner == **generation.name() => {
            if commit {
                transaction.commit().map_err(|e| failed(&e))
            } else {
                Ok(())
            }
        }
        _ => invalid("no transaction is open on this thread"),
    }
}

/// A handler came back with a transaction open: it is rolled back.
pub fn rollback_left() {
    if let Some((plugin, _)) = OPEN.take() {
        tracing::warn!(event = "plugin.open_transaction", %plugin, "a handler came back with a transaction open: rolled back");
    }
    guard::set_transaction(false);
}

fn cursor(plugins: &Plugins, generation: &Generation, statement: Statement) -> Result<u64, Failure> {
    let params: Vec<_> = statement.params.into_iter().map(value).collect();
    let cursor = database(plugins, generation)?.cursor(&statement.sql, &params).map_err(|e| failed(&e))?;
    let id = generation.number();
    generation.cursors.lock().insert(id, cursor);
    Ok(id)
}

fn next(generation: &Generation, id: u64) -> Result<CursorPage, Failure> {
    // Taken out meanwhile: one slow page must not hold up other cursors.
    let Some(mut cursor) = generation.cursors.lock().remove(&id) else { return invalid("this cursor is closed") };
    let found = cursor.next(PAGE).map_err(|e| failed(&e))?;
    // A page may be short because its rows are long.
    let (columns, end) = (cursor.columns().to_vec(), found.is_empty());
    if !end {
        generation.cursors.lock().insert(id, cursor);
    }
    Ok(CursorPage { rows: rows(database::Rows { columns, rows: found }), end })
}

const KV_TABLE: &str = "CREATE TABLE IF NOT EXISTS fts_kv(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";

fn kv(plugins: &Plugins, generation: &Generation) -> Result<Database, Failure> {
    let database = database(plugins, generation)?;
    database.exec(KV_TABLE, &[]).map_err(|e| failed(&e))?;
    Ok(database)
}

fn kv_get(plugins: &Plugins, generation: &Generation, key: String) -> Result<Option<ByteBuf>, Failure> {
    let found =
        kv(plugins, generation)?.query("SELECT value FROM fts_kv WHERE key = ?1", &[database::Value::Text(key)]);
    let value = found.map_err(|e| failed(&e))?.rows.into_iter().next().and_then(|row| row.into_iter().next());
    Ok(value.and_then(|v| match v {
        database::Value::Blob(bytes) => Some(ByteBuf::from(bytes)),
        _ => None,
    }))
}

fn kv_set(plugins: &Plugins, generation: &Generation, set: KvSet) -> Result<(), Failure> {
    let (database, key) = (kv(plugins, generation)?, database::Value::Text(set.key));
    let done = match set.value {
        Some(value) => database.exec(
            "INSERT INTO fts_kv VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
            &[key, database::Value::Blob(value.into_vec())],
        ),
        None => database.exec("DELETE FROM fts_kv WHERE key = ?1", &[key]),
    };
    done.map(|_| ()).map_err(|e| failed(&e))
}

fn kv_keys(plugins: &Plugins, generation: &Generation, prefix: String) -> Result<Vec<String>, Failure> {
    let found = kv(plugins, generation)?.query(
        "SELECT key FROM fts_kv WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key",
        &[database::Value::Text(prefix)],
    );
    let rows = found.map_err(|e| failed(&e))?.rows.into_iter();
    Ok(rows
        .filter_map(|row| match row.into_iter().next() {
            Some(database::Value::Text(key)) => Some(key),
            _ => None,
        })
        .collect())
}
