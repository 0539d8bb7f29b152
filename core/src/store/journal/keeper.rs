//! The second thread of the journal: what may be slow. In this order, whenever something is due:
//!
//! 1. files of segments nobody waits for are removed, at once;
//! 2. the cursors are saved, at most every 200 ms (no sync: that survives `kill -9`);
//! 3. once a second, if there are new records, they and the cursors are synced, for power cuts.
//!
//! At the end it does all of it once more. No lock is held meanwhile.
use std::{
    fs, io,
    time::{Duration, Instant},
};

use super::{
    Shared, meters, segment,
    state::{Phase, State},
};
use crate::observe::clock;

const SAVE: Duration = Duration::from_millis(200);
const SYNC: Duration = Duration::from_secs(1);
/// How often the ages are shown when nothing happens.
const SHOW: Duration = Duration::from_secs(5);

pub(super) fn run(shared: &Shared) {
    let begin = Instant::now();
    let (mut saved, mut synced, mut shown) = (begin, begin, begin);
    let mut complained = false;
    loop {
        let mut state = shared.state.lock();
        loop {
            state.keeper_wanted = false;
            let due = due(&state, saved, synced).min(shown + SHOW);
            if state.phase == Phase::Closed || due <= Instant::now() {
                break;
            }
            shared.to_keeper.wait_until(&mut state, due);
        }
        let closed = state.phase == Phase::Closed;
        let unsynced = !state.unsynced.is_empty();
        let stale = state.stale;
        show(&state);
        shown = Instant::now();
        drop(state);

        shared.collect();
        let sync = unsynced && (closed || synced + SYNC <= shown);
        if sync {
            shared.sync();
            synced = Instant::now();
        }
        if closed || (stale && (sync || saved + SAVE <= shown)) {
            let outcome = shared.save(sync || closed);
            saved = Instant::now();
            if let (Err(e), false) = (&outcome, complained) {
                tracing::warn!(
                    event = "journal.failing",
                    "journal: the cursors were not saved: {e}; done records may come again"
                );
            }
            complained = outcome.is_err();
        }
        if closed {
            return;
        }
    }
}

fn due(state: &State, saved: Instant, synced: Instant) -> Instant {
    let now = Instant::now();
    if !state.garbage.is_empty() {
        return now;
    }
    let far = now + SHOW;
    let save = if state.stale { saved + SAVE } else { far };
    let sync = if state.unsynced.is_empty() { far } else { synced + SYNC };
    save.min(sync)
}

fn show(state: &State) {
    metrics::gauge!(meters::BYTES).set(state.used() as f64);
    let now = clock::now_ms();
    for (name, cursor) in &state.cursors {
        let oldest = cursor.pending.first().and_then(|id| state.records.get(id));
        let lag = oldest.map_or(0, |e| (now - e.received_ms).max(0));
        metrics::gauge!(meters::LAG, "consumer" => name.to_string()).set(lag as f64 / 1_000.0);
    }
}

impl Shared {
    /// Removes the files of segments nobody waits for; a damaged one is moved aside.
    pub(super) fn collect(&self) {
        let garbage = std::mem::take(&mut self.state.lock().garbage);
        for (first, damaged) in garbage {
            let path = segment::path(&self.dir, first);
            let outcome = match damaged {
                true => fs::rename(&path, path.with_extension("damaged")),
                false => fs::remove_file(&path),
            };
            if let Err(e) = outcome {
                tracing::warn!(event = "journal.leftover", file = %path.display(), "journal: a finished segment was not removed: {e}");
            }
        }
    }

    /// Saves the cursors; with `sync` they survive power cuts too.
    pub(super) fn save(&self, sync: bool) -> io::Result<()> {
        let saving = self.saving.lock();
        let snapshot = {
            let mut state = self.state.lock();
            state.stale = false;
            state.snapshot()
        };
        let outcome = snapshot.store(&self.dir, sync);
        drop(saving);
        if outcome.is_err() {
            self.state.lock().stale = true;
        }
        outcome
    }

    fn sync(&self) {
        let files = std::mem::take(&mut self.state.lock().unsynced);
        for file in files {
            if let Err(e) = self.medium.sync(&file) {
                self.failed(&e);
            }
        }
        // A new segment's name must survive too.
        if let Err(e) = fs::File::open(&self.dir).and_then(|dir| dir.sync_all()) {
            self.failed(&e);
        }
    }
}
