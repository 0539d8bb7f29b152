//! The history on a database of its own, driven as the router drives it: what becomes a row, who sees it, what goes.
use std::time::Duration;

use bytes::Bytes;
use fts_plugin_api::{
    cot::{Class, Cot, format_time},
    message::{HistoryAsk, StoredEvent, TrackPoint, TrackQuery},
};

use super::{
    endpoints::EndpointQuery,
    query::{Area, Search, Window},
    *,
};
use crate::{
    directory::{Arrival, Bits},
    store::{
        journal::{Limits, Origin, Record},
        rows::Value,
    },
};

/// The keys as they are when nobody sets them.
pub fn storage() -> crate::config::Storage {
    config(&[]).storage
}

/// A configuration with these keys.
pub fn config(set: &[&str]) -> Config {
    let dir = std::env::temp_dir();
    let sources = crate::config::Sources {
        data_dir: Some(dir.clone()),
        cwd: dir,
        set: set.iter().map(ToString::to_string).collect(),
        ..crate::config::Sources::default()
    };
    crate::config::load(&sources).unwrap().config
}

/// Nothing is too old.
pub const FOR_EVER: [&str; 4] =
    ["retention.cot=\"0s\"", "retention.chat=\"0s\"", "retention.tracks=\"0s\"", "retention.sessions=\"0s\""];

/// A history that records.
pub struct Bed(pub Arc<History>);

impl Bed {
    pub fn new(set: &[&str]) -> Self {
        Self::on(crate::store::core::temporary().unwrap(), set, None)
    }

    pub fn on(db: Database, set: &[&str], journal: Option<&Arc<Journal>>) -> Self {
        // The events of these tests are of 2023.
        let all: Vec<&str> = FOR_EVER.iter().chain(set).copied().collect();
        let running = Arc::new(ArcSwap::from_pointee(config(&all)));
        let history = History::new(db, running, Arc::new(Directory::default())).unwrap();
        history.begin(journal).unwrap();
        Self(history)
    }

    /// An event as the router hands it over.
    pub fn put(&self, text: &str, received: i64, groups: &[&str], readers: Option<&[&str]>) {
        self.put_journaled(text, received, groups, readers, 0);
    }

    fn put_journaled(&self, text: &str, received: i64, groups: &[&str], readers: Option<&[&str]>, journal: u64) {
        let names = &self.0.directory.groups;
        let state = Cot::parse(text.to_owned()).unwrap().class() == Class::State;
        self.0.events(vec![Kept {
            text: Bytes::copy_from_slice(text.as_bytes()),
            received,
            state,
            journal,
            groups: Bits::of(groups.iter().map(|g| names.bit(g))),
            readers: readers.map(|r| r.iter().map(ToString::to_string).collect()),
            client: None,
            store: true,
        }]);
    }

    pub fn settled(&self) -> &Arc<History> {
        assert!(self.0.flush(Duration::from_secs(20)));
        &self.0
    }

    fn count(&self, table: &str) -> i64 {
        let rows = self.settled().db.query(&format!("SELECT count(*) AS n FROM {table}"), &[]).unwrap();
        rows.first().unwrap().int("n")
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.0.stop();
    }
}

pub const NOW: i64 = 1_700_000_000_000;

pub fn event(uid: &str, kind: &str, at: i64, detail: &str) -> String {
    let (time, stale) = (format_time(at), format_time(at + 300_000));
    format!(
        r#"<event version="2.0" uid="{uid}" type="{kind}" how="m-g" time="{time}" start="{time}" stale="{stale}"><point lat="45.5" lon="-75.25" hae="70.5" ce="10.0" le="9999999.0"/><detail>{detail}</detail></event>"#
    )
}

fn sa(uid: &str, at: i64) -> String {
    event(uid, "a-f-G-U-C", at, r#"<contact callsign="A" endpoint="*:-1:stcp"/>"#)
}

fn reach(groups: &[&str], user: &str) -> Reach {
    Reach { groups: Some(groups.iter().map(ToString::to_string).collect()), user: Some(user.to_owned()) }
}

fn everything(history: &Arc<History>, uid: &str) -> Vec<i64> {
    let mut all = history.all(uid, Window::ALL, &Reach::everything(), None).unwrap();
    let mut found = Vec::new();
    loop {
        let page = all.next().unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page.iter().map(|e| e.received));
    }
}

#[test]
fn an_event_comes_back_as_it_was_with_its_columns() {
    let bed = Bed::new(&[]);
    let text =
        event("M", "b-m-p-s-m", NOW, r#"<contact callsign="spot"/><x y="&lt;ž"/><marti><dest callsign="B"/></marti>"#);
    bed.put(&text, NOW + 5, &["red"], Some(&["alice", "bob"]));
    let found = bed.settled().latest("M", &Reach::everything()).unwrap().unwrap();
    assert_eq!(
        (&found.text[..], found.received, found.groups.as_slice()),
        (text.as_bytes(), NOW + 5, &["red".to_owned()][..])
    );
    let row = bed.0.db.query("SELECT * FROM cot_event", &[]).unwrap();
    let row = row.first().unwrap();
    assert_eq!(
        (row.text("callsign"), row.text("dest"), row.opt_real("hae"), row.opt_real("le")),
        ("spot", r#"[{"callsign":"B"}]"#, Some(70.5), None)
    );
    assert_eq!((row.int("time_ms"), row.int("stale_ms"), row.int("server_ms")), (NOW, NOW + 300_000, NOW + 5));
}

#[test]
fn groups_decide_and_what_was_addressed_is_for_those_named() {
    let bed = Bed::new(&[]);
    bed.put(&sa("A", NOW), NOW, &["red"], None);
    bed.put(&event("C", "b-t-f", NOW, ""), NOW, &["red"], Some(&["alice", "bob"]));
    bed.put(&event("D", "b-t-f", NOW, ""), NOW, &["red"], Some(&[""]));
    let history = bed.settled();
    let seen = |uid: &str, r: &Reach| history.latest(uid, r).unwrap().is_some();
    assert!(
        seen("A", &reach(&["red", "x"], ""))
            && !seen("A", &reach(&["blue"], "alice"))
            && !seen("A", &reach(&[], "alice"))
    );
    assert!(
        seen("C", &reach(&["red"], "bob")) && !seen("C", &reach(&["red"], "carol")) && !seen("C", &reach(&["red"], ""))
    );
    assert!(!seen("C", &reach(&["blue"], "bob")), "groups count for what was addressed, too");
    assert!(seen("D", &reach(&["red"], "")), "nobody in particular finds it by its uid");
    let listed = |r: Reach| {
        let search = Search {
            uid: None,
            window: Window::ALL,
            area: None,
            types: Vec::new(),
            chat: true,
            listed: true,
            reach: r,
        };
        let mut uids: Vec<String> = history.search(search).next().unwrap().into_iter().map(|e| e.uid).collect();
        uids.sort();
        uids
    };
    assert_eq!(listed(reach(&["red"], "bob")), ["A", "C"]);
    assert_eq!(listed(reach(&["red"], "")), ["A"], "and in no list");
    assert_eq!(listed(Reach::everything()), ["A", "C", "D"]);
    assert_eq!(history.matching("", &reach(&["red"], "carol")).unwrap(), ["A"]);
}

#[test]
fn line_52_what_its_sender_does_not_want_kept_is_not() {
    let bed = Bed::new(&[]);
    bed.put(&event("M", "b-m-p-s-m", NOW, r#"<marti archive="false"/>"#), NOW, &["red"], None);
    bed.put(&event("N", "b-m-p-s-m", NOW, r#"<marti archive="true"/>"#), NOW, &["red"], None);
    assert!(bed.settled().latest("M", &Reach::everything()).unwrap().is_none());
    assert!(bed.0.latest("N", &Reach::everything()).unwrap().is_some());
}

#[test]
fn latest_keeps_one_row_and_off_none() {
    let bed = Bed::new(&["storage.archive_cot=\"latest\""]);
    (0..3).for_each(|n| bed.put(&sa("A", NOW + n * 6_000), NOW + n * 6_000, &["red"], None));
    assert_eq!(everything(bed.settled(), "A"), [NOW + 12_000]);
    assert_eq!(bed.count("track_point"), 3, "tracks have a key of their own");
    let bed = Bed::new(&["storage.archive_cot=\"off\"", "storage.record_tracks=false"]);
    bed.put(&sa("A", NOW), NOW, &["red"], None);
    assert!(
        bed.count("cot_event") == 0 && bed.count("track_point") == 0 && bed.0.reliably().is_none() && !bed.0.wants()
    );
}

#[test]
fn pages_are_newest_first_and_a_box_goes_over_the_date_line() {
    let bed = Bed::new(&[]);
    for n in 0..450 {
        bed.put(&event("M", "b-m-p-s-m", NOW + n, ""), NOW + n, &["red"], None);
    }
    let all = everything(bed.settled(), "M");
    assert!(all.len() == 450 && all.windows(2).all(|w| w[0] > w[1]));
    let there = |area: Area, types: &[&str]| {
        let types = types.iter().map(ToString::to_string).collect();
        let search = Search {
            uid: None,
            window: Window { from: NOW, to: NOW + 9 },
            area: Some(area),
            types,
            chat: true,
            listed: true,
            reach: Reach::everything(),
        };
        bed.0.search(search).next().unwrap().len()
    };
    assert_eq!(there(Area { left: -76.0, bottom: 45.0, right: -75.0, top: 46.0 }, &[]), 10);
    assert_eq!(there(Area { left: 170.0, bottom: 45.0, right: -70.0, top: 46.0 }, &["b-m-p"]), 10);
    assert_eq!(there(Area { left: -70.0, bottom: 45.0, right: 170.0, top: 46.0 }, &[]), 0);
    assert_eq!(there(Area { left: -76.0, bottom: 45.0, right: -75.0, top: 46.0 }, &["a-f"]), 0);
}

#[test]
fn line_50_a_forced_delete_hides_the_newest_and_only_for_those_it_reached() {
    let bed = Bed::new(&[]);
    let delete =
        |by: &str| event(by, "t-x-d-d", NOW + 9, r#"<__forcedelete/><link uid="M" relation="p-p" type="b-m-p-s-m"/>"#);
    bed.put(&event("M", "b-m-p-s-m", NOW, ""), NOW, &["red"], None);
    bed.put(&delete("d1"), NOW + 9, &["blue"], None);
    assert!(bed.settled().latest("M", &Reach::everything()).unwrap().is_some(), "somebody who could not have sent it");
    bed.put(&delete("d2"), NOW + 9, &["red"], None);
    assert!(bed.settled().latest("M", &Reach::everything()).unwrap().is_none());
    assert_eq!(everything(&bed.0, "M"), [NOW], "its history stays");
    assert!(bed.0.matching("M", &Reach::everything()).unwrap().is_empty());
    bed.put(&event("M", "b-m-p-s-m", NOW, ""), NOW + 20, &["red"], None);
    assert!(bed.settled().latest("M", &Reach::everything()).unwrap().is_some(), "and a new one is there again");
}

#[test]
fn line_53_what_is_old_goes_in_slices_and_the_live_newest_stays() {
    let bed = Bed::new(&["storage.record_tracks=true"]);
    for n in 0..1_200 {
        bed.put(&sa("A", NOW + n * 1_000), NOW + n * 1_000, &["red"], None);
    }
    bed.put(&sa("B", NOW), NOW, &["red"], None);
    bed.put(&event("GeoChat.1", "b-t-f", NOW, ""), NOW, &["red"], None);
    let history = bed.settled();
    let mut keys = config(&["retention.cot=\"60s\"", "retention.chat=\"2d\"", "retention.tracks=\"60s\""]).retention;
    let now = NOW + 1_199_000 + 100_000;
    let mut slices = 0;
    history
        .retain(&keys, now, || {
            slices += 1;
            true
        })
        .unwrap();
    assert_eq!(slices, 2, "1 200 rows are three slices; after a full one it asks");
    assert_eq!(everything(history, "A"), [NOW + 1_199_000], "older than a minute, but not stale");
    assert!(everything(history, "B").is_empty(), "stale, and with it its newest");
    assert_eq!((bed.count("cot_latest"), bed.count("track_point"), everything(&bed.0, "GeoChat.1").len()), (2, 0, 1));
    keys.chat = Duration::from_secs(1);
    bed.0.retain(&keys, now, || true).unwrap();
    assert!(everything(&bed.0, "GeoChat.1").is_empty());
    keys.cot = Duration::ZERO;
    bed.0.retain(&keys, now + 86_400_000, || true).unwrap();
    assert_eq!(everything(&bed.0, "A").len(), 1, "0 = for ever");
}

#[test]
fn over_its_limit_the_oldest_positions_go_first() {
    let bed = Bed::new(&[]);
    let big = "x".repeat(2_000);
    for n in 0..600 {
        bed.put(&event(&format!("P{n}"), "a-f-G-U-C", NOW + n, &format!("<f>{big}</f>")), NOW + n, &["red"], None);
    }
    bed.put(&event("C", "b-t-f", NOW, &format!("<f>{big}</f>")), NOW, &["red"], None);
    let history = bed.settled();
    let gone = history.shrink(800_000, NOW + 86_400_000, || true).unwrap();
    assert!(gone > 0 && everything(history, "C").len() == 1 && everything(history, "P0").is_empty());
    assert!(history.shrink(0, NOW, || true).unwrap() == 0);
    let before = history
        .db
        .query("SELECT freelist_count AS n FROM pragma_freelist_count", &[])
        .unwrap()
        .first()
        .unwrap()
        .int("n");
    history.db.give_back(64, || true).unwrap();
    let after = history
        .db
        .query("SELECT freelist_count AS n FROM pragma_freelist_count", &[])
        .unwrap()
        .first()
        .unwrap()
        .int("n");
    assert!(before > 0 && after == 0, "{before} {after}");
}

#[test]
fn points_are_asked_for_and_added() {
    let bed = Bed::new(&[]);
    (0..10).for_each(|n| bed.put(&sa("A", NOW + n * 5_000), NOW + n * 5_000, &["red"], None));
    let history = bed.settled();
    let ask = TrackQuery { to: Some(NOW + 100_000), ..TrackQuery::default() };
    let points = history.tracks(&ask).unwrap();
    assert_eq!(
        (points.len(), points[0].time, points[9].time, points[0].callsign.as_str()),
        (10, NOW, NOW + 45_000, "A")
    );
    let few = TrackQuery { max_points: 3, uid: Some("A".into()), ..ask.clone() };
    assert_eq!(
        history.tracks(&few).unwrap().iter().map(|p| p.time - NOW).collect::<Vec<_>>(),
        [35_000, 40_000, 45_000]
    );
    assert!(history.tracks(&TrackQuery { groups: Some(vec!["blue".into()]), ..ask.clone() }).unwrap().is_empty());
    assert!(history.tracks(&TrackQuery { bbox: Some([0.0, 0.0, 1.0, 1.0]), ..ask.clone() }).unwrap().is_empty());
    assert!(
        history.tracks(&TrackQuery { to: Some(NOW + 90_000_000), ..TrackQuery::default() }).unwrap().is_empty(),
        "24 hours back, when nobody says"
    );
    let old = TrackPoint {
        uid: "A".into(),
        time: NOW - 86_400_000,
        lat: 1.0,
        lon: 2.0,
        groups: vec!["red".into()],
        ..TrackPoint::default()
    };
    assert_eq!(
        (history.append(&[old.clone(), old.clone()], "kml").unwrap(), history.append(&[old], "kml").unwrap()),
        (1, 0)
    );
    let all = history.tracks(&TrackQuery { from: Some(0), ..ask }).unwrap();
    assert_eq!((all.len(), all[0].source.as_str(), all[1].source.as_str()), (11, "kml", ""));
}

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
    bed.0.gone(&alice, Leave::Replaced, &[], clock::now_ms() + 5);
    assert_eq!(
        lines(&bed, &EndpointQuery { connected: true, ..all.clone() }),
        both[1..],
        "the one that is there counts"
    );
    bed.0.gone(&second, Leave::Eof, &[], clock::now_ms() + 9);
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

fn chat(message: &str, id: &str, room: &str, from: &str, at: i64) -> String {
    let detail = format!(
        r#"<__chat id="{id}" senderCallsign="X" chatroom="{room}" parent="RootContactGroup"><chatgrp id="{id}" uid0="{from}" uid1="{id}"/></__chat><remarks>hi</remarks><marti><dest callsign="{room}"/></marti>"#
    );
    event(message, "b-t-f", at, &detail)
}

#[test]
fn what_somebody_missed_is_for_the_same_user_only() {
    let bed = Bed::new(&["cot.store_forward_chat=true", "storage.archive_cot=\"off\""]);
    let bob = client(&bed.0, "B", "BOB", &["red"]);
    let missed = |user: &str, groups: &[&str]| {
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        let all = bed.0.missed("B", user, &groups).unwrap();
        all.iter().map(|t| Cot::parse(t.clone()).unwrap().uid().into_owned()).collect::<Vec<_>>()
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
    assert!(missed("", &["red"]).is_empty(), "once");
    bed.0.forwarded.lock().clear();
    assert!(missed("", &["blue"]).is_empty() && missed("mallory", &["red"]).is_empty());
    assert!(bed.count("chat") == 5 && bed.count("cot_event") == 5);
    assert!(!String::from_utf8(bed.0.missed("B", "", &["red".into()]).unwrap().remove(0)).unwrap().contains("marti"));
}

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
    assert_eq!((all.next().unwrap()[0].received, all.next().unwrap()[0].received), (NOW + 2, NOW + 1));
    assert!(all.next().unwrap().is_empty());
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
