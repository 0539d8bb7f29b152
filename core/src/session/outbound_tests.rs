use fts_plugin_api::cot::Class;

use super::*;
use crate::wire::Head;

fn event(uid: u64, class: Class, id: u64) -> Arc<Event> {
    let head = Head { id, conn: 0, received: 0, class, replaceable: false, hop: 0, uid_hash: uid, bundle: 0 };
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
    let pushed =
        queue.push(&[event(1, Class::State, 1), event(1, Class::State, 2)], 1, 0, &marks(), |_, _| panic!("lost"));
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
        queue.push(&[event(uid, class, id)], 1, 0, &marks(), |e, why| lost.push((e.head.id, why)));
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
    queue.push(&[event(99, Class::Reliable, 1000)], 1, 0, &marks(), |_, _| ());
    for n in 0..20 {
        queue.push(&[event(n, Class::State, n)], 1, 0, &marks(), |e, why| lost.push((e.head.id, why)));
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
        overflow = queue.push(&[event(n, Class::Reliable, n)], 1, 0, &marks(), |_, _| panic!("lost")).overflow;
    }
    assert!(overflow);
    assert_eq!(ids(&queue).len(), 12);
}

#[test]
fn state_older_than_the_age_mark_goes() {
    let queue = Outbound::default();
    queue.push(&[event(1, Class::State, 1), event(2, Class::Reliable, 2)], 1, 0, &marks(), |_, _| ());
    let mut lost = Vec::new();
    queue.age(31_000, &marks(), |e, _| lost.push(e.head.id));
    assert_eq!(lost, [1]);
    assert_eq!(ids(&queue), [2]);
}

#[test]
fn control_goes_first_and_a_closed_queue_refuses() {
    let queue = Outbound::default();
    queue.push(&[event(1, Class::Reliable, 1)], 1, 0, &marks(), |_, _| ());
    queue.push_control(event(2, Class::Reliable, 2), 0, false);
    assert_eq!(queue.close(), 1);
    assert_eq!(queue.push(&[event(3, Class::Reliable, 3)], 1, 0, &marks(), |_, _| ()).refused, 1);
    assert_eq!(ids(&queue), [2, 1]);
}

#[test]
fn what_the_replay_brings_is_not_queued() {
    let queue = Outbound::default();
    let head =
        Head { id: 1, conn: 0, received: 0, class: Class::State, replaceable: false, hop: 0, uid_hash: 1, bundle: 0 };
    let event = Arc::new(Event::whole(head, vec![b'x']));
    event.set_presence(5);
    queue.hold(|| 5);
    queue.push(&[event], 1, 0, &marks(), |_, _| ());
    assert!(queue.is_empty());
}

#[test]
fn only_the_first_push_into_an_empty_queue_wakes() {
    let queue = Outbound::default();
    assert!(queue.queue.lock().idle);
    queue.push(&[event(1, Class::State, 1)], 1, 0, &marks(), |_, _| ());
    assert!(!queue.queue.lock().idle);
    let mut out = Vec::new();
    assert!(queue.take(&mut out, 256, 1 << 20));
    assert!(!queue.queue.lock().idle);
    assert!(!queue.take(&mut out, 256, 1 << 20));
    assert!(queue.queue.lock().idle);
}

async fn lent() -> (Lent, tokio::net::TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    let (_, half) = ours.into_split();
    (Lent { socket: Arc::new(half), proto: false }, theirs)
}

#[tokio::test]
async fn a_lent_socket_comes_back_and_what_came_meanwhile_wakes_the_writer() {
    let queue = Outbound::default();
    let (socket, _peer) = lent().await;
    let handed = |id, items: &mut Vec<Item>| queue.hand_over(&[event(id, Class::State, id)], 9, 0, items);
    let push = |id| queue.push(&[event(id, Class::State, id)], 9, 0, &marks(), |_, _| panic!("lost"));
    let mut items = Vec::new();
    assert!(!queue.take(&mut Vec::new(), 256, 1 << 20));
    assert!(handed(1, &mut items).is_none(), "nothing is lent");
    queue.lend(Some(socket));
    assert!(queue.hand_over(&[event(1, Class::State, 1)], 0, 0, &mut items).is_none(), "nobody gets its own");
    let borrowed = handed(1, &mut items).unwrap();
    assert_eq!(items.iter().map(|i| i.event.head.id).collect::<Vec<_>>(), [1], "the writer sleeps: the caller writes");
    assert!(handed(2, &mut items).is_none(), "somebody writes already");
    assert_eq!(push(2).queued, 1);
    let mut round = Round::default();
    let borrowed = queue.go_on(borrowed, &mut round, 64, 1 << 20).expect("what came meanwhile is taken");
    assert_eq!(round.ids().collect::<Vec<_>>(), [2]);
    push(3);
    assert!(matches!(queue.reclaim(), Reclaimed::Busy));
    assert!(queue.go_on(borrowed, &mut round, 64, 1 << 20).is_none(), "the writer asked for it");
    queue.wait().await;
    assert!(matches!(queue.reclaim(), Reclaimed::Free));
    assert_eq!(ids(&queue), [3]);
}

#[tokio::test]
async fn a_round_that_was_begun_is_the_writers_first() {
    let queue = Outbound::default();
    let (socket, _peer) = lent().await;
    assert!(!queue.take(&mut Vec::new(), 256, 1 << 20));
    queue.lend(Some(socket));
    let mut round = Round::default();
    let borrowed = queue.hand_over(&[event(1, Class::State, 1)], 9, 0, &mut round.items).unwrap();
    queue.give_back(borrowed, Some(Box::new(round)));
    queue.wait().await;
    let Reclaimed::Left(left) = queue.reclaim() else { panic!("the round is lost") };
    assert_eq!(left.ids().collect::<Vec<_>>(), [1]);
    // What only the writer can deal with is left to it.
    let (socket, _peer) = lent().await;
    assert!(!queue.take(&mut Vec::new(), 256, 1 << 20));
    queue.lend(Some(socket));
    let borrowed = queue.hand_over(&[event(2, Class::State, 2)], 9, 0, &mut Vec::new()).unwrap();
    queue.push(&[event(3, Class::State, 3)], 9, 0, &marks(), |_, _| panic!("lost"));
    queue.push_control(event(0, Class::Reliable, 4), 0, true);
    assert!(queue.go_on(borrowed, &mut Round::default(), 64, 1 << 20).is_none());
    queue.wait().await;
    assert_eq!(ids(&queue), [4, 3]);
}

#[tokio::test]
async fn a_closed_queue_keeps_no_socket() {
    let queue = Outbound::default();
    let (socket, mut peer) = lent().await;
    assert!(!queue.take(&mut Vec::new(), 256, 1 << 20));
    queue.lend(Some(socket));
    queue.close();
    let read = tokio::io::AsyncReadExt::read(&mut peer, &mut [0; 1]).await.unwrap();
    assert_eq!(read, 0, "the peer sees the end although somebody still remembers the client");
}

#[tokio::test]
async fn what_comes_before_it_is_written_goes_with_it_but_not_past_what_goes_ahead() {
    let queue = Outbound::default();
    let (socket, _peer) = lent().await;
    let push = |id| queue.push(&[event(id, Class::State, id)], 9, 0, &marks(), |_, _| panic!("lost"));
    queue.lend(Some(socket));
    let mut round = Round::default();
    let _borrowed = queue.hand_over(&[event(1, Class::State, 1)], 9, 0, &mut round.items).unwrap();
    push(2);
    push(3);
    queue.gather(&mut round, 2, 1 << 20);
    assert_eq!(round.ids().collect::<Vec<_>>(), [1, 2], "as many as a round may have");
    queue.push_control(event(0, Class::Reliable, 4), 0, false);
    queue.gather(&mut round, 64, 1 << 20);
    assert_eq!(round.items.len(), 2, "its writer takes what is left, behind the control event");
    assert_eq!(ids(&queue), [4, 3]);
}
