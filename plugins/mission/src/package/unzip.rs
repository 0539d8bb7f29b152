//! [`Package`]: a zip file somebody sent us. Nothing in it is believed.
//!
//! Order: the directory is read and every member looked at (name, kind, said size) before anything is inflated; then
//! members are taken one at a time, and what really comes out counts. What must not happen: a name that leads somewhere; a
//! small file that becomes a large one, members that share their bytes to that end; a directory that fills the memory. No
//! path is ever made from a name here.
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use fts_plugin_api::sdk::Error;
use zip::{ZipArchive, read::ZipFile};

use crate::refusal::Refusal;

/// How many times larger than its bytes in the file a member may be, ...
const RATIO: u64 = 100;
/// ... beyond this.
const FREE: u64 = 1 << 20;
/// Longest name, bytes.
const NAME: usize = 1_024;

/// How much of a zip file is taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members, folders included.
    pub members: usize,
    /// Bytes that may be read to learn what is in it: its directory is kept in memory before anybody can count it.
    pub directory: u64,
    /// Bytes of all members inflated.
    pub total: u64,
    /// Members that may inflate to any size within the total.
    pub free: &'static [&'static str],
}

impl Limits {
    /// Of what clients send: so much of it inflated.
    pub const fn package(total: u64) -> Self {
        Self { members: 10_000, directory: 4 << 20, total, free: &[] }
    }

    /// Of what an administrator brings, a file of `len` bytes: a mission has no limit of its own, but what is small must
    /// not become everything.
    pub fn mission(most: u64, len: u64, free: &'static [&'static str]) -> Self {
        Self { members: 200_000, directory: 64 << 20, total: most.max(len.saturating_mul(RATIO)), free }
    }
}

/// One file in it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Parts separated by `/`, none of them empty, `.` or `..`.
    pub name: String,
    place: usize,
    most: u64,
}

impl Member {
    /// The last part of its name.
    pub fn base(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// Is this how its name ends, in any case?
    pub fn ends(&self, with: &str) -> bool {
        self.name.to_lowercase().ends_with(with)
    }
}

/// See the file's head.
pub struct Package {
    zip: ZipArchive<Metered>,
    members: Vec<Member>,
    left: u64,
}

fn bad(why: impl std::fmt::Display) -> Refusal {
    Refusal::Bad(format!("Invalid Request Body: {why}"))
}

impl Package {
    /// Reads the directory.
    ///
    /// # Errors
    /// 400: no zip, or a rule is broken.
    pub fn open(file: File, limits: Limits) -> Result<Self, Refusal> {
        let Limits { members: count, directory, total: most, free } = limits;
        let length = file.metadata().map_err(Error::from)?.len();
        let left = Arc::new(AtomicU64::new(directory));
        let zip = ZipArchive::new(Metered { inner: file, left: left.clone() })
            .map_err(|e| bad(format_args!("the package is no zip file: {e}")))?;
        left.store(u64::MAX, Relaxed);
        if zip.len() > count {
            return Err(bad(format_args!("the package has {} members, at most {count} are taken", zip.len())));
        }
        let (mut members, mut total, mut packed) = (Vec::new(), 0_u64, 0_u64);
        for place in 0..zip.len() {
            let damaged = |e: zip::result::ZipError| bad(format_args!("the package is damaged: {e}"));
            let entry = zip.by_index_data(place).map_err(damaged)?;
            let said = entry.name().map_err(damaged)?;
            let shown: String = said.chars().take(80).collect();
            let name =
                safe(&said).ok_or_else(|| bad(format_args!("the name {shown:?} in the package is not taken")))?;
            if entry.is_symlink() || entry.encrypted() {
                return Err(bad(format_args!("{shown:?} in the package is a link or encrypted")));
            }
            if name.ends_with('/') {
                continue;
            }
            total = total.saturating_add(entry.size());
            packed = packed.saturating_add(entry.compressed_size());
            let own = match free.contains(&name.as_str()) {
                true => most,
                false => FREE.saturating_add(entry.compressed_size().saturating_mul(RATIO)),
            };
            if total > most || entry.size() > own {
                return Err(bad(format_args!(
                    "the package inflates to too much at {shown:?} (plugins.mission.max_package_bytes)"
                )));
            }
            if packed > length {
                return Err(bad(format_args!("{shown:?} in the package shares its bytes with another member")));
            }
            members.push(Member { name, place, most: own });
        }
        Ok(Self { zip, members, left: most })
    }

    /// All files in it, in its own order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The place in [`Self::members`] of the file with exactly this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|m| m.name == name)
    }

    /// Inflates a file into memory, at most `limit` bytes.
    ///
    /// # Errors
    /// 400: it is longer, or damaged.
    pub fn read(&mut self, at: usize, limit: u64) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::new();
        self.copy(at, limit, &mut bytes)?;
        Ok(bytes)
    }

    /// Inflates a file into a writer, at most `limit` bytes.
    ///
    /// # Errors
    /// 400: it is longer, or damaged; what the writer says.
    pub fn copy(&mut self, at: usize, limit: u64, out: &mut dyn Write) -> Result<(), Refusal> {
        let (mut file, mut buffer) = (self.stream(at, limit)?, vec![0; 64 << 10]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => out.write_all(&buffer[..read]).map_err(Error::from)?,
                Err(error) => return Err(bad(error)),
            }
        }
    }

    /// A file to be inflated while it is read, at most `limit` bytes. Every error while reading has the kind
    /// `InvalidData` and names the file.
    ///
    /// # Errors
    /// 400: it is damaged.
    pub fn stream(&mut self, at: usize, limit: u64) -> Result<Inflating<'_>, Refusal> {
        let Some(Member { name, place, most }) = self.members.get(at) else {
            return Err(bad("the package is damaged"));
        };
        let most = limit.min(*most).min(self.left);
        let file =
            self.zip.by_index(*place).map_err(|e| bad(format_args!("{name:?} in the package is damaged: {e}")))?;
        Ok(Inflating { file, name, most, left: &mut self.left })
    }
}

/// See [`Package::stream`].
pub struct Inflating<'a> {
    file: ZipFile<'a, Metered>,
    name: &'a str,
    /// Of this file.
    most: u64,
    /// Of the whole package.
    left: &'a mut u64,
}

impl Read for Inflating<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let read = loop {
            match self.file.read(into) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(wrong(format!("{:?} in the package is damaged: {e}", self.name))),
                Ok(read) => break read,
            }
        };
        let size = read as u64;
        let too_much = || wrong(format!("{:?} in the package inflates to too much", self.name));
        self.most = self.most.checked_sub(size).ok_or_else(too_much)?;
        *self.left = self.left.saturating_sub(size);
        Ok(read)
    }
}

/// A name with `/` between its parts that leads nowhere else; None = it does.
fn safe(name: &str) -> Option<String> {
    let name = name.replace('\\', "/");
    let parts = name.strip_suffix('/').unwrap_or(&name);
    let good = |part: &str| !part.is_empty() && part != "." && part != "..";
    let drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let fine = name.len() <= NAME && !drive && !name.chars().any(char::is_control) && parts.split('/').all(good);
    fine.then_some(name)
}

/// Lets only so many bytes through until the directory is read.
struct Metered {
    inner: File,
    left: Arc<AtomicU64>,
}

impl Read for Metered {
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

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn names_that_lead_somewhere_are_not_taken() {
        for name in ["a.cot", "cot/m-1.cot", "a b/ü.txt", "cot/", "a/b:c"] {
            assert_eq!(safe(name).as_deref(), Some(name));
        }
        for name in ["../x", "a/../x", "/etc/x", "..\\x", "C:\\x", "a//b", "", ".", "a\0b", "./x"] {
            assert_eq!(safe(name), None, "{name:?}");
        }
    }
}
