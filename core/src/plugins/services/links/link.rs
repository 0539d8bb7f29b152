//! [`Link`]: what the plugin's threads and the link's task share: the outgoing queue, the frames nobody has processed
//! yet, and what was asked for (STARTTLS, socket pair, close).
//!
//! One lock per link, never held while the sink is called or with another lock. Only the link's task waits on `wake`.
use std::{
    collections::VecDeque,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{
    LinkError, LinkId, WriteError,
    event::{End, LinkEvent, Peer, Sink},
    frame,
    profile::{Frames, Profile},
    set::Shared,
};

/// Bytes that may wait for one peer.
pub(super) const QUEUE: usize = 4 << 20;
/// Frames, and bytes of them, that may be unprocessed before reading pauses.
const UNREAD: usize = 64;
const UNREAD_BYTES: usize = 4 << 20;
/// Small frames are put together up to this size for one write.
const GATHER: usize = 64 * 1024;
/// How long `close` tries to send what waits.
pub(super) const FLUSH: Duration = Duration::from_secs(5);

pub(super) struct Link {
    pub id: LinkId,
    pub frames: Frames,
    /// Is a socket pair in the end.
    pub pair: bool,
    pub starttls: bool,
    pub handshake: Duration,
    pub wake: Notify,
    state: Mutex<State>,
    shared: Arc<Shared>,
    sink: Sink,
}

#[derive(Default)]
struct State {
    out: VecDeque<Out>,
    bytes: usize,
    /// Size of the frame that found no room: `Writable` is owed.
    owed: Option<usize>,
    unread: VecDeque<usize>,
    unread_bytes: usize,
    delivered: u64,
    tls: Tls,
    near: Near,
    /// When the flush ends, once closing.
    closing: Option<Instant>,
    ended: bool,
}

impl State {
    fn room(&self) -> bool {
        self.unread.len() < UNREAD && self.unread_bytes < UNREAD_BYTES
    }
}

enum Out {
    Bytes(Bytes),
    StartTls,
}

/// Of a link with STARTTLS.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Tls {
    #[default]
    Plain,
    /// Nothing more is read in plain.
    Asked,
    /// Asked for while plaintext was unread: the task ends the link.
    Early,
    Done,
}

#[derive(Default)]
enum Near {
    #[default]
    Nobody,
    Waits(UnixStream),
    Taken,
}

/// What the task has to do.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub may_read: bool,
    pub closing: Option<Instant>,
    /// STARTTLS was asked for and has not begun.
    pub asked: bool,
    /// It was asked for too late.
    pub early: bool,
    /// All plaintext is sent: shake hands now.
    pub upgrade: bool,
}

impl Link {
    pub fn new(id: LinkId, profile: &Profile, shared: Arc<Shared>, sink: Sink) -> Self {
        Self {
            id,
            frames: profile.frames,
            pair: profile.pair,
            starttls: profile.tls.as_ref().is_some_and(|t| t.starttls),
            handshake: profile.handshake_timeout,
            wake: Notify::new(),
            state: Mutex::default(),
            shared,
            sink,
        }
    }

    pub fn write(&self, bytes: &[u8]) -> Result<(), WriteError> {
        let item = frame::encode(self.frames, bytes, QUEUE)?;
        let mut state = self.state.lock();
        if state.ended || state.closing.is_some() || state.tls == Tls::Early {
            return Err(WriteError::Gone);
        }
        if self.pair && (!self.starttls || state.tls != Tls::Plain) {
            return Err(WriteError::Paired);
        }
        if state.owed.is_some() {
            return Err(WriteError::Full);
        }
        // One frame larger than the queue may go alone.
        if state.bytes > 0 && state.bytes + item.len() > QUEUE {
            state.owed = Some(item.len());
            self.shared.full.increment(1);
            return Err(WriteError::Full);
        }
        state.bytes += item.len();
        state.out.push_back(Out::Bytes(item));
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    pub fn processed(&self, frames: usize) {
        let mut state = self.state.lock();
        let paused = !state.room();
        for _ in 0..frames {
            let Some(size) = state.unread.pop_front() else { break };
            state.unread_bytes -= size;
        }
        if paused && state.room() {
            drop(state);
            self.wake.notify_one();
        }
    }

    pub fn start_tls(&self, last: &[u8], seen: u64) -> Result<(), LinkError> {
        let last = if last.is_empty() { Bytes::new() } else { frame::encode(self.frames, last, QUEUE)? };
        let mut state = self.state.lock();
        if state.ended || state.closing.is_some() {
            return Err(LinkError::Gone);
        }
        if !self.starttls || state.tls != Tls::Plain {
            return Err(LinkError::NoStartTls);
        }
        if state.delivered > seen {
            state.tls = Tls::Early;
            drop(state);
            self.wake.notify_one();
            return Err(LinkError::EarlyPlaintext);
        }
        state.tls = Tls::Asked;
        if !last.is_empty() {
            state.bytes += last.len();
            state.out.push_back(Out::Bytes(last));
        }
        state.out.push_back(Out::StartTls);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    pub fn pair(&self) -> Result<OwnedFd, LinkError> {
        let mut state = self.state.lock();
        if state.ended || state.closing.is_some() {
            return Err(LinkError::Gone);
        }
        if !self.pair || !matches!(state.near, Near::Nobody) || (self.starttls && state.tls != Tls::Done) {
            return Err(LinkError::NoPair);
        }
        let made = UnixStream::pair().and_then(|(near, far)| {
            near.set_nonblocking(true)?;
            far.set_nonblocking(true)?;
            Ok((near, far))
        });
        let (near, far) = made.map_err(LinkError::Pair)?;
        state.near = Near::Waits(near);
        drop(state);
        self.wake.notify_one();
        Ok(far.into())
    }

    pub fn close(&self) {
        self.state.lock().closing.get_or_insert_with(|| Instant::now() + FLUSH);
        self.wake.notify_one();
    }

    /// Waits until somebody closes the link; for the phases in which nothing else can be asked of it.
    pub async fn closing(&self) -> Instant {
        loop {
            // Not in the `if`: the guard would live through the wait.
            let closing = self.state.lock().closing;
            if let Some(until) = closing {
                return until;
            }
            self.wake.notified().await;
        }
    }

    /// The task's end of the socket pair, once there is one.
    pub async fn near(&self) -> Option<UnixStream> {
        loop {
            {
                let mut state = self.state.lock();
                if let Near::Waits(_) = state.near
                    && let Near::Waits(near) = std::mem::replace(&mut state.near, Near::Taken)
                {
                    return Some(near);
                }
                if state.closing.is_some() {
                    return None;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Refills `sending` when it is empty, and tells what to do.
    pub fn look(&self, sending: &mut Bytes) -> Look {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.closing.is_some()
            && let Some(at) = state.out.iter().position(|o| matches!(o, Out::StartTls))
        {
            // What was meant for TLS must not go out in plain.
            let dropped = state.out.drain(at..).map(|o| if let Out::Bytes(b) = o { b.len() } else { 0 });
            state.bytes -= dropped.sum::<usize>();
        }
        if sending.is_empty() {
            *sending = gather(&mut state.out);
        }
        Look {
            may_read: state.closing.is_none() && matches!(state.tls, Tls::Plain | Tls::Done) && state.room(),
            closing: state.closing,
            asked: state.tls == Tls::Asked,
            early: state.tls == Tls::Early,
            upgrade: sending.is_empty() && matches!(state.out.front(), Some(Out::StartTls)),
        }
    }

    /// Hands a frame to the plugin. False = the frame came too late: TLS was asked for.
    pub fn deliver(&self, bytes: Bytes) -> bool {
        let number = {
            let mut state = self.state.lock();
            if matches!(state.tls, Tls::Asked | Tls::Early) {
                return false;
            }
            state.unread.push_back(bytes.len());
            state.unread_bytes += bytes.len();
            state.delivered += 1;
            state.delivered
        };
        (self.sink)(LinkEvent::Frame { link: self.id, number, bytes });
        true
    }

    /// Whether one more frame may be handed over.
    pub fn room(&self) -> bool {
        let state = self.state.lock();
        state.closing.is_none() && state.room()
    }

    /// `n` bytes are with the network.
    pub fn wrote(&self, n: usize, sending: &mut Bytes) {
        sending.advance(n);
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_sub(n);
        let left = state.bytes;
        let room = |size: usize| left == 0 || (left <= QUEUE / 2 && left + size <= QUEUE);
        if state.owed.is_some_and(room) {
            state.owed = None;
            drop(state);
            (self.sink)(LinkEvent::Writable { link: self.id });
        }
    }

    /// Nothing can be sent any more.
    pub fn give_up_writing(&self, sending: &mut Bytes) {
        sending.clear();
        let mut state = self.state.lock();
        state.out.clear();
        state.bytes = 0;
    }

    pub fn up(&self, event: LinkEvent) {
        self.shared.up.increment(1);
        (self.sink)(event);
    }

    pub fn secured(&self, peer: Peer) {
        {
            let mut state = self.state.lock();
            state.tls = Tls::Done;
            state.out.pop_front();
        }
        (self.sink)(LinkEvent::Secured { link: self.id, peer });
    }

    /// The end, told once whoever comes first.
    pub fn end(&self, why: End) {
        {
            let mut state = self.state.lock();
            if std::mem::replace(&mut state.ended, true) {
                return;
            }
            state.out.clear();
            state.near = Near::Taken;
        }
        self.shared.forget(self.id);
        self.shared.closed.increment(1);
        tracing::debug!(plugin = %self.shared.plugin, link = self.id.0, %why, "link closed");
        (self.sink)(LinkEvent::Closed { link: self.id, why });
    }
}

/// Why a link with plaintext behind STARTTLS ends.
pub(super) fn early() -> End {
    End::Protocol("plaintext came after STARTTLS was agreed on: somebody may have put commands into the link".into())
}

fn gather(out: &mut VecDeque<Out>) -> Bytes {
    let mut all = BytesMut::new();
    while let Some(Out::Bytes(next)) = out.front() {
        if !all.is_empty() && all.len() + next.len() > GATHER {
            break;
        }
        let Some(Out::Bytes(next)) = out.pop_front() else { break };
        // Alone in the queue or large: goes as it is.
        if all.is_empty() && (next.len() >= GATHER / 4 || !matches!(out.front(), Some(Out::Bytes(_)))) {
            return next;
        }
        all.extend_from_slice(&next);
    }
    all.freeze()
}

/// Tells the end of a link whose task is dropped unfinished (the runtime stops).
pub(super) struct Ending(pub Arc<Link>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end(End::Local);
    }
}
