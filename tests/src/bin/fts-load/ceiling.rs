//! The raw fan-out ceiling: what the kernel alone allows on one core. One thread, epoll, nothing parsed beyond the last
//! `</event>` of a read, one bounded queue per client, one `writev` per client and turn.
//!
//! Order of a turn: everything readable is read once and queued for all others, then every touched client is written.
//! A queue over its bound takes nothing more (the generator sees the loss). It ends when its standard input does, so
//! that it never outlives the generator, and it prints its address first.

use std::{
    collections::VecDeque,
    io::{self, IoSlice, Read, Write},
    net::SocketAddr,
    os::fd::AsRawFd,
};

use bytes::Bytes;
use memchr::memmem;
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
    unix::SourceFd,
};

use crate::fault::{Fault, Tried};

const LISTENER: Token = Token(usize::MAX);
const STDIN: Token = Token(usize::MAX - 1);
const READ: usize = 64 * 1024;
const SLICES: usize = 64;

/// How to run it.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Most bytes waiting for one client (the server's soft mark)
    #[arg(long, default_value_t = 256 * 1024)]
    queue_bytes: usize,
}

struct Client {
    stream: TcpStream,
    /// What came behind the last `</event>`.
    rest: Vec<u8>,
    queue: VecDeque<Bytes>,
    /// Bytes of the first in the queue that are written.
    written: usize,
    bytes: usize,
    touched: bool,
    gone: bool,
}

struct Room {
    poll: Poll,
    clients: Vec<Option<Client>>,
    touched: Vec<usize>,
    scratch: Box<[u8]>,
    queue_bytes: usize,
    dropped: u64,
}

/// Runs until standard input ends.
///
/// # Errors
/// When it cannot listen or wait.
pub fn run(args: &Args) -> Result<(), Fault> {
    let poll = Poll::new().tried("epoll")?;
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).tried("listen")?;
    let registry = poll.registry();
    registry.register(&mut listener, LISTENER, Interest::READABLE).tried("epoll")?;
    let stdin = io::stdin().as_raw_fd();
    // A terminal or file as standard input: then only a signal ends it.
    let _ = registry.register(&mut SourceFd(&stdin), STDIN, Interest::READABLE);
    let address = listener.local_addr().tried("listen")?;
    println!("{}", serde_json::json!({"event": "ceiling.ready", "address": address.to_string()}));
    let mut room = Room {
        poll,
        clients: Vec::new(),
        touched: Vec::new(),
        scratch: vec![0; READ].into_boxed_slice(),
        queue_bytes: args.queue_bytes,
        dropped: 0,
    };
    let mut events = Events::with_capacity(1024);
    loop {
        match room.poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            done => done.tried("epoll")?,
        }
        for event in &events {
            match event.token() {
                LISTENER => room.accept(&listener).tried("accept")?,
                STDIN => {
                    if io::stdin().read(&mut [0; 64]).unwrap_or(0) == 0 {
                        println!("{}", serde_json::json!({"event": "ceiling.ended", "dropped": room.dropped}));
                        return Ok(());
                    }
                }
                Token(slot) => {
                    if event.is_readable() {
                        room.read(slot);
                    }
                    if event.is_writable() {
                        room.touch(slot);
                    }
                }
            }
        }
        room.write_touched();
    }
}

impl Room {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let (mut stream, _) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let slot = self.clients.iter().position(Option::is_none).unwrap_or(self.clients.len());
            self.poll.registry().register(&mut stream, Token(slot), Interest::READABLE | Interest::WRITABLE)?;
            let client = Client {
                stream,
                rest: Vec::new(),
                queue: VecDeque::new(),
                written: 0,
                bytes: 0,
                touched: false,
                gone: false,
            };
            if slot == self.clients.len() {
                self.clients.push(Some(client));
            } else {
                self.clients[slot] = Some(client);
            }
        }
    }

    fn read(&mut self, slot: usize) {
        loop {
            let Some(Some(client)) = self.clients.get_mut(slot) else { return };
            let n = match client.stream.read(&mut self.scratch) {
                Ok(0) => return self.remove(slot),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.remove(slot),
            };
            let data = &self.scratch[..n];
            if let Some(end) = memmem::rfind(data, b"</event>").map(|at| at + b"</event>".len()) {
                let mut whole = std::mem::take(&mut client.rest);
                whole.extend_from_slice(&data[..end]);
                client.rest.extend_from_slice(&data[end..]);
                self.spread(slot, &Bytes::from(whole));
            } else {
                client.rest.extend_from_slice(data);
            }
            if n < READ {
                return;
            }
        }
    }

    fn spread(&mut self, from: usize, frames: &Bytes) {
        for (slot, client) in self.clients.iter_mut().enumerate() {
            let Some(client) = client.as_mut().filter(|_| slot != from) else { continue };
            if client.bytes > self.queue_bytes {
                self.dropped += 1;
                continue;
            }
            client.bytes += frames.len();
            client.queue.push_back(frames.clone());
            if !std::mem::replace(&mut client.touched, true) {
                self.touched.push(slot);
            }
        }
    }

    fn touch(&mut self, slot: usize) {
        if let Some(Some(client)) = self.clients.get_mut(slot)
            && !client.queue.is_empty()
            && !std::mem::replace(&mut client.touched, true)
        {
            self.touched.push(slot);
        }
    }

    fn write_touched(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for slot in touched.drain(..) {
            let Some(Some(client)) = self.clients.get_mut(slot) else { continue };
            client.touched = false;
            client.write();
            if client.gone {
                self.remove(slot);
            }
        }
        self.touched = touched;
    }

    fn remove(&mut self, slot: usize) {
        if let Some(mut client) = self.clients.get_mut(slot).and_then(Option::take) {
            let _ = self.poll.registry().deregister(&mut client.stream);
        }
    }
}

impl Client {
    fn write(&mut self) {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for (slice, frames) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(if count == 0 { &frames[self.written..] } else { frames });
                count += 1;
            }
            match self.stream.write_vectored(&slices[..count]) {
                Ok(n) => self.accepted(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
    }

    fn accepted(&mut self, n: usize) {
        self.bytes -= n;
        self.written += n;
        while let Some(first) = self.queue.front() {
            if self.written < first.len() {
                return;
            }
            self.written -= first.len();
            self.queue.pop_front();
        }
    }
}
