//! [`Pace`]: how fast one plugin may send (plugins.md 1.2, loops; 1.3, `send`).
//!
//! Normally a bucket of 20 000 events per second. Events that must not be dropped (class reliable) pile up in the queues of
//! receivers that read slowly, and over `reliable_bytes` such a receiver is closed (fanout.md 2.5). One slow receiver is
//! its own affair. When most of those an event goes to are behind it is the plugin that sends too much: so delivery tells
//! the pace how deep the queues of most of them are, in quarters of that limit, and from the first quarter on reliable
//! events pay by the KiB at a rate that falls with the depth. Who has taken nothing for a while is lost anyway and does not
//! count as behind. What must not happen: a sender waits; events of class state pay for it; one receiver slows the others.
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use fts_plugin_api::cot::{Class, Cot};
use parking_lot::Mutex;

use crate::{directory::Client, observe::clock};

/// Per second, by quarters of the limit that the deepest queue is over: events at first, then KiB.
const RATES: [f64; 4] = [20_000.0, 1_000.0, 100.0, 10.0];
/// What a queue was like counts so long, ms.
const LASTS: u32 = 1_000;
/// Who takes nothing for so long is about to be closed, ms.
const LOST: u32 = 5_000;

/// See the file's head.
#[derive(Debug)]
pub struct Pace {
    bucket: Mutex<Bucket>,
    /// Quarters in the upper half, when they were seen in the lower; 0 = never.
    behind: AtomicU64,
    who: Mutex<Arc<str>>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// It is sent too fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TooFast {
    /// Over the rate of everybody.
    Rate,
    /// This receiver has not read what was sent before.
    Behind {
        /// Its callsign, or its connection.
        who: Arc<str>,
        /// KiB per second it is now.
        rate: u32,
    },
}

impl TooFast {
    /// For metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Behind { .. } => "receivers",
        }
    }
}

impl fmt::Display for TooFast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate => f.write_str("over 20 000 events per second: send it later"),
            Self::Behind { who, rate } => write!(
                f,
                "most receivers, {who} among them, read slower than this plugin sends what must not be dropped: {rate} KiB per second until they have caught up; send it later"
            ),
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        let bucket = Mutex::new(Bucket { left: RATES[0], at: Instant::now() });
        Self { bucket, behind: AtomicU64::new(0), who: Mutex::new("a receiver".into()) }
    }
}

impl Pace {
    /// One event may be sent, and is paid for.
    ///
    /// # Errors
    /// It may not, now.
    pub fn take(&self, text: &[u8]) -> Result<(), TooFast> {
        let quarters = self.quarters(clock::tick());
        // What can be dropped does nobody harm.
        let slowed = quarters > 0 && Cot::parse(text.to_vec()).is_ok_and(|cot| cot.class() == Class::Reliable);
        let rate = RATES[if slowed { quarters } else { 0 }];
        let (most, costs) = if slowed { (rate / 10.0, text.len().div_ceil(1_024) as f64) } else { (rate, 1.0) };
        let mut bucket = self.bucket.lock();
        let now = Instant::now();
        bucket.left = (bucket.left + now.duration_since(bucket.at).as_secs_f64() * rate).min(most);
        bucket.at = now;
        // A long event is paid for afterwards: it would never be.
        if bucket.left < 1.0 {
            drop(bucket);
            return Err(if slowed {
                TooFast::Behind { who: self.who.lock().clone(), rate: rate as u32 }
            } else {
                TooFast::Rate
            });
        }
        bucket.left -= costs;
        Ok(())
    }

    fn quarters(&self, now: u32) -> usize {
        let behind = self.behind.load(Relaxed);
        let fresh = now.wrapping_sub(behind as u32) < LASTS;
        if fresh { ((behind >> 32) as usize).min(RATES.len() - 1) } else { 0 }
    }

    /// A reliable event of this plugin met these queues. True = the plugin is slowed for it, and was not before.
    pub fn met(&self, behind: &Behind, receivers: usize, now: u32) -> bool {
        let (quarters, before) = (behind.most(receivers), self.quarters(now));
        if quarters == 0 || quarters < before {
            return false;
        }
        self.behind.store((quarters as u64) << 32 | u64::from(now), Relaxed);
        if before == 0 {
            *self.who.lock() = behind.who.clone().unwrap_or_default();
        }
        before == 0
    }
}

/// How deep the queues are that one delivery has met.
#[derive(Debug, Default)]
pub struct Behind {
    /// Receivers in the first, second, third quarter of the limit; index 0 is not used.
    by: [u32; RATES.len()],
    /// One of the deepest.
    who: Option<Arc<str>>,
}

impl Behind {
    /// This receiver's queue is over so many quarters, at least one.
    #[cold]
    pub fn note(&mut self, client: &Client, quarters: u8, now: u32) {
        let blocked = client.figures.blocked_since.load(Relaxed);
        if blocked != 0 && now.wrapping_sub(blocked) > LOST {
            return;
        }
        let quarters = usize::from(quarters).min(self.by.len() - 1);
        if self.who.is_none() || self.by[quarters..].iter().all(|n| *n == 0) {
            let who = client.who();
            let callsign = if who.callsign.is_empty() { None } else { Some(who.callsign.clone()) };
            self.who = Some(callsign.unwrap_or_else(|| format!("connection {}", client.conn).into()));
        }
        self.by[quarters] += 1;
    }

    /// Nobody is.
    pub fn is_empty(&self) -> bool {
        self.who.is_none()
    }

    /// The quarters more than half of the receivers are over.
    fn most(&self, receivers: usize) -> usize {
        let over = |quarters: &usize| self.by[*quarters..].iter().map(|n| *n as usize).sum::<usize>() * 2 > receivers;
        (1..self.by.len()).rev().find(over).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = "<event version=\"2.0\" uid=\"c\" type=\"b-t-f\" how=\"h\" time=\"2026-02-01T10:00:00.000Z\" start=\"2026-02-01T10:00:00.000Z\" stale=\"2026-02-01T10:05:00.000Z\"><point lat=\"0\" lon=\"0\" hae=\"0\" ce=\"0\" le=\"0\"/><detail/></event>";

    fn sends(pace: &Pace, text: &str) -> usize {
        (0..100_000).take_while(|_| pace.take(text.as_bytes()).is_ok()).count()
    }

    #[test]
    fn the_deeper_a_queue_the_slower_what_must_not_be_dropped() {
        let now = clock::tick();
        let set = |quarters: u64| {
            let pace = Pace::default();
            pace.behind.store(quarters << 32 | u64::from(now), Relaxed);
            pace
        };
        assert!(sends(&set(0), CHAT) >= 20_000);
        assert!((100..200).contains(&sends(&set(1), CHAT)), "a tenth of a second's worth");
        assert!((10..30).contains(&sends(&set(2), CHAT)));
        assert!((1..5).contains(&sends(&set(3), CHAT)));
        let position = CHAT.replace("b-t-f", "a-f-G-U-C").replace("how=\"h\"", "how=\"m-g\"");
        assert!(sends(&set(3), &position) >= 20_000, "positions pay nothing for it");
        let pace = set(1);
        sends(&pace, CHAT);
        let refused = pace.take(CHAT.as_bytes()).unwrap_err();
        assert_eq!(refused.name(), "receivers");
        assert!(refused.to_string().contains("1000 KiB per second"), "{refused}");
        let long = CHAT.replace("<detail/>", &format!("<detail><remarks>{}</remarks></detail>", "x".repeat(500_000)));
        let pace = set(1);
        assert_eq!(sends(&pace, &long), 1, "a long one goes, and is paid for");
        assert!(pace.take(CHAT.as_bytes()).is_err());
        // What was seen long ago says nothing.
        pace.behind.store(3 << 32 | u64::from(now.wrapping_sub(LASTS + 1)), Relaxed);
        assert_eq!(pace.quarters(now), 0);
    }

    #[test]
    fn it_is_most_receivers_that_count() {
        let behind = |by| Behind { by, who: Some("SNAIL".into()) };
        assert_eq!(behind([0, 0, 0, 1]).most(2), 0, "half are not most");
        assert_eq!(behind([0, 0, 0, 2]).most(3), 3);
        assert_eq!(behind([0, 1, 0, 1]).most(3), 1, "as deep as most are");
        assert_eq!(behind([0, 1, 2, 2]).most(7), 2);
        let (pace, now) = (Pace::default(), clock::tick());
        assert!(!pace.met(&behind([0, 0, 0, 1]), 100, now), "one slow receiver is its own affair");
        assert_eq!(pace.quarters(now), 0);
        assert!(pace.met(&behind([0, 0, 0, 1]), 1, now) && !pace.met(&behind([0, 0, 0, 1]), 1, now));
        assert_eq!((pace.quarters(now), &**pace.who.lock()), (3, "SNAIL"));
    }
}
