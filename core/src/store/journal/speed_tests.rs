//! Measurements, run by hand: `cargo test --release -p fts --lib journal_speed -- --ignored --nocapture`.
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{
    Journal, Limits, Outcome,
    tests::{LONG, record},
};

#[test]
#[ignore = "a measurement"]
fn journal_speed() {
    let dir = TempDir::new_in(".").unwrap();
    let journal = Journal::open(dir.path(), Limits::default()).unwrap();
    let core = journal.consumer("core");
    let one = record(&"x".repeat(1_024), &["core"]);
    let mut waits: Vec<Duration> = (0..50_000)
        .map(|_| {
            let begin = Instant::now();
            let ticket = journal.append(vec![one.clone()]);
            let ids = ticket.ids();
            assert!(matches!(ticket.wait_blocking(LONG), Outcome::Written { .. }));
            let took = begin.elapsed();
            core.done_many(&ids.collect::<Vec<_>>());
            took
        })
        .collect();
    waits.sort();
    let at = |share: f64| waits[(waits.len() as f64 * share) as usize];
    println!(
        "single, append to answer: p50 {:?} p99 {:?} p99.9 {:?} max {:?}",
        at(0.5),
        at(0.99),
        at(0.999),
        waits[waits.len() - 1]
    );
    for size in [8, 64, 256] {
        let begin = Instant::now();
        let rounds = 100_000 / size;
        for _ in 0..rounds {
            let ticket = journal.append((0..size).map(|_| one.clone()).collect());
            let ids = ticket.ids();
            assert!(matches!(ticket.wait_blocking(LONG), Outcome::Written { .. }));
            core.done_many(&ids.collect::<Vec<_>>());
        }
        println!("batches of {size}: {:?} per record, append to done", begin.elapsed() / (rounds * size) as u32);
    }
    let begin = Instant::now();
    let tickets: Vec<_> = (0..10_000).map(|_| journal.append(vec![one.clone()])).collect();
    println!("append without waiting: {:?} for the caller", begin.elapsed() / 10_000);
    for ticket in tickets {
        assert!(matches!(ticket.wait_blocking(LONG), Outcome::Written { .. }));
    }
    println!("… until all are written: {:?} per record", begin.elapsed() / 10_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let senders = 8;
    let tasks: Vec<_> = (0..senders)
        .map(|_| {
            let (journal, core, one) = (journal.clone(), core.clone(), one.clone());
            runtime.spawn(async move {
                let mut waits = Vec::new();
                for _ in 0..10_000 {
                    let ticket = journal.append(vec![one.clone()]);
                    let ids = ticket.ids();
                    let begin = Instant::now();
                    assert!(matches!(ticket.wait(LONG).await, Outcome::Written { .. }));
                    waits.push(begin.elapsed());
                    core.done(ids.start);
                }
                waits
            })
        })
        .collect();
    let mut waits: Vec<Duration> = tasks.into_iter().flat_map(|t| runtime.block_on(t).unwrap()).collect();
    waits.sort();
    let at = |share: f64| waits[(waits.len() as f64 * share) as usize];
    println!("{senders} tasks, each awaiting: p50 {:?} p99 {:?} max {:?}", at(0.5), at(0.99), waits[waits.len() - 1]);
    for _ in 0..900 {
        journal.append((0..256).map(|_| one.clone()).collect()).wait_blocking(LONG);
    }
    drop(journal);
    drop(core);
    let begin = Instant::now();
    let journal = Journal::open(dir.path(), Limits::default()).unwrap();
    println!("start with {} records: {:?}", journal.found().records, begin.elapsed());
}
