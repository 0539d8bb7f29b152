//! Pull answers over real connections.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use axum::http::Method;
use bytes::Bytes;
use tokio::io::AsyncReadExt;

use crate::http::{
    answer::{Answer, Pull},
    auth::Identity,
    bed::{Bed, demo, limits, narrow, route, until},
    mux::MuxSettings,
    route::Route,
};

/// `count` chunks of 64 KiB; says when it is let go of, and how many chunks it had made.
struct Chunks {
    made: usize,
    count: usize,
    gone: mpsc::Sender<usize>,
}

impl Iterator for Chunks {
    type Item = Result<Bytes, String>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.made < self.count).then(|| {
            self.made += 1;
            Ok(Bytes::from(vec![self.made as u8; 65_536]))
        })
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        _ = self.gone.send(self.made);
    }
}

fn chunks(pattern: &str, limits: &Arc<crate::http::calls::CallLimits>, count: usize) -> (Route, mpsc::Receiver<usize>) {
    let (gone, told) = mpsc::channel();
    let handler = move |_| {
        let chunks = Chunks { made: 0, count, gone: gone.clone() };
        Ok(Answer::pull("application/octet-stream", Box::new(chunks)))
    };
    (route(Method::GET, pattern, limits, handler), told)
}

async fn next(told: mpsc::Receiver<usize>) -> (usize, mpsc::Receiver<usize>) {
    let wait = move || (told.recv_timeout(Duration::from_secs(30)).unwrap(), told);
    tokio::task::spawn_blocking(wait).await.unwrap()
}

const GET_BIG: &str = "GET /big HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_pulled_answer_arrives_whole_through_memory_and_file() {
    for memory in [0, 100_000, 100 << 20] {
        let bed = Bed::with(|mux, _| mux.spool.memory = memory, Identity::nobody()).await;
        let (route, told) = chunks("/big", &limits(), 160);
        bed.add(route);
        let reply = bed.ask("GET", "/big", &[], "").await;
        assert_eq!((reply.status(), reply.header("transfer-encoding")), (200, "chunked"));
        let body = reply.body.unwrap();
        assert_eq!(body.len(), 160 * 65_536);
        assert!(body.chunks(65_536).zip(1_u8..).all(|(piece, n)| piece.iter().all(|b| *b == n)));
        assert_eq!(next(told).await.0, 160);
        assert_eq!(bed.ask("HEAD", "/big", &[], "").await.status(), 200);
    }
}

#[tokio::test]
async fn slow_readers_hold_no_slot() {
    let bed = Bed::new().await;
    let limits = narrow(2, 1_000);
    // 10 MB each: more than the socket buffers take.
    let (big, mut told) = chunks("/big", &limits, 160);
    bed.add(big);
    bed.add(route(Method::GET, "/quick", &limits, |_| Ok(Answer::bytes("text/plain", "here"))));
    let mut readers = Vec::new();
    for _ in 0..20 {
        readers.push(bed.raw(GET_BIG).await);
    }
    for _ in 0..20 {
        let made;
        (made, told) = next(told).await;
        assert_eq!(made, 160, "each answer is made without a byte being read");
    }
    assert_eq!(bed.get("/quick").await, (200, "here".into()));
    until("all slots are free", || limits.free() == 2).await;
    let mut some = vec![0; 1 << 20];
    readers[7].read_exact(&mut some).await.unwrap();
    assert!(some.starts_with(b"HTTP/1.1 200"));
}

/// Space for 1 MiB together.
fn tight(mux: &mut MuxSettings, _: &mut crate::http::body::BodyLimits) {
    (mux.spool.memory, mux.spool.total) = (65_536, 1 << 20);
}

#[tokio::test]
async fn answers_over_the_space_rest_without_a_slot_and_go_on_when_it_is_read() {
    let bed = Bed::with(tight, Identity::nobody()).await;
    let limits = narrow(1, 1_000);
    let ((gone, told), begun) = (mpsc::channel(), Arc::new(AtomicUsize::new(0)));
    let begins = begun.clone();
    bed.add(route(Method::GET, "/big", &limits, move |_| {
        begins.fetch_add(1, Relaxed);
        Ok(Answer::pull("application/octet-stream", Box::new(Chunks { made: 0, count: 320, gone: gone.clone() })))
    }));
    bed.add(route(Method::GET, "/quick", &limits, |_| Ok(Answer::bytes("text/plain", "here"))));
    let mut readers = Vec::new();
    for n in 1..=5 {
        readers.push(bed.raw(GET_BIG).await);
        until("it has begun", || begun.load(Relaxed) == n).await;
        // The one slot is free again and again: the answers under way cannot be finished, nobody reads.
        assert_eq!(bed.get("/quick").await, (200, "here".into()));
    }
    assert!(told.try_recv().is_err(), "none of them is made");
    let mut told = told;
    drop(readers);
    for _ in 0..5 {
        let made;
        (made, told) = next(told).await;
        assert!(made < 320);
    }
    let reply = bed.ask("GET", "/big", &[], "").await;
    assert_eq!(reply.body.unwrap().len(), 320 * 65_536);
}

#[tokio::test]
async fn who_reads_nothing_loses_the_answer_when_others_want_the_space() {
    let set = |mux: &mut MuxSettings, body: &mut _| {
        tight(mux, body);
        mux.spool.slow_window = Duration::from_millis(50);
    };
    let bed = Bed::with(set, Identity::nobody()).await;
    let (big, told) = chunks("/big", &limits(), 320);
    bed.add(big);
    let mut reader = bed.raw(GET_BIG).await;
    // It waits for space itself, and is the slow one.
    assert!(next(told).await.0 < 320);
    let mut all = Vec::new();
    _ = reader.read_to_end(&mut all).await;
    assert!(!all.ends_with(b"0\r\n\r\n"), "cut, not ended");
}

fn pull(pattern: &str, make: impl Fn() -> Pull + Send + Sync + 'static) -> Route {
    route(Method::GET, pattern, &limits(), move |_| Ok(Answer::pull("text/plain", make())))
}

#[tokio::test]
async fn an_error_before_the_first_chunk_is_500_and_after_it_cuts_the_connection() {
    let bed = Bed::new().await;
    bed.add(pull("/before", || Box::new(std::iter::once(Err("no rows".to_owned())))));
    bed.add(pull("/after", || Box::new([Ok(Bytes::from("some")), Err("no more".to_owned())].into_iter())));
    bed.add(pull("/none", || Box::new(std::iter::empty())));
    bed.add(pull("/panic-before", || Box::new(std::iter::from_fn(|| panic!("at once")))));
    bed.add(pull("/panic-after", || {
        let mut first = true;
        Box::new(std::iter::from_fn(move || {
            assert!(std::mem::take(&mut first), "at the second");
            Some(Ok(Bytes::from("some")))
        }))
    }));
    assert_eq!(bed.get("/before").await, (500, r#"{"message":"no rows"}"#.into()));
    assert_eq!(bed.get("/none").await, (200, String::new()));
    assert_eq!(bed.get("/panic-before").await.0, 500);
    for path in ["/after", "/panic-after"] {
        let mut reader = bed.raw(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert!(!all.ends_with(b"0\r\n\r\n"), "{path}: {}", String::from_utf8_lossy(&all));
    }
}

#[tokio::test]
async fn an_answer_ends_with_its_client_and_with_its_owner() {
    let bed = Bed::with(tight, Identity::nobody()).await;
    let limits = narrow(2, 10);
    let (big, told) = chunks("/big", &limits, usize::MAX);
    bed.add(big);
    let mut reader = bed.raw(GET_BIG).await;
    let mut some = vec![0; 100_000];
    reader.read_exact(&mut some).await.unwrap();
    drop(reader);
    let (_, told) = next(told).await;
    let mut reader = bed.raw(GET_BIG).await;
    reader.read_exact(&mut some).await.unwrap();
    bed.mux.park(&demo());
    assert_eq!(bed.mux.drain(&demo(), Duration::from_millis(10)).await, 1);
    let (_, told) = next(told).await;
    bed.mux.unpark(&demo());
    let mut reader = bed.raw(GET_BIG).await;
    reader.read_exact(&mut some).await.unwrap();
    bed.mux.remove(&demo());
    next(told).await;
    until("all slots are free", || limits.free() == 2).await;
}

/// 3 MiB, of which the last one comes when it may.
struct Gated {
    made: usize,
    gate: Arc<(parking_lot::Mutex<bool>, parking_lot::Condvar)>,
}

impl Iterator for Gated {
    type Item = Result<Bytes, String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.made += 1;
        if self.made == 33 {
            let (open, opened) = &*self.gate;
            let mut open = open.lock();
            let late = opened.wait_while_for(&mut open, |open| !*open, Duration::from_secs(30)).timed_out();
            assert!(!late, "the gate stays shut");
        }
        (self.made <= 48).then(|| Ok(Bytes::from(vec![1; 65_536])))
    }
}

#[tokio::test]
async fn long_answers_in_the_making_leave_slots_to_short_ones() {
    let bed = Bed::new().await;
    let limits = narrow(4, 1_000);
    let gate: Arc<(parking_lot::Mutex<bool>, parking_lot::Condvar)> = Arc::default();
    let of = gate.clone();
    bed.add(route(Method::GET, "/big", &limits, move |_| {
        Ok(Answer::pull("application/octet-stream", Box::new(Gated { made: 0, gate: of.clone() })))
    }));
    bed.add(route(Method::GET, "/quick", &limits, |_| Ok(Answer::bytes("text/plain", "here"))));
    let mut readers = Vec::new();
    for _ in 0..12 {
        readers.push(bed.raw(GET_BIG).await);
    }
    until("one is being made, the others rest", || limits.free() == 3).await;
    for _ in 0..20 {
        assert_eq!(bed.get("/quick").await, (200, "here".into()));
    }
    *gate.0.lock() = true;
    gate.1.notify_all();
    for reader in &mut readers {
        let mut some = vec![0; 3 << 20];
        tokio::time::timeout(Duration::from_secs(30), reader.read_exact(&mut some)).await.unwrap().unwrap();
        assert!(some.starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn endless_answers_take_turns() {
    let set = |mux: &mut MuxSettings, _: &mut _| (mux.spool.memory, mux.spool.turn) = (65_536, 1 << 20);
    let bed = Bed::with(set, Identity::nobody()).await;
    let (big, told) = chunks("/big", &narrow(2, 1_000), 1 << 20);
    bed.add(big);
    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut reader = bed.raw(GET_BIG).await;
        let mut some = vec![0; 100_000];
        tokio::time::timeout(Duration::from_secs(20), reader.read_exact(&mut some)).await.unwrap().unwrap();
        assert!(some.starts_with(b"HTTP/1.1 200"), "who came first is made for ever");
        readers.push(reader);
    }
    drop(readers);
    let mut told = told;
    for _ in 0..3 {
        (_, told) = next(told).await;
    }
}
