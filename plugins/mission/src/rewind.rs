//! A mission goes back to what it was: at a time, or at a named snapshot (`fts mission restore`).
//!
//! Nothing is taken out of the history: what differs becomes changes of now, with notices and events, so that members'
//! maps follow, and the step itself can be taken back the same way. Map items with their events, files, external data and
//! map layers go back; the folders only to a snapshot (the history does not tell them). Members, roles, log, keywords and
//! feeds stay as they are.
//!
//! A few hundred items go into one transaction. What must not happen: an item that cannot go back (its file or event is
//! gone) stops the others; it is named in the answer.
use std::collections::HashSet;

use fts_plugin_api::{cot::Cot, sdk::FileInfo, tracing};
use serde::Serialize;

use crate::{
    adding,
    desk::Desk,
    edits,
    items::{self, Added, NewCot},
    model::{ChangeKind, Layer, Mission, Resource, Subject},
    notice::Notice,
    notice_xml as xml,
    refusal::Refusal,
    routes::{externals as external_routes, maplayers as map_routes},
    store::{
        Db, contents, externals, layers, maplayers,
        snapshots::{self, Moment},
    },
    write::Write,
};

/// Steps of one transaction.
const AT_ONCE: usize = 256;

/// What was, or would be, done.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Things put back, or put to their earlier state.
    pub restored: usize,
    /// Things that were not there then.
    pub removed: usize,
    /// What stays as it is, and why.
    pub messages: Vec<String>,
}

/// One difference.
enum Step {
    Out(Thing),
    Event(String, i64),
    Bare(String),
    File(Box<FileInfo>),
    External(crate::model::External),
    MapLayer(crate::model::MapLayer),
}

enum Thing {
    Uid(String),
    Hash(String),
    External(String),
    MapLayer(String),
}

/// Brings a mission back; `folders` = those of a snapshot. `dry` = only says what would be done.
///
/// # Errors
/// 410 when the mission was deleted; the database.
pub fn to(
    desk: &Desk,
    mission: &Mission,
    moment: Moment,
    folders: Option<&[Layer]>,
    author: &str,
    dry: bool,
) -> Result<Report, Refusal> {
    let mut report = Report::default();
    let steps = plan(desk, mission, moment, &mut report)?;
    report.removed = steps.iter().filter(|s| matches!(s, Step::Out(_))).count();
    report.restored = steps.len() - report.removed;
    if dry {
        return Ok(report);
    }
    for some in steps.chunks(AT_ONCE) {
        desk.write_then(
            |w| {
                let mission = w.fresh(mission)?;
                let mut send = Vec::new();
                for step in some {
                    take(desk, w, &mission, step, author, (&mut send, &mut report))?;
                }
                Ok(send)
            },
            |send, after| {
                after.into_iter().for_each(|what| desk.carry_out(what));
                send.iter().for_each(|cot| adding::forward(desk, mission, "", cot));
            },
        )?;
    }
    if let Some(folders) = folders {
        desk.write(|w| rearrange(w, mission, folders, author))?;
    }
    let (restored, removed) = (report.restored, report.removed);
    tracing::warn!(event = "mission.restored", mission = %mission.guid, %author, restored, removed, change = moment.change, "restored");
    Ok(report)
}

/// Everything that differs: first what goes, then what comes.
fn plan(desk: &Desk, mission: &Mission, moment: Moment, report: &mut Report) -> Result<Vec<Step>, Refusal> {
    let (sql, id) = (desk.host.sql(), mission.id);
    let then = snapshots::state(&sql, id, moment)?;
    let now = snapshots::versions(&sql, id)?;
    let (mut steps, mut coming) = (Vec::new(), Vec::new());
    let mut gone: Vec<_> = now.keys().filter(|uid| !then.uids.contains_key(*uid)).cloned().collect();
    gone.sort_unstable();
    steps.extend(gone.into_iter().map(|uid| Step::Out(Thing::Uid(uid))));
    let mut back: Vec<_> = then.uids.into_iter().collect();
    back.sort_unstable();
    for (uid, version) in back {
        match (version, now.get(&uid)) {
            (Some(version), Some(Some(newest))) if *newest == version => {}
            // It was brought back before: the same event under another number.
            (Some(version), Some(Some(newest))) if same(&sql, id, &uid, version, *newest)? => {}
            (Some(version), _) => coming.push(Step::Event(uid, version)),
            (None, None) => coming.push(Step::Bare(uid)),
            (None, Some(_)) => {}
        }
    }
    let (hashes, held) = (then.hashes, contents::of_mission(&sql, id)?);
    let wanted: HashSet<_> = hashes.iter().collect();
    let held: Vec<_> = held.into_iter().map(|item| item.resource.hash).collect();
    steps.extend(held.iter().filter(|h| !wanted.contains(h)).map(|h| Step::Out(Thing::Hash(h.clone()))));
    for hash in hashes.iter().filter(|h| !held.contains(h)) {
        match desk.host.files().get(hash)? {
            Some(file) => coming.push(Step::File(Box::new(file))),
            None => report.messages.push(format!("the file {hash} is not on the server any more")),
        }
    }
    let held = externals::of_mission(&sql, id)?;
    let lacks = |uid: &str| !then.externals.iter().any(|e| e.uid == uid);
    steps.extend(held.iter().filter(|e| lacks(&e.uid)).map(|e| Step::Out(Thing::External(e.uid.clone()))));
    coming.extend(then.externals.iter().filter(|e| !held.contains(e)).cloned().map(Step::External));
    let held = maplayers::of_mission(&sql, id)?;
    let lacks = |uid: &str| !then.maplayers.iter().any(|l| l.uid == uid);
    steps.extend(held.iter().filter(|l| lacks(&l.uid)).map(|l| Step::Out(Thing::MapLayer(l.uid.clone()))));
    let absent = then.maplayers.iter().filter(|l| !held.iter().any(|h| h.uid == l.uid));
    coming.extend(absent.cloned().map(Step::MapLayer));
    steps.append(&mut coming);
    Ok(steps)
}

fn same(db: &impl Db, mission: i64, uid: &str, one: i64, other: i64) -> Result<bool, Refusal> {
    let one = snapshots::event(db, mission, uid, one)?;
    Ok(one.is_some() && one == snapshots::event(db, mission, uid, other)?)
}

fn take(
    desk: &Desk,
    w: &mut Write<'_, '_>,
    mission: &Mission,
    step: &Step,
    author: &str,
    (send, report): (&mut Vec<Cot>, &mut Report),
) -> Result<(), Refusal> {
    match step {
        Step::Out(thing) => out(w, mission, thing, author),
        Step::Event(uid, version) => {
            let text = snapshots::event(w.tx, mission.id, uid, *version)?;
            let Some(cot) = text.and_then(|text| Cot::parse(text.into_bytes()).ok()) else {
                report.messages.push(format!("the event {uid} of then is not there any more"));
                return Ok(());
            };
            let (creator_uid, received) = (author.to_owned(), w.now);
            let new = NewCot { cot, creator_uid, received, path: None, after: None, journal: 0 };
            match items::add_cot(w, &desk.config, mission, &new)? {
                Added::Refused(why) => report.messages.push(format!("{uid} was not put back: {why}")),
                _ => send.push(new.cot),
            }
            Ok(())
        }
        Step::Bare(uid) => {
            if let Some(why) = items::add_bare(w, &desk.config, mission, uid, author, None)? {
                report.messages.push(format!("{uid} was not put back: {why}"));
            }
            Ok(())
        }
        Step::File(file) => {
            let resource = Resource::from(&**file);
            contents::put(w.tx, mission.id, &resource, author, w.now)?;
            w.change(mission, ChangeKind::AddContent, author, Subject::Content(resource)).map(drop)
        }
        Step::External(external) => external_routes::put(w, mission, external, author),
        Step::MapLayer(layer) => {
            maplayers::put(w.tx, mission.id, layer)?;
            w.change(mission, ChangeKind::AddContent, author, Subject::MapLayer(layer.clone())).map(drop)
        }
    }
}

fn out(w: &mut Write<'_, '_>, mission: &Mission, thing: &Thing, author: &str) -> Result<(), Refusal> {
    match thing {
        Thing::Uid(uid) => items::remove_uid(w, mission, uid, author).map(drop),
        Thing::Hash(hash) => items::remove_file(w, mission, hash, author, items::known_or_gone(hash)).map(drop),
        // Somebody else may have taken it out since it was planned.
        Thing::External(uid) => match external_routes::remove(w, mission, uid, None, author) {
            Err(Refusal::NotFound(_)) => Ok(()),
            other => other,
        },
        Thing::MapLayer(uid) => map_routes::remove(w, mission, uid, author).map(drop),
    }
}

/// The folders are those of the snapshot.
fn rearrange(w: &mut Write<'_, '_>, mission: &Mission, folders: &[Layer], author: &str) -> Result<(), Refusal> {
    let mission = w.fresh(mission)?;
    let before = layers::of_mission(w.tx, mission.id)?;
    if before == folders {
        return Ok(());
    }
    for layer in &before {
        layers::remove(w.tx, mission.id, layer)?;
    }
    for layer in folders {
        layers::insert(w.tx, mission.id, layer, author)?;
    }
    edits::folders(w, &mission, &before, folders, author);
    // Members read the tree again on any of these.
    if let Some(layer) = folders.first().or(before.first()) {
        w.notice(Notice::live("t-x-m-c-h", &mission, author, &xml::layer(layer)));
    }
    Ok(())
}
