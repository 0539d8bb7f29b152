//! What a newcomer is shown, and in which order (cot.md RULE-37, 39, 40, acceptance line 34).
//!
//! The last position of everybody in reach, oldest report first, each uid once, nothing stale, nothing of its own; map
//! items when asked for; the welcome chat once per uid and day. One test pulls newcomers into a stream of positions and
//! shows that none is missed and none comes twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{collections::BTreeMap, time::Duration};

use fts_tests::{Client, Event, Server, event, fence, join_all, marker, sa};

/// Everything a newcomer of this moment is shown.
fn shown(server: &Server) -> Vec<Event> {
    let mut newcomer = Client::connect(server);
    newcomer.sync();
    std::iter::from_fn(|| newcomer.next_within(Duration::ZERO).ok()).collect()
}

fn uids(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::uid).collect()
}

#[test]
fn rule_37_newest_states_in_order_of_last_report() {
    let server = Server::start();
    let mut gateway = Client::join(&server, "X", "X");
    gateway.send(&(sa("Y", "Y") + &sa("Z", "Z")));
    gateway.send(&event("X", "a-f-G-U-C-I", r#"<contact callsign="X2" endpoint="*:-1:stcp"/>"#));
    gateway.sync();
    let all = shown(&server);
    assert_eq!(uids(&all), ["Y", "Z", "X"]);
    assert_eq!(all[2].detail("contact").unwrap().attr("callsign"), "X2");
    assert_eq!(all[2].kind(), "a-f-G-U-C-I");
}

#[test]
fn rule_37_three_hundred_contacts_are_shown_each_once_in_order() {
    let server = Server::start();
    let mut gateway = Client::join(&server, "g", "g");
    let texts: String = (0..300).map(|n| sa(&format!("c{n}"), &format!("c{n}"))).collect();
    gateway.send(&texts);
    gateway.sync();
    let mut expected = vec!["g".to_owned()];
    expected.extend((0..300).map(|n| format!("c{n}")));
    let mut newcomer = Client::connect(&server);
    let got: Vec<String> = expected.iter().map(|_| newcomer.next().uid().to_owned()).collect();
    assert_eq!(got, expected);
    fence(&mut gateway, &mut [&mut newcomer]);
}

#[test]
fn rule_37_what_expired_is_not_shown() {
    let server = Server::build().set("cot.max_persist_ttl", "\"300ms\"").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    assert_eq!(uids(&shown(&server)), ["A"]);
    server.eventually("the cap of the cache lets A go", || shown(&server).is_empty());
    // Live it goes on, and its next report brings it back.
    alice.send(&sa("A", "ALICE"));
    alice.sync();
    assert_eq!(uids(&shown(&server)), ["A"]);
}

#[test]
fn rule_37_an_older_report_does_not_replace_a_newer_one() {
    let server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let old = sa("A", "OLD").replace(&fts_tests::at(0)[..10], "2020-01-01");
    alice.send(&old);
    alice.sync();
    assert_eq!(shown(&server)[0].detail("contact").unwrap().attr("callsign"), "ALICE", "RULE-76");
}

#[test]
fn rule_37_incognito_senders_are_not_shown() {
    let server = Server::start();
    let [mut alice, _bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&event("i", "t-x-c-i-e", ""));
    alice.send(&sa("A", "ALICE"));
    alice.sync();
    assert_eq!(uids(&shown(&server)), ["B"]);
    alice.send(&event("i", "t-x-c-i-d", ""));
    alice.send(&sa("A", "ALICE"));
    alice.sync();
    assert_eq!(uids(&shown(&server)), ["B", "A"]);
}

#[test]
fn rule_37_replay_presence_off_shows_nobody() {
    let server = Server::build().set("cot.replay_presence", "false").start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut alice = Client::join(&server, "A", "ALICE");
    bob.expect("A");
    fence(&mut bob, &mut [&mut alice]);
}

#[test]
fn rule_37_replay_at_identify_waits_for_it_and_leaves_the_own_uid_out() {
    let server = Server::build().set("cot.replay_at", "\"identify\"").start();
    let mut gateway = Client::join(&server, "G", "GATE");
    // The same uid by another way: what it hears about itself would move its own marker back.
    gateway.send(&(sa("A", "ALICE") + &sa("R", "RADIO")));
    gateway.sync();
    let mut alice = Client::connect(&server);
    gateway.send(&marker("before"));
    alice.expect("before");
    let mut alice = alice.identify("A", "ALICE");
    gateway.send(&marker("after"));
    assert_eq!([alice.next().uid(), alice.next().uid(), alice.next().uid()], ["G", "R", "after"]);
}

#[test]
fn rule_37_who_reports_between_connect_and_identify_is_shown_once() {
    let server = Server::build().set("cot.replay_at", "\"identify\"").start();
    let mut gateway = Client::join(&server, "G", "GATE");
    gateway.send(&sa("R", "RADIO"));
    gateway.sync();
    let mut alice = Client::connect(&server);
    gateway.send(&sa("R", "RADIO-2"));
    assert_eq!(alice.expect("R").detail("contact").unwrap().attr("callsign"), "RADIO-2");
    let mut alice = alice.identify("A", "ALICE");
    alice.expect("G");
    fence(&mut gateway, &mut [&mut alice]);
}

#[test]
fn rule_37_newcomers_in_a_stream_miss_nothing_and_get_nothing_twice() {
    // No soft mark: a newcomer that is not read yet must not have its positions replaced.
    let server = Server::build()
        .set("stream.limits.queue_soft_items", "1000000")
        .set("stream.limits.queue_soft_bytes", "\"64MiB\"")
        .start();
    let mut gateway = Client::join(&server, "g", "g");
    let (contacts, rounds, newcomers) = (20, 60, 12);
    let mut here: Vec<Client> = Vec::new();
    for serial in 0..rounds {
        let text = |n: usize| {
            let detail = format!(r#"<contact callsign="c{n}" endpoint="*:-1:stcp"/><serial n="{serial}"/>"#);
            event(&format!("c{n}"), "a-f-G-U-C", &detail)
        };
        gateway.send(&(0..contacts).map(text).collect::<String>());
        if here.len() < newcomers && serial % 4 == 1 {
            here.push(Client::to(server.address("cot_tcp"), "newcomer"));
        }
        if serial % 8 == 7 {
            gateway.sync();
        }
    }
    // Every one of them is in before the end.
    let here: Vec<Client> = here.into_iter().map(Client::greeted).collect();
    gateway.send(&marker("end"));
    for mut newcomer in here {
        let (_, all) = newcomer.until(|e| e.uid() == "end");
        let mut seen: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for event in all.iter().filter(|e| e.kind() == "a-f-G-U-C" && e.uid() != "g") {
            seen.entry(event.uid()).or_default().push(event.detail("serial").unwrap().attr("n").parse().unwrap());
        }
        assert_eq!(seen.len(), contacts);
        for (uid, serials) in seen {
            let whole: Vec<u32> = (serials[0]..rounds).collect();
            assert_eq!(serials, whole, "{uid}: from the first one shown every report once");
        }
    }
}

#[test]
fn rule_39_map_items_are_shown_when_asked_for() {
    let server = Server::build().set("cot.replay_map_items", "true").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let kinds = ["b-m-p-s-m", "b-m-p-w-GOTO", "b-m-r", "b-r-f-h-c", "u-d-r", "u-d-f", "u-d-c-c"];
    for kind in kinds {
        alice.say(kind, kind, "<archive/>");
    }
    // A marker placed by hand, one given twice, and what is not shown: directed ones, chat, stale ones.
    alice.say("hostile", "a-h-G", "<archive/>");
    alice.say("b-m-r", "b-m-r", "<archive/><remarks>second</remarks>");
    alice.say("private", "b-m-p-s-m", r#"<archive/><marti><dest uid="nobody"/></marti>"#);
    alice.say("said", "b-t-f", "");
    alice.sync();
    let all = shown(&server);
    let mut expected = vec!["A", "b-m-p-s-m", "b-m-p-w-GOTO", "b-r-f-h-c", "u-d-r", "u-d-f", "u-d-c-c", "hostile"];
    expected.push("b-m-r");
    assert_eq!(uids(&all), expected, "presence first, then items in order of last report");
    assert_eq!(all[8].detail("remarks").unwrap().text(), "second");
    assert!(uids(&shown(&Server::start())).is_empty());
}

#[test]
fn rule_39_map_items_are_off_by_default() {
    let server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send(&marker("m"));
    alice.sync();
    assert_eq!(uids(&shown(&server)), ["A"]);
}

/// The whole form of RULE-40 for this client.
fn assert_welcome(got: &Event, server_name: &str, uid: &str, text: &str) {
    assert_eq!((got.kind(), got.attr("how")), ("b-t-f", "h-g-i-g-o"));
    let message = got.uid().strip_prefix(&format!("GeoChat.SERVER-UID.{uid}.")).unwrap().to_owned();
    assert!(uuid::Uuid::parse_str(&message).is_ok(), "{message}");
    let chat = got.detail("__chat").unwrap();
    let attrs = ["chatroom", "id", "senderCallsign", "messageId", "parent", "groupOwner"].map(|n| chat.attr(n));
    assert_eq!(attrs, [server_name, "SERVER-UID", server_name, &message, "RootContactGroup", "false"]);
    let group = chat.child("chatgrp").unwrap();
    assert_eq!(["id", "uid0", "uid1"].map(|n| group.attr(n)), ["SERVER-UID", "SERVER-UID", uid]);
    let remarks = got.detail("remarks").unwrap();
    assert_eq!((remarks.attr("source"), remarks.attr("to")), ("BAO.F.ATAK.SERVER-UID", uid));
    assert_eq!(remarks.text(), text);
    let link = got.detail("link").unwrap();
    assert_eq!((link.attr("uid"), link.attr("relation")), ("SERVER-UID", "p-p"));
    assert!(got.detail("marti").is_none());
}

#[test]
fn line_34_the_welcome_greets_the_newcomer_alone_once_a_day() {
    let server = Server::build()
        .set("server.name", "\"Base <1>\"")
        .set("cot.welcome_message", "\"Hi {callsign}, this is {server} {version} & friends\"")
        .start();
    let version = server.cli_json(&["version"])["version"].as_str().unwrap().to_owned();
    let mut bob = Client::connect(&server);
    bob.sync();
    assert!(bob.next_within(Duration::ZERO).is_err(), "not before it says who it is");
    let mut bob = bob.identify("B", "BOB");
    assert_welcome(&bob.next(), "Base <1>", "B", &format!("Hi BOB, this is Base <1> {version} & friends"));
    let mut alice = Client::join(&server, "A", "A&amp;B");
    alice.expect("B");
    assert_welcome(&alice.next(), "Base <1>", "A", &format!("Hi A&B, this is Base <1> {version} & friends"));
    bob.expect("A");
    bob.send(&sa("B", "BOB"));
    alice.expect("B");
    fence(&mut alice, &mut [&mut bob]);
    // Reconnecting the same day brings no second one (decision 119).
    drop(bob);
    assert_eq!(alice.next().kind(), "t-x-d-d");
    let mut bob = Client::join(&server, "B", "BOB");
    bob.expect("A");
    alice.expect("B");
    fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn line_34_by_default_it_names_server_and_version_and_the_old_variable_sets_it() {
    let server = Server::build().set("cot.welcome_message", "\"Welcome to {server} {version}\"").start();
    let version = server.cli_json(&["version"])["version"].as_str().unwrap().to_owned();
    let mut alice = Client::join(&server, "A", "ALICE");
    assert_welcome(&alice.next(), "FTS", "A", &format!("Welcome to FTS {version}"));
    let server = Server::build()
        .bare()
        .set("listeners.cot_tls.enabled", "false")
        .set("listeners.cot_tcp.port", "0")
        .set("listeners.admin.port", "0")
        .env("FTS_CONNECTION_MESSAGE", "The Parrot is not dead. It’s just resting")
        .start();
    let mut alice = Client::join(&server, "A", "ALICE");
    assert_welcome(&alice.next(), "FTS", "A", "The Parrot is not dead. It’s just resting");
}

#[test]
fn line_34_an_empty_message_greets_nobody() {
    let server = Server::build().set("cot.welcome_message", "\"\"").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let mut bob = Client::join(&server, "B", "BOB");
    bob.expect("A");
    alice.expect("B");
    fence(&mut bob, &mut [&mut alice]);
    assert!(bob.next_within(Duration::ZERO).is_err());
}
