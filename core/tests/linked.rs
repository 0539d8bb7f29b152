//! Two plugins linked into one program, without a file of either (plugins.md 2): this test is that program. Called with
//! arguments it is a server with ping and emergency in it; without, it starts itself as one and talks to it.
//!
//! What could go wrong: exported names that collide (then this does not link), statics of the SDK that both share
//! (then one speaks or counts under the other's name), a search for files of what is linked in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use fts::plugins::linked;
use serde_json::Value;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("run") {
        fts_plugin_api::abi::check_afresh();
        fts_plugin_api::shim::install();
        linked::also("ping", fts_plugin_ping::INFO, fts_plugin_ping::module);
        linked::also("emergency", fts_plugin_emergency::INFO, fts_plugin_emergency::module);
        return fts::cli::main();
    }
    // A runner that asks for the tests in it.
    if std::env::args().any(|a| a == "--list") {
        println!("two_plugins_in_one_program: test");
        return ExitCode::SUCCESS;
    }
    two_plugins_in_one_program();
    println!("test two_plugins_in_one_program ... ok");
    ExitCode::SUCCESS
}

/// Ends the server when the test is over, however it ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn two_plugins_in_one_program() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("run").current_dir(dir.path()).arg("--data-dir").arg(&data).stdin(Stdio::null()).stdout(Stdio::piped());
    for set in [
        "listeners.cot_tcp.bind=\"127.0.0.1\"",
        "listeners.cot_tcp.port=0",
        "listeners.cot_tls.enabled=false",
        "listeners.admin.port=0",
        "tls.key_type=\"p256\"",
        "cot.welcome_message=\"\"",
        "compat.legacy_test_probe=false",
        "plugins.dirs=[]",
        // Files of the others lie beside this program.
        "plugins.enabled=[\"emergency\", \"ping\"]",
    ] {
        command.arg("--set").arg(set);
    }
    let mut server = Ended(command.spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(|l| l.unwrap());
    let mut until = |what: &str| {
        let found = lines.find(|line| line.contains(what)).unwrap_or_else(|| panic!("the log ends without {what}"));
        serde_json::from_str::<Value>(&found).unwrap()
    };
    until("server.ready");

    let listeners: Value = serde_json::from_slice(&std::fs::read(data.join("run/listeners.json")).unwrap()).unwrap();
    let port = u16::try_from(listeners["cot_tcp"]["port"].as_u64().unwrap()).unwrap();
    let connect = || {
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    };
    let (mut alice, mut bob) = (connect(), connect());
    send(&mut alice, "A", "a-f-G-U-C", r#"<contact callsign="ALICE" endpoint="*:-1:stcp"/>"#);
    send(&mut alice, "question", "b-t-f", "<remarks>ping</remarks>");
    receive(&mut alice, "<remarks>pong</remarks>");
    send(&mut alice, "A-9-1-1", "b-a-o-tbl", r#"<emergency type="911 Alert">ALICE</emergency>"#);
    receive(&mut bob, "<remarks>CALL 911 NOW</remarks>");
    assert_eq!(until("emergency started")["plugin"], "emergency", "each speaks under its own name");

    for (name, info) in [("ping", fts_plugin_ping::INFO), ("emergency", fts_plugin_emergency::INFO)] {
        let version = fts_plugin_api::abi::Info::text(&info.version);
        for (method, change) in [("GET", ""), ("POST", "/reload"), ("GET", "")] {
            let answer = local(&data, method, &format!("/admin/plugins/{name}{change}"));
            let plugin = if change.is_empty() { &answer } else { &answer["plugin"] };
            assert_eq!((&plugin["state"], &plugin["file"]), (&"running".into(), &"linked in".into()), "{answer}");
            assert_eq!(plugin["version"], version.to_string());
        }
    }
    let handlers = |name: &str| {
        let plugin = local(&data, "GET", &format!("/admin/plugins/{name}"));
        plugin["handlers"].as_array().unwrap().len()
    };
    assert!(handlers("ping") == 1 && handlers("emergency") > 3, "each has its own handlers");
    assert!(!data.join("run/plugins").read_dir().is_ok_and(|mut files| files.next().is_some()), "no file was loaded");
}

fn send(to: &mut TcpStream, uid: &str, kind: &str, detail: &str) {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(since.as_millis()).unwrap();
    let [now, stale] = [now, now + 60_000].map(fts_plugin_api::cot::format_time);
    let event = format!(
        r#"<event version="2.0" uid="{uid}" type="{kind}" how="m-g" time="{now}" start="{now}" stale="{stale}"><point lat="1.5" lon="2.5" hae="0" ce="9" le="9"/><detail>{detail}</detail></event>"#
    );
    to.write_all(event.as_bytes()).unwrap();
}

/// Reads until this text has come.
fn receive(from: &mut TcpStream, text: &str) {
    let mut all = Vec::new();
    let mut some = [0; 4_096];
    while !String::from_utf8_lossy(&all).contains(text) {
        let n = from.read(&mut some).unwrap_or_else(|e| panic!("{e}; got {}", String::from_utf8_lossy(&all)));
        assert!(n > 0, "closed; got {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&some[..n]);
    }
}

/// A request through the local socket.
fn local(data: &Path, method: &str, path: &str) -> Value {
    let mut socket = UnixStream::connect(data.join("run/fts.sock")).unwrap();
    write!(socket, "{method} {path} HTTP/1.1\r\nhost: fts\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{text}");
    serde_json::from_str(body).unwrap()
}
