//! One mission of FTS: begun ([`Half`]), filled, and then there for everybody in its groups, its members live.
use std::collections::HashMap;

use super::{
    Report, Rows,
    acts::{self, Into},
    people,
};
use crate::{
    backup::half::Half,
    desk::Desk,
    model::{ChangeKind, Mission, Role, Subject, check_name},
    refusal::Refusal,
    store::missions,
};

const TABLE: &str = "mission";
/// Of missions in which FTS said nothing of a tool.
const PUBLIC: &str = "public";
/// Characters of a name.
const LONGEST: usize = 1024;

/// Takes it; what became of its rows is in the report.
///
/// # Errors
/// The database: nothing of it stays.
pub fn take(desk: &Desk, rows: &Rows, report: &mut Report) -> Result<(), Refusal> {
    let key = rows.mission.text("PrimaryKey");
    let (name, note) = match name(rows, &key) {
        Ok(named) => named,
        Err(refusal) => {
            refused(rows, report, key, refusal);
            return Ok(());
        }
    };
    let created = rows.mission.time("createTime").map(|at| at.min(desk.host.now()));
    let named = missions::by_name(&desk.host.sql(), &name)?;
    if let Some(found) = named.iter().find(|m| Some(m.create_time) == created) {
        acts::take(desk, found, Into::Living, rows, report)?;
        report.guid = Some(found.guid.clone());
        report.skipped(TABLE, 1);
        people_skipped(rows, report);
        return Ok(());
    }
    // To groups that see none of them the name is free.
    if named.iter().any(|m| m.all_groups || m.groups.iter().any(|g| rows.groups.contains(g))) {
        let why = "there is a mission of this name already: rename or delete it (fts mission export keeps it), then import again";
        refused(rows, report, key, why);
        return Ok(());
    }
    report.notes.extend(note);
    let mut half = Half::new(desk, desk.host.uuid(), name);
    let mission = begin(&mut half, rows, created, report)?;
    let hashes = hashes(rows);
    acts::take(desk, &mission, Into::Half, rows, report)?;
    people::log(desk, &mission, rows, &hashes, report)?;
    people::members(desk, &mission, rows, report)?;
    let mission = half.finish(false, mission.groups)?;
    report.notes.append(&mut half.notes);
    report.imported(TABLE);
    report.guid = Some(mission.guid);
    Ok(())
}

/// Its name here, and what is to be said of it. FTS takes any text as a name, and clients know the mission by it: so what
/// can be an XML attribute and a part of a path is kept, whatever new missions may be called.
fn name(rows: &Rows, key: &str) -> Result<(String, Option<String>), Refusal> {
    let stored = Some(rows.mission.text("name")).filter(|name| !name.is_empty()).unwrap_or_else(|| key.to_owned());
    let Err(refusal) = check_name(&stored) else { return Ok((stored, None)) };
    let safe = match refusal {
        // A word of the API's paths.
        Refusal::Bad(_) => format!("{stored} (FTS)"),
        _ => stored.chars().map(|c| if c.is_control() || c == '/' { '_' } else { c }).collect(),
    };
    if safe.is_empty() || safe.chars().count() > LONGEST {
        return Err(refusal);
    }
    let note = (safe != stored).then(|| format!("the mission {stored:?} is called {safe:?} here: {refusal}"));
    Ok((safe, note))
}

fn begin(half: &mut Half<'_>, rows: &Rows, created: Option<i64>, report: &mut Report) -> Result<Mission, Refusal> {
    let (row, now) = (&rows.mission, half.desk.host.now());
    let create_time = created.unwrap_or(now);
    let tool = Some(row.text("tool")).filter(|tool| !tool.is_empty()).unwrap_or_else(|| PUBLIC.to_owned());
    let mut mission = Mission {
        description: row.text("description"),
        chat_room: row.text("chatRoom"),
        base_layer: row.text("baseLayer"),
        bbox: row.text("bbox"),
        path: row.text("path"),
        classification: row.text("classification"),
        tool,
        creator_uid: creator(rows),
        create_time,
        last_edited: create_time,
        default_role: Role::named(&row.text("defaultRole_id")),
        // FTS kept no password that could be checked. Without one the mission would be open.
        invite_only: row.flag("inviteOnly") || row.flag("passwordProtected"),
        expiration: half.expiration(row.number("expiration").unwrap_or(-1)),
        service_uri: Some(row.text("serviceUri")).filter(|uri| !uri.is_empty()),
        ..Mission::new(half.guid.clone(), half.name.clone(), now)
    };
    half.begin(|w, dup| {
        mission.dup = dup;
        mission.id = missions::insert(w.tx, &mission)?;
        let (creator, now) = (&mission.creator_uid, w.now);
        w.now = mission.create_time;
        w.record(&mission, ChangeKind::CreateMission, creator, Subject::Mission, mission.create_time)?;
        w.now = now;
        Ok(mission.id)
    })?;
    if row.flag("passwordProtected") {
        report.notes.push(format!(
            "{:?} had a password in FTS, which cannot be taken over: it is for invited members only until an owner or administrator sets one",
            mission.name
        ));
    }
    mission.groups.clone_from(&rows.groups);
    Ok(mission)
}

/// Who made it: FTS does not fill the column, but makes the maker the first owner.
fn creator(rows: &Rows) -> String {
    let made = || rows.mission_change.iter().find(|c| c.text("type") == ChangeKind::CreateMission.name());
    let owner = || rows.subscription.iter().find(|s| Role::named(&s.text("role_id")) == Some(Role::Owner));
    let said = |uid: String| Some(uid).filter(|uid| !uid.is_empty());
    said(rows.mission.text("creatorUid"))
        .or_else(|| said(made()?.text("creator_uid")))
        .or_else(|| said(owner()?.text("clientUid")))
        .unwrap_or_default()
}

/// Files by what FTS calls them.
fn hashes(rows: &Rows) -> HashMap<String, String> {
    let named = |row: &super::Row| ["PrimaryKey", "hash"].map(|column| (row.text(column), row.text("sha256")));
    rows.mission_content.iter().flat_map(named).collect()
}

/// The mission does not come, and nothing of it.
fn refused(rows: &Rows, report: &mut Report, key: String, why: impl std::fmt::Display) {
    report.failed(TABLE, key, why);
    report.skipped(acts::CONTENT, rows.mission_content.len());
    report.skipped(acts::COT, rows.cot.len());
    report.skipped(acts::EXTERNAL, rows.external_data.len());
    people_skipped(rows, report);
}

/// Members and log of a mission that is here are as they are: who left since does not come back.
fn people_skipped(rows: &Rows, report: &mut Report) {
    for (table, rows) in [
        (people::LOG, rows.log.len()),
        (people::SUBSCRIPTION, rows.subscription.len()),
        (people::INVITATION, rows.invitation.len()),
    ] {
        report.skipped(table, rows);
    }
}
