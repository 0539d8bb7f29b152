//! What is in JSON bodies: members that are there but null, as clients written in Java send them.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use scene::*;
use serde_json::json;

const ENTRIES: &str = "/Marti/api/missions/logs/entries";

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
