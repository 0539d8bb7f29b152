//! Log entries and folders that other plugins write: what federation receives of them.
use fts_plugin_api::sdk::missions::{Answer, By, Folder, Key};

use super::{Done, find, one, sign};
use crate::{
    desk::Desk,
    model::{Layer, LayerKind, LogEntry, Mission, Stamp},
    refusal::Refusal,
    routes::{layers, logs},
    store::logs as store,
};

/// An entry as clients read it (JSON), into these missions; the one with its id is written over. Without an id it is new.
pub fn put_log(desk: &Desk, keys: &[Key], json: &str, by: &By) -> Done {
    let sent: LogEntry =
        serde_json::from_str(json).map_err(|e| Refusal::Bad(format!("the log entry cannot be read: {e}")))?;
    let missions = keys.iter().map(|key| find(desk, key)).collect::<Result<Vec<_>, _>>()?;
    if missions.is_empty() {
        return Err(Refusal::Bad("an entry belongs to at least one mission".into()));
    }
    let id = sent.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| desk.host.uuid());
    let entry = desk.write(|w| {
        sign(w, by);
        let before = logs::of_entry(w.tx, &id)?;
        let old = store::find(w.tx, &id)?;
        let created = old.and_then(|e| e.created).or(sent.created).or(Some(Stamp(by.at.unwrap_or(w.now))));
        let creator_uid = if sent.creator_uid.is_empty() { by.author.clone() } else { sent.creator_uid.clone() };
        let entry = LogEntry { id: Some(id), servertime: Some(Stamp(w.now)), created, creator_uid, ..sent };
        logs::write(w, entry, &missions, &before)
    })?;
    Ok(Answer { messages: entry.id.into_iter().collect(), ..Answer::default() })
}

/// It goes.
pub fn remove_log(desk: &Desk, id: &str, by: &By) -> Done {
    desk.write(|w| {
        sign(w, by);
        let missions = logs::of_entry(w.tx, id)?;
        if !store::remove(w.tx, id)? {
            return Err(Refusal::none("log entry", id));
        }
        logs::gone(w, &missions, id, &by.author);
        Ok(Answer::default())
    })
}

/// A folder, new or moved.
pub fn put_folder(desk: &Desk, mission: &Mission, folder: Folder, by: &By) -> Done {
    let kind = LayerKind::named(&folder.kind);
    let kind = kind.ok_or_else(|| Refusal::Bad(format!("there is no layer of the type {:?}", folder.kind)))?;
    if folder.uid.is_empty() {
        return Err(Refusal::Bad("a folder needs a uid".into()));
    }
    let Folder { uid, name, parent_uid, after, .. } = folder;
    desk.write(|w| {
        sign(w, by);
        layers::place(w, mission, &Layer { uid, name: Some(name), kind, parent_uid, after }, &by.author)
    })?;
    Ok(one(mission))
}

/// Folders go with everything below them.
pub fn remove_folders(desk: &Desk, mission: &Mission, uids: &[String], by: &By) -> Done {
    desk.write(|w| {
        sign(w, by);
        layers::take_away(w, mission, uids, &by.author)
    })?;
    Ok(one(mission))
}
