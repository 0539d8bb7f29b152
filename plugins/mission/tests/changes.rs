//! The history of a mission: acceptance lines AC-34 and AC-45 of mission.md 9.
#![allow(clippy::unwrap_used)]
mod scene;

use std::time::Duration;

use fts_plugin_api::{
    cot::format_time,
    message::{FileInfo, HistoryAsk},
};
use scene::*;
use serde_json::{Value, json};

const TO_FLOOD: &str = "mission=\"Flood North\"";

fn changes(scene: &Scene, query: &str) -> Vec<Value> {
    let answer = scene.ask(BOB, "GET", &format!("{FLOOD}/changes{query}"), 200);
    assert_eq!((&answer["version"], &answer["type"]), (&json!("3"), &json!("MissionChange")));
    assert!(answer["nodeId"].is_string());
    answer["data"].as_array().unwrap().clone()
}

/// Type and subject of each.
fn told(changes: &[Value]) -> Vec<String> {
    let subject = |c: &Value| {
        let external = &c["externalData"]["uid"];
        let all = [&c["contentUid"], &c["contentResource"]["name"], external, &c["mapLayer"]["name"]];
        all.into_iter().find_map(Value::as_str).unwrap_or("-").to_owned()
    };
    changes.iter().map(|c| format!("{} {}", text(&c["type"]).split('_').next().unwrap(), subject(c))).collect()
}

#[test]
fn ac_34_squashed_an_item_sent_twice_is_one_change_and_its_past_has_both() {
    let (scene, ..) = Scene::flood();
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.host.tick(Duration::from_secs(1));
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    assert_eq!(told(&changes(&scene, "?squashed=false")), ["ADD m-1", "ADD m-1", "CREATE -"]);
    let squashed = changes(&scene, "");
    assert_eq!(told(&squashed), ["ADD m-1", "CREATE -"]);
    assert_eq!(squashed[0]["serverTime"], json!(format_time(NOW + 1_000)), "the newer one");
    let ask = |groups: &[&str], user: &str| HistoryAsk {
        uid: "m-1".into(),
        from: i64::MIN,
        to: i64::MAX,
        groups: Some(groups.iter().map(|g| (*g).to_owned()).collect()),
        user: Some(user.into()),
    };
    assert_eq!(scene.host.history(&ask(&["__ANON__"], "bob")).unwrap().len(), 2);
    assert!(scene.host.history(&ask(&["Red"], "carol")).unwrap().is_empty());
}

#[test]
fn ac_45_newest_first_within_the_window() {
    let (scene, ..) = Scene::flood();
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.host.tick(Duration::from_secs(2));
    assert_eq!(changes(&scene, "?secago=1"), Vec::<Value>::new());
    assert_eq!(told(&changes(&scene, "?secago=60")), ["ADD m-1", "CREATE -"]);
    let (first, last) = (format_time(NOW), format_time(NOW + 2_000));
    for query in [
        format!("start={last}&end={first}"),
        format!("start={first}&end={first}"),
        "start=yesterday".into(),
        "secago=x".into(),
        "squashed=perhaps".to_owned(),
    ] {
        scene.ask(BOB, "GET", &format!("{FLOOD}/changes?{query}"), 400);
    }
    assert_eq!(told(&changes(&scene, &format!("?start={first}&end={last}"))).len(), 2);
    assert_eq!(told(&changes(&scene, &format!("?start={last}"))).len(), 0);
    scene.ask(CAROL, "GET", &format!("{FLOOD}/changes"), 404);
}

#[test]
fn squashed_says_what_is_there_what_is_gone_and_by_whom() {
    let (scene, ..) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    let call = |who: Who, method: &str, path: &str, body: Value| {
        let answer = scene.call(who, method, &format!("{FLOOD}/{path}")).json(&body).send();
        assert!(answer.status < 300, "{path}: {}", answer.text());
    };
    for conn in [scene.a, scene.b, scene.a] {
        scene.host.deliver(marker("m-1", TO_FLOOD), conn);
    }
    scene.host.deliver(marker("m-2", TO_FLOOD), scene.a);
    let file = |name: &str| {
        let info = FileInfo { name: name.into(), groups: vec!["__ANON__".into()], ..FileInfo::default() };
        scene.host.put_file(info, name.as_bytes()).sha256
    };
    let (kept, gone) = (file("kept"), file("gone"));
    call(ALICE, "PUT", "contents?creatorUid=A", json!({"hashes": [kept, gone]}));
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?hash={gone}&creatorUid=A"), 200);
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?uid=m-2&creatorUid=A"), 200);
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?uid=m-2&creatorUid=A"), 200);
    call(ALICE, "POST", "externaldata?creatorUid=A", json!({"uid": "e", "name": "E", "notes": "n"}));
    call(ALICE, "POST", "externaldata?creatorUid=A", json!({"uid": "e", "name": "E", "notes": "n"}));
    let squashed = changes(&scene, "");
    assert_eq!(
        told(&squashed),
        ["ADD e", "REMOVE m-2", "REMOVE gone", "ADD kept", "ADD m-1", "ADD m-1", "CREATE -"],
        "per author the newest ADD of what is there, the newest REMOVE of what is not"
    );
    assert_eq!(squashed[1]["details"]["type"], Value::Null, "the second time there was nothing to take out");
    assert_eq!((&squashed[4]["creatorUid"], &squashed[5]["creatorUid"]), (&json!("A"), &json!("B")));
    let all = changes(&scene, "?squashed=false");
    assert_eq!(all.len(), 12, "{:?}", told(&all));
    assert!(all.iter().all(|c| c["missionGuid"].is_string() && c["isFederatedChange"] == json!(false)));
    scene.host.forget();
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    scene.create("Flood%20North?creatorUid=A");
    assert_eq!(told(&changes(&scene, "?squashed=false")), ["CREATE -"], "only this one's own");
}

#[test]
fn a_long_history_comes_in_pages_and_whole() {
    let (scene, ..) = Scene::flood();
    for n in 0..450 {
        scene.host.deliver(marker(&format!("m-{n}"), TO_FLOOD), scene.a);
    }
    for query in ["?squashed=false", ""] {
        let all = told(&changes(&scene, query));
        let wanted: Vec<_> = (0..450).rev().map(|n| format!("ADD m-{n}")).chain(["CREATE -".to_owned()]).collect();
        assert!(all == wanted, "{query}: {} lines", all.len());
    }
}

#[test]
fn an_item_that_was_added_before_its_event_came_has_details_as_soon_as_it_is_there() {
    let (scene, ..) = Scene::flood();
    let put = scene.call(ALICE, "PUT", &format!("{FLOOD}/contents?creatorUid=A")).json(&json!({"uids": ["m-1"]}));
    answered(&put.send(), 200);
    let bare = changes(&scene, "")[0].clone();
    assert!(bare.get("details").is_none() && bare["contentUid"] == "m-1", "left out, never null: {bare}");
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.host.deliver(moved("m-1", TO_FLOOD, "45.5"), scene.a);
    let all = changes(&scene, "?squashed=false");
    assert_eq!(told(&all), ["ADD m-1", "ADD m-1", "ADD m-1", "CREATE -"]);
    let at: Vec<_> = all.iter().map(|c| &c["details"]["location"]["lat"]).collect();
    assert_eq!(at, [&json!(45.5), &json!(44.5), &json!(45.5), &Value::Null], "then, else the latest");
    assert_eq!(all[2]["details"], all[0]["details"]);
    // TAKAware reads the item next to its details.
    let raw = scene.call(BOB, "GET", &format!("{FLOOD}/changes?squashed=false")).send().text();
    assert_eq!(raw.matches(r#""creatorUid":"A","contentUid":"m-1","details":{"type":"a-f-G","#).count(), 3, "{raw}");
    let mission = scene.ask(BOB, "GET", &format!("{FLOOD}?changes=true"), 200)["data"][0].clone();
    assert_eq!(mission["missionChanges"][2]["details"], all[0]["details"]);
    assert!(!raw.contains("null"));
    // What it was is told when it is taken out, too.
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?uid=m-1&creatorUid=A"), 200);
    assert_eq!(changes(&scene, "")[0]["details"], all[0]["details"]);
}
