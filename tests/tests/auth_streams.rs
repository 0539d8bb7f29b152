//! `<auth>` on streams (cot.md RULE-14, 15, identity.md 6.3): who must log in, who may, what happens to the rest; the role
//! readonly; accounts that are switched off while their users are connected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::accounts_bed;

use accounts_bed::{PASSWORD, admin, group, join, log, user};
use fts_tests::{Client, Pki, Server, fence, marker, marker_to, sa};
use serde_json::json;

fn start() -> Server {
    let server = Server::build()
        .tls()
        .listener("must", "cot_tcp", "auth = \"required\"")
        .listener("may", "cot_tcp", "auth = \"optional\"")
        .listener("pw", "cot_tls", "client_cert = \"required\"\nauth = \"password\"")
        .listener("either", "cot_tls", "client_cert = \"optional\"\nauth = \"required\"")
        .set("stream.limits.auth_wait", "\"1s\"")
        .set("log.level", "\"debug\"")
        .start();
    user(&server, "alice", "user", &[]);
    server
}

fn auth(user: &str, password: &str) -> String {
    format!(r#"<auth><cot username="{user}" password="{password}" uid="ANDROID-1" callsign="A"/></auth>"#)
}

fn to(server: &Server, listener: &str) -> Client {
    Client::to(server.address(listener), listener)
}

#[test]
fn rule_14_required_demands_auth_and_goes_on_behind_it() {
    let server = start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut alice = to(&server, "must");
    // In one write: what stands behind the element is not lost.
    alice.send(&format!("{}{}", auth("ALICE", PASSWORD), sa("A", "ALICE")));
    assert_eq!(bob.expect("A").kind(), "a-f-G-U-C");
    let mut alice = alice.greeted();
    alice.expect("B");
    assert_eq!(server.client("A")["user"], "alice", "as the account is written");
    alice.send(&marker("m"));
    bob.expect("m");
    // Later ones are skipped, whatever they say.
    alice.send(&auth("alice", "wrong"));
    alice.send(&marker("n"));
    bob.expect("n");
}

#[test]
fn rule_14_nothing_is_sent_to_who_has_not_logged_in() {
    let server = start();
    let mut bob = Client::join(&server, "B", "BOB");
    for first in [
        auth("alice", "wrong password"),
        auth("nobody", PASSWORD),
        auth("alice", ""),
        auth("", PASSWORD),
        "<auth></auth>".into(),
        sa("X", "EVIL"),
        "no auth at all".into(),
        format!("<auth>{}", "x".repeat(5_000)),
        format!("{}{}", sa("X", "EVIL"), auth("alice", PASSWORD)),
    ] {
        let mut stranger = to(&server, "must");
        stranger.send(&first);
        assert_eq!(stranger.bytes_until_close(), b"", "{first:.60}");
    }
    let mut silent = to(&server, "must");
    assert_eq!(silent.bytes_until_close(), b"", "nothing within auth_wait");
    let mut half = to(&server, "must");
    half.send("<auth><cot username=");
    assert_eq!(half.bytes_until_close(), b"");
    let mut carol = Client::join(&server, "C", "CAROL");
    bob.expect("C");
    fence(&mut carol, &mut [&mut bob]);
    let rows = server.admin("GET", "/admin/audit?action=auth.failed", "").json();
    let users: Vec<_> = rows.as_array().unwrap().iter().map(|r| (r["subject"].clone(), r["ip"].clone())).collect();
    assert_eq!(
        users,
        [(json!("nobody"), json!("127.0.0.1")), (json!("alice"), json!("127.0.0.1"))],
        "user and address"
    );
    let log = log(&server);
    assert!(log.contains("net.refused") && !log.contains(PASSWORD) && !log.contains("wrong password"), "no password");
}

#[test]
fn rule_14_optional_lets_everybody_in_and_logs_in_who_says_so() {
    let server = start();
    group(&server, "Blue");
    user(&server, "blue", "user", &["Blue"]);
    let mut anon = to(&server, "may").greeted().identify("N", "NOBODY");
    assert_eq!(server.client("N")["user"], "anonymous");
    let mut wrong = to(&server, "may").greeted();
    wrong.send(&auth("alice", "wrong password"));
    wrong.expect_close();
    let mut peer = to(&server, "must");
    peer.send(&format!("{}{}", auth("blue", PASSWORD), sa("P", "PEER")));
    let mut peer = peer.greeted();
    // Before it logs in it is in __ANON__; behind `<auth>` it is in Blue, and sees who is there.
    let mut blue = to(&server, "may");
    blue.send(&format!("{}{}", auth("blue", PASSWORD), sa("U", "BLUE")));
    assert_eq!(peer.expect("U").kind(), "a-f-G-U-C");
    let (seen, _) = blue.until(|e| e.uid() == "P");
    assert_eq!(seen.kind(), "a-f-G-U-C");
    assert_eq!(server.client("U")["user"], "blue");
    assert_eq!(server.client("U")["groups"], json!({"in": ["Blue"], "out": ["Blue"]}));
    blue.send(&marker("secret"));
    peer.expect("secret");
    let mut other = Client::join(&server, "O", "OTHER");
    anon.expect("O");
    fence(&mut other, &mut [&mut anon]);
}

#[test]
fn rule_14_none_skips_auth_whatever_it_says() {
    let server = start();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut anon = Client::connect(&server);
    anon.send(&format!("{}{}", auth("alice", "wrong password"), sa("A", "ALICE")));
    bob.expect("A");
    assert_eq!(server.client("A")["user"], "anonymous");
    assert_eq!(server.admin("GET", "/admin/audit?action=auth.*", "").json(), json!([]), "no oracle, no guess");
}

#[test]
fn rule_14_a_certificate_is_enough_where_auth_is_required_and_not_where_a_password_is() {
    let server = start();
    let (ca, pki) = (server.data_dir().join("certs/ca.pem"), Pki::issue(&server, "phone"));
    let config = || pki.client(&ca, &[&rustls::version::TLS13]);
    let _with = Client::tls(&server, "either", config()).unwrap().greeted().identify("E", "EITHER");
    assert_eq!(server.client("E")["user"], "phone");
    let mut without = Client::tls(&server, "either", fts_tests::stranger(&ca)).unwrap();
    without.send(&format!("{}{}", auth("alice", PASSWORD), sa("W", "WITHOUT")));
    let _without = without.greeted();
    server.eventually("alice is there", || server.client("W")["user"] == "alice");
    let mut demanded = Client::tls(&server, "pw", config()).unwrap();
    demanded.send(&sa("D", "DEMANDED"));
    assert_eq!(demanded.bytes_until_close(), b"");
    let mut given = Client::tls(&server, "pw", config()).unwrap();
    given.send(&format!("{}{}", auth("alice", PASSWORD), sa("G", "GIVEN")));
    let _given = given.greeted();
    server.eventually("alice, not phone", || server.client("G")["user"] == "alice");
}

#[test]
fn rule_15_a_password_is_compared_unescaped() {
    let server = start();
    let odd = r#"a<b>&"c'd ü 123"#;
    let body = json!({"name": "odd", "password": odd});
    assert_eq!(server.admin("POST", "/admin/users", &body.to_string()).status, 201);
    let mut client = to(&server, "must");
    client.send(&auth("odd", "a&lt;b&gt;&amp;&quot;c&apos;d &#xfc; 123"));
    client.greeted().identify("O", "ODD");
    assert_eq!(server.client("O")["user"], "odd");
}

#[test]
fn an_account_that_is_switched_off_ends_its_connections_and_gets_in_no_more() {
    let server = start();
    let pki = Pki::issue(&server, "alice");
    let mut one = join(&server, &pki, "A1");
    let mut two = to(&server, "must");
    two.send(&format!("{}{}", auth("alice", PASSWORD), sa("A2", "TWO")));
    let mut two = two.greeted();
    let mut bob = Client::join(&server, "B", "BOB");
    admin(&server, "PUT", "/admin/users/alice", &json!({"disabled": true}));
    one.expect_close();
    two.expect_close();
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "A1" && l["reason"] == "account-disabled");
    let gone: Vec<_> = (0..2).map(|_| bob.until(|e| e.kind() == "t-x-d-d").0).collect();
    let mut uids: Vec<_> = gone.iter().map(|e| e.detail("link").unwrap().attr("uid").to_owned()).collect();
    uids.sort();
    assert_eq!(uids, ["A1", "A2"]);
    let ca = server.data_dir().join("certs/ca.pem");
    let mut again = Client::tls(&server, "cot_tls", pki.client(&ca, &[&rustls::version::TLS13])).unwrap();
    assert_eq!(again.bytes_until_close(), b"");
    admin(&server, "PUT", "/admin/users/alice", &json!({"disabled": false}));
    join(&server, &pki, "A1");
}

#[test]
fn a_changed_password_ends_the_streams_that_came_in_by_it_and_no_others() {
    let server = start();
    let mut by_certificate = join(&server, &Pki::issue(&server, "alice"), "A1");
    let mut by_password = to(&server, "must");
    by_password.send(&format!("{}{}", auth("ALICE", PASSWORD), sa("A2", "TWO")));
    let mut by_password = by_password.greeted();
    // Logged in on a connection that was nobody's.
    let mut later = to(&server, "may");
    later.send(&format!("{}{}", auth("alice", PASSWORD), sa("A3", "THREE")));
    let mut later = later.greeted();
    let mut bob = Client::join(&server, "B", "BOB");
    user(&server, "carol", "user", &[]);
    let mut carol = to(&server, "must");
    carol.send(&format!("{}{}", auth("carol", PASSWORD), sa("C", "CAROL")));
    let mut carol = carol.greeted();
    server.eventually("all are there", || ["A2", "A3", "C"].iter().all(|uid| server.client(uid)["user"].is_string()));
    let told = admin(&server, "PUT", "/admin/users/alice/password", &json!({"password": "battery staple"}));
    assert_eq!(told["streams_ended"], 2, "{told}");
    by_password.expect_close();
    later.expect_close();
    for uid in ["A2", "A3"] {
        server
            .wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == uid && l["reason"] == "password-changed");
    }
    // Who did not need it stays, and so does everybody else.
    by_certificate.sync();
    carol.sync();
    bob.sync();
    let rows = server.admin("GET", "/admin/audit?action=user.*&who=alice", "").json();
    let actions: Vec<_> = rows.as_array().unwrap().iter().take(2).map(|r| r["action"].as_str().unwrap()).collect();
    assert_eq!((actions, &rows[0]["detail"]["streams"]), (vec!["user.streams_ended", "user.password"], &json!(2)));
    // The old one opens nothing, the new one does; nothing is said of either.
    let mut old = to(&server, "must");
    old.send(&auth("alice", PASSWORD));
    assert_eq!(old.bytes_until_close(), b"");
    let mut new = to(&server, "must");
    new.send(&format!("{}{}", auth("alice", "battery staple"), sa("A4", "FOUR")));
    new.greeted().sync();
    assert!(!log(&server).contains("battery staple"));
    // The TAK API's way does the same.
    let told = admin(&server, "PUT", "/admin/users/carol/password", &json!({"password": PASSWORD}));
    assert_eq!(told["streams_ended"], 1, "the same again is another one, too");
    carol.expect_close();
}

#[test]
fn a_user_of_the_role_readonly_receives_and_never_sends() {
    let server = start();
    user(&server, "eye", "readonly", &[]);
    let mut bob = Client::join(&server, "B", "BOB");
    let mut eye = join(&server, &Pki::issue(&server, "eye"), "EYE");
    eye.expect("B");
    eye.send(&marker("m"));
    eye.send(&marker_to("d", r#"<dest callsign="BOB"/>"#));
    eye.sync();
    // It can be found, and is written to.
    bob.send(&marker_to("for-eye", r#"<dest uid="EYE"/>"#));
    eye.expect("for-eye");
    bob.send(&marker("all"));
    eye.expect("all");
    let mut carol = Client::join(&server, "C", "CAROL");
    bob.expect("C");
    assert_eq!(carol.next().uid(), "B", "who comes later is not shown it either");
    fence(&mut carol, &mut [&mut bob]);
    assert!(server.metric("fts_cot_rejected_total", &[r#"reason="readonly""#]) >= 2.0);
    // The role is looked at now, not at the next connection.
    admin(&server, "PUT", "/admin/users/eye", &json!({"role": "user"}));
    eye.send(&marker("seen"));
    assert_eq!(bob.until(|e| e.uid() == "seen").0.uid(), "seen");
}

#[test]
fn unknown_certificates_are_refused_where_they_must_be_users() {
    let server = Server::build().tls().set("auth.allow_unknown_cn", "false").start();
    user(&server, "alice", "user", &[]);
    let ca = server.data_dir().join("certs/ca.pem");
    let stranger = Pki::issue(&server, "stranger");
    let mut refused = Client::tls(&server, "cot_tls", stranger.client(&ca, &[&rustls::version::TLS13])).unwrap();
    assert_eq!(refused.bytes_until_close(), b"");
    server.wait_log(|l| l["event"] == "net.refused" && l["user"] == "stranger");
    join(&server, &Pki::issue(&server, "alice"), "A");
}
