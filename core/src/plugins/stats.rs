//! [`Stats`]: calls and times of one handler, cheap enough for the hot path: powers of two of nanoseconds. Where even a
//! look at the clock is dear only some calls are timed; all are counted.
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const BUCKETS: usize = 40;

/// See the file's head.
#[derive(Debug)]
pub struct Stats {
    calls: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
    panics: AtomicU64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            calls: AtomicU64::new(0),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            panics: AtomicU64::new(0),
        }
    }
}

impl Stats {
    /// One more call. True = this one is to be timed.
    pub fn begin(&self, one_in: u64) -> bool {
        self.calls.fetch_add(1, Relaxed).is_multiple_of(one_in)
    }

    /// A call that was counted took so long.
    pub fn time(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let bucket = (ns.ilog2() as usize).min(BUCKETS - 1);
        self.buckets[bucket].fetch_add(1, Relaxed);
    }

    /// One call took so long.
    pub fn note(&self, took: Duration) {
        self.calls.fetch_add(1, Relaxed);
        self.time(took);
    }

    /// One call panicked.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Panics so far.
    pub fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// An upper bound of the time that this share of the calls took, in ms.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let total: u64 = self.buckets.iter().map(|b| b.load(Relaxed)).sum();
        let mut left = (total as f64 * share).ceil() as u64;
        for (power, bucket) in self.buckets.iter().enumerate() {
            let n = bucket.load(Relaxed);
            if n >= left && total > 0 {
                return (2u64 << power) as f64 / 1e6;
            }
            left -= n.min(left);
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_upper_bounds_within_a_factor_of_two() {
        let stats = Stats::default();
        assert_eq!(stats.quantile_ms(0.5), 0.0);
        (0..99).for_each(|_| stats.note(Duration::from_micros(100)));
        stats.note(Duration::from_millis(50));
        assert_eq!(stats.calls(), 100);
        assert!((0.1..=0.2).contains(&stats.quantile_ms(0.5)), "{}", stats.quantile_ms(0.5));
        assert!((50.0..=100.0).contains(&stats.quantile_ms(1.0)));
        assert_eq!((0..10).filter(|_| stats.begin(5)).count(), 2);
        assert_eq!(stats.calls(), 110);
    }
}
