//! Held events that meet a crash, a reload or a panic (plugins.md 10): stored exactly once, given to members once, and an
//! event that panics its handler takes nobody with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::plugin_bed;

use std::{
    fs,
    time::{Duration, Instant},
};

use fts_tests::{Client, Server, event, fence, join_all, marker_to};
use plugin_bed::{Asks, both, probe, to};
use serde_json::json;

/// Kills the server while the handler stands before `step`, and starts it again.
fn killed_before(step: &str) {
    let mut server = probe(&format!("hang_before = {step:?}")).start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&marker_to("m1", &to("alpha")));
    alice.send(&marker_to("m2", &to("alpha")));
    alice.send(&marker_to("m3", &to("alpha")));
    server.wait_paused();
    // What waited together is stored together.
    let stored = server.stored();
    assert_eq!(stored.is_empty(), step == "commit", "{stored:?}");
    assert_eq!(stored, ["m1", "m2", "m3"][..stored.len()]);
    fence(&mut alice, &mut [&mut bob]);
    server.kill();

    let mut again = probe("").again(&server).start();
    again.eventually("all are stored", || again.stored().len() >= 3);
    assert_eq!(again.stored(), ["m1", "m2", "m3"], "each exactly once, in order");
    let held = again.diary("held");
    assert_eq!(held.len(), 3);
    assert!(held.iter().all(|h| h["replayed"] == true), "{held:?}");
    assert_eq!((held[0]["from"]["uid"].as_str(), held[0]["from"]["kind"].as_str()), (Some("A"), Some("Client")));
    // Life goes on, and what was dealt with does not come a third time.
    let [mut alice, mut bob] = join_all(&again, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&marker_to("m4", &to("alpha")));
    bob.expect("notice-m4");
    bob.expect("m4");
    again.eventually("nothing is held", || again.plugin("probe")["held"] == 0);
    assert!(again.stop().success());
    let third = probe("").again(&again).start();
    let [mut alice, mut bob] = join_all(&third, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&marker_to("m5", &to("alpha")));
    bob.expect("notice-m5");
    bob.expect("m5");
    assert_eq!(third.saw("held"), ["m5"]);
    assert_eq!(third.stored(), ["m1", "m2", "m3", "m4", "m5"]);
}

#[test]
fn what_was_put_off_survives_a_reload_and_kill_9() {
    let mut server = probe("late = true").start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    for uid in ["m1", "m2", "m3"] {
        alice.send(&marker_to(uid, &to("alpha")));
    }
    // Twice: it came again, and again it could not be stored.
    let twice = || server.saw("late").iter().filter(|uid| *uid == "m1").count() >= 2;
    server.eventually("all are put off", twice);
    server.change("probe", "reload").unwrap();
    server.eventually("the next generation is given them", || !server.saw("late").is_empty());
    fence(&mut alice, &mut [&mut bob]);
    assert!(server.stored().is_empty());
    server.kill();

    let again = probe("").again(&server).start();
    again.eventually("all are stored", || again.stored().len() >= 3);
    assert_eq!(again.stored(), ["m1", "m2", "m3"], "each exactly once, in order");
    assert_eq!(again.saw("held"), ["m1", "m2", "m3"]);
}

#[test]
fn kill_9_between_commit_and_release_the_mission_holds_it_exactly_once() {
    killed_before("release");
}

#[test]
fn kill_9_before_the_commit_the_mission_holds_it_exactly_once() {
    killed_before("commit");
}

#[test]
fn what_was_held_before_a_crash_is_dealt_with_before_anybody_is_let_in() {
    let mut server = probe("hang_before = \"release\"").start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let all: String = (0..300).map(|n| marker_to(&format!("m{n}"), &to("alpha"))).collect();
    alice.send(&all);
    alice.sync();
    server.wait_paused();
    bob.sync();
    server.kill();
    let again = probe("").again(&server).start();
    assert_eq!(again.stored().len(), 300, "listeners open behind the replay");
    let [mut alice, mut bob] = join_all(&again, [("A", "ALICE"), ("B", "BOB")]);
    fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn a_reload_in_between_members_get_it_once() {
    let server = probe("").start();
    server.room("alpha", &["B", "C"], &["A"]);
    let [mut alice, mut bob, mut carol] = join_all(&server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")]);
    for (round, step) in ["commit", "release", "commit", "release"].into_iter().enumerate() {
        server.probe(json!({"do": "pause", "before": step, "ms": 300}));
        let uids: Vec<_> = (0..20).map(|n| format!("r{round}-{n}")).collect();
        let (first, rest) = uids.split_at(7);
        alice.send(&first.iter().map(|uid| marker_to(uid, &to("alpha"))).collect::<String>());
        server.wait_paused();
        // Some wait in the worker's hands, some in the queue, some come while it is down.
        std::thread::scope(|scope| {
            let reload = scope.spawn(|| server.change("probe", "reload").unwrap());
            for uid in rest {
                alice.send(&marker_to(uid, &to("alpha")));
            }
            reload.join().unwrap();
        });
        for member in [&mut bob, &mut carol] {
            for uid in &uids {
                member.expect(&format!("notice-{uid}"));
                member.expect(uid);
            }
        }
        fence(&mut alice, &mut [&mut bob, &mut carol]);
    }
    assert_eq!(server.stored().len(), 80);
    assert_eq!(server.plugin("probe")["held"], 0);
}

#[test]
fn a_handler_that_outlives_its_generation_loses_nothing() {
    let server = both("", "").start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    // It does not come back in the time a reload gives it: what it and its batch had in hand is given again.
    server.probe(json!({"do": "pause", "before": "release", "ms": 8_000, "stubborn": true}));
    let all: String = (0..5).map(|n| marker_to(&format!("m{n}"), &to("alpha"))).collect();
    alice.send(&all);
    server.wait_paused();
    alice.send(&event("w1", "b-m-p-s-m", "<watch/>"));
    bob.expect("w1");
    server.change("probe", "reload").unwrap();
    for n in 0..5 {
        bob.expect(&format!("notice-m{n}"));
        bob.expect(&format!("m{n}"));
    }
    server.eventually("the observer has seen it", || server.saw("reliable") == ["w1"]);
    // The old one comes back and can do nothing any more.
    server.wait_plugin("probe", "plugin.log", "generation of the plugin is over");
    alice.send(&marker_to("m5", &to("alpha")));
    bob.expect("notice-m5");
    bob.expect("m5");
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(server.stored(), ["m0", "m1", "m2", "m3", "m4", "m5"]);
    assert_eq!(server.plugin("probe")["held"], 0);
}

fn poisonous(uid: &str) -> String {
    event(uid, "b-m-p-s-m", &format!("<held do=\"panic\"/><marti>{}</marti>", to("alpha")))
}

fn poison(server: &Server) -> Vec<String> {
    let dir = server.data_dir().join("plugin-data/probe/poison");
    let files = fs::read_dir(dir).into_iter().flatten().map(|f| fs::read_to_string(f.unwrap().path()).unwrap());
    files.collect()
}

fn trips(server: &Server) -> usize {
    server.logs().iter().filter(|l| l["event"] == "plugin.state" && l["state"] == "tripped").count()
}

/// Three times the same event, all at once or each when the one before was dealt with.
fn panics_three_times(at_once: bool) {
    let server = probe("").start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    for n in 0..3 {
        alice.send(&poisonous("bad"));
        alice.send(&marker_to(&format!("good-{n}"), &to("alpha")));
        if !at_once && n < 2 {
            // Each panics twice before it is set aside.
            server.eventually("it panicked", || server.plugin("probe")["panics"].as_u64() > Some(2 * n));
        }
    }
    server.wait_log(|l| l["event"] == "plugin.state" && l["state"] == "tripped");
    let tripped = Instant::now();
    server.eventually("it runs again", || server.state("probe") == "running");
    assert!(tripped.elapsed() < Duration::from_secs(10), "{:?}", tripped.elapsed());
    // What came between and behind is lost to nobody.
    let mut got: Vec<String> = (0..6).map(|_| bob.next().uid().to_owned()).collect();
    got.sort();
    assert_eq!(got, ["good-0", "good-1", "good-2", "notice-good-0", "notice-good-1", "notice-good-2"]);
    server.eventually("all three are set aside", || poison(&server).len() == 3);
    assert!(
        poison(&server).iter().all(|p| p.contains("uid=\"bad\"") && p.contains("fuse.rs")),
        "{:?}",
        poison(&server)
    );
    alice.send(&marker_to("after", &to("alpha")));
    bob.expect("notice-after");
    bob.expect("after");
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!((trips(&server), server.state("probe").as_str()), (1, "running"));
    let panic = server.wait_plugin("probe", "plugin.panic", "the fuse of held");
    assert!(panic["handler"] == "held" && panic["place"].as_str().unwrap().contains("fuse.rs:"), "{panic}");
    server.wait_plugin("probe", "plugin.poison", "held");
    assert_eq!(server.plugin("probe")["held"], 0);
}

#[test]
fn one_event_that_panics_sent_three_times_tripped_back_within_10_s_without_an_admin_the_event_in_poison() {
    panics_three_times(true);
}

#[test]
fn the_same_when_each_is_sent_behind_the_panic_of_the_one_before() {
    panics_three_times(false);
}

#[test]
fn what_a_tripped_plugin_had_not_handled_yet_it_is_given_when_it_is_back() {
    let server = both("", "").start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    // The whole batch is in the worker's hands when it trips.
    server.probe(json!({"do": "pause", "before": "watch"}));
    alice.send(&event("first", "b-m-p-s-m", "<watch do=\"wait\"/>"));
    server.wait_paused();
    let mut batch = String::new();
    for n in 0..3 {
        batch += &event(&format!("bad-{n}"), "b-m-p-s-m", "<watch do=\"panic\"/>");
        batch += &event(&format!("seen-{n}"), "b-m-p-s-m", "<watch/>");
        batch += &marker_to(&format!("held-{n}"), &to("alpha"));
    }
    alice.send(&batch);
    for uid in ["first", "bad-0", "seen-0", "bad-1", "seen-1", "bad-2", "seen-2"] {
        bob.expect(uid);
    }
    server.probe(json!({"do": "go-on"}));
    server.wait_log(|l| l["event"] == "plugin.state" && l["state"] == "tripped");
    server.eventually("it runs again", || server.state("probe") == "running");
    for n in 0..3 {
        bob.expect(&format!("notice-held-{n}"));
        bob.expect(&format!("held-{n}"));
    }
    alice.send(&event("last", "b-m-p-s-m", "<watch/>"));
    bob.expect("last");
    // The twin, which saw each of them once, is none of the worse.
    let twin = || {
        let diary = server.admin("GET", "/api/plugins/twin/diary", "").json();
        diary.as_array().unwrap().iter().filter(|e| e["uid"] == "last").count()
    };
    server.eventually("the twin saw the last", || twin() == 1);
    server.eventually("the probe saw the last", || server.saw("reliable").contains(&"last".to_owned()));
    assert_eq!(server.stored(), ["held-0", "held-1", "held-2"]);
    assert_eq!(trips(&server), 1);
}

#[test]
fn reliable_observers_see_every_reliable_event_again_after_a_crash_until_they_are_done() {
    let mut server = probe("").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    server.probe(json!({"do": "pause", "before": "watch"}));
    for uid in ["w0", "w1", "w2"] {
        alice.send(&event(uid, "b-m-p-s-m", "<watch do=\"wait\"/>"));
    }
    alice.sync();
    server.wait_paused();
    server.kill();
    let again = probe("").again(&server).start();
    again.eventually("all are seen", || again.saw("reliable").len() == 3);
    let seen = again.diary("reliable");
    assert_eq!(again.saw("reliable"), ["w0", "w1", "w2"]);
    assert!(seen.iter().all(|s| s["route"]["replayed"] == true && s["id"] != 0), "{seen:?}");
    assert_eq!(seen[0]["route"]["source"]["callsign"], "ALICE");
}
