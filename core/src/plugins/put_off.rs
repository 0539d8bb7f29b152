//! [`PutOff`]: held events that a plugin gave back because it could not store them now (`Held::later`): its database was
//! busy, the disk full.
//!
//! The first one begins a pause. Until it is over every other held event waits behind them, so that none overtakes
//! another; then all are given again, in the order of the journal, those that were given back marked as repeats. A pause that
//! changes nothing is followed by a longer one, until an event is released. Only numbers are kept: the journal has the bytes,
//! and its cursor stays open. What must not happen: an event that waits here and in the queue as well.
use std::time::{Duration, Instant};

use super::queue::{Item, Spilled};

/// The first pause.
const SHORTEST: Duration = Duration::from_millis(250);
/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(10);

/// See the file's head.
#[derive(Debug, Default)]
pub struct PutOff {
    items: Vec<Spilled>,
    until: Option<Instant>,
    pause: Duration,
}

impl PutOff {
    /// The plugin cannot take this one now.
    pub fn add(&mut self, spilled: Spilled, now: Instant) {
        if self.until.is_none() {
            self.pause = (self.pause * 2).clamp(SHORTEST, LONGEST);
            self.until = Some(now + self.pause);
        }
        self.items.push(spilled);
    }

    /// An event was released: the next pause is a short one.
    pub fn went_on(&mut self) {
        self.pause = Duration::ZERO;
    }

    /// When they are given again.
    pub fn due(&self) -> Option<Instant> {
        self.until
    }

    /// During a pause a held event waits here; everything else comes back.
    pub fn pass(&mut self, item: Item) -> Option<Item> {
        if self.until.is_none() {
            return Some(item);
        }
        match item {
            Item::Event(seen) if !seen.held.is_empty() && seen.journal != 0 => {
                let (served, again) = (seen.served.clone(), seen.replayed);
                self.items.push(Spilled { id: seen.journal, held: true, served, again });
                None
            }
            Item::Spilled(spilled) if spilled.held => {
                self.items.push(spilled);
                None
            }
            other => Some(other),
        }
    }

    /// All of them, in their order, when the pause is over.
    pub fn take(&mut self, now: Instant) -> Vec<Item> {
        if self.until.is_none_or(|until| until > now) {
            return Vec::new();
        }
        self.until = None;
        let mut all = std::mem::take(&mut self.items);
        all.sort_by_key(|spilled| spilled.id);
        all.into_iter().map(Item::Spilled).collect()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.items.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spilled(id: u64, held: bool, again: bool) -> Spilled {
        Spilled { id, held, served: vec![id], again }
    }

    fn ids(items: Vec<Item>) -> Vec<(u64, bool)> {
        let one = |item| match item {
            Item::Spilled(spilled) => (spilled.id, spilled.again),
            other => panic!("{other:?}"),
        };
        items.into_iter().map(one).collect()
    }

    #[test]
    fn others_wait_behind_them_and_all_come_in_order() {
        let (mut put_off, now) = (PutOff::default(), Instant::now());
        assert!(put_off.pass(Item::Spilled(spilled(1, true, false))).is_some(), "no pause, no waiting");
        put_off.add(spilled(5, true, true), now);
        put_off.add(spilled(4, true, true), now);
        assert!(put_off.pass(Item::Spilled(spilled(6, true, false))).is_none());
        assert!(put_off.pass(Item::Spilled(spilled(7, false, false))).is_some(), "an observed event does not wait");
        assert!(put_off.take(now).is_empty());
        assert_eq!((put_off.due(), put_off.len()), (Some(now + SHORTEST), 3));
        assert_eq!(ids(put_off.take(now + SHORTEST)), [(4, true), (5, true), (6, false)]);
        assert_eq!((put_off.due(), put_off.len()), (None, 0));
    }

    #[test]
    fn pauses_grow_until_an_event_is_released() {
        let (mut put_off, mut now) = (PutOff::default(), Instant::now());
        let mut pause = |put_off: &mut PutOff| {
            put_off.add(spilled(1, true, true), now);
            let due = put_off.due().unwrap();
            let pause = due - now;
            now = due;
            assert_eq!(put_off.take(now).len(), 1);
            pause
        };
        let all: Vec<_> = (0..8).map(|_| pause(&mut put_off).as_millis()).collect();
        assert_eq!(all, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        put_off.went_on();
        assert_eq!(pause(&mut put_off), SHORTEST);
    }
}
