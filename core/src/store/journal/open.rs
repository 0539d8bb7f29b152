//! A start: which segments are there, what in them still waits for whom, and with which id to go on.
//!
//! Ids never come twice, also not those that were given and never written: their upper half counts the starts, so the
//! first id of a process is above all that its predecessor can have given. Damage is reported once per file, by name
//! and offset.
use std::{
    collections::HashMap,
    fs, io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use parking_lot::{Condvar, Mutex};

use super::{
    Found, Journal, JournalError, Limits, Shared,
    cursor::{Cursor, Row, Saved},
    keeper,
    segment::{self, Medium, Scan},
    state::{Phase, State},
    writer::{Active, Writer},
};

/// The lower half of an id. 10 000 records a second use it up in five days, and then the upper half just grows.
const HALF: u32 = 32;
/// With less room than this the last segment is not continued.
const ROOM: u64 = 64 << 10;

impl Journal {
    pub(super) fn open_on(dir: &Path, limits: Limits, medium: Box<dyn Medium>) -> Result<Arc<Self>, JournalError> {
        let limits = Limits { segment: limits.segment.min(limits.total / 2), ..limits };
        let directory = |source| JournalError::Directory { dir: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(directory)?;
        let (state, active, found) = find(dir, &limits, medium.as_ref()).map_err(directory)?;
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            limits,
            medium,
            state: Mutex::new(state),
            saving: Mutex::default(),
            to_writer: Condvar::new(),
            to_keeper: Condvar::new(),
        });
        shared.collect();
        // The next start must know that ids of this one were given.
        if let Err(e) = shared.save(true) {
            shared.failed(&e);
        }
        let mut writer = Writer::new(shared.clone(), active);
        let end = End(shared.clone());
        let first = spawn("journal", move || {
            let _end = end;
            writer.run();
        })?;
        let second = spawn("journal-sync", {
            let shared = shared.clone();
            move || keeper::run(&shared)
        });
        let second = second.inspect_err(|_| {
            shared.state.lock().phase = Phase::Draining;
            shared.to_writer.notify_all();
        })?;
        Ok(Arc::new(Self { shared, found, threads: Mutex::new(Some((first, second))) }))
    }
}

/// Without its writer a journal says so: appends fail at once instead of being late for ever.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Draining;
            state.failing = Some("the journal's thread has ended".into());
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, JournalError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(JournalError::Thread)
}

fn find(dir: &Path, limits: &Limits, medium: &dyn Medium) -> io::Result<(State, Option<Active>, Found)> {
    let mut found = Found::default();
    let saved = Saved::load(dir).unwrap_or_else(|e| {
        let text = format!("{}: {e}; everything kept comes again", dir.join("cursors").display());
        tracing::warn!(event = "journal.damaged", "journal: {text}");
        found.damage.push(text);
        Saved::default()
    });
    let mut state = State::default();
    let mut top = saved.next;
    for row in &saved.rows {
        let cursor = Cursor { high: row.high, forgotten: row.forgotten, ..Cursor::default() };
        state.cursors.insert(Arc::from(row.name.as_str()), cursor);
        top = top.max(row.high);
    }
    let rows: HashMap<&str, &Row> = saved.rows.iter().map(|row| (row.name.as_str(), row)).collect();
    let mut active = None;
    let firsts = segment::list(dir)?;
    let last = firsts.last().copied();
    for first in firsts {
        let scan = match segment::scan(dir, first) {
            Ok(scan) => scan,
            Err(e) => {
                report(dir, first, 0, &format!("{e}; it is left alone"), &mut found);
                continue;
            }
        };
        top = top.max(first).max(scan.records.last().map_or(0, |(_, _, record)| record.id));
        if let Some(fault) = &scan.fault {
            if fault.torn && Some(first) == last {
                tracing::debug!(
                    "journal: the last record, at {} of segment {first}, is torn: {}",
                    fault.offset,
                    fault.why
                );
            } else {
                report(dir, first, fault.offset, &fault.why, &mut found);
            }
        }
        let file = Arc::new(scan.file.try_clone()?);
        state.adopt(&scan, &rows, file.clone());
        let whole = state.segments.get_mut(&first).filter(|s| Some(first) == last && s.live > 0 && !s.damaged);
        if let Some(segment) = whole {
            (active, segment.size) = go_on(&scan, file, limits, medium);
            state.active = active.as_ref().map(|a| a.first);
        }
        state.retire(first);
    }
    state.next = if top == 0 { 1 } else { ((top >> HALF) + 1) << HALF };
    found.records = state.records.len();
    Ok((state, active, found))
}

fn report(dir: &Path, first: u64, offset: u64, why: &str, found: &mut Found) {
    let path = segment::path(dir, first);
    let text = format!("{} at offset {offset}: {why}; what follows in this file is skipped", path.display());
    tracing::warn!(event = "journal.damaged", file = %path.display(), offset, "journal: {text}");
    found.damage.push(text);
}

/// The last segment is written on behind its last good record; what was torn is cleared first, so that it is not taken
/// for damage once it is not the last. Also the bytes it takes then.
fn go_on(scan: &Scan, file: Arc<fs::File>, limits: &Limits, medium: &dyn Medium) -> (Option<Active>, u64) {
    if file.set_len(scan.end).is_err() {
        return (None, scan.size);
    }
    let room = scan.end + ROOM.min(limits.segment / 4) <= limits.segment;
    match room && medium.reserve(&file, limits.segment).is_ok() {
        true => (Some(Active { first: scan.first, file, at: scan.end }), limits.segment),
        false => (None, scan.end),
    }
}
