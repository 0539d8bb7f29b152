//! [`Bucket`]: the read limit of one connection (RULE-74): over it reading pauses, nothing is dropped. Of a UDP input:
//! over it datagrams are refused, and what was refused costs nothing.

use std::time::Duration;

/// Tokens for events and bytes, burst four times the rate.
#[derive(Debug)]
pub struct Bucket {
    events_per_s: f64,
    bytes_per_s: f64,
    events: f64,
    bytes: f64,
    at: u32,
}

impl Bucket {
    /// Full at tick `now`. A rate of 0 = unlimited.
    pub fn new(events_per_s: u32, bytes_per_s: u64, now: u32) -> Self {
        let (events_per_s, bytes_per_s) = (f64::from(events_per_s), bytes_per_s as f64);
        Self { events_per_s, bytes_per_s, events: events_per_s * 4.0, bytes: bytes_per_s * 4.0, at: now }
    }

    /// Pays for what was read; how long to pause reading, zero while there are tokens.
    pub fn pay(&mut self, events: u32, bytes: usize, now: u32) -> Duration {
        self.fill(now);
        self.events -= f64::from(events);
        self.bytes -= bytes as f64;
        let wait = |left: f64, rate: f64| if left < 0.0 && rate > 0.0 { -left / rate } else { 0.0 };
        Duration::from_secs_f64(wait(self.events, self.events_per_s).max(wait(self.bytes, self.bytes_per_s)))
    }

    /// Pays for one event of this size if there are tokens for it: a flood leaves no debt behind.
    pub fn take(&mut self, bytes: usize, now: u32) -> bool {
        self.fill(now);
        let short = |left: f64, rate: f64, cost: f64| rate > 0.0 && left < cost;
        if short(self.events, self.events_per_s, 1.0) || short(self.bytes, self.bytes_per_s, bytes as f64) {
            return false;
        }
        self.events -= 1.0;
        self.bytes -= bytes as f64;
        true
    }

    fn fill(&mut self, now: u32) {
        let passed = f64::from(now.wrapping_sub(self.at)) / 1_000.0;
        self.at = now;
        self.events = (self.events + passed * self.events_per_s).min(self.events_per_s * 4.0);
        self.bytes = (self.bytes + passed * self.bytes_per_s).min(self.bytes_per_s * 4.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_four_seconds_then_the_rate() {
        let mut bucket = Bucket::new(100, 0, 0);
        assert_eq!(bucket.pay(400, 1 << 30, 0), Duration::ZERO);
        assert_eq!(bucket.pay(50, 0, 0), Duration::from_millis(500));
        assert_eq!(bucket.pay(0, 0, 500), Duration::ZERO);
    }

    #[test]
    fn what_was_refused_leaves_no_debt() {
        let mut bucket = Bucket::new(10, 0, 0);
        assert_eq!((0..10_000).filter(|_| bucket.take(100, 0)).count(), 40);
        assert!(bucket.take(100, 100) && !bucket.take(100, 100));
    }
}
