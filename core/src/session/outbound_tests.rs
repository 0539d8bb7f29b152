use fts_plugin_api::cot::Class;

use super::*;
use crate::wire::Head;

fn event(uid: u64, class: Class, id: u64) -> Arc<Event> {
    let head = Head { id, conn: 0, received: 0, class, replaceable: false, uid_hash: uid };
    Arc::new(Event::whole(head, vec![b'x'; 100]))
}

fn marks() -> Marks {
    Marks {
        soft_items: 4,
        soft_bytes: 1 << 20,
        state_bytes: 1_000,
        state_age: Duration::from_secs(30),
        reliable_bytes: 1_000,
    }
}

fn ids(queue: &Outbound) -> Vec<u64> {
    let mut out = Vec::new();
    while queue.take(&mut out, 256, 1 << 20) {}
    out.iter().map(|i| i.event.head.id).collect()
}

#[test]
fn below_the_soft_mark_everything_is_kept_in_order() {
    let queue = Outbound::default();
    let pushed = queue
        .push(&[event(1, Class::State, 1), event(1, Class::State, 2)], 1, 0, &marks(), false, |_, _| panic!("lost"));
    assert_eq!(pushed, Pushed { queued: 2, ..Pushed::default() });
    assert_eq!(ids(&queue), [1, 2]);
}

#[test]
fn over_the_soft_mark_a_newer_state_takes_the_place_of_the_older() {
    let queue = Outbound::default();
    let mut lost = Vec::new();
    for (uid, class, id) in [
        (1, Class::State, 1),
        (2, Class::State, 2),
        (9, Class::Reliable, 3),
        (1, Class::State, 4),
        (3, Class::State, 5),
        (2, Class::State, 6),
        (9, Class::Reliable, 7),
    ] {
        queue.push(&[event(uid, class, id)], 1, 0, &marks(), false, |e, why| lost.push((e.head.id, why)));
    }
    assert_eq!(lost, [(1, Lost::Conflated), (2, Lost::Conflated)]);
    assert!(queue.depth().slow);
    assert_eq!(ids(&queue), [4, 6, 3, 5, 7]);
    assert!(!queue.depth().slow);
}

#[test]
fn over_the_state_mark_the_oldest_state_goes_and_reliable_stays() {
    let queue = Outbound::default();
    let mut lost = Vec::new();
    queue.push(&[event(99, Class::Reliable, 1000)], 1, 0, &marks(), false, |_, _| ());
    for n in 0..20 {
        queue.push(&[event(n, Class::State, n)], 1, 0, &marks(), false, |e, why| lost.push((e.head.id, why)));
    }
    let left = ids(&queue);
    assert_eq!(left[0], 1000);
    assert!(left.len() <= 11 && *left.last().unwrap() == 19);
    assert!(lost.iter().all(|(_, why)| *why == Lost::Overflow));
    assert_eq!(lost.len() + left.len(), 21);
    assert_eq!(queue.depth().bytes, 0);
}

#[test]
fn too_many_reliable_bytes_say_overflow_and_drop_nothing() {
    let queue = Outbound::default();
    let mut overflow = false;
    for n in 0..12 {
        overflow = queue.push(&[event(n, Class::Reliable, n)], 1, 0, &marks(), false, |_, _| panic!("lost")).overflow;
    }
    assert!(overflow);
    assert_eq!(ids(&queue).len(), 12);
}

#[test]
fn state_older_than_the_age_mark_goes() {
    let queue = Outbound::default();
    queue.push(&[event(1, Class::State, 1), event(2, Class::Reliable, 2)], 1, 0, &marks(), false, |_, _| ());
    let mut lost = Vec::new();
    queue.age(31_000, &marks(), |e, _| lost.push(e.head.id));
    assert_eq!(lost, [1]);
    assert_eq!(ids(&queue), [2]);
}

#[test]
fn control_goes_first_and_a_closed_queue_refuses() {
    let queue = Outbound::default();
    queue.push(&[event(1, Class::Reliable, 1)], 1, 0, &marks(), false, |_, _| ());
    queue.push_control(event(2, Class::Reliable, 2), 0, false);
    assert_eq!(queue.close(), 1);
    assert_eq!(queue.push(&[event(3, Class::Reliable, 3)], 1, 0, &marks(), false, |_, _| ()).refused, 1);
    assert_eq!(ids(&queue), [2, 1]);
}

#[test]
fn what_the_replay_brings_is_not_queued() {
    let queue = Outbound::default();
    let head = Head { id: 1, conn: 0, received: 0, class: Class::State, replaceable: false, uid_hash: 1 };
    let event = Arc::new(Event::whole(head, vec![b'x']));
    event.set_presence(5);
    queue.hold(|| 5);
    queue.push(&[event], 1, 0, &marks(), false, |_, _| ());
    assert!(queue.is_empty());
}

#[test]
fn only_the_first_push_into_an_empty_queue_wakes() {
    let queue = Outbound::default();
    assert!(queue.queue.lock().idle);
    queue.push(&[event(1, Class::State, 1)], 1, 0, &marks(), false, |_, _| ());
    assert!(!queue.queue.lock().idle);
    let mut out = Vec::new();
    assert!(queue.take(&mut out, 256, 1 << 20));
    assert!(!queue.queue.lock().idle);
    assert!(!queue.take(&mut out, 256, 1 << 20));
    assert!(queue.queue.lock().idle);
}
