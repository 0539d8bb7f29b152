//! M-56 to M-59: missions below missions (mission.md 3.9). Each has at most one parent, and none is above itself.
//!
//! Who asks sees of parent and children only those its groups see; of one it may not read it sees no contents, and one
//! that is for invited members only is not listed at all.
use fts_plugin_api::sdk::{DELETE, GET, PUT};

use crate::{
    answer::{self, Answer},
    book::{self, Book},
    edits,
    model::{Mission, MissionView, Permission},
    present::{self, Depth},
    refusal::Refusal,
    store::{Db, missions},
    visit::Visit,
    write::Write,
};

/// Paths of this family.
pub fn register(book: &mut Book<'_, '_>) {
    book.on_each(PUT, ["/parent/{parent}", "/parent/guid/{parent}"], Permission::Write, set);
    book.on(DELETE, "/parent", Permission::Write, clear);
    book.on(GET, "/parent", Permission::Read, parent);
    book.on(GET, "/children", Permission::Read, children);
}

/// M-56.
fn set(visit: &mut Visit<'_>) -> Answer {
    let wanted = visit.request.param("parent").to_owned();
    let by_guid = !visit.request.param("guid").is_empty();
    let parent = match by_guid {
        true => book::by_guid(visit.desk, &visit.caller, &wanted)?,
        false => book::by_name(visit.desk, &visit.caller, &wanted)?,
    };
    let author = visit.creator();
    visit.desk.write(|w| {
        let parent = w.fresh(&parent)?;
        move_below(w, &visit.mission, Some(&parent), &author).map(drop)
    })?;
    Ok(answer::empty())
}

/// M-57: also when there is none.
fn clear(visit: &mut Visit<'_>) -> Answer {
    let author = visit.creator();
    visit.desk.write(|w| move_below(w, &visit.mission, None, &author).map(drop))?;
    Ok(answer::empty())
}

/// Puts a mission below another, or below none; what it is now.
///
/// # Errors
/// 400 for one above itself, 410; the database.
pub fn move_below(
    w: &mut Write<'_, '_>,
    child: &Mission,
    parent: Option<&Mission>,
    author: &str,
) -> Result<Mission, Refusal> {
    let child = w.fresh(child)?;
    if let Some(parent) = parent
        && is_above(w.tx, child.id, parent)?
    {
        return Err(Refusal::Bad(format!("{:?} would be above itself", child.name)));
    }
    let child = Mission { parent_id: parent.map(|p| p.id), ..child };
    missions::update(w.tx, &child)?;
    edits::parent(w, &child, parent, author);
    Ok(child)
}

/// M-59.
fn parent(visit: &mut Visit<'_>) -> Answer {
    let none = || Refusal::NotFound(format!("{:?} has no parent", visit.mission.name));
    let sql = visit.desk.host.sql();
    let id = visit.mission.parent_id.ok_or_else(none)?;
    let parent = missions::by_id(&sql, id)?.filter(|m| visit.caller.sees(m)).ok_or_else(none)?;
    let view = shown(visit, &parent)?.ok_or_else(none)?;
    Ok(answer::ok(visit.desk, answer::MISSION, view))
}

/// M-58.
fn children(visit: &mut Visit<'_>) -> Answer {
    let all = missions::children(&visit.desk.host.sql(), visit.mission.id)?;
    let mut views = Vec::new();
    for child in all.iter().filter(|m| visit.caller.sees(m)) {
        views.extend(shown(visit, child)?);
    }
    Ok(answer::ok(visit.desk, answer::MISSION, views))
}

/// As much of it as the caller may see; None = not even that it is there.
fn shown(visit: &Visit<'_>, mission: &Mission) -> Result<Option<MissionView>, Refusal> {
    let role = visit.caller.role_in(&visit.desk.host.sql(), mission)?;
    let readable = role.is_some_and(|role| role.allows(Permission::Read));
    if mission.invite_only && !readable {
        return Ok(None);
    }
    let mut view = present::mission(visit.desk, mission, &visit.caller, Depth::default())?;
    if !readable {
        view.empty_out();
    }
    Ok(Some(view))
}

/// Is this row the mission, or above it? Rows that are written here make no ring, so the way up ends.
fn is_above(db: &impl Db, id: i64, mission: &Mission) -> Result<bool, Refusal> {
    let sql = "WITH RECURSIVE up (id) AS (SELECT ?1 UNION
            SELECT m.parent_id FROM mission m JOIN up ON m.id = up.id WHERE m.parent_id IS NOT NULL)
        SELECT count(*) AS n FROM up WHERE id = ?2";
    Ok(db.number(sql, fts_plugin_api::params![mission.id, id])? > 0)
}
