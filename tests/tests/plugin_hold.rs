//! Destinations a plugin binds (plugins.md 1.3, fanout.md 2.1, decisions 87 to 89, 96): held events reach the plugin only
//! from writers and members only behind their notice; delivered ones need no plugin. Nobody else gets anything. Crashes and
//! reloads are in `plugin_hold_crash`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::plugin_bed;

use fts_tests::{Client, Pki, Server, event, fence, join_all, marker, marker_to, sa};
use plugin_bed::{Asks, both, probe, to, uid};
use serde_json::json;

fn four(server: &Server) -> [Client; 4] {
    join_all(server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL"), ("D", "DAVE")])
}

#[test]
fn a_non_writer_never_reaches_the_plugin_members_get_a_writers_event_after_its_notice_disabled_nobody_does() {
    let server = probe("").start();
    server.room("alpha", &["B", "C"], &["A", "B"]);
    let [mut alice, mut bob, mut carol, mut dave] = four(&server);
    dave.send(&marker_to("m0", &to("alpha")));
    dave.sync();
    alice.send(&marker_to("m1", &to("alpha")));
    for member in [&mut bob, &mut carol] {
        assert_eq!(member.expect("notice-m1").kind(), "t-x-m-c");
        let event = member.expect("m1");
        assert!(event.detail("marti").is_none(), "delivered without its address: {event:?}");
    }
    // A writer that is a member does not get its own event back, but its notice.
    bob.send(&marker_to("m2", &to("alpha")));
    carol.expect("notice-m2");
    carol.expect("m2");
    bob.expect("notice-m2");
    fence(&mut dave, &mut [&mut alice, &mut bob, &mut carol]);
    fence(&mut alice, &mut [&mut dave]);
    bob.next();
    carol.next();
    assert_eq!((server.saw("held"), server.stored()), (vec!["m1".into(), "m2".into()], vec!["m1".into(), "m2".into()]));
    assert_eq!(server.dropped("not_writer"), 1.0);

    server.change("probe", "disable").unwrap();
    alice.send(&marker_to("m3", &to("alpha")));
    fence(&mut alice, &mut [&mut bob, &mut carol, &mut dave]);
    assert_eq!(server.dropped("plugin_down"), 1.0);
    server.change("probe", "enable").unwrap();
    alice.send(&marker_to("m4", &to("alpha")));
    bob.expect("notice-m4");
    bob.expect("m4");
    assert_eq!(server.stored(), ["m1", "m2", "m4"]);
}

#[test]
fn who_is_named_beside_a_held_destination_gets_it_at_once_and_once() {
    let server = probe("").start();
    server.room("alpha", &["B", "C"], &["A"]);
    let [mut alice, mut bob, mut carol, mut dave] = four(&server);
    server.probe(json!({"do": "pause", "before": "release"}));
    alice.send(&marker_to("m1", &format!("{}<dest callsign=\"BOB\"/><dest uid=\"D\"/>", to("alpha"))));
    bob.expect("m1");
    dave.expect("m1");
    server.wait_paused();
    fence(&mut alice, &mut [&mut bob, &mut carol, &mut dave]);
    server.probe(json!({"do": "go-on"}));
    // Bob is a member: he gets the notice and not the event again.
    bob.expect("notice-m1");
    carol.expect("notice-m1");
    carol.expect("m1");
    fence(&mut carol, &mut [&mut alice, &mut bob, &mut dave]);
}

#[test]
fn several_held_destinations_are_one_event_for_the_plugin_and_for_each_member() {
    let server = probe("").start();
    server.room("alpha", &["B", "C"], &["A"]);
    server.room("beta", &["C", "D"], &["A"]);
    server.room("closed", &["D"], &["B"]);
    let [mut alice, mut bob, mut carol, mut dave] = four(&server);
    let dests = [to("alpha"), to("beta"), to("alpha"), to("closed"), to("unknown")].concat();
    alice.send(&marker_to("m1", &dests));
    for (member, notices) in [(&mut bob, 1), (&mut carol, 2), (&mut dave, 1)] {
        (0..notices).for_each(|_| drop(member.expect("notice-m1")));
        member.expect("m1");
    }
    let held = server.diary("held");
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["dests"], json!([["probe", "alpha"], ["probe", "beta"]]), "those that passed");
    assert_eq!((held[0]["from"]["uid"].as_str(), held[0]["from"]["callsign"].as_str()), (Some("A"), Some("ALICE")));
    fence(&mut carol, &mut [&mut alice, &mut bob, &mut dave]);
    assert_eq!((server.dropped("not_writer"), server.dropped("no_receiver")), (1.0, 1.0));
}

#[test]
fn an_event_that_cannot_be_stored_now_comes_again_before_those_behind_it() {
    let server = probe("").start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob, mut carol, _dave] = four(&server);
    let late = format!("<held do=\"later\"/><marti>{}</marti>", to("alpha"));
    alice.send(&event("m1", "b-m-p-s-m", &late));
    alice.send(&marker_to("m2", &to("alpha")));
    server.eventually("the first is put off", || server.saw("late").first().is_some_and(|uid| uid == "m1"));
    alice.send(&marker_to("m3", &to("alpha")));
    for uid in ["m1", "m2", "m3"] {
        assert_eq!(bob.next().uid(), format!("notice-{uid}"));
        assert_eq!(bob.next().uid(), uid);
    }
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    assert_eq!(server.stored(), ["m1", "m2", "m3"]);
    let held = server.diary("held");
    assert_eq!((held[0]["uid"].as_str(), held[0]["replayed"].as_bool()), (Some("m1"), Some(true)));
    assert_eq!((server.plugin("probe")["held"].clone(), server.dropped("discarded")), (json!(0), 0.0));
}

#[test]
fn a_name_bound_for_any_case_is_found_in_any() {
    let server = probe("").start();
    server.room("alpha", &["B"], &["A"]);
    server.probe(json!({"do": "add", "audience": "alpha-members", "member": uid("C")}));
    server.probe(json!({"do": "bind-any-case", "kind": "probe", "name": "Flüsse", "members": "alpha-members"}));
    let [mut alice, mut bob, mut carol, mut dave] = four(&server);
    for (n, name) in ["flüsse", "FLÜSSE", "Flüsse"].iter().enumerate() {
        alice.send(&marker_to(&format!("m{n}"), &to(name)));
        bob.expect(&format!("m{n}"));
        carol.expect(&format!("m{n}"));
    }
    alice.send(&marker_to("m9", &to("ALPHA")));
    fence(&mut alice, &mut [&mut bob, &mut carol, &mut dave]);
    server.probe(json!({"do": "unbind", "kind": "probe", "name": "FLÜSSE"}));
    alice.send(&marker_to("m10", &to("Flüsse")));
    fence(&mut alice, &mut [&mut bob, &mut carol, &mut dave]);
}

#[test]
fn a_held_event_that_is_discarded_or_dropped_goes_nowhere_and_is_counted() {
    let server = both("", "").start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    for (uid, what) in [("m1", "discard"), ("m2", "forget"), ("m3", "fail")] {
        let detail = format!("<held do={what:?}/><marti>{}</marti>", to("alpha"));
        alice.send(&event(uid, "b-m-p-s-m", &detail));
    }
    alice.send(&event("m4", "b-m-p-s-m", &format!("<held/><marti>{}</marti>", to("alpha"))));
    bob.expect("notice-m4");
    bob.expect("m4");
    assert_eq!(server.stored(), ["m4"]);
    assert_eq!(server.dropped("discarded"), 3.0);
    assert_eq!(server.plugin("probe")["undelivered"], 3);
    assert_eq!(server.plugin("probe")["held"], 0, "nothing is left in its hands");
    // Observers see what was let go, and never what was not, not even after a restart.
    let observed = |server: &Server| -> Vec<String> {
        let diary = server.admin("GET", "/api/plugins/twin/diary", "").json();
        diary.as_array().unwrap().iter().map(|e| e["uid"].as_str().unwrap().to_owned()).collect()
    };
    server.eventually("the twin has seen it", || observed(&server) == ["m4"]);
    let mut server = server;
    assert!(server.stop().success());
    let again = both("", "").again(&server).start();
    let mut alice = Client::join(&again, "A", "ALICE");
    alice.send(&event("m5", "b-m-p-s-m", "<watch/>"));
    again.eventually("the twin has seen the next", || observed(&again).last().is_some_and(|u| u == "m5"));
    assert_eq!(observed(&again), ["m5"], "what was discarded waits for nobody");
}

#[test]
fn a_delivered_destination_needs_no_call_into_the_plugin_and_no_common_group() {
    let server = probe("").listener("far", "cot_tcp", "default_groups = [\"far\"]").start();
    let bind = json!({"do": "bind", "kind": "feed", "name": "f", "members": "m", "writers": "w", "deliver": true});
    server.probe(bind);
    for (audience, who) in [("m", "B"), ("m", "F"), ("w", "A")] {
        server.probe(json!({"do": "add", "audience": audience, "member": uid(who)}));
    }
    let [mut alice, mut bob, mut carol] = join_all(&server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")]);
    let mut far = Client::join_to(&server, "far", "F", "FAR");
    carol.send(&marker_to("m1", "<dest feed=\"f\"/>"));
    carol.sync();
    alice.send(&marker_to("m2", "<dest feed=\"f\"/>"));
    bob.expect("m2");
    far.expect("m2");
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    assert_eq!(server.diary("held").len(), 0);
    // Held ones are released across groups as well.
    server.room("alpha", &["F"], &["A"]);
    alice.send(&marker_to("m3", &to("alpha")));
    far.expect("notice-m3");
    far.expect("m3");
    // Stuck or not: the router delivers by itself.
    server.probe(json!({"do": "pause", "before": "release"}));
    alice.send(&marker_to("m4", &to("alpha")));
    server.wait_paused();
    alice.send(&marker_to("m5", "<dest feed=\"f\"/>"));
    bob.expect("m5");
    far.expect("m5");
    server.probe(json!({"do": "go-on"}));
    far.expect("notice-m4");
    far.expect("m4");
}

#[test]
fn a_kind_belongs_to_one_plugin_and_a_binding_taken_back_reaches_nobody() {
    let server = both("", "kind = \"probe\"").start();
    // The twin starts behind the probe and asks for the probe's kind, which the probe has not taken yet.
    assert_eq!(server.state("twin"), "running");
    let (_, said) = server.refused(json!({"do": "bind", "kind": "probe", "name": "x", "members": "m"}));
    assert!(said.contains("belong to twin"), "{said}");
    for own in ["callsign", "uid", "group", ""] {
        let (_, said) = server.refused(json!({"do": "bind", "kind": own, "name": "x", "members": "m"}));
        assert!(said.contains("the server's own"), "{said}");
    }
    server.probe(json!({"do": "bind", "kind": "mission", "name": "Op One", "members": "m"}));
    server.probe(json!({"do": "add", "audience": "m", "member": uid("B")}));
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&marker_to("m1", "<dest mission=\"Op One\"/>"));
    bob.expect("notice-m1");
    bob.expect("m1");
    alice.send(&marker_to("m2", "<dest mission=\"Op Two\"/>"));
    server.probe(json!({"do": "unbind", "kind": "mission", "name": "Op One"}));
    alice.send(&marker_to("m3", "<dest mission=\"Op One\"/>"));
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(server.saw("held"), ["m1"]);
    // An audience that is deleted has no members.
    server.probe(json!({"do": "bind", "kind": "mission", "name": "Op One", "members": "m"}));
    server.probe(json!({"do": "delete", "audience": "m"}));
    alice.send(&marker_to("m4", "<dest mission=\"Op One\"/>"));
    server.eventually("m4 is stored", || server.stored() == ["m1", "m4"] || server.saw("held") == ["m1", "m4"]);
    fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn a_borrowed_uid_gets_nothing() {
    let server = probe("").tls().start();
    let ca = server.data_dir().join("certs/ca.pem");
    let tls = |name: &str| {
        let config = Pki::issue(&server, name).client(&ca, fts_tests_versions());
        Client::tls(&server, "cot_tls", config).unwrap().greeted()
    };
    let mut alice = tls("alice").identify("A", "ALICE");
    let mut bob = tls("bob").identify("B", "BOB");
    let mut thief = tls("mallory").identify("B", "BOB");
    let mut plain = Client::join(&server, "B", "BOB");
    server.probe(json!({"do": "bind", "kind": "probe", "name": "alpha", "members": "m", "writers": "w"}));
    for (audience, uid, user) in [("m", "B", "bob"), ("w", "A", "alice")] {
        let member = json!({"Client": {"uid": uid, "user": user}});
        server.probe(json!({"do": "add", "audience": audience, "member": member}));
    }
    let connected = server.probe(json!({"do": "connected", "audience": "m"}));
    assert_eq!(connected.as_array().unwrap().len(), 1, "the user's own connection");
    alice.send(&marker_to("m1", &to("alpha")));
    bob.until(|e| e.uid() == "notice-m1");
    bob.expect("m1");
    // Nor does whoever borrows it later, and a borrowed writer does not write.
    let mut late = tls("trudy").identify("B", "BOB");
    let mut forger = tls("eve").identify("A", "ALICE");
    forger.send(&marker_to("m2", &to("alpha")));
    forger.sync();
    alice.send(&marker_to("m3", &to("alpha")));
    bob.until(|e| e.uid() == "m3");
    assert_eq!(server.saw("held"), ["m1", "m3"]);
    alice.send(&marker("end"));
    let ours = |e: &fts_tests::Event| e.uid().contains('m');
    for other in [&mut thief, &mut late, &mut forger] {
        let (_, before) = other.until(|e| e.uid() == "end");
        assert!(!before.iter().any(ours), "{before:?}");
    }
    // Without a certificate it gave way to the next one of its uid.
    assert!(!plain.rest().iter().any(ours));
}

fn fts_tests_versions() -> &'static [&'static rustls::SupportedProtocolVersion] {
    rustls::ALL_VERSIONS
}

#[test]
fn a_reused_slot_gets_nothing() {
    let server = probe("").start();
    server.room("alpha", &[], &["A"]);
    let mut alice = Client::join(&server, "A", "ALICE");
    for round in 0..20 {
        let mut bob = Client::join(&server, "B", "BOB");
        bob.expect("A");
        let conn = server.client("B")["conn"].clone();
        server.probe(json!({"do": "add", "audience": "alpha-members", "member": {"Conn": conn}}));
        let (first, second) = (format!("first-{round}"), format!("second-{round}"));
        alice.send(&marker_to(&first, &to("alpha")));
        bob.expect(&format!("notice-{first}"));
        bob.expect(&first);
        // The next one is in the plugin's hands while its receiver goes and somebody else takes the place.
        server.probe(json!({"do": "pause", "before": "release"}));
        alice.send(&marker_to(&second, &to("alpha")));
        server.wait_paused();
        drop(bob);
        alice.until(|e| e.kind() == "t-x-d-d");
        let mut newcomer = Client::join(&server, "N", "NEW");
        newcomer.expect("A");
        server.probe(json!({"do": "go-on"}));
        server.eventually("it was let go", || server.plugin("probe")["held"] == 0);
        fence(&mut alice, &mut [&mut newcomer]);
        drop(newcomer);
        alice.until(|e| e.kind() == "t-x-d-d");
    }
    let connected = server.probe(json!({"do": "connected", "audience": "alpha-members"}));
    assert_eq!(connected, json!([]));
}

#[test]
fn a_writer_may_send_in_the_same_breath_in_which_it_says_who_it_is() {
    let server = probe("").start();
    server.room("alpha", &["B"], &["A"]);
    let mut bob = Client::join(&server, "B", "BOB");
    let mut alice = Client::connect(&server);
    alice.send(&(sa("A", "ALICE") + &marker_to("m1", &to("alpha"))));
    bob.expect("A");
    bob.expect("notice-m1");
    bob.expect("m1");
    assert_eq!(server.dropped("not_writer"), 0.0);
}

#[test]
fn held_events_keep_their_order_of_arrival() {
    let server = probe("").start();
    server.room("alpha", &["B"], &["A"]);
    server.room("beta", &["B"], &["A"]);
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let all: String =
        (0..200).map(|n| marker_to(&format!("m{n}"), &to(if n % 3 == 0 { "beta" } else { "alpha" }))).collect();
    alice.send(&all);
    for n in 0..200 {
        bob.expect(&format!("notice-m{n}"));
        bob.expect(&format!("m{n}"));
    }
}
