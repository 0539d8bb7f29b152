//! A mission leaves a server as an export and comes into another one with all its history. What is broken is refused, and
//! nothing of it stays.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::{
    collections::BTreeMap,
    io::{Cursor, Write},
};

use scene::{zips::*, *};
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

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
