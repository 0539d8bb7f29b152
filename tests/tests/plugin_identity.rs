//! What plugins are told of users, and what they may have made for them (plugins.md 1.3, users / certs): roles in the
//! source of events, accounts and groups, certificates, secrets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::{accounts_bed, plugin_bed};

use accounts_bed::{PASSWORD, group, log, user};
use fts_tests::{Client, Server, event, sa};
use plugin_bed::{Asks, probe};
use serde_json::{Value, json};

fn identity(server: &Server, ask: Value) -> Value {
    server.probe(json!({"do": "identity", "ask": ask}))
}

fn start() -> Server {
    let server = probe("").tls().listener("must", "cot_tcp", "auth = \"required\"").start();
    group(&server, "red");
    user(&server, "alice", "admin", &["red"]);
    user(&server, "bob", "user", &["red:in"]);
    user(&server, "carol", "readonly", &[]);
    server
}

#[test]
fn the_source_of_an_event_says_the_role_of_its_user_also_after_a_crash() {
    let mut server = start();
    for (name, uid) in [("alice", "A"), ("bob", "B")] {
        let mut client = Client::to(server.address("must"), "must");
        client.send(&format!(
            "<auth><cot username=\"{name}\" password=\"{PASSWORD}\" uid=\"{uid}\" callsign=\"{uid}\"/></auth>"
        ));
        client.send(&sa(uid, uid));
        client.send(&event(&format!("of-{name}"), "b-m-p-s-m", "<watch/><probe tap=\"note\"/>"));
        server.eventually("it was observed", || server.saw("reliable").contains(&format!("of-{name}")));
    }
    let mut nobody = Client::join(&server, "N", "NOBODY");
    nobody.send(&event("of-nobody", "b-m-p-s-m", "<watch/><probe tap=\"note\"/>"));
    server.eventually("it was observed", || server.saw("reliable").contains(&"of-nobody".to_owned()));
    let role = |what: &str, uid: &str, at: &str| {
        let note = server.diary(what).into_iter().find(|n| n["uid"] == uid).unwrap();
        note.pointer(at).unwrap().as_str().unwrap().to_owned()
    };
    for (uid, wanted) in [("of-alice", "Admin"), ("of-bob", "User"), ("of-nobody", "Anonymous")] {
        assert_eq!(role("reliable", uid, "/route/source/role"), wanted, "{uid}, observed");
        assert_eq!(role("intercept", uid, "/from/role"), wanted, "{uid}, intercepted");
    }
    // Given again after a crash: the journal knows the user, and the user has a role.
    server.probe(json!({"do": "pause", "before": "watch", "stubborn": true}));
    let mut alice = Client::to(server.address("must"), "must");
    alice.send(&format!("<auth><cot username=\"alice\" password=\"{PASSWORD}\" uid=\"A2\" callsign=\"A2\"/></auth>"));
    alice.send(&sa("A2", "A2"));
    alice.send(&event("again", "b-m-p-s-m", "<watch do=\"wait\"/>"));
    server.wait_paused();
    server.kill();
    let server = probe("").tls().listener("must", "cot_tcp", "auth = \"required\"").again(&server).start();
    server.eventually("it came again", || server.saw("reliable").contains(&"again".to_owned()));
    let note = server.diary("reliable").into_iter().find(|n| n["uid"] == "again").unwrap();
    assert_eq!(
        (&note["route"]["source"]["role"], &note["route"]["replayed"]),
        (&json!("Admin"), &json!(true)),
        "{note}"
    );
}

#[test]
fn a_plugin_reads_accounts_roles_and_groups_and_no_secret() {
    let server = start();
    let users = identity(&server, json!("users"));
    let names: Vec<_> = users.as_array().unwrap().iter().map(|u| u["name"].as_str().unwrap()).collect();
    assert!(["alice", "bob", "carol"].iter().all(|name| names.contains(name)), "{names:?}");
    let bob = identity(&server, json!({"user": "bob"}));
    assert_eq!(
        (&bob["role"], &bob["in"], &bob["out"], &bob["disabled"]),
        (&json!("User"), &json!(["red"]), &json!([]), &json!(false))
    );
    assert_eq!(identity(&server, json!({"user": "carol"}))["role"], "Readonly");
    assert_eq!(identity(&server, json!({"user": "mallory"})), Value::Null);
    assert!(identity(&server, json!("groups")).as_array().unwrap().contains(&json!("red")));
    assert!(!users.to_string().contains("argon2"));
}

#[test]
fn a_certificate_a_plugin_had_made_is_listed_audited_and_good_for_its_user_only() {
    let server = start();
    let made = identity(&server, json!({"issue": ["bob", "", "ANDROID-9"]}));
    assert!(made["cert"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"), "{made}");
    assert_eq!(made["key"], true);
    assert!(made["p12"].as_u64() > Some(500) && !made["debug"].as_str().unwrap().contains("BEGIN"));
    let listed = server.cli_json(&["cert", "list"]).to_string();
    assert!(listed.contains(made["serial"].as_str().unwrap()) && listed.contains("ANDROID-9"), "{listed}");
    let audit = server.cli_json(&["audit", "--action", "cert.issued"]).to_string();
    assert!(audit.contains("plugin probe") && audit.contains("bob"), "{audit}");
    for (order, says) in
        [(json!(["mallory", "", ""]), "no user"), (json!(["bob", "../evil", ""]), "a name has 1 to 64")]
    {
        let (_, text) = server.refused(json!({"do": "identity", "ask": {"issue": order}}));
        assert!(text.contains(says), "{text}");
    }
    assert!(!log(&server).contains("PRIVATE KEY"));
}

#[test]
fn secrets_are_random_hashes_fit_their_password_and_nothing_is_in_the_log() {
    let server = start();
    let (one, two) = (identity(&server, json!({"random": 32})), identity(&server, json!({"random": 32})));
    assert!(one != two && one.as_str().unwrap().len() == 43, "{one} {two}");
    let hashed = identity(&server, json!({"hash": ["a pass phrase", "another"]}));
    assert_eq!((&hashed["same"], &hashed["other"]), (&json!(true), &json!(false)));
    assert!(hashed["hash"].as_str().unwrap().starts_with("$argon2id$"), "{hashed}");
    let bcrypt = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    for (password, hash, right) in [("U*U", bcrypt, true), ("U*u", bcrypt, false), ("U*U", "$2a$05$", false)] {
        assert_eq!(identity(&server, json!({"verify": [password, hash]})), right, "{password} {hash}");
    }
    for ask in [json!({"random": 8}), json!({"random": 1_000}), json!({"hash": ["x".repeat(2_000), ""]})] {
        server.refused(json!({"do": "identity", "ask": ask}));
    }
    assert!(!log(&server).contains("a pass phrase") && !log(&server).contains(one.as_str().unwrap()));
}

#[test]
fn without_the_capability_nothing_is_issued_and_info_tells_which_capabilities_there_are() {
    let server = fts_tests::Server::build()
        .toml("[plugins]\nenabled = [\"probe\"]\n[plugins.probe]\ncapabilities = [\"intercept\"]\n")
        .start();
    let report = server.plugin("probe")["report"].as_str().unwrap().to_owned();
    assert!(report.contains("asks for the capability") && report.contains("certs.issue"), "{report}");
    let server = probe("").start();
    assert_eq!(server.plugin("probe")["unknown_capabilities"], json!([]));
}
