//! M-65 to M-67: sources of map tiles that a mission offers (mission.md 1.7, 3.11). Adding and removing is a change; what
//! is changed in place is announced to nobody.
use fts_plugin_api::sdk::{DELETE, POST, PUT};

use crate::{
    answer::{self, Answer},
    book::Book,
    edits,
    model::{ChangeKind, MapLayer, Mission, Permission, Stamp, Subject},
    refusal::Refusal,
    store::{layers, maplayers},
    visit::Visit,
    write::Write,
};

/// Paths of this family.
pub fn register(book: &mut Book<'_, '_>) {
    book.on(POST, "/maplayers", Permission::Write, post);
    book.on(PUT, "/maplayers", Permission::Write, put);
    book.on(DELETE, "/maplayers/{uid}", Permission::Write, delete);
}

/// M-65.
fn post(visit: &mut Visit<'_>) -> Answer {
    let mut layer = sent(visit)?;
    let author = visit.creator();
    if layer.uid.is_empty() {
        layer.uid = visit.desk.host.uuid();
    }
    if !author.is_empty() {
        layer.creator_uid.clone_from(&author);
    }
    let layer = visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        let before = maplayers::find(w.tx, mission.id, &layer.uid)?;
        let created = before.and_then(|b| b.create_time).or(Some(Stamp(w.now)));
        let layer = MapLayer { create_time: created, modified_time: Some(Stamp(w.now)), ..layer };
        maplayers::put(w.tx, mission.id, &layer)?;
        w.change(&mission, ChangeKind::AddContent, &author, Subject::MapLayer(layer.clone()))?;
        Ok(layer)
    })?;
    Ok(answer::ok(visit.desk, answer::MAP_LAYER, layer))
}

/// M-66.
fn put(visit: &mut Visit<'_>) -> Answer {
    let layer = sent(visit)?;
    let author = visit.creator();
    let layer = visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        let before = maplayers::find(w.tx, mission.id, &layer.uid)?;
        let before = before.ok_or_else(|| Refusal::none("map layer", &layer.uid))?;
        let creator_uid = match (&layer.creator_uid, &author) {
            (own, _) if !own.is_empty() => own.clone(),
            (_, author) if before.creator_uid.is_empty() => author.clone(),
            _ => before.creator_uid,
        };
        let (create_time, modified_time) = (before.create_time, Some(Stamp(w.now)));
        let layer = MapLayer { create_time, modified_time, creator_uid, ..layer };
        maplayers::put(w.tx, mission.id, &layer)?;
        edits::map_layer(w, &mission, &layer, &author)?;
        Ok(layer)
    })?;
    Ok(answer::ok(visit.desk, answer::MAP_LAYER, layer))
}

/// M-67.
fn delete(visit: &mut Visit<'_>) -> Answer {
    let uid = visit.request.param("uid").to_owned();
    let author = visit.creator();
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        if remove(w, &mission, &uid, &author)? { Ok(()) } else { Err(Refusal::none("map layer", &uid)) }
    })?;
    Ok(answer::empty())
}

/// Takes one out of the mission and its folder; false when it is not there.
///
/// # Errors
/// The database.
pub fn remove(w: &mut Write<'_, '_>, mission: &Mission, uid: &str, author: &str) -> Result<bool, Refusal> {
    let Some(layer) = maplayers::find(w.tx, mission.id, uid)? else { return Ok(false) };
    maplayers::remove(w.tx, mission.id, uid)?;
    layers::drop_item(w.tx, mission.id, uid)?;
    w.change(mission, ChangeKind::RemoveContent, author, Subject::MapLayer(layer))?;
    Ok(true)
}

/// What was sent, without members that say null.
fn sent(visit: &mut Visit<'_>) -> Result<MapLayer, Refusal> {
    Ok(plain(visit.body()?))
}

/// One as it is stored.
pub fn plain(mut layer: MapLayer) -> MapLayer {
    layer.rest.retain(|_, value| !value.is_null());
    layer.uid = layer.uid.trim().to_owned();
    layer
}
