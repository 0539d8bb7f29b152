//! Folders, map layers, external data, feeds: AC-50 and AC-51 of mission.md 9.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use scene::*;
use serde_json::{Value, json};

fn uids(folders: &Value) -> Vec<String> {
    folders.as_array().unwrap().iter().map(|f| text(&f["uid"])).collect()
}

/// Puts a folder, and sees that live members are told.
fn put(scene: &Scene, query: &str) -> Value {
    scene.host.forget();
    let made = scene.ask(BOB, "PUT", &format!("{FLOOD}/layers?creatorUid=B&{query}"), 200);
    assert_eq!(scene.kinds(scene.a), ["t-x-m-c-h"]);
    assert_eq!(made["type"], "MissionLayer");
    made["data"].clone()
}

fn roots(scene: &Scene) -> Value {
    scene.ask(BOB, "GET", &format!("{FLOOD}/layers"), 200)["data"].clone()
}

#[test]
fn ac_51_folders_keep_their_order() {
    let (scene, guid, _) = Scene::flood();
    assert_eq!(roots(&scene), json!([]));
    let made = put(&scene, "name=Alpha&type=GROUP&uid=a");
    assert_eq!(made, json!({"uid": "a", "name": "Alpha", "type": "GROUP"}), "what is empty is left out");
    put(&scene, "name=Bravo&type=UID&uid=b&afterUid=a");
    put(&scene, "name=Charlie&type=GROUP&uid=c&afterUid=a");
    assert_eq!(uids(&roots(&scene)), ["a", "c", "b"]);
    let notice = scene.only(scene.a);
    let layer = notice.detail("mission").unwrap().xml().to_owned();
    let wanted = "<missionLayer><after>a</after><name>Charlie</name><type>GROUP</type><uid>c</uid></missionLayer>";
    assert!(layer.contains(wanted) && layer.contains(&guid), "{layer}");

    scene.host.forget();
    scene.ask(BOB, "PUT", &format!("{FLOOD}/layers/b/position?creatorUid=B"), 200);
    assert_eq!(uids(&roots(&scene)), ["b", "a", "c"]);
    scene.ask(BOB, "PUT", &format!("{FLOOD}/layers/b/position?creatorUid=B&afterUid=c"), 200);
    assert_eq!(uids(&roots(&scene)), ["a", "c", "b"]);
    scene.ask(BOB, "PUT", &format!("{FLOOD}/layers/a/name?creatorUid=B&name=Anna"), 200);
    assert_eq!(scene.kinds(scene.a), ["t-x-m-c-h"; 3]);
    assert_eq!(scene.ask(BOB, "GET", &format!("{FLOOD}/layers/a"), 200)["data"]["name"], "Anna");
    let by_guid = scene.ask(BOB, "GET", &format!("/Marti/api/missions/guid/{guid}/layers"), 200);
    assert_eq!(by_guid["data"], roots(&scene));

    // Without afterUid it is the first; an existing uid is moved.
    put(&scene, "name=Delta&type=GROUP&uid=d");
    assert_eq!(uids(&roots(&scene)), ["d", "a", "c", "b"]);
    put(&scene, "name=Delta&type=GROUP&uid=d&parentUid=a");
    assert_eq!(uids(&roots(&scene)), ["a", "c", "b"]);
    assert_eq!(uids(&roots(&scene)[0]["mission_layers"]), ["d"]);
    scene.host.forget();
    scene.ask(
        BOB,
        "PUT",
        &format!("{FLOOD}/layers/parent?creatorUid=B&parentUid=a&layerUid=b&layerUid=c&afterUid=d"),
        200,
    );
    assert_eq!(scene.kinds(scene.a), ["t-x-m-c-h"; 2]);
    assert_eq!(uids(&roots(&scene)), ["a"]);
    assert_eq!(uids(&roots(&scene)[0]["mission_layers"]), ["d", "b", "c"]);
}

#[test]
fn ac_51_deleting_a_folder_takes_its_items_out_of_the_mission() {
    let (scene, _, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    put(&scene, "name=Alpha&type=GROUP&uid=a");
    put(&scene, "name=Inner&type=UID&uid=i&parentUid=a");
    put(&scene, "name=Other&type=UID&uid=o&afterUid=a");
    scene.host.deliver(marker("m-1", "mission=\"Flood North\" path=\"i\""), scene.a);
    scene.host.deliver(marker("m-2", "mission=\"Flood North\" path=\"o\""), scene.a);
    scene.host.deliver(marker("m-3", "mission=\"Flood North\""), scene.a);
    let inner = scene.ask(BOB, "GET", &format!("{FLOOD}/layers/i"), 200)["data"].clone();
    assert_eq!((&inner["parentUid"], &inner["uids"][0]["data"]), (&json!("a"), &json!("m-1")));
    assert!(inner.get("mission_layers").is_none() && inner.get("contents").is_none());
    scene.host.forget();
    scene.ask(BOB, "DELETE", &format!("{FLOOD}/layers?uid=a&creatorUid=B"), 200);
    assert_eq!(scene.kinds(scene.a), ["t-x-m-c", "t-x-m-c-h"]);
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    let left: Vec<_> = mission["uids"].as_array().unwrap().iter().map(|u| text(&u["data"])).collect();
    assert_eq!(left, ["m-2", "m-3"]);
    assert_eq!(uids(&roots(&scene)), ["o"]);
    scene.ask(BOB, "DELETE", &format!("{FLOOD}/layers?uid=a&creatorUid=B"), 404);
    put(&scene, "name=Last&type=GROUP&uid=l");
    scene.ask(BOB, "DELETE", &format!("{FLOOD}/layers?uid=o,l&creatorUid=B"), 200);
    assert_eq!(roots(&scene), json!([]));
    assert_eq!(scene.rows("SELECT id FROM mission_layer"), 0);
}

#[test]
fn ac_51_wrong_places_are_refused() {
    let (scene, _, _) = Scene::flood();
    put(&scene, "name=Alpha&type=GROUP&uid=a");
    put(&scene, "name=Inner&type=GROUP&uid=i&parentUid=a");
    scene.create("Other?creatorUid=A");
    scene.host.forget();
    for (method, path, status) in [
        ("PUT", "layers?creatorUid=B&name=x&type=FOLDER", 400),
        ("PUT", "layers?creatorUid=B&type=GROUP", 400),
        ("PUT", "layers?name=x&type=GROUP", 400),
        ("PUT", "layers?creatorUid=B&name=x&type=GROUP&parentUid=none", 404),
        ("PUT", "layers?creatorUid=B&name=x&type=GROUP&afterUid=i", 400),
        ("PUT", "layers?creatorUid=B&name=a&type=GROUP&uid=a&parentUid=i", 400),
        ("PUT", "layers?creatorUid=B&name=a&type=GROUP&uid=a&afterUid=a", 400),
        ("PUT", "layers?creatorUid=B&name=x&type=ITEM&uid=m-1", 400),
        ("PUT", "layers/none/name?creatorUid=B&name=x", 404),
        ("PUT", "layers/none/position?creatorUid=B", 404),
        ("PUT", "layers/parent?creatorUid=B", 400),
        ("DELETE", "layers?creatorUid=B", 400),
        ("GET", "layers/none", 404),
    ] {
        scene.ask(BOB, method, &format!("{FLOOD}/{path}"), status);
    }
    // Another mission's folder is not there.
    scene.ask(BOB, "PUT", "/Marti/api/missions/Other/layers/a/name?creatorUid=B&name=x", 404);
    scene.ask(BOB, "DELETE", "/Marti/api/missions/Other/layers?uid=a&creatorUid=B", 404);
    assert!(scene.kinds(scene.a).is_empty());
    assert_eq!((uids(&roots(&scene)), uids(&roots(&scene)[0]["mission_layers"])), (vec!["a".into()], vec!["i".into()]));
}

#[test]
fn map_layers_are_added_changed_and_removed() {
    let (scene, guid, _) = Scene::flood();
    let path = format!("{FLOOD}/maplayers");
    let sent = json!({"name": "Tiles", "type": "WMS", "url": "http://t/", "minZoom": 3, "north": null});
    let made = answered(&scene.call(BOB, "POST", &format!("{path}?creatorUid=B")).json(&sent).send(), 200);
    assert_eq!(made["type"], "MapLayer");
    let uid = text(&made["data"]["uid"]);
    assert_eq!((&made["data"]["minZoom"], &made["data"]["creatorUid"]), (&json!(3), &json!("B")));
    assert!(made["data"].get("north").is_none());
    let notice = scene.only(scene.a);
    assert_eq!(notice.kind(), "t-x-m-c");
    assert!(notice.detail("mission").unwrap().xml().contains("<mapLayer>"));
    scene.host.forget();
    let sent = json!({"uid": uid, "name": "Other", "url": "http://o/"});
    let put = answered(&scene.call(BOB, "PUT", &path).json(&sent).send(), 200);
    assert_eq!((&put["data"]["name"], &put["data"]["creatorUid"]), (&json!("Other"), &json!("B")));
    assert_eq!(put["data"]["createTime"], made["data"]["createTime"]);
    assert!(scene.kinds(scene.a).is_empty(), "announces nothing");
    answered(&scene.call(BOB, "PUT", &path).json(&json!({"uid": "none"})).send(), 404);
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["mapLayers"], json!([put["data"]]));
    scene.ask(BOB, "DELETE", &format!("/Marti/api/missions/guid/{guid}/maplayers/{uid}?creatorUid=B"), 200);
    assert_eq!(scene.kinds(scene.a), ["t-x-m-c"]);
    scene.ask(BOB, "DELETE", &format!("{path}/{uid}"), 404);
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["mapLayers"], json!([]));
}

#[test]
fn ac_50_external_data_is_added_changed_and_removed() {
    let (scene, _, _) = Scene::flood();
    let path = format!("{FLOOD}/externaldata");
    let sent = json!({"uid": "e-1", "name": "List", "tool": "ExCheck", "urlData": "http://h/d", "urlView": "http://h/v",
        "notes": "added"});
    let made = answered(&scene.call(BOB, "POST", &format!("{path}?creatorUid=B")).json(&sent).send(), 201);
    assert_eq!((&made["type"], &made["data"]), (&json!("com.bbn.marti.sync.model.ExternalMissionData"), &sent));
    let told = || {
        let notice = scene.only(scene.a);
        assert_eq!(notice.kind(), "t-x-m-c-e");
        let xml = notice.detail("mission").unwrap().xml().to_owned();
        scene.host.forget();
        xml
    };
    let xml = told();
    let wanted = "<creatorUid>B</creatorUid><externalData><uid>e-1</uid><name>List</name><notes>added</notes>\
        <tool>ExCheck</tool><urlData>http://h/d</urlData><urlView>http://h/v</urlView></externalData><isFederatedChange>";
    assert!(xml.contains(wanted) && xml.contains("<type>ADD_CONTENT</type>"), "in this order: {xml}");
    assert!(xml.contains("authorUid=\"B\""), "{xml}");

    let change = scene.call(BOB, "POST", &format!("{path}/e-1/change?creatorUid=B&notes=done")).body("tok").send();
    assert_eq!((change.status, change.body.len()), (200, 0));
    let xml = told();
    assert!(xml.contains("<urlData>http://h/d?token=tok</urlData>") && xml.contains("http://h/v?token=tok<"), "{xml}");
    assert!(xml.contains("<notes>done</notes>"), "{xml}");
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["externalData"], json!([sent]), "what is stored is plain");
    // Who did it need not be said here.
    let change = scene.call(BOB, "POST", &format!("{path}/e-1/change")).body("tok").send();
    assert_eq!((change.status, change.text().as_str()), (200, ""));
    let xml = told();
    assert!(xml.contains("?token=tok") && !xml.contains("authorUid"), "{xml}");

    scene.ask(BOB, "DELETE", &format!("{path}/e-1"), 400);
    scene.ask(BOB, "DELETE", &format!("{path}/e-1?creatorUid=B&notes=gone"), 200);
    let xml = told();
    assert!(xml.contains("<type>REMOVE_CONTENT</type>") && xml.contains("<notes>gone</notes>"), "{xml}");
    scene.ask(BOB, "DELETE", &format!("{path}/e-1?creatorUid=B"), 404);
    let change = scene.call(BOB, "POST", &format!("{path}/e-1/change?creatorUid=B")).body("tok").send();
    assert_eq!(change.status, 404);
    answered(&scene.call(BOB, "POST", &path).json(&json!({"name": "no uid"})).send(), 400);

    // FTS clients say the author in the body.
    let sent = json!({"uid": "e-2", "creatorUid": "B"});
    answered(&scene.call(BOB, "POST", &path).json(&sent).send(), 201);
    assert!(told().contains("authorUid=\"B\""));
}

#[test]
fn folders_are_not_nested_without_end() {
    let (scene, _, _) = Scene::flood();
    let path = format!("{FLOOD}/layers?creatorUid=B&type=GROUP");
    for n in 1..=64 {
        let parent = if n == 1 { String::new() } else { format!("&parentUid=l{}", n - 1) };
        scene.ask(BOB, "PUT", &format!("{path}&name=x&uid=l{n}{parent}"), 200);
    }
    scene.ask(BOB, "PUT", &format!("{path}&name=x&uid=l65&parentUid=l64"), 400);
    // Neither by moving a tree below another.
    scene.ask(BOB, "PUT", &format!("{path}&name=x&uid=top"), 200);
    scene.ask(BOB, "PUT", &format!("{FLOOD}/layers/parent?creatorUid=B&parentUid=top&layerUid=l1"), 400);
    scene.ask(BOB, "PUT", &format!("{FLOOD}/layers/parent?creatorUid=B&parentUid=top&layerUid=l2"), 200);
    scene.ask(BOB, "GET", &format!("{FLOOD}/layers/l1"), 200);
}
