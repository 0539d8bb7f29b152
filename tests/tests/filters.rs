//! Filters, rates and duplicates (cot.md 9, acceptance line 42, RULE-71, 74, 77). All but the client's own geospatial
//! filter are off by default; each test switches one on and shows what it holds back, what it lets pass, and that what
//! was held back is counted with its reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Client, Server, chat, event, fence, join_all, marker, marker_to, ping, sa, sa_team};

fn two(server: &Server) -> [Client; 2] {
    join_all(server, [("A", "ALICE"), ("B", "BOB")])
}

fn rejected(server: &Server, reason: &str) -> f64 {
    server.metric("fts_cot_rejected_total", &[&format!("reason={reason:?}")])
}

/// The event somewhere else.
fn moved(text: &str, lat: &str, lon: &str) -> String {
    text.replace(r#"lat="45.5" lon="-75.25""#, &format!("lat={lat:?} lon={lon:?}"))
}

fn far(text: &str) -> String {
    moved(text, "10.0", "20.0")
}

fn filter(tak_clients: bool, boxes: &str) -> String {
    let filter = format!(r#"<geospatialFilter filterTAKClients="{tak_clients}">{boxes}</geospatialFilter>"#);
    event("f", "t-x-c-f", &format!("<subscription>{filter}</subscription>"))
}

const BOX: &str = r#"<boundingBox minLongitude="-76.0" minLatitude="45.0" maxLongitude="-75.0" maxLatitude="46.0"/>"#;

#[test]
fn line_42_a_box_keeps_far_markers_away_and_nothing_that_matters() {
    let server = Server::build().toml("[plugins]\nenabled = []").start();
    let [mut alice, mut bob] = two(&server);
    bob.send(&filter(false, BOX));
    bob.sync();
    alice.send(&far(&marker("far")));
    alice.send(&marker("near"));
    bob.expect("near");
    for (uid, kind) in
        [("e1", "b-a-o-tbl"), ("e2", "b-a-o-can"), ("e3", "b-a-g"), ("e4", "b-a-o-pan"), ("e5", "b-a-o-opn")]
    {
        alice.send(&far(&event(uid, kind, "<emergency type=\"911 Alert\">ALICE</emergency>")));
        bob.expect(uid);
    }
    alice.send(&far(&chat(("A", "ALICE"), "All Chat Rooms", "All Chat Rooms", "RootContactGroup", "m", "")));
    assert_eq!(bob.next().kind(), "b-t-f");
    alice.send(&far(&marker_to("directed", r#"<dest uid="B"/>"#)));
    bob.expect("directed");
    alice.send(&moved(&marker("nowhere"), "0.0", "0.0"));
    bob.expect("nowhere");
    // Clients with team and role are seen wherever they are, until the filter says otherwise.
    alice.send(&far(&sa_team("A", "ALICE", "Cyan", "Medic")));
    bob.expect("A");
    bob.send(&filter(true, BOX));
    bob.sync();
    alice.send(&far(&sa_team("A", "ALICE", "Cyan", "Medic")));
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(server.metric("fts_cot_dropped_total", &[r#"reason="filter""#]), 2.0);
    // No boxes clear it, and it never was anybody else's business.
    bob.send(&filter(false, ""));
    bob.sync();
    alice.send(&far(&marker("far-again")));
    bob.expect("far-again");
    fence(&mut bob, &mut [&mut alice]);
}

#[test]
fn line_42_several_boxes_and_the_date_line() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    let pacific = r#"<boundingBox minLongitude="170" minLatitude="-10" maxLongitude="-170" maxLatitude="10"/>"#;
    bob.send(&filter(false, &format!("{BOX}{pacific}")));
    bob.sync();
    for (uid, lat, lon, passes) in [
        ("1", "5.0", "175.0", true),
        ("2", "5.0", "-175.0", true),
        ("3", "5.0", "5.0", false),
        ("4", "45.5", "-75.5", true),
    ] {
        alice.send(&moved(&marker(uid), lat, lon));
        if passes {
            bob.expect(uid);
        }
    }
    fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn drop_filters_by_type_detail_and_threshold() {
    let list = r#"[{type="b-x"}, {detail="secret"}, {type="a-h-G", threshold="1h"}]"#;
    let server = Server::build().set("cot.filters.drop", list).start();
    let [mut alice, mut bob] = two(&server);
    alice.say("exact", "b-x", "");
    alice.say("longer", "b-x-y", "");
    bob.expect("longer");
    alice.say("words", "b-m-p-s-m", "<remarks>a secret place</remarks>");
    alice.say("h1", "a-h-G", "");
    alice.say("h1", "a-h-G", "<again/>");
    alice.say("h2", "a-h-G", "");
    assert!(bob.expect("h1").detail("again").is_none());
    bob.expect("h2");
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(rejected(&server, "filter"), 3.0);
}

#[test]
fn a_place_filter_on_the_input_lets_chat_and_emergencies_pass() {
    let server = Server::build().set("cot.filters.geo", "[{west=-76.0, south=45.0, east=-75.0, north=46}]").start();
    let [mut alice, mut bob] = two(&server);
    alice.send(&far(&marker("far")));
    alice.send(&far(&marker_to("far-directed", r#"<dest uid="B"/>"#)));
    alice.send(&moved(&marker("nowhere"), "0.0", "0.0"));
    bob.expect("nowhere");
    alice.send(&far(&event("e", "b-a-o-tbl", "")));
    bob.expect("e");
    alice.send(&far(&chat(("A", "ALICE"), "B", "BOB", "RootContactGroup", "m", "")));
    assert_eq!(bob.next().kind(), "b-t-f");
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(rejected(&server, "filter"), 2.0);
}

#[test]
fn rule_74_one_event_per_uid_and_sending_connection() {
    let server = Server::build().set("cot.rate.per_uid_read", "\"1h\"").start();
    let [mut alice, mut bob] = two(&server);
    alice.send(&marker("m"));
    alice.send(&marker("m"));
    bob.expect("m");
    alice.send(&marker("other"));
    bob.expect("other");
    // The limit is the sender's, not the uid's; control types have none.
    bob.send(&marker("m"));
    alice.expect("m");
    alice.send(&ping("A"));
    alice.expect("takPong");
    alice.sync();
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(rejected(&server, "rate"), 1.0);
}

#[test]
fn rule_74_one_position_per_uid_and_receiving_connection() {
    let server = Server::build().set("cot.rate.per_uid_delivery", "\"1h\"").start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut alice = Client::join(&server, "A", "ALICE");
    bob.expect("A");
    alice.expect("B");
    alice.send(&sa("A", "ALICE"));
    fence(&mut alice, &mut [&mut bob]);
    // Somebody who has not had one gets it; never held back: markers, chat, directed events.
    let mut carol = Client::connect(&server);
    carol.sync();
    while carol.next_within(std::time::Duration::ZERO).is_ok() {}
    alice.send(&sa("A", "ALICE"));
    carol.expect("A");
    for _ in 0..2 {
        alice.send(&marker("m"));
        bob.expect("m");
        alice.send(&event("A", "a-f-G", r#"<marti><dest uid="B"/></marti>"#));
        bob.expect("A");
    }
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(server.metric("fts_cot_dropped_total", &[r#"reason="filter""#]), 2.0);
}

#[test]
fn rule_74_events_per_address() {
    let server = Server::build().set("cot.rate.per_ip_events", "50").set("canary.interval", "\"0s\"").start();
    let [mut alice, mut bob] = two(&server);
    let all: String = (0..60).map(|n| marker(&n.to_string())).collect();
    alice.send(&all);
    alice.sync();
    let (passed, refused) = (48, 12);
    (0..passed).for_each(|n| drop(bob.expect(&n.to_string())));
    assert_eq!(rejected(&server, "rate"), f64::from(refused));
    bob.sync();
    assert!(bob.next_within(std::time::Duration::ZERO).is_err());
}

#[test]
fn rule_74_reading_pauses_over_the_limit_and_loses_nothing() {
    let server = Server::build().set("stream.limits.read_events_per_s", "1000").start();
    let [mut alice, mut bob] = two(&server);
    // The burst is four seconds' worth; what is over it comes late, in order, and whole.
    let begun = std::time::Instant::now();
    (0..6_000).for_each(|n| alice.send(&marker(&n.to_string())));
    (0..6_000).for_each(|n| drop(bob.expect(&n.to_string())));
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1), "it was slowed down: {:?}", begun.elapsed());
    // One connection's limit is nobody else's.
    bob.send(&marker("free"));
    alice.expect("free");
    assert_eq!(rejected(&server, "rate"), 0.0);
}

#[test]
fn rule_77_identical_bytes_are_relayed_once() {
    let server = Server::build().set("cot.dedupe", "\"1h\"").start();
    let [mut alice, mut bob] = two(&server);
    let text = marker("m");
    alice.send(&text);
    alice.send(&text);
    bob.expect("m");
    alice.send(&text.replace("spot", "spot 2"));
    bob.expect("m");
    bob.send(&text);
    alice.expect("m");
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(rejected(&server, "duplicate"), 1.0);
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    alice.send(&text);
    alice.send(&text);
    bob.expect("m");
    bob.expect("m");
}

#[test]
fn broadcast_map_items_can_be_refused() {
    let server = Server::build().set("cot.disable_broadcast_map_items", "true").start();
    let [mut alice, mut bob] = two(&server);
    alice.say("kept", "b-m-p-s-m", "<archive/>");
    alice.say("kept-to", "b-m-p-s-m", r#"<archive/><marti><dest uid="B"/></marti>"#);
    bob.expect("kept-to");
    alice.send(&marker("passing"));
    bob.expect("passing");
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(rejected(&server, "filter"), 1.0);
}

#[test]
fn broadcast_map_items_with_an_empty_destination_are_refused_too() {
    let server = Server::build().set("cot.disable_broadcast_map_items", "true").start();
    let [mut alice, mut bob] = two(&server);
    alice.say("kept", "b-m-p-s-m", "<archive/><marti><dest/></marti>");
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(rejected(&server, "filter"), 1.0);
}

#[test]
fn rule_71_notices_of_clients_are_dropped_unless_allowed() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    let notices = ["t-x-m-n", "t-x-m-c", "t-x-m-i", "t-x-m-d", "t-x-g-c"];
    for kind in notices {
        alice.say(kind, kind, "<mission name=\"x\"/>");
        alice.say(kind, kind, r#"<marti><dest uid="B"/></marti>"#);
    }
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(rejected(&server, "notice"), 10.0);
    let server = Server::build().set("cot.allow_client_notices", "true").start();
    let [mut alice, mut bob] = two(&server);
    for kind in notices {
        alice.say(kind, kind, "<mission name=\"x\"/>");
        bob.expect(kind);
    }
}
