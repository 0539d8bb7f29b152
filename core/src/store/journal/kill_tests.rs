//! A real process that appends and is killed with signal 9: what it was told is written is there.
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::tests::{open, put};

const DIR: &str = "FTS_TEST_JOURNAL";

/// The process to kill; does nothing by itself.
#[test]
fn appends_until_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let journal = open(Path::new(&dir));
    let consumer = journal.consumer("observe:mission");
    let mut out = std::io::stdout();
    for n in 0_u64.. {
        let id = put(&journal, &"x".repeat(200), &["core", "observe:mission"]);
        writeln!(out, "written {id}").unwrap();
        if n % 100 == 7 {
            consumer.done_durable(&[id]).unwrap();
            writeln!(out, "done {id}").unwrap();
        }
    }
}

#[test]
fn what_was_answered_before_a_kill_is_there_after_it() {
    let dir = TempDir::new().unwrap();
    let (mut written, mut done) = (BTreeSet::new(), BTreeSet::new());
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["appends_until_killed", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        for number in 0.. {
            let mut line = String::new();
            // A last line that is cut says nothing.
            if said.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
                break;
            }
            let mut words = line.trim_end().split(' ');
            let (word, id) = (words.next(), words.next().and_then(|id| id.parse::<u64>().ok()));
            match (word, id) {
                (Some("written"), Some(id)) => assert!(written.insert(id), "id {id} came twice"),
                (Some("done"), Some(id)) => assert!(done.insert(id)),
                _ => {}
            }
            if number == 300 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
    }
    let journal = open(dir.path());
    let core: BTreeSet<u64> = journal.consumer("core").pending().collect();
    let mission: BTreeSet<u64> = journal.consumer("observe:mission").pending().collect();
    assert!(written.len() > 600);
    assert_eq!(written.difference(&core).count(), 0);
    // A kill between being done and saying so: at most one of each round.
    let untold = written.difference(&done).filter(|id| !mission.contains(id)).count();
    assert!(untold <= 3, "{untold} records are done that nobody said so of");
    assert!(done.iter().all(|id| !mission.contains(id)));
    assert_eq!(journal.found().damage, [""; 0]);
}
