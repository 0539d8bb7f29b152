//! A database as its users see it: values, snapshots, cursors, closing, and what is on the disk.
use std::{os::unix::fs::PermissionsExt, sync::mpsc, thread};

use super::*;

fn memory() -> Database {
    let db = Database::memory(Options::default()).unwrap();
    db.exec("CREATE TABLE a(id INTEGER PRIMARY KEY, t)", &[]).unwrap();
    db
}

fn fill(db: &Database, rows: u32) {
    let sql = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<?1) INSERT INTO a(t) SELECT printf('row %d', i) FROM n";
    assert_eq!(db.exec(sql, &[Value::Integer(rows.into())]).unwrap(), rows as usize);
}

fn count(db: &Database) -> i64 {
    match db.query("SELECT count(*) FROM a", &[]).unwrap().rows[0][0] {
        Value::Integer(n) => n,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn values_come_back_as_they_went_in() {
    let db = memory();
    let values = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Real(-0.5),
        Value::Text("ä\0b".into()),
        Value::Blob(vec![0, 255]),
    ];
    for value in &values {
        assert_eq!(db.exec("INSERT INTO a(t) VALUES (?1) RETURNING id", std::slice::from_ref(value)).unwrap(), 1);
    }
    let rows = db.query("SELECT t AS \"the value\", 1+1 FROM a ORDER BY id", &[]).unwrap();
    assert_eq!(rows.columns, ["the value", "1+1"]);
    assert_eq!(rows.rows.into_iter().map(|mut r| r.remove(0)).collect::<Vec<_>>(), values);
    assert_eq!(db.exec("CREATE TABLE b(x)", &[]).unwrap(), 0, "no rows, whatever was changed before");
    assert_eq!(db.exec("SELECT * FROM a", &[]).unwrap(), 0);
}

#[test]
fn errors_name_file_statement_and_reason() {
    let db = memory();
    let long = format!("SELECT missing, '{}'", "é".repeat(500));
    let error = db.query(&long, &[]).unwrap_err().to_string();
    assert!(
        error.contains("data.db") && error.contains("no such column: missing") && error.contains("SELECT missing"),
        "{error}"
    );
    assert!(error.chars().count() < 400, "{error}");
    assert!(
        matches!(db.exec("INSERT INTO a(id) VALUES (1), (1)", &[]), Err(StoreError::Constraint(f)) if f.message.contains("a.id"))
    );
    assert!(matches!(db.exec("INSERT INTO a DEFAULT VALUES; DELETE FROM a", &[]), Err(StoreError::Sql(_))));
    assert!(matches!(db.exec("SELECT ?1", &[]), Err(StoreError::Sql(_))), "a parameter is missing");
    assert!(matches!(db.query("INSERT INTO a(t) VALUES (1) RETURNING id", &[]), Err(StoreError::Refused { .. })));
    assert!(matches!(db.query("SELECT CAST(x'ff' AS TEXT)", &[]), Err(StoreError::Sql(_))), "not UTF-8");
    assert_eq!(count(&db), 0);
}

#[test]
fn a_full_disk_is_told_apart() {
    let db = memory();
    // The limit SQLite checks as it does the disk.
    db.exec("PRAGMA max_page_count=20", &[]).unwrap();
    let error = db.exec("INSERT INTO a(t) VALUES (zeroblob(1000000))", &[]).unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert_eq!(db.exec("INSERT INTO a(t) VALUES (1)", &[]), Ok(1));
}

#[test]
fn a_snapshot_stays_as_it_was_and_gives_its_place_back() {
    let db = Database::memory(Options { readers: 1, busy: Duration::from_millis(20), ..Options::default() }).unwrap();
    db.exec("CREATE TABLE a(id INTEGER PRIMARY KEY, t)", &[]).unwrap();
    fill(&db, 3);
    let snapshot = db.snapshot().unwrap();
    fill(&db, 4);
    let seen = || snapshot.query("SELECT id FROM a", &[]).map(|found| found.rows.len());
    assert_eq!(seen(), Ok(3), "taken when it was made, not with its first query");
    db.exec("DELETE FROM a", &[]).unwrap();
    assert_eq!(seen(), Ok(3));
    assert!(matches!(snapshot.query("DELETE FROM a RETURNING id", &[]), Err(StoreError::Refused { .. })));
    assert!(matches!(db.query("SELECT 1", &[]), Err(StoreError::Busy { .. })), "it holds a reader");
    drop(snapshot);
    assert_eq!(count(&db), 0, "and gave it back, without its snapshot");
}

#[test]
fn a_snapshot_that_is_kept_ends() {
    let db = Database::memory(Options { limit: Duration::ZERO, ..Options::default() }).unwrap();
    let snapshot = db.snapshot().unwrap();
    assert!(matches!(snapshot.query("SELECT 1", &[]), Err(StoreError::TooLong { .. })));
    let db = memory();
    let snapshot = db.snapshot().unwrap();
    let closing = db.clone();
    let closed = thread::spawn(move || closing.close());
    while !matches!(snapshot.query("SELECT 1", &[]), Err(StoreError::Closed { .. })) {
        thread::yield_now();
    }
    drop(snapshot);
    closed.join().unwrap().unwrap();
}

#[test]
fn readers_see_the_last_commit_while_somebody_writes() {
    let db = memory();
    fill(&db, 3);
    let (ready, wait) = mpsc::channel::<()>();
    let (go, told) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let db = &db;
        let writer = scope.spawn(move || {
            let tx = db.begin().unwrap();
            tx.exec("DELETE FROM a", &[]).unwrap();
            ready.send(()).unwrap();
            told.recv().unwrap();
            tx.commit().unwrap();
        });
        wait.recv().unwrap();
        assert_eq!(count(db), 3);
        go.send(()).unwrap();
        writer.join().unwrap();
        assert_eq!(count(db), 0);
    });
}

#[test]
fn a_cursor_walks_one_snapshot_in_small_pieces() {
    let db = memory();
    fill(&db, 100_000);
    let mut cursor = db.cursor("SELECT id, t FROM a WHERE id > ?1 ORDER BY id", &[Value::Integer(0)]).unwrap();
    assert_eq!(cursor.columns(), ["id", "t"]);
    db.exec("DELETE FROM a", &[]).unwrap();
    let mut seen = 0;
    loop {
        let batch = cursor.next(1_000).unwrap();
        assert!(batch.len() <= 1_000);
        for row in &batch {
            seen += 1;
            assert_eq!(row[0], Value::Integer(seen));
        }
        if batch.is_empty() {
            break;
        }
    }
    assert_eq!(seen, 100_000);
    assert_eq!(cursor.next(1).unwrap().len(), 0, "the end stays the end");
    assert_eq!(count(&db), 0);
}

#[test]
fn a_batch_is_bounded_in_bytes() {
    let db = memory();
    db.exec("INSERT INTO a(t) VALUES (zeroblob(400000)), (zeroblob(400000)), (zeroblob(3000000)), (1)", &[]).unwrap();
    let mut cursor = db.cursor("SELECT t FROM a ORDER BY id", &[]).unwrap();
    let sizes: Vec<_> = std::iter::from_fn(|| Some(cursor.next(100).unwrap().len()).filter(|n| *n > 0)).collect();
    assert_eq!(sizes, [3, 1]);
}

#[test]
fn an_answer_too_large_names_the_cursor() {
    let db = Database::memory(Options { answer: 10_000, ..Options::default() }).unwrap();
    db.exec("CREATE TABLE a(id INTEGER PRIMARY KEY, t)", &[]).unwrap();
    fill(&db, 1_000);
    let error = db.query("SELECT * FROM a", &[]).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }) && error.to_string().contains("use a cursor"), "{error}");
    assert_eq!(count(&db), 1_000);
}

#[test]
fn cursors_are_counted_and_come_back() {
    let db = memory();
    fill(&db, 10);
    let mut open: Vec<_> = (0..8).map(|_| db.cursor("SELECT * FROM a", &[]).unwrap()).collect();
    open.iter_mut().for_each(|c| assert_eq!(c.next(1).unwrap().len(), 1));
    assert!(matches!(db.cursor("SELECT * FROM a", &[]), Err(StoreError::Busy { .. })));
    assert_eq!(count(&db), 10, "queries have their own readers");
    open.pop();
    assert!(matches!(db.cursor("SELECT nothing", &[]), Err(StoreError::Sql(_))));
    assert!(matches!(db.cursor("DELETE FROM a", &[]), Err(StoreError::Refused { .. })));
    open.push(db.cursor("SELECT * FROM a", &[]).unwrap());
    drop(db);
    assert_eq!(open[7].next(100).unwrap().len(), 10, "a cursor keeps its database open");
}

#[test]
fn a_forgotten_cursor_lets_its_snapshot_go() {
    let db =
        Database::memory(Options { cursor_idle: Duration::from_millis(1), cursors: 1, ..Options::default() }).unwrap();
    let mut cursor = db.cursor("SELECT 1", &[]).unwrap();
    while db.cursor("SELECT 1", &[]).is_err() {
        thread::yield_now();
    }
    assert!(matches!(cursor.next(1), Err(StoreError::TooLong { .. })));
}

#[test]
fn what_was_committed_is_in_file_and_log_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.db");
    let db = Database::open(&path, Options::default()).unwrap();
    db.exec("CREATE TABLE a(id INTEGER PRIMARY KEY, t)", &[]).unwrap();
    fill(&db, 100);
    let tx = db.begin().unwrap();
    tx.exec("DELETE FROM a", &[]).unwrap();
    // As kill -9 would leave it: nothing of ours runs any more, and the shared index is not there.
    let copy = dir.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    fs::copy(dir.path().join("data.db-wal"), dir.path().join("copy.db-wal")).unwrap();
    let after = Database::open(&copy, Options::default()).unwrap();
    assert_eq!(count(&after), 100);
    after.check().unwrap();
    for name in ["data.db", "data.db-wal", "data.db-shm"] {
        assert_eq!(fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    drop(tx);
    assert_eq!(count(&db), 100);
}

#[test]
fn closed_means_closed_and_one_file_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.db");
    let db = Database::open(&path, Options::default()).unwrap();
    db.exec("CREATE TABLE a(id INTEGER PRIMARY KEY, t)", &[]).unwrap();
    fill(&db, 1_000);
    let mut cursor = db.cursor("SELECT * FROM a", &[]).unwrap();
    let forever = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n";
    thread::scope(|scope| {
        let reader = scope.spawn(|| db.query(forever, &[]));
        while !db.inner.readers.any() {
            thread::yield_now();
        }
        assert!(db.size() > 20_000);
        db.close().unwrap();
        assert!(matches!(reader.join().unwrap(), Err(StoreError::Closed { .. })), "a running query is cut short");
    });
    db.close().unwrap();
    let closed =
        |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::Closed { .. })), "{result:?}");
    closed(cursor.next(1).map(drop));
    closed(db.exec("DELETE FROM a", &[]).map(drop));
    closed(db.query("SELECT 1", &[]).map(drop));
    closed(db.cursor("SELECT 1", &[]).map(drop));
    closed(db.begin().map(drop));
    closed(db.migrate(&[]).map(drop));
    closed(db.check());
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(files, ["data.db"]);
    assert_eq!(count(&Database::open(&path, Options::default()).unwrap()), 1_000);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the last handle closes, too");
}

#[test]
fn close_lets_accepted_writes_finish() {
    let db = memory();
    let tx = db.begin().unwrap();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..4).map(|_| scope.spawn(|| db.exec("INSERT INTO a(t) VALUES (1)", &[]))).collect();
        while db.writer().waiting() < 4 {
            thread::yield_now();
        }
        let close = scope.spawn(|| db.close());
        while !db.is_closed() {
            thread::yield_now();
        }
        tx.exec("INSERT INTO a(t) VALUES (1)", &[]).unwrap();
        tx.commit().unwrap();
        assert!(waiting.into_iter().all(|w| w.join().unwrap() == Ok(1)));
        close.join().unwrap().unwrap();
    });
}

#[test]
fn a_vacuum_gives_space_back_to_the_disk() {
    let db = Database::memory(Options { confined: true, ..Options::default() }).unwrap();
    db.exec("CREATE TABLE a(id INTEGER PRIMARY KEY, t)", &[]).unwrap();
    fill(&db, 100_000);
    db.exec("DELETE FROM a WHERE id > 10", &[]).unwrap();
    db.vacuum().unwrap();
    assert!(db.size() < 100_000, "{} bytes", db.size());
    assert_eq!(count(&db), 10);
}

#[test]
fn somebody_elses_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE z(x)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(Database::open(&path, Options::default()), Err(StoreError::Foreign { found: 0, .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::write(&path, "no database at all, only text".repeat(100)).unwrap();
    assert!(matches!(Database::open(&path, Options::default()), Err(StoreError::Corrupt(_))));
    assert!(matches!(Database::open(&dir.path().join("none/data.db"), Options::default()), Err(StoreError::Io { .. })));
}

/// Not a test: `cargo test -p fts --lib store::database -- --ignored --nocapture rate`.
#[test]
#[ignore = "measures this disk"]
fn rate_of_single_commits() {
    let dir = tempfile::tempdir_in(".").unwrap();
    for synchronous in [Synchronous::Full, Synchronous::Normal] {
        for threads in [1, 8, 32] {
            let path = dir.path().join(format!("{synchronous:?}{threads}.db"));
            let db = Database::open(&path, Options { synchronous, ..Options::default() }).unwrap();
            db.exec("CREATE TABLE a(id INTEGER PRIMARY KEY, t)", &[]).unwrap();
            let (began, each) = (std::time::Instant::now(), 2_000 / threads);
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for _ in 0..each {
                            db.exec("INSERT INTO a(t) VALUES (?1)", &[Value::Blob(vec![7; 300])]).unwrap();
                        }
                    });
                }
            });
            let rate = f64::from(each * threads) / began.elapsed().as_secs_f64();
            println!("{synchronous:?}, {threads} threads: {rate:.0} execs/s");
        }
    }
}
