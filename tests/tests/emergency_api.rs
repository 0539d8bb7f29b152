//! What operators and other programs see of emergencies (b.3, b.4, b.5 9; rest-api.md 8.9): the calls of the FTS API,
//! TAK Server's repeater, the history by pages, metrics, log, what `/admin/plugins` shows, and a wrong table.
//!
//! Through the local socket, whose caller is an administrator in everybody's group; tokens come with users.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::emergencies;

use emergencies::*;
use fts_tests::{Server, binary, bundled};
use serde_json::{Value, json};

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_list_has_the_shape_of_fts() {
    let server = start("repeat = 0");
    let mut alice = alice(&server, "red");
    alice.send(&start_911());
    alice.sync();
    let mut all = listed(&server);
    let mut row = all.remove(0);
    let started = row.as_object_mut().unwrap().remove("startTime").unwrap();
    assert!(started.as_str().unwrap().ends_with('Z'), "{started}");
    let wanted = json!({
        "lat": 45.5, "lon": -75.25, "type": "911 Alert", "name": "LIMA1-Alert", "uid": UID, "cotType": "b-a-o-tbl",
        "callsign": "LIMA1", "originUid": A, "remarks": "CALL 911 NOW", "groups": ["red"]
    });
    assert_eq!((row, all.len()), (wanted, 0));
    // Nobody is let in without a token.
    for path in ["/ManageEmergency/getEmergency", "/api/alerts", "/Marti/api/repeater/list"] {
        assert_eq!(server.get(path).status, 401, "{path}");
    }
}

#[test]
fn what_is_posted_is_what_clients_see() {
    let server = start("repeat = 0");
    let mut bob = join(&server, "cot_tcp", "B", "BRAVO");
    let post = |body: Value| server.admin("POST", "/ManageEmergency/postEmergency", &body.to_string());
    for (name, kind) in [
        ("911 Alert", "b-a-o-tbl"),
        ("Ring The Bell", "b-a-o-pan"),
        ("Geo-fence Breached", "b-a-g"),
        ("In Contact", "b-a-o-opn"),
        ("Custom", "b-a-o-c"),
    ] {
        // Numbers as text and unknown keys are taken; the client of that callsign is the origin.
        let answer = post(json!({"name": "BRAVO", "emergencyType": name, "latitude": "60.5", "longitude": 24, "x": 1}));
        let uid = answer.json()["message"].as_str().unwrap().to_owned();
        let got = next_alert(&mut bob);
        assert_eq!((answer.status, got.uid(), got.kind()), (200, &*uid, kind));
        assert_eq!(got.detail("link").unwrap().attr("uid"), "B");
        assert_eq!(got.detail("emergency").unwrap().attr("type"), name);
        let remarks = got.detail("remarks").map(fts_tests::Element::text);
        assert_eq!(remarks.as_deref(), (name == "911 Alert").then_some("CALL 911 NOW"));
    }
    let own = json!({"name": "W", "emergencyType": "911 Alert", "remarks": "2 < 3", "uid": "mine"});
    assert_eq!(post(own).json(), json!({"message": "mine"}));
    assert_eq!(next_alert(&mut bob).detail("remarks").unwrap().text(), "2 < 3");
    for wrong in [
        json!({"emergencyType": "In Contact"}),
        json!({"name": "W"}),
        json!({"name": "W", "emergencyType": "In Contact", "latitude": 91}),
        json!({"name": "W", "emergencyType": "In Contact", "longitude": null}),
        json!({"name": "W", "emergencyType": "In Contact", "address": "Main Street 1"}),
    ] {
        let answer = post(wrong.clone());
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
    assert_eq!(server.admin("POST", "/ManageEmergency/postEmergency", "{").status, 400);
    assert_eq!(listed(&server).len(), 6);
}

#[test]
fn a_delete_of_nobody_is_404_and_forced_it_tells_clients_all_the_same() {
    let server = start("repeat = 0");
    let mut bob = join(&server, "cot_tcp", "B", "BRAVO");
    let delete = |query: &str, body: &str| {
        server.admin("DELETE", &format!("/ManageEmergency/deleteEmergency{query}"), body).status
    };
    assert_eq!(delete("", r#"{"uid": "nobody", "status": "x"}"#), 404);
    assert_eq!(delete("", "{}"), 400);
    assert_eq!(delete("?force=true", r#"{"uid": "nobody"}"#), 404);
    let got = next_alert(&mut bob);
    assert_eq!((got.uid(), got.kind()), ("nobody", "b-a-o-can"));
}

#[test]
fn the_history_comes_by_pages_and_says_who_ended_what() {
    let server = start("repeat = 0");
    let mut alice = alice(&server, "red");
    for n in 0..7 {
        alice.send(&start_of(&format!("U{n}")));
        alice.sync();
    }
    alice.send(&cancel("U1"));
    alice.sync();
    assert_eq!(uids(&server, "").1, ["U6", "U5", "U4", "U3", "U2", "U1", "U0"], "newest first");
    assert_eq!(uids(&server, "?per_page=3&page=2"), (7, vec!["U3".into(), "U2".into(), "U1".into()]));
    assert_eq!(uids(&server, "?per_page=3&page=4"), (7, vec![]));
    assert_eq!(uids(&server, "?uid=U5&active=true"), (1, vec!["U5".into()]));
    let over = &alerts(&server, "?active=false")["items"][0];
    assert_eq!((&over["uid"], &over["cancelledBy"], &over["active"]), (&json!("U1"), &json!("LIMA1"), &json!(false)));
    assert!(over["cancelTime"].as_str() >= over["startTime"].as_str() && over["senderUid"] == A, "{over}");
    // Some may have come in the same millisecond.
    let all = alerts(&server, "")["items"].as_array().unwrap().clone();
    let started = |n: usize| all[n]["startTime"].as_str().unwrap();
    let count = |fits: &dyn Fn(&str) -> bool| (0..7).filter(|n| fits(started(*n))).count() as u64;
    let at = started(2);
    assert_eq!(uids(&server, &format!("?since={at}")).0, count(&|t| t >= at));
    assert_eq!(uids(&server, &format!("?until={at}")).0, count(&|t| t <= at));
    for wrong in ["?active=maybe", "?since=yesterday", "?page=0", "?per_page=501"] {
        let answer = server.admin("GET", &format!("/api/alerts{wrong}"), "");
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
}

#[test]
fn the_repeater_refuses_periods_that_are_none() {
    let server = start(r#"repeat = "200ms""#);
    let set = |body: &str| server.admin("POST", "/Marti/api/repeater/period", body);
    for wrong in ["", "x", "-1", "50", "86400001", "1.5"] {
        assert_eq!(set(wrong).status, 400, "{wrong:?}");
    }
    let mut bob = join(&server, "cot_tcp", "B", "BRAVO");
    let uid = post(&server, "Web", "Ring The Bell");
    next_alert(&mut bob);
    assert_eq!(set("0").status, 200, "no more repeats");
    assert_eq!(ok(&server, "GET", "/Marti/api/repeater/period", &Value::Null)["data"], 0);
    assert_eq!(set("300").status, 200);
    (0..2).for_each(|_| assert_eq!(next_alert(&mut bob).uid(), uid));
    let removed = server.admin("DELETE", &format!("/Marti/api/repeater/remove/{uid}"), "");
    assert_eq!(removed.json()["data"], true);
    cancel_of(&mut bob, &uid);
}

#[test]
fn it_is_counted_and_logged() {
    let server = start("repeat = \"200ms\"");
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO");
    alice.send(&start_911());
    next_alert(&mut bob);
    let metric = |name: &str| server.metric(&format!("fts_emergency_{name}"), &[]);
    assert_eq!((metric("active"), metric("started_total")), (1.0, 1.0));
    next_alert(&mut bob);
    server.eventually("repeats are counted", || metric("repeats_total") >= 1.0);
    alice.send(&cancel(UID));
    cancel_of(&mut bob, UID);
    assert_eq!((metric("active"), metric("cancelled_total")), (0.0, 1.0));
    for (what, by) in [("emergency started", "sender"), ("emergency cancelled", "by")] {
        let line = server.wait_log(|l| l["msg"].as_str().is_some_and(|m| m.starts_with(what)));
        assert_eq!((&line["level"], &line["plugin"]), (&json!("WARN"), &json!("emergency")));
        let said = format!("{what} uid={UID} callsign=LIMA1 kind=911 Alert lat=45.5 lon=-75.25 {by}=");
        assert!(line["msg"].as_str().unwrap().starts_with(&said), "{line}");
    }
}

#[test]
fn the_admin_api_shows_what_it_registered() {
    let server = start("repeat = 0\nradius_km = 5.0");
    let plugin = ok(&server, "GET", "/admin/plugins/emergency", &Value::Null);
    assert_eq!(texts(&plugin["capabilities"]), ["intercept", "provide", "routes"]);
    assert_eq!((&plugin["config"]["radius_km"], &plugin["config"]["stale"]), (&json!(5.0), &json!("15s")));
    let names: Vec<_> = plugin["handlers"].as_array().unwrap().iter().map(|h| h["name"].to_string()).collect();
    for action in ["GetAllEmergencies", "EmergencyAlert", "EmergencyCancelled"] {
        assert!(names.iter().any(|n| n.contains("emergency") && n.contains(action)), "{action} in {names:?}");
    }
    assert!(names.iter().any(|n| n.contains("alerts")), "the service, in {names:?}");
    let routes = plugin["routes"].to_string();
    for path in ["/ManageEmergency/postEmergency", "/api/alerts", "/Marti/api/repeater/remove/{uid}"] {
        assert!(routes.contains(path), "{path} in {routes}");
    }
    let order = ok(&server, "GET", "/admin/plugin-order", &Value::Null);
    let own = order.as_array().unwrap().iter().filter(|o| o["plugin"] == "emergency");
    let bands: Vec<_> = own.map(|o| o["band"].as_str().unwrap()).collect();
    assert_eq!(bands, ["rewrite", "address"]);
    assert!(plugin["database_bytes"].as_u64().unwrap() > 0);
    // Its handlers saw an event each, also one that was sent elsewhere by the radius.
    let mut alice = alice(&server, "red");
    alice.send(&start_911());
    alice.sync();
    let calls = || {
        let plugin = ok(&server, "GET", "/admin/plugins/emergency", &Value::Null);
        let of = |h: &Value| (h["name"].as_str().unwrap().to_owned(), h["calls"].as_u64().unwrap());
        plugin["handlers"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    server.eventually("two intercepts and the observer", || calls().iter().take(3).all(|(_, n)| *n == 1));
}

#[test]
fn a_wrong_table_is_refused_with_file_and_line() {
    for (keys, line, said) in [
        ("repeat = \"5ms\"", 2, "repeat: must be 0 (no repeats) or at least 100ms"),
        ("stale = \"15s\"\nradius_km = -1.0", 3, "radius_km: must be 0 (everybody) or a distance in km"),
        ("max_active = \"many\"", 2, "max_active: expected"),
        ("cancel_policy = \"nobody\"", 2, "cancel_policy"),
        ("repeet = \"5s\"", 2, "repeet"),
    ] {
        let server = build(keys).start();
        let plugin = ok(&server, "GET", "/admin/plugins/emergency", &Value::Null);
        let report = plugin["report"].as_str().unwrap();
        assert_eq!(plugin["state"], "refused", "{report}");
        assert!(report.contains("[plugins.emergency]") && report.contains(said), "{report}");
        assert!(report.contains(&format!("test.toml:{line}")), "{report}");
        // The server runs without it: alerts are relayed like anything else.
        let mut alice = alice(&server, "red");
        let mut bob = join(&server, "red", "B", "BRAVO");
        alice.send(&start_911());
        assert_eq!(next_alert(&mut bob).uid(), UID);
    }
    let dir = tempfile::tempdir().unwrap();
    let out = build("repeat = \"5ms\"\nrequired = true").command(dir.path()).output().unwrap();
    assert!(!out.status.success());
    let all = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(all.contains("at least 100ms") && all.contains("test.toml:2"), "{all}");
}

#[test]
fn without_its_library_it_is_refused_with_the_places_looked_at() {
    if bundled() {
        return; // It is part of the program.
    }
    let dir = tempfile::tempdir().unwrap();
    let lone = dir.path().join("fts");
    std::fs::copy(binary(), &lone).unwrap();
    let command = Server::build()
        .set("plugins.enabled", "[\"emergency\"]")
        .toml("[plugins.emergency]\nrequired = true")
        .command(dir.path());
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let out = std::process::Command::new(&lone).args(args).current_dir(dir.path()).output().unwrap();
    let all = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(!out.status.success(), "{all}");
    let places = format!(
        "no libfts_plugin_emergency.so or emergency.so in /usr/lib/fts/plugins, {0}/data/plugins, {0} — install it there",
        dir.path().display()
    );
    assert!(all.contains(&places), "{all}");
}
