//! [`Pollers`]: members that ask for recent changes again and again, each on a connection it keeps, in a thread of their
//! own. Each asks every second, evenly spread; one that waits for its answer asks when it has come.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::{
    fault::{Fault, Tried},
    shelves::histogram,
};

/// How often each asks.
const EVERY: Duration = Duration::from_secs(1);

/// See the file's head. Ends when dropped.
pub struct Pollers {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Histogram<u64>, Fault>>>,
}

struct Poller {
    stream: TcpStream,
    asked: Option<Instant>,
    next: Instant,
    tail: [u8; 5],
    began: bool,
}

impl Pollers {
    /// `count` of them, for what is at this path.
    ///
    /// # Errors
    /// When they cannot connect.
    pub fn start(address: SocketAddr, path: &str, count: usize) -> Result<Self, Fault> {
        let text = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes();
        let began = Instant::now();
        let poller = |n: usize| {
            let stream = TcpStream::connect(address).tried("a poller")?;
            stream.set_nodelay(true).tried("a poller")?;
            stream.set_nonblocking(true).tried("a poller")?;
            let next = began + EVERY.mul_f64(n as f64 / count as f64);
            Ok(Poller { stream, asked: None, next, tail: [0; 5], began: false })
        };
        let all = (0..count).map(poller).collect::<Result<Vec<_>, Fault>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let end = stop.clone();
        let thread = std::thread::spawn(move || run(all, &text, &end));
        Ok(Self { stop, thread: Some(thread) })
    }

    /// How long answers took, microseconds.
    ///
    /// # Errors
    /// When one was refused, or its connection ended.
    pub fn end(mut self) -> Result<Histogram<u64>, Fault> {
        self.stop.store(true, Relaxed);
        let thread = self.thread.take().ok_or_else(|| Fault::Talk("pollers ended twice".into()))?;
        thread.join().map_err(|_| Fault::Talk("the pollers panicked".into()))?
    }
}

impl Drop for Pollers {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn run(mut all: Vec<Poller>, text: &[u8], stop: &AtomicBool) -> Result<Histogram<u64>, Fault> {
    let (mut took, mut piece) = (histogram()?, vec![0; 64 * 1024]);
    while !stop.load(Relaxed) {
        for poller in &mut all {
            if poller.asked.is_none() && poller.next <= Instant::now() {
                poller.stream.write_all(text).tried("a poller")?;
                poller.asked = Some(Instant::now());
                (poller.began, poller.tail) = (false, [0; 5]);
            }
            if let Some(asked) = poller.asked
                && poller.read(&mut piece)?
            {
                took.saturating_record(u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX).max(1));
                poller.asked = None;
                poller.next = (poller.next + EVERY).max(Instant::now());
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(took)
}

impl Poller {
    /// Reads what is there; true = the answer is whole. Answers come in chunks, the last of which is empty.
    fn read(&mut self, piece: &mut [u8]) -> Result<bool, Fault> {
        loop {
            let n = match self.stream.read(piece) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                done => done.tried("a poller")?,
            };
            let data = &piece[..n];
            if n == 0 || (!self.began && !data.starts_with(b"HTTP/1.1 200")) {
                return Err(Fault::Talk(format!("a poller was answered {:?}", String::from_utf8_lossy(data))));
            }
            self.began = true;
            let mut last = self.tail.to_vec();
            last.extend_from_slice(data);
            self.tail.copy_from_slice(&last[last.len() - 5..]);
            if self.tail == *b"0\r\n\r\n" {
                return Ok(true);
            }
        }
    }
}
