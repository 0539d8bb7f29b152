//! Emergencies outlive what happens to server and plugin: restart, `kill -9` right after the alert was relayed, reload,
//! restart with another table, disable and enable (b.5, 2 and 3; plugins.md 6). An alert is there exactly once
//! afterwards, and what was cancelled stays cancelled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::emergencies;

use emergencies::*;
use fts_tests::{Server, fence};
use serde_json::Value;

const FAST: &str = r#"repeat = "200ms""#;

fn again(server: &Server, keys: &str) -> Server {
    running(build(keys).again(server).start())
}

fn active(server: &Server) -> Vec<String> {
    uids(server, "?active=true").1
}

#[test]
fn it_repeats_after_a_restart_and_the_history_goes_on() {
    let mut server = start(FAST);
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO");
    alice.send(&start_911());
    next_alert(&mut bob);
    let first = alerts(&server, "")["items"][0]["startTime"].clone();
    assert!(server.stop().success());
    let server = again(&server, FAST);
    let mut bob = join(&server, "red", "B", "BRAVO");
    let times = [(); 4].map(|()| said_at(&next_alert(&mut bob), "time").to_owned());
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(server.metric("fts_emergency_active", &[]), 1.0);
    assert_eq!(alerts(&server, "")["items"][0]["startTime"], first);
    // Its sender is known by its uid now, not by its connection: it may cancel, and is shown nothing of its own.
    let mut alice = emergencies::alice(&server, "red");
    alice.expect("B");
    bob.until(|e| e.uid() == A);
    (0..3).for_each(|_| drop(next_alert(&mut bob)));
    fence(&mut bob, &mut [&mut alice]);
    alice.send(&cancel(UID));
    cancel_of(&mut bob, UID);
    assert_eq!(uids(&server, ""), (1, vec![UID.to_owned()]), "one row, whatever happened");
}

#[test]
fn killed_right_after_the_alert_was_relayed_it_is_active_once() {
    let mut server = start("repeat = 0");
    for round in 1..=4 {
        let uid = format!("U{round}-9-1-1");
        let mut alice = alice(&server, "red");
        let mut bob = join(&server, "red", "B", "BRAVO");
        alice.send(&start_of(&uid));
        alert_about(&mut bob, &uid);
        server.kill();
        server = again(&server, "repeat = 0");
        // What the journal holds is heard a moment after the start.
        server.eventually("every one is active", || active(&server).len() as u64 == round);
        assert_eq!(uids(&server, "").0, round, "and none twice");
        let mut dave = join(&server, "red", "D", "DELTA");
        let mut shown: Vec<String> = (0..round).map(|_| next_alert(&mut dave).uid().to_owned()).collect();
        shown.sort();
        shown.dedup();
        assert_eq!(shown.len() as u64, round, "each once: {shown:?}");
        quiet(&mut join(&server, "red", "E", "ECHO"), &mut [&mut dave]);
    }
}

#[test]
fn killed_right_after_the_cancel_was_relayed_it_stays_cancelled() {
    let mut server = start("repeat = 0");
    for round in 1..=3 {
        let mut alice = alice(&server, "red");
        let mut bob = join(&server, "red", "B", "BRAVO");
        alice.send(&start_911());
        alice.send(&cancel(UID));
        cancel_of(&mut bob, UID);
        server.kill();
        server = again(&server, "repeat = 0");
        server.eventually("what the journal holds is heard", || {
            uids(&server, "").0 == round && active(&server).is_empty()
        });
    }
}

#[test]
fn an_alert_of_a_killed_server_belongs_to_its_device_not_to_a_connection_number() {
    let mut server = start("repeat = 0\ncancel_policy = \"originator\"");
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO");
    alice.send(&start_911());
    next_alert(&mut bob);
    server.kill();
    let keys = "repeat = \"200ms\"\ncancel_policy = \"originator\"";
    let server = again(&server, keys);
    // Whoever connects first has the number A had: it is not A.
    let mut mallory = join(&server, "red", "M", "MALLORY");
    assert_eq!(next_alert(&mut mallory).uid(), UID);
    (0..2).for_each(|_| drop(next_alert(&mut mallory)));
    mallory.send(&cancel(UID));
    mallory.sync();
    assert_eq!(active(&server), [UID]);
}

#[test]
fn a_reload_loses_and_doubles_nothing() {
    let server = start(FAST);
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO");
    alice.expect("B");
    alice.send(&start_911());
    next_alert(&mut bob);
    for (n, what) in ["reload", "restart", "reload"].into_iter().enumerate() {
        change(&server, what);
        // What comes while it reloads is not lost.
        alice.send(&start_of(&format!("during-{n}")));
        let uid = format!("during-{n}");
        alert_about(&mut bob, &uid);
        server.eventually("both are kept", || active(&server).len() == 2);
        (0..2).for_each(|_| drop(alert_about(&mut bob, UID)));
        alice.send(&cancel(&uid));
        cancel_of(&mut bob, &uid);
    }
    assert_eq!(uids(&server, &format!("?uid={UID}")).0, 1, "one row");
    assert_eq!(active(&server), [UID]);
    // A cancel that met a repeat on its way is said again to everybody; an echo there is none.
    bob.send(&fts_tests::marker("end"));
    let (_, before) = alice.until(|e| e.uid() == "end");
    assert!(before.iter().all(|e| e.kind() == "b-a-o-can"), "{before:?}");
    let plugin = ok(&server, "GET", "/admin/plugins/emergency", &Value::Null);
    assert_eq!((&plugin["state"], &plugin["generation"]), (&"running".into(), &4.into()));
}

#[test]
fn alerts_sent_while_it_reloads_are_all_kept() {
    let server = start("repeat = 0");
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO");
    let reloads = std::thread::scope(|threads| {
        let admin = threads.spawn(|| (0..5).for_each(|_| change(&server, "reload")));
        for n in 0..100 {
            alice.send(&start_of(&format!("U{n}")));
            alert_about(&mut bob, &format!("U{n}"));
        }
        admin.join()
    });
    reloads.unwrap();
    server.eventually("all are kept", || active(&server).len() == 50 && uids(&server, "?active=true").0 == 100);
    assert_eq!(uids(&server, "").0, 100, "none twice");
}

#[test]
fn disabled_it_does_not_repeat_and_enabled_it_goes_on() {
    let server = start(FAST);
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO");
    alice.expect("B");
    alice.send(&start_911());
    next_alert(&mut bob);
    next_alert(&mut bob);
    change(&server, "disable");
    alice.sync();
    bob.sync();
    forget(&mut bob);
    // Emergencies are relayed like anything else now, and nothing repeats.
    assert_eq!(server.admin("GET", "/Marti/api/repeater/list", "").status, 404);
    alice.send(&start_of("plain"));
    let got = next_alert(&mut bob);
    assert!(got.uid() == "plain" && got.detail("remarks").is_none(), "{got:?}");
    let late = join(&server, "red", "D", "DELTA");
    bob.expect("D");
    drop(late);
    bob.until(|e| e.kind() == "t-x-d-d");
    quiet(&mut alice, &mut [&mut bob]);
    change(&server, "enable");
    (0..3).for_each(|_| assert_eq!(next_alert(&mut bob).uid(), UID));
    assert_eq!(active(&server), [UID], "what came meanwhile was not kept");
    quiet(&mut bob, &mut [&mut alice]);
}

#[test]
fn another_table_takes_effect_at_a_reload_of_the_configuration() {
    let server = start("repeat = 0");
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO");
    alice.send(&start_911());
    next_alert(&mut bob);
    let file = server.dir().join("test.toml");
    let toml = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, toml.replace("repeat = 0", "repeat = \"200ms\"")).unwrap();
    ok(&server, "POST", "/admin/reload", &Value::Null);
    (0..3).for_each(|_| assert_eq!(next_alert(&mut bob).uid(), UID));
    // A wrong one changes nothing.
    std::fs::write(&file, toml.replace("repeat = 0", "repeat = \"1ms\"")).unwrap();
    let _ = server.admin("POST", "/admin/reload", "");
    let line = server.wait_log(|l| l["event"] == "plugin.reload_failed");
    let said = line["msg"].as_str().unwrap();
    assert!(said.contains("[plugins.emergency] repeat: must be 0") && said.contains("test.toml:2"), "{said}");
    (0..3).for_each(|_| assert_eq!(next_alert(&mut bob).uid(), UID));
    assert_eq!(ok(&server, "GET", "/Marti/api/repeater/period", &Value::Null)["data"], 200);
}
