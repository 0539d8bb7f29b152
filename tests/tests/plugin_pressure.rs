//! Peers, readers and receivers that are slow on purpose (plugins.md 10; fanout.md 2.5), against a plugin that has much to
//! say. The two that take minutes and gigabytes run by hand, in their full size:
//! `cargo test -p fts-tests --test all plugin_pressure:: -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::plugin_bed;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use fts_tests::{Client, Server, chat, event, fence, join_all};
use plugin_bed::{Asks, probe, raw};
use serde_json::json;

/// How long the slow ones are slow in the tests that take their time.
const LONG: Duration = Duration::from_secs(60);

/// Times by share, ms.
fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize]
}

fn told(what: &str, times: &mut [Duration]) -> Duration {
    let (middle, high, most) = (quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1.0));
    println!("{what}: {} times, p50 {middle:?}, p99 {high:?}, longest {most:?}", times.len());
    high
}

/// Reads until `over`, or until the end, at most so many events a second; how many of the flood it saw, in order.
fn read_flood(mut client: Client, pace: Duration, over: &AtomicBool) -> u64 {
    let (mut seen, began) = (0_u32, Instant::now());
    loop {
        let next = client.next();
        match next.uid() {
            "the-end" => return u64::from(seen),
            uid if uid.starts_with("flood-") => {
                assert_eq!(uid, format!("flood-{seen}"), "none is missing");
                seen += 1;
            }
            _ => {}
        }
        // Pace, not synchronisation; at the end it may catch up.
        if !over.load(Relaxed) {
            std::thread::sleep((pace * seen).saturating_sub(began.elapsed()));
        }
    }
}

/// A plugin that broadcasts what must not be dropped as fast as it is let does not cost most clients their connections: it
/// is told to send later, and by whom, and nothing it sent is lost.
#[test]
fn a_plugin_that_broadcasts_reliable_events_without_end_is_slowed_when_most_clients_fall_behind_and_none_is_disconnected()
 {
    let server = probe("").start();
    let mut quick = Client::join(&server, "Q", "QUICK");
    let snails = ["SNAIL-1", "SNAIL-2", "SNAIL-3"].map(|name| Client::narrow(&server).identify(name, name));
    quick.sync();
    let over = AtomicBool::new(false);
    let (sent, busy, said) = std::thread::scope(|scope| {
        let over = &over;
        // About a megabyte a second is what they can take.
        let slow: Vec<_> =
            snails.into_iter().map(|s| scope.spawn(move || read_flood(s, Duration::from_millis(1), over))).collect();
        let swift = scope.spawn(move || read_flood(quick, Duration::ZERO, over));
        let flood = server.probe(json!({"do": "flood", "ms": 6_000, "bytes": 1_000}));
        over.store(true, Relaxed);
        // Only now: who takes nothing of the flood is closed, as ever.
        let mut third = Client::join(&server, "T", "THIRD");
        third.send(&event("the-end", "b-m-p-s-m", ""));
        let sent = flood["sent"].as_u64().unwrap();
        assert_eq!(swift.join().unwrap(), sent);
        assert!(slow.into_iter().all(|s| s.join().unwrap() == sent));
        (sent, flood["busy"].as_u64().unwrap(), flood["said"].as_str().unwrap().to_owned())
    });
    println!("{sent} sent in 6 s, {busy} times busy: {said}");
    // Whom it names is one of those that are behind.
    assert!(busy > 0 && said.starts_with("most receivers, ") && said.contains("KiB per second"), "{said}");
    assert_eq!(server.dropped("slow_consumer"), 0.0);
    assert!(server.metric("fts_plugin_busy_total", &["plugin=\"probe\"", "why=\"receivers\""]) > 0.0);
    server.wait_plugin("probe", "plugin.slowed", "most receivers");
}

/// What the relaying link carries, from the last position and chat seen on.
struct Carried {
    lines: BufReader<TcpStream>,
    chats: Vec<usize>,
    positions: Vec<usize>,
}

impl Carried {
    /// Reads until it has both of this number.
    fn until(&mut self, number: usize) {
        let mut line = String::new();
        while self.chats.last() != Some(&number) || self.positions.last() != Some(&number) {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the link ended");
            let tree = fts_tests::parse(line.trim_end()).unwrap();
            if tree.attr("type") == "b-t-f" {
                self.chats.push(tree.attr("uid").rsplit_once(".c").unwrap().1.parse().unwrap());
            } else if let Some(remarks) = tree.at("detail/remarks") {
                self.positions.push(remarks.attr("n").parse().unwrap());
            }
        }
    }
}

/// Positions of 30 kB and chats for this long; how long each chat took to its receiver, and the number after the last.
fn talk(alice: &mut Client, bob: &mut Client, first: usize, time: Duration) -> (Vec<Duration>, usize) {
    let blanks = " ".repeat(30_000);
    let (mut times, mut next, until) = (Vec::new(), first, Instant::now() + time);
    while Instant::now() < until {
        alice.send(&event("P", "a-f-G", &format!("<remarks n=\"{next}\">{blanks}</remarks>")));
        let message = format!("c{next}");
        alice.send(&chat(("A", "ALICE"), "All Chat Rooms", "All Chat Rooms", "RootContactGroup", &message, ""));
        let began = Instant::now();
        bob.until(|e| e.uid().ends_with(&format!(".{message}")));
        times.push(began.elapsed());
        next += 1;
        // Pace: 60 a second and more fill the link many times over.
        std::thread::sleep(Duration::from_millis(10));
    }
    (times, next)
}

#[test]
#[ignore = "80 s: acceptance line 10 of plugins.md 10 at full length"]
fn a_federation_link_whose_peer_stops_reading_for_60_s_p99_of_others_unchanged_chat_arrives_positions_are_the_newest() {
    let server = probe("[plugins.probe.profiles.lines]\nframes = {Line = {max = 100000}}\n")
        .set("stream.limits.read_events_per_s", "0")
        .set("stream.limits.read_bytes_per_s", "0")
        .start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let link = server.probe(json!({"do": "dial", "host": "127.0.0.1", "port": port, "profile": "lines"}));
    let (peer, _) = listener.accept().unwrap();
    // Whoever stopped for a minute may be probed by the kernel only once in a while.
    peer.set_read_timeout(Some(2 * LONG)).unwrap();
    server.eventually("it is up", || !server.diary("up").is_empty());
    server.probe(json!({"do": "relay", "link": link}));
    let mut carried = Carried { lines: BufReader::new(peer), chats: Vec::new(), positions: Vec::new() };

    // The peer reads.
    let (tell, asked) = std::sync::mpsc::channel();
    let (mut alone, first) = std::thread::scope(|scope| {
        let reading = &mut carried;
        let reads = scope.spawn(move || {
            while let Ok(number) = asked.recv_timeout(LONG) {
                reading.until(number);
            }
        });
        let (mut times, mut next, until) = (Vec::new(), 0, Instant::now() + LONG / 3);
        while Instant::now() < until {
            let (more, after) = talk(&mut alice, &mut bob, next, Duration::from_secs(1));
            times.extend(more);
            next = after;
            tell.send(next - 1).unwrap();
        }
        drop(tell);
        reads.join().unwrap();
        (times, next)
    });
    // It does not, for a minute.
    let read = carried.positions.len();
    let (mut stalled, last) = talk(&mut alice, &mut bob, first, LONG);
    let waiting = server.probe(json!({"do": "waiting"}));
    println!(
        "{first} with a peer that reads, then {} in {LONG:?} without; chats and positions that wait: {waiting}",
        last - first
    );
    assert_eq!(waiting[1], 1, "of the positions one waits");
    assert_eq!(server.state("probe"), "running");
    let (before, during) = (told("chat while it reads", &mut alone), told("chat while it does not", &mut stalled));
    assert!(during <= before * 2 + Duration::from_millis(20), "p99 {during:?}, before {before:?}");
    // It reads again.
    let again = Instant::now();
    carried.until(last - 1);
    println!("everything is there {:?} after it reads again", again.elapsed());
    assert_eq!(carried.chats, (0..last).collect::<Vec<_>>(), "every chat, in order");
    let after = &carried.positions[read..];
    println!("{} of {} positions arrived afterwards", after.len(), last - first);
    assert!(after.len() < (last - first) / 2 && after.is_sorted());
    server.eventually("nothing waits", || server.probe(json!({"do": "waiting"})) == json!([0, 0]));
    fence(&mut alice, &mut [&mut bob]);
}

fn quick(server: &Server) -> Duration {
    let began = Instant::now();
    let answer = server.admin("GET", "/api/plugins/probe/quick", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "quick"));
    began.elapsed()
}

/// Asks for the whole table; who is told to come back comes back.
fn reader(server: &Server) -> UnixStream {
    let until = Instant::now() + 3 * LONG;
    loop {
        let mut stream = raw(server, "GET /api/plugins/probe/bulk HTTP/1.1\r\nhost: fts\r\nconnection: close\r\n\r\n");
        stream.set_read_timeout(Some(LONG)).unwrap();
        let head = plugin_bed::head(&mut stream);
        if head.starts_with("HTTP/1.1 200") {
            return stream;
        }
        assert!(head.starts_with("HTTP/1.1 503") && head.to_lowercase().contains("retry-after"), "{head}");
        assert!(Instant::now() < until, "never answered");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Bytes of answers that wait on the disk: files without a name that the server has open.
fn spooled(server: &Server) -> u64 {
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().flatten();
    let spools =
        open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().contains("/run/spool/")));
    spools.filter_map(|fd| std::fs::metadata(fd.path()).ok()).map(|about| about.len()).sum()
}

/// Resident memory of the server, MB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

#[test]
#[ignore = "minutes and 7 GB of disk: acceptance line 11 of plugins.md 10 in full size"]
fn sixty_four_clients_that_read_100_mb_or_send_a_body_at_100_byte_per_s_others_as_before_the_wal_does_not_grow() {
    const SLOW: usize = 64;
    let server = probe("").start();
    server.probe(json!({"do": "fill", "rows": 1_600, "bytes": 65_536}));
    let mut alone: Vec<_> = (0..2_000).map(|_| quick(&server)).collect();
    let (over, made) = (AtomicBool::new(false), AtomicBool::new(false));
    let before = resident(&server);
    std::thread::scope(|scope| {
        // An assertion that fails must not leave the others at it.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Relaxed);
            }
        }
        let _over = Over(&over);
        let begun = Instant::now();
        let asked: Vec<_> = (0..SLOW).map(|_| scope.spawn(|| reader(&server))).collect();
        let mut bodies: Vec<_> = (0..SLOW)
            .map(|_| {
                raw(&server, "POST /api/plugins/probe/body HTTP/1.1\r\nhost: fts\r\ncontent-length: 104857600\r\n\r\n")
            })
            .collect();
        let (over, made, server) = (&over, &made, &server);
        let senders = scope.spawn(move || {
            // 100 bytes a second each. Below 1 KiB/s over 30 s they are refused (plugins.md 1.2): the others notice nothing.
            let mut refused = 0;
            while !over.load(Relaxed) {
                bodies.retain_mut(|stream| stream.write_all(&[b'x'; 100]).is_ok());
                refused = SLOW - bodies.len();
                std::thread::sleep(Duration::from_secs(1));
            }
            refused
        });
        let crawl = scope.spawn(move || {
            let mut slow: Vec<_> = asked.into_iter().map(|thread| thread.join().unwrap()).collect();
            println!("all {SLOW} answers have begun after {:?}", begun.elapsed());
            made.store(true, Relaxed);
            let mut taken = 0;
            while !over.load(Relaxed) {
                for stream in &mut slow {
                    stream.read_exact(&mut [0; 100]).expect("it is still being answered");
                }
                taken += 100;
                std::thread::sleep(Duration::from_secs(1));
            }
            taken
        });
        let mut making = Vec::new();
        while !made.load(Relaxed) {
            assert!(begun.elapsed() < 5 * LONG, "not all answers begin");
            making.push(quick(server));
            std::thread::sleep(Duration::from_millis(5));
        }
        // Once everything is pulled nobody has a snapshot open, and the log begins anew: it does not grow.
        let wal = || server.probe(json!({"do": "wal"})).as_u64().unwrap();
        let fill = || drop(server.probe(json!({"do": "fill", "rows": 100, "bytes": 4_096})));
        let pulled = Instant::now();
        loop {
            fill();
            let now = wal();
            (0..20).for_each(|_| fill());
            // All but what is in memory and in sockets.
            if wal() == now && spooled(server) > 64 * 101_000_000 {
                break;
            }
            making.push(quick(server));
            assert!(pulled.elapsed() < 5 * LONG, "the log grows: {now} bytes; {} of answers", spooled(server));
        }
        println!(
            "all {SLOW} answers are made after {:?}: {} MB on the disk",
            begun.elapsed(),
            spooled(server) / 1_000_000
        );
        let (settled, until) = (wal(), Instant::now() + LONG);
        let (mut during, mut most, mut memory) = (Vec::new(), settled, 0);
        while Instant::now() < until {
            during.push(quick(server));
            if during.len() % 200 == 0 {
                fill();
                most = most.max(wal());
                memory = memory.max(resident(server));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        over.store(true, Relaxed);
        println!(
            "{} bytes read of each answer, {} bodies refused; log {settled} bytes, at most {most}; memory {before} MB, at most {memory} MB",
            crawl.join().unwrap(),
            senders.join().unwrap()
        );
        let (first, begin) = (told("others alone", &mut alone), told("others while answers are made", &mut making));
        let last = told("others beside 64 readers at 100 byte/s", &mut during);
        assert!(last <= first * 3 + Duration::from_millis(20), "p99 {last:?}, alone {first:?}");
        // The processor is busy with 6.4 GB then; nobody waits for a slot.
        assert!(begin <= first * 10 + Duration::from_millis(500), "p99 {begin:?}, alone {first:?}");
        assert!(most <= settled + (1 << 20), "the log grew from {settled} to {most} bytes");
        assert!(memory < before + 512, "memory grew from {before} to {memory} MB");
    });
}
