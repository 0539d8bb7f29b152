//! Mission packages: acceptance line AC-46 of mission.md 9, offline merge, archives that harm.
#![allow(clippy::unwrap_used)]
mod scene;

use std::io::{Cursor, Write};

use fts_plugin_api::{cot::format_time, message::FileInfo, testkit::Answer};
use scene::*;
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

fn both() -> Scene {
    let (scene, ..) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene
}

fn zip<B: AsRef<[u8]>>(entries: &[(&str, B)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        if name.ends_with('/') {
            zip.add_directory(*name, SimpleFileOptions::default()).unwrap();
            continue;
        }
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes.as_ref()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn load(scene: &Scene, who: Who, body: Vec<u8>) -> Answer {
    scene.call(who, "PUT", &format!("{FLOOD}/contents/missionpackage?creatorUid=A")).body(body).send()
}

/// Text of a marker, with an XML declaration and a byte order mark as clients write them.
fn cot(uid: &str) -> Vec<u8> {
    let mut text = b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_vec();
    text.extend(marker(uid, "mission=\"elsewhere\""));
    text
}

fn offline(changes: &[Value]) -> Vec<u8> {
    json!({"missionChanges": changes}).to_string().into_bytes()
}

fn nothing(scene: &Scene) {
    assert!(scene.kinds(scene.b).is_empty(), "{:?}", scene.got(scene.b));
    assert_eq!(scene.rows("SELECT 1 FROM mission_uid UNION ALL SELECT 1 FROM mission_content"), 0);
    assert_eq!(scene.rows("SELECT 1 FROM mission_change WHERE type > 1"), 0);
    assert!(scene.host.files().is_empty(), "no file stays");
    let work = scene.host.dir().join("work");
    assert!(!work.exists() || std::fs::read_dir(work).unwrap().next().is_none(), "no work file stays");
}

#[test]
fn ac_46_events_become_items_and_other_files_contents() {
    let scene = both();
    let package = zip(&[
        ("MANIFEST/", b"".to_vec()),
        ("MANIFEST/manifest.xml", b"<MissionPackageManifest/>".to_vec()),
        ("a.cot", cot("m-1")),
        ("files/b.txt", b"text".to_vec()),
    ]);
    let answer = answered(&load(&scene, ALICE, package), 200);
    assert_eq!((&answer["type"], &answer["data"]), (&json!("MissionChange"), &json!([])));
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "t-x-m-c", "a-f-G"]);
    assert_eq!(scene.kinds(scene.a), ["t-x-m-c", "t-x-m-c"]);
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    assert_eq!((&mission["uids"][0]["data"], &mission["uids"][0]["creatorUid"]), (&json!("m-1"), &json!("A")));
    assert_eq!(mission["contents"][0]["data"]["name"], "b.txt");
    assert_eq!((mission["uids"].as_array().unwrap().len(), mission["contents"].as_array().unwrap().len()), (1, 1));
    let files = scene.host.files();
    assert_eq!(
        (files.len(), &files[0].groups, files[0].submitter.as_str()),
        (1, &vec!["__ANON__".to_owned()], "alice")
    );
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot WHERE xml LIKE '%elsewhere%'"), 0);
}

#[test]
fn ac_46_what_leads_elsewhere_or_bursts_is_refused_whole() {
    let scene = both();
    let good = ("a.cot", cot("m-1"));
    let bomb = vec![0_u8; 8 << 20];
    for (what, package) in [
        ("traversal", zip(&[good.clone(), ("../x", b"x".to_vec())])),
        ("traversal with backslashes", zip(&[good.clone(), ("..\\x", b"x".to_vec())])),
        ("absolute", zip(&[good.clone(), ("/etc/x", b"x".to_vec())])),
        ("bomb", zip(&[good.clone(), ("b.txt", bomb.clone())])),
        ("no event", zip(&[("b.txt", b"x".to_vec()), ("a.cot", b"<event/>".to_vec())])),
        ("no zip", b"PK no zip".to_vec()),
        ("empty", Vec::new()),
    ] {
        let refused = answered(&load(&scene, ALICE, package), 400);
        assert_eq!(refused["status"], "BAD_REQUEST", "{what}");
        nothing(&scene);
    }
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/contents/missionpackage"), 400);
    let small = Scene::with(&json!({"max_package_bytes": "1KiB"}));
    small.create("Flood%20North?creatorUid=A");
    small.host.forget();
    assert_eq!(load(&small, ALICE, zip(&[("b.txt", vec![7; 2_000])])).status, 400);
    nothing(&small);
}

#[test]
fn a_directory_that_lies_about_sizes_gets_no_further() {
    let scene = both();
    let mut package = zip(&[("b.txt", vec![0_u8; 4 << 20])]);
    // The size in both headers is made small: only what really comes out counts.
    let real = (4_u32 << 20).to_le_bytes();
    while let Some(at) = package.windows(4).position(|w| w == real) {
        package[at..at + 4].copy_from_slice(&1_000_u32.to_le_bytes());
    }
    assert_eq!(load(&scene, ALICE, package).status, 400);
    nothing(&scene);
}

#[test]
fn a_form_with_an_asset_file_is_taken_as_well() {
    let scene = both();
    let mut body = b"--x\r\nContent-Disposition: form-data; name=\"assetfile\"; filename=\"p.zip\"\r\n\r\n".to_vec();
    body.extend(zip(&[("a.cot", cot("m-1"))]));
    body.extend(b"\r\n--x--\r\n");
    let call = scene.call(ALICE, "PUT", &format!("{FLOOD}/contents/missionpackage?creatorUid=A"));
    let answer = call.header("content-type", "multipart/form-data; boundary=x").body(body).send();
    answered(&answer, 200);
    assert_eq!(scene.rows("SELECT 1 FROM mission_uid"), 1);
}

#[test]
fn ac_46_what_was_done_offline_keeps_its_time_and_author() {
    let scene = both();
    scene.host.deliver(marker("m-9", "mission=\"Flood North\""), scene.a);
    let there = scene
        .host
        .put_file(FileInfo { name: "there".into(), groups: vec!["__ANON__".into()], ..FileInfo::default() }, b"there");
    scene.host.tick(std::time::Duration::from_secs(60));
    scene.host.forget();
    let time = format_time(NOW + 30_000);
    let changes = [
        json!({"type": "ADD_CONTENT", "timestamp": time, "creatorUid": "OFF", "contentUid": "m-1"}),
        json!({"type": "ADD_CONTENT", "timestamp": time, "contentResource": {"name": "c.txt", "hash": "x"}}),
        json!({"type": "ADD_CONTENT", "timestamp": time, "contentResource": {"name": "there", "hash": there.sha256}}),
        json!({"type": "REMOVE_CONTENT", "timestamp": time, "contentUid": "m-9"}),
        json!({"type": "ADD_CONTENT", "timestamp": time, "externalData": {"uid": "e-1", "name": "E", "urlView": "http://v"}}),
        json!({"type": "ADD_CONTENT", "timestamp": time, "logEntry": {"content": "noted", "dtg": time}}),
        json!({"type": "CREATE_MISSION", "timestamp": time}),
    ];
    let package = zip(&[("changes.json", offline(&changes)), ("0/m-1.cot", cot("m-1")), ("1/c.txt", b"c".to_vec())]);
    let answer = answered(&load(&scene, ALICE, package), 200);
    assert_eq!(answer["data"], json!([]));
    assert!(text(&answer["messages"][0]).contains("CREATE_MISSION"), "what is not done offline is left out");
    let kinds = scene.kinds(scene.b);
    assert_eq!(kinds, ["t-x-m-c", "t-x-m-c", "t-x-m-c", "t-x-m-c", "t-x-m-c-e", "t-x-m-c-l", "a-f-G"]);
    let all = scene.ask(BOB, "GET", &format!("{FLOOD}/changes?squashed=false"), 200);
    let first = all["data"].as_array().unwrap().iter().find(|c| c["contentUid"] == "m-1").unwrap().clone();
    assert_eq!((&first["timestamp"], &first["creatorUid"]), (&json!(time), &json!("OFF")));
    assert_eq!(first["serverTime"], json!(format_time(NOW + 60_000)));
    let mission = scene.ask(BOB, "GET", &format!("{FLOOD}?logs=true"), 200)["data"][0].clone();
    assert_eq!(mission["uids"].as_array().unwrap().len(), 1);
    assert_eq!(mission["contents"].as_array().unwrap().len(), 2);
    assert_eq!((&mission["externalData"][0]["uid"], &mission["logs"][0]["content"]), (&json!("e-1"), &json!("noted")));
}

#[test]
fn ac_46_a_change_older_than_what_was_committed_conflicts_and_nothing_is_done() {
    let scene = both();
    scene.host.tick(std::time::Duration::from_secs(60));
    scene.host.deliver(marker("M-1", "mission=\"Flood North\""), scene.a);
    let stored = scene
        .host
        .put_file(FileInfo { name: "a.jpg".into(), groups: vec!["__ANON__".into()], ..FileInfo::default() }, b"a");
    let body = json!({"hashes": [stored.sha256]});
    answered(&scene.call(ALICE, "PUT", &format!("{FLOOD}/contents?creatorUid=A")).json(&body).send(), 200);
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?hash={}", stored.sha256), 200);
    scene.host.forget();
    let before = scene.rows("SELECT 1 FROM mission_change");
    let (old, new) = (format_time(NOW + 30_000), format_time(NOW + 90_000));
    let event = json!({"type": "ADD_CONTENT", "timestamp": old, "contentUid": "m-1"});
    let file =
        json!({"type": "ADD_CONTENT", "timestamp": old, "contentResource": {"name": "A.jpg", "hash": stored.sha256}});
    let younger = json!({"type": "ADD_CONTENT", "timestamp": format_time(NOW - 1), "contentUid": "m-3"});
    let fine = json!({"type": "ADD_CONTENT", "timestamp": new, "contentUid": "m-4"});
    let package = zip(&[
        ("changes.json", offline(&[event.clone(), file.clone(), younger.clone(), fine.clone()])),
        ("0/m-1.cot", cot("m-1")),
        ("1/A.jpg", b"new".to_vec()),
        ("2/m-3.cot", cot("m-3")),
        ("3/m-4.cot", cot("m-4")),
    ]);
    let answer = answered(&load(&scene, BOB, package), 409);
    assert_eq!(answer["data"], json!([event, file, younger]));
    assert_eq!((scene.rows("SELECT 1 FROM mission_change"), scene.host.files().len()), (before, 1));
    assert!(scene.kinds(scene.a).is_empty());
    let package = zip(&[("changes.json", offline(&[fine])), ("0/m-4.cot", cot("m-4"))]);
    answered(&load(&scene, BOB, package), 200);
    // A payload that is missing, or another's.
    let lone = json!({"type": "ADD_CONTENT", "timestamp": new, "contentUid": "m-5"});
    for package in [
        zip(&[("changes.json", offline(std::slice::from_ref(&lone)))]),
        zip(&[("changes.json", offline(&[lone])), ("0/m-5.cot", cot("m-6"))]),
        zip(&[("changes.json", b"[]".to_vec())]),
    ] {
        assert_eq!(load(&scene, BOB, package).status, 400);
    }
    assert_eq!(scene.rows("SELECT 1 FROM mission_uid"), 2);
}

#[test]
fn a_log_entry_of_another_mission_is_not_written_through_this_one() {
    let scene = both();
    scene.create("Other?creatorUid=A&group=__ANON__&password=river");
    let body = json!({"content": "secret", "creatorUid": "A", "missionNames": ["Other"]});
    let made = scene.call(ADMIN, "POST", "/Marti/api/missions/logs/entries").json(&body).send();
    let id = text(&answered(&made, 201)["data"]["id"]);
    let time = format_time(NOW + 30_000);
    for kind in ["ADD_CONTENT", "REMOVE_CONTENT"] {
        let change = json!({"type": kind, "timestamp": time, "logEntry": {"id": id, "content": "forged"}});
        assert_eq!(load(&scene, BOB, zip(&[("changes.json", offline(&[change]))])).status, 403);
    }
    assert_eq!(scene.rows("SELECT 1 FROM mission_log WHERE content = 'secret'"), 1);
}

#[test]
fn who_may_not_write_loads_nothing() {
    let scene = both();
    scene.create("Read?creatorUid=A&defaultRole=MISSION_READONLY_SUBSCRIBER");
    let path = "/Marti/api/missions/Read/contents/missionpackage?creatorUid=B";
    let call = scene.call(BOB, "PUT", path).body(zip(&[("a.cot", cot("m-1"))]));
    answered(&call.send(), 403);
    scene.host.forget();
    nothing(&scene);
}
