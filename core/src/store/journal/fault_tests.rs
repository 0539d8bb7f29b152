//! A disk that fails, is full, or stands still: told, counted, never waited for, and over when it is over.
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

use super::{
    Journal, JournalError, Limits, Outcome,
    segment::{self, Disk, Medium},
    tests::{LONG, SMALL, open, put, record},
};

const GOOD: u8 = 0;
/// No space to reserve, and none for bytes.
const FULL: u8 = 1;
/// Half of a write arrives, then an error.
const BROKEN: u8 = 2;

#[derive(Debug, Default)]
struct Faults {
    mode: AtomicU8,
    still: Mutex<bool>,
    moving: Condvar,
}

impl Faults {
    fn stand_still(&self, still: bool) {
        *self.still.lock() = still;
        self.moving.notify_all();
    }
}

#[derive(Debug)]
struct Bad(Arc<Faults>);

impl Medium for Bad {
    fn reserve(&self, file: &File, len: u64) -> io::Result<()> {
        match self.0.mode.load(SeqCst) {
            FULL => Err(io::ErrorKind::StorageFull.into()),
            _ => Disk.reserve(file, len),
        }
    }
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.moving.wait_while(&mut self.0.still.lock(), |still| *still);
        match self.0.mode.load(SeqCst) {
            GOOD => Disk.write(file, bytes, at),
            mode => {
                file.write_all_at(&bytes[..bytes.len() / 2 + 1], at)?;
                Err(io::Error::from(if mode == FULL { io::ErrorKind::StorageFull } else { io::ErrorKind::Other }))
            }
        }
    }
    fn sync(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}

fn bad(dir: &Path, limits: Limits) -> (Arc<Journal>, Arc<Faults>) {
    let faults = Arc::<Faults>::default();
    (Journal::open_on(dir, limits, Box::new(Bad(faults.clone()))).unwrap(), faults)
}

fn fails(journal: &Journal, text: &str) -> u64 {
    let ticket = journal.append(vec![record(text, &["core"])]);
    let id = ticket.ids().start;
    assert!(matches!(ticket.wait_blocking(LONG), Outcome::Failed(_)));
    id
}

/// The probe comes by itself.
fn recovers(journal: &Journal) {
    let begin = Instant::now();
    while journal.health().failing.is_some() {
        assert!(begin.elapsed() < LONG, "still failing");
        std::thread::yield_now();
    }
}

#[test]
fn a_full_disk_is_told_and_over_when_it_is_over() {
    for (begin, mode) in [(false, FULL), (true, FULL), (false, BROKEN), (true, BROKEN)] {
        let dir = TempDir::new().unwrap();
        let (journal, faults) = bad(dir.path(), SMALL);
        let mut kept: Vec<u64> = begin.then(|| put(&journal, "before", &["core"])).into_iter().collect();
        faults.mode.store(mode, SeqCst);
        let failed = [fails(&journal, "lost?"), fails(&journal, "lost as well?")];
        assert!(journal.health().failing.is_some());
        // Consumers of this process still get it.
        assert_eq!(journal.read(failed[0]).unwrap().bytes, "lost?");
        faults.mode.store(GOOD, SeqCst);
        recovers(&journal);
        kept.push(put(&journal, "after", &["core"]));
        journal.consumer("core").done(failed[1]);
        assert!(matches!(journal.read(failed[1]), Err(JournalError::Gone(_))));
        drop(journal);
        let again = open(dir.path());
        assert_eq!(again.consumer("core").pending().collect::<Vec<_>>(), kept, "{begin} {mode}");
        assert_eq!(again.found().damage, [""; 0], "{begin} {mode}");
    }
}

#[test]
fn an_append_that_succeeds_ends_the_failing_too() {
    let dir = TempDir::new().unwrap();
    let (journal, faults) = bad(dir.path(), SMALL);
    faults.mode.store(BROKEN, SeqCst);
    fails(&journal, "a");
    faults.mode.store(GOOD, SeqCst);
    put(&journal, "b", &["core"]);
    assert_eq!(journal.health().failing, None);
}

#[test]
fn what_failed_stays_in_memory_up_to_a_limit_and_then_counts_as_dropped() {
    let dir = TempDir::new().unwrap();
    let (journal, faults) = bad(dir.path(), Limits { queue: 8_000, ..SMALL });
    faults.mode.store(FULL, SeqCst);
    let text = "x".repeat(1_000);
    let ids: Vec<u64> = (0..10).map(|_| fails(&journal, &text)).collect();
    assert_eq!(journal.dropped("core"), 7);
    assert_eq!(journal.consumer("core").pending().collect::<Vec<_>>(), ids[..3]);
}

#[tokio::test]
async fn a_disk_that_stands_still_is_waited_for_no_longer_than_the_limit() {
    let dir = TempDir::new().unwrap();
    let (journal, faults) = bad(dir.path(), SMALL);
    faults.stand_still(true);
    let ticket = journal.append(vec![record("a", &["core", "hold:mission"])]);
    let id = ticket.ids().start;
    let begin = Instant::now();
    assert_eq!(ticket.wait(Duration::from_millis(50)).await, Outcome::Late);
    assert!(begin.elapsed() >= Duration::from_millis(50));
    let second = journal.append(vec![record("b", &["core"])]);
    assert_eq!(second.wait_blocking(Duration::from_millis(1)), Outcome::Late);
    // Delivered late and handled already, before it is written.
    assert_eq!(journal.read(id).unwrap().bytes, "a");
    journal.consumer("hold:mission").done(id);
    faults.stand_still(false);
    put(&journal, "c", &["core"]);
    assert_eq!(journal.read(id).unwrap().bytes, "a");
    journal.consumer("core").done(id);
    assert!(journal.read(id).is_err());
    drop(journal);
    assert_eq!(open(dir.path()).consumer("core").waiting(), 2);
}

#[test]
fn a_queue_that_is_full_refuses_at_once() {
    let dir = TempDir::new().unwrap();
    let (journal, faults) = bad(dir.path(), Limits { queue: 4_000, ..SMALL });
    faults.stand_still(true);
    let text = "x".repeat(1_000);
    let tickets: Vec<_> = (0..5).map(|_| journal.append(vec![record(&text, &["core"])])).collect();
    assert!(tickets[..3].iter().all(|t| t.now().is_none()));
    assert!(matches!(tickets[3].now(), Some(Outcome::Failed(_))));
    faults.stand_still(false);
    for ticket in tickets.into_iter().take(3) {
        assert!(matches!(ticket.wait_blocking(LONG), Outcome::Written { .. }));
    }
    put(&journal, "again", &["core"]);
}

#[test]
fn an_event_larger_than_a_segment_fails_alone() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let large = record(&"x".repeat(SMALL.segment as usize), &["core"]);
    let ticket = journal.append(vec![record("a", &["core"]), large, record("b", &["core"])]);
    let ids: Vec<u64> = ticket.ids().collect();
    assert!(matches!(ticket.wait_blocking(LONG), Outcome::Failed(why) if why.contains("larger")));
    drop(journal);
    assert_eq!(open(dir.path()).consumer("core").pending().collect::<Vec<_>>(), [ids[0], ids[2]]);
}

#[test]
fn a_closed_journal_refuses_and_has_written_what_it_took() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let tickets: Vec<_> = (0..100).map(|_| journal.append(vec![record("a", &["core"])])).collect();
    journal.close();
    assert!(tickets.iter().all(|t| matches!(t.now(), Some(Outcome::Written { .. }))));
    assert!(matches!(journal.append(vec![record("b", &["core"])]).now(), Some(Outcome::Failed(_))));
    drop(journal);
    assert_eq!(open(dir.path()).consumer("core").waiting(), 100);
}

#[test]
fn a_segment_without_its_head_is_what_a_kill_leaves() {
    let dir = TempDir::new().unwrap();
    std::fs::write(segment::path(dir.path(), 5), [0; 4_096]).unwrap();
    let journal = open(dir.path());
    assert_eq!(journal.found().damage, [""; 0]);
    assert!(put(&journal, "a", &["core"]) > 5);
}
