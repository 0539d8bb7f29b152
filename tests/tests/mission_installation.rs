//! `fts mission import` of a FreeTAKServer (mission.md 6.1, 8.12; operations.md 7.3, 8), as an operator types it: databases as
//! SQLAlchemy leaves them (`tests/fixtures/fts`), folders beside them; what came of it is looked at as clients see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use fts_tests::{Server, Web, bundled, event, fence, join_all};
use rusqlite::Connection;
use serde_json::{Value, json};

const FLOOD: &str = "/Marti/api/missions/Flood%20North";
/// What the fixture says the file was called by FTS; its bytes say something else.
const OLD_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000001";

fn start() -> Server {
    if bundled() { Server::start() } else { Server::build().set("plugins.enabled", "[\"mission\"]").start() }
}

/// One database by the statements of a fixture.
fn database(dir: &Path, name: &str) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fts").join(name).with_extension("sql");
    let db = Connection::open(dir.join(name).with_extension("db")).unwrap();
    db.execute_batch(&fs::read_to_string(fixture).unwrap()).unwrap();
}

/// An installation: two files of its missions are where they should be, one is not, and one is named to lead elsewhere.
fn installation() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["MissionRecords", "CoTManagementRecords", "FTSDataBase"] {
        database(dir.path(), name);
    }
    let content = dir.path().join("enterprise_sync/content");
    fs::create_dir_all(&content).unwrap();
    fs::write(content.join("plan-uid.txt"), "the plan").unwrap();
    fs::write(dir.path().join("secret.txt"), "not of Enterprise Sync").unwrap();
    dir
}

fn import(server: &Server, args: &[&str]) -> (i32, Value, String) {
    let out = server.cli(&[&["--json", "mission", "import"], args].concat());
    let (said, wrong) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.code().unwrap(), serde_json::from_str(&said).unwrap_or_default(), wrong.into_owned())
}

fn web(server: &Server) -> Web {
    Web::plain(server, "marti_http")
}

fn data(server: &Server, path: &str) -> Value {
    web(server).get(path).expect(200).json()["data"].clone()
}

fn bytes(dir: &Path) -> Vec<Vec<u8>> {
    ["MissionRecords.db", "CoTManagementRecords.db", "FTSDataBase.db"].map(|n| fs::read(dir.join(n)).unwrap()).into()
}

#[test]
fn the_missions_of_a_freetakserver_come_over_with_what_belongs_to_them() {
    let (server, fts) = (start(), installation());
    let before = bytes(fts.path());
    let (code, report, wrong) = import(&server, &[fts.path().to_str().unwrap()]);
    // Two files could not come, and are named.
    assert_eq!(code, 1, "{report} {wrong}");
    let counts = |table: &str| {
        ["read", "imported", "skipped", "failed"].map(|key| report["tables"][table][key].as_u64().unwrap())
    };
    for (table, is) in [
        ("mission", [2, 2, 0, 0]),
        ("mission_content", [3, 1, 0, 2]),
        ("EnterpriseSyncDataObject", [3, 1, 0, 2]),
        ("MissionCoT", [3, 3, 0, 0]),
        ("external_data", [1, 1, 0, 0]),
        ("log", [2, 2, 0, 0]),
        ("subscription", [4, 3, 1, 0]),
        ("MissionInvitation", [1, 1, 0, 0]),
        ("mission_to_mission", [1, 1, 0, 0]),
    ] {
        assert_eq!(counts(table), is, "{table}: {report:#}");
    }
    let failed = report["failed"].to_string();
    assert!(failed.contains("enterprise_sync/content/lost.txt") && failed.contains("no name of a file"), "{failed}");
    assert!(report["notes"].to_string().contains("of 1 items of \\\"Flood North\\\" FTS has no event"), "{report:#}");
    assert_eq!(bytes(fts.path()), before, "the installation is as it was");

    let mission = data(&server, FLOOD)[0].clone();
    assert_eq!(
        (&mission["description"], &mission["creatorUid"], &mission["createTime"], &mission["groups"]),
        (&json!(""), &json!("A"), &json!("2026-02-28T10:00:00.123Z"), &json!(["__ANON__"]))
    );
    let uids: Vec<_> = mission["uids"].as_array().unwrap().iter().map(|u| u["data"].as_str().unwrap()).collect();
    assert_eq!(uids, ["m-none", "m-old", "m-new"], "in the order of their times");
    let cot = web(&server).get(&format!("{FLOOD}/cot")).expect(200).text();
    for part in [
        "<contact callsign=\"New &amp; Co\"/>",
        "lat=\"44.5\"",
        "hae=\"9999999\"",
        // Its detail was cut off: made from the tables beside it.
        "<contact callsign=\"Old\"",
        "a &lt; b</remarks>",
        "<__group name=\"Cyan\" role=\"HQ\"",
        "hae=\"12.5\"",
    ] {
        assert!(cot.contains(part), "{part}: {cot}");
    }
    assert!(!cot.contains("<marti"), "{cot}");
    // The file is found by its hash, and by what FTS called it.
    let file = &mission["contents"][0]["data"];
    assert_eq!((&file["name"], &file["keywords"], &file["size"]), (&json!("plan.txt"), &json!(["maps"]), &json!(8)));
    assert_eq!(mission["contents"].as_array().unwrap().len(), 1);
    for hash in [file["hash"].as_str().unwrap(), OLD_HASH] {
        assert_eq!(web(&server).get(&format!("/Marti/sync/content?hash={hash}")).expect(200).text(), "the plan");
    }
    let log = data(&server, &format!("{FLOOD}/log"))[0].clone();
    assert_eq!(
        (&log["content"], &log["keywords"], &log["creatorUid"]),
        (&json!("water rises"), &json!(["water"]), &json!("A"))
    );
    assert_eq!(data(&server, "/Marti/api/missions/bridge/log")[0]["id"], log["id"]);
    assert_eq!(data(&server, "/Marti/api/missions/bridge/parent")["name"], "Flood North");
    let changes = data(&server, &format!("{FLOOD}/changes?secago=999999999"));
    let kinds: Vec<_> = changes.as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ADD_CONTENT", "ADD_CONTENT", "ADD_CONTENT", "ADD_CONTENT", "ADD_CONTENT", "CREATE_MISSION"]);
    assert_eq!(changes[0]["serverTime"], "2026-02-28T12:01:00.000Z");

    // Again: nothing is added, and what failed fails again.
    let (code, again, _) = import(&server, &[fts.path().join("MissionRecords.db").to_str().unwrap()]);
    assert_eq!((code, &again["tables"]["mission"]), (1, &json!({"read": 2, "imported": 0, "skipped": 2, "failed": 0})));
    assert_eq!(again["tables"]["mission_to_mission"]["skipped"], 1);
    assert_eq!(data(&server, FLOOD)[0], mission);
    assert_eq!(server.cli_json(&["mission", "list"]).as_array().unwrap().len(), 2 + seeded(&server));
}

#[test]
fn what_was_missing_is_added_when_it_is_imported_again() {
    let (server, fts) = (start(), installation());
    let path = fts.path().to_str().unwrap();
    import(&server, &[path]);
    fs::write(fts.path().join("enterprise_sync/content/lost.txt"), "found it").unwrap();
    let (_, report, _) = import(&server, &[path]);
    assert_eq!(
        report["tables"]["mission_content"],
        json!({"read": 3, "imported": 1, "skipped": 1, "failed": 1}),
        "{report:#}"
    );
    let contents = data(&server, FLOOD)[0]["contents"].clone();
    let names: Vec<_> = contents.as_array().unwrap().iter().map(|c| c["data"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["plan.txt", "lost.txt"]);
}

/// Missions that every server has.
fn seeded(server: &Server) -> usize {
    let all = server.cli_json(&["mission", "list"]);
    all.as_array().unwrap().iter().filter(|m| m["all_groups"] == true).count()
}

#[test]
fn members_go_on_as_they_were_and_nobody_else_hears_of_it() {
    let (server, fts) = (start(), installation());
    let [mut a, mut b, mut d] = join_all(&server, [("A", "ALICE"), ("B", "BOB"), ("D", "DORA")]);
    import(&server, &[fts.path().to_str().unwrap()]);
    a.send(&event("n-1", "a-f-G", "<marti><dest mission=\"Flood North\"/></marti>"));
    // Not one notice of what was imported: the first is of this.
    let told = b.next();
    assert_eq!((told.kind(), told.text().contains("n-1")), ("t-x-m-c", true), "{}", told.text());
    b.expect("n-1");
    assert!(a.next().text().contains("n-1"), "the sender's acknowledgement");
    fence(&mut a, &mut [&mut b, &mut d]);
}

#[test]
fn the_readmes_command_and_its_groups() {
    let (server, fts) = (start(), installation());
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- fts -->").unwrap();
    let line = rest.lines().find(|l| l.starts_with("target/release/fts ")).unwrap();
    let dir = fts.path().to_str().unwrap();
    let words: Vec<_> =
        line.split_whitespace().skip(1).map(|word| if word == "/opt/fts" { dir } else { word }).collect();
    assert!(words.contains(&dir), "{line}");
    let out = server.cli(&[&words[..], &["--group", "Red", "--group", "Blue"]].concat());
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.contains("mission_content") && text.contains("failed: mission_content lost: "), "{text}");
    let shown = server.cli_json(&["mission", "show", "Flood North"]);
    let mut groups: Vec<_> = shown["groups"].as_array().unwrap().iter().map(|g| g.as_str().unwrap()).collect();
    groups.sort_unstable();
    assert_eq!(groups, ["Blue", "Red"]);
    // Nobody here is in them.
    web(&server).get(FLOOD).expect(404);
    web(&server).get(&format!("/Marti/sync/content?hash={OLD_HASH}")).expect(404);
}

#[test]
fn an_older_database_and_one_alone_come_as_far_as_they_say() {
    let (server, dir) = (start(), tempfile::tempdir().unwrap());
    let db = Connection::open(dir.path().join("MissionRecords.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE mission (PrimaryKey TEXT PRIMARY KEY, name TEXT, createTime TEXT); \
         INSERT INTO mission VALUES ('old', 'Old', '2024-01-01 10:00:00'); \
         CREATE TABLE mission_content (PrimaryKey TEXT, mission_uid TEXT); INSERT INTO mission_content VALUES ('f', 'old');",
    )
    .unwrap();
    let (code, report, _) = import(&server, &[dir.path().to_str().unwrap()]);
    assert_eq!((code, &report["tables"]["mission"]["imported"]), (1, &json!(1)), "{report:#}");
    assert!(report["failed"][0]["why"].as_str().unwrap().contains("FTSDataBase.db"), "{report:#}");
    assert_eq!(report["notes"].as_array().unwrap().len(), 2, "{report:#}");
    let mission = data(&server, "/Marti/api/missions/old")[0].clone();
    assert_eq!((&mission["name"], &mission["tool"], &mission["uids"]), (&json!("Old"), &json!("public"), &json!([])));
}

#[test]
fn what_is_no_installation_is_told_apart() {
    let (server, fts) = (start(), installation());
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| fts.path().join(name).to_str().unwrap().to_owned();
    let refused = |args: &[&str], code: i32, text: &str| {
        let (got, report, wrong) = import(&server, args);
        assert_eq!((got, wrong.contains(text)), (code, true), "{args:?}: {wrong} {report}");
    };
    refused(&[dir.path().to_str().unwrap()], 1, "MissionRecords.db is not there: name the folder");
    refused(&[&path("FTSDataBase.db")], 1, "has no table mission: name MissionRecords.db, which is beside it");
    refused(&[&path(""), "--name", "Other"], 2, "--name and --copy are for one mission");
    refused(&[&path("secret.txt"), "--group", "Red"], 2, "--group is for missions of a FreeTAKServer");
    fs::write(dir.path().join("MissionRecords.db"), [b"SQLite format 3\0", [7; 4096].as_slice()].concat()).unwrap();
    refused(&[dir.path().to_str().unwrap()], 1, "MissionRecords.db");
    if rustix::process::getuid().is_root() {
        return;
    }
    fs::set_permissions(path("MissionRecords.db"), fs::Permissions::from_mode(0o0)).unwrap();
    refused(&[&path("")], 1, "MissionRecords.db");
}

#[test]
fn a_token_reads_no_folder_and_without_the_plugin_nothing_is_lost() {
    let server = Server::build().set("plugins.enabled", if bundled() { "\"auto\"" } else { "[\"mission\"]" }).start();
    let fts = installation();
    let out = server.cli_json(&["user", "add", "root", "--role", "admin", "--password", "a long enough word"]);
    assert_eq!(out["name"], "root", "{out}");
    let token = server.cli_json(&["user", "token", "root", "--scope", "admin"])["token"].as_str().unwrap().to_owned();
    let body = json!({"path": fts.path()}).to_string();
    let admin = Web::plain(&server, "admin").bearer(&token);
    let refused = admin.post("/admin/import", "application/json", body.as_bytes()).expect(403);
    assert!(refused.text().contains("only with the fts command"), "{}", refused.text());
    Web::plain(&server, "admin").post("/admin/import", "application/json", body.as_bytes()).expect(401);

    server.cli(&["plugin", "disable", "mission"]);
    let (code, _, wrong) = import(&server, &[fts.path().to_str().unwrap()]);
    assert_eq!((code, wrong.contains("the plugin mission is stopped: it must run")), (1, true), "{wrong}");
    server.cli(&["plugin", "enable", "mission"]);
    import(&server, &[fts.path().to_str().unwrap()]);
    assert_eq!(data(&server, FLOOD)[0]["name"], "Flood North");
}

/// A mission with so many items that its import is seen half done.
fn large(dir: &Path, items: usize) {
    let db = Connection::open(dir.join("MissionRecords.db")).unwrap();
    db.execute_batch(
        "BEGIN; CREATE TABLE mission (PrimaryKey TEXT PRIMARY KEY, name TEXT, createTime TEXT); \
         INSERT INTO mission VALUES ('large', 'Large', '2026-01-01 10:00:00'); \
         CREATE TABLE MissionCoT (uid TEXT, mission_uid TEXT, xml_content TEXT);",
    )
    .unwrap();
    let mut insert = db.prepare("INSERT INTO MissionCoT VALUES (?1, 'large', ?2)").unwrap();
    for n in 0..items {
        let uid = format!("m-{n}");
        insert.execute((&uid, event(&uid, "a-f-G", "<contact callsign=\"M\"/>"))).unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
}

#[test]
fn a_crash_in_the_middle_leaves_no_half_of_a_mission() {
    const ITEMS: usize = 30_000;
    let with = || {
        let plugins = if bundled() { "\"auto\"" } else { "[\"mission\"]" };
        Server::build().set("plugins.enabled", plugins).set("plugins.mission.max_uids", "100000")
    };
    let (mut server, fts) = (with().start(), tempfile::tempdir().unwrap());
    large(fts.path(), ITEMS);
    let path = fts.path().to_str().unwrap();
    let mut importing = server.cli_command(&["mission", "import", path]).stderr(Stdio::null()).spawn().unwrap();
    let shown = || server.admin("GET", "/admin/missions/Large", "");
    server.eventually("the import has begun", || shown().json()["items"].as_u64().is_some_and(|n| n > 0));
    let half = shown().json();
    assert!(
        half["items"].as_u64().unwrap() < ITEMS as u64 && half["groups"] == json!([]),
        "in the middle of it: {half}"
    );
    web(&server).get("/Marti/api/missions/Large").expect(404);
    server.kill();
    assert!(!importing.wait().unwrap().success());
    let server = with().again(&server).start();
    assert_eq!(server.admin("GET", "/admin/missions/Large", "").status, 404);
    let (code, report, wrong) = import(&server, &[path]);
    assert_eq!((code, &report["tables"]["MissionCoT"]["imported"]), (0, &json!(ITEMS)), "{report} {wrong}");
    assert_eq!(server.admin("GET", "/admin/missions/Large", "").json()["items"], ITEMS);
    assert_eq!(data(&server, "/Marti/api/missions/Large")[0]["groups"], json!(["__ANON__"]));
}
