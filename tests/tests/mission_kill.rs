//! `kill -9` in the middle of a stream of map items, files, removals and log entries (mission.md 4.6, 5.5, 9): afterwards
//! the change log, what the mission holds and what members were told agree, and nothing that was acknowledged is missing.
//!
//! An item is acknowledged by its notice, a request by its answer. bob's notices of a round must be the beginning of the
//! round's change log: none lost, none doubled, none of something that was not stored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::mission_bed;
use crate::sync_bed;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use fts_tests::{Client, DEADLINE, Event, Server, Web};
use mission_bed::{FLOOD, TO_FLOOD, changes, events, item, notice, text, uids};
use serde_json::{Value, json};
use sync_bed::{fetch, sha256};

/// What was acknowledged, in all rounds.
#[derive(Default)]
struct Acknowledged {
    items: Vec<String>,
    files: Vec<String>,
    removed: Vec<String>,
    logs: Vec<String>,
    /// Removals that were asked for, answered or not.
    tried: BTreeSet<String>,
}

type Shared = Arc<Mutex<Acknowledged>>;

/// One request of somebody anonymous; its status, None = no answer came.
fn ask(at: SocketAddr, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.set_write_timeout(Some(DEADLINE)).ok()?;
    let len = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {len}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    // What came of an answer before the end counts: its first line is the acknowledgement.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// Everything a client gets until its connection ends; `count` counts what fits.
fn listen(mut client: Client, count: Arc<AtomicUsize>) -> thread::JoinHandle<Vec<Event>> {
    thread::spawn(move || {
        let next = || client.next_within(DEADLINE).ok();
        let counted = |e: Event| {
            count.fetch_add(usize::from(e.kind() == "t-x-m-c"), Relaxed);
            e
        };
        std::iter::from_fn(next).map(counted).collect()
    })
}

/// alice sends some items, reads until each is acknowledged, and so on until the connection ends.
fn send_items(mut alice: Client, round: usize, shared: Shared) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for turn in 0.. {
            let some: Vec<_> = (0..1 + turn % 9).map(|n| format!("k-{round}-{turn}-{n}")).collect();
            let all: String = some.iter().map(|uid| item(uid, TO_FLOOD)).collect();
            if alice.try_send(all.as_bytes()).is_err() {
                return;
            }
            let mut open: BTreeSet<_> = some.into_iter().collect();
            while !open.is_empty() {
                let Ok(event) = alice.next_within(DEADLINE) else { return };
                let Some(("ADD_CONTENT", uid)) = told(&event).as_ref().map(|(k, w)| (k.as_str(), w.clone())) else {
                    continue;
                };
                if open.remove(&uid) {
                    shared.lock().unwrap().items.push(uid);
                }
            }
        }
    })
}

/// Somebody uploads files and adds them, takes items out, writes into the log.
fn send_requests(at: SocketAddr, round: usize, shared: Shared) -> thread::JoinHandle<()> {
    let done = |status: Option<u16>, wanted: u16| {
        assert!(status.is_none_or(|s| s == wanted), "refused: {status:?}");
        status.is_some()
    };
    thread::spawn(move || {
        for turn in 0.. {
            let name = format!("f-{round}-{turn}");
            let hash = sha256(name.as_bytes());
            let raw = "application/octet-stream";
            if !done(ask(at, "POST", &format!("/Marti/sync/upload?name={name}"), raw, name.as_bytes()), 200) {
                return;
            }
            let body = json!({"hashes": [hash]}).to_string();
            let path = format!("{FLOOD}/contents?creatorUid=A");
            if !done(ask(at, "PUT", &path, "application/json", body.as_bytes()), 200) {
                return;
            }
            shared.lock().unwrap().files.push(hash);
            let entry = json!({"content": name, "creatorUid": "A", "missionNames": ["Flood North"]}).to_string();
            let path = "/Marti/api/missions/logs/entries";
            if !done(ask(at, "POST", path, "application/json", entry.as_bytes()), 201) {
                return;
            }
            shared.lock().unwrap().logs.push(name);
            let victim = {
                let mut shared = shared.lock().unwrap();
                let victim = shared.items.iter().rev().find(|uid| !shared.tried.contains(*uid)).cloned();
                shared.tried.extend(victim.clone());
                victim
            };
            let Some(uid) = victim else { continue };
            if !done(ask(at, "DELETE", &format!("{FLOOD}/contents?uid={uid}&creatorUid=A"), "text/plain", b""), 200) {
                return;
            }
            shared.lock().unwrap().removed.push(uid);
        }
    })
}

/// (type, what) of a change notice.
fn told(event: &Event) -> Option<(String, String)> {
    if event.kind() != "t-x-m-c" {
        return None;
    }
    let change = notice(event, "t-x-m-c").at("MissionChanges/MissionChange").expect("a change");
    let what = change.child("contentUid").or_else(|| change.at("contentResource/hash")).expect("of something");
    Some((change.child("type").unwrap().text(), what.text()))
}

/// Everything agrees, and what was acknowledged is there.
fn look(server: &Server, all: &Acknowledged, before: usize, bob: &[Event], round: usize) -> usize {
    let web = Web::plain(server, "marti_http");
    let log = changes(&web, FLOOD);
    let heard: Vec<_> = bob.iter().filter_map(told).collect();
    let new = &log[before..];
    assert!(new.len() >= heard.len(), "round {round}: told of {} and stored {}", heard.len(), new.len());
    assert_eq!(heard, new[..heard.len()], "round {round}: notices are the beginning of what is stored");
    let whole: BTreeSet<_> = log.iter().filter(|(_, what)| what.starts_with("k-")).collect();
    assert_eq!(whole.len(), log.iter().filter(|(_, what)| what.starts_with("k-")).count(), "round {round}: once each");
    let is = |kind: &str, what: &String| log.contains(&(kind.to_owned(), what.clone()));
    for (kind, wanted) in [("ADD_CONTENT", &all.items), ("ADD_CONTENT", &all.files), ("REMOVE_CONTENT", &all.removed)] {
        let missing: Vec<_> = wanted.iter().filter(|what| !is(kind, what)).collect();
        assert!(missing.is_empty(), "round {round}: {kind} was acknowledged and is gone: {missing:?}");
    }
    // What the log says is what the mission holds.
    let (mut holds, mut files) = (BTreeSet::new(), BTreeSet::new());
    for (kind, what) in &log[1..] {
        let set = if what.starts_with("k-") { &mut holds } else { &mut files };
        if kind == "ADD_CONTENT" {
            set.insert(what.clone())
        } else {
            set.remove(what)
        };
    }
    let holds: Vec<_> = holds.into_iter().collect();
    assert_eq!(uids(&web, FLOOD), holds, "round {round}");
    let mut dump = events(&web.get(&format!("{FLOOD}/cot")).expect(200).text());
    dump.sort();
    assert_eq!(dump, holds, "round {round}");
    let mission = web.get(&format!("{FLOOD}?logs=true")).expect(200).json();
    let contents = mission["data"][0]["contents"].as_array().unwrap();
    assert_eq!(contents.iter().map(|c| text(&c["data"]["hash"])).collect::<BTreeSet<_>>(), files, "round {round}");
    let logs = mission["data"][0]["logs"].as_array().unwrap();
    let logs: BTreeSet<_> = logs.iter().map(|l: &Value| l["content"].as_str().unwrap()).collect();
    assert!(all.logs.iter().all(|name| logs.contains(name.as_str())), "round {round}: a log entry is gone");
    for hash in all.files.iter().rev().take(5) {
        assert_eq!(&fetch(&web, &format!("/Marti/sync/content?hash={hash}")).2, hash);
    }
    log.len()
}

fn kills(rounds: usize) {
    let mut server = Server::start();
    let made = Web::plain(&server, "marti_http").put(&format!("{FLOOD}?creatorUid=A"), "", b"");
    made.expect(201);
    Web::plain(&server, "marti_http").put(&format!("{FLOOD}/subscription?uid=B"), "", b"").expect(201);
    let (shared, mut known, mut heard) = (Shared::default(), 1, 0);
    for round in 0..rounds {
        let at = server.address("marti_http");
        let (count, other) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let bob = listen(Client::join(&server, "B", "BOB"), count.clone());
        let dora = listen(Client::join(&server, "D", "DORA"), other.clone());
        let before = shared.lock().unwrap().files.len();
        let alice = send_items(Client::join(&server, "A", "ALICE"), round, shared.clone());
        let asks = send_requests(at, round, shared.clone());
        // Not a time but an amount, and then a little more: each round stops somewhere else.
        server.eventually("traffic flows", || {
            count.load(Relaxed) > 60 + round % 17 && shared.lock().unwrap().files.len() > before + 1
        });
        let pause = Instant::now();
        while pause.elapsed() < Duration::from_micros(700 * (round as u64 % 23)) {
            std::hint::spin_loop();
        }
        server.kill();
        alice.join().unwrap();
        asks.join().unwrap();
        let (bob, dora) = (bob.join().unwrap(), dora.join().unwrap());
        assert!(dora.iter().all(|e| !e.kind().starts_with("t-x-m") && !e.uid().starts_with("k-")), "a leak: {dora:?}");
        server = Server::build().again(&server).start();
        heard += bob.iter().filter(|e| e.kind() == "t-x-m-c").count();
        known = look(&server, &shared.lock().unwrap(), known, &bob, round);
    }
    let all = shared.lock().unwrap();
    println!(
        "{rounds} kills: {known} changes, {heard} notices heard; acknowledged: {} items, {} files, {} removals, {} log \
         entries; all of them there, each once",
        all.items.len(),
        all.files.len(),
        all.removed.len(),
        all.logs.len()
    );
    assert_eq!(server.cli_json(&["db", "check"])["ok"], true);
}

#[test]
fn what_was_acknowledged_survives_three_kills() {
    kills(3);
}

/// `cargo test -p fts-tests --test all mission_kill:: -- --ignored --nocapture`
#[test]
#[ignore = "minutes: the same with fifty kills"]
fn what_was_acknowledged_survives_fifty_kills() {
    kills(50);
}
