//! Who waits for an event hears of it behind its commit, or that it was too late; never twice, never for ever.
use std::sync::mpsc;

use super::{
    super::tests::{Bed, NOW, sa},
    *,
};
use crate::store::history::Reach;

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for a uid and says into a channel what came of it.
fn wait(bed: &Bed, uid: &str, limit: Duration) -> (Ticket, mpsc::Receiver<Arrival>) {
    let (tell, told) = mpsc::channel();
    let ticket = bed
        .0
        .notify(uid, limit, move |what| {
            let _ = tell.send(what);
        })
        .unwrap();
    (ticket, told)
}

#[test]
fn mission7_1_d_who_waits_is_told_when_the_event_can_be_found() {
    let bed = Bed::new(&[]);
    let (tell, told) = mpsc::channel();
    let history = Arc::downgrade(&bed.0);
    let look = move |what| {
        let found = history.upgrade().map(|h| h.latest("A", &Reach::everything()).unwrap().is_some());
        let _ = tell.send((what, found));
    };
    let _ticket = bed.0.notify("A", DEADLINE, look).unwrap();
    let (_other, nothing) = wait(&bed, "B", DEADLINE);
    bed.put(&sa("A", NOW), NOW, &["red"], None);
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), (Arrival::Stored, Some(true)));
    bed.put(&sa("A", NOW + 1), NOW + 1, &["red"], None);
    bed.settled();
    assert!(told.recv_timeout(DEADLINE).is_err(), "once: the listener is gone");
    assert!(nothing.try_recv().is_err(), "another uid");
}

#[test]
fn mission7_1_d_what_does_not_come_in_time_is_told_too() {
    let bed = Bed::new(&[]);
    let begun = Instant::now();
    let (_ticket, told) = wait(&bed, "A", Duration::from_millis(30));
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Arrival::Late);
    assert!(begun.elapsed() >= Duration::from_millis(30));
    // What is not kept is not stored: its sender said so.
    let (_ticket, told) = wait(&bed, "S", Duration::from_millis(200));
    let secret = sa("S", NOW).replace("<contact", r#"<marti archive="false"/><contact"#);
    bed.put(&secret, NOW, &["red"], None);
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Arrival::Late);
    assert_eq!(bed.0.arrivals.many.load(SeqCst), 0);
}

#[test]
fn several_wait_for_one_and_who_gave_up_is_not_told() {
    let bed = Bed::new(&[]);
    let all: Vec<_> = (0..3).map(|_| wait(&bed, "A", DEADLINE)).collect();
    let (gone, silent) = wait(&bed, "A", DEADLINE);
    drop(gone);
    bed.put(&sa("A", NOW), NOW, &["red"], None);
    for (_, told) in &all {
        assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Arrival::Stored);
    }
    assert_eq!(silent.recv_timeout(DEADLINE), Err(mpsc::RecvTimeoutError::Disconnected), "its listener is gone untold");
    // One that panics takes nobody with it.
    let _bad = bed.0.notify("B", DEADLINE, |_| panic!("a listener")).unwrap();
    let (_ticket, told) = wait(&bed, "B", DEADLINE);
    bed.put(&sa("B", NOW), NOW, &["red"], None);
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Arrival::Stored);
}

#[test]
fn at_the_end_everybody_is_told_and_there_is_a_most() {
    let bed = Bed::new(&[]);
    let many: Vec<_> = (0..MOST).map(|n| wait(&bed, &format!("u{n}"), DEADLINE)).collect();
    assert_eq!(bed.0.notify("one more", DEADLINE, |_| {}).err(), Some(NotTold::Full));
    bed.0.stop();
    for (_, told) in &many {
        assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Arrival::Late);
    }
    assert_eq!(bed.0.notify("A", DEADLINE, |_| {}).err(), Some(NotTold::Closed));
}
