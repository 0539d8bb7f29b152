//! One client's writer: takes what waits, in the form the client speaks, and writes it with as few calls as possible.
//!
//! Order: greeting delay for the `TEST` probe, then rounds of (replay while there is one, queue), one vectored write
//! per round; neighbours of one batch buffer leave as one slice. A write is complete or the connection is over
//! (RULE-49). Under load a round that would be tiny waits up to `write_coalesce`. Nothing here blocks a sender.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::Duration,
};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::Notify,
};

use super::{
    outbound::{Item, Lent, Reclaimed},
    round::{Round, Sums},
};
use crate::{
    config::ReplayAt,
    directory::{Client, Latest, Leave, Shelf},
    net::WriteHalf,
    observe::clock,
    route::Router,
};

/// Taken per round (fanout.md 2.8).
const ROUND_ITEMS: usize = 256;
const ROUND_BYTES: usize = 256 * 1024;
/// Replay entries per round.
const REPLAY_ITEMS: usize = 64;
/// Less than this waits a moment when the last write was just now.
const TINY: usize = 16 * 1024;
/// How long the first write waits for a first byte (RULE-80).
pub const PROBE_WAIT: Duration = Duration::from_millis(250);
/// A client that has not said who it is for so long is only looking, ms.
pub const SILENT_MS: i64 = 5_000;

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
        let mut round = spare();
        let mut replayed = 0;
        let mut shown = 0;
        let (mut restored, restored_to) = (0, self.restored_to());
        let (mut of_plugins, plugins_to) = (0, self.router.directory.shown.end());
        let mut ready = false;
        let items_to =
            if self.router.policy().config.cot.replay_map_items { self.router.directory.items.end() } else { 0 };
        loop {
            let replay_to = self.client.out.replay_to();
            let mut showing = false;
            let replaying = replayed < replay_to && self.may_replay();
            if replaying {
                replayed = self.replay(&self.router.directory.presence, replayed, replay_to, &mut round.items);
            } else if restored < restored_to && self.may_see_restored() {
                restored = self.replay(&self.router.directory.restored, restored, restored_to, &mut round.items);
                showing = restored < restored_to;
            } else if shown < items_to {
                shown = self.replay(&self.router.directory.items, shown, items_to, &mut round.items);
            } else if of_plugins < plugins_to {
                of_plugins = self.replay(&self.router.directory.shown, of_plugins, plugins_to, &mut round.items);
            } else if !ready && self.may_replay() {
                ready = true;
                if let Some(watch) = self.router.watch.get() {
                    watch.ready(&self.client);
                }
            }
            // While replay entries go first, live ones are interleaved as they come (decision 103).
            let waiting = self.client.out.take(&mut round.items, ROUND_ITEMS, ROUND_BYTES);
            if !round.items.is_empty() {
                round.begin(&mut self.proto);
            } else if replaying || showing || shown < items_to || of_plugins < plugins_to {
                continue;
            } else if !waiting && self.client.out.is_closed() {
                return Ok(());
            } else {
                // An idle client keeps no list, and lends its socket to the turn.
                give_back(round);
                round = match self.wait().await {
                    Some(left) => left,
                    None => {
                        self.coalesce().await;
                        round = spare();
                        continue;
                    }
                };
            }
            self.write(&mut round).await?;
            round.clear();
        }
    }

    /// Waits for something to write. What the turn began to write and could not finish is handed over.
    async fn wait(&mut self) -> Option<Round> {
        let lent = self.to.lendable().map(|socket| Lent { socket: socket.clone(), proto: self.proto });
        self.client.out.lend(lent);
        loop {
            self.client.out.wait().await;
            match self.client.out.reclaim() {
                Reclaimed::Busy => {}
                Reclaimed::Free => return None,
                Reclaimed::Left(round) => return Some(*round),
            }
        }
    }

    /// Everything up to it is shown: what was there before the restart.
    fn restored_to(&self) -> u64 {
        if self.router.policy().config.cot.replay_presence { self.router.directory.restored.end() } else { 0 }
    }

    /// Who it is must be known, or it would be shown itself; who does not say so for a while is only looking.
    fn may_see_restored(&self) -> bool {
        self.client.identified() || clock::now_ms() - self.client.connected >= SILENT_MS
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
        // One of before the restart gives way to the one that reports now.
        let before = std::ptr::eq(shelf, &self.router.directory.restored);
        let newer = |l: &Latest| before && self.router.directory.presence.get(&l.uid).is_some();
        let wanted = |l: &Latest| {
            l.conn != self.client.conn && l.uid != own && l.expires > now && l.send.meets(&groups.receive) && !newer(l)
        };
        let (cursor, events) = shelf.after(from, to, REPLAY_ITEMS, wanted);
        let at = clock::tick();
        items.extend(events.into_iter().map(|event| Item { event, at, switch: false }));
        cursor
    }

    /// Under load many senders wake this writer within a moment: a small pile waits for more (fanout.md 2.8).
    async fn coalesce(&self) {
        let pause = self.router.with_policy(|p| p.config.stream.limits.write_coalesce);
        let last = self.client.figures.last_tx.load(Relaxed);
        let since = Duration::from_millis(u64::from(clock::tick().wrapping_sub(last)));
        if last != 0 && since < pause && self.client.out.depth().bytes < TINY {
            tokio::time::sleep(pause - since).await;
        }
    }

    /// Writes all of a round.
    async fn write(&mut self, round: &mut Round) -> io::Result<()> {
        while round.left() {
            self.accepted(round).await?;
        }
        self.to.flush().await?;
        let (mut sums, now) = (Sums::default(), clock::tick());
        sums.wrote(&self.router, &self.client, round, now);
        sums.count();
        self.client.out.note(round.ids(), now);
        Ok(())
    }

    /// One write call; while the socket takes nothing the client is marked blocked since then (RULE-48).
    async fn accepted(&mut self, round: &mut Round) -> io::Result<()> {
        let blocked = &self.client.figures.blocked_since;
        let to = &mut self.to;
        poll_fn(|cx| {
            let polled = match round.slices() {
                slices if slices.is_empty() => None,
                slices => Some(Pin::new(&mut *to).poll_write_vectored(cx, &slices)),
            };
            match polled {
                None => {
                    round.give_up_rest();
                    Poll::Ready(Ok(()))
                }
                Some(Poll::Ready(Ok(0))) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Some(Poll::Ready(Ok(n))) => {
                    if blocked.load(Relaxed) != 0 {
                        blocked.store(0, Relaxed);
                    }
                    round.advance(n);
                    Poll::Ready(Ok(()))
                }
                Some(Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
                Some(Poll::Pending) => {
                    let _ = blocked.compare_exchange(0, clock::tick(), Relaxed, Relaxed);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

thread_local! {
    /// One empty round per thread, so that a writer that wakes for a moment allocates nothing.
    static SPARE: Cell<Round> = const { Cell::new(Round::new()) };
}

fn spare() -> Round {
    SPARE.take()
}

fn give_back(mut round: Round) {
    round.clear();
    SPARE.set(round);
}
