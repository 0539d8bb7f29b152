//! [`Package`]: a zip file somebody sent us. Nothing in it is believed.
//!
//! Order: the directory is read and every member looked at (name, kind, said size) before anything is inflated; then
//! members are taken one at a time, and what really comes out counts. What must not happen: a name that leads somewhere; a
//! small file that becomes a large one; a directory that fills the memory. No path is ever made from a name here.
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use zip::ZipArchive;

use crate::refusal::Refusal;

/// Members, folders included.
const MEMBERS: usize = 10_000;
/// How many times larger than its bytes in the file a member may be, ...
const RATIO: u64 = 100;
/// ... beyond this.
const FREE: u64 = 1 << 20;
/// Longest name, bytes.
const NAME: usize = 1_024;
/// Bytes that may be read to learn what is in it: its directory is kept in memory before anybody can count it.
const DIRECTORY: u64 = 4 << 20;

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
    most: u64,
    inflated: u64,
}

fn bad(why: impl std::fmt::Display) -> Refusal {
    Refusal::Bad(format!("Invalid Request Body: {why}"))
}

impl Package {
    /// Reads the directory; `most` = bytes of all members inflated.
    ///
    /// # Errors
    /// 400: no zip, or a rule is broken.
    pub fn open(file: File, most: u64) -> Result<Self, Refusal> {
        let left = Arc::new(AtomicU64::new(DIRECTORY));
        let zip = ZipArchive::new(Metered { inner: file, left: left.clone() })
            .map_err(|e| bad(format_args!("the package is no zip file: {e}")))?;
        left.store(u64::MAX, Relaxed);
        if zip.len() > MEMBERS {
            return Err(bad(format_args!("the package has {} members, at most {MEMBERS} are taken", zip.len())));
        }
        let (mut members, mut total) = (Vec::new(), 0_u64);
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
            let own = FREE.saturating_add(entry.compressed_size().saturating_mul(RATIO));
            if total > most || entry.size() > own {
                return Err(bad(format_args!(
                    "the package inflates to too much at {shown:?} (plugins.mission.max_package_bytes)"
                )));
            }
            members.push(Member { name, place, most: own });
        }
        Ok(Self { zip, members, most, inflated: 0 })
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
        let Some(member) = self.members.get(at) else { return Err(bad("the package is damaged")) };
        let damaged = |e: String| bad(format_args!("{:?} in the package is damaged: {e}", member.name));
        let most = limit.min(member.most).min(self.most.saturating_sub(self.inflated));
        let mut file = self.zip.by_index(member.place).map_err(|e| damaged(e.to_string()))?;
        let (mut copied, mut buffer) = (0_u64, vec![0; 64 << 10]);
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(damaged(e.to_string())),
            };
            copied += read as u64;
            self.inflated += read as u64;
            if copied > most {
                return Err(bad(format_args!("{:?} in the package inflates to too much", member.name)));
            }
            out.write_all(&buffer[..read]).map_err(fts_plugin_api::sdk::Error::from)?;
        }
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
