//! The way down (operations.md 9): what was read before the signal reaches everybody who reads, who does not read is
//! cut and named, and it all ends in time with exit code 0. No goodbyes, because clients reconnect at once. Draining,
//! the second signal, and what a restart keeps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    io::Read,
    thread,
    time::{Duration, Instant},
};

use fts_tests::{Client, Http, Pki, Server, event, join_all, marker};
use rustix::process::Signal;

/// Sends until this client's socket takes nothing any more.
fn clog(server: &Server, sender: &mut Client, victim: &str) {
    let mut sent = 0;
    server.eventually("the victim is stuck", || {
        for _ in 0..8 {
            sender.say(&format!("fill-{sent}"), "b-m-p-s-m", &format!("<f>{}</f>", "x".repeat(60_000)));
            sent += 1;
        }
        sender.sync();
        server.client(victim)["queued_items"].as_u64().unwrap() > 16
    });
}

#[test]
fn what_was_read_before_the_signal_reaches_every_reading_client() {
    let mut server = Server::start();
    let mut sender = Client::join(&server, "S", "SENDER");
    let readers: Vec<_> = (0..4)
        .map(|n| {
            let mut reader = Client::join(&server, &format!("R{n}"), &format!("READER-{n}"));
            if n % 2 == 1 {
                reader = reader.negotiate();
            }
            thread::spawn(move || {
                let all = reader.rest();
                (all.iter().filter(|e| e.kind() == "t-x-d-d").count(), uids(&all))
            })
        })
        .collect();
    // Reliable events as fast as they go, and the signal in the middle of it.
    let mut sent = 0;
    let mut round = |sender: &mut Client| {
        let text: String = (0..20).map(|n| marker(&format!("m-{}", sent + n))).collect();
        sent += 20;
        sender.try_send(text.as_bytes())
    };
    (0..100).for_each(|_| round(&mut sender).unwrap());
    sender.sync();
    (0..20).for_each(|_| round(&mut sender).unwrap());
    server.signal(Signal::TERM);
    let until = Instant::now() + fts_tests::DEADLINE;
    while round(&mut sender).is_ok() {
        assert!(Instant::now() < until, "the server goes on reading");
    }
    let got: Vec<_> = readers.into_iter().map(|r| r.join().unwrap()).collect();
    assert_eq!(server.wait().code(), Some(0));
    let longest = got.iter().map(|(_, uids)| uids.len()).max().unwrap();
    assert!(longest >= 2_000, "{longest}");
    for (goodbyes, uids) in &got {
        assert_eq!(*goodbyes, 0, "no t-x-d-d at shutdown");
        assert_eq!(uids.len(), longest, "what one has, all have");
        assert_eq!(uids, &(0..longest).map(|n| format!("m-{n}")).collect::<Vec<_>>());
    }
    // Read before the signal = in the closing line of the sender: no event of it is missing at the readers.
    let line = server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "S");
    assert_eq!(line["rx_events"].as_u64().unwrap() as usize - 3, longest, "all but its SA and two syncs: {line}");
    assert_eq!(line["reason"], "shutdown");
}

fn uids(all: &[fts_tests::Event]) -> Vec<String> {
    all.iter().map(|e| e.uid().to_owned()).filter(|uid| uid.starts_with("m-")).collect()
}

#[test]
fn whose_bytes_were_not_read_any_more_hears_an_end_and_no_reset() {
    // Reading pauses when the burst of four seconds is used up: what is behind it is unread when the signal comes.
    let mut server = Server::build().set("stream.limits.read_events_per_s", "5").start();
    let mut sender = Client::join(&server, "S", "SENDER");
    sender.sync();
    for n in 0..100 {
        sender.send(&marker(&format!("m-{n}")));
    }
    let watched = Client::join(&server, "R", "READER");
    sender.socket().set_read_timeout(Some(fts_tests::DEADLINE)).unwrap();
    server.signal(Signal::TERM);
    let mut rest = Vec::new();
    sender.socket().read_to_end(&mut rest).expect("the end of the stream, not a reset");
    drop((sender, watched));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn who_does_not_read_is_cut_and_named() {
    let mut server = Server::build().set("shutdown.flush", "\"500ms\"").start();
    let mut sender = Client::join(&server, "S", "SENDER");
    let mut reader = Client::join(&server, "R", "READER");
    let reading = thread::spawn(move || reader.rest());
    let mut victim = Client::narrow(&server).identify("V", "VICTIM");
    clog(&server, &mut sender, "V");
    sender.send(&marker("last"));
    sender.sync();
    let begun = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let cut = server.wait_log(|l| l["event"] == "client.cut");
    assert_eq!((&cut["callsign"], &cut["level"]), (&"VICTIM".into(), &"WARN".into()));
    assert!(cut["items"].as_u64().unwrap() > 0 && cut["bytes"].as_u64().unwrap() > 0, "{cut}");
    assert_eq!(server.logs().iter().filter(|l| l["event"] == "client.cut").count(), 1);
    assert!(reading.join().unwrap().iter().any(|e| e.uid() == "last"));
    // What the victim still reads is whole events up to the cut; it is never told that it got everything.
    while let Ok(event) = victim.next_within(Duration::from_secs(1)) {
        assert_ne!(event.uid(), "last");
    }
}

#[test]
fn an_idle_server_ends_at_once_and_counts_only_people() {
    let mut server = Server::start();
    let [_alice, _bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let begun = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(server.wait_log(|l| l["event"] == "server.stopping")["clients"], 2);
    server.wait_log(|l| l["event"] == "server.stopped" && l["level"] == "INFO");
}

#[test]
fn interrupt_and_the_stop_command_end_it_too() {
    let mut server = Server::start();
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(0));
    let mut server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    assert!(server.cli(&["stop"]).status.success());
    assert_eq!(server.wait().code(), Some(0));
    assert!(alice.rest().is_empty());
}

#[test]
fn usr2_writes_the_status_into_the_log() {
    let server = Server::start();
    Client::join(&server, "A", "ALICE");
    server.signal(Signal::USR2);
    let line = server.wait_log(|l| l["event"] == "server.status");
    let status: serde_json::Value = serde_json::from_str(line["status"].as_str().unwrap()).unwrap();
    assert_eq!(status["phase"], "ready");
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn tls_clients_hear_close_notify() {
    let mut server = Server::build().tls().start();
    let config = Pki::issue(&server, "ann").client(&server.data_dir().join("certs/ca.pem"), rustls::ALL_VERSIONS);
    let mut alice = Client::tls(&server, "cot_tls", config).unwrap().greeted().identify("A", "ALICE");
    assert_eq!(server.stop().code(), Some(0));
    // Without it rustls says UnexpectedEof.
    assert_eq!(alice.next_within(fts_tests::DEADLINE).unwrap_err(), "eof");
}

#[test]
fn a_second_signal_ends_it_immediately() {
    let mut server = Server::build().set("shutdown.flush", "\"15s\"").start();
    let mut sender = Client::join(&server, "S", "SENDER");
    let _victim = Client::narrow(&server).identify("V", "VICTIM");
    clog(&server, &mut sender, "V");
    let begun = Instant::now();
    server.signal(Signal::TERM);
    server.wait_log(|l| l["event"] == "server.stopping");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn the_deadline_bounds_everything() {
    let mut server = Server::build().set("shutdown.flush", "\"15s\"").set("shutdown.deadline", "\"500ms\"").start();
    let mut sender = Client::join(&server, "S", "SENDER");
    let _victim = Client::narrow(&server).identify("V", "VICTIM");
    clog(&server, &mut sender, "V");
    let begun = Instant::now();
    assert_eq!(server.stop().code(), Some(1));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    server.wait_log(|l| l["event"] == "server.stopped" && l["level"] == "ERROR");
}

#[test]
fn while_it_goes_down_it_is_not_ready_and_takes_nobody() {
    let mut server = Server::build().set("shutdown.flush", "\"3s\"").start();
    let (admin, cot) = (server.address("admin"), server.address("cot_tcp"));
    let mut sender = Client::join(&server, "S", "SENDER");
    let _victim = Client::narrow(&server).identify("V", "VICTIM");
    clog(&server, &mut sender, "V");
    server.signal(Signal::TERM);
    server.wait_log(|l| l["event"] == "server.stopping");
    server.eventually("readiness is 503", || {
        let answer = Http::get(admin, "/readyz");
        answer.status == 503 && answer.json()["status"] == "draining"
    });
    let mut late = std::net::TcpStream::connect(cot);
    if let Ok(stream) = &mut late {
        stream.set_read_timeout(Some(fts_tests::DEADLINE)).unwrap();
        assert!(!matches!(stream.read(&mut [0; 64]), Ok(1..)), "a newcomer is told nothing");
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn draining_keeps_who_is_there_and_refuses_newcomers() {
    let server = Server::start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    assert!(server.cli(&["drain", "on"]).status.success());
    let ready = server.get("/readyz");
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"draining".into()));
    assert_eq!(server.cli(&["health", "--ready"]).status.code(), Some(1));
    assert_eq!(server.get("/livez").status, 200);
    let mut late = Client::to(server.address("cot_tcp"), "late");
    assert!(late.bytes_until_close().is_empty());
    alice.send(&marker("m"));
    bob.expect("m");
    assert!(server.cli(&["drain", "off"]).status.success());
    assert_eq!(server.get("/readyz").status, 200);
    let _carol = Client::join(&server, "C", "CAROL");
    alice.expect("C");
}

#[test]
fn op13_1_a_restart_keeps_node_id_and_certificates() {
    let mut server = Server::build().tls().start();
    let node = server.cli_json(&["status"])["node_id"].clone();
    let read = |server: &Server, file: &str| std::fs::read(server.data_dir().join(file)).unwrap();
    let (ca, cert) = (read(&server, "certs/ca.pem"), read(&server, "certs/server.pem"));
    let user = Pki::issue(&server, "ann");
    let ca_path = server.data_dir().join("certs/ca.pem");
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(server.cli(&["status"]).status.code(), Some(3), "nothing answers any more");
    let again = Server::build().tls().again(&server).start();
    assert_eq!(again.cli_json(&["status"])["node_id"], node);
    assert_eq!((read(&again, "certs/ca.pem"), read(&again, "certs/server.pem")), (ca, cert));
    let config = user.client(&ca_path, rustls::ALL_VERSIONS);
    let mut alice = Client::tls(&again, "cot_tls", config).unwrap().greeted().identify("A", "ALICE");
    alice.send(&event("x", "b-m-p-s-m", ""));
    alice.sync();
}

#[test]
fn line_36_after_a_kill_clients_come_back() {
    let mut server = Server::start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&marker("m"));
    bob.expect("m");
    server.kill();
    alice.expect_close();
    bob.expect_close();
    let again = Server::build().again(&server).start();
    let [mut alice, mut bob] = join_all(&again, [("A", "ALICE"), ("B", "BOB")]);
    alice.send(&marker("m"));
    bob.expect("m");
}
