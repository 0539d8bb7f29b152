//! GeoChat (cot.md 6, acceptance lines 44 to 46, RULE-61 to 63).
//!
//! Rooms of everybody, direct chats with and without `<marti>`, teams, roles and user groups; the failure notice to the
//! sender alone when nobody named can have it; receipts, which fail silently. A private chat never becomes public.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Client, Server, chat, event, fence, join_all, sa_team};

const ALICE: (&str, &str) = ("A", "ALICE");

fn three(server: &Server) -> [Client; 3] {
    join_all(server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")])
}

/// A chat of ALICE in a room with these members (`uid1`, …).
fn room(id: &str, name: &str, parent: &str, message: &str, members: &[&str]) -> String {
    let listed: String = members.iter().enumerate().map(|(n, uid)| format!(r#" uid{}="{uid}""#, n + 1)).collect();
    chat(ALICE, id, name, parent, message, "").replace(&format!(r#" uid1="{id}""#), &listed)
}

/// A receipt of `from` for a message of `to`, as ATAK writes it.
fn receipt(kind: &str, message: &str, from: (&str, &str), to: (&str, &str), marti: bool) -> String {
    let marti = if marti { format!(r#"<marti><dest callsign="{}"/></marti>"#, to.1) } else { String::new() };
    let group = format!(r#"<chatgrp id="{0}" uid0="{1}" uid1="{0}"/>"#, to.0, from.0);
    let detail = format!(
        r#"<__chatreceipt id="{}" messageId="{message}" senderCallsign="{}" chatroom="{}" parent="RootContactGroup" groupOwner="false">{group}</__chatreceipt><link uid="{}" type="a-f-G-U-C" relation="p-p"/>{marti}"#,
        to.0, from.1, to.1, from.0
    );
    event(message, kind, &detail)
}

fn routed(server: &Server, kind: &str) -> f64 {
    server.metric("fts_cot_routed_total", &[&format!("kind={kind:?}")])
}

#[test]
fn line_44_rooms_of_everybody_reach_everybody_but_the_sender() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    for (id, name) in [("All Chat Rooms", "All Chat Rooms"), ("Streaming", "All Streaming"), ("x", "All Chat Rooms")] {
        let text = chat(ALICE, id, name, "RootContactGroup", "m", "");
        alice.send(&text);
        let uid = format!("GeoChat.A.{id}.m");
        let got = bob.expect(&uid);
        assert_eq!(got.tree().clone().without(&["_flow-tags_"]), fts_tests::parse(&text).unwrap(), "lossless");
        carol.expect(&uid);
        fence(&mut bob, &mut [&mut alice, &mut carol]);
    }
}

#[test]
fn line_44_a_direct_chat_reaches_one_with_and_without_marti() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    alice.send(&chat(ALICE, "B", "BOB", "RootContactGroup", "m1", r#"<dest callsign="BOB"/>"#));
    assert!(bob.expect("GeoChat.A.B.m1").detail("marti").is_none());
    alice.send(&chat(ALICE, "B", "BOB", "RootContactGroup", "m2", r#"<dest uid="B"/>"#));
    bob.expect("GeoChat.A.B.m2");
    alice.send(&chat(ALICE, "B", "BOB", "RootContactGroup", "m3", ""));
    bob.expect("GeoChat.A.B.m3");
    // Named by callsign only: the conversation's id is no uid anybody has.
    alice.send(&room("1234", "BOB", "RootContactGroup", "m4", &[]));
    bob.expect("GeoChat.A.1234.m4");
    fence(&mut carol, &mut [&mut alice]);
    assert!(bob.next().uid().starts_with("fence"));
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    assert_eq!(routed(&server, "chat"), 4.0);
}

#[test]
fn line_44_a_team_room_reaches_that_colour_only() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    for (client, uid, name, team, role) in [
        (&mut alice, "A", "ALICE", "Cyan", "Team Lead"),
        (&mut bob, "B", "BOB", "Cyan", "Medic"),
        (&mut carol, "C", "CAROL", "Red", "Medic"),
    ] {
        client.send(&sa_team(uid, name, team, role));
        client.sync();
    }
    ["B", "C"].iter().for_each(|uid| drop(alice.expect(uid)));
    ["A", "C"].iter().for_each(|uid| drop(bob.expect(uid)));
    ["A", "B"].iter().for_each(|uid| drop(carol.expect(uid)));
    alice.send(&room("Cyan", "Cyan", "TeamGroups", "m1", &["B", "C"]));
    bob.expect("GeoChat.A.Cyan.m1");
    // The colour as id is enough; a role works the same way.
    alice.send(&room("Red", "Red", "", "m2", &[]));
    carol.expect("GeoChat.A.Red.m2");
    alice.send(&room("Medic", "Medic", "RootContactGroup", "m3", &[]));
    bob.expect("GeoChat.A.Medic.m3");
    carol.expect("GeoChat.A.Medic.m3");
    // What the client addressed itself wins (RULE-61).
    alice.send(&chat(ALICE, "Cyan", "Cyan", "TeamGroups", "m4", r#"<dest callsign="CAROL"/>"#));
    carol.expect("GeoChat.A.Cyan.m4");
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    // A colour nobody else wears.
    alice.send(&room("Dark Blue", "Dark Blue", "TeamGroups", "m5", &[]));
    assert_eq!(alice.next().kind(), "b-t-f-s");
    fence(&mut alice, &mut [&mut bob, &mut carol]);
}

#[test]
fn rule_62_a_user_group_reaches_its_members_and_an_unknown_room_everybody() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    let group = uuid::Uuid::new_v4().to_string();
    alice.send(&room(&group, "Recon", "UserGroups", "m1", &["B", "offline"]));
    bob.expect(&format!("GeoChat.A.{group}.m1"));
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    alice.send(&room(&group, "Unknown", "UserGroups", "m2", &[]));
    bob.expect(&format!("GeoChat.A.{group}.m2"));
    carol.expect(&format!("GeoChat.A.{group}.m2"));
    assert_eq!(server.metric("fts_chat_unknown_room_total", &[]), 1.0);
}

#[test]
fn line_45_a_chat_to_somebody_who_is_not_there_fails_to_the_sender_alone() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    for (message, marti) in [("m1", r#"<dest callsign="NOBODY"/>"#), ("m2", r#"<dest uid="X"/>"#), ("m3", "")] {
        let text = chat(ALICE, "X", "NOBODY", "RootContactGroup", message, marti);
        alice.send(&text);
        let failed = alice.next();
        assert_eq!((failed.kind(), failed.uid()), ("b-t-f-s", &*format!("GeoChat.A.X.{message}")));
        let mut expected = fts_tests::parse(&text).unwrap().without(&["marti"]);
        expected.attrs.insert("type".into(), "b-t-f-s".into());
        assert_eq!(failed.tree(), &expected, "same uid and detail, no marti, no tag of ours");
    }
    // One of two is there: no failure.
    alice.send(&chat(ALICE, "B", "BOB", "RootContactGroup", "m4", r#"<dest callsign="BOB"/><dest uid="X"/>"#));
    bob.expect("GeoChat.A.B.m4");
    // To oneself: nobody and no failure.
    alice.send(&chat(ALICE, "A", "ALICE", "RootContactGroup", "m5", r#"<dest callsign="ALICE"/>"#));
    fence(&mut bob, &mut [&mut alice, &mut carol]);
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    assert_eq!(server.metric("fts_cot_dropped_total", &[r#"reason="no_receiver""#]), 3.0);
}

#[test]
fn line_45_somebody_elses_tag_stays_in_the_failure() {
    let server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let text = chat(ALICE, "X", "NOBODY", "RootContactGroup", "m1", "")
        .replace("</detail>", r#"<_flow-tags_ TAK-Server-other="1"/></detail>"#);
    alice.send(&text);
    let failed = alice.next();
    let tags: Vec<_> = failed.detail("_flow-tags_").unwrap().attrs.keys().cloned().collect();
    assert_eq!(tags, ["TAK-Server-other"]);
}

#[test]
fn line_45_receipts_and_failure_notices_fail_silently() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    for kind in ["b-t-f-d", "b-t-f-r"] {
        alice.send(&receipt(kind, "m1", ALICE, ("X", "NOBODY"), true));
        alice.send(&receipt(kind, "m2", ALICE, ("X", "NOBODY"), false));
    }
    let loud = chat(ALICE, "X", "NOBODY", "RootContactGroup", "m3", "").replace(r#""b-t-f""#, r#""b-t-f-s""#);
    alice.send(&loud);
    fence(&mut bob, &mut [&mut alice, &mut carol]);
    fence(&mut alice, &mut [&mut bob, &mut carol]);
}

#[test]
fn line_46_a_receipt_reaches_the_writer_only() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    for (kind, marti) in [("b-t-f-d", true), ("b-t-f-r", true), ("b-t-f-d", false), ("b-t-f-r", false)] {
        bob.send(&receipt(kind, "5f1e-uuid", ("B", "BOB"), ALICE, marti));
        let got = alice.expect("5f1e-uuid");
        assert_eq!(got.kind(), kind);
        assert_eq!(got.detail("__chatreceipt").unwrap().attr("messageId"), "5f1e-uuid");
    }
    fence(&mut bob, &mut [&mut alice, &mut carol]);
}

#[test]
fn an_operator_writes_to_a_client_by_name() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    let out = server.cli(&["clients", "send", "BOB", "radio check <now>"]);
    assert!(out.status.success());
    let got = bob.next();
    assert_eq!((got.kind(), got.detail("remarks").unwrap().text()), ("b-t-f", "radio check <now>".to_owned()));
    fence(&mut bob, &mut [&mut alice, &mut carol]);
}
