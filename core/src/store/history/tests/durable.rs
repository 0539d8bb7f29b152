//! What must not be lost: the journal, a queue that is full, a database that does not answer; and plugins' events.
use super::*;

fn journal(dir: &std::path::Path) -> Arc<Journal> {
    Journal::open(dir, Limits::default()).unwrap()
}

#[test]
fn what_was_journaled_and_not_stored_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let db = crate::store::core::temporary().unwrap();
    let record = |text: String, groups: &[&str], user: &str| Record {
        received_ms: NOW,
        origin: Origin {
            user: user.into(),
            groups: groups.iter().map(ToString::to_string).collect(),
            ..Origin::default()
        },
        consumers: vec![CONSUMER.into()],
        bytes: Bytes::from(text),
        ..Record::default()
    };
    let first = journal(dir.path());
    let ids = first
        .append(vec![
            record(event("M", "b-m-p-s-m", NOW, ""), &["red"], ""),
            record(chat("m1", "B", "BOB", "A", NOW), &["red"], "alice"),
            record(event("N", "b-m-p-s-m", NOW, r#"<marti><dest group="red"/></marti>"#), &["blue", "red"], "alice"),
            record(event("no", "b-m-p-s-m", NOW, r#"<marti archive="false"/>"#), &["red"], ""),
        ])
        .ids();
    first.close();
    db.exec("INSERT INTO group_set(id, names) VALUES(9, '[\"red\"]')", &[]).unwrap();
    db.exec("INSERT INTO client_session(uid, callsign, user, team, role, takv, address, listener, connected_ms, groups) VALUES('B', 'BOB', 'bob', '', '', '', '', '', 1, 9)", &[]).unwrap();
    // One of them was stored just before the process died.
    let bed = Bed::on(db.clone(), &[], None);
    bed.put_journaled(&event("M", "b-m-p-s-m", NOW, ""), NOW, &["red"], None, ids.start);
    bed.settled();
    assert_eq!(bed.count("history_done"), 1);
    bed.0.stop();
    let second = journal(dir.path());
    let bed = Bed::on(db.clone(), &[], Some(&second));
    assert_eq!(bed.count("cot_event"), 3, "the stored one not again, the unwanted one not at all");
    assert_eq!(bed.count("history_done"), 0, "the journal knows");
    let seen = |uid: &str, r: Reach| bed.0.latest(uid, &r).unwrap().is_some();
    assert!(
        seen("m1", reach(&["red"], "bob"))
            && seen("m1", reach(&["red"], "alice"))
            && !seen("m1", reach(&["red"], "carol"))
    );
    assert!(seen("N", reach(&["red"], "")) && !seen("N", reach(&["blue"], "")), "sent to one group of its sender");
    bed.0.stop();
    second.close();
    let third = journal(dir.path());
    assert_eq!(third.consumer(CONSUMER).waiting(), 0);
    let bed = Bed::on(db, &[], Some(&third));
    assert_eq!(bed.count("cot_event"), 3);
}

#[test]
fn what_the_queue_has_no_room_for_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let db = crate::store::core::temporary().unwrap();
    let running = Arc::new(ArcSwap::from_pointee(config(&[])));
    let mut history = History::new(db, running, Arc::new(Directory::default())).unwrap();
    Arc::get_mut(&mut history).unwrap().queue = Queue::new(2);
    let bed = Bed(history);
    let names = &bed.0.directory.groups;
    let mut kept = Vec::new();
    for n in 0..5 {
        let text = event(&format!("M{n}"), "b-m-p-s-m", NOW, "");
        let origin = Origin { groups: vec!["red".into()], ..Origin::default() };
        let record = Record {
            received_ms: NOW,
            origin,
            consumers: vec![CONSUMER.into()],
            bytes: Bytes::from(text.clone()),
            ..Record::default()
        };
        let id = journal.append(vec![record]).ids().start;
        let groups = Bits::of([names.bit("red")]);
        kept.push(Kept {
            text: text.into(),
            received: NOW,
            state: false,
            journal: id,
            groups,
            readers: None,
            client: None,
            store: true,
        });
    }
    // Nobody takes anything out before the recorder begins; what is pending is nobody's yet.
    bed.0.queue.events(kept);
    let consumer = journal.consumer(CONSUMER);
    let recorder = Recorder::new(bed.0.clone(), Some(consumer.clone()));
    bed.0.queue.close();
    recorder.run();
    assert_eq!((bed.count("cot_event"), consumer.waiting()), (5, 0));
}

struct Elsewhere;

impl Sources for Elsewhere {
    fn events(&self, ask: &HistoryAsk, but: Option<&str>) -> Vec<StoredEvent> {
        if but == Some("mission") || ask.groups.as_ref().is_some_and(|g| !g.contains(&"red".to_owned())) {
            return Vec::new();
        }
        let of = |received| StoredEvent { uid: ask.uid.clone(), received, ..StoredEvent::default() };
        vec![of(NOW + 1), of(NOW + 3), of(NOW - 1)]
    }
}

#[test]
fn plugins_events_are_merged_by_time() {
    let bed = Bed::new(&[]);
    bed.0.set_sources(Arc::new(Elsewhere));
    [NOW, NOW + 2].iter().for_each(|at| bed.put(&event("M", "b-m-p-s-m", *at, ""), *at, &["red"], None));
    let history = bed.settled();
    assert_eq!(everything(history, "M"), [NOW + 3, NOW + 2, NOW + 1, NOW, NOW - 1]);
    assert_eq!(history.newest("M", &Reach::everything(), None).unwrap().unwrap().received, NOW + 3);
    assert_eq!(history.newest("M", &Reach::everything(), Some("mission")).unwrap().unwrap().received, NOW + 2);
    assert!(history.newest("M", &reach(&["blue"], ""), None).unwrap().is_none());
    assert_eq!(history.newest("only-there", &Reach::everything(), None).unwrap().unwrap().received, NOW + 3);
    let window = Window { from: NOW + 1, to: NOW + 2 };
    let mut all = history.all("M", window, &Reach::everything(), None).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all.page().unwrap()[0].received, all.page().unwrap()[0].received), (NOW + 2, NOW + 1));
    assert!(all.page().unwrap().is_empty());
}

#[test]
fn with_little_space_positions_are_left_out_and_that_is_said() {
    let bed = Bed::new(&["storage.min_free_bytes=\"900000GiB\""]);
    bed.put(&sa("A", NOW), NOW, &["red"], None);
    bed.put(&event("M", "b-m-p-s-m", NOW, ""), NOW, &["red"], None);
    assert!(bed.settled().latest("A", &Reach::everything()).unwrap().is_none());
    assert!(bed.0.latest("M", &Reach::everything()).unwrap().is_some(), "what is sent once is kept");
    assert!(bed.0.trouble().unwrap().contains("free"));
}

#[test]
fn a_database_that_does_not_take_rows_is_waited_for() {
    let bed = Bed::new(&[]);
    let other = bed.0.db.begin().unwrap();
    bed.put(&sa("A", NOW), NOW, &["red"], None);
    assert!(!bed.0.flush(Duration::from_millis(30)));
    other.exec("INSERT INTO kv VALUES('k', 'v')", &[]).unwrap();
    other.commit().unwrap();
    assert!(bed.settled().latest("A", &Reach::everything()).unwrap().is_some());
    let rows = bed.0.db.query("SELECT value FROM kv WHERE key = ?1", &[Value::Text("k".into())]).unwrap();
    assert_eq!(rows.first().unwrap().text("value"), "v");
}
