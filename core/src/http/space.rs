//! `Space`: how much of the disk the spooled answers of one owner take together. Over the limit, making answers waits
//! (without a slot) until clients have read; clients that take next to nothing then lose their answer, otherwise a dozen
//! of them could hold the space, and with it the owner's database snapshots, for ever.
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
    /// Bytes per second a client must take while others wait for space.
    pub slow_rate: u64,
    /// Over which that is averaged.
    pub slow_window: Duration,
}

impl SpoolSettings {
    /// 1 MiB in memory, 1 GiB together (plugins.md 1.2); 1 KiB/s over 30 s, as for bodies.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, memory: 1 << 20, total: 1 << 30, slow_rate: 1024, slow_window: Duration::from_secs(30) }
    }
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Space {
    pub settings: Arc<SpoolSettings>,
    /// Something was given back.
    pub freed: Notify,
    used: Mutex<u64>,
    spools: Mutex<Vec<Weak<Spool>>>,
}

impl Space {
    pub fn new(settings: Arc<SpoolSettings>) -> Arc<Self> {
        Arc::new(Self { settings, freed: Notify::new(), used: Mutex::new(0), spools: Mutex::default() })
    }

    /// There is room for this much.
    pub fn has(&self, bytes: u64) -> bool {
        *self.used.lock() + bytes <= self.settings.total
    }

    /// Takes it if there is room.
    pub fn take(&self, bytes: u64) -> bool {
        let mut used = self.used.lock();
        let fits = *used + bytes <= self.settings.total;
        if fits {
            *used += bytes;
        }
        fits
    }

    /// Gives it back.
    pub fn give(&self, bytes: u64) {
        if bytes > 0 {
            *self.used.lock() -= bytes;
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
