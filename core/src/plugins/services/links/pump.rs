//! The task of a link that is up: [`run`] reads frames, writes what waits, upgrades to TLS, and tells the end.
//!
//! Each turn: hand over whole frames while there is room; look what was asked for; then wait for whatever comes first
//! of bytes, room to write, a wake-up, a deadline. Reading and writing never wait for each other. When the peer has
//! ended, what waits is still sent; when we end, close_notify and FIN go out before `Closed` is told, and what the peer
//! still sends is taken and thrown away for a moment: a socket closed with unread bytes would reset the connection and
//! take our last words with it.
use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::Instant,
};

use super::{
    event::End,
    frame::Decoder,
    link::{FLUSH, Link, early},
    pair,
    socket::{Socket, Upgrade},
};

/// Bytes read at once; also what a TLS record holds at most.
const READ: usize = 16 * 1024;
/// How long a closed link still takes what the peer sends.
const LINGER: Duration = Duration::from_secs(1);

/// From the first byte to the last. `upgrade` = how to begin TLS later.
pub(super) async fn run(link: Arc<Link>, socket: Socket, address: SocketAddr, upgrade: Option<Upgrade>) {
    let mut pump = Pump {
        decoder: Decoder::new(link.frames),
        link,
        socket: Some(socket),
        address,
        upgrade,
        buffer: BytesMut::new(),
        sending: Bytes::new(),
        unflushed: false,
    };
    let why = match pump.drive().await {
        Ended::Is(why) => why,
        Ended::Pair => match &mut pump.socket {
            Some(socket) => {
                let (why, alive) = pair::run(&pump.link, socket).await;
                if !alive {
                    pump.socket = None;
                }
                why
            }
            None => End::Reset,
        },
    };
    if let Some(socket) = &mut pump.socket {
        // Sends close_notify; a peer that is gone does not matter any more.
        let _ = tokio::time::timeout(LINGER, socket.shutdown()).await;
    }
    pump.link.end(why);
    if let Some(mut socket) = pump.socket.take() {
        let mut scratch = [0; 4 * 1024];
        let rest = async { while socket.read(&mut scratch).await.is_ok_and(|n| n > 0) {} };
        let _ = tokio::time::timeout(LINGER, rest).await;
    }
}

/// Said of a link whose queue could not be emptied in time.
pub(super) const UNSENT: &str = "what waited could not be sent before closing";

enum Ended {
    Is(End),
    /// From here on it is a socket pair.
    Pair,
}

struct Pump {
    link: Arc<Link>,
    /// None while it is being upgraded, and after the network broke it off.
    socket: Option<Socket>,
    address: SocketAddr,
    upgrade: Option<Upgrade>,
    decoder: Decoder,
    buffer: BytesMut,
    sending: Bytes,
    /// TLS may hold bytes that were written.
    unflushed: bool,
}

enum Step {
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    Flushed(io::Result<()>),
    Woken,
    Late,
}

impl Pump {
    async fn drive(&mut self) -> Ended {
        if self.link.pair && !self.link.starttls {
            return Ended::Pair;
        }
        let mut scratch = vec![0; READ];
        // Why it ends once all is sent, until when, and whether more can come.
        let mut ending: Option<(End, Instant)> = None;
        let mut deaf = false;
        // Reading and writing go first in turns: a peer that takes all we have must not keep us from hearing it.
        let mut read_first = false;
        loop {
            let hungry = match self.hand_over() {
                Ok(hungry) => hungry,
                Err(why) => return Ended::Is(why),
            };
            let look = self.link.look(&mut self.sending);
            if look.early || (look.asked && !self.buffer.is_empty()) {
                return Ended::Is(early());
            }
            let sent = self.sending.is_empty() && !self.unflushed;
            if let (Some(until), None) = (look.closing, &ending) {
                (ending, deaf) = (Some((End::Local, until)), true);
            }
            match &ending {
                Some((why, _)) if sent && deaf => return Ended::Is(why.clone()),
                None if sent && look.upgrade => {
                    match self.secure().await {
                        Err(why) => return Ended::Is(why),
                        Ok(()) if self.link.pair => return Ended::Pair,
                        Ok(()) => {}
                    }
                    continue;
                }
                _ => {}
            }
            if look.may_read && !deaf && !hungry {
                // Room came between the two looks, and whole frames are still here.
                continue;
            }
            let until = ending.as_ref().map(|(_, until)| *until);
            let step = self.step(look.may_read && !deaf, until, &mut scratch, read_first).await;
            read_first = matches!(step, Step::Wrote(_) | Step::Flushed(_));
            match step {
                Step::Woken => {}
                Step::Late => {
                    return Ended::Is(match ending {
                        Some((End::Local | End::Clean, _)) | None => End::TimedOut(UNSENT),
                        // An error nothing better was heard about.
                        Some((why, _)) => why,
                    });
                }
                Step::Read(Ok(n)) if n > 0 => self.buffer.extend_from_slice(&scratch[..n]),
                Step::Read(read) => {
                    let why = match read {
                        Ok(_) if !self.buffer.is_empty() => End::Truncated("inside a frame"),
                        Ok(_) => End::Clean,
                        Err(error) => End::of(&error),
                    };
                    match (why, ending.take()) {
                        (why @ (End::Refused(_) | End::Protocol(_)), _) => return self.broken(why),
                        // It could not be written to before; its end explains nothing.
                        (_, Some((before, _))) => return self.broken(before),
                        (End::Clean, None) => {
                            (ending, deaf) = (Some((End::Clean, Instant::now() + FLUSH)), true);
                        }
                        (why, None) => return self.broken(why),
                    }
                }
                Step::Wrote(Ok(n)) if n > 0 => {
                    self.unflushed = true;
                    self.link.wrote(n, &mut self.sending);
                }
                Step::Flushed(Ok(())) => self.unflushed = false,
                Step::Wrote(result) => {
                    let error = result.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into());
                    match self.cannot_write(&error, ending.take(), deaf) {
                        Some(next) => ending = Some(next),
                        None => return self.broken(End::of(&error)),
                    }
                }
                Step::Flushed(Err(error)) => match self.cannot_write(&error, ending.take(), deaf) {
                    Some(next) => ending = Some(next),
                    None => return self.broken(End::of(&error)),
                },
            }
        }
    }

    /// The peer may have said why before it hung up: its last bytes are read. None = nothing can be heard any more.
    fn cannot_write(
        &mut self,
        error: &io::Error,
        ending: Option<(End, Instant)>,
        deaf: bool,
    ) -> Option<(End, Instant)> {
        self.link.give_up_writing(&mut self.sending);
        self.unflushed = false;
        (!deaf).then(|| ending.unwrap_or_else(|| (End::of(error), Instant::now() + LINGER)))
    }

    /// Ended by the network: nothing to say good-bye to.
    fn broken(&mut self, why: End) -> Ended {
        self.socket = None;
        Ended::Is(why)
    }

    /// Whole frames to the plugin while there is room; true = the rest needs more bytes.
    fn hand_over(&mut self) -> Result<bool, End> {
        while !self.buffer.is_empty() {
            if !self.link.room() {
                return Ok(false);
            }
            let Some(frame) = self.decoder.next(&mut self.buffer).map_err(End::Protocol)? else { break };
            if !self.link.deliver(frame) {
                return Err(early());
            }
        }
        Ok(true)
    }

    async fn step(&mut self, may_read: bool, until: Option<Instant>, scratch: &mut [u8], read_first: bool) -> Step {
        let Some(socket) = &mut self.socket else { return Step::Late };
        let (sending, unflushed) = (&self.sending, self.unflushed);
        tokio::select! {
            step = poll_fn(|cx| {
                let socket = &mut *socket;
                let first = if read_first { read(socket, cx, may_read, scratch) } else { Poll::Pending };
                if first.is_ready() {
                    return first;
                }
                let written = write(socket, cx, sending, unflushed);
                if written.is_ready() || read_first { written } else { read(socket, cx, may_read, scratch) }
            }) => step,
            () = self.link.wake.notified() => Step::Woken,
            () = async { match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            } } => Step::Late,
        }
    }

    async fn secure(&mut self) -> Result<(), End> {
        let (Some(Socket::Plain(stream)), Some(upgrade)) = (self.socket.take(), self.upgrade.take()) else {
            return Err(End::Protocol("STARTTLS on a link that cannot do it".into()));
        };
        let socket = tokio::select! {
            socket = upgrade.shake(stream, self.link.handshake) => socket?,
            _ = self.link.closing() => return Err(End::Local),
        };
        let peer = socket.peer(self.address);
        self.socket = Some(socket);
        self.link.secured(peer);
        Ok(())
    }
}

fn read(socket: &mut Socket, cx: &mut Context<'_>, may_read: bool, scratch: &mut [u8]) -> Poll<Step> {
    if !may_read {
        return Poll::Pending;
    }
    let mut into = ReadBuf::new(scratch);
    let done = ready!(Pin::new(socket).poll_read(cx, &mut into));
    Poll::Ready(Step::Read(done.map(|()| into.filled().len())))
}

fn write(socket: &mut Socket, cx: &mut Context<'_>, sending: &[u8], unflushed: bool) -> Poll<Step> {
    if !sending.is_empty() {
        Pin::new(socket).poll_write(cx, sending).map(Step::Wrote)
    } else if unflushed {
        Pin::new(socket).poll_flush(cx).map(Step::Flushed)
    } else {
        Poll::Pending
    }
}
