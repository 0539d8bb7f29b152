//! What an administrator does with missions: list, show, export and import, snapshots, going back to an earlier state.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::time::Duration;

use fts_plugin_api::{
    sdk::FileInfo,
    testkit::{Answer, Call},
};
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

fn export(scene: &Scene, query: &str) -> Answer {
    let answer = call(scene, "GET", &format!("{ADMINS}/Flood%20North/export{query}")).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// What clients read of a mission, by kind.
fn seen(scene: &Scene, path: &str) -> Vec<Value> {
    let rest = ["", "/changes?squashed=false", "/log", "/layers", "/subscriptions"];
    rest.iter().map(|r| scene.ask(BOB, "GET", &format!("{path}{r}"), 200)["data"].clone()).collect()
}

#[test]
fn an_export_is_the_whole_mission_on_another_server() {
    let (scene, guid) = filled();
    scene.host.deliver(moved("m-1", 45.5), scene.a);
    let (before, history) = (seen(&scene, FLOOD), scene.rows("SELECT id FROM mission_cot"));
    let text = export(&scene, "").body;
    let other = Scene::new();
    let made = answered(&call(&other, "POST", ADMINS).body(text.clone()).send(), 201);
    assert_eq!((&made["guid"], &made["name"]), (&json!(guid), &json!("Flood North")));
    assert_eq!(seen(&other, FLOOD), before);
    assert_eq!(other.rows("SELECT id FROM mission_cot WHERE change_id > 0"), history);
    assert_eq!(other.rows("SELECT id FROM mission_uid WHERE last_change_id = (SELECT max(id) FROM mission_change c WHERE c.uid = mission_uid.uid)"), 2);
    let hash = text_of_first_file(&before);
    assert_eq!(other.host.file_content(&hash).unwrap(), b"one.txt");
    // Members are live again, and what is sent is delivered.
    other.host.deliver(marker("m-9", &format!("mission-guid=\"{guid}\"")), other.a);
    assert_eq!(other.kinds(other.b), ["t-x-m-c", "a-f-G"]);
    // It is there now.
    let again = answered(&call(&other, "POST", ADMINS).body(text.clone()).send(), 409);
    assert_eq!(again["status"], "CONFLICT");
    let copy = call(&other, "POST", &format!("{ADMINS}?copy=true&name=Second")).body(text).send();
    let copy = answered(&copy, 201);
    assert!(copy["guid"] != made["guid"] && copy["subscribers"] == 0 && copy["items"] == 2);
    let changes = other.ask(BOB, "GET", "/Marti/api/missions/Second/changes", 200);
    assert!(changes["data"].as_array().unwrap().iter().all(|c| c["missionGuid"] == copy["guid"]));
}

fn text_of_first_file(seen: &[Value]) -> String {
    text(&seen[0][0]["contents"][0]["data"]["hash"])
}

#[test]
fn half_an_export_leaves_nothing_behind() {
    let (scene, _) = filled();
    let whole = export(&scene, "?files=false").text();
    let lines: Vec<_> = whole.lines().collect();
    let other = Scene::new();
    let before = other.rows("SELECT id FROM mission");
    let halves = ["{}".to_owned(), String::new(), lines[..3].join("\n"), lines[..lines.len() - 1].join("\n")];
    let without_a_row = [&lines[..4], &lines[5..]].concat().join("\n");
    let no_object = format!("{}\n{{\"t\":\"mission\",\"r\":7}}\n", lines[0]);
    let misfit = format!("{}\n{{\"t\":\"mission_uid\",\"r\":{{}}}}\n{{\"end\":3}}\n", lines[..2].join("\n"));
    for bad in
        halves.into_iter().chain([without_a_row, no_object, misfit, format!("{}\nnonsense\n", lines[..3].join("\n"))])
    {
        answered(&call(&other, "POST", ADMINS).body(bad).send(), 400);
        assert_eq!(other.rows("SELECT id FROM mission"), before);
        assert_eq!(other.rows("SELECT id FROM mission_change"), 0);
    }
    other.ask(BOB, "GET", FLOOD, 404);
    answered(&call(&other, "POST", ADMINS).body(whole).send(), 201);
    other.ask(BOB, "GET", FLOOD, 200);
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
