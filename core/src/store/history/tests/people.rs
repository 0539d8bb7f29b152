//! Sessions, last positions, missed chat.
use super::*;

fn client(history: &History, uid: &str, callsign: &str, groups: &[&str]) -> Arc<Client> {
    let directory = &history.directory;
    let listener = Arc::new(config(&[]).listeners.cot_tcp.clone());
    let names: Vec<String> = groups.iter().map(ToString::to_string).collect();
    let arrival = Arrival {
        listener,
        peer: ([127, 0, 0, 1], 4_000).into(),
        cert: None,
        tls: false,
        groups: directory.groups.both(&names),
        connected: 1,
    };
    let client = directory.join(arrival, false);
    again(history, &client, uid, callsign);
    client
}

fn again(history: &History, client: &Arc<Client>, uid: &str, callsign: &str) {
    let detail = format!(r#"<contact callsign="{callsign}" endpoint="*:-1:stcp"/><__group name="Cyan" role="HQ"/>"#);
    let cot = Cot::parse(event(uid, "a-f-G-U-C", NOW, &detail)).unwrap();
    history.directory.identify(client, &cot, crate::config::DuplicateUid::Allow);
    history.identified(client);
}

#[test]
fn sessions_become_endpoints_and_end_with_the_run() {
    let db = crate::store::core::temporary().unwrap();
    let bed = Bed::on(db.clone(), &[], None);
    let lines = |bed: &Bed, query: &EndpointQuery| {
        let all = bed.settled().endpoints(query, &reach(&["red"], "")).unwrap();
        all.into_iter().map(|e| (e.callsign, e.uid, e.connected)).collect::<Vec<_>>()
    };
    let all = EndpointQuery::default();
    let alice = client(&bed.0, "U1", "ALICE", &["red"]);
    client(&bed.0, "U2", "BOB", &["blue"]);
    assert_eq!(lines(&bed, &all), [("ALICE".into(), "U1".into(), true)], "groups");
    again(&bed.0, &alice, "U1", "ALPHA");
    let both = [("ALICE".to_owned(), "U1".to_owned(), false), ("ALPHA".into(), "U1".into(), true)];
    assert_eq!(lines(&bed, &all), both, "a new callsign is a new line");
    let second = client(&bed.0, "U1", "ALPHA", &["red"]);
    bed.0.gone(&alice, Leave::Replaced, &[], clock::now_ms());
    assert_eq!(
        lines(&bed, &EndpointQuery { connected: true, ..all.clone() }),
        both[1..],
        "the one that is there counts"
    );
    bed.0.gone(&second, Leave::Eof, &[], clock::now_ms());
    assert!(lines(&bed, &EndpointQuery { connected: true, ..all.clone() }).is_empty());
    let since = EndpointQuery { since: Some(clock::now_ms() + 60_000), ..all.clone() };
    assert!(lines(&bed, &since).is_empty());
    client(&bed.0, "U3", "ALPHA", &["red"]);
    let latest = EndpointQuery { latest_only: true, ..all.clone() };
    assert_eq!(
        lines(&bed, &latest).iter().map(|l| l.1.as_str()).collect::<Vec<_>>(),
        ["U1", "U3"],
        "one line per callsign"
    );
    bed.0.stop();
    let next = Bed::on(db, &[], None);
    assert!(lines(&next, &all).iter().all(|(_, _, connected)| !connected), "another run begins without sessions");
}

#[test]
fn last_positions_come_back_but_not_of_who_left() {
    let bed = Bed::new(&[]);
    let now = clock::now_ms();
    bed.put(&sa("A", now), now, &["red"], None);
    bed.put(&sa("B", now), now + 1, &["red"], None);
    bed.put(&sa("old", now - 400_000), now - 400_000, &["red"], None);
    bed.put(&event("X", "b-m-p-s-m", now, ""), now + 2, &["red"], Some(&["bob"]));
    let gone = client(&bed.0, "B", "BOB", &["red"]);
    let departed = Departed { uid: "B".into(), kind: "a-f".into(), send: Bits::default() };
    bed.0.gone(&gone, Leave::Eof, &[departed], now);
    let back: Vec<String> = bed.settled().positions(now).unwrap().into_iter().map(|p| p.uid).collect();
    assert_eq!(back, ["A"], "stale, addressed and departed ones stay away");
    bed.put(&sa("B", now), now + 5, &["red"], None);
    assert_eq!(bed.settled().positions(now).unwrap().len(), 2, "who reports again is there again");
}

#[test]
fn what_somebody_missed_is_for_the_same_user_only() {
    let bed = Bed::new(&["cot.store_forward_chat=true", "storage.archive_cot=\"off\""]);
    let bob = client(&bed.0, "B", "BOB", &["red"]);
    let missed = |user: &str, groups: &[&str]| {
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        let all = bed.0.missed("B", user, &groups).unwrap();
        all.iter().map(|m| Cot::parse(m.text.clone()).unwrap().uid().into_owned()).collect::<Vec<_>>()
    };
    let sent = |n: usize| {
        bed.0.missed("B", "", &["red".into()]).unwrap().iter().take(n).for_each(|m| bed.0.forwarded("B", "", m.id))
    };
    bed.put(&chat("m0", "B", "BOB", "A", NOW), 1_000, &["red"], Some(&[""]));
    assert!(missed("", &["red"]).is_empty(), "nobody left yet");
    bed.0.gone(&bob, Leave::Eof, &[], 50_000);
    for (n, text) in [
        chat("m1", "B", "BOB", "A", NOW),
        chat("m2", "All Chat Rooms", "All Chat Rooms", "A", NOW),
        chat("m3", "C", "CAROL", "A", NOW),
        chat("m4", "All Chat Rooms", "All Chat Rooms", "B", NOW),
    ]
    .iter()
    .enumerate()
    {
        bed.put(text, 60_000 + n as i64, &["red"], Some(&[""]));
    }
    assert_eq!(missed("", &["red"]), ["m1", "m2"], "in order, not others', not its own");
    // It leaves at once, having been sent nothing, then with one of them; each time it is owed the rest.
    let again = client(&bed.0, "B", "BOB", &["red"]);
    bed.0.gone(&again, Leave::Eof, &[], 70_000);
    assert_eq!(missed("", &["red"]), ["m1", "m2"]);
    sent(1);
    bed.0.gone(&client(&bed.0, "B", "BOB", &["red"]), Leave::Eof, &[], 80_000);
    assert_eq!(missed("", &["red"]), ["m2"]);
    sent(1);
    assert!(missed("", &["red"]).is_empty(), "once");
    bed.0.all_forwarded("B", "");
    bed.0.forwarding.lock().clear();
    bed.0.db.exec("UPDATE client_session SET disconnected_ms = 50000 WHERE uid = 'B'", &[]).unwrap();
    assert!(missed("", &["blue"]).is_empty() && missed("mallory", &["red"]).is_empty());
    assert!(bed.count("chat") == 5 && bed.count("cot_event") == 5);
    assert!(
        !String::from_utf8(bed.0.missed("B", "", &["red".into()]).unwrap().remove(0).text).unwrap().contains("marti")
    );
}

#[test]
fn a_recorder_that_is_behind_is_waited_for_before_it_is_said_what_was_missed() {
    let bed = Bed::new(&["cot.store_forward_chat=true"]);
    let bob = client(&bed.0, "B", "BOB", &["red"]);
    bed.0.gone(&bob, Leave::Eof, &[], 50_000);
    bed.settled();
    // Nobody else writes meanwhile: the recorder stands, as it does on a machine that has no time for it.
    let busy = bed.0.db.begin().unwrap();
    bed.put(&chat("m1", "B", "BOB", "A", NOW), 60_000, &["red"], Some(&[""]));
    let missed = std::thread::scope(|scope| {
        let asking = scope.spawn(|| bed.0.missed("B", "", &["red".into()]).unwrap());
        // Longer than anybody waits who only wants to read what is newest.
        std::thread::sleep(Duration::from_millis(2_500));
        drop(busy);
        asking.join().unwrap()
    });
    assert_eq!(missed.len(), 1, "else it would be passed over for ever");
}
