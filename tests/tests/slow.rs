//! Clients that do not keep up (cot.md 4.7, RULE-48 to 50; fanout.md 7; acceptance line 35).
//!
//! The victim connects with the smallest receive buffer and stops reading; somebody sends until the server calls it
//! slow. From then on the socket takes nothing and what happens is the queue's doing: newest positions, every reliable
//! event in order, nothing torn. Limits that close the connection are in `overflow`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::collections::BTreeMap;

use fts_tests::{Client, Event, Server, event, fence, marker, marker_to, ping, sa};

/// Something big that a later one of the same uid replaces.
fn bulk() -> String {
    event("bulk", "a-f-G-U-C", &format!("<filler>{}</filler>", "x".repeat(60_000)))
}

/// Sends until this client's socket takes nothing any more and its queue is over the soft mark.
fn clog(server: &Server, sender: &mut Client, victim: &str) {
    let (mut written, mut same) = (0, 0);
    server.eventually("the victim is stuck", || {
        (0..8).for_each(|_| sender.send(&bulk()));
        sender.sync();
        let entry = server.client(victim);
        let now = entry["tx_bytes"].as_u64().unwrap();
        same = if now == written && entry["slow"] == true { same + 1 } else { 0 };
        written = now;
        same == 10
    });
}

/// A position of contact `n` with a serial number.
fn position(n: usize, serial: usize) -> String {
    let contact = format!(r#"<contact callsign="c{n}" endpoint="*:-1:stcp"/><serial n="{serial}"/>"#);
    event(&format!("c{n}"), "a-f-G-U-C", &contact)
}

fn serial(event: &Event) -> usize {
    match &event.message {
        None => event.detail("serial").unwrap().attr("n").parse().unwrap(),
        Some(_) => {
            let detail = &event.cot().detail.as_ref().unwrap().xml_detail;
            detail.split_once(r#"<serial n=""#).unwrap().1.split_once('"').unwrap().0.parse().unwrap()
        }
    }
}

/// 50 contacts report 40 times while the victim does not read; 200 markers, chats and directed events in between.
fn conflates(mut victim: Client, server: &Server) {
    let mut sender = Client::connect(server);
    clog(server, &mut sender, &victim.uid);
    let before = server.client(&victim.uid);
    for round in 0..40 {
        let mut text: String = (0..50).map(|n| position(n, round)).collect();
        text += &marker(&format!("r-{}", round * 3));
        text += &event(&format!("r-{}", round * 3 + 1), "b-t-f", "");
        text += &marker_to(&format!("r-{}", round * 3 + 2), r#"<dest uid="V"/>"#);
        sender.send(&text);
    }
    sender.sync();
    let entry = server.client(&victim.uid);
    let more = |name: &str| entry[name].as_u64().unwrap() - before[name].as_u64().unwrap();
    // The replaceable ones once per uid, and every reliable one.
    assert!(more("queued_items") <= 50 + 120, "{entry}");
    assert_eq!(more("coalesced"), 39 * 50, "{entry}");
    // The sweep, which looks once a second, has seen it like this.
    let waits = entry["queued_bytes"].as_f64().unwrap();
    server.eventually("the sweep has looked", || server.metric("fts_client_queue_bytes_max", &[]) == waits);
    sender.send(&marker("end"));
    let (_, got) = victim.until(|e| e.uid() == "end");
    let reliable: Vec<&str> = got.iter().map(Event::uid).filter(|u| u.starts_with("r-")).collect();
    assert_eq!(reliable, (0..120).map(|n| format!("r-{n}")).collect::<Vec<_>>(), "each once and in order");
    let mut newest: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for event in got.iter().filter(|e| e.uid().starts_with('c') && e.kind() == "a-f-G-U-C") {
        newest.entry(event.uid()).or_default().push(serial(event));
    }
    assert_eq!(newest.len(), 50);
    assert!(newest.values().all(|serials| serials == &[39]), "one per uid, the newest: {newest:?}");
    fence(&mut sender, &mut [&mut victim]);
    // It keeps up again, and that is said.
    server.wait_log(|l| l["event"] == "client.recovered" && l["callsign"] == "VICTIM");
    assert_eq!(server.client(&victim.uid)["slow"], false);
    assert_eq!(server.metric("fts_client_disconnects_total", &[r#"reason="slow-consumer""#]), 0.0);
}

#[test]
fn rule_48_an_xml_client_gets_newest_positions_and_every_reliable_event() {
    let server = Server::start();
    let victim = Client::narrow(&server).identify("V", "VICTIM");
    conflates(victim, &server);
}

#[test]
fn rule_48_a_protobuf_client_gets_the_same() {
    let server = Server::start();
    let victim = Client::narrow(&server).negotiate().identify("V", "VICTIM");
    conflates(victim, &server);
}

#[test]
fn rule_48_over_the_state_mark_the_oldest_positions_go_and_nothing_else() {
    let server = Server::build().set("stream.limits.queue_state_bytes", "\"256KiB\"").start();
    let mut victim = Client::narrow(&server).identify("V", "VICTIM");
    let mut sender = Client::connect(&server);
    clog(&server, &mut sender, "V");
    // About 800 KiB of positions of different uids, a marker every 100.
    for n in 0..2_000 {
        sender.send(&position(n, n));
        if n % 100 == 0 {
            sender.send(&marker(&format!("m-{n}")));
        }
    }
    sender.send(&marker("end"));
    sender.sync();
    let entry = server.client("V");
    assert!(entry["dropped"]["state"].as_u64().unwrap() > 1_000, "{entry}");
    let overflow = server.metric("fts_cot_dropped_total", &[r#"reason="state_overflow""#]);
    assert!(overflow >= 1_000.0, "{overflow}");
    let (_, got) = victim.until(|e| e.uid() == "end");
    let markers: Vec<&str> = got.iter().map(Event::uid).filter(|u| u.starts_with("m-")).collect();
    assert_eq!(markers, (0..20).map(|n| format!("m-{}", n * 100)).collect::<Vec<_>>());
    let positions: Vec<usize> =
        got.iter().filter(|e| e.uid().starts_with('c') && e.uid() != "canary").map(serial).collect();
    assert!(positions.is_sorted() && positions.last() == Some(&1_999), "in order, with the newest: {positions:?}");
    assert!(positions.len() < 1_000 && positions[0] > 500, "the oldest went: {:?}", &positions[..3]);
}

#[test]
fn rule_48_positions_that_waited_too_long_go() {
    let server = Server::build().set("stream.limits.queue_state_age", "\"1s\"").start();
    let mut victim = Client::narrow(&server).identify("V", "VICTIM");
    let mut sender = Client::connect(&server);
    clog(&server, &mut sender, "V");
    (0..20).for_each(|n| sender.send(&(position(n, 0) + &marker(&format!("m-{n}")))));
    sender.sync();
    // Nobody sends any more: the queue ages by itself.
    server.eventually("all twenty are dropped", || server.client("V")["dropped"]["state"].as_u64().unwrap() >= 20);
    sender.send(&marker("end"));
    let (_, got) = victim.until(|e| e.uid() == "end");
    let uids: Vec<&str> = got.iter().map(Event::uid).filter(|u| *u != "bulk").collect();
    assert_eq!(uids, (0..20).map(|n| format!("m-{n}")).collect::<Vec<_>>());
}

#[test]
fn rule_41_a_pong_overtakes_what_waits() {
    let server = Server::start();
    let mut victim = Client::narrow(&server).identify("V", "VICTIM");
    let mut sender = Client::connect(&server);
    clog(&server, &mut sender, "V");
    (0..600).for_each(|n| sender.send(&marker(&format!("m-{n}"))));
    sender.sync();
    let before = server.client("V");
    victim.send(&ping("V"));
    let read = |entry: &serde_json::Value| entry["rx_events"].as_u64().unwrap();
    server.eventually("the ping is read", || read(&server.client("V")) > read(&before));
    let (_, overtaken) = victim.until(|e| e.uid() == "takPong");
    assert!(!overtaken.iter().any(|e| e.uid().starts_with("m-")), "before everything that was queued");
    (0..600).for_each(|n| drop(victim.until(|e| e.uid() == format!("m-{n}"))));
}

#[test]
fn rule_48_a_slow_client_is_named_for_the_operator() {
    let server = Server::start();
    let _victim = Client::narrow(&server).identify("V", "VICTIM");
    let mut sender = Client::join(&server, "S", "SENDER");
    clog(&server, &mut sender, "V");
    let entry = server.client("V");
    assert!(entry["queued_bytes"].as_u64().unwrap() > 0 && entry["oldest_ms"].is_u64(), "{entry}");
    assert_eq!(server.client("S")["slow"], false);
    let text = String::from_utf8(server.cli(&["clients", "list"]).stdout).unwrap();
    let line = |name: &str| text.lines().find(|l| l.contains(name)).unwrap().to_owned();
    assert!(line("VICTIM").ends_with("slow") && !line("SENDER").ends_with("slow"), "{text}");
    let slow = |l: &serde_json::Value| l["event"] == "client.slow" && l["callsign"] == "VICTIM";
    server.wait_log(slow);
    let said = server.logs().iter().filter(|l| slow(l)).count();
    (0..50).for_each(|_| sender.send(&bulk()));
    sender.sync();
    assert_eq!(server.logs().iter().filter(|l| slow(l)).count(), said, "not for every event");
    server.eventually("the metric names the longest queue", || server.metric("fts_client_queue_bytes_max", &[]) > 0.0);
}

#[test]
fn rule_48_on_reconnect_there_is_one_event_per_live_uid() {
    let server = Server::start();
    let victim = Client::narrow(&server).identify("V", "VICTIM");
    let mut sender = Client::join(&server, "S", "SENDER");
    clog(&server, &mut sender, "V");
    for serial in 0..10 {
        (0..50).for_each(|n| sender.send(&position(n, serial)));
    }
    sender.sync();
    drop(victim);
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "V");
    let mut again = Client::connect(&server);
    again.sync();
    let mut got: Vec<(String, usize)> = Vec::new();
    while let Ok(event) = again.next_within(std::time::Duration::ZERO) {
        if event.uid().starts_with('c') {
            got.push((event.uid().to_owned(), serial(&event)));
        }
    }
    assert_eq!(got, (0..50).map(|n| (format!("c{n}"), 9)).collect::<Vec<_>>());
    sender.send(&sa("S", "SENDER"));
    again.expect("S");
}
