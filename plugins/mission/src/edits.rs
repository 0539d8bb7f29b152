//! What other plugins are told of edits without a change record (`sdk::missions::EDITED`): log, folders, keywords, parent,
//! settings, and what is changed in place. Noted inside the transaction, published behind it ([`crate::write`]).
//!
//! What must not happen: a handler edits one of these and does not say so here; the hash of a password in what is published.
use fts_plugin_api::sdk::missions::kind;
use serde_json::{Value, json};

use crate::{
    model::{Feed, Layer, LogEntry, MapLayer, Mission},
    refusal::Refusal,
    write::Write,
};

/// An entry of this mission was written.
///
/// # Errors
/// None in practice: it can be shown as JSON.
pub fn log(w: &mut Write<'_, '_>, mission: &Mission, entry: &LogEntry) -> Result<(), Refusal> {
    let id = entry.id.as_deref().unwrap_or_default();
    w.edited(mission, kind::LOG, id, &serde_json::to_value(entry).map_err(unshown)?, &entry.creator_uid);
    Ok(())
}

/// An entry is not in this mission any more.
pub fn log_removed(w: &mut Write<'_, '_>, mission: &Mission, id: &str, author: &str) {
    w.edited(mission, kind::LOG_REMOVED, id, &Value::Null, author);
}

/// A folder, or an item in one, stands where it says.
pub fn folder(w: &mut Write<'_, '_>, mission: &Mission, layer: &Layer, author: &str) {
    let Layer { uid, name, kind: is, parent_uid, after } = layer;
    let json = json!({"uid": uid, "name": name, "type": is.name(), "parentUid": parent_uid, "after": after});
    w.edited(mission, kind::FOLDER, uid, &json, author);
}

/// A folder went with everything below it, or an item out of one.
pub fn folder_removed(w: &mut Write<'_, '_>, mission: &Mission, uid: &str, author: &str) {
    w.edited(mission, kind::FOLDER_REMOVED, uid, &Value::Null, author);
}

/// A map layer was changed in place.
///
/// # Errors
/// As [`log`].
pub fn map_layer(w: &mut Write<'_, '_>, mission: &Mission, layer: &MapLayer, author: &str) -> Result<(), Refusal> {
    w.edited(mission, kind::MAP_LAYER, &layer.uid, &serde_json::to_value(layer).map_err(unshown)?, author);
    Ok(())
}

/// An attached feed has other filters.
///
/// # Errors
/// As [`log`].
pub fn feed(w: &mut Write<'_, '_>, mission: &Mission, feed: &Feed, author: &str) -> Result<(), Refusal> {
    w.edited(mission, kind::FEED, &feed.uid, &serde_json::to_value(feed).map_err(unshown)?, author);
    Ok(())
}

/// Keywords of the mission ("") or of something in it.
pub fn keywords(w: &mut Write<'_, '_>, mission: &Mission, of: (&str, &str), keywords: &[String], author: &str) {
    w.edited(mission, of.0, of.1, &json!(keywords), author);
}

/// It stands below this one.
pub fn parent(w: &mut Write<'_, '_>, mission: &Mission, parent: Option<&Mission>, author: &str) {
    let guid = parent.map_or("", |p| p.guid.as_str());
    w.edited(mission, kind::PARENT, guid, &Value::Null, author);
}

/// Whatever of its own is another than before.
pub fn settings(w: &mut Write<'_, '_>, before: &Mission, now: &Mission, author: &str) {
    if now.keywords != before.keywords {
        keywords(w, now, (kind::KEYWORDS, ""), &now.keywords, author);
    }
    if now.expiration != before.expiration {
        w.edited(now, kind::EXPIRATION, "", &json!(now.expiration), author);
    }
    let rest = Mission { keywords: before.keywords.clone(), expiration: before.expiration, ..now.clone() };
    if rest != *before {
        w.edited(now, kind::DETAILS, "", &Value::Null, author);
    }
}

/// The whole tree is another: what went, and what came or moved.
pub fn folders(w: &mut Write<'_, '_>, mission: &Mission, before: &[Layer], now: &[Layer], author: &str) {
    for gone in before.iter().filter(|b| !now.iter().any(|n| n.uid == b.uid)) {
        folder_removed(w, mission, &gone.uid, author);
    }
    now.iter().filter(|n| !before.contains(n)).for_each(|layer| folder(w, mission, layer, author));
}

fn unshown(error: serde_json::Error) -> Refusal {
    Refusal::Host(error.into())
}
