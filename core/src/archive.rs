//! [`Archive`]: a zip file somebody sent us. Nothing in it is believed (marti-http.md 11.5).
//!
//! Order: the directory of the file is read member by member and each is looked at (name, kind, said size) before
//! anything is inflated; then a caller takes the members it wants, one at a time, and every inflated byte counts. What
//! must not happen: a name that leads somewhere, a small file that becomes a large one, a directory that fills the
//! memory. Nothing is ever written to a path made from a member's name here.
use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use zip::{
    ZipArchive,
    read::{ArchiveOffset, Config},
};

/// What is taken. Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members, folders included.
    pub members: usize,
    /// All of them inflated, those that are never read included.
    pub total: u64,
    /// How many times larger than its bytes in the file a member may be, beyond its first MiB.
    pub ratio: u64,
}

impl Default for Limits {
    /// 10 000 members, 1 GiB, 100:1 (marti-http.md 11.5).
    fn default() -> Self {
        Self { members: 10_000, total: 1 << 30, ratio: 100 }
    }
}

/// What the ratio does not count.
const FREE: u64 = 1 << 20;
/// Longest name of a member, in bytes.
const NAME: usize = 1_024;
/// Bytes that may be read to learn what is in an archive. Its directory is kept in memory, several times larger than in
/// the file, before anybody can count the members.
const DIRECTORY: u64 = 4 << 20;

/// Why an archive is refused. No text names a path of the server.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ArchiveError {
    #[error("not a zip file: {0}")]
    NotZip(String),
    #[error("the zip file has {0} members, at most {1} are taken")]
    TooMany(usize, usize),
    #[error("the zip file has a member with a name that is not taken: {0:?}")]
    Name(String),
    #[error("member {0:?} of the zip file is a link")]
    Link(String),
    #[error("member {0:?} of the zip file is encrypted")]
    Encrypted(String),
    #[error("the zip file inflates to more than {0} bytes")]
    Total(u64),
    #[error("member {0:?} of the zip file inflates to more than {1} times its size")]
    Ratio(String, u64),
    #[error("member {0:?} of the zip file is longer than {1} bytes")]
    Long(String, u64),
    #[error("member {0:?} of the zip file is damaged: {1}")]
    Damaged(String, String),
    #[error("no such member")]
    Missing,
    #[error("what is inflated cannot be kept: {0}")]
    Write(io::Error),
}

/// Archives that are unpacked into memory at the same time, and how long one waits for its turn.
const AT_ONCE: usize = 2;
const PATIENCE: Duration = Duration::from_secs(5);
static UNPACKING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Permission to unpack an archive into memory, for as long as it is held: whoever sends many large ones at once must
/// not have the server's memory.
#[derive(Debug)]
pub struct Turn(());

/// Waits a few seconds for it. None: too many others are at it, try again.
pub fn turn() -> Option<Turn> {
    let (count, ended) = &UNPACKING;
    let mut count = count.lock();
    let waited = ended.wait_while_for(&mut count, |count| *count >= AT_ONCE, PATIENCE);
    if waited.timed_out() && *count >= AT_ONCE {
        return None;
    }
    *count += 1;
    Some(Turn(()))
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (count, ended) = &UNPACKING;
        *count.lock() -= 1;
        ended.notify_one();
    }
}

/// One file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Relative, parts separated by `/` (a backslash counts as one), no part is empty, `.` or `..`.
    pub name: String,
    /// Inflated size as the archive says; more is never read.
    pub size: u64,
}

impl Member {
    /// The last part of its name.
    pub fn base(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

/// See the file's head.
pub struct Archive<R> {
    zip: ZipArchive<Metered<R>>,
    /// Of the files (folders have none): place in `zip`.
    places: Vec<usize>,
    members: Vec<Member>,
    limits: Limits,
    inflated: u64,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory and refuses what breaks a rule. Folders are left out.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(reader: R, limits: Limits) -> Result<Self, ArchiveError> {
        let left = Arc::new(AtomicU64::new(DIRECTORY));
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipArchive::with_config(config, Metered { inner: reader, left: left.clone() })
            .map_err(|e| ArchiveError::NotZip(e.to_string()))?;
        left.store(u64::MAX, Relaxed);
        if zip.len() > limits.members {
            return Err(ArchiveError::TooMany(zip.len(), limits.members));
        }
        let (mut places, mut members, mut total) = (Vec::new(), Vec::new(), 0_u64);
        for at in 0..zip.len() {
            let entry = zip.by_index_data(at).map_err(|e| ArchiveError::NotZip(e.to_string()))?;
            let said = entry.name().map_err(|e| ArchiveError::NotZip(e.to_string()))?;
            let name = safe(&said).ok_or_else(|| ArchiveError::Name(said.chars().take(80).collect()))?;
            if entry.is_symlink() {
                return Err(ArchiveError::Link(name));
            }
            if name.ends_with('/') {
                continue;
            }
            if entry.encrypted() {
                return Err(ArchiveError::Encrypted(name));
            }
            total = total.saturating_add(entry.size());
            if total > limits.total {
                return Err(ArchiveError::Total(limits.total));
            }
            if entry.size() > limits.most(entry.compressed_size()) {
                return Err(ArchiveError::Ratio(name, limits.ratio));
            }
            places.push(at);
            members.push(Member { name, size: entry.size() });
        }
        Ok(Self { zip, places, members, limits, inflated: 0 })
    }

    /// All files in it, in the archive's order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The place of the file with this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|m| m.name == name)
    }

    /// Inflates the file at this place of [`Self::members`] into memory, at most `limit` bytes.
    ///
    /// # Errors
    /// [`ArchiveError`]; what was inflated counts all the same.
    pub fn read(&mut self, at: usize, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        self.copy(at, limit, &mut bytes)?;
        Ok(bytes)
    }

    /// Inflates the file at this place into a writer, at most `limit` bytes; gives their number.
    ///
    /// # Errors
    /// As [`Self::read`]; the writer may have got a part.
    pub fn copy(&mut self, at: usize, limit: u64, out: &mut dyn Write) -> Result<u64, ArchiveError> {
        let (Some(place), Some(member)) = (self.places.get(at), self.members.get(at)) else {
            return Err(ArchiveError::Missing);
        };
        let name = || member.name.clone();
        if member.size > limit {
            return Err(ArchiveError::Long(name(), limit));
        }
        let damaged = |e: String| ArchiveError::Damaged(name(), e);
        let mut file = self.zip.by_index(*place).map_err(|e| damaged(e.to_string()))?;
        let most = self.limits.most(file.compressed_size());
        let (mut copied, mut buffer) = (0_u64, vec![0; 64 << 10]);
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => return Ok(copied),
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(damaged(e.to_string())),
            };
            copied += read as u64;
            self.inflated += read as u64;
            // What the archive says about sizes may be wrong: only what really comes out counts.
            if copied > limit {
                return Err(ArchiveError::Long(name(), limit));
            }
            if copied > most {
                return Err(ArchiveError::Ratio(name(), self.limits.ratio));
            }
            if self.inflated > self.limits.total {
                return Err(ArchiveError::Total(self.limits.total));
            }
            out.write_all(&buffer[..read]).map_err(ArchiveError::Write)?;
        }
    }
}

impl Limits {
    /// How long a member of this compressed size may become.
    fn most(&self, compressed: u64) -> u64 {
        FREE.saturating_add(compressed.saturating_mul(self.ratio))
    }
}

/// A name with `/` between its parts that leads nowhere else; None = it does, or nobody could read it.
fn safe(name: &str) -> Option<String> {
    let name = name.replace('\\', "/");
    let parts = name.strip_suffix('/').unwrap_or(&name);
    let good = |part: &str| !part.is_empty() && part != "." && part != "..";
    let drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let fine = name.len() <= NAME && !drive && !name.chars().any(char::is_control) && parts.split('/').all(good);
    fine.then_some(name)
}

/// Lets only so many bytes through.
struct Metered<R> {
    inner: R,
    left: Arc<AtomicU64>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        let left = self.left.load(Relaxed);
        if left != u64::MAX {
            let left = left.checked_sub(read as u64).ok_or_else(|| io::Error::other("its directory is too long"))?;
            self.left.store(left, Relaxed);
        }
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
