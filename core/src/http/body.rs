//! [`Body`]: the body of a request, whole before a handler sees it: in memory up to a limit, then in a temporary file
//! that goes when the body goes; hashed on the way. `receive` takes it from `arrive`: length first (413 without reading),
//! then piece by piece under the limit and a minimum rate. No slot of a plugin is taken meanwhile, so a slow sender costs
//! a connection and nothing else (DECISIONS 91).
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use super::arrive::Arriving;

/// What a listener takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Longest body in bytes; longer is 413.
    pub max: u64,
    /// Bytes kept in memory; a longer body goes to a file.
    pub memory: usize,
    /// Bytes per second a sender must reach in every window; slower is 408.
    pub min_rate: u64,
    /// Over which the rate is averaged.
    pub window: Duration,
    /// Where the files are made (0600). Whoever owns the directory empties it at start: a crash leaves them.
    pub dir: PathBuf,
}

impl BodyLimits {
    /// 1 MiB in memory, 1 KiB/s over 30 s (plugins.md 1.2).
    pub fn new(max: u64, dir: PathBuf) -> Self {
        Self { max, memory: 1 << 20, min_rate: 1024, window: Duration::from_secs(30), dir }
    }
}

/// A received body.
#[derive(Debug)]
pub struct Body {
    kept: Kept,
    len: u64,
    sha256: [u8; 32],
}

#[derive(Debug)]
enum Kept {
    Memory {
        bytes: Bytes,
        at: usize,
    },
    /// The descriptor is the one for reading; the path goes with it.
    File(NamedTempFile),
}

/// More bytes than the handler wanted to have in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body has {len} bytes, at most {limit} are taken here")]
pub struct BodyTooLong {
    /// Bytes of the body.
    pub len: u64,
    /// What the handler asked for.
    pub limit: u64,
}

impl Body {
    /// Bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// SHA-256 of the body.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The file, where it went to one. It is deleted with the body.
    pub fn path(&self) -> Option<&Path> {
        match &self.kept {
            Kept::Memory { .. } => None,
            Kept::File(file) => Some(file.path()),
        }
    }

    /// Makes sure that it is in a file: a body in memory is written into `dir`, under a name of its own that goes with
    /// the body. Where it is.
    ///
    /// # Errors
    /// What writing says; the body stays as it was.
    pub fn spool(&mut self, dir: &Path) -> io::Result<&Path> {
        if let Kept::Memory { bytes, at } = &self.kept {
            let mut file = tempfile::Builder::new().prefix("body-").tempfile_in(dir)?;
            file.write_all(bytes)?;
            file.seek(SeekFrom::Start(*at as u64))?;
            self.kept = Kept::File(file);
        }
        self.path().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What is in the file is on the disk; nothing to do for a body in memory.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> io::Result<()> {
        match &self.kept {
            Kept::Memory { .. } => Ok(()),
            Kept::File(file) => file.as_file().sync_all(),
        }
    }

    /// Gives it its place for good: a file is renamed (same file system as [`BodyLimits::dir`]), a body in memory is
    /// written beside its place first. What was there is replaced in one step. Whoever needs it on the disk before it
    /// has that name calls [`Body::spool`] and [`Body::sync`] first.
    ///
    /// # Errors
    /// What the system says; then there is no file at that place and the body is gone.
    pub fn persist(mut self, to: &Path) -> io::Result<()> {
        self.spool(to.parent().unwrap_or(Path::new(".")))?;
        match self.kept {
            Kept::Memory { .. } => Err(io::ErrorKind::NotFound.into()),
            Kept::File(file) => file.persist(to).map(|_| ()).map_err(|e| e.error),
        }
    }

    /// The whole of it, wherever [`Body::read`] is.
    ///
    /// # Errors
    /// [`BodyTooLong`] over `limit`, as an [`io::Error`] of kind `FileTooLarge`; what reading the file says.
    pub fn bytes(&self, limit: u64) -> io::Result<Bytes> {
        if self.len > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, BodyTooLong { len: self.len, limit }));
        }
        match &self.kept {
            Kept::Memory { bytes, .. } => Ok(bytes.clone()),
            Kept::File(file) => {
                let mut whole = vec![0; self.len as usize];
                std::os::unix::fs::FileExt::read_exact_at(file.as_file(), &mut whole, 0)?;
                Ok(whole.into())
            }
        }
    }

    /// The next bytes, from the start of the body on; 0 at its end.
    ///
    /// # Errors
    /// What reading the file says.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.kept {
            Kept::Memory { bytes, at } => {
                let n = into.len().min(bytes.len() - *at);
                into[..n].copy_from_slice(&bytes[*at..*at + n]);
                *at += n;
                Ok(n)
            }
            Kept::File(file) => file.as_file_mut().read(into),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest::digest(&digest::SHA256, &bytes).as_ref());
        Self { len: bytes.len() as u64, sha256, kept: Kept::Memory { bytes, at: 0 } }
    }
}

/// Why a body was not received.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is longer than {max} bytes")]
    TooLong { max: u64 },
    #[error("the body came slower than {min_rate} bytes per second")]
    Slow { min_rate: u64 },
    #[error("the body broke off: {0}")]
    Broken(String),
    #[error("the form cannot be read: {0}")]
    Form(String),
    #[error("there is no file in the form")]
    NoFile,
    #[error("the server cannot store the body: {0}")]
    Disk(#[from] io::Error),
}

/// Receives all of it, at most `max` bytes and never more than the listener takes.
pub(super) async fn receive(mut arriving: Arriving<'_>, limits: &BodyLimits, max: u64) -> Result<Body, BodyError> {
    let mut taken = Taken::new(limits, max);
    while let Some(piece) = arriving.next().await? {
        taken.take(&piece).await?;
    }
    taken.whole().await
}

/// A body being received: what has come of it, in memory or in its file, and the hash so far.
pub(super) struct Taken<'a> {
    limits: &'a BodyLimits,
    max: u64,
    hash: digest::Context,
    memory: BytesMut,
    file: Option<Spooled>,
    len: u64,
}

impl<'a> Taken<'a> {
    /// Nothing yet; at most `max` bytes.
    pub fn new(limits: &'a BodyLimits, max: u64) -> Self {
        let (hash, memory) = (digest::Context::new(&digest::SHA256), BytesMut::new());
        Self { limits, max, hash, memory, file: None, len: 0 }
    }

    /// The next piece.
    ///
    /// # Errors
    /// It is one too much, or it cannot be written.
    pub async fn take(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        self.len += piece.len() as u64;
        if self.len > self.max {
            return Err(BodyError::TooLong { max: self.max });
        }
        self.hash.update(piece);
        match &mut self.file {
            None if self.memory.len() + piece.len() <= self.limits.memory => self.memory.extend_from_slice(piece),
            None => {
                let mut made = Spooled::make(&self.limits.dir).await?;
                made.write.write_all(&std::mem::take(&mut self.memory)).await?;
                made.write.write_all(piece).await?;
                self.file = Some(made);
            }
            Some(file) => file.write.write_all(piece).await?,
        }
        Ok(())
    }

    /// That was all.
    ///
    /// # Errors
    /// The rest cannot be written.
    pub async fn whole(self) -> Result<Body, BodyError> {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.hash.finish().as_ref());
        let kept = match self.file {
            None => Kept::Memory { bytes: self.memory.freeze(), at: 0 },
            Some(mut file) => {
                file.write.flush().await?;
                Kept::File(file.named)
            }
        };
        Ok(Body { kept, len: self.len, sha256 })
    }
}

/// Bytes on their way from the connection to the disk.
const BUFFER: usize = 256 * 1024;

/// A file on its way: `write` has its own position, so the other one reads from the start.
struct Spooled {
    named: NamedTempFile,
    write: tokio::fs::File,
}

impl Spooled {
    async fn make(dir: &Path) -> io::Result<Self> {
        let dir = dir.to_owned();
        let make = move || -> io::Result<(NamedTempFile, File)> {
            let named = tempfile::Builder::new().prefix("body-").tempfile_in(dir)?;
            let write = named.reopen()?;
            Ok((named, write))
        };
        let (named, write) = tokio::task::spawn_blocking(make).await.map_err(io::Error::other)??;
        let mut write = tokio::fs::File::from_std(write);
        // Its own measure is 2 MiB for each upload.
        write.set_max_buf_size(BUFFER);
        Ok(Self { named, write })
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
