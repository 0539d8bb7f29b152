//! What a mission is made of, on the real server (mission.md 3.3 to 3.5, 3.8, 3.12, 9: AC-40, AC-46 to AC-48, AC-51): items
//! and files in layers, packages, the log, keywords. Every step is looked at as the members and the others see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::mission_bed;

use std::io::{Cursor, Write};

use fts_tests::{Reply, at, marker};
use mission_bed::{FLOOD, Stage, TO_FLOOD, changes, item, put, text, uids};
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

const ENTRIES: &str = "/Marti/api/missions/logs/entries";

fn data(stage: &Stage, path: &str) -> Value {
    stage.bob.web.get(&format!("{FLOOD}{path}")).expect(200).json()["data"].clone()
}

/// Both members are told, and nobody else.
#[track_caller]
fn both(stage: &mut Stage, kind: &str) -> fts_tests::Element {
    drop(stage.alice.told(kind));
    let told = stage.bob.told(kind);
    stage.quiet();
    told
}

fn names(folders: &Value) -> Vec<String> {
    folders.as_array().unwrap().iter().map(|folder| text(&folder["uid"])).collect()
}

#[test]
fn ac_40_items_and_files_are_added_together_and_are_shown_in_their_layer() {
    let (mut stage, _) = Stage::flood();
    let web = stage.alice.web.clone();
    let stored = web.post("/Marti/sync/upload?name=a.txt&creatorUid=A", "text/plain", b"by the river").expect(200);
    let hash = text(&stored.json()["Hash"]);
    for uid in ["m-2", "m-3"] {
        stage.alice.client.send(&marker(uid));
        [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.client.expect(uid)));
    }
    let all = json!({"hashes": [hash], "uids": ["m-2"]});
    put(&web, &format!("{FLOOD}/contents?creatorUid=A"), &all).expect(200);
    stage.settle();
    let mission = data(&stage, "")[0].clone();
    assert_eq!(mission["contents"][0]["data"]["hash"], json!(hash));
    assert_eq!(uids(&stage.bob.web, FLOOD), ["m-2"]);
    web.put(&format!("{FLOOD}/layers?creatorUid=A&name=Things&type=UID&uid=L"), "", b"").expect(200);
    both(&mut stage, "t-x-m-c-h");
    let filed = json!({"paths": {"L": [{"uids": ["m-2", "m-3"], "hashes": [hash]}]}});
    put(&web, &format!("{FLOOD}/contents?creatorUid=A"), &filed).expect(200);
    let layers = data(&stage, "/layers");
    assert_eq!(names(&layers), ["L"]);
    let shown: Vec<_> = layers[0]["uids"].as_array().unwrap().iter().map(|u| text(&u["data"])).collect();
    assert_eq!(shown, ["m-2", "m-3"]);
    assert_eq!(layers[0]["contents"][0]["data"]["hash"], json!(hash));
    assert_eq!(data(&stage, "/layers/L"), layers[0]);
    assert_eq!(uids(&stage.bob.web, FLOOD), ["m-2", "m-3"]);
}

fn zip(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn load(stage: &Stage, entries: &[(&str, &str)]) -> Reply {
    let path = format!("{FLOOD}/contents/missionpackage?creatorUid=A");
    stage.alice.web.put(&path, "application/zip", &zip(entries))
}

#[test]
fn ac_46_a_package_goes_in_whole_or_not_at_all() {
    let (mut stage, _) = Stage::flood();
    let before = at(0);
    let event = item("p-1", "");
    let done = load(&stage, &[("a.cot", &event), ("b.txt", "text of b")]).expect(200).json();
    assert_eq!((&done["type"], &done["data"]), (&json!("MissionChange"), &json!([])));
    // Two notices; behind them the event, which its author has.
    assert_eq!(stage.bob.change().child("contentUid").unwrap().text(), "p-1");
    assert_eq!(stage.bob.change().at("contentResource/name").unwrap().text(), "b.txt");
    assert!(stage.bob.client.expect("p-1").detail("marti").is_none());
    drop((stage.alice.change(), stage.alice.change()));
    stage.quiet();
    let mission = data(&stage, "")[0].clone();
    assert_eq!((mission["uids"].as_array().unwrap().len(), mission["contents"].as_array().unwrap().len()), (1, 1));
    let hash = text(&mission["contents"][0]["data"]["hash"]);
    assert_eq!(stage.bob.web.get(&format!("/Marti/sync/content?hash={hash}")).expect(200).text(), "text of b");

    let committed = (changes(&stage.bob.web, FLOOD), mission);
    let add = |uid: &str| json!({"type": "ADD_CONTENT", "timestamp": before, "contentUid": uid});
    let old = json!({"missionChanges": [add("p-2"), add("p-1")]}).to_string();
    let (new, again) = (item("p-2", ""), item("p-1", ""));
    let refused =
        load(&stage, &[("changes.json", &old), ("0/p-2.cot", &new), ("1/p-1.cot", &again)]).expect(409).json();
    let listed = refused["data"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["contentUid"]), (1, &json!("p-1")), "{refused}");
    load(&stage, &[("a.cot", &new), ("../x", "x")]).expect(400);
    stage.quiet();
    assert_eq!((changes(&stage.bob.web, FLOOD), data(&stage, "")[0].clone()), committed, "nothing was applied");
}

#[test]
fn ac_47_the_log_is_told_to_members_and_is_no_change() {
    let (mut stage, _) = Stage::flood();
    let read = "/Marti/api/missions/Read";
    let path = format!("{read}?creatorUid=A&defaultRole=MISSION_READONLY_SUBSCRIBER");
    stage.alice.web.put(&path, "", b"").expect(201);
    [&mut stage.bob, &mut stage.dora].into_iter().for_each(|p| drop(p.told("t-x-m-n")));
    let (alice, bob) = (stage.alice.web.clone(), stage.bob.web.clone());
    let post = |web: &fts_tests::Web, body: &Value| web.post(ENTRIES, "application/json", body.to_string().as_bytes());
    let entry = |names: &[&str]| json!({"content": "water rises", "creatorUid": "A", "missionNames": names});
    let made = post(&alice, &entry(&["Flood North"])).expect(201).json();
    assert_eq!(made["type"], "com.bbn.marti.sync.model.LogEntry");
    let id = text(&made["data"]["id"]);
    assert!(made["data"]["servertime"].is_string() && made["data"]["created"].is_string());
    assert!(both(&mut stage, "t-x-m-c-l").child("MissionChanges").is_none());
    assert_eq!(changes(&bob, FLOOD), [("CREATE_MISSION".to_owned(), String::new())]);
    let mut with_id = entry(&["Flood North"]);
    with_id["id"] = json!(id);
    post(&alice, &with_id).expect(400);
    let unknown = json!({"id": "5d1f0c1e-4d36-4a0f-9c55-0a8f4b6c7d21", "content": "x"});
    put(&alice, ENTRIES, &unknown).expect(400);
    // bob may only read one of the two: it is written in neither.
    post(&bob, &entry(&["Flood North", "Read"])).expect(403);
    assert_eq!(bob.get(&format!("{read}/log")).expect(200).json()["data"], json!([]));
    stage.carol.web.get(&format!("{ENTRIES}/{id}")).expect(404);
    stage.quiet();
    let one = bob.get(&format!("{ENTRIES}/{id}")).expect(200).json();
    assert_eq!(one["data"], data(&stage, "/log"));
    assert_eq!(one["data"][0]["content"], "water rises");
    bob.delete(&format!("{ENTRIES}/{id}?creatorUid=B")).expect(200);
    both(&mut stage, "t-x-m-c-l");
    bob.get(&format!("{ENTRIES}/{id}")).expect(404);
    assert_eq!(data(&stage, "/log"), json!([]));
}

#[test]
fn ac_48_keywords_are_replaced_shown_and_told() {
    let (mut stage, _) = Stage::flood();
    let web = stage.alice.web.clone();
    let path = format!("{FLOOD}/keywords?creatorUid=A");
    for words in [json!(["water", "north"]), json!(["fire"])] {
        let done = put(&web, &path, &words).expect(200).json();
        assert_eq!((&done["type"], &done["data"][0]["keywords"]), (&json!("Mission"), &words));
        // Its groups, but not the author.
        for other in [&mut stage.bob, &mut stage.dora] {
            assert_eq!(other.told("t-x-m-c-k").attr("authorUid"), "A");
        }
        stage.quiet();
        assert_eq!(data(&stage, "")[0]["keywords"], words);
    }
    web.delete(&format!("{FLOOD}/keywords/water?creatorUid=A")).expect(400);
    stage.quiet();
    stage.alice.mark("m-1", TO_FLOOD);
    stage.bob.item("m-1");
    stage.alice.acknowledged("m-1");
    put(&web, &format!("{FLOOD}/uid/m-1/keywords?creatorUid=A"), &json!(["deep"])).expect(200);
    let told = both(&mut stage, "t-x-m-c-k-u");
    let words = told.child("uidKeywords").unwrap();
    assert_eq!((words.attr("uid"), words.child("uidKeyword").unwrap().attr("keyword")), ("m-1", "deep"));
    assert_eq!(data(&stage, "")[0]["uids"][0]["keywords"], json!(["deep"]));
    assert_eq!(changes(&stage.bob.web, FLOOD).len(), 2, "its creation and m-1");
}

#[test]
fn ac_51_layers_keep_their_order_and_take_their_items_with_them() {
    let (mut stage, _) = Stage::flood();
    let web = stage.alice.web.clone();
    let step = |stage: &mut Stage, path: &str| {
        web.put(&format!("{FLOOD}/layers{path}creatorUid=A"), "", b"").expect(200);
        let told = both(stage, "t-x-m-c-h");
        told.at("missionLayer/uid").expect("the layer").text()
    };
    assert_eq!(step(&mut stage, "?name=Alpha&type=UID&uid=a&"), "a");
    assert_eq!(step(&mut stage, "?name=Bravo&type=UID&uid=b&afterUid=a&"), "b");
    assert_eq!(step(&mut stage, "?name=Charlie&type=UID&uid=c&afterUid=a&"), "c");
    assert_eq!(names(&data(&stage, "/layers")), ["a", "c", "b"]);
    assert_eq!(step(&mut stage, "/b/position?"), "b");
    assert_eq!(names(&data(&stage, "/layers")), ["b", "a", "c"]);
    for (uid, dest) in [
        ("m-1", r#"<dest mission="Flood North" path="a"/>"#),
        ("m-2", r#"<dest mission="Flood North" path="b"/>"#),
        ("m-3", TO_FLOOD),
    ] {
        stage.alice.mark(uid, dest);
        stage.bob.item(uid);
        stage.alice.acknowledged(uid);
    }
    assert_eq!(data(&stage, "/layers/a")["uids"][0]["data"], "m-1");
    web.delete(&format!("{FLOOD}/layers?uid=a&creatorUid=A")).expect(200);
    for member in [&mut stage.alice, &mut stage.bob] {
        let change = member.change();
        let said = |name: &str| change.child(name).unwrap().text();
        assert_eq!((said("type").as_str(), said("contentUid").as_str()), ("REMOVE_CONTENT", "m-1"));
    }
    assert_eq!(both(&mut stage, "t-x-m-c-h").at("missionLayer/uid").unwrap().text(), "a");
    assert_eq!(
        (names(&data(&stage, "/layers")), uids(&stage.bob.web, FLOOD)),
        (vec!["b".to_owned(), "c".to_owned()], vec!["m-2".to_owned(), "m-3".to_owned()])
    );
}
