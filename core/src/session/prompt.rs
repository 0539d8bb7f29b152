//! [`Prompt`]: at low load the turn writes to clients whose writers sleep, instead of waking a task for one event each.
//!
//! Order per client: its writer lent the socket when it went to sleep; what was queued is taken and written without
//! waiting; what the socket does not take at once goes to the writer, which finishes it first (RULE-49). Only so many
//! clients per turn, only plain sockets, and none that was written to a moment ago: there the writer gathers more.
use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::round::{Round, Sums};
use crate::{directory::Client, observe::clock, route::Router};

/// Clients written to in one turn; the others' writers are woken and share the cores.
pub const MOST: usize = 128;
/// Taken per client.
const ITEMS: usize = 64;
const BYTES: usize = 64 * 1024;

/// Clients with something to write at once.
#[derive(Default)]
pub struct Prompt {
    clients: Vec<Arc<Client>>,
    round: Round,
}

impl Prompt {
    /// May this client be written to by the turn?
    pub fn wants(&self, client: &Client, now: u32, pause_ms: u32) -> bool {
        self.clients.len() < MOST && now.wrapping_sub(client.figures.last_tx.load(Relaxed)) >= pause_ms
    }

    /// It has something queued and its writer was not woken.
    pub fn add(&mut self, client: &Arc<Client>) {
        self.clients.push(client.clone());
    }

    /// Writes.
    pub fn write(&mut self, router: &Router) {
        if self.clients.is_empty() {
            return;
        }
        let mut sums = Sums::default();
        let now = clock::tick();
        let (mut first, mut last) = (u64::MAX, 0);
        for client in self.clients.drain(..) {
            let Some(mut lent) = client.out.borrow(&mut self.round, ITEMS, BYTES) else { continue };
            self.round.begin(&mut lent.proto);
            let done = once(&lent.socket, &mut self.round);
            if done.is_ok() && !self.round.left() {
                sums.wrote(router, &client, &self.round, now);
                first = first.min(self.round.ids().next().unwrap_or(u64::MAX));
                last = last.max(self.round.ids().last().unwrap_or(0));
                self.round.clear();
                client.out.give_back(lent, None);
            } else {
                // The writer meets the same obstacle and deals with it.
                client.out.give_back(lent, Some(Box::new(std::mem::take(&mut self.round))));
            }
        }
        sums.count();
        router.why.at_once(first, last, now);
    }
}

/// One system call on the socket itself: what the runtime believes about its readiness costs cache lines and is looked
/// at by the writer when this says that nothing goes. A single piece takes the cheaper call.
fn direct(socket: &crate::net::Lendable, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
    let stream: &tokio::net::TcpStream = socket.as_ref().as_ref();
    let sent = match slices {
        [one] => rustix::net::send(stream, one, rustix::net::SendFlags::NOSIGNAL),
        all => rustix::io::writev(stream, all),
    };
    Ok(sent?)
}

/// Writes what the socket takes now.
fn once(socket: &crate::net::Lendable, round: &mut Round) -> io::Result<()> {
    while round.left() {
        let written = match round.slices() {
            slices if slices.is_empty() => None,
            slices => Some(direct(socket, &slices)?),
        };
        match written {
            None => round.give_up_rest(),
            Some(0) => return Err(io::ErrorKind::WriteZero.into()),
            Some(n) => round.advance(n),
        }
    }
    Ok(())
}
