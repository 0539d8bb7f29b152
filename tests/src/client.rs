//! [`Client`]: one TAK client on a socket of its own, plain or TLS, XML or protobuf, one call per line of a conversation.
//!
//! Events are given out in the order they came. [`Client::sync`] returns when the server has dealt with everything sent
//! so far; what arrives meanwhile is kept for the next `next`.
use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{DEADLINE, Event, Server, event as text_event, frame, marker, sa, takp_q};

enum Conn {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Conn {
    fn tcp(&self) -> &TcpStream {
        match self {
            Conn::Plain(s) => s,
            Conn::Tls(s) => &s.sock,
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Conn::Plain(s) => s.read(buf),
            Conn::Tls(s) => s.read(buf),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Conn::Plain(s) => s.write_all(bytes),
            Conn::Tls(s) => s.write_all(bytes).and_then(|()| s.flush()),
        }
    }
}

/// See the file's head.
pub struct Client {
    /// Its uid; also its name in failures.
    pub uid: String,
    /// Its callsign.
    pub callsign: String,
    conn: Conn,
    buf: Vec<u8>,
    pending: VecDeque<Event>,
    /// The stream is protobuf, both ways.
    pub proto: bool,
    /// The server's `t-x-takp-v`, if it announced.
    pub hello: Option<Event>,
}

impl Client {
    /// Connects to the plain listener and takes the announcement in. Not identified yet.
    pub fn connect(server: &Server) -> Self {
        Self::to(server.address("cot_tcp"), "anonymous").greeted()
    }

    /// Connects to a listener by name.
    pub fn connect_to(server: &Server, listener: &str) -> Self {
        Self::to(server.address(listener), "anonymous").greeted()
    }

    /// Connects to an address, expecting nothing.
    pub fn to(address: SocketAddr, label: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{label}: connect {address}: {e}"));
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self::over(Conn::Plain(stream), label)
    }

    /// Connects to the plain listener with the smallest receive buffer there is, so that a client that does not read
    /// is soon a burden to the server.
    pub fn narrow(server: &Server) -> Self {
        let address = server.address("cot_tcp");
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.connect(&address.into()).unwrap();
        socket.set_tcp_nodelay(true).unwrap();
        Self::over(Conn::Plain(socket.into()), "narrow").greeted()
    }

    /// Connects with TLS; the handshake is done when it returns.
    ///
    /// # Errors
    /// Why the server refused.
    pub fn tls(server: &Server, listener: &str, config: Arc<ClientConfig>) -> io::Result<Self> {
        Self::tls_over(TcpStream::connect(server.address(listener))?, config)
    }

    /// TLS over a connection on which something was sent already (a PROXY header).
    ///
    /// # Errors
    /// Why the server refused.
    pub fn tls_over(stream: TcpStream, config: Arc<ClientConfig>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut tls = StreamOwned::new(ClientConnection::new(config, name).map_err(io::Error::other)?, stream);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(Self::over(Conn::Tls(Box::new(tls)), "tls"))
    }

    /// Connects and says who it is; returns when the server knows.
    pub fn join(server: &Server, uid: &str, callsign: &str) -> Self {
        Self::connect(server).identify(uid, callsign)
    }

    /// The same on a listener by name.
    pub fn join_to(server: &Server, listener: &str, uid: &str, callsign: &str) -> Self {
        Self::connect_to(server, listener).identify(uid, callsign)
    }

    /// Sends the SA that binds this connection.
    pub fn identify(mut self, uid: &str, callsign: &str) -> Self {
        (self.uid, self.callsign) = (uid.to_owned(), callsign.to_owned());
        self.send(&sa(uid, callsign));
        self.sync();
        self
    }

    fn over(conn: Conn, label: &str) -> Self {
        Self {
            uid: label.to_owned(),
            callsign: String::new(),
            conn,
            buf: Vec::new(),
            pending: VecDeque::new(),
            proto: false,
            hello: None,
        }
    }

    /// Takes the announcement in; replay may come before it (RULE-27) and is kept.
    pub fn greeted(mut self) -> Self {
        let (hello, replay) = self.until(|e| e.kind() == "t-x-takp-v");
        self.pending.extend(replay);
        self.hello = Some(hello);
        self
    }

    /// Negotiates protobuf; from here on both directions are frames.
    pub fn negotiate(mut self) -> Self {
        self.send(&takp_q("negotiation", "1"));
        let (answer, skipped) = self.until(|e| e.kind() == "t-x-takp-r");
        assert_eq!(answer.detail("TakControl/TakResponse").unwrap().attr("status"), "true");
        self.pending.extend(skipped);
        self.proto = true;
        self
    }

    /// Sends XML text (as protobuf when that was negotiated: only for texts a plain conversion fits).
    pub fn send(&mut self, xml: &str) {
        if self.proto {
            let message = crate::event_to_message(xml);
            self.send_bytes(&frame(&prost::Message::encode_to_vec(&message)));
        } else {
            self.send_bytes(xml.as_bytes());
        }
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.conn.write(bytes).unwrap_or_else(|e| panic!("{}: write: {e}", self.uid));
    }

    /// Sends bytes; a connection that the server has closed meanwhile is no failure.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.conn.write(bytes)
    }

    /// The next event, whatever it is.
    #[allow(clippy::should_implement_trait)] // It never ends: without an event it fails.
    pub fn next(&mut self) -> Event {
        self.next_within(DEADLINE).unwrap_or_else(|why| panic!("{}: no event: {why}", self.uid))
    }

    /// The next event, which must have this uid.
    pub fn expect(&mut self, uid: &str) -> Event {
        let event = self.next();
        assert_eq!(event.uid(), uid, "{} expected {uid} and got {event:?}", self.uid);
        event
    }

    /// The next event that fits and those before it.
    pub fn until(&mut self, mut fits: impl FnMut(&Event) -> bool) -> (Event, Vec<Event>) {
        let mut skipped = Vec::new();
        loop {
            let event = self.next();
            if fits(&event) {
                return (event, skipped);
            }
            skipped.push(event);
        }
    }

    /// Returns when the server has dealt with everything sent before. Asks for a version nobody speaks, which is
    /// answered each time.
    pub fn sync(&mut self) {
        let asked = uuid::Uuid::new_v4().to_string();
        self.send(&takp_q(&asked, "7"));
        let kept = std::mem::take(&mut self.pending);
        let (_, skipped) = self.until(|e| e.uid() == asked);
        self.pending = kept;
        self.pending.extend(skipped);
    }

    /// The next event, or why there is none ("eof", "timeout", an error).
    ///
    /// # Errors
    /// See above.
    pub fn next_within(&mut self, time: Duration) -> Result<Event, String> {
        if let Some(event) = self.pending.pop_front() {
            return Ok(event);
        }
        let until = Instant::now() + time;
        loop {
            if let Some(event) = self.cut() {
                return Ok(event);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("timeout; {} bytes of an unfinished event", self.buf.len()));
            }
            self.conn.tcp().set_read_timeout(Some(left)).unwrap();
            let mut more = [0; 65_536];
            match self.conn.read(&mut more) {
                Ok(0) => {
                    return Err(if self.buf.is_empty() {
                        "eof".into()
                    } else {
                        format!("eof inside of an event: {}", String::from_utf8_lossy(&self.buf))
                    });
                }
                Ok(n) => self.buf.extend_from_slice(&more[..n]),
                // A runner that was stopped and goes on interrupts a wait.
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                    ) => {}
                Err(e) => return Err(e.to_string()),
            }
        }
    }

    /// One complete event from the buffer. Between events the server writes nothing (RULE-11).
    fn cut(&mut self) -> Option<Event> {
        if self.buf.is_empty() {
            return None;
        }
        if self.proto {
            assert_eq!(
                self.buf[0],
                0xBF,
                "{}: a frame begins with 0xBF: {:?}",
                self.uid,
                String::from_utf8_lossy(&self.buf)
            );
            let mut rest = &self.buf[1..];
            let len = prost::decode_length_delimiter(&mut rest).ok()?;
            let head = self.buf.len() - rest.len();
            if rest.len() < len {
                return None;
            }
            let event = Event::from_payload(&self.buf[head..head + len]);
            self.buf.drain(..head + len);
            return Some(event);
        }
        const END: &[u8] = b"</event>";
        let begin = if self.buf.starts_with(b"<?xml") { self.buf.windows(6).position(|w| w == b"<event")? } else { 0 };
        assert!(
            self.buf[begin..].starts_with(&b"<event"[..6.min(self.buf.len() - begin)]),
            "{}: an event begins at once: {:?}",
            self.uid,
            String::from_utf8_lossy(&self.buf)
        );
        // CDATA and attributes may hold the end tag's text: the first end that parses is the end.
        let ends = self.buf.windows(END.len()).enumerate().filter(|(_, w)| *w == END).map(|(n, _)| n + END.len());
        let end = ends
            .into_iter()
            .find(|end| std::str::from_utf8(&self.buf[begin..*end]).is_ok_and(|text| crate::parse(text).is_ok()))?;
        let event = Event::from_xml(&self.buf[begin..end]);
        self.buf.drain(..end);
        Some(event)
    }

    /// Everything until the server closes.
    pub fn rest(&mut self) -> Vec<Event> {
        let mut all = Vec::new();
        loop {
            match self.next_within(DEADLINE) {
                Ok(event) => all.push(event),
                Err(why) if why.starts_with("timeout") => panic!("{}: not closed", self.uid),
                Err(why) if why.starts_with("eof inside") => panic!("{}: torn: {why}", self.uid),
                Err(_) => return all,
            }
        }
    }

    /// The server closes this connection (after whatever it still sends).
    pub fn expect_close(&mut self) {
        drop(self.rest());
    }

    /// Raw bytes until the server closes.
    pub fn bytes_until_close(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.buf);
        self.conn.tcp().set_read_timeout(Some(DEADLINE)).unwrap();
        let mut more = [0; 4_096];
        loop {
            match self.conn.read(&mut more) {
                Ok(0) => return all,
                Ok(n) => all.extend_from_slice(&more[..n]),
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return all,
                Err(e) => panic!("{}: not closed: {e}", self.uid),
            }
        }
    }

    /// Half-closes: the server reads the end, this side still reads.
    pub fn finish(&mut self) {
        if let Conn::Tls(tls) = &mut self.conn {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
        let _ = self.conn.tcp().shutdown(Shutdown::Write);
    }

    /// Ends the connection with a reset instead of an end of stream.
    pub fn reset(self) {
        socket2::SockRef::from(self.conn.tcp()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The port this client comes from.
    pub fn port(&self) -> u16 {
        self.conn.tcp().local_addr().unwrap().port()
    }

    /// The TCP socket, for options.
    pub fn socket(&self) -> &TcpStream {
        self.conn.tcp()
    }

    /// Bytes read and not cut into an event yet.
    pub fn unread(&self) -> &[u8] {
        &self.buf
    }

    /// Anything of this kind from this client, broadcast.
    pub fn say(&mut self, uid: &str, kind: &str, detail: &str) {
        let text = text_event(uid, kind, detail);
        self.send(&text);
    }
}

/// Clients that know each other: every one has received the SA of all others and nothing else.
pub fn join_all<const N: usize>(server: &Server, who: [(&str, &str); N]) -> [Client; N] {
    let mut all: Vec<Client> = Vec::new();
    for (uid, callsign) in who {
        let mut newcomer = Client::join(server, uid, callsign);
        for there in &mut all {
            there.expect(uid);
        }
        let mut seen: Vec<String> = all.iter().map(|_| newcomer.next().uid().to_owned()).collect();
        let mut known: Vec<String> = all.iter().map(|c| c.uid.clone()).collect();
        seen.sort();
        known.sort();
        assert_eq!(seen, known, "{uid} is shown who is there");
        all.push(newcomer);
    }
    all.try_into().unwrap_or_else(|_| unreachable!())
}

/// Shows that the silent received nothing before now: `sender` broadcasts a marker, which must be their next event.
pub fn fence(sender: &mut Client, silent: &mut [&mut Client]) {
    let uid = format!("fence-{}", uuid::Uuid::new_v4());
    sender.send(&marker(&uid));
    for client in silent {
        let next = client.next();
        assert_eq!(next.uid(), uid, "{} received what it must not: {next:?}", client.uid);
    }
}
