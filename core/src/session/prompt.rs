//! [`Prompt`]: at low load the turn writes to clients whose writers sleep, instead of waking a task for one event each.
//!
//! Order per client: its writer lent the socket when it went to sleep; what it gets does not pass its queue but is written
//! without waiting; what the socket does not take at once goes to the writer, which finishes it first (RULE-49). Only so
//! many clients per turn, only plain sockets, and none that was written to a moment ago: there the writer gathers more.
//!
//! A pile is what plugins send to many at once. It is written here as well under load, some clients at a time: writers
//! woken all together would run before any reader does.
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{
    outbound::{Item, Lent},
    round::{Round, Sums},
};
use crate::{directory::Client, observe::clock, route::Router, wire::Event};

/// Clients written to in one turn; the others' writers are woken and share the cores.
const MOST: usize = 128;
/// The same where there is nobody to share with, and for piles.
const MOST_ALONE: usize = 4_096;
/// Taken per client.
const ITEMS: usize = 64;
const BYTES: usize = 64 * 1024;

/// Clients with something to write at once.
#[derive(Default)]
pub struct Prompt {
    /// Each with the number of its items.
    clients: VecDeque<(Arc<Client>, Lent, usize)>,
    /// Theirs, in the same order.
    items: VecDeque<Item>,
    round: Round,
    most: usize,
    piles: bool,
}

impl Prompt {
    /// One that writes to whoever sleeps, however lately it was written to, and gathers what came meanwhile.
    pub fn for_piles() -> Self {
        Self { piles: true, most: MOST_ALONE, ..Self::default() }
    }

    /// One for what comes in, where so many threads write.
    pub fn for_incoming(threads: usize) -> Self {
        Self { most: if threads > 1 { MOST } else { MOST_ALONE }, ..Self::default() }
    }

    /// Is nothing to be written?
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Takes on what this client gets of `events`; how many these are. None = they go into its queue.
    pub fn take_on(&mut self, client: &Arc<Client>, events: &[Arc<Event>], now: u32, pause_ms: u32) -> Option<usize> {
        let lately = || now.wrapping_sub(client.figures.last_tx.load(Relaxed)) < pause_ms;
        if self.clients.len() >= self.most || events.len() > ITEMS || (!self.piles && lately()) {
            return None;
        }
        let before = self.items.len();
        let lent = client.out.hand_over(events, client.conn, now, &mut self.items)?;
        let taken = self.items.len() - before;
        self.clients.push_back((client.clone(), lent, taken));
        Some(taken)
    }

    /// Writes to so many clients. True = there are more.
    pub fn write(&mut self, router: &Router, clients: usize) -> bool {
        if self.clients.is_empty() {
            return false;
        }
        let mut sums = Sums::default();
        let now = clock::tick();
        let (mut first, mut last) = (u64::MAX, 0);
        let round = &mut self.round;
        for (client, lent, taken) in self.clients.drain(..clients.min(self.clients.len())) {
            round.items.extend(self.items.drain(..taken.min(self.items.len())));
            if self.piles {
                client.out.gather(round, ITEMS, BYTES);
            }
            let (mut lent, mut more) = (Some(lent), true);
            while let Some(mut with) = lent.take() {
                round.begin(&mut with.proto);
                if once(&with.socket, round).is_err() || round.left() {
                    // The writer meets the same obstacle and deals with it.
                    client.out.give_back(with, Some(Box::new(std::mem::take(round))));
                    break;
                }
                sums.wrote(router, &client, round, now);
                first = first.min(round.ids().next().unwrap_or(u64::MAX));
                last = last.max(round.ids().last().unwrap_or(0));
                round.clear();
                if std::mem::take(&mut more) {
                    lent = client.out.go_on(with, round, ITEMS, BYTES);
                } else {
                    client.out.give_back(with, None);
                }
            }
        }
        sums.count();
        router.why.at_once(first, last, now);
        !self.clients.is_empty()
    }
}

/// Writes what the socket takes now. System calls on the socket itself: what the runtime believes about its readiness
/// costs cache lines and is looked at by the writer when these say that nothing goes. One piece takes the cheaper call.
fn once(socket: &crate::net::Lendable, round: &mut Round) -> io::Result<()> {
    let stream: &tokio::net::TcpStream = socket.as_ref().as_ref();
    while round.left() {
        let written = match round.only() {
            Some([]) => None,
            Some(piece) => Some(rustix::net::send(stream, piece, rustix::net::SendFlags::NOSIGNAL)?),
            None => match round.slices() {
                slices if slices.is_empty() => None,
                slices => Some(rustix::io::writev(stream, &slices)?),
            },
        };
        match written {
            None => round.give_up_rest(),
            Some(0) => return Err(io::ErrorKind::WriteZero.into()),
            Some(n) => round.advance(n),
        }
    }
    Ok(())
}
