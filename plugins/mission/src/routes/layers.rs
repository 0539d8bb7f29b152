//! M-68 to M-74: the folder tree of a mission (mission.md 3.12). What is stored is in `store::layers`, how it is read in
//! [`crate::tree`].
//!
//! Every write tells live members with `t-x-m-c-h`. What must not happen: a folder inside itself; two rows behind one
//! sibling; a folder of one mission changed through another.
use fts_plugin_api::sdk::{DELETE, GET, PUT};

use crate::{
    answer::{self, Answer},
    book::Book,
    edits, items,
    model::{Layer, LayerKind, Mission, Permission},
    notice::Notice,
    notice_xml as xml, params,
    refusal::Refusal,
    routes::maplayers,
    store::{contents, layers, maplayers as map_store, uids},
    tree::Tree,
    visit::Visit,
    write::Write,
};

/// Levels of folders: each is a call when the tree is read.
const DEEPEST: i64 = 64;

/// Paths of this family.
pub fn register(book: &mut Book<'_, '_>) {
    book.on(GET, "/layers", Permission::Read, list);
    book.on(GET, "/layers/{uid}", Permission::Read, get);
    book.on(PUT, "/layers", Permission::Write, put);
    book.on(PUT, "/layers/{uid}/name", Permission::Write, rename);
    book.on(PUT, "/layers/{uid}/position", Permission::Write, position);
    book.on(PUT, "/layers/parent", Permission::Write, parent);
    book.on(DELETE, "/layers", Permission::Write, delete);
}

/// M-68.
fn list(visit: &mut Visit<'_>) -> Answer {
    Ok(answer::ok(visit.desk, answer::LAYER, tree(visit)?.roots()))
}

/// M-69.
fn get(visit: &mut Visit<'_>) -> Answer {
    let uid = visit.request.param("uid");
    let folder = tree(visit)?.find(uid).ok_or_else(|| Refusal::none("layer", uid))?;
    Ok(answer::ok(visit.desk, answer::LAYER, folder))
}

/// M-70: a new row, or another place for one that is there.
fn put(visit: &mut Visit<'_>) -> Answer {
    let name = params::required(visit.request, "name")?.to_owned();
    let kind = params::required(visit.request, "type")?;
    let kind = LayerKind::named(kind).ok_or_else(|| Refusal::Bad(format!("type={kind}: there is no such layer")))?;
    let author = params::required(visit.request, "creatorUid")?.to_owned();
    let given = |name: &str| params::filled(visit.request, name).map(str::to_owned);
    let (parent_uid, after) = (given("parentUid"), given("afterUid"));
    let uid = given("uid");
    if kind == LayerKind::Item && (uid.is_none() || parent_uid.is_none()) {
        return Err(Refusal::Bad("an ITEM needs uid (what it binds) and parentUid (where)".into()));
    }
    let uid = uid.unwrap_or_else(|| visit.desk.host.uuid());
    let layer = Layer { uid, name: Some(name), kind, parent_uid, after };
    visit.desk.write(|w| place(w, &visit.mission, &layer, &author))?;
    if kind == LayerKind::Item {
        return Ok(answer::ok(visit.desk, answer::LAYER, bare(&layer)));
    }
    let folder = tree(visit)?.find(&layer.uid).ok_or_else(|| Refusal::none("layer", &layer.uid))?;
    Ok(answer::ok(visit.desk, answer::LAYER, folder))
}

/// A row that was not there comes in; one that was (its uid is known) moves.
///
/// # Errors
/// 400 and 404 for a place that is none, 410; the database.
pub fn place(w: &mut Write<'_, '_>, mission: &Mission, layer: &Layer, author: &str) -> Result<(), Refusal> {
    let mission = w.fresh(mission)?;
    let is_item = |l: &Layer| l.kind == LayerKind::Item;
    if let Some(before) = layers::find(w.tx, mission.id, &layer.uid)?.filter(|l| is_item(l) == is_item(layer)) {
        let moved = Layer { parent_uid: layer.parent_uid.clone(), after: layer.after.clone(), ..before.clone() };
        return shift(w, &mission, &before, &moved, author);
    }
    check_place(w, &mission, layer)?;
    layers::make_room(w.tx, mission.id, layer)?;
    layers::insert(w.tx, mission.id, layer, author)?;
    tell(w, &mission, layer, author);
    edits::folder(w, &mission, layer, author);
    Ok(())
}

fn bare(layer: &Layer) -> serde_json::Value {
    serde_json::json!({"uid": layer.uid, "name": layer.name, "type": layer.kind.name(), "parentUid": layer.parent_uid})
}

/// M-71.
fn rename(visit: &mut Visit<'_>) -> Answer {
    let uid = visit.request.param("uid").to_owned();
    let name = params::required(visit.request, "name")?.to_owned();
    let author = params::required(visit.request, "creatorUid")?.to_owned();
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        let before = found(w, &mission, &uid)?;
        let renamed = Layer { name: Some(name), ..before.clone() };
        layers::update(w.tx, mission.id, &before, &renamed)?;
        tell(w, &mission, &renamed, &author);
        edits::folder(w, &mission, &renamed, &author);
        Ok(())
    })?;
    Ok(answer::empty())
}

/// M-72: within its folder; without `afterUid` it comes first.
fn position(visit: &mut Visit<'_>) -> Answer {
    let uid = visit.request.param("uid").to_owned();
    let after = params::filled(visit.request, "afterUid").map(str::to_owned);
    let author = params::required(visit.request, "creatorUid")?.to_owned();
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        let before = found(w, &mission, &uid)?;
        let moved = Layer { after, ..before.clone() };
        shift(w, &mission, &before, &moved, &author)
    })?;
    Ok(answer::empty())
}

/// M-73: several into a folder, one behind the other.
fn parent(visit: &mut Visit<'_>) -> Answer {
    let all = params::list(visit.request, "layerUid");
    if all.is_empty() {
        return Err(Refusal::Bad("the parameter layerUid is missing".into()));
    }
    let parent_uid = params::filled(visit.request, "parentUid").map(str::to_owned);
    let mut after = params::filled(visit.request, "afterUid").map(str::to_owned);
    let author = params::required(visit.request, "creatorUid")?.to_owned();
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        for uid in &all {
            let before = found(w, &mission, uid)?;
            let moved = Layer { parent_uid: parent_uid.clone(), after: after.replace(uid.clone()), ..before.clone() };
            shift(w, &mission, &before, &moved, &author)?;
        }
        Ok(())
    })?;
    Ok(answer::empty())
}

/// M-74: with everything below it; items leave the mission.
fn delete(visit: &mut Visit<'_>) -> Answer {
    let all = params::list(visit.request, "uid");
    if all.is_empty() {
        return Err(Refusal::Bad("the parameter uid is missing".into()));
    }
    let author = params::required(visit.request, "creatorUid")?.to_owned();
    visit.desk.write(|w| take_away(w, &visit.mission, &all, &author))?;
    Ok(answer::empty())
}

/// These rows go, with everything below them; items leave the mission.
///
/// # Errors
/// 404 when there is only one and it is not there, 410; the database.
pub fn take_away(w: &mut Write<'_, '_>, mission: &Mission, all: &[String], author: &str) -> Result<(), Refusal> {
    let mission = w.fresh(mission)?;
    for uid in all {
        // One of them may have been inside another that is gone by now.
        match layers::find(w.tx, mission.id, uid)? {
            Some(layer) => remove(w, &mission, &layer, author)?,
            None if all.len() > 1 => {}
            None => return Err(Refusal::none("layer", uid)),
        }
    }
    Ok(())
}

fn tree(visit: &Visit<'_>) -> Result<Tree, Refusal> {
    let (sql, id) = (visit.desk.host.sql(), visit.mission.id);
    let (uids, contents) = (uids::of_mission(&sql, id, true)?, contents::of_mission(&sql, id)?);
    Ok(Tree::new(layers::of_mission(&sql, id)?, uids, contents, map_store::of_mission(&sql, id)?))
}

fn found(w: &Write<'_, '_>, mission: &Mission, uid: &str) -> Result<Layer, Refusal> {
    layers::find(w.tx, mission.id, uid)?.ok_or_else(|| Refusal::none("layer", uid))
}

/// May a row stand there?
fn check_place(w: &Write<'_, '_>, mission: &Mission, layer: &Layer) -> Result<(), Refusal> {
    if let Some(parent) = &layer.parent_uid {
        if !layers::is_folder(w.tx, mission.id, parent)? {
            return Err(Refusal::none("layer", parent));
        }
        if layer.kind != LayerKind::Item && layers::is_above(w.tx, mission.id, &layer.uid, parent)? {
            return Err(Refusal::Bad(format!("the layer {:?} would be inside itself", layer.uid)));
        }
        let deep =
            layer.kind != LayerKind::Item && layers::levels(w.tx, mission.id, &layer.uid, Some(parent))? > DEEPEST;
        if deep {
            return Err(Refusal::Bad(format!("layers are nested at most {DEEPEST} deep")));
        }
    }
    let Some(after) = &layer.after else { return Ok(()) };
    if *after == layer.uid || !layers::is_child(w.tx, mission.id, layer.parent_uid.as_deref(), after)? {
        return Err(Refusal::Bad(format!("afterUid={after}: there is no such layer beside it")));
    }
    Ok(())
}

/// From one place to another.
fn shift(w: &mut Write<'_, '_>, mission: &Mission, before: &Layer, moved: &Layer, author: &str) -> Result<(), Refusal> {
    check_place(w, mission, moved)?;
    if before.kind == LayerKind::Item
        && before.parent_uid != moved.parent_uid
        && layers::is_child(w.tx, mission.id, moved.parent_uid.as_deref(), &moved.uid)?
    {
        return Err(Refusal::Conflict(format!("{:?} is in that folder already", moved.uid)));
    }
    if (&before.parent_uid, &before.after) != (&moved.parent_uid, &moved.after) {
        layers::close_up(w.tx, mission.id, before)?;
        layers::make_room(w.tx, mission.id, moved)?;
        layers::update(w.tx, mission.id, before, moved)?;
        edits::folder(w, mission, moved, author);
    }
    tell(w, mission, moved, author);
    Ok(())
}

/// A row and all below it. The deepest come first, so that a notice never describes what is inside nothing.
fn remove(w: &mut Write<'_, '_>, mission: &Mission, layer: &Layer, author: &str) -> Result<(), Refusal> {
    let mut rows = layers::of_mission(w.tx, mission.id)?;
    let mut doomed = vec![layer.clone()];
    let mut at = 0;
    while at < doomed.len() {
        if doomed[at].kind != LayerKind::Item {
            let inside = |row: &Layer| row.parent_uid.as_deref() == Some(doomed[at].uid.as_str());
            let (below, others) = rows.into_iter().partition(|row| inside(row));
            rows = others;
            doomed.extend::<Vec<_>>(below);
        }
        at += 1;
    }
    layers::close_up(w.tx, mission.id, layer)?;
    for row in doomed.iter().rev() {
        layers::remove(w.tx, mission.id, row)?;
        if row.kind == LayerKind::Item {
            take_out(w, mission, &row.uid, author)?;
        }
    }
    tell(w, mission, layer, author);
    edits::folder_removed(w, mission, &layer.uid, author);
    Ok(())
}

/// What an item binds leaves the mission.
fn take_out(w: &mut Write<'_, '_>, mission: &Mission, uid: &str, author: &str) -> Result<(), Refusal> {
    if uids::holds(w.tx, mission.id, uid)? {
        items::remove_uid(w, mission, uid, author)?;
    } else if contents::holds(w.tx, mission.id, uid)? {
        items::remove_file(w, mission, uid, author, items::known_or_gone(uid))?;
    } else {
        maplayers::remove(w, mission, uid, author)?;
    }
    Ok(())
}

fn tell(w: &mut Write<'_, '_>, mission: &Mission, layer: &Layer, author: &str) {
    w.notice(Notice::live("t-x-m-c-h", mission, author, &xml::layer(layer)));
}
