//! [`Quarantine`]: plugins that are left out because the server crashed in them. [`crate::app`]'s signal handler appends
//! a line to `run/crashes` when a plugin was in charge; two of one plugin within ten minutes put it on the list.
//!
//! Order at a start: [`Quarantine::read`], and only then the signal handler, which keeps the file open that is replaced
//! here. The list (`run/quarantine`) stays until the plugin is enabled by hand: a crash is nothing time heals.
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Two crashes of a plugin within this time.
const WINDOW_MS: u64 = 600_000;

/// See the file's head.
#[derive(Clone, Debug)]
pub struct Quarantine {
    file: PathBuf,
    held: BTreeMap<String, Crash>,
}

/// A line of `run/crashes`: `<unix ms> <plugin> <handler>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Unix time, ms.
    pub at: u64,
    /// What the plugin did: `observe b-t-f*`.
    pub handler: String,
}

impl Quarantine {
    /// Reads the list and the crashes since the last start; `now` is Unix time in ms. Who crashed twice is put on the
    /// list, and the log says so. Whether the list is obeyed is the caller's: `--no-quarantine`, `plugins.quarantine`.
    ///
    /// # Errors
    /// A file that is there and cannot be read, or one that cannot be written.
    pub fn read(run: &Path, now: u64) -> io::Result<Self> {
        let (file, crashes) = (run.join("quarantine"), run.join("crashes"));
        let held = lines(&text(&file)?).map(|(name, crash)| (name.to_owned(), crash)).collect();
        let mut quarantine = Self { file, held };
        let said = text(&crashes)?;
        let mut kept: Vec<(&str, Crash)> = Vec::new();
        let mut changed = false;
        for (name, crash) in lines(&said) {
            let twice = kept.iter().position(|(n, before)| *n == name && before.at.abs_diff(crash.at) <= WINDOW_MS);
            if twice.is_some() {
                tracing::error!(
                    event = "plugin.quarantined",
                    plugin = name,
                    handler = crash.handler,
                    "two crashes in it"
                );
                // When it is enabled again it starts with a clean slate.
                kept.retain(|(n, _)| *n != name);
                quarantine.held.insert(name.to_owned(), crash);
                changed = true;
            } else {
                kept.push((name, crash));
            }
        }
        // A crash long ago, or in a future the clock came back from, has no second one any more.
        kept.retain(|(_, crash)| crash.at.abs_diff(now) <= WINDOW_MS);
        if changed {
            quarantine.write()?;
        }
        let rest: String = kept.iter().map(|(name, crash)| line(name, crash)).collect();
        if rest != said {
            replace(&crashes, &rest)?;
        }
        Ok(quarantine)
    }

    /// Why this plugin is left out and how that ends; None = it is not.
    pub fn reason(&self, name: &str) -> Option<String> {
        let crash = self.held.get(name)?;
        let at =
            OffsetDateTime::from_unix_timestamp((crash.at / 1_000).try_into().ok()?).ok()?.format(&Rfc3339).ok()?;
        Some(format!(
            "{name}: the server crashed in it twice within 10 minutes, last in {} at {at} — fts plugin enable {name} tries it again; fts run --no-quarantine or plugins.quarantine = false loads it all the same",
            crash.handler
        ))
    }

    /// Who is on the list.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.held.keys().map(String::as_str)
    }

    /// Takes a plugin off the list; false = it was not on it.
    ///
    /// # Errors
    /// The list could not be written: it would be back at the next start.
    pub fn lift(&mut self, name: &str) -> io::Result<bool> {
        let Some(crash) = self.held.remove(name) else { return Ok(false) };
        self.write().inspect_err(|_| drop(self.held.insert(name.to_owned(), crash)))?;
        Ok(true)
    }

    fn write(&self) -> io::Result<()> {
        let mut text =
            "# Left out: the server crashed in them twice within 10 minutes. fts plugin enable NAME tries one again.\n\
                        # Last crash, Unix ms; plugin; what it did.\n"
                .to_owned();
        self.held.iter().for_each(|(name, crash)| text += &line(name, crash));
        replace(&self.file, &text)
    }
}

fn text(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// A line that is none, as the last before the power went, is nobody's.
fn lines(text: &str) -> impl Iterator<Item = (&str, Crash)> {
    text.lines().filter_map(|line| {
        let (at, rest) = line.split_once(' ')?;
        let (name, handler) = rest.split_once(' ')?;
        let crash = Crash { at: at.parse().ok()?, handler: handler.to_owned() };
        crate::config::is_plugin_name(name).then_some((name, crash))
    })
}

fn line(name: &str, crash: &Crash) -> String {
    let mut line = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(line, "{} {name} {}", crash.at, crash.handler);
    line
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temp = path.with_extension("tmp");
    let mut file = File::create(&temp)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temp, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn crashes(run: &Path, lines: &[(u64, &str)]) {
        let text: String = lines.iter().map(|(ago, rest)| format!("{} {rest}\n", NOW - ago * 1_000)).collect();
        fs::write(run.join("crashes"), text).unwrap();
    }

    #[test]
    fn two_crashes_within_ten_minutes_and_no_fewer() {
        let dir = tempfile::tempdir().unwrap();
        let read = || Quarantine::read(dir.path(), NOW).unwrap();
        assert_eq!(read().names().count(), 0);
        crashes(dir.path(), &[(300, "kml timer"), (200, "mission observe"), (10, "kml http GET /x")]);
        let mut quarantine = read();
        assert_eq!(quarantine.names().collect::<Vec<_>>(), ["kml"]);
        let reason = quarantine.reason("kml").unwrap();
        assert!(
            reason.starts_with("kml: the server crashed in it twice within 10 minutes, last in http GET /x at 2027-"),
            "{reason}"
        );
        assert!(reason.contains("fts plugin enable kml") && reason.contains("--no-quarantine"), "{reason}");
        assert_eq!(quarantine.reason("mission"), None);
        assert_eq!(read().names().count(), 1, "it stays on the list");
        assert!(quarantine.lift("kml").unwrap() && !quarantine.lift("kml").unwrap());
        assert_eq!(read().names().count(), 0, "and it has a clean slate then");
        // The one crash of mission still counts.
        let mut file = File::options().append(true).open(dir.path().join("crashes")).unwrap();
        writeln!(file, "{NOW} mission observe").unwrap();
        assert_eq!(read().names().collect::<Vec<_>>(), ["mission"]);
    }

    #[test]
    fn what_is_long_ago_or_no_line_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        crashes(dir.path(), &[(5_000, "kml timer"), (4_000, "kml timer"), (700, "kml timer"), (0, "kml timer")]);
        let text = fs::read_to_string(dir.path().join("crashes")).unwrap();
        fs::write(dir.path().join("crashes"), format!("{text}nonsense\n1 Kml x\n99 kml")).unwrap();
        assert_eq!(Quarantine::read(dir.path(), NOW).unwrap().names().count(), 0);
        assert_eq!(fs::read_to_string(dir.path().join("crashes")).unwrap(), format!("{NOW} kml timer\n"));
    }

    #[test]
    fn two_crashes_count_also_when_the_server_was_down_for_long() {
        let dir = tempfile::tempdir().unwrap();
        crashes(dir.path(), &[(90_300, "kml timer"), (90_000, "kml timer"), (89_000, "kml timer")]);
        assert_eq!(Quarantine::read(dir.path(), NOW).unwrap().names().count(), 1);
    }
}
