//! A plugin that is slow, blocks, floods, answers nonsense and outlives its end: honest clients notice nothing, and what
//! cannot be prevented is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use fts_tests::{Builder, Client, Server, event};
use hostile_bed::{Talk, ask, assert_others_well, figure, hostile, said, shown, state, trigger};

use crate::hostile_bed;

fn poke(server: &Server, times: usize) -> Client {
    let mut poker = Client::join(server, "POKER", "POKER");
    (0..times).for_each(|n| poker.send(&trigger(&format!("poke-{n}"))));
    poker.sync();
    poker
}

/// What is answered, to its end.
fn read(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Rounds of honest clients took no longer than this.
fn assert_quick(told: (usize, Duration), limit: Duration) {
    assert!(told.0 > 0 && told.1 < limit, "{} rounds, the longest {:?}", told.0, told.1);
}

#[test]
fn a_slow_observer_delays_itself_alone() {
    let server = hostile("slow-observe", "slow_ms = 100").start();
    let talk = Talk::begin(&server);
    let _poker = poke(&server, 20);
    server.eventually("it is at work", || shown(&server)["queue"]["items"].as_u64() > Some(0));
    assert_others_well(&server);
    assert_eq!(ask(&server, "ok").body, "ok", "requests do not wait for its worker");
    server.eventually("all were handled", || shown(&server)["queue"]["items"] == 0);
    assert_quick(talk.end(), Duration::from_secs(2));
    assert_eq!(shown(&server)["state"], "running");
}

#[test]
fn a_worker_that_blocks_is_told_as_stuck_and_delays_nobody_else() {
    let until = tempfile::TempDir::new().unwrap();
    let file = until.path().join("go");
    let server = hostile("block-observe", &format!("until = {file:?}")).start();
    let talk = Talk::begin(&server);
    let mut poker = poke(&server, 3);
    // Longer than any other wait of a test: stuck means 30 s.
    let until = Instant::now() + Duration::from_secs(60);
    let line = loop {
        if let Some(found) = server.logs().into_iter().find(|l| l["event"] == "plugin.stuck") {
            break found;
        }
        assert!(Instant::now() < until, "nobody says that it is stuck");
        // A round through the server is the pause between two looks.
        poker.sync();
    };
    assert!(line["msg"].as_str().unwrap().starts_with("stuck in observe b-x-h for 3"), "{line}");
    assert!(shown(&server)["stuck"].as_str().unwrap().starts_with("stuck in observe b-x-h"));
    assert!(server.get("/readyz").body.contains("stuck in observe b-x-h"));
    assert_others_well(&server);
    fs::write(&file, "").unwrap();
    said(&server, "plugin.unstuck", |_| true);
    server.eventually("all were handled", || shown(&server)["queue"]["items"] == 0);
    assert_quick(talk.end(), Duration::from_secs(2));
}

#[test]
fn requests_that_block_take_the_plugins_slots_and_no_others() {
    let until = tempfile::TempDir::new().unwrap();
    let file = until.path().join("go");
    let server = hostile("block-route", &format!("until = {file:?}\nhttp_concurrency = 4\nhttp_waiting = 2")).start();
    let talk = Talk::begin(&server);
    let open = || {
        let mut stream = TcpStream::connect(server.address("admin")).unwrap();
        write!(stream, "GET /api/plugins/hostile/do HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        stream
    };
    // Four at work, two waiting; the seventh is sent away at once, whichever it is.
    let mut blocked: Vec<TcpStream> = (0..7).map(|_| open()).collect();
    let answered = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let there = stream.peek(&mut [0]).is_ok();
        stream.set_nonblocking(false).unwrap();
        there
    };
    server.eventually("one too many is refused", || blocked.iter().any(answered));
    let refused = blocked.iter().position(answered).unwrap();
    let refused = read(&mut blocked.remove(refused));
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("retry-after") && refused.contains("hostile is busy"), "{refused}");
    assert_eq!(ask(&server, "ok").status, 503);
    assert_others_well(&server);
    fs::write(&file, "").unwrap();
    let answers = blocked.iter_mut().map(read);
    // Four were at work; who waited was served then, or told to come again.
    assert!(answers.filter(|a| a.starts_with("HTTP/1.1 200")).count() >= 4);
    assert_eq!(ask(&server, "ok").body, "ok");
    assert_quick(talk.end(), Duration::from_secs(2));
}

#[test]
fn an_intercept_that_calculates_too_long_is_tripped() {
    let server = hostile("slow-tap", "slow_ms = 20").start();
    let talk = Talk::begin(&server);
    let mut poker = poke(&server, 0);
    // Calls are timed one in so many until one was long.
    for n in 0.. {
        poker.send(&trigger(&format!("poke-{n}")));
        poker.sync();
        if shown(&server)["state"] == "tripped" {
            break;
        }
        assert!(n < 1_000, "never tripped");
    }
    let told = state(&server, "tripped");
    let msg = told["msg"].as_str().unwrap();
    assert!(
        msg.starts_with("intercept b-x-h used over 5 ms ten times within a minute; it is restarted in 5 s"),
        "{msg}"
    );
    said(&server, "plugin.slow", |l| l["handler"] == "intercept b-x-h");
    assert_others_well(&server);
    assert_quick(talk.end(), Duration::from_secs(2));
}

/// A thread of the runtime is in it, perhaps the one that was to read sockets for everybody.
#[test]
fn an_intercept_that_blocks_is_tripped_before_it_returns_and_others_are_served() {
    blocked(&|server| server);
}

/// As on a machine with one processor: there is no other thread that could serve them.
#[test]
fn an_intercept_that_blocks_the_only_thread_stops_nobody_else() {
    blocked(&|server| server.set("server.worker_threads", "1"));
}

fn blocked(with: &dyn Fn(Builder) -> Builder) {
    let until = tempfile::TempDir::new().unwrap();
    let file = until.path().join("go");
    let server = with(hostile("block-tap", &format!("until = {file:?}"))).start();
    let talk = Talk::begin(&server);
    let mut poker = Client::join(&server, "POKER", "POKER");
    poker.send(&trigger("poke"));
    let told = state(&server, "tripped");
    let msg = told["msg"].as_str().unwrap();
    assert!(msg.starts_with("intercept b-x-h has held its sender up for 1"), "{msg}");
    assert!(msg.ends_with(" ms so far; it is restarted in 5 s"), "{msg}");
    assert_others_well(&server);
    // It is back while that call still blocks; what it did is not held against the new generation.
    server.eventually("it is back", || ask(&server, "ok").body == "ok");
    let rounds = talk.end();
    std::thread::sleep(Duration::from_millis(300)); // Looks of the vigil.
    assert_eq!(shown(&server)["state"], "running");
    fs::write(&file, "").unwrap();
    poker.sync();
    assert_eq!((shown(&server)["state"].as_str(), shown(&server)["generation"].as_u64()), (Some("running"), Some(2)));
    assert_quick(rounds, Duration::from_secs(2));
}

#[test]
fn a_flood_is_cut_to_its_rate_and_honest_clients_get_everything() {
    let server = hostile("flood", "").start();
    let talk = Talk::begin(&server);
    let _poker = poke(&server, 1);
    server.eventually("it has flooded", || figure(&server, "floods") == 1 && shown(&server)["queue"]["items"] == 0);
    // Two seconds: 20 000 at once, 20 000 for each. A slow machine does not reach that, and is refused nothing.
    let (sent, busy) = (figure(&server, "sent"), figure(&server, "busy"));
    assert!(sent > 0 && sent <= 70_000 && (busy > 0 || sent < 60_000), "{sent} sent, {busy} busy");
    assert_others_well(&server);
    talk.end();
    assert_eq!(shown(&server)["state"], "running");
}

/// Whatever it sends, clients get events that parse (the harness fails on others), and nothing of it ends anything.
#[test]
fn malformed_events_reach_nobody() {
    for mode in
        ["malformed", "malformed-ready", "also-tap", "replace-rewrite", "replace-huge-rewrite", "retarget-address"]
    {
        let server = hostile(mode, "").start();
        let talk = Talk::begin(&server);
        let mut poker = poke(&server, 3);
        let mut late = Client::join(&server, "LATE", "LATE");
        server.eventually("all were handled", || shown(&server)["queue"]["items"] == 0);
        poker.send(&event("after", "b-m-p-s-m", ""));
        let (_, before) = late.until(|e| e.uid() == "after");
        for event in &before {
            assert!(!event.uid().is_empty() && event.uid().len() < 1_000, "{mode}: {event:?}");
            let known = ["HONEST", "POKER", "LATE", "poke-", "x"].iter().any(|k| event.uid().starts_with(k));
            assert!(known, "{mode}: {event:?}");
        }
        assert_eq!(shown(&server)["state"], "running", "{mode}");
        assert_others_well(&server);
        talk.end();
    }
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    let server = hostile("nonsense", "").start();
    let talk = Talk::begin(&server);
    let _poker = poke(&server, 1);
    server.eventually("it is through", || figure(&server, "refused") > 0);
    assert!(figure(&server, "refused") > 150, "{}", figure(&server, "refused"));
    assert_eq!(ask(&server, "late").status, 404, "routes are registered while start runs");
    assert!(!server.logs().iter().any(|l| l["event"] == "plugin.host_panic"), "no call panicked in the host");
    assert_eq!(shown(&server)["state"], "running");
    assert_others_well(&server);
    talk.end();
}

#[test]
fn answers_of_handlers_that_are_no_messages_pass_for_nothing() {
    let server = hostile("raw-handlers", "").start();
    let talk = Talk::begin(&server);
    let mut poker = poke(&server, 3);
    let raw = ask(&server, "raw");
    assert_eq!(raw.status, 500);
    assert!(raw.body.contains("the plugin hostile answered with"), "{}", raw.body);
    said(&server, "plugin.bad_event", |l| l["msg"] == "an intercept's verdict could not be read");
    poker.sync();
    assert_eq!(shown(&server)["state"], "running");
    assert!(!server.logs().iter().any(|l| l["event"] == "plugin.host_panic"));
    assert_others_well(&server);
    talk.end();
}

#[test]
fn a_thread_that_outlives_its_generation_gets_gone() {
    let server = hostile("leak", "").start();
    let file = server.data_dir().join("plugin-data/hostile/leak");
    let says = |what: &str| fs::read_to_string(&file).is_ok_and(|text| text == what);
    server.eventually("it works while the plugin runs", || says("ok ok ok"));
    let done = server.admin("POST", "/admin/plugins/hostile/disable", "");
    assert_eq!(done.status, 200, "{}", done.body);
    server.eventually("everything is over for it", || says("Gone Gone Gone"));
    let mut alice = Client::join(&server, "A", "ALICE");
    let mut bob = Client::join(&server, "B", "BOB");
    alice.until(|e| e.uid() == "B");
    bob.until(|e| e.uid() == "A");
    fts_tests::fence(&mut alice, &mut [&mut bob]);
    assert_others_well(&server);
}

#[test]
fn a_transaction_that_is_never_ended_holds_the_database_for_five_seconds_at_most() {
    for (mode, poked) in [("open-tx", true), ("open-tx-route", false)] {
        let server = hostile(mode, "").start();
        if poked {
            drop(poke(&server, 1));
        } else {
            assert_eq!(ask(&server, "do").body, "true");
        }
        let told = said(&server, "plugin.open_transaction", |_| true);
        assert!(told["msg"].as_str().unwrap().contains("rolled back"), "{told}");
        let began = Instant::now();
        assert_eq!(ask(&server, "write").body, "1");
        assert!(began.elapsed() < Duration::from_secs(3), "{mode}: rolled back at once");
        assert_eq!(shown(&server)["state"], "running");
    }
    // In a thread of its own nobody sees it return: the limit ends it.
    let server = hostile("open-tx-thread", "").start();
    let open = server.data_dir().join("plugin-data/hostile/open");
    server.eventually("it is open", || fs::read_to_string(&open).is_ok_and(|t| t == "true"));
    server.eventually("the database is free again", || {
        let answer = ask(&server, "write");
        answer.status == 200 && answer.body == "1"
    });
    assert_others_well(&server);
}

#[test]
fn huge_and_endless_answers_use_up_nothing() {
    let server = hostile("huge", "").start();
    assert_eq!(ask(&server, "do").body.len(), 200 << 20, "it may");
    assert_others_well(&server);
    drop(server);
    let server = hostile("endless", "http_concurrency = 2").start();
    let talk = Talk::begin(&server);
    // Three readers that take a little and wait: more than it has slots.
    let mut readers: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address("admin")).unwrap();
            write!(stream, "GET /api/plugins/hostile/do HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            stream.read_exact(&mut [0; 100_000]).unwrap();
            stream
        })
        .collect();
    assert_others_well(&server);
    let spool = |server: &Server| -> u64 {
        let files = fs::read_dir(server.data_dir().join("run/spool")).into_iter().flatten().flatten();
        files.filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum()
    };
    assert!(spool(&server) <= 1 << 30, "{}", spool(&server));
    readers.clear();
    server.eventually("its slots are free again", || ask(&server, "ok").body == "ok");
    server.eventually("the spools are gone", || spool(&server) < 64 << 20);
    assert_quick(talk.end(), Duration::from_secs(5));
}

#[test]
fn answers_that_are_none_are_500() {
    for mode in ["bad-head", "bad-file"] {
        let server = hostile(mode, "").start();
        let answer = ask(&server, "do");
        assert_eq!(answer.status, 500, "{mode}: {}", answer.body);
        assert!(!answer.body.contains("root:"), "{mode}");
        assert_eq!(ask(&server, "ok").body, "ok");
    }
}

#[test]
fn a_stop_that_blocks_is_left_behind() {
    let until = tempfile::TempDir::new().unwrap();
    let file = until.path().join("go");
    let mut server = hostile("block-stop", &format!("until = {file:?}")).start();
    let talk = Talk::begin(&server);
    let began = Instant::now();
    let done = server.admin("POST", "/admin/plugins/hostile/restart", "");
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    said(&server, "plugin.stop_failed", |l| {
        l["msg"].as_str().is_some_and(|m| m.starts_with("stop does not come back"))
    });
    assert_eq!(ask(&server, "ok").body, "ok");
    assert_others_well(&server);
    assert_quick(talk.end(), Duration::from_secs(2));
    // The end of the server does not wait for it either.
    let began = Instant::now();
    assert!(server.stop().success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

/// At boot it is given up after 60 s, before anybody is accepted; later it holds up nobody.
#[test]
fn a_start_that_blocks_holds_up_nobody() {
    let until = tempfile::TempDir::new().unwrap();
    let file = until.path().join("go");
    let server = hostile("block-start", &format!("until = {file:?}")).set("plugins.enabled", "[\"old\"]").start();
    let talk = Talk::begin(&server);
    let mut enabling = server.cli_command(&["plugin", "enable", "hostile"]).spawn().unwrap();
    state(&server, "starting");
    assert_others_well(&server);
    assert_eq!((shown(&server)["state"].as_str(), ask(&server, "ok").status), (Some("starting"), 404));
    fs::write(&file, "").unwrap();
    assert!(enabling.wait().unwrap().success());
    assert_eq!((shown(&server)["state"].as_str(), ask(&server, "ok").status), (Some("running"), 200));
    assert_quick(talk.end(), Duration::from_secs(2));
}

#[test]
fn much_to_save_and_much_to_publish_go_through() {
    let server = hostile("huge-save", "").start();
    let talk = Talk::begin(&server);
    assert_eq!(server.admin("POST", "/admin/plugins/hostile/reload", "").status, 200);
    assert_eq!((shown(&server)["generation"].as_u64(), ask(&server, "ok").status), (Some(2), 200));
    talk.end();
    let server = hostile("publish", "").start();
    assert_eq!(ask(&server, "do").body, "0", "8 MiB for nobody");
    assert_others_well(&server);
}
