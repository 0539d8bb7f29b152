//! The HTTP listeners as sockets: all of them open and named, their TLS, clients of another protocol, keep-alive and
//! HTTP/1.0, bodies that are refused before they come, and how connections end (marti-http.md 1, 2.4, 2.5).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::http_bed;

use std::io::Write;

use fts_tests::{Pki, Reply, Server, Web, Wire};
use http_bed::{PASSWORD, uploads, user, web};

const HTTP: [&str; 4] = ["marti_http", "marti_https", "enrollment", "rest"];

fn read_some(wire: &mut dyn Wire) -> Vec<u8> {
    let mut piece = [0; 4096];
    let n = wire.read(&mut piece).unwrap_or(0);
    piece[..n].to_vec()
}

/// Everything until the other side closes.
fn read_all(wire: &mut dyn Wire) -> String {
    let mut all = Vec::new();
    let _ = wire.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn every_listener_is_open_named_and_counted() {
    let server = Server::build().secure().start();
    let ready = server.get("/readyz").json();
    let status = server.admin("GET", "/admin/status", "").json();
    for name in HTTP {
        assert!(server.has(name), "{name} is in run/listeners.json");
        assert_eq!(ready["checks"][name], "ok");
        assert_eq!(server.metric("fts_service_up", &[&format!("service=\"{name}\"")]), 1.0);
        let listed = status["listeners"].as_array().unwrap().iter().find(|l| l["name"] == name).unwrap();
        assert_eq!(
            (&listed["kind"], &listed["tls"]),
            (&"http".into(), &matches!(name, "marti_https" | "enrollment").into())
        );
        let document = web(&server, name, Some(&Pki::issue(&server, &format!("phone-{name}")))).get("/openapi.json");
        assert_eq!(document.expect(200).json()["openapi"], "3.1.0", "{name}");
    }
}

#[test]
fn m15_05_keep_alive_and_http_1_0() {
    let server = Server::start();
    let plain = Web::plain(&server, "marti_http");
    let mut wire = plain.open();
    for _ in 0..3 {
        write!(wire, "GET /Alive HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let reply = Reply::read(&mut *wire, false).expect(200);
        assert_eq!(reply.text(), "DataPackage service alive");
    }
    let mut old = plain.open();
    write!(old, "GET /Alive HTTP/1.0\r\n\r\n").unwrap();
    let answer = read_all(&mut *old);
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\nDataPackage service alive"), "{answer}");
}

#[test]
fn m15_38_certificates_and_strangers() {
    let server = Server::build().secure().start();
    let mut refused = Web::tls(&server, "marti_https", None).open();
    let _ = write!(refused, "GET /Alive HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(read_all(&mut *refused), "", "no certificate, no HTTP");
    let phone = Pki::issue(&server, "phone");
    web(&server, "marti_https", Some(&phone)).get("/Marti/api/version").expect(200);
    let stranger = Web::tls(&server, "enrollment", None);
    let denied = stranger.get("/Marti/sync/search").expect(401);
    assert_eq!(denied.header("www-authenticate"), Some("Basic realm=\"tak\""));
    stranger.get("/no/such/path").expect(401);
    stranger.get("/").expect(401);
}

#[test]
fn clients_of_another_protocol_are_told_of_in_one_line() {
    let server = Server::build().secure().start();
    let came = |listener: &str, what: &str| {
        let line = server.wait_log(|l| l["event"] == "net.wrong_protocol" && l["listener"] == listener);
        assert_eq!(line["came"], what, "{line}");
    };
    let mut tls_on_plain = Web::plain(&server, "marti_http").open();
    tls_on_plain.write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]).unwrap();
    assert_eq!(read_all(&mut *tls_on_plain), "");
    came("marti_http", "tls_on_plain");
    let mut cot = Web::plain(&server, "rest").open();
    cot.write_all(b"<event version='2.0'/>").unwrap();
    assert_eq!(read_all(&mut *cot), "");
    came("rest", "cot");
    for listener in ["marti_https", "enrollment"] {
        let mut plain = Web::plain(&server, listener).open();
        plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        assert_eq!(read_all(&mut *plain), "");
        came(listener, "plain_on_tls");
    }
}

#[test]
fn http_has_connection_limits_of_its_own() {
    let server = Server::build().set("server.max_connections", "2").start();
    let plain = Web::plain(&server, "marti_http");
    let mut held: Vec<_> = (0..2).map(|_| plain.open()).collect();
    for wire in &mut held {
        write!(wire, "GET /Alive HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        Reply::read(&mut **wire, false).expect(200);
    }
    let mut third = plain.open();
    let _ = write!(third, "GET /Alive HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(read_all(&mut *third), "");
    server.wait_log(|l| l["event"] == "net.refused" && l["listener"] == "marti_http");
    // Streams have places of their own.
    fts_tests::Client::join(&server, "ANDROID-1", "alice");
}

#[test]
fn the_proxy_header_names_the_client() {
    let server = Server::build().set("listeners.marti_http.proxy_protocol", "true").start();
    let mut wire = Web::plain(&server, "marti_http").open();
    wire.write_all(
        b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 8080\r\nGET /Alive HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .unwrap();
    assert!(read_all(&mut *wire).starts_with("HTTP/1.1 200"));
    let line = server.wait_log(|l| l["event"] == "http.request" && l["listener"] == "marti_http");
    assert_eq!(
        (&line["peer"], &line["route"], &line["status"]),
        (&"192.0.2.7:4711".into(), &"/Alive".into(), &200.into())
    );
}

#[test]
fn the_enrollment_listener_shows_the_certificate_for_browsers() {
    // Another server's certificate stands for one of a public authority.
    let public = Server::build().secure().start();
    let files = |name: &str| public.data_dir().join("certs").join(name);
    let (cert, key) = (files("server.pem"), files("server.key"));
    let server = Server::build()
        .secure()
        .set("tls.web_cert", &format!("{cert:?}"))
        .set("tls.web_key", &format!("{key:?}"))
        .start();
    let trusting = |server: &Server| fts_tests::stranger(&server.data_dir().join("certs/ca.pem"));
    let at = server.address("enrollment");
    Web::with(at, trusting(&public)).get("/openapi.json").expect(200);
    assert!(Web::with(at, trusting(&server)).try_open().is_err(), "it is not the server's own");
    let phone = Pki::issue(&server, "phone");
    web(&server, "marti_https", Some(&phone)).get("/Alive").expect(200);
}

#[test]
fn a_reload_exchanges_certificates_of_http_listeners_too() {
    let server = Server::build().secure().start();
    let certs = server.data_dir().join("certs");
    let old = std::fs::read(certs.join("server.pem")).unwrap();
    let enrollment = Web::tls(&server, "enrollment", None);
    let mut kept = enrollment.open();
    std::fs::remove_file(certs.join("server.pem")).unwrap();
    std::fs::remove_file(certs.join("server.key")).unwrap();
    assert_eq!(server.admin("POST", "/admin/reload", "").status, 200);
    let new = std::fs::read(certs.join("server.pem")).unwrap();
    assert_ne!(old, new);
    enrollment.get("/openapi.json").expect(200);
    write!(kept, "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    Reply::read(&mut *kept, false).expect(200);
}

#[test]
fn m15_13_a_body_is_asked_for_only_when_it_is_wanted() {
    let server = Server::build().secure().set("files.max_upload", "\"1MB\"").start();
    let head = |path: &str, len: usize| {
        format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len}\r\nexpect: 100-continue\r\n\r\n")
    };
    let plain = Web::plain(&server, "marti_http");
    let mut wire = plain.open();
    wire.write_all(head("/Marti/sync/upload?name=a.bin", 3).as_bytes()).unwrap();
    assert_eq!(read_some(&mut *wire), b"HTTP/1.1 100 Continue\r\n\r\n");
    wire.write_all(b"abc").unwrap();
    Reply::read(&mut *wire, false).expect(200);
    // Nobody is asked for what is refused anyway.
    let refused = |web: &Web, path: &str, len: usize, status: &str| {
        let mut wire = web.open();
        wire.write_all(head(path, len).as_bytes()).unwrap();
        let answer = String::from_utf8(read_some(&mut *wire)).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    };
    refused(&plain, "/Marti/sync/upload?name=a.bin", 1_000_001, "413");
    refused(&plain, "/no/such/path", 3, "404");
    refused(&plain, "/Marti/api/version", 3, "405");
    refused(&Web::tls(&server, "enrollment", None), "/Marti/sync/upload?name=a.bin", 3, "401");
    assert_eq!(uploads(&server), 0);
}

#[test]
fn m15_25_too_long_is_refused_and_leaves_nothing() {
    let server = Server::build().set("files.max_upload", "\"3MB\"").start();
    let plain = Web::plain(&server, "marti_http");
    // The client sends on without looking; it sees the answer all the same.
    let long = vec![7; 6_000_000];
    let refused = plain.post("/Marti/sync/upload?name=a.bin", "image/png", &long).expect(413);
    assert_eq!(refused.header("content-type"), Some("text/plain"));
    plain.form("/Marti/sync/missionupload?filename=a.zip", "assetfile", "a.zip", "application/zip", &long).expect(413);
    let mut wire = plain.open();
    wire.write_all(b"POST /Marti/sync/upload?name=b.bin HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    for _ in 0..40 {
        if write!(wire, "{:x}\r\n", 100_000)
            .and_then(|()| wire.write_all(&[1; 100_000]))
            .and_then(|()| wire.write_all(b"\r\n"))
            .is_err()
        {
            break;
        }
    }
    assert!(read_all(&mut *wire).starts_with("HTTP/1.1 413"));
    server.eventually("no file is left", || uploads(&server) == 0);
}

#[test]
fn m15_26_a_client_that_goes_half_way_leaves_nothing() {
    let server = Server::start();
    let mut wire = Web::plain(&server, "marti_http").open();
    write!(wire, "POST /Marti/sync/upload?name=half.bin HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n")
        .unwrap();
    wire.write_all(&vec![3; 5_000_000]).unwrap();
    server.eventually("the upload is under way", || uploads(&server) == 1);
    drop(wire);
    server.eventually("the file is gone", || uploads(&server) == 0);
    let found = Web::plain(&server, "marti_http").get("/Marti/sync/search?name=half.bin").expect(200);
    assert_eq!(found.json()["resultCount"], 0);
}

#[test]
fn at_shutdown_requests_end_and_idle_connections_do_not_matter() {
    let mut server = Server::start();
    let plain = Web::plain(&server, "marti_http");
    let idle: Vec<_> = (0..3).map(|_| plain.open()).collect();
    let mut wire = plain.open();
    write!(
        wire,
        "POST /Marti/sync/upload?name=last.bin HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\nexpect: 100-continue\r\n\r\n"
    )
    .unwrap();
    assert_eq!(read_some(&mut *wire), b"HTTP/1.1 100 Continue\r\n\r\n");
    wire.write_all(b"abc").unwrap();
    server.signal(rustix::process::Signal::TERM);
    server.wait_log(|l| l["event"] == "server.stopping");
    wire.write_all(b"def").unwrap();
    let reply = Reply::read(&mut *wire, false).expect(200);
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(server.wait().success());
    drop(idle);
}

#[test]
fn a_password_works_over_a_connection_that_stays() {
    let server = Server::build().set("listeners.marti_http.auth", "\"required\"").start();
    user(&server, "alice", "user");
    let plain = Web::plain(&server, "marti_http").basic("alice", PASSWORD);
    let mut wire = plain.open();
    for _ in 0..2 {
        let head = String::from_utf8(plain.request("GET", "/Marti/api/version", &[], 0)).unwrap();
        wire.write_all(head.replace("connection: close\r\n", "").as_bytes()).unwrap();
        Reply::read(&mut *wire, false).expect(200);
    }
    write!(wire, "GET /Marti/api/version HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    Reply::read(&mut *wire, false).expect(401);
}
