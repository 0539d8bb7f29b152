//! [`Queue`](super::Queue): order, places that are taken, what is lost and what is not, who may take.
use std::time::Duration;

use super::*;
use crate::{directory::Bits, route::Owned};

fn seen(uid: u64, journal: u64, class: Class, text: &str) -> Arc<Seen> {
    Arc::new(Seen {
        text: text.to_owned().into(),
        source: Owned::Server { send: Bits::default(), except: 0 },
        origin: None,
        received: 0,
        journal,
        class,
        uid_hash: uid,
        replayed: false,
        held: Vec::new(),
        served: Vec::new(),
        link: String::new(),
    })
}

fn texts(queue: &Queue) -> Vec<String> {
    let items = queue.take(queue.open(), 100, Some(Instant::now())).unwrap();
    let name = |i: &Item| match i {
        Item::Event(seen) => String::from_utf8_lossy(&seen.text).into_owned(),
        Item::Spilled(spilled) => format!("#{}", spilled.id),
        _ => "?".into(),
    };
    items.iter().map(name).collect()
}

const MARKS: Marks = Marks { items: 3, bytes: 1_000 };

#[test]
fn states_of_a_uid_take_each_others_place_and_keep_it() {
    let queue = Queue::new(MARKS);
    queue.event(&seen(1, 0, Class::State, "a1"), true);
    queue.event(&seen(2, 0, Class::State, "b1"), true);
    assert!(queue.event(&seen(1, 0, Class::State, "a2"), true).replaced);
    assert!(!queue.event(&seen(2, 0, Class::State, "b2"), false).replaced, "somebody wants every one");
    assert_eq!(texts(&queue), ["a2", "b1", "b2"]);
    assert!(!queue.event(&seen(1, 0, Class::State, "a3"), true).replaced, "what was taken is gone");
    assert_eq!(texts(&queue), ["a3"]);
}

#[test]
fn over_the_mark_states_are_lost_and_reliable_ones_keep_their_place_in_the_journal() {
    let queue = Queue::new(MARKS);
    for n in 1..=3 {
        queue.event(&seen(n, 0, Class::State, &format!("s{n}")), true);
    }
    assert_eq!(queue.event(&seen(9, 77, Class::Reliable, "r"), true).dropped, 0);
    assert_eq!(queue.event(&seen(4, 0, Class::State, "s4"), true).dropped, 1);
    assert!(queue.event(&seen(3, 0, Class::State, "s3b"), true).replaced, "its number moved along");
    assert_eq!(texts(&queue), ["s2", "s3b", "#77", "s4"]);
    assert_eq!(queue.depth(), (0, 0, 1));
}

#[test]
fn what_was_put_off_comes_again_and_holds_up_only_held_events() {
    let queue = Queue::new(MARKS);
    let epoch = queue.open();
    queue.later(Spilled { id: 7, held: true, served: Vec::new(), again: true });
    let held = Seen { held: vec![("mission".into(), "x".into())], ..Seen::clone(&seen(1, 8, Class::Reliable, "h")) };
    queue.event(&Arc::new(held), false);
    queue.event(&seen(2, 9, Class::Reliable, "o"), false);
    assert_eq!((texts(&queue), queue.depth().0), (vec!["o".to_owned()], 2));
    // Without a limit: the pause ends the waiting.
    let items = queue.take(epoch, 100, None).unwrap();
    let ids: Vec<_> =
        items.iter().map(|i| if let Item::Spilled(s) = i { (s.id, s.again) } else { (0, false) }).collect();
    assert_eq!((ids, queue.depth()), (vec![(7, true), (8, false)], (0, 0, 0)));
}

#[test]
fn what_was_taken_is_under_way_until_its_worker_comes_back() {
    let queue = Queue::new(MARKS);
    let epoch = queue.open();
    assert!(queue.is_idle());
    queue.event(&seen(1, 7, Class::Reliable, "x"), true);
    assert!(!queue.is_idle());
    assert_eq!(queue.take(epoch, 1, None).unwrap().len(), 1);
    assert!(queue.depth().0 == 0 && !queue.is_idle(), "it is neither here nor in anybody's hands");
    assert!(queue.take(epoch, 1, Some(Instant::now())).unwrap().is_empty());
    assert!(queue.is_idle());
}

#[test]
fn a_closed_queue_keeps_what_waits() {
    let queue = Queue::new(MARKS);
    queue.event(&seen(1, 0, Class::Reliable, "x"), true);
    let before = queue.open();
    queue.close();
    assert!(queue.take(before, 1, None).is_none());
    let now = queue.open();
    assert!(queue.take(before, 1, None).is_none(), "a worker of before takes nothing");
    assert_eq!(texts(&queue), ["x"]);
    assert_eq!(queue.take(now, 1, Some(Instant::now())).unwrap().len(), 0);
}

#[test]
fn a_rest_ends_at_its_time_at_once_where_enough_waits_and_with_the_queue() {
    let queue = Queue::new(MARKS);
    let epoch = queue.open();
    queue.event(&seen(1, 7, Class::Reliable, "x"), true);
    let (begun, far) = (Instant::now(), Instant::now() + Duration::from_secs(600));
    queue.rest(epoch, 2, begun + Duration::from_millis(5));
    assert!(begun.elapsed() >= Duration::from_millis(5));
    queue.rest(epoch, 1, far);
    std::thread::scope(|s| {
        s.spawn(|| queue.rest(epoch, 2, far));
        queue.close();
    });
    assert!(queue.take(epoch, 1, None).is_none());
    let now = queue.open();
    queue.rest(epoch, 2, far);
    assert_eq!(queue.take(now, 1, None).unwrap().len(), 1, "nothing was lost");
}
