//! The line in front of the writer: shared commits, transactions, their time, and who may wait for whom.
use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use crate::store::{
    database::{Database, Options, StoreError, Value},
    group::{self, Statement},
};

const TABLE: &str = "CREATE TABLE a(id INTEGER PRIMARY KEY, t TEXT UNIQUE)";

fn quick(limit: u64) -> Database {
    let db = Database::memory(Options { limit: Duration::from_millis(limit), ..Options::default() }).unwrap();
    db.exec(TABLE, &[]).unwrap();
    db
}

fn count(db: &Database) -> i64 {
    match db.query("SELECT count(*) FROM a", &[]).unwrap().rows[0][0] {
        Value::Integer(n) => n,
        ref other => panic!("{other:?}"),
    }
}

fn insert(db: &Database, t: &str) -> Result<usize, StoreError> {
    db.exec("INSERT INTO a(t) VALUES (?1)", &[Value::Text(t.into())])
}

/// Runs the statements as one group on the writer of a database.
fn grouped(db: &Database, sql: &[&str]) -> Vec<Result<usize, StoreError>> {
    let link = db.writer().take().unwrap();
    let statements: Vec<_> = sql.iter().map(|s| Statement::new(s, &[])).collect();
    let results = group::commit(&link, &statements.iter().collect::<Vec<_>>());
    db.writer().release(link);
    results
}

#[test]
fn a_failing_statement_of_a_group_fails_alone() {
    let db = quick(5_000);
    let results = grouped(
        &db,
        &[
            "INSERT INTO a(t) VALUES ('x')",
            "INSERT INTO a(t) VALUES ('x')",
            "INSERT INTO nowhere VALUES (1)",
            "INSERT INTO a(t) VALUES ('y'), ('z')",
            "UPDATE a SET t=t||'1'",
        ],
    );
    assert_eq!(results[0], Ok(1));
    assert!(matches!(results[1], Err(StoreError::Constraint(_))));
    assert!(matches!(results[2], Err(StoreError::Sql(_))));
    assert_eq!((&results[3], &results[4]), (&Ok(2), &Ok(3)));
    assert_eq!(count(&db), 3);
}

#[test]
fn what_ends_the_transaction_of_a_group_fails_alone_too() {
    let db = quick(200);
    let forever = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n) INSERT INTO a(t) SELECT i FROM n";
    let results = grouped(
        &db,
        &[
            "INSERT INTO a(t) VALUES ('x')",
            "INSERT OR ROLLBACK INTO a(t) VALUES ('x')",
            forever,
            "INSERT INTO a(t) VALUES ('y')",
        ],
    );
    assert_eq!((&results[0], &results[3]), (&Ok(1), &Ok(1)));
    assert!(matches!(results[1], Err(StoreError::Constraint(_))));
    assert!(matches!(results[2], Err(StoreError::TooLong { .. })));
    assert_eq!(count(&db), 2);
    let results = grouped(&db, &["INSERT INTO a(t) VALUES ('v')", forever, "INSERT INTO a(t) VALUES ('w')"]);
    assert!(matches!(&results[..], [Ok(1), Err(StoreError::TooLong { .. }), Ok(1)]), "{results:?}");
    assert_eq!(count(&db), 4);
}

#[test]
fn a_rule_checked_at_commit_fails_only_who_broke_it() {
    let db = quick(5_000);
    db.exec("CREATE TABLE c(a REFERENCES a(id) DEFERRABLE INITIALLY DEFERRED)", &[]).unwrap();
    let results =
        grouped(&db, &["INSERT INTO a VALUES (1, 'x')", "INSERT INTO c VALUES (1)", "INSERT INTO c VALUES (77)"]);
    assert_eq!((&results[0], &results[1]), (&Ok(1), &Ok(1)));
    assert!(matches!(results[2], Err(StoreError::Constraint(_))));
    assert_eq!(db.query("SELECT a FROM c", &[]).unwrap().rows, [[Value::Integer(1)]]);
}

#[test]
fn many_threads_write_and_each_gets_its_own_answer() {
    let db = quick(5_000);
    let start = Barrier::new(16);
    thread::scope(|scope| {
        for n in 0..16 {
            let (db, start) = (&db, &start);
            scope.spawn(move || {
                start.wait();
                for i in 0..100 {
                    assert_eq!(insert(db, &format!("{n}/{i}")), Ok(1));
                    // Everybody's second row of this name fails, and only that.
                    let twice = insert(db, &format!("{n}/{i}"));
                    assert!(matches!(twice, Err(StoreError::Constraint(_))), "{twice:?}");
                    if i % 10 == 0 {
                        let tx = db.begin().unwrap();
                        tx.exec("INSERT INTO a(t) VALUES (?1)", &[Value::Text(format!("{n}/{i}/tx"))]).unwrap();
                        tx.commit().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(count(&db), 16 * 110);
}

#[test]
fn those_who_wait_behind_a_transaction_go_with_one_commit() {
    let db = quick(5_000);
    let tx = db.begin().unwrap();
    let before = db.size();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let db = db.clone();
                    move || insert(&db, &n.to_string())
                })
            })
            .collect();
        while db.writer().waiting() < 8 {
            thread::yield_now();
        }
        drop(tx);
        assert!(waiting.into_iter().all(|w| w.join().unwrap() == Ok(1)));
    });
    assert_eq!(count(&db), 8);
    // Alone, each commit writes its pages of the table and the index to the log: more than 8 × 8 KiB.
    assert!(db.size() - before < 8 * 8_192, "{} bytes more", db.size() - before);
}

#[test]
fn a_transaction_is_all_or_nothing_and_sees_itself() {
    let db = quick(5_000);
    let tx = db.begin().unwrap();
    tx.exec("INSERT INTO a(t) VALUES ('x')", &[]).unwrap();
    assert!(matches!(tx.exec("INSERT INTO a(t) VALUES ('x')", &[]), Err(StoreError::Constraint(_))));
    let returned = tx.query("INSERT INTO a(t) VALUES ('y') RETURNING t", &[]).unwrap();
    assert_eq!((&returned.columns[..], returned.rows.len()), (&["t".to_owned()][..], 1));
    assert_eq!(tx.query("SELECT count(*) FROM a", &[]).unwrap().rows[0][0], Value::Integer(2));
    drop(tx);
    assert_eq!(count(&db), 0);
    let tx = db.begin().unwrap();
    tx.exec("INSERT INTO a(t) VALUES ('x')", &[]).unwrap();
    tx.commit().unwrap();
    assert_eq!(count(&db), 1);
}

#[test]
fn inside_a_transaction_the_database_itself_refuses() {
    let db = quick(5_000);
    let tx = db.begin().unwrap();
    let inside =
        |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::InTransaction { .. })), "{result:?}");
    inside(db.exec("DELETE FROM a", &[]).map(drop));
    inside(db.query("SELECT 1", &[]).map(drop));
    inside(db.cursor("SELECT 1", &[]).map(drop));
    inside(db.begin().map(drop));
    inside(db.migrate(&[]).map(drop));
    inside(db.close());
    thread::scope(|s| s.spawn(|| assert_eq!(count(&db), 0)).join().unwrap());
    drop(tx);
    insert(&db, "x").unwrap();
}

#[test]
fn a_statement_over_the_limit_ends_its_transaction() {
    let db = quick(50);
    let tx = db.begin().unwrap();
    tx.exec("INSERT INTO a(t) VALUES ('x')", &[]).unwrap();
    let forever = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n";
    let too_long =
        |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::TooLong { .. })), "{result:?}");
    too_long(tx.query(forever, &[]).map(drop));
    // The writer is free again before the transaction object is gone.
    insert(&db, "other").unwrap();
    too_long(tx.exec("INSERT INTO a(t) VALUES ('y')", &[]).map(drop));
    too_long(tx.commit());
    assert_eq!(count(&db), 1);
    too_long(db.exec(forever, &[]).map(drop));
}

#[test]
fn a_forgotten_transaction_loses_the_writer() {
    let db = quick(50);
    let tx = db.begin().unwrap();
    tx.exec("INSERT INTO a(t) VALUES ('x')", &[]).unwrap();
    let began = Instant::now();
    thread::scope(|s| s.spawn(|| insert(&db, "other").unwrap()).join().unwrap());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(matches!(tx.commit(), Err(StoreError::TooLong { .. })));
    assert_eq!(db.query("SELECT t FROM a", &[]).unwrap().rows, [[Value::Text("other".into())]]);
}

#[test]
fn a_failure_that_ends_the_transaction_is_not_followed_by_lone_commits() {
    let db = quick(5_000);
    let tx = db.begin().unwrap();
    tx.exec("INSERT INTO a(t) VALUES ('x')", &[]).unwrap();
    assert!(matches!(tx.exec("INSERT OR ROLLBACK INTO a(t) VALUES ('x')", &[]), Err(StoreError::Constraint(_))));
    assert!(matches!(tx.exec("INSERT INTO a(t) VALUES ('y')", &[]), Err(StoreError::RolledBack { .. })));
    assert!(matches!(tx.commit(), Err(StoreError::RolledBack { .. })));
    assert_eq!(count(&db), 0);
}

#[test]
fn waiting_ends_with_busy_and_leaves_the_line() {
    let options = Options { busy: Duration::from_millis(10), limit: Duration::from_millis(10), ..Options::default() };
    let db = Database::memory(options).unwrap();
    // Taken without a limit, as a migration does.
    let link = db.writer().take().unwrap();
    thread::scope(|s| {
        s.spawn(|| assert!(matches!(db.exec(TABLE, &[]), Err(StoreError::Busy { .. })))).join().unwrap();
    });
    assert_eq!(db.writer().waiting(), 0);
    db.writer().release(link);
    db.exec(TABLE, &[]).unwrap();
}

#[test]
fn what_cannot_run_in_a_transaction_does_not_join() {
    let joins = |sql| Statement::new(sql, &[]).joins();
    assert!(
        joins(" insert into a values (1)") && joins("CREATE TABLE b(x)") && joins("WITH x AS (SELECT 1) DELETE FROM a")
    );
    assert!(
        !joins("vacuum")
            && !joins("PRAGMA optimize")
            && !joins("-- x\nVACUUM")
            && !joins("")
            && !joins("Attach 'x' AS y")
    );
}
