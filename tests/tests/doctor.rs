//! `fts doctor`: a fresh package is good; one that a client could not connect with is not, and the rule that says why is
//! named. Every package here is one the server made, changed in one place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use fts_tests::{Package, Server, openssl};
use serde_json::Value;

fn server() -> Server {
    Server::build().secure().start()
}

fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

fn fresh(server: &Server, name: &str) -> PathBuf {
    let dir = server.dir().join("phones");
    let args = ["client", "add", name, "--host", "127.0.0.1", "--out", dir.to_str().unwrap()];
    let out = server.cli(&args);
    assert!(out.status.success(), "{}", said(&out));
    dir.join(format!("{name}-atak.zip"))
}

/// The rules that failed, and all of the report.
fn failed(server: &Server, path: &Path, more: &[&str]) -> (Vec<String>, Value) {
    let out = server.cli(&[&["doctor", path.to_str().unwrap(), "--json"], more].concat());
    let report: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&out)));
    let rules = report["rules"].as_array().unwrap().iter().filter(|r| r["verdict"] == "FAIL");
    for rule in rules.clone() {
        assert!(!rule["todo"].as_str().unwrap().is_empty(), "what to do about {rule}");
    }
    let rules: Vec<_> = rules.map(|r| r["rule"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        (out.status.code(), &report["ok"]),
        (Some(i32::from(!rules.is_empty())), &Value::Bool(rules.is_empty()))
    );
    (rules, report)
}

/// Key and certificate under this subject, by the server's CA, as FTS would write them; `days` may be negative.
fn certificate(server: &Server, days: &str) -> Vec<u8> {
    let dir = server.dir().join("by-hand");
    fs::create_dir_all(&dir).unwrap();
    let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let certs = |name: &str| server.data_dir().join("certs").join(name).to_str().unwrap().to_owned();
    openssl(&[
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=alice",
        "-keyout",
        &at("key"),
        "-out",
        &at("csr"),
    ])
    .unwrap();
    // Without extensions openssl makes version 1, which nobody takes any more.
    fs::write(at("ext"), "basicConstraints=CA:FALSE\n").unwrap();
    openssl(&[
        "x509",
        "-req",
        "-in",
        &at("csr"),
        "-CA",
        &certs("ca.pem"),
        "-CAkey",
        &certs("ca.key"),
        "-days",
        days,
        "-extfile",
        &at("ext"),
        "-out",
        &at("pem"),
    ])
    .unwrap();
    let scheme = ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"];
    let (key, pem, out) = (at("key"), at("pem"), at("p12"));
    let store = ["pkcs12", "-export", "-inkey", &key, "-in", &pem, "-out", &out, "-passout", "pass:atakatak"];
    openssl(&[&store[..], &scheme].concat()).unwrap();
    fs::read(at("p12")).unwrap()
}

#[test]
fn a_fresh_package_is_good_by_every_rule() {
    let server = server();
    let path = fresh(&server, "alice");
    let (rules, report) = failed(&server, &path, &[]);
    assert_eq!(rules, [""; 0], "{report}");
    let seen: Vec<_> = report["rules"].as_array().unwrap().iter().map(|r| r["rule"].as_str().unwrap()).collect();
    for rule in ["zip", "manifest", "preferences", "truststore", "certificate", "chain", "dates", "eku"] {
        assert!(seen.contains(&rule), "{rule}: {seen:?}");
    }
    for rule in ["reach", "handshake", "san", "cot", "api"] {
        assert!(seen.contains(&rule), "{rule}: {seen:?}");
    }
    let out = server.cli(&["doctor", path.to_str().unwrap()]);
    assert!(
        said(&out).contains("ok  api") && said(&out).contains("a client that imports it connects"),
        "{}",
        said(&out)
    );
    assert_eq!(server.get("/admin/clients").status, 401);
    let clients = server.cli_json(&["clients", "list"]);
    assert_eq!(clients, serde_json::json!([]), "nothing of the doctor stays");
}

#[test]
fn a_wrong_password_is_named() {
    let server = server();
    let path = fresh(&server, "alice");
    let bad = server.dir().join("bad.zip");
    Package::open(&path)
        .with(
            "<entry key=\"clientPassword0\" class=\"class java.lang.String\">atakatak",
            "<entry key=\"clientPassword0\" class=\"class java.lang.String\">other",
        )
        .write(&bad);
    assert_eq!(failed(&server, &bad, &[]).0, ["certificate"]);
    Package::open(&path)
        .with(
            "<entry key=\"caPassword0\" class=\"class java.lang.String\">atakatak",
            "<entry key=\"caPassword0\" class=\"class java.lang.String\">other",
        )
        .write(&bad);
    assert_eq!(failed(&server, &bad, &[]).0[0], "truststore");
}

#[test]
fn an_expired_certificate_is_named() {
    let server = server();
    let mut package = Package::open(&fresh(&server, "alice"));
    let path = server.dir().join("expired.zip");
    package.files.insert("certs/alice.p12".into(), certificate(&server, "30"));
    package.write(&path);
    assert_eq!(failed(&server, &path, &[]).0, [""; 0], "a certificate made by hand is as good");
    package.files.insert("certs/alice.p12".into(), certificate(&server, "-1"));
    package.write(&path);
    let rules = failed(&server, &path, &[]).0;
    assert!(rules.contains(&"dates".to_owned()) && rules.contains(&"handshake".to_owned()), "{rules:?}");
    assert_eq!(failed(&server, &path, &["--offline"]).0, ["dates"]);
}

#[test]
fn a_package_of_another_server_is_named() {
    let (ours, other) = (server(), server());
    let (own, foreign) = (Package::open(&fresh(&ours, "alice")), Package::open(&fresh(&other, "alice")));
    let path = ours.dir().join("foreign.zip");
    // Its key with our trust.
    let mut mixed = own.clone();
    mixed.files.insert("certs/alice.p12".into(), foreign.files["certs/alice.p12"].clone());
    mixed.write(&path);
    let rules = failed(&ours, &path, &[]).0;
    assert!(rules.contains(&"chain".to_owned()) && rules.contains(&"handshake".to_owned()), "{rules:?}");
    // All of it, with our address.
    let there = format!("127.0.0.1:{}:ssl", other.address("cot_tls").port());
    let here = format!("127.0.0.1:{}:ssl", ours.address("cot_tls").port());
    foreign.with(&there, &here).write(&path);
    let (rules, report) = failed(&ours, &path, &[]);
    assert_eq!(rules, ["handshake"]);
    assert!(report.to_string().contains("not issued by a CA of the package"), "{report}");
}

#[test]
fn a_host_that_is_not_in_the_servers_certificate_is_named() {
    let server = Server::build()
        .secure()
        .set("listeners.cot_tls.bind", "\"127.0.0.2\"")
        .set("listeners.marti_https.bind", "\"127.0.0.2\"")
        .start();
    let dir = server.dir().join("phones");
    let made =
        server.cli(&["client", "add", "alice", "--host", "127.0.0.1", "--offline", "--out", dir.to_str().unwrap()]);
    assert!(made.status.success(), "{}", said(&made));
    let path = dir.join("alice-atak.zip");
    Package::open(&path).with("127.0.0.1", "127.0.0.2").write(&path);
    let (rules, report) = failed(&server, &path, &[]);
    assert_eq!(rules, ["san"], "{report}");
    assert!(report.to_string().contains("--host 127.0.0.2"), "{report}");
    assert_eq!(failed(&server, &path, &["--offline"]).0, ["san"], "also by the certificate on the disk");
}

#[test]
fn a_server_that_is_down_and_a_revoked_certificate_are_named() {
    let mut server = server();
    let path = fresh(&server, "alice");
    assert!(server.cli(&["cert", "revoke", "--user", "alice"]).status.success());
    let (rules, report) = failed(&server, &path, &[]);
    assert!(rules.contains(&"handshake".to_owned()), "{report}");
    let other = fresh(&server, "bob");
    server.stop();
    let (rules, report) = failed(&server, &other, &[]);
    assert_eq!(rules, ["reach"]);
    assert!(report.to_string().contains("fts status"), "{report}");
    assert_eq!(failed(&server, &other, &["--offline"]).0, [""; 0]);
}

#[test]
fn packages_that_do_not_hold_together_are_named() {
    let server = server();
    let package = Package::open(&fresh(&server, "alice"));
    let path = server.dir().join("bad.zip");
    let broken = |change: &dyn Fn(&mut Package), wanted: &[&str]| {
        let mut package = package.clone();
        change(&mut package);
        package.write(&path);
        assert_eq!(failed(&server, &path, &["--offline"]).0, wanted);
    };
    broken(&|p| drop(p.files.remove("MANIFEST/manifest.xml")), &["manifest"]);
    broken(&|p| drop(p.files.remove("certs/truststore.p12")), &["manifest", "truststore", "chain"]);
    let key = package.files["certs/alice.p12"].clone();
    broken(&|p| drop(p.files.insert("certs/truststore.p12".into(), key.clone())), &["truststore", "chain"]);
    fs::write(&path, b"no zip").unwrap();
    assert_eq!(failed(&server, &path, &[]).0, ["zip"]);
    let out = server.cli(&["doctor", "/nowhere.zip"]);
    assert!(out.status.code() == Some(1) && said(&out).contains("/nowhere.zip"), "{}", said(&out));
}

#[test]
fn a_plain_connection_is_tried_too() {
    let server = server();
    let port = server.address("cot_tcp").port();
    let package = Package::open(&fresh(&server, "alice"));
    let tls = format!("127.0.0.1:{}:ssl", server.address("cot_tls").port());
    let path = server.dir().join("plain.zip");
    package.with(&tls, &format!("127.0.0.1:{port}:tcp")).write(&path);
    let (rules, report) = failed(&server, &path, &[]);
    assert!(rules.is_empty() && report.to_string().contains("without encryption"), "{report}");
}

#[test]
fn the_enrolment_port_may_show_a_certificate_of_a_public_ca() {
    // Another server's CA stands for a public one: this machine trusts it by SSL_CERT_FILE.
    let public = server();
    let of_public = |name: &str| public.data_dir().join("certs").join(name);
    let start = |cert: &Path, key: &Path| {
        let set = |builder: fts_tests::Builder, name: &str, path: &Path| builder.set(name, &format!("{path:?}"));
        set(set(Server::build().secure(), "tls.web_cert", cert), "tls.web_key", key).start()
    };
    let server = start(&of_public("server.pem"), &of_public("server.key"));
    let dir = server.dir().join("phones");
    let to = dir.to_str().unwrap();
    let made =
        server.cli(&["client", "add", "alice", "--client", "enroll", "--host", "127.0.0.1", "--offline", "--out", to]);
    assert!(made.status.success(), "{}", said(&made));
    let path = dir.join("alice-enroll.zip");
    let doctor = |server: &Server, trusted: &Path, more: &[&str]| {
        let args = [&["doctor", path.to_str().unwrap(), "--json"], more].concat();
        let out = server.cli_command(&args).env("SSL_CERT_FILE", trusted).output().unwrap();
        let report: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&out)));
        let rule = report["rules"].as_array().unwrap().iter().find(|r| r["rule"] == "enrollment");
        (out.status.success(), rule.unwrap_or_else(|| panic!("{report}")).clone())
    };
    let (good, rule) = doctor(&server, &of_public("ca.pem"), &[]);
    assert!(good && rule["verdict"] == "note", "{rule}");
    assert!(
        rule["seen"].as_str().unwrap().contains("public CA") && rule["todo"].as_str().unwrap().contains("web_cert")
    );
    // Of a CA nobody trusts: a device could not enrol.
    let (good, rule) = doctor(&server, &server.data_dir().join("certs/ca.pem"), &[]);
    assert!(!good && rule["verdict"] == "FAIL", "{rule}");
    assert!(
        rule["seen"].as_str().unwrap().contains("neither") && rule["todo"].as_str().unwrap().contains("tls.web_cert")
    );
    // Of a public CA for another name: devices look at it there, other than on the stream.
    let other = server.dir().join("elsewhere");
    let issued =
        public.cli(&["cert", "issue", "elsewhere.example.org", "--kind", "server", "--out", other.to_str().unwrap()]);
    assert!(issued.status.success(), "{}", said(&issued));
    let (cert, key) = (other.join("elsewhere.example.org.pem"), other.join("elsewhere.example.org.key"));
    let named = start(&cert, &key);
    let made =
        named.cli(&["client", "add", "alice", "--client", "enroll", "--host", "127.0.0.1", "--offline", "--out", to]);
    assert!(made.status.success(), "{}", said(&made));
    let (good, rule) = doctor(&named, &of_public("ca.pem"), &[]);
    assert!(!good && rule["seen"].as_str().unwrap().contains("not for 127.0.0.1"), "{rule}");
    let set = [format!("tls.web_cert={cert:?}"), format!("tls.web_key={key:?}")];
    let (good, rule) = doctor(&named, &of_public("ca.pem"), &["--offline", "--set", &set[0], "--set", &set[1]]);
    assert!(!good && rule["seen"].as_str().unwrap().contains("not for 127.0.0.1"), "{rule}");
}
