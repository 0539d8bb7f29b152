//! A mission from its creation to its end, on the real server (mission.md 5.4, 5.5, 5.7, 9: AC-01, AC-02, AC-09, AC-12,
//! AC-34, AC-37, AC-39, AC-44, AC-53): files, members who were away and catch up, restarts, deletion, archives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::accounts_bed;
use crate::mission_bed;
use crate::sync_bed;

use std::time::{Duration, Instant, SystemTime};

use fts_tests::{Package, Pki, Server, Web};
use mission_bed::{FLOOD, Stage, TO_FLOOD, changes, events, item, put, text, uids};
use serde_json::json;
use sync_bed::{fetch, search, sha256};

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

/// What an archive that somebody found holds.
fn archive(web: &Web, row: &serde_json::Value) -> Package {
    let hash = text(&row["Hash"]);
    Package::of(&web.get(&format!("/Marti/sync/content?hash={hash}")).expect(200).body)
}

#[test]
fn ac_12_the_archive_of_a_deleted_mission_is_found_by_its_groups_and_nobody_else() {
    const ARCHIVES: &str = "keywords=ARCHIVED_MISSION";
    let (mut stage, guid) = Stage::flood();
    accounts_bed::user(&stage.server, "chief", "admin", &["Red"]);
    let chief = accounts_bed::web(&stage.server, &Pki::issue(&stage.server, "chief"));
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    let hash = upload(&stage.alice.web, "a.txt", b"by the river");
    put(&stage.alice.web, &format!("{FLOOD}/contents?creatorUid=A"), &json!({"hashes": [hash]})).expect(200);
    assert!(search(&stage.alice.web, ARCHIVES).is_empty());
    stage.alice.web.delete(&format!("{FLOOD}?creatorUid=A")).expect(200);
    let mut found = String::new();
    for who in [&stage.alice.web, &stage.bob.web, &stage.dora.web, &chief] {
        let rows = search(who, ARCHIVES);
        assert_eq!(rows.len(), 1, "{rows:?}");
        let row = &rows[0];
        assert_eq!((&row["Keywords"], &row["Tool"]), (&json!(["ARCHIVED_MISSION"]), &json!("public")));
        assert_eq!((&row["Name"], &row["MIMEType"]), (&json!("Flood North.zip"), &json!("application/zip")));
        let files = archive(who, row).files;
        let manifest = String::from_utf8(files["MANIFEST/manifest.xml"].clone()).unwrap();
        assert!(manifest.contains(&format!("<Parameter name=\"mission_guid\" value=\"{guid}\"/>")), "{manifest}");
        assert!(!manifest.contains("password"), "{manifest}");
        assert!(String::from_utf8_lossy(&files["cot/m-1.cot"]).contains("uid=\"m-1\""));
        assert_eq!(files["contents/0_a.txt"], b"by the river");
        found = text(&row["Hash"]);
    }
    // Nobody comes upon it who is in another group, whatever it asks with.
    let outside = [stage.carol.web.clone(), Web::plain(&stage.server, "marti_http")];
    let carol = &outside[0];
    for query in
        [ARCHIVES, "keywords=ARCHIVED_MISSION&tool=public", "keywords=ARCHIVED_MISSION&tool=private", "name=Flood"]
    {
        assert!(search(carol, query).is_empty(), "{query}");
    }
    assert!(search(carol, &format!("hash={found}")).is_empty());
    carol.get(&format!("/Marti/sync/content?hash={found}")).expect(404);
    // A plain listener is in the group of the mission.
    assert_eq!(search(&outside[1], ARCHIVES).len(), 1);

    // One with a password was for fewer than its groups: only the console has it, with the hash of the
    // password.
    let closed = "/Marti/api/missions/Closed";
    stage.alice.web.put(&format!("{closed}?creatorUid=A&password=river"), "", b"").expect(201);
    stage.alice.web.delete(&format!("{closed}?creatorUid=A")).expect(200);
    let hidden = "keywords=ARCHIVED_MISSION&tool=private";
    for who in [&stage.alice.web, &stage.bob.web, &stage.carol.web, &stage.dora.web, &outside[1], &chief] {
        assert!(search(who, hidden).is_empty() && search(who, "name=Closed").is_empty());
    }
    let listed = stage.server.cli_json(&["files", "list", "--keyword", "ARCHIVED_MISSION", "--tool", "private"]);
    assert_eq!((listed["files"].as_array().unwrap().len(), &listed["files"][0]["name"]), (1, &json!("Closed.zip")));
    let hash = text(&listed["files"][0]["hash"]);
    stage.bob.web.get(&format!("/Marti/sync/content?hash={hash}")).expect(404);
    let kept = stage.server.dir().join("closed.zip");
    assert!(stage.server.cli(&["files", "get", &hash, "--output", kept.to_str().unwrap()]).status.success());
    let mut zip = zip::ZipArchive::new(std::fs::File::open(kept).unwrap()).unwrap();
    let mut manifest = String::new();
    std::io::Read::read_to_string(&mut zip.by_name("MANIFEST/manifest.xml").unwrap(), &mut manifest).unwrap();
    assert!(manifest.contains("<Parameter name=\"password_hash\" value=\"$argon2id$"), "{manifest}");
}

#[test]
fn ac_53_a_mission_that_expires_ends_as_a_deleted_one_does() {
    let mut stage = Stage::start();
    let path = format!("{FLOOD}?creatorUid=A");
    stage.alice.web.put(&path, "", b"").expect(201);
    stage.bob.subscribe(FLOOD);
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-n")));
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    stage.alice.acknowledged("m-1");
    let ends = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + 2;
    let set = Instant::now();
    stage.alice.web.put(&format!("{FLOOD}/expiration?creatorUid=A&expiration={ends}"), "", b"").expect(200);
    stage.bob.web.get(FLOOD).expect(200);
    let told = stage.bob.client.until(|e| e.kind() == "t-x-m-d").0;
    assert!(SystemTime::UNIX_EPOCH.elapsed().unwrap() >= Duration::from_secs(ends), "not before its time");
    let took = set.elapsed();
    assert!(fts_tests::binary().to_string_lossy().contains("/debug/") || took < Duration::from_secs(4), "{took:?}");
    assert_eq!(mission_bed::notice(&told, "t-x-m-d").attr("type"), "DELETE");
    stage.bob.web.get(FLOOD).expect(410);
    stage.bob.web.get(&format!("{FLOOD}/cot")).expect(410);
    let rows = search(&stage.bob.web, "keywords=ARCHIVED_MISSION");
    assert_eq!(rows.len(), 1);
    assert!(archive(&stage.bob.web, &rows[0]).files.contains_key("cot/m-1.cot"));
}

#[test]
fn ac_34_an_item_that_is_sent_again_has_moved_and_both_positions_are_kept() {
    let (mut stage, _) = Stage::flood();
    let (old, new) = ("lat=\"45.5\"", "lat=\"46.25\"");
    let first = item("m-1", TO_FLOOD);
    assert!(first.contains(old));
    for text in [first.clone(), first.replace(old, new)] {
        stage.alice.client.send(&text);
        stage.bob.item("m-1");
        stage.alice.acknowledged("m-1");
    }
    let web = &stage.bob.web;
    assert_eq!(uids(web, FLOOD), ["m-1"]);
    let mission = web.get(FLOOD).expect(200).json();
    assert_eq!(mission["data"][0]["uids"][0]["details"]["location"]["lat"], 46.25);
    let dump = web.get(&format!("{FLOOD}/cot")).expect(200).text();
    assert!(events(&dump) == ["m-1"] && dump.contains(new) && !dump.contains(old), "{dump}");
    let all = web.get("/Marti/api/cot/xml/m-1/all").expect(200).text();
    assert_eq!(events(&all), ["m-1", "m-1"]);
    assert!(all.find(new).unwrap() < all.find(old).unwrap(), "the newest first: {all}");
    let one = web.get("/Marti/api/cot/xml/m-1").expect(200).text();
    assert!(one.contains(new) && !one.contains(old), "{one}");
    let count = |query: &str| {
        let listed = web.get(&format!("{FLOOD}/changes?{query}")).expect(200).json();
        listed["data"].as_array().unwrap().iter().filter(|c| c["type"] == "ADD_CONTENT").count()
    };
    assert_eq!((count("squashed=false"), count("squashed=true")), (2, 1));
    // Each change shows the item as it was then.
    let listed = web.get(&format!("{FLOOD}/changes?squashed=false")).expect(200).json();
    let lat = |n: usize| listed["data"][n]["details"]["location"]["lat"].clone();
    assert_eq!((lat(0), lat(1)), (json!(46.25), json!(45.5)), "{listed}");
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
