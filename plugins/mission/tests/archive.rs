//! Archives, copies, what is sent: acceptance lines AC-12, AC-52, AC-53 (its archive) of mission.md 9.
#![allow(clippy::unwrap_used)]
mod scene;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Write},
    time::Duration,
};

use fts_plugin_api::message::FileInfo;
use scene::*;
use serde_json::{Value, json};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

/// alice's mission with an item, a file and bob in it.
fn filled(rest: &str) -> (Scene, String) {
    let scene = Scene::new();
    let (guid, _) = scene.create(&format!("Flood%20North?creatorUid=A&group=__ANON__{rest}"));
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    let info = FileInfo { name: "../a.jpg".into(), groups: vec!["__ANON__".into()], ..FileInfo::default() };
    let hash = scene.host.put_file(info, b"picture").sha256;
    let call = scene.call(ALICE, "PUT", &format!("{FLOOD}/contents?creatorUid=A"));
    answered(&call.json(&json!({"hashes": [hash]})).send(), 200);
    scene.host.forget();
    (scene, guid)
}

fn unpack(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut all = BTreeMap::new();
    for n in 0..zip.len() {
        let mut file = zip.by_index(n).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        all.insert(file.name().unwrap().into_owned(), text);
    }
    all
}

/// The only archive that an end of a mission left.
fn kept(scene: &Scene) -> (FileInfo, BTreeMap<String, String>) {
    let mut all = scene.host.files();
    all.retain(|f| f.keywords.iter().any(|k| k == "ARCHIVED_MISSION"));
    assert_eq!(all.len(), 1);
    let files = unpack(&scene.host.file_content(&all[0].sha256).unwrap());
    (all.remove(0), files)
}

fn no_work_left(scene: &Scene) {
    let work = scene.host.dir().join("work");
    assert!(!work.exists() || std::fs::read_dir(work).unwrap().next().is_none());
}

#[test]
fn ac_12_the_archive_of_an_open_mission_is_for_its_groups() {
    let (scene, guid) = filled("");
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    let (info, files) = kept(&scene);
    assert_eq!((info.tool.as_str(), &info.groups), ("public", &vec!["__ANON__".to_owned()]));
    assert_eq!((info.name.as_str(), info.content_type.as_str()), ("Flood North.zip", "application/zip"));
    let manifest = &files["MANIFEST/manifest.xml"];
    assert!(manifest.contains(&format!("<Parameter name=\"mission_guid\" value=\"{guid}\"/>")), "{manifest}");
    assert!(!manifest.contains("password"), "{manifest}");
    no_work_left(&scene);
}

#[test]
fn ac_12_the_archive_of_a_mission_in_all_groups_is_found() {
    let scene = Scene::new();
    scene.ask(ADMIN, "DELETE", "/Marti/api/missions/citrap", 200);
    let (info, files) = kept(&scene);
    assert_eq!((info.tool.as_str(), &info.groups), ("public", &vec!["__ANON__".to_owned()]));
    let manifest = &files["MANIFEST/manifest.xml"];
    assert!(manifest.contains("<Groups><Group name=\"__ANON__\"/></Groups>"), "{manifest}");
}

#[test]
fn ac_12_the_archive_of_an_invite_only_mission_is_for_the_administrator() {
    let (scene, _) = filled("&inviteOnly=true");
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    let (info, _) = kept(&scene);
    assert_eq!((info.tool.as_str(), &info.groups), ("private", &Vec::<String>::new()));
}

#[test]
fn ac_12_the_archive_of_a_mission_with_a_password_is_for_the_administrator() {
    let (scene, guid) = filled("&password=river");
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    let (info, files) = kept(&scene);
    assert_eq!(info.tool, "private");
    assert!(info.groups.is_empty(), "it holds the hash of the password: nobody's but the administrator's");
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["MANIFEST/", "MANIFEST/manifest.xml", "contents/", "contents/0__a.jpg", "cot/", "cot/m-1.cot"]);
    let manifest = &files["MANIFEST/manifest.xml"];
    for part in [
        &format!("<Parameter name=\"mission_guid\" value=\"{guid}\"/>"),
        "<Parameter name=\"password_hash\" value=\"$mock$",
        "<Content zipEntry=\"cot/m-1.cot\" ignore=\"false\"><Parameter name=\"uid\" value=\"m-1\"/></Content>",
        "<Content zipEntry=\"contents/0__a.jpg\" ignore=\"false\"/>",
        "<Group name=\"__ANON__\"/>",
    ] {
        assert!(manifest.contains(part), "{part}: {manifest}");
    }
    assert!(files["cot/m-1.cot"].contains("uid=\"m-1\"") && files["contents/0__a.jpg"] == "picture");
    no_work_left(&scene);
}

#[test]
fn ac_53_a_mission_that_expires_leaves_an_archive_too() {
    let (scene, guid) = filled(&format!("&expiration={}", NOW / 1_000 + 2));
    for _ in 0..4 {
        scene.host.tick(Duration::from_secs(1));
    }
    scene.ask(BOB, "GET", &format!("/Marti/api/missions/guid/{guid}"), 410);
    let (_, files) = kept(&scene);
    assert!(files["MANIFEST/manifest.xml"].contains(&guid) && files.contains_key("contents/0__a.jpg"));
}

#[test]
fn an_archive_that_fails_does_not_stop_the_end() {
    let (scene, _) = filled("");
    scene.host.fail_next("files", fts_plugin_api::sdk::Code::Full, "disk full");
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    scene.ask(ALICE, "GET", FLOOD, 410);
    assert!(
        scene
            .host
            .log()
            .iter()
            .any(|l| l.message.contains("left out of the archive") || l.message.contains("without an archive"))
    );
    no_work_left(&scene);
}

#[test]
fn an_archive_that_is_downloaded_has_no_secret_and_no_foreign_group() {
    let scene = Scene::new();
    let path = "/Marti/api/missions/Flood%20North?creatorUid=A&group=__ANON__&group=Red&password=river";
    scene.ask(ADMIN, "PUT", path, 201);
    scene.ask(ALICE, "GET", &format!("{FLOOD}/archive"), 403);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/subscription?uid=A&password=river"), 201);
    let answer = scene.call(ALICE, "GET", &format!("{FLOOD}/archive")).send();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/zip")));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"Flood North.zip\""));
    let manifest = unpack(&answer.body)["MANIFEST/manifest.xml"].clone();
    assert!(!manifest.contains("password") && !manifest.contains("Red") && manifest.contains("__ANON__"), "{manifest}");
    assert!(manifest.contains("<Parameter name=\"mission_server\" value=\"tak.example:8443:ssl\"/>"));
    no_work_left(&scene);
}

#[test]
fn an_archive_is_sent_to_clients_that_share_a_group_with_the_sender() {
    let (scene, _) = filled("");
    scene.ask(BOB, "POST", &format!("{FLOOD}/send"), 400);
    let call = scene.call(BOB, "POST", &format!("{FLOOD}/send?contacts=A&creatorUid=B"));
    let form = call.header("content-type", "application/x-www-form-urlencoded").body("contacts=C&contacts=nobody");
    assert_eq!(answered(&form.send(), 200)["data"][0]["name"], "Flood North");
    assert!(scene.kinds(scene.c).is_empty() && scene.kinds(scene.b).is_empty());
    let offer = scene.only(scene.a);
    let share = offer.detail("fileshare").unwrap();
    let attr = |name: &str| share.attr(name).unwrap().into_owned();
    assert_eq!(
        (offer.kind(), attr("filename"), attr("senderCallsign")),
        ("b-f-t-r", "Flood North.zip".into(), "bob".to_owned())
    );
    let bytes = scene.host.file_content(&attr("sha256")).unwrap();
    assert_eq!(attr("sizeInBytes"), bytes.len().to_string());
    assert!(attr("senderUrl").ends_with(&attr("sha256")) && unpack(&bytes).contains_key("cot/m-1.cot"));
    let stored = scene.host.files().into_iter().find(|f| f.sha256 == attr("sha256")).unwrap();
    assert_eq!((stored.tool.as_str(), &stored.groups), ("private", &vec!["__ANON__".to_owned()]));
}

#[test]
fn ac_52_a_copy_has_everything_and_its_own_history() {
    let (scene, guid) = filled("&description=wet");
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/keywords?creatorUid=A"), 400);
    let keywords = scene.call(ALICE, "PUT", &format!("{FLOOD}/keywords?creatorUid=A")).json(&json!(["water"])).send();
    answered(&keywords, 200);
    let external =
        json!({"uid": "e-1", "name": "E", "tool": "t", "urlData": "http://d", "urlView": "http://v", "notes": ""});
    answered(&scene.call(ALICE, "POST", &format!("{FLOOD}/externaldata?creatorUid=A")).json(&external).send(), 201);
    let source = scene.ask(BOB, "GET", &format!("{FLOOD}?changes=true"), 200)["data"][0].clone();
    scene.host.forget();
    let copied = scene.ask(BOB, "PUT", &format!("{FLOOD}/copy?creatorUid=B&copyName=Second&copyPath=/p"), 201)["data"]
        [0]
    .clone();
    assert_ne!(copied["guid"], json!(guid));
    assert!(copied["token"].is_string() && copied["ownerRole"]["type"] == "MISSION_OWNER");
    assert_eq!((&copied["creatorUid"], &copied["path"]), (&json!("B"), &json!("/p")));
    for key in ["description", "keywords", "tool", "groups"] {
        assert_eq!(copied[key], source[key], "{key}");
    }
    let datas = |mission: &Value, key: &str| {
        mission[key].as_array().unwrap().iter().map(|u| u["data"].clone()).collect::<Vec<_>>()
    };
    for key in ["uids", "contents"] {
        assert_eq!(datas(&copied, key), datas(&source, key));
    }
    assert_eq!(copied["externalData"][0]["name"], "E");
    assert_ne!(copied["externalData"][0]["uid"], "e-1", "the record of the source stays its own");
    assert_eq!(scene.ask(BOB, "GET", &format!("{FLOOD}?changes=true"), 200)["data"][0], source);
    let second = "/Marti/api/missions/Second";
    let changes = scene.ask(BOB, "GET", &format!("{second}/changes"), 200)["data"].as_array().unwrap().len();
    assert_eq!(changes, 4, "made, item, file, record");
    assert!(scene.call(BOB, "GET", &format!("{second}/cot")).send().text().contains("uid=\"m-1\""));
    // bob is its live owner: its events reach him.
    assert_eq!((scene.kinds(scene.a), scene.kinds(scene.b)), (vec!["t-x-m-n".to_owned()], vec![]));
    scene.host.forget();
    scene.host.deliver(marker("m-2", "mission=\"Second\""), scene.b);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c"]);
    for query in ["creatorUid=B&copyName=second", "creatorUid=B&copyName=logs", "creatorUid=B", "copyName=Third"] {
        scene.ask(BOB, "PUT", &format!("{FLOOD}/copy?{query}"), 400);
    }
    scene.ask(CAROL, "PUT", &format!("{FLOOD}/copy?creatorUid=C&copyName=Third"), 404);
}

#[test]
fn a_copy_of_a_closed_mission_is_closed() {
    let (scene, _) = filled("&password=river");
    scene.ask(BOB, "PUT", &format!("{FLOOD}/copy?creatorUid=B&copyName=Second"), 403);
    let copied = scene.ask(ALICE, "PUT", &format!("{FLOOD}/copy?creatorUid=A&copyName=Second"), 201);
    assert_eq!(copied["data"][0]["passwordProtected"], true);
    scene.ask(BOB, "GET", "/Marti/api/missions/Second/cot", 403);
}

#[test]
fn a_mission_may_be_made_with_a_package() {
    let scene = Scene::new();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("a.cot", SimpleFileOptions::default()).unwrap();
    zip.write_all(&marker("m-1", "")).unwrap();
    let package = zip.finish().unwrap().into_inner();
    let made = |body: Vec<u8>| scene.call(ALICE, "PUT", &format!("{FLOOD}?creatorUid=A")).body(body).send();
    let mission = answered(&made(package.clone()), 201);
    assert_eq!(mission["data"][0]["uids"][0]["data"], "m-1");
    assert_eq!(made(package).status, 400, "it is there");
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    let broken = answered(&made(b"PK no".to_vec()), 201);
    assert!(text(&broken["messages"][0]).contains("was not loaded"));
}
