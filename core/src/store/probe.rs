//! [`Probe`]: can the database be written? `/readyz` asks (operations.md 6.3, 13 line 13). Nothing is written while nobody
//! asks, and no more often than once a second however many do.
//!
//! Order: the file is still the one that is open, its directory takes a file (SQLite's open handles would not notice the
//! loss of that for hours), a row is committed. Everything here blocks; one look at a time, and one that hangs is itself
//! the finding. What must not happen: ready is said of a server that can keep nothing.
use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{database::Database, rows::Value};
use crate::observe::clock;

/// A finding is good for so long.
const FRESH: Duration = Duration::from_secs(1);
/// A look that takes longer is a database that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the file's head.
pub struct Probe {
    db: Database,
    /// Device and number of the file at the start.
    file: Option<(u64, u64)>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// A look that is under way.
    begun: Option<Instant>,
    at: Option<Instant>,
    wrong: Option<String>,
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    fs::metadata(path).map(|m| (m.dev(), m.ino()))
}

impl Probe {
    /// Of this database, which has just been opened.
    pub fn new(db: Database) -> Self {
        let file = identity(db.path()).ok();
        Self { db, file, seen: Mutex::default() }
    }

    /// Looks, unless somebody has just now or still does.
    pub fn look(&self) {
        {
            let mut seen = self.seen.lock();
            if seen.begun.is_some() || seen.at.is_some_and(|at| at.elapsed() < FRESH) {
                return;
            }
            seen.begun = Some(Instant::now());
        }
        let wrong = self.wrong();
        let mut seen = self.seen.lock();
        if let Some(what) = wrong.as_ref().filter(|_| seen.wrong.is_none()) {
            tracing::error!(event = "db.unwritable", error = what.as_str(), "the database cannot be written");
        } else if wrong.is_none() && seen.wrong.is_some() {
            tracing::info!(event = "db.writable", "the database can be written again");
        }
        *seen = Seen { begun: None, at: Some(Instant::now()), wrong };
    }

    /// What the last look came to; nothing is looked at here.
    ///
    /// # Errors
    /// Why nothing can be kept, for people.
    pub fn check(&self) -> Result<(), String> {
        let seen = self.seen.lock();
        if let Some(since) = seen.begun.map(|at| at.elapsed()).filter(|age| *age > PATIENCE) {
            return Err(format!("the database has not answered for {} s", since.as_secs()));
        }
        seen.wrong.clone().map_or(Ok(()), Err)
    }

    fn wrong(&self) -> Option<String> {
        let path = self.db.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match identity(path) {
            Err(error) => return Some(format!("{name}: {error}; the file must be where it was at the start")),
            Ok(found) if Some(found) != self.file => {
                return Some(format!("{name} is another file than the one that is open; restart the server"));
            }
            Ok(_) => {}
        }
        if let Err(error) = beside(path.parent().unwrap_or(Path::new("."))) {
            return Some(format!("the directory of {name} takes no file: {error}"));
        }
        let sql =
            "INSERT INTO kv (key, value) VALUES ('probe', ?1) ON CONFLICT(key) DO UPDATE SET value = excluded.value";
        self.db.exec(sql, &[Value::Text(clock::now_ms().to_string())]).err().map(|error| error.to_string())
    }
}

/// A file in this directory, with something in it, and gone again.
fn beside(dir: &Path) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".probe-").tempfile_in(dir)?;
    file.write_all(b"x")?;
    file.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{core, database::Options};

    fn looked(probe: &Probe) -> Result<(), String> {
        probe.seen.lock().at = None;
        probe.look();
        probe.check()
    }

    #[test]
    fn op13_13_a_file_that_is_gone_or_another_is_told_and_so_is_its_return() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fts.db");
        let db = Database::open(&path, Options::default()).unwrap();
        db.migrate(core::MIGRATIONS).unwrap();
        let probe = Probe::new(db.clone());
        assert_eq!(looked(&probe), Ok(()));
        let away = dir.path().join("away");
        fs::rename(&path, &away).unwrap();
        assert!(looked(&probe).unwrap_err().starts_with("fts.db: "));
        fs::write(&path, "something else").unwrap();
        assert!(looked(&probe).unwrap_err().contains("another file"));
        fs::rename(&away, &path).unwrap();
        assert_eq!(looked(&probe), Ok(()));
        assert!(
            fs::read_dir(dir.path()).unwrap().flatten().all(|e| !e.file_name().to_string_lossy().contains("probe"))
        );
        db.close().unwrap();
        assert!(looked(&probe).is_err(), "nobody writes to a database that is closed");
    }

    #[test]
    fn one_look_a_second_and_one_that_hangs_is_the_finding() {
        let probe = Probe::new(core::temporary().unwrap());
        probe.look();
        let first = probe.seen.lock().at;
        probe.look();
        assert!(first.is_some() && probe.seen.lock().at == first);
        let long = Instant::now().checked_sub(PATIENCE + Duration::from_secs(2)).unwrap();
        probe.seen.lock().begun = Some(long);
        probe.look();
        assert!(probe.check().unwrap_err().contains("not answered"));
    }
}
