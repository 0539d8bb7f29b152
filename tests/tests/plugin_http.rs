//! Routes of plugins under load (plugins.md 1.2, 5, 10; decision 91): slow senders and slow readers hold no slot and no
//! snapshot of the database; requests during a reload wait for the new generation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::plugin_bed;

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use fts_tests::{DEADLINE, Server};
use plugin_bed::{Asks, head, probe, raw, timed};
use serde_json::json;

const SLOW: usize = 64;

fn quick(server: &Server) {
    let answer = server.admin("GET", "/api/plugins/probe/quick", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "quick"));
}

#[test]
fn sixty_four_slow_bodies_hold_no_slot_and_grow_no_log() {
    let server = probe("").start();
    server.probe(json!({"do": "fill", "rows": 1, "bytes": 10}));
    let (alone, ()) = timed(|| (0..50).for_each(|_| quick(&server)));
    let mut slow: Vec<_> = (0..SLOW)
        .map(|_| raw(&server, "POST /api/plugins/probe/body HTTP/1.1\r\nhost: fts\r\ncontent-length: 2000\r\n\r\n"))
        .collect();
    for stream in &mut slow {
        stream.write_all(&[b'x'; 100]).unwrap();
    }
    let (beside, ()) = timed(|| (0..50).for_each(|_| quick(&server)));
    println!("50 requests alone {alone:?}, beside {SLOW} slow bodies {beside:?}");
    let before = server.probe(json!({"do": "wal"})).as_u64().unwrap();
    for _ in 0..20 {
        server.probe(json!({"do": "fill", "rows": 100, "bytes": 4_000}));
    }
    let grown = server.probe(json!({"do": "wal"})).as_u64().unwrap();
    assert!(grown < 12 << 20, "the log grew from {before} to {grown} bytes");
    // They are answered when they are through.
    for stream in &mut slow {
        stream.write_all(&[b'x'; 1_900]).unwrap();
        assert!(head(stream).starts_with("HTTP/1.1 200"));
    }
}

/// Asks for the whole table and reads nothing of it.
fn reader(server: &Server) -> UnixStream {
    raw(server, "GET /api/plugins/probe/bulk HTTP/1.1\r\nhost: fts\r\nconnection: close\r\n\r\n")
}

/// Everything that is left, chunks undone.
fn rest(stream: &mut UnixStream) -> usize {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let (mut at, mut bytes) = (0, 0);
    loop {
        let end = at + all[at..].windows(2).position(|w| w == b"\r\n").unwrap();
        let len = usize::from_str_radix(std::str::from_utf8(&all[at..end]).unwrap(), 16).unwrap();
        if len == 0 {
            return bytes;
        }
        bytes += len;
        at = end + 2 + len + 2;
    }
}

#[test]
fn sixty_four_slow_readers_hold_no_slot_and_no_snapshot() {
    let server = probe("").start();
    const ROWS: usize = 1_000;
    server.probe(json!({"do": "fill", "rows": ROWS, "bytes": 4_096}));
    let (alone, ()) = timed(|| (0..50).for_each(|_| quick(&server)));
    let mut slow: Vec<_> = (0..SLOW).map(|_| reader(&server)).collect();
    for stream in &mut slow {
        let head = head(stream);
        assert!(head.starts_with("HTTP/1.1 200"), "{head} {:?}", server.logs().last());
    }
    let (beside, ()) = timed(|| (0..50).for_each(|_| quick(&server)));
    println!("50 requests alone {alone:?}, beside {SLOW} readers of 4 MB who do not read {beside:?}");
    // Once everything is pulled nobody has a snapshot open, and the log is written back and begins anew.
    let mut most = 0;
    server.eventually("the log does not grow", || {
        server.probe(json!({"do": "fill", "rows": 100, "bytes": 4_096}));
        let before = server.probe(json!({"do": "wal"})).as_u64().unwrap();
        (0..20).for_each(|_| drop(server.probe(json!({"do": "fill", "rows": 100, "bytes": 4_096}))));
        most = server.probe(json!({"do": "wal"})).as_u64().unwrap();
        most == before
    });
    println!("the write-ahead log has {most} bytes");
    // And everybody gets what there was when he asked.
    for stream in &mut slow {
        assert_eq!(rest(stream), ROWS * 4_096);
    }
}

#[test]
fn requests_during_a_reload_wait_for_the_new_generation() {
    let server = probe("").start();
    std::thread::scope(|scope| {
        let reloads = scope.spawn(|| {
            for _ in 0..3 {
                server.change("probe", "reload").unwrap();
            }
        });
        let mut asked = 0;
        while !reloads.is_finished() {
            quick(&server);
            asked += 1;
        }
        reloads.join().unwrap();
        println!("{asked} requests");
    });
    assert_eq!(server.plugin("probe")["generation"], 4);
}

#[test]
fn a_request_under_way_ends_before_its_generation_does() {
    let server = probe("").start();
    server.probe(json!({"do": "pause", "before": "answer", "ms": 1_500}));
    let mut waiting = raw(&server, "GET /api/plugins/probe/wait HTTP/1.1\r\nhost: fts\r\nconnection: close\r\n\r\n");
    server.wait_paused();
    server.change("probe", "reload").unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("waited"), "{answer}");
}

#[test]
fn more_requests_than_slots_wait_and_a_few_too_many_are_refused() {
    let server = probe("http_concurrency = 2\nhttp_waiting = 3").start();
    server.probe(json!({"do": "pause", "before": "answer"}));
    let ask = || raw(&server, "GET /api/plugins/probe/wait HTTP/1.1\r\nhost: fts\r\nconnection: close\r\n\r\n");
    let mut first = ask();
    server.wait_paused();
    let mut others: Vec<_> = (0..7).map(|_| ask()).collect();
    // One of two slots is taken, the next takes the other; three wait; three are too many.
    let mut refused = 0;
    others.retain_mut(|stream| {
        stream.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        if answer.is_empty() {
            return true;
        }
        assert!(answer.starts_with("HTTP/1.1 503") && answer.to_lowercase().contains("retry-after"), "{answer}");
        refused += 1;
        false
    });
    assert_eq!((refused, others.len()), (3, 4));
    // The route that would let them go is behind the same limit: a reload does it, and nobody is forgotten.
    server.change("probe", "reload").unwrap();
    for stream in std::iter::once(&mut first).chain(&mut others) {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }
}

#[test]
fn a_body_is_hashed_on_the_way_and_a_long_one_lies_in_a_file() {
    let server = probe("").start();
    for (len, in_file) in [(0, false), (10, false), (3 << 20, true)] {
        let mut stream = raw(
            &server,
            &format!(
                "POST /api/plugins/probe/body HTTP/1.1\r\nhost: fts\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n"
            ),
        );
        stream.write_all(&vec![b'a'; len]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!((body["len"].as_u64(), body["in_file"].as_bool()), (Some(len as u64), Some(in_file)), "{answer}");
        assert_eq!(body["sha256"].as_str().unwrap().len(), 64);
    }
    let spool = server.data_dir().join("run/spool");
    server.eventually("bodies are gone", || std::fs::read_dir(&spool).unwrap().next().is_none());
}
