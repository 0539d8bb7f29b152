//! `fts mission …` as an operator types it, on missions clients made over HTTP; what it did is looked at as a client sees
//! it. Also the commands of the README's section about undoing a mistake, word for word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Output,
};

use fts_tests::{Client, Server, Web, bundled, event};
use serde_json::{Value, json};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

const FLOOD: &str = "/Marti/api/missions/Flood%20North";

/// The plugin, and no other, where it comes as a file.
fn start() -> Server {
    let server =
        if bundled() { Server::start() } else { Server::build().set("plugins.enabled", "[\"mission\"]").start() };
    let plugin = server.admin("GET", "/admin/plugins/mission", "").json();
    assert_eq!(plugin["state"], "running", "{plugin}");
    server
}

fn web(server: &Server) -> Web {
    Web::plain(server, "marti_http")
}

fn data(server: &Server, path: &str) -> Value {
    web(server).get(path).expect(200).json()["data"].clone()
}

/// Alice, who owns the mission and has put a marker and a file into it; its guid; her token.
fn flood(server: &Server) -> (Client, String, String) {
    let mut alice = Client::join(server, "A", "ALICE");
    let made = web(server).put(&format!("{FLOOD}?creatorUid=A"), "", b"").expect(201).json();
    send(server, &mut alice, "m-1");
    let stored =
        web(server).post("/Marti/sync/upload?name=plan.txt&creatorUid=A", "text/plain", b"the plan").expect(200);
    let hash = stored.json()["Hash"].as_str().unwrap().to_owned();
    let body = json!({"hashes": [hash]}).to_string();
    web(server).put(&format!("{FLOOD}/contents?creatorUid=A"), "application/json", body.as_bytes()).expect(200);
    let text = |key: &str| made["data"][0][key].as_str().unwrap().to_owned();
    (alice, text("guid"), text("token"))
}

/// A marker of alice's into the mission, and until it is there.
fn send(server: &Server, alice: &mut Client, uid: &str) {
    alice.send(&event(uid, "a-f-G", "<contact callsign=\"M\"/><marti><dest mission=\"Flood North\"/></marti>"));
    server.eventually("the marker is in the mission", || items(server, FLOOD).contains(&uid.to_owned()));
}

fn items(server: &Server, path: &str) -> Vec<String> {
    let mission = data(server, path);
    let mut uids: Vec<_> =
        mission[0]["uids"].as_array().unwrap().iter().map(|u| u["data"].as_str().unwrap().to_owned()).collect();
    uids.sort();
    uids
}

fn delete_item(server: &Server, uid: &str) {
    web(server).delete(&format!("{FLOOD}/contents?uid={uid}&creatorUid=A")).expect(200);
}

fn delete_mission(server: &Server, token: &str) {
    let owner = web(server).header("MissionAuthorization", &format!("Bearer {token}"));
    owner.delete(&format!("{FLOOD}?creatorUid=A")).expect(200);
}

fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// Runs it in this directory.
fn run(server: &Server, dir: &Path, args: &[&str]) -> (i32, String) {
    let out = server.cli_command(&[&["mission"], args].concat()).current_dir(dir).output().unwrap();
    (out.status.code().unwrap(), said(&out))
}

#[test]
fn a_mission_is_exported_deleted_and_imported() {
    let (server, dir) = (start(), tempfile::tempdir().unwrap());
    let (_alice, guid, token) = flood(&server);
    let seen =
        || ["", "/changes?squashed=false", "/log", "/layers"].map(|rest| data(&server, &format!("{FLOOD}{rest}")));
    let before = seen();
    let (code, text) = run(&server, dir.path(), &["export", "flood north"]);
    assert_eq!((code, text.contains("wrote Flood_North.mission.zip (")), (0, true), "{text}");
    let file = dir.path().join("Flood_North.mission.zip");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it holds the password's hash");
    // A second one does not replace it, and leaves nothing behind.
    let whole = fs::read(&file).unwrap();
    let (code, text) = run(&server, dir.path(), &["export", &guid]);
    assert_eq!((code, text.contains("there is such a file already")), (1, true), "{text}");
    assert!(fs::read(&file).unwrap() == whole && fs::read_dir(dir.path()).unwrap().count() == 1);
    // It cannot be imported beside itself.
    let (code, text) = run(&server, dir.path(), &["import", "Flood_North.mission.zip"]);
    assert_eq!((code, text.contains(&guid) && text.contains("--copy")), (1, true), "{text}");
    // A copy can; it lives on its own.
    let copy = server.cli_json(&["mission", "import", file.to_str().unwrap(), "--copy", "--name", "Second"]);
    assert!(copy["guid"] != guid.as_str() && copy["name"] == "Second" && copy["items"] == 1, "{copy}");

    delete_mission(&server, &token);
    web(&server).get(FLOOD).expect(410);
    let (code, text) = run(&server, dir.path(), &["import", "Flood_North.mission.zip"]);
    assert_eq!((code, text.contains(&format!("as Flood North ({guid})"))), (0, true), "{text}");
    assert_eq!(seen(), before, "as a client sees it");
    let hash = before[0][0]["contents"][0]["data"]["hash"].as_str().unwrap();
    assert_eq!(web(&server).get(&format!("/Marti/sync/content?hash={hash}")).expect(200).body, b"the plan");
    assert_eq!(items(&server, "/Marti/api/missions/Second"), ["m-1"]);
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

/// What a client reads of the mission: itself, its history, log, folders, members.
fn seen(server: &Server) -> Vec<Value> {
    let rest = ["", "/changes?squashed=false", "/log", "/layers", "/subscriptions", "/subscriptions/roles"];
    rest.iter().map(|rest| data(server, &format!("{FLOOD}{rest}"))).collect()
}

/// The mission with a second version of its marker, a folder, a keyword, a log entry and bob in it.
fn full(server: &Server) -> (Client, String) {
    let (mut alice, guid, token) = flood(server);
    let owner = web(server).header("MissionAuthorization", &format!("Bearer {token}"));
    owner.put(&format!("{FLOOD}/layers?name=Roads&type=GROUP&uid=l&creatorUid=A"), "", b"").expect(200);
    owner.put(&format!("{FLOOD}/keywords?creatorUid=A"), "application/json", b"[\"water\"]").expect(200);
    let entry = json!({"content": "the dam holds", "creatorUid": "A", "missionNames": ["Flood North"]}).to_string();
    owner.post("/Marti/api/missions/logs/entries", "application/json", entry.as_bytes()).expect(201);
    web(server).put(&format!("{FLOOD}/subscription?uid=B"), "", b"").expect(201);
    let changes = || data(server, &format!("{FLOOD}/changes?squashed=false")).as_array().unwrap().len();
    let before = changes();
    alice.send(&event("m-1", "a-h-G", "<marti><dest mission=\"Flood North\"/></marti>"));
    server.eventually("its second version is in the mission", || changes() > before);
    (alice, guid)
}

#[test]
fn an_export_is_an_archive_zip_and_the_whole_mission_on_another_server() {
    let (server, dir) = (start(), tempfile::tempdir().unwrap());
    let (_alice, guid) = full(&server);
    let before = seen(&server);
    let (code, text) = run(&server, dir.path(), &["export", &guid, "--file", "flood.zip"]);
    assert_eq!((code, text.starts_with("wrote flood.zip (")), (0, true), "{text}");
    let zip = fs::read(dir.path().join("flood.zip")).unwrap();
    let members = unpack(&zip);
    let names: Vec<_> = members.keys().map(String::as_str).collect();
    let manifest = ["MANIFEST/", "MANIFEST/manifest.xml", "MANIFEST/mission.jsonl"];
    assert_eq!(names, [&manifest[..], &["contents/", "contents/0_plan.txt", "cot/", "cot/m-1.cot"]].concat());
    assert_eq!(members["contents/0_plan.txt"], b"the plan");
    let text = |name: &str| String::from_utf8(members[name].clone()).unwrap();
    assert!(text("cot/m-1.cot").contains("type=\"a-h-G\""), "the newest version");
    for part in [
        "<MissionPackageManifest version=\"2\">",
        &format!("<Parameter name=\"mission_guid\" value=\"{guid}\"/>"),
        "<Content zipEntry=\"cot/m-1.cot\" ignore=\"false\"><Parameter name=\"uid\" value=\"m-1\"/></Content>",
        "<Content zipEntry=\"contents/0_plan.txt\" ignore=\"false\"/>",
        "<Keyword>water</Keyword>",
    ] {
        assert!(text("MANIFEST/manifest.xml").contains(part), "{part}: {}", text("MANIFEST/manifest.xml"));
    }
    // This server was not told its name, and the local socket has none.
    assert!(!text("MANIFEST/manifest.xml").contains("8443"), "{}", text("MANIFEST/manifest.xml"));
    let lines = text("MANIFEST/mission.jsonl");
    assert!(lines.contains("\"entry\":\"contents/0_plan.txt\"") && !lines.contains("\"bytes\""), "{lines}");

    let other = start();
    let (code, text) = run(&other, dir.path(), &["import", "flood.zip"]);
    assert_eq!((code, text.contains(&format!("as Flood North ({guid})"))), (0, true), "{text}");
    assert_eq!(seen(&other), before, "as a client sees it");
    let hash = before[0][0]["contents"][0]["data"]["hash"].as_str().unwrap();
    assert_eq!(web(&other).get(&format!("/Marti/sync/content?hash={hash}")).expect(200).body, b"the plan");
    let versions = web(&other).get("/Marti/api/cot/xml/m-1/all").expect(200).text();
    assert!(versions.contains("a-h-G") && versions.contains("a-f-G"), "{versions}");
    // The lines alone, as the server gave them before.
    assert_eq!(run(&server, dir.path(), &["export", &guid, "--file", "bare.zip", "--no-files"]).0, 0);
    let bare = unpack(&fs::read(dir.path().join("bare.zip")).unwrap());
    fs::write(dir.path().join("bare.jsonl"), &bare["MANIFEST/mission.jsonl"]).unwrap();
    let copy = other.cli_json(&[
        "mission",
        "import",
        dir.path().join("bare.jsonl").to_str().unwrap(),
        "--copy",
        "--name",
        "Second",
    ]);
    assert_eq!((&copy["items"], &copy["subscribers"], &copy["name"]), (&json!(1), &json!(0), &json!("Second")));
    // A server that knows its name is named.
    let named = Server::build().set("server.public_host", "\"tak.example.org\"");
    let named = if bundled() { named } else { named.set("plugins.enabled", "[\"mission\"]") }.start();
    assert_eq!(run(&named, dir.path(), &["import", "flood.zip"]).0, 0);
    assert_eq!(run(&named, dir.path(), &["export", &guid, "--file", "named.zip"]).0, 0);
    let named = unpack(&fs::read(dir.path().join("named.zip")).unwrap());
    let manifest = String::from_utf8_lossy(&named["MANIFEST/manifest.xml"]).into_owned();
    assert!(manifest.contains("name=\"mission_server\" value=\"tak.example.org:8443:ssl\""), "{manifest}");
}

#[test]
fn an_archive_of_a_mission_comes_into_another_server_whole_or_not_at_all() {
    let (server, dir) = (start(), tempfile::tempdir().unwrap());
    let (_alice, guid) = full(&server);
    let archive = web(&server).get(&format!("{FLOOD}/archive")).expect(200).body;
    let members = unpack(&archive);
    let but = |change: &dyn Fn(&mut Members)| {
        let mut members = members.clone();
        change(&mut members);
        packed(&members)
    };
    let other = start();
    let missions = || other.cli_json(&["mission", "list"]).as_array().unwrap().len();
    let before = missions();
    for (bad, why) in [
        (archive[..archive.len() - 30].to_vec(), "no zip file"),
        (
            but(&|m| drop(m.remove("contents/0_plan.txt"))),
            "\"contents/0_plan.txt\", named in \"MANIFEST/manifest.xml\", is not",
        ),
        (
            but(&|m| drop(m.insert("cot/m-1.cot".into(), b"<event/>".to_vec()))),
            "\"cot/m-1.cot\" in the package is no event",
        ),
        (but(&|m| drop(m.insert("../x".into(), b"x".to_vec()))), "the name \"../x\""),
        (but(&|m| drop(m.insert("x".into(), vec![0; 8 << 20]))), "too much at \"x\""),
        (but(&|m| drop(m.remove("MANIFEST/manifest.xml"))), "no archive of a mission"),
    ] {
        fs::write(dir.path().join("bad.zip"), bad).unwrap();
        let (code, text) = run(&other, dir.path(), &["import", "bad.zip"]);
        assert_eq!((code, text.starts_with("fts: bad.zip: ") && text.contains(why)), (1, true), "{why}: {text}");
        assert_eq!(missions(), before, "{why}");
        web(&other).get(FLOOD).expect(404);
        assert_eq!(other.cli_json(&["files", "list"])["files"], json!([]), "{why}");
    }
    fs::write(dir.path().join("good.zip"), &archive).unwrap();
    let (code, text) = run(&other, dir.path(), &["import", "good.zip"]);
    assert_eq!((code, text.contains("imported 1 items, 1 files")), (0, true), "{text}");
    let (there, here) = (data(&server, FLOOD), data(&other, FLOOD));
    for key in ["guid", "name", "groups", "keywords", "creatorUid", "createTime", "tool"] {
        assert_eq!(here[0][key], there[0][key], "{key}");
    }
    assert_eq!(here[0]["contents"][0]["data"]["hash"], there[0]["contents"][0]["data"]["hash"]);
    let changes = data(&other, &format!("{FLOOD}/changes?squashed=false"));
    let kinds: Vec<_> = changes.as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ADD_CONTENT", "ADD_CONTENT", "CREATE_MISSION"]);
    assert!(web(&other).get(&format!("{FLOOD}/cot")).expect(200).text().contains("a-h-G"));
    let (code, text) = run(&other, dir.path(), &["import", "good.zip"]);
    assert_eq!((code, text.contains(&guid) && text.contains("--copy")), (1, true), "{text}");
    let (code, text) = run(&other, dir.path(), &["import", "good.zip", "--copy", "--name", "Second"]);
    assert_eq!((code, text.contains("as Second (") && !text.contains(&guid)), (0, true), "{text}");
}

#[test]
fn a_mission_goes_back_to_a_snapshot_and_to_a_time() {
    let (server, dir) = (start(), tempfile::tempdir().unwrap());
    let (mut alice, guid, _) = flood(&server);
    let taken = server.cli_json(&["mission", "snapshot", "Flood North", "before the storm"]);
    assert_eq!(taken["name"], "before the storm");
    delete_item(&server, "m-1");
    send(&server, &mut alice, "m-2");
    assert_eq!(items(&server, FLOOD), ["m-2"]);
    let mut bob = Client::join(&server, "B", "BOB");
    web(&server).put(&format!("{FLOOD}/subscription?uid=B"), "", b"").expect(201);

    let (code, text) =
        run(&server, dir.path(), &["restore", "Flood North", "--snapshot", "before the storm", "--dry-run"]);
    assert_eq!((code, text.as_str()), (0, "1 things would come back or change, 1 would be taken out\n"));
    assert_eq!(items(&server, FLOOD), ["m-2"], "nothing was done");
    let (code, text) = run(&server, dir.path(), &["restore", &guid, "--snapshot", "before the storm"]);
    assert_eq!((code, text.as_str()), (0, "1 things came back or changed, 1 were taken out\n"));
    assert_eq!(items(&server, FLOOD), ["m-1"]);
    // Members see it at once.
    bob.until(|event| event.uid() == "m-1");

    // What was restored can be taken back: to the time of the newest change before it.
    let changes = data(&server, &format!("{FLOOD}/changes?squashed=false"));
    let sent =
        changes.as_array().unwrap().iter().find(|c| c["contentUid"] == "m-2" && c["type"] == "ADD_CONTENT").unwrap();
    let (code, text) =
        run(&server, dir.path(), &["restore", "Flood North", "--at", sent["serverTime"].as_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(items(&server, FLOOD), ["m-2"]);

    let shown = server.cli(&["mission", "show", "Flood North"]);
    assert!(said(&shown).contains("before the storm") && said(&shown).contains("MISSION_OWNER"), "{}", said(&shown));
    let (code, _) = run(&server, dir.path(), &["snapshot", "Flood North", "before the storm", "--remove"]);
    assert_eq!((code, server.cli_json(&["mission", "show", &guid])["snapshots"] == json!([])), (0, true));
}

#[test]
fn errors_say_what_is_wrong_and_where_to_look() {
    let (mut server, dir) = (start(), tempfile::tempdir().unwrap());
    let (_alice, guid, _) = flood(&server);
    let path = |name: &str| dir.path().join(name);
    fs::write(path("strange.zip"), "not a zip file").unwrap();
    assert_eq!(run(&server, dir.path(), &["export", &guid, "-o", "good.zip", "--no-files"]).0, 0);
    let mut bytes = fs::read(path("good.zip")).unwrap();
    // Behind the name of the member, in its deflated text.
    let name = b"MANIFEST/mission.jsonl";
    let at = bytes.windows(name.len()).position(|w| w == name).unwrap() + name.len() + 60;
    bytes[at] ^= 0x55;
    fs::write(path("damaged.zip"), bytes).unwrap();
    let before = server.cli_json(&["mission", "list"]).as_array().unwrap().len();
    for (args, code, part) in [
        (&["show", "nowhere"][..], 1, "no mission \"nowhere\" (fts mission list names all)"),
        (&["export", "nowhere"], 1, "no mission \"nowhere\""),
        (&["export", &guid, "-o", "no/such/folder.zip"], 1, "no/such/folder.zip"),
        (&["import", "none.zip"], 1, "none.zip: No such file"),
        (&["import", "strange.zip"], 1, "strange.zip: this is no export of a mission"),
        (&["import", "damaged.zip", "--copy"], 1, "MANIFEST/mission.jsonl"),
        (&["restore", &guid, "--snapshot", "x"], 1, "no snapshot \"x\" (fts mission show names all)"),
        (&["restore", &guid, "--at", "yesterday"], 1, "a time like"),
        (&["restore", &guid, "--ago", "soon"], 2, "--ago \"soon\""),
        (&["restore", &guid], 2, "--snapshot"),
        (&["restore", &guid, "--ago", "1h", "--at", "x"], 2, "cannot be used with"),
        (&["restore", &guid, "--ago", "1h"], 1, "younger"),
        (&["snapshot", &guid, "x", "--remove"], 1, "no snapshot \"x\""),
    ] {
        let (got, text) = run(&server, dir.path(), args);
        assert_eq!((got, text.contains(part)), (code, true), "{args:?}: {text}");
    }
    assert_eq!(server.cli_json(&["mission", "list"]).as_array().unwrap().len(), before, "no half mission is left");
    assert!(!path("no").exists());
    // Without the plugin.
    assert!(server.cli(&["plugin", "disable", "mission"]).status.success());
    let (code, text) = run(&server, dir.path(), &["list"]);
    assert_eq!(
        (code, text.contains("the plugin mission is ") && text.contains("fts plugin enable mission")),
        (1, true),
        "{text}"
    );
    assert!(server.stop().success());
    assert_eq!(run(&server, dir.path(), &["list"]).0, 3);
    if bundled() {
        return;
    }
    let server = Server::build().set("plugins.enabled", "[]").start();
    let (code, text) = run(&server, dir.path(), &["list"]);
    assert_eq!((code, text.contains("this server has no plugin mission")), (1, true), "{text}");
}

/// The commands of the README's section, on a mission of that name.
#[test]
fn the_readmes_way_to_undo_a_mistake() {
    let (server, dir) = (start(), tempfile::tempdir().unwrap());
    let (mut alice, _, token) = flood(&server);
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- mission -->").unwrap();
    let (block, _) = rest.split_once("<!-- /mission -->").unwrap();
    let lines: Vec<_> = block.lines().filter(|l| l.starts_with("target/release/fts mission ")).collect();
    let mut done = Vec::new();
    for line in lines {
        // The words of the shell: only `'…'` is used there.
        let words: Vec<_> = line
            .split('\'')
            .enumerate()
            .flat_map(|(n, part)| if n % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
            .collect();
        match words[2] {
            // The mistake.
            "show" => delete_item(&server, "m-1"),
            "restore" if !words.contains(&"--dry-run") => assert!(items(&server, FLOOD).is_empty()),
            "import" => delete_mission(&server, &token),
            _ => {}
        }
        let (code, text) = run(&server, dir.path(), &words[2..]);
        assert_eq!(code, 0, "{line}: {text}");
        if matches!(words[2], "restore" | "import") && !words.contains(&"--dry-run") {
            assert_eq!(items(&server, FLOOD), ["m-1"], "{line}");
        }
        done.push(words[2].to_owned());
    }
    assert_eq!(done, ["snapshot", "show", "restore", "restore", "export", "import"]);
    send(&server, &mut alice, "m-2");
}
