//! The active alerts: starts, cancels, ages, what is due and what is to be written.
use super::*;
use crate::samples::{alert_a, client};

fn named(uid: &str, now: i64) -> Alert {
    Alert { uid: uid.into(), ..alert_a(&["red"], now) }
}

fn table() -> Table {
    Table::new(3, Vec::new(), 0)
}

fn anyone(_: &Alert) -> Result<(), &'static str> {
    Ok(())
}

fn new(started: Started) -> Arc<Alert> {
    match started {
        Started::New(alert) => alert,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_start_refreshes_and_keeps_the_first_time() {
    let table = table();
    new(table.start(named("u", 100), true));
    let again = Alert { lat: 61.0, ..named("u", 200) };
    let Started::Refreshed(alert) = table.start(again, true) else { panic!() };
    assert_eq!((alert.first, alert.last, alert.lat, alert.version, alert.id), (100, 200, 61.0, 2, 1));
    assert_eq!(table.len(), 1);
    assert_eq!(table.take_pending().len(), 1, "one row, its newest version");
}

#[test]
fn another_type_replaces() {
    let table = table();
    new(table.start(named("u", 100), true));
    let other = Alert { cot_type: "b-a-o-opn".into(), ..named("u", 200) };
    let Started::Replaced(alert) = table.start(other, true) else { panic!() };
    assert_eq!((alert.first, alert.id, alert.cot_type.as_str()), (200, 2, "b-a-o-opn"));
    let pending = table.take_pending();
    assert_eq!((pending[0].cancelled, pending[0].cancelled_by.as_str()), (200, "replaced by b-a-o-opn"));
    assert_eq!(pending[1].cancelled, 0);
    assert_eq!(table.active().len(), 1);
}

#[test]
fn a_stranger_changes_nothing() {
    let table = table();
    new(table.start(named("u", 100), true));
    let stranger = Alert { sender: (&client(7, "MALLORY", &["blue"])).into(), ..named("u", 200) };
    assert_eq!(table.start(stranger, true), Started::Foreign);
    assert_eq!(table.get("u").unwrap().last, 100);
}

#[test]
fn there_is_an_end_to_what_is_kept() {
    let table = table();
    for uid in ["1", "2", "3"] {
        new(table.start(named(uid, 1), true));
    }
    assert_eq!(table.start(named("4", 1), true), Started::Full);
    assert!(matches!(table.start(named("3", 2), true), Started::Refreshed(_)), "known ones still are");
}

#[test]
fn a_cancel_ends_asks_and_is_remembered_until_written() {
    let table = table();
    new(table.start(named("u", 100), true));
    assert!(matches!(table.cancel("u", 150, "B", |_| Err("no")), Cancelled::Refused(_, "no")));
    assert_eq!(table.len(), 1);
    let Cancelled::Done(alert) = table.cancel("u", 150, "B", anyone) else { panic!() };
    assert_eq!((alert.cancelled, alert.cancelled_by.as_str(), alert.changed()), (150, "B", 150));
    assert_eq!(table.cancel("u", 151, "B", anyone), Cancelled::Unknown);
    let pending = table.take_pending();
    assert_eq!(pending.len(), 1);
    // A new alert with the same uid meanwhile is another row, and what could not be written comes back beside it.
    new(table.start(named("u", 200), true));
    table.keep_pending(pending);
    let ids: Vec<_> = table.take_pending().iter().map(|a| (a.id, a.cancelled)).collect();
    assert_eq!(ids, [(1, 150), (2, 0)]);
}

#[test]
fn a_failed_write_never_hides_a_newer_version() {
    let table = table();
    new(table.start(named("u", 100), true));
    let old = table.take_pending();
    table.cancel("u", 150, "B", anyone);
    table.keep_pending(old);
    assert_eq!(table.take_pending()[0].cancelled, 150);
}

#[test]
fn an_unknown_cancel_ends_the_only_alert_of_its_device() {
    let table = table();
    new(table.start(named("u", 100), true));
    let device = Sender::from(&client(1, "ANDROID-11aa", &["red"]));
    let other = Sender::from(&client(2, "B", &["red"]));
    assert_eq!(table.cancel_only(&other, 150, "B", anyone), None);
    assert_eq!(table.cancel_only(&device, 150, "B", |_| Err("no")), None);
    new(table.start(named("v", 110), true));
    assert_eq!(table.cancel_only(&device, 150, "A", anyone), None, "two: nobody knows which");
    table.cancel("v", 120, "A", anyone);
    assert_eq!(table.cancel_only(&device, 150, "A", anyone).unwrap().uid, "u");
    assert_eq!(table.len(), 0);
}

#[test]
fn ages_count_from_the_last_word_of_the_sender() {
    let table = table();
    new(table.start(named("u", 100), true));
    new(table.start(Alert { cot_type: "b-a-g".into(), ..named("g", 100) }, true));
    let age = |t: &str| if t == "b-a-g" { Some(50) } else { Some(1_000) };
    assert!(table.expire(149, age).is_empty());
    let over = table.expire(150, age);
    assert_eq!((over.len(), over[0].uid.as_str(), over[0].cancelled_by.as_str()), (1, "g", "expired"));
    table.start(named("u", 900), true);
    assert!(table.expire(1_100, age).is_empty());
    assert_eq!(table.expire(1_900, age).len(), 1);
    assert!(table.expire(9_999, |_| None).is_empty());
}

#[test]
fn the_longest_silent_is_due_first() {
    let table = Table::new(9, vec![Alert { id: 4, ..named("old", 10) }], 7);
    new(table.start(named("now", 1_000), true));
    assert_eq!(new(table.start(named("quiet", 1_000), false)).id, 9, "ids go on where they were");
    let due = |now| table.due(now, 500).iter().map(|a| a.uid.clone()).collect::<Vec<_>>();
    assert_eq!(due(1_100), ["old", "quiet"]);
    table.active().iter().for_each(|a| table.sent(a, 1_200));
    assert!(due(1_600).is_empty());
    assert_eq!(due(1_700).len(), 3);
    assert_eq!(due(500).len(), 3, "the clock went back");
}
