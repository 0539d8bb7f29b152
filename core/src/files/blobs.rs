//! [`Blobs`]: the contents on disk: `<dir>/<ab>/<cd>/<sha256>`, and `<dir>/tmp` for what is under way.
//!
//! Order of a write: the temporary file is whole and on disk (fsync), it is renamed to its name, the directories are
//! fsynced; only then may a row speak of it. So a name in `ab/cd` always is a whole file, whenever the process dies.
//! Opening empties `tmp`. No path here is made of anything but a [`Hash`].
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use tempfile::NamedTempFile;

use super::hash::Hash;
use crate::http::body::Body;

/// Bytes read at once.
const PIECE: usize = 128 * 1024;

/// See the file's head.
#[derive(Debug)]
pub(super) struct Blobs {
    dir: PathBuf,
}

impl Blobs {
    /// In this directory; what a crash left in `tmp` goes. How many leftovers there were.
    pub fn open(dir: &Path) -> io::Result<(Self, usize)> {
        let blobs = Self { dir: dir.to_owned() };
        fs::create_dir_all(blobs.tmp())?;
        let mut left = 0;
        for entry in fs::read_dir(blobs.tmp())? {
            let path = entry?.path();
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone?;
            left += 1;
        }
        Ok((blobs, left))
    }

    pub fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// Where the content of a hash lies, if it is there.
    pub fn path(&self, hash: &Hash) -> PathBuf {
        let name = hash.as_str();
        self.dir.join(&name[..2]).join(&name[2..4]).join(name)
    }

    /// A body as a file in `tmp`, whole and on disk. Nothing is copied if it lies there already.
    pub fn staged(&self, mut body: Body) -> io::Result<Staged> {
        let tmp = self.tmp();
        // In memory it goes there now; a file lies where its listener spools, and that may be another disk.
        if body.spool(&tmp)?.parent() != Some(&tmp) {
            let mut from = File::open(body.spool(&tmp)?)?;
            return self.copied(&mut from).map(|(staged, _, _)| staged);
        }
        body.sync()?;
        Ok(Staged::Body(body))
    }

    /// The same with a file from elsewhere, which stays; its hash and length.
    pub fn copied(&self, from: &mut File) -> io::Result<(Staged, Hash, u64)> {
        let mut file = tempfile::Builder::new().prefix("put-").tempfile_in(self.tmp())?;
        let (hash, len) = pieces(from, |piece| file.write_all(piece))?;
        file.as_file().sync_all()?;
        Ok((Staged::File(file), hash, len))
    }

    /// Gives a staged file its name. Content that is there is replaced by the same content, which heals a damaged one.
    pub fn place(&self, staged: Staged, hash: &Hash) -> io::Result<()> {
        let to = self.path(hash);
        let inner = to.parent().unwrap_or(&self.dir);
        let outer = inner.parent().unwrap_or(&self.dir);
        let new = !inner.is_dir();
        fs::create_dir_all(inner)?;
        match staged {
            Staged::Body(body) => body.persist(&to)?,
            Staged::File(file) => drop(file.persist(&to).map_err(|e| e.error)?),
        }
        sync_dir(inner)?;
        if new {
            sync_dir(outer)?;
            sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// Opens a content and checks its length: a file of another length is damage from outside and counts as missing.
    pub fn open_blob(&self, hash: &Hash, size: u64) -> io::Result<File> {
        let file = File::open(self.path(hash))?;
        match file.metadata()?.len() {
            len if len == size => Ok(file),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Removes a content; one that is not there is no error.
    pub fn remove(&self, hash: &Hash) -> io::Result<()> {
        match fs::remove_file(self.path(hash)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Every content there is. Other names in the directory are nobody's business.
    pub fn all(&self) -> io::Result<Vec<Hash>> {
        let mut all = Vec::new();
        let pair =
            |name: &std::ffi::OsStr| name.len() == 2 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
        for outer in fs::read_dir(&self.dir)?.flatten().filter(|e| pair(&e.file_name())) {
            for inner in fs::read_dir(outer.path())?.flatten().filter(|e| pair(&e.file_name())) {
                let names = fs::read_dir(inner.path())?.flatten().map(|e| e.file_name());
                all.extend(names.filter_map(|n| Hash::parse(n.to_str()?).filter(|h| h.as_str() == n)));
            }
        }
        Ok(all)
    }

    /// Bytes an ordinary process may still write.
    pub fn free(&self) -> io::Result<u64> {
        let about = rustix::fs::statvfs(&self.dir)?;
        Ok(about.f_bavail.saturating_mul(about.f_frsize))
    }
}

/// A whole file in `tmp`, on disk; gone when it is dropped without having been placed.
#[derive(Debug)]
pub(super) enum Staged {
    Body(Body),
    File(NamedTempFile),
}

impl Staged {
    /// For reading, from its start.
    pub fn open(&self) -> io::Result<File> {
        match self {
            Self::Body(body) => File::open(body.path().ok_or(io::ErrorKind::NotFound)?),
            Self::File(file) => file.reopen(),
        }
    }
}

/// What a file really has: hash and length.
pub(crate) fn hash_of(file: &mut File) -> io::Result<(Hash, u64)> {
    pieces(file, |_| Ok(()))
}

fn pieces(from: &mut File, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<(Hash, u64)> {
    let (mut hash, mut len, mut piece) = (digest::Context::new(&digest::SHA256), 0, vec![0; PIECE]);
    loop {
        let n = from.read(&mut piece)?;
        if n == 0 {
            break;
        }
        hash.update(&piece[..n]);
        each(&piece[..n])?;
        len += n as u64;
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    Ok((Hash::of_digest(&sha256), len))
}

/// A rename is on disk when its directory is.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
