//! Chats of missions: AC-42 of mission.md 9, and whose room they are in (5.5).
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::cot::Builder;
use scene::*;

const TO_FLOOD: &str = "mission=\"Flood North\"";

/// A chat as ATAK sends it, into the room of the mission `Flood North`; `;` between destinations.
fn chat(dest: &str) -> Vec<u8> {
    let group = r#"<chatgrp uid0="A" uid1="10.0.0.1-8443-ssl-Flood North" id="10.0.0.1-8443-ssl-Flood North"/>"#;
    let about =
        [("parent", "DataSyncMissionsList"), ("chatroom", "Flood North"), ("id", "10.0.0.1-8443-ssl-Flood North")];
    let chat = Builder::new("b-t-f", NOW).uid("chat-1").child("__chat", &about, group);
    let dests: String = dest.split(';').map(|dest| format!("<dest {dest}/>")).collect();
    chat.detail_xml(&format!("<marti>{dests}</marti>")).to_text()
}

#[test]
fn ac_42_a_chat_of_a_mission_reaches_its_members_in_the_public_room() {
    let (scene, ..) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.host.deliver(chat(TO_FLOOD), scene.a);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "b-t-f"]);
    assert!(scene.kinds(scene.c).is_empty());
    let got = scene.host.received(scene.b)[1].clone();
    let chat_element = got.detail("__chat").unwrap();
    let group = chat_element.child("chatgrp").unwrap();
    let room = "tak.example-8443-ssl-Flood North";
    assert_eq!(chat_element.attr("id").unwrap(), room);
    assert_eq!((group.attr("uid1").unwrap().as_ref(), group.attr("id").unwrap().as_ref()), (room, room));
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot WHERE xml LIKE '%tak.example-8443-ssl-Flood North%'"), 1);
    // Chats of others are not touched.
    scene.host.forget();
    scene.host.deliver(chat("callsign=\"bob\""), scene.a);
    assert!(scene.got(scene.b)[0].1.contains("10.0.0.1-8443-ssl-Flood North"));
}

#[test]
fn a_chat_to_two_missions_stays_in_the_room_it_was_written_in() {
    let (scene, ..) = Scene::flood();
    scene.create("Bridge?creatorUid=A");
    scene.subscribe(BOB, "/Marti/api/missions/Bridge", "B");
    for dests in ["mission=\"Bridge\";mission=\"Flood North\"", "mission=\"Flood North\";mission=\"Bridge\""] {
        scene.host.forget();
        scene.host.deliver(chat(dests), scene.a);
        let got = scene.host.received(scene.b).into_iter().find(|e| e.kind() == "b-t-f").unwrap();
        let text = String::from_utf8(got.text().to_vec()).unwrap();
        assert_eq!(text.matches("\"tak.example-8443-ssl-Flood North\"").count(), 3, "{dests}: {text}");
        assert!(!text.contains("-8443-ssl-Bridge"), "{text}");
    }
    // One that was written in the room of neither stays as it is.
    scene.create("Dam?creatorUid=A");
    scene.host.forget();
    scene.host.deliver(chat("mission=\"Bridge\";mission=\"Dam\""), scene.a);
    let got = scene.host.received(scene.b).into_iter().find(|e| e.kind() == "b-t-f").unwrap();
    assert!(String::from_utf8(got.text().to_vec()).unwrap().contains("10.0.0.1-8443-ssl-Flood North"));
}
