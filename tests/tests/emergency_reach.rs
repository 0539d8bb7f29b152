//! Whom emergencies reach, and who may end them (b.5, 1 to 6 and 8; RULE-67 to 69): groups, named receivers, protobuf,
//! policies, unknown uids, another type, ages. The acceptance lines are in `emergency.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::emergencies;

use emergencies::*;
use fts_tests::{Client, Server, fence};
use serde_json::json;

const FAST: &str = r#"repeat = "200ms""#;

fn pair(server: &Server) -> (Client, Client) {
    let mut alice = alice(server, "red");
    let bob = join(server, "red", "B", "BRAVO");
    alice.expect("B");
    (alice, bob)
}

fn active(server: &Server) -> Vec<String> {
    uids(server, "?active=true").1
}

#[test]
fn repeats_stay_in_the_groups_and_never_echo() {
    let server = start(FAST);
    let mut carol = join(&server, "blue", "C", "CHARLIE");
    let mut anon = join(&server, "cot_tcp", "N", "NOBODY");
    let (mut alice, mut bob) = pair(&server);
    alice.send(&start_911());
    (0..4).for_each(|_| assert_eq!(next_alert(&mut bob).uid(), UID));
    fence(&mut bob, &mut [&mut alice]);
    for (listener, client) in [("blue", &mut carol), ("cot_tcp", &mut anon)] {
        let mut other = join(&server, listener, &format!("of-{listener}"), "X");
        client.expect(&format!("of-{listener}"));
        fence(&mut other, &mut [client]);
    }
    // A newcomer of another group is not shown it.
    let mut late = join(&server, "blue", "C2", "CHARLIE-2");
    quiet(&mut carol, &mut [&mut late]);
    // Its sender, back on another connection, is not shown its own either.
    drop(alice);
    let mut alice = emergencies::alice(&server, "red");
    (0..3).for_each(|_| drop(next_alert(&mut bob)));
    quiet(&mut bob, &mut [&mut alice]);
    // Somebody who connected in both groups cancels; red hears it.
    let mut both = join(&server, "both", "X2", "BOTH");
    both.send(&cancel(UID));
    cancel_of(&mut bob, UID);
    cancel_of(&mut alice, UID);
}

#[test]
fn a_cancel_reaches_every_group_of_the_alert() {
    let server = start("repeat = 0");
    let mut alice = alice(&server, "both");
    let mut bob = join(&server, "red", "B", "BRAVO");
    let mut carol = join(&server, "blue", "C", "CHARLIE");
    alice.send(&start_911());
    next_alert(&mut bob);
    next_alert(&mut carol);
    // B is in red only and may cancel; C is in blue only and has to know.
    bob.send(&cancel(UID));
    cancel_of(&mut carol, UID);
    cancel_of(&mut alice, UID);
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(alerts(&server, "")["items"][0]["cancelledBy"], "BRAVO");
}

#[test]
fn named_receivers_stay_the_only_ones() {
    // The radius does not matter to who is named.
    let server = start("repeat = \"200ms\"\nradius_km = 1.0");
    let (mut alice, mut bob) = pair(&server);
    bob.send(&sa_at("B", "BRAVO", "46.5"));
    bob.sync();
    let mut carol = join(&server, "red", "C", "CHARLIE");
    let to_bob = r#"<marti><dest callsign="BRAVO"/></marti>"#;
    alice.send(&alert_of(UID, A, "b-a-o-tbl", "911 Alert", to_bob));
    for _ in 0..3 {
        let got = next_alert(&mut bob);
        assert!(got.detail("marti").is_none() && got.detail("remarks").is_some(), "{got:?}");
    }
    let mut late = join(&server, "red", "L", "LATE");
    let mut again = join(&server, "red", "B2", "BRAVO");
    next_alert(&mut again);
    next_alert(&mut again);
    quiet(&mut bob, &mut [&mut carol, &mut alice, &mut late]);
    // The cancel names nobody: everybody hears it.
    alice.send(&cancel(UID));
    for client in [&mut bob, &mut carol, &mut late, &mut again] {
        cancel_of(client, UID);
    }
}

#[test]
fn protobuf_clients_get_all_of_it() {
    let server = start(FAST);
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO").negotiate();
    alice.send(&start_911());
    for _ in 0..3 {
        let got = next_alert(&mut bob);
        let detail = got.cot().detail.as_ref().unwrap();
        assert_eq!((got.uid(), got.kind()), (UID, "b-a-o-tbl"));
        assert!(detail.xml_detail.contains("CALL 911 NOW") && detail.xml_detail.contains("<emergency"), "{detail:?}");
        assert_eq!(detail.contact.as_ref().map(|c| c.callsign.as_str()).unwrap_or("LIMA1-Alert"), "LIMA1-Alert");
        assert!(got.cot().stale_time > got.cot().send_time);
    }
    // And their own alerts count like others.
    bob.send(&start_of("B-9-1-1"));
    assert_eq!(alert_about(&mut alice, "B-9-1-1").0.detail("remarks").unwrap().text(), "CALL 911 NOW");
    let mut dave = join(&server, "red", "D", "DELTA").negotiate();
    next_alert(&mut dave);
    alice.send(&cancel(UID));
    assert!(cancel_of(&mut bob, UID).cot().detail.as_ref().unwrap().xml_detail.contains("cancel=\"true\""));
}

#[test]
fn any_means_members_of_its_groups() {
    let server = start("repeat = 0");
    let (mut alice, mut bob) = pair(&server);
    let mut carol = join(&server, "blue", "C", "CHARLIE");
    let mut dave = join(&server, "blue", "D", "DELTA");
    alice.send(&start_911());
    next_alert(&mut bob);
    carol.send(&cancel(UID));
    carol.sync();
    quiet(&mut carol, &mut [&mut dave]);
    assert_eq!(active(&server), [UID], "a stranger ends nothing, and its cancel goes nowhere");
    let refused = server.cli_json(&["why", "--event", UID]).to_string();
    assert!(refused.contains("refused: plugin"), "{refused}");
    bob.send(&cancel(UID));
    cancel_of(&mut alice, UID);
    assert!(active(&server).is_empty());
}

#[test]
fn originator_means_its_device_or_an_administrator() {
    let server = start("repeat = 0\ncancel_policy = \"originator\"");
    let (mut alice, mut bob) = pair(&server);
    for _ in 0..2 {
        alice.send(&start_911());
        assert_eq!(next_alert(&mut bob).kind(), "b-a-o-tbl");
        bob.send(&cancel(UID));
        bob.sync();
        assert_eq!(active(&server), [UID]);
        // The same device on a new connection.
        drop(alice);
        alice = emergencies::alice(&server, "red");
        alice.send(&cancel(UID));
        cancel_of(&mut bob, UID);
    }
    alice.send(&start_911());
    assert_eq!(next_alert(&mut bob).kind(), "b-a-o-tbl");
    ok(&server, "DELETE", "/ManageEmergency/deleteEmergency", &json!({ "uid": UID }));
    cancel_of(&mut bob, UID);
    cancel_of(&mut alice, UID);
}

#[test]
fn admin_means_administrators_only() {
    let server = start("repeat = 0\ncancel_policy = \"admin\"");
    let (mut alice, mut bob) = pair(&server);
    alice.send(&start_911());
    next_alert(&mut bob);
    for client in [&mut alice, &mut bob] {
        client.send(&cancel(UID));
        client.sync();
    }
    assert_eq!(active(&server), [UID]);
    assert_eq!(server.metric("fts_emergency_refused_total", &[]), 2.0);
    quiet(&mut alice, &mut [&mut bob]);
    ok(&server, "DELETE", "/ManageEmergency/deleteEmergency", &json!({ "uid": UID }));
    cancel_of(&mut alice, UID);
    cancel_of(&mut bob, UID);
}

#[test]
fn a_cancel_of_another_uid_ends_the_only_alert_of_its_sender() {
    let server = start("repeat = 0");
    let (mut alice, mut bob) = pair(&server);
    alice.send(&start_911());
    next_alert(&mut bob);
    alice.send(&cancel("358401234567-9-1-1"));
    let both = [next_alert(&mut bob), next_alert(&mut bob)];
    assert_eq!(both.each_ref().map(|e| (e.uid(), e.kind())), [("358401234567-9-1-1", "b-a-o-can"), (UID, "b-a-o-can")]);
    assert!(active(&server).is_empty());
    fence(&mut bob, &mut [&mut alice]);
    // With two it says nothing about either, and of a stranger it never does.
    for uid in ["one", "two"] {
        alice.send(&start_of(uid));
        alert_about(&mut bob, uid);
    }
    alice.send(&cancel("unknown"));
    bob.send(&cancel("unknown"));
    cancel_of(&mut bob, "unknown");
    cancel_of(&mut alice, "unknown");
    assert_eq!(active(&server), ["two", "one"]);
}

#[test]
fn another_type_replaces_a_newer_position_refreshes_and_nobody_takes_it_over() {
    let server = start(FAST);
    let (mut alice, mut bob) = pair(&server);
    alice.send(&start_911());
    next_alert(&mut bob);
    alice.send(&moved(&start_911(), "46.5"));
    bob.until(|e| is_alert(e) && e.tree().child("point").unwrap().attr("lat") == "46.5");
    alice.sync();
    assert_eq!((listed(&server).len(), listed(&server)[0]["lat"].clone()), (1, json!(46.5)));
    alice.send(&alert_of(UID, A, "b-a-o-opn", "In Contact", ""));
    let (got, _) = bob.until(|e| e.kind() == "b-a-o-opn");
    assert!(got.detail("remarks").is_none(), "the remark is for 911 alerts");
    for _ in 0..3 {
        assert_eq!(next_alert(&mut bob).kind(), "b-a-o-opn", "the old one repeats no more");
    }
    let all = alerts(&server, "");
    assert_eq!((&all["total"], &all["items"][1]["cancelledBy"]), (&json!(2), &json!("replaced by b-a-o-opn")));
    // B's start of the same uid is relayed, and A's alert goes on as it was.
    bob.send(&alert_of(UID, "B", "b-a-o-tbl", "911 Alert", ""));
    assert_eq!(next_alert(&mut alice).kind(), "b-a-o-tbl");
    for _ in 0..3 {
        assert_eq!(next_alert(&mut bob).kind(), "b-a-o-opn");
    }
    assert_eq!(listed(&server)[0]["originUid"], A);
}

#[test]
fn what_is_silent_too_long_is_cancelled_by_the_server() {
    let server = start("repeat = 0\nmax_age = \"2s\"\ngeofence_max_age = \"1s\"");
    let (mut alice, mut bob) = pair(&server);
    alice.send(&alert_of("fence", A, "b-a-g", "Geo-fence Breached", ""));
    alice.send(&start_911());
    let got = [(); 4].map(|()| next_alert(&mut bob));
    let said = got.each_ref().map(|e| (e.uid(), e.kind()));
    assert_eq!(said, [("fence", "b-a-g"), (UID, "b-a-o-tbl"), ("fence", "b-a-o-can"), (UID, "b-a-o-can")]);
    assert_eq!(cancel_of(&mut alice, UID).attr("how"), "h-e", "its sender has to know");
    assert!(listed(&server).is_empty());
    assert_eq!(server.metric("fts_emergency_expired_total", &[]), 2.0);
    assert_eq!(alerts(&server, "?uid=fence")["items"][0]["cancelledBy"], "expired");
}

#[test]
fn what_merely_mentions_an_emergency_is_none() {
    let server = start(FAST);
    let (mut alice, mut bob) = pair(&server);
    alice.send(&fts_tests::event("x", "a-f-G-U-C", r#"<emergency type="911 Alert">LIMA1</emergency>"#));
    alice.send(&fts_tests::event("y", "b-a-o-pan", ""));
    bob.until(|e| e.uid() == "x");
    (0..3).for_each(|_| assert_eq!(next_alert(&mut bob).uid(), "y", "known by its type alone"));
    assert_eq!(active(&server), ["y"]);
}
