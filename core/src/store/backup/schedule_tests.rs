//! The vault's schedule on a clock of the test's: what is made when, how many stay, and that its thread ends.
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use fts_plugin_api::cot::Millis;
use tempfile::TempDir;

use super::{schedule::Schedule, verify, *};
use crate::{
    config::{Sources, load},
    directory::Directory,
    store::{core, history::History},
};

/// 2025-01-01T00:00:00Z.
const DAY_0: Millis = 1_735_689_600_000;
const HOUR: Millis = 3_600_000;

struct Bed {
    vault: Arc<Vault>,
    now: Arc<AtomicI64>,
    _dir: TempDir,
}

fn bed(schedule: &str) -> Bed {
    let dir = tempfile::tempdir().unwrap();
    let set = vec![format!("backup.schedule=\"{schedule}\""), "backup.keep=2".to_owned()];
    let sources = Sources { data_dir: Some(dir.path().into()), cwd: dir.path().into(), set, ..Sources::default() };
    let config = load(&sources).unwrap().config;
    let (db, _) = core::open(&config).unwrap();
    let running = Arc::new(ArcSwap::from_pointee(config));
    let history = History::new(db, running.clone(), Arc::new(Directory::default())).unwrap();
    let now = Arc::new(AtomicI64::new(DAY_0));
    let clock = now.clone();
    let vault = Vault::with_clock(running, history, Box::new(move || clock.load(SeqCst)));
    Bed { vault, now, _dir: dir }
}

impl Bed {
    fn names(&self) -> Vec<String> {
        let all = self.vault.list().unwrap();
        all.iter().map(|k| k.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    fn at(&self, ms: Millis) {
        self.now.store(DAY_0 + ms, SeqCst);
    }

    /// Until so many are there; the thread is told to look as long as they are not.
    fn until(&self, many: usize) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.names().len() != many {
            assert!(Instant::now() < until, "{:?}", self.names());
            self.vault.look();
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn op7_4_a_backup_is_made_when_its_time_has_come_and_the_newest_are_kept() {
    let bed = bed("daily 03:00");
    let mut daily = Schedule::read("daily 03:00", DAY_0).unwrap();
    let mut turn = |ms: Millis| {
        bed.at(ms);
        bed.vault.turn(&mut daily);
        bed.names().len()
    };
    assert_eq!([turn(0), turn(3 * HOUR - 1)], [0, 0]);
    assert_eq!([turn(3 * HOUR), turn(3 * HOUR + 1), turn(26 * HOUR)], [1, 1, 1]);
    assert_eq!([turn(27 * HOUR), turn(51 * HOUR)], [2, 2], "the oldest made room");
    assert_eq!(bed.names(), ["fts-20250103-030000.tar.zst", "fts-20250102-030000.tar.zst"]);
    for kept in bed.vault.list().unwrap() {
        verify(std::fs::File::open(kept.path).unwrap()).unwrap();
    }
}

#[test]
fn op7_4_the_thread_of_the_schedule_follows_the_clock_and_ends() {
    let bed = bed("daily 03:00");
    bed.vault.begin();
    bed.vault.look();
    assert_eq!(bed.names(), [""; 0]);
    bed.at(3 * HOUR);
    bed.until(1);
    bed.at(30 * HOUR);
    bed.until(2);
    assert_eq!(bed.names(), ["fts-20250102-060000.tar.zst", "fts-20250101-030000.tar.zst"]);
    bed.vault.stop();
    bed.at(300 * HOUR);
    bed.vault.look();
    assert_eq!(bed.names().len(), 2, "nobody looks any more");
}

#[test]
fn op7_4_a_schedule_that_is_none_makes_nothing_and_stops_nothing() {
    let bed = bed("");
    bed.vault.begin();
    bed.vault.stop();
    assert_eq!(bed.names(), [""; 0]);
}
