//! What plugins may and may not do to each other and to the server (plugins.md 1.2, 4, 10): routes, verdicts of
//! intercepts, panics, loops, and guards that are down.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::plugin_bed;

use fts_tests::{Client, Http, Server, event, fence, join_all};
use plugin_bed::{Asks, both, probe, to, uid};
use serde_json::{Value, json};

fn get(server: &Server, path: &str) -> Http {
    server.admin("GET", path, "")
}

/// An event for the probe's intercepts.
fn wish(uid: &str, wishes: &str) -> String {
    event(uid, "b-m-p-s-m", &format!("<probe {wishes}/>"))
}

#[test]
fn a_fallback_gives_way_to_a_plugin_and_answers_again_when_it_is_disabled() {
    let server = probe("citrap = true").start();
    assert_eq!(get(&server, "/Marti/api/citrap").json(), json!(["probe"]));
    server.change("probe", "disable").unwrap();
    assert_eq!(get(&server, "/Marti/api/citrap").json(), json!([]));
    server.change("probe", "enable").unwrap();
    assert_eq!(get(&server, "/Marti/api/citrap").json(), json!(["probe"]));
    let answer = Http::send(server.address("admin"), "GET", "/Marti/api/citrap");
    assert_eq!(answer.status, 401, "on that listener nobody is known: {}", answer.body);
    let plain = Server::start();
    assert_eq!(get(&plain, "/Marti/api/citrap").json(), json!([]));
    let id = plain.cli_json(&["status"])["node_id"].clone();
    let mission = |data: Value| json!({"version": "3", "type": "Mission", "data": data, "nodeId": id});
    for (path, what) in [
        ("/MissionTable", mission(json!([]))),
        ("/ExCheckTable", mission(json!([{"name": "exchecktemplates", "contents": []}]))),
        ("/FederationTable", json!({"activeFederations": [], "federations": []})),
        ("/ManageEmergency/getEmergency", json!({"json_list": []})),
    ] {
        assert_eq!(get(&plain, path).json(), what, "{path}");
    }
}

#[test]
fn two_plugins_that_register_the_same_route_the_second_does_not_start_and_names_both_method_and_path() {
    let server = both("citrap = true", "route = \"/Marti/api/citrap\"").start();
    assert_eq!((server.state("probe"), server.state("twin")), ("running".into(), "failed".into()));
    let report = server.plugin("twin")["report"].as_str().unwrap().to_owned();
    for part in ["twin and probe", "GET", "/Marti/api/citrap"] {
        assert!(report.contains(part), "{part} in {report}");
    }
    assert_eq!(get(&server, "/Marti/api/citrap").json(), json!(["probe"]));
    assert_eq!(get(&server, "/api/plugins/twin/diary").status, 404, "nothing of it is left");
    server.change("probe", "disable").unwrap();
    server.change("twin", "enable").unwrap();
    assert_eq!(get(&server, "/Marti/api/citrap").body, "twin");
    let refused = server.change("probe", "enable").unwrap_err();
    assert!(refused.contains("probe and twin"), "{refused}");
}

#[test]
fn given_a_plugin_that_panics_in_each_handler_kind_the_server_keeps_serving_and_it_is_tripped_after_the_third() {
    let server = both("every = \"20ms\"\n[plugins.probe.profiles.plain]\nframes = {Line = {max = 1000}}", "").start();
    server.room("alpha", &["B"], &["A"]);
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let kinds = ["intercept", "held", "observe", "clients", "every", "topic", "service", "http", "links", "thread"];
    let mut panics = 0;
    for kind in kinds {
        server.probe(json!({"do": "fuse", "handler": kind, "times": 1}));
        match kind {
            "intercept" => alice.send(&wish("i", "")),
            "held" => {
                alice.send(&event("h", "b-m-p-s-m", &format!("<held do=\"panic\"/><marti>{}</marti>", to("alpha"))))
            }
            "observe" => alice.send(&event("o", "b-m-p-s-m", "<watch/>")),
            "clients" => drop(Client::connect(&server)),
            "topic" => assert_eq!(server.probe(json!({"do": "publish", "topic": "probe.topic", "text": "x"})), 1),
            "service" => {
                // Its own call is refused, the twin's comes through.
                let (_, said) = server.refused(json!({"do": "call", "plugin": "probe", "method": "echo", "args": ""}));
                assert!(said.contains("does not call itself"), "{said}");
                let deep = json!({"do": "call", "plugin": "twin", "method": "deeper", "args": "x"});
                let (status, said) = server.refused(deep);
                assert!(status >= 500 && said.contains("fuse of service"), "{said}");
            }
            "http" => assert_eq!(get(&server, "/api/plugins/probe/quick").status, 500),
            "links" => {
                let listening = server.probe(json!({"do": "listen", "profile": "plain"}));
                let address: std::net::SocketAddr = listening["address"].as_str().unwrap().parse().unwrap();
                drop(std::net::TcpStream::connect(address).unwrap());
            }
            "thread" => drop(server.probe(json!({"do": "spawn", "what": "panic"}))),
            _ => {}
        }
        let said = format!("the fuse of {kind}");
        let line = server.wait_plugin("probe", "plugin.panic", &said);
        let place = line["place"].as_str().unwrap();
        assert!(place.contains("fuse.rs:") && !line["handler"].as_str().unwrap().is_empty(), "{line}");
        panics += 1;
        if panics % 3 == 0 {
            server.eventually("it is tripped", || server.state("probe") == "tripped");
            let answer = get(&server, "/api/plugins/probe/quick");
            assert_eq!(answer.status, 503);
            assert!(answer.body.contains("probe"), "{}", answer.body);
            assert_eq!(server.plugin("probe")["status"]["level"], "error");
            assert_eq!(server.get("/readyz").json()["status"], "degraded");
            assert_eq!(get(&server, "/api/plugins/twin/diary").status, 200, "others are unaffected");
            server.change("probe", "enable").unwrap();
        } else {
            assert_eq!(server.state("probe"), "running", "after {kind}");
        }
        alice.send(&event(&format!("after-{kind}"), "b-m-p-s-m", ""));
        bob.until(|e| e.uid() == format!("after-{kind}"));
    }
    assert!(server.plugin("probe")["panics"].as_u64().unwrap() >= panics);
    assert_eq!(server.get("/readyz").json()["status"], "ok");
}

#[test]
fn every_verdict_in_every_band_in_the_order_that_plugin_order_prints() {
    let server = both("", "").start();
    let [mut alice, mut bob, mut carol] = join_all(&server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")]);
    let order = server.cli_json(&["plugin", "order"]);
    let placed: Vec<_> = order
        .as_array()
        .unwrap()
        .iter()
        .map(|o| format!("{} {}", o["band"].as_str().unwrap(), o["plugin"].as_str().unwrap()))
        .collect();
    assert_eq!(placed, ["guard probe", "rewrite twin", "rewrite probe", "address probe", "tap probe"]);

    for band in ["guard", "rewrite", "address", "tap"] {
        alice.send(&wish("dropped", &format!("{band}=\"drop\"")));
        alice.send(&wish("consumed", &format!("{band}=\"consume\"")));
        alice.send(&wish("broken", &format!("{band}=\"broken\"")));
        fence(&mut alice, &mut [&mut bob, &mut carol]);
        let uid = format!("changed-{band}");
        alice.send(&wish(&uid, &format!("{band}=\"replace\"")));
        for receiver in [&mut bob, &mut carol] {
            assert_eq!(receiver.expect(&uid).detail("remarks").unwrap().text(), format!("{band} was here"));
        }
        let uid = format!("to-bob-{band}");
        alice.send(&wish(&uid, &format!("{band}=\"retarget:BOB\"")));
        bob.expect(&uid);
        fence(&mut alice, &mut [&mut bob, &mut carol]);
        let uid = format!("more-{band}");
        alice.send(&wish(&uid, &format!("{band}=\"also\"")));
        for receiver in [&mut bob, &mut carol] {
            receiver.expect(&uid);
            receiver.expect(&format!("also-{uid}"));
        }
        alice.expect(&format!("also-{uid}"));
    }
    assert_eq!((server.dropped("plugin"), server.metric("fts_cot_rejected_total", &["reason=\"xml\""])), (4.0, 4.0));
    server.wait_plugin("probe", "plugin.bad_event", "broken");
    // It names the plugin, the handler, and what that said.
    let why = |uid: &str| server.cli_json(&["why", "--event", uid])[0].clone();
    let dropped = why("dropped");
    assert_eq!((&dropped["plugin"], &dropped["handler"]), (&json!("probe"), &json!("intercept <probe>")), "{dropped}");
    assert_eq!(dropped["decision"], "refused: plugin — probe (intercept <probe>): told to");
    assert!(dropped["clients"].to_string().contains("refused by the plugin probe (intercept <probe>): told to"));

    // Later bands see what it has become; the source is told; the twin's comes first in its band.
    alice.send(&wish("seen", r#"twin="mark" rewrite="retype:b-m-p-w" tap="note""#));
    let seen = bob.expect("seen");
    assert!(seen.kind() == "b-m-p-w" && seen.detail("twin").is_some());
    carol.expect("seen");
    let notes = server.diary("intercept");
    let of = |band: &str| notes.iter().rfind(|n| n["band"] == band && n["uid"] == "seen").unwrap().clone();
    assert_eq!((of("rewrite")["type"].as_str(), of("tap")["type"].as_str()), (Some("b-m-p-s-m"), Some("b-m-p-w")));
    assert_eq!(
        (of("tap")["from"]["callsign"].as_str(), of("tap")["from"]["kind"].as_str()),
        (Some("ALICE"), Some("Client"))
    );
    alice.send(&wish("twins", r#"twin="drop" guard="note" rewrite="note""#));
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    let asked: Vec<_> =
        server.diary("intercept").iter().filter(|n| n["uid"] == "twins").map(|n| n["band"].clone()).collect();
    assert_eq!(asked, ["guard"]);
    // What it sends itself does not pass its own.
    server.probe(json!({"do": "send", "text": wish("own", r#"guard="drop" twin="mark""#), "to": "All"}));
    assert!(bob.expect("own").detail("twin").is_some(), "but the twin's");
}

#[test]
fn an_intercept_that_calls_more_than_memory_gets_an_error() {
    let server = both("", "").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&wish("i", "guard=\"sql\""));
    bob.expect("i");
    fence(&mut alice, &mut [&mut bob]);
    let codes: Vec<_> = server.diary("refused").into_iter().map(|n| (n["call"].clone(), n["code"].clone())).collect();
    assert_eq!(codes.len(), 9);
    for (call, code) in codes {
        let memory = call == "clients" || call == "audience";
        assert_eq!(code, if memory { Value::Null } else { json!("InIntercept") }, "{call}");
    }
    let inside = server.probe(json!({"do": "inside"}));
    let expected = json!({"exec": null, "send": "InTransaction", "kv": "InTransaction", "call": "InTransaction", "clients": "InTransaction"});
    assert_eq!(inside, expected);
    // A transaction that a panic left open holds nobody up.
    assert_eq!(server.admin("POST", "/api/plugins/probe/do", r#"{"do": "half-way"}"#).status, 500);
    server.probe(json!({"do": "fill", "rows": 1, "bytes": 1}));
    assert!(!get(&server, "/api/plugins/probe/bulk").body.contains("half way"), "it was rolled back");
}

#[test]
fn an_intercept_with_a_key_is_asked_about_what_it_listens_to_now() {
    let server = probe("listens = true").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let mut heard = |uid: &str| {
        alice.send(&event(uid, "b-m-p-s-m", ""));
        bob.expect(uid);
        server.saw("heard")
    };
    assert!(heard("m1").is_empty());
    server.probe(json!({"do": "listen-to", "types": ["b-m-*"]}));
    assert_eq!(heard("m2"), ["m2"]);
    let order = || server.admin("GET", "/admin/plugin-order", "").body;
    assert!(order().contains("b-m-*"), "{}", order());
    server.probe(json!({"do": "listen-to", "types": ["b-t-*"]}));
    assert_eq!(heard("m3"), ["m2"]);
    server.probe(json!({"do": "listen-to", "types": []}));
    assert_eq!(heard("m4"), ["m2"]);
    // A new generation begins as it is registered.
    server.probe(json!({"do": "listen-to", "types": ["*"]}));
    server.change("probe", "reload").unwrap();
    assert!(heard("m5").is_empty());
    let plain = probe("").start();
    assert_eq!(plain.refused(json!({"do": "listen-to", "types": ["*"]})).0, 404);
}

#[test]
fn two_plugins_that_answer_each_others_events_end_by_hop_count() {
    let server = both("", "").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&event("serve", "b-m-p-s-m", "<racket/>"));
    bob.expect("serve");
    let hits: Vec<_> = (0..8).map(|_| bob.next()).collect();
    let racket = |n: usize| hits[n].detail("racket").is_some();
    assert!((0..8).all(|n| racket(n) == (n % 2 == 1)), "ball and racket in turn");
    server.eventually("the last one is counted", || server.dropped("plugin_loop") == 1.0);
    (0..8).for_each(|_| drop(alice.next()));
    fence(&mut alice, &mut [&mut bob]);
    let hops: Vec<_> = server.diary("racket").iter().map(|n| n["route"]["source"]["hop"].as_u64().unwrap()).collect();
    assert_eq!(hops, [0, 2, 4, 6, 8]);
    assert_eq!((server.state("probe"), server.dropped("plugin_loop")), ("running".into(), 1.0));
    // Calls that go round are ended as well.
    let (_, said) = server.refused(json!({"do": "call", "plugin": "twin", "method": "deeper", "args": "x"}));
    assert!(said.contains("more than 4 deep"), "{said}");
}

#[test]
fn a_guard_that_is_down_drops_and_other_bands_are_skipped() {
    let server = probe("").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    // One panic of the guard drops its event; of the others it passes.
    alice.send(&wish("g", "guard=\"panic\""));
    alice.send(&wish("t", "tap=\"panic\""));
    bob.expect("t");
    assert_eq!(server.dropped("guard_down"), 1.0);
    server.probe(json!({"do": "fuse", "handler": "http", "times": 1}));
    assert_eq!(get(&server, "/api/plugins/probe/quick").status, 500);
    server.eventually("it is tripped", || server.state("probe") == "tripped");
    let closed = |server: &Server| server.cli_json(&["plugin", "order"]);
    assert_eq!(closed(&server)[0]["closed"], true);
    assert_eq!(closed(&server).as_array().unwrap().len(), 1, "{}", closed(&server));
    alice.send(&wish("shut", ""));
    alice.send(&event("passes", "b-m-p-s-m", ""));
    bob.expect("passes");
    assert_eq!(server.dropped("guard_down"), 2.0);
    server.eventually("it runs again", || server.state("probe") == "running");
    // It says so a moment before events are given to it.
    server.eventually("its guard is up", || closed(&server)[0]["closed"] == false);
    alice.send(&wish("open", ""));
    bob.expect("open");
    // Taken out on purpose it guards nothing.
    server.change("probe", "disable").unwrap();
    alice.send(&wish("unguarded", "guard=\"drop\""));
    bob.expect("unguarded");
}

#[test]
fn an_intercept_that_holds_senders_up_is_tripped() {
    let server = probe("").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&wish("long", "tap=\"spin:1100\""));
    bob.expect("long");
    server.eventually("it is tripped at once", || server.state("probe") == "tripped");
    assert!(server.plugin("probe")["report"].as_str().unwrap().contains("held its sender up"));
    server.change("probe", "enable").unwrap();
    // Only what a call has of the processor counts: on a busy machine it takes more than ten.
    for n in 0.. {
        // Once it is tripped, its guard drops what is marked for it.
        alice.send(&wish(&format!("busy-{n}"), "tap=\"spin:25\""));
        alice.send(&event(&format!("free-{n}"), "b-m-p-s-m", ""));
        bob.until(|e| e.uid() == format!("free-{n}"));
        if server.state("probe") == "tripped" {
            assert!(n >= 9, "ten are too many, not {}", n + 1);
            break;
        }
        assert!(n < 500, "never tripped");
    }
    server.wait_plugin("probe", "plugin.slow", "an intercept holds up senders");
    assert!(server.plugin("probe")["report"].as_str().unwrap().contains("ten times within a minute"));
    alice.send(&event("free", "b-m-p-s-m", ""));
    bob.expect("free");
}

#[test]
fn a_sender_may_be_kicked_and_an_audience_may_be_a_target() {
    let server = probe("").start();
    let [mut alice, mut bob, mut carol] = join_all(&server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")]);
    server.probe(json!({"do": "add", "audience": "some", "member": uid("B")}));
    server.probe(json!({"do": "send", "text": event("n1", "b-m-p-s-m", ""), "to": {"Audience": "some"}}));
    bob.expect("n1");
    server.probe(json!({"do": "send", "text": event("n2", "b-m-p-s-m", ""), "to": {"Uids": ["C"]}}));
    server.probe(json!({"do": "send", "text": event("n3", "b-m-p-s-m", ""), "to": {"Callsigns": ["CAROL"]}}));
    carol.expect("n2");
    carol.expect("n3");
    let conn = server.client("C")["conn"].clone();
    server.probe(json!({"do": "send", "text": event("n4", "b-m-p-s-m", ""), "to": {"Conns": [conn]}}));
    carol.expect("n4");
    fence(&mut alice, &mut [&mut bob, &mut carol]);
    assert_eq!(server.probe(json!({"do": "kick", "conn": conn})), true);
    carol.expect_close();
    assert_eq!(server.probe(json!({"do": "kick", "conn": conn})), false);
}
