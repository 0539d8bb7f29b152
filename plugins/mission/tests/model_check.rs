//! Nothing of a mission reaches anybody it is not for: random missions, groups, roles, invitations and senders, against a
//! model (`model/mod.rs`). After every step each connection must have got exactly what the model says (one event or notice
//! more is a leak, one less a loss), every answer must have the status it says, and a refused answer holds no item.
//!
//! `leak.rs` is about events alone; here are all requests beside them. `MISSION_CASES=10000` for a long run (default 256);
//! `--release` and `TMPDIR=/dev/shm` make it several times quicker. The cases are shared out among the cores.
#![allow(clippy::unwrap_used, clippy::panic)]
mod model;
mod scene;
use std::thread;

use model::{World, step};
use proptest::{prelude::*, test_runner::TestRunner};

fn cases() -> u32 {
    std::env::var("MISSION_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256)
}

/// So many cases, of seeds of their own.
fn run(cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let input = (proptest::array::uniform7(1..8_u8), proptest::collection::vec(step(), 1..60));
    let ended = TestRunner::new(config).run(&input, |(bits, steps)| {
        let mut world = World::new(bits);
        for step in &steps {
            world.run(step);
        }
        prop_assert!(world.host.panics().is_empty());
        Ok(())
    });
    if let Err(error) = ended {
        panic!("{error}");
    }
}

#[test]
fn nothing_of_a_mission_reaches_anybody_it_is_not_for() {
    let threads = thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    // A thread that fails fails the test.
    thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(|| run(cases().div_ceil(threads)))));
    });
}
