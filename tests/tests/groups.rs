//! Groups (cot.md 10, acceptance line 41, RULE-43, 56, 78): a listener's `default_groups` are the groups of its
//! connections, and nothing crosses from one group into another: no position, no replay, no directed event, no goodbye,
//! no chat. A destination `group` narrows a broadcast to one of the sender's own groups.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Client, Server, chat, fence, marker, marker_to, sa};

/// Listeners of red, of blue and of both.
fn start() -> Server {
    Server::build()
        .listener("red", "cot_tcp", r#"default_groups = ["red"]"#)
        .listener("blue", "cot_tcp", r#"default_groups = ["blue"]"#)
        .listener("both", "cot_tcp", r#"default_groups = ["red", "blue"]"#)
        .start()
}

fn no_reach(server: &Server) -> f64 {
    server.metric("fts_cot_dropped_total", &[r#"reason="no_reach""#])
}

#[test]
fn line_41_what_red_sends_reaches_red_only() {
    let server = start();
    let mut bob = Client::join_to(&server, "red", "B", "BOB");
    let mut carol = Client::join_to(&server, "blue", "C", "CAROL");
    let mut anon = Client::join(&server, "N", "NEUTRAL");
    // Somebody in all groups of the outsiders, for the fence.
    let mut alice = Client::join_to(&server, "red", "A", "ALICE");
    bob.expect("A");
    assert_eq!(alice.next().uid(), "B", "the replay shows red only");
    alice.send(&marker("m"));
    bob.expect("m");
    alice.send(&marker_to("to-carol", r#"<dest callsign="CAROL"/>"#));
    alice.send(&marker_to("to-carol-uid", r#"<dest uid="C"/>"#));
    alice.send(&marker_to("to-both", r#"<dest uid="C"/><dest uid="B"/>"#));
    bob.expect("to-both");
    alice.sync();
    assert_eq!(no_reach(&server), 3.0);
    drop(alice);
    assert_eq!(bob.next().kind(), "t-x-d-d");
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "A");
    let mut blue = Client::join_to(&server, "blue", "C2", "CAROL-2");
    carol.expect("C2");
    fence(&mut blue, &mut [&mut carol]);
    let mut other = Client::join(&server, "N2", "NEUTRAL-2");
    anon.expect("N2");
    fence(&mut other, &mut [&mut anon]);
    fence(&mut Client::join_to(&server, "red", "A", "ALICE").named(&mut bob), &mut [&mut bob]);
}

/// Takes the newcomer's SA in where it is seen.
trait Named {
    fn named(self, seen_by: &mut Client) -> Self;
}

impl Named for Client {
    fn named(self, seen_by: &mut Client) -> Self {
        seen_by.expect(&self.uid);
        self
    }
}

#[test]
fn line_41_groups_are_listed_for_the_operator() {
    let server = start();
    let _both = Client::join_to(&server, "both", "A", "ALICE");
    let groups = &server.client("A")["groups"];
    assert_eq!(groups, &serde_json::json!({"in": ["red", "blue"], "out": ["red", "blue"]}));
}

#[test]
fn a_destination_group_narrows_the_broadcast() {
    let server = start();
    let mut red = Client::join_to(&server, "red", "R", "RED");
    let mut blue = Client::join_to(&server, "blue", "U", "BLUE");
    let mut both = Client::join_to(&server, "both", "A", "ALICE");
    red.expect("A");
    blue.expect("A");
    both.send(&marker_to("r", r#"<dest group="red"/>"#));
    red.expect("r");
    both.send(&marker_to("u", r#"<dest group="blue"/>"#));
    blue.expect("u");
    both.send(&marker_to("ru", r#"<dest group="blue"/><dest group="red"/>"#));
    red.expect("ru");
    blue.expect("ru");
    // Who is not in it is refused, and nobody else gets it instead.
    red.send(&marker_to("foreign", r#"<dest group="blue"/>"#));
    red.send(&marker_to("unknown", r#"<dest group="green"/>"#));
    red.sync();
    assert_eq!(no_reach(&server), 2.0);
    fence(&mut both, &mut [&mut red, &mut blue]);
}

#[test]
fn rule_63_a_chat_to_somebody_out_of_reach_fails() {
    let server = start();
    let mut alice = Client::join_to(&server, "red", "A", "ALICE");
    let mut carol = Client::join_to(&server, "blue", "C", "CAROL");
    alice.send(&chat(("A", "ALICE"), "C", "CAROL", "RootContactGroup", "m1", r#"<dest callsign="CAROL"/>"#));
    let failed = alice.next();
    assert_eq!((failed.kind(), failed.uid()), ("b-t-f-s", "GeoChat.A.C.m1"));
    // Without <marti>, by uid, the same; a room of everybody stays in the group.
    alice.send(&chat(("A", "ALICE"), "C", "CAROL", "RootContactGroup", "m2", ""));
    assert_eq!(alice.next().kind(), "b-t-f-s");
    alice.send(&chat(("A", "ALICE"), "All Chat Rooms", "All Chat Rooms", "RootContactGroup", "m3", ""));
    alice.sync();
    let mut both = Client::join_to(&server, "both", "X", "BOTH");
    carol.expect("X");
    fence(&mut both, &mut [&mut carol]);
}

#[test]
fn rule_43_the_goodbye_goes_where_the_position_went() {
    let server = start();
    let mut red = Client::join_to(&server, "red", "R", "RED");
    let mut blue = Client::join_to(&server, "blue", "U", "BLUE");
    let mut both = Client::join_to(&server, "both", "A", "ALICE");
    both.send(&sa("A2", "RADIO"));
    for client in [&mut red, &mut blue] {
        client.expect("A");
        client.expect("A2");
    }
    drop(both);
    for client in [&mut red, &mut blue] {
        let uids = [client.next(), client.next()].map(|e| e.detail("link").unwrap().attr("uid").to_owned());
        assert_eq!(uids, ["A", "A2"]);
    }
}

#[test]
fn who_has_no_groups_is_refused() {
    let server = Server::build().listener("none", "cot_tcp", "default_groups = []").start();
    let mut stranger = Client::to(server.address("none"), "stranger");
    assert!(stranger.bytes_until_close().is_empty());
    server.wait_log(|l| l["event"] == "net.refused" && l["listener"] == "none");
}
