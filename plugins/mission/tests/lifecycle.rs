//! A mission's life: acceptance lines AC-01 to AC-13 and AC-58 of mission.md 9 (archives are in their own file).
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::collections::HashSet;

use fts_plugin_api::{sdk::Role, testkit::MockHost};
use fts_plugin_mission::Mission;
use scene::*;
use serde_json::json;

const CREATE: &str = "/Marti/api/missions/Flood%20North?creatorUid=A&group=__ANON__&tool=public";

#[test]
fn ac_01_a_mission_is_created() {
    let scene = Scene::new();
    let answer = scene.call(ALICE, "PUT", CREATE).send();
    let made = answered(&answer, 201);
    assert_eq!((&made["version"], &made["type"]), (&json!("3"), &json!("Mission")));
    assert_eq!(made["nodeId"], "00000000-0000-4000-8000-000000000001");
    let mission = &made["data"][0];
    assert_eq!((&mission["name"], &mission["expiration"]), (&json!("Flood North"), &json!(-1)));
    assert_eq!(text(&mission["guid"]).len(), 36);
    assert_eq!(text(&mission["token"]).split('.').count(), 3);
    assert_eq!(mission["ownerRole"]["type"], "MISSION_OWNER");
    assert_eq!(mission["ownerRole"]["permissions"].as_array().unwrap().len(), 8);
    assert_eq!(mission["createTime"], "2026-03-01T10:00:00.123Z");
    for (key, value) in [
        ("description", json!("")),
        ("creatorUid", json!("A")),
        ("passwordProtected", json!(false)),
        ("uids", json!([])),
        ("contents", json!([])),
        ("keywords", json!([])),
        ("externalData", json!([])),
        ("feeds", json!([])),
        ("mapLayers", json!([])),
        ("groups", json!(["__ANON__"])),
        ("inviteOnly", json!(false)),
    ] {
        assert_eq!(mission[key], value, "{key}");
    }
    assert!(!answer.text().contains("null"));
}

#[test]
fn ac_02_the_others_in_its_groups_are_told() {
    let scene = Scene::new();
    let guid = text(&scene.ask(ALICE, "PUT", CREATE, 201)["data"][0]["guid"]);
    let notice = scene.only(scene.b);
    assert_eq!(notice.kind(), "t-x-m-n");
    let mission = notice.detail("mission").unwrap();
    let wanted = format!(r#"<mission type="CREATE" tool="public" name="Flood North" guid="{guid}" authorUid="A"/>"#);
    assert_eq!(mission.xml(), wanted);
    assert!(scene.kinds(scene.a).is_empty() && scene.kinds(scene.c).is_empty());
}

#[test]
fn ac_02_the_author_is_left_out_in_any_case_and_invite_only_is_not_announced() {
    let scene = Scene::new();
    scene.create("One?creatorUid=a");
    assert!(scene.kinds(scene.a).is_empty());
    assert_eq!(scene.kinds(scene.b).len(), 1);
    scene.create("Two?creatorUid=A&inviteOnly=true");
    assert_eq!(scene.kinds(scene.b).len(), 1);
}

#[test]
fn ac_03_and_05_an_update_blanks_what_is_absent_and_tells_the_others() {
    let (scene, _, token) = Scene::flood();
    let put = |query: &str| {
        let call = scene.call(ALICE, "PUT", &format!("{FLOOD}?creatorUid=A{query}"));
        let data = answered(&call.header("Authorization", format!("Bearer {token}")).send(), 200)["data"][0].clone();
        assert!(data.get("token").is_none() && data.get("ownerRole").is_none());
        data["description"].clone()
    };
    assert_eq!(put("&description=x"), "x");
    assert_eq!((scene.only(scene.b).kind(), scene.kinds(scene.a).len()), ("t-x-m-c-m", 0));
    scene.host.forget();
    assert_eq!(put("&description=x"), "x");
    assert!(scene.kinds(scene.b).is_empty(), "nothing changed");
    assert_eq!(put(""), "");
}

#[test]
fn an_update_needs_the_permissions_of_what_it_changes() {
    let (scene, guid, _) = Scene::flood();
    let put = |who, query: &str, status| {
        scene.ask(who, "PUT", &format!("{FLOOD}?{query}"), status);
    };
    put(BOB, "description=y", 200);
    put(BOB, "password=river", 403);
    put(BOB, "defaultRole=MISSION_READONLY_SUBSCRIBER", 403);
    put(ALICE, "creatorUid=A&group=Red", 403);
    put(ADMIN, "group=Red", 403);
    put(ADMIN, "group=Red&allowGroupChange=true", 200);
    scene.ask(BOB, "GET", FLOOD, 404);
    assert_eq!(scene.ask(CAROL, "GET", FLOOD, 200)["data"][0]["groups"], json!(["Red"]));
    // Carol's group sees it now, and the guid form is an update, too.
    let by_guid = scene.ask(CAROL, "PUT", &format!("/Marti/api/missions/guid/{guid}?description=z"), 200);
    assert_eq!(by_guid["data"][0]["description"], "z");
}

#[test]
fn ac_04_names_are_found_in_any_case_and_by_guid() {
    let (scene, guid, _) = Scene::flood();
    for path in [
        "flood%20north".to_owned(),
        "FLOOD%20NORTH".into(),
        format!("guid/{guid}"),
        format!("guid/{}", guid.to_uppercase()),
    ] {
        let found = scene.ask(BOB, "GET", &format!("/Marti/api/missions/{path}"), 200);
        assert_eq!(found["data"][0]["name"], "Flood North");
    }
    scene.ask(BOB, "GET", "/Marti/api/missions/guid/5d1f0c1e", 400);
    scene.ask(BOB, "GET", "/Marti/api/missions/guid/5d1f0c1e-4d36-4a0f-9c55-0a8f4b6c7d21", 404);
}

#[test]
fn ac_06_a_json_body_creates_it() {
    let scene = Scene::new();
    let body = json!({"description": "w", "defaultRole": {"type": "MISSION_READONLY_SUBSCRIBER"},
        "createTime": "0001-01-01T00:00:00Z", "foo": 1, "expiration": "-1"});
    let made = answered(&scene.call(ALICE, "PUT", CREATE).json(&body).send(), 201);
    let mission = &made["data"][0];
    assert_eq!((&mission["description"], &mission["createTime"]), (&json!("w"), &json!("2026-03-01T10:00:00.123Z")));
    assert_eq!(mission["defaultRole"], json!({"type": "MISSION_READONLY_SUBSCRIBER", "permissions": ["MISSION_READ"]}));
    let bad =
        scene.call(ALICE, "PUT", "/Marti/api/missions/x").header("content-type", "application/json").body("{").send();
    assert_eq!(answered(&bad, 400)["code"], 2);
}

#[test]
fn ac_07_of_two_with_one_name_the_newer_is_found() {
    let (scene, old, _) = Scene::flood();
    let new = scene.ask(ALICE, "POST", &format!("{FLOOD}?allowDupe=true"), 201)["data"][0]["guid"].clone();
    assert_ne!(new, old.as_str());
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["guid"], new);
    let by_guid = scene.ask(BOB, "GET", &format!("/Marti/api/missions/guid/{old}"), 200);
    assert_eq!(by_guid["data"][0]["guid"], old.as_str());
    assert_eq!(scene.ask(BOB, "GET", "/Marti/api/missions", 200)["data"].as_array().unwrap().len(), 2);
    // The destination by name follows.
    scene.ask(ADMIN, "DELETE", &format!("/Marti/api/missions/guid/{}", text(&new)), 200);
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["guid"], old.as_str());
    scene.host.forget();
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    assert_eq!(scene.rows("SELECT 1 FROM mission_uid"), 1);
}

#[test]
fn ac_08_bad_names_are_refused() {
    let scene = Scene::new();
    for name in ["logs", "ALL", "invitations", "hierarchy", "a%2Fb", &"x".repeat(1025), "a%22b", "%20"] {
        let answer = scene.call(ALICE, "PUT", &format!("/Marti/api/missions/{name}")).send();
        assert_eq!(answered(&answer, 400)["status"], "BAD_REQUEST", "{name}");
    }
    assert_eq!(scene.rows("SELECT 1 FROM mission"), 2, "only the seeds");
}

#[test]
fn ac_09_and_10_a_deleted_mission_is_gone_and_its_name_is_free() {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    scene.host.forget();
    let deleted = scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    assert_eq!((&deleted["type"], &deleted["data"][0]["name"]), (&json!("Mission"), &json!("Flood North")));
    let notice = scene.only(scene.b);
    assert_eq!(
        (notice.kind(), notice.detail("mission").unwrap().attr("type").unwrap().as_ref()),
        ("t-x-m-d", "DELETE")
    );
    assert!(scene.kinds(scene.a).is_empty() && scene.kinds(scene.c).is_empty());
    for path in [FLOOD.to_owned(), format!("/Marti/api/missions/guid/{guid}"), format!("{FLOOD}/subscription?uid=B")] {
        let gone = scene.ask(BOB, "GET", &path, 410);
        assert_eq!((&gone["status"], &gone["code"]), (&json!("GONE"), &json!(8)), "{path}");
    }
    let never = scene.ask(BOB, "GET", "/Marti/api/missions/Never", 404);
    assert_eq!((&never["status"], &never["code"]), (&json!("NOT_FOUND"), &json!(1)));
    // What is sent to it goes nowhere.
    scene.host.forget();
    scene.host.deliver(marker("m-2", "mission=\"Flood North\""), scene.a);
    assert!(scene.kinds(scene.b).is_empty() && scene.kinds(scene.a).is_empty());

    let again = scene.ask(ALICE, "PUT", CREATE, 201)["data"][0].clone();
    assert!(again["guid"] != guid.as_str() && again["uids"] == json!([]));
    let now = scene.ask(ALICE, "GET", &format!("{FLOOD}?changes=true"), 200)["data"][0].clone();
    let kinds: Vec<_> = now["missionChanges"].as_array().unwrap().iter().map(|c| text(&c["type"])).collect();
    assert_eq!(kinds, ["CREATE_MISSION"]);
    // Events and changes of the old one go by themselves; that it is gone stays known.
    scene.host.tick(std::time::Duration::from_secs(61));
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot"), 0);
    scene.ask(BOB, "GET", &format!("/Marti/api/missions/guid/{guid}"), 410);
}

#[test]
fn ac_09_a_mission_is_deleted_by_its_guid_in_the_query() {
    let (scene, guid, _) = Scene::flood();
    scene.ask(BOB, "DELETE", &format!("/Marti/api/missions?guid={guid}"), 403);
    scene.ask(ALICE, "DELETE", "/Marti/api/missions", 400);
    scene.ask(ALICE, "DELETE", &format!("/Marti/api/missions?guid={guid}&creatorUid=A"), 200);
    scene.ask(ALICE, "GET", FLOOD, 410);
}

#[test]
fn ac_11_a_member_may_delete_only_where_the_option_says_so() {
    let (scene, ..) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    assert_eq!(scene.ask(BOB, "DELETE", FLOOD, 403)["code"], 10);
    scene.ask(BOB, "GET", FLOOD, 200);
    let scene = Scene::with(&json!({"delete_requires_owner": false}));
    scene.create("Flood%20North?creatorUid=A");
    scene.subscribe(BOB, FLOOD, "B");
    scene.ask(BOB, "DELETE", &format!("{FLOOD}?deepDelete=true"), 403);
    scene.ask(BOB, "DELETE", FLOOD, 200);
}

#[test]
fn ac_13_other_groups_do_not_see_it() {
    let (scene, guid, _) = Scene::flood();
    assert_eq!(
        scene.ask(CAROL, "GET", "/Marti/api/missions?passwordProtected=true&defaultRole=true", 200)["data"],
        json!([])
    );
    for path in [FLOOD.to_owned(), format!("/Marti/api/missions/guid/{guid}")] {
        scene.ask(CAROL, "GET", &path, 404);
        scene.ask(CAROL, "PUT", &format!("{path}/subscription?uid=C"), 404);
    }
    // To her the name is free; hers is another mission, and nobody else's changes.
    let hers = scene.ask(CAROL, "PUT", &format!("{FLOOD}?creatorUid=C&group=Red"), 201)["data"][0]["guid"].clone();
    assert_ne!(hers, guid.as_str());
    assert_eq!(scene.ask(CAROL, "GET", FLOOD, 200)["data"][0]["guid"], hers);
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["guid"], guid.as_str());
    assert!(scene.kinds(scene.b).is_empty());
}

#[test]
fn a_deleted_name_is_gone_for_everybody_whatever_others_make_of_it() {
    let (scene, guid, _) = Scene::flood();
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    let again = || scene.ask(CAROL, "PUT", &format!("{FLOOD}?creatorUid=C&group=Red"), 201);
    // That somebody has a mission of this name now, and ends it, is seen by its groups alone.
    for _ in 0..2 {
        again();
        for path in [FLOOD.to_owned(), format!("{FLOOD}/changes"), format!("/Marti/api/missions/guid/{guid}")] {
            scene.ask(BOB, "GET", &path, 410);
        }
        scene.ask(CAROL, "GET", FLOOD, 200);
        scene.ask(CAROL, "DELETE", &format!("{FLOOD}?creatorUid=C"), 200);
        scene.ask(BOB, "GET", FLOOD, 410);
        scene.ask(CAROL, "GET", FLOOD, 410);
    }
    // Where the name was never deleted nobody learns of it.
    scene.ask(CAROL, "PUT", "/Marti/api/missions/Fire?creatorUid=C&group=Red", 201);
    scene.ask(BOB, "GET", "/Marti/api/missions/Fire", 404);
    // Nor is it gone for who may see one that lives.
    again();
    scene.ask(BOB, "PUT", &format!("{FLOOD}?creatorUid=B"), 201);
    scene.ask(BOB, "GET", FLOOD, 200);
    scene.ask(CAROL, "GET", FLOOD, 200);
}

#[test]
fn groups_of_a_new_mission_are_the_creators() {
    let scene = Scene::new();
    assert_eq!(scene.ask(CAROL, "PUT", "/Marti/api/missions/x?group=__ANON__,Red", 403)["code"], 10);
    let fallback = scene.ask(CAROL, "PUT", "/Marti/api/missions/x", 201);
    assert_eq!(fallback["data"][0]["groups"], json!(["Red"]), "she is not in __ANON__");
    let outside = Who("dave", "", Role::User);
    let mut identity = fts_plugin_api::sdk::Identity { user: outside.0.into(), role: outside.2, ..Default::default() };
    identity.groups_in.clear();
    let answer = scene.host.http("PUT", "/Marti/api/missions/y").identity(identity).send();
    assert_eq!(answered(&answer, 403)["code"], 10);
}

#[test]
fn the_list_leaves_out_what_it_must_and_has_no_details() {
    let (scene, ..) = Scene::flood();
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    scene.create("Closed?creatorUid=A&inviteOnly=true");
    scene.create("Other?creatorUid=A&tool=vbm");
    scene.create("Readers?creatorUid=A&defaultRole=MISSION_READONLY_SUBSCRIBER");
    let names = |query: &str| -> Vec<String> {
        let list = scene.ask(BOB, "GET", &format!("/Marti/api/missions?{query}"), 200);
        list["data"].as_array().unwrap().iter().map(|m| text(&m["name"])).collect()
    };
    assert_eq!(names(""), ["Flood North"]);
    assert_eq!(names("defaultRole=true&tool="), ["Flood North", "Readers"]);
    assert_eq!(names("tool=vbm"), ["Other"]);
    assert_eq!(names("tool=ExCheck"), ["exchecktemplates"]);
    let list = scene.ask(BOB, "GET", "/Marti/api/missions", 200);
    assert_eq!(list["data"][0]["uids"][0]["data"], "m-1");
    assert!(list["data"][0]["uids"][0].get("details").is_none());
    let whole = scene.ask(BOB, "GET", FLOOD, 200);
    assert_eq!(whole["data"][0]["uids"][0]["details"]["callsign"], "Alpha");
    assert_eq!(scene.ask(BOB, "GET", "/Marti/api/missioncount", 200)["data"], 2);
    let page = scene.ask(BOB, "GET", "/Marti/api/pagedmissions?pagesize=1&page=1&nameFilter=", 200);
    assert_eq!(page["data"][0]["name"], "Readers");
    scene.ask(BOB, "GET", "/Marti/api/pagedmissions?sort=secret", 400);
    assert_eq!(
        scene.host.http("GET", "/MissionTable").send().json::<serde_json::Value>().unwrap()["data"],
        list["data"]
    );
}

#[test]
fn ac_54_a_fresh_server_has_the_seeded_missions_and_they_stay_deleted() {
    let scene = Scene::new();
    let found = scene.ask(CAROL, "GET", "/Marti/api/missions/ExCheckTemplates", 200);
    let mission = &found["data"][0];
    assert_eq!(
        (&mission["name"], &mission["tool"], &mission["creatorUid"]),
        (&json!("exchecktemplates"), &json!("ExCheck"), &json!("ExCheck"))
    );
    assert_eq!((&mission["uids"], &mission["contents"], &mission["groups"]), (&json!([]), &json!([]), &json!(["Red"])));
    scene.ask(CAROL, "GET", "/Marti/api/missions/citrap", 200);
    scene.ask(ADMIN, "DELETE", "/Marti/api/missions/citrap", 200);
    scene.host.stop().unwrap();
    scene.host.start_again().unwrap();
    scene.ask(CAROL, "GET", "/Marti/api/missions/citrap", 410);
    scene.ask(CAROL, "GET", "/Marti/api/missions/exchecktemplates", 200);
}

#[test]
fn ac_58_of_many_who_make_one_name_at_once_one_creates_it() {
    let host = MockHost::builder().now(NOW).start::<Mission>().unwrap();
    let statuses: Vec<u16> = std::thread::scope(|s| {
        let one = |n: usize| {
            let host = &host;
            s.spawn(move || host.http("PUT", &format!("/Marti/api/missions/Rush?creatorUid=U{n}")).send().status)
        };
        (0..100).map(one).collect::<Vec<_>>().into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().copied().collect::<HashSet<_>>(), HashSet::from([200, 201]));
    let created = "SELECT 1 FROM mission_change WHERE mission_name = 'Rush' AND type = 0";
    assert_eq!(host.query(created).unwrap().rows.len(), 1);
}
