//! An event with a mission destination never reaches a client outside that mission (mission.md 5.1, 5.2, 9: AC-21, AC-32,
//! AC-35, AC-36, AC-38, AC-42, AC-43): members get the notice and then the event, their sender the notice, everybody else
//! nothing. The silent are shown silent by a fence; dora shares every group with everybody and is a member of nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::mission_bed;
use crate::plugin_bed;

use std::time::{Duration, Instant};

use crate::accounts_bed::PASSWORD;
use fts_tests::{Client, Server, event};
use mission_bed::{FLOOD, Stage, TO_FLOOD, changes, events, item, notice, put, uids};
use plugin_bed::Asks;
use serde_json::json;

#[test]
fn ac_32_notice_then_event_to_the_members_the_notice_alone_to_the_sender_and_nothing_to_anybody_else() {
    let (mut stage, guid) = Stage::flood();
    for (uid, dest) in [("m-1", TO_FLOOD.to_owned()), ("m-2", format!(r#"<dest mission-guid="{guid}"/>"#))] {
        stage.alice.mark(uid, &dest);
        let change = stage.bob.change();
        let said = |name: &str| change.child(name).unwrap().text();
        assert_eq!(
            (said("type").as_str(), said("contentUid").as_str(), said("creatorUid").as_str()),
            ("ADD_CONTENT", uid, "A")
        );
        assert_eq!((said("missionGuid"), said("missionName").as_str()), (guid.clone(), "Flood North"));
        assert_eq!(change.child("details").unwrap().attr("callsign"), "Alpha");
        let event = stage.bob.client.expect(uid);
        assert!(event.detail("marti").is_none(), "{event:?}");
        stage.alice.acknowledged(uid);
        stage.quiet();
    }
    // AC-33: the dump has both, without their destinations.
    let dump = stage.bob.web.get(&format!("{FLOOD}/cot")).expect(200);
    assert_eq!(dump.header("content-type"), Some("application/xml"));
    assert!(dump.text().starts_with("<?xml") && !dump.text().contains("marti"));
    assert_eq!(events(&dump.text()), ["m-1", "m-2"]);
}

#[test]
fn ac_32_a_protobuf_member_gets_both_as_protobuf_in_that_order() {
    let (mut stage, _) = Stage::flood();
    stage.bob.client = stage.bob.client.negotiate();
    stage.alice.mark("m-1", TO_FLOOD);
    let told = stage.bob.client.next();
    assert_eq!(told.kind(), "t-x-m-c");
    let detail = told.cot().detail.clone().unwrap().xml_detail;
    assert!(detail.contains("<mission ") && detail.contains("<contentUid>m-1</contentUid>"), "{detail}");
    let event = stage.bob.client.expect("m-1");
    assert!(!event.cot().detail.clone().unwrap().xml_detail.contains("marti"));
    stage.alice.acknowledged("m-1");
    stage.quiet();
}

#[test]
fn ac_35_who_is_no_member_reaches_nobody_whatever_it_writes() {
    let (mut stage, guid) = Stage::flood();
    let other = stage.create("Other");
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-n")));
    let upper = guid.to_uppercase();
    let dests = [
        TO_FLOOD.to_owned(),
        format!(r#"<dest mission-guid="{guid}"/>"#),
        format!(r#"<dest mission-guid="{upper}"/>"#),
        format!(r#"<dest mission-guid="{other}"/>"#),
        r#"<dest mission="flood north"/>"#.to_owned(),
        r#"<dest mission="Flood North" path="L" after="m-0"/>"#.to_owned(),
        r#"<dest mission="Flood North"/><dest mission="Other"/>"#.to_owned(),
        r#"<dest mission="Nowhere"/>"#.to_owned(),
        r#"<dest mission=" Flood North "/>"#.to_owned(),
        r#"<dest mission-guid="no guid"/>"#.to_owned(),
        r#"<dest mission-guid="5d1f0c1e-4d36-4a0f-9c55-0a8f4b6c7d21"/>"#.to_owned(),
        r#"<dest mission="Flood North"/><dest mission-guid="no guid"/>"#.to_owned(),
    ];
    for (n, dest) in dests.iter().enumerate() {
        stage.dora.mark(&format!("d-{n}"), dest);
        stage.carol.mark(&format!("c-{n}"), dest);
        stage.carol.client.sync();
        stage.quiet();
    }
    // bob is a member of the first only.
    stage.bob.mark("b-1", r#"<dest mission="Other"/>"#);
    stage.bob.client.sync();
    stage.quiet();
    assert!(uids(&stage.bob.web, FLOOD).is_empty() && uids(&stage.alice.web, "/Marti/api/missions/Other").is_empty());
    assert!(stage.server.dropped("not_writer") > 0.0);
    // 5.1: a guid that is none is said in the log.
    let warned = |line: &serde_json::Value| line["event"] == "cot.dropped" && line["guid"] == "no guid";
    assert_eq!(stage.server.wait_log(warned)["level"], "WARN");
}

#[test]
fn ac_13_a_mission_of_the_same_name_in_another_group_takes_nobodys_events() {
    let (mut stage, guid) = Stage::flood();
    // To carol the name is free; dora, who shares her group, hears of it. It is the newest of the name.
    let made = stage.carol.web.put(&format!("{FLOOD}?creatorUid=C&group=Red"), "", b"").expect(201).json();
    stage.dora.told("t-x-m-n");
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    stage.alice.acknowledged("m-1");
    stage.carol.mark("m-2", TO_FLOOD);
    stage.carol.acknowledged("m-2");
    stage.dora.mark("m-3", TO_FLOOD);
    stage.dora.client.sync();
    stage.quiet();
    let hers = format!("/Marti/api/missions/guid/{}", made["data"][0]["guid"].as_str().unwrap());
    let his = format!("/Marti/api/missions/guid/{guid}");
    assert_eq!((uids(&stage.bob.web, &his), uids(&stage.carol.web, &hers)), (vec!["m-1".into()], vec!["m-2".into()]));
}

#[test]
fn a_device_that_logs_in_as_somebody_else_is_still_its_certificates_member() {
    let build = Server::build().listener("both", "cot_tls", "client_cert = \"required\"\nauth = \"optional\"");
    let (mut stage, _) = Stage::flood_with(build);
    // A second device of bob: a member by HTTPS, where its certificate counts; on the stream it logs in as dora.
    let ca = stage.server.data_dir().join("certs/ca.pem");
    let config = stage.bob.pki.client(&ca, &[&rustls::version::TLS13]);
    let mut second = Client::tls(&stage.server, "both", config).unwrap();
    let auth = format!(r#"<auth><cot username="dora" password="{PASSWORD}" uid="B2" callsign="CS-B2"/></auth>"#);
    second.send(&auth);
    let mut second = second.greeted().identify("B2", "CS-B2");
    stage.server.eventually("it is dora's", || stage.server.client("B2")["user"] == "dora");
    stage.bob.web.put(&format!("{FLOOD}/subscription?uid=B2"), "", b"").expect(201);
    stage.settle();
    second.until(|e| e.kind() != "t-x-m-c" && e.uid().starts_with("settled-"));
    stage.alice.mark("m-1", TO_FLOOD);
    let (_, before) = second.until(|e| e.uid() == "m-1");
    assert_eq!(before.last().map(|e| e.kind().to_owned()).as_deref(), Some("t-x-m-c"));
    stage.bob.item("m-1");
    stage.alice.acknowledged("m-1");
    // And it may write.
    second.send(&item("m-2", TO_FLOOD));
    stage.bob.item("m-2");
    stage.alice.item("m-2");
    stage.quiet();
}

#[test]
fn ac_36_somebody_named_beside_the_mission_gets_the_event_once() {
    let (mut stage, guid) = Stage::flood();
    // A member by name, too, and the mission twice: the router gives it to whom is named at once, so the notice is second.
    stage.alice.mark("m-1", &format!(r#"{TO_FLOOD}<dest mission-guid="{guid}"/><dest callsign="CS-B"/>"#));
    stage.bob.client.expect("m-1");
    stage.bob.acknowledged("m-1");
    stage.alice.acknowledged("m-1");
    stage.quiet();
    // One who is no member: the event, because she is named, and no notice.
    stage.alice.mark("m-2", &format!(r#"{TO_FLOOD}<dest uid="D"/>"#));
    stage.dora.client.expect("m-2");
    stage.bob.item("m-2");
    stage.alice.acknowledged("m-2");
    stage.quiet();
    // A name that is out of reach opens nothing.
    stage.alice.mark("m-3", &format!(r#"{TO_FLOOD}<dest uid="C"/>"#));
    stage.bob.item("m-3");
    stage.alice.acknowledged("m-3");
    stage.quiet();
}

#[test]
fn ac_21_a_read_only_member_reads_and_its_events_go_nowhere() {
    let mut stage = Stage::start();
    let path = format!("{FLOOD}?creatorUid=A&defaultRole=MISSION_READONLY_SUBSCRIBER");
    stage.alice.web.put(&path, "", b"").expect(201);
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-n")));
    assert_eq!(stage.bob.subscribe(FLOOD)["role"]["type"], "MISSION_READONLY_SUBSCRIBER");
    stage.bob.mark("b-1", TO_FLOOD);
    stage.bob.client.sync();
    stage.quiet();
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    stage.alice.acknowledged("m-1");
    put(&stage.bob.web, &format!("{FLOOD}/contents?creatorUid=B"), &json!({"uids": ["m-1"]})).expect(403);
    // AC-23: made an owner, it writes; it is told.
    let role = format!("{FLOOD}/role?clientUid=B");
    stage.alice.web.put(&format!("{role}&role=MISSION_OWNER"), "", b"").expect(200);
    assert_eq!(stage.bob.told("t-x-m-r").child("role").unwrap().attr("type"), "MISSION_OWNER");
    stage.bob.mark("b-2", TO_FLOOD);
    stage.bob.acknowledged("b-2");
    stage.alice.item("b-2");
    stage.quiet();
    // Taken out, it gets nothing more and its uid is worth nothing.
    stage.alice.web.put(&role, "", b"").expect(200);
    assert!(stage.bob.told("t-x-m-r").child("role").is_none());
    stage.alice.mark("m-2", TO_FLOOD);
    stage.alice.acknowledged("m-2");
    stage.bob.mark("b-3", TO_FLOOD);
    stage.bob.client.sync();
    stage.quiet();
    assert_eq!(uids(&stage.alice.web, FLOOD), ["b-2", "m-1", "m-2"]);
}

#[test]
fn a_borrowed_uid_inherits_nothing() {
    let (mut stage, _) = Stage::flood();
    // An anonymous client takes alice's uid when she is gone.
    stage.alice.client = Client::join(&stage.server, "A", "SOMEBODY");
    stage.settle();
    stage.bob.mark("m-1", TO_FLOOD);
    stage.bob.acknowledged("m-1");
    stage.alice.mark("x-1", TO_FLOOD);
    stage.alice.client.sync();
    stage.quiet();
    assert_eq!(uids(&stage.bob.web, FLOOD), ["m-1"]);
}

#[test]
fn a_deleted_mission_and_its_namesake_share_no_members() {
    let (mut stage, guid) = Stage::flood();
    stage.alice.web.delete(&format!("{FLOOD}?creatorUid=A")).expect(200);
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-d")));
    for dest in [TO_FLOOD.to_owned(), format!(r#"<dest mission-guid="{guid}"/>"#)] {
        stage.alice.mark("m-1", &dest);
        stage.alice.client.sync();
        stage.quiet();
    }
    let again = stage.create("Flood%20North");
    assert_ne!(guid, again);
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-n")));
    stage.alice.mark("m-2", TO_FLOOD);
    stage.alice.acknowledged("m-2");
    stage.bob.mark("b-2", TO_FLOOD);
    stage.alice.mark("m-3", &format!(r#"<dest mission-guid="{guid}"/>"#));
    stage.alice.client.sync();
    stage.bob.client.sync();
    stage.quiet();
    assert_eq!(changes(&stage.alice.web, FLOOD).len(), 2, "its own creation and m-2");
}

#[test]
fn ac_42_the_chat_of_a_mission_is_for_its_members_and_kept_for_those_who_come_later() {
    let (mut stage, _) = Stage::flood();
    let id = "host-8443-ssl-Flood North";
    let chat = fts_tests::chat(("A", "CS-A"), id, "Flood North", "DataSyncMissionsList", "1", TO_FLOOD);
    stage.alice.client.send(&chat);
    let uid = format!("GeoChat.A.{id}.1");
    stage.bob.item(&uid);
    stage.alice.acknowledged(&uid);
    stage.quiet();
    let dump = stage.bob.web.get(&format!("{FLOOD}/cot")).expect(200).text();
    assert_eq!(events(&dump), [uid]);
    assert!(dump.contains("text of 1"));
}

#[test]
fn ac_42_the_room_of_a_chat_is_named_by_the_host_that_its_reader_uses() {
    let (mut stage, _) = Stage::flood_with(Server::build().set("server.public_host", "\"tak.public.example\""));
    let sent = "10.0.0.7-8443-ssl-Flood North";
    let chat = fts_tests::chat(("A", "CS-A"), sent, "Flood North", "DataSyncMissionsList", "1", TO_FLOOD);
    stage.alice.client.send(&chat);
    let room = |host: &str| format!("{host}-8443-ssl-Flood North");
    let event = stage.bob.item(&format!("GeoChat.A.{sent}.1"));
    let chat = event.detail("__chat").unwrap();
    let group = chat.child("chatgrp").unwrap();
    assert_eq!([chat.attr("id"), group.attr("id"), group.attr("uid1")], [room("tak.public.example").as_str(); 3]);
    stage.alice.acknowledged(event.uid());
    stage.quiet();
    let own = stage.bob.web.clone();
    for (web, host) in [(own.clone().host("other.example:8443"), "other.example"), (own, "127.0.0.1")] {
        let dump = web.get(&format!("{FLOOD}/cot")).expect(200).text();
        let xml = dump.split_once("?>").unwrap().1;
        let tree = fts_tests::parse(xml).unwrap();
        let chat = tree.at("event/detail/__chat").unwrap();
        let group = chat.child("chatgrp").unwrap();
        assert_eq!([chat.attr("id"), group.attr("id"), group.attr("uid1")], [room(host).as_str(); 3], "{dump}");
    }
}

#[test]
fn ac_43_notices_that_a_client_makes_up_are_dropped() {
    let (mut stage, guid) = Stage::flood();
    for kind in ["t-x-m-d", "t-x-m-c", "t-x-m-n", "t-x-m-i", "t-x-m-r"] {
        let forged = format!(r#"<mission type="DELETE" tool="public" name="Flood North" guid="{guid}"/>"#);
        stage.alice.client.send(&event("forged", kind, &forged));
        stage.alice.client.send(&event("forged-2", kind, &format!("{forged}<marti>{TO_FLOOD}</marti>")));
        stage.alice.client.sync();
        stage.quiet();
    }
    assert_eq!(stage.server.metric("fts_cot_rejected_total", &[r#"reason="notice""#]), 10.0);
    assert!(uids(&stage.bob.web, FLOOD).is_empty());
}

#[test]
fn ac_38_itak_names_a_uid_before_it_sends_the_event_and_only_the_members_get_it() {
    let (mut stage, _) = Stage::flood_with(Server::build().set("log.level", "\"debug\""));
    let web = stage.alice.web.clone();
    let asked = std::thread::spawn(move || {
        put(&web, &format!("{FLOOD}/contents?CreatorUid=A"), &json!({"uids": ["i-1"]})).expect(200)
    });
    // The request is there and waits; nobody has been told anything.
    stage.server.wait_plugin("mission", "plugin.log", "mission.awaited");
    assert!(!asked.is_finished());
    stage.quiet();
    // Addressed to itself only, as iTAK does.
    let sent = Instant::now();
    stage.alice.client.send(&item("i-1", r#"<dest uid="A"/>"#));
    let change = stage.bob.change();
    assert_eq!(change.child("contentUid").unwrap().text(), "i-1");
    let event = stage.bob.client.expect("i-1");
    assert!(sent.elapsed() < Duration::from_secs(3), "{:?}", sent.elapsed());
    assert!(event.detail("marti").is_none());
    asked.join().unwrap();
    let (told, _) = stage.alice.client.until(|e| e.kind() == "t-x-m-c");
    assert_eq!(notice(&told, "t-x-m-c").attr("name"), "Flood North");
    stage.quiet();
    assert_eq!(uids(&stage.bob.web, FLOOD), ["i-1"]);
    // One change: it came with its event, and was not completed later.
    let all = changes(&stage.bob.web, FLOOD);
    assert_eq!(all[1..], [("ADD_CONTENT".to_owned(), "i-1".to_owned())]);
}
