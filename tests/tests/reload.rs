//! Reload (operations.md 3.1, 9; acceptance line 6): by SIGHUP, `fts reload` and `POST /admin/reload`. A broken file
//! leaves the running configuration and every client as they are and says what is wrong; what config/fts.toml marks
//! (live) takes effect at once; the rest is named and waits for a restart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Client, Server, at, event, fence, join_all, marker, marker_to};
use rustix::process::Signal;

fn rewrite(server: &Server, toml: &str) {
    std::fs::write(server.dir().join("test.toml"), toml).unwrap();
}

fn reload(server: &Server, toml: &str) -> Vec<String> {
    rewrite(server, toml);
    let answer = server.admin("POST", "/admin/reload", "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let keys = answer.json()["restart_required"].clone();
    keys.as_array().unwrap().iter().map(|k| k.as_str().unwrap().to_owned()).collect()
}

fn two(server: &Server) -> [Client; 2] {
    join_all(server, [("A", "ALICE"), ("B", "BOB")])
}

fn rejected(server: &Server, reason: &str) -> f64 {
    server.metric("fts_cot_rejected_total", &[&format!("reason={reason:?}")])
}

#[test]
fn op13_6_a_broken_file_changes_nothing_and_cuts_nobody() {
    let server = Server::build().toml("[cot]\nkeep_marti = true").start();
    let [mut alice, mut bob] = two(&server);
    rewrite(&server, "[cot]\nkeep_marti = false\nreplay_att = 1\n");
    server.signal(Signal::HUP);
    let line = server.wait_log(|l| l["event"] == "config.rejected");
    assert!(line["error"].as_str().unwrap().contains("test.toml:3: unknown key cot.replay_att"), "{line}");
    assert_eq!(line["level"], "ERROR");
    // The command says the same and fails.
    let out = server.cli_command(&["reload"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("test.toml:3"), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(server.admin("POST", "/admin/reload", "").status, 400);
    assert_eq!(server.metric("fts_config_reload_total", &[r#"result="rejected""#]), 3.0);
    alice.send(&marker_to("m", r#"<dest uid="B"/>"#));
    assert!(bob.expect("m").detail("marti").is_some(), "the old configuration is active");
    fence(&mut bob, &mut [&mut alice]);
    assert_eq!(server.admin("GET", "/admin/config", "").json()["cot.keep_marti"]["value"], "true");
    // Mended, it is taken over, and nobody was disconnected.
    rewrite(&server, "[cot]\nkeep_marti = false\n");
    server.signal(Signal::HUP);
    server.wait_log(|l| l["event"] == "config.reloaded");
    alice.send(&marker_to("n", r#"<dest uid="B"/>"#));
    assert!(bob.expect("n").detail("marti").is_none());
    assert_eq!(server.metric("fts_client_disconnects_total", &[]), 0.0);
}

#[test]
fn op13_6_a_level_nobody_knows_is_rejected_as_a_whole() {
    let server = Server::build().toml("[cot]\nkeep_marti = true").start();
    rewrite(&server, "[cot]\nkeep_marti = false\n[log]\nlevel = \"fts=loud\"\n");
    server.signal(Signal::HUP);
    let line = server.wait_log(|l| l["event"] == "config.rejected");
    assert!(line["error"].as_str().unwrap().contains("test.toml:4: log.level"), "{line}");
    assert_eq!(server.admin("GET", "/admin/config", "").json()["cot.keep_marti"]["value"], "true");
}

#[test]
fn keys_of_cot_are_live() {
    let server = Server::build().toml("[cot]\n").start();
    let [mut alice, mut bob] = two(&server);
    assert!(
        reload(
            &server,
            "[cot]\nignore_stale = true\nallow_client_notices = true\ndedupe = \"1h\"\nflow_tags = false\n"
        )
        .is_empty()
    );
    let old = marker("old").replace(&format!("stale=\"{}", &at(0)[..4]), "stale=\"2001");
    alice.send(&old);
    let twice = marker("twice");
    alice.send(&(twice.clone() + &twice));
    assert!(bob.expect("twice").detail("_flow-tags_").is_none());
    alice.say("notice", "t-x-m-c", "");
    bob.expect("notice");
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!((rejected(&server, "stale"), rejected(&server, "duplicate")), (1.0, 1.0));
    // Filters and rates.
    let filters = "[cot.filters]\ndrop = [{type=\"b-x\"}]\n[cot.rate]\nper_uid_read = \"1h\"\n";
    assert!(reload(&server, filters).is_empty());
    alice.say("x", "b-x", "");
    alice.say("y", "b-y", "<n>1</n>");
    alice.say("y", "b-y", "<n>2</n>");
    bob.expect("y");
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!((rejected(&server, "filter"), rejected(&server, "rate")), (1.0, 1.0));
    // What concerns newcomers.
    assert!(reload(&server, "[cot]\nreplay_presence = false\nduplicate_uid = \"allow\"\n").is_empty());
    let mut again = Client::join(&server, "A", "ALICE");
    bob.expect("A");
    alice.expect("A");
    fence(&mut bob, &mut [&mut again, &mut alice]);
}

#[test]
fn limits_of_streams_are_live() {
    let server = Server::build().toml("[cot]\n").start();
    let [mut alice, mut bob] = two(&server);
    assert!(reload(&server, "[stream.limits]\nmax_event_bytes = 65536\nmax_invalid_events = 3\n").is_empty());
    let big = |uid: &str| event(uid, "b-m-p-s-m", &format!("<f>{}</f>", "x".repeat(70_000)));
    let mut carol = Client::join(&server, "C", "CAROL");
    bob.expect("C");
    carol.send(&big("big"));
    carol.send(&marker("small"));
    bob.expect("small");
    assert_eq!(rejected(&server, "oversize"), 1.0);
    alice.send(&"<event/>".repeat(4));
    alice.expect_close();
    server.wait_log(|l| l["event"] == "client.disconnected" && l["reason"] == "too-many-invalid");
    // Queues: with a tiny limit a client that does not read is closed at once.
    assert!(reload(&server, "[stream.limits]\nqueue_reliable_bytes = \"64KiB\"\nqueue_soft_items = 1\n").is_empty());
    let _victim = Client::narrow(&server).identify("V", "VICTIM");
    server.eventually("the victim is closed", || {
        (0..8).for_each(|n| carol.say(&format!("m-{n}"), "b-t-f", &format!("<f>{}</f>", "x".repeat(60_000))));
        carol.sync();
        server.metric("fts_client_disconnects_total", &[r#"reason="slow-consumer""#]) >= 1.0
    });
}

#[test]
fn the_log_level_is_live_and_shutdown_too() {
    let mut server = Server::build().toml("[cot]\n").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    assert!(reload(&server, "[log]\nlevel = \"debug\"\n[shutdown]\nflush = \"1s\"\n").is_empty());
    alice.send("<event/>");
    server.wait_log(|l| l["event"] == "cot.rejected");
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn what_needs_a_restart_is_named_and_stays() {
    let server = Server::build().toml("[cot]\n").start();
    let before = server.cli_json(&["status"])["name"].clone();
    let wanted =
        "[server]\nname = \"Other\"\nmax_connections = 5\n[canary]\ninterval = \"9s\"\n[cot]\nkeep_marti = true\n";
    assert_eq!(reload(&server, wanted), ["canary.interval", "server.max_connections", "server.name"]);
    assert_eq!(server.cli_json(&["status"])["name"], before);
    let line = server.wait_log(|l| l["event"] == "config.reloaded");
    assert_eq!(line["live"], "cot.keep_marti");
    assert_eq!(line["restart_required"], "canary.interval server.max_connections server.name");
    let out = server.cli(&["reload"]);
    assert!(out.status.success() && out.stdout.starts_with(b"reloaded"));
}

#[test]
fn a_table_that_its_plugin_refuses_fails_the_command_and_changes_nothing() {
    let enabled = "[plugins]\nenabled = [\"emergency\"]\n[plugins.emergency]\n";
    let server = Server::build().toml(&format!("{enabled}repeat = \"7s\"\n")).start();
    rewrite(&server, &format!("{enabled}repeat = \"7s\"\nrepaet = 1\n"));
    let out = server.cli_command(&["reload"]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("[plugins.emergency] repaet: unknown key") && said.contains("test.toml:5"), "{said}");
    rewrite(&server, &format!("{enabled}repeat = \"8s\"\n"));
    assert!(server.cli_command(&["reload"]).output().unwrap().status.success());
    let info = server.admin("GET", "/admin/plugins/emergency", "").json();
    assert_eq!((&info["config"]["repeat"], &info["generation"]), (&serde_json::json!("8s"), &serde_json::json!(2)));
}
