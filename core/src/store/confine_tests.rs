//! The confinement table: what a plugin's statement may and may not do, on every way a statement comes in.
use rusqlite::types::Value;

use crate::store::database::{Database, Migration, Options, StoreError};

fn confined() -> Database {
    let db = Database::memory(Options { confined: true, ..Options::default() }).unwrap();
    let sql = "CREATE TABLE a(id INTEGER PRIMARY KEY, t TEXT); CREATE INDEX a_t ON a(t);";
    db.migrate(&[Migration { version: 1, name: "start", sql }]).unwrap();
    db
}

const REFUSED: &[&str] = &[
    "ATTACH '/tmp/other.db' AS o",
    "ATTACH ?1 AS o",
    "ATTACH (SELECT 'x' || 'y') AS o",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO '/tmp/copy.db'",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ROLLBACK TO one",
    "SAVEPOINT one",
    "RELEASE one",
    "PRAGMA journal_mode=DELETE",
    "PRAGMA journal_mode",
    "PRAGMA synchronous=OFF",
    "PRAGMA foreign_keys=OFF",
    "PRAGMA query_only=OFF",
    "PRAGMA writable_schema=ON",
    "PRAGMA user_version=7",
    "PRAGMA application_id=1",
    "PRAGMA wal_checkpoint",
    "PRAGMA temp_store_directory='/tmp'",
    "PRAGMA main.page_size=512",
    "/* hidden */ pragma  Database_List",
    "SELECT * FROM pragma_database_list",
    "EXPLAIN PRAGMA database_list",
    "SELECT load_extension('/tmp/x.so')",
    "INSERT INTO schema_migration VALUES (9, 'x', 'y', 0)",
    "UPDATE schema_migration SET checksum=''",
    "DELETE FROM Schema_Migration",
    "DROP TABLE schema_migration",
    "ALTER TABLE schema_migration RENAME TO s",
    "CREATE TRIGGER g AFTER INSERT ON schema_migration BEGIN DELETE FROM a; END",
    "CREATE TEMP TRIGGER g AFTER INSERT ON main.schema_migration BEGIN DELETE FROM a; END",
];

const ALLOWED: &[&str] = &[
    "INSERT INTO a(t) VALUES ('BEGIN; PRAGMA x')",
    "UPDATE a SET t='b'",
    "CREATE TABLE b(x REFERENCES a(id))",
    "ALTER TABLE b ADD COLUMN y",
    "ALTER TABLE b RENAME COLUMN y TO z",
    "ALTER TABLE b RENAME TO c",
    "CREATE VIEW v AS SELECT * FROM a",
    "CREATE TRIGGER g AFTER INSERT ON a BEGIN UPDATE a SET t=NEW.t; END",
    "CREATE TEMP TABLE t(x)",
    "CREATE INDEX c_x ON c(x)",
    "REINDEX",
    "ANALYZE",
    "ANALYZE a",
    "CREATE VIRTUAL TABLE f USING fts5(body)",
    "INSERT INTO f VALUES ('some words')",
    "DELETE FROM f WHERE f MATCH 'words'",
    "CREATE VIRTUAL TABLE f4 USING fts4(body)",
    "INSERT INTO f4 VALUES ('some words')",
    "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1, y0, y1)",
    "INSERT INTO r VALUES (1, 0, 1, 0, 1)",
    "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<9) INSERT INTO a(t) SELECT i FROM n",
    "DROP TABLE f",
    "DROP TABLE c",
];

const READABLE: &[&str] = &[
    "PRAGMA table_info(a)",
    "PRAGMA index_list(a)",
    "PRAGMA foreign_key_check",
    "PRAGMA user_version",
    "SELECT name FROM pragma_table_info('a')",
    "SELECT * FROM schema_migration",
    "SELECT sql FROM sqlite_schema",
    "SELECT sum(pgsize) FROM dbstat",
];

#[test]
fn a_plugin_cannot_leave_its_database() {
    let db = confined();
    for sql in REFUSED {
        let params: &[Value] = if sql.contains("?1") { &[Value::Text("x".into())] } else { &[] };
        let refused = |result: Result<(), StoreError>, how: &str| match result {
            Err(StoreError::Refused { .. }) => {}
            // Not a statement a migration or a query can hold, but no way out either.
            Err(StoreError::Migration { source, .. }) if matches!(*source, StoreError::Refused { .. }) => {}
            // SQLite's own refusal comes first there.
            Err(error) if sql.starts_with("VACUUM") && error.to_string().contains("from within a transaction") => {}
            other => panic!("{sql} by {how}: {other:?}"),
        };
        // Twice: the second time the statement may come from the cache.
        refused(db.exec(sql, params).map(drop), "exec");
        refused(db.exec(sql, params).map(drop), "exec again");
        refused(db.query(sql, params).map(drop), "query");
        // Functions over pragmas prepare theirs with the first row.
        refused(db.cursor(sql, params).and_then(|mut c| c.next(1)).map(drop), "cursor");
        let tx = db.begin().unwrap();
        refused(tx.exec(sql, params).map(drop), "transaction");
        refused(tx.query(sql, params).map(drop), "transaction's query");
        tx.exec("INSERT INTO a(t) VALUES ('goes on')", &[]).unwrap();
        tx.commit().unwrap();
        if params.is_empty() {
            let first = "CREATE TABLE a(id INTEGER PRIMARY KEY, t TEXT); CREATE INDEX a_t ON a(t);";
            let list =
                [Migration { version: 1, name: "start", sql: first }, Migration { version: 2, name: "bad", sql }];
            refused(db.migrate(&list).map(drop), "migration");
        }
    }
    assert_eq!(db.query("PRAGMA foreign_key_check", &[]).unwrap().rows.len(), 0);
}

#[test]
fn everything_else_works() {
    let db = confined();
    for sql in ALLOWED {
        db.exec(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    for sql in READABLE {
        db.query(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    let error = db.query("PRAGMA cache_size", &[]).unwrap_err().to_string();
    assert!(error.contains("PRAGMA cache_size; allowed are table_info") && error.contains("data.db"), "{error}");
}

#[test]
fn a_trigger_may_not_do_what_its_author_may_not() {
    let db = confined();
    db.exec("CREATE TRIGGER g AFTER INSERT ON a BEGIN DELETE FROM schema_migration; END", &[]).unwrap();
    assert!(matches!(db.exec("INSERT INTO a(t) VALUES ('x')", &[]), Err(StoreError::Refused { .. })));
}

#[test]
fn the_core_is_not_confined_but_opens_no_transaction_by_sql() {
    let db = Database::memory(Options::default()).unwrap();
    db.exec("PRAGMA optimize", &[]).unwrap();
    db.exec("ATTACH ':memory:' AS other", &[]).unwrap();
    db.exec("DETACH other", &[]).unwrap();
    assert!(matches!(db.exec("BEGIN", &[]), Err(StoreError::Refused { .. })));
}
