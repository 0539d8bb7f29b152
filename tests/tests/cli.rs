//! The command line (operations.md 4): exit codes 0 ok, 1 failure, 2 usage, 3 not running, 4 configuration error, 5
//! locked; text for people and `--json` for scripts. Configuration commands and `init` are in `cli_config`, reloads in
//! `reload`, `why` in `why`, shutdown and drain in `shutdown`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::{Command, Output, Stdio},
};

use fts_tests::{Client, Pki, Server, binary, event, join_all, marker, marker_to, sa};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `fts ARGS` in an empty directory without a server.
fn alone(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Command::new(binary()).args(args).current_dir(dir.path()).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn exit_2_is_usage() {
    for args in [
        &["nonsense"][..],
        &["status", "--nonsense"],
        &["drain", "maybe"],
        &["clients"],
        &["clients", "kick"],
        &["cert", "issue"],
        &["cert", "issue", "x", "--kind", "other"],
        &["completion", "csh"],
        &["logs", "--since", "yesterday"],
    ] {
        let out = alone(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}: {}", text(&out.stderr));
        assert!(!out.stderr.is_empty() && out.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn exit_3_is_not_running_and_says_where_it_looked() {
    for args in [
        &["status"][..],
        &["status", "--watch"],
        &["clients", "list"],
        &["clients", "kick", "A"],
        &["clients", "send", "A", "hi"],
        &["why", "--event", "x"],
        &["tail-cot"],
        &["logs"],
        &["health"],
        &["health", "--ready"],
        &["reload"],
        &["drain", "on"],
        &["stop"],
    ] {
        let out = alone(args);
        assert_eq!(out.status.code(), Some(3), "{args:?}: {}", text(&out.stderr));
        let said = text(&out.stderr);
        assert!(said.contains("no fts is running in") && said.contains("fts-data"), "{args:?}: {said}");
    }
}

#[test]
fn exit_4_is_a_configuration_error_for_every_command_that_reads_it() {
    for args in [
        &["run", "--check"][..],
        &["run"],
        &["status"],
        &["config", "check"],
        &["config", "show"],
        &["cert", "list"],
        &["init"],
    ] {
        let out = alone(&[args, &["--set", "cot.replay_at=\"never\""]].concat());
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(4), "{args:?}: {said}");
        assert!(
            said.contains("command line: cot.replay_at") && said.contains("connect | identify"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn op13_23_exit_5_is_a_locked_directory_and_names_the_pid() {
    let server = Server::start();
    let out = Server::build().command(server.dir()).output().unwrap();
    assert_eq!(out.status.code(), Some(5));
    let said = text(&out.stderr);
    assert!(said.contains(&format!("pid {}", server.pid())), "{said}");
    assert_eq!(server.get("/livez").status, 200, "the first one is not disturbed");
    assert_eq!(server.cli(&["status"]).status.code(), Some(0));
}

#[test]
fn exit_1_names_a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let out = Server::build().set("listeners.cot_tcp.port", &port).command(dir.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let said = text(&out.stderr);
    assert!(said.contains("cot_tcp") && said.contains(&port), "{said}");
}

#[test]
fn version_help_and_completion_need_nothing() {
    let out = alone(&["version"]);
    assert!(out.status.success() && text(&out.stdout).starts_with("fts "));
    let json: serde_json::Value = serde_json::from_slice(&alone(&["version", "--json"]).stdout).unwrap();
    for key in ["version", "git", "rustc", "abi"] {
        assert!(json[key].as_str().is_some_and(|v| !v.is_empty()), "{key}: {json}");
    }
    assert!(json["features"].is_array());
    for args in [&["--help"][..], &["run", "--help"], &["clients", "kick", "--help"], &["--version"]] {
        let out = alone(args);
        assert!(out.status.success() && !out.stdout.is_empty(), "{args:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let out = alone(&["completion", shell]);
        let script = text(&out.stdout);
        assert!(out.status.success() && script.contains("tail-cot"), "{shell}");
    }
}

#[test]
fn status_shows_listeners_clients_and_totals() {
    let server = Server::build().tls().start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&marker("m"));
    bob.expect("m");
    alice.send(&marker_to("n", r#"<dest uid="x"/>"#));
    alice.send("<event/>");
    alice.sync();
    let json = server.cli_json(&["status"]);
    assert_eq!((&json["clients"]["connected"], &json["clients"]["identified"]), (&2.into(), &2.into()));
    assert_eq!(json["phase"], "ready");
    assert_eq!(json["events"]["dropped"]["no_receiver"], 1);
    assert_eq!(json["events"]["rejected"]["schema"], 1);
    let listener = json["listeners"].as_array().unwrap().iter().find(|l| l["name"] == "cot_tcp").unwrap().clone();
    assert_eq!((&listener["clients"], &listener["tls"]), (&2.into(), &false.into()));
    assert_eq!(listener["port"], server.address("cot_tcp").port());
    assert!(json["process"]["resident_bytes"].as_u64().unwrap() > 1_000_000);
    let page = text(&server.cli(&["status"]).stdout);
    for words in
        ["2 connected, 2 identified", "cot_tls", "TLS", "rejected  schema 1", "no_receiver 1", "certificates: CA "]
    {
        assert!(page.contains(words), "{words:?} in {page}");
    }
    // --watch goes on until it is ended.
    let mut watch = server.cli_command(&["status", "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
    let first = BufReader::new(watch.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(first.starts_with("fts "), "{first}");
    assert!(watch.try_wait().unwrap().is_none());
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn clients_are_listed_for_people_and_scripts() {
    let server = Server::start();
    assert_eq!(server.cli_json(&["clients", "list"]), serde_json::json!([]));
    let mut alice = Client::join(&server, "A", "ALICE");
    let takv = r#"<takv platform="ATAK-CIV" version="5.1" device="p" os="1"/><__group name="Cyan" role="Medic"/>"#;
    alice.send(&event("A", "a-f-G-U-C", &format!(r#"<contact callsign="ALICE" endpoint="*:-1:stcp"/>{takv}"#)));
    let bob = Client::join(&server, "B", "Žluť 漢字");
    alice.sync();
    let page = text(&server.cli(&["clients", "list"]).stdout);
    assert!(page.starts_with("conn  callsign"), "{page}");
    let line = page.lines().find(|l| l.contains("ALICE")).unwrap();
    for words in [" A ", "anonymous", "cot_tcp", "xml", "ATAK-CIV 5.1", "Cyan", "127.0.0.1:"] {
        assert!(line.contains(words), "{words:?} in {line}");
    }
    assert!(page.contains("Žluť 漢字"));
    drop(bob);
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "B");
    assert_eq!(server.cli_json(&["clients", "list"]).as_array().unwrap().len(), 1);
    let gone = server.cli_json(&["clients", "list", "--gone"]);
    assert_eq!(gone[1]["gone"]["reason"], "eof");
    assert!(text(&server.cli(&["clients", "list", "--gone"]).stdout).contains("(eof)"));
}

#[test]
fn kick_by_any_name_and_ban_for_a_while() {
    let server = Server::build().tls().start();
    let config = Pki::issue(&server, "ann").client(&server.data_dir().join("certs/ca.pem"), rustls::ALL_VERSIONS);
    let secure = || Client::tls(&server, "cot_tls", config.clone()).unwrap();
    let kick = |args: &[&str]| server.cli(&[&["clients", "kick"], args].concat());
    let mut ann = secure().greeted().identify("N", "ANN");
    assert!(kick(&["ann"]).status.success(), "by certificate");
    ann.expect_close();
    for name in ["A", "alice"] {
        let mut alice = Client::join(&server, "A", "ALICE");
        let out = kick(&[name]);
        assert_eq!((out.status.code(), &*text(&out.stdout)), (Some(0), "1 connection(s) ended\n"));
        alice.expect_close();
    }
    let mut alice = Client::join(&server, "A", "ALICE");
    let conn = server.client("A")["conn"].to_string();
    assert!(kick(&[&conn]).status.success(), "by number");
    alice.expect_close();
    let out = kick(&["nobody"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("nobody"), "{}", text(&out.stderr));
    assert_eq!(kick(&["nobody", "--ban", "soon"]).status.code(), Some(1));
    // A ban keeps a uid, or whoever holds a certificate, out; others come in.
    let mut alice = Client::join(&server, "A", "ALICE");
    assert!(kick(&["ALICE", "--ban", "10m"]).status.success());
    alice.expect_close();
    let mut again = Client::connect(&server);
    again.send(&sa("A", "ALICE"));
    again.expect_close();
    let mut ann = secure().greeted().identify("N", "ANN");
    assert!(kick(&["N", "--ban", "10m"]).status.success());
    ann.expect_close();
    secure().expect_close();
    let _bob = Client::join(&server, "B", "BOB");
    server.eventually("seven kicks are counted", || {
        server.metric("fts_client_disconnects_total", &[r#"reason="kicked""#]) == 7.0
    });
}

#[test]
fn send_reaches_named_clients_only() {
    let server = Server::start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let json = server.cli_json(&["clients", "send", "ALICE", "<hi> & \"bye\""]);
    assert_eq!(json["sent"], 1);
    assert_eq!(alice.next().detail("remarks").unwrap().text(), "<hi> & \"bye\"");
    fts_tests::fence(&mut alice, &mut [&mut bob]);
    assert_eq!(server.cli(&["clients", "send", "NOBODY", "hi"]).status.code(), Some(1));
}

/// The first line of a running command that fits, while `poke` makes some come.
fn first_line(mut command: Command, mut poke: impl FnMut(), fits: impl Fn(&str) -> bool) -> String {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let (to, from) = std::sync::mpsc::channel();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| to.send(line).map_err(drop)));
    let until = std::time::Instant::now() + fts_tests::DEADLINE;
    let found = loop {
        assert!(std::time::Instant::now() < until, "no such line came");
        poke();
        match from.recv_timeout(std::time::Duration::from_millis(20)) {
            Ok(line) if fits(&line) => break line,
            _ => {}
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    found
}

#[test]
fn tail_cot_shows_events_as_they_are_routed() {
    let server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let mut poke = || {
        alice.send(&sa("A", "ALICE"));
        alice.send(&marker_to("m", r#"<dest uid="x"/>"#));
        alice.send(&event("drone", "a-f-A", ""));
    };
    let head = first_line(server.cli_command(&["tail-cot"]), &mut poke, |l| l.contains("everyone"));
    assert!(head.contains("A -> everyone"), "{head}");
    let body = first_line(server.cli_command(&["tail-cot", "--uid", "m"]), &mut poke, |_| true);
    assert!(body.contains("A -> uid x"), "only m, with its address: {body}");
    let json = first_line(server.cli_command(&["tail-cot", "--type", "a-f-A*", "--json"]), &mut poke, |_| true);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["uid"], &json["type"], &json["from_uid"]), (&"drone".into(), &"a-f-A".into(), &"A".into()));
    assert!(json["xml"].as_str().unwrap().starts_with("<event"));
}

#[test]
fn logs_show_warnings_and_follow() {
    let server = Server::build().set("server.max_connections", "1").start();
    let _alice = Client::join(&server, "A", "ALICE");
    let mut refused = Client::to(server.address("cot_tcp"), "refused");
    refused.bytes_until_close();
    server.wait_log(|l| l["event"] == "net.refused");
    let page = text(&server.cli(&["logs"]).stdout);
    assert!(page.contains("WARN") && page.contains("event=net.refused"), "{page}");
    let json = text(&server.cli(&["logs", "--json", "--since", "1h"]).stdout);
    assert!(json.lines().all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok_and(|v| v["level"] == "WARN")));
    assert!(server.cli(&["logs", "--level", "error"]).stdout.is_empty());
    assert!(server.cli(&["logs", "--since", "0s"]).stdout.is_empty());
    assert_eq!(server.cli(&["logs", "--level", "loud"]).status.code(), Some(1));
    let poke = || drop(Client::to(server.address("cot_tcp"), "refused").bytes_until_close());
    let line = first_line(server.cli_command(&["logs", "-f", "--since", "0s"]), poke, |l| l.contains("net.refused"));
    assert!(line.contains("max_connections") || line.contains("limit"), "{line}");
}

#[test]
fn health_answers_for_containers() {
    let server = Server::start();
    let out = server.cli(&["health"]);
    assert_eq!((out.status.code(), &*text(&out.stdout)), (Some(0), "alive\n"));
    let out = server.cli(&["health", "--ready"]);
    assert!(out.status.success() && text(&out.stdout).starts_with("ok\n"), "{}", text(&out.stdout));
    assert_eq!(server.cli_json(&["health", "--ready"])["status"], "ok");
}

#[test]
fn certificates_are_issued_and_listed() {
    let server = Server::build().tls().start();
    let out = server.cli(&["cert", "issue", "ann", "--out", "issued", "--p12-password", "s3cret"]);
    let said = text(&out.stdout);
    assert!(out.status.success() && said.contains("issued/ann.p12") && !said.contains("s3cret"), "{said}");
    let file = |name: &str| server.dir().join("issued").join(name);
    for (name, mode) in [("ann.pem", 0o644), ("ann.key", 0o600), ("ann.p12", 0o600), ("ca-trust.p12", 0o644)] {
        let found = std::fs::metadata(file(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
        assert!(found.len() > 100, "{name}");
    }
    assert!(server.cli(&["cert", "issue", "host.example", "--kind", "server", "--out", "issued"]).status.success());
    let list = server.cli_json(&["cert", "list"]);
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|c| c["cn"].as_str().unwrap()).collect();
    assert!(names.contains(&"ann"), "{list}");
    let page = text(&server.cli(&["cert", "list"]).stdout);
    assert!(page.starts_with("name") && page.contains("ann "), "{page}");
    for bad in ["", "../x", "a b", ".hidden", "-x", &"x".repeat(65)] {
        let out = server.cli(&["cert", "issue", "--", bad]);
        assert!(matches!(out.status.code(), Some(1 | 2)), "{bad:?}");
    }
}
