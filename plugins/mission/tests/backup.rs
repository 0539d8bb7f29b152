//! A mission leaves a server as an archive zip and comes into another one: with all its history from an export, with its
//! newest items and files from an archive of any server. What is broken is refused, and nothing of it stays.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Write},
    time::Duration,
};

use fts_plugin_api::{
    message::{Listener, ServerInfo},
    sdk::FileInfo,
    testkit::{Answer, Call, MockHost},
};
use scene::*;
use serde_json::{Value, json};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

const ADMINS: &str = "/admin/missions";
const LINES: &str = "MANIFEST/mission.jsonl";
const MANIFEST: &str = "MANIFEST/manifest.xml";
const GUID: &str = "5d1f0000-0000-4000-8000-000000000001";

fn call<'a>(scene: &'a Scene, method: &str, path: &str) -> Call<'a> {
    scene.call(ADMIN, method, path).on(Listener::Admin)
}

fn export(scene: &Scene, query: &str) -> Answer {
    let answer = call(scene, "GET", &format!("{ADMINS}/Flood%20North/export{query}")).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

fn import(scene: &Scene, query: &str, body: Vec<u8>, status: u16) -> Value {
    answered(&call(scene, "POST", &format!("{ADMINS}{query}")).body(body).send(), status)
}

/// m-1 in two versions, m-2, two files, external data, a map layer, a folder, a log entry, a keyword, bob as a member.
fn filled() -> (Scene, String) {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/layers?name=Alpha&type=UID&uid=l&creatorUid=A"), 200);
    scene.host.deliver(marker("m-1", "mission=\"Flood North\" path=\"l\""), scene.a);
    scene.host.deliver(marker("m-2", "mission=\"Flood North\""), scene.a);
    let groups = || vec!["__ANON__".to_owned()];
    let file = |name: &str| {
        let info = FileInfo { name: name.into(), uid: name.into(), groups: groups(), ..FileInfo::default() };
        scene.host.put_file(info, name.as_bytes()).sha256
    };
    let hashes = json!({"hashes": [file("one.txt"), file("../two.txt")]});
    answered(&scene.call(ALICE, "PUT", &format!("{FLOOD}/contents?creatorUid=A")).json(&hashes).send(), 200);
    let external = json!({"uid": "e", "name": "first"});
    answered(&scene.call(ALICE, "POST", &format!("{FLOOD}/externaldata")).json(&external).send(), 201);
    answered(&scene.call(ALICE, "POST", &format!("{FLOOD}/maplayers")).json(&json!({"uid": "t"})).send(), 200);
    let entry = json!({"content": "x", "missionNames": ["Flood North"], "keywords": ["k"], "contentHashes": ["h"]});
    answered(&scene.call(ALICE, "POST", "/Marti/api/missions/logs/entries").json(&entry).send(), 201);
    answered(&scene.call(ALICE, "PUT", &format!("{FLOOD}/keywords")).json(&json!(["water", "a & b"])).send(), 200);
    scene.host.deliver(moved("m-1", "mission=\"Flood North\"", "45.5"), scene.a);
    scene.host.forget();
    (scene, guid)
}

/// What clients read of a mission, by kind.
fn seen(scene: &Scene, path: &str) -> Vec<Value> {
    let rest = ["", "/changes?squashed=false", "/log", "/layers", "/subscriptions"];
    rest.iter().map(|r| scene.ask(BOB, "GET", &format!("{path}{r}"), 200)["data"].clone()).collect()
}

type Members = BTreeMap<String, Vec<u8>>;

fn unpack(bytes: &[u8]) -> Members {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut all = BTreeMap::new();
    for n in 0..zip.len() {
        let mut file = zip.by_index(n).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        all.insert(file.name().unwrap().into_owned(), bytes);
    }
    all
}

fn packed(members: &Members) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members.iter().filter(|(name, _)| !name.ends_with('/')) {
        zip.start_file(&**name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The same zip with something done to it.
fn but(members: &Members, change: impl FnOnce(&mut Members)) -> Vec<u8> {
    let mut members = members.clone();
    change(&mut members);
    packed(&members)
}

fn of(members: &Members, name: &str) -> String {
    String::from_utf8(members[name].clone()).unwrap()
}

/// Neither rows nor files nor files of work.
fn nothing(scene: &Scene, what: &str) {
    assert_eq!(scene.rows("SELECT id FROM mission WHERE all_groups = 0"), 0, "{what}");
    for table in ["mission_change", "mission_uid", "mission_content", "mission_log"] {
        let count = scene.rows(&format!("SELECT 1 FROM {table}"));
        assert!(count == 0 || table == "mission_log", "{what}: {count} rows of {table}");
    }
    assert!(scene.host.files().is_empty(), "{what}: no file stays");
    let work = scene.host.dir().join("work");
    assert!(!work.exists() || std::fs::read_dir(work).unwrap().next().is_none(), "{what}: no work file stays");
}

#[test]
fn an_export_is_the_whole_mission_on_another_server() {
    let (scene, guid) = filled();
    let (before, history) = (seen(&scene, FLOOD), scene.rows("SELECT id FROM mission_cot"));
    let text = export(&scene, "").body;
    let other = Scene::new();
    let made = import(&other, "", text.clone(), 201);
    assert_eq!((&made["guid"], &made["name"], &made["notes"]), (&json!(guid), &json!("Flood North"), &json!([])));
    assert_eq!(seen(&other, FLOOD), before);
    assert_eq!(other.rows("SELECT id FROM mission_cot WHERE change_id > 0"), history);
    assert_eq!(other.rows("SELECT id FROM mission_uid WHERE last_change_id = (SELECT max(id) FROM mission_change c WHERE c.uid = mission_uid.uid)"), 2);
    let mut files = other.host.files();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let said: Vec<_> = files.iter().map(|f| (f.name.as_str(), f.uid.as_str(), f.groups.len())).collect();
    assert_eq!(said, [("../two.txt", "../two.txt", 1), ("one.txt", "one.txt", 1)]);
    assert_eq!(other.host.file_content(&files[1].sha256).unwrap(), b"one.txt");
    // Members are live again, and what is sent is delivered.
    other.host.deliver(marker("m-9", &format!("mission-guid=\"{guid}\"")), other.a);
    assert_eq!(other.kinds(other.b), ["t-x-m-c", "a-f-G"]);
    // It is there now.
    let again = import(&other, "", text.clone(), 409);
    assert_eq!(again["status"], "CONFLICT");
    let copy = import(&other, "?copy=true&name=Second", text, 201);
    assert!(copy["guid"] != made["guid"] && copy["subscribers"] == 0 && copy["items"] == 2);
    let changes = other.ask(BOB, "GET", "/Marti/api/missions/Second/changes", 200);
    assert!(changes["data"].as_array().unwrap().iter().all(|c| c["missionGuid"] == copy["guid"]));
}

#[test]
fn an_export_is_an_archive_that_others_open() {
    let (scene, guid) = filled();
    let answer = export(&scene, "");
    assert_eq!(answer.header("content-type"), Some("application/zip"));
    assert_eq!(answer.header("content-disposition"), Some(&*format!("attachment; filename=\"mission-{guid}.zip\"")));
    let members = unpack(&answer.body);
    let names: Vec<_> = members.keys().map(String::as_str).collect();
    let files = ["contents/", "contents/0_one.txt", "contents/1__two.txt"];
    let events = ["cot/", "cot/m-1.cot", "cot/m-2.cot"];
    assert_eq!(names, [&["MANIFEST/", MANIFEST, LINES][..], &files, &events].concat());
    assert!(of(&members, "cot/m-1.cot").contains("lat=\"45.5\""), "the newest");
    let manifest = of(&members, MANIFEST);
    for part in [
        &*format!("<Parameter name=\"mission_guid\" value=\"{guid}\"/>"),
        "<Content zipEntry=\"cot/m-1.cot\" ignore=\"false\"><Parameter name=\"uid\" value=\"m-1\"/></Content>",
        "<Content zipEntry=\"contents/1__two.txt\" ignore=\"false\"/>",
        "<Parameter name=\"mission_server\" value=\"tak.example:8443:ssl\"/>",
        "<Group name=\"__ANON__\"/>",
        "<Keyword>a &amp; b</Keyword>",
    ] {
        assert!(manifest.contains(part), "{part}: {manifest}");
    }
    assert!(!manifest.contains("jsonl"), "clients leave the history alone");
    // Every file is in it once: a line names its member.
    let lines = of(&members, LINES);
    assert!(lines.starts_with("{\"fts_mission\":2,") && !lines.contains("\"bytes\""), "{lines}");
    assert!(lines.contains("\"entry\":\"contents/0_one.txt\"") && lines.contains("\"entry\":\"contents/1__two.txt\""));
    let without = unpack(&export(&scene, "?files=false").body);
    assert!(!without.keys().any(|name| name.starts_with("contents/") && name.len() > 9));
    assert!(!of(&without, LINES).contains("\"file\"") && !of(&without, MANIFEST).contains("contents/"));
    // As a package of another mission it is items and files; the history beside it is nobody's file.
    scene.create("Second?creatorUid=A");
    let path = "/Marti/api/missions/Second/contents/missionpackage?creatorUid=A";
    answered(&scene.call(ALICE, "PUT", path).body(answer.body).send(), 200);
    let second = scene.ask(ALICE, "GET", "/Marti/api/missions/Second", 200)["data"][0].clone();
    let count = |key: &str| second[key].as_array().unwrap().len();
    assert_eq!((count("uids"), count("contents")), (2, 2));
}

/// The form before: content of files in the lines.
fn old_form(members: &Members) -> String {
    let mut old = String::new();
    for line in of(members, LINES).lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if line.get("fts_mission").is_some() {
            line["fts_mission"] = 1.into();
        }
        let entry = line.get_mut("file").and_then(|file| file.as_object_mut()?.remove("entry"));
        old += &format!("{line}\n");
        if let Some(entry) = entry {
            let (one, two) = members[entry.as_str().unwrap()].split_at(3);
            for piece in [one, two] {
                old += &format!("{}\n", json!({"bytes": base64(piece)}));
            }
        }
    }
    old
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(bytes)
}

#[test]
fn files_of_earlier_versions_are_read() {
    let (scene, _) = filled();
    let (before, members) = (seen(&scene, FLOOD), unpack(&export(&scene, "").body));
    let old = old_form(&members);
    let zipped = packed(&BTreeMap::from([("mission.jsonl".to_owned(), old.clone().into_bytes())]));
    for form in [old.into_bytes(), zipped] {
        let other = Scene::new();
        import(&other, "", form, 201);
        assert_eq!(seen(&other, FLOOD), before);
        let hash = text(&before[0][0]["contents"][0]["data"]["hash"]);
        assert_eq!(other.host.file_content(&hash).unwrap(), b"one.txt");
    }
}

#[test]
fn half_an_export_leaves_nothing_behind() {
    let (scene, _) = filled();
    let members = unpack(&export(&scene, "").body);
    let text = of(&members, LINES);
    let lines: Vec<_> = text.lines().collect();
    let other = Scene::new();
    let without_a_row = [&lines[..4], &lines[5..]].concat().join("\n");
    let no_object = format!("{}\n{{\"t\":\"mission\",\"r\":7}}\n", lines[0]);
    let misfit = format!("{}\n{{\"t\":\"mission_uid\",\"r\":{{}}}}\n{{\"end\":2}}\n", lines[..2].join("\n"));
    let nonsense = format!("{}\nnonsense\n", lines[..3].join("\n"));
    let later = text.replacen("\"fts_mission\":2", "\"fts_mission\":3", 1);
    for (bad, why) in [
        ("{}".to_owned(), "neither a file of fts mission export nor an archive zip of a mission"),
        (String::new(), "empty"),
        (lines[..3].join("\n"), "cut off"),
        (lines[..lines.len() - 1].join("\n"), "cut off"),
        (without_a_row, "rows of"),
        (no_object, "no object"),
        (misfit, "mission_uid"),
        (nonsense, "line 4 of"),
        (later, "update the server"),
        (format!("{}\n{{\"end\":0}}\n", lines[0]), "there is no mission in"),
    ] {
        let zipped = but(&members, |m| drop(m.insert(LINES.into(), bad.clone().into_bytes())));
        for (form, body) in [("lines", bad.clone().into_bytes()), ("zip", zipped)] {
            let refused = import(&other, "", body, 400);
            let said = scene::text(&refused["message"]);
            let empty = form == "zip" && bad.is_empty();
            assert!(said.contains(why) || empty, "{form}: {why}: {said}");
            nothing(&other, why);
        }
    }
    // Lines that name members, and no zip.
    let refused = import(&other, "", text.clone().into_bytes(), 400);
    assert!(
        scene::text(&refused["message"]).contains("\"contents/0_one.txt\" is named in the export, and this is no zip")
    );
    nothing(&other, "no zip");
    other.ask(BOB, "GET", FLOOD, 404);
    import(&other, "", packed(&members), 201);
    other.ask(BOB, "GET", FLOOD, 200);
}

#[test]
fn a_broken_zip_is_refused_with_the_name_of_what_is_broken() {
    let (scene, _) = filled();
    let whole = export(&scene, "").body;
    let members = unpack(&whole);
    let file = "contents/1__two.txt";
    let mut flipped = whole.clone();
    let at = flipped.windows(10).position(|w| w == b"../two.txt").unwrap();
    flipped[at] ^= 0x55;
    let plain = but(&members, |m| drop(m.remove(LINES)));
    // Its first file is whole and stored when the second one turns out not to be.
    let mut halfway = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members.iter().filter(|(name, _)| *name != LINES && !name.ends_with('/')) {
        let method = zip::CompressionMethod::Stored;
        halfway.start_file(&**name, SimpleFileOptions::default().compression_method(method)).unwrap();
        halfway.write_all(bytes).unwrap();
    }
    let mut halfway = halfway.finish().unwrap().into_inner();
    let at = halfway.windows(10).position(|w| w == b"../two.txt").unwrap();
    halfway[at] ^= 0x55;
    let without = |name: &str| {
        but(&members, |m| {
            m.remove(LINES);
            m.remove(name);
        })
    };
    let manifest = |from: &str, to: &str| {
        let manifest = of(&members, MANIFEST);
        assert!(manifest.contains(from), "{from}: {manifest}");
        but(&members, |m| {
            m.remove(LINES);
            m.insert(MANIFEST.into(), manifest.replace(from, to).into_bytes());
        })
    };
    let bomb = but(&members, |m| drop(m.insert("contents/9_b".into(), vec![0; 300 << 20])));
    let mission = "name=\"mission_name\" value=\"Flood North\"";
    for (what, body, why) in [
        ("cut off", whole[..whole.len() - 40].to_vec(), "no zip file"),
        ("a flipped byte", flipped, "\"contents/1__two.txt\" in the package is damaged"),
        ("a flipped byte of an archive", halfway, "\"contents/1__two.txt\" in the package is damaged"),
        (
            "another file",
            but(&members, |m| drop(m.insert(file.into(), b"x".to_vec()))),
            "\"contents/1__two.txt\" is damaged",
        ),
        ("a file less", but(&members, |m| drop(m.remove(file))), "\"contents/1__two.txt\", named in"),
        ("a name", but(&members, |m| drop(m.insert("../x".into(), b"x".to_vec()))), "the name \"../x\""),
        ("a bomb", bomb, "inflates to too much at \"contents/9_b\""),
        (
            "an archive without a file",
            without(file),
            "\"contents/1__two.txt\", named in \"MANIFEST/manifest.xml\", is not in the zip",
        ),
        ("without an event", without("cot/m-2.cot"), "\"cot/m-2.cot\", named in"),
        ("without a manifest", without(MANIFEST), "it has no \"MANIFEST/manifest.xml\""),
        ("a broken manifest", manifest("</Contents>", ""), "\"MANIFEST/manifest.xml\": "),
        ("a bad name", manifest(mission, "name=\"mission_name\" value=\"a/b\""), "may not hold '/'"),
        ("a bad role", manifest("MISSION_SUBSCRIBER", "KING"), "the Role \"KING\" is not known"),
        (
            "no event",
            but(&members, |m| {
                m.remove(LINES);
                m.insert("cot/m-2.cot".into(), b"<event/>".to_vec());
            }),
            "\"cot/m-2.cot\" in the package is no event",
        ),
    ] {
        let other = Scene::new();
        let refused = import(&other, "", body, 400);
        let said = text(&refused["message"]);
        assert!(said.contains(why), "{what}: {said}");
        nothing(&other, what);
    }
    let small = Scene::with(&json!({"max_uids": 1}));
    let said = text(&import(&small, "", plain, 400)["message"]);
    assert!(said.contains("2 events") && said.contains("plugins.mission.max_uids"), "{said}");
    nothing(&small, "full");
}

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
