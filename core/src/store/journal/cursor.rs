//! What one consumer is done with, in memory ([`Cursor`]) and in the file `cursors` ([`Saved`]).
//!
//! A cursor is a mark and the exceptions below it: everything up to `high` is done but what is still pending. So the
//! file stays small when one old record hangs. It is replaced as a whole, by rename; a file that cannot be read means
//! that every kept record comes again (at least once), never that one is skipped.
use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

/// What one consumer is done with.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Ids it must still see.
    pub pending: BTreeSet<u64>,
    /// The highest id it is done with.
    pub high: u64,
    /// Records that went unseen since the start.
    pub dropped: u64,
    /// Its plugin is gone; the row stays until no segment names it.
    pub forgotten: bool,
}

impl Cursor {
    /// Whether it was pending.
    pub fn done(&mut self, id: u64) -> bool {
        let was = self.pending.remove(&id);
        if was {
            self.high = self.high.max(id);
        }
        was
    }
}

/// A row of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Row {
    pub name: String,
    pub high: u64,
    /// Exceptions below `high`.
    pub open: HashSet<u64>,
    pub forgotten: bool,
}

impl Row {
    pub fn is_done(&self, id: u64) -> bool {
        id <= self.high && !self.open.contains(&id)
    }
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Saved {
    /// No id from here on had been given when the file was written.
    pub next: u64,
    pub rows: Vec<Row>,
}

const FILE: &str = "cursors";

impl Saved {
    /// Reads the file; none yet is an empty one.
    pub fn load(dir: &Path) -> io::Result<Self> {
        let bytes = match fs::read(dir.join(FILE)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other?,
        };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
        let (crc, body) = bytes.split_at_checked(4).ok_or_else(damaged)?;
        if crc32c::crc32c(body).to_le_bytes() != crc {
            return Err(damaged());
        }
        rmp_serde::from_slice(body).map_err(|_| damaged())
    }

    /// Replaces the file; with `sync` it survives a power cut too.
    pub fn store(&self, dir: &Path, sync: bool) -> io::Result<()> {
        let body = rmp_serde::to_vec(self).map_err(io::Error::other)?;
        let new = dir.join("cursors.new");
        let mut file = File::create(&new)?;
        file.write_all(&crc32c::crc32c(&body).to_le_bytes())?;
        file.write_all(&body)?;
        if sync {
            file.sync_data()?;
        }
        fs::rename(&new, dir.join(FILE))?;
        if sync {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    }
}
