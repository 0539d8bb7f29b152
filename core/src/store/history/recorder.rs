//! The recorder: one thread that turns what the router hands over into rows, a batch per transaction (RULE-82).
//!
//! Order for a batch: read the events, make new sets of groups, write all rows together with the numbers of the journal
//! they settle, then tell the journal. A full disk is waited for; positions are what is given up meanwhile. What must not
//! happen: the journal hears that something is stored before it is.
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    History,
    entry::Entry,
    kept::{Item, Kept},
    meters,
    queue::{BATCH, Batch},
    track::Thinning,
    write::{self, Open, Row},
};
use crate::{
    app::background,
    config::{Archive, Config},
    store::{error::StoreError, journal::Consumer, rows::Value},
};

/// How often the free space is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Numbers of the journal that gather before they are forgotten again.
const DONE_MOST: usize = 10_000;
/// How long they gather at most.
const DONE_AGE: Duration = Duration::from_secs(60);
/// Tries of a batch that fails for no reason that could pass.
const TRIES: u32 = 3;

/// What the thread remembers.
pub(super) struct Recorder {
    history: Arc<History>,
    consumer: Option<Consumer>,
    thinning: Thinning,
    open: Open,
    looked: Option<Instant>,
    scarce: bool,
    unsettled: usize,
    settled: Instant,
}

/// What is wrong, for `/readyz`.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    pub fn get(&self) -> Option<String> {
        self.0.lock().clone()
    }

    /// True when it was not so before.
    fn set(&self, what: Option<String>) -> bool {
        let mut now = self.0.lock();
        let new = now.is_none() && what.is_some();
        *now = what;
        new
    }
}

impl Recorder {
    pub fn new(history: Arc<History>, consumer: Option<Consumer>) -> Self {
        Self {
            history,
            consumer,
            thinning: Thinning::default(),
            open: Open::new(),
            looked: None,
            scarce: false,
            unsettled: 0,
            settled: Instant::now(),
        }
    }

    /// Until the queue is closed and empty.
    pub fn run(mut self) {
        // Under full load routing comes first: a position that is not recorded costs less than one that is late.
        background::step_back(background::RECORDER);
        while let Some(batch) = self.history.queue.take() {
            let upto = batch.upto;
            self.batch(batch);
            self.history.queue.done(upto);
        }
        self.settle();
    }

    fn batch(&mut self, batch: Batch) {
        let config = self.history.running.load_full();
        self.look(&config);
        let (mut rows, mut done) = (Vec::with_capacity(batch.items.len() * 2), Vec::new());
        let mut skipped = 0;
        for item in batch.items {
            match item {
                Item::Event(kept) => match self.entry(&kept) {
                    Some(entry) if self.scarce && kept.state && entry.journal == 0 => skipped += 1,
                    Some(entry) => self.rows(entry, &config, &mut rows),
                    None => done.extend((kept.journal != 0).then_some(kept.journal)),
                },
                Item::Session(session) => {
                    let names = self.sorted(&session.groups);
                    if let Some(groups) = self.set(&names) {
                        rows.push(Row::Session { session, groups });
                    }
                }
                Item::Goodbye(goodbye) => rows.push(Row::Goodbye(goodbye)),
            }
        }
        if skipped > 0 {
            meters::skipped(skipped);
        }
        self.commit(&rows, &config, done);
        for ids in batch.spilled.chunks(BATCH) {
            self.read_back(ids, &config);
        }
        if self.unsettled >= DONE_MOST || (self.unsettled > 0 && self.settled.elapsed() >= DONE_AGE) {
            self.settle();
        }
    }

    fn entry(&self, kept: &Kept) -> Option<Entry> {
        let names = &self.history.directory.groups;
        Entry::of(kept, |bits| names.names(bits))
    }

    fn sorted(&self, groups: &crate::directory::Bits) -> Vec<String> {
        let mut names = self.history.directory.groups.names(groups);
        names.sort();
        names
    }

    /// The rows of one event.
    fn rows(&mut self, entry: Entry, config: &Config, rows: &mut Vec<Row>) {
        let Some(groups) = self.set(&entry.groups) else { return };
        let chat = config.cot.store_forward_chat && entry.cot.kind().starts_with("b-t-f");
        let keep = config.storage.archive_cot != Archive::Off || chat;
        if !self.scarce
            && entry.readers.is_none()
            && let Some(point) = self.thinning.point(&entry, &config.storage)
        {
            rows.push(Row::Point { point, groups });
        }
        rows.push(Row::Event { entry: Box::new(entry), groups, keep });
    }

    fn set(&self, names: &[String]) -> Option<i64> {
        let made = self.history.sets.id(&self.history.db, names);
        made.inspect_err(|error| tracing::error!(event = "history.failed", %error, "a set of groups was not stored"))
            .ok()
    }

    /// Writes until it is written, or there is no hope.
    fn commit(&mut self, rows: &[Row], config: &Config, mut done: Vec<u64>) {
        let journaled = rows.iter().filter_map(|row| match row {
            Row::Event { entry, .. } if entry.journal != 0 => Some(entry.journal),
            _ => None,
        });
        let journaled: Vec<u64> = journaled.collect();
        if !rows.is_empty() && !self.written(rows, config.storage.archive_cot) {
            return;
        }
        self.history.arrivals.stored(rows.iter().filter_map(|row| match row {
            Row::Event { entry, keep: true, .. } => Some(entry.cot.uid().into_owned()),
            _ => None,
        }));
        self.unsettled += journaled.len();
        done.extend(journaled);
        if let (Some(consumer), false) = (&self.consumer, done.is_empty()) {
            consumer.done_many(&done);
        }
    }

    fn written(&mut self, rows: &[Row], archive: Archive) -> bool {
        let history = self.history.clone();
        let mut tries = 0;
        // Nearly all batches are positions only and change no session.
        let sessions = rows.iter().any(|row| matches!(row, Row::Session { .. } | Row::Goodbye(_)));
        // Positions need not wait for the disk: a power cut may take the last second of them. What is in the journal is
        // there only until it is told that it is stored, and must be.
        let lazy = !rows.iter().any(|row| matches!(row, Row::Event { entry, .. } if entry.journal != 0));
        loop {
            let mut open = if sessions { self.open.clone() } else { Open::new() };
            let result = {
                let _timed = meters::timed("record");
                let tx = if lazy { history.db.begin_lazy() } else { history.db.begin() };
                tx.and_then(|tx| {
                    write::all(&tx, rows, archive, &mut open)?;
                    tx.commit()
                })
            };
            let error = match result {
                Ok(()) => {
                    if sessions {
                        self.open = open;
                    }
                    meters::batch(rows.len());
                    if !self.scarce && history.trouble.get().is_some() {
                        history.trouble.set(None);
                        tracing::info!(event = "history.recovered", "history: rows are written again");
                    }
                    return true;
                }
                Err(error) => error,
            };
            tries += 1;
            let passes = matches!(error, StoreError::Busy { .. } | StoreError::TooLong { .. } | StoreError::Full(_));
            if history.trouble.set(Some(error.to_string())) {
                tracing::error!(event = "history.failed", %error, rows = rows.len(), "history: a batch was not written");
            }
            // At the end of the process what is journaled comes again with the next start.
            if matches!(error, StoreError::Closed { .. }) || (tries >= TRIES && (!passes || history.queue.is_closed()))
            {
                tracing::error!(event = "history.failed", %error, rows = rows.len(), "history: a batch is given up");
                meters::skipped(rows.len() as u64);
                return false;
            }
            std::thread::sleep(if matches!(error, StoreError::Full(_)) {
                Duration::from_secs(1)
            } else {
                Duration::from_millis(50)
            });
        }
    }

    /// What the queue had no room for, from the journal.
    fn read_back(&mut self, ids: &[u64], config: &Config) {
        let Some(consumer) = self.consumer.clone() else { return };
        let (mut rows, mut done) = (Vec::new(), Vec::new());
        for id in ids {
            match consumer.read(*id) {
                Ok(record) => match Entry::of_record(record, |kind, name| self.history.users_of(kind, name)) {
                    Some(mut entry) => {
                        entry.journal = *id;
                        self.rows(entry, config, &mut rows);
                    }
                    None => done.push(*id),
                },
                // It was counted where it went.
                Err(error) => tracing::warn!(event = "history.failed", id, %error, "an event could not be read back"),
            }
        }
        self.commit(&rows, config, done);
    }

    /// What an earlier run has journaled and not stored, before anybody is accepted. How many that were.
    pub fn replay(&mut self) -> Result<usize, StoreError> {
        let Some(consumer) = self.consumer.clone() else { return Ok(0) };
        let rows = self.history.db.query("SELECT id FROM history_done", &[])?;
        let stored: HashSet<u64> = rows.iter().map(|row| row.int("id") as u64).collect();
        let config = self.history.running.load_full();
        let (again, new): (Vec<u64>, Vec<u64>) = consumer.pending().partition(|id| stored.contains(id));
        consumer.done_many(&again);
        for ids in new.chunks(BATCH) {
            self.read_back(ids, &config);
        }
        self.unsettled += stored.len();
        self.settle();
        Ok(new.len())
    }

    /// The journal knows durably what is stored, so the database need not any more.
    fn settle(&mut self) {
        let Some(consumer) = self.consumer.as_ref().filter(|_| self.unsettled > 0) else { return };
        self.settled = Instant::now();
        if consumer.done_durable(&[]).is_ok() && self.history.db.exec("DELETE FROM history_done", &[]).is_ok() {
            self.unsettled = 0;
        }
    }

    /// Is there room on the disk? Without it positions are left out, said once.
    fn look(&mut self, config: &Config) {
        let least = config.storage.min_free_bytes;
        if least == 0 || self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let dir = config.storage.path.parent().unwrap_or(std::path::Path::new("."));
        let Ok(about) = rustix::fs::statvfs(dir) else { return };
        let free = about.f_bavail.saturating_mul(about.f_frsize);
        let scarce = free < least;
        if scarce == self.scarce {
            return;
        }
        self.scarce = scarce;
        if scarce {
            let what = format!("only {} MB free on the disk of {}", free / 1_000_000, config.storage.path.display());
            tracing::warn!(
                event = "history.full",
                free,
                least,
                "positions are not recorded: {what} (storage.min_free_bytes)"
            );
            self.history.trouble.set(Some(what));
        } else {
            tracing::info!(event = "history.recovered", free, "positions are recorded again");
            self.history.trouble.set(None);
        }
    }
}

impl History {
    /// Users that had a uid or callsign when it was last seen.
    pub(super) fn users_of(&self, kind: &str, name: &str) -> Vec<String> {
        let sql = match kind {
            "uid" => "SELECT DISTINCT user FROM client_session WHERE uid = ?1 ORDER BY id DESC LIMIT 4",
            _ => "SELECT DISTINCT user FROM client_session WHERE callsign = ?1 ORDER BY id DESC LIMIT 4",
        };
        let rows = self.db.query(sql, &[Value::Text(name.to_owned())]).unwrap_or_default();
        rows.iter().map(|row| row.text("user").to_owned()).collect()
    }
}
