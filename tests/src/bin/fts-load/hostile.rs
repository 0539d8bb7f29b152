//! The hostile part of a swarm: peers that break rules, each a thread of its own with blocking sockets, for as long as
//! the swarm runs. What they do to themselves is of no interest here; what honest clients notice of it is counted in
//! the swarm. None of them uses an honest client's uid: being replaced by one's own uid is the protocol's doing.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle, sleep},
    time::Duration,
};

use rand::Rng;

use crate::{event::Stamp, texts};

/// A way to misbehave.
pub type Act = fn(&mut TcpStream, usize) -> std::io::Result<()>;

/// All ways with their names.
pub const ACTS: [(&str, Act); 8] = [
    ("garbage", garbage),
    ("half events", half_events),
    ("stalled reader", stalled),
    ("wrong protocol", wrong_protocol),
    ("oversize", oversize),
    ("disconnects in mid-event", mid_event),
    ("reconnects", reconnects),
    ("broken protobuf", broken_protobuf),
];

/// Runs hostile peers until dropped.
pub struct Hostiles {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Hostiles {
    /// `count` of them; their sender numbers begin at `first`.
    pub fn start(address: SocketAddr, count: usize, first: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count)
            .map(|n| {
                let (stop, (_, act)) = (stop.clone(), ACTS[n % ACTS.len()]);
                thread::spawn(move || {
                    let mut visits = 0;
                    while !stop.load(Relaxed) {
                        visits += 1;
                        // What becomes of a hostile connection does not matter.
                        if let Ok(mut stream) = TcpStream::connect(address) {
                            let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
                            let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
                            let _ = act(&mut stream, first + n);
                        }
                        sleep(Duration::from_millis(100));
                    }
                    visits
                })
            })
            .collect();
        Self { stop, threads }
    }

    /// Ends them; how many connections they made.
    pub fn end(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.threads.into_iter().map(|t| t.join().unwrap_or(0)).sum()
    }
}

fn position(number: usize) -> Vec<u8> {
    texts::position(number, 900).stamp(1, 0, &Stamp::now()).to_vec()
}

fn pause() {
    sleep(Duration::from_millis(200));
}

fn garbage(stream: &mut TcpStream, _: usize) -> std::io::Result<()> {
    for _ in 0..20 {
        let mut bytes = [0; 2_000];
        rand::rng().fill(&mut bytes[..]);
        bytes[700] = b'<';
        stream.write_all(&bytes)?;
        stream.write_all(b"<event <event uid='\"><detail></event></event>\0\0<?xml <!-- ]]> <event/>")?;
        pause();
    }
    Ok(())
}

fn half_events(stream: &mut TcpStream, number: usize) -> std::io::Result<()> {
    for cut in [3, 60, 250, 600, 880] {
        let event = position(number);
        stream.write_all(&event[..cut])?;
        pause();
        stream.write_all(&event)?;
        stream.write_all(&event[cut..])?;
        pause();
    }
    Ok(())
}

/// Until the server has had enough (write_stall), or half a minute.
fn stalled(stream: &mut TcpStream, number: usize) -> std::io::Result<()> {
    for _ in 0..30 {
        stream.write_all(&position(number))?;
        sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn wrong_protocol(stream: &mut TcpStream, number: usize) -> std::io::Result<()> {
    let greetings: [&[u8]; 4] = [
        b"GET /Marti/api/version HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0x16, 0x03, 0x01, 0x00, 0xa5, 0x01, 0x00, 0x00, 0xa1, 0x03, 0x03],
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\xBF\x05hello",
    ];
    let mut rng = rand::rng();
    stream.write_all(greetings[(number + rng.random_range(0..greetings.len())) % greetings.len()])?;
    pause();
    stream.read(&mut [0; 512]).map(|_| ())
}

fn oversize(stream: &mut TcpStream, number: usize) -> std::io::Result<()> {
    let event = position(number);
    let text = String::from_utf8_lossy(&event);
    let big = text.replace("<remarks>", &format!("<remarks>{}", "x".repeat(2 << 20)));
    stream.write_all(big.as_bytes())?;
    stream.write_all(&event)?;
    sleep(Duration::from_secs(2));
    Ok(())
}

fn mid_event(stream: &mut TcpStream, number: usize) -> std::io::Result<()> {
    let event = position(number);
    stream.write_all(&event)?;
    stream.write_all(&event[..rand::rng().random_range(1..event.len())])?;
    pause();
    Ok(())
}

fn reconnects(stream: &mut TcpStream, number: usize) -> std::io::Result<()> {
    if number.is_multiple_of(2) {
        stream.write_all(&texts::ask_for_protobuf(number))?;
    }
    stream.write_all(&position(number))?;
    stream.read(&mut [0; 4_096]).map(|_| ())
}

fn broken_protobuf(stream: &mut TcpStream, number: usize) -> std::io::Result<()> {
    stream.write_all(&texts::ask_for_protobuf(number))?;
    pause();
    for length in [1_u8, 90, 120] {
        let mut frame = vec![0xBF, length];
        frame.resize(2 + usize::from(length), 0x12);
        frame.extend([0xBF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0xBF, 0x00]);
        stream.write_all(&frame)?;
        pause();
    }
    Ok(())
}
