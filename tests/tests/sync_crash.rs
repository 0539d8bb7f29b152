//! `kill -9` in the middle of uploads, fifty times: there never is a row without its file, never a torn file, and every
//! upload that was answered is there afterwards (operations.md 7.1).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::sync_bed;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fts_tests::{Server, Web};
use sync_bed::{Noise, fetch, search, sha256, under_way};

const ROUNDS: u64 = 50;
const CLIENTS: usize = 3;

/// One upload; None = no answer came.
fn upload(at: std::net::SocketAddr, name: &str, bytes: &[u8]) -> Option<bool> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let head = format!(
        "POST /Marti/sync/upload?name={name}&uid={name} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
        bytes.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(bytes).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    if !answer.starts_with(b"HTTP/1.1 ") {
        return None;
    }
    Some(answer.starts_with(b"HTTP/1.1 200"))
}

#[test]
fn answered_uploads_survive_fifty_kills() {
    let mut server = Server::start();
    // Name and hash of what was answered, and what was tried.
    let answered: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let tried = Arc::new(AtomicU64::new(0));
    for round in 0..ROUNDS {
        let (at, over) = (server.address("marti_http"), Arc::new(AtomicBool::new(false)));
        let before = tried.load(Relaxed);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (answered, tried, over) = (answered.clone(), tried.clone(), over.clone());
                std::thread::spawn(move || {
                    for turn in 0_u64.. {
                        if over.load(Relaxed) {
                            return;
                        }
                        let name = format!("f-{round}-{n}-{turn}");
                        // Some stay in memory, some are spooled; sizes change so that the kill meets every step.
                        let len = match (turn + n as u64 + round) % 4 {
                            0 => 700,
                            1 => 90_000,
                            2 => 1_100_000,
                            _ => 3_000_000,
                        };
                        let mut bytes = Vec::new();
                        Noise::new(round * 1_000_003 + n as u64 * 101 + turn, len).read_to_end(&mut bytes).unwrap();
                        let hash = sha256(&bytes);
                        tried.fetch_add(1, Relaxed);
                        match upload(at, &name, &bytes) {
                            Some(true) => answered.lock().unwrap().push((name, hash)),
                            Some(false) => panic!("an upload was refused"),
                            None => {}
                        }
                    }
                })
            })
            .collect();
        // Not a time but a number of uploads, and then some of the next: each round stops somewhere else.
        let until = before + 3 + round % 7;
        while tried.load(Relaxed) < until {
            std::thread::yield_now();
        }
        let pause = Instant::now();
        while pause.elapsed() < Duration::from_micros(400 * (round % 23)) {
            std::hint::spin_loop();
        }
        over.store(true, Relaxed);
        server.kill();
        clients.into_iter().for_each(|c| c.join().unwrap());
        server = Server::build().again(&server).start();
        assert!(under_way(&server).is_empty(), "what broke off is removed at the start");
        look(&server, &answered.lock().unwrap(), round);
    }
    let answered = answered.lock().unwrap();
    println!(
        "{} uploads tried, {} answered, all of them there after {ROUNDS} kills",
        tried.load(Relaxed),
        answered.len()
    );
    assert!(answered.len() > ROUNDS as usize, "the kills came too early to show anything");
    let check = server.cli_json(&["files", "check", "--read"]);
    assert_eq!((check["missing"].to_string(), check["damaged"].to_string()), ("[]".into(), "[]".into()), "{check}");
    assert_eq!(check["orphans"].to_string(), "[]", "contents without a row were swept at the start");
}

/// Every row has its whole file; everything answered has its row. The files of this round are read, of the others only
/// some, because fifty times everything would take an hour.
fn look(server: &Server, answered: &[(String, String)], round: u64) {
    let web = Web::plain(server, "marti_http");
    let rows = search(&web, "");
    let known: BTreeSet<_> = rows.iter().map(|r| (r["UID"].as_str().unwrap(), r["Hash"].as_str().unwrap())).collect();
    for (name, hash) in answered {
        assert!(known.contains(&(name.as_str(), hash.as_str())), "{name} was answered and is gone in round {round}");
    }
    let mine = format!("f-{round}-");
    for (n, row) in rows.iter().enumerate() {
        let (uid, hash) = (row["UID"].as_str().unwrap(), row["Hash"].as_str().unwrap());
        if uid.starts_with(&mine) || n as u64 % 10 == round % 10 {
            let (status, bytes, real) = fetch(&web, &format!("/Marti/sync/content?hash={hash}"));
            assert_eq!((status, real.as_str()), (200, hash), "{uid} in round {round}");
            assert_eq!(bytes.to_string(), row["Size"].as_str().unwrap());
        }
    }
}
