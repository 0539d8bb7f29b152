//! The journal thread: everything that has gathered is encoded into one buffer and written with one call, then the
//! tickets are answered. Nobody else writes records.
//!
//! A batch that does not fit begins a new segment; before that the oldest segments are dropped until the total is kept.
//! A failed write is answered, counted and shown, and the next batch is tried again; while nothing comes the disk is
//! probed every 5 s, so that the server does not stay degraded.
use std::{collections::BTreeMap, fs::File, io, sync::Arc, time::Duration};

use super::{
    Shared, meters,
    record::{self, HEAD},
    segment,
    state::{Group, Phase, Placed, weight},
};

const PROBE: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };
/// A buffer that grew beyond this in a storm is given back.
const BUFFER: usize = 4 << 20;

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active {
    pub first: u64,
    pub file: Arc<File>,
    /// Where the next frame goes.
    pub at: u64,
}

#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    buffer: Vec<u8>,
    /// What is in the buffer, with offsets in it, and its group.
    chunk: Vec<(Placed, usize)>,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, active: Option<Active>) -> Self {
        Self { shared, active, buffer: Vec::new(), chunk: Vec::new() }
    }

    pub fn run(&mut self) {
        while let Some(groups) = self.wait() {
            if groups.is_empty() {
                self.probe();
            } else {
                self.write(groups);
            }
        }
    }

    /// Everything queued; nothing when it is time to probe; `None` at the end.
    fn wait(&self) -> Option<Vec<Group>> {
        let mut state = self.shared.state.lock();
        while state.queue.is_empty() {
            if state.phase != Phase::Open {
                return None;
            }
            state.writer_idle = true;
            if state.failing.is_none() {
                self.shared.to_writer.wait(&mut state);
            } else if self.shared.to_writer.wait_for(&mut state, PROBE).timed_out() {
                break;
            }
        }
        state.writer_idle = false;
        Some(std::mem::take(&mut state.queue))
    }

    fn write(&mut self, groups: Vec<Group>) {
        let mut failed: BTreeMap<usize, Arc<str>> = BTreeMap::new();
        let room = self.shared.limits.segment - segment::HEAD;
        let mut bytes = 0;
        for (number, group) in groups.iter().enumerate() {
            for record in &group.records {
                bytes += weight(record);
                let start = self.buffer.len();
                record::frame(record.id, record, &mut self.buffer);
                let len = self.buffer.len() - start;
                if len as u64 > room {
                    self.buffer.truncate(start);
                    failed.insert(number, "the event is larger than a segment of the journal".into());
                    self.shared.unwritten(&[record.id]);
                    continue;
                }
                let used = self.active.as_ref().map_or(segment::HEAD, |a| a.at);
                if used + self.buffer.len() as u64 > self.shared.limits.segment {
                    let this = self.buffer.split_off(start);
                    self.flush(&mut failed);
                    self.seal();
                    self.buffer = this;
                }
                let offset = (self.buffer.len() - len + HEAD) as u64;
                let body = (len - HEAD) as u32;
                self.chunk.push((Placed { id: record.id, offset, len: body }, number));
            }
        }
        self.flush(&mut failed);
        if self.buffer.capacity() > BUFFER {
            self.buffer = Vec::new();
        }
        self.shared.state.lock().queued -= bytes;
        for (number, group) in groups.into_iter().enumerate() {
            group.answer.give(failed.remove(&number).map_or(Ok(()), Err));
        }
    }

    /// Writes the buffer; afterwards it is empty, whatever happened.
    fn flush(&mut self, failed: &mut BTreeMap<usize, Arc<str>>) {
        let Some((head, _)) = self.chunk.first() else { return };
        match self.put(head.id) {
            Ok(()) => metrics::counter!(meters::RECORDS).increment(self.chunk.len() as u64),
            Err(e) => {
                let why = self.shared.failed(&e);
                self.shared.unwritten(&self.chunk.iter().map(|(placed, _)| placed.id).collect::<Vec<_>>());
                failed.extend(self.chunk.iter().map(|(_, group)| (*group, why.clone())));
                self.recoil(&e);
            }
        }
        self.buffer.clear();
        self.chunk.clear();
    }

    fn put(&mut self, first: u64) -> io::Result<()> {
        let active = self.active(first)?;
        let (segment, file, base) = (active.first, active.file.clone(), active.at);
        self.shared.medium.write(&file, &self.buffer, base)?;
        let end = base + self.buffer.len() as u64;
        if let Some(active) = &mut self.active {
            active.at = end;
        }
        let placed: Vec<Placed> =
            self.chunk.iter().map(|(placed, _)| Placed { offset: placed.offset + base, ..*placed }).collect();
        let mut state = self.shared.state.lock();
        state.written(segment, &placed, end);
        let (wanted, recovered) = (state.keeper_wanted, state.failing.take().is_some());
        drop(state);
        if wanted {
            self.shared.to_keeper.notify_one();
        }
        if recovered {
            tracing::info!(event = "journal.recovered", "journal: records are written again");
        }
        Ok(())
    }

    /// The segment to write to; a new one begins with the id `first`.
    fn active(&mut self, first: u64) -> io::Result<&Active> {
        if self.active.is_none() {
            let size = self.shared.limits.segment;
            self.shared.make_room(size);
            let file = Arc::new(segment::create(&self.shared.dir, first, size, self.shared.medium.as_ref())?);
            self.shared.state.lock().begin(first, file.clone(), size);
            self.active = Some(Active { first, file, at: segment::HEAD });
        }
        self.active.as_ref().ok_or_else(|| io::Error::other("no segment"))
    }

    /// Ends the active segment and gives back what it did not use.
    fn seal(&mut self) {
        let Some(active) = self.active.take() else { return };
        let size = if active.file.set_len(active.at).is_ok() { active.at } else { self.shared.limits.segment };
        self.shared.state.lock().seal(size);
    }

    /// After a failed write: half of it may stand there. Where the disk is full the segment stays, with the rest
    /// cleared; any other trouble may be this place of the disk, so the next batch begins elsewhere.
    fn recoil(&mut self, error: &io::Error) {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let size = self.shared.limits.segment;
        let cleared = |a: &Active| a.file.set_len(a.at).and_then(|()| a.file.set_len(size)).is_ok();
        if !(full && self.active.as_ref().is_some_and(cleared)) {
            self.seal();
        }
    }

    fn probe(&mut self) {
        // A segment of its own name, should one be needed: the file of its predecessor may just be going.
        let next = {
            let mut state = self.shared.state.lock();
            state.next += 1;
            state.next - 1
        };
        let size = self.shared.limits.segment;
        // A length of zero, which is what stands there: the end.
        let outcome = self.active(next).map(|a| (a.file.clone(), a.at)).and_then(|(file, at)| match at + 8 <= size {
            true => self.shared.medium.write(&file, &[0; 8], at),
            false => Ok(()),
        });
        match outcome {
            Ok(()) => {
                self.shared.state.lock().failing = None;
                tracing::info!(event = "journal.recovered", "journal: the disk takes records again");
            }
            Err(e) => self.recoil(&e),
        }
    }
}

impl Shared {
    /// Drops the oldest segments until `size` more bytes keep the total.
    fn make_room(&self, size: u64) {
        loop {
            let mut state = self.state.lock();
            if state.size() + size <= self.limits.total {
                break;
            }
            let Some(lost) = state.drop_oldest() else { break };
            drop(state);
            for (consumer, count) in lost {
                metrics::counter!(meters::DROPPED, "consumer" => consumer.to_string()).increment(count);
                tracing::warn!(event = "journal.dropped", %consumer, count, "journal: full, the oldest records were dropped before {consumer} was done with them");
            }
        }
        self.collect();
    }

    /// These records were not written: some stay in memory, the others are lost to their consumers.
    fn unwritten(&self, ids: &[u64]) {
        metrics::counter!(meters::ERRORS).increment(ids.len() as u64);
        let limit = (self.limits.queue / 2) as usize;
        let mut state = self.state.lock();
        let gone: Vec<u64> = ids.iter().copied().filter(|id| state.unwritten(*id, limit)).collect();
        let lost = state.lose(&gone);
        drop(state);
        for (consumer, count) in lost {
            metrics::counter!(meters::DROPPED, "consumer" => consumer.to_string()).increment(count);
        }
    }

    /// Remembers why, and says so once until records are written again.
    pub(super) fn failed(&self, error: &io::Error) -> Arc<str> {
        let why: Arc<str> = error.to_string().into();
        let before = self.state.lock().failing.replace(why.clone());
        if before.is_none() {
            tracing::warn!(
                event = "journal.failing",
                "journal: records are not written: {error}; events are delivered without"
            );
        }
        why
    }
}
