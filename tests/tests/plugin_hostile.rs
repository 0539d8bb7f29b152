//! A plugin that panics wherever one can (plugins.md 4 and 10): the server goes on, the log names plugin, handler and
//! place, after the third panic it is shown tripped, it comes back by itself, and honest clients notice nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use fts_tests::{Client, Server, event};
use hostile_bed::{Talk, ask, assert_others_well, hostile, said, shown, state, trigger};
use serde_json::Value;

use crate::hostile_bed;

/// Makes the plugin panic three times.
type Poke = fn(&Server, &mut Client);

/// `mode` of the plugin, what makes it panic, the handler as the log names it, its message, its file, and whether what
/// makes it panic is over when it has started again.
struct Case(&'static str, Poke, &'static str, &'static str, bool);

/// An observer is given the event that it panicked at once more; that is still one fault.
const THREE: Poke = |_, client| (0..3).for_each(|n| client.send(&trigger(&format!("bang-{n}"))));
const NOTHING: Poke = |_, _| {};
const REQUESTS: Poke = |server, _| {
    for n in 0..3 {
        let answer = ask(server, "do");
        assert_eq!(answer.status, 500, "{n}: {}", answer.body);
        assert_eq!(answer.body, r#"{"message":"the plugin hostile made a mistake"}"#);
    }
};
const PULLS: Poke = |server, _| {
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.address("admin")).unwrap();
        write!(stream, "GET /api/plugins/hostile/do HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let text = String::from_utf8_lossy(&all);
        assert!(text.starts_with("HTTP/1.1 500") || !text.ends_with("0\r\n\r\n"), "half an answer is not a whole one");
    }
};
const CALLS: Poke = |server, _| {
    for _ in 0..3 {
        let told = server.get("/api/plugins/old/call/hostile/hello");
        let (begin, end) = ("Panicked: ", ": service panicked: in a service");
        assert!(told.body.starts_with(begin) && told.body.ends_with(end), "{}", told.body);
    }
};
const HELD: Poke = |_, client| {
    for n in 0..3 {
        client.send(&event(&format!("held-{n}"), "b-m-p-s-m", "<marti><dest hostile=\"box\"/></marti>"));
    }
};
const FRAMES: Poke = |server, _| {
    let address = fs::read_to_string(server.data_dir().join("plugin-data/hostile/link")).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    for n in 1..=3 {
        stream.write_all(b"frame").unwrap();
        let mut seen = 0;
        said(server, "plugin.panic", |_| {
            seen += 1;
            seen == n
        });
    }
};

const CASES: &[Case] = &[
    Case("panic-guard", THREE, "intercept b-x-h", "in an intercept", true),
    Case("panic-rewrite", THREE, "intercept b-x-h", "in an intercept", true),
    Case("panic-address", THREE, "intercept b-x-h", "in an intercept", true),
    Case("panic-tap", THREE, "intercept b-x-h", "in an intercept", true),
    Case("bomb-tap", THREE, "intercept b-x-h", "(no message)", true),
    Case("panic-observe", THREE, "observe b-x-h", "in an observer", true),
    Case("bomb-observe", THREE, "observe b-x-h", "(no message)", true),
    Case("panic-thread", THREE, "thread clumsy", "in a thread", true),
    Case("panic-held", HELD, "held", "in held", true),
    Case("panic-timer", NOTHING, "every 50 ms", "in a timer", false),
    Case("panic-clients", NOTHING, "clients", "in clients", true),
    Case("panic-link", FRAMES, "links", "in a link", true),
    Case("panic-route", REQUESTS, "GET /api/plugins/hostile/do", "in a route", true),
    Case("bomb-route", REQUESTS, "GET /api/plugins/hostile/do", "(no message)", true),
    Case("panic-pull", PULLS, "GET /api/plugins/hostile/do", "in a pull", true),
    Case("panic-service", CALLS, "service", "in a service", true),
];

fn panics(server: &Server) -> Vec<Value> {
    server.logs().into_iter().filter(|l| l["event"] == "plugin.panic").collect()
}

fn survives(Case(mode, poke, handler, message, calms): &Case) {
    let server = hostile(mode, "").start();
    let talk = Talk::begin(&server);
    // The third client that is identified; the clients' handler panics for each.
    let mut poker = Client::join(&server, "POKER", "POKER");
    poke(&server, &mut poker);

    let tripped = state(&server, "tripped");
    let panics = panics(&server);
    assert!(panics.len() >= 3, "{mode}: {panics:?}");
    let file = if fs_of(mode) == "lib" { "src/lib.rs:" } else { "src/harm.rs:" };
    for panic in &panics[..3] {
        let text = |key: &str| panic[key].as_str().unwrap_or_default().to_owned();
        assert_eq!((text("plugin").as_str(), text("handler").as_str()), ("hostile", *handler), "{mode}: {panic}");
        assert!(text("msg").contains(message), "{mode}: {panic}");
        assert!(text("place").contains(file), "{mode}: {panic}");
    }
    let report = tripped["msg"].as_str().unwrap();
    assert!(
        report.starts_with(&format!("three panics within a minute, the last in {handler} at ")),
        "{mode}: {report}"
    );
    assert!(report.ends_with("; it is restarted in 5 s"), "{mode}: {report}");

    // Shown tripped, its routes say so, others do not care.
    server.eventually("its routes are down", || ask(&server, "ok").status == 503);
    let refused = ask(&server, "ok");
    assert_eq!(
        refused.body,
        r#"{"message":"the plugin hostile has failed and is stopped; the administrator sees why"}"#
    );
    assert!(refused.headers.contains("retry-after: 5"), "{}", refused.headers);
    server.eventually("its status is an error", || shown(&server)["status"]["level"] == "error");
    let now = shown(&server);
    assert_eq!((now["state"].as_str(), now["report"].as_str()), (Some("tripped"), Some(report)), "{mode}");
    assert!(server.get("/readyz").body.contains("tripped: three panics"), "{mode}");
    assert_others_well(&server);
    // Its events go on without it, but for a guard's: those are dropped.
    let mut watcher = Client::join(&server, "WATCHER", "WATCHER");
    poker.send(&trigger("while-down"));
    poker.send(&event("after", "b-m-p-s-m", ""));
    let (_, before) = watcher.until(|e| e.uid() == "after");
    let passed = before.iter().any(|e| e.uid() == "while-down");
    assert_eq!(passed, *mode != "panic-guard", "{mode}");
    if *mode == "panic-guard" {
        assert!(server.metric("fts_cot_dropped_total", &["reason=\"guard_down\""]) >= 1.0, "counted");
    }

    // Back by itself.
    let mut states = 0;
    let again = said(&server, "plugin.state", |l| {
        states += usize::from(l["state"] == "running");
        states == 2
    });
    let stamp = |line: &Value| time_of(line);
    let pause = stamp(&again) - stamp(&tripped);
    assert!((4.5..15.0).contains(&pause), "{mode}: back after {pause} s");
    if *calms {
        server.eventually("its routes answer again", || ask(&server, "ok").body == "ok");
    }
    let stuck: Vec<Value> = server.logs().into_iter().filter(|l| l["event"] == "plugin.stuck").collect();
    assert!(stuck.is_empty(), "{mode}: nothing of it hangs: {stuck:?}");
    let (rounds, slowest) = talk.end();
    assert!(rounds > 50, "{mode}: only {rounds} rounds");
    assert!(slowest < Duration::from_secs(3), "{mode}: a round took {slowest:?}");
}

/// Which file of the plugin a mode panics in.
fn fs_of(mode: &str) -> &'static str {
    match mode {
        "panic-held" | "panic-timer" | "panic-clients" | "panic-link" | "panic-service" => "lib",
        _ => "harm",
    }
}

/// Seconds.
fn time_of(line: &Value) -> f64 {
    let text = line["ts"].as_str().unwrap_or_else(|| panic!("no time in {line}"));
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, format).unwrap().unix_timestamp_nanos() as f64 / 1e9
}

/// Most of each case is waiting for the restart, so they wait together.
fn all_at_once(cases: &[Case]) {
    let names: Vec<&str> = cases.iter().map(|c| c.0).collect();
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let all: Vec<_> = cases.iter().map(|c| scope.spawn(move || survives(c))).collect();
        all.into_iter().zip(names).filter_map(|(t, name)| t.join().is_err().then_some(name)).collect()
    });
    assert!(failed.is_empty(), "failed: {failed:?}");
}

#[test]
fn panics_in_intercepts_of_every_band() {
    all_at_once(&CASES[..5]);
}

#[test]
fn panics_on_the_worker_and_in_threads() {
    all_at_once(&CASES[5..12]);
}

#[test]
fn panics_in_requests_pulls_and_services() {
    all_at_once(&CASES[12..]);
}

#[test]
fn a_destructor_of_an_answer_that_panics_ends_nothing() {
    let server = hostile("panic-pull-drop", "").start();
    for _ in 0..5 {
        let answer = ask(&server, "do");
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("piece"), "{}", answer.body);
    }
    said(&server, "plugin.log", |l| l["msg"].as_str().is_some_and(|m| m.contains("in the destructor of a pull")));
    assert_eq!(shown(&server)["state"], "running");
}

/// What a plugin does wrong when it ends is told, and ends only it.
#[test]
fn panics_in_save_stop_and_drop_are_told_and_the_next_generation_runs() {
    for (mode, message) in [("panic-save", "in save"), ("panic-stop", "in stop"), ("panic-drop", "in drop")] {
        let mut server = hostile(mode, "").start();
        let talk = Talk::begin(&server);
        let done = server.admin("POST", "/admin/plugins/hostile/reload", "");
        assert_eq!(done.status, 200, "{mode}: {}", done.body);
        let told = server.wait_log(|l| {
            l["plugin"] == "hostile" && l["level"] == "ERROR" && l["msg"].as_str().is_some_and(|m| m.contains(message))
        });
        assert!(told.to_string().contains("src/lib.rs:"), "{mode}: where: {told}");
        let now = shown(&server);
        assert_eq!((now["state"].as_str(), now["generation"].as_u64()), (Some("running"), Some(2)), "{mode}");
        assert_eq!(ask(&server, "ok").body, "ok");
        assert_others_well(&server);
        talk.end();
        assert!(server.stop().success(), "{mode}: the server ends as always");
    }
}
