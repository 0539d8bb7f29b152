//! [`Room`]: all clients of a run on one thread: connect, negotiate, announce, send, receive, count.
//!
//! A turn of the loop waits for sockets, reads what is there and hands every mark to the tally. Sending is the caller's
//! between turns. A client whose connection ends is remembered with the reason: nobody here ever closes one, so every
//! close is unsolicited. What must not happen: work per event beyond finding its mark.
use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use crate::{
    ahead::{Ahead, BETWEEN},
    event::{Stamp, Template},
    fault::{Fault, Tried},
    frames,
    framing::Framing,
    link::{Link, SCRATCH},
    scan::{Scan, Search},
    shelves::{Shelves, histogram},
    tally::Tally,
    target::Target,
    texts,
    tls::Identity,
    witness::Witness,
};

/// What a room consists of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many clients.
    pub clients: usize,
    /// The first of them that send more than their announcement.
    pub senders: usize,
    /// Share that speaks protobuf.
    pub protobuf: f64,
    /// Bytes of a position report.
    pub size: usize,
    /// TLS with this certificate.
    pub identity: Option<Identity>,
    /// Share of clients that use TLS when there is an identity.
    pub tls: f64,
    /// Looks at every frame of every stream, not only at the marks.
    pub strict: bool,
}

/// One client.
pub struct Client {
    /// Its socket.
    pub link: Link,
    scan: Scan,
    /// Its position report.
    pub position: Template,
    /// Its chat.
    pub chat: Template,
    /// Its marker.
    pub marker: Template,
    /// Numbers of the last position and the last reliable event sent.
    pub sent: [u32; 2],
    /// Bytes until the answer to the protobuf request; None = not waiting for one.
    early: Option<Vec<u8>>,
    /// The look at whole frames.
    pub framing: Option<Framing>,
    /// The look at notices of missions.
    pub witness: Option<Witness>,
    /// Does anybody read it?
    pub reading: bool,
    /// Why it ended.
    pub closed: Option<String>,
}

/// See the file's head.
pub struct Room {
    poll: Poll,
    events: Events,
    /// Sockets that are looked at between any others' (see [`Room::put_ahead`]).
    ahead: Option<Ahead>,
    scratch: Box<[u8]>,
    search: Search,
    /// All clients; the sender numbers in their marks count from `first`.
    pub clients: Vec<Client>,
    /// What was received.
    pub tally: Tally,
    /// Microseconds from sending to receipt, while `recording`.
    pub latency: Histogram<u64>,
    /// Where latencies of missions go, which are not to be mixed with the others'.
    pub shelves: Option<Shelves>,
    /// Latency is recorded of every event whose sequence number has none of these bits; None = of none.
    pub recording: Option<u32>,
    /// Bytes received.
    pub bytes: u64,
    began: Instant,
    /// Sender number of the first client.
    first: usize,
    /// The wall clock of this turn.
    pub stamp: Stamp,
}

/// Is number `n` one of this evenly spread share?
fn among(n: usize, share: f64) -> bool {
    let up_to = |n: usize| (n as f64 * share) as usize;
    up_to(n + 1) > up_to(n)
}

/// Every room of a process has sender numbers of its own, so that what one left behind in a server (last positions,
/// goodbyes) is never taken for another's.
pub fn fresh_numbers(count: usize) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let first = NEXT.fetch_add(count, Relaxed);
    if first + count <= NUMBERS {
        return first;
    }
    NEXT.store(count, Relaxed);
    0
}

/// Sender numbers have five digits and become degrees in thousandths (texts.rs): this many are valid positions.
const NUMBERS: usize = 40_000;

/// Up to so many clients everybody is counted as a sender; beyond it the table would be too big.
const TABLE: usize = 1_000;

impl Room {
    /// Connects all clients and waits until each can send events.
    ///
    /// # Errors
    /// When a connection is refused or a negotiation is not answered.
    pub fn open(target: &Target, setup: &Setup) -> Result<Self, Fault> {
        let secure = target.tls.filter(|_| setup.identity.is_some());
        if setup.identity.is_some() && secure.is_none() {
            return Err(Fault::Tls("the target has no TLS listener".into()));
        }
        // Only positions, all of one size: nearly all of each can be jumped over.
        let alike = setup.protobuf == 0.0 && !setup.strict;
        let stride = if alike { setup.size.min(texts::position(0, setup.size).len()) } else { 300 };
        let first = fresh_numbers(setup.clients);
        let counted = if setup.clients <= TABLE { setup.clients } else { setup.senders };
        let mut room = Self {
            poll: Poll::new().tried("epoll")?,
            events: Events::with_capacity(1024),
            ahead: None,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            search: Search::new(stride),
            clients: Vec::with_capacity(setup.clients),
            tally: Tally::new(setup.clients, counted, first),
            latency: histogram()?,
            shelves: None,
            recording: None,
            bytes: 0,
            began: Instant::now(),
            first,
            stamp: Stamp::now(),
        };
        for n in 0..setup.clients {
            // Pairs are alike in TLS, so that both formats meet both transports.
            match secure.filter(|_| among(n / 2, setup.tls)) {
                Some(address) => room.add(address, setup, setup.identity.as_ref(), among(n, setup.protobuf))?,
                None => room.add(target.address, setup, None, among(n, setup.protobuf))?,
            }
        }
        let waits = |room: &Self| room.clients.iter().any(|c| c.early.is_some() || !c.link.established());
        room.until(Duration::from_secs(20), |room| !waits(room))?;
        if waits(&room) {
            let dead = room.clients.iter().find_map(|c| c.closed.clone()).unwrap_or_default();
            return Err(Fault::Talk(format!(
                "some clients got no answer to their handshake or protobuf request; {dead}"
            )));
        }
        Ok(room)
    }

    fn add(
        &mut self,
        address: SocketAddr,
        setup: &Setup,
        identity: Option<&Identity>,
        protobuf: bool,
    ) -> Result<(), Fault> {
        let n = self.clients.len();
        let number = self.first + n;
        let mut link = Link::connect(address, identity).tried(format!("connecting client {n} to {address}"))?;
        link.register(self.poll.registry(), Token(n)).tried("epoll")?;
        if protobuf {
            link.send(&texts::ask_for_protobuf(number)).tried("sending")?;
        }
        let [position, chat, marker] = if protobuf {
            [frames::position(number, setup.size), frames::chat(number), frames::marker(number)]
        } else {
            [texts::position(number, setup.size), texts::chat(number), texts::marker(number)]
        };
        let early = protobuf.then(Vec::new);
        let (scan, sent, closed) = (Scan::default(), [0, 0], None);
        let framing = setup.strict.then(Framing::default);
        let (witness, reading) = (None, true);
        self.clients.push(Client {
            link,
            scan,
            position,
            chat,
            marker,
            sent,
            early,
            framing,
            witness,
            reading,
            closed,
        });
        // Handshakes and replays go on while the next ones connect.
        self.turn(Duration::ZERO)
    }

    /// Sender number of a client.
    pub fn number(&self, n: usize) -> usize {
        self.first + n
    }

    /// Microseconds since the room opened.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Turns until `done`, at most so long.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn until(&mut self, most: Duration, mut done: impl FnMut(&Self) -> bool) -> Result<(), Fault> {
        let end = Instant::now() + most;
        while !done(self) && Instant::now() < end {
            self.turn(Duration::from_millis(5))?;
        }
        Ok(())
    }

    /// One turn: waits at most so long for sockets and reads them.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn turn(&mut self, wait: Duration) -> Result<(), Fault> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = match self.poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            done => done,
        };
        for (turn, event) in events.iter().enumerate() {
            if turn % BETWEEN == 0 {
                self.look_ahead();
            }
            let n = event.token().0;
            if event.is_writable()
                && let Some(client) = self.clients.get_mut(n)
                && client.link.blocked()
                && let Err(error) = client.link.flush()
            {
                client.closed.get_or_insert(error.to_string());
            }
            if event.is_readable() {
                self.read(n);
            }
        }
        self.events = events;
        self.stamp.refresh();
        polled.tried("epoll")
    }

    fn look_ahead(&mut self) {
        let Some(mut ahead) = self.ahead.take() else { return };
        ahead.ready().for_each(|n| self.read(n));
        self.ahead = Some(ahead);
    }

    /// These clients are read first from now on ([`Ahead`]).
    ///
    /// # Errors
    /// When epoll refuses.
    pub fn put_ahead(&mut self, clients: std::ops::Range<usize>) -> Result<(), Fault> {
        let links = self.clients.iter_mut().enumerate().take(clients.end).skip(clients.start);
        self.ahead = Some(Ahead::of(links.map(|(n, client)| (n, &mut client.link)), self.poll.registry())?);
        Ok(())
    }

    fn read(&mut self, n: usize) {
        let Some(client) = self.clients.get_mut(n).filter(|c| c.closed.is_none()) else { return };
        let Client { link, scan, early, framing, witness, .. } = client;
        let (tally, search, latency, began) = (&mut self.tally, &self.search, &mut self.latency, self.began);
        let shelves = &mut self.shelves;
        let (recording, bytes) = (self.recording, &mut self.bytes);
        let open = link.read(&mut self.scratch, &mut |data| {
            *bytes += data.len() as u64;
            if let Some(text) = early {
                text.extend_from_slice(data);
            }
            if let Some(framing) = framing {
                framing.feed(data);
            }
            if let Some(witness) = witness {
                witness.feed(data);
            }
            let now = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            scan.feed(data, search, |mark| {
                let ours = tally.note(n, &mark);
                if ours && recording.is_some_and(|mask| mark.seq & mask == 0) {
                    let shelf = shelves.as_mut().and_then(|s| s.of(n, &mark));
                    shelf.unwrap_or(latency).saturating_record(now.saturating_sub(mark.sent_us).max(1));
                }
            });
        });
        match open {
            Ok(true) => {}
            Ok(false) => client.closed = Some("closed by the server".into()),
            Err(error) => client.closed = Some(error.to_string()),
        }
        if let Some(text) = &client.early
            && memchr::memmem::find(text, br#"TakResponse status="true""#).is_some()
        {
            client.early = None;
        }
    }

    /// Sends `count` position reports of a client at once. False = its socket takes nothing now, none was sent.
    pub fn send_positions(&mut self, n: usize, count: u32) -> bool {
        let now = self.now_us();
        let Some(client) = self.clients.get_mut(n).filter(|c| c.closed.is_none() && !c.link.blocked()) else {
            return false;
        };
        let (position, stamp) = (&mut client.position, &self.stamp);
        let first = client.sent[0] + 1;
        client.sent[0] += count;
        let sent = if count == 1 {
            client.link.send(position.stamp(first, now, stamp))
        } else {
            let mut burst = Vec::with_capacity(position.len() * count as usize);
            (first..first + count).for_each(|seq| burst.extend_from_slice(position.stamp(seq, now, stamp)));
            client.link.send(&burst)
        };
        sent.map_err(|error| client.closed = Some(error.to_string())).is_ok()
    }

    /// Sends a chat or, every other time, a marker.
    pub fn send_reliable(&mut self, n: usize) -> bool {
        let now = self.now_us();
        let Some(client) = self.clients.get_mut(n).filter(|c| c.closed.is_none() && !c.link.blocked()) else {
            return false;
        };
        client.sent[1] += 1;
        let seq = client.sent[1];
        let template = if seq % 2 == 0 { &mut client.marker } else { &mut client.chat };
        let sent = client.link.send(template.stamp(seq, now, &self.stamp));
        sent.map_err(|error| client.closed = Some(error.to_string())).is_ok()
    }

    /// How many deliveries of one kind (0 positions, 1 reliable) all that was sent must make.
    pub fn expected(&self, kind: usize) -> u64 {
        let reading = self.clients.iter().filter(|c| c.reading).count() as u64;
        let others = |c: &Client| reading - u64::from(c.reading);
        self.clients.iter().map(|c| u64::from(c.sent[kind]) * others(c)).sum()
    }

    /// From now on nobody reads the last `count` clients.
    ///
    /// # Errors
    /// When epoll refuses.
    pub fn stall(&mut self, count: usize) -> Result<(), Fault> {
        let registry = self.poll.registry();
        for client in self.clients.iter_mut().rev().take(count) {
            client.link.deregister(registry).tried("epoll")?;
            client.reading = false;
        }
        Ok(())
    }

    /// Everybody reports a position and everybody gets all of them.
    ///
    /// # Errors
    /// When some do not arrive.
    pub fn announce(&mut self) -> Result<(), Fault> {
        // A target without replay must have accepted everybody before the first one speaks.
        self.until(Duration::from_millis(300), |_| false)?;
        for n in 0..self.clients.len() {
            self.send_positions(n, 1);
            self.turn(Duration::ZERO)?;
        }
        let wanted = self.expected(0);
        self.until(Duration::from_secs(20), |room| room.tally.all() >= wanted)?;
        let came = self.tally.all();
        if came < wanted {
            let dead: Vec<_> = self.clients.iter().filter_map(|c| c.closed.as_deref()).take(3).collect();
            return Err(Fault::Talk(format!("only {came} of {wanted} announcements arrived; closed: {dead:?}")));
        }
        Ok(())
    }

    /// Connections that ended.
    pub fn closed(&self) -> impl Iterator<Item = (usize, &str)> {
        self.clients.iter().enumerate().filter_map(|(n, c)| Some((n, c.closed.as_deref()?)))
    }
}
