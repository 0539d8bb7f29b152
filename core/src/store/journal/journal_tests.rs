//! What must be there again after an end, orderly or by `kill -9` (a copy of the directory while the journal runs).
use std::{collections::BTreeSet, fs, time::Duration};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{segment::HEAD, *};

pub(super) const SMALL: Limits = Limits { segment: 8 * 1024, total: 1 << 20, queue: 1 << 20 };
pub(super) const LONG: Duration = Duration::from_secs(20);

pub(super) fn record(text: &str, consumers: &[&str]) -> Record {
    Record {
        received_ms: 1_700_000_000_000,
        origin: Origin { conn: 7, uid: "ANDROID-1".into(), groups: vec!["Red".into()], ..Origin::default() },
        dests: vec![Dest { kind: "mission".into(), name: "Flood".into() }],
        consumers: consumers.iter().map(|c| Arc::from(*c)).collect(),
        bytes: text.to_owned().into(),
        ..Record::default()
    }
}

/// Appends one record and waits until it is written.
pub(super) fn put(journal: &Journal, text: &str, consumers: &[&str]) -> u64 {
    let ticket = journal.append(vec![record(text, consumers)]);
    let id = ticket.ids().start;
    assert_eq!(ticket.wait_blocking(LONG), Outcome::Written { first_id: id });
    id
}

pub(super) fn open(dir: &Path) -> Arc<Journal> {
    Journal::open(dir, SMALL).unwrap()
}

fn pending(journal: &Journal, name: &str) -> Vec<u64> {
    journal.consumer(name).pending().collect()
}

/// What a killed process leaves.
fn killed(dir: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        // A file may go meanwhile.
        let _ = fs::copy(entry.path(), copy.path().join(entry.file_name()));
    }
    copy
}

fn segments(dir: &Path) -> Vec<u64> {
    segment::list(dir).unwrap()
}

#[test]
fn a_record_is_read_as_it_was_now_and_after_a_kill() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let ticket = journal.append(vec![record("a", &["core"]), record("b", &["core", "hold:mission"])]);
    let ids: Vec<u64> = ticket.ids().collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ticket.wait_blocking(LONG), Outcome::Written { first_id: ids[0] });
    let wanted = Record { id: ids[1], ..record("b", &["core", "hold:mission"]) };
    assert_eq!(journal.read(ids[1]).unwrap(), wanted);
    let copy = killed(dir.path());
    let again = open(copy.path());
    assert_eq!(again.consumer("hold:mission").read(ids[1]).unwrap(), wanted);
    assert_eq!(pending(&again, "core"), ids);
    assert_eq!(pending(&again, "hold:mission"), ids[1..]);
    assert_eq!(again.found().records, 2);
}

#[tokio::test]
async fn a_task_awaits_its_ticket() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let ticket = journal.append(vec![record("a", &["core"])]);
    assert!(matches!(ticket.wait(LONG).await, Outcome::Written { .. }));
}

#[test]
fn ids_grow_over_ends_of_every_kind() {
    let dir = TempDir::new().unwrap();
    let first = put(&open(dir.path()), "a", &["core"]);
    let journal = open(dir.path());
    let second = put(&journal, "b", &["core"]);
    // Given, delivered, never written: such an id must not come again either.
    let unwritten = journal.append(vec![record("c", &[])]).ids().start;
    let copy = killed(dir.path());
    let third = put(&open(copy.path()), "d", &["core"]);
    assert!(first < second && second < unwritten && unwritten < third);
    let journal = open(copy.path());
    journal.ids_above(1 << 50);
    assert!(put(&journal, "e", &["core"]) > 1 << 50);
}

#[test]
fn ids_grow_when_nothing_is_left_but_the_cursors() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let first = put(&journal, "a", &["core"]);
    journal.consumer("core").done(first);
    drop(journal);
    drop(open(dir.path()));
    assert_eq!(segments(dir.path()), [0_u64; 0]);
    assert!(put(&open(dir.path()), "b", &["core"]) > first);
}

#[test]
fn a_last_record_torn_anywhere_is_left_out_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let ids = [put(&journal, "one", &["core"]), put(&journal, "two", &["core"]), put(&journal, "three", &["core"])];
    let scan = segment::scan(dir.path(), ids[0]).unwrap();
    let begin = scan.records[2].0 as usize - record::HEAD;
    let copy = killed(dir.path());
    let file = segment::path(copy.path(), ids[0]);
    let whole = fs::read(&file).unwrap();
    for cut in begin..scan.end as usize {
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        fs::write(&file, torn).unwrap();
        let again = open(copy.path());
        assert_eq!(pending(&again, "core"), ids[..2], "cut at {cut}");
        assert_eq!(again.found().damage, [""; 0], "cut at {cut}");
        // Life goes on behind the last good record.
        let next = put(&again, "four", &["core"]);
        drop(again);
        assert_eq!(pending(&open(copy.path()), "core"), [ids[0], ids[1], next], "cut at {cut}");
        assert_eq!(segments(copy.path()), [ids[0]]);
    }
}

#[test]
fn damage_costs_the_rest_of_its_segment_only() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let text = "x".repeat(1_000);
    let ids: Vec<u64> = (0..20).map(|_| put(&journal, &text, &["core"])).collect();
    let copy = killed(dir.path());
    let firsts = segments(copy.path());
    assert!(firsts.len() >= 3);
    let scan = segment::scan(copy.path(), firsts[1]).unwrap();
    let (offset, third) = (scan.records[2].0, scan.records[2].2.id);
    let path = segment::path(copy.path(), firsts[1]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[offset as usize + 500] ^= 4;
    fs::write(&path, bytes).unwrap();

    let again = open(copy.path());
    let lost = third..firsts[2];
    let left: Vec<u64> = ids.iter().copied().filter(|id| !lost.contains(id)).collect();
    assert_eq!(pending(&again, "core"), left);
    let [report] = &again.found().damage[..] else { panic!("{:?}", again.found()) };
    assert!(
        report.contains(&format!("{:020}.seg at offset {}", firsts[1], offset as usize - record::HEAD)),
        "{report}"
    );
    // What was not read is not destroyed.
    again.consumer("core").done_to(u64::MAX);
    drop(again);
    assert!(path.with_extension("damaged").exists());
    assert_eq!(open(copy.path()).found().damage, [""; 0]);
}

#[test]
fn a_file_that_is_no_segment_is_reported_and_kept() {
    let dir = TempDir::new().unwrap();
    fs::write(segment::path(dir.path(), 3), "of a later version").unwrap();
    let journal = open(dir.path());
    assert!(journal.found().damage[0].contains("00000000000000000003.seg at offset 0"));
    assert!(put(&journal, "a", &["core"]) > 3);
    assert!(segment::path(dir.path(), 3).with_extension("damaged").exists());
}

#[test]
fn eight_threads_lose_nothing_and_keep_their_order() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let each = |thread: usize| {
        let mut ids = Vec::new();
        for n in 0..200 {
            let batch = (0..=n % 3).map(|part| record(&format!("{thread} {n} {part}"), &["core"])).collect();
            let ticket = journal.append(batch);
            ids.extend(ticket.ids());
            if n % 50 == 0 {
                assert!(matches!(ticket.wait_blocking(LONG), Outcome::Written { .. }));
            }
        }
        ids
    };
    let all: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|t| scope.spawn(move || each(t))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    journal.close();
    let again = open(dir.path());
    let core = again.consumer("core");
    let mut next = [(0, 0); 8];
    for id in core.pending() {
        let text = String::from_utf8(core.read(id).unwrap().bytes.to_vec()).unwrap();
        let n: Vec<usize> = text.split(' ').map(|n| n.parse().unwrap()).collect();
        assert_eq!(next[n[0]], (n[1], n[2]));
        next[n[0]] = if n[2] == n[1] % 3 { (n[1] + 1, 0) } else { (n[1], n[2] + 1) };
        assert!(all[n[0]].contains(&id));
    }
    assert_eq!(next, [(200, 0); 8]);
}

#[test]
fn what_is_done_stays_done_and_what_is_not_comes_again() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let ids: Vec<u64> = (0..10).map(|n| put(&journal, &n.to_string(), &["core", "observe:mission"])).collect();
    journal.consumer("core").done_to(ids[6]);
    // Killed at once: nothing was promised yet, so all may come again, and none is missing.
    let early = pending(&open(killed(dir.path()).path()), "core");
    assert!(ids[7..].iter().all(|id| early.contains(id)));

    journal.consumer("observe:mission").done_durable(&[ids[1], ids[5], ids[9]]).unwrap();
    let again = open(killed(dir.path()).path());
    assert_eq!(pending(&again, "core"), ids[7..]);
    let left: Vec<u64> = [0, 2, 3, 4, 6, 7, 8].map(|n| ids[n]).to_vec();
    assert_eq!(pending(&again, "observe:mission"), left);

    journal.consumer("core").done(ids[8]);
    journal.close();
    assert_eq!(pending(&open(dir.path()), "core"), [ids[7], ids[9]]);
}

#[test]
fn without_readable_cursors_everything_kept_comes_again() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let ids = [put(&journal, "a", &["core"]), put(&journal, "b", &["core"])];
    journal.consumer("core").done(ids[0]);
    drop(journal);
    let mut bytes = fs::read(dir.path().join("cursors")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(dir.path().join("cursors"), bytes).unwrap();
    let again = open(dir.path());
    assert_eq!(pending(&again, "core"), ids);
    assert!(again.found().damage[0].contains("cursors"));
}

#[test]
fn a_segment_goes_when_everybody_its_records_name_is_done() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let text = "x".repeat(2_000);
    let ids: Vec<u64> = (0..12).map(|_| put(&journal, &text, &["core", "hold:mission"])).collect();
    let before = segments(dir.path());
    assert!(before.len() >= 3);
    journal.consumer("core").done_many(&ids);
    journal.consumer("hold:mission").done_many(&ids[1..]);
    assert!(matches!(journal.read(ids[1]), Err(JournalError::Gone(_))));
    assert!(journal.read(ids[0]).is_ok());
    journal.close();
    // The first waits for one record, the last is written to.
    assert_eq!(segments(dir.path()), [before[0], before[before.len() - 1]]);
    let again = open(dir.path());
    again.consumer("hold:mission").done(ids[0]);
    again.close();
    assert_eq!(segments(dir.path()), [0_u64; 0]);
}

#[test]
fn nobody_waits_for_a_forgotten_consumer_after_a_restart_either() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let ids = [put(&journal, "a", &["core", "observe:old"]), put(&journal, "b", &["observe:old"])];
    journal.forget("observe:old");
    assert!(matches!(journal.read(ids[1]), Err(JournalError::Gone(_))));
    drop(journal);
    let again = open(dir.path());
    assert!(again.health().consumers.iter().all(|c| c.consumer.as_ref() != "observe:old"));
    assert_eq!(pending(&again, "core"), ids[..1]);
    let next = put(&again, "c", &["observe:old"]);
    assert_eq!(pending(&again, "observe:old"), [next]);
}

#[test]
fn a_record_nobody_waits_for_is_not_written() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    put(&journal, "a", &[]);
    drop(journal);
    assert_eq!(segments(dir.path()), [0_u64; 0]);
}

#[test]
fn beyond_the_total_the_oldest_go_and_are_counted() {
    let dir = TempDir::new().unwrap();
    let limits = Limits { segment: 16 * 1024, total: 40 * 1024, ..SMALL };
    let journal = Journal::open(dir.path(), limits).unwrap();
    let text = "x".repeat(1_000);
    let ids: Vec<u64> = (0..100).map(|_| put(&journal, &text, &["core", "observe:slow"])).collect();
    journal.consumer("core").done_many(&ids);
    let slow = journal.consumer("observe:slow");
    let left: Vec<u64> = slow.pending().collect();
    assert_eq!(slow.dropped(), (ids.len() - left.len()) as u64);
    assert_eq!(journal.dropped("observe:slow"), slow.dropped());
    assert!(slow.dropped() > 50);
    assert_eq!(left, ids[ids.len() - left.len()..]);
    assert!(matches!(slow.read(ids[0]), Err(JournalError::Gone(_))));
    let on_disk =
        |dir: &Path| -> u64 { segments(dir).iter().map(|s| fs::metadata(segment::path(dir, *s)).unwrap().len()).sum() };
    assert!(on_disk(dir.path()) <= limits.total, "{}", on_disk(dir.path()));
    assert!(journal.health().bytes > HEAD);
    drop(slow);
    drop(journal);
    assert_eq!(pending(&Journal::open(dir.path(), limits).unwrap(), "observe:slow"), left);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    /// Steps: append n records of some size (0–5), be done with a part of them (6–8), start again (9).
    #[test]
    fn any_course_of_appends_dones_and_starts_keeps_what_is_pending(
        steps in prop::collection::vec((0_u8..10, any::<prop::sample::Index>(), 0_usize..3_000), 1..40)
    ) {
        let dir = TempDir::new().unwrap();
        let mut journal = open(dir.path());
        let mut wanted = [BTreeSet::new(), BTreeSet::new()];
        for (step, index, size) in steps {
            let who = usize::from(step % 2);
            match step {
                0..=5 => {
                    let names: &[&str] = [&["a"][..], &["a", "b"], &["b"]][usize::from(step % 3)];
                    let batch = (0..=step).map(|_| record(&"x".repeat(size), names)).collect();
                    let ticket = journal.append(batch);
                    for id in ticket.ids() {
                        names.iter().for_each(|n| wanted[usize::from(*n == "b")].extend([id]));
                    }
                }
                6..=8 => {
                    let all: Vec<u64> = wanted[who].iter().copied().collect();
                    let part = &all[..if all.is_empty() { 0 } else { index.index(all.len()) }];
                    let part: Vec<u64> = part.iter().copied().filter(|id| id % 3 > 0).collect();
                    journal.consumer(["a", "b"][who]).done_many(&part);
                    wanted[who].retain(|id| !part.contains(id));
                }
                _ => {
                    drop(journal);
                    journal = open(dir.path());
                }
            }
            for (name, ids) in ["a", "b"].iter().zip(&wanted) {
                prop_assert_eq!(&pending(&journal, name).into_iter().collect::<BTreeSet<_>>(), ids);
            }
        }
        for id in wanted.iter().flatten() {
            prop_assert_eq!(journal.read(*id).unwrap().id, *id);
        }
    }
}
