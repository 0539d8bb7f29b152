//! Missions without the plugin (mission.md 9, AC-60), and while it comes and goes: an event for a mission reaches nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::mission_bed;
use crate::plugin_bed;

use fts_tests::{Server, fence, join_all, marker_to};
use mission_bed::{FLOOD, Stage, TO_FLOOD, changes, uids};
use plugin_bed::Asks;
use serde_json::json;

#[test]
fn ac_60_without_the_plugin_no_route_is_there_and_an_event_for_a_mission_reaches_nobody() {
    let server = Server::build().set("plugins.enabled", "[\"emergency\"]").start();
    for (method, path) in [
        ("GET", "/Marti/api/missions"),
        ("PUT", "/Marti/api/missions/Flood?creatorUid=A"),
        ("GET", "/Marti/api/missions/Flood"),
        ("GET", "/Marti/api/missions/Flood/cot"),
        ("GET", "/Marti/api/missions/guid/5d1f0c1e-4d36-4a0f-9c55-0a8f4b6c7d21"),
        ("PUT", "/Marti/api/missions/Flood/subscription?uid=A"),
        ("GET", "/Marti/api/missions/all/logs"),
        ("GET", "/Marti/api/pagedmissions"),
    ] {
        assert_eq!(server.admin(method, path, "").status, 404, "{method} {path}");
    }
    let table = server.admin("GET", "/MissionTable", "").json();
    assert_eq!((&table["version"], &table["type"], &table["data"]), (&json!("3"), &json!("Mission"), &json!([])));
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    for (n, dest) in [
        r#"<dest mission="Flood"/>"#,
        r#"<dest mission-guid="5d1f0c1e-4d36-4a0f-9c55-0a8f4b6c7d21"/>"#,
        r#"<dest mission="Flood" path="layer"/>"#,
        r#"<dest mission="Flood"/><dest mission="Other"/>"#,
    ]
    .into_iter()
    .enumerate()
    {
        alice.send(&marker_to(&format!("m-{n}"), dest));
        fence(&mut alice, &mut [&mut bob]);
    }
    fence(&mut bob, &mut [&mut alice]);
    assert!(server.dropped("unbound_dest") >= 4.0);
}

#[test]
fn ac_60_switched_off_while_it_runs_it_leaks_nothing_and_goes_on_when_it_is_back() {
    let (mut stage, _) = Stage::flood();
    stage.alice.mark("before", TO_FLOOD);
    stage.alice.acknowledged("before");
    stage.bob.item("before");
    stage.server.change("mission", "disable").unwrap();
    stage.bob.web.get(FLOOD).expect(404);
    stage.alice.mark("meanwhile", TO_FLOOD);
    stage.quiet();
    stage.server.change("mission", "enable").unwrap();
    stage.alice.mark("after", TO_FLOOD);
    stage.alice.acknowledged("after");
    stage.bob.item("after");
    stage.server.change("mission", "reload").unwrap();
    stage.alice.mark("reloaded", TO_FLOOD);
    stage.alice.acknowledged("reloaded");
    stage.bob.item("reloaded");
    stage.quiet();
    assert_eq!(uids(&stage.bob.web, FLOOD), ["after", "before", "reloaded"]);
    assert_eq!(changes(&stage.bob.web, FLOOD).len(), 4, "with its creation");
}

#[test]
fn reloads_in_the_middle_of_a_stream_lose_double_and_leak_nothing() {
    const ROUNDS: usize = 4;
    const EACH: usize = 40;
    let (mut stage, _) = Stage::flood();
    for round in 0..ROUNDS {
        let uids: Vec<_> = (0..EACH).map(|n| format!("r{round}-{n:02}")).collect();
        std::thread::scope(|scope| {
            let reload = scope.spawn(|| stage.server.change("mission", "reload").unwrap());
            uids.iter().for_each(|uid| stage.alice.client.send(&mission_bed::item(uid, TO_FLOOD)));
            reload.join().unwrap();
        });
        // What comes while nothing is bound has nowhere to go: the last one shows where the stream ends.
        let last = format!("r{round}-last");
        stage.alice.mark(&last, TO_FLOOD);
        let mut got = Vec::new();
        while got.last() != Some(&last) {
            let told = stage.bob.change().child("contentUid").unwrap().text();
            stage.bob.client.expect(&told);
            stage.alice.acknowledged(&told);
            got.push(told);
        }
        got.pop();
        assert!(got.is_sorted() && got.iter().all(|uid| uids.contains(uid)), "{got:?}");
        assert_eq!(got.len(), EACH, "a reload holds them: {got:?}");
    }
    stage.quiet();
    let all = changes(&stage.bob.web, FLOOD);
    assert_eq!(all.len(), 1 + ROUNDS * (EACH + 1), "each is one change");
    assert_eq!(stage.server.plugin("mission")["held"], 0);
}
