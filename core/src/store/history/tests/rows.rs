//! What becomes a row, who sees it, what goes.
use super::*;

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
        let mut uids: Vec<String> = history.search(search).page().unwrap().into_iter().map(|e| e.uid).collect();
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
        bed.0.search(search).page().unwrap().len()
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

/// What a position costs the recorder; run with `--release --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn positions_per_second() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fts.db");
    let config = config(&[&format!("storage.path={:?}", path.display().to_string())]);
    let bed = Bed::on(crate::store::core::open(&config).unwrap().0, &[], None);
    let began = std::time::Instant::now();
    for n in 0..40_000_i64 {
        let at = NOW + n / 1_000 * 1_000;
        let text =
            sa(&format!("ANDROID-{:016x}", n % 1_000), at).replace("45.5", &format!("{}", 45.0 + n as f64 / 1e5));
        bed.put(&text, at, &["red"], None);
    }
    bed.settled();
    let (took, rows) = (began.elapsed(), bed.count("cot_event"));
    println!("{rows} events, {} points in {took:?}: {:?} each", bed.count("track_point"), took / rows as u32);
}
