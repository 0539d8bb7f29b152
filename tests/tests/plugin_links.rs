//! Links of a plugin (plugins.md 1.3, 10): dialled and accepted, plain and TLS, what the plugin is told, and a peer that
//! does not read, which delays nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::plugin_bed;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use fts_tests::{Client, DEADLINE, Server, chat, event, fence, join_all};
use plugin_bed::{Asks, probe};
use serde_json::{Value, json};

const PROFILES: &str = "[plugins.probe.profiles.lines]\nframes = {Line = {max = 100000}}\n\
                        [plugins.probe.profiles.counted]\nframes = {U32 = {max = 1000}}\n\
                        [plugins.probe.profiles.tls]\nframes = {Line = {max = 1000}}\ntls = {any_name = true}\n\
                        [plugins.probe.profiles.stranger]\nframes = {Line = {max = 1000}}\ntls = {any_name = true, anonymous = true}\n\
                        [plugins.probe.profiles.starttls]\nframes = {Line = {max = 1000}}\ntls = {any_name = true, starttls = true}\n";

fn listen(server: &Server, profile: &str) -> std::net::SocketAddr {
    let listening = server.probe(json!({"do": "listen", "profile": profile}));
    listening["address"].as_str().unwrap().parse().unwrap()
}

fn dial(server: &Server, port: u16, profile: &str) -> u64 {
    server.probe(json!({"do": "dial", "host": "127.0.0.1", "port": port, "profile": profile})).as_u64().unwrap()
}

/// Notes of this kind, when there are so many.
fn notes(server: &Server, what: &str, n: usize) -> Vec<Value> {
    server.eventually(what, || server.diary(what).len() >= n);
    server.diary(what)
}

#[test]
fn frames_come_in_order_and_the_end_says_how() {
    let server = probe(PROFILES).start();
    let mut peer = TcpStream::connect(listen(&server, "lines")).unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let up = notes(&server, "up", 1)[0].clone();
    assert!(up["listener"] != 0 && up["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{up}");
    let link = up["link"].as_u64().unwrap();
    let all: String = (0..200).map(|n| format!("line {n}\n")).collect();
    peer.write_all(all.as_bytes()).unwrap();
    let frames = notes(&server, "frame", 200);
    for (n, frame) in frames.iter().enumerate() {
        assert_eq!(
            (frame["number"].as_u64(), frame["text"].as_str()),
            (Some(n as u64 + 1), Some(&*format!("line {n}")))
        );
    }
    assert_eq!(server.probe(json!({"do": "write", "link": link, "text": "hello"})), Value::Null);
    let mut line = String::new();
    BufReader::new(&peer).read_line(&mut line).unwrap();
    assert_eq!(line, "hello\n");
    drop(peer);
    let closed = notes(&server, "closed", 1)[0].clone();
    assert_eq!((closed["link"].as_u64(), closed["how"].as_str()), (Some(link), Some("clean")));
    assert_eq!(server.probe(json!({"do": "write", "link": link, "text": "x"})), "Gone");

    // Dialled; a frame that is too long is the peer's fault; nobody there is an end as well.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    dial(&server, listener.local_addr().unwrap().port(), "counted");
    let (mut peer, _) = listener.accept().unwrap();
    assert_eq!(notes(&server, "up", 2)[1]["listener"], 0);
    peer.write_all(&2_000_u32.to_be_bytes()).unwrap();
    assert_eq!(notes(&server, "closed", 2)[1]["how"], "protocol");
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    dial(&server, port, "counted");
    assert_eq!(notes(&server, "closed", 3)[2]["how"], "refused");
}

#[test]
fn tls_links_know_each_other_and_refuse_strangers() {
    let server = probe(PROFILES).tls().start();
    let address = listen(&server, "tls");
    dial(&server, address.port(), "tls");
    let up = notes(&server, "up", 2);
    assert!(up.iter().all(|u| u["fingerprint"].as_str().unwrap().len() == 64), "{up:?}");
    let (dialled, accepted) = if up[0]["listener"] == 0 { (&up[0], &up[1]) } else { (&up[1], &up[0]) };
    assert_ne!(accepted["name"], "", "the peer's certificate is demanded");
    server.probe(json!({"do": "write", "link": dialled["link"], "text": "in secret"}));
    let frame = notes(&server, "frame", 1)[0].clone();
    assert_eq!((frame["text"].as_str(), &frame["link"]), (Some("in secret"), &accepted["link"]));
    server.probe(json!({"do": "close", "link": dialled["link"]}));
    let closed = notes(&server, "closed", 2);
    assert!(closed.iter().any(|c| c["how"] == "local") && closed.iter().any(|c| c["how"] == "clean"), "{closed:?}");
    dial(&server, address.port(), "stranger");
    let rejected = notes(&server, "link", 1)[0].clone();
    assert!(rejected.as_str().unwrap().contains("Rejected"), "{rejected}");

    // STARTTLS: plain first, then inside.
    let address = listen(&server, "starttls");
    let link = dial(&server, address.port(), "starttls");
    let up = notes(&server, "up", server.diary("up").len().max(4));
    let other = up.iter().rfind(|u| u["listener"] != 0).unwrap()["link"].clone();
    server.probe(json!({"do": "write", "link": link, "text": "STARTTLS"}));
    server.eventually("the wish is there", || server.diary("frame").iter().any(|f| f["text"] == "STARTTLS"));
    server.probe(json!({"do": "starttls", "link": other, "last": "PROCEED", "seen": 1}));
    server.eventually("the answer is there", || server.diary("frame").iter().any(|f| f["text"] == "PROCEED"));
    server.probe(json!({"do": "starttls", "link": link, "last": "", "seen": 1}));
    notes(&server, "secured", 2);
    server.probe(json!({"do": "write", "link": link, "text": "inside"}));
    server.eventually("it came", || server.diary("frame").iter().any(|f| f["text"] == "inside"));
}

#[test]
fn links_end_with_their_generation() {
    let server = probe(PROFILES).start();
    let address = listen(&server, "lines");
    let mut peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    notes(&server, "up", 1);
    server.change("probe", "reload").unwrap();
    assert_eq!(peer.read(&mut [0; 16]).unwrap_or(0), 0, "closed");
    assert!(TcpStream::connect(address).is_err(), "nobody listens there any more");
    assert_eq!(server.diary("").len(), 1, "the new one is told nothing of it: {:?}", server.diary(""));
    let again = listen(&server, "lines");
    TcpStream::connect(again).unwrap();
    notes(&server, "up", 1);
}

/// Reads what the relaying link carries: uids of chats, and the last remark of each position.
fn carried(peer: &TcpStream, until: &str) -> (Vec<String>, Vec<String>) {
    let (mut chats, mut positions) = (Vec::new(), Vec::new());
    for line in BufReader::new(peer).lines().map(Result::unwrap) {
        let tree = fts_tests::parse(&line).unwrap();
        if tree.attr("type") == "b-t-f" {
            chats.push(tree.attr("uid").rsplit('.').next().unwrap().to_owned());
        } else {
            positions.push(tree.at("detail/remarks").map_or_else(String::new, |r| r.attr("n").to_owned()));
        }
        if positions.last().is_some_and(|p| p == until) {
            break;
        }
    }
    (chats, positions)
}

#[test]
fn a_link_whose_peer_stops_reading_delays_nobody_chat_arrives_later_positions_only_the_newest() {
    // The observer wants every position; what it sends faster than the reader allows is the test's business.
    let server =
        probe(PROFILES).set("stream.limits.read_events_per_s", "0").set("stream.limits.read_bytes_per_s", "0").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = dial(&server, listener.local_addr().unwrap().port(), "lines");
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    socket2::SockRef::from(&peer).set_recv_buffer_size(16_384).unwrap();
    notes(&server, "up", 1);
    server.probe(json!({"do": "relay", "link": link}));

    // Nobody reads: the link fills, and bob gets everything as before.
    let blanks = " ".repeat(30_000);
    let position = |n: usize| event("P", "a-f-G", &format!("<remarks n=\"{n}\">{blanks}</remarks>"));
    let mut sent = 0;
    let mut slowest = Duration::ZERO;
    while server.probe(json!({"do": "waiting"}))[1] == 0 || sent < 600 {
        assert!(sent < 3_000, "the link never fills");
        for _ in 0..20 {
            alice.send(&position(sent));
            let message = format!("c{sent}");
            alice.send(&chat(("A", "ALICE"), "All Chat Rooms", "All Chat Rooms", "RootContactGroup", &message, ""));
            let began = Instant::now();
            bob.until(|e| e.uid().ends_with(&format!(".{message}")));
            slowest = slowest.max(began.elapsed());
            sent += 1;
        }
    }
    println!("{sent} positions of 30 kB and as many chats; bob waited {slowest:?} at most");
    server.eventually("chats wait, and one position", || {
        let waiting = server.probe(json!({"do": "waiting"}));
        waiting[1] == 1 && waiting[0].as_u64() > Some(1)
    });
    assert_eq!(server.state("probe"), "running");
    // It reads again: every chat in order, of the positions the newest, and few of those that came meanwhile.
    let (chats, positions) = carried(&peer, &(sent - 1).to_string());
    assert_eq!(chats, (0..sent).map(|n| format!("c{n}")).collect::<Vec<_>>());
    assert!(positions.len() < sent, "{} of {sent}", positions.len());
    assert!(positions.is_sorted_by_key(|p| p.parse::<usize>().unwrap()));
    server.eventually("nothing waits", || server.probe(json!({"do": "waiting"})) == json!([0, 0]));
    fence(&mut alice, &mut [&mut bob]);
}

#[test]
fn a_peer_that_sends_without_end_is_read_at_the_plugins_speed() {
    let server = probe(PROFILES).start();
    let mut peer = TcpStream::connect(listen(&server, "lines")).unwrap();
    notes(&server, "up", 1);
    // The worker stands: at most 64 frames of the link wait, the rest stays in the socket.
    server.probe(json!({"do": "pause", "before": "watch"}));
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send(&event("w", "b-m-p-s-m", "<watch do=\"wait\"/>"));
    server.wait_paused();
    peer.set_nonblocking(true).unwrap();
    let line = format!("{}\n", "x".repeat(1_000));
    let (mut written, mut idle) = (0, Instant::now());
    while idle.elapsed() < Duration::from_millis(300) {
        match peer.write(&line.as_bytes()[written % line.len()..]) {
            Ok(n) => (written, idle) = (written + n, Instant::now()),
            Err(_) => std::thread::yield_now(),
        }
    }
    let waiting = server.plugin("probe")["queue"]["items"].as_u64().unwrap();
    assert!((1..=80).contains(&waiting), "{waiting} items wait");
    assert!(server.diary("frame").is_empty());
    server.probe(json!({"do": "go-on"}));
    let whole = written / line.len();
    server.eventually("all frames came", || server.diary("frame").len() >= whole);
}
