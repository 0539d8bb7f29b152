//! What is logged (mission.md 4.7): every denial with mission, user, client uid, role, permission and path, whichever handler
//! refused, every limit that was met, and every password that was set or taken away, whoever did it.
#![allow(clippy::unwrap_used)]
mod scene;

use fts_plugin_api::{
    message::FileInfo,
    sdk::missions::{Ask, By, Hidden, Key, Missions, NewMission, Settings},
    testkit::Line,
};
use scene::*;
use serde_json::{Value, json};

/// Lines of this event since `from`.
fn lines(scene: &Scene, from: usize, event: &str) -> Vec<String> {
    let name = |line: &Line| {
        line.message.contains(&format!("event=\"{event}\"")) || line.message.contains(&format!("event={event} "))
    };
    scene.host.log().into_iter().skip(from).filter(name).map(|line| line.message).collect()
}

/// The only one.
#[track_caller]
fn only(scene: &Scene, from: usize, event: &str) -> String {
    let lines = lines(scene, from, event);
    assert_eq!(lines.len(), 1, "{:?}", &scene.host.log()[from..]);
    lines[0].clone()
}

/// A request that is refused; its line.
#[track_caller]
fn denied(scene: &Scene, who: Who, method: &str, path: &str, body: &Value) -> String {
    let from = scene.host.log().len();
    let call = scene.call(who, method, path);
    let answer = if body.is_null() { call.send() } else { call.json(body).send() };
    assert_eq!(answered(&answer, 403)["code"], 10, "{path}");
    let line = only(scene, from, "mission.denied");
    for part in [who.0, method, path.split('?').next().unwrap()] {
        assert!(line.contains(part), "{part}: {line}");
    }
    line
}

#[test]
fn every_denial_is_logged_with_who_where_and_why() {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    let entries = "/Marti/api/missions/logs/entries";
    let made = scene.ask(CAROL, "PUT", "/Marti/api/missions/Red?creatorUid=C&group=Red&password=river", 201);
    let red = text(&made["data"][0]["guid"]);
    // No permission in the mission; the role and what it needed are named.
    let line = denied(&scene, BOB, "PUT", &format!("{FLOOD}/password?creatorUid=B&password=brook"), &Value::Null);
    for part in [&*guid, "MISSION_SUBSCRIBER", "MISSION_SET_PASSWORD", "B"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("brook"));
    // A group that is not the caller's; no group at all.
    denied(&scene, BOB, "PUT", "/Marti/api/missions/New?creatorUid=B&group=Red", &Value::Null);
    denied(&scene, Who("eve", "", BOB.2), "PUT", "/Marti/api/missions/New?creatorUid=E&group=Red", &Value::Null);
    // Only for administrators.
    denied(&scene, BOB, "GET", "/Marti/api/missions/all/subscriptions", &Value::Null);
    denied(&scene, BOB, "GET", "/Marti/api/missions/all/logs", &Value::Null);
    // Entries: read, and written in a mission whose role does not allow it.
    let entry = |names: &[&str]| json!({"content": "x", "creatorUid": "A", "missionNames": names});
    let made = scene.call(ADMIN, "POST", entries).json(&entry(&["Red"])).send();
    let id = text(&answered(&made, 201)["data"]["id"]);
    let line = denied(&scene, Who("rita", "Red", BOB.2), "GET", &format!("{entries}/{id}"), &Value::Null);
    assert!(line.contains("MISSION_READ"), "{line}");
    let line = denied(&scene, Who("rita", "Red", BOB.2), "DELETE", &format!("{entries}/{id}"), &Value::Null);
    assert!(line.contains(&red) && line.contains("MISSION_WRITE"), "{line}");
    let made = scene.call(ADMIN, "POST", entries).json(&entry(&["Red", "Flood North"])).send();
    let id = text(&answered(&made, 201)["data"]["id"]);
    let line = denied(&scene, BOB, "DELETE", &format!("{entries}/{id}"), &Value::Null);
    assert!(line.contains(&red), "{line}");
    // A token for who was not invited; a wrong password.
    scene.ask(ALICE, "PUT", "/Marti/api/missions/Shut?creatorUid=A&inviteOnly=true", 201);
    denied(&scene, BOB, "GET", "/Marti/api/missions/Shut/token", &Value::Null);
    let line = denied(&scene, Who("rita", "Red", BOB.2), "GET", "/Marti/api/missions/Red?password=lake", &Value::Null);
    assert!(line.contains(&red) && !line.contains("lake"), "{line}");
}

#[test]
fn a_password_over_plain_http_is_refused_and_logged() {
    let scene = Scene::with(&json!({"password_requires_tls": true}));
    let from = scene.host.log().len();
    let path = "/Marti/api/missions/New?creatorUid=A&password=river";
    let answer = scene.call(ALICE, "PUT", path).on(fts_plugin_api::message::Listener::MartiHttp).send();
    assert_eq!(answer.status, 403);
    let line = only(&scene, from, "mission.denied");
    assert!(line.contains("alice") && line.contains("/Marti/api/missions/New") && !line.contains("river"), "{line}");
}

#[test]
fn a_limit_names_mission_user_client_and_what_was_left_out() {
    let scene = Scene::with(&json!({"max_uids": 1, "max_contents": 1}));
    let (guid, _) = scene.create("Flood%20North?creatorUid=A");
    scene.subscribe(BOB, FLOOD, "B");
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    let all = |line: &str, parts: &[&str]| parts.iter().for_each(|p| assert!(line.contains(p), "{p}: {line}"));
    // An event of a client.
    let from = scene.host.log().len();
    scene.host.deliver(marker("m-2", "mission=\"Flood North\""), scene.b);
    all(&only(&scene, from, "mission.limit"), &[&guid, "user=bob", "uid=B", "item=m-2", "max_uids"]);
    // An item and a file of a request.
    let path = format!("{FLOOD}/contents?creatorUid=B");
    scene.host.deliver(marker("m-3", ""), scene.b);
    let from = scene.host.log().len();
    answered(&scene.call(BOB, "PUT", &path).json(&json!({"uids": ["m-3"]})).send(), 200);
    all(&only(&scene, from, "mission.limit"), &[&guid, "user=bob", "uid=B", "item=m-3", "max_uids"]);
    let stored = ["1", "2"].map(|name| {
        let info = FileInfo { name: name.into(), groups: vec!["__ANON__".into()], ..FileInfo::default() };
        scene.host.put_file(info, name.as_bytes()).sha256
    });
    let from = scene.host.log().len();
    answered(&scene.call(BOB, "PUT", &path).json(&json!({"hashes": stored})).send(), 200);
    let item = format!("item={}", stored[1]);
    all(&only(&scene, from, "mission.limit"), &[&guid, "user=bob", "uid=B", &item, "max_contents"]);
}

/// What `act` does to a mission (its guid) sets or takes away a password: one line says so, and none says the password.
#[track_caller]
fn password(scene: &Scene, act: impl FnOnce() -> String, parts: &[&str]) {
    let from = scene.host.log().len();
    let guid = act();
    let line = only(scene, from, "mission.password");
    for part in parts.iter().chain([&&*guid]) {
        assert!(line.contains(part), "{part}: {line}");
    }
    for line in scene.host.log().into_iter().skip(from) {
        assert!(!line.message.contains("river") && !line.message.contains("$2b$"), "{}", line.message);
    }
}

/// `act` changes no password.
#[track_caller]
fn no_password(scene: &Scene, act: impl FnOnce()) {
    let from = scene.host.log().len();
    act();
    assert_eq!(lines(scene, from, "mission.password"), Vec::<String>::new());
}

#[test]
fn every_password_that_is_set_or_taken_away_is_logged() {
    let scene = Scene::new();
    let guid = |answer: Value| text(&answer["data"][0]["guid"]);
    let path = |rest: &str| format!("/Marti/api/missions/{rest}");
    let (set, cleared) = ("protected=true", "protected=false");
    // One that is made, by a device or by none that is named.
    no_password(&scene, || drop(scene.ask(ALICE, "PUT", &path("Open?creatorUid=A"), 201)));
    let flood = path("Flood%20North?creatorUid=A&password=river");
    password(&scene, || guid(scene.ask(ALICE, "PUT", &flood, 201)), &[set, "user=alice", "uid=A"]);
    password(&scene, || guid(scene.ask(BOB, "POST", &path("Bobs?password=river"), 201)), &[set, "user=bob", "uid=B"]);
    // One that is there.
    for method in ["PUT", "POST"] {
        let path = format!("{flood}-{method}");
        password(&scene, || guid(scene.ask(ALICE, method, &path, 200)), &[set, "user=alice", "uid=A"]);
    }
    let same = guid(scene.ask(ALICE, "GET", &format!("{FLOOD}?creatorUid=A"), 200));
    no_password(&scene, || drop(scene.ask(ALICE, "PUT", &path("Flood%20North?creatorUid=A&description=x"), 200)));
    no_password(&scene, || drop(scene.ask(BOB, "PUT", &path("Open?creatorUid=B&password=river"), 403)));
    // A copy, which is as closed as its source.
    for (copy, query) in [("One", ""), ("Two", "&password=river")] {
        let path = format!("{FLOOD}/copy?creatorUid=A&copyName={copy}{query}");
        password(&scene, || guid(scene.ask(ALICE, "PUT", &path, 201)), &[set, "user=alice", "uid=A"]);
    }
    let open = path("Open/copy?creatorUid=A&copyName=Three");
    no_password(&scene, || drop(scene.ask(ALICE, "PUT", &open, 201)));
    // The path of the password.
    let own = |method: &str, query: &str| {
        scene.ask(ALICE, method, &format!("{FLOOD}/password?clientUid=A{query}"), 200);
        same.clone()
    };
    password(&scene, || own("PUT", "&password=river"), &[set, "user=alice", "uid=A"]);
    password(&scene, || own("DELETE", ""), &[cleared, "user=alice", "uid=A"]);
    no_password(&scene, || drop(own("DELETE", "")));
}

#[test]
fn a_password_that_a_plugin_sets_or_takes_away_is_logged() {
    let (scene, guid, _) = Scene::flood();
    let by = || By { author: "F".into(), ..By::default() };
    let hash = |hash: &str| Settings { password_hash: Some(Hidden(hash.into())), ..Settings::default() };
    let ask = |ask: Ask| scene.host.ask::<Missions>(&ask).unwrap().missions[0].guid.clone();
    let update = |settings: Settings| ask(Ask::Update(Key::Guid(guid.clone()), settings, by()));
    let (set, cleared) = ("protected=true", "protected=false");
    password(&scene, || update(hash("$2b$10$abc")), &[set, "uid=F"]);
    no_password(&scene, || drop(update(hash("$2b$10$abc"))));
    no_password(&scene, || drop(update(Settings { description: Some("x".into()), ..Settings::default() })));
    password(&scene, || update(hash("")), &[cleared, "uid=F"]);
    let new = |name: &str, settings: Settings| NewMission {
        name: name.into(),
        groups: vec!["__ANON__".into()],
        settings,
        ..NewMission::default()
    };
    password(&scene, || ask(Ask::Create(new("Far", hash("$2b$10$abc")), by())), &[set, "uid=F"]);
    no_password(&scene, || drop(ask(Ask::Create(new("Near", Settings::default()), by()))));
}
