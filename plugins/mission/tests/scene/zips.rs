//! Exports and archives of missions as zips: taken out, looked into, changed, and given back.
use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Write},
};

use fts_plugin_api::{
    message::Listener,
    sdk::FileInfo,
    testkit::{Answer, Call},
};
use serde_json::{Value, json};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::*;

pub const ADMINS: &str = "/admin/missions";
pub const LINES: &str = "MANIFEST/mission.jsonl";
pub const MANIFEST: &str = "MANIFEST/manifest.xml";
pub const GUID: &str = "5d1f0000-0000-4000-8000-000000000001";

pub fn call<'a>(scene: &'a Scene, method: &str, path: &str) -> Call<'a> {
    scene.call(ADMIN, method, path).on(Listener::Admin)
}

pub fn export(scene: &Scene, query: &str) -> Answer {
    let answer = call(scene, "GET", &format!("{ADMINS}/Flood%20North/export{query}")).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

pub fn import(scene: &Scene, query: &str, body: Vec<u8>, status: u16) -> Value {
    answered(&call(scene, "POST", &format!("{ADMINS}{query}")).body(body).send(), status)
}

/// m-1 in two versions, m-2, two files, external data, a map layer, a folder, a log entry, a keyword, bob as a member.
pub fn filled() -> (Scene, String) {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/layers?name=Alpha&type=UID&uid=l&creatorUid=A"), 200);
    scene.host.deliver(marker("m-1", "mission=\"Flood North\" path=\"l\""), scene.a);
    scene.host.deliver(marker("m-2", "mission=\"Flood North\""), scene.a);
    let groups = || vec!["__ANON__".to_owned()];
    let file = |name: &str| {
        let info = FileInfo { name: name.into(), uid: name.into(), groups: groups(), ..FileInfo::default() };
        scene.host.put_file(info, name.as_bytes()).sha256
    };
    let hashes = json!({"hashes": [file("one.txt"), file("../two.txt")]});
    answered(&scene.call(ALICE, "PUT", &format!("{FLOOD}/contents?creatorUid=A")).json(&hashes).send(), 200);
    let external = json!({"uid": "e", "name": "first"});
    answered(&scene.call(ALICE, "POST", &format!("{FLOOD}/externaldata")).json(&external).send(), 201);
    answered(&scene.call(ALICE, "POST", &format!("{FLOOD}/maplayers")).json(&json!({"uid": "t"})).send(), 200);
    let entry = json!({"content": "x", "missionNames": ["Flood North"], "keywords": ["k"], "contentHashes": ["h"]});
    answered(&scene.call(ALICE, "POST", "/Marti/api/missions/logs/entries").json(&entry).send(), 201);
    answered(&scene.call(ALICE, "PUT", &format!("{FLOOD}/keywords")).json(&json!(["water", "a & b"])).send(), 200);
    scene.host.deliver(moved("m-1", "mission=\"Flood North\"", "45.5"), scene.a);
    scene.host.forget();
    (scene, guid)
}

/// What clients read of a mission, by kind.
pub fn seen(scene: &Scene, path: &str) -> Vec<Value> {
    let rest = ["", "/changes?squashed=false", "/log", "/layers", "/subscriptions"];
    rest.iter().map(|r| scene.ask(BOB, "GET", &format!("{path}{r}"), 200)["data"].clone()).collect()
}

pub type Members = BTreeMap<String, Vec<u8>>;

pub fn unpack(bytes: &[u8]) -> Members {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut all = BTreeMap::new();
    for n in 0..zip.len() {
        let mut file = zip.by_index(n).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        all.insert(file.name().unwrap().into_owned(), bytes);
    }
    all
}

pub fn packed(members: &Members) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members.iter().filter(|(name, _)| !name.ends_with('/')) {
        zip.start_file(&**name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The same zip with something done to it.
pub fn but(members: &Members, change: impl FnOnce(&mut Members)) -> Vec<u8> {
    let mut members = members.clone();
    change(&mut members);
    packed(&members)
}

pub fn of(members: &Members, name: &str) -> String {
    String::from_utf8(members[name].clone()).unwrap()
}

/// Neither rows nor files nor files of work.
pub fn nothing(scene: &Scene, what: &str) {
    assert_eq!(scene.rows("SELECT id FROM mission WHERE all_groups = 0"), 0, "{what}");
    for table in ["mission_change", "mission_uid", "mission_content", "mission_log"] {
        let count = scene.rows(&format!("SELECT 1 FROM {table}"));
        assert!(count == 0 || table == "mission_log", "{what}: {count} rows of {table}");
    }
    assert!(scene.host.files().is_empty(), "{what}: no file stays");
    let work = scene.host.dir().join("work");
    assert!(!work.exists() || std::fs::read_dir(work).unwrap().next().is_none(), "{what}: no work file stays");
}
