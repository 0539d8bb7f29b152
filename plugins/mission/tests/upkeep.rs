//! What happens by itself (mission.md 7.4), and the actions of the FTS REST API.
mod scene;

use std::time::Duration;

use scene::*;
use serde_json::{Value, json};

#[test]
fn history_beyond_its_age_goes_but_not_the_newest_of_each_item() {
    let scene = Scene::with(&json!({"change_history": "1h"}));
    scene.create("Flood%20North?creatorUid=A");
    scene.subscribe(BOB, FLOOD, "B");
    let send = |uid: &str, conn: u64| {
        scene.host.deliver(marker(uid, "mission=\"Flood North\""), conn);
    };
    for _ in 0..3 {
        send("m-1", scene.a);
    }
    send("m-1", scene.b);
    send("m-2", scene.a);
    let count = |sql: &str| scene.rows(sql);
    let (changes, events) = ("SELECT 1 FROM mission_change WHERE type = 2", "SELECT 1 FROM mission_cot");
    scene.host.tick(Duration::from_secs(600));
    assert_eq!((count(changes), count(events)), (5, 5), "it is young");
    scene.host.jump_to(NOW + 3_700_000);
    send("m-2", scene.a);
    scene.host.tick(Duration::from_secs(61));
    // Of m-1 the newest of alice and of bob; of m-2 only the new one.
    assert_eq!((count(changes), count(events)), (3, 2));
    assert_eq!(
        count("SELECT 1 FROM mission_change WHERE type = 0"),
        1,
        "that it was made stays; nobody made the seeds"
    );
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    assert_eq!(mission["uids"].as_array().unwrap().len(), 2);
    let metrics = scene.host.metrics();
    assert_eq!((metrics["fts_mission_missions"], metrics["fts_mission_subscribers"]), (3.0, 2.0));
}

#[test]
fn the_actions_of_the_fts_api_list_missions_as_text() {
    let (scene, guid, _) = Scene::flood();
    let list = scene.host.action("mission", "GetMissions", &json!({})).unwrap();
    let list: Value = serde_json::from_str(list["missions"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&list["type"], &list["version"], list["data"].as_array().unwrap().len()),
        (&json!("Mission"), &json!("3"), 1)
    );
    assert_eq!(list["data"][0]["groups"], json!(["__ANON__"]));
    for id in ["flood north", &guid] {
        let one = scene.host.action("mission", "GetMission", &json!({"mission_id": id})).unwrap();
        let one: Value = serde_json::from_str(one["mission"].as_str().unwrap()).unwrap();
        assert_eq!(one["data"][0]["name"], "Flood North");
    }
    assert!(scene.host.action("mission", "GetMission", &json!({"mission_id": "none"})).is_err());
}
