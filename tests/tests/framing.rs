//! Framing over real sockets (cot.md 17, lines 1 to 13): what stands between events, cuts anywhere, broken events that
//! cost only themselves, limits, and the `TEST` probe.
use std::{io::Write, thread::sleep, time::Duration};

use fts_tests::{Client, Server, event, join_all, marker};

/// alice and bob, who know each other.
fn pair(server: &Server) -> [Client; 2] {
    join_all(server, [("A", "ALICE"), ("B", "BOB")])
}

#[test]
fn line_01_an_event_byte_by_byte_is_one_event() {
    let server = Server::start();
    let [mut alice, mut bob] = pair(&server);
    let text = marker("bytes");
    for byte in text.as_bytes() {
        alice.send_bytes(&[*byte]);
        // Not to synchronise: each byte shall be a segment of its own.
        sleep(Duration::from_micros(200));
    }
    let got = bob.expect("bytes");
    assert_eq!(got.tree().clone().without(&["_flow-tags_"]), fts_tests::parse(&text).unwrap());
    fts_tests::fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn line_02_what_may_stand_between_events_is_skipped() {
    let server = Server::start();
    let [mut alice, mut bob] = pair(&server);
    let declaration = "<?xml version='1.0' encoding='UTF-8'?>\n";
    for (n, between) in ["", "\n", "\r\n", "\u{feff}", "\0", declaration, "<!-- between --> "].iter().enumerate() {
        let uids: Vec<String> = (0..3).map(|i| format!("{n}-{i}")).collect();
        let all: String = uids.iter().map(|uid| format!("{between}{}", marker(uid))).collect();
        alice.send(&all);
        uids.iter().for_each(|uid| drop(bob.expect(uid)));
    }
    assert_eq!(server.metric("fts_cot_rejected_total", &[]), 0.0);
}

#[test]
fn line_03_multi_byte_characters_cut_inside() {
    let server = Server::start();
    let [mut alice, mut bob] = pair(&server);
    let words = "Žluť 漢字 😀";
    let text = event("utf8", "b-m-p-s-m", &format!("<remarks>{words}</remarks>"));
    for cut in (1..text.len()).filter(|n| !text.is_char_boundary(*n)) {
        alice.send_bytes(&text.as_bytes()[..cut]);
        alice.socket().flush().unwrap();
        alice.send_bytes(&text.as_bytes()[cut..]);
        assert_eq!(bob.expect("utf8").detail("remarks").unwrap().text(), words);
    }
}

#[test]
fn line_04_a_broken_event_costs_only_itself() {
    let server = Server::start();
    let [mut alice, mut bob] = pair(&server);
    alice.send(r#"<event version="2.0" uid="x" <broken></event>"#);
    alice.send(&marker("good"));
    bob.expect("good");
    alice.sync();
    assert_eq!(server.metric("fts_cot_rejected_total", &[r#"reason="xml""#]), 1.0);
}
