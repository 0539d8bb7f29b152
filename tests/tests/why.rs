//! `fts why` (operations.md 4, fanout.md 2.10): for every way an event can go, the outcome, the rule that decided and
//! the words a person reads. One test per outcome; each asks through the command line, as an operator does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Client, Server, at, chat, event, fence, join_all, marker, marker_to};
use serde_json::Value;

/// The newest event of this uid.
fn why(server: &Server, uid: &str) -> Value {
    let all = server.cli_json(&["why", "--event", uid]);
    all.as_array().unwrap().last().unwrap_or_else(|| panic!("nothing is known of {uid}")).clone()
}

/// What it says about one client: outcome, rule, detail.
fn about(event: &Value, uid: &str) -> (String, String, String) {
    let client = event["clients"].as_array().unwrap().iter().find(|c| c["uid"] == uid);
    let client = client.unwrap_or_else(|| panic!("{uid} is not in {event:#}"));
    let field = |name: &str| client[name].as_str().unwrap().to_owned();
    (field("outcome"), field("rule"), field("detail"))
}

fn page(server: &Server, args: &[&str]) -> String {
    let out = server.cli(&[&["why"], args].concat());
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

fn two(server: &Server) -> [Client; 2] {
    join_all(server, [("A", "ALICE"), ("B", "BOB")])
}

/// Sends until the socket of V takes nothing any more.
fn clog(server: &Server, sender: &mut Client) {
    let mut sent = 0;
    server.eventually("the victim is stuck", || {
        for _ in 0..8 {
            sender.say(&format!("f{sent}"), "b-m-p-s-m", &format!("<f>{}</f>", "x".repeat(60_000)));
            sent += 1;
        }
        sender.sync();
        server.client("V")["queued_items"].as_u64().unwrap() > 16
    });
}

#[test]
fn delivered_says_when_and_in_which_form() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    let mut proto = Client::connect(&server).negotiate().identify("P", "PROTO");
    alice.expect("P");
    bob.expect("P");
    let before = time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    alice.send(&marker("m"));
    bob.expect("m");
    proto.until(|e| e.uid() == "m");
    // The note is written behind the write.
    server.eventually("both are noted", || {
        why(&server, "m")["clients"].as_array().unwrap().iter().filter(|c| !c["at_ms"].is_null()).count() == 2
    });
    let event = why(&server, "m");
    assert_eq!(
        (&event["kind"], &event["from_uid"], &event["source"]),
        (&"b-m-p-s-m".into(), &"A".into(), &"client".into())
    );
    assert_eq!(event["decision"], "broadcast into groups __ANON__");
    for (uid, form) in [("B", "xml"), ("P", "protobuf")] {
        let client = event["clients"].as_array().unwrap().iter().find(|c| c["uid"] == uid).unwrap();
        assert_eq!((&client["outcome"], &client["form"]), (&"delivered".into(), &form.into()));
        let at = i128::from(client["at_ms"].as_i64().unwrap());
        assert!((before - 5..before + 20_000).contains(&at), "{at} {before}");
    }
    assert_eq!(about(&event, "A"), ("not_delivered".into(), "self".into(), "nobody gets its own event back".into()));
    let text = page(&server, &["--event", "m"]);
    for words in ["b-m-p-s-m  m", "from ALICE (A); broadcast into groups __ANON__", "BOB ", "as xml", "as protobuf"] {
        assert!(text.contains(words), "{words:?} in {text}");
    }
    assert!(text.contains("ALICE  not delivered: self"), "{text}");
}

#[test]
fn group_names_both_sides() {
    let server = Server::build()
        .listener("red", "cot_tcp", r#"default_groups = ["red"]"#)
        .listener("blue", "cot_tcp", r#"default_groups = ["blue", "green"]"#)
        .start();
    let mut alice = Client::join_to(&server, "red", "A", "ALICE");
    let _bob = Client::join_to(&server, "blue", "B", "BOB");
    alice.send(&marker("all"));
    alice.send(&marker_to("direct", r#"<dest callsign="BOB"/>"#));
    alice.sync();
    for uid in ["all", "direct"] {
        let (outcome, rule, detail) = about(&why(&server, uid), "B");
        assert_eq!((&*outcome, &*rule), ("not_delivered", "group"));
        assert_eq!(detail, "the sender may send to {red}, this client receives {blue, green}");
    }
    assert!(page(&server, &["--event", "all"]).contains("BOB    not delivered: group — the sender may send to {red}"));
}

#[test]
fn destination_names_the_address() {
    let server = Server::start();
    let [mut alice, _bob, _carol] = join_all(&server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")]);
    alice.send(&marker_to("m", r#"<dest callsign="BOB"/><dest uid="x"/>"#));
    alice.sync();
    let event = why(&server, "m");
    assert_eq!(event["decision"], "directed to callsign BOB, uid x");
    assert_eq!(about(&event, "C").1, "destination");
    server.eventually("BOB has it", || about(&why(&server, "m"), "B").0 == "delivered");
    let text = page(&server, &["--from", "ALICE", "--to", "CAROL"]);
    assert!(text.contains("CAROL  not delivered: destination — directed to callsign BOB, uid x"), "{text}");
    assert!(!text.contains("BOB  "), "only about CAROL: {text}");
}

#[test]
fn filter_of_the_receiver_and_rate_of_delivery() {
    let server = Server::build().set("cot.rate.per_uid_delivery", "\"1h\"").start();
    let [mut alice, mut bob] = two(&server);
    let boxes = r#"<boundingBox minLongitude="1" minLatitude="1" maxLongitude="2" maxLatitude="2"/>"#;
    bob.say("f", "t-x-c-f", &format!("<subscription><geospatialFilter>{boxes}</geospatialFilter></subscription>"));
    bob.sync();
    alice.send(&marker("m"));
    alice.sync();
    let (outcome, rule, detail) = about(&why(&server, "m"), "B");
    assert_eq!((&*outcome, &*rule), ("not_delivered", "filter"));
    assert!(detail.contains("t-x-c-f"), "{detail}");
    assert_eq!(why(&server, "f")["decision"], "kept by the server: sets the filter of this connection");
    bob.say("f", "t-x-c-f", "");
    bob.sync();
    alice.send(&fts_tests::sa("A", "ALICE"));
    bob.expect("A");
    alice.send(&fts_tests::sa("A", "ALICE"));
    alice.sync();
    let all = server.cli_json(&["why", "--event", "A", "--to", "B"]);
    let rules: Vec<_> = all.as_array().unwrap()[1..].iter().map(|e| about(e, "B")).collect();
    let held = |r: &(String, String, String)| (&*r.1, &*r.2) == ("filter", "cot.rate.per_uid_delivery");
    assert_eq!(rules.iter().filter(|r| held(r)).count(), 1, "{all:#}");
}

#[test]
fn who_connected_just_after_an_event_is_not_said_to_be_out_of_reach() {
    let server = Server::start();
    // Connections and positions of one millisecond: the order of arrival alone decides.
    let mut all: Vec<_> =
        (0..40).map(|n| (format!("U{n}"), Client::to(server.address("cot_tcp"), "newcomer"))).collect();
    for (uid, client) in &mut all {
        client.send(&fts_tests::sa(uid, uid));
    }
    all.iter_mut().for_each(|(_, client)| client.sync());
    for (uid, _) in &all {
        let events = server.cli_json(&["why", "--event", uid]);
        for found in events.as_array().unwrap().iter().flat_map(|e| e["clients"].as_array().unwrap()) {
            assert_ne!(found["rule"], "group", "all are in one group: {events:#}");
        }
    }
}

#[test]
fn refusals_name_their_reason() {
    let server = Server::build()
        .set("cot.ignore_stale", "true")
        .set("cot.dedupe", "\"1h\"")
        .set("cot.filters.drop", r#"[{type="b-x"}]"#)
        .set("server.node_id", "\"n1\"")
        .start();
    let [mut alice, mut bob] = two(&server);
    let old = marker("stale").replace(&format!("stale=\"{}", &at(0)[..4]), "stale=\"2001");
    assert!(old.contains("stale=\"2001"), "{old}");
    alice.send(&old);
    alice.say("loop", "b-m-p-s-m", r#"<_flow-tags_ TAK-Server-n1="x"/>"#);
    alice.say("notice", "t-x-m-c", "");
    alice.say("filter", "b-x", "");
    let twice = marker("duplicate");
    alice.send(&(twice.clone() + &twice));
    bob.expect("duplicate");
    fence(&mut alice, &mut [&mut bob]);
    let all = server.cli_json(&["why", "--event", "duplicate"]);
    let decisions: Vec<_> = all.as_array().unwrap().iter().map(|e| e["decision"].as_str().unwrap()).collect();
    assert!(decisions.len() == 2 && decisions.contains(&"refused: duplicate"), "{all:#}");
    for reason in ["stale", "loop", "notice", "filter"] {
        let event = why(&server, reason);
        assert_eq!(event["decision"], format!("refused: {reason}"));
        assert_eq!(about(&event, "B").1, reason);
        assert_eq!(event["from_callsign"], "ALICE");
    }
    let (_, _, detail) = about(&why(&server, "stale"), "B");
    assert_eq!(detail, "its stale time was past when it arrived (cot.ignore_stale)");
    alice.say("i", "t-x-c-i-e", "");
    alice.send(&marker("incognito"));
    alice.sync();
    assert_eq!(why(&server, "incognito")["decision"], "refused: incognito");
}

#[test]
fn a_client_that_left_is_gone_and_one_that_came_later_is_not_mentioned() {
    let server = Server::start();
    let [mut alice, bob] = two(&server);
    let mut narrow = Client::narrow(&server).identify("V", "VICTIM");
    alice.expect("V");
    // Its socket is full when the marker comes, and it leaves without reading it.
    clog(&server, &mut alice);
    alice.send(&marker("m"));
    alice.sync();
    let (outcome, rule, detail) = about(&why(&server, "m"), "V");
    assert_eq!((&*outcome, &*rule), ("queued", "queue"));
    assert!(detail.contains("events") && detail.contains("bytes wait"), "{detail}");
    assert!(page(&server, &["--event", "m"]).contains("VICTIM  waits in its queue:"));
    narrow.finish();
    narrow.reset();
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "V");
    let (outcome, rule, detail) = about(&why(&server, "m"), "V");
    assert_eq!((&*outcome, &*rule), ("not_delivered", "gone"));
    assert!(detail.contains("before it was written"), "{detail}");
    let _late = Client::join(&server, "L", "LATE");
    assert!(!page(&server, &["--event", "m"]).contains("LATE"));
    assert!(page(&server, &["--event", "m", "--to", "LATE"]).contains("no such client was connected then"));
    drop(bob);
}

#[test]
fn conflated_and_dropped_from_a_queue() {
    let server = Server::build().set("stream.limits.queue_state_bytes", "\"200KiB\"").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let _victim = Client::narrow(&server).identify("V", "VICTIM");
    clog(&server, &mut alice);
    let position = |uid: &str, bytes: usize| event(uid, "a-f-G-U-C", &format!("<f>{}</f>", "x".repeat(bytes)));
    alice.send(&position("twice", 10));
    alice.send(&position("twice", 20));
    alice.sync();
    let all = server.cli_json(&["why", "--event", "twice"]);
    let rules: Vec<String> = all.as_array().unwrap().iter().map(|e| about(e, "V").1).collect();
    assert!(rules.contains(&"conflated".to_owned()) && rules.contains(&"queue".to_owned()), "{all:#}");
    (0..8).for_each(|n| alice.send(&position(&format!("p{n}"), 40_000)));
    alice.sync();
    let (outcome, rule, detail) = about(&why(&server, "p0"), "V");
    assert_eq!((&*outcome, &*rule), ("not_delivered", "queue"));
    assert!(detail.contains("oldest positions"), "{detail}");
    assert_eq!(about(&why(&server, "p7"), "V").0, "queued");
}

#[test]
fn events_of_the_server_and_failed_chats_are_known() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    alice.send(&chat(("A", "ALICE"), "X", "NOBODY", "RootContactGroup", "m1", ""));
    assert_eq!(alice.next().kind(), "b-t-f-s");
    let all = server.cli_json(&["why", "--event", "GeoChat.A.X.m1"]);
    let kinds: Vec<&str> = all.as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 2, "the chat and the server's answer: {all:#}");
    let answer = all.as_array().unwrap().iter().find(|e| e["kind"] == "b-t-f-s").unwrap();
    assert_eq!(answer["source"], "server");
    assert!(server.cli(&["clients", "send", "BOB", "hello"]).status.success());
    let said = bob.next();
    let event = why(&server, said.uid());
    assert_eq!(event["source"], "server");
    assert!(page(&server, &["--event", said.uid()]).contains("from server;"));
}

#[test]
fn events_of_one_read_are_listed_in_order() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    let all: Vec<String> = (0..40).map(|n| format!("m-{n}")).collect();
    alice.send(&all.iter().map(|uid| marker(uid)).collect::<String>());
    fence(
        &mut alice,
        &mut [&mut bob].map(|bob| {
            all.iter().for_each(|uid| drop(bob.expect(uid)));
            bob
        }),
    );
    let said = server.cli_json(&["why", "--from", "A"]);
    let uids: Vec<_> = said.as_array().unwrap().iter().map(|e| e["uid"].as_str().unwrap()).collect();
    assert_eq!(uids[uids.len() - 41..uids.len() - 1], all);
}

#[test]
fn from_to_and_last_select() {
    let server = Server::start();
    let [mut alice, mut bob] = two(&server);
    alice.send(&marker("one"));
    bob.send(&marker("two"));
    alice.expect("two");
    bob.expect("one");
    let uids = |args: &[&str]| -> Vec<String> {
        let all = server.cli_json(&[&["why"], args].concat());
        all.as_array().unwrap().iter().map(|e| e["uid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(uids(&["--from", "A", "--to", "B"]), ["A", "one"]);
    assert_eq!(uids(&["--from", "bob"]), ["B", "two"], "a callsign in any case");
    assert_eq!(uids(&["--from", "A", "--last", "1h"]), ["A", "one"]);
    assert!(uids(&["--from", "A", "--last", "0s"]).is_empty());
    assert!(page(&server, &["--event", "unknown"]).starts_with("Nothing is known of such an event"));
    for (args, code) in [(&["why"][..], 2), (&["why", "--to", "B"], 2), (&["why", "--event", "x", "--last", "soon"], 2)]
    {
        assert_eq!(server.cli(args).status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn the_newest_of_a_uid_survive_a_flood_of_others_and_zero_switches_it_off() {
    let server = Server::build().set("why.events", "64").set("why.per_uid", "2").start();
    let [mut alice, mut bob] = two(&server);
    (0..3).for_each(|n| alice.send(&event("kept", "b-m-p-s-m", &format!("<n>{n}</n>"))));
    let flood: String = (0..60).map(|n| marker(&format!("flood-{}", n % 6))).collect();
    (0..4).for_each(|_| alice.send(&flood));
    fence(&mut bob, &mut [&mut alice]);
    assert_eq!(server.cli_json(&["why", "--event", "kept"]).as_array().unwrap().len(), 2);
    let server = Server::build().set("why.events", "0").start();
    let [mut alice, mut bob] = two(&server);
    alice.send(&marker("m"));
    bob.expect("m");
    assert!(server.cli_json(&["why", "--event", "m"]).as_array().unwrap().is_empty());
}
