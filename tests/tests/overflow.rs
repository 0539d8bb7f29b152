//! Where patience ends (cot.md RULE-48, 49; acceptance line 35): too many reliable bytes or a socket that takes nothing
//! close the connection with a reason that is kept; all queues together stay in the memory budget; and whatever happens
//! to one client, the others notice nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{io::Read, thread};

use fts_tests::{Client, Server, event, fence, join_all, marker};

fn big(uid: &str, kind: &str) -> String {
    event(uid, kind, &format!("<filler>{}</filler>", "x".repeat(60_000)))
}

/// Resident memory of the server in MiB.
fn resident(server: &Server) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

/// The entry of a client that left.
fn left(server: &Server, uid: &str) -> Option<serde_json::Value> {
    let all = server.cli_json(&["clients", "list", "--gone"]);
    all.as_array().unwrap().iter().find(|c| c["uid"] == uid && c["gone"].is_object()).cloned()
}

/// Sends until the victim is gone; returns how many were sent.
fn until_gone(server: &Server, sender: &mut Client, text: impl Fn(usize) -> String) -> usize {
    let mut sent = 0;
    server.eventually("the victim is closed", || {
        for _ in 0..8 {
            sender.send(&text(sent));
            sent += 1;
        }
        sender.sync();
        left(server, "V").is_some()
    });
    sent
}

#[test]
fn rule_48_too_many_reliable_bytes_close_the_connection() {
    let server = Server::build().set("stream.limits.queue_reliable_bytes", "\"1MiB\"").start();
    let [mut sender, mut other] = join_all(&server, [("S", "SENDER"), ("O", "OTHER")]);
    let mut victim = Client::narrow(&server).identify("V", "VICTIM");
    sender.expect("V");
    other.expect("V");
    let reader = thread::spawn(move || {
        let (last, all) = other.until(|e| e.uid() == "end");
        assert_eq!(last.uid(), "end");
        (other, all)
    });
    let sent = until_gone(&server, &mut sender, |n| big(&format!("m-{n}"), "b-m-p-s-m"));
    sender.send(&marker("end"));
    let (_, all) = reader.join().unwrap();
    let markers = all.iter().filter(|e| e.uid().starts_with("m-")).map(|e| e.uid().to_owned());
    assert_eq!(markers.collect::<Vec<_>>(), (0..sent).map(|n| format!("m-{n}")).collect::<Vec<_>>());
    assert!(all.iter().any(|e| e.kind() == "t-x-d-d" && e.detail("link").unwrap().attr("uid") == "V"));
    assert_eq!(left(&server, "V").unwrap()["gone"]["reason"], "slow-consumer");
    assert!(server.metric("fts_cot_dropped_total", &[r#"reason="slow_consumer""#]) >= 1.0);
    let gone = server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "V");
    assert_eq!(gone["reason"], "slow-consumer");
    assert_eq!(server.metric("fts_client_disconnects_total", &[r#"reason="slow-consumer""#]), 1.0);
    // What it reads now ends with a whole event or inside of one, but never goes on after a torn one.
    let mut seen = Vec::new();
    let why = loop {
        match victim.next_within(fts_tests::DEADLINE) {
            Ok(event) => seen.push(event.uid().to_owned()),
            Err(why) => break why,
        }
    };
    seen.retain(|uid| uid.starts_with("m-"));
    assert_eq!(seen, (0..seen.len()).map(|n| format!("m-{n}")).collect::<Vec<_>>(), "in order, without a gap");
    assert!(!why.starts_with("timeout"), "{why}");
}

#[test]
fn rule_48_a_socket_that_takes_nothing_is_closed() {
    let server = Server::build().set("stream.limits.write_stall", "\"1s\"").start();
    let [mut sender, mut other] = join_all(&server, [("S", "SENDER"), ("O", "OTHER")]);
    let _victim = Client::narrow(&server).identify("V", "VICTIM");
    sender.expect("V");
    other.expect("V");
    let reader = thread::spawn(move || other.until(|e| e.uid() == "end").1.len());
    until_gone(&server, &mut sender, |_| big("bulk", "a-f-G-U-C"));
    sender.send(&marker("end"));
    reader.join().unwrap();
    assert_eq!(left(&server, "V").unwrap()["gone"]["reason"], "slow-consumer-stalled");
    server.wait_log(|l| l["event"] == "client.disconnected" && l["reason"] == "slow-consumer-stalled");
    // A client that only has nothing to read is never taken for stalled.
    assert!(server.client("S")["gone"].is_null());
    let text = String::from_utf8(server.cli(&["clients", "list", "--gone"]).stdout).unwrap();
    assert!(text.contains("(slow-consumer-stalled)"), "{text}");
}

#[test]
fn line_35_a_hundred_thousand_positions_past_a_client_that_does_not_read() {
    const EVENTS: usize = 100_000;
    const UIDS: usize = 100;
    let server = Server::start();
    let mut sender = Client::connect(&server);
    let mut carol = Client::join(&server, "C", "CAROL");
    let mut victim = Client::narrow(&server).identify("V", "VICTIM");
    carol.expect("V");
    sender.expect("C");
    sender.expect("V");
    let before = resident(&server);
    // Carol reads at full speed and looks at the bytes only: what counts is that nothing holds her up.
    let mut socket = carol.socket().try_clone().unwrap();
    socket.set_read_timeout(Some(fts_tests::DEADLINE)).unwrap();
    let reader = thread::spawn(move || {
        let (mut all, mut more) = (Vec::new(), vec![0; 1 << 20]);
        while !all.ends_with(b"<end/></detail></event>") && !all.windows(6).rev().take(2_000).any(|w| w == b"<end/>") {
            let n = socket.read(&mut more).unwrap();
            assert_ne!(n, 0, "carol is closed");
            all.extend_from_slice(&more[..n]);
        }
        all
    });
    for serial in 0..EVENTS / UIDS {
        let text = |n: usize| {
            let contact = format!(r#"<contact callsign="c{n}" endpoint="*:-1:stcp"/><serial n="{serial}"/>"#);
            event(&format!("c{n}"), "a-f-G-U-C", &contact)
        };
        sender.send(&(0..UIDS).map(text).collect::<String>());
    }
    sender.say("end", "b-m-p-s-m", "<end/>");
    let all = String::from_utf8(reader.join().unwrap()).unwrap();
    sender.sync();
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 64, "{grown} MiB more");
    assert!(server.client("C")["gone"].is_null() && server.client("C")["dropped"]["state"] == 0);
    for n in [0, UIDS - 1] {
        let newest = format!(r#"callsign="c{n}" endpoint="*:-1:stcp"/><serial n="{}"/>"#, EVENTS / UIDS - 1);
        assert!(all.contains(&newest), "carol has the newest of c{n}");
    }
    // The victim was not closed (there is nothing reliable to lose) and gets the newest of every uid, whole.
    let (_, got) = victim.until(|e| e.uid() == "end");
    for n in 0..UIDS {
        let last = got.iter().rfind(|e| e.uid() == format!("c{n}")).unwrap();
        assert_eq!(last.detail("serial").unwrap().attr("n"), (EVENTS / UIDS - 1).to_string());
    }
    assert!(got.len() < EVENTS / 2, "{} of {EVENTS}", got.len());
    fence(&mut sender, &mut [&mut victim]);
}

#[test]
fn all_queues_together_stay_in_the_memory_budget() {
    let server = Server::build().set("stream.limits.memory_budget", "\"1MiB\"").start();
    let mut sender = Client::connect(&server);
    let victims: Vec<Client> =
        (0..6).map(|n| Client::narrow(&server).identify(&format!("V{n}"), &format!("VICTIM-{n}"))).collect();
    let tight = |l: &serde_json::Value, tight: bool| l["event"] == "queue.overflow" && l["tight"] == tight;
    server.eventually("the soft marks are tightened", || {
        (0..16).for_each(|n| sender.send(&big(&format!("b{n}"), "a-f-G-U-C")));
        server.logs().iter().any(|l| tight(l, true))
    });
    drop(victims);
    server.wait_log(|l| tight(l, false));
    // The server serves on.
    let mut late = Client::join(&server, "L", "LATE");
    sender.send(&marker("m"));
    late.until(|e| e.uid() == "m");
}
