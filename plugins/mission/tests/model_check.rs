//! Nothing of a mission reaches anybody it is not for: random missions, groups, roles, invitations and senders, against a
//! model (`model/mod.rs`). After every step each connection must have got exactly what the model says (one event or notice
//! more is a leak, one less a loss), every answer must have the status it says, and a refused answer holds no item.
//!
//! `leak.rs` is about events alone; here are all requests beside them. `MISSION_CASES=10000` for a long run (default 256).
mod model;
mod scene;
use model::{World, step};
use proptest::prelude::*;

fn cases() -> u32 {
    std::env::var("MISSION_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_a_mission_reaches_anybody_it_is_not_for(
        bits in proptest::array::uniform7(1..8_u8),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(bits);
        for step in &steps {
            world.run(step);
        }
        prop_assert!(world.host.panics().is_empty());
    }
}
