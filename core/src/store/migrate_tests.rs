//! Migrations: order, what is refused, the copy and the way back.
use super::*;
use crate::store::database::{Database, Options, Value};

const ONE: Migration<'_> = Migration { version: 1, name: "one", sql: "CREATE TABLE a(x); INSERT INTO a VALUES (1)" };
const TWO: Migration<'_> = Migration { version: 2, name: "two", sql: "ALTER TABLE a ADD COLUMN y DEFAULT 5" };
const FOUR: Migration<'_> = Migration { version: 4, name: "four", sql: "UPDATE a SET x=x+y" };

fn number(db: &Database, sql: &str) -> i64 {
    match db.query(sql, &[]).unwrap().rows[0][0] {
        Value::Integer(n) => n,
        ref other => panic!("{other:?}"),
    }
}

fn open(dir: &Path) -> Database {
    Database::open(&dir.join("data.db"), Options { confined: true, ..Options::default() }).unwrap()
}

#[test]
fn each_is_applied_once_in_order_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    assert_eq!(db.migrate(&[ONE, TWO]).unwrap(), Migrated { applied: vec![1, 2], copy: None });
    assert_eq!(db.migrate(&[ONE, TWO]).unwrap(), Migrated::default());
    let done = db.migrate(&[ONE, TWO, FOUR]).unwrap();
    assert_eq!(done.applied, [4]);
    assert_eq!(done.copy, Some(dir.path().join("pre-4.db")));
    assert_eq!(number(&db, "SELECT x FROM a"), 6);
    assert_eq!(number(&db, "PRAGMA user_version"), 4);
    let record =
        db.query("SELECT version, name, checksum, applied_at > 1600000000000 FROM schema_migration", &[]).unwrap();
    assert_eq!(record.rows.len(), 3);
    assert_eq!(record.rows[2][2], Value::Text(checksum(FOUR.sql)));
    // sha256sum of the two letters.
    assert_eq!(checksum("ab"), "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603");
    assert_eq!(record.rows[2][3], Value::Integer(1));
    drop(db);
    assert_eq!(open(dir.path()).migrate(&[ONE, TWO, FOUR]).unwrap(), Migrated::default());
}

#[test]
fn lists_that_do_not_fit_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    db.migrate(&[ONE, FOUR.with("SELECT 1")]).unwrap();
    let error = |list: &[Migration<'_>]| db.migrate(list).unwrap_err();
    let changed = error(&[Migration { sql: "CREATE TABLE a(x) ", ..ONE }, FOUR.with("SELECT 1")]);
    assert!(matches!(&changed, StoreError::Changed { version: 1, .. }));
    assert!(changed.to_string().contains("migration 1 (one)"), "{changed}");
    assert!(matches!(error(&[ONE]), StoreError::Newer { required: 4, known: 1, .. }));
    assert!(error(&[ONE]).to_string().contains("version 4 is required"));
    assert!(matches!(error(&[]), StoreError::Newer { required: 4, known: 0, .. }));
    assert!(matches!(error(&[ONE, TWO, FOUR.with("SELECT 1")]), StoreError::Changed { version: 4, .. }));
    assert!(matches!(error(&[TWO, FOUR.with("SELECT 1")]), StoreError::Changed { version: 1, .. }));
    assert!(matches!(error(&[TWO, ONE]), StoreError::Refused { .. }));
    assert!(matches!(error(&[Migration { version: 0, ..ONE }]), StoreError::Refused { .. }));
    assert!(!dir.path().join("pre-5.db").exists());
}

#[test]
fn a_failing_one_is_rolled_back_whole_and_the_earlier_stay() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let bad = Migration {
        version: 3,
        name: "bad",
        sql: "CREATE TABLE b(x); INSERT INTO b VALUES (1); INSERT INTO nowhere VALUES (1)",
    };
    let error = db.migrate(&[ONE, TWO, bad]).unwrap_err();
    assert!(error.to_string().contains("migration 3 (bad)") && error.to_string().contains("nowhere"), "{error}");
    assert_eq!(number(&db, "PRAGMA user_version"), 2);
    assert_eq!(number(&db, "SELECT count(*) FROM sqlite_schema WHERE name='b'"), 0);
    assert_eq!(db.migrate(&[ONE, TWO]).unwrap(), Migrated::default());
}

#[test]
fn a_table_with_children_can_be_rebuilt_but_not_orphan_them() {
    let db = Database::memory(Options::default()).unwrap();
    let start = "CREATE TABLE p(id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);
                 CREATE TABLE c(p REFERENCES p(id) ON DELETE CASCADE); INSERT INTO c VALUES (1)";
    let start = Migration { version: 1, name: "start", sql: start };
    let rebuild = "CREATE TABLE q(id INTEGER PRIMARY KEY, more); INSERT INTO q(id) SELECT id FROM p; DROP TABLE p; ALTER TABLE q RENAME TO p";
    let rebuild = Migration { version: 2, name: "rebuild", sql: rebuild };
    db.migrate(&[start, rebuild]).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM c"), 1, "the child is still there");
    let orphan = Migration { version: 3, name: "orphan", sql: "DELETE FROM p" };
    let error = db.migrate(&[start, rebuild, orphan]).unwrap_err();
    assert!(error.to_string().contains("rows of c would refer to rows of p"), "{error}");
    assert!(
        matches!(db.exec("INSERT INTO c VALUES (77)", &[]), Err(StoreError::Constraint(_))),
        "foreign keys are on again"
    );
}

#[test]
fn the_copy_goes_back_while_readers_are_open() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    db.migrate(&[ONE]).unwrap();
    db.exec("INSERT INTO a VALUES (2)", &[]).unwrap();
    let copy = db.migrate(&[ONE, TWO, FOUR]).unwrap().copy.unwrap();
    assert_eq!(copy, dir.path().join("pre-2.db"));
    db.exec("DELETE FROM a", &[]).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM a"), 0);
    let mut before = db.cursor("SELECT count(*) FROM a", &[]).unwrap();
    db.restore(&copy).unwrap();
    assert_eq!(before.next(1).unwrap()[0][0], Value::Integer(0), "an open snapshot stays as it was");
    drop(before);
    assert_eq!(number(&db, "SELECT sum(x) FROM a"), 3);
    assert_eq!(number(&db, "PRAGMA user_version"), 1);
    assert!(db.query("SELECT y FROM a", &[]).is_err());
    db.check().unwrap();
    db.exec("INSERT INTO a VALUES (3)", &[]).unwrap();
    assert_eq!(db.migrate(&[ONE, TWO, FOUR]).unwrap().applied, [2, 4], "and the next start tries again");
    let left: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|n| n.starts_with("pre-") && n != "pre-2.db"), "{left:?}");
    db.close().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn only_our_own_copies_go_back() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let other = dir.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE z(x)").unwrap();
    assert!(matches!(db.restore(&other), Err(StoreError::Foreign { .. })));
    assert!(db.restore(&dir.path().join("none.db")).is_err());
    fs::write(&other, "this is no database, but long enough to look at its header".repeat(20)).unwrap();
    assert!(matches!(db.restore(&other), Err(StoreError::Corrupt(_))));
}

impl<'a> Migration<'a> {
    fn with(self, sql: &'a str) -> Self {
        Self { sql, ..self }
    }
}
