//! A package with `changes.json`: what a client did while it was offline, merged into the mission as a whole or not at all.
//!
//! Order: every change and its payload is read; conflicts are looked for, so that nothing is stored in vain; files are
//! stored; then, in one transaction, conflicts are looked for again and the changes are made, each with its own time and
//! author. What must not happen: a log entry of another mission is written through this one.
use std::{collections::HashMap, fs::File};

use fts_plugin_api::{
    cot::Cot,
    sdk::{Error, FileInfo},
    tracing,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    EVENT, Kept, Loaded, Loader,
    conflict::{self, Latest},
    event,
    unzip::Package,
};
use crate::{
    adding::{self, Item, What},
    edits,
    items::{self, Added, NewCot},
    model::{ChangeKind, External, LogEntry, Mission, Resource, Stamp, Subject},
    notice::Notice,
    refusal::Refusal,
    store::{externals, logs},
    work::Work,
    write::Write,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    mission_changes: Vec<Value>,
}

/// A change in the package.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    #[serde(rename = "type")]
    kind: String,
    /// The client's clock.
    pub timestamp: Stamp,
    #[serde(default)]
    creator_uid: String,
    /// Of an item.
    #[serde(default)]
    pub content_uid: Option<String>,
    #[serde(default)]
    content_resource: Option<Said>,
    /// Of another tool.
    #[serde(default)]
    pub external_data: Option<External>,
    /// Of the log.
    #[serde(default)]
    pub log_entry: Option<LogEntry>,
}

/// A file, as a change names it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    hash: String,
    name: String,
}

impl Pending {
    /// Of a file: its name.
    pub fn file_name(&self) -> Option<&str> {
        self.content_resource.as_ref().map(|file| file.name.as_str()).filter(|name| !name.is_empty())
    }
}

/// What is done.
enum Step {
    Add(Box<Cot>),
    Remove(String),
    Attach(Payload),
    Detach(Resource),
    Record(External),
    Forget(External),
    Log(LogEntry),
    Unlog(String),
}

enum Payload {
    /// In the package.
    New(String, Work),
    /// On the server.
    There(Box<FileInfo>),
}

/// A step, the place of its change in the document, its time and author.
struct Planned {
    change: Pending,
    raw: Value,
    step: Step,
}

/// Merges it.
///
/// # Errors
/// 400, 403, 410; the disk, the database.
pub fn load(
    loader: &Loader<'_>,
    package: &mut Package,
    changes: &[u8],
    kept: &mut Kept<'_>,
) -> Result<Loaded, Refusal> {
    let bad = |why: String| Refusal::Bad(format!("Invalid Request Body: changes.json: {why}"));
    let document: Document = serde_json::from_slice(changes).map_err(|e| bad(e.to_string()))?;
    let mut planned = Vec::new();
    let mut messages = Vec::new();
    for (n, raw) in document.mission_changes.into_iter().enumerate() {
        let mut change: Pending = serde_json::from_value(raw.clone()).map_err(|e| bad(format!("change {n}: {e}")))?;
        // A clock that is ahead must not be in the way of everybody else until then.
        change.timestamp = change.timestamp.min(Stamp(loader.desk.host.now()));
        match plan(loader, package, n, &change)? {
            Some(step) => planned.push(Planned { change, raw, step }),
            None => {
                tracing::error!(event = "mission.package_skipped", mission = %loader.mission.guid, change = n, "a change of a package cannot be made: it is left out");
                messages.push(format!("change {n} ({}) was left out", change.kind));
            }
        }
    }
    let host = &loader.desk.host;
    let names = conflict::names(host, loader.mission.id)?;
    let latest = Latest::of(&host.sql(), loader.mission.id, &names)?;
    let mut conflicts = Vec::new();
    for one in &planned {
        if latest.conflicts(&host.sql(), loader.mission, &one.change)? {
            conflicts.push(one.raw.clone());
        }
    }
    if !conflicts.is_empty() {
        return Ok(Loaded::Conflict(conflicts));
    }
    for one in &mut planned {
        if let Step::Attach(payload) = &mut one.step
            && let Payload::New(name, work) = payload
        {
            *payload = Payload::There(Box::new(kept.store(loader, name, work)?));
        }
    }
    apply(loader, planned, &names, messages)
}

/// What a change asks for; None = nothing that is done offline.
fn plan(loader: &Loader<'_>, package: &mut Package, n: usize, change: &Pending) -> Result<Option<Step>, Refusal> {
    let add = match ChangeKind::named(&change.kind) {
        Some(ChangeKind::AddContent) => true,
        Some(ChangeKind::RemoveContent) => false,
        _ => return Ok(None),
    };
    if let Some(uid) = change.content_uid.as_ref().filter(|uid| !uid.is_empty()) {
        if !add {
            return Ok(Some(Step::Remove(uid.clone())));
        }
        let name = format!("{n}/{uid}.cot");
        let missing = || Refusal::Bad(format!("Invalid Request Body: {name:?} is missing in the package"));
        let at = package.find(&name).ok_or_else(missing)?;
        let cot = event(loader.desk, &name, &package.read(at, EVENT)?)?;
        if cot.uid() != uid.as_str() {
            return Err(Refusal::Bad(format!("Invalid Request Body: {name:?} is the event {:?}", cot.uid())));
        }
        return Ok(Some(Step::Add(Box::new(cot))));
    }
    if let Some(said) = &change.content_resource {
        return file(loader, package, n, said, add);
    }
    if let Some(external) = change.external_data.clone().filter(|e| !e.uid.is_empty()) {
        return Ok(Some(if add { Step::Record(external) } else { Step::Forget(external) }));
    }
    let Some(entry) = change.log_entry.clone() else { return Ok(None) };
    Ok(match (add, entry.id.clone()) {
        (true, _) => Some(Step::Log(entry)),
        (false, Some(id)) => Some(Step::Unlog(id)),
        (false, None) => None,
    })
}

fn file(loader: &Loader<'_>, package: &mut Package, n: usize, said: &Said, add: bool) -> Result<Option<Step>, Refusal> {
    let hash = said.hash.to_ascii_lowercase();
    if !add {
        return Ok((!hash.is_empty()).then(|| Step::Detach(Resource::gone(hash))));
    }
    let place = if said.name.is_empty() { None } else { package.find(&format!("{n}/{}", said.name)) };
    if let Some(at) = place {
        let work = Work::new(&loader.desk.host)?;
        package.copy(at, u64::MAX, &mut File::create_new(work.path()).map_err(Error::from)?)?;
        let name = said.name.rsplit(['/', '\\']).next().unwrap_or(&said.name).to_owned();
        return Ok(Some(Step::Attach(Payload::New(name, work))));
    }
    let there = if hash.is_empty() { None } else { loader.desk.host.files().get(&hash)? };
    let seen = there.filter(|file| {
        let own = !loader.caller.user.is_empty() && file.submitter == loader.caller.user;
        own || file.groups.iter().any(|g| loader.caller.is_in(g))
    });
    match seen {
        Some(file) => Ok(Some(Step::Attach(Payload::There(Box::new(file))))),
        None => Err(Refusal::Bad(format!(
            "Invalid Request Body: change {n} adds a file that is neither in the package nor on the server"
        ))),
    }
}

/// One transaction.
fn apply(
    loader: &Loader<'_>,
    planned: Vec<Planned>,
    names: &HashMap<String, String>,
    mut messages: Vec<String>,
) -> Result<Loaded, Refusal> {
    let desk = loader.desk;
    // Made before: within the transaction only the database works.
    let ids: Vec<String> = planned.iter().map(|_| desk.host.uuid()).collect();
    desk.write_then(
        |w| {
            loader.caller.user.clone_into(&mut w.user);
            let mission = w.fresh(loader.mission)?;
            let latest = Latest::of(w.tx, mission.id, names)?;
            let mut send = Vec::new();
            let mut conflicts = Vec::new();
            for one in &planned {
                if latest.conflicts(w.tx, &mission, &one.change)? {
                    conflicts.push(one.raw.clone());
                }
            }
            if !conflicts.is_empty() {
                return Ok((Loaded::Conflict(conflicts), send));
            }
            for (one, id) in planned.iter().zip(ids) {
                w.at = Some(one.change.timestamp.0);
                let named = one.change.creator_uid.as_str();
                let creator = if named.is_empty() { loader.creator } else { named };
                messages.extend(make(loader, w, &mission, one, creator, id)?);
                if let Step::Add(cot) = &one.step {
                    send.push((creator.to_owned(), (**cot).clone()));
                }
            }
            w.at = None;
            Ok((Loaded::Done(messages), send))
        },
        |(loaded, send), after| {
            after.into_iter().for_each(|what| desk.carry_out(what));
            send.iter().for_each(|(creator, cot)| adding::forward(desk, loader.mission, creator, cot));
            loaded
        },
    )
}

/// One change; what was refused, and why.
fn make(
    loader: &Loader<'_>,
    w: &mut Write<'_, '_>,
    mission: &Mission,
    one: &Planned,
    creator: &str,
    id: String,
) -> Result<Option<String>, Refusal> {
    let (desk, at) = (loader.desk, one.change.timestamp.0);
    match &one.step {
        Step::Add(cot) => {
            let (cot, creator_uid) = ((**cot).clone(), creator.to_owned());
            let new = NewCot { cot, creator_uid, received: at, path: None, after: None, journal: 0 };
            if let Added::Refused(why) = items::add_cot(w, &desk.config, mission, &new)? {
                return Ok(Some(format!("{} was not added: {why}", new.cot.uid())));
            }
        }
        Step::Remove(uid) => drop(items::remove_uid(w, mission, uid, creator)?),
        Step::Attach(Payload::There(file)) => {
            let item = Item { what: What::File(file.sha256.clone()), path: None, after: None };
            if let Some(why) = adding::file_item(desk, w, mission, creator, &item, file)? {
                return Ok(Some(format!("{} was not added: {why}", file.name)));
            }
        }
        // Every file was stored before.
        Step::Attach(Payload::New(name, _)) => return Ok(Some(format!("{name} was not added: it is not stored"))),
        Step::Detach(file) => {
            let said = |known: Option<Resource>| known.unwrap_or_else(|| file.clone());
            items::remove_file(w, mission, &file.hash, creator, said)?;
        }
        Step::Record(external) => {
            externals::put(w.tx, mission.id, external, creator)?;
            w.change(mission, ChangeKind::AddContent, creator, Subject::External(external.clone(), String::new()))?;
        }
        Step::Forget(external) => {
            let known = externals::find(w.tx, mission.id, &external.uid)?;
            externals::remove(w.tx, mission.id, &external.uid)?;
            let subject = Subject::External(known.unwrap_or_else(|| external.clone()), String::new());
            w.change(mission, ChangeKind::RemoveContent, creator, subject)?;
        }
        Step::Log(entry) => {
            let id = entry.id.clone().unwrap_or(id);
            own_entry(w, mission, &id)?;
            let created = entry.created.unwrap_or(Stamp(at));
            let author = if entry.creator_uid.is_empty() { creator } else { &entry.creator_uid };
            let entry = LogEntry {
                id: Some(id),
                creator_uid: author.to_owned(),
                servertime: Some(Stamp(w.now)),
                created: Some(created),
                ..entry.clone()
            };
            logs::put(w.tx, &entry, &[mission.id])?;
            edits::log(w, mission, &entry)?;
            w.notice(Notice::live("t-x-m-c-l", mission, creator, ""));
        }
        Step::Unlog(id) => {
            own_entry(w, mission, id)?;
            logs::remove(w.tx, id)?;
            edits::log_removed(w, mission, id, creator);
            w.notice(Notice::live("t-x-m-c-l", mission, creator, ""));
        }
    }
    Ok(None)
}

/// An entry is in no mission but this one, or is new.
fn own_entry(w: &Write<'_, '_>, mission: &Mission, id: &str) -> Result<(), Refusal> {
    let missions = logs::missions_of(w.tx, id)?;
    if missions.iter().any(|other| *other != mission.id) {
        return Err(Refusal::forbidden(format!(
            "the log entry {id:?} is in another mission, too: it is edited online"
        )));
    }
    Ok(())
}
