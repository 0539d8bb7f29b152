//! Segment files: `<first id, 20 digits>.seg`, a head of 16 bytes (magic, first id), then frames up to the first zero
//! length. Ids ascend within a segment: whatever follows a smaller id was left behind by a failed write.
//!
//! A record that ends with the written part of the last segment is *torn*, which is what a killed process leaves.
//! Anything else that cannot be read is damage: the rest of that segment is skipped, and the caller reports it.
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::record::{self, Frame, Record};

/// Bytes in front of the first frame.
pub(super) const HEAD: u64 = 16;
const MAGIC: &[u8; 8] = b"FTSJRNL1";

/// How bytes reach the disk; the tests put failing and stalling ones here.
pub(super) trait Medium: Send + Sync + std::fmt::Debug {
    /// Reserves space up to `len`; what is new reads as zeroes.
    fn reserve(&self, file: &File, len: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `at`.
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Waits until the file's data are on the disk.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The real one.
#[derive(Debug)]
pub(super) struct Disk;

impl Medium for Disk {
    fn reserve(&self, file: &File, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len) {
            // File systems that cannot reserve: the file grows as it is written.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.set_len(len),
            other => other.map_err(io::Error::from),
        }
    }
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        rustix::fs::fdatasync(file).map_err(io::Error::from)
    }
}

/// Where the segment that begins with `first` lies.
pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.seg"))
}

/// Makes an empty segment of `size` bytes; a leftover of the same name held no record.
pub(super) fn create(dir: &Path, first: u64, size: u64, medium: &dyn Medium) -> io::Result<File> {
    let path = path(dir, first);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
    let mut head = [0; HEAD as usize];
    head[..8].copy_from_slice(MAGIC);
    head[8..].copy_from_slice(&first.to_le_bytes());
    medium.reserve(&file, size).and_then(|()| medium.write(&file, &head, 0)).inspect_err(|_| {
        // Half a reservation would keep the disk full.
        let _ = fs::remove_file(&path);
    })?;
    Ok(file)
}

/// Where and why reading of a segment ended early.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub offset: u64,
    pub why: String,
    /// An interrupted last write, nothing behind it.
    pub torn: bool,
}

/// What a segment holds.
#[derive(Debug)]
pub(super) struct Scan {
    pub file: File,
    /// From the file's name.
    pub first: u64,
    /// Records with the offset and length of their bodies.
    pub records: Vec<(u64, u32, Record)>,
    /// End of the last good frame.
    pub end: u64,
    /// Bytes of the file.
    pub size: u64,
    pub fault: Option<Fault>,
}

/// First ids of the segments in `dir`, ascending. Other files are left alone.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut firsts: Vec<u64> = fs::read_dir(dir)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".seg")?.parse().ok())
        .collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// Reads the whole segment that begins with `first`.
pub(super) fn scan(dir: &Path, first: u64) -> io::Result<Scan> {
    let path = path(dir, first);
    let bytes = fs::read(&path)?;
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let mut scan = Scan { file, first, records: Vec::new(), end: HEAD, size: bytes.len() as u64, fault: None };
    let fault = |offset: usize, why: String, torn| Some(Fault { offset: offset as u64, why, torn });
    if bytes.get(..8) != Some(MAGIC) || bytes.get(8..HEAD as usize) != Some(first.to_le_bytes().as_slice()) {
        // A process killed between creating and writing leaves nothing but zeroes.
        let torn = bytes.iter().all(|b| *b == 0);
        scan.fault = fault(0, "the head is not that of a segment".to_owned(), torn);
        scan.end = 0;
        return Ok(scan);
    }
    let mut last = first.saturating_sub(1);
    loop {
        let at = scan.end as usize;
        let rest = bytes.get(at..).unwrap_or_default();
        match record::unframe(rest) {
            Frame::End => {
                if rest.iter().any(|b| *b != 0) {
                    scan.fault = fault(at, "a length of zero, and data behind it".to_owned(), false);
                }
                break;
            }
            Frame::Bad { claims, why } => {
                let written = rest.iter().rposition(|b| *b != 0).map_or(0, |n| n + 1);
                scan.fault = fault(at, why.to_string(), written <= claims);
                break;
            }
            Frame::Good(body) => match record::decode(body) {
                Ok(record) if record.id > last => {
                    last = record.id;
                    scan.end += (record::HEAD + body.len()) as u64;
                    scan.records.push(((at + record::HEAD) as u64, body.len() as u32, record));
                }
                Ok(_) => {
                    scan.fault = fault(at, "leftovers of a failed write".to_owned(), true);
                    break;
                }
                Err(why) => {
                    scan.fault = fault(at, why.to_string(), false);
                    break;
                }
            },
        }
    }
    Ok(scan)
}

/// Reads one body again.
pub(super) fn read(file: &File, offset: u64, len: u32) -> io::Result<Record> {
    let at = offset - record::HEAD as u64;
    let mut bytes = vec![0; record::HEAD + len as usize];
    file.read_exact_at(&mut bytes, at)?;
    let damaged = |why: record::Malformed| io::Error::new(io::ErrorKind::InvalidData, why.to_string());
    match record::unframe(&bytes) {
        Frame::Good(body) => record::decode(body).map_err(damaged),
        Frame::Bad { why, .. } => Err(damaged(why)),
        Frame::End => Err(damaged(record::Malformed::Short)),
    }
}
