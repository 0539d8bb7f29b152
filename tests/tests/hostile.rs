//! Line 56 of cot.md 17: millions of random and mutated bytes over two hundred connections, while honest clients go on
//! exchanging events. Nothing panics, nothing leaks, and what honest clients send arrives in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fts_tests::{Client, Server, chat, event, join_all, marker, sa};
use rand::{Rng, SeedableRng, rngs::StdRng};

const CONNECTIONS: usize = 200;
const BYTES: usize = 50_000;

/// What one hostile client sends: real events with bytes changed, cut out and doubled, and plain noise.
fn hostile(seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let templates = [
        sa(&format!("H-{seed}"), "HOSTILE"),
        marker("hostile"),
        chat(("H", "HOSTILE"), "All Chat Rooms", "All Chat Rooms", "RootContactGroup", "m", ""),
        event("cdata", "b-m-p-s-m", "<remarks><![CDATA[</event>]]><!-- x --></remarks>"),
        event("ask", "t-x-takp-q", r#"<TakControl><TakRequest version="1"/></TakControl>"#),
    ];
    let mut all = Vec::with_capacity(BYTES + 2_000);
    while all.len() < BYTES {
        if rng.random_ratio(1, 8) {
            all.extend((0..rng.random_range(1..500)).map(|_| rng.random::<u8>()));
            continue;
        }
        let mut text = templates[rng.random_range(0..templates.len())].clone().into_bytes();
        for _ in 0..rng.random_range(0..4) {
            let at = rng.random_range(0..text.len());
            match rng.random_range(0..4) {
                0 => text[at] = rng.random(),
                1 => drop(text.drain(at..(at + rng.random_range(1..40)).min(text.len()))),
                2 => text.insert(at, b"<>&\"'/\xBF\0"[rng.random_range(0..8)]),
                _ => text.extend_from_within(at..),
            }
            if text.is_empty() {
                break;
            }
        }
        all.extend(text);
    }
    all
}

fn resident(server: &Server) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.pid())).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[test]
fn line_56_ten_million_hostile_bytes_harm_nobody() {
    // No invalid event ends a connection here: all of it shall be read.
    let server = Server::build().set("stream.limits.max_invalid_events", "0").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let mut after = Vec::new();
    for wave in 0..3 {
        let sent: usize = std::thread::scope(|scope| {
            let attacks: Vec<_> = (0..4)
                .map(|part| {
                    let server = &server;
                    scope.spawn(move || {
                        let mut sent = 0;
                        for n in (part..CONNECTIONS).step_by(4) {
                            let mut one = Client::to(server.address("cot_tcp"), "hostile");
                            for piece in hostile((wave * CONNECTIONS + n) as u64).chunks(777) {
                                one.send_bytes(piece);
                                sent += piece.len();
                            }
                        }
                        sent
                    })
                })
                .collect();
            // Meanwhile honest clients see everything of each other, in order.
            for n in 0..200 {
                let uid = format!("honest-{wave}-{n}");
                alice.send(&marker(&uid));
                bob.until(|e| e.uid() == uid);
            }
            attacks.into_iter().map(|a| a.join().unwrap()).sum()
        });
        assert!(sent >= CONNECTIONS * BYTES, "{sent} bytes");
        server.eventually("the hostile are gone", || server.metric("fts_clients_connected", &[]) == 2.0);
        after.push(resident(&server));
    }
    assert!(after[2] < after[0] + 8 * 1024 * 1024, "memory grows from wave to wave: {after:?}");
    assert!(server.metric("fts_cot_rejected_total", &[]) > 1_000.0);
    let bad = |l: &serde_json::Value| l["level"] == "ERROR" || l.to_string().contains("panicked");
    assert!(!server.logs().iter().any(bad));
    let uid = "still-here";
    bob.send(&marker(uid));
    alice.until(|e| e.uid() == uid);
}
