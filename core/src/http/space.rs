//! `Space`: how much of the disk the spooled answers of one owner take together: 64 clients may each read 100 MB as slowly
//! as they like (plugins.md 10), as long as half of what is free on the disk stays free. Over the limit, making answers
//! waits (without a slot) until clients have read; clients that take next to nothing then lose their answer, otherwise a
//! dozen of them could hold the space, and with it the owner's database snapshots, for ever.
use std::{
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::spool::Spool;

/// The numbers of spools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Where the files are made; they are unlinked from the start.
    pub dir: PathBuf,
    /// Bytes of one answer kept in memory; the rest goes to its file.
    pub memory: usize,
    /// Bytes in files of one owner's answers together.
    pub total: u64,
    /// Bytes of one answer that are made at a time; then others have their turn.
    pub turn: u64,
    /// Bytes per second a client must take while others wait for space.
    pub slow_rate: u64,
    /// Over which that is averaged.
    pub slow_window: Duration,
}

impl SpoolSettings {
    /// 1 MiB in memory (plugins.md 1.2), 8 GiB together: the 1 GiB of 1.2 are less than the 6.4 GB of plugins.md 10. 1 KiB/s
    /// over 30 s, as for bodies.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            memory: 1 << 20,
            total: 8 << 30,
            turn: 256 << 20,
            slow_rate: 1024,
            slow_window: Duration::from_secs(30),
        }
    }
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Space {
    pub settings: Arc<SpoolSettings>,
    /// Something was given back.
    pub freed: Notify,
    used: Mutex<Used>,
    spools: Mutex<Vec<Weak<Spool>>>,
}

/// Bytes on the disk.
#[derive(Debug, Default)]
struct Used {
    bytes: u64,
    /// Up to here they may grow before somebody looks at the disk again.
    seen: u64,
}

/// Between two looks at the disk.
const STEP: u64 = 64 << 20;

impl Used {
    /// Is there room for so many more? Never for more than is left free behind them.
    fn fits(&mut self, more: u64, settings: &SpoolSettings) -> bool {
        let wanted = self.bytes.saturating_add(more);
        if wanted > settings.total {
            return false;
        }
        if wanted > self.seen {
            // A disk that does not say what is free says so when it is written to.
            let free = rustix::fs::statvfs(&settings.dir).map_or(u64::MAX, |s| s.f_bavail.saturating_mul(s.f_frsize));
            let left = free.saturating_sub(more);
            if wanted > left {
                return false;
            }
            self.seen = wanted + STEP.min((left - wanted) / 2);
        }
        true
    }
}

impl Space {
    pub fn new(settings: Arc<SpoolSettings>) -> Arc<Self> {
        Arc::new(Self { settings, freed: Notify::new(), used: Mutex::default(), spools: Mutex::default() })
    }

    /// There is room for this much.
    pub fn has(&self, bytes: u64) -> bool {
        self.used.lock().fits(bytes, &self.settings)
    }

    /// Takes it if there is room.
    pub fn take(&self, bytes: u64) -> bool {
        let mut used = self.used.lock();
        let fits = used.fits(bytes, &self.settings);
        if fits {
            used.bytes += bytes;
        }
        fits
    }

    /// Gives it back.
    pub fn give(&self, bytes: u64) {
        if bytes > 0 {
            let mut used = self.used.lock();
            used.bytes -= bytes;
            used.seen = used.seen.min(used.bytes + STEP);
            drop(used);
            self.freed.notify_waiters();
        }
    }

    /// A spool that takes space now.
    pub fn list(&self, spool: &Arc<Spool>) {
        let mut spools = self.spools.lock();
        spools.retain(|s| s.strong_count() > 0);
        spools.push(Arc::downgrade(spool));
    }

    /// Ends the answers whose clients take too little. Called while an answer waits for space.
    pub fn cut_slow(&self) {
        let spools: Vec<_> = self.spools.lock().iter().filter_map(Weak::upgrade).collect();
        let cut = spools.iter().filter(|s| s.cut_if_slow()).count();
        metrics::counter!("fts_http_slow_readers_total").increment(cut as u64);
    }
}
