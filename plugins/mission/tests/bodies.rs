//! What is in JSON bodies: map layers and feeds of a mission's own body (mission.md 3.2.1, M-63, M-65), and members that
//! are there but null, as clients written in Java send them.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::time::Duration;

use scene::*;
use serde_json::{Value, json};

const ENTRIES: &str = "/Marti/api/missions/logs/entries";

/// Sends a mission with this body; the mission.
fn send(scene: &Scene, who: Who, query: &str, body: &Value, status: u16) -> Value {
    answered(&scene.call(who, "PUT", &format!("{FLOOD}?{query}")).json(body).send(), status)["data"][0].clone()
}

fn uids(all: &Value) -> Vec<String> {
    all.as_array().unwrap().iter().map(|one| text(&one["uid"])).collect()
}

/// Uids of the changes of this type, oldest first.
fn changes(scene: &Scene, kind: &str, subject: &str) -> Vec<String> {
    let all = scene.ask(BOB, "GET", &format!("{FLOOD}/changes"), 200)["data"].clone();
    let of_it = all.as_array().unwrap().iter().rev().filter(|c| c["type"] == kind && !c[subject].is_null());
    of_it.map(|c| text(&c[subject]["uid"])).collect()
}

#[test]
fn map_layers_of_a_new_mission_are_as_those_of_their_own_route() {
    let scene = Scene::new();
    let body = json!({"mapLayers": [{"name": "One", "minZoom": 3, "north": null}, {"name": "Two", "uid": null},
        {"name": "Three", "uid": " t-3 ", "creatorUid": "Z", "createTime": "2020-01-01T00:00:00Z"}]});
    let made = send(&scene, ALICE, "creatorUid=A", &body, 201);
    let layers = made["mapLayers"].as_array().unwrap();
    assert_eq!(layers.len(), 3, "{layers:?}");
    for layer in layers {
        for key in ["createTime", "modifiedTime"] {
            assert_eq!(layer[key], "2026-03-01T10:00:00.123Z", "{key}: {layer}");
        }
        assert_eq!(layer["creatorUid"], "A");
    }
    assert!(layers[0].get("north").is_none() && layers[0]["minZoom"] == 3, "{}", layers[0]);
    let uids = uids(&made["mapLayers"]);
    assert!(uids[0].len() == 36 && uids[1].len() == 36 && uids[0] != uids[1] && uids[2] == "t-3", "{uids:?}");
    assert_eq!(changes(&scene, "ADD_CONTENT", "mapLayer"), uids);
}

#[test]
fn the_map_layers_of_a_mission_become_those_that_are_sent() {
    let (scene, ..) = Scene::flood();
    let two = json!({"mapLayers": [{"name": "One"}, {"name": "Two"}]});
    let before = send(&scene, BOB, "creatorUid=B", &two, 200)["mapLayers"].clone();
    let folder = format!("{FLOOD}/layers?creatorUid=B&name=Maps&type=MAPLAYER&uid=f");
    scene.ask(BOB, "PUT", &folder, 200);
    let item = format!("{FLOOD}/layers?creatorUid=B&name=x&type=ITEM&parentUid=f&uid={}", text(&before[1]["uid"]));
    scene.ask(BOB, "PUT", &item, 200);
    scene.host.tick(Duration::from_secs(5));
    scene.host.forget();
    // As they were shown, or with what a client knows of them: nothing is new.
    let known: Vec<_> = uids(&before).iter().zip(["One", "Two"]).map(|(u, n)| json!({"uid": u, "name": n})).collect();
    for same in [before.clone(), json!(known)] {
        let after = send(&scene, ALICE, "creatorUid=A", &json!({"mapLayers": same}), 200);
        assert_eq!(after["mapLayers"], before);
    }
    assert!(scene.kinds(scene.a).is_empty() && scene.kinds(scene.b).is_empty());
    // Another name; one that went, one that is new.
    let next = json!({"mapLayers": [{"uid": before[0]["uid"], "name": "Uno", "url": null}, {"name": "Three"}]});
    let after = send(&scene, ALICE, "creatorUid=A", &next, 200)["mapLayers"].clone();
    let (uno, three) = (&after[0], &after[1]);
    assert_eq!((&uno["uid"], &uno["name"], after.as_array().unwrap().len()), (&before[0]["uid"], &json!("Uno"), 2));
    assert_eq!((&uno["creatorUid"], &uno["createTime"]), (&json!("B"), &before[0]["createTime"]));
    assert_eq!(uno["modifiedTime"], "2026-03-01T10:00:05.123Z");
    assert!(uno.get("url").is_none());
    assert_eq!((&three["creatorUid"], &three["createTime"]), (&json!("A"), &json!("2026-03-01T10:00:05.123Z")));
    let added = [uids(&before), vec![text(&three["uid"])]].concat();
    assert_eq!(changes(&scene, "ADD_CONTENT", "mapLayer"), added);
    assert_eq!(changes(&scene, "REMOVE_CONTENT", "mapLayer"), [text(&before[1]["uid"])]);
    assert_eq!(scene.rows("SELECT 1 FROM mission_layer WHERE type = 'ITEM'"), 0, "it left its folder");
    // One uid twice is one layer, as it is said last.
    let twice = json!({"mapLayers": [{"uid": "t", "name": "a"}, {"uid": "t", "name": "b"}]});
    let after = send(&scene, ALICE, "creatorUid=A", &twice, 200)["mapLayers"].clone();
    assert_eq!((uids(&after), &after[0]["name"]), (vec!["t".to_owned()], &json!("b")));
    assert_eq!(changes(&scene, "ADD_CONTENT", "mapLayer").iter().filter(|u| *u == "t").count(), 1);
    // Without the member they stay; null is as if it were not there.
    for none in [json!({}), json!({"mapLayers": null})] {
        assert_eq!(send(&scene, ALICE, "creatorUid=A", &none, 200)["mapLayers"], after);
    }
    assert_eq!(send(&scene, ALICE, "creatorUid=A", &json!({"mapLayers": []}), 200)["mapLayers"], json!([]));
}

#[test]
fn feeds_of_a_body_are_checked_and_named_as_those_of_their_own_route() {
    let scene = Scene::new();
    let bad = [
        json!({"dataFeedUid": "ais", "filterCotTypesSerialized": "{bad"}),
        json!({"dataFeedUid": "ais", "filterCotTypesSerialized": "[\"a-*-*\"]"}),
        json!({"dataFeedUid": "ais", "filterPolygon": ["1,2"]}),
        json!({"name": "no feed"}),
    ];
    for feed in &bad {
        send(&scene, ALICE, "creatorUid=A", &json!({"feeds": [feed]}), 400);
    }
    scene.ask(BOB, "GET", FLOOD, 404);
    let body = json!({"feeds": [{"dataFeedUid": "ais"}, {"dataFeedUid": "ais", "filterCotTypesSerialized": "[\"a-*\"]",
        "uid": null, "name": null, "filterPolygon": null, "filterCallsign": null}]});
    let before = send(&scene, ALICE, "creatorUid=A", &body, 201)["feeds"].clone();
    let both = uids(&before);
    assert!(both.len() == 2 && both[0].len() == 36 && both[1].len() == 36 && both[0] != both[1], "{both:?}");
    assert_eq!((&before[1]["name"], &before[1]["filterCallsign"]), (&json!("ais"), &json!("")));
    assert_eq!(changes(&scene, "CREATE_DATA_FEED", "missionFeed"), both);
    for feed in &bad {
        send(&scene, ALICE, "creatorUid=A", &json!({"feeds": [feed]}), 400);
    }
    // Sent again they stay; one without a uid is another one, and what is not sent goes.
    scene.host.forget();
    assert_eq!(send(&scene, BOB, "creatorUid=B", &json!({"feeds": before}), 200)["feeds"], before);
    assert!(scene.kinds(scene.a).is_empty());
    let next =
        json!({"feeds": [{"uid": both[0], "dataFeedUid": "ais", "filterCallsign": "x"}, {"dataFeedUid": "ais"}]});
    let after = send(&scene, BOB, "creatorUid=B", &next, 200)["feeds"].clone();
    assert_eq!((&after[0]["uid"], &after[0]["filterCallsign"]), (&json!(both[0]), &json!("x")));
    assert!(!both.contains(&text(&after[1]["uid"])));
    assert_eq!(changes(&scene, "DELETE_DATA_FEED", "missionFeed"), [both[1].clone()]);
    let creators = "SELECT 1 FROM mission_feed WHERE creator_uid = ";
    assert_eq!(["'A'", "'B'"].map(|who| scene.rows(&format!("{creators}{who}"))), [1, 1]);
}

#[test]
fn null_in_a_map_layer_is_as_if_it_were_not_there() {
    let (scene, ..) = Scene::flood();
    let path = format!("{FLOOD}/maplayers?creatorUid=B");
    let sent =
        json!({"uid": null, "creatorUid": null, "name": null, "createTime": null, "modifiedTime": null, "url": null});
    let made = answered(&scene.call(BOB, "POST", &path).json(&sent).send(), 200)["data"].clone();
    assert_eq!((text(&made["uid"]).len(), &made["name"], &made["creatorUid"]), (36, &json!(""), &json!("B")));
    assert!(made.get("url").is_none());
    let sent = json!({"uid": made["uid"], "creatorUid": null, "name": null});
    let put = answered(&scene.call(BOB, "PUT", &path).json(&sent).send(), 200)["data"].clone();
    assert_eq!((&put["uid"], &put["creatorUid"]), (&made["uid"], &json!("B")));
    answered(&scene.call(BOB, "PUT", &path).json(&json!({"uid": null})).send(), 404);
}

#[test]
fn null_in_external_data_is_as_if_it_were_not_there() {
    let (scene, ..) = Scene::flood();
    let path = format!("{FLOOD}/externaldata");
    let sent = json!({"uid": "e-1", "creatorUid": null, "name": null, "tool": null, "urlData": null, "urlView": null,
        "notes": null});
    let made = answered(&scene.call(BOB, "POST", &path).json(&sent).send(), 201)["data"].clone();
    let wanted = json!({"uid": "e-1", "name": "", "tool": "", "urlData": "", "urlView": "", "notes": ""});
    assert_eq!(made, wanted);
    let refused = answered(&scene.call(BOB, "POST", &path).json(&json!({"uid": null})).send(), 400);
    assert!(text(&refused["message"]).starts_with("uid is missing"), "{refused}");
}

#[test]
fn null_in_a_log_entry_is_as_if_it_were_not_there() {
    let (scene, ..) = Scene::flood();
    let sent = json!({"id": null, "content": null, "creatorUid": null, "entryUid": null, "servertime": null, "dtg": null,
        "created": null, "contentHashes": null, "keywords": null, "missionNames": ["Flood North"]});
    let made = answered(&scene.call(BOB, "POST", ENTRIES).json(&sent).send(), 201)["data"].clone();
    assert_eq!((&made["content"], &made["keywords"], &made["contentHashes"]), (&json!(""), &json!([]), &json!([])));
    let sent = json!({"id": made["id"], "content": "x", "keywords": null, "missionNames": null, "creatorUid": null});
    let put = answered(&scene.call(BOB, "PUT", ENTRIES).json(&sent).send(), 201)["data"].clone();
    assert_eq!((&put["content"], &put["missionNames"]), (&json!("x"), &json!(["Flood North"])));
    let refused = answered(&scene.call(BOB, "POST", ENTRIES).json(&json!({"missionNames": null})).send(), 400);
    assert!(text(&refused["message"]).starts_with("missionNames is empty"), "{refused}");
}
