//! Events sent to missions: acceptance lines AC-32, AC-34 to AC-36, AC-41, AC-44 of mission.md 9, and what a crash leaves.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::time::Duration;

use fts_plugin_api::{
    cot::Attr,
    testkit::{Client, MockHost},
};
use scene::*;
use serde_json::json;

const TO_FLOOD: &str = "mission=\"Flood North\"";

/// alice and bob are members.
fn both() -> (Scene, String) {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    (scene, guid)
}

#[test]
fn ac_32_the_notice_comes_first_then_the_event_and_nobody_else_hears_of_it() {
    let (scene, guid) = both();
    let outsider = scene.host.connect(Client::new("D", "dave").user("dave").groups(["__ANON__"]));
    for (uid, dest) in [("m-1", TO_FLOOD.to_owned()), ("m-2", format!("mission-guid=\"{guid}\""))] {
        scene.host.forget();
        scene.host.deliver(marker(uid, &dest), scene.a);
        assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "a-f-G"], "{dest}");
        assert_eq!(scene.kinds(scene.a), ["t-x-m-c"], "the sender gets its acknowledgement only");
        assert!(scene.kinds(scene.c).is_empty() && scene.kinds(outsider).is_empty());
        let notice = scene.host.received(scene.b)[0].clone();
        let wanted = format!(
            "<mission type=\"CHANGE\" tool=\"public\" name=\"Flood North\" guid=\"{guid}\" authorUid=\"A\">\
             <MissionChanges><MissionChange><contentUid>{uid}</contentUid><creatorUid>A</creatorUid>\
             <isFederatedChange>false</isFederatedChange><missionGuid>{guid}</missionGuid>\
             <missionName>Flood North</missionName><timestamp>2026-03-01T10:00:00.123Z</timestamp>\
             <type>ADD_CONTENT</type><details type=\"a-f-G\" callsign=\"Alpha\">\
             <location lat=\"44.5\" lon=\"-63.5\"/></details></MissionChange></MissionChanges></mission>"
        );
        assert_eq!(notice.detail("mission").unwrap().xml(), wanted);
        assert_eq!(notice.time(Attr::Stale), Some(NOW + 20_000));
        assert!(notice.detail("marti").is_none());
    }
    // What is kept has no destination in it.
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot WHERE xml LIKE '%marti%' OR xml LIKE '%dest%'"), 0);
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot"), 2);
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    assert_eq!((&mission["uids"][0]["data"], &mission["uids"][0]["creatorUid"]), (&json!("m-1"), &json!("A")));
}

#[test]
fn ac_34_each_time_it_is_sent_is_a_change_and_a_version() {
    let (scene, _) = both();
    for n in 0..2 {
        scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
        scene.host.tick(Duration::from_secs(1));
        assert_eq!(scene.rows("SELECT 1 FROM mission_cot WHERE uid = 'm-1'"), n + 1);
    }
    let mission = scene.ask(BOB, "GET", &format!("{FLOOD}?changes=true"), 200)["data"][0].clone();
    assert_eq!(mission["uids"].as_array().unwrap().len(), 1);
    let changes = mission["missionChanges"].as_array().unwrap();
    let kinds: Vec<_> = changes.iter().map(|c| text(&c["type"])).collect();
    assert_eq!(kinds, ["ADD_CONTENT", "ADD_CONTENT", "CREATE_MISSION"], "newest first");
    assert_eq!(changes[0]["details"]["callsign"], "Alpha");
    assert_eq!(mission["lastEdited"], changes[0]["serverTime"]);
}

#[test]
fn ac_35_who_is_no_member_reaches_nobody() {
    let (scene, ..) = Scene::flood();
    let outcome = scene.host.deliver(marker("m-1", TO_FLOOD), scene.b);
    assert_eq!((outcome.held, outcome.receivers.len()), (None, 0));
    for dest in
        ["mission=\"Nowhere\"", "mission-guid=\"no guid\"", "mission-guid=\"5d1f0c1e-4d36-4a0f-9c55-0a8f4b6c7d21\""]
    {
        scene.host.deliver(marker("m-1", dest), scene.a);
    }
    assert!([scene.a, scene.b, scene.c].iter().all(|conn| scene.kinds(*conn).is_empty()));
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot"), 0);
}

#[test]
fn ac_36_a_receiver_that_is_named_too_gets_it_once() {
    let (scene, guid) = both();
    let two = format!("{TO_FLOOD}/><dest mission-guid=\"{guid}\"/><dest callsign=\"bob\"");
    scene.host.deliver(marker("m-1", &two), scene.a);
    let kinds = scene.kinds(scene.b);
    assert_eq!(kinds.iter().filter(|k| *k == "a-f-G").count(), 1, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|k| *k == "t-x-m-c").count(), 1, "the mission is named twice");
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot"), 1);
}

#[test]
fn an_event_for_two_missions_goes_to_the_members_of_both_once() {
    let (scene, _) = both();
    scene.create("Second?creatorUid=A");
    scene.subscribe(BOB, "/Marti/api/missions/Second", "B");
    scene.ask(ADMIN, "PUT", "/Marti/api/missions/Second/subscription?uid=X", 201);
    let x = scene.host.connect(Client::new("X", "x").user("admin").groups(["__ANON__"]));
    scene.host.forget();
    scene.host.deliver(marker("m-1", "mission=\"Flood North\"/><dest mission=\"Second\""), scene.a);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "t-x-m-c", "a-f-G"]);
    assert_eq!(scene.kinds(x), ["t-x-m-c", "a-f-G"], "only of the mission it is in");
    assert!(scene.got(x)[0].1.contains("name=\"Second\""));
}

#[test]
fn a_layer_in_the_destination_files_the_item_there() {
    let (scene, _) = both();
    for (uid, more) in [("m-1", ""), ("m-2", ""), ("m-3", " after=\"m-1\"")] {
        scene.host.deliver(marker(uid, &format!("{TO_FLOOD} path=\"L\"{more}")), scene.a);
    }
    let after = |uid: &str| {
        let sql =
            format!("SELECT coalesce(after_uid, '-') FROM mission_layer WHERE uid = '{uid}' AND parent_uid = 'L'");
        let rows = scene.host.query(&sql).unwrap();
        text(&serde_json::to_value(&rows.rows[0][0]).unwrap()["Text"])
    };
    assert_eq!([after("m-1"), after("m-3"), after("m-2")], ["-", "m-1", "m-3"]);
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot WHERE path = 'L'"), 3);
}

#[test]
fn ac_41_a_full_mission_takes_no_more_items_but_newer_states() {
    let scene = Scene::with(&json!({"max_uids": 3}));
    scene.create("Flood%20North?creatorUid=A");
    scene.subscribe(BOB, FLOOD, "B");
    for uid in ["m-1", "m-2", "m-3", "m-4", "m-1"] {
        scene.host.forget();
        scene.host.deliver(marker(uid, TO_FLOOD), scene.a);
        let wanted: &[&str] = if uid == "m-4" { &[] } else { &["t-x-m-c", "a-f-G"] };
        assert_eq!(scene.kinds(scene.b), wanted, "{uid}");
    }
    assert_eq!(scene.rows("SELECT 1 FROM mission_uid"), 3);
    assert!(scene.host.log().iter().any(|l| l.message.contains("max_uids")));
}

#[test]
fn ac_44_a_member_that_reconnects_is_live_again_also_after_a_restart() {
    let (scene, _) = both();
    let bob = || Client::new("B", "bob").user("bob").groups(["__ANON__"]);
    scene.host.disconnect(scene.b, "eof");
    scene.host.deliver(marker("m-3", TO_FLOOD), scene.a);
    let again = scene.host.connect(bob());
    assert!(scene.kinds(again).is_empty(), "nothing is pushed");
    scene.host.deliver(marker("m-4", TO_FLOOD), scene.a);
    assert_eq!(scene.kinds(again), ["t-x-m-c", "a-f-G"]);
    scene.host.stop().unwrap();
    scene.host.start_again().unwrap();
    scene.host.forget();
    scene.host.deliver(marker("m-5", TO_FLOOD), scene.a);
    assert_eq!(scene.kinds(again), ["t-x-m-c", "a-f-G"]);
    scene.host.reload().unwrap();
    scene.host.forget();
    scene.host.deliver(marker("m-6", TO_FLOOD), scene.a);
    assert_eq!(scene.kinds(again), ["t-x-m-c", "a-f-G"]);
    let mission = scene.ask(BOB, "GET", FLOOD, 200)["data"][0].clone();
    let uids: Vec<_> = mission["uids"].as_array().unwrap().iter().map(|u| text(&u["data"])).collect();
    assert_eq!(uids, ["m-3", "m-4", "m-5", "m-6"]);
}

#[test]
fn an_event_that_comes_again_after_a_crash_is_stored_once_and_reaches_everybody() {
    let (scene, _) = both();
    // Stored, but the server ends before it is released: in the journal it is held still.
    for operation in ["release-all", "discard"] {
        scene.host.fail_next(&format!("cot.{operation}"), fts_plugin_api::sdk::Code::Gone, "crash");
    }
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    assert_eq!((scene.host.held().len(), scene.kinds(scene.b).len()), (1, 0));
    scene.host.start_again().unwrap();
    assert!(scene.host.held().is_empty());
    assert_eq!(
        (scene.kinds(scene.b), scene.kinds(scene.a)),
        (vec!["t-x-m-c".to_owned(), "a-f-G".into()], vec!["t-x-m-c".to_owned()])
    );
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot"), 1);
    assert_eq!(scene.rows("SELECT 1 FROM mission_change WHERE uid = 'm-1'"), 1);
}

#[test]
fn an_event_that_cannot_be_stored_reaches_nobody_and_takes_no_other_with_it() {
    let (scene, _) = both();
    for _ in 0..2 {
        scene.host.fail_next("sql.begin-lazy", fts_plugin_api::sdk::Code::Other, "disk full");
    }
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    assert!(scene.kinds(scene.b).is_empty() && scene.kinds(scene.a).is_empty());
    assert!(scene.host.log().iter().any(|l| l.message.contains("could not be stored")));
    assert_eq!(scene.host.metrics()["fts_mission_not_stored_total"], 1.0);
    assert!(scene.host.held().is_empty());
    scene.host.deliver(marker("m-2", TO_FLOOD), scene.a);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "a-f-G"]);
    assert_eq!(scene.rows("SELECT 1 FROM mission_uid"), 1);
}

#[test]
fn an_event_that_cannot_be_stored_now_comes_again_and_none_overtakes_it() {
    let (scene, _) = both();
    scene.host.fail_next("sql.begin-lazy", fts_plugin_api::sdk::Code::Full, "disk full");
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.host.deliver(marker("m-2", TO_FLOOD), scene.a);
    assert!(scene.kinds(scene.b).is_empty() && scene.host.held().len() == 2);
    scene.host.tick(Duration::from_secs(1));
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "a-f-G", "t-x-m-c", "a-f-G"]);
    let order: Vec<_> = scene.host.received(scene.b).iter().map(|e| e.uid().into_owned()).collect();
    assert_eq!((&*order[1], &*order[3], scene.host.held().len()), ("m-1", "m-2", 0));
}

#[test]
fn names_and_guids_are_found_in_any_case() {
    let (scene, guid) = both();
    for (uid, dest) in
        [("m-1", "mission=\"FLOOD north\"".to_owned()), ("m-2", format!("mission-guid=\"{}\"", guid.to_uppercase()))]
    {
        scene.host.forget();
        scene.host.deliver(marker(uid, &dest), scene.a);
        assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "a-f-G"], "{dest}");
    }
    scene.ask(ALICE, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
    assert!(scene.host.bindings().iter().all(|b| !b.name.eq_ignore_ascii_case("Flood North")));
}

#[test]
fn changes_of_one_item_within_the_window_are_one() {
    let scene = Scene::with(&json!({"coalesce_changes": "5s"}));
    scene.create("Flood%20North?creatorUid=A");
    scene.subscribe(BOB, FLOOD, "B");
    let send = |conn: u64| {
        scene.host.forget();
        scene.host.deliver(marker("m-1", TO_FLOOD), conn);
        scene.host.tick(Duration::from_secs(2));
    };
    send(scene.a);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "a-f-G"]);
    send(scene.a);
    assert_eq!((scene.kinds(scene.b), scene.kinds(scene.a)), (vec!["a-f-G".to_owned()], vec![]));
    let changes = "SELECT 1 FROM mission_change WHERE uid = 'm-1'";
    assert_eq!((scene.rows(changes), scene.rows("SELECT 1 FROM mission_cot")), (1, 2));
    send(scene.b);
    assert_eq!(scene.rows(changes), 2, "another author");
    scene.host.tick(Duration::from_secs(6));
    send(scene.b);
    assert_eq!(scene.rows(changes), 3, "the window is over");
}

#[test]
fn strict_membership_keeps_an_item_in_one_mission() {
    let scene = Scene::with(&json!({"strict_uid_membership": true}));
    scene.create("Flood%20North?creatorUid=A");
    scene.create("Second?creatorUid=A");
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.host.deliver(marker("m-1", "mission=\"Second\""), scene.a);
    assert_eq!(scene.rows("SELECT 1 FROM mission_uid"), 1);
}

#[test]
fn anonymous_listeners_work_by_uid_alone() {
    let host = MockHost::builder().now(NOW).start::<fts_plugin_mission::Mission>().unwrap();
    let (one, two) = (host.connect(Client::new("U1", "one")), host.connect(Client::new("U2", "two")));
    for (method, path, status) in [
        ("PUT", "/Marti/api/missions/Plain?creatorUid=U1", 201),
        ("PUT", "/Marti/api/missions/Plain/subscription?uid=U2", 201),
    ] {
        assert_eq!(host.http(method, path).anonymous().send().status, status, "{path}");
    }
    host.forget();
    host.deliver(marker("m-1", "mission=\"Plain\""), one);
    let kinds: Vec<_> = host.received(two).iter().map(|e| e.kind().to_owned()).collect();
    assert_eq!(kinds, ["t-x-m-c", "a-f-G"]);
}

#[test]
fn the_past_of_an_item_is_told_to_whom_may_read_its_mission() {
    let (scene, _) = both();
    scene.create("Closed?creatorUid=A&password=river");
    for dest in [TO_FLOOD, TO_FLOOD, "mission=\"Closed\""] {
        scene.host.deliver(marker("m-1", dest), scene.a);
        scene.host.tick(Duration::from_secs(1));
    }
    let asked = |groups: Option<&str>, user: Option<&str>| {
        let ask = fts_plugin_api::sdk::HistoryAsk {
            uid: "m-1".into(),
            from: 0,
            to: i64::MAX,
            groups: groups.map(|g| vec![g.to_owned()]),
            user: user.map(str::to_owned),
        };
        let found = scene.host.history(&ask).unwrap();
        assert!(found.windows(2).all(|w| w[0].received >= w[1].received), "newest first");
        found.len()
    };
    assert_eq!(asked(Some("__ANON__"), Some("bob")), 2);
    assert_eq!(asked(Some("__ANON__"), Some("alice")), 3, "a member of both");
    assert_eq!(asked(Some("__ANON__"), Some("")), 2);
    assert_eq!(asked(Some("Red"), Some("carol")), 0);
    assert_eq!(asked(None, None), 3);
}
