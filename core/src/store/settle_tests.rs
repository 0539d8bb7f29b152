//! Lazy transactions are seen at once, are settled by the thread, and leave the others strict.
use std::time::{Duration, Instant};

use crate::store::database::{Database, Options, Value};

fn open(dir: &tempfile::TempDir) -> Database {
    Database::open(&dir.path().join("data.db"), Options { confined: true, ..Options::default() }).unwrap()
}

fn strictness(database: &Database) -> i64 {
    let link = database.writer().take().unwrap();
    let found = link.ours("PRAGMA synchronous", |c| c.query_row("PRAGMA synchronous", [], |r| r.get(0)));
    database.writer().release(link);
    found.unwrap()
}

#[test]
fn a_lazy_transaction_is_seen_at_once_and_leaves_the_next_one_strict() {
    let dir = tempfile::tempdir().unwrap();
    let database = open(&dir);
    database.exec("CREATE TABLE t(n INTEGER)", &[]).unwrap();
    for commit in [true, false] {
        let lazy = database.begin_lazy().unwrap();
        lazy.exec("INSERT INTO t VALUES(?1)", &[Value::Integer(7)]).unwrap();
        if commit {
            lazy.commit().unwrap();
        } else {
            drop(lazy);
        }
        let rows = database.query("SELECT n FROM t", &[]).unwrap().rows;
        assert_eq!(rows, [[Value::Integer(7)]], "committed is seen, dropped is not");
        assert_eq!(strictness(&database), 2, "FULL again");
    }
}

#[test]
fn what_was_lazy_is_moved_into_the_file_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let database = open(&dir);
    database.exec("CREATE TABLE t(x BLOB)", &[]).unwrap();
    let before = std::fs::metadata(database.path()).unwrap().len();
    let lazy = database.begin_lazy().unwrap();
    lazy.exec("INSERT INTO t VALUES(zeroblob(1000000))", &[]).unwrap();
    lazy.commit().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while std::fs::metadata(database.path()).unwrap().len() < before + 1_000_000 {
        assert!(Instant::now() < until, "nobody moved the log into the file");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!database.writer().facts.unsettled.load(std::sync::atomic::Ordering::Acquire));
    database.close().unwrap();
    assert_eq!(open(&dir).query("SELECT length(x) FROM t", &[]).unwrap().rows, [[Value::Integer(1_000_000)]]);
}
