//! Emergencies on the real server with the plugin's library: acceptance lines 8 to 15 of kml-emergency-reports.md, one
//! test each. What the book says beyond them is in the files `emergency_*.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::emergencies;

use std::time::{Duration, Instant};

use emergencies::*;
use fts_tests::{Client, at, fence};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

#[test]
fn line_8_a_start_reaches_the_group_with_link_and_remark() {
    let server = start(r#"repeat = "10s""#);
    let mut bob = join(&server, "red", "B", "BRAVO");
    let mut carol = join(&server, "blue", "C", "CHARLIE");
    let mut alice = alice(&server, "red");
    bob.expect(A);
    alice.expect("B");
    let began = Instant::now();
    alice.send(&start_911());
    let got = bob.next();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((got.kind(), got.uid()), ("b-a-o-tbl", UID));
    let link = got.detail("link").unwrap();
    assert_eq!([link.attr("uid"), link.attr("type"), link.attr("relation")], [A, "a-f-G-U-C", "p-p"]);
    assert_eq!(got.detail("remarks").unwrap().text(), "CALL 911 NOW");
    assert_eq!(got.detail("emergency").unwrap().attr("type"), "911 Alert");
    // No echo, and nothing in another group.
    fence(&mut bob, &mut [&mut alice]);
    let mut blue = join(&server, "blue", "C2", "CHARLIE-2");
    carol.expect("C2");
    fence(&mut blue, &mut [&mut carol]);
}

#[test]
fn line_9_a_newcomer_gets_it_also_after_a_restart() {
    let keys = "repeat = 0";
    let mut server = start(keys);
    let mut bob = join(&server, "red", "B", "BRAVO");
    let mut alice = alice(&server, "red");
    alice.send(&start_911());
    next_alert(&mut bob);
    let shown = |server: &fts_tests::Server| {
        let before = at(0);
        let mut dave = join(server, "red", "D", "DELTA");
        let got = next_alert(&mut dave);
        assert_eq!((got.uid(), got.kind()), (UID, "b-a-o-tbl"));
        assert!(said_at(&got, "time") >= &before[..] && said_at(&got, "stale") > &at(10_000)[..], "{got:?}");
        assert_eq!(got.detail("remarks").unwrap().text(), "CALL 911 NOW");
    };
    shown(&server);
    drop(alice);
    assert!(server.stop().success());
    let server = running(build(keys).again(&server).start());
    shown(&server);
    assert_eq!(uids(&server, ""), (1, vec![UID.to_owned()]));
}

#[test]
fn line_10_it_repeats_until_it_is_cancelled() {
    let server = start(r#"repeat = "2s""#);
    let mut bob = join(&server, "red", "B", "BRAVO");
    let mut alice = alice(&server, "red");
    bob.expect(A);
    alice.send(&start_911());
    let mut times: Vec<String> = (0..4).map(|_| said_at(&next_alert(&mut bob), "time").to_owned()).collect();
    let [first, third] = [&times[0], &times[3]].map(|t| OffsetDateTime::parse(t, &Rfc3339).unwrap());
    assert!(third - first <= Duration::from_secs(7), "three repeats: {times:?}");
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    drop(alice);
    bob.until(|e| e.kind() == "t-x-d-d");
    times.push(said_at(&next_alert(&mut bob), "time").to_owned());
    assert!(times.is_sorted(), "it goes on when its sender is gone: {times:?}");
    let mut dave = join(&server, "red", "D", "DELTA");
    assert_eq!(next_alert(&mut dave).uid(), UID);
    let mut alice = emergencies::alice(&server, "red");
    alice.send(&cancel(UID));
    cancel_of(&mut bob, UID);
    cancel_of(&mut dave, UID);
    // The clock: another alert, which goes on.
    alice.send(&start_of("other"));
    stopped(&mut bob, UID, "other");
    assert_eq!(uids(&server, "?active=true"), (1, vec!["other".to_owned()]));
}

#[test]
fn line_11_alerts_over_rest() {
    let server = start("repeat = 0");
    let mut bob = join(&server, "cot_tcp", "B", "BRAVO");
    let uid = post(&server, "Web", "In Contact");
    let got = next_alert(&mut bob);
    assert_eq!((got.uid(), got.kind(), got.attr("how")), (&*uid, "b-a-o-opn", "h-e"));
    let point = got.tree().child("point").unwrap();
    assert_eq!([point.attr("lat"), point.attr("lon")].map(|t| t.parse::<f64>().unwrap()), [60.0, 24.0]);
    let link = got.detail("link").unwrap();
    assert_eq!([link.attr("type"), link.attr("relation")], ["a-f-G-U-C", "p-p"]);
    assert!(!link.attr("uid").is_empty());
    assert_eq!(got.detail("contact").unwrap().attr("callsign"), "Web-Alert");
    let emergency = got.detail("emergency").unwrap();
    assert_eq!((emergency.attr("type"), &*emergency.text()), ("In Contact", "Web"));
    let all = listed(&server);
    let of = |key: &str| all[0][key].clone();
    assert_eq!(all.len(), 1);
    assert_eq!(
        [of("lat"), of("lon"), of("type"), of("name"), of("uid")],
        [json!(60.0), json!(24.0), json!("In Contact"), json!("Web"), json!(uid)]
    );
    let gone = ok(&server, "DELETE", "/ManageEmergency/deleteEmergency", &json!({ "uid": uid }));
    assert_eq!(gone, json!({ "message": uid }));
    let over = next_alert(&mut bob);
    assert_eq!((over.uid(), over.kind(), over.attr("how")), (&*uid, "b-a-o-can", "h-e"));
    assert_eq!(over.tree().child("point").unwrap().attr("lat").parse::<f64>().unwrap(), 60.0);
    assert_eq!(over.detail("emergency").unwrap().attr("cancel"), "true");
    assert_eq!(ok(&server, "GET", "/ManageEmergency/getEmergency", &Value::Null), json!({"json_list": []}));
    let wrong = json!({"name": "Web", "emergencyType": "Foo"}).to_string();
    assert_eq!(server.admin("POST", "/ManageEmergency/postEmergency", &wrong).status, 400);
    // One event each.
    let mut carol = join(&server, "cot_tcp", "C", "CHARLIE");
    bob.expect("C");
    fence(&mut carol, &mut [&mut bob]);
}

#[test]
fn line_12_the_radius_limits_starts_repeats_and_newcomers_not_cancels() {
    let server = start("radius_km = 5.0\nrepeat = \"200ms\"");
    let at = |uid: &str, lat: &str| {
        let mut client = Client::connect_to(&server, "red").identify(uid, uid);
        client.send(&sa_at(uid, uid, lat));
        client.sync();
        client
    };
    let (mut near, mut far) = (at("NEAR", "45.527"), at("FAR", "45.68"));
    let mut blank = Client::connect_to(&server, "red");
    let mut alice = alice(&server, "red");
    alice.send(&start_911());
    for client in [&mut near, &mut blank] {
        let got = next_alert(client);
        assert_eq!((got.uid(), got.detail("remarks").unwrap().text().as_str()), (UID, "CALL 911 NOW"));
        assert_eq!([next_alert(client).uid(), next_alert(client).uid()], [UID, UID], "repeats");
    }
    // At 20 km neither it nor a repeat came; a newcomer there is not shown it either, and the sender has no echo.
    let mut late = Client::connect_to(&server, "red");
    late.send(&sa_at("LATE", "LATE", "45.68"));
    // Until its position is known it counts as near.
    late.sync();
    (0..2).for_each(|_| drop(next_alert(&mut near)));
    late.sync();
    forget(&mut late);
    (0..2).for_each(|_| drop(next_alert(&mut near)));
    quiet(&mut near, &mut [&mut far, &mut late, &mut alice]);
    alice.send(&cancel(UID));
    for client in [&mut near, &mut far, &mut blank] {
        cancel_of(client, UID);
    }
    assert_eq!(uids(&server, "?active=true").0, 0);
}

#[test]
fn line_13_only_the_originator_cancels() {
    let server = start("cancel_policy = \"originator\"\nrepeat = \"200ms\"");
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO");
    let mut dave = join(&server, "red", "D", "DELTA");
    alice.send(&start_911());
    next_alert(&mut dave);
    bob.send(&cancel(UID));
    bob.sync();
    for _ in 0..3 {
        assert_eq!(next_alert(&mut dave).kind(), "b-a-o-tbl", "not relayed, and still repeating");
    }
    server.wait_log(|l| l["msg"].as_str().is_some_and(|m| m.contains("cancel of an emergency refused")));
    assert_eq!(server.metric("fts_emergency_refused_total", &[]), 1.0);
    alice.send(&start_of("other"));
    alice.send(&cancel(UID));
    cancel_of(&mut dave, UID);
    cancel_of(&mut bob, UID);
    stopped(&mut dave, UID, "other");
}

#[test]
fn line_14_unknown_cancels_and_many_at_once() {
    let server = start("repeat = 0");
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO");
    alice.expect("B");
    alice.send(&cancel("nobody-knows"));
    cancel_of(&mut bob, "nobody-knows");
    let all: Vec<String> = (0..100).map(|n| format!("U{n}-9-1-1")).collect();
    let starts: Vec<String> = all.iter().map(|uid| start_of(uid)).collect();
    alice.send(&starts.concat());
    alice.sync();
    let mut known: Vec<String> = listed(&server).iter().map(|a| a["uid"].as_str().unwrap().to_owned()).collect();
    known.sort();
    let mut wanted = all.clone();
    wanted.sort();
    assert_eq!(known, wanted);
    assert_eq!(alerts(&server, "?active=true")["total"], 100, "stored");
    let cancels = all.iter().map(|uid| cancel(uid)).collect::<String>();
    std::thread::scope(|threads| {
        for client in [&mut alice, &mut bob] {
            let cancels = &cancels;
            threads.spawn(move || {
                client.send(cancels);
                client.sync();
            });
        }
    });
    assert!(listed(&server).is_empty());
    assert_eq!(
        (alerts(&server, "?active=true")["total"].clone(), alerts(&server, "")["total"].clone()),
        (json!(0), json!(100))
    );
    assert_eq!(server.metric("fts_emergency_cancelled_total", &[]), 100.0, "each once");
}

#[test]
fn line_15_the_repeater_api() {
    let server = start(r#"repeat = "500ms""#);
    let mut alice = alice(&server, "red");
    let mut bob = join(&server, "red", "B", "BRAVO");
    alice.send(&start_911());
    let got = next_alert(&mut bob);
    let list = ok(&server, "GET", "/Marti/api/repeater/list", &Value::Null);
    assert_eq!((&list["version"], &list["type"]), (&json!("1.0.0"), &json!("java.lang.String")));
    assert!(!list["nodeId"].as_str().unwrap().is_empty());
    let row = &list["data"][0];
    assert_eq!(
        [&row["uid"], &row["repeatType"], &row["cotType"], &row["callsign"]],
        [UID, "911", "b-a-o-tbl", "LIMA1"]
    );
    assert_eq!(row["xml"].as_str().unwrap().matches("CALL 911 NOW").count(), 1);
    assert_eq!(fts_tests::parse(row["xml"].as_str().unwrap()).unwrap().at("detail/link"), got.detail("link"));
    let period = || ok(&server, "GET", "/Marti/api/repeater/period", &Value::Null)["data"].clone();
    assert_eq!(period(), 500);
    assert_eq!(ok(&server, "POST", "/Marti/api/repeater/period", &json!(1_500)), Value::Null);
    assert_eq!(period(), 1_500);
    let began = Instant::now();
    // One may have been on its way.
    (0..3).for_each(|_| drop(next_alert(&mut bob)));
    assert!(began.elapsed() > Duration::from_secs(2), "the new period holds: {:?}", began.elapsed());
    let remove = || ok(&server, "GET", &format!("/Marti/api/repeater/remove/{UID}"), &Value::Null)["data"].clone();
    assert_eq!(remove(), true);
    let over = cancel_of(&mut bob, UID);
    assert_eq!(over.detail("emergency").unwrap().text(), "LIMA1");
    cancel_of(&mut alice, UID);
    assert_eq!(remove(), false);
    assert_eq!(ok(&server, "GET", "/Marti/api/repeater/list", &Value::Null)["data"], json!([]));
}
