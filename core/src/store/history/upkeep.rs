//! The thread beside the recorder: sizes every ten seconds, the limit of the database every minute, retention at the start
//! and every hour, free pages back to the disk once a day. In slices: whoever writes meanwhile waits for one of them.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{History, meters};
use crate::{config::Retention, observe::clock};

const SIZES: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(3_600);
const VACUUM: Duration = Duration::from_secs(86_400);
/// Pages given back at once.
const PAGES: u32 = 512;

/// Ends the thread's waiting.
#[derive(Debug, Default)]
pub(super) struct Wake {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Wake {
    pub fn stop(&self) {
        *self.stopped.lock() = true;
        self.changed.notify_all();
    }

    fn stopped(&self) -> bool {
        *self.stopped.lock()
    }

    /// Waits so long; true = it is the end.
    fn wait(&self, time: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.changed.wait_for(&mut stopped, time);
        }
        *stopped
    }
}

pub(super) fn run(history: &Arc<History>) {
    let mut retained: Option<Instant> = None;
    let mut limited: Option<Instant> = None;
    let mut vacuumed = Instant::now();
    let due = |last: Option<Instant>, every: Duration| last.is_none_or(|at| at.elapsed() >= every);
    loop {
        meters::size(history.db.size());
        let config = history.running.load_full();
        if due(retained, RETENTION) {
            retained = Some(Instant::now());
            history.retain_now();
        }
        if due(limited, LIMIT) {
            limited = Some(Instant::now());
            let most = config.storage.max_db_bytes;
            match history.shrink(most, clock::now_ms(), || !history.upkeep.stopped()) {
                Ok(0) => {}
                Ok(rows) => {
                    tracing::warn!(
                        event = "history.shrunk",
                        rows,
                        most,
                        "the database was over storage.max_db_bytes: the oldest positions went"
                    );
                }
                Err(error) => tracing::error!(event = "history.failed", %error, "the database stays over its limit"),
            }
        }
        if vacuumed.elapsed() >= VACUUM {
            vacuumed = Instant::now();
            if let Err(error) = history.db.give_back(PAGES, || !history.upkeep.stopped()) {
                tracing::error!(event = "history.failed", %error, "free pages stay in the database");
            }
        }
        if history.upkeep.wait(SIZES) {
            return;
        }
    }
}

impl History {
    /// How long what is kept.
    pub fn retention(&self) -> Retention {
        self.running.load().retention.clone()
    }

    /// Deletes what is old; how many rows.
    pub fn retain_now(&self) -> u64 {
        let keys = self.retention();
        let _timed = meters::timed("retention");
        match self.retain(&keys, clock::now_ms(), || !self.upkeep.stopped()) {
            Ok(rows) => {
                if rows > 0 {
                    tracing::info!(event = "history.retained", rows, "old rows deleted");
                }
                rows
            }
            Err(error) => {
                tracing::error!(event = "history.failed", %error, "old rows were not deleted");
                0
            }
        }
    }
}
