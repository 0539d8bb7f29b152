//! TLS as clients meet it: mutual with 1.2 and 1.3, who is refused and why the log says so, the files `fts cert issue`
//! writes, wrong protocols on wrong ports, peers that stall their handshake, and the end of a connection.
//!
//! With TLS 1.3 a client learns only at its first read that it was refused; `refused` looks at both moments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use fts_tests::{Client, DEADLINE, Pki, Server, fence, join_all, marker, stranger};
use rustls::{ALL_VERSIONS, ClientConfig, version};

fn ca(server: &Server) -> PathBuf {
    server.data_dir().join("certs/ca.pem")
}

fn server() -> Server {
    Server::build().tls().start()
}

/// A configuration with a fresh certificate of this name.
fn issued(server: &Server, name: &str) -> Arc<ClientConfig> {
    Pki::issue(server, name).client(&ca(server), ALL_VERSIONS)
}

/// True when the server ends this client before it has been told anything.
fn refused(server: &Server, config: Arc<ClientConfig>) -> bool {
    match Client::tls(server, "cot_tls", config) {
        Err(_) => true,
        Ok(mut client) => client.next_within(DEADLINE).is_err_and(|why| !why.starts_with("timeout")),
    }
}

/// How often handshakes have failed for this reason.
fn failed(server: &Server, reason: &str) -> f64 {
    server.metric("fts_tls_handshakes_total", &[&format!("result=\"{reason}\"")])
}

fn openssl(args: &[&str]) -> Option<String> {
    let out = match Command::new("openssl").args(args).output() {
        Ok(out) => out,
        Err(why) => {
            eprintln!("openssl is not here ({why}): not checked");
            return None;
        }
    };
    assert!(out.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8_lossy(&out.stdout).into_owned())
}

#[test]
fn mutual_tls_1_2_and_1_3_and_the_user_is_the_name_in_the_certificate() {
    let server = server();
    let [mut bob] = join_all(&server, [("B", "BOB")]);
    let pki = Pki::issue(&server, "alice");
    for (n, version) in [&version::TLS12, &version::TLS13].into_iter().enumerate() {
        let mut alice = Client::tls(&server, "cot_tls", pki.client(&ca(&server), &[version])).unwrap().greeted();
        alice.expect("B");
        let uid = format!("A{n}");
        let mut alice = alice.identify(&uid, "ALICE");
        bob.expect(&uid);
        bob.send(&marker("to-tls"));
        alice.expect("to-tls");
        let entry = server.client(&uid);
        assert_eq!(
            (&entry["user"], &entry["tls"], &entry["listener"]),
            (&"alice".into(), &true.into(), &"cot_tls".into())
        );
        drop(alice);
        assert_eq!(bob.next().kind(), "t-x-d-d");
    }
    let line = server.wait_log(|l| l["event"] == "client.connected" && l["listener"] == "cot_tls");
    assert_eq!(line["user"], "alice");
    assert_eq!(failed(&server, "ok"), 2.0);
}

#[test]
fn a_chain_of_leaf_and_ca_or_the_leaf_alone() {
    let server = server();
    let whole = Pki::issue(&server, "alice");
    let pem = fs::read_to_string(whole.file("pem")).unwrap();
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2, "leaf and CA");
    let leaf = Pki { name: "leaf".into(), dir: whole.dir.clone() };
    let (first, _) = pem.split_once("-----END CERTIFICATE-----").unwrap();
    fs::write(leaf.file("pem"), format!("{first}-----END CERTIFICATE-----\n")).unwrap();
    fs::copy(whole.file("key"), leaf.file("key")).unwrap();
    for pki in [whole, leaf] {
        Client::tls(&server, "cot_tls", pki.client(&ca(&server), ALL_VERSIONS)).unwrap().greeted().sync();
    }
}

#[test]
fn who_has_no_good_certificate_is_refused_and_the_log_says_why() {
    let server = server();
    assert!(refused(&server, stranger(&ca(&server))));
    server.wait_log(|l| l["event"] == "tls.handshake_failed" && l["reason"] == "no_certificate");
    let elsewhere = self::server();
    let foreign = Pki::issue(&elsewhere, "alice").client(&ca(&server), ALL_VERSIONS);
    assert!(refused(&server, foreign));
    server.wait_log(|l| l["event"] == "tls.handshake_failed" && l["reason"] == "bad_certificate");
    // The other way round the client refuses the server.
    let distrusts = Pki::issue(&server, "alice").client(&ca(&elsewhere), ALL_VERSIONS);
    assert!(Client::tls(&server, "cot_tls", distrusts).is_err());
    server.wait_log(|l| l["event"] == "tls.handshake_failed" && l["reason"] == "refused_by_client");
    assert_eq!(failed(&server, "ok"), 0.0);
}

#[test]
fn an_expired_certificate_is_refused() {
    let server = server();
    let pki = Pki { name: "late".into(), dir: server.dir().to_owned() };
    let file = |name: &str| server.dir().join(name).to_str().unwrap().to_owned();
    let config = "[ca]\ndefault_ca=d\n[d]\ndatabase=DIR/index\nnew_certs_dir=DIR\nserial=DIR/serial\ndefault_md=sha256\n\
                  policy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nbasicConstraints=CA:FALSE\n";
    fs::write(file("ca.cnf"), config.replace("DIR", server.dir().to_str().unwrap())).unwrap();
    fs::write(file("index"), "").unwrap();
    fs::write(file("serial"), "1001\n").unwrap();
    let (key, pem, csr, cnf) = (file("late.key"), file("late.pem"), file("late.csr"), file("ca.cnf"));
    let request = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=late", "-keyout", &key, "-out", &csr];
    if openssl(&request).is_none() {
        return;
    }
    let (ca_pem, ca_key) = (ca(&server), server.data_dir().join("certs/ca.key"));
    let sign = |end: &str| {
        let by = ["-cert", ca_pem.to_str().unwrap(), "-keyfile", ca_key.to_str().unwrap(), "-in", &csr, "-out", &pem];
        let period = ["-startdate", "20200101000000Z", "-enddate", end];
        openssl(&[&["ca", "-batch", "-notext", "-config", &cnf][..], &by, &period].concat());
        fs::write(file("index"), "").unwrap();
        pki.client(&ca_pem, ALL_VERSIONS)
    };
    assert!(refused(&server, sign("20200201000000Z")));
    server.wait_log(|l| l["event"] == "tls.handshake_failed" && l["reason"] == "bad_certificate");
    // It is the date: the same one with a later end is good.
    assert!(!refused(&server, sign("20490101000000Z")));
}

#[test]
fn client_cert_optional_and_none() {
    let server = Server::build()
        .listener("optional", "cot_tls", "client_cert = \"optional\"")
        .listener("open", "cot_tls", "client_cert = \"none\"")
        .start();
    let alice = issued(&server, "alice");
    for (listener, config, user) in [
        ("optional", stranger(&ca(&server)), "anonymous"),
        ("optional", alice.clone(), "alice"),
        ("open", stranger(&ca(&server)), "anonymous"),
        ("open", alice, "anonymous"),
    ] {
        let mut client = Client::tls(&server, listener, config).unwrap().greeted().identify("U", "USER");
        assert_eq!(server.client("U")["user"], user, "{listener}");
        client.finish();
        client.expect_close();
    }
}

#[test]
fn tls_min_version_refuses_older_ones() {
    let server = Server::build().tls().set("tls.min_version", "\"1.3\"").start();
    let pki = Pki::issue(&server, "alice");
    assert!(refused(&server, pki.client(&ca(&server), &[&version::TLS12])));
    assert!(!refused(&server, pki.client(&ca(&server), &[&version::TLS13])));
}

#[test]
fn cert_issue_says_what_it_wrote_and_the_p12_files_open() {
    let server = server();
    let dir = server.dir().join("out");
    let out = server.cli(&["cert", "issue", "alice.k-9", "--out", dir.to_str().unwrap()]);
    let said = String::from_utf8(out.stdout).unwrap();
    for part in ["alice.k-9.p12", "ca-trust.p12", "alice.k-9.pem", "alice.k-9.key", "atakatak", "valid until", "Next:"]
    {
        assert!(said.contains(part), "{part} in {said}");
    }
    let listed = server.cli_json(&["cert", "list"]);
    assert!(listed.as_array().unwrap().iter().any(|c| c["cn"] == "alice.k-9"), "{listed}");
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("alice.k-9.key"), mode("alice.k-9.p12")), (0o600, 0o600));
    for bad in ["", "../alice", ".alice", "al ice", &"a".repeat(65)] {
        let out = server.cli(&["cert", "issue", bad, "--out", dir.to_str().unwrap()]);
        assert_eq!(out.status.code(), Some(1), "{bad:?}");
    }
    // What a phone does: open both files with the password, connect with what is in them.
    let open = |file: &str, to: &Path, what: &str| {
        let from = dir.join(file);
        let files = ["-in", from.to_str().unwrap(), "-out", to.to_str().unwrap()];
        let more = ["-passin", "pass:atakatak", "-nodes", what];
        openssl(&[&["pkcs12", "-legacy"][..], &files, &more].concat())
    };
    let phone = Pki { name: "phone".into(), dir: dir.clone() };
    let trusted = dir.join("trusted.pem");
    if open("alice.k-9.p12", &phone.file("key"), "-nocerts").is_none() {
        return;
    }
    open("alice.k-9.p12", &phone.file("pem"), "-nokeys");
    open("ca-trust.p12", &trusted, "-nokeys");
    assert!(!fs::read_to_string(&trusted).unwrap().contains("PRIVATE KEY"));
    let client = Client::tls(&server, "cot_tls", phone.client(&trusted, ALL_VERSIONS)).unwrap();
    let mut client = client.greeted().identify("P", "PHONE");
    assert_eq!(server.client("P")["user"], "alice.k-9");
    client.sync();
}

#[test]
fn wrong_protocols_on_wrong_ports_are_named_in_one_line_each() {
    let server = server();
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3][..], &[7; 500]].concat();
    let get = b"GET /Marti/api/version HTTP/1.1\r\nhost: tak\r\n\r\n".to_vec();
    let cases = [
        ("cot_tcp", hello, "tls_on_plain"),
        ("cot_tcp", get.clone(), "http"),
        ("cot_tls", marker("plain").into_bytes(), "plain_on_tls"),
        ("cot_tls", b"<?xml version='1.0'?>".to_vec(), "plain_on_tls"),
        ("cot_tls", get, "http"),
    ];
    for (n, (listener, bytes, came)) in cases.iter().enumerate() {
        let mut client = Client::to(server.address(listener), "wrong");
        client.send_bytes(bytes);
        let closed = client.bytes_until_close();
        assert!(*listener == "cot_tcp" || closed.is_empty(), "{closed:?}");
        let named = || server.logs().into_iter().filter(|l| l["event"] == "net.wrong_protocol").collect::<Vec<_>>();
        server.eventually("one more line", || named().len() == n + 1);
        let line = named().pop().unwrap();
        assert_eq!((&line["listener"], &line["came"]), (&(*listener).into(), &(*came).into()));
        assert!(line["peer"].as_str().unwrap().ends_with(&format!(":{}", client.port())), "{line}");
    }
}

#[test]
fn silent_and_half_handshakes_delay_nobody() {
    let server = server();
    let alice = issued(&server, "alice");
    let accepted = || server.metric("fts_client_connections_total", &["cot_tls"]);
    let crowd = |first: &[u8]| -> Vec<TcpStream> {
        let connect = |_| {
            let mut stream = TcpStream::connect(server.address("cot_tls")).unwrap();
            stream.write_all(first).unwrap();
            stream
        };
        let before = accepted();
        let crowd = (0..200).map(connect).collect();
        server.eventually("all of them are taken on", || accepted() >= before + 200.0);
        crowd
    };
    let honest = |what: &str| {
        let began = Instant::now();
        Client::tls(&server, "cot_tls", alice.clone()).unwrap().greeted().sync();
        assert!(began.elapsed() < Duration::from_secs(3), "{what}: {:?}", began.elapsed());
    };
    let silent = crowd(b"");
    honest("silent peers");
    // The head of a hello without its body: more peers than may compute at once.
    let half = crowd(&[0x16, 3, 1, 2, 0, 1]);
    honest("peers with half a hello");
    drop((silent, half));
}

#[test]
fn one_address_may_have_so_many_handshakes() {
    let server = Server::build().tls().set("stream.limits.handshakes_per_ip", "2").start();
    let alice = issued(&server, "alice");
    let silent: Vec<_> = (0..2).map(|_| TcpStream::connect(server.address("cot_tls")).unwrap()).collect();
    server.eventually("the third is refused", || Client::tls(&server, "cot_tls", alice.clone()).is_err());
    server.wait_log(|l| l["event"] == "tls.handshake_failed" && l["reason"] == "too_many_of_address");
    drop(silent);
    server.eventually("their places are free", || Client::tls(&server, "cot_tls", alice.clone()).is_ok());
    // Those whose handshake is done do not count.
    let connect = || Client::tls(&server, "cot_tls", alice.clone()).unwrap().greeted();
    let mut three = [connect(), connect(), connect()];
    three.iter_mut().for_each(Client::sync);
}

#[test]
fn protobuf_over_tls() {
    let server = server();
    let [mut bob] = join_all(&server, [("B", "BOB")]);
    let alice = Client::tls(&server, "cot_tls", issued(&server, "alice")).unwrap().greeted();
    let mut alice = alice.identify("A", "ALICE").negotiate();
    bob.expect("A");
    alice.expect("B");
    alice.send(&marker("from-tls"));
    bob.expect("from-tls");
    bob.send(&marker("to-tls"));
    assert_eq!(alice.next().cot().uid, "to-tls");
    fence(&mut bob, &mut [&mut alice]);
}

#[test]
fn at_shutdown_the_end_of_the_stream_is_said() {
    let mut server = server();
    let pki = Pki::issue(&server, "alice");
    let connect = |version| Client::tls(&server, "cot_tls", pki.client(&ca(&server), &[version])).unwrap().greeted();
    let mut clients = [connect(&version::TLS12), connect(&version::TLS13)];
    clients.iter_mut().for_each(Client::sync);
    server.signal(rustix::process::Signal::TERM);
    for client in &mut clients {
        // rustls tells an end without close_notify apart: that would be another error.
        assert_eq!(client.next_within(DEADLINE).unwrap_err(), "eof");
    }
    assert!(server.wait().success());
}

#[test]
fn a_proxy_header_comes_before_the_handshake() {
    let server = Server::build().listener("proxied", "cot_tls", "proxy_protocol = true").start();
    let mut stream = TcpStream::connect(server.address("proxied")).unwrap();
    stream.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 8089\r\n").unwrap();
    let client = Client::tls_over(stream, issued(&server, "alice")).unwrap().greeted();
    let mut client = client.identify("A", "ALICE");
    let entry = server.client("A");
    assert_eq!((&entry["peer"], &entry["user"]), (&"192.0.2.7:4711".into(), &"alice".into()));
    client.sync();
}
