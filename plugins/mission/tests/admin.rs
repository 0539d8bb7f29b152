//! What an administrator does with missions: list, show, snapshots, going back to an earlier state. Export and import are
//! in `backup.rs`.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::time::Duration;

use fts_plugin_api::{sdk::FileInfo, testkit::Call};
use scene::*;
use serde_json::{Value, json};

const ADMINS: &str = "/admin/missions";

fn call<'a>(scene: &'a Scene, method: &str, path: &str) -> Call<'a> {
    scene.call(ADMIN, method, path).on(fts_plugin_api::message::Listener::Admin)
}

fn ask(scene: &Scene, method: &str, path: &str, status: u16) -> Value {
    answered(&call(scene, method, path).send(), status)
}

fn uids(scene: &Scene) -> Vec<String> {
    let mission = scene.ask(BOB, "GET", FLOOD, 200);
    let mut all: Vec<_> = mission["data"][0]["uids"].as_array().unwrap().iter().map(|u| text(&u["data"])).collect();
    all.sort();
    all
}

/// Stores a file, and puts it into the mission.
fn file(scene: &Scene, name: &str) -> String {
    let info = FileInfo { name: name.into(), groups: vec!["__ANON__".into()], ..FileInfo::default() };
    let hash = scene.host.put_file(info, name.as_bytes()).sha256;
    let body = json!({"hashes": [hash]});
    answered(&scene.call(ALICE, "PUT", &format!("{FLOOD}/contents?creatorUid=A")).json(&body).send(), 200);
    hash
}

fn moved(uid: &str, lat: f64) -> Vec<u8> {
    let text = String::from_utf8(marker(uid, "mission=\"Flood North\"")).unwrap();
    text.replace("lat=\"44.5\"", &format!("lat=\"{lat}\"")).into_bytes()
}

/// m-1, m-2, a file, external data, a map layer, a folder, a log entry, bob as a member.
fn filled() -> (Scene, String) {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/layers?name=Alpha&type=UID&uid=l&creatorUid=A"), 200);
    scene.host.deliver(marker("m-1", "mission=\"Flood North\" path=\"l\""), scene.a);
    scene.host.deliver(marker("m-2", "mission=\"Flood North\""), scene.a);
    file(&scene, "one.txt");
    let external = json!({"uid": "e", "name": "first"});
    answered(&scene.call(ALICE, "POST", &format!("{FLOOD}/externaldata")).json(&external).send(), 201);
    answered(&scene.call(ALICE, "POST", &format!("{FLOOD}/maplayers")).json(&json!({"uid": "t"})).send(), 200);
    let entry = json!({"content": "x", "missionNames": ["Flood North"], "keywords": ["k"], "contentHashes": ["h"]});
    answered(&scene.call(ALICE, "POST", "/Marti/api/missions/logs/entries").json(&entry).send(), 201);
    scene.host.forget();
    (scene, guid)
}

#[test]
fn missions_are_listed_and_shown_without_secrets() {
    let (scene, guid) = filled();
    let all = ask(&scene, "GET", ADMINS, 200);
    let flood = all.as_array().unwrap().iter().find(|m| m["guid"] == guid.as_str()).unwrap();
    assert_eq!((&flood["items"], &flood["files"], &flood["subscribers"]), (&json!(2), &json!(1), &json!(2)));
    assert!(flood["event_bytes"].as_u64().unwrap() > 100);
    assert_eq!(flood["file_bytes"], "one.txt".len());
    let one = ask(&scene, "GET", &format!("{ADMINS}/flood%20north"), 200);
    assert_eq!(one["qr_code"], Value::Null, "no CoT over TLS here");
    assert_eq!(one["members"][1]["user"], "bob");
    assert_eq!(ask(&scene, "GET", &format!("{ADMINS}/{guid}"), 200), one);
    assert!(!one.to_string().contains("token"));
    ask(&scene, "GET", &format!("{ADMINS}/nowhere"), 404);
    for route in scene.host.routes().iter().filter(|r| r.pattern.starts_with(ADMINS)) {
        assert_eq!(route.auth, fts_plugin_api::sdk::Auth::Admin, "{}", route.pattern);
        assert_eq!(route.listeners, [fts_plugin_api::message::Listener::Admin], "{}", route.pattern);
    }
}

#[test]
fn a_mission_goes_back_to_a_time() {
    let (scene, _) = filled();
    scene.host.tick(Duration::from_secs(60));
    let path = format!("{ADMINS}/Flood%20North/restore?at=2026-03-01T10:00:30Z");
    assert_eq!(ask(&scene, "POST", &path, 200), json!({"restored": 0, "removed": 0, "messages": []}));
    // Everything changes.
    scene.host.deliver(moved("m-1", 45.5), scene.a);
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?uid=m-2&creatorUid=A"), 200);
    scene.host.deliver(marker("m-3", "mission=\"Flood North\""), scene.a);
    let first = text(&scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["contents"][0]["data"]["hash"]);
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?hash={first}&creatorUid=A"), 200);
    file(&scene, "two.txt");
    let external = json!({"uid": "e", "name": "second"});
    answered(&scene.call(ALICE, "POST", &format!("{FLOOD}/externaldata")).json(&external).send(), 201);
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/maplayers/t"), 200);
    scene.host.forget();

    let history = scene.rows("SELECT id FROM mission_change");
    let dry = ask(&scene, "POST", &format!("{path}&dry=true"), 200);
    assert_eq!((&dry["restored"], &dry["removed"]), (&json!(5), &json!(2)));
    assert_eq!(scene.rows("SELECT id FROM mission_change"), history, "dry");
    assert_eq!(ask(&scene, "POST", &path, 200), dry);
    assert_eq!(uids(&scene), ["m-1", "m-2"]);
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    assert_eq!(
        (mission["contents"].as_array().unwrap().len(), &mission["contents"][0]["data"]["hash"]),
        (1, &json!(first))
    );
    assert_eq!((&mission["externalData"][0]["name"], &mission["mapLayers"][0]["uid"]), (&json!("first"), &json!("t")));
    let m1 = mission["uids"].as_array().unwrap().iter().find(|u| u["data"] == "m-1").unwrap();
    assert_eq!(m1["details"]["location"]["lat"], 44.5);
    // Members' maps follow: changes, and the events behind them.
    let kinds = scene.kinds(scene.b);
    assert_eq!(kinds.iter().filter(|k| *k == "a-f-G").count(), 2);
    assert_eq!(kinds.iter().filter(|k| k.starts_with("t-x-m-c")).count(), 7);
    assert!(scene.kinds(scene.c).is_empty());
    assert_eq!(scene.rows("SELECT id FROM mission_change"), history + 7, "nothing is taken out of the history");
    assert_eq!(ask(&scene, "POST", &path, 200)["restored"], 0, "it is there now");
}

#[test]
fn a_snapshot_brings_the_folders_back_too() {
    let (scene, _) = filled();
    let path = format!("{ADMINS}/Flood%20North");
    let taken = ask(&scene, "POST", &format!("{path}/snapshots/before"), 201);
    assert_eq!(taken["taken"], "2026-03-01T10:00:00.123Z");
    let (tree, items) = (scene.ask(BOB, "GET", &format!("{FLOOD}/layers"), 200), uids(&scene));
    assert_eq!(tree["data"][0]["uids"][0]["data"], "m-1");
    // In the same millisecond.
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/layers?uid=l&creatorUid=A"), 200);
    scene.host.deliver(marker("m-3", "mission=\"Flood North\""), scene.a);
    assert_ne!(uids(&scene), items);
    scene.host.forget();
    ask(&scene, "POST", &format!("{path}/restore?snapshot=before"), 200);
    assert_eq!(uids(&scene), items);
    let now = scene.ask(BOB, "GET", &format!("{FLOOD}/layers"), 200);
    assert_eq!((&now["data"][0]["uid"], &now["data"][0]["uids"][0]["data"]), (&json!("l"), &json!("m-1")));
    assert_eq!(scene.kinds(scene.b).last().unwrap(), "t-x-m-c-h");
    assert_eq!(ask(&scene, "GET", &path, 200)["snapshots"][0]["name"], "before");
    for (method, rest, status) in [
        ("POST", "restore?snapshot=other", 404),
        ("POST", "restore", 400),
        ("POST", "restore?at=yesterday", 400),
        ("POST", "restore?at=2020-01-01T00:00:00Z", 400),
        ("DELETE", "snapshots/before", 200),
        ("DELETE", "snapshots/before", 404),
    ] {
        ask(&scene, method, &format!("{path}/{rest}"), status);
    }
}
