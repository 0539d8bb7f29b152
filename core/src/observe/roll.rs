//! [`Roll`]: a log file that is renamed when it is full: fts.log, fts.log.1, … newest first.
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

/// See the file's head.
pub struct Roll {
    path: PathBuf,
    max_size: u64,
    max_files: usize,
    open: Mutex<Option<(File, u64)>>,
}

impl Roll {
    /// Opens for appending; makes the directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path, max_size: u64, max_files: usize) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let open = Mutex::new(Some(append(path)?));
        Ok(Self { path: path.to_owned(), max_size, max_files, open })
    }

    /// Appends one line. A full disk costs the line, not the server.
    pub fn write(&self, line: &[u8]) {
        let mut open = self.open.lock();
        if let Some((_, size)) = &*open
            && self.max_size > 0
            && *size + line.len() as u64 > self.max_size
        {
            *open = None;
            self.shift();
        }
        if open.is_none() {
            *open = append(&self.path).ok();
        }
        if let Some((file, size)) = &mut *open
            && file.write_all(line).is_ok()
        {
            *size += line.len() as u64;
        }
    }

    /// Opens the file anew, after somebody else renamed it.
    pub fn reopen(&self) {
        *self.open.lock() = append(&self.path).ok();
    }

    fn shift(&self) {
        let numbered =
            |n: usize| if n == 0 { self.path.clone() } else { PathBuf::from(format!("{}.{n}", self.path.display())) };
        for n in (0..self.max_files).rev() {
            let _ = fs::rename(numbered(n), numbered(n + 1));
        }
        if self.max_files == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn append(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options().create(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_files_are_renamed_and_only_so_many_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/fts.log");
        let roll = Roll::open(&path, 10, 2).unwrap();
        for n in 0..5 {
            roll.write(format!("line {n}\n").as_bytes());
        }
        let read = |name: &str| fs::read_to_string(dir.path().join("logs").join(name)).unwrap();
        assert_eq!(
            (read("fts.log"), read("fts.log.1"), read("fts.log.2")),
            ("line 4\n".into(), "line 3\n".into(), "line 2\n".into())
        );
        assert!(!dir.path().join("logs/fts.log.3").exists());
    }
}
