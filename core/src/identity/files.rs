//! Certificate and key files: written whole or not at all, keys readable by the owner only. Each write has a temporary
//! file of its own, so that two at once for the same name both succeed and the later one stays. What a crash left of
//! them may hold a key: it is removed at the next start.
use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use super::ca::CertError;

/// Mode of keys and key stores.
pub const PRIVATE: u32 = 0o600;
/// Mode of certificates.
pub const PUBLIC: u32 = 0o644;
/// End of the names of temporary files.
const TEMP: &str = ".fts-tmp";
/// A temporary file that old belongs to nobody any more: another process may be writing the younger ones.
const LEFT: Duration = Duration::from_secs(600);

fn io(path: &Path) -> impl Fn(std::io::Error) -> CertError + '_ {
    |source| CertError::Io { path: path.to_owned(), source }
}

/// Makes a directory only its owner may enter.
pub fn private_dir(path: &Path) -> Result<(), CertError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io(path))
}

/// A name nobody else uses, beside the file.
fn temporary(path: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}{TEMP}", std::process::id(), NUMBER.fetch_add(1, Relaxed)));
    path.with_file_name(name)
}

/// Temporary file, fsync, rename.
pub fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), CertError> {
    let temp = temporary(path);
    let written = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temp).map_err(io(&temp))?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(io(&temp))?;
        fs::rename(&temp, path).map_err(io(path))
    };
    written().inspect_err(|_| drop(fs::remove_file(&temp)))
}

/// Removes what writes that never ended left in this directory.
pub fn sweep(dir: &Path) {
    let left = |entry: &fs::DirEntry| {
        let age =
            entry.metadata().and_then(|m| m.modified()).ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        entry.file_name().to_string_lossy().ends_with(TEMP) && age.is_some_and(|age| age > LEFT)
    };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten().filter(left) {
        // Tried again at the next start.
        let _ = fs::remove_file(entry.path());
    }
}

/// A text file.
pub fn read(path: &Path) -> Result<String, CertError> {
    fs::read_to_string(path).map_err(io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn many_at_once_for_one_name_all_succeed_and_one_of_them_stays_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alice.zip");
        let at_once = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for n in 0..8_u8 {
                let (path, at_once) = (&path, &at_once);
                scope.spawn(move || {
                    at_once.wait();
                    (0..20).for_each(|_| write(path, &[n; 50_000], PRIVATE).unwrap());
                });
            }
        });
        let stays = fs::read(&path).unwrap();
        assert!(stays.len() == 50_000 && stays.iter().all(|b| *b == stays[0]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        assert_eq!(names(dir.path()), ["alice.zip"]);
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_and_what_a_crash_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let taken = dir.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(write(&taken, b"key", PRIVATE).is_err(), "a directory is no file to replace");
        assert_eq!(names(dir.path()), ["taken"]);
        let left = temporary(&dir.path().join("ca.key"));
        let file = fs::File::create(&left).unwrap();
        sweep(dir.path());
        assert!(left.exists(), "somebody may be writing it");
        file.set_modified(SystemTime::now() - 2 * LEFT).unwrap();
        sweep(dir.path());
        assert_eq!(names(dir.path()), ["taken"]);
    }
}
