//! The service `missions` for other plugins (plugins.md 1): [`fts_plugin_api::sdk::missions`] says what can be asked.
//!
//! `ask` reads, `act` changes what is in a mission, `attach` its log and folders, `overlays` its map layers and feeds, `settings`
//! its own fields, `life` makes and ends missions. All of it goes the way requests of clients go; who acts for a client asks for its rights first. What must not happen: the text of a password or token in
//! an answer or a log.
mod act;
mod ask;
mod attach;
mod life;
mod overlays;
mod settings;

use fts_plugin_api::{
    abi::failure,
    sdk::{
        Error, Result,
        missions::{Answer, Ask, By, Key, MissionInfo},
    },
    shim,
};

use crate::{desk::Desk, model::Mission, refusal::Refusal, store::missions, write::Write};

/// What handlers of this service return.
type Done = std::result::Result<Answer, Refusal>;

/// Answers one question.
///
/// # Errors
/// As `sdk::missions` says.
pub fn answer(desk: &Desk, ask: Ask) -> Result<Answer> {
    dispatch(desk, ask).map_err(error)
}

fn dispatch(desk: &Desk, ask: Ask) -> Done {
    match ask {
        Ask::Find(key) => ask::shown(desk, &find(desk, &key)?),
        Ask::List(tool) => ask::list(desk, &tool),
        Ask::Rights(key, who) => ask::rights(desk, &find(desk, &key)?, &who),
        Ask::Items(key) => ask::items(desk, &find(desk, &key)?),
        Ask::Changes(key, after, limit) => ask::changes(desk, key.as_ref(), after, limit),
        Ask::Create(new, by) => life::create(desk, new, &by),
        Ask::Delete { mission, deep, by } => life::delete(desk, &find(desk, &mission)?, deep, &by),
        Ask::Subscribe(key, uid, user, role) => life::subscribe(desk, &find(desk, &key)?, uid, user, &role),
        Ask::SetParent(key, parent) => life::set_parent(desk, &find(desk, &key)?, parent.as_ref(), &By::default()),
        Ask::Assign(key, parent, by) => life::set_parent(desk, &find(desk, &key)?, parent.as_ref(), &by),
        Ask::Update(key, new, by) => settings::update(desk, &find(desk, &key)?, &new, &by),
        Ask::PasswordHash(key) => Ok(settings::password_hash(&find(desk, &key)?)),
        Ask::PutMapLayer(key, json, by) => overlays::put_map_layer(desk, &find(desk, &key)?, &json, &by),
        Ask::RemoveMapLayer(key, uid, by) => overlays::remove_map_layer(desk, &find(desk, &key)?, &uid, &by),
        Ask::PutFeed(key, feed, by) => overlays::put_feed(desk, &find(desk, &key)?, feed, &by),
        Ask::RemoveFeed(key, uid, by) => overlays::remove_feed(desk, &find(desk, &key)?, &uid, &by),
        Ask::Attachments(key) => overlays::all(desk, &find(desk, &key)?),
        Ask::AddEvents(key, events, by) => act::add_events(desk, &find(desk, &key)?, &events, &by),
        Ask::AddFiles(key, files, by) => act::add_files(desk, &find(desk, &key)?, &files, &by),
        Ask::Remove { mission, uids, hashes, by } => act::remove(desk, &find(desk, &mission)?, &uids, &hashes, &by),
        Ask::PutExternal(key, external, by) => act::put_external(desk, &find(desk, &key)?, external, &by),
        Ask::RemoveExternal(key, uid, notes, by) => {
            act::remove_external(desk, &find(desk, &key)?, &uid, notes.as_deref(), &by)
        }
        Ask::ExternalChanged(key, uid, notes, token, by) => {
            act::external_changed(desk, &find(desk, &key)?, &uid, notes.as_deref(), &token, &by)
        }
        Ask::PutLog(keys, json, by) => attach::put_log(desk, &keys, &json, &by),
        Ask::RemoveLog(id, by) => attach::remove_log(desk, &id, &by),
        Ask::PutFolder(key, folder, by) => attach::put_folder(desk, &find(desk, &key)?, folder, &by),
        Ask::RemoveFolders(key, uids, by) => attach::remove_folders(desk, &find(desk, &key)?, &uids, &by),
        Ask::Tell(key, kind, by) => act::tell(desk, &find(desk, &key)?, &kind, &by),
    }
}

/// The mission; whoever asks may know every one.
fn find(desk: &Desk, key: &Key) -> std::result::Result<Mission, Refusal> {
    let sql = desk.host.sql();
    let (found, name) = match key {
        Key::Guid(guid) => (missions::by_guid(&sql, guid)?, guid),
        Key::Name(name) => (missions::by_name(&sql, name)?.into_iter().next(), name),
    };
    found.ok_or_else(|| Refusal::none("mission", name))
}

fn one(mission: &Mission) -> Answer {
    Answer { missions: vec![info(mission)], ..Answer::default() }
}

fn info(mission: &Mission) -> MissionInfo {
    MissionInfo {
        guid: mission.guid.clone(),
        name: mission.name.clone(),
        description: mission.description.clone(),
        tool: mission.tool.clone(),
        groups: mission.groups.clone(),
        all_groups: mission.all_groups,
        keywords: mission.keywords.clone(),
        creator_uid: mission.creator_uid.clone(),
        created: mission.create_time,
        protected: mission.password.is_some(),
        invite_only: mission.invite_only,
        default_role: mission.default_role().name().to_owned(),
        chat_room: mission.chat_room.clone(),
        base_layer: mission.base_layer.clone(),
        bbox: mission.bbox.clone(),
        bounding_polygon: mission.bounding_polygon.clone().unwrap_or_default(),
        path: mission.path.clone(),
        classification: mission.classification.clone(),
        expiration: Some(mission.expiration).filter(|at| *at >= 0),
        parent: None,
    }
}

/// Changes of this transaction are recorded so.
fn sign(w: &mut Write<'_, '_>, by: &By) {
    (w.at, w.federated) = (by.at, by.federated);
}

fn error(refusal: Refusal) -> Error {
    let code = match &refusal {
        Refusal::Host(error) => return error.clone(),
        Refusal::Bad(_) | Refusal::Unsafe(_) | Refusal::TooLarge(_) => failure::INVALID,
        Refusal::Forbidden(_) => failure::FORBIDDEN,
        Refusal::NotFound(_) | Refusal::Gone(_) => failure::NOT_FOUND,
        Refusal::Conflict(_) => failure::CONSTRAINT,
    };
    Error::from(shim::failure(code, refusal.to_string()))
}
