//! An archive of any server becomes a mission with its newest items and files; archives this server keeps are such, too.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::{collections::BTreeMap, time::Duration};

use fts_plugin_api::{message::ServerInfo, testkit::MockHost};
use scene::{zips::*, *};
use serde_json::{Value, json};

#[test]
fn an_archive_becomes_a_mission_with_its_newest_items_and_files() {
    let (scene, guid) = filled();
    let archive = scene.call(BOB, "GET", &format!("{FLOOD}/archive")).send().body;
    scene.host.tick(Duration::from_secs(60));
    let other = Scene::new();
    other.host.tick(Duration::from_secs(60));
    other.host.forget();
    let made = import(&other, "", archive.clone(), 201);
    assert_eq!((&made["guid"], &made["subscribers"], &made["notes"]), (&json!(guid), &json!(0), &json!([])));
    assert!(other.kinds(other.a).is_empty() && other.kinds(other.b).is_empty(), "nobody is told of an item");
    let (there, here) = (seen(&scene, FLOOD), seen(&other, FLOOD));
    let (there, mission) = (&there[0][0], &here[0][0]);
    for key in [
        "name",
        "guid",
        "description",
        "chatRoom",
        "tool",
        "groups",
        "keywords",
        "creatorUid",
        "createTime",
        "expiration",
        "passwordProtected",
    ] {
        assert_eq!(mission[key], there[key], "{key}");
    }
    let files = |mission: &Value| {
        let all = mission["contents"].as_array().unwrap();
        all.iter().map(|c| (text(&c["data"]["hash"]), text(&c["data"]["name"]))).collect::<Vec<_>>()
    };
    let (old, new) = (files(there), files(mission));
    assert_eq!(old.iter().map(|f| &f.0).collect::<Vec<_>>(), new.iter().map(|f| &f.0).collect::<Vec<_>>());
    assert_eq!(new.iter().map(|f| f.1.as_str()).collect::<Vec<_>>(), ["one.txt", "_two.txt"]);
    // The history begins with it.
    let kinds = |changes: &Value| changes.as_array().unwrap().iter().map(|c| text(&c["type"])).collect::<Vec<_>>();
    let mut changes = kinds(&here[1]);
    assert_eq!(changes.pop().as_deref(), Some("CREATE_MISSION"));
    assert_eq!(changes, ["ADD_CONTENT"; 4]);
    assert!(other.call(BOB, "GET", &format!("{FLOOD}/cot")).send().text().contains("lat=\"45.5\""));
    // It lives: who joins gets what is sent.
    other.subscribe(ALICE, FLOOD, "A");
    other.subscribe(BOB, FLOOD, "B");
    other.host.deliver(marker("m-9", "mission=\"Flood North\""), other.a);
    assert_eq!(other.kinds(other.b), ["t-x-m-c", "a-f-G"]);
    import(&other, "", archive.clone(), 409);
    let copy = import(&other, "?copy=true&name=Second", archive, 201);
    assert!(copy["guid"] != guid.as_str() && copy["items"] == 2 && copy["files"] == 2 && copy["name"] == "Second");
}

/// An archive as another server writes it.
fn foreign(parameters: &str, rest: &str) -> Vec<u8> {
    let manifest = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<MissionPackageManifest version=\"2\">\n <Configuration>\n
          <Parameter name=\"uid\" value=\"x\"/><Parameter name=\"name\" value=\"Storm\"/>{parameters}\n </Configuration>\n
          <Contents><Content zipEntry=\"cot/m-1.cot\" ignore=\"false\"><Parameter name=\"uid\" value=\"m-1\"/></Content>
          <Content ignore=\"false\" zipEntry=\"contents/0_a.cot\"/><Content ignore=\"false\" zipEntry=\"contents/1_b.cot\"/>
          <Content ignore=\"true\" zipEntry=\"contents/2_gone\"/></Contents>{rest}</MissionPackageManifest>"
    );
    packed(&BTreeMap::from([
        (MANIFEST.to_owned(), manifest.into_bytes()),
        ("cot/m-1.cot".to_owned(), marker("m-1", "mission=\"elsewhere\"")),
        ("contents/0_a.cot".to_owned(), b"the same".to_vec()),
        ("contents/1_b.cot".to_owned(), b"the same".to_vec()),
        ("contents/2_gone".to_owned(), b"x".to_vec()),
        ("readme.txt".to_owned(), b"x".to_vec()),
    ]))
}

#[test]
fn an_archive_of_another_server_says_what_the_mission_is() {
    let parameter = |name: &str, value: &str| format!("<Parameter name=\"{name}\" value=\"{value}\"/>");
    let all = [
        ("mission_guid", &*GUID.to_uppercase()),
        ("mission_name", "Storm / Sea"),
        ("password_hash", "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"),
        ("creatorUid", "ANDROID-1"),
        ("create_time", "1700000000123"),
        ("expiration", "1700000001"),
        ("chatroom", "room"),
        ("description", "a&#10;b"),
        ("tool", "vbm"),
    ];
    let all: String = all.iter().map(|(name, value)| parameter(name, value)).collect();
    let rest = "<Groups><Group name=\"Red\"/></Groups><Role name=\"MISSION_READONLY_SUBSCRIBER\"><Permission name=\"MISSION_READ\"/></Role>";
    let scene = Scene::new();
    let wrong = foreign(&all, rest);
    assert!(text(&import(&scene, "", wrong.clone(), 400)["message"]).contains("may not hold '/'"));
    let made = import(&scene, "?name=Storm", wrong, 201);
    assert_eq!((&made["guid"], &made["groups"], &made["protected"]), (&json!(GUID), &json!(["Red"]), &json!(true)));
    assert_eq!((&made["items"], &made["files"], &made["tool"]), (&json!(1), &json!(1), &json!("vbm")));
    let notes = made["notes"].to_string();
    assert!(notes.contains("was to end 2023-11-14T22:13:21.000Z: it has no end now"), "{notes}");
    assert!(notes.contains("\\\"contents/2_gone\\\" and 1 more are not named"), "{notes}");
    scene.ask(BOB, "GET", "/Marti/api/missions/Storm", 404);
    let mission = scene.ask(ADMIN, "GET", &format!("/Marti/api/missions/guid/{GUID}"), 200)["data"][0].clone();
    assert_eq!(
        (&mission["creatorUid"], &mission["chatRoom"], &mission["description"], &mission["createTime"]),
        (&json!("ANDROID-1"), &json!("room"), &json!("a\nb"), &json!("2023-11-14T22:13:20.123Z"))
    );
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot WHERE xml LIKE '%elsewhere%'"), 0);
    assert!(scene.host.files().iter().all(|f| f.tool == "private" && f.groups == ["Red"]), "it is closed");
    // It is not deleted by the clock.
    scene.host.tick(Duration::from_secs(5));
    assert_eq!(scene.rows(&format!("SELECT id FROM mission WHERE guid = '{GUID}'")), 1);
    // One that says little.
    let scene = Scene::new();
    let made = import(&scene, "", foreign(&parameter("mission_name", "Storm"), ""), 201);
    assert!(made["notes"].to_string().contains("names no group: the mission is in __ANON__"), "{made}");
    assert_eq!(scene.ask(BOB, "GET", "/Marti/api/missions/Storm", 200)["data"][0]["uids"][0]["data"], "m-1");
    // A hash that no password could be checked against would leave the mission open.
    let scene = Scene::new();
    let bad = foreign(&[parameter("mission_name", "Storm"), parameter("password_hash", "5f4dcc3b")].concat(), "");
    let said = text(&import(&scene, "", bad, 400)["message"]);
    assert!(said.contains("password_hash") && !said.contains("5f4dcc3b"), "{said}");
    nothing(&scene, "hash");
}

#[test]
fn what_an_ended_mission_left_brings_it_back() {
    let (scene, guid) = filled();
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    let kept = scene.host.files().into_iter().find(|f| f.keywords.iter().any(|k| k == "ARCHIVED_MISSION")).unwrap();
    let archive = scene.host.file_content(&kept.sha256).unwrap();
    scene.ask(BOB, "GET", FLOOD, 410);
    import(&scene, "", archive, 201);
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    assert_eq!((&mission["guid"], mission["uids"].as_array().unwrap().len()), (&json!(guid), 2));
}

#[test]
fn a_mission_whose_time_is_over_comes_back_without_an_end() {
    let scene = Scene::new();
    scene.create(&format!("Flood%20North?creatorUid=A&expiration={}", NOW / 1_000 + 2));
    let zip = export(&scene, "").body;
    let other = Scene::new();
    other.host.tick(Duration::from_secs(60));
    let made = import(&other, "", zip, 201);
    assert_eq!(made["expiration"], -1);
    assert!(made["notes"][0].as_str().unwrap().contains("it has no end now"));
    other.host.tick(Duration::from_secs(5));
    other.ask(BOB, "GET", FLOOD, 200);
}

#[test]
fn a_server_without_a_name_is_in_no_archive_it_keeps() {
    let server = ServerInfo { node_id: "n".into(), name: "mock".into(), ..ServerInfo::default() };
    let scene = Scene::on(MockHost::builder().server(server));
    scene.create("Flood%20North?creatorUid=A");
    // The administrator's own name for it is better than none.
    let manifest = of(&unpack(&export(&scene, "").body), MANIFEST);
    assert!(manifest.contains("<Parameter name=\"mission_server\" value=\"tak.example:8443:ssl\"/>"), "{manifest}");
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    let kept = scene.host.files().into_iter().find(|f| f.keywords.iter().any(|k| k == "ARCHIVED_MISSION")).unwrap();
    let manifest = of(&unpack(&scene.host.file_content(&kept.sha256).unwrap()), MANIFEST);
    assert!(!manifest.contains("mission_server") && !manifest.contains("8443"), "{manifest}");
}
