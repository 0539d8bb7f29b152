//! How long a held event takes (plugins.md 10, fanout.md 3): 2 000 events a second into one destination with 100 members
//! beside one a second into another. Asserts that nothing is lost, prints times; run it alone:
//! `cargo test -p fts-tests --test all -- --ignored --nocapture plugin_bench::`. `RATE` and `SECONDS` change the load, `UNSTORED=1`
//! leaves the plugin's commits out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::plugin_bed;

use std::{
    io::Read,
    net::TcpStream,
    time::{Duration, Instant},
};

use fts_tests::{Client, marker_to};
use plugin_bed::{Asks, probe, to};
use serde_json::json;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise)
}

/// Reads until so many events of this prefix have come; when the last one did.
fn count(mut socket: TcpStream, prefix: &str, most: usize) -> Instant {
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let needle = format!(" uid=\"{prefix}");
    let finder = memchr::memmem::Finder::new(needle.as_bytes());
    let (mut buf, mut kept, mut seen) = (vec![0; 256 * 1024], 0, 0);
    while seen < most {
        let n = socket.read(&mut buf[kept..]).unwrap_or_else(|e| panic!("{seen} of {most}: {e}"));
        assert_ne!(n, 0, "closed after {seen} of {most}");
        let len = kept + n;
        seen += finder.find_iter(&buf[..len]).count();
        // A prefix cut in two is looked at again; a whole one never is.
        kept = (needle.len() - 1).min(len);
        buf.copy_within(len - kept..len, 0);
    }
    Instant::now()
}

#[test]
#[ignore = "a measurement: run it alone"]
fn two_thousand_a_second_into_one_held_destination_with_a_hundred_members_while_another_gets_one_per_second() {
    let (rate, seconds) = (number("RATE", 2_000), number("SECONDS", 10));
    let unstored = number("UNSTORED", 0) == 1;
    let server = probe(if unstored { "unstored = true" } else { "" })
        .set("stream.limits.read_events_per_s", "0")
        .set("stream.limits.read_bytes_per_s", "0")
        .set("canary.interval", "\"0s\"")
        .start();
    let members: Vec<_> = (0..100).map(|n| format!("M{n}")).collect();
    server.room("busy", &members.iter().map(String::as_str).collect::<Vec<_>>(), &["A"]);
    server.room("calm", &["M0", "Z"], &["B"]);
    let all = rate * seconds;
    let clients: Vec<_> = members.iter().map(|uid| Client::join(&server, uid, uid)).collect();
    let mut alice = Client::join(&server, "A", "ALICE");
    let mut bob = Client::join(&server, "B", "BOB");
    let mut zoe = Client::join(&server, "Z", "ZOE");
    // Readers of both: the notices and the events themselves.
    let readers: Vec<_> = clients
        .iter()
        .map(|client| {
            let socket = client.socket().try_clone().unwrap();
            std::thread::spawn(move || count(socket, "notice-b-", all))
        })
        .collect();
    let began = Instant::now();
    let calm = std::thread::spawn(move || {
        for n in 0..seconds {
            bob.send(&marker_to(&format!("c-{n}"), &to("calm")));
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    for tick in 0..seconds * 100 {
        let due = began + Duration::from_millis(10) * tick as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let batch: String =
            (0..rate / 100).map(|n| marker_to(&format!("b-{}", tick * (rate / 100) + n), &to("busy"))).collect();
        alice.send(&batch);
    }
    let sent = began.elapsed();
    calm.join().unwrap();
    for n in 0..seconds {
        zoe.until(|e| e.uid() == format!("notice-c-{n}"));
        zoe.expect(&format!("c-{n}"));
    }
    let last = readers.into_iter().map(|r| r.join().unwrap()).max().unwrap();
    server.eventually("all are let go", || server.plugin("probe")["held"] == 0);
    let stored = server.probe(json!({"do": "stored-count"}));
    assert_eq!(stored, if unstored { 0 } else { all + seconds }, "every one is stored once");
    println!("{all} events sent in {sent:?} ({rate}/s), the last member had the last one after {:?}", last - began);
    println!("receipt to release, ms: {}", server.probe(json!({"do": "took"})));
    println!(
        "handler held: {}",
        server.plugin("probe")["handlers"].as_array().unwrap().iter().find(|h| h["name"] == "held").unwrap()
    );
}
