//! Missions of a FreeTAKServer, as the server reads them out of its databases (mission.md 6.1, 8.12; operations.md 8).
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::time::Duration;

use fts_plugin_api::sdk::FileInfo;
use scene::*;
use serde_json::{Value, json};

/// A day before the scene.
const MADE: &str = "2026-02-28 10:00:00.000000";

fn import(scene: &Scene, rows: &Value) -> Value {
    scene.host.import("missions", rows).unwrap()
}

fn event(uid: &str) -> String {
    String::from_utf8(marker(uid, "mission=\"Flood North\"")).unwrap()
}

fn change(column: &str, about: &str, time: &str, creator: &str) -> Value {
    json!({"type": "ADD_CONTENT", column: about, "server_time": time, "timestamp": time, "creator_uid": creator})
}

/// `Flood North` with everything; the file is in the store.
fn flood(scene: &Scene) -> Value {
    let info = FileInfo {
        name: "plan.txt".into(),
        uid: "plan".into(),
        groups: vec!["__ANON__".into()],
        ..FileInfo::default()
    };
    let sha256 = scene.host.put_file(info, b"the plan").sha256;
    json!({
        "mission": {"PrimaryKey": "flood north", "name": "Flood North", "description": "None", "tool": "public",
            "chatRoom": "", "classification": "None", "createTime": MADE, "inviteOnly": "0", "expiration": "-1",
            "passwordProtected": "False", "serviceUri": "None"},
        "groups": ["__ANON__"],
        "mission_content": [{"PrimaryKey": "plan", "hash": "old", "sha256": sha256, "new": true}],
        "MissionCoT": [{"uid": "m-1", "xml": event("m-1")}, {"uid": "m-2"}, {"uid": "m-3", "xml": "<event"}],
        "external_data": [{"id": "7", "uid": "e", "name": "first", "tool": "ExCheck", "urlData": "http://u", "notes": "n"}],
        "log": [{"id": "l-1", "content": " seen & done ", "creatorUid": "A", "entryUid": "x", "servertime": "2026-02-28 12:00:00.5",
            "dtg": "2026-02-28 11:59:00", "created": "2026-02-28 12:00:00.5", "contentHashes": "[\"old\"]", "keywords": "[\"k\"]"}],
        "subscription": [
            {"PrimaryKey": 1, "username": "anonymous", "clientUid": "A", "role_id": "MISSION_OWNER", "createTime": MADE},
            {"PrimaryKey": 2, "username": "anonymous", "clientUid": "P", "role_id": null},
            {"PrimaryKey": 3, "username": "anonymous", "clientUid": "P", "role_id": "MISSION_SUBSCRIBER"},
            {"PrimaryKey": 4, "username": "anonymous"}],
        "MissionInvitation": [{"uid": "i", "author_uid": "A", "clientUid": "C", "role_id": "MISSION_SUBSCRIBER"}, {"uid": "j"}],
        "mission_change": [
            {"type": "CREATE_MISSION", "creator_uid": "A", "server_time": MADE},
            change("content_resource_uid", "old", "2026-02-28 11:00:00", "A"),
            change("cot_detail_uid", "m-2", "2026-02-28 10:30:00", ""),
            change("external_data_uid", "7", "2026-02-28 13:00:00", "B")],
    })
}

#[test]
fn a_mission_of_fts_comes_with_all_that_points_to_it() {
    let scene = Scene::new();
    let rows = flood(&scene);
    scene.host.forget();
    let report = import(&scene, &rows);
    assert_eq!(
        report["imported"],
        json!({"mission": 1, "mission_content": 1, "MissionCoT": 3, "external_data": 1, "log": 1, "subscription": 2,
            "MissionInvitation": 1})
    );
    assert_eq!(report["skipped"], json!({"subscription": 2}));
    assert_eq!(
        report["failed"],
        json!([{"table": "MissionInvitation", "key": "j", "why": "it does not say who is invited"}])
    );
    let notes: Vec<_> = report["notes"].as_array().unwrap().iter().map(text).collect();
    assert!(notes.iter().any(|n| n.contains("the event of m-3")), "{notes:?}");
    assert!(
        notes.iter().any(|n| n.contains("of 2 items")) && notes.iter().any(|n| n.contains("owned by the device A")),
        "{notes:?}"
    );
    assert!(scene.kinds(scene.a).is_empty() && scene.kinds(scene.b).is_empty(), "nobody is told of an item");

    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    for (key, value) in [
        ("name", json!("Flood North")),
        ("description", json!("")),
        ("tool", json!("public")),
        ("groups", json!(["__ANON__"])),
        ("creatorUid", json!("A")),
        ("createTime", json!("2026-02-28T10:00:00.000Z")),
        ("lastEdited", json!("2026-03-01T10:00:00.123Z")),
        ("inviteOnly", json!(false)),
        ("passwordProtected", json!(false)),
        ("expiration", json!(-1)),
        ("guid", report["guid"].clone()),
    ] {
        assert_eq!(mission[key], value, "{key}");
    }
    let uids: Vec<_> = mission["uids"].as_array().unwrap().iter().map(|u| text(&u["data"])).collect();
    assert_eq!(uids, ["m-3", "m-2", "m-1"], "by time: m-1 says its own");
    assert_eq!(mission["contents"][0]["data"]["name"], "plan.txt");
    assert_eq!(mission["contents"][0]["timestamp"], "2026-02-28T11:00:00.000Z");
    assert_eq!(
        (&mission["externalData"][0]["uid"], &mission["externalData"][0]["name"]),
        (&json!("e"), &json!("first"))
    );
    // The history is FTS's, in its time.
    let changes = scene.ask(BOB, "GET", &format!("{FLOOD}/changes?secago=9999999"), 200)["data"].clone();
    let told: Vec<_> =
        changes.as_array().unwrap().iter().map(|c| (text(&c["serverTime"]), text(&c["creatorUid"]))).collect();
    let at = |time: &str, who: &str| (format!("2026-02-28T{time}:00.000Z"), who.to_owned());
    assert_eq!(told[1..], [at("13:00", "B"), at("11:00", "A"), at("10:30", ""), at("10:00", ""), at("10:00", "A")]);
    assert_eq!(told[0].0, "2026-03-01T10:00:00.123Z", "m-1 has no change in FTS: its event's time");
    assert!(scene.call(BOB, "GET", &format!("{FLOOD}/cot")).send().text().contains("uid=\"m-1\""));
    let log = scene.ask(BOB, "GET", &format!("{FLOOD}/log"), 200)["data"][0].clone();
    assert_eq!((&log["id"], &log["content"], &log["entryUid"]), (&json!("l-1"), &json!(" seen & done "), &json!("x")));
    assert_eq!(
        (&log["servertime"], &log["dtg"]),
        (&json!("2026-02-28T12:00:00.500Z"), &json!("2026-02-28T11:59:00.000Z"))
    );
    assert_eq!(
        (&log["keywords"], &log["contentHashes"]),
        (&json!(["k"]), &json!([rows["mission_content"][0]["sha256"]]))
    );
    let stored = scene
        .rows("SELECT 1 FROM mission_subscription WHERE username = '' AND client_uid = 'A' AND role = 'MISSION_OWNER'");
    assert_eq!(stored, 1);
    assert_eq!(scene.rows("SELECT 1 FROM mission_invitation WHERE invitee = 'C' AND type = 'clientUid'"), 1);
}

#[test]
fn a_second_import_adds_nothing_and_a_mission_that_is_another_is_not_touched() {
    let scene = Scene::new();
    let rows = flood(&scene);
    let guid = import(&scene, &rows)["guid"].clone();
    let before = scene.ask(ADMIN, "GET", FLOOD, 200);
    scene.host.tick(Duration::from_secs(1));
    let again = import(&scene, &rows);
    assert_eq!((&again["guid"], &again["imported"], &again["failed"]), (&guid, &json!({}), &json!([])));
    assert_eq!(again["skipped"]["mission"], 1);
    assert_eq!(scene.ask(ADMIN, "GET", FLOOD, 200), before);

    let mut other = rows.clone();
    other["mission"]["createTime"] = json!("2026-02-27 10:00:00");
    let refused = import(&scene, &other);
    assert!(text(&refused["failed"][0]["why"]).contains("a mission of this name"), "{refused}");
    let left = json!({"mission_content": 1, "MissionCoT": 3, "external_data": 1, "log": 1, "subscription": 4, "MissionInvitation": 2});
    assert_eq!(
        (&refused["skipped"], refused["failed"].as_array().unwrap().len()),
        (&left, 1),
        "every row is accounted for"
    );
    assert_eq!(scene.rows("SELECT 1 FROM mission WHERE name_key = 'flood north'"), 1);
    // To a group that does not see it the name is free, and the first is found all the same.
    other["groups"] = json!(["Red"]);
    assert_eq!(import(&scene, &other)["imported"]["mission"], 1);
    assert_eq!(
        (&import(&scene, &rows)["guid"], scene.rows("SELECT 1 FROM mission WHERE name_key = 'flood north'")),
        (&guid, 2)
    );
}

#[test]
fn what_was_mended_is_added_to_a_living_mission_and_what_was_taken_out_stays_out() {
    let scene = Scene::new();
    let whole = flood(&scene);
    let mut broken = whole.clone();
    broken["mission_content"][0]["sha256"] = json!("0".repeat(64));
    broken["MissionCoT"] = json!([{"uid": "m-2"}]);
    let report = import(&scene, &broken);
    assert!(text(&report["failed"][0]["why"]).contains("not in the store"), "{report}");
    scene.subscribe(BOB, FLOOD, "B");
    scene.ask(ADMIN, "DELETE", &format!("{FLOOD}/contents?uid=m-2&creatorUid=A"), 200);
    scene.host.tick(Duration::from_secs(1));
    scene.host.forget();
    let mended = import(&scene, &whole);
    assert_eq!(mended["imported"], json!({"mission_content": 1, "MissionCoT": 2}), "{mended}");
    let left =
        json!({"mission": 1, "MissionCoT": 1, "external_data": 1, "log": 1, "subscription": 4, "MissionInvitation": 2});
    assert_eq!(mended["skipped"], left);
    // Who is in it is told, in the order of time: a bare item, a file, an item with its event.
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "t-x-m-c", "t-x-m-c", "a-f-G"]);
    assert!(scene.kinds(scene.a).is_empty() && scene.kinds(scene.c).is_empty());
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    let uids: Vec<_> = mission["uids"].as_array().unwrap().iter().map(|u| text(&u["data"])).collect();
    assert_eq!((uids, mission["contents"].as_array().unwrap().len()), (vec!["m-3".into(), "m-1".into()], 1));
    // It was added now, and happened then.
    let changes = scene.ask(BOB, "GET", &format!("{FLOOD}/changes?secago=0&squashed=false"), 200)["data"].clone();
    let file = changes.as_array().unwrap().iter().find(|c| c["contentResource"].is_object()).unwrap();
    assert_eq!(
        (&file["serverTime"], &file["timestamp"]),
        (&json!("2026-03-01T10:00:01.123Z"), &json!("2026-02-28T11:00:00.000Z"))
    );
}

#[test]
fn members_are_live_for_clients_without_a_user_and_a_user_inherits_nothing() {
    let scene = Scene::new();
    let rows = flood(&scene);
    // P is a device without a user; a is alice's device A, an owner in FTS.
    let p = scene.host.connect(fts_plugin_api::testkit::Client::new("P", "papa").groups(["__ANON__"]));
    import(&scene, &rows);
    scene.host.forget();
    scene.host.deliver(marker("n-1", "mission=\"Flood North\""), p);
    assert_eq!(scene.kinds(p), ["t-x-m-c"], "a member may write, and is told");
    assert!(scene.kinds(scene.a).is_empty(), "alice is not the anonymous user of A");
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 403);
    scene.subscribe(ALICE, FLOOD, "A");
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 403);
    scene.ask(ADMIN, "PUT", &format!("{FLOOD}/role?clientUid=A&username=alice&role=MISSION_OWNER"), 200);
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
}

#[test]
fn a_mission_with_a_password_that_cannot_be_taken_over_stays_closed() {
    let scene = Scene::new();
    let mut rows = flood(&scene);
    rows["mission"]["passwordProtected"] = json!("True");
    let report = import(&scene, &rows);
    assert!(report["notes"].as_array().unwrap().iter().any(|n| text(n).contains("had a password in FTS")), "{report}");
    scene.ask(BOB, "PUT", &format!("{FLOOD}/subscription?uid=B"), 403);
    scene.ask(BOB, "GET", &format!("{FLOOD}/changes"), 403);
    // Its file is found by name by nobody any more.
    let sha256 = text(&rows["mission_content"][0]["sha256"]);
    assert_eq!(scene.host.files().iter().find(|f| f.sha256 == sha256).unwrap().tool, "private");
}

#[test]
fn the_event_of_another_item_is_not_taken_for_this_ones() {
    let scene = Scene::new();
    let mut rows = flood(&scene);
    rows["MissionCoT"] = json!([{"uid": "m-1", "xml": event("other")}]);
    for added in [1, 0] {
        let report = import(&scene, &rows);
        assert_eq!(report["imported"]["MissionCoT"].as_u64().unwrap_or(0), added, "{report}");
        assert!(report["notes"].to_string().contains("it is of other"), "{report}");
    }
    assert_eq!((scene.rows("SELECT 1 FROM mission_uid"), scene.rows("SELECT 1 FROM mission_cot")), (1, 0));
}

#[test]
fn names_that_fts_took_are_kept_as_far_as_they_can_be() {
    let scene = Scene::new();
    for (name, here, status) in
        [("a \"b\" <c>", "a%20%22b%22%20%3Cc%3E", 200), ("in/out", "in_out", 200), ("logs", "logs%20(FTS)", 200)]
    {
        let rows = json!({"mission": {"PrimaryKey": name, "name": name, "createTime": MADE}, "groups": ["__ANON__"]});
        let report = import(&scene, &rows);
        assert_eq!(report["imported"]["mission"], 1, "{report}");
        scene.ask(BOB, "GET", &format!("/Marti/api/missions/{here}"), status);
        assert_eq!(import(&scene, &rows)["skipped"]["mission"], 1);
    }
    let none = import(&scene, &json!({"mission": {"name": " "}}));
    assert!(text(&none["failed"][0]["why"]).contains("is empty"), "{none}");
}

#[test]
fn what_has_no_room_is_named_and_the_rest_comes() {
    let scene = Scene::with(&json!({"max_uids": 2}));
    let rows = flood(&scene);
    let report = import(&scene, &rows);
    assert_eq!(report["imported"]["MissionCoT"], 2);
    assert!(text(&report["failed"][0]["why"]).contains("plugins.mission.max_uids"), "{report}");
    scene.ask(BOB, "GET", FLOOD, 200);
}

#[test]
fn a_log_entry_of_two_missions_is_one_and_missions_lie_below_one_another() {
    let scene = Scene::new();
    let entry = json!([{"id": "l", "content": "both", "servertime": MADE}]);
    let mission = |name: &str, day: u32| {
        json!({"mission": {"PrimaryKey": name, "name": name, "createTime": format!("2026-02-2{day} 10:00:00")},
            "groups": ["__ANON__"], "log": entry})
    };
    let guids: Vec<_> = ["a", "b", "c"]
        .iter()
        .zip(1..)
        .map(|(name, day)| import(&scene, &mission(name, day))["guid"].clone())
        .collect();
    assert_eq!(scene.rows("SELECT 1 FROM mission_log"), 1);
    for name in ["a", "b", "c"] {
        assert_eq!(
            scene.ask(BOB, "GET", &format!("/Marti/api/missions/{name}/log"), 200)["data"][0]["content"],
            "both"
        );
    }
    let pair = |parent: &str, child: &str| json!({"parent_mission_id": parent, "child_mission_id": child});
    let rows = json!({
        "missions": {"a": guids[0], "b": guids[1], "c": guids[2]},
        "mission_to_mission": [pair("a", "b"), pair("a", "c"), pair("b", "c"), pair("b", "a"), pair("a", "gone")],
    });
    let report = scene.host.import("mission_to_mission", &rows).unwrap();
    assert_eq!(report["imported"], json!({"mission_to_mission": 2}));
    let why: Vec<_> = report["failed"].as_array().unwrap().iter().map(|f| text(&f["why"])).collect();
    assert!(
        why[0].contains("below one only") && why[1].contains("above itself") && why[2].contains("not imported"),
        "{why:?}"
    );
    assert_eq!(scene.ask(BOB, "GET", "/Marti/api/missions/c/parent", 200)["data"]["name"], "a");
    let again = scene.host.import("mission_to_mission", &rows).unwrap();
    assert_eq!((&again["imported"], &again["skipped"]), (&json!({}), &json!({"mission_to_mission": 2})));
}

#[test]
fn another_section_and_rows_that_are_none_are_refused() {
    let scene = Scene::new();
    let error = scene.host.import("users", &json!([])).unwrap_err();
    assert!(error.to_string().contains("\"users\"") && error.to_string().contains("missions"), "{error}");
    for rows in [json!(7), json!({"mission": 7}), json!([null])] {
        assert!(scene.host.import("missions", &rows).is_err(), "{rows}");
    }
}
