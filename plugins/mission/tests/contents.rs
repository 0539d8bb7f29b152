//! Items and files by name, the dump of events, contacts: acceptance lines AC-33, AC-37 to AC-41 of mission.md 9.
#![allow(clippy::unwrap_used)]
mod scene;

use std::time::Duration;

use fts_plugin_api::{
    message::{Cause, Deletion, FileInfo, MayRead, ServerInfo},
    testkit::{Answer, Client, MockHost},
};
use scene::*;
use serde_json::{Value, json};

const TO_FLOOD: &str = "mission=\"Flood North\"";

/// alice and bob are members.
fn both() -> (Scene, String) {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    (scene, guid)
}

fn put(scene: &Scene, who: Who, body: &Value) -> Answer {
    let uid = who.0[..1].to_uppercase();
    scene.call(who, "PUT", &format!("{FLOOD}/contents?creatorUid={uid}")).json(body).send()
}

fn file(scene: &Scene, name: &str, group: &str) -> FileInfo {
    let info = FileInfo {
        name: name.into(),
        content_type: "image/jpeg".into(),
        groups: vec![group.into()],
        submitter: "alice".into(),
        ..FileInfo::default()
    };
    scene.host.put_file(info, format!("content of {name}").as_bytes())
}

fn uids(mission: &Value) -> Vec<String> {
    mission["uids"].as_array().unwrap().iter().map(|u| text(&u["data"])).collect()
}

fn dump(scene: &Scene, query: &str) -> String {
    let answer = scene.call(BOB, "GET", &format!("{FLOOD}/cot{query}")).send();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/xml")), "{}", answer.text());
    answer.text()
}

#[test]
fn ac_33_the_dump_is_one_document_with_the_newest_event_of_each_item() {
    let (scene, _) = both();
    let head = "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n";
    assert_eq!(dump(&scene, ""), format!("{head}<events></events>"));
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    assert!(dump(&scene, "").contains("lat=\"44.5\""));
    scene.host.deliver(moved("m-1", TO_FLOOD, "45.25"), scene.a);
    let one = dump(&scene, "");
    assert!(one.contains("lat=\"45.25\"") && !one.contains("lat=\"44.5\""), "the newest position: {one}");
    assert!(one.starts_with(&format!("{head}<events><event ")) && one.ends_with("</event>\n</events>"), "{one}");
    assert_eq!((one.matches("<event ").count(), one.matches("marti").count()), (1, 0));
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    assert_eq!((uids(&mission), &mission["uids"][0]["creatorUid"]), (vec!["m-1".into()], &json!("A")));
    for n in 2..100 {
        let path = if n % 2 == 0 { " path=\"L\"" } else { "" };
        scene.host.deliver(marker(&format!("m-{n}"), &format!("{TO_FLOOD}{path}")), scene.a);
    }
    let all = dump(&scene, "");
    let at = |n: usize| all.find(&format!("uid=\"m-{n}\"")).unwrap();
    assert!((1..99).all(|n| at(n) < at(n + 1)), "in the order they were added, over several pages");
    assert_eq!((all.matches("<event ").count(), dump(&scene, "?path=L").matches("<event ").count()), (99, 49));
}

#[test]
fn ac_42_a_chat_read_back_is_in_the_room_of_the_host_that_was_asked() {
    // The server is known by another name than the one this client used.
    let server = ServerInfo { public_host: "public.example".into(), ..ServerInfo::default() };
    let scene = Scene::on(MockHost::builder().server(server));
    scene.create("Flood%20North?creatorUid=A");
    scene.subscribe(BOB, FLOOD, "B");
    scene.host.forget();
    let chat = r#"<event version="2.0" uid="c-1" type="b-t-f" time="2026-03-01T10:00:00Z" start="2026-03-01T10:00:00Z"
        stale="2026-03-02T10:00:00Z" how="h-g-i-g-o"><point lat="0" lon="0" hae="0" ce="1" le="1"/><detail>
        <__chat parent="DataSyncMissionsList" chatroom="Flood North" id="old-8443-ssl-Flood North"><chatgrp uid0="A"
        uid1="old-8443-ssl-Flood North" id="old-8443-ssl-Flood North"/></__chat>
        <marti><dest mission="Flood North"/></marti></detail></event>"#;
    scene.host.deliver(chat, scene.a);
    let (kind, sent) = scene.got(scene.b).pop().unwrap();
    assert_eq!(
        (kind.as_str(), sent.matches("\"public.example-8443-ssl-Flood North\"").count()),
        ("b-t-f", 3),
        "{sent}"
    );
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot WHERE xml LIKE '%public.example-8443-ssl%'"), 1);
    let text = dump(&scene, "");
    assert_eq!(text.matches("\"tak.example-8443-ssl-Flood North\"").count(), 3, "{text}");
    assert!(!text.contains("public.example") && !text.contains("old-8443"), "{text}");
    assert!(scene.kinds(scene.c).is_empty());
}

#[test]
fn ac_37_what_is_taken_out_is_told_to_everybody_the_caller_included() {
    let (scene, _) = both();
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.host.forget();
    let mission = scene.ask(BOB, "DELETE", &format!("{FLOOD}/contents?uid=m-1&creatorUid=B"), 200)["data"][0].clone();
    assert!(uids(&mission).is_empty());
    for conn in [scene.a, scene.b] {
        let notice = scene.only(conn).detail("mission").unwrap().xml().to_owned();
        assert!(notice.contains("<contentUid>m-1</contentUid>") && notice.contains("<type>REMOVE_CONTENT</type>"));
        assert!(notice.contains("<details type=\"a-f-G\" callsign=\"Alpha\""), "{notice}");
    }
    assert!(dump(&scene, "").ends_with("<events></events>"));
    for query in ["uid=m-1&hash=00", "creatorUid=B"] {
        scene.ask(BOB, "DELETE", &format!("{FLOOD}/contents?{query}"), 400);
    }
    // Again: clients wait for the notice.
    scene.host.forget();
    scene.ask(BOB, "DELETE", &format!("{FLOOD}/contents?uid=m-1&creatorUid=B"), 200);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c"]);
    // It is added again by its name alone: the mission still has its event.
    scene.host.forget();
    answered(&put(&scene, ALICE, &json!({"uids": ["m-1"]})), 200);
    assert_eq!(
        (scene.kinds(scene.b), scene.kinds(scene.a)),
        (vec!["t-x-m-c".into(), "a-f-G".into()], vec!["t-x-m-c".to_owned()])
    );
    assert!(dump(&scene, "").contains("m-1"));
}

#[test]
fn ac_38_an_item_may_be_named_before_its_event_comes() {
    let (scene, _) = both();
    std::thread::scope(|threads| {
        let asked = threads.spawn(|| put(&scene, ALICE, &json!({"uids": ["i-1"]})));
        let waits = |host: &MockHost| host.log().iter().any(|l| l.message.contains("mission.awaited"));
        assert!(scene.host.wait_for(Duration::from_secs(20), waits), "the request waits for the event");
        assert!(!asked.is_finished() && scene.rows("SELECT 1 FROM mission_uid") == 0);
        scene.host.deliver(marker("i-1", "uid=\"A\""), scene.a);
        answered(&asked.join().unwrap(), 200);
    });
    // The event came with the item, not behind it.
    assert_eq!(scene.rows("SELECT 1 FROM mission_change WHERE uid = 'i-1'"), 1);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "a-f-G"], "the notice, and the event behind it");
    assert!(scene.got(scene.b)[0].1.contains("callsign=\"Alpha\""));
    assert!(!scene.got(scene.b)[1].1.contains("marti"));
    assert!(scene.kinds(scene.c).is_empty());
    assert!(dump(&scene, "").contains("i-1"));
}

#[test]
fn ac_38_what_does_not_come_in_time_is_completed_when_it_comes() {
    let (scene, _) = both();
    answered(&put(&scene, ALICE, &json!({"uids": ["i-1"]})), 200);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c"]);
    assert!(!dump(&scene, "").contains("i-1"), "items without an event are left out");
    scene.host.forget();
    // Somebody else's event with this uid, sent to somebody: nothing that alice may read.
    scene.host.deliver(marker("i-1", "uid=\"C\""), scene.c);
    scene.host.tick(Duration::from_secs(2));
    assert!(scene.kinds(scene.b).is_empty(), "{:?}", scene.got(scene.b));
    scene.host.deliver(marker("i-1", "uid=\"A\""), scene.a);
    assert!(scene.kinds(scene.b).is_empty(), "nobody gets what alice sends to herself");
    scene.host.tick(Duration::from_secs(2));
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "a-f-G"]);
    scene.host.tick(Duration::from_secs(2));
    assert_eq!(scene.kinds(scene.b).len(), 2, "once");
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot WHERE uid = 'i-1'"), 1);
}

#[test]
fn nobody_reads_another_groups_event_by_adding_its_uid() {
    let (scene, _) = both();
    scene.host.deliver(marker("red-1", ""), scene.c);
    scene.host.deliver(marker("to-bob", "callsign=\"bob\""), scene.b);
    answered(&put(&scene, ALICE, &json!({"uids": ["red-1", "to-bob"]})), 200);
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot"), 0);
    assert!(dump(&scene, "").ends_with("<events></events>"));
    // An event of her own group is hers to add.
    scene.host.deliver(marker("anon-1", ""), scene.b);
    answered(&put(&scene, ALICE, &json!({"uids": ["anon-1"]})), 200);
    assert!(dump(&scene, "").contains("anon-1"));
}

#[test]
fn ac_39_a_file_is_linked_and_its_members_are_told_what_it_is() {
    let (scene, _) = both();
    let stored = file(&scene, "a.jpg", "__ANON__");
    let hash = &stored.sha256;
    let mission = answered(&put(&scene, ALICE, &json!({"hashes": [hash]})), 200)["data"][0].clone();
    assert_eq!(mission["contents"][0]["data"]["hash"], json!(hash));
    let notice = scene.only(scene.b).detail("mission").unwrap().xml().to_owned();
    for part in [
        &format!("<hash>{hash}</hash>"),
        "<name>a.jpg</name>",
        &format!("<size>{}</size>", stored.len),
        "<groupVector>0</groupVector>",
    ] {
        assert!(notice.contains(part), "{part}: {notice}");
    }
    let unknown = "0".repeat(64);
    let missing = answered(&put(&scene, ALICE, &json!({"hashes": [unknown]})), 404);
    assert_eq!((&missing["status"], &missing["code"]), (&json!("NOT_FOUND"), &json!(1)));
    let other = file(&scene, "b.jpg", "__ANON__");
    let some = answered(&put(&scene, ALICE, &json!({"hashes": [unknown, other.sha256]})), 200);
    assert!(text(&some["messages"][0]).contains(&unknown));
    assert_eq!(some["data"][0]["contents"].as_array().unwrap().len(), 2);
    // A file of another group is as good as none.
    let hidden = file(&scene, "red.jpg", "Red");
    assert_eq!(put(&scene, BOB, &json!({"hashes": [hidden.sha256]})).status, 404);
    for body in [json!({}), json!({"hashes": []}), json!({"uids": [""]}), json!({"hashes": 1})] {
        assert_eq!(put(&scene, ALICE, &body).status, 400, "{body}");
    }
    // Taken out: the file stays, and the change still says what it was.
    scene.host.forget();
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?hash={hash}&creatorUid=A"), 200);
    assert!(scene.only(scene.b).detail("mission").unwrap().xml().contains("<name>a.jpg</name>"));
    assert!(scene.host.file_content(hash).is_some());
}

#[test]
fn ac_39_members_of_an_open_mission_may_fetch_its_files() {
    let scene = Scene::new();
    scene.ask(ADMIN, "PUT", "/Marti/api/missions/Flood%20North?creatorUid=A&group=__ANON__&group=Red", 201);
    let stored = file(&scene, "a.jpg", "__ANON__");
    answered(&put(&scene, ALICE, &json!({"hashes": [stored.sha256]})), 200);
    let now = scene.host.files().into_iter().find(|f| f.sha256 == stored.sha256).unwrap();
    assert_eq!(now.groups, ["__ANON__", "Red"]);
    scene.ask(ADMIN, "PUT", "/Marti/api/missions/Closed?creatorUid=A&group=__ANON__&group=Red&password=river", 201);
    let secret = file(&scene, "s.jpg", "__ANON__");
    let path = "/Marti/api/missions/Closed/contents?creatorUid=A";
    answered(&scene.call(ADMIN, "PUT", path).json(&json!({"hashes": [secret.sha256]})).send(), 200);
    let now = scene.host.files().into_iter().find(|f| f.sha256 == secret.sha256).unwrap();
    assert_eq!(now.groups, ["__ANON__"], "a closed mission opens nothing to its groups");
    // Its members have them by membership, as long as they see the mission.
    let may = |user: &str, group: &str| {
        let ask = MayRead { sha256: secret.sha256.clone(), user: user.into(), groups: vec![group.into()] };
        scene.host.file_reader(&ask).unwrap()
    };
    assert!(!may("carol", "Red"), "in its group, but no member");
    scene.ask(CAROL, "PUT", "/Marti/api/missions/Closed/subscription?uid=C&password=river", 201);
    assert!(may("carol", "Red") && !may("carol", "Blue") && !may("bob", "Red"));
    scene.ask(CAROL, "DELETE", "/Marti/api/missions/Closed/subscription?uid=C&disconnectOnly=false", 200);
    assert!(!may("carol", "Red"));
}

#[test]
fn ac_40_uids_and_hashes_go_in_together_and_into_layers() {
    let (scene, _) = both();
    let stored = file(&scene, "a.jpg", "__ANON__");
    for uid in ["m-2", "m-3", "m-4"] {
        scene.host.deliver(marker(uid, ""), scene.a);
    }
    let mission = answered(&put(&scene, ALICE, &json!({"hashes": [stored.sha256], "uids": ["m-2"]})), 200);
    let mission = &mission["data"][0];
    assert_eq!((uids(mission), mission["contents"].as_array().unwrap().len()), (vec!["m-2".into()], 1));
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/layers?creatorUid=A&name=Things&type=UID&uid=L"), 200);
    let body = json!({"paths": {"L": [{"uids": ["m-2", "m-3"]}, {"uids": ["m-4"], "after": "m-2", "hashes": [stored.sha256]}]}});
    answered(&put(&scene, ALICE, &body), 200);
    let after = |uid: &str| {
        let sql =
            format!("SELECT coalesce(after_uid, '-') FROM mission_layer WHERE uid = '{uid}' AND parent_uid = 'L'");
        text(&serde_json::to_value(&scene.host.query(&sql).unwrap().rows[0][0]).unwrap()["Text"])
    };
    let order = [after("m-2"), after("m-4"), after(&stored.sha256), after("m-3")];
    assert_eq!(order, ["-".to_owned(), "m-2".to_owned(), "m-4".to_owned(), stored.sha256.clone()]);
    let layers = scene.ask(BOB, "GET", &format!("{FLOOD}/layers"), 200)["data"].clone();
    let datas =
        |all: &Value, of: fn(&Value) -> &Value| all.as_array().unwrap().iter().map(|i| text(of(i))).collect::<Vec<_>>();
    assert_eq!((layers.as_array().unwrap().len(), &layers[0]["uid"]), (1, &json!("L")));
    assert_eq!(datas(&layers[0]["uids"], |i| &i["data"]), ["m-2", "m-4", "m-3"]);
    assert_eq!(datas(&layers[0]["contents"], |i| &i["data"]["hash"]), [stored.sha256.as_str()]);
    // What is taken out of the mission is in no layer any more.
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?hash={}", stored.sha256), 200);
    assert_eq!(after("m-3"), "m-4");
}

#[test]
fn ac_41_what_is_too_much_is_refused_and_said() {
    let scene = Scene::with(&json!({"max_uids": 3, "max_contents": 1}));
    scene.create("Flood%20North?creatorUid=A");
    for n in 1..=4 {
        scene.host.deliver(marker(&format!("m-{n}"), ""), scene.a);
    }
    let all = json!({"uids": ["m-1", "m-2", "m-3", "m-4"]});
    let answer = answered(&put(&scene, ALICE, &all), 200);
    assert_eq!(uids(&answer["data"][0]), ["m-1", "m-2", "m-3"]);
    let messages = answer["messages"].as_array().unwrap();
    assert!(messages.len() == 1 && text(&messages[0]).contains("m-4") && text(&messages[0]).contains("max_uids"));
    assert!(answered(&put(&scene, ALICE, &json!({"uids": ["m-4"]})), 200)["messages"][0].is_string());
    let (one, two) = (file(&scene, "1", "__ANON__"), file(&scene, "2", "__ANON__"));
    let answer = answered(&put(&scene, ALICE, &json!({"hashes": [one.sha256, two.sha256]})), 200);
    assert_eq!(answer["data"][0]["contents"].as_array().unwrap().len(), 1);
    assert!(text(&answer["messages"][0]).contains("max_contents"));
    assert!(scene.host.log().iter().filter(|l| l.message.contains("the mission is full")).count() >= 3);
}

#[test]
fn who_may_not_write_adds_and_removes_nothing() {
    let (scene, _) = both();
    scene.create("Read?creatorUid=A&defaultRole=MISSION_READONLY_SUBSCRIBER");
    for (method, path) in [("PUT", "contents?creatorUid=B"), ("DELETE", "contents?uid=m-1&creatorUid=B")] {
        scene.ask(BOB, method, &format!("/Marti/api/missions/Read/{path}"), 403);
        scene.ask(CAROL, method, &format!("{FLOOD}/{path}"), 404);
    }
}

#[test]
fn contacts_are_those_who_share_a_group_of_the_mission_with_the_caller() {
    let scene = Scene::new();
    scene.ask(ADMIN, "PUT", "/Marti/api/missions/Flood%20North?creatorUid=A&group=__ANON__&group=Red", 201);
    scene.host.connect(Client::new("", "").groups(["__ANON__"]));
    let contacts = |who: Who| {
        let all = answered(&scene.call(who, "GET", &format!("{FLOOD}/contacts")).send(), 200);
        all.as_array().unwrap().iter().map(|c| text(&c["clientUid"])).collect::<Vec<_>>()
    };
    assert_eq!(
        (contacts(BOB), contacts(CAROL), contacts(ADMIN)),
        (vec!["A".into(), "B".into()], vec!["C".into()], vec!["A".into(), "B".into(), "C".to_owned()])
    );
    let first = answered(&scene.call(BOB, "GET", &format!("{FLOOD}/contacts")).send(), 200)[0].clone();
    for key in ["callsign", "team", "role", "takClient", "takVersion", "username", "groups"] {
        assert!(!first[key].is_null(), "{key}");
    }
    assert_eq!((&first["callsign"], &first["groups"]), (&json!("alice"), &json!(["__ANON__"])));
}

#[test]
fn a_file_of_a_mission_stays_until_somebody_deletes_it() {
    let (scene, _) = both();
    let stored = file(&scene, "a.jpg", "__ANON__");
    let asked = |cause: Cause| {
        let deletion = Deletion { sha256: stored.sha256.to_uppercase(), cause, ..Deletion::default() };
        scene.host.deletion(&deletion).unwrap()
    };
    let add = || answered(&put(&scene, ALICE, &json!({"hashes": [stored.sha256]})), 200);
    assert_eq!((asked(Cause::Expired), asked(Cause::Deleted)), (None, None));
    add();
    for cause in [Cause::Expired, Cause::Plugin, Cause::Other] {
        let why = asked(cause).unwrap();
        assert!(why.contains("mission") && !why.contains("Flood"), "{why}");
    }
    // Deleted: out of the mission first, and its members are told (marti-http.md 6.9).
    scene.host.forget();
    assert_eq!(asked(Cause::Deleted), None);
    for conn in [scene.a, scene.b] {
        let notice = scene.only(conn);
        let text = String::from_utf8(notice.text().to_vec()).unwrap();
        assert!(text.contains("REMOVE_CONTENT") && text.contains(&stored.sha256), "{text}");
    }
    assert!(scene.kinds(scene.c).is_empty());
    assert_eq!(scene.rows("SELECT 1 FROM mission_content"), 0);
    assert_eq!(asked(Cause::Expired), None);
    add();
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?hash={}", stored.sha256), 200);
    assert_eq!(asked(Cause::Expired), None);
    // What somebody says of it anew is shown.
    answered(&put(&scene, ALICE, &json!({"hashes": [stored.sha256]})), 200);
    let renamed = scene.host.put_file(FileInfo { name: "b.jpg".into(), ..stored.clone() }, b"content of a.jpg");
    scene.host.publish("resource.changed", &fts_plugin_api::message::pack(&renamed));
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    assert_eq!(mission["contents"][0]["data"]["name"], "b.jpg");
}
