//! The life of a plugin as clients and operators see it (plugins.md 1.1 to 1.3, 6): what a reload keeps and what it undoes,
//! client events, observers, timers, its own data, other plugins, threads that outlive it, and a worker that is stuck.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::plugin_bed;

use std::{
    fs,
    time::{Duration, Instant},
};

use fts_tests::{Client, Server, event, fence, join_all, marker_to, sa_team};
use plugin_bed::{Asks, both, probe, to, uid};
use serde_json::{Value, json};

fn kinds(server: &Server) -> Vec<String> {
    let kind = |n: &Value| n.as_object().unwrap().keys().next().unwrap().clone();
    server.diary("client").iter().map(kind).collect()
}

#[test]
fn a_reload_keeps_what_is_declared_again_and_undoes_what_is_not_clients_stay() {
    let server = probe("").start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob, mut carol] = join_all(&server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")]);
    let conn = server.client("C")["conn"].clone();
    server.probe(json!({"do": "add", "audience": "alpha-members", "member": {"Conn": conn}}));
    server.probe(json!({"do": "show", "uid": "shown", "event": event("shown", "b-m-p-s-m", "")}));
    let contact = json!({"do": "contact", "uid": "R", "callsign": "REMOTE", "groups": ["__ANON__"], "link": "l1"});
    server.probe(contact);
    let number = server.plugin("probe")["generation"].as_u64().unwrap();
    server.change("probe", "reload").unwrap();
    assert_eq!(server.plugin("probe")["generation"].as_u64(), Some(number + 1));
    assert_eq!(server.plugin("probe")["resident_generations"], 1);
    assert!(server.diary("saved")[0].as_str().unwrap().ends_with("notes"));

    alice.send(&marker_to("m1", &to("alpha")));
    for member in [&mut bob, &mut carol] {
        member.expect("notice-m1");
        member.expect("m1");
    }
    alice.send(&marker_to("m2", "<dest callsign=\"REMOTE\"/>"));
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    let mut dave = Client::join(&server, "D", "DAVE");
    let shown: Vec<_> = (0..4).map(|_| dave.next().uid().to_owned()).collect();
    assert!(shown.contains(&"shown".to_owned()), "{shown:?}");
    for there in [&mut alice, &mut bob, &mut carol] {
        there.expect("D");
    }

    server.probe(json!({"do": "kv", "key": "forget", "value": "1"}));
    server.change("probe", "reload").unwrap();
    let info = server.plugin("probe");
    assert_eq!(info["audiences"], json!([]), "{info}");
    assert_eq!(info["contacts"], 1, "contacts have half a minute");
    alice.send(&marker_to("m3", &to("alpha")));
    fence(&mut alice, &mut [&mut bob, &mut carol, &mut dave]);
    assert_eq!(server.dropped("no_receiver"), 1.0);
    let mut erin = Client::join(&server, "E", "ERIN");
    let mut others: Vec<_> = (0..4).map(|_| erin.next().uid().to_owned()).collect();
    others.sort();
    assert_eq!(others, ["A", "B", "C", "D"]);
    for there in [&mut alice, &mut bob, &mut carol, &mut dave] {
        there.expect("E");
    }
    fence(&mut alice, &mut [&mut erin]);
    let until = Instant::now() + Duration::from_secs(45);
    while server.plugin("probe")["contacts"] != 0 {
        assert!(Instant::now() < until, "the contact that was not set again does not go");
        std::thread::yield_now();
    }
}

#[test]
fn client_events_come_in_order_and_what_is_answered_to_ready_goes_to_that_client_alone() {
    let server = probe("").set("cot.replay_at", "\"identify\"").start();
    server.probe(json!({"do": "greet", "on": true}));
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.expect("hello-A");
    let mut bob = Client::join(&server, "B", "BOB");
    bob.expect("A");
    bob.expect("hello-B");
    alice.expect("B");
    fence(&mut alice, &mut [&mut bob]);
    server.eventually("six events", || kinds(&server).len() == 6);
    let one = ["Connected", "Identified", "Ready"];
    assert_eq!(kinds(&server), [one, one].concat());
    let told = server.diary("client")[4]["Identified"].clone();
    assert_eq!(
        (told["uid"].as_str(), told["callsign"].as_str(), told["listener"].as_str()),
        (Some("B"), Some("BOB"), Some("cot_tcp"))
    );
    // Changed, then gone.
    bob.send(&sa_team("B", "BOBBY", "Red", "Medic"));
    alice.expect("B");
    server.eventually("it was told", || kinds(&server).len() == 7);
    let changed = server.diary("client")[6]["Identified"].clone();
    assert_eq!((changed["callsign"].as_str(), changed["team"].as_str()), (Some("BOBBY"), Some("Red")));
    drop(bob);
    server.eventually("it was told", || kinds(&server).len() == 8);
    let gone = server.diary("client")[7]["Gone"].clone();
    assert_eq!((gone["reason"].as_str(), gone["client"]["uid"].as_str()), (Some("eof"), Some("B")));
    // Whoever starts late is told of those who are there.
    server.change("probe", "disable").unwrap();
    server.change("probe", "enable").unwrap();
    let there = server.probe(json!({"do": "clients"}));
    assert_eq!(there.as_array().unwrap().len(), 1, "{there}");
}

#[test]
fn observers_latest_and_reliable_see_where_an_event_came_from_and_not_what_they_sent() {
    let server = probe("").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&event("w1", "b-m-p-s-m", "<watch/>"));
    alice.send(&event(
        "w2",
        "b-m-p-s-m",
        "<watch do=\"fail\"/><marti><dest callsign=\"BOB\"/><dest uid=\"x\"/></marti>",
    ));
    alice.send(&event("p1", "a-f-G", "<glance/>"));
    alice.sync();
    server.probe(json!({"do": "send", "text": event("own", "b-m-p-s-m", "<watch/>"), "to": "All", "archive": true}));
    for uid in ["w1", "w2", "p1", "own"] {
        bob.expect(uid);
    }
    server.eventually("all are seen", || server.saw("reliable").len() == 2 && server.saw("latest").len() == 1);
    let seen = server.diary("reliable");
    assert_eq!(server.saw("reliable"), ["w1", "w2"]);
    assert!(seen[0]["id"].as_u64() < seen[1]["id"].as_u64() && seen[0]["id"] != 0);
    assert_eq!(seen[1]["route"]["dests"], json!([["callsign", "BOB"], ["uid", "x"]]));
    assert_eq!((&seen[0]["route"]["source"]["uid"], &seen[0]["route"]["replayed"]), (&json!("A"), &json!(false)));
    assert_eq!(server.diary("latest")[0]["id"], 0);
    server.wait_plugin("probe", "plugin.log", "told to fail");
    // While the worker is busy only the newest position of a uid waits.
    server.probe(json!({"do": "pause", "before": "watch"}));
    alice.send(&event("w3", "b-m-p-s-m", "<watch do=\"wait\"/>"));
    server.wait_paused();
    for n in 0..50 {
        alice.send(&event("P", "a-f-G", &format!("<glance/><remarks>{n}</remarks>")));
        alice.send(&event("Q", "a-f-G", &format!("<glance/><remarks>{n}</remarks>")));
    }
    alice.sync();
    bob.sync();
    server.probe(json!({"do": "go-on"}));
    server.eventually("both are seen", || server.saw("latest").len() >= 3);
    assert_eq!(server.saw("latest"), ["p1", "P", "Q"]);
}

#[test]
fn remote_contacts_are_reached_by_name_and_given_to_their_plugin_with_their_link() {
    let server = probe("").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let contact = json!({"do": "contact", "uid": "R", "callsign": "REMOTE", "groups": ["__ANON__"], "link": "l1"});
    server.probe(contact);
    server.probe(json!({"do": "contact", "uid": "S", "callsign": "FAR", "groups": ["elsewhere"], "link": "l2"}));
    for (uid, dest) in [("w1", "<dest callsign=\"REMOTE\"/>"), ("w2", "<dest uid=\"R\"/>"), ("w3", "<dest uid=\"S\"/>")]
    {
        alice.send(&event(uid, "b-m-p-s-m", &format!("<watch/><marti>{dest}</marti>")));
    }
    alice.send(&event("w4", "b-m-p-s-m", "<watch/>"));
    bob.expect("w4");
    let to_link = |server: &Server| -> Vec<Value> {
        let all = server.diary("reliable");
        all.into_iter().filter(|n| n["route"]["link"] != "").map(|n| json!([n["uid"], n["route"]["link"]])).collect()
    };
    server.eventually("two are for the link", || to_link(&server).len() == 2);
    assert_eq!(to_link(&server), [json!(["w1", "l1"]), json!(["w2", "l1"])]);
    let from = server.diary("reliable").into_iter().find(|n| n["route"]["link"] == "l1").unwrap();
    assert_eq!(from["route"]["source"]["uid"], "A", "{from}");
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(server.dropped("no_reach"), 1.0, "the other one is in no common group");
}

#[test]
fn its_own_data_metrics_status_threads_and_timers() {
    let server = probe("every = \"10ms\"").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    assert_eq!(server.probe(json!({"do": "kv", "key": "k", "value": null})), Value::Null);
    server.probe(json!({"do": "kv", "key": "k", "value": "v"}));
    server.probe(json!({"do": "count", "name": "things_total", "by": 3}));
    assert_eq!(server.metric("fts_probe_things_total", &["of=\"test\""]), 3.0);
    let dir = server.probe(json!({"do": "dir"}));
    assert_eq!(dir.as_str().unwrap(), server.data_dir().join("plugin-data/probe").to_str().unwrap());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(dir.as_str().unwrap()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    server.probe(json!({"do": "status", "level": "Error", "text": "no link to HQ"}));
    let ready = server.get("/readyz").json();
    assert_eq!(
        (ready["status"].as_str(), ready["checks"]["plugin.probe"].as_str()),
        (Some("degraded"), Some("no link to HQ")),
        "{ready}"
    );
    server.probe(json!({"do": "status", "level": "Ok", "text": ""}));
    assert_eq!(server.get("/readyz").json()["status"], "ok");
    server.probe(json!({"do": "spawn", "what": "send"}));
    alice.expect("from-thread");
    server.eventually("timers tick", || server.diary("every").len() > 2 && server.diary("at").len() == 1);
    assert!(server.probe(json!({"do": "latest", "uid": "A"})).as_str().unwrap().contains("ALICE"));
    server.change("probe", "reload").unwrap();
    assert_eq!(server.probe(json!({"do": "kv", "key": "k", "value": null})), "v");
}

#[test]
fn plugins_talk_by_calls_services_and_topics_also_across_a_reload() {
    let server = both("", "words = true").start();
    assert_eq!(server.probe(json!({"do": "words", "text": "abc"})), "cba");
    assert_eq!(server.probe(json!({"do": "call", "plugin": "twin", "method": "echo", "args": "x"})), "x");
    let (status, said) = server.refused(json!({"do": "call", "plugin": "twin", "method": "sing", "args": ""}));
    assert!(status == 404 && said.contains("no method"), "{said}");
    assert_eq!(server.probe(json!({"do": "publish", "topic": "twin.topic", "text": "news"})), 1);
    assert_eq!(server.probe(json!({"do": "publish", "topic": "nobody", "text": "news"})), 0);
    let heard = || server.admin("GET", "/api/plugins/twin/diary", "").json();
    server.eventually("the twin heard it", || heard() == json!(["news"]));
    // A reload is waited for.
    std::thread::scope(|scope| {
        let reload = scope.spawn(|| server.change("twin", "reload").unwrap());
        for _ in 0..50 {
            assert_eq!(server.probe(json!({"do": "words", "text": "ab"})), "ba");
        }
        reload.join().unwrap();
    });
    server.change("twin", "disable").unwrap();
    let (status, said) = server.refused(json!({"do": "words", "text": "abc"}));
    assert!(status == 404 && said.contains("no plugin provides"), "{said}");
    let (status, said) = server.refused(json!({"do": "call", "plugin": "twin", "method": "echo", "args": ""}));
    assert!(status == 503 && said.contains("stopped"), "{said}");
}

#[test]
fn a_thread_that_outlives_stop_is_told_that_its_generation_is_over() {
    let server = probe("").start();
    server.probe(json!({"do": "spawn", "what": "linger"}));
    server.change("probe", "reload").unwrap();
    let file = server.data_dir().join("plugin-data/probe/lingered");
    server.eventually("it was told", || fs::read_to_string(&file).is_ok_and(|said| said == "Gone"));
    assert_eq!(server.state("probe"), "running");
    server.wait_plugin("probe", "plugin.panic", "is still running after stop");
}

#[test]
fn a_worker_that_is_stuck_is_told_and_its_destinations_drop_until_it_is_not() {
    let server = probe("").start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    server.probe(json!({"do": "pause", "before": "release"}));
    alice.send(&marker_to("m1", &to("alpha")));
    server.wait_paused();
    let until = Instant::now() + Duration::from_secs(60);
    while server.plugin("probe")["stuck"].is_null() {
        assert!(Instant::now() < until, "nobody says that it is stuck");
        std::thread::yield_now();
    }
    let stuck = server.plugin("probe")["stuck"].as_str().unwrap().to_owned();
    assert!(stuck.starts_with("stuck in held for 3"), "{stuck}");
    assert!(server.get("/readyz").body.contains("stuck in held"));
    server.wait_plugin("probe", "plugin.stuck", "stuck in held");
    alice.send(&marker_to("m2", &to("alpha")));
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(server.dropped("plugin_down"), 1.0);
    server.probe(json!({"do": "go-on"}));
    bob.expect("notice-m1");
    bob.expect("m1");
    server.eventually("it is not any more", || server.plugin("probe")["stuck"].is_null());
    alice.send(&marker_to("m3", &to("alpha")));
    bob.expect("notice-m3");
    bob.expect("m3");
}

#[test]
fn an_offline_member_is_one_when_it_comes() {
    let server = probe("").start();
    server.room("alpha", &["B", "C"], &["A"]);
    let [mut alice, mut carol] = join_all(&server, [("A", "ALICE"), ("C", "CAROL")]);
    alice.send(&marker_to("m1", &to("alpha")));
    // It is let go behind being stored, and who comes between the two is a member that is there.
    carol.expect("notice-m1");
    carol.expect("m1");
    assert_eq!(server.stored(), ["m1"]);
    let mut bob = Client::join(&server, "B", "BOB");
    let mut there = [bob.next().uid().to_owned(), bob.next().uid().to_owned()];
    there.sort();
    assert_eq!(there, ["A", "C"]);
    alice.expect("B");
    alice.send(&marker_to("m2", &to("alpha")));
    bob.expect("notice-m2");
    bob.expect("m2");
    server.probe(json!({"do": "remove", "audience": "alpha-members", "member": uid("B")}));
    alice.send(&marker_to("m3", &to("alpha")));
    server.eventually("it is stored", || server.stored().len() == 3);
    fence(&mut alice, &mut [&mut bob]);
}
