//! The log of missions: AC-47 of mission.md 9.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use scene::*;
use serde_json::json;

const ENTRIES: &str = "/Marti/api/missions/logs/entries";

fn entry(missions: &[&str]) -> serde_json::Value {
    json!({"content": "water rises", "creatorUid": "A", "missionNames": missions, "keywords": ["k"],
        "contentHashes": ["h"], "dtg": "2026-03-01T09:00:00Z"})
}

#[test]
fn ac_47_an_entry_is_written_told_changed_and_deleted() {
    let (scene, _, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    let changes = scene.rows("SELECT id FROM mission_change");
    let made = answered(&scene.call(ALICE, "POST", ENTRIES).json(&entry(&["flood north"])).send(), 201);
    assert_eq!(made["type"], "com.bbn.marti.sync.model.LogEntry");
    let id = text(&made["data"]["id"]);
    assert_eq!(id.len(), 36);
    for (key, value) in [
        ("servertime", json!("2026-03-01T10:00:00.123Z")),
        ("created", json!("2026-03-01T10:00:00.123Z")),
        ("dtg", json!("2026-03-01T09:00:00.000Z")),
        ("missionNames", json!(["Flood North"])),
        ("keywords", json!(["k"])),
        ("contentHashes", json!(["h"])),
    ] {
        assert_eq!(made["data"][key], value, "{key}");
    }
    let notice = scene.only(scene.b);
    assert_eq!(notice.kind(), "t-x-m-c-l");
    let mission = notice.detail("mission").unwrap();
    assert_eq!((mission.attr("authorUid").unwrap().as_ref(), mission.children().count()), ("A", 0));
    assert!(scene.kinds(scene.c).is_empty());
    assert_eq!(scene.rows("SELECT id FROM mission_change"), changes, "no change record");

    scene.host.forget();
    scene.host.tick(std::time::Duration::from_secs(5));
    let sent = json!({"id": id, "content": "water falls", "keywords": []});
    let put = answered(&scene.call(ALICE, "PUT", ENTRIES).json(&sent).send(), 201);
    assert_eq!((&put["data"]["content"], &put["data"]["creatorUid"]), (&json!("water falls"), &json!("A")));
    assert_eq!(put["data"]["servertime"], "2026-03-01T10:00:05.123Z");
    assert_eq!(put["data"]["created"], "2026-03-01T10:00:00.123Z");
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c-l"]);
    let one = scene.ask(BOB, "GET", &format!("{ENTRIES}/{id}"), 200);
    assert_eq!((&one["data"][0]["content"], &one["data"][0]["keywords"]), (&json!("water falls"), &json!([])));
    let log = scene.ask(BOB, "GET", &format!("{FLOOD}/log"), 200);
    assert_eq!(log["data"], one["data"]);
    assert_eq!(scene.ask(BOB, "GET", &format!("{FLOOD}?logs=true"), 200)["data"][0]["logs"], one["data"]);

    scene.host.forget();
    let gone = scene.call(BOB, "DELETE", &format!("{ENTRIES}/{id}?creatorUid=B")).send();
    assert_eq!((gone.status, gone.body.len()), (200, 0));
    assert_eq!(scene.kinds(scene.a), ["t-x-m-c-l"]);
    scene.ask(ALICE, "GET", &format!("{ENTRIES}/{id}"), 404);
    scene.ask(ALICE, "DELETE", &format!("{ENTRIES}/{id}"), 404);
}

#[test]
fn ac_47_wrong_entries_are_refused() {
    let (scene, _, _) = Scene::flood();
    let send = |method: &str, body: serde_json::Value, status: u16| {
        answered(&scene.call(ALICE, method, ENTRIES).json(&body).send(), status);
    };
    let mut with_id = entry(&["Flood North"]);
    with_id["id"] = json!("x");
    send("POST", with_id.clone(), 400);
    send("PUT", with_id.clone(), 400);
    send("POST", entry(&[]), 400);
    send("POST", entry(&["Flood North", "Nowhere"]), 404);
    send("PUT", entry(&["Flood North"]), 400);
    with_id["servertime"] = json!("2026-03-01T09:00:00Z");
    send("PUT", with_id, 400);
    assert_eq!(scene.rows("SELECT id FROM mission_log"), 0);
}

#[test]
fn ac_47_every_mission_of_an_entry_must_be_writable() {
    let (scene, _, _) = Scene::flood();
    scene.create("Quiet?creatorUid=A&defaultRole=MISSION_READONLY_SUBSCRIBER");
    let both = entry(&["Flood North", "Quiet"]);
    answered(&scene.call(BOB, "POST", ENTRIES).json(&both).send(), 403);
    let made = answered(&scene.call(ALICE, "POST", ENTRIES).json(&both).send(), 201);
    let id = text(&made["data"]["id"]);
    assert_eq!(made["data"]["missionNames"], json!(["Flood North", "Quiet"]));
    answered(&scene.call(BOB, "PUT", ENTRIES).json(&json!({"id": id, "content": "x"})).send(), 403);
    scene.ask(BOB, "DELETE", &format!("{ENTRIES}/{id}"), 403);
    assert_eq!(scene.ask(BOB, "GET", "/Marti/api/missions/Quiet/log", 200)["data"][0]["id"], id);
}

#[test]
fn an_entry_names_no_mission_its_reader_does_not_see() {
    let scene = Scene::new();
    scene.create("Blue?creatorUid=A");
    scene.ask(ADMIN, "PUT", "/Marti/api/missions/Crimson?creatorUid=x&group=Red", 201);
    let made = answered(&scene.call(ADMIN, "POST", ENTRIES).json(&entry(&["Blue", "Crimson"])).send(), 201);
    let id = text(&made["data"]["id"]);
    for path in [format!("{ENTRIES}/{id}"), "/Marti/api/missions/Blue/log".to_owned()] {
        assert_eq!(scene.ask(BOB, "GET", &path, 200)["data"][0]["missionNames"], json!(["Blue"]), "{path}");
    }
    let whole = scene.ask(BOB, "GET", "/Marti/api/missions/Blue?logs=true", 200);
    assert_eq!(whole["data"][0]["logs"][0]["missionNames"], json!(["Blue"]));
    assert_eq!(scene.ask(CAROL, "GET", &format!("{ENTRIES}/{id}"), 200)["data"][0]["missionNames"], json!(["Crimson"]));
    scene.ask(BOB, "DELETE", &format!("{ENTRIES}/{id}"), 403);
    scene.ask(BOB, "GET", "/Marti/api/missions/all/logs", 403);
    let all = scene.ask(ADMIN, "GET", "/Marti/api/missions/all/logs", 200);
    assert_eq!(all["data"][0]["missionNames"], json!(["Blue", "Crimson"]));
    scene.ask(ADMIN, "DELETE", "/Marti/api/missions/Blue", 200);
    scene.ask(BOB, "GET", &format!("{ENTRIES}/{id}"), 404);
}

#[test]
fn the_log_of_a_window_is_oldest_first() {
    let (scene, _, _) = Scene::flood();
    for _ in 0..3 {
        answered(&scene.call(ALICE, "POST", ENTRIES).json(&entry(&["Flood North"])).send(), 201);
        scene.host.tick(std::time::Duration::from_secs(10));
    }
    let times = |query: &str| -> Vec<String> {
        let log = scene.ask(BOB, "GET", &format!("{FLOOD}/log{query}"), 200);
        log["data"].as_array().unwrap().iter().map(|e| text(&e["servertime"])[17..19].to_owned()).collect()
    };
    assert_eq!(times(""), ["00", "10", "20"]);
    assert_eq!(times("?secago=25"), ["10", "20"]);
    assert_eq!(times("?start=2026-03-01T10:00:05Z&end=2026-03-01T10:00:15Z"), ["10"]);
    scene.ask(BOB, "GET", &format!("{FLOOD}/log?start=2026-03-01T10:00:05Z&end=2026-03-01T10:00:05Z"), 400);
}
