//! One uid, several connections (cot.md 4.6: RULE-45 to 47, acceptance line 31).
//!
//! The newest connection wins and the old one is closed without a goodbye; users with different certificates may share
//! a cloned uid by default; the policy `reject` keeps a stranger out but never a phone that reconnects. State belongs
//! to connections: whatever happens to the old one touches nothing of the new one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::sync::Arc;

use fts_tests::{Client, Pki, Server, fence, join_all, marker, marker_to, sa};

/// A server with TLS and certificates for two users.
fn with_users(policy: &str) -> (Server, [Arc<rustls::ClientConfig>; 2]) {
    let server = Server::build().tls().set("cot.duplicate_uid", &format!("{policy:?}")).start();
    let ca = server.data_dir().join("certs/ca.pem");
    let user = |name: &str| Pki::issue(&server, name).client(&ca, rustls::ALL_VERSIONS);
    let users = [user("ann"), user("ben")];
    (server, users)
}

fn tls(server: &Server, user: &Arc<rustls::ClientConfig>) -> Client {
    Client::tls(server, "cot_tls", user.clone()).unwrap().greeted()
}

/// So many connections ended for this reason; counted a moment after the socket is closed.
fn ended(server: &Server, reason: &str, times: f64) {
    let count = || server.metric("fts_client_disconnects_total", &[&format!("reason={reason:?}")]);
    server.eventually(reason, || count() >= times);
    assert_eq!(count(), times);
}

#[test]
fn line_31_a_reconnect_replaces_the_half_open_connection_in_silence() {
    let server = Server::start();
    let [mut old, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let mut new = Client::join(&server, "A", "ALICE");
    bob.expect("A");
    bob.send(&marker_to("by-uid", r#"<dest uid="A"/>"#));
    bob.send(&marker_to("by-callsign", r#"<dest callsign="ALICE"/>"#));
    // At connect nobody knows who it will be: its last SA may be among what it is shown, its goodbye never is.
    let (_, shown) = new.until(|e| e.uid() == "by-uid");
    assert!(shown.iter().all(|e| e.kind() == "a-f-G-U-C"), "no goodbye of itself: {shown:?}");
    new.expect("by-callsign");
    // The old one was closed by the server and got none of it.
    let left = old.rest();
    assert!(left.iter().all(|e| e.uid() == "A"), "{left:?}");
    ended(&server, "replaced", 1.0);
    // What happens to its socket now is nobody's business (RULE-47).
    old.reset();
    let mut carol = Client::join(&server, "C", "CAROL");
    bob.expect("C");
    new.expect("C");
    let mut shown = [carol.next().uid().to_owned(), carol.next().uid().to_owned()];
    shown.sort();
    assert_eq!(shown, ["A", "B"], "A is still shown to newcomers");
    carol.send(&marker_to("still", r#"<dest uid="A"/>"#));
    new.expect("still");
    fence(&mut carol, &mut [&mut bob, &mut new]);
}

#[test]
fn rule_43_the_last_connection_of_a_uid_says_goodbye() {
    let server = Server::start();
    let [_old, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let new = Client::join(&server, "A", "ALICE");
    bob.expect("A");
    drop(new);
    let notice = bob.next();
    assert_eq!((notice.kind(), notice.detail("link").unwrap().attr("uid")), ("t-x-d-d", "A"));
    let mut carol = Client::join(&server, "C", "CAROL");
    bob.expect("C");
    fence(&mut carol, &mut [&mut bob]);
}

#[test]
fn rule_45_different_users_may_share_a_cloned_uid() {
    let (server, [ann, ben]) = with_users("auto");
    let mut bob = Client::join(&server, "B", "BOB");
    let mut one = tls(&server, &ann).identify("A", "ALICE");
    let mut two = tls(&server, &ben).identify("A", "ALICE");
    bob.expect("A");
    bob.expect("A");
    bob.send(&marker_to("both", r#"<dest uid="A"/>"#));
    for client in [&mut one, &mut two] {
        client.until(|e| e.uid() == "both");
    }
    // Two connections of one uid hear each other (RULE-58).
    one.send(&marker("from-one"));
    two.expect("from-one");
    bob.expect("from-one");
    drop(one);
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "A");
    fence(&mut two, &mut [&mut bob]);
    drop(two);
    assert_eq!(bob.next().kind(), "t-x-d-d", "the goodbye comes with the last one");
}

#[test]
fn rule_45_the_same_user_replaces_its_own_connection() {
    let (server, [ann, _]) = with_users("auto");
    let mut old = tls(&server, &ann).identify("A", "ALICE");
    let mut new = tls(&server, &ann).identify("A", "ALICE");
    old.expect_close();
    ended(&server, "replaced", 1.0);
    let mut bob = Client::join(&server, "B", "BOB");
    new.expect("A");
    new.expect("B");
    fence(&mut bob, &mut [&mut new]);
}

#[test]
fn rule_45_who_came_without_a_certificate_gives_way_but_throws_nobody_out() {
    let (server, [ann, _]) = with_users("auto");
    let mut plain = Client::join(&server, "A", "ALICE");
    let mut secure = tls(&server, &ann).identify("A", "ALICE");
    plain.expect_close();
    // A stranger on the open port cannot end Ann's connection by using her uid.
    let mut stranger = Client::join(&server, "A", "ALICE");
    let mut bob = Client::join(&server, "B", "BOB");
    bob.send(&marker_to("to-a", r#"<dest uid="A"/>"#));
    secure.until(|e| e.uid() == "to-a");
    stranger.until(|e| e.uid() == "to-a");
    ended(&server, "replaced", 1.0);
}

#[test]
fn rule_45_policy_replace_lets_the_newest_win_whoever_it_is() {
    let (server, [ann, ben]) = with_users("replace");
    let mut old = tls(&server, &ann).identify("A", "ALICE");
    let _new = tls(&server, &ben).identify("A", "ALICE");
    old.expect_close();
    ended(&server, "replaced", 1.0);
}

#[test]
fn rule_45_policy_reject_keeps_another_user_out_but_not_a_reconnect() {
    let (server, [ann, ben]) = with_users("reject");
    let mut bob = Client::join(&server, "B", "BOB");
    let mut first = tls(&server, &ann).identify("A", "ALICE");
    bob.expect("A");
    first.expect("B");
    let mut thief = tls(&server, &ben);
    thief.send(&sa("A", "THIEF"));
    thief.expect_close();
    ended(&server, "duplicate-uid", 1.0);
    fence(&mut bob, &mut [&mut first]);
    // The same user again: a phone whose old connection is half-open must get in.
    let mut again = tls(&server, &ann).identify("A", "ALICE");
    first.expect_close();
    bob.expect("A");
    bob.send(&marker_to("to-a", r#"<dest uid="A"/>"#));
    again.until(|e| e.uid() == "to-a");
    fence(&mut again, &mut [&mut bob]);
}

#[test]
fn rule_45_policy_allow_keeps_both() {
    let (server, [ann, ben]) = with_users("allow");
    let mut one = tls(&server, &ann).identify("A", "ALICE");
    let mut two = tls(&server, &ben).identify("A", "ALICE");
    let mut bob = Client::join(&server, "B", "BOB");
    bob.send(&marker_to("both", r#"<dest callsign="ALICE"/>"#));
    one.until(|e| e.uid() == "both");
    two.until(|e| e.uid() == "both");
}

#[test]
fn a_shared_uid_stays_on_the_map_when_its_last_reporter_leaves() {
    let (server, [ann, ben]) = with_users("allow");
    let mut one = tls(&server, &ann).identify("A", "ALICE");
    let mut two = tls(&server, &ben).identify("A", "ALICE");
    let mut bob = Client::join(&server, "B", "BOB");
    bob.until(|e| e.uid() == "A");
    two.finish();
    two.expect_close();
    ended(&server, "eof", 1.0);
    let mut late = Client::join(&server, "C", "COBRA");
    late.until(|e| e.uid() == "A");
    // And it is gone with the last of them.
    one.finish();
    one.expect_close();
    ended(&server, "eof", 2.0);
    bob.until(|e| e.kind() == "t-x-d-d" && e.detail("link").unwrap().attr("uid") == "A");
    let mut later = Client::join(&server, "D", "DELTA");
    let mut shown = [later.next().uid().to_owned(), later.next().uid().to_owned()];
    shown.sort();
    assert_eq!(shown, ["B", "C"]);
}

#[test]
fn rule_46_one_callsign_of_two_uids_addresses_both() {
    let server = Server::start();
    let [mut one, mut two, mut bob] = join_all(&server, [("A1", "ALICE"), ("A2", "ALICE"), ("B", "BOB")]);
    bob.send(&marker_to("both", r#"<dest callsign="ALICE"/>"#));
    one.expect("both");
    two.expect("both");
    drop(two);
    assert_eq!(one.next().kind(), "t-x-d-d");
    assert_eq!(bob.next().kind(), "t-x-d-d");
    bob.send(&marker_to("one", r#"<dest callsign="ALICE"/>"#));
    one.expect("one");
}
