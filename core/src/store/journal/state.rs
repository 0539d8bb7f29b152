//! [`State`]: what the journal knows in memory, under one lock: which records wait for whom and where they lie.
//!
//! A record enters when its id is given ([`State::admit`]), gets a place when it is written, and goes when its last
//! consumer is done. A segment goes when no record in it waits and nobody writes to it. Nothing here touches the disk:
//! files to remove are left in `garbage` for a thread to collect.
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    sync::Arc,
};

use super::{
    cursor::{Cursor, Row, Saved},
    record::Record,
    segment::Scan,
    ticket::Answer,
};

/// What a record costs in memory besides its event.
const OVERHEAD: usize = 256;

pub(super) fn weight(record: &Record) -> usize {
    record.bytes.len() + OVERHEAD
}

/// Where a record can be read.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Not written yet.
    Queued(Arc<Record>),
    /// Writing failed; it lives as long as the process.
    Kept(Arc<Record>),
    /// In the segment that begins with this id.
    Disk { segment: u64, offset: u64, len: u32 },
}

#[derive(Debug)]
pub(super) struct Entry {
    pub place: Place,
    /// Consumers that are not done.
    pub waiting: usize,
    pub received_ms: i64,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub file: Arc<File>,
    /// Bytes it takes on the disk.
    pub size: u64,
    /// Bytes written.
    pub used: u64,
    /// Records that wait for somebody.
    pub live: usize,
    /// A part could not be read: it is moved aside in the end, not removed.
    pub damaged: bool,
}

/// The records of one append, on their way to the writer.
#[derive(Debug)]
pub(super) struct Group {
    pub records: Vec<Arc<Record>>,
    pub answer: Answer,
}

/// A record in the active segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub id: u64,
    pub offset: u64,
    pub len: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    #[default]
    Open,
    /// The writer empties the queue and ends.
    Draining,
    /// The keeper ends.
    Closed,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub phase: Phase,
    /// The next id.
    pub next: u64,
    pub queue: Vec<Group>,
    /// Bytes of records not written yet, the batch in the writer's hands included.
    pub queued: usize,
    /// Bytes of records whose writing failed.
    pub kept: usize,
    pub records: BTreeMap<u64, Entry>,
    pub cursors: HashMap<Arc<str>, Cursor>,
    pub segments: BTreeMap<u64, Segment>,
    /// The segment that is written to.
    pub active: Option<u64>,
    /// Segments whose files may go, and whether they are damaged.
    pub garbage: Vec<(u64, bool)>,
    /// Files with records since the last fdatasync.
    pub unsynced: Vec<Arc<File>>,
    /// `cursors` is older than the memory.
    pub stale: bool,
    pub writer_idle: bool,
    /// Something is due earlier than the keeper thinks.
    pub keeper_wanted: bool,
    /// Why the last write failed.
    pub failing: Option<Arc<str>>,
}

impl State {
    /// Takes records in: each waits for its consumers from now on. Those that nobody waits for are left out.
    pub fn admit(&mut self, records: Vec<Record>) -> Vec<Arc<Record>> {
        let mut admitted = Vec::with_capacity(records.len());
        for mut record in records {
            record.id = self.next;
            self.next += 1;
            let waiting = record.consumers.iter().filter(|name| self.cursor(name).pending.insert(record.id)).count();
            if waiting == 0 {
                continue;
            }
            self.queued += weight(&record);
            let record = Arc::new(record);
            let entry = Entry { place: Place::Queued(record.clone()), waiting, received_ms: record.received_ms };
            self.records.insert(record.id, entry);
            admitted.push(record);
        }
        admitted
    }

    /// The cursor of a consumer, made when needed; a forgotten one begins anew.
    pub fn cursor(&mut self, name: &Arc<str>) -> &mut Cursor {
        let cursor = self.cursors.entry(name.clone()).or_default();
        cursor.forgotten = false;
        cursor
    }

    /// Takes in what a start found in a segment, but what the rows say is done. Its records name their consumers.
    pub fn adopt(&mut self, scan: &Scan, rows: &HashMap<&str, &Row>, file: Arc<File>) {
        let mut live = 0;
        for (offset, len, record) in &scan.records {
            let done = |name: &Arc<str>| rows.get(name.as_ref()).is_some_and(|row| row.is_done(record.id));
            let names = record.consumers.iter().filter(|name| !done(name));
            let waiting = names.filter(|name| self.cursor(name).pending.insert(record.id)).count();
            if waiting > 0 {
                let place = Place::Disk { segment: scan.first, offset: *offset, len: *len };
                self.records.insert(record.id, Entry { place, waiting, received_ms: record.received_ms });
                live += 1;
            }
        }
        let damaged = scan.fault.as_ref().is_some_and(|f| !f.torn);
        self.segments.insert(scan.first, Segment { file, size: scan.size, used: scan.end, live, damaged });
    }

    /// A new segment of `size` bytes is written to.
    pub fn begin(&mut self, first: u64, file: Arc<File>, size: u64) {
        self.segments.insert(first, Segment { file, size, used: 0, live: 0, damaged: false });
        self.active = Some(first);
    }

    /// Records lie in a segment now.
    pub fn written(&mut self, segment: u64, placed: &[Placed], used: u64) {
        let Some(home) = self.segments.get_mut(&segment) else { return };
        home.used = used;
        for record in placed {
            // Its consumers may be done already: delivered late, handled quickly.
            if let Some(entry) = self.records.get_mut(&record.id) {
                entry.place = Place::Disk { segment, offset: record.offset, len: record.len };
                home.live += 1;
            }
        }
        if !self.unsynced.iter().any(|f| Arc::ptr_eq(f, &home.file)) {
            self.keeper_wanted |= self.unsynced.is_empty();
            self.unsynced.push(home.file.clone());
        }
    }

    /// A record was not written. Up to `limit` bytes such records stay readable in memory, the others are dropped.
    pub fn unwritten(&mut self, id: u64, limit: usize) -> bool {
        let Some(entry) = self.records.get_mut(&id) else { return false };
        let Place::Queued(record) = &entry.place else { return false };
        if self.kept + weight(record) <= limit {
            self.kept += weight(record);
            entry.place = Place::Kept(record.clone());
            return false;
        }
        self.records.remove(&id);
        true
    }

    /// One consumer is done with some of its records.
    pub fn done(&mut self, name: &str, ids: impl IntoIterator<Item = u64>) {
        for id in ids {
            if self.cursors.get_mut(name).is_some_and(|c| c.done(id)) {
                self.keeper_wanted |= !self.stale;
                self.stale = true;
                self.release(id);
            }
        }
    }

    /// The plugin is gone: nothing waits for it any more.
    pub fn forget(&mut self, name: &str) {
        let ids: Vec<u64> = self.cursors.get(name).map(|c| c.pending.iter().copied().collect()).unwrap_or_default();
        self.done(name, ids);
        if let Some(cursor) = self.cursors.get_mut(name) {
            *cursor = Cursor { high: cursor.high, forgotten: true, ..Cursor::default() };
            self.keeper_wanted = true;
            self.stale = true;
        }
    }

    fn release(&mut self, id: u64) {
        let Some(entry) = self.records.get_mut(&id) else { return };
        entry.waiting = entry.waiting.saturating_sub(1);
        if entry.waiting > 0 {
            return;
        }
        match self.records.remove(&id).map(|e| e.place) {
            Some(Place::Kept(record)) => self.kept -= weight(&record),
            Some(Place::Disk { segment, .. }) => {
                if let Some(home) = self.segments.get_mut(&segment) {
                    home.live -= 1;
                }
                self.retire(segment);
            }
            // The writer counts it off.
            Some(Place::Queued(_)) | None => {}
        }
    }

    /// Nobody writes to the active segment any more; it takes `size` bytes on the disk.
    pub fn seal(&mut self, size: u64) {
        if let Some(first) = self.active.take() {
            if let Some(segment) = self.segments.get_mut(&first) {
                segment.size = size;
            }
            self.retire(first);
        }
    }

    /// A segment without waiting records goes, unless it is written to.
    pub fn retire(&mut self, first: u64) {
        if self.active != Some(first) && self.segments.get(&first).is_some_and(|s| s.live == 0) {
            self.discard(first);
        }
    }

    fn discard(&mut self, first: u64) {
        if let Some(segment) = self.segments.remove(&first) {
            self.unsynced.retain(|f| !Arc::ptr_eq(f, &segment.file));
            self.keeper_wanted |= self.garbage.is_empty();
            self.garbage.push((first, segment.damaged));
        }
    }

    /// Drops the oldest segment that is not written to, whoever waits for it. Who lost how many; `None` if there is none.
    pub fn drop_oldest(&mut self) -> Option<Vec<(Arc<str>, u64)>> {
        let oldest = *self.segments.keys().find(|first| self.active != Some(**first))?;
        let end = self.segments.range(oldest + 1..).next().map_or(u64::MAX, |(first, _)| *first);
        let here = |e: &Entry| matches!(e.place, Place::Disk { segment, .. } if segment == oldest);
        let ids: Vec<u64> = self.records.range(oldest..end).filter(|(_, e)| here(e)).map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| drop(self.records.remove(id)));
        let lost = self.lose(&ids);
        self.discard(oldest);
        Some(lost)
    }

    /// Takes ids from everybody who waits for them, and counts.
    pub fn lose(&mut self, ids: &[u64]) -> Vec<(Arc<str>, u64)> {
        let mut lost = Vec::new();
        for (name, cursor) in &mut self.cursors {
            let n = ids.iter().filter(|id| cursor.done(**id)).count() as u64;
            if n > 0 {
                cursor.dropped += n;
                lost.push((name.clone(), n));
                self.stale = true;
                self.keeper_wanted = true;
            }
        }
        lost
    }

    /// What the file `cursors` should say.
    pub fn snapshot(&mut self) -> Saved {
        let oldest = self.segments.keys().next().copied().unwrap_or(u64::MAX);
        self.cursors.retain(|_, c| !c.forgotten || c.high >= oldest);
        let row = |(name, c): (&Arc<str>, &Cursor)| Row {
            name: name.to_string(),
            high: c.high,
            open: c.pending.range(..=c.high).copied().collect(),
            forgotten: c.forgotten,
        };
        Saved { next: self.next, rows: self.cursors.iter().map(row).collect() }
    }

    /// Bytes the segments take on the disk.
    pub fn size(&self) -> u64 {
        self.segments.values().map(|s| s.size).sum()
    }

    /// Bytes of records in them.
    pub fn used(&self) -> u64 {
        self.segments.values().map(|s| s.used).sum()
    }
}
