//! Who gets an event (cot.md 5, acceptance lines 37 to 40, RULE-51 to 59, 72, 73).
//!
//! Destinations by callsign and uid, what counts as recognised, what never becomes a broadcast, loop protection by flow
//! tags, and traffic across listeners. Groups are in `groups`, filters and rates in `filters`, chat in `chat`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Client, Pki, Server, event, fence, join_all, marker, marker_to};

/// Alice, Bob and Carol, who know each other.
fn three(server: &Server) -> [Client; 3] {
    join_all(server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")])
}

/// Where nobody binds destinations of missions.
fn without_missions() -> Server {
    Server::build().set("plugins.enabled", "[\"emergency\"]").start()
}

fn dropped(server: &Server, reason: &str) -> f64 {
    server.metric("fts_cot_dropped_total", &[&format!("reason={reason:?}")])
}

fn flow_tag(server: &Server) -> String {
    format!("TAK-Server-{}", server.cli_json(&["status"])["node_id"].as_str().unwrap())
}

#[test]
fn line_37_named_receivers_get_it_once_and_nobody_else() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    let cases: &[(&str, bool, bool)] = &[
        (r#"<dest callsign="BOB"/>"#, true, false),
        (r#"<dest uid="B"/>"#, true, false),
        (r#"<dest callsign="BOB"/><dest uid="B"/>"#, true, false),
        (r#"<dest callsign="BOB"/><dest uid="C"/>"#, true, true),
        (r#"<dest/>"#, true, true),
        ("", true, true),
        (r#"<dest colour="red"/>"#, true, true),
        (r#"<dest callsign="NOBODY"/>"#, false, false),
        (r#"<dest uid="nobody"/>"#, false, false),
        // Of one element the first known attribute decides, of several one recognised is enough.
        (r#"<dest uid="C" callsign="BOB"/>"#, true, false),
        (r#"<dest/><dest callsign="BOB"/>"#, true, false),
        (r#"<dest callsign="NOBODY"/><dest/>"#, false, false),
    ];
    for (n, (dest, to_bob, to_carol)) in cases.iter().enumerate() {
        let uid = format!("case-{n}");
        alice.send(&marker_to(&uid, dest));
        for (client, gets) in [(&mut bob, to_bob), (&mut carol, to_carol)] {
            if *gets {
                client.expect(&uid);
            }
        }
        fence(&mut alice, &mut [&mut bob, &mut carol]);
    }
    assert_eq!(dropped(&server, "no_receiver"), 3.0);
}

#[test]
fn rule_52_exact_callsigns_win_over_those_that_differ_in_case() {
    let server = Server::start();
    let [mut big, mut small, mut alice] = join_all(&server, [("B1", "BOB"), ("B2", "bob"), ("A", "ALICE")]);
    alice.send(&marker_to("exact", r#"<dest callsign="bob"/>"#));
    small.expect("exact");
    alice.send(&marker_to("any", r#"<dest callsign="Bob"/>"#));
    small.expect("any");
    big.expect("any");
    alice.send(&marker_to("uid", r#"<dest uid="b1"/>"#));
    fence(&mut alice, &mut [&mut big, &mut small]);
}

#[test]
fn rule_53_a_sender_that_names_itself_reaches_nobody() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    alice.send(&marker_to("self-uid", r#"<dest uid="A"/>"#));
    alice.send(&marker_to("self-callsign", r#"<dest callsign="ALICE"/>"#));
    alice.send(&marker_to("self-and-bob", r#"<dest uid="A"/><dest uid="B"/>"#));
    bob.expect("self-and-bob");
    fence(&mut bob, &mut [&mut alice, &mut carol]);
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(dropped(&server, "no_receiver"), 0.0, "naming oneself is no failure");
}

#[test]
fn rule_51_recognised_destinations_without_receivers_are_never_broadcast() {
    let server = without_missions();
    let [mut alice, mut bob, mut carol] = three(&server);
    let guid = uuid::Uuid::new_v4();
    for (uid, dest) in [
        ("publish", r#"<dest publish="stcp:10.0.0.1:8087"/>"#.to_owned()),
        ("bad-guid", r#"<dest mission-guid="not a uuid"/>"#.to_owned()),
        ("guid", format!(r#"<dest mission-guid="{guid}"/>"#)),
        ("mission", r#"<dest mission="Op One" path="layer" after="m-0"/>"#.to_owned()),
        ("group", r#"<dest group="no such group"/>"#.to_owned()),
        ("server", r#"<dest callsign="ffffffff-ffff-ffff-ffff-ffffffffffff"/>"#.to_owned()),
    ] {
        alice.send(&marker_to(uid, &dest));
    }
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    assert_eq!(dropped(&server, "unbound_dest"), 3.0, "mission and both guids");
    assert_eq!(dropped(&server, "no_reach"), 1.0, "the group");
    let why = server.cli_json(&["why", "--event", "server"]);
    assert!(why[0]["decision"].as_str().unwrap().contains("server"), "{why}");
}

#[test]
fn line_39_a_mission_beside_a_person_reaches_the_person() {
    let server = without_missions();
    let [mut alice, mut bob, mut carol] = three(&server);
    alice.send(&marker_to("both", r#"<dest mission="Op One"/><dest callsign="BOB"/>"#));
    bob.expect("both");
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    assert_eq!(dropped(&server, "unbound_dest"), 1.0);
}

#[test]
fn line_39_all_streaming_means_everybody() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    alice.send(&marker_to("all", r#"<dest callsign="All Streaming"/><dest callsign="BOB"/>"#));
    bob.expect("all");
    carol.expect("all");
    fence(&mut bob, &mut [&mut alice, &mut carol]);
}

#[test]
fn line_38_marti_is_taken_out_before_delivery() {
    let server = Server::start();
    let [mut alice, mut bob, _carol] = three(&server);
    let mut proto = Client::connect(&server).negotiate();
    let text =
        event("m", "b-m-p-s-m", r#"<a/><marti archive="false"><dest uid="B"/></marti><remarks>x</remarks><marti/>"#);
    alice.send(&text);
    let got = bob.expect("m");
    let expected = fts_tests::parse(&text).unwrap().without(&["marti"]);
    assert_eq!(got.tree().clone().without(&["_flow-tags_"]), expected);
    alice.send(&event("all", "b-m-p-s-m", "<marti><dest/></marti><remarks>x</remarks>"));
    assert!(bob.expect("all").detail("marti").is_none());
    let (got, _) = proto.until(|e| e.uid() == "all");
    let detail = &got.cot().detail.as_ref().unwrap().xml_detail;
    assert!(detail.contains("<remarks>x</remarks>") && !detail.contains("marti"), "{detail}");
}

#[test]
fn line_38_keep_marti_leaves_it_in() {
    let server = Server::build().set("cot.keep_marti", "true").start();
    let [mut alice, mut bob, _carol] = three(&server);
    alice.send(&marker_to("m", r#"<dest uid="B"/>"#));
    assert_eq!(bob.expect("m").detail("marti/dest").unwrap().attr("uid"), "B");
}

#[test]
fn line_40_our_own_tag_is_a_loop_and_anothers_is_kept() {
    let server = without_missions();
    let [mut alice, mut bob, mut carol] = three(&server);
    let tag = flow_tag(&server);
    alice.say("loop", "b-m-p-s-m", &format!(r#"<_flow-tags_ {tag}="2026-01-01T00:00:00Z"/>"#));
    alice.say("loop-2", "b-m-p-s-m", &format!(r#"<_flow-tags_ TAK-Server-x="1" {tag}=""/>"#));
    alice.say("other", "b-m-p-s-m", r#"<_flow-tags_ TAK-Server-other="2026-01-01T00:00:00Z"/><remarks/>"#);
    let got = bob.expect("other");
    let tags: Vec<_> = got.tree().child("detail").unwrap().children().filter(|e| e.name == "_flow-tags_").collect();
    assert_eq!(tags.len(), 1, "both in one element");
    assert_eq!(tags[0].attr("TAK-Server-other"), "2026-01-01T00:00:00Z");
    let at = tags[0].attr(&tag);
    assert!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[19] == b'.', "three digits: {at}");
    carol.expect("other");
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    let rejected = |reason: &str| server.metric("fts_cot_rejected_total", &[&format!("reason={reason:?}")]);
    assert_eq!(rejected("loop"), 2.0);
    // With a mission destination our tag is tolerated (decision 20): CloudTAK re-sends what it got.
    alice.say("again", "b-m-p-s-m", &format!(r#"<_flow-tags_ {tag}="x"/><marti><dest mission="m"/></marti>"#));
    alice.sync();
    assert_eq!((rejected("loop"), dropped(&server, "unbound_dest")), (2.0, 1.0));
}

#[test]
fn rule_73_goodbyes_carry_the_tag_and_pongs_do_not() {
    let server = Server::start();
    let [alice, mut bob, _carol] = three(&server);
    let tag = flow_tag(&server);
    drop(alice);
    let notice = bob.next();
    assert_eq!(notice.kind(), "t-x-d-d");
    assert_eq!(notice.detail("_flow-tags_").unwrap().attrs.keys().collect::<Vec<_>>(), [&tag]);
    bob.send(&fts_tests::ping("B"));
    assert!(bob.expect("takPong").tree().child("detail").is_none());
}

#[test]
fn rule_72_flow_tags_can_be_named_and_switched_off() {
    let server = Server::build().set("cot.flow_tag_prefix", "\"NATO.\"").set("server.node_id", "\"n1\"").start();
    let [mut alice, mut bob, _carol] = three(&server);
    alice.send(&marker("m"));
    assert!(bob.expect("m").detail("_flow-tags_").unwrap().attrs.contains_key("NATO.n1"));
    let server = Server::build().set("cot.flow_tags", "false").start();
    let [mut alice, mut bob, _carol] = three(&server);
    let text = event("m", "b-m-p-s-m", &format!(r#"<_flow-tags_ {}="x"/>"#, flow_tag(&server)));
    alice.send(&text);
    assert_eq!(bob.expect("m").text(), text, "relayed byte for byte, its own tag means nothing then");
}

#[test]
fn rule_58_who_has_not_identified_receives_broadcasts() {
    let server = Server::start();
    let mut sensor = Client::connect(&server);
    let mut alice = Client::join(&server, "A", "ALICE");
    sensor.expect("A");
    alice.send(&marker("m"));
    sensor.expect("m");
    sensor.send(&marker("s"));
    alice.expect("s");
    fence(&mut alice, &mut [&mut sensor]);
}

#[test]
fn rule_59_listeners_share_one_room() {
    let server = Server::build().tls().listener("side", "cot_tcp", "").start();
    let config = Pki::issue(&server, "ann").client(&server.data_dir().join("certs/ca.pem"), rustls::ALL_VERSIONS);
    let mut secure = Client::tls(&server, "cot_tls", config).unwrap().greeted().identify("S", "SECURE");
    let mut side = Client::join_to(&server, "side", "D", "SIDE");
    let mut plain = Client::join(&server, "P", "PLAIN");
    secure.expect("D");
    secure.expect("P");
    side.expect("S");
    side.expect("P");
    plain.send(&marker_to("m", r#"<dest callsign="SECURE"/><dest callsign="SIDE"/>"#));
    secure.expect("m");
    side.expect("m");
    secure.send(&marker("all"));
    side.expect("all");
    let (_, shown) = plain.until(|e| e.uid() == "all");
    assert_eq!(shown.len(), 2);
    let user = |uid: &str| server.client(uid)["user"].as_str().unwrap().to_owned();
    assert_eq!([user("S"), user("P")], ["ann", "anonymous"]);
}

#[test]
fn line_43_incognito_hides_everything_but_what_names_a_callsign() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    alice.send(&event("i", "t-x-c-i-e", ""));
    alice.send(&fts_tests::sa("A", "ALICE"));
    alice.send(&marker("hidden"));
    alice.send(&marker_to("hidden-uid", r#"<dest uid="B"/>"#));
    let direct = fts_tests::chat(("A", "ALICE"), "B", "BOB", "RootContactGroup", "m1", r#"<dest callsign="BOB"/>"#);
    alice.send(&direct);
    assert_eq!(bob.next().uid(), "GeoChat.A.B.m1");
    fence(&mut carol, &mut [&mut bob]);
    // It goes on receiving.
    let (_, before) = alice.until(|e| e.uid().starts_with("fence"));
    assert!(before.is_empty());
    assert_eq!(server.metric("fts_cot_rejected_total", &[r#"reason="incognito""#]), 3.0);
    assert_eq!(server.client("A")["incognito"], true);
    alice.send(&event("i", "t-x-c-i-d", ""));
    alice.send(&marker("seen"));
    bob.expect("seen");
    carol.expect("seen");
}
