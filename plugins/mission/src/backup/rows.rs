//! The lines: rows in transactions of a few hundred into a mission that nobody sees ([`Half`]); files when the last line is
//! read, one at a time; then it is whole.
//!
//! What must not happen: a file that is not what its hash says is in a mission; a line as long as somebody likes.
use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, ErrorKind, Read, Write as _},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use fts_plugin_api::{
    params,
    sdk::{Code, Error, FileInfo},
    tracing,
};
use serde_json::Value;

use super::{
    FORM, FileHead, Head, Line,
    half::Half,
    import::{Imported, Wishes},
    tables,
};
use crate::{
    desk::Desk,
    model::{check_name, name_key},
    package::{Kept, unzip::Package},
    refusal::Refusal,
    store::Db,
    work::Work,
};

/// Rows of one transaction.
const AT_ONCE: usize = 500;

/// And bytes of it, more or less.
const BYTES: usize = 8 << 20;
/// A line; the longest row is a snapshot of all folders.
const LONGEST: u64 = 64 << 20;

/// Reads the lines, called so in errors, up to the last.
///
/// # Errors
/// As [`super::import::read`].
pub fn read<'d>(desk: &'d Desk, from: &mut dyn BufRead, what: &str, wishes: &Wishes) -> Result<Load<'d>, Refusal> {
    let mut text = String::new();
    let head = head(line(from, &mut text, what, 1)?)?;
    let copy = wishes.copy.then(|| desk.host.uuid());
    let name = check_name(wishes.name.as_deref().unwrap_or(&head.name))?;
    let mut load = Load {
        copy: copy.is_some(),
        half: Half::new(desk, copy.unwrap_or(head.guid).to_lowercase(), name),
        what: what.to_owned(),
        rows: 0,
        waiting: Vec::new(),
        bytes: 0,
        groups: Vec::new(),
        changes: HashMap::new(),
        file: None,
        files: Vec::new(),
    };
    load.all(from)?;
    Ok(load)
}

/// The next line; "" = there is none.
fn line<'t>(from: &mut dyn BufRead, text: &'t mut String, what: &str, number: u64) -> Result<&'t str, Refusal> {
    text.clear();
    let read = Read::take(from, LONGEST).read_line(text).map_err(|e| match e.kind() {
        // Not UTF-8, or a member of a zip that is damaged.
        ErrorKind::InvalidData => Refusal::Bad(format!("line {number} of {what} cannot be read: {e}")),
        _ => Error::from(e).into(),
    })?;
    if read as u64 == LONGEST && !text.ends_with('\n') {
        return Err(Refusal::Bad(format!("line {number} of {what} is longer than {} MiB", LONGEST >> 20)));
    }
    Ok(text)
}

/// A row that the database does not take is the export's fault.
fn misfit(table: &str, error: Error) -> Refusal {
    match error.code() {
        Code::Constraint => Refusal::Bad(format!("a row of {table} in the export does not fit")),
        _ => error.into(),
    }
}

fn head(line: &str) -> Result<Head, Refusal> {
    let none = "neither a file of fts mission export nor an archive zip of a mission";
    let head: Head = serde_json::from_str(line)
        .map_err(|_| Refusal::Bad(format!("this is no export of a mission: it is {none}")))?;
    if head.fts_mission > FORM {
        let text = format!("the export has the form {}, this server reads {FORM}: update the server", head.fts_mission);
        return Err(Refusal::Bad(text));
    }
    if uuid::Uuid::try_parse(&head.guid).is_err() {
        return Err(Refusal::Bad("this is no export of a mission: it names no guid".into()));
    }
    Ok(head)
}

/// A mission whose lines are read.
pub struct Load<'d> {
    half: Half<'d>,
    /// What the lines are called.
    what: String,
    copy: bool,
    rows: u64,
    waiting: Vec<(&'static tables::Table, Value)>,
    /// Of the lines that wait.
    bytes: usize,
    groups: Vec<Value>,
    /// Old numbers of changes, and their new ones.
    changes: HashMap<i64, i64>,
    file: Option<(FileHead, Work, File)>,
    /// With content of its own, or in a member of the zip.
    files: Vec<(FileHead, Option<Work>)>,
}

impl Load<'_> {
    fn all(&mut self, from: &mut dyn BufRead) -> Result<(), Refusal> {
        let (mut text, mut number, what) = (String::new(), 1_u64, self.what.clone());
        loop {
            number += 1;
            let line = line(from, &mut text, &what, number)?;
            if line.is_empty() {
                return Err(Refusal::Bad(format!("{what} was cut off: its last line is missing")));
            }
            let bad = |e: serde_json::Error| Refusal::Bad(format!("line {number} of {what} cannot be read: {e}"));
            self.bytes += line.len();
            match serde_json::from_str(line).map_err(bad)? {
                Line::Row { t, r } => self.row(&t, r)?,
                Line::File { file } => self.open(file)?,
                Line::Bytes { bytes } => self.bytes(&bytes)?,
                Line::End { end } if end == self.rows && self.half.id != 0 => {
                    self.close();
                    return self.flush();
                }
                Line::End { end } if end == self.rows => {
                    return Err(Refusal::Bad(format!("there is no mission in {what}")));
                }
                Line::End { end } => return Err(Refusal::Bad(format!("{what} has {} rows of {end}", self.rows))),
            }
        }
    }

    fn row(&mut self, table: &str, row: Value) -> Result<(), Refusal> {
        self.rows += 1;
        if !row.is_object() {
            return Err(Refusal::Bad(format!("a row of {table} in {} is no object", self.what)));
        }
        if table == "mission" {
            return self.begin(row);
        }
        if self.half.id == 0 {
            return Err(Refusal::Bad("the mission itself is not in front of its rows".into()));
        }
        match tables::Table::named(table) {
            // A later version may have more.
            None => tracing::warn!(event = "mission.import_left_out", table, "rows of an unknown table are left out"),
            Some(_) if table == "mission_subscription" && self.copy => {}
            Some(_) if table == "mission_group" => self.groups.push(row),
            Some(table) => self.waiting.push((table, row)),
        }
        if self.waiting.len() >= AT_ONCE || self.bytes >= BYTES { self.flush() } else { Ok(()) }
    }

    /// The mission's own row.
    fn begin(&mut self, mut row: Value) -> Result<(), Refusal> {
        if self.half.id != 0 {
            return Err(Refusal::Bad(format!("there are two missions in {}", self.what)));
        }
        row["guid"] = self.half.guid.clone().into();
        row["name"] = self.half.name.clone().into();
        row["name_key"] = name_key(&self.half.name).into();
        row["expiration"] = self.half.expiration(row["expiration"].as_i64().unwrap_or(-1)).into();
        let all_groups = row["all_groups"].take();
        row["all_groups"] = 0.into();
        if all_groups == 1 {
            self.groups.push(serde_json::json!({"all": true}));
        }
        self.half.begin(|w, dup| {
            w.tx.exec(&tables::WRITE_MISSION, params![dup, row.to_string()]).map_err(|e| misfit("mission", e))?;
            Ok(w.tx.number("SELECT last_insert_rowid() AS n", &[])?)
        })
    }

    fn flush(&mut self) -> Result<(), Refusal> {
        let rows = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let (changes, half) = (&mut self.changes, &self.half);
        let (mission, guid, name) = (half.id, &half.guid, &half.name);
        half.desk.write(|w| {
            for (table, mut row) in rows {
                let old = table.change().and_then(|member| row[member].as_i64());
                if table.name == "mission_change" {
                    row["mission_guid"] = guid.clone().into();
                    row["mission_name"] = name.clone().into();
                    row["mission_name_key"] = name_key(name).into();
                }
                let new = old.and_then(|old| changes.get(&old).copied()).unwrap_or(0);
                let json = row.to_string();
                match table.change() {
                    Some(member) if member != "id" => w.tx.exec(&table.write(), params![mission, json, new]),
                    _ => w.tx.exec(&table.write(), params![mission, &json]),
                }
                .map_err(|e| misfit(table.name, e))?;
                if let (Some(old), "mission_change") = (old, table.name) {
                    changes.insert(old, w.tx.number("SELECT last_insert_rowid() AS n", &[])?);
                }
                if let ("mission_uid", Some(uid)) = (table.name, row["uid"].as_str()) {
                    w.moves.came(uid);
                }
                if table.name == "mission_log" {
                    w.tx.exec(tables::LOG_LINK, params![mission, row.to_string()])?;
                }
            }
            Ok(())
        })
    }

    fn open(&mut self, head: FileHead) -> Result<(), Refusal> {
        self.close();
        if head.entry.is_some() {
            self.files.push((head, None));
            return Ok(());
        }
        let work = Work::new(&self.half.desk.host)?;
        let file = File::create_new(work.path()).map_err(Error::from)?;
        self.file = Some((head, work, file));
        Ok(())
    }

    fn bytes(&mut self, text: &str) -> Result<(), Refusal> {
        let bytes = BASE64_STANDARD
            .decode(text)
            .map_err(|e| Refusal::Bad(format!("a piece of a file in {} cannot be read: {e}", self.what)))?;
        let Some((_, _, file)) = &mut self.file else {
            return Err(Refusal::Bad(format!("a piece of a file in {} has no file", self.what)));
        };
        // It is on the disk, not waiting.
        self.bytes = self.bytes.saturating_sub(text.len());
        Ok(file.write_all(&bytes).map_err(Error::from)?)
    }

    fn close(&mut self) {
        if let Some((head, work, _)) = self.file.take() {
            self.files.push((head, Some(work)));
        }
    }

    /// Files, groups, members: now it is there for everybody. `package` = the zip the lines were in.
    ///
    /// # Errors
    /// As [`super::import::read`].
    pub fn finish(mut self, mut package: Option<&mut Package>) -> Result<Imported, Refusal> {
        let all_groups = self.groups.iter().any(|g| g["all"] == true);
        let groups: Vec<String> =
            self.groups.iter().filter_map(|g| g["group_name"].as_str()).map(str::to_owned).collect();
        let mut kept = Kept::new(self.half.desk);
        for (head, work) in std::mem::take(&mut self.files) {
            self.store(head, work, package.as_deref_mut(), &groups, &mut kept)?;
        }
        let mission = self.half.finish(all_groups, groups)?;
        kept.settle(&mission)?;
        Ok(Imported { mission, notes: std::mem::take(&mut self.half.notes) })
    }

    fn store(
        &self,
        head: FileHead,
        work: Option<Work>,
        package: Option<&mut Package>,
        groups: &[String],
        kept: &mut Kept<'_>,
    ) -> Result<(), Refusal> {
        let host = &self.half.desk.host;
        if host.files().get(&head.sha256)?.is_some() {
            return Ok(());
        }
        let entry = head.entry.unwrap_or_default();
        let work = match (work, package) {
            (Some(work), _) => work,
            (None, Some(package)) => {
                let missing = || Refusal::Bad(format!("{entry:?}, named in {}, is not in the zip", self.what));
                let at = package.find(&entry).ok_or_else(missing)?;
                let work = Work::new(host)?;
                package.copy(at, u64::MAX, &mut File::create_new(work.path()).map_err(Error::from)?)?;
                work
            }
            (None, None) => {
                return Err(Refusal::Bad(format!("{entry:?} is named in {}, and this is no zip", self.what)));
            }
        };
        let info = FileInfo {
            name: head.name,
            file_name: head.file_name,
            uid: head.uid,
            content_type: head.content_type,
            keywords: head.keywords,
            tool: head.tool,
            creator_uid: head.creator_uid,
            expiration: head.expiration,
            groups: groups.to_vec(),
            ..FileInfo::default()
        };
        let stored = kept.put(info, &work)?;
        if stored.sha256 != head.sha256 {
            let place = if entry.is_empty() { self.what.clone() } else { format!("{entry:?}") };
            return Err(Refusal::Bad(format!("the file {} in {place} is damaged", head.sha256)));
        }
        Ok(())
    }
}
