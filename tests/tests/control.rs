//! Control types (cot.md 8, RULE-41, acceptance lines 29 and 55): consumed by the server, seen by nobody. Pings are
//! answered to their sender alone, in its format, at most once a second; what a client says about itself is in the
//! client list.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::time::Duration;

use fts_tests::{Client, Event, Server, event, fence, join_all, marker, ping};

fn two(server: &Server) -> [Client; 2] {
    join_all(server, [("A", "ALICE"), ("B", "BOB")])
}

fn waiting(client: &mut Client) -> Vec<Event> {
    client.sync();
    std::iter::from_fn(|| client.next_within(Duration::ZERO).ok()).collect()
}

#[test]
fn line_29_a_ping_is_answered_to_its_sender_alone() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    alice.send(&ping("A"));
    let pong = alice.next();
    let time = pong.attr("time").to_owned();
    let stale = pong.attr("stale").to_owned();
    assert!(time.len() == 24 && stale.len() == 24 && pong.attr("start") == time, "{pong:?}");
    let format = &time::format_description::well_known::Rfc3339;
    let instant = |text: &str| time::OffsetDateTime::parse(text, format).unwrap();
    assert_eq!(instant(&stale) - instant(&time), time::Duration::seconds(20));
    let expected = format!(
        r#"<event version="2.0" uid="takPong" type="t-x-c-t-r" how="h-g-i-g-o" time="{time}" start="{time}" stale="{stale}"><point ce="9999999" le="9999999" hae="0" lat="0" lon="0"/></event>"#
    );
    assert_eq!(pong.text(), expected, "the exact bytes of 4.4");
    fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn line_29_ten_pings_at_once_get_one_or_two_pongs_and_later_ones_another() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    alice.send(&ping("A").repeat(10));
    let pongs = waiting(&mut alice);
    assert!((1..=2).contains(&pongs.len()) && pongs.iter().all(|e| e.uid() == "takPong"), "{pongs:?}");
    let begun = std::time::Instant::now();
    // ATAK's repeat is 4.5 s; from one second on there is an answer again.
    while alice.next_within(Duration::from_millis(100)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "no second pong");
        alice.send(&ping("A"));
    }
    fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn line_29_the_pong_comes_in_the_format_of_the_stream_and_before_identification() {
    let server = Server::start();
    let mut proto = Client::connect(&server).negotiate();
    proto.send(&ping("A"));
    let pong = proto.next();
    let cot = pong.cot();
    assert_eq!((cot.uid.as_str(), cot.r#type.as_str(), cot.how.as_str()), ("takPong", "t-x-c-t-r", "h-g-i-g-o"));
    assert_eq!(cot.stale_time - cot.send_time, 20_000);
}

#[test]
fn line_55_control_types_reach_nobody() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    let stcp =
        r#"<subscription publish="stcp:0.0.0.0:0"><tests xpath="/event[starts-with(@type,'a-f')]"/></subscription>"#;
    let before = server.cli_json(&["status"])["events"]["routed"].as_u64().unwrap();
    for kind in ["t-x-c-m", "t-b-q", "t-x-takp-v", "t-x-takp-r", "t-x-c-t-r", "t-b-a", "t-b-c", "t-x-c-f", "t-x-c-i-d"]
    {
        alice.say(kind, kind, "");
        alice.say(kind, &kind.to_uppercase(), "");
        alice.say(kind, kind, r#"<marti><dest uid="B"/></marti>"#);
    }
    alice.say("s-1", "t-b", stcp);
    alice.say("s-1", "T-B-A", "");
    for kind in ["t-x-m-c", "t-x-g-c"] {
        alice.say(kind, kind, r#"<link relation="p-p"/>"#);
    }
    alice.say("ping", "T-X-C-T", "");
    alice.expect("takPong");
    fence(&mut alice, &mut [&mut bob]);
    let after = server.cli_json(&["status"])["events"]["routed"].as_u64().unwrap();
    // The fence, and the canary's event every five seconds.
    assert!(after - before <= 3, "{before} {after}");
    assert_eq!(waiting(&mut alice).len(), 0, "no answer to any of them but the ping");
    // What only looks like one is an event like any other.
    for kind in ["t-x-c-x", "t-k", "t-x-takp", "y-a"] {
        alice.say(kind, kind, "");
        bob.expect(kind);
    }
}

#[test]
fn line_55_what_a_client_measures_is_in_the_client_list() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    let names = [
        "app_framerate",
        "battery",
        "battery_status",
        "battery_temp",
        "deviceDataRx",
        "deviceDataTx",
        "heap_current_size",
        "heap_free_size",
        "heap_max_size",
        "ip_address",
        "storage_available",
        "storage_total",
    ];
    let attrs: String = names.iter().enumerate().map(|(n, name)| format!(r#" {name}="{}""#, n + 86)).collect();
    alice.say("k-1", "t-x-c-m", &format!(r#"<stats{attrs}/><link relation="p-s" uid="A" type="a-f-G-U-C"/>"#));
    alice.sync();
    let entry = server.client("A");
    assert_eq!(entry["battery"], "87");
    for (n, name) in names.iter().enumerate() {
        assert_eq!(entry["stats"][name], (n + 86).to_string(), "{name}");
    }
    alice.say("k-2", "t-x-c-m", r#"<stats battery="12"/>"#);
    alice.sync();
    assert_eq!(server.client("A")["battery"], "12", "the last ones are kept");
    assert_eq!(server.client("B")["battery"], serde_json::Value::Null);
    fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn what_came_before_a_filter_is_not_filtered() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    // In one write: a marker, then a filter that no marker here passes, then a marker of Alice.
    let boxes = r#"<boundingBox minLongitude="1" minLatitude="1" maxLongitude="2" maxLatitude="2"/>"#;
    let filter =
        event("f", "t-x-c-f", &format!("<subscription><geospatialFilter>{boxes}</geospatialFilter></subscription>"));
    bob.send(&(marker("b-1") + &filter + &marker("b-2")));
    alice.expect("b-1");
    alice.expect("b-2");
    alice.send(&marker("hidden"));
    alice.send(&event("shown", "b-t-f", ""));
    bob.expect("shown");
}
