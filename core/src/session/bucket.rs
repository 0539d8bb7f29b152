//! [`Bucket`]: the read limit of one connection (RULE-74): over it reading pauses, nothing is dropped.

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
        let passed = f64::from(now.wrapping_sub(self.at)) / 1_000.0;
        self.at = now;
        self.events = (self.events + passed * self.events_per_s).min(self.events_per_s * 4.0) - f64::from(events);
        self.bytes = (self.bytes + passed * self.bytes_per_s).min(self.bytes_per_s * 4.0) - bytes as f64;
        let wait = |left: f64, rate: f64| if left < 0.0 && rate > 0.0 { -left / rate } else { 0.0 };
        Duration::from_secs_f64(wait(self.events, self.events_per_s).max(wait(self.bytes, self.bytes_per_s)))
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
}
