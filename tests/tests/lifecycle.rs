//! A connection from its first event to its goodbye (cot.md 4, acceptance lines 27, 28, 30, 32, 33).
//!
//! Who is identified and by what (RULE-24, 35, 36), additional contacts of a gateway, changed callsigns, disconnect
//! notices (RULE-43, 44), and the refusal of idle times that would cut quiet clients (RULE-42). What newcomers are
//! shown is in `newcomer`, cloned uids are in `duplicates`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Client, Event, Server, chat, event, fence, join_all, marker, marker_to, sa, sa_team, takp_q};
use serde_json::Value;

/// The exact `t-x-d-d` of 4.5 for this contact.
fn assert_goodbye(notice: &Event, uid: &str, kind: &str) {
    assert_eq!((notice.kind(), notice.attr("how"), notice.attr("version")), ("t-x-d-d", "h-g-i-g-o", "2.0"));
    assert!(uuid::Uuid::parse_str(notice.uid()).is_ok(), "a fresh uuid: {}", notice.uid());
    let link = notice.detail("link").unwrap();
    assert_eq!((link.attr("uid"), link.attr("type"), link.attr("relation")), (uid, kind, "p-p"));
    let point = notice.tree().child("point").unwrap();
    for (name, value) in [("ce", "9999999"), ("le", "9999999"), ("hae", "0"), ("lat", "0"), ("lon", "0")] {
        assert_eq!(point.attr(name), value, "{name}");
    }
    assert_eq!(seconds(notice, "stale") - seconds(notice, "time"), 20.0);
    assert_eq!(notice.attr("time"), notice.attr("start"));
}

fn seconds(event: &Event, attr: &str) -> f64 {
    let text = event.attr(attr);
    assert!(text.len() == 24 && text.ends_with('Z'), "three fraction digits and Z (RULE-22): {text}");
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, format).unwrap().unix_timestamp_nanos() as f64 / 1e9
}

fn live(server: &Server) -> Vec<Value> {
    server.cli_json(&["clients", "list"]).as_array().unwrap().clone()
}

#[test]
fn line_27_a_newcomer_is_shown_who_is_there_first_and_never_itself() {
    let server = Server::start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut alice = Client::to(server.address("cot_tcp"), "A");
    alice.send(&(takp_q("q", "7") + &sa("A", "ALICE")));
    bob.expect("A");
    let (_, before) = alice.until(|e| e.kind() == "t-x-takp-r");
    assert!(before.iter().any(|e| e.uid() == "B" && e.kind() == "a-f-G-U-C"), "B before the answer: {before:?}");
    // Later live events come behind what it was shown, and its own SA never comes.
    fence(&mut bob, &mut [&mut alice]);
}

#[test]
fn line_28_a_chat_does_not_identify_an_sa_does() {
    let server = Server::start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut alice = Client::connect(&server);
    alice.send(&chat(("A", "ALICE"), "All Chat Rooms", "All Chat Rooms", "RootContactGroup", "m1", ""));
    let said = bob.next();
    assert_eq!(said.kind(), "b-t-f", "before identification events are routed (RULE-36)");
    let uids = |server: &Server| live(server).iter().map(|c| c["uid"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(uids(&server), ["B", ""]);
    alice = alice.identify("A", "ALICE");
    assert_eq!(uids(&server), ["B", "A"], "the chat's uid is nowhere");
    // A newcomer is shown two contacts and nothing else.
    let mut carol = Client::join(&server, "C", "CAROL");
    assert_eq!([carol.next().uid(), carol.next().uid()], ["B", "A"]);
    bob.expect("A");
    bob.expect("C");
    fence(&mut alice, &mut [&mut bob, &mut carol]);
}

#[test]
fn rule_24_what_identifies_and_what_does_not() {
    let server = Server::start();
    let contact = r#"<contact callsign="X" endpoint="*:-1:stcp"/>"#;
    let takv = r#"<takv platform="iTAK" version="2" device="p" os="17"/>"#;
    let cases: &[(&str, String, bool)] = &[
        ("a-f-G-U-C", contact.to_owned(), true),
        ("a-f-A-M-H-Q", contact.to_owned(), true),
        ("a-f-G-U-C", format!(r#"<contact callsign="X"/>{takv}"#), true),
        ("a-f-G-U-C", r#"<contact callsign="X"/>"#.to_owned(), false),
        ("a-f-G-U-C", format!(r#"<contact callsign="" endpoint="*:-1:stcp"/>{takv}"#), false),
        ("a-f-G-U-C", takv.to_owned(), false),
        ("a-f-G-U-C", format!(r#"{contact}<ackresponse uid="x" success="true"/>"#), false),
        ("b-m-p-s-m", format!("{contact}{takv}"), false),
        ("b-t-f", contact.to_owned(), false),
        ("b-f-t-a", contact.to_owned(), false),
        ("t-x-d-d", contact.to_owned(), false),
        ("u-d-f", contact.to_owned(), false),
    ];
    for (n, (kind, detail, identifies)) in cases.iter().enumerate() {
        let mut client = Client::connect(&server);
        client.send(&event(&format!("id-{n}"), kind, detail));
        client.sync();
        let port = format!(":{}", client.port());
        let entry = live(&server).into_iter().find(|c| c["peer"].as_str().unwrap().ends_with(&port)).unwrap();
        let expected = if *identifies { format!("id-{n}") } else { String::new() };
        assert_eq!(entry["uid"], expected.as_str(), "{kind} {detail}");
    }
}

#[test]
fn rule_35_later_sa_refresh_what_is_known_and_another_uid_does_not_rebind() {
    let server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let detail = r#"<takv device="pixel" platform="ATAK-CIV" os="34" version="5.1"/><contact callsign="ALICE-2" endpoint="*:-1:stcp"/><__group name="Cyan" role="Medic"/><status battery="61"/>"#;
    alice.send(&event("A", "a-f-G-U-C-I", detail));
    alice.send(&sa("R1", "RADIO"));
    alice.sync();
    let a = server.client("A");
    let field = |name: &str| a[name].as_str().unwrap_or_default().to_owned();
    assert_eq!([field("callsign"), field("team"), field("role"), field("battery")], ["ALICE-2", "Cyan", "Medic", "61"]);
    assert_eq!(a["takv"]["platform"], "ATAK-CIV");
    assert_eq!(
        (&a["takv"]["device"], &a["takv"]["version"], &a["takv"]["os"]),
        (&"pixel".into(), &"5.1".into(), &"34".into())
    );
    assert_eq!(a["contacts"], serde_json::json!([{"uid": "R1", "callsign": "RADIO"}]));
    assert_eq!(live(&server).len(), 1, "one connection, whatever it speaks for");
}

#[test]
fn line_30_a_close_is_told_once_with_the_type_of_the_last_sa() {
    let server = Server::start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&event("A", "a-f-G-U-C-I", r#"<contact callsign="ALICE" endpoint="*:-1:stcp"/>"#));
    bob.expect("A");
    drop(alice);
    assert_goodbye(&bob.next(), "A", "a-f-G-U-C-I");
    let mut carol = Client::join(&server, "C", "CAROL");
    bob.expect("C");
    carol.expect("B");
    // Nothing of A for the newcomer, no second notice for anybody.
    fence(&mut carol, &mut [&mut bob]);
    fence(&mut bob, &mut [&mut carol]);
    server.eventually("it is counted", || server.metric("fts_client_disconnects_total", &[r#"reason="eof""#]) == 1.0);
}

#[test]
fn rule_43_reset_and_kick_are_told_and_the_unidentified_leave_in_silence() {
    let server = Server::start();
    let [alice, carol, mut bob] = join_all(&server, [("A", "ALICE"), ("C", "CAROL"), ("B", "BOB")]);
    let mut carol = carol;
    alice.reset();
    assert_goodbye(&bob.next(), "A", "a-f-G-U-C");
    assert!(server.cli(&["clients", "kick", "C"]).status.success());
    assert_goodbye(&bob.next(), "C", "a-f-G-U-C");
    let left = carol.rest();
    let about_itself = |e: &Event| e.detail("link").is_some_and(|l| l.attr("uid") == "C");
    assert!(!left.iter().any(about_itself), "never to the closing connection: {left:?}");
    let stranger = Client::connect(&server);
    drop(stranger);
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "");
    let mut dave = Client::join(&server, "D", "DAVE");
    bob.expect("D");
    fence(&mut dave, &mut [&mut bob]);
}

#[test]
fn rule_44_a_client_that_says_goodbye_is_shown_to_nobody_any_more() {
    let server = Server::start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&event("bye", "t-x-d-d", r#"<link uid="A" type="a-f-G-U-C" relation="p-p"/>"#));
    bob.expect("bye");
    let mut carol = Client::join(&server, "C", "CAROL");
    carol.expect("B");
    bob.expect("C");
    alice.expect("C");
    fence(&mut bob, &mut [&mut carol, &mut alice]);
    // Somebody else's goodbye takes nothing from A: its next SA brings it back, and B's word about it does not count.
    alice.send(&sa("A", "ALICE"));
    bob.expect("A");
    carol.expect("A");
    bob.send(&event("lie", "t-x-d-d", r#"<link uid="A" type="a-f-G-U-C" relation="p-p"/>"#));
    carol.expect("lie");
    let mut dave = Client::join(&server, "D", "DAVE");
    let mut shown = [dave.next().uid().to_owned(), dave.next().uid().to_owned(), dave.next().uid().to_owned()];
    shown.sort();
    assert_eq!(shown, ["A", "B", "C"]);
}

#[test]
fn line_32_a_gateway_speaks_for_several_contacts() {
    let server = Server::start();
    let mut gateway = Client::connect(&server);
    gateway.send(&(sa("1", "ONE") + &sa("2", "TWO")));
    gateway.sync();
    let mut bob = Client::join(&server, "B", "BOB");
    assert_eq!([bob.next().uid(), bob.next().uid()], ["1", "2"], "both are shown to a newcomer");
    gateway.expect("B");
    bob.send(&marker_to("to-uid", r#"<dest uid="2"/>"#));
    gateway.expect("to-uid");
    bob.send(&marker_to("to-callsign", r#"<dest callsign="TWO"/>"#));
    gateway.expect("to-callsign");
    bob.send(&marker_to("to-both", r#"<dest uid="1"/><dest uid="2"/>"#));
    gateway.expect("to-both");
    fence(&mut bob, &mut [&mut gateway]);
    drop(gateway);
    let notices = [bob.next(), bob.next()];
    assert_goodbye(&notices[0], "1", "a-f-G-U-C");
    assert_goodbye(&notices[1], "2", "a-f-G-U-C");
    let mut carol = Client::join(&server, "C", "CAROL");
    bob.expect("C");
    fence(&mut carol, &mut [&mut bob]);
}

#[test]
fn rule_44_a_gateway_takes_one_contact_back() {
    let server = Server::start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut gateway = Client::join(&server, "1", "ONE");
    gateway.expect("B");
    gateway.send(&sa("2", "TWO"));
    gateway.send(&event("bye", "t-x-d-d", r#"<link uid="2" type="a-f-G-U-C" relation="p-p"/>"#));
    ["1", "2", "bye"].iter().for_each(|uid| drop(bob.expect(uid)));
    bob.send(&marker_to("late", r#"<dest uid="2"/><dest callsign="TWO"/>"#));
    fence(&mut bob, &mut [&mut gateway]);
    drop(gateway);
    assert_goodbye(&bob.next(), "1", "a-f-G-U-C");
    let mut carol = Client::join(&server, "C", "CAROL");
    bob.expect("C");
    fence(&mut carol, &mut [&mut bob]);
}

#[test]
fn line_33_a_new_callsign_works_at_once_and_the_old_one_no_more() {
    let server = Server::start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&sa_team("A", "ALPHA", "Cyan", "Medic"));
    bob.expect("A");
    bob.send(&marker_to("old", r#"<dest callsign="ALICE"/>"#));
    bob.send(&marker_to("new", r#"<dest callsign="ALPHA"/>"#));
    alice.expect("new");
    // The same for a contact of a gateway.
    alice.send(&sa("2", "TWO"));
    alice.send(&sa("2", "DEUX"));
    bob.expect("2");
    bob.expect("2");
    bob.send(&marker_to("old-2", r#"<dest callsign="TWO"/>"#));
    bob.send(&marker_to("new-2", r#"<dest callsign="DEUX"/>"#));
    alice.expect("new-2");
    fence(&mut bob, &mut [&mut alice]);
    assert_eq!(server.metric("fts_cot_dropped_total", &[r#"reason="no_receiver""#]), 2.0);
}

#[test]
fn line_33_a_callsign_two_contacts_share_stays_when_one_of_them_is_renamed() {
    let server = Server::start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut gateway = Client::join(&server, "1", "TEAM");
    gateway.expect("B");
    gateway.send(&(sa("2", "TEAM") + &sa("3", "TEAM") + &sa("2", "OTHER")));
    gateway.send(&event("bye", "t-x-d-d", r#"<link uid="3" type="a-f-G-U-C" relation="p-p"/>"#));
    ["1", "2", "3", "2", "bye"].iter().for_each(|uid| drop(bob.expect(uid)));
    bob.send(&marker_to("team", r#"<dest callsign="TEAM"/>"#));
    gateway.expect("team");
    fence(&mut bob, &mut [&mut gateway]);
}

#[test]
fn rule_36_with_require_identification_only_positions_pass_before_it() {
    let server = Server::build().set("cot.require_identification", "true").set("canary.interval", "\"0s\"").start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut alice = Client::connect(&server);
    alice.send(&marker("early"));
    let mut alice = alice.identify("A", "ALICE");
    alice.send(&marker("late"));
    bob.expect("A");
    bob.expect("late");
    assert_eq!(server.metric("fts_cot_rejected_total", &[r#"reason="not_identified""#]), 1.0);
}

#[test]
fn rule_36_what_follows_the_first_position_in_one_read_passes() {
    let server = Server::build().set("cot.require_identification", "true").set("canary.interval", "\"0s\"").start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut alice = Client::connect(&server);
    alice.send(&(marker("early") + &sa("A", "ALICE") + &marker("late")));
    bob.expect("A");
    bob.expect("late");
}

#[test]
fn rule_42_idle_times_that_would_cut_quiet_clients_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for key in ["stream.limits.idle_timeout", "listeners.cot_tcp.idle_timeout"] {
        let out = Server::build().set(key, "\"199s\"").command(dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(4), "{said}");
        assert!(said.contains("idle_timeout") && said.contains("200s"), "{said}");
    }
    let server = Server::build().set("stream.limits.idle_timeout", "\"200s\"").start();
    assert!(server.has("cot_tcp"));
}
