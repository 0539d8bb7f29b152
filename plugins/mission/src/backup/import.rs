//! Reading: rows in transactions of a few hundred, into a mission that is in no group and so visible to nobody but an
//! administrator; the last transaction puts it into its groups. What cannot be read to its end is taken back.
use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, Write as _},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use fts_plugin_api::{
    params,
    sdk::{Code, Error, FileInfo},
    tracing,
};
use serde_json::Value;

use super::{FORM, FileHead, Head, Line, tables};
use crate::{
    desk::Desk,
    model::{Mission, check_name, name_key},
    refusal::Refusal,
    store::{Db, missions, subscriptions},
    work::Work,
    write::After,
};

/// Rows of one transaction.
const AT_ONCE: usize = 500;

/// What is to be different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Another name.
    pub name: Option<String>,
    /// A guid of its own: the one that was exported goes on elsewhere. Nobody is a member then.
    pub copy: bool,
}

/// Reads a mission; it must not be there.
///
/// # Errors
/// 400 for what is no export, or not a whole one; 409 when the mission is there; the database, the disk.
pub fn read(desk: &Desk, from: &mut dyn BufRead, wishes: &Wishes) -> Result<Mission, Refusal> {
    let head = head(from)?;
    let copy = wishes.copy.then(|| desk.host.uuid());
    let mut load = Load {
        desk,
        guid: copy.clone().unwrap_or(head.guid).to_lowercase(),
        copy: copy.is_some(),
        mission: 0,
        ..Load::new(desk)
    };
    load.name = check_name(wishes.name.as_deref().unwrap_or(&head.name))?;
    match load.all(from) {
        Ok(mission) => Ok(mission),
        Err(refusal) => {
            load.take_back();
            Err(refusal)
        }
    }
}

/// A row that the database does not take is the export's fault.
fn misfit(table: &str, error: Error) -> Refusal {
    match error.code() {
        Code::Constraint => Refusal::Bad(format!("a row of {table} in the export does not fit")),
        _ => error.into(),
    }
}

fn head(from: &mut dyn BufRead) -> Result<Head, Refusal> {
    let mut line = String::new();
    from.read_line(&mut line).map_err(Error::from)?;
    let head: Head = serde_json::from_str(&line).map_err(|_| Refusal::Bad("this is no export of a mission".into()))?;
    if head.fts_mission > FORM {
        let text = format!("the export has the form {}, this server reads {FORM}: update the server", head.fts_mission);
        return Err(Refusal::Bad(text));
    }
    if uuid::Uuid::try_parse(&head.guid).is_err() {
        return Err(Refusal::Bad("this is no export of a mission: it names no guid".into()));
    }
    Ok(head)
}

struct Load<'d> {
    desk: &'d Desk,
    guid: String,
    name: String,
    copy: bool,
    mission: i64,
    rows: u64,
    waiting: Vec<(&'static tables::Table, Value)>,
    groups: Vec<Value>,
    /// Old numbers of changes, and their new ones.
    changes: HashMap<i64, i64>,
    file: Option<(FileHead, Work, File)>,
    files: Vec<(FileHead, Work)>,
}

impl<'d> Load<'d> {
    fn new(desk: &'d Desk) -> Self {
        Self {
            desk,
            guid: String::new(),
            name: String::new(),
            copy: false,
            mission: 0,
            rows: 0,
            waiting: Vec::new(),
            groups: Vec::new(),
            changes: HashMap::new(),
            file: None,
            files: Vec::new(),
        }
    }

    fn all(&mut self, from: &mut dyn BufRead) -> Result<Mission, Refusal> {
        let (mut text, mut number) = (String::new(), 1_u64);
        loop {
            text.clear();
            number += 1;
            if from.read_line(&mut text).map_err(Error::from)? == 0 {
                return Err(Refusal::Bad("the export was cut off: its last line is missing".into()));
            }
            let bad = |e: serde_json::Error| Refusal::Bad(format!("line {number} of the export cannot be read: {e}"));
            match serde_json::from_str(&text).map_err(bad)? {
                Line::Row { t, r } => self.row(&t, r)?,
                Line::File { file } => self.open(file)?,
                Line::Bytes { bytes } => self.bytes(&bytes)?,
                Line::End { end } if end == self.rows => return self.finish(),
                Line::End { end } => {
                    return Err(Refusal::Bad(format!("the export has {} rows of {end}", self.rows)));
                }
            }
        }
    }

    fn row(&mut self, table: &str, row: Value) -> Result<(), Refusal> {
        self.rows += 1;
        if !row.is_object() {
            return Err(Refusal::Bad(format!("a row of {table} in the export is no object")));
        }
        if table == "mission" {
            return self.begin(row);
        }
        if self.mission == 0 {
            return Err(Refusal::Bad("the mission itself is not in front of its rows".into()));
        }
        match tables::Table::named(table) {
            // A later version may have more.
            None => tracing::warn!(event = "mission.import_left_out", table, "rows of an unknown table are left out"),
            Some(_) if table == "mission_subscription" && self.copy => {}
            Some(_) if table == "mission_group" => self.groups.push(row),
            Some(table) => self.waiting.push((table, row)),
        }
        if self.waiting.len() >= AT_ONCE { self.flush() } else { Ok(()) }
    }

    /// The mission's own row.
    fn begin(&mut self, mut row: Value) -> Result<(), Refusal> {
        if self.mission != 0 {
            return Err(Refusal::Bad("there are two missions in the export".into()));
        }
        let (guid, name) = (self.guid.clone(), self.name.clone());
        row["guid"] = guid.clone().into();
        row["name"] = name.clone().into();
        row["name_key"] = name_key(&name).into();
        self.mission = self.desk.write(|w| {
            if missions::by_guid(w.tx, &guid)?.is_some() {
                return Err(Refusal::Conflict(format!(
                    "the mission {guid} is there already; delete it first, or import a copy of it (--copy, copy=true)"
                )));
            }
            let dup = !missions::by_name(w.tx, &name)?.is_empty();
            let all_groups = row["all_groups"].take();
            row["all_groups"] = 0.into();
            if all_groups == 1 {
                self.groups.push(serde_json::json!({"all": true}));
            }
            w.tx.exec(&tables::WRITE_MISSION, params![dup, row.to_string()]).map_err(|e| misfit("mission", e))?;
            Ok(w.tx.number("SELECT last_insert_rowid() AS n", &[])?)
        })?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Refusal> {
        let rows = std::mem::take(&mut self.waiting);
        let (mission, changes, guid, name) = (self.mission, &mut self.changes, &self.guid, &self.name);
        self.desk.write(|w| {
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
                if table.name == "mission_log" {
                    w.tx.exec(tables::LOG_LINK, params![mission, row.to_string()])?;
                }
            }
            Ok(())
        })
    }

    fn open(&mut self, head: FileHead) -> Result<(), Refusal> {
        self.close();
        let work = Work::new(&self.desk.host)?;
        let file = File::create(work.path()).map_err(Error::from)?;
        self.file = Some((head, work, file));
        Ok(())
    }

    fn bytes(&mut self, text: &str) -> Result<(), Refusal> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|e| Refusal::Bad(format!("a file in the export: {e}")))?;
        let Some((_, _, file)) = &mut self.file else {
            return Err(Refusal::Bad("a piece of a file has no file".into()));
        };
        Ok(file.write_all(&bytes).map_err(Error::from)?)
    }

    fn close(&mut self) {
        if let Some((head, work, _)) = self.file.take() {
            self.files.push((head, work));
        }
    }

    /// Files, groups, members: now it is there for everybody.
    fn finish(&mut self) -> Result<Mission, Refusal> {
        if self.mission == 0 {
            return Err(Refusal::Bad("there is no mission in the export".into()));
        }
        self.flush()?;
        self.close();
        let all_groups = self.groups.iter().any(|g| g["all"] == true);
        let groups: Vec<String> =
            self.groups.iter().filter_map(|g| g["group_name"].as_str()).map(str::to_owned).collect();
        self.store_files(&groups)?;
        let id = self.mission;
        self.desk.write(|w| {
            let none = || Refusal::Gone("the mission was deleted while it was imported".into());
            let mission = missions::by_id(w.tx, id)?.ok_or_else(none)?;
            let mission = Mission { all_groups, groups, ..mission };
            missions::update(w.tx, &mission)?;
            missions::set_groups(w.tx, id, &mission.groups)?;
            w.then(After::Open(id, mission.guid.clone(), mission.name.clone()));
            for row in subscriptions::of_mission(w.tx, id)? {
                w.then(After::Admit(mission.guid.clone(), row));
            }
            w.then(After::Feeds);
            Ok(mission)
        })
    }

    fn store_files(&mut self, groups: &[String]) -> Result<(), Refusal> {
        for (head, work) in std::mem::take(&mut self.files) {
            if self.desk.host.files().get(&head.sha256)?.is_some() {
                continue;
            }
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
            let stored = self.desk.host.files().put_file(info, work.relative())?;
            if stored.sha256 != head.sha256 {
                return Err(Refusal::Bad(format!("the file {} in the export is damaged", head.sha256)));
            }
        }
        Ok(())
    }

    /// Nobody saw it, so nobody is told; what refers to it goes with it, the rest with the sweep.
    fn take_back(&self) {
        if self.mission == 0 {
            return;
        }
        let gone = self.desk.write(|w| {
            w.tx.exec("DELETE FROM mission_change WHERE mission_id = ?1", params![self.mission])?;
            Ok(missions::delete(w.tx, self.mission)?)
        });
        if let Err(refusal) = gone {
            tracing::error!(event = "mission.undone", mission = %self.guid, "half of an import stays: {refusal}");
        }
    }
}
