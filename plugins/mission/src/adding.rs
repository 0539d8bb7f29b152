//! Items and files are added to a mission by name (M-17): events are looked up and sent on to the members, files linked.
//!
//! Order: files and events are looked up (which may wait, [`crate::arrival`]); a few hundred items go into one transaction;
//! behind it the notices leave, then the events. What must not happen: a file or event gets into a mission through somebody
//! who could not see it; one item too many takes the others with it.
use std::collections::{HashMap, HashSet};

use fts_plugin_api::{
    cot::Cot,
    sdk::{FileInfo, Result as HostResult, Send},
    tracing,
};

use crate::{
    arrival::{self, Eyes},
    desk::Desk,
    items::{self, Added, NewCot},
    model::{ChangeKind, Mission, Resource, Subject},
    refusal::Refusal,
    roll,
    store::{contents, layers},
    write::Write,
};

/// Items of one transaction.
const AT_ONCE: usize = 256;

/// What is added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A map item, by uid.
    Uid(String),
    /// A file, by hash.
    File(String),
}

/// One of them, and where it is filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// See [`What`].
    pub what: What,
    /// A layer.
    pub path: Option<String>,
    /// The sibling it comes behind there.
    pub after: Option<String>,
}

/// What became of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many are in the mission now.
    pub added: usize,
    /// How many the mission has no room for.
    pub refused: usize,
    /// What was not added, and why.
    pub messages: Vec<String>,
}

/// Adds them.
///
/// # Errors
/// 410; the database, the store of files.
pub fn add(desk: &Desk, mission: &Mission, creator: &str, eyes: &Eyes, items: &[Item]) -> Result<Outcome, Refusal> {
    let mut outcome = Outcome::default();
    let files = files(desk, eyes, items, &mut outcome)?;
    let mut uids: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for item in items {
        match &item.what {
            What::Uid(uid) if seen.insert(uid) => uids.push(uid.clone()),
            _ => {}
        }
    }
    let events = arrival::wait(desk, eyes, mission, &uids)?;
    for some in items.chunks(AT_ONCE) {
        let done = write(desk, mission, (creator, eyes.user()), some, &events, &files)?;
        outcome.added += done.added;
        outcome.refused += done.refused;
        outcome.messages.extend(done.messages);
    }
    for item in items {
        if matches!(&item.what, What::Uid(uid) if !events.contains_key(uid)) {
            desk.awaited.remember(desk, mission, item.clone(), creator, eyes);
        }
    }
    files.values().for_each(|file| open_up(desk, mission, file));
    Ok(outcome)
}

/// The files among them that there are, and that these eyes see.
fn files(desk: &Desk, eyes: &Eyes, items: &[Item], outcome: &mut Outcome) -> HostResult<HashMap<String, FileInfo>> {
    let mut all = HashMap::new();
    for item in items {
        let What::File(hash) = &item.what else { continue };
        if all.contains_key(hash) {
            continue;
        }
        match desk.host.files().get(hash)? {
            Some(file) if eyes.share(&file.groups) || eyes.is_user(&file.submitter) => {
                all.insert(hash.clone(), file);
            }
            _ => outcome.messages.push(format!("there is no file with the hash {hash:?}: it was not added")),
        }
    }
    Ok(all)
}

/// One transaction, and what follows: notices, then events. Items without an event are added without one. They are added
/// by a device of a user.
///
/// # Errors
/// 410; the database.
pub fn write(
    desk: &Desk,
    mission: &Mission,
    (creator, user): (&str, &str),
    items: &[Item],
    events: &HashMap<String, Cot>,
    files: &HashMap<String, FileInfo>,
) -> Result<Outcome, Refusal> {
    desk.write_then(
        |w| {
            user.clone_into(&mut w.user);
            let mission = w.fresh(mission)?;
            let (mut outcome, mut send) = (Outcome::default(), Vec::new());
            for item in items {
                let done = match &item.what {
                    What::Uid(uid) => uid_item(desk, w, &mission, creator, item, (uid, events.get(uid)), &mut send)?,
                    What::File(hash) => match files.get(hash) {
                        Some(file) => file_item(desk, w, &mission, creator, item, file)?,
                        None => continue,
                    },
                };
                match done {
                    None => outcome.added += 1,
                    Some(why) => {
                        outcome.refused += 1;
                        let (What::Uid(name) | What::File(name)) = &item.what;
                        outcome.messages.push(format!("{name} was not added: {why}"));
                    }
                }
            }
            Ok((outcome, send))
        },
        |(outcome, send), after| {
            after.into_iter().for_each(|what| desk.carry_out(what));
            send.iter().for_each(|cot| forward(desk, mission, creator, cot));
            outcome
        },
    )
}

/// Why it was not added.
type Refused = Option<&'static str>;

fn uid_item(
    desk: &Desk,
    w: &mut Write<'_, '_>,
    mission: &Mission,
    creator: &str,
    item: &Item,
    (uid, event): (&str, Option<&Cot>),
    send: &mut Vec<Cot>,
) -> Result<Refused, Refusal> {
    let Some(cot) = event else {
        let place = item.path.as_deref().map(|path| (path, item.after.as_deref()));
        return items::add_bare(w, &desk.config, mission, uid, creator, place);
    };
    let new = NewCot {
        cot: cot.clone(),
        creator_uid: creator.to_owned(),
        received: w.now,
        path: item.path.clone(),
        after: item.after.clone(),
        journal: 0,
    };
    match items::add_cot(w, &desk.config, mission, &new)? {
        Added::Refused(why) => Ok(Some(why)),
        _ => {
            send.push(cot.clone());
            Ok(None)
        }
    }
}

/// Links a file: row, layer, change, notice.
///
/// # Errors
/// The database.
pub fn file_item(
    desk: &Desk,
    w: &mut Write<'_, '_>,
    mission: &Mission,
    creator: &str,
    item: &Item,
    file: &FileInfo,
) -> Result<Refused, Refusal> {
    let resource = Resource::from(file);
    let known = contents::holds(w.tx, mission.id, &resource.hash)?;
    if !known && contents::count(w.tx, mission.id)? >= desk.config.max_contents {
        tracing::error!(
            event = "mission.limit", mission = %mission.guid, user = %w.user, uid = %creator, item = %resource.hash, most = desk.config.max_contents,
            "the mission is full (plugins.mission.max_contents): a file was not added"
        );
        return Ok(Some("the mission is full (plugins.mission.max_contents)"));
    }
    contents::put(w.tx, mission.id, &resource, creator, w.now)?;
    if let Some(path) = &item.path {
        layers::file_item(w.tx, mission.id, path, &resource.hash, item.after.as_deref(), creator)?;
    }
    w.change(mission, ChangeKind::AddContent, creator, Subject::Content(resource))?;
    Ok(None)
}

/// An item's event goes to the live members but its author.
pub fn forward(desk: &Desk, mission: &Mission, creator: &str, cot: &Cot) {
    let to = Send::to(roll::live(&mission.guid));
    let to = if creator.is_empty() { to } else { to.but_uid(creator) };
    if let Err(error) = desk.host.cot().send(cot, to) {
        desk.host.count("undone_total", &[], 1);
        tracing::error!(event = "mission.undone", mission = %mission.guid, uid = %cot.uid(), "stored, but not delivered: {error}");
    }
}

/// Whoever may read an open mission may fetch its files. Those of a closed one stay with the groups they were stored for:
/// its members are fewer than its groups.
pub fn open_up(desk: &Desk, mission: &Mission, file: &FileInfo) {
    let more: Vec<String> = mission.groups.iter().filter(|g| !file.groups.contains(g)).cloned().collect();
    if more.is_empty() || mission.is_closed() {
        return;
    }
    let mut wider = file.clone();
    wider.groups.extend(more);
    if let Err(error) = desk.host.files().describe(wider) {
        tracing::error!(event = "mission.file_kept", mission = %mission.guid, "a file stays with its own groups: {error}");
    }
}
