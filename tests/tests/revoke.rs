//! Revocation (identity.md 3.5, 12 line 11): whoever is revoked is out within a second and stays out, on streams and on
//! HTTP; nobody else notices. The CRL says so to others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use fts_tests::{Client, DEADLINE, Pki, Reply, Server, Web, Wire, fence, marker};
use rustls::{ALL_VERSIONS, ClientConfig, version};

fn ca(server: &Server) -> PathBuf {
    server.data_dir().join("certs/ca.pem")
}

fn stream(server: &Server, config: Arc<ClientConfig>, uid: &str) -> Client {
    Client::tls(server, "cot_tls", config).unwrap().greeted().identify(uid, uid)
}

fn refused(server: &Server, config: Arc<ClientConfig>) -> bool {
    match Client::tls(server, "cot_tls", config) {
        Err(_) => true,
        Ok(mut client) => client.next_within(DEADLINE).is_err_and(|why| !why.starts_with("timeout")),
    }
}

fn serial(server: &Server, name: &str) -> String {
    let listed = server.cli_json(&["cert", "list", "--user", name]);
    listed[0]["serial"].as_str().unwrap().to_owned()
}

#[test]
fn id12_11_who_is_revoked_is_out_within_a_second_and_stays_out() {
    let server = Server::build().secure().start();
    let pki = Pki::issue(&server, "alice");
    let bob = Pki::issue(&server, "bob").client(&ca(&server), ALL_VERSIONS);
    // One configuration keeps its session tickets: coming back with one must not help.
    let [old, new] = [&version::TLS12, &version::TLS13].map(|v| pki.client(&ca(&server), &[v]));
    let mut bob = stream(&server, bob, "BOB");
    let mut alices = [stream(&server, old.clone(), "A12"), stream(&server, new.clone(), "A13")];
    alices.iter_mut().for_each(|alice| {
        bob.until(|e| e.uid() == alice.port().to_string() || e.kind().starts_with("a-"));
        alice.sync();
    });
    let began = Instant::now();
    let out = server.cli(&[
        "cert",
        "revoke",
        "--serial",
        &serial(&server, "alice").to_uppercase(),
        "--reason",
        "keyCompromise",
    ]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && said.contains("revoked: 1"), "{said}{}", String::from_utf8_lossy(&out.stderr));
    let answered = Instant::now();
    for alice in &mut alices {
        alice.expect_close();
    }
    assert!(answered.elapsed() < Duration::from_secs(1), "{:?} after the answer", answered.elapsed());
    eprintln!("closed {:?} after the command began", began.elapsed());
    for config in [old, new, pki.client(&ca(&server), ALL_VERSIONS)] {
        assert!(refused(&server, config));
    }
    server.wait_log(|l| l["event"] == "tls.handshake_failed" && l["reason"] == "bad_certificate");
    server.wait_log(|l| l["event"] == "client.disconnected" && l["reason"] == "certificate-revoked");
    let line = server.wait_log(|l| l["event"] == "cert.revoked");
    assert_eq!((&line["user"], &line["reason"]), (&"alice".into(), &"keyCompromise".into()));
    // Bob hears that they are gone, and nothing else has changed for him.
    bob.until(|e| e.kind() == "t-x-d-d");
    bob.sync();
    let mut carol = stream(&server, Pki::issue(&server, "carol").client(&ca(&server), ALL_VERSIONS), "CAROL");
    bob.send(&marker("still-here"));
    carol.until(|e| e.uid() == "still-here");
    fence(&mut bob, &mut [&mut carol]);
    // A second time there is nothing to do, and it says so.
    let again = server.cli(&["cert", "revoke", "--user", "alice"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("already"), "{again:?}");
}

/// One request on a connection that stays open.
fn keep(wire: &mut Box<dyn Wire>) -> Reply {
    wire.write_all(b"GET /Marti/api/version HTTP/1.1\r\nhost: tak\r\n\r\n").unwrap();
    wire.flush().unwrap();
    Reply::read(&mut **wire, false)
}

/// Reads until the connection ends.
fn ended(wire: &mut Box<dyn Wire>) -> Duration {
    let began = Instant::now();
    let mut rest = [0; 64];
    while matches!(wire.read(&mut rest), Ok(n) if n > 0) {}
    began.elapsed()
}

#[test]
fn http_connections_end_too_and_certadmin_revokes() {
    let server = Server::build().secure().start();
    let made = server.cli(&["user", "add", "boss", "--role", "admin", "--password", "correct horse battery"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let web = |name: &str| Web::tls(&server, "marti_https", Some(&Pki::issue(&server, name)));
    let (boss, alice, bob) = (web("boss"), web("alice"), web("bob"));
    let (mut a, mut b) = (alice.open(), bob.open());
    assert_eq!((keep(&mut a).status, keep(&mut b).status), (200, 200));
    alice.get("/Marti/api/certadmin/cert").expect(403);
    let listed = boss.get("/Marti/api/certadmin/cert?username=alice").expect(200).json();
    assert_eq!((&listed["type"], listed["data"].as_array().unwrap().len()), (&"TakCert".into(), 1));
    let item = &listed["data"][0];
    let hash = item["hash"].as_str().unwrap();
    assert_eq!((&item["userDn"], &item["token"]), (&"alice".into(), &"".into()));
    assert_eq!(item["serialNumber"].as_str().unwrap(), serial(&server, "alice"));
    for time in ["issuanceDate", "expirationDate", "effectiveDate"] {
        let time = item[time].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    }
    assert!(item["revocationDate"].is_null());
    let pem = boss.get(&format!("/Marti/api/certadmin/cert/{hash}/download")).expect(200).text();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    let gone = boss.delete(&format!("/Marti/api/certadmin/cert/{hash}")).expect(200).json();
    assert!(gone["data"]["revocationDate"].is_string(), "{gone}");
    let waited = ended(&mut a);
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    assert_eq!(keep(&mut b).status, 200, "nobody else");
    let in_list =
        |state: &str| boss.get(&format!("/Marti/api/certadmin/cert/{state}")).expect(200).json()["data"].clone();
    assert_eq!(in_list("revoked")[0]["hash"].as_str().unwrap(), hash);
    assert!(in_list("active").as_array().unwrap().iter().all(|c| c["hash"].as_str().unwrap() != hash));
    assert!(in_list("expired").as_array().unwrap().is_empty() && in_list("replaced").as_array().unwrap().is_empty());
    // By numbers, as TAK Server's page does; "delete" revokes what has not ended.
    let id = |user: &str| {
        let list = boss.get(&format!("/Marti/api/certadmin/cert?username={user}")).expect(200).json();
        list["data"][0]["id"].as_i64().unwrap()
    };
    boss.delete(&format!("/Marti/api/certadmin/cert/delete/{}", id("bob"))).expect(200);
    assert!(ended(&mut b) < Duration::from_secs(1));
    assert_eq!(in_list("revoked").as_array().unwrap().len(), 2);
    boss.delete("/Marti/api/certadmin/cert/revoke/x").expect(400);
    boss.delete("/Marti/api/certadmin/cert/revoke/99999").expect(404);
    boss.get("/Marti/api/certadmin/cert/00").expect(404);
}

fn openssl(dir: &Path, args: &str) -> (bool, String) {
    let out = Command::new("openssl").args(args.split(' ')).current_dir(dir).output().expect("openssl is needed here");
    (out.status.success(), format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)))
}

#[test]
fn the_crl_is_open_to_everybody_and_lists_what_is_revoked() {
    let server = Server::build().secure().start();
    let alice = Pki::issue(&server, "alice");
    let serial = serial(&server, "alice");
    let path = "/Marti/api/tls/crl";
    let fetch = |web: Web| {
        let reply = web.get(path).expect(200);
        assert_eq!(reply.header("content-type"), Some("application/pkix-crl"));
        fs::write(server.dir().join("c.der"), &reply.body).unwrap();
        let (ok, text) = openssl(server.dir(), "crl -inform der -in c.der -noout -text -CAfile data/certs/ca.pem");
        assert!(ok && text.contains("verify OK") && text.contains("Version 2"), "{text}");
        text
    };
    let number = |text: &str| {
        let (_, rest) = text.split_once("X509v3 CRL Number:").unwrap();
        i64::from_str_radix(rest.trim().lines().next().unwrap().trim().trim_start_matches("0x"), 16).unwrap()
    };
    let everywhere = || {
        let bob = Pki::issue(&server, "bob");
        [
            Web::plain(&server, "marti_http"),
            Web::tls(&server, "marti_https", Some(&bob)),
            Web::tls(&server, "enrollment", None),
        ]
        .map(fetch)
    };
    let before = everywhere();
    assert!(before.iter().all(|text| text.contains("No Revoked Certificates")));
    let out = server.cli(&["cert", "revoke", "--cn", "alice"]);
    assert!(out.status.success(), "{out:?}");
    let after = everywhere();
    for text in &after {
        assert!(text.contains(&serial.to_uppercase()) && number(text) > number(&before[0]), "{text}");
    }
    let (ok, said) = openssl(
        server.dir(),
        &format!(
            "verify -crl_check -CRLfile data/certs/crl.pem -CAfile data/certs/ca.pem {}",
            alice.file("pem").display()
        ),
    );
    assert!(!ok && said.contains("certificate revoked"), "{said}");
    let exported = server.dir().join("exported.crl");
    assert!(server.cli(&["cert", "export", "crl", "--out", exported.to_str().unwrap()]).status.success());
    assert_eq!(fs::read(exported).unwrap(), fs::read(server.data_dir().join("certs/crl.pem")).unwrap());
}

#[test]
fn without_a_server_the_commands_work_on_the_data_and_the_next_start_knows() {
    let mut server = Server::build().tls().start();
    let (alice, bob) = (Pki::issue(&server, "alice"), Pki::issue(&server, "bob"));
    assert!(server.stop().success());
    let out = server.cli(&["cert", "revoke", "--user", "alice", "--reason", "superseded"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let offline = Pki::issue(&server, "carol");
    assert_eq!(server.cli_json(&["cert", "list", "--state", "revoked"]).as_array().unwrap().len(), 1);
    assert_eq!(server.cli_json(&["cert", "list"]).as_array().unwrap().len(), 3);
    let server = Server::build().tls().again(&server).start();
    let config = |pki: &Pki| pki.client(&ca(&server), ALL_VERSIONS);
    assert!(refused(&server, config(&alice)));
    stream(&server, config(&bob), "BOB").sync();
    stream(&server, config(&offline), "CAROL").sync();
}
