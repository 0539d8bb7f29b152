//! A CA's life: first start and second, renewal, an encrypted key, rotation, old and new clients (identity.md 3.2, 3.4, 12).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::Write,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use fts_tests::{Client, DEADLINE, Pki, Server, Web};
use rustls::{ALL_VERSIONS, ClientConfig};

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

#[track_caller]
fn fts(server: &Server, args: &[&str]) -> String {
    let out = server.cli(args);
    assert!(out.status.success(), "fts {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn id12_09_files_of_the_first_start_stay_and_other_names_make_another_server_certificate() {
    let mut server = Server::build().secure().set("server.public_host", "\"tak.example.org\"").start();
    let certs = server.data_dir().join("certs");
    let names = ["ca.pem", "ca.key", "crl.pem", "ca-trust.p12", "server.pem", "server.key"];
    let read = || names.map(|name| fs::read(certs.join(name)).unwrap());
    let mode = |name: &str| fs::metadata(certs.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        [mode(""), mode("ca.key"), mode("server.key"), mode("ca.pem"), mode("server.pem")],
        [0o700, 0o600, 0o600, 0o644, 0o644]
    );
    let first = read();
    assert!(server.stop().success());
    let mut server = Server::build().secure().set("server.public_host", "\"tak.example.org\"").again(&server).start();
    assert!(read() == first, "a second start changes nothing");
    assert!(server.stop().success());
    let _server = Server::build().secure().set("server.public_host", "\"other.example.org\"").again(&server).start();
    let changed: Vec<_> =
        names.iter().zip(read().iter().zip(&first)).filter(|(_, (a, b))| a != b).map(|(n, _)| *n).collect();
    assert_eq!(changed, ["server.pem", "server.key"]);
    let (_, text) = openssl(&certs, &["x509", "-in", "server.pem", "-noout", "-text"], "");
    assert!(text.contains("DNS:other.example.org") && text.contains("IP Address:127.0.0.1"), "{text}");
}

fn openssl(dir: &Path, args: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new("openssl")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is needed here");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    (out.status.success(), format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)))
}

/// The certificate a listener shows.
fn shown(server: &Server, listener: &str) -> String {
    let at = server.address(listener).to_string();
    let (_, text) = openssl(server.dir(), &["s_client", "-connect", &at, "-showcerts"], "");
    let from = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{text}"));
    let end = text.find("-----END CERTIFICATE-----").unwrap();
    text[from..end].to_owned()
}

#[test]
fn the_server_certificate_is_renewed_without_dropping_anybody() {
    let server = Server::build().secure().start();
    let alice = Pki::issue(&server, "alice").client(&ca(&server), ALL_VERSIONS);
    let mut client = stream(&server, alice.clone(), "ALICE");
    let listeners = ["cot_tls", "marti_https", "enrollment"];
    let before = listeners.map(|l| shown(&server, l));
    assert!(before[0] == before[1] && before[1] == before[2]);
    let said = fts(&server, &["cert", "renew"]);
    assert!(said.contains("730 days") || said.contains("729 days"), "{said}");
    server.wait_log(|l| l["event"] == "cert.renewed");
    let after = listeners.map(|l| shown(&server, l));
    assert!(after[0] != before[0] && after[0] == after[1] && after[1] == after[2]);
    client.sync();
    stream(&server, alice, "AGAIN").sync();
}

#[test]
fn the_ca_key_lies_encrypted_when_there_is_a_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("passphrase");
    fs::write(&file, "correct horse battery\n").unwrap();
    let build = || Server::build().tls().env("FTS_CA_KEY_PASSWORD_FILE", file.to_str().unwrap());
    let mut server = build().start();
    let key = fs::read_to_string(server.data_dir().join("certs/ca.key")).unwrap();
    assert!(key.contains("BEGIN ENCRYPTED PRIVATE KEY"), "{key}");
    let alice = Pki::issue(&server, "alice");
    stream(&server, alice.client(&ca(&server), ALL_VERSIONS), "ALICE").sync();
    assert!(server.stop().success());
    // Without it the server says what is missing, and starts with it.
    let out = Server::build().tls().again(&server).command(server.dir()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && said.contains("FTS_CA_KEY_PASSWORD"), "{said}");
    let server = build().again(&server).start();
    stream(&server, alice.client(&ca(&server), ALL_VERSIONS), "ALICE").sync();
}

#[test]
fn a_rotation_drops_nobody_until_it_is_finished() {
    let server = Server::build().secure().start();
    let old_ca = server.dir().join("old-ca.pem");
    fs::copy(ca(&server), &old_ca).unwrap();
    let alice = Pki::issue(&server, "alice").client(&old_ca, ALL_VERSIONS);
    let mut streaming = stream(&server, alice.clone(), "ALICE");
    let said = fts(&server, &["cert", "ca-rotate"]);
    assert!(said.contains("--finish"), "{said}");
    assert_ne!(fs::read(&old_ca).unwrap(), fs::read(ca(&server)).unwrap());
    streaming.sync();
    // Who knows only the old CA comes back with its old certificate; a new one knows only the new CA.
    stream(&server, alice.clone(), "AGAIN").sync();
    let bob = Pki::issue(&server, "bob");
    stream(&server, bob.client(&ca(&server), ALL_VERSIONS), "BOB").sync();
    // openssl's way of looking for a chain, which phones have.
    let at = server.address("cot_tls").to_string();
    for trusted in [&old_ca, &ca(&server)] {
        let args = ["s_client", "-connect", &at, "-CAfile", trusted.to_str().unwrap(), "-verify_return_error"];
        let (_, text) = openssl(server.dir(), &args, "");
        assert!(text.contains("Verify return code: 0 (ok)") || text.contains("Verification: OK"), "{text}");
    }
    let (_, text) = openssl(
        &server.data_dir().join("certs"),
        &["pkcs12", "-in", "ca-trust.p12", "-passin", "pass:atakatak", "-nokeys"],
        "",
    );
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{text}");
    // The old ones can still be revoked, also after a restart.
    let carol = server.cli_json(&["cert", "list", "--user", "alice"]);
    assert_eq!(carol.as_array().unwrap().len(), 1);
    let mut bobs = stream(&server, bob.client(&ca(&server), ALL_VERSIONS), "BOB2");
    fts(&server, &["cert", "ca-rotate", "--finish"]);
    streaming.expect_close();
    assert!(refused(&server, alice));
    bobs.sync();
    let again = server.cli(&["cert", "ca-rotate", "--finish"]);
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn id12_12_a_client_without_ecdhe_suites_works_over_tls_1_3() {
    let server = Server::build().secure().start();
    let alice = Pki::issue(&server, "alice");
    let (pem, key) = (alice.file("pem"), alice.file("key"));
    let with = |listener: &str, more: &[&str], input: &str| {
        let at = server.address(listener).to_string();
        let ca = ca(&server);
        let mut args =
            vec!["s_client", "-connect", &at, "-CAfile", ca.to_str().unwrap(), "-verify_return_error", "-ign_eof"];
        args.extend(["-cert", pem.to_str().unwrap(), "-key", key.to_str().unwrap()]);
        args.extend(more);
        openssl(server.dir(), &args, input)
    };
    let get = "GET /Marti/api/version HTTP/1.1\r\nHost: tak\r\nConnection: close\r\n\r\n";
    let (_, text) = with("marti_https", &["-cipher", "DEFAULT:!ECDH"], get);
    assert!(text.contains("TLSv1.3") && text.contains("HTTP/1.1 200"), "{text}");
    // The same client held to 1.2 has nothing in common with us: known and documented (identity.md 3.4).
    let (ok, _) = with("marti_https", &["-cipher", "DEFAULT:!ECDH", "-tls1_2"], get);
    assert!(!ok);
    let suites = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &server.address("cot_tls").to_string(), "-tls1_2", "-cipher", suites, "-quiet"])
        .args(["-cert", pem.to_str().unwrap(), "-key", key.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"<event", "the announcement");
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn id12_13_silent_peers_delay_no_handshake() {
    let server = Server::build().tls().start();
    let alice = Pki::issue(&server, "alice").client(&ca(&server), ALL_VERSIONS);
    let slowest = || {
        let one = |_| {
            let began = Instant::now();
            Client::tls(&server, "cot_tls", alice.clone()).unwrap().greeted();
            began.elapsed()
        };
        let mut times: Vec<Duration> = (0..100).map(one).collect();
        times.sort();
        times[98]
    };
    let alone = slowest();
    let accepted = || server.metric("fts_client_connections_total", &["cot_tls"]);
    let before = accepted();
    let silent: Vec<_> = (0..200).map(|_| TcpStream::connect(server.address("cot_tls")).unwrap()).collect();
    server.eventually("all of them are taken on", || accepted() >= before + 200.0);
    let beside = slowest();
    // The machine may be busy with something else; what counts is that silent peers add nothing.
    let most = Duration::from_millis(200).max(alone * 3);
    assert!(beside < most, "{beside:?} beside 200 silent peers, {alone:?} alone");
    drop(silent);
}

#[test]
fn a_changed_certificate_file_is_taken_at_reload() {
    let server = Server::build().secure().start();
    let elsewhere = Server::build().tls().start();
    let old = Web::tls(&server, "enrollment", None);
    old.get("/Marti/api/tls/crl").expect(200);
    for name in ["ca.pem", "ca.key"] {
        fs::copy(elsewhere.data_dir().join("certs").join(name), server.data_dir().join("certs").join(name)).unwrap();
    }
    fts(&server, &["reload"]);
    Web::tls(&server, "enrollment", None).get("/Marti/api/tls/crl").expect(200);
    assert!(old.try_open().is_err(), "it trusts the CA before");
    let theirs = Pki::issue(&elsewhere, "alice").client(&ca(&server), ALL_VERSIONS);
    stream(&server, theirs, "ALICE").sync();
}
