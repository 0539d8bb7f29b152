//! `fts cert ca-intermediate` and certificates for links between servers (identity.md 3.2): clients stay connected and come
//! back, what the root issued is revoked as before, the root's key can be taken away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::accounts_bed;

use accounts_bed::{PASSWORD, door, join, user};
use fts_tests::{Client, DEADLINE, Pki, Server, openssl};
use serde_json::json;

#[test]
fn id3_2_an_intermediate_ca_of_the_running_server_changes_nothing_for_clients() {
    let mut server = Server::build().secure().start();
    user(&server, "alice", "user", &[]);
    let (old_phone, ca) = (Pki::issue(&server, "alice"), server.data_dir().join("certs/ca.pem"));
    let known = server.dir().join("known.pem");
    std::fs::copy(&ca, &known).unwrap();
    let mut phone = join(&server, &old_phone, "A");
    let made = server.cli_json(&["cert", "ca-intermediate"]);
    assert_eq!(made["authorities"].as_array().map(Vec::len), Some(2), "{made}");
    let key = made["root_key"].as_str().unwrap().to_owned();
    phone.sync();
    // Who knows the root only gets in, with what the root issued and with what is issued now.
    let tls = |pki: &Pki| pki.client(&known, &[&rustls::version::TLS13]);
    let bob = Pki::issue(&server, "bob");
    for (pki, uid) in [(&old_phone, "A2"), (&bob, "B")] {
        Client::tls(&server, "cot_tls", tls(pki)).unwrap().greeted().identify(uid, uid);
    }
    let said = String::from_utf8(server.cli(&["cert", "list"]).stdout).unwrap();
    assert!(said.contains("bob") && said.contains("alice"), "{said}");
    // An enrolment gets both CAs.
    let config = door(&server).basic("alice", PASSWORD).get("/Marti/api/tls/config").expect(200).text();
    assert!(config.contains("certificateConfig"));
    // Without the root's key the server starts, and still refuses what is revoked of the root's.
    assert!(server.cli(&["cert", "revoke", "--user", "alice"]).status.success());
    phone.expect_close();
    std::fs::rename(&key, server.dir().join("safe.key")).unwrap();
    assert!(server.stop().success());
    let server = Server::build().secure().again(&server).start();
    let mut refused = Client::tls(&server, "cot_tls", tls(&old_phone)).unwrap();
    assert!(refused.next_within(DEADLINE).is_err_and(|why| !why.starts_with("timeout")));
    Client::tls(&server, "cot_tls", tls(&bob)).unwrap().greeted().identify("B", "BOB");
    let again = server.cli(&["cert", "ca-intermediate"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && said.contains("put it back"), "{said}");
    assert!(server.metric("fts_certificate_expiry_seconds", &["kind=\"ca\""]) < 1_826.0 * 86_400.0);
    let audit = server.admin("GET", "/admin/audit?action=cert.ca_intermediate", "").json();
    assert_eq!(audit.as_array().map(Vec::len), Some(1), "{audit}");
}

#[test]
fn id3_2_certificates_for_federation_and_for_devices_that_are_named() {
    let server = Server::build().tls().set("enrollment.uid_in_san", "true").start();
    let out = server.dir().join("link");
    let made =
        server.cli(&["cert", "issue", "north.example.org", "--kind", "federation", "--out", out.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let pem = out.join("north.example.org.pem");
    let text = openssl(&["x509", "-in", pem.to_str().unwrap(), "-noout", "-text"]).unwrap();
    assert!(text.contains("TLS Web Server Authentication, TLS Web Client Authentication"), "{text}");
    assert!(text.contains("DNS:north.example.org"), "{text}");
    let listed = server.cli_json(&["cert", "list"]);
    let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|c| c["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["federation"]);
    let body = json!({"name": "alice", "client_uid": "ANDROID-77"}).to_string();
    let issued = server.admin("POST", "/admin/certs", &body).json();
    let file = server.dir().join("alice.pem");
    std::fs::write(&file, issued["cert_pem"].as_str().unwrap()).unwrap();
    let text = openssl(&["x509", "-in", file.to_str().unwrap(), "-noout", "-text"]).unwrap();
    assert!(text.contains("email:ANDROID-77"), "{text}");
    let refused = server.admin("POST", "/admin/certs", &json!({"name": "x", "kind": "ca"}).to_string());
    assert_eq!(refused.status, 400);
}
