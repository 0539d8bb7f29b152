//! A mission from its creation to its end, on the real server (mission.md 5.4, 5.5, 5.7, 9: AC-01, AC-02, AC-09, AC-34,
//! AC-37, AC-39, AC-44): files, members who were away and catch up, restarts, deletion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::mission_bed;
use crate::sync_bed;

use fts_tests::{Server, Web};
use mission_bed::{FLOOD, Stage, TO_FLOOD, changes, events, put, text, uids};
use serde_json::json;
use sync_bed::{fetch, sha256};

/// Uploads as phones do; the hash.
fn upload(web: &Web, name: &str, bytes: &[u8]) -> String {
    let path = format!("/Marti/sync/upload?name={name}&creatorUid=A");
    let hash = text(&web.post(&path, "application/octet-stream", bytes).expect(200).json()["Hash"]);
    assert_eq!(hash, sha256(bytes));
    hash
}

fn pair(kind: &str, what: &str) -> (String, String) {
    (kind.to_owned(), what.to_owned())
}

#[test]
fn ac_01_and_ac_02_a_new_mission_is_answered_in_full_and_shown_to_its_groups() {
    let mut stage = Stage::start();
    let path = format!("{FLOOD}?creatorUid=A&group=__ANON__&tool=public");
    let reply = stage.alice.web.put(&path, "", b"").expect(201);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let made = reply.json();
    assert_eq!((&made["version"], &made["type"]), (&json!("3"), &json!("Mission")));
    let mission = &made["data"][0];
    assert_eq!((&mission["name"], &mission["expiration"]), (&json!("Flood North"), &json!(-1)));
    assert_eq!(mission["ownerRole"]["permissions"].as_array().unwrap().len(), 8);
    assert_eq!(text(&mission["token"]).split('.').count(), 3);
    for other in [&mut stage.bob, &mut stage.dora] {
        let told = other.told("t-x-m-n");
        assert_eq!(
            (told.attr("type"), told.attr("authorUid"), told.attr("guid")),
            ("CREATE", "A", &*text(&mission["guid"]))
        );
    }
    stage.quiet();
    let again = stage.alice.web.put(&format!("{path}&description=x"), "", b"").expect(200).json();
    assert!(again["data"][0].get("token").is_none());
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-c-m")));
    stage.quiet();
}

#[test]
fn ac_39_a_file_is_announced_to_the_members_and_fetched_by_them() {
    let (mut stage, _) = Stage::flood();
    let hash = upload(&stage.alice.web, "a.jpg", b"not really a picture");
    put(&stage.alice.web, &format!("{FLOOD}/contents?creatorUid=A"), &json!({"hashes": [hash]})).expect(200);
    for member in [&mut stage.alice, &mut stage.bob] {
        let change = member.change();
        let said = |name: &str| change.at(&format!("contentResource/{name}")).unwrap().text();
        assert_eq!((said("hash"), said("name").as_str(), said("size").as_str()), (hash.clone(), "a.jpg", "20"));
    }
    stage.quiet();
    let seen = stage.bob.web.get(FLOOD).expect(200).json();
    assert_eq!(seen["data"][0]["contents"][0]["data"]["hash"], json!(hash));
    assert_eq!(fetch(&stage.bob.web, &format!("/Marti/sync/content?hash={hash}")).2, hash);
    stage.carol.web.get(&format!("/Marti/sync/content?hash={hash}")).expect(404);
    let unknown = sha256(b"never uploaded");
    put(&stage.alice.web, &format!("{FLOOD}/contents?creatorUid=A"), &json!({"hashes": [unknown]})).expect(404);
    let both = json!({"hashes": [unknown, hash]});
    let reply = put(&stage.alice.web, &format!("{FLOOD}/contents?creatorUid=A"), &both).expect(200);
    assert!(reply.json()["messages"].to_string().contains(&unknown));
}

#[test]
fn ac_37_taking_an_item_out_is_told_to_every_member_the_caller_included() {
    let (mut stage, _) = Stage::flood();
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    stage.alice.acknowledged("m-1");
    stage.bob.web.delete(&format!("{FLOOD}/contents?uid=m-1&creatorUid=B")).expect(200);
    for member in [&mut stage.alice, &mut stage.bob] {
        let change = member.change();
        assert_eq!(change.child("type").unwrap().text(), "REMOVE_CONTENT");
        assert_eq!(change.child("details").unwrap().attr("callsign"), "Alpha");
    }
    stage.quiet();
    assert!(stage.alice.web.get(&format!("{FLOOD}/cot")).expect(200).text().ends_with("<events></events>"));
    stage.bob.web.delete(&format!("{FLOOD}/contents?uid=m-1&hash=00")).expect(400);
    stage.bob.web.delete(&format!("{FLOOD}/contents")).expect(400);
}

#[test]
fn ac_44_a_member_that_was_away_catches_up_and_is_live_again_without_asking() {
    let (mut stage, _) = Stage::flood();
    stage.alice.mark("m-0", TO_FLOOD);
    stage.bob.item("m-0");
    stage.alice.acknowledged("m-0");
    stage.bob.client.finish();
    stage.bob.client.expect_close();
    stage.server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "B");
    stage.settle_without_bob();
    let hash = upload(&stage.alice.web, "a.txt", b"while you were away");
    put(&stage.alice.web, &format!("{FLOOD}/contents?creatorUid=A"), &json!({"hashes": [hash]})).expect(200);
    drop(stage.alice.change());
    for uid in ["m-1", "m-2", "m-1"] {
        stage.alice.mark(uid, TO_FLOOD);
        stage.alice.acknowledged(uid);
    }
    stage.alice.web.delete(&format!("{FLOOD}/contents?uid=m-2&creatorUid=A")).expect(200);
    drop(stage.alice.change());
    let entry = json!({"content": "bridge closed", "creatorUid": "A", "missionNames": ["Flood North"]});
    let entry = entry.to_string();
    stage.alice.web.post("/Marti/api/missions/logs/entries", "application/json", entry.as_bytes()).expect(201);
    stage.alice.told("t-x-m-c-l");

    stage.bob.client = crate::accounts_bed::join(&stage.server, &stage.bob.pki, "B");
    stage.settle();
    let web = stage.bob.web.clone();
    let dump = web.get(&format!("{FLOOD}/cot")).expect(200).text();
    assert_eq!(events(&dump), ["m-0", "m-1"]);
    let whole = [
        pair("CREATE_MISSION", ""),
        pair("ADD_CONTENT", "m-0"),
        pair("ADD_CONTENT", &hash),
        pair("ADD_CONTENT", "m-1"),
        pair("ADD_CONTENT", "m-2"),
        pair("ADD_CONTENT", "m-1"),
        pair("REMOVE_CONTENT", "m-2"),
    ];
    assert_eq!(changes(&web, FLOOD), whole);
    let recent = web.get(&format!("{FLOOD}/changes?secago=300")).expect(200).json();
    assert_eq!(recent["data"].as_array().unwrap().len(), 5, "squashed: {recent}");
    let log = web.get(&format!("{FLOOD}/log")).expect(200).json();
    assert_eq!(log["data"][0]["content"], "bridge closed");
    assert_eq!(fetch(&web, &format!("/Marti/sync/content?hash={hash}")).2, hash);
    let versions = web.get("/Marti/api/cot/xml/m-1/all").expect(200).text();
    assert_eq!(events(&versions), ["m-1", "m-1"], "AC-34");

    stage.alice.mark("m-3", TO_FLOOD);
    stage.alice.acknowledged("m-3");
    stage.bob.item("m-3");
    stage.quiet();
}

#[test]
fn everything_survives_a_restart_members_rows_tokens_and_what_they_hear() {
    let (mut stage, guid) = Stage::flood();
    let token = text(&stage.bob.subscribe(FLOOD)["token"]);
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    stage.alice.acknowledged("m-1");
    let before = (changes(&stage.bob.web, FLOOD), stage.bob.web.get(FLOOD).expect(200).json());
    assert!(stage.server.stop().success());
    let mut stage = stage.again(Server::build());
    assert_eq!(before, (changes(&stage.bob.web, FLOOD), stage.bob.web.get(FLOOD).expect(200).json()));
    assert_eq!(text(&stage.bob.subscribe(FLOOD)["token"]), token);
    for (uid, dest) in [("m-2", TO_FLOOD.to_owned()), ("m-3", format!(r#"<dest mission-guid="{guid}"/>"#))] {
        stage.alice.mark(uid, &dest);
        stage.bob.item(uid);
        stage.alice.acknowledged(uid);
        stage.quiet();
    }
    stage.carol.mark("c-1", TO_FLOOD);
    stage.dora.mark("d-1", TO_FLOOD);
    stage.carol.client.sync();
    stage.dora.client.sync();
    stage.quiet();
    assert_eq!(uids(&stage.bob.web, FLOOD), ["m-1", "m-2", "m-3"]);
}

#[test]
fn ac_09_the_end_of_a_mission_is_told_to_its_groups_and_answered_with_410_for_ever() {
    let (mut stage, guid) = Stage::flood();
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    stage.alice.acknowledged("m-1");
    stage.bob.web.delete(&format!("{FLOOD}?creatorUid=B")).expect(403);
    stage.dora.web.delete(&format!("{FLOOD}?creatorUid=D")).expect(403);
    stage.carol.web.delete(&format!("{FLOOD}?creatorUid=C")).expect(404);
    stage.quiet();
    stage.alice.web.delete(&format!("{FLOOD}?creatorUid=A")).expect(200);
    for other in [&mut stage.bob, &mut stage.dora] {
        assert_eq!(other.told("t-x-m-d").attr("guid"), guid);
    }
    stage.quiet();
    let mut stage = stage.again(Server::build());
    for path in [FLOOD.to_owned(), format!("/Marti/api/missions/guid/{guid}")] {
        for rest in ["", "/cot", "/changes"] {
            stage.bob.web.get(&format!("{path}{rest}")).expect(410);
        }
    }
    let unknown = stage.bob.web.get("/Marti/api/missions/Never%20Known").expect(404).json();
    assert_eq!((&unknown["status"], &unknown["code"]), (&json!("NOT_FOUND"), &json!(1)));
    stage.alice.mark("m-2", TO_FLOOD);
    stage.alice.client.sync();
    stage.quiet();
}
