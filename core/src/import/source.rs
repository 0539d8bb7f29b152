//! [`Source`]: the databases of an installation (operations.md 2.7, 7.3). Only `MissionRecords.db` must be there; without
//! the others missions come without files or events, and the report says so.
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::Refused;
use crate::store::foreign::{Fields, Foreign};

const MISSIONS: &str = "MissionRecords.db";
const COT: &str = "CoTManagementRecords.db";
const MAIN: &str = "FTSDataBase.db";

/// See the file's head.
pub struct Source {
    /// The folder everything is in.
    pub dir: PathBuf,
    pub missions: Foreign,
    /// Events, the newer form.
    pub cot: Option<Foreign>,
    /// Files, and events as they were kept before.
    pub main: Option<Foreign>,
}

impl Source {
    /// Opens them.
    ///
    /// # Errors
    /// Nothing is there, or it is something else; a database cannot be read.
    pub fn open(from: &Path) -> Result<Self, Refused> {
        let file = if from.is_dir() { from.join(MISSIONS) } else { from.to_owned() };
        let dir = file.parent().map(Path::to_owned).unwrap_or_default();
        if !file.is_file() {
            let why = "is not there: name the folder of the FreeTAKServer (/opt/fts) or its MissionRecords.db";
            return Err(Refused::Source(format!("{} {why}", file.display())));
        }
        let missions = Foreign::open(&file)?;
        if !missions.has("mission")? {
            let other = [COT, MAIN].iter().any(|name| file.file_name() == Some(OsStr::new(name)));
            let why =
                if other { format!("name {MISSIONS}, which is beside it") } else { "it is something else".into() };
            return Err(Refused::Source(format!("{} has no table mission: {why}", file.display())));
        }
        let beside = |name: &str| {
            let path = dir.join(name);
            path.is_file().then(|| Foreign::open(&path)).transpose()
        };
        Ok(Self { cot: beside(COT)?, main: beside(MAIN)?, dir, missions })
    }

    /// What is not there, and what that means.
    pub fn missing(&self) -> Vec<String> {
        let note = |name: &str, what: &str| format!("{} is not there: {what}", self.dir.join(name).display());
        let mut notes = Vec::new();
        if self.main.is_none() {
            notes.push(note(MAIN, "missions come without their files"));
        }
        if self.cot.is_none() {
            notes.push(note(COT, "events are those the other databases have"));
        }
        notes
    }

    /// All rows of a table of missions; none where an older version has no such table.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn all(&self, table: &str) -> Result<Vec<Fields>, Refused> {
        Ok(if self.missions.has(table)? {
            self.missions.query(&format!("SELECT * FROM \"{table}\""), &[])?
        } else {
            Vec::new()
        })
    }

    /// Rows of a mission, in the order they were written.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn of_mission(&self, table: &str, key: &str) -> Result<Vec<Fields>, Refused> {
        Ok(if self.missions.has(table)? {
            self.missions.query(&format!("SELECT * FROM \"{table}\" WHERE mission_uid = ?1 ORDER BY rowid"), &[key])?
        } else {
            Vec::new()
        })
    }
}

/// Text of a column; "" = there is none.
pub fn text<'f>(fields: &'f Fields, column: &str) -> &'f str {
    fields.get(column).and_then(serde_json::Value::as_str).unwrap_or_default()
}
