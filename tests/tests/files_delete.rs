//! File offers and their acknowledgements, deletes, emergencies as the core relays them (cot.md 7, acceptance lines 48
//! to 50 as far as no HTTP, store or plugin takes part).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::time::Duration;

use fts_tests::{Client, Event, Server, event, fence, join_all, marker};

fn three(server: &Server) -> [Client; 3] {
    join_all(server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")])
}

/// ATAK's offer of a file to BOB.
fn offer(uid: &str, ack: &str, marti: &str) -> String {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let share = format!(
        r#"<fileshare filename="plan.zip" senderUrl="http://127.0.0.1:8080/getfile?file=0&amp;sender=A" sizeInBytes="2048" sha256="{hash}" senderUid="A" senderCallsign="ALICE" name="plan" peerHosted="true"/>"#
    );
    event(uid, "b-f-t-r", &format!(r#"{share}<ackrequest uid="{ack}" ackrequested="true" tag="plan"/>{marti}"#))
}

/// BOB's answer; older clients put a contact with their uid as callsign into it.
fn answer(uid: &str, ack: &str, marti: &str) -> String {
    let response = format!(r#"<ackresponse uid="{ack}" senderUid="B" success="true" tag="plan" reason="done"/>"#);
    event(uid, "b-f-t-a", &format!(r#"<contact callsign="B" endpoint="*:-1:stcp"/>{response}{marti}"#))
}

fn delete(uid: &str, item: &str, force: bool, marti: &str) -> String {
    let force = if force { "<__forcedelete/>" } else { "" };
    event(uid, "t-x-d-d", &format!(r#"<link uid="{item}" relation="none" type="none"/>{force}{marti}"#))
}

const TO_BOB: &str = r#"<marti><dest callsign="BOB"/></marti>"#;
const TO_ALICE: &str = r#"<marti><dest callsign="ALICE"/></marti>"#;

/// Uids a newcomer is shown.
fn shown(server: &Server) -> Vec<String> {
    let mut newcomer = Client::connect(server);
    newcomer.sync();
    let all: Vec<Event> = std::iter::from_fn(|| newcomer.next_within(Duration::ZERO).ok()).collect();
    all.iter().map(|e| e.uid().to_owned()).collect()
}

#[test]
fn line_49_an_acknowledgement_without_address_reaches_who_asked_for_it() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    let text = offer("offer", "ack-1", TO_BOB);
    alice.send(&text);
    let got = bob.expect("offer");
    let expected = fts_tests::parse(&text).unwrap().without(&["marti"]);
    assert_eq!(got.tree().clone().without(&["_flow-tags_"]), expected, "nothing is rewritten (RULE-66)");
    bob.send(&answer("back", "ack-1", ""));
    assert_eq!(alice.expect("back").detail("ackresponse").unwrap().attr("uid"), "ack-1");
    bob.send(&answer("back-2", "ack-1", TO_ALICE));
    alice.expect("back-2");
    fence(&mut bob, &mut [&mut alice, &mut carol]);
    assert_eq!(server.client("B")["callsign"], "BOB", "an answer's contact changes nobody's name");
}

#[test]
fn line_49_an_answer_to_nothing_that_was_asked_is_broadcast() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    bob.send(&answer("back", "unknown", ""));
    alice.expect("back");
    carol.expect("back");
    // The asker has left: its answer is nobody's then.
    carol.send(&offer("offer", "ack-2", TO_BOB));
    bob.expect("offer");
    drop(carol);
    assert_eq!(bob.next().kind(), "t-x-d-d");
    assert_eq!(alice.next().kind(), "t-x-d-d");
    bob.send(&answer("late", "ack-2", ""));
    fence(&mut bob, &mut [&mut alice]);
}

#[test]
fn line_50_a_forced_delete_is_relayed_and_the_item_not_shown_any_more() {
    let server = Server::build().set("cot.replay_map_items", "true").start();
    let [mut alice, mut bob, mut carol] = three(&server);
    alice.send(&marker("M"));
    alice.send(&marker("N"));
    for client in [&mut bob, &mut carol] {
        client.expect("M");
        client.expect("N");
    }
    assert!(shown(&server).ends_with(&["M".to_owned(), "N".to_owned()]));
    bob.send(&delete("d", "M", true, ""));
    let got = alice.expect("d");
    assert!(got.detail("__forcedelete").is_some());
    assert_eq!(got.detail("link").unwrap().attr("uid"), "M");
    carol.expect("d");
    let left = shown(&server);
    assert!(!left.contains(&"M".to_owned()) && left.contains(&"N".to_owned()), "{left:?}");
    // It may come back.
    alice.send(&marker("M"));
    bob.expect("M");
    assert!(shown(&server).contains(&"M".to_owned()));
}

#[test]
fn line_50_a_directed_delete_reaches_who_is_named() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = three(&server);
    alice.send(&delete("d", "M", false, TO_BOB));
    bob.expect("d");
    fence(&mut alice, &mut [&mut bob, &mut carol]);
}

#[test]
fn line_48_emergencies_and_cancels_are_relayed_at_once_known_or_not() {
    // Without the plugin they are events like others (RULE-67).
    let server = Server::build().toml("[plugins]\nenabled = []").start();
    let [mut alice, mut bob, mut carol] = three(&server);
    let start = event(
        "A-9-1-1",
        "b-a-o-tbl",
        r#"<link uid="A" type="a-f-G-U-C" relation="p-p"/><contact callsign="ALICE-Alert"/><emergency type="911 Alert">ALICE</emergency>"#,
    );
    let cancel = |uid: &str| event(uid, "b-a-o-can", r#"<emergency cancel="true">ALICE</emergency>"#);
    for text in [start, cancel("A-9-1-1"), cancel("unknown")] {
        alice.send(&text);
        let sent = fts_tests::parse(&text).unwrap();
        for client in [&mut bob, &mut carol] {
            assert_eq!(client.next().tree().clone().without(&["_flow-tags_"]), sent);
        }
    }
    fence(&mut bob, &mut [&mut alice, &mut carol]);
    assert_eq!(server.client("A")["callsign"], "ALICE");
}
