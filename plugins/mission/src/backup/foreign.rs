//! An archive without the lines, from `GET …/archive`, from the end of a mission or from another TAK server: the mission its
//! manifest describes, every event and file in it added now.
//!
//! Order: the manifest is read and checked against the members; the mission is begun ([`Half`]); events, some hundred in a
//! transaction; files, one at a time; then it is whole. Nobody is told of an item: nobody is in it. Nobody becomes a member:
//! an archive names none.
//! What must not happen: a mission opens because the hash of its password cannot be read; a part of an archive is imported.
use std::{
    collections::{HashMap, HashSet},
    fs::File,
};

use fts_plugin_api::{
    cot::Cot,
    sdk::{Error, FileInfo},
};

use super::{
    described::{Described, Listed},
    half::Half,
    import::{Imported, Wishes},
};
use crate::{
    adding::{self, Item, What},
    desk::Desk,
    items::{self, Added, NewCot},
    manifest::MANIFEST,
    model::{ANONYMOUS_GROUP, ChangeKind, Mission, Subject, check_name},
    package::{EVENT, Kept, event, unzip::Package},
    refusal::Refusal,
    store::missions,
    work::Work,
};

/// The manifest, bytes.
const LONGEST: u64 = 16 << 20;
/// Events or files of one transaction.
const AT_ONCE: usize = 256;
/// And bytes of events.
const BYTES: usize = 8 << 20;

/// Reads one.
///
/// # Errors
/// As [`super::import::read`].
pub fn read(desk: &Desk, package: &mut Package, wishes: &Wishes) -> Result<Imported, Refusal> {
    let none = || Refusal::Bad(format!("this zip is no archive of a mission: it has no {MANIFEST:?}"));
    let at = package.find(MANIFEST).ok_or_else(none)?;
    let told = Described::read(&package.read(at, LONGEST)?)?;
    let (events, files) = places(desk, package, &told)?;
    let name = check_name(wishes.name.as_deref().map_or_else(|| told.name(), Ok)?)?;
    let guid = told.own_guid()?.filter(|_| !wishes.copy).unwrap_or_else(|| desk.host.uuid());
    let mut half = Half::new(desk, guid.to_lowercase(), name);
    let mission = begin(&mut half, &told)?;
    half.notes.extend(left_out(package, &told));
    add_events(desk, package, &mission, &events)?;
    let mut kept = Kept::new(desk);
    add_files(desk, package, &mission, &files, &mut kept)?;
    let mission = half.finish(false, mission.groups)?;
    kept.settle(&mission)?;
    Ok(Imported { mission, notes: std::mem::take(&mut half.notes) })
}

type Places = (Vec<usize>, Vec<(usize, String)>);

/// Where events are, and files with their names.
fn places(desk: &Desk, package: &Package, told: &Described) -> Result<Places, Refusal> {
    let (mut events, mut files) = (Vec::new(), Vec::new());
    let there: HashMap<_, _> = package.members().iter().enumerate().map(|(at, m)| (m.name.as_str(), at)).collect();
    for listed in &told.contents {
        let missing = || Refusal::Bad(format!("{:?}, named in {MANIFEST:?}, is not in the zip", listed.entry));
        let at = *there.get(listed.entry.as_str()).ok_or_else(missing)?;
        match listed.is_event() {
            true => events.push(at),
            false => files.push((at, file_name(listed).to_owned())),
        }
    }
    for (what, count, most, key) in [
        ("events", events.len(), desk.config.max_uids, "max_uids"),
        ("files", files.len(), desk.config.max_contents, "max_contents"),
    ] {
        if count > most {
            return Err(Refusal::Bad(format!(
                "the archive has {count} {what}, a mission of this server holds {most} (plugins.mission.{key})"
            )));
        }
    }
    Ok((events, files))
}

/// Members that the manifest does not name, as a note.
fn left_out(package: &Package, told: &Described) -> Option<String> {
    let listed: HashSet<_> = told.contents.iter().map(|c| c.entry.as_str()).chain([MANIFEST]).collect();
    let mut others = package.members().iter().map(|m| m.name.as_str()).filter(|name| !listed.contains(name));
    let first = others.next()?;
    Some(match others.count() {
        0 => format!("{first:?} is not named in the manifest: it was left out"),
        more => format!("{first:?} and {more} more are not named in the manifest: they were left out"),
    })
}

/// `a.jpg` of `contents/0_a.jpg`.
fn file_name(listed: &Listed) -> &str {
    let base = listed.entry.rsplit('/').next().unwrap_or(&listed.entry);
    match base.split_once('_') {
        Some((number, name))
            if !number.is_empty() && !name.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            name
        }
        _ => base,
    }
}

/// The mission, begun; its groups are those it will be in.
fn begin(half: &mut Half<'_>, told: &Described) -> Result<Mission, Refusal> {
    let now = half.desk.host.now();
    let expiration = half.expiration(told.number("expiration")?.unwrap_or(-1));
    let mut mission = Mission {
        description: told.text("description"),
        chat_room: told.text("chatroom"),
        keywords: told.keywords.clone(),
        creator_uid: told.text("creatorUid"),
        create_time: told.number("create_time")?.filter(|at| *at > 0).unwrap_or(now).min(now),
        default_role: told.default_role()?,
        password: told.password()?,
        expiration,
        ..Mission::new(half.guid.clone(), half.name.clone(), now)
    };
    let tool = told.text("tool");
    if !tool.is_empty() {
        mission.tool = tool;
    }
    half.begin(|w, dup| {
        mission.dup = dup;
        mission.id = missions::insert(w.tx, &mission)?;
        let (creator, made) = (&mission.creator_uid, mission.create_time);
        w.record(&mission, ChangeKind::CreateMission, creator, Subject::Mission, made)?;
        Ok(mission.id)
    })?;
    mission.groups = told.groups.clone();
    if mission.groups.is_empty() {
        half.notes.push(format!("the archive names no group: the mission is in {ANONYMOUS_GROUP}"));
        mission.groups.push(ANONYMOUS_GROUP.to_owned());
    }
    Ok(mission)
}

fn add_events(desk: &Desk, package: &mut Package, mission: &Mission, places: &[usize]) -> Result<(), Refusal> {
    let (mut waiting, mut bytes) = (Vec::new(), 0);
    for at in places {
        let name = package.members().get(*at).map(|m| m.name.clone()).unwrap_or_default();
        let cot = event(desk, &name, &package.read(*at, EVENT)?)?;
        bytes += cot.text().len();
        waiting.push((name, cot));
        if waiting.len() >= AT_ONCE || bytes >= BYTES {
            write_events(desk, mission, std::mem::take(&mut waiting))?;
            bytes = 0;
        }
    }
    write_events(desk, mission, waiting)
}

/// What would be told of them is dropped.
fn write_events(desk: &Desk, mission: &Mission, events: Vec<(String, Cot)>) -> Result<(), Refusal> {
    let write = |w: &mut crate::write::Write<'_, '_>| {
        let mission = w.fresh(mission)?;
        for (name, cot) in events {
            let creator_uid = mission.creator_uid.clone();
            let new = NewCot { cot, creator_uid, received: w.now, path: None, after: None, journal: 0 };
            if let Added::Refused(why) = items::add_cot(w, &desk.config, &mission, &new)? {
                return Err(Refusal::Bad(format!("{name:?} cannot be added: {why}")));
            }
        }
        Ok(())
    };
    desk.write_then(write, |(), _| ())
}

fn add_files(
    desk: &Desk,
    package: &mut Package,
    mission: &Mission,
    places: &[(usize, String)],
    kept: &mut Kept<'_>,
) -> Result<(), Refusal> {
    let mut hashes = HashSet::new();
    for some in places.chunks(AT_ONCE) {
        let mut files = Vec::new();
        for (at, name) in some {
            let work = Work::new(&desk.host)?;
            package.copy(*at, u64::MAX, &mut File::create_new(work.path()).map_err(Error::from)?)?;
            let info = FileInfo {
                name: name.clone(),
                creator_uid: mission.creator_uid.clone(),
                tool: if mission.is_closed() { "private" } else { "public" }.to_owned(),
                groups: mission.groups.clone(),
                ..FileInfo::default()
            };
            let file = kept.put(info, &work)?;
            // The same content under two names is one file of a mission.
            if hashes.insert(file.sha256.clone()) {
                files.push(file);
            }
        }
        let write = |w: &mut crate::write::Write<'_, '_>| {
            let mission = w.fresh(mission)?;
            for file in &files {
                let item = Item { what: What::File(file.sha256.clone()), path: None, after: None };
                if let Some(why) = adding::file_item(desk, w, &mission, &mission.creator_uid, &item, file)? {
                    return Err(Refusal::Bad(format!("{:?} cannot be added: {why}", file.name)));
                }
            }
            Ok(())
        };
        desk.write_then(write, |(), _| ())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_in_front_of_a_file_is_not_of_its_name() {
        for (entry, name) in [
            ("contents/0_a.jpg", "a.jpg"),
            ("contents/12_a_b.jpg", "a_b.jpg"),
            ("contents/plan_1.txt", "plan_1.txt"),
            ("contents/_a", "_a"),
            ("contents/7_", "7_"),
            ("a.jpg", "a.jpg"),
        ] {
            assert_eq!(file_name(&Listed { entry: entry.into(), uid: None }), name);
        }
    }
}
