//! Members, tokens and roles: acceptance lines AC-14 to AC-21 and AC-25, AC-26 of mission.md 9.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::sdk::FileInfo;
use scene::*;
use serde_json::json;

/// alice makes `Closed` with a password; m-1 and a file are in it.
fn closed(scene: &Scene) -> &'static str {
    let path = "/Marti/api/missions/Closed";
    scene.create("Closed?creatorUid=A&password=river");
    scene.host.deliver(marker("m-1", "mission=\"Closed\""), scene.a);
    let info = FileInfo { name: "plan".into(), groups: vec!["__ANON__".into()], ..FileInfo::default() };
    let hash = scene.host.put_file(info, b"the plan").sha256;
    let put = scene.call(ALICE, "PUT", &format!("{path}/contents?creatorUid=A")).json(&json!({"hashes": [hash]}));
    let shown = answered(&put.send(), 200)["data"][0].clone();
    assert_eq!((&shown["uids"][0]["data"], &shown["contents"][0]["data"]["hash"]), (&json!("m-1"), &json!(hash)));
    path
}

#[test]
fn ac_14_bob_subscribes_and_again_with_the_same_token() {
    let (scene, ..) = Scene::flood();
    let answer = scene.ask(BOB, "PUT", &format!("{FLOOD}/subscription?uid=B"), 201);
    assert_eq!(answer["type"], "com.bbn.marti.sync.model.MissionSubscription");
    let data = &answer["data"];
    assert_eq!((&data["clientUid"], &data["username"]), (&json!("B"), &json!("bob")));
    assert_eq!(data["role"]["type"], "MISSION_SUBSCRIBER");
    assert_eq!(data["createTime"], "2026-03-01T10:00:00.123Z");
    scene.host.tick(std::time::Duration::from_secs(5));
    assert_eq!(scene.subscribe(BOB, FLOOD, "B")["token"], data["token"]);
    assert_eq!(scene.rows("SELECT 1 FROM mission_subscription WHERE client_uid = 'B'"), 1);
    let get = scene.ask(BOB, "GET", &format!("{FLOOD}/subscription?uid=B"), 200);
    assert_eq!((&get["data"]["token"], &get["data"]["role"]), (&data["token"], &data["role"]));
}

#[test]
fn ac_15_the_version_decides_what_comes_with_it() {
    let (scene, ..) = Scene::flood();
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    let put = |version: &str| {
        let call = scene.call(BOB, "PUT", &format!("{FLOOD}/subscription?uid=B"));
        answered(&call.header("API_VERSION", version).send(), 201)["data"].clone()
    };
    assert!(scene.subscribe(BOB, FLOOD, "B").get("mission").is_none());
    assert!(put("two").get("mission").is_none());
    let three = put("3")["mission"].clone();
    let kinds: Vec<_> = three["missionChanges"].as_array().unwrap().iter().map(|c| text(&c["type"])).collect();
    assert_eq!((kinds, &three["logs"]), (vec!["ADD_CONTENT".to_owned(), "CREATE_MISSION".into()], &json!([])));
    assert!(three["uids"][0].get("details").is_none());
    assert_eq!(put("4")["mission"]["uids"][0]["details"]["type"], "a-f-G");
}

#[test]
fn ac_16_somebody_must_be_named() {
    let (scene, ..) = Scene::flood();
    for query in ["", "?uid=", "?topic="] {
        scene.ask(BOB, "PUT", &format!("{FLOOD}/subscription{query}"), 400);
    }
    let topic = scene.ask(BOB, "PUT", &format!("{FLOOD}/subscription?topic=feed"), 201);
    assert_eq!(topic["data"]["clientUid"], "topic:feed");
}

#[test]
fn ac_17_a_changed_token_counts_as_none() {
    let (scene, ..) = Scene::flood();
    let (_, token) = scene.create("Closed?creatorUid=A&password=river");
    let path = "/Marti/api/missions/Closed";
    let ask = |token: &str, status| {
        let call = scene.call(NOBODY, "GET", path).header("Authorization", format!("Bearer {token}"));
        answered(&call.send(), status)
    };
    ask(&token, 200);
    let (head, last) = token.split_at(token.len() - 5);
    let changed = format!("{head}{}{}", if last.starts_with('x') { "y" } else { "x" }, &last[1..]);
    ask(&changed, 403);
    ask("an OAuth token of the server", 403);
    let no_bearer = scene.call(NOBODY, "GET", path).header("Authorization", token).send();
    assert_eq!(no_bearer.status, 403);
}

#[test]
fn ac_18_a_password_is_asked_for_once() {
    let (scene, ..) = Scene::flood();
    let path = closed(&scene);
    for query in ["", "&password=", "&password=lake"] {
        assert_eq!(scene.ask(BOB, "PUT", &format!("{path}/subscription?uid=B{query}"), 403)["code"], 10);
    }
    // Before he is a member.
    scene.ask(BOB, "GET", path, 403);
    let three = answered(&scene.call(BOB, "GET", path).header("API_VERSION", "3").send(), 200);
    assert_eq!((&three["data"][0]["uids"], &three["data"][0]["contents"]), (&json!([]), &json!([])));
    assert_eq!(three["data"][0]["passwordProtected"], true);

    let token = scene.ask(BOB, "PUT", &format!("{path}/subscription?uid=B&password=river"), 201);
    let token = text(&token["data"]["token"]);
    for header in ["Authorization", "MissionAuthorization"] {
        let with = scene.call(NOBODY, "GET", path).header(header, format!("Bearer {token}")).send();
        let shown = answered(&with, 200)["data"][0].clone();
        assert_eq!(
            (&shown["uids"][0]["data"], shown["contents"].as_array().unwrap().len()),
            (&json!("m-1"), 1),
            "{header}"
        );
    }
    scene.ask(NOBODY, "GET", path, 403);
    // A member needs neither token nor password again (iTAK).
    assert_eq!(scene.ask(BOB, "GET", path, 200)["data"][0]["uids"][0]["data"], "m-1");
    scene.subscribe(BOB, path, "B");
}

#[test]
fn ac_18_a_password_in_the_request_opens_it_and_gives_a_token() {
    let (scene, ..) = Scene::flood();
    scene.create("Closed?creatorUid=A&password=river");
    let path = "/Marti/api/missions/Closed";
    scene.ask(BOB, "GET", &format!("{path}?password=lake"), 403);
    let open = scene.ask(BOB, "GET", &format!("{path}?password=river"), 200);
    let token = text(&open["data"][0]["token"]);
    let with = scene.call(BOB, "GET", path).header("Authorization", format!("Bearer {token}")).send();
    assert_eq!(with.status, 200);
    scene.ask(BOB, "GET", &format!("{path}/token?password=lake"), 403);
    let access = scene.ask(BOB, "GET", &format!("{path}/token?password=river"), 201);
    assert_eq!((&access["type"], text(&access["data"]).split('.').count()), (&json!("java.lang.String"), 3));
    let strict = Scene::with(&json!({"password_requires_tls": true}));
    strict.create("Closed?creatorUid=A&password=river");
    strict.ask(BOB, "GET", &format!("{path}?password=river"), 200);
}

#[test]
fn ac_19_the_list_shows_protected_missions_only_when_asked_and_empty() {
    let scene = Scene::new();
    closed(&scene);
    assert_eq!(scene.ask(BOB, "GET", "/Marti/api/missions", 200)["data"], json!([]));
    let list = scene.ask(BOB, "GET", "/Marti/api/missions?passwordProtected=true", 200);
    let closed = &list["data"][0];
    assert_eq!(
        (&closed["passwordProtected"], &closed["uids"], &closed["contents"]),
        (&json!(true), &json!([]), &json!([]))
    );
}

#[test]
fn ac_20_a_token_is_worth_nothing_elsewhere_or_behind_its_row() {
    let (scene, _, token) = Scene::flood();
    scene.create("Closed?creatorUid=A&password=river");
    let get = |token: &str, path: &str| {
        scene.call(NOBODY, "GET", path).header("Authorization", format!("Bearer {token}")).send().status
    };
    assert_eq!(get(&token, "/Marti/api/missions/Closed"), 403);
    // Alice's token makes whoever has it an owner of her mission, and of no other.
    let delete =
        |path: &str| scene.call(BOB, "DELETE", path).header("Authorization", format!("Bearer {token}")).send().status;
    assert_eq!(delete("/Marti/api/missions/Closed"), 403);
    let bobs = scene.ask(BOB, "PUT", "/Marti/api/missions/Closed/subscription?uid=B&password=river", 201);
    let bobs = text(&bobs["data"]["token"]);
    assert_eq!(get(&bobs, "/Marti/api/missions/Closed"), 200);
    scene.ask(BOB, "DELETE", "/Marti/api/missions/Closed/subscription?uid=B&disconnectOnly=false", 200);
    assert_eq!(get(&bobs, "/Marti/api/missions/Closed"), 403);
    assert_eq!(delete(FLOOD), 200);
}

#[test]
fn ac_21_who_may_only_read_sends_nothing_and_may_leave() {
    let scene = Scene::new();
    scene.create("Flood%20North?creatorUid=A&defaultRole=MISSION_READONLY_SUBSCRIBER");
    assert_eq!(scene.subscribe(BOB, FLOOD, "B")["role"]["type"], "MISSION_READONLY_SUBSCRIBER");
    scene.ask(BOB, "GET", FLOOD, 200);
    scene.ask(BOB, "PUT", &format!("{FLOOD}?description=x"), 403);
    scene.host.forget();
    let outcome = scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.b);
    assert_eq!((outcome.held, outcome.left_out), (None, vec!["mission Flood North: not_writer".to_owned()]));
    assert!([scene.a, scene.b, scene.c].iter().all(|conn| scene.kinds(*conn).is_empty()));
    // He gets what the others send.
    scene.host.deliver(marker("m-2", "mission=\"Flood North\""), scene.a);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "a-f-G"]);
    scene.ask(BOB, "DELETE", &format!("{FLOOD}/subscription?uid=B"), 200);
}

#[test]
fn ac_25_leaving_and_coming_back() {
    let (scene, ..) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    let heard = |uid: &str| {
        scene.host.forget();
        scene.host.deliver(marker(uid, "mission=\"Flood North\""), scene.a);
        scene.kinds(scene.b).len()
    };
    assert_eq!(heard("m-1"), 2);
    scene.ask(BOB, "DELETE", &format!("{FLOOD}/subscription?uid=B&disconnectOnly=true"), 200);
    assert_eq!((heard("m-2"), scene.rows("SELECT 1 FROM mission_subscription WHERE client_uid = 'B'")), (0, 1));
    scene.host.disconnect(scene.b, "eof");
    let again = scene.host.connect(fts_plugin_api::testkit::Client::new("B", "bob").user("bob").groups(["__ANON__"]));
    assert_eq!(heard("m-3"), 0);
    assert!(scene.kinds(again).is_empty());
    scene.subscribe(BOB, FLOOD, "B");
    heard("m-4");
    assert_eq!(scene.kinds(again), ["t-x-m-c", "a-f-G"]);
    scene.ask(BOB, "DELETE", &format!("{FLOOD}/subscription?uid=B&disconnectOnly=false"), 200);
    heard("m-5");
    assert!(scene.kinds(again).is_empty());
    assert_eq!(scene.rows("SELECT 1 FROM mission_subscription WHERE client_uid = 'B'"), 0);
    // Others are removed by who may set roles only.
    scene.subscribe(BOB, FLOOD, "B");
    scene.ask(BOB, "DELETE", &format!("{FLOOD}/subscription?uid=A&disconnectOnly=false"), 403);
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/subscription?uid=B&disconnectOnly=false"), 200);
    assert_eq!(scene.rows("SELECT 1 FROM mission_subscription"), 1);
}

#[test]
fn ac_26_who_is_no_member_has_no_subscription() {
    let (scene, ..) = Scene::flood();
    let none = scene.ask(ALICE, "GET", &format!("{FLOOD}/subscription?uid=Z"), 404);
    assert_eq!(none["code"], 1);
    // Somebody else's is not given out.
    scene.ask(BOB, "GET", &format!("{FLOOD}/subscription?uid=A"), 404);
}

#[test]
fn a_borrowed_uid_inherits_nothing() {
    let (scene, ..) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    let mallory = fts_plugin_api::testkit::Client::new("B", "bob").user("mallory").groups(["__ANON__"]);
    let mallory = scene.host.connect(mallory);
    scene.host.forget();
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    assert_eq!((scene.kinds(scene.b).len(), scene.kinds(mallory).len()), (2, 0));
    let outcome = scene.host.deliver(marker("m-2", "mission=\"Flood North\""), mallory);
    assert_eq!(outcome.held, None);
}

#[test]
fn an_invite_only_mission_lets_nobody_in_by_itself() {
    let scene = Scene::new();
    scene.create("Inner?creatorUid=A&inviteOnly=true");
    let path = "/Marti/api/missions/Inner";
    scene.ask(BOB, "PUT", &format!("{path}/subscription?uid=B"), 403);
    scene.ask(BOB, "GET", path, 403);
    assert_eq!(scene.ask(ALICE, "GET", path, 200)["data"][0]["inviteOnly"], true);
    scene.ask(NOBODY, "GET", &format!("{path}?creatorUid=A"), 403);
}

#[test]
fn ac_59_no_secret_is_logged() {
    let (scene, _, token) = Scene::flood();
    scene.create("Closed?creatorUid=A&password=river");
    scene.ask(BOB, "PUT", "/Marti/api/missions/Closed/subscription?uid=B&password=lake", 403);
    scene.ask(BOB, "PUT", "/Marti/api/missions/Closed/subscription?uid=B&password=river", 201);
    let hash = scene.host.query("SELECT password_hash FROM mission WHERE name = 'Closed'").unwrap();
    let hash = serde_json::to_value(&hash.rows[0][0]).unwrap();
    let hash = text(&hash["Text"]);
    let shown = scene.ask(ALICE, "GET", "/Marti/api/missions/Closed", 200).to_string();
    assert!(!shown.contains(&hash));
    for line in scene.host.log() {
        let line = format!("{line:?}");
        for secret in ["river", "lake", &hash, &token[token.len() - 20..]] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    assert!(scene.host.log().iter().any(|l| format!("{l:?}").contains("wrong password")), "denials are");
}
