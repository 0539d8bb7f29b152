#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use serde_json::{Value, json};

use super::*;
use crate::{
    http::marti::bed::{Ask, Bed, Reply},
    identity::{
        accounts::NewUser,
        audit::Actor,
        packages::{manifest::Manifest, preferences::Preferences, zip},
    },
};

fn admin(bed: &Bed, method: &str, endpoint: crate::http::native::Endpoint, ask: impl FnOnce(Ask) -> Ask) -> Value {
    let ask = ask(Ask::new(method, "/Marti/api/device/profile").user("root", &["__ANON__"]).admin());
    ask.of(bed, endpoint).map(|r| if r.bytes.is_empty() { Value::Null } else { r.json() }).unwrap()
}

/// A profile with these switches and one file.
fn made(bed: &Bed, name: &str, change: &Value, group: &str) -> Value {
    if group != "__ANON__" && bed.native.accounts.group(group).is_none() {
        bed.native.accounts.add_group(group, "", &Actor::local()).unwrap();
    }
    let target = format!("/Marti/api/device/profile/{name}?group={group}");
    Ask::new("POST", &target).param("name", name).user("root", &[]).admin().of(bed, admin::create).unwrap();
    admin(bed, "PUT", admin::change, |ask| ask.param("name", name).body(change.to_string()));
    let file = format!("/Marti/api/device/profile/{name}/file?filename=maps/{name}.pref");
    let put = Ask::new("PUT", &file).param("name", name).user("root", &[]).admin().body("<preferences/>");
    put.of(bed, admin::put_file).unwrap().json()
}

fn connect(bed: &Bed, ago: &str, groups: &[&str]) -> Reply {
    let target = format!("/Marti/api/device/profile/connection?syncSecago={ago}&clientUid=ANDROID-1");
    Ask::get(&target).user("alice", groups).of(bed, connection).unwrap()
}

fn manifest(reply: &Reply) -> (Manifest, zip::Entries) {
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/zip"));
    assert_eq!(reply.header("content-disposition"), "attachment; filename=profile.zip");
    let files = zip::read(&reply.bytes).unwrap();
    let manifest = Manifest::parse(&files["MANIFEST/manifest.xml"]).unwrap();
    assert!(manifest.entries.iter().all(|e| files.contains_key(e)), "{manifest:?}");
    (manifest, files)
}

fn older(bed: &Bed, seconds: i64) {
    bed.native.db.exec("UPDATE device_profile SET updated_at = updated_at - ?1", &[(seconds * 1_000).into()]).unwrap();
}

#[test]
fn m15_34_nothing_is_204_and_a_profile_is_a_package_that_is_not_sent_twice() {
    let bed = Bed::new();
    let none = connect(&bed, "-1", &["__ANON__"]);
    assert_eq!((none.status, none.bytes.len(), none.header("content-type")), (204, 0, ""));
    made(&bed, "Field", &json!({"applyOnConnect": true}), "__ANON__");
    let (manifest, files) = manifest(&connect(&bed, "-1", &["__ANON__"]));
    assert_eq!((manifest.name.as_str(), manifest.entries), ("Connection", vec!["file0/Field.pref".to_owned()]));
    assert!(manifest.on_receive_import && manifest.on_receive_delete && files.len() == 2);
    assert_eq!(connect(&bed, "60", &["__ANON__"]).status, 200);
    older(&bed, 61);
    assert_eq!(connect(&bed, "60", &["__ANON__"]).status, 204);
    assert_eq!(connect(&bed, "3600", &["__ANON__"]).status, 200);
}

#[test]
fn both_parameters_must_be_there() {
    let bed = Bed::new();
    for query in ["", "?syncSecago=1", "?clientUid=A", "?syncSecago=&clientUid=A", "?syncSecago=x&clientUid=A"] {
        let ask = Ask::get(&format!("/Marti/api/device/profile/connection{query}")).user("alice", &[]);
        assert_eq!(ask.refused(&bed, connection), 400, "{query}");
    }
    let ask = Ask::get("/Marti/api/device/profile/connection?SYNCSECAGO=1&clientuid=A").user("alice", &[]);
    assert_eq!(ask.of(&bed, connection).unwrap().status, 204);
    let off = Bed::with(&["marti.device_profiles=false"]);
    let ask = Ask::get("/Marti/api/device/profile/connection?syncSecago=1&clientUid=A").user("alice", &[]);
    assert_eq!(ask.refused(&off, connection), 404);
}

#[test]
fn only_what_fits_the_occasion_the_group_and_the_device_is_told() {
    let bed = Bed::new();
    made(&bed, "first", &json!({"applyOnEnrollment": true}), "red");
    made(&bed, "always", &json!({"applyOnConnect": true}), "red");
    made(&bed, "other", &json!({"applyOnConnect": true}), "blue");
    made(&bed, "off", &json!({"applyOnConnect": true, "active": false}), "red");
    made(&bed, "mine", &json!({"applyOnConnect": true, "deviceUid": "ANDROID-1"}), "red");
    made(&bed, "his", &json!({"applyOnConnect": true, "deviceUid": "ANDROID-2"}), "red");
    made(&bed, "vns", &json!({"tool": "vns"}), "red");
    let names = |reply: Reply| manifest(&reply).0.entries.iter().map(|e| e[6..].to_owned()).collect::<Vec<_>>();
    let ago = connect(&bed, "3600", &["red"]);
    assert_eq!(names(ago), ["always.pref", "mine.pref"]);
    assert_eq!(connect(&bed, "3600", &["green"]).status, 204);
    let tool_of =
        |name: &str| Ask::get("/x?clientUid=A").param("tool", name).user("alice", &["red"]).of(&bed, tool).unwrap();
    assert_eq!(names(tool_of("vns")), ["vns.pref"]);
    assert_eq!((tool_of("").status, tool_of("other").status), (204, 204));
}

#[test]
fn groups_of_the_callers_own_stream_count_and_those_of_somebody_else_do_not() {
    let bed = Bed::new();
    made(&bed, "red", &json!({"applyOnConnect": true}), "red");
    let _stream = bed.join("alice", "ANDROID-1", "ALICE", &["red"]);
    assert_eq!(connect(&bed, "3600", &["green"]).status, 200);
    let bob = Ask::get("/x?syncSecago=3600&clientUid=ANDROID-1").user("bob", &["green"]);
    assert_eq!(bob.of(&bed, connection).unwrap().status, 204);
}

#[test]
fn channels_and_team_are_told_where_channels_are_on() {
    let bed = Bed::with(&["groups.channels=true"]);
    let new = NewUser { name: "alice".into(), team_label: Some("dark blue".into()), ..NewUser::default() };
    let user = bed.native.accounts.add_user(new, &Actor::local()).unwrap();
    let ask = Ask::get("/x?clientUid=A").user("alice", &["__ANON__"]).identity(|who| who.user_id = Some(user.id));
    let (manifest, files) = manifest(&ask.of(&bed, enrollment).unwrap());
    assert_eq!(manifest.name, "Enrollment");
    let app = "com.atakmap.app_preferences";
    let team = Preferences::parse(&files["file0/user-profile.pref"]).unwrap();
    assert_eq!(team.get(app, "locationTeam"), Some("Dark Blue"));
    let channels = Preferences::parse(&files["file1/enable-channels.pref"]).unwrap();
    assert_eq!(channels.get(app, "prefs_enable_channels"), Some("true"));
    assert_eq!(channels.get(app, "prefs_enable_channels_host-tak.example.org"), Some("true"));
    assert_eq!(connect(&bed, "-1", &["__ANON__"]).status, 200);
    // A device that has looked before is not told again.
    assert_eq!(connect(&bed, "10", &["__ANON__"]).status, 204);
}

#[test]
fn id12_06_without_a_profile_enrolment_is_204() {
    let bed = Bed::new();
    let reply = Ask::get("/x?clientUid=A").user("alice", &["__ANON__"]).of(&bed, enrollment).unwrap();
    assert_eq!((reply.status, reply.bytes.len()), (204, 0));
}

#[test]
fn files_of_a_tool_come_by_path_and_paths_lead_nowhere_else() {
    let bed = Bed::new();
    made(&bed, "vns", &json!({"tool": "vns"}), "__ANON__");
    let put = Ask::new("PUT", "/x?filename=maps/b.txt").param("name", "vns").user("root", &[]).admin().body("two");
    put.of(&bed, admin::put_file).unwrap();
    let ask = |query: &str| Ask::get(&format!("/x?{query}")).param("tool", "vns").user("alice", &["__ANON__"]);
    let one = ask("relativePath=/maps/b.txt").of(&bed, tool_file).unwrap();
    assert_eq!((one.status, one.text().as_str(), one.header("content-type")), (200, "two", "text/plain"));
    let modified = one.header("last-modified").to_owned();
    let two = ask("relativePath=/maps/vns.pref&relativePath=/maps/b.txt").of(&bed, tool_file).unwrap();
    assert_eq!(manifest(&two).0.entries, ["file0/vns.pref", "file1/b.txt"]);
    let again = ask("relativePath=/maps/b.txt").header("if-modified-since", &modified).of(&bed, tool_file).unwrap();
    assert_eq!((again.status, again.bytes.len()), (304, 0));
    let newer = ask("relativePath=/maps/b.txt").header("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(newer.of(&bed, tool_file).unwrap().status, 200);
    bed.native.db.exec("UPDATE device_profile_file SET updated_at = updated_at - 120000", &[]).unwrap();
    assert_eq!(ask("relativePath=/maps/b.txt&syncSecago=60").of(&bed, tool_file).unwrap().status, 304);
    assert_eq!(ask("relativePath=/maps/none").refused(&bed, tool_file), 404);
    for bad in [
        "",
        "relativePath=maps/b.txt",
        "relativePath=/../b",
        "relativePath=/a/..",
        "relativePath=/a%5Cb",
        "relativePath=/a%00",
    ] {
        assert_eq!(ask(bad).refused(&bed, tool_file), 400, "{bad}");
    }
}

#[test]
fn an_administrator_makes_changes_and_removes_them() {
    let bed = Bed::new();
    let file = made(&bed, "Field", &json!({"applyOnConnect": true, "tool": "vns"}), "__ANON__");
    assert_eq!((file["data"]["name"].as_str(), file["data"]["size"].as_i64()), (Some("maps/Field.pref"), Some(14)));
    let listed = admin(&bed, "GET", admin::list, |ask| ask);
    let profile = &listed["data"][0];
    assert_eq!((listed["type"].as_str(), profile["name"].as_str()), (Some("Profile"), Some("Field")));
    assert_eq!((&profile["applyOnConnect"], &profile["applyOnEnrollment"]), (&json!(true), &json!(false)));
    assert_eq!((&profile["groups"], &profile["tool"]), (&json!(["__ANON__"]), &json!("vns")));
    let one = admin(&bed, "GET", admin::one, |ask| ask.param("name", "field"));
    assert_eq!(one["data"]["id"], profile["id"]);
    let files = admin(&bed, "GET", admin::files, |ask| ask.param("name", "Field"));
    let id = files["data"][0]["id"].to_string();
    let content = Ask::get("/x").param("name", "Field").param("id", &id).user("root", &[]).admin();
    assert_eq!(content.of(&bed, admin::file).unwrap().text(), "<preferences/>");
    admin(&bed, "DELETE", admin::remove_file, |ask| ask.param("name", "Field").param("id", &id));
    assert_eq!(admin(&bed, "GET", admin::files, |ask| ask.param("name", "Field"))["data"], json!([]));
    admin(&bed, "DELETE", admin::remove, |ask| ask.param("name", &profile["id"].to_string()));
    assert_eq!(admin(&bed, "GET", admin::list, |ask| ask)["data"], json!([]));
}

#[test]
fn what_is_wrong_is_refused() {
    let bed = Bed::new();
    made(&bed, "Field", &json!({}), "__ANON__");
    let ask = |method: &str, name: &str, query: &str| {
        Ask::new(method, &format!("/x?{query}")).param("name", name).user("root", &[]).admin()
    };
    for name in ["connection", "tool", "a/b", "", &"x".repeat(65)] {
        assert_eq!(ask("POST", name, "").refused(&bed, admin::create), 400, "{name}");
    }
    assert_eq!(ask("POST", "field", "").refused(&bed, admin::create), 409);
    assert_eq!(ask("POST", "New", "group=nobody").refused(&bed, admin::create), 400);
    for body in ["{", "{\"active\": 1}", "{\"tool\": 1}", "{\"groups\": \"red\"}", "{\"groups\": [\"nobody\"]}"] {
        assert_eq!(ask("PUT", "Field", "").body(body.to_owned()).refused(&bed, admin::change), 400, "{body}");
    }
    for name in ["filename=../up", "filename=", "", "filename=a//b", "filename=a%5Cb"] {
        assert_eq!(ask("PUT", "Field", name).body("x").refused(&bed, admin::put_file), 400, "{name}");
    }
    assert_eq!(ask("GET", "None", "").refused(&bed, admin::one), 404);
    assert_eq!(ask("DELETE", "Field", "").refused(&bed, admin::remove), 404);
    assert_eq!(ask("POST", "Field", "").body("{}").refused(&bed, admin::send), 400);
}

#[test]
fn a_package_of_a_profile_is_for_its_groups_and_is_sent_to_devices_in_them() {
    let bed = Bed::new();
    made(&bed, "Field", &json!({}), "red");
    let fetch = |groups: &[&str]| Ask::get("/x").param("name", "Field").user("alice", groups);
    assert_eq!(manifest(&fetch(&["red"]).of(&bed, admin::missionpackage).unwrap()).0.name, "Field");
    assert_eq!(fetch(&["blue"]).refused(&bed, admin::missionpackage), 404);
    assert_eq!(fetch(&[]).admin().of(&bed, admin::missionpackage).unwrap().status, 200);
    let _alice = bed.join("alice", "ANDROID-1", "ALICE", &["red"]);
    let _bob = bed.join("bob", "ANDROID-2", "BOB", &["blue"]);
    let sent = admin(&bed, "POST", admin::send, |ask| {
        ask.param("name", "Field").body(json!(["ANDROID-1", "ANDROID-2", "ANDROID-3"]).to_string())
    });
    assert_eq!(sent["data"], 1, "not to somebody outside of its groups");
}

#[test]
fn dates_are_those_of_http() {
    assert_eq!(package::date(1_700_000_000_123), "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_eq!(package::read_date("Tue, 14 Nov 2023 22:13:20 GMT"), Some(1_700_000_000_000));
    assert_eq!(package::read_date("yesterday"), None);
}
