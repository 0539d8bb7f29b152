//! Notice and position of a mission in one queue: both there or both gone, the notice first (mission.md 7.3).
use fts_plugin_api::cot::Class;
use proptest::prelude::*;

use super::*;
use crate::wire::Head;

const NOTICE: u64 = 1 << 32;

fn event(id: u64, class: Class, uid_hash: u64, bundle: u32) -> Arc<Event> {
    let head = Head { id, conn: 0, received: 0, class, replaceable: false, hop: 0, uid_hash, bundle };
    Arc::new(Event::whole(head, vec![b'x'; 100]))
}

/// Bundle `n` of a uid: its notices have the numbers `NOTICE * k + n`, the position `n`.
fn bundle(n: u32, uid: u64, notices: u64, position: bool) -> Vec<Arc<Event>> {
    let id = u64::from(n);
    let mut all: Vec<_> = (1..=notices).map(|k| event(NOTICE * k + id, Class::State, uid, n)).collect();
    all.extend(position.then(|| event(id, Class::State, uid, n)));
    all
}

fn marks(soft_items: usize) -> Marks {
    Marks {
        soft_items,
        soft_bytes: 1 << 20,
        state_bytes: 1_600,
        state_age: Duration::from_secs(30),
        reliable_bytes: 1 << 20,
    }
}

fn push(queue: &Outbound, events: &[Arc<Event>], at: u32) -> Vec<(u64, Lost)> {
    let mut lost = Vec::new();
    queue.push(events, 1, at, &marks(4), |e, why| lost.push((e.head.id, why)));
    lost
}

fn ids(queue: &Outbound) -> Vec<u64> {
    let mut out = Vec::new();
    while queue.take(&mut out, 256, 1 << 20) {}
    out.iter().map(|i| i.event.head.id).collect()
}

#[test]
fn over_the_soft_mark_the_newest_bundle_takes_the_place_of_the_older() {
    let queue = Outbound::default();
    push(&queue, &bundle(1, 7, 1, true), 0);
    push(&queue, &[event(9, Class::Reliable, 9, 0)], 0);
    push(&queue, &bundle(2, 8, 1, true), 0);
    assert!(queue.depth().slow);
    let lost = push(&queue, &bundle(3, 7, 1, true), 0);
    assert_eq!(lost, [(NOTICE + 1, Lost::Conflated), (1, Lost::Conflated)]);
    assert_eq!(ids(&queue), [NOTICE + 3, 3, 9, NOTICE + 2, 2]);
    assert_eq!(queue.depth().bytes, 0);
}

#[test]
fn when_the_queue_goes_slow_older_bundles_give_way() {
    let queue = Outbound::default();
    push(&queue, &bundle(1, 7, 1, true), 0);
    push(&queue, &bundle(2, 7, 1, true), 0);
    let lost = push(&queue, &bundle(3, 7, 1, true), 0);
    assert_eq!(lost.len(), 4);
    assert_eq!(ids(&queue), [NOTICE + 3, 3]);
}

#[test]
fn a_bundle_of_another_size_goes_behind_everything() {
    let queue = Outbound::default();
    push(&queue, &bundle(1, 7, 1, true), 0);
    push(&queue, &bundle(2, 8, 2, true), 0);
    assert!(push(&queue, &bundle(3, 7, 1, false), 0).is_empty(), "it was its own: the notice alone");
    assert_eq!(push(&queue, &bundle(4, 7, 1, false), 0), [(NOTICE + 3, Lost::Conflated)]);
    assert_eq!(ids(&queue), [NOTICE + 1, 1, NOTICE + 2, 2 * NOTICE + 2, 2, NOTICE + 4]);
}

#[test]
fn a_writer_takes_a_bundle_whole() {
    let queue = Outbound::default();
    push(&queue, &bundle(1, 7, 2, true), 0);
    push(&queue, &bundle(2, 8, 1, true), 0);
    let mut out = Vec::new();
    queue.take(&mut out, 1, 1 << 20);
    assert_eq!(out.len(), 3);
    queue.take(&mut out, 4, 1);
    assert_eq!(out.iter().map(|i| i.event.head.id).collect::<Vec<_>>(), [NOTICE + 1, 2 * NOTICE + 1, 1, NOTICE + 2, 2]);
}

#[derive(Clone, Debug)]
enum Step {
    Bundle { uid: u64, notices: u64, position: bool },
    Plain { uid: u64, class: bool },
    Take { items: usize },
    Age,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..4, 1_u64..3, prop::bool::weighted(0.8))
            .prop_map(|(uid, notices, position)| Step::Bundle { uid, notices, position }),
        3 => (0_u64..4, any::<bool>()).prop_map(|(uid, class)| Step::Plain { uid: 100 + uid, class }),
        2 => (1_usize..5).prop_map(|items| Step::Take { items }),
        1 => Just(Step::Age),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn notice_and_position_are_both_there_or_both_gone(steps in prop::collection::vec(step(), 1..60)) {
        let (queue, mut written, mut pushed, mut lost) = (Outbound::default(), Vec::new(), Vec::new(), Vec::new());
        let mut now = 0;
        for (n, step) in (1_u32..).zip(steps) {
            match step {
                Step::Bundle { uid, notices, position } => {
                    let events = bundle(n, uid, notices, position);
                    pushed.push(events.iter().map(|e| e.head.id).collect::<Vec<_>>());
                    lost.extend(push(&queue, &events, now));
                }
                Step::Plain { uid, class } => {
                    let class = if class { Class::State } else { Class::Reliable };
                    if class == Class::Reliable {
                        pushed.push(vec![u64::from(n)]);
                    }
                    let gone = push(&queue, &[event(u64::from(n), class, uid, 0)], now);
                    lost.extend(gone);
                }
                Step::Take { items } => {
                    let mut out = Vec::new();
                    queue.take(&mut out, items, 1 << 20);
                    written.extend(out.iter().map(|i| i.event.head.id));
                }
                Step::Age => {
                    now += 31_000;
                    queue.age(now, &marks(4), |e, why| lost.push((e.head.id, why)));
                }
            }
        }
        written.extend(ids(&queue));
        let depth = queue.depth();
        prop_assert_eq!((depth.bytes, depth.items), (0, 0));
        for events in &pushed {
            let places: Vec<_> = events.iter().map(|id| written.iter().position(|w| w == id)).collect();
            let there = places.iter().flatten().count();
            prop_assert!(there == 0 || there == events.len(), "{events:?} in {written:?}");
            let gone = events.iter().filter(|id| lost.iter().any(|(l, _)| l == *id)).count();
            prop_assert_eq!(there + gone, events.len(), "each is written or told as lost");
            if there > 0 {
                let first = places[0].unwrap();
                prop_assert!(places.iter().enumerate().all(|(k, place)| *place == Some(first + k)), "side by side, notices first");
            }
        }
    }
}
