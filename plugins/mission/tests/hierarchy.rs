//! Missions below missions, pictures, seeded missions: AC-49 and AC-54 of mission.md 9.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::{
    message::Listener,
    sdk::{Identity, Role, Scope},
};
use scene::*;
use serde_json::{Value, json};

const M: &str = "/Marti/api/missions";

fn names(answer: &Value) -> Vec<String> {
    answer["data"].as_array().unwrap().iter().map(|m| text(&m["name"])).collect()
}

#[test]
fn ac_49_a_mission_has_one_parent_and_any_children() {
    let (scene, guid, _) = Scene::flood();
    let (child, _) = scene.create("Bridge?creatorUid=A");
    scene.create("Dam?creatorUid=A");
    assert_eq!(scene.ask(BOB, "GET", &format!("{FLOOD}/children"), 200)["data"], json!([]));
    let put = scene.call(ALICE, "PUT", &format!("{M}/Bridge/parent/Flood%20North")).send();
    assert_eq!((put.status, put.body.len()), (200, 0));
    scene.ask(ALICE, "PUT", &format!("{M}/Dam/parent/Bridge"), 200);
    scene.ask(ALICE, "PUT", &format!("{M}/Dam/parent/flood%20north"), 200);
    let parent = scene.ask(BOB, "GET", &format!("{M}/Bridge/parent"), 200);
    assert_eq!((&parent["type"], &parent["data"]["guid"]), (&json!("Mission"), &json!(guid)));
    assert_eq!(names(&scene.ask(BOB, "GET", &format!("{FLOOD}/children"), 200)), ["Bridge", "Dam"]);
    assert_eq!(names(&scene.ask(BOB, "GET", &format!("{M}/Bridge/children"), 200)), [""; 0], "one parent only");

    scene.ask(ALICE, "PUT", &format!("{M}/Flood%20North/parent/Flood%20North"), 400);
    scene.ask(ALICE, "PUT", &format!("{M}/Flood%20North/parent/Dam"), 400);
    scene.ask(ALICE, "PUT", &format!("{M}/Flood%20North/parent/Nowhere"), 404);

    scene.ask(ALICE, "DELETE", &format!("{M}/guid/{child}/parent"), 200);
    scene.ask(ALICE, "DELETE", &format!("{M}/guid/{child}/parent"), 200);
    scene.ask(BOB, "GET", &format!("{M}/guid/{child}/parent"), 404);
    let twin = format!("{M}/guid/{child}/parent/guid/{guid}");
    scene.ask(ALICE, "PUT", &twin, 200);
    scene.ask(ALICE, "PUT", &format!("{M}/guid/{child}/parent/guid/nonsense"), 400);
    assert_eq!(scene.ask(BOB, "GET", &format!("{M}/guid/{child}/parent"), 200)["data"]["name"], "Flood North");
    scene.ask(ALICE, "DELETE", FLOOD, 200);
    scene.ask(BOB, "GET", &format!("{M}/Bridge/parent"), 404);
}

#[test]
fn ac_49_nothing_of_other_groups_or_closed_missions_is_shown() {
    let (scene, _, _) = Scene::flood();
    scene.create("Locked?creatorUid=A&password=p");
    scene.create("Secret?creatorUid=A&inviteOnly=true");
    scene.ask(ADMIN, "PUT", &format!("{M}/Crimson?creatorUid=x&group=Red"), 201);
    for child in ["Locked", "Secret", "Crimson"] {
        scene.ask(ADMIN, "PUT", &format!("{M}/{child}/parent/Flood%20North"), 200);
    }
    answered(&scene.call(ADMIN, "POST", &format!("{M}/Locked/externaldata")).json(&json!({"uid": "x"})).send(), 201);
    let seen = scene.ask(BOB, "GET", &format!("{FLOOD}/children"), 200);
    assert_eq!(names(&seen), ["Locked"]);
    assert_eq!(seen["data"][0]["externalData"], json!([]));
    assert_eq!(names(&scene.ask(ADMIN, "GET", &format!("{FLOOD}/children"), 200)), ["Crimson", "Locked", "Secret"]);
    scene.ask(CAROL, "PUT", &format!("{M}/Crimson/parent/Flood%20North"), 404);
    scene.ask(CAROL, "GET", &format!("{M}/Crimson/parent"), 404);
}

#[test]
fn ac_54_the_seeded_missions_are_there_and_empty() {
    let scene = Scene::new();
    for (path, name, tool) in [
        ("exchecktemplates", "exchecktemplates", "ExCheck"),
        ("ExCheckTemplates", "exchecktemplates", "ExCheck"),
        ("citrap", "citrap", "citrap"),
    ] {
        let found = scene.ask(CAROL, "GET", &format!("{M}/{path}"), 200);
        let mission = &found["data"][0];
        assert_eq!((&mission["name"], &mission["tool"]), (&json!(name), &json!(tool)));
        assert_eq!((&mission["contents"], &mission["uids"]), (&json!([]), &json!([])));
        assert_eq!(mission["groups"], json!(["Red"]), "whose it is, as the caller may know it");
        assert_eq!(mission["inviteOnly"], json!(false));
        scene.subscribe(CAROL, &format!("{M}/{path}"), "C");
    }
    assert_eq!(scene.ask(BOB, "GET", M, 200)["data"], json!([]));
    assert_eq!(names(&scene.ask(BOB, "GET", &format!("{M}?tool=ExCheck"), 200)), ["exchecktemplates"]);
}

#[test]
fn ac_54_changes_of_a_seeded_mission_are_its_own() {
    let scene = Scene::new();
    let path = format!("{M}/exchecktemplates/changes");
    assert_eq!(scene.ask(BOB, "GET", &path, 200)["data"], json!([]), "nothing of 2020");
    scene.subscribe(BOB, &format!("{M}/exchecktemplates"), "B");
    scene.host.deliver(marker("m-1", "mission=\"exchecktemplates\""), scene.b);
    let changes = scene.ask(BOB, "GET", &path, 200);
    assert_eq!((changes["data"].as_array().unwrap().len(), &changes["data"][0]["contentUid"]), (1, &json!("m-1")));
}

#[test]
fn pictures_are_missions_of_one_tool_and_their_folders() {
    let scene = Scene::new();
    for path in ["/Marti/api/cops", "/Marti/api/cops/hierarchy"] {
        assert_eq!(scene.ask(BOB, "GET", path, 200)["data"], json!([]));
    }
    let scene = Scene::with(&json!({"cop_tool": "vbm"}));
    scene.create("One?creatorUid=A&tool=vbm&path=north/sea");
    scene.create("Two?creatorUid=A&tool=vbm&path=north");
    scene.create("Three?creatorUid=A&tool=public&path=south");
    scene.ask(ADMIN, "PUT", &format!("{M}/Four?creatorUid=x&group=Red&tool=vbm&path=red"), 201);
    assert_eq!(names(&scene.ask(BOB, "GET", "/Marti/api/cops", 200)), ["One", "Two"]);
    assert_eq!(names(&scene.ask(BOB, "GET", "/Marti/api/cops?path=north/sea/", 200)), ["One"]);
    assert_eq!(names(&scene.ask(BOB, "GET", "/Marti/api/cops?offset=1&size=5", 200)), ["Two"]);
    scene.ask(BOB, "GET", "/Marti/api/cops?offset=-1", 400);
    let tree = scene.ask(BOB, "GET", "/Marti/api/cops/hierarchy", 200);
    assert_eq!(tree["type"], "CopHierarchyNode");
    let wanted = json!([{"name": "north", "children": [{"name": "sea", "children": []}]}]);
    assert_eq!(tree["data"], wanted);
}

#[test]
fn pages_and_counts_of_missions() {
    let scene = Scene::new();
    for name in ["b", "a", "c"] {
        scene.create(&format!("{name}?creatorUid=A"));
        scene.host.tick(std::time::Duration::from_secs(1));
    }
    let page = |query: &str| names(&scene.ask(BOB, "GET", &format!("/Marti/api/pagedmissions{query}"), 200));
    assert_eq!(page("?pagesize=2"), ["a", "b"]);
    assert_eq!(page("?pagesize=2&page=1"), ["c"]);
    assert_eq!(page("?sort=createTime&ascending=false"), ["c", "a", "b"]);
    assert_eq!(page("?nameFilter=B"), ["b"]);
    // One filter wins: tool, name, uid. A name or a uid is looked for among missions of every tool.
    scene.create("boat?creatorUid=A&tool=vbm&path=x&classification=secret");
    scene.host.deliver(marker("ship-1", "mission=\"boat\""), scene.a);
    scene.host.deliver(marker("ship-2", "mission=\"c\""), scene.a);
    assert_eq!(page("?nameFilter=B"), ["b", "boat"]);
    assert_eq!(page("?nameFilter=B&tool="), ["b", "boat"]);
    assert_eq!(page("?nameFilter=b&uidFilter=ship"), ["b", "boat"]);
    assert_eq!(page("?uidFilter=SHIP"), ["boat", "c"]);
    assert_eq!(page("?tool=vbm&nameFilter=a&uidFilter=none"), ["boat"]);
    assert_eq!(page("?tool=public&uidFilter=ship"), ["a", "b", "c"]);
    assert_eq!(page(""), ["a", "b", "c"]);
    // Every plain field can be sorted by, and nothing else.
    for field in [
        "name",
        "description",
        "chatRoom",
        "baseLayer",
        "bbox",
        "boundingPolygon",
        "path",
        "classification",
        "tool",
        "creatorUid",
        "createTime",
        "lastEdited",
        "expiration",
        "guid",
        "serviceUri",
    ] {
        assert_eq!(page(&format!("?nameFilter=b&sort={field}")).len(), 2, "{field}");
    }
    assert_eq!(page("?nameFilter=b&sort=classification&ascending=false"), ["boat", "b"]);
    for field in ["password", "uids", "groups", "NAME", "id"] {
        scene.ask(BOB, "GET", &format!("/Marti/api/pagedmissions?sort={field}"), 400);
    }
    scene.ask(ADMIN, "DELETE", "/Marti/api/missions/boat", 200);
    assert_eq!(scene.ask(BOB, "GET", "/Marti/api/missioncount", 200)["data"], 3);
    assert_eq!(scene.ask(CAROL, "GET", "/Marti/api/missioncount", 200)["data"], 0);
}

#[test]
fn the_table_of_the_web_interface_is_the_list_of_missions() {
    let scene = Scene::new();
    let table = |role: Role, group: &str| {
        let groups_in = vec![group.to_owned()];
        let scopes = vec![Scope::Read];
        let identity = Identity { user: "ui".into(), role, groups_in, scopes, ..Identity::default() };
        answered(&scene.host.http("GET", "/MissionTable").identity(identity).on(Listener::Rest).send(), 200)
    };
    let empty = table(Role::Admin, "");
    assert_eq!((&empty["data"], &empty["type"], &empty["version"]), (&json!([]), &json!("Mission"), &json!("3")));
    assert_eq!(empty["nodeId"], "00000000-0000-4000-8000-000000000001");
    scene.create("Flood%20North?creatorUid=A&description=water&keywords=");
    scene.create("Locked?creatorUid=A&password=p");
    let full = table(Role::Admin, "");
    assert_eq!(names(&full), ["Flood North"]);
    for key in ["name", "description", "keywords", "creatorUid", "groups", "createTime"] {
        assert!(!full["data"][0][key].is_null(), "{key}");
    }
    assert_eq!(table(Role::User, "Red")["data"], json!([]));
}
