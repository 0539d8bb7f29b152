//! One client's writer: takes what waits, in the form the client speaks, and writes it with as few calls as possible.
//!
//! Order: greeting delay for the `TEST` probe, then rounds of (replay while there is one, queue), one vectored write
//! per round; neighbours of one batch buffer leave as one slice. A write is complete or the connection is over
//! (RULE-49). Under load a round that would be tiny waits up to `write_coalesce`. Nothing here blocks a sender.

use std::{
    cell::Cell,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::Duration,
};

use smallvec::SmallVec;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::Notify,
};

use super::outbound::Item;
use crate::{
    config::ReplayAt,
    directory::{Client, Latest, Leave, Shelf},
    net::WriteHalf,
    observe::{clock, meters::meters},
    route::{Reason, Router},
};

/// Taken per round (fanout.md 2.8).
const ROUND_ITEMS: usize = 256;
const ROUND_BYTES: usize = 256 * 1024;
/// Slices per write call.
const SLICES: usize = 128;
/// Replay entries per round.
const REPLAY_ITEMS: usize = 64;
/// Less than this waits a moment when the last write was just now.
const TINY: usize = 16 * 1024;
/// How long the first write waits for a first byte (RULE-80).
pub const PROBE_WAIT: Duration = Duration::from_millis(250);

/// See the file's head.
pub struct Writer {
    /// Whose.
    pub client: Arc<Client>,
    /// Where replay, limits and the trace are.
    pub router: Arc<Router>,
    /// The socket.
    pub to: WriteHalf,
    /// Rung by the reader at the first byte; None = do not wait for it.
    pub first_byte: Option<Arc<Notify>>,
    /// The stream is protobuf from here on.
    pub proto: bool,
}

impl Writer {
    /// Runs until the queue is closed and empty, or the socket fails.
    pub async fn run(mut self) -> Leave {
        if let Some(first) = self.first_byte.take() {
            let _ = tokio::time::timeout(PROBE_WAIT, first.notified()).await;
        }
        match self.rounds().await {
            Ok(()) => {
                let _ = self.to.shutdown().await;
                Leave::Shutdown
            }
            Err(error) => {
                tracing::debug!(conn = self.client.conn, %error, "write failed");
                Leave::Reset
            }
        }
    }

    async fn rounds(&mut self) -> io::Result<()> {
        let mut items = spare();
        let mut replayed = 0;
        let mut shown = 0;
        let items_to =
            if self.router.policy().config.cot.replay_map_items { self.router.directory.items.end() } else { 0 };
        let mut flushed = None;
        loop {
            let replay_to = self.client.out.replay_to();
            let replaying = replayed < replay_to && self.may_replay();
            if replaying {
                replayed = self.replay(&self.router.directory.presence, replayed, replay_to, &mut items);
            } else if shown < items_to {
                shown = self.replay(&self.router.directory.items, shown, items_to, &mut items);
            }
            // While replay entries go first, live ones are interleaved as they come (decision 103).
            let waiting = self.client.out.take(&mut items, ROUND_ITEMS, ROUND_BYTES);
            if items.is_empty() {
                if replaying || shown < items_to {
                    continue;
                }
                if !waiting && self.client.out.is_closed() {
                    return Ok(());
                }
                // An idle client keeps no list.
                give_back(items);
                self.client.out.wait().await;
                self.coalesce(flushed).await;
                items = spare();
                continue;
            }
            flushed = Some(self.write(&items).await?);
            items.clear();
        }
    }

    fn may_replay(&self) -> bool {
        let keys = &self.router.policy().config.cot;
        keys.replay_at == ReplayAt::Connect || self.client.identified()
    }

    /// The next entries a newcomer is shown (RULE-37, 39): in reach, not its own, not expired.
    fn replay(&self, shelf: &Shelf, from: u64, to: u64, items: &mut Vec<Item>) -> u64 {
        let now = clock::now_ms();
        let own = self.client.who().uid.clone();
        let groups = self.client.groups();
        let wanted =
            |l: &Latest| l.conn != self.client.conn && l.uid != own && l.expires > now && l.send.meets(&groups.receive);
        let (cursor, events) = shelf.after(from, to, REPLAY_ITEMS, wanted);
        let at = clock::tick();
        items.extend(events.into_iter().map(|event| Item { event, at, switch: false }));
        cursor
    }

    /// Under load many senders wake this writer within a moment: a small pile waits for more (fanout.md 2.8).
    async fn coalesce(&self, flushed: Option<u32>) {
        let Some(last) = flushed else { return };
        let pause = self.router.with_policy(|p| p.config.stream.limits.write_coalesce);
        let since = Duration::from_millis(u64::from(clock::tick().wrapping_sub(last)));
        if since < pause && self.client.out.depth().bytes < TINY {
            tokio::time::sleep(pause - since).await;
        }
    }

    /// Writes all of them; the tick at which that was done.
    async fn write(&mut self, items: &[Item]) -> io::Result<u32> {
        // Behind a switch the stream is protobuf (decision 104).
        let xml_until = match self.proto {
            true => 0,
            false => items.iter().position(|i| i.switch).map_or(items.len(), |n| n + 1),
        };
        self.proto |= xml_until < items.len() || items.last().is_some_and(|i| i.switch);
        let mut round = Round { items, xml_until, at: 0, offset: 0, total: 0 };
        while round.left() {
            self.accepted(&mut round).await?;
        }
        self.to.flush().await?;
        let total = round.total;
        self.note(items, xml_until, total)
    }

    /// Figures, metrics and the trace of what was written.
    fn note(&self, items: &[Item], xml_until: usize, bytes: usize) -> io::Result<u32> {
        let now = clock::tick();
        let mut unsendable = 0;
        for item in items[xml_until..].iter().filter(|i| i.event.proto().is_none()) {
            unsendable += 1;
            Reason::TooBig.count(1);
            self.router.why.too_big(&item.event, &self.client);
        }
        let figures = &self.client.figures;
        let written = items.len() as u64 - unsendable;
        figures.tx_events.fetch_add(written, Relaxed);
        figures.tx_bytes.fetch_add(bytes as u64, Relaxed);
        figures.last_tx.store(now, Relaxed);
        if !self.client.internal() {
            let as_xml = xml_until as u64;
            if as_xml > 0 {
                meters().sent_xml.increment(as_xml);
            }
            if written > as_xml {
                meters().sent_proto.increment(written - as_xml);
            }
            meters().bytes_out.increment(bytes as u64);
        }
        if let Some(oldest) = items.first() {
            meters().delivery_seconds.record(f64::from(now.wrapping_sub(oldest.at)) / 1_000.0);
        }
        let mut wrote = self.client.wrote.lock();
        for item in items.iter().filter(|i| i.event.head.id != 0) {
            wrote.note(item.event.head.id, now);
        }
        Ok(now)
    }

    /// One write call; while the socket takes nothing the client is marked blocked since then (RULE-48).
    async fn accepted(&mut self, round: &mut Round<'_>) -> io::Result<()> {
        let blocked = &self.client.figures.blocked_since;
        let to = &mut self.to;
        poll_fn(|cx| {
            let slices = round.slices();
            if slices.is_empty() {
                round.at = round.items.len();
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut *to).poll_write_vectored(cx, &slices) {
                Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => {
                    if blocked.load(Relaxed) != 0 {
                        blocked.store(0, Relaxed);
                    }
                    round.advance(n);
                    Poll::Ready(Ok(()))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => {
                    let _ = blocked.compare_exchange(0, clock::tick(), Relaxed, Relaxed);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Items on their way and how far they are written.
struct Round<'a> {
    items: &'a [Item],
    /// Items before this one leave as XML, the others as protobuf.
    xml_until: usize,
    at: usize,
    offset: usize,
    total: usize,
}

impl<'a> Round<'a> {
    fn left(&self) -> bool {
        self.at < self.items.len()
    }

    /// The form of an item: the buffer it lies in and where. An event without a protobuf form is nothing.
    fn form(&self, n: usize) -> (&'a [u8], usize, usize) {
        let event = &self.items[n].event;
        if n < self.xml_until {
            let (buf, start, end) = event.place();
            (buf, start, end)
        } else {
            event.proto().map_or((&[], 0, 0), |frame| (frame, 0, frame.len()))
        }
    }

    /// What is left, neighbours in one buffer as one slice.
    fn slices(&self) -> SmallVec<[IoSlice<'a>; SLICES]> {
        let mut slices: SmallVec<[IoSlice<'a>; SLICES]> = SmallVec::new();
        let (mut buf, mut from, mut to): (&'a [u8], usize, usize) = (&[], 0, 0);
        for n in self.at..self.items.len() {
            let (next, start, end) = self.form(n);
            let start = if n == self.at { start + self.offset } else { start };
            if start == to && next.as_ptr() == buf.as_ptr() && next.len() == buf.len() {
                to = end;
                continue;
            }
            if from < to {
                slices.push(IoSlice::new(&buf[from..to]));
                if slices.len() == SLICES {
                    return slices;
                }
            }
            (buf, from, to) = (next, start, end);
        }
        if from < to {
            slices.push(IoSlice::new(&buf[from..to]));
        }
        slices
    }

    fn advance(&mut self, mut bytes: usize) {
        self.total += bytes;
        while self.left() {
            let (_, start, end) = self.form(self.at);
            let left = end - start - self.offset;
            if bytes < left {
                self.offset += bytes;
                return;
            }
            bytes -= left;
            (self.at, self.offset) = (self.at + 1, 0);
        }
    }
}

thread_local! {
    /// One empty list per thread, so that a writer that wakes for a moment allocates nothing.
    static SPARE: Cell<Vec<Item>> = const { Cell::new(Vec::new()) };
}

fn spare() -> Vec<Item> {
    SPARE.take()
}

fn give_back(items: Vec<Item>) {
    if items.is_empty() {
        SPARE.set(items);
    }
}
