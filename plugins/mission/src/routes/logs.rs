//! M-50 to M-55: the log of missions (mission.md 3.8). An entry may be in several missions.
//!
//! Whoever writes, changes or deletes an entry needs MISSION_WRITE in every mission it is in and comes into. Nothing of it
//! is a change; live members get `t-x-m-c-l` and read the log again. What must not happen: an entry names a mission that
//! its reader does not see.
use std::result::Result as StdResult;

use fts_plugin_api::sdk::{DELETE, GET, POST, PUT, Request, Result};

use crate::{
    answer::{self, Answer},
    book::{self, Book},
    caller::Caller,
    desk::Desk,
    edits,
    model::{LogEntry, Mission, Permission, Stamp},
    notice::Notice,
    params,
    refusal::Refusal,
    store::{Db, logs, missions},
    visit::Visit,
    window::Window,
    write::Write,
};

const ENTRIES: &str = "/missions/logs/entries";
const ENTRY: &str = "/missions/logs/entries/{id}";

/// Paths of this family.
pub fn register(book: &mut Book<'_, '_>) {
    book.plain(POST, ENTRIES, post);
    book.plain(PUT, ENTRIES, put);
    book.plain(GET, ENTRY, get);
    book.plain(DELETE, ENTRY, delete);
    book.plain(GET, "/missions/all/logs", all);
    book.on(GET, "/log", Permission::Read, of_mission);
}

/// M-50.
fn post(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let sent: LogEntry = request.json()?;
    if sent.id.is_some() {
        return Err(Refusal::Bad("a new entry has no id: the server makes it (PUT changes one that is there)".into()));
    }
    if sent.mission_names.is_empty() {
        return Err(Refusal::Bad("missionNames is empty: an entry belongs to at least one mission".into()));
    }
    let missions = named(desk, caller, &sent.mission_names)?;
    let id = desk.host.uuid();
    let written = desk.write(|w| {
        let at = Some(Stamp(w.now));
        let entry = LogEntry { id: Some(id), servertime: at, created: at, ..sent };
        write(w, entry, &missions, &[])
    })?;
    Ok(answer::created(desk, answer::LOG, written))
}

/// M-51: without names the entry stays in the missions it is in.
fn put(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let sent: LogEntry = request.json()?;
    let Some(id) = sent.id.clone().filter(|id| !id.is_empty()) else {
        return Err(Refusal::Bad("the entry has no id (POST makes a new one)".into()));
    };
    if sent.servertime.is_some() {
        return Err(Refusal::Bad("servertime is set by the server".into()));
    }
    let unknown = || Refusal::Bad(format!("there is no entry {id:?}"));
    let sql = desk.host.sql();
    logs::find(&sql, &id)?.ok_or_else(unknown)?;
    let before = writable(desk, caller, &id)?;
    let missions = match sent.mission_names.is_empty() {
        true => before.clone(),
        false => named(desk, caller, &sent.mission_names)?,
    };
    let written = desk.write(|w| {
        let old = logs::find(w.tx, &id)?.ok_or_else(unknown)?;
        let creator_uid = if sent.creator_uid.is_empty() { old.creator_uid } else { sent.creator_uid.clone() };
        let entry = LogEntry { servertime: Some(Stamp(w.now)), created: old.created, creator_uid, ..sent };
        write(w, entry, &missions, &before)
    })?;
    Ok(answer::created(desk, answer::LOG, written))
}

/// M-52: for whom one of its missions may be read.
fn get(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let id = request.param("id");
    let none = || Refusal::none("log entry", id);
    let sql = desk.host.sql();
    let entry = logs::find(&sql, id)?.ok_or_else(none)?;
    let mut readable = caller.admin;
    let mut hidden = true;
    for mission in of_entry(&sql, id)?.iter().filter(|m| caller.sees(m)) {
        hidden = false;
        readable |= may(caller, &sql, mission, Permission::Read)?;
    }
    match (readable, hidden) {
        (true, _) => Ok(answer::ok(desk, answer::LOG, visible(&sql, caller, vec![entry])?)),
        (false, true) => Err(none()),
        (false, false) => Err(Refusal::forbidden("this needs MISSION_READ in a mission of the entry")),
    }
}

/// M-53.
fn delete(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let id = request.param("id").to_owned();
    let author = params::creator(request).to_owned();
    let none = || Refusal::none("log entry", &id);
    logs::find(&desk.host.sql(), &id)?.ok_or_else(none)?;
    let missions = writable(desk, caller, &id)?;
    desk.write(|w| {
        if !logs::remove(w.tx, &id)? {
            return Err(none());
        }
        gone(w, &missions, &id, &author);
        Ok(())
    })?;
    Ok(answer::empty())
}

/// M-54.
fn of_mission(visit: &mut Visit<'_>) -> Answer {
    let window = Window::of(visit.request, visit.desk.host.now())?;
    let sql = visit.desk.host.sql();
    let entries = logs::of_mission(&sql, visit.mission.id, window)?;
    Ok(answer::ok(visit.desk, answer::LOG, visible(&sql, &visit.caller, entries)?))
}

/// M-55.
fn all(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    if !caller.admin {
        return Err(Refusal::forbidden("only an administrator reads the logs of all missions"));
    }
    let window = Window::of(request, desk.host.now())?;
    Ok(answer::ok(desk, answer::LOG, logs::all(&desk.host.sql(), window)?))
}

/// Entries as this caller may see them: of their missions only those that it sees.
///
/// # Errors
/// The database.
pub fn visible(db: &impl Db, caller: &Caller, mut entries: Vec<LogEntry>) -> Result<Vec<LogEntry>> {
    if caller.admin {
        return Ok(entries);
    }
    for entry in entries.iter_mut().filter(|e| e.mission_names.len() > 1) {
        let id = entry.id.as_deref().unwrap_or("");
        let seen = of_entry(db, id)?.into_iter().filter(|m| caller.sees(m));
        entry.mission_names = seen.map(|m| m.name).collect();
    }
    Ok(entries)
}

/// Missions by name, each once; the caller may write in all of them.
fn named(desk: &Desk, caller: &Caller, names: &[String]) -> StdResult<Vec<Mission>, Refusal> {
    let mut all: Vec<Mission> = Vec::new();
    for name in names {
        let mission = book::by_name(desk, caller, name)?;
        if !all.iter().any(|m| m.id == mission.id) {
            all.push(mission);
        }
    }
    may_write(desk, caller, all)
}

/// Missions of an entry; the caller may write in all of them.
fn writable(desk: &Desk, caller: &Caller, id: &str) -> StdResult<Vec<Mission>, Refusal> {
    let all = of_entry(&desk.host.sql(), id)?;
    if !caller.admin && !all.iter().any(|m| caller.sees(m)) {
        return Err(Refusal::none("log entry", id));
    }
    may_write(desk, caller, all)
}

fn may_write(desk: &Desk, caller: &Caller, all: Vec<Mission>) -> StdResult<Vec<Mission>, Refusal> {
    for mission in &all {
        // An entry in a mission that the caller does not see is not its to change; the name stays hidden.
        if !caller.sees(mission) {
            return Err(Refusal::forbidden("the entry belongs to a mission of other groups, too").about(mission, None));
        }
        if !may(caller, &desk.host.sql(), mission, Permission::Write)? {
            return Err(Refusal::needs(Permission::Write, mission));
        }
    }
    Ok(all)
}

fn may(caller: &Caller, db: &impl Db, mission: &Mission, permission: Permission) -> StdResult<bool, Refusal> {
    Ok(caller.role_in(db, mission)?.is_some_and(|role| role.allows(permission)))
}

/// The missions an entry is in.
///
/// # Errors
/// The database.
pub fn of_entry(db: &impl Db, id: &str) -> Result<Vec<Mission>> {
    let mut all = Vec::new();
    for mission in logs::missions_of(db, id)? {
        all.extend(missions::by_id(db, mission)?);
    }
    Ok(all)
}

/// Writes it, and tells members of the missions it is in and was in.
///
/// # Errors
/// 410; the database.
pub fn write(
    w: &mut Write<'_, '_>,
    mut entry: LogEntry,
    missions: &[Mission],
    before: &[Mission],
) -> StdResult<LogEntry, Refusal> {
    let mut ids = Vec::new();
    for mission in missions {
        ids.push(w.fresh(mission)?.id);
    }
    logs::put(w.tx, &entry, &ids)?;
    let author = entry.creator_uid.clone();
    entry.mission_names = missions.iter().map(|m| m.name.clone()).collect();
    for mission in missions {
        edits::log(w, mission, &entry)?;
    }
    tell(w, missions, &author);
    let left: Vec<_> = before.iter().filter(|m| !ids.contains(&m.id)).cloned().collect();
    gone(w, &left, entry.id.as_deref().unwrap_or_default(), &author);
    Ok(entry)
}

/// The entry is not in these missions any more.
pub fn gone(w: &mut Write<'_, '_>, missions: &[Mission], id: &str, author: &str) {
    tell(w, missions, author);
    missions.iter().for_each(|mission| edits::log_removed(w, mission, id, author));
}

/// Members read the log again.
fn tell(w: &mut Write<'_, '_>, missions: &[Mission], author: &str) {
    for mission in missions {
        w.notice(Notice::live("t-x-m-c-l", mission, author, ""));
    }
}
