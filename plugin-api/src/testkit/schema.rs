//! Migrations of the plugin's database, and what a statement may not do there; as in the server's store.
use std::cell::Cell;

use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
};

use super::database::{other, sqlite};
use crate::{
    abi::Failure,
    message::{Migrated, Migration},
};

/// Pragmas a plugin may use.
const PRAGMAS: [&str; 6] =
    ["table_info", "index_list", "foreign_key_check", "user_version", "data_version", "page_size"];
const RECORD: &str = "schema_migration";

thread_local! {
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Runs a statement of the mock itself, free of the rules for plugins.
pub(super) fn ours<T>(f: impl FnOnce() -> T) -> T {
    OURS.set(true);
    let result = f();
    OURS.set(false);
    result
}

/// Nobody opens a transaction by SQL, reaches another file or touches the record of migrations.
pub(super) fn allowed(context: AuthContext<'_>) -> Authorization {
    use AuthAction as A;
    let record = |table: &str| table.eq_ignore_ascii_case(RECORD);
    let refused = match context.action {
        _ if OURS.get() => false,
        A::Transaction { .. } | A::Savepoint { .. } | A::Attach { .. } | A::Detach { .. } | A::Unknown { .. } => true,
        A::Pragma { pragma_name, .. } => !PRAGMAS.contains(&&*pragma_name.to_ascii_lowercase()),
        A::Function { function_name } => function_name.eq_ignore_ascii_case("load_extension"),
        A::Insert { table_name }
        | A::Delete { table_name }
        | A::Update { table_name, .. }
        | A::CreateTable { table_name }
        | A::DropTable { table_name }
        | A::AlterTable { table_name, .. } => record(table_name),
        _ => false,
    };
    if refused { Authorization::Deny } else { Authorization::Allow }
}

/// Brings the schema to the newest version of the list, each step in a transaction of its own.
pub(super) fn migrate(link: &mut Connection, steps: &[Migration], now: i64) -> Result<Migrated, Failure> {
    let mut before = 0;
    for step in steps {
        if step.version <= before {
            let text = format!("migration {} comes after {before}; versions start at 1 and grow", step.version);
            return Err(other(text));
        }
        before = step.version;
    }
    let applied = applied(link).map_err(|e| sqlite(RECORD, &e))?;
    for (n, (version, sql)) in applied.iter().enumerate() {
        match steps.get(n) {
            Some(step) if step.version == *version && step.sql == *sql => {}
            None => return Err(other(format!("the database has migration {version}, the list ends before it"))),
            Some(_) => {
                let text = format!("migration {version} is applied and differs in the list; add a new one instead");
                return Err(other(text));
            }
        }
    }
    let mut done = Migrated::default();
    for step in &steps[applied.len()..] {
        apply(link, step, now)
            .map_err(|e| other(format!("migration {} failed and was rolled back: {e}", step.version)))?;
        done.applied.push(step.version);
    }
    Ok(done)
}

fn applied(link: &Connection) -> rusqlite::Result<Vec<(u32, String)>> {
    ours(|| {
        link.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {RECORD}(version INTEGER PRIMARY KEY, sql TEXT NOT NULL, applied_at INTEGER NOT NULL)"
        ))?;
        let mut all = link.prepare(&format!("SELECT version, sql FROM {RECORD} ORDER BY version"))?;
        all.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect()
    })
}

fn apply(link: &Connection, step: &Migration, now: i64) -> rusqlite::Result<()> {
    ours(|| link.execute_batch("BEGIN IMMEDIATE"))?;
    let run = || {
        link.execute_batch(&step.sql)?;
        let record = (step.version, &step.sql, now);
        ours(|| link.execute(&format!("INSERT INTO {RECORD} VALUES (?1, ?2, ?3)"), record)).map(drop)
    };
    let result = run();
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    ours(|| link.execute_batch(end))?;
    result
}
