//! [`Turns`]: members who have still to be told of a file, because so many fetch it already (mission.md 4.6,
//! `plugins.mission.concurrent_downloads`). Only lists and a clock; [`crate::downloads`] asks the host and sends.
//!
//! A [`Round`] is one file of one mission: its notice, and the connections that wait for it in the order they are told.
//! `owed` says how many of them are to be told now: N at the start, one more for each finished download, all after an
//! hour or when there are too many rounds. Whoever is no member any more when its turn comes is skipped and owed nothing.
//!
//! What must not happen: two rounds of one file in one mission; memory without a bound; somebody is told twice in a round.
use std::collections::VecDeque;

use crate::{model::name_key, notice::Notice};

/// The rest is told after this time, ms.
pub const PATIENCE: i64 = 3_600_000;
/// Rounds at a time, and connections that wait in all of them: over it the oldest round is told to everybody.
pub const MOST_ROUNDS: usize = 1_000;
pub const MOST_WAITING: usize = 250_000;

/// See the file's head.
#[derive(Clone, Debug)]
pub struct Round {
    /// Row of the mission.
    pub id: i64,
    /// Its guid.
    pub guid: String,
    /// Its name, as names are compared.
    pub name: String,
    /// The file.
    pub hash: String,
    /// What is told.
    pub notice: Notice,
    waiting: VecDeque<u64>,
    owed: usize,
    until: i64,
}

impl Round {
    /// The first `owed` of these connections are told at once.
    pub fn new(file: &Offer, waiting: Vec<u64>, owed: usize, now: i64) -> Self {
        let Offer { id, guid, name, hash, notice, .. } = file.clone();
        let (name, until) = (name_key(&name), now.saturating_add(PATIENCE));
        Self { id, guid, name, hash, notice, waiting: waiting.into(), owed, until }
    }

    /// Is somebody to be told now?
    pub fn owes(&self) -> bool {
        self.owed > 0 && !self.waiting.is_empty()
    }

    /// Takes out those whose turn it is, of those who are members now (sorted).
    pub fn next(&mut self, members: &[u64]) -> Vec<u64> {
        let mut next = Vec::new();
        while next.len() < self.owed
            && let Some(conn) = self.waiting.pop_front()
        {
            if members.binary_search(&conn).is_ok() {
                next.push(conn);
            }
        }
        self.owed -= next.len();
        next
    }

    /// They could not be told: it is their turn again.
    pub fn back(&mut self, conns: Vec<u64>) {
        self.owed += conns.len();
        conns.into_iter().rev().for_each(|conn| self.waiting.push_front(conn));
    }

    /// Everybody's turn has come.
    fn open(&mut self) {
        self.owed = self.waiting.len();
    }
}

/// A file that was added to a mission, as members are told of it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Row of the mission.
    pub id: i64,
    /// Its guid.
    pub guid: String,
    /// Its name.
    pub name: String,
    /// The file.
    pub hash: String,
    /// Client uid of who added it; "" = nobody known. It has the file.
    pub author: String,
    /// What is told.
    pub notice: Notice,
}

/// See the file's head. Oldest first.
#[derive(Debug, Default)]
pub struct Turns(VecDeque<Round>);

impl Turns {
    /// Begins a round. One of the same file is over: everybody in it is in the new one. True = the oldest had to be opened.
    pub fn begin(&mut self, round: Round) -> bool {
        self.withdraw(&round.guid, &round.hash);
        self.0.push_back(round);
        let (mut rounds, mut waiting) = (self.0.len(), self.0.iter().map(|r| r.waiting.len()).sum::<usize>());
        let over = rounds > MOST_ROUNDS || waiting > MOST_WAITING;
        for oldest in &mut self.0 {
            if rounds <= MOST_ROUNDS && waiting <= MOST_WAITING {
                break;
            }
            oldest.open();
            rounds -= 1;
            waiting -= oldest.waiting.len();
        }
        over
    }

    /// The file is in this mission no more.
    pub fn withdraw(&mut self, guid: &str, hash: &str) {
        self.0.retain(|r| r.guid != guid || r.hash != hash);
    }

    /// The mission is deleted.
    pub fn close(&mut self, guid: &str) {
        self.0.retain(|r| r.guid != guid);
    }

    /// Somebody has fetched a file for a feed, which is a mission by guid or name. Names may be shared: all of them go on.
    pub fn fetched(&mut self, feed: &str, hash: &str) {
        let key = name_key(feed);
        let of = |r: &Round| r.hash.eq_ignore_ascii_case(hash) && (r.name == key || r.guid.eq_ignore_ascii_case(&key));
        self.0.iter_mut().filter(|r| of(r)).for_each(|r| r.owed += 1);
    }

    /// Whose time is over. How many still waited.
    pub fn expire(&mut self, now: i64) -> usize {
        let over = self.0.iter_mut().filter(|r| r.until <= now);
        over.map(|r| {
            r.open();
            r.waiting.len()
        })
        .sum()
    }

    /// Opens all of them.
    pub fn open_all(&mut self) {
        self.0.iter_mut().for_each(Round::open);
    }

    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Does this to every round that owes somebody something, in the order they began; false = it is over. Rounds in which
    /// nobody waits any more are over, too.
    pub fn pay(&mut self, mut pay: impl FnMut(&mut Round) -> bool) {
        self.0.retain_mut(|r| (!r.owes() || pay(r)) && !r.waiting.is_empty());
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
