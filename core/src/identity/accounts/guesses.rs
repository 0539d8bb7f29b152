//! [`Guesses`]: how often a secret may be tried: five wrong ones per user and address in a minute (identity.md 6.1).
//!
//! Only so many may be under way as could still be wrong: others of the same pair wait for them, so that a thousand
//! guesses sent at once are not a thousand guesses. Other users, and the same user elsewhere, never wait for that. The
//! table is bounded: over the bound the oldest pair is forgotten.
use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// Wrong ones.
const MOST: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// Pairs remembered.
const PAIRS: usize = 10_000;

type Pair = (String, IpAddr);

#[derive(Clone, Copy, Debug)]
struct Tries {
    wrong: u32,
    under_way: u32,
    since: Instant,
}

/// See the file's head.
#[derive(Default)]
pub(super) struct Guesses {
    pairs: Mutex<HashMap<Pair, Tries>>,
    ended: Condvar,
}

/// Seconds until the next guess, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait(pub u32);

/// One guess under way; dropped without [`Guess::right`] or [`Guess::wrong`] it counts for nothing.
pub(super) struct Guess<'a> {
    owner: &'a Guesses,
    pair: Option<Pair>,
}

impl Guesses {
    /// A guess for this user from there may begin. Waits for guesses of the same pair that are under way.
    ///
    /// # Errors
    /// Too many were wrong.
    pub fn begin(&self, user: &str, from: IpAddr) -> Result<Guess<'_>, Wait> {
        let pair = (user.to_lowercase(), from);
        let mut pairs = self.pairs.lock();
        loop {
            let now = Instant::now();
            if let Some(tries) = pairs.get_mut(&pair) {
                if now.duration_since(tries.since) >= WINDOW {
                    (tries.wrong, tries.since) = (0, now);
                }
                if tries.wrong >= MOST {
                    let left = WINDOW.saturating_sub(now.duration_since(tries.since));
                    return Err(Wait(left.as_secs() as u32 + 1));
                }
                if tries.wrong + tries.under_way >= MOST {
                    self.ended.wait(&mut pairs);
                    continue;
                }
                tries.under_way += 1;
            } else {
                make_room(&mut pairs, now);
                pairs.insert(pair.clone(), Tries { wrong: 0, under_way: 1, since: now });
            }
            return Ok(Guess { owner: self, pair: Some(pair) });
        }
    }

    fn end(&self, pair: &Pair, result: Option<bool>) -> u32 {
        let mut pairs = self.pairs.lock();
        let mut wrong = 0;
        if let Some(tries) = pairs.get_mut(pair) {
            tries.under_way = tries.under_way.saturating_sub(1);
            match result {
                Some(true) => tries.wrong = 0,
                Some(false) if tries.wrong == 0 => (tries.wrong, tries.since) = (1, Instant::now()),
                Some(false) => tries.wrong += 1,
                None => {}
            }
            wrong = tries.wrong;
            if tries.wrong == 0 && tries.under_way == 0 {
                pairs.remove(pair);
            }
        }
        drop(pairs);
        self.ended.notify_all();
        wrong
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.pairs.lock().len()
    }
}

/// Forgets what is over, and the oldest if that is not enough. Pairs with a guess under way stay.
fn make_room(pairs: &mut HashMap<Pair, Tries>, now: Instant) {
    if pairs.len() < PAIRS {
        return;
    }
    pairs.retain(|_, t| t.under_way > 0 || now.duration_since(t.since) < WINDOW);
    if pairs.len() < PAIRS {
        return;
    }
    // A tenth at once, so that a flood of names does not cost a walk each.
    let mut ages: Vec<_> = pairs.values().filter(|t| t.under_way == 0).map(|t| t.since).collect();
    ages.sort_unstable();
    if let Some(limit) = ages.get(PAIRS / 10).copied() {
        pairs.retain(|_, t| t.under_way > 0 || t.since > limit);
    }
}

impl Guess<'_> {
    /// It was right: earlier wrong ones are forgiven.
    pub fn right(mut self) {
        if let Some(pair) = self.pair.take() {
            self.owner.end(&pair, Some(true));
        }
    }

    /// It was wrong. True = from now on this pair is kept waiting.
    pub fn wrong(mut self) -> bool {
        self.pair.take().is_some_and(|pair| self.owner.end(&pair, Some(false)) == MOST)
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        if let Some(pair) = self.pair.take() {
            self.owner.end(&pair, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicU32, Ordering::Relaxed},
    };

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn there(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n))
    }

    #[test]
    fn five_wrong_ones_and_only_that_pair_waits() {
        let guesses = Guesses::default();
        for n in 1..=5 {
            assert_eq!(guesses.begin("Alice", HERE).unwrap().wrong(), n == 5);
        }
        let Err(Wait(seconds)) = guesses.begin("alice", HERE) else { panic!("the sixth") };
        assert!((55..=61).contains(&seconds), "{seconds}");
        guesses.begin("alice", there(1)).unwrap().right();
        guesses.begin("bob", HERE).unwrap().right();
        assert_eq!(guesses.len(), 1, "who was right is not remembered");
    }

    #[test]
    fn a_right_one_forgives_and_a_given_up_one_counts_for_nothing() {
        let guesses = Guesses::default();
        for _ in 0..3 {
            (0..4).for_each(|_| assert!(!guesses.begin("a", HERE).unwrap().wrong()));
            guesses.begin("a", HERE).unwrap().right();
        }
        (0..20).for_each(|_| drop(guesses.begin("a", HERE).unwrap()));
        assert_eq!(guesses.len(), 0);
    }

    #[test]
    fn guesses_at_the_same_time_are_no_more_than_guesses_one_by_one() {
        let guesses = Guesses::default();
        let (tried, refused) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| match guesses.begin("a", HERE) {
                    Ok(guess) => {
                        tried.fetch_add(1, Relaxed);
                        std::thread::yield_now();
                        guess.wrong();
                    }
                    Err(_) => {
                        refused.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        assert_eq!((tried.into_inner(), refused.into_inner()), (5, 35));
    }

    #[test]
    fn right_ones_at_the_same_time_all_pass() {
        let guesses = Guesses::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| guesses.begin("a", HERE).map(Guess::right).unwrap_or_else(|_| panic!("kept waiting")));
            }
        });
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let guesses = Guesses::default();
        for n in 0..(PAIRS as u32 * 2) {
            guesses.begin("a", there(n)).unwrap().wrong();
        }
        assert!(guesses.len() <= PAIRS);
    }
}
