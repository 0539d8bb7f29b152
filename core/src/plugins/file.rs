//! [`take`]: from a path to a private copy that may be loaded. The file is opened once; who may write it is asked of that
//! descriptor; its bytes are read once, and these are hashed, compared with the pin, looked into ([`super::elf`],
//! [`super::fit`]) and written to `run/plugins/<name>.<generation>.so`. So what was checked is what is loaded, and nobody
//! who replaces the original changes code that runs.
//!
//! Where the data directory is mounted noexec the copy is a memfd. A number of `/proc/self/fd` that is used again would
//! give the old library to dlopen, so it stays open unless [`Taken::discard`] says that nothing was loaded from it.
use std::{
    fmt,
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Read, Write},
    mem::ManuallyDrop,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use fts_plugin_api::abi::Info;
use rustix::{
    fs::{
        Access, AtFlags, CWD, MemfdFlags, SealFlags, StatVfsMountFlags, accessat, fcntl_add_seals, memfd_create,
        statvfs,
    },
    process::geteuid,
};

use super::{
    elf, fit,
    refused::{FileError, Refused},
};

/// Larger files are refused: they are read into memory.
const LIMIT: u64 = 512 << 20;

/// On what terms a file is taken.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// `<data_dir>/run`.
    pub run: &'a Path,
    /// Number of this load; no two loads of one process have the same.
    pub generation: u64,
    /// `sha256` of the plugin's table, small hex digits.
    pub pin: Option<&'a str>,
    /// `server.profile = "secure"`: a pin, or a directory the server cannot write (decision 100).
    pub secure: bool,
}

/// What a file says before it is loaded.
#[derive(Clone)]
pub struct Inspected {
    /// About itself.
    pub info: Info,
    /// For its author.
    pub warnings: Vec<String>,
    /// Small hex digits.
    pub sha256: String,
}

impl fmt::Debug for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, version) = (Info::text(&self.info.name), Info::text(&self.info.version));
        write!(f, "{name} {version} {} {:?}", self.sha256, self.warnings)
    }
}

/// A private copy, ready to be loaded.
#[derive(Debug)]
pub struct Taken {
    /// What to give to dlopen.
    pub path: PathBuf,
    /// What it says.
    pub found: Inspected,
    memfd: ManuallyDrop<Option<OwnedFd>>,
}

impl Taken {
    /// Nothing was loaded from it and nothing will be: removes the copy.
    pub fn discard(self) {
        match ManuallyDrop::into_inner(self.memfd) {
            Some(memfd) => drop(memfd),
            // What is left over goes at the next start.
            None => drop(fs::remove_file(&self.path)),
        }
    }
}

/// Everything that can be known without loading. For `fts plugin check`, too.
///
/// # Errors
/// [`FileError`].
pub fn inspect(bytes: &[u8], name: &str) -> Result<Inspected, FileError> {
    let (info, warnings) = elf::read(bytes, name)
        .and_then(|(info, w)| fit::fit(&info, name).map(|()| (info, w)))
        .map_err(|why| why.of(name))?;
    Ok(Inspected { info, warnings, sha256: hash(bytes) })
}

/// See the file's head.
///
/// # Errors
/// [`FileError`]; then there is no copy.
pub fn take(path: &Path, name: &str, terms: &Terms<'_>) -> Result<Taken, FileError> {
    let (bytes, real) = read(path).map_err(|why| why.of(name))?;
    let found = hash(&bytes);
    let pinned = match terms.pin {
        Some(wanted) if wanted != found => {
            let wanted = wanted.to_owned();
            return Err(Refused::Pin { path: path.to_owned(), plugin: name.to_owned(), found, wanted }.of(name));
        }
        pin => pin.is_some(),
    };
    if terms.secure && !pinned && is_in_reach(&real) {
        return Err(Refused::Unpinned { path: path.to_owned(), plugin: name.to_owned(), found }.of(name));
    }
    let found = inspect(&bytes, name)?;
    let dir = terms.run.join("plugins");
    let copied = copies(&dir).and_then(|noexec| place(&dir, name, terms.generation, &bytes, noexec));
    let (path, memfd) = copied.map_err(|error| Refused::Io { path: dir, error }.of(name))?;
    Ok(Taken { path, found, memfd: ManuallyDrop::new(memfd) })
}

/// Removes the copies an earlier process left; for the start, with the lock of the data directory held.
///
/// # Errors
/// A copy that cannot be removed.
pub fn sweep(run: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(run.join("plugins")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "so") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The bytes of a file that only root and this user can write, and where it really lies.
fn read(path: &Path) -> Result<(Vec<u8>, PathBuf), Refused> {
    let io = |error: io::Error| Refused::Io { path: path.to_owned(), error };
    let real = fs::canonicalize(path).map_err(io)?;
    // A pipe would keep the start waiting.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&real).map_err(io)?;
    let about = file.metadata().map_err(io)?;
    if !about.is_file() {
        return Err(Refused::NoFile(path.to_owned()));
    }
    if about.uid() != 0 && about.uid() != geteuid().as_raw() {
        return Err(Refused::Owner { path: path.to_owned(), owner: about.uid() });
    }
    if about.mode() & 0o002 != 0 {
        return Err(Refused::Writable(real));
    }
    for dir in [path.parent().filter(|d| !d.as_os_str().is_empty()), real.parent()].into_iter().flatten() {
        if fs::metadata(dir).map_err(io)?.mode() & 0o002 != 0 {
            return Err(Refused::Writable(dir.to_owned()));
        }
    }
    if about.len() > LIMIT {
        return Err(Refused::TooLarge { path: path.to_owned(), limit: LIMIT });
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    file.take(LIMIT).read_to_end(&mut bytes).map_err(io)?;
    Ok((bytes, real))
}

/// Could this process exchange the file: write it, or put another in its place or in that of a directory above it?
/// What belongs to its user counts: he can give himself the right.
fn is_in_reach(real: &Path) -> bool {
    real.ancestors().any(|path| {
        let fixed = statvfs(path).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY));
        let own = || fs::metadata(path).is_ok_and(|about| about.uid() == geteuid().as_raw());
        let may = || accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok();
        !fixed && (own() || may())
    })
}

/// Makes the directory of the copies and says whether it is mounted noexec.
fn copies(dir: &Path) -> io::Result<bool> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    Ok(statvfs(dir)?.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

fn place(
    dir: &Path,
    name: &str,
    generation: u64,
    bytes: &[u8],
    noexec: bool,
) -> io::Result<(PathBuf, Option<OwnedFd>)> {
    let file = format!("{name}.{generation}.so");
    if noexec {
        let memfd = memory(&file, bytes)?;
        return Ok((format!("/proc/self/fd/{}", memfd.as_raw_fd()).into(), Some(memfd)));
    }
    let path = dir.join(file);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = File::options().write(true).create_new(true).mode(0o500).open(&path).and_then(|mut copy| {
        copy.write_all(bytes)?;
        copy.set_permissions(Permissions::from_mode(0o500))
    });
    match written {
        Ok(()) => Ok((path, None)),
        Err(error) => {
            drop(fs::remove_file(&path));
            Err(error)
        }
    }
}

fn memory(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know that memory may be executable by wish.
    let memfd = memfd_create(name, flags | MemfdFlags::EXEC).or_else(|_| memfd_create(name, flags))?;
    let mut file = File::from(memfd);
    file.write_all(bytes)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file.into())
}

fn hash(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
