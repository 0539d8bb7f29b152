//! One client's writer: takes what waits, in the form the client speaks, and writes it with as few calls as possible.
//!
//! Order: greeting delay for the `TEST` probe, then rounds of (replay while there is one, queue), one vectored write
//! per round; neighbours of one batch buffer leave as one slice. A write is complete or the connection is over
//! (RULE-49). Under load a round that would be tiny waits up to `write_coalesce`. Nothing here blocks a sender.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
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
const SLICES: usize = 64;
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
        let mut items: Vec<Item> = Vec::new();
        let mut replayed = 0;
        let mut shown = 0;
        let items_to =
            if self.router.policy().config.cot.replay_map_items { self.router.directory.items.end() } else { 0 };
        let mut flushed: Option<Instant> = None;
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
                items = Vec::new();
                self.client.out.wait().await;
                self.coalesce(flushed).await;
                continue;
            }
            self.write(&items).await?;
            flushed = Some(Instant::now());
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
    async fn coalesce(&self, flushed: Option<Instant>) {
        let Some(last) = flushed else { return };
        let pause = self.router.policy().config.stream.limits.write_coalesce;
        let since = last.elapsed();
        if since < pause && self.client.out.depth().bytes < TINY {
            tokio::time::sleep(pause - since).await;
        }
    }

    async fn write(&mut self, items: &[Item]) -> io::Result<()> {
        let mut out = Pieces::default();
        let mut written = 0;
        for item in items {
            if self.proto {
                match item.event.proto() {
                    Some(frame) => out.add(frame, 0, frame.len()),
                    None => {
                        Reason::TooBig.count(1);
                        self.router.why.too_big(&item.event, &self.client);
                        continue;
                    }
                }
            } else {
                let (buf, start, end) = item.event.place();
                out.add(buf, start, end);
            }
            written += 1;
            self.proto |= item.switch;
        }
        let bytes = self.send(&out).await?;
        let now = clock::tick();
        let figures = &self.client.figures;
        figures.tx_events.fetch_add(written, Relaxed);
        figures.tx_bytes.fetch_add(bytes as u64, Relaxed);
        figures.last_tx.store(now, Relaxed);
        if !self.client.internal() {
            let sent = if self.proto { &meters().sent_proto } else { &meters().sent_xml };
            sent.increment(written);
            meters().bytes_out.increment(bytes as u64);
        }
        if let Some(oldest) = items.first() {
            meters().delivery_seconds.record(f64::from(now.wrapping_sub(oldest.at)) / 1_000.0);
        }
        let mut wrote = self.client.wrote.lock();
        for item in items.iter().filter(|i| i.event.head.id != 0) {
            wrote.note(item.event.head.id, now);
        }
        Ok(())
    }

    async fn send(&mut self, out: &Pieces<'_>) -> io::Result<usize> {
        let (mut piece, mut offset, mut total) = (0, 0, 0);
        while piece < out.list.len() {
            let mut slices: SmallVec<[IoSlice<'_>; SLICES]> = SmallVec::new();
            for (n, (buf, start, end)) in out.list[piece..].iter().take(SLICES).enumerate() {
                let skip = if n == 0 { offset } else { 0 };
                slices.push(IoSlice::new(buf.get(start + skip..*end).unwrap_or(&[])));
            }
            let mut accepted = self.accepted(&slices).await?;
            if accepted == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            total += accepted;
            while let Some((_, start, end)) = out.list.get(piece) {
                let left = end - start - offset;
                if accepted < left {
                    offset += accepted;
                    break;
                }
                accepted -= left;
                (piece, offset) = (piece + 1, 0);
            }
        }
        self.to.flush().await?;
        Ok(total)
    }

    /// One write call; while the socket takes nothing the client is marked blocked since then (RULE-48).
    async fn accepted(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let blocked = &self.client.figures.blocked_since;
        let to = &mut self.to;
        poll_fn(|cx| match Pin::new(&mut *to).poll_write_vectored(cx, slices) {
            Poll::Ready(done) => {
                blocked.store(0, Relaxed);
                Poll::Ready(done)
            }
            Poll::Pending => {
                let _ = blocked.compare_exchange(0, clock::tick(), Relaxed, Relaxed);
                Poll::Pending
            }
        })
        .await
    }
}

/// What leaves in one round; neighbours in one buffer are one piece.
#[derive(Default)]
struct Pieces<'a> {
    list: Vec<(&'a Bytes, usize, usize)>,
}

impl<'a> Pieces<'a> {
    fn add(&mut self, buf: &'a Bytes, start: usize, end: usize) {
        if let Some((last, _, last_end)) = self.list.last_mut()
            && *last_end == start
            && last.as_ptr() == buf.as_ptr()
            && last.len() == buf.len()
        {
            *last_end = end;
            return;
        }
        self.list.push((buf, start, end));
    }
}
