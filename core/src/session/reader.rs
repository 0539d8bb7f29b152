//! One client's reader: bytes from the socket become a batch of events and are routed before the next read.
//!
//! Each thread reads into one shared buffer of 64 KiB; a connection keeps only the bytes of an unfinished frame, so an
//! idle client costs none. Order in one read: first bytes (probe, wrong protocol), cut, control types at once (the
//! batch so far leaves first), the rest admitted and finished together. Over the read limit the next read waits; an
//! unfinished frame is given up after 10 s. What must not happen: an event costs anything but itself.
mod aside;

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use fts_plugin_api::cot::{Attr, Cot, Millis, Spans, Splices, check};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::Notify,
};

use self::aside::shown;
use super::{
    bucket::Bucket,
    control::{self, After, Pongs},
};
use crate::{
    config::Auth,
    directory::{Client, Leave},
    net::{self, ReadHalf},
    observe::{clock, meters::meters},
    route::{Batch, Made, Pending, Reason, Router, Source},
    wire::{Cutter, Frame, proto},
};

const READ: usize = 64 * 1024;
/// An unfinished frame older than this is given up (RULE-4b).
const UNFINISHED: Duration = Duration::from_secs(10);
/// What an event that a plugin holds costs its connection (decision 88).
const HOLD_COST: u32 = 10;
/// Garbage between protobuf frames that ends a connection (RULE-25).
const GARBAGE: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// See the file's head.
pub struct Reader<'a> {
    /// Whose.
    pub client: Arc<Client>,
    /// Where events go.
    pub router: Arc<Router>,
    /// The socket; it outlives its reader, whose end is what delivers the last that was read.
    pub from: &'a mut ReadHalf,
    /// Called at identification (welcome, log).
    pub sessions: Arc<super::Sessions>,
    pub(super) cutter: Cutter,
    pub(super) bucket: Bucket,
    pub(super) first_byte: Option<Arc<Notify>>,
    pub(super) state: State,
}

/// What a reader remembers between reads.
#[derive(Default)]
pub(super) struct State {
    rest: Vec<u8>,
    /// The beginning of what may be the `TEST` probe.
    begun: Vec<u8>,
    seen: usize,
    /// Read before the session began.
    before: Vec<u8>,
    /// An `<auth>` that is to be looked at before anything behind it.
    auth: Option<Vec<u8>>,
    /// A control type behind batches that wait for the journal.
    control: Option<Cot>,
    /// An element came: what comes now is not the first.
    first_over: bool,
    pongs: Pongs,
    invalid: (Millis, u32),
    unfinished_since: Option<Instant>,
    events: u32,
    /// Batches that wait for the journal, in order.
    pending: Vec<Pending>,
}

impl State {
    /// With what was read before.
    pub fn begun(before: Vec<u8>) -> Self {
        // Who had to say `<auth>` has said it.
        Self { first_over: !before.is_empty(), before, ..Self::default() }
    }
}

impl Reader<'_> {
    /// Reads until the stream ends or must end.
    pub async fn run(mut self) -> Leave {
        let before = std::mem::take(&mut self.state.before);
        if !before.is_empty()
            && let Err(why) = self.consume(&before)
        {
            return why;
        }
        loop {
            if let Err(why) = self.go_on().await {
                self.stage().await;
                return why;
            }
            self.router.room().await;
            let read = match self.state.unfinished_since {
                None => self.read().await,
                Some(since) => match tokio::time::timeout_at((since + UNFINISHED).into(), self.read()).await {
                    Ok(read) => read,
                    Err(_) => {
                        if let Err(why) = self.give_up() {
                            return why;
                        }
                        continue;
                    }
                },
            };
            self.stage().await;
            match read {
                Ok(Ok(0)) => return Leave::Eof,
                Ok(Ok(n)) => {
                    let pause = self.bucket.pay(std::mem::take(&mut self.state.events), n, clock::tick());
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                }
                Ok(Err(why)) => return why,
                Err(error) => {
                    tracing::debug!(conn = self.client.conn, %error, "read failed");
                    return if error.kind() == io::ErrorKind::UnexpectedEof { Leave::Eof } else { Leave::Reset };
                }
            }
        }
    }

    /// One read and everything that follows from it. The inner result is why the connection must end.
    async fn read(&mut self) -> io::Result<Result<usize, Leave>> {
        poll_fn(|cx| {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut buf = ReadBuf::new(scratch);
                ready!(Pin::new(&mut *self.from).poll_read(cx, &mut buf))?;
                let data = buf.filled();
                Poll::Ready(Ok(self.consume(data).map(|()| data.len())))
            })
        })
        .await
    }

    fn consume(&mut self, data: &[u8]) -> Result<(), Leave> {
        let figures = &self.client.figures;
        figures.rx_bytes.fetch_add(data.len() as u64, Relaxed);
        figures.last_rx.store(clock::tick(), Relaxed);
        if !self.client.internal() {
            meters().bytes_in.increment(data.len() as u64);
        }
        if self.state.seen == 0 && self.may_become_probe(data) {
            self.state.begun.extend_from_slice(data);
            return Ok(());
        }
        let begun = std::mem::take(&mut self.state.begun);
        let whole;
        let data = if begun.is_empty() {
            data
        } else {
            whole = [&begun, data].concat();
            &whole
        };
        let looked = self.look_at_first(data);
        if let Some(first) = self.first_byte.take() {
            first.notify_one();
        }
        looked?;
        let mut rest = std::mem::take(&mut self.state.rest);
        let result = if rest.is_empty() {
            self.cut(data)
        } else {
            rest.extend_from_slice(data);
            self.cut(&rest)
        };
        let input = if rest.is_empty() { data } else { &rest };
        let used = result?;
        if used < input.len() {
            if rest.is_empty() {
                self.state.rest = input[used..].to_vec();
            } else {
                rest.drain(..used);
                self.state.rest = rest;
            }
        }
        self.state.seen = self.state.seen.saturating_add(data.len());
        let waits = self.cutter.unfinished();
        self.state.unfinished_since = waits.then(|| self.state.unfinished_since.unwrap_or_else(Instant::now));
        Ok(())
    }

    /// `T`, `TE` or `TES` alone: what follows decides whether it is the `TEST` probe or garbage.
    fn may_become_probe(&self, data: &[u8]) -> bool {
        let len = self.state.begun.len() + data.len();
        len < 4
            && b"TEST"[self.state.begun.len()..len] == *data
            && self.router.with_policy(|p| p.config.compat.legacy_test_probe)
    }

    /// The first bytes tell a probe and clients that came to the wrong port.
    fn look_at_first(&mut self, data: &[u8]) -> Result<(), Leave> {
        if self.state.seen > 0 {
            return Ok(());
        }
        let asks = data.starts_with(b"TEST") && self.router.policy().config.compat.legacy_test_probe;
        if asks && !self.client.one_way() {
            self.client.out.last_word(Made::reliable(b"success".to_vec()).control(), clock::tick());
            return Err(Leave::Probe);
        }
        if let Some(wrong) = net::sniff(data) {
            wrong.report(&net::Port::from(&*self.client.listener), self.client.peer);
            return Err(Leave::WrongProtocol);
        }
        Ok(())
    }

    /// Cuts and routes what is complete; how many bytes were used.
    fn cut(&mut self, input: &[u8]) -> Result<usize, Leave> {
        let (router, client) = (self.router.clone(), self.client.clone());
        let mut batch = Batch::new(&router, Source::Client(&client), input.len());
        let mut used = 0;
        loop {
            let (n, frame) = self.cutter.next(&input[used..]);
            used += n;
            let Some(frame) = frame else { break };
            self.frame(&mut batch, frame)?;
            if self.paused() {
                break;
            }
            if batch.is_full() {
                self.finish(&mut batch)?;
            }
        }
        self.finish(&mut batch)?;
        Ok(used)
    }

    fn give_up(&mut self) -> Result<(), Leave> {
        self.state.unfinished_since = None;
        let rest = std::mem::take(&mut self.state.rest);
        let (router, client) = (self.router.clone(), self.client.clone());
        let mut batch = Batch::new(&router, Source::Client(&client), rest.len());
        let (mut used, frame) = self.cutter.give_up(&rest);
        if let Some(frame) = frame {
            self.frame(&mut batch, frame)?;
        }
        self.finish(&mut batch)?;
        if !self.paused() {
            used += self.cut(rest.get(used..).unwrap_or(&[]))?;
        }
        self.state.rest = rest.get(used..).unwrap_or(&[]).to_vec();
        if self.cutter.unfinished() {
            self.state.unfinished_since = Some(Instant::now());
        }
        Ok(())
    }

    fn frame(&mut self, batch: &mut Batch<'_>, frame: Frame<'_>) -> Result<(), Leave> {
        let first = !std::mem::replace(&mut self.state.first_over, true);
        match frame {
            Frame::Event { text, spans } => {
                self.client.traffic.received_xml.increment(1);
                self.event(batch, text, &spans, None)
            }
            Frame::Message(payload) => {
                self.client.traffic.received_proto.increment(1);
                self.message(batch, payload)
            }
            // Consumed, never routed (RULE-14); where it was demanded it was read before the session began.
            Frame::Auth(text) => {
                if first && self.client.listener.auth == Auth::Optional {
                    self.state.auth = Some(text.to_vec());
                }
                Ok(())
            }
            Frame::Rejected { reason, head, detail } => {
                let reason = Reason::from(reason);
                reason.count(1);
                self.client.figures.rejected.fetch_add(1, Relaxed);
                tracing::debug!(event = "cot.rejected", conn = self.client.conn, reason = reason.name(), detail, head = %shown(head), "bytes given up");
                if self.cutter.garbage_bytes() > GARBAGE {
                    return Err(Leave::Garbage);
                }
                if reason == Reason::Garbage { Ok(()) } else { self.invalid() }
            }
        }
    }

    fn event(
        &mut self,
        batch: &mut Batch<'_>,
        text: &[u8],
        spans: &Spans,
        payload: Option<&[u8]>,
    ) -> Result<(), Leave> {
        self.state.events += 1;
        self.client.figures.rx_events.fetch_add(1, Relaxed);
        if tracing::enabled!(tracing::Level::TRACE) && self.router.with_policy(|p| p.config.log.raw_cot) {
            tracing::trace!(conn = self.client.conn, xml = %String::from_utf8_lossy(text), "received");
        }
        if !control::is_control(spans.attrs[Attr::Type as usize].of(text)) {
            let _ = batch.admit_form(text, spans, payload);
            // The first position decides what is admitted behind it.
            let must = self.router.policy().config.cot.require_identification && !self.client.identified();
            return if must { self.finish(batch) } else { Ok(()) };
        }
        // What came before goes out before: a filter or a switch must not reach back.
        self.finish(batch)?;
        let cot = Cot::from_parts(Bytes::copy_from_slice(text), spans.clone());
        if self.state.pending.is_empty() {
            self.control(&cot, batch.now());
        } else {
            self.state.control = Some(cot);
        }
        Ok(())
    }

    fn message(&mut self, batch: &mut Batch<'_>, payload: &[u8]) -> Result<(), Leave> {
        match proto::decode(payload) {
            Ok(Some((text, spans))) => match check(&text, &spans, batch.now(), &mut Splices::new()) {
                Ok(_) => self.event(batch, &text, &spans, Some(payload)),
                Err(fault) => self.refuse(Reason::Schema, &fault),
            },
            Ok(None) => Ok(()),
            Err(fault) => self.refuse(Reason::Proto, &fault),
        }
    }

    fn refuse(&mut self, reason: Reason, fault: &dyn std::fmt::Display) -> Result<(), Leave> {
        reason.count(1);
        self.client.figures.rejected.fetch_add(1, Relaxed);
        tracing::debug!(event = "cot.rejected", conn = self.client.conn, reason = reason.name(), %fault, "message given up");
        self.invalid()
    }

    /// Too many invalid frames within a minute end the connection (RULE-8).
    fn invalid(&mut self) -> Result<(), Leave> {
        let most = self.router.policy().config.stream.limits.max_invalid_events;
        let now = clock::now_ms();
        if now - self.state.invalid.0 >= 60_000 {
            self.state.invalid = (now, 0);
        }
        self.state.invalid.1 += 1;
        if most > 0 && self.state.invalid.1 > most { Err(Leave::Invalid) } else { Ok(()) }
    }

    fn finish(&mut self, batch: &mut Batch<'_>) -> Result<(), Leave> {
        batch.set_behind(!self.state.pending.is_empty());
        let done = batch.finish();
        self.state.pending.extend(done.pending);
        self.state.events += done.held * (HOLD_COST - 1);
        if done.rejected {
            return Err(Leave::Rejected);
        }
        if done.bound {
            self.cutter.set_limit(self.sessions.max_event_bytes(&self.client.listener, true));
            self.sessions.identified(&self.client);
        }
        Ok(())
    }
}
