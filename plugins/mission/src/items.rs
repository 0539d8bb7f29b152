//! Map items go into a mission and out of it, and files out of it: the one place that writes row, event, change and notice
//! together, whoever asks (an event sent to the mission, `PUT contents`, a package, another plugin).
use fts_plugin_api::{cot::Cot, sdk::Event, tracing};

use crate::{
    config::Config,
    model::{Change, ChangeKind, Details, Mission, Resource, Subject},
    notice::Notice,
    refusal::Refusal,
    store::{
        changes, contents,
        cot::{self, StoredCot},
        layers, uids,
    },
    write::Write,
};

/// An event to be added.
#[derive(Clone, Debug)]
pub struct NewCot {
    /// Without `<marti>`, see [`stripped`].
    pub cot: Cot,
    /// Client uid of who adds it.
    pub creator_uid: String,
    /// When it was received, ms UTC.
    pub received: i64,
    /// A layer to file it in.
    pub path: Option<String>,
    /// The sibling it comes behind there.
    pub after: Option<String>,
    /// Its number in the host's journal; 0 = none.
    pub journal: u64,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Added {
    /// Stored; its change and notice are written.
    New(Box<Change>),
    /// Stored, part of a change that is listed already (`coalesce_changes`): no notice.
    Merged,
    /// It was stored before a crash or reload.
    Before,
    /// Not stored, and why.
    Refused(&'static str),
}

/// An event without `<marti>`.
///
/// # Errors
/// None in practice: taking an element out leaves an event.
pub fn stripped(event: &Event<'_>) -> Result<Cot, Refusal> {
    let text = event.edit().remove("marti").into_text();
    Cot::parse(text).map_err(|e| Refusal::Bad(format!("the event {:?} cannot be stored: {e}", event.uid())))
}

/// Stores an event in a mission: item, event, layer, change, notice.
///
/// # Errors
/// What SQLite says.
pub fn add_cot(w: &mut Write<'_, '_>, config: &Config, mission: &Mission, new: &NewCot) -> Result<Added, Refusal> {
    if !w.newer(mission.id, new.journal)?
        && let Some(id) = cot::change_of_journal(w.tx, mission.id, new.journal)?
    {
        // It comes again because nobody got it: they are told now.
        if let Some(change) = changes::by_id(w.tx, id)? {
            w.notice(Notice::changed(mission, &change, false));
        }
        return Ok(Added::Before);
    }
    let uid = new.cot.uid().into_owned();
    let known = uids::last(w.tx, mission.id, &uid)?;
    if known.is_none()
        && let Some(why) = refused(w, config, mission, &uid, &new.creator_uid)?
    {
        return Ok(Added::Refused(why));
    }
    let details = Details::of(&new.cot);
    let window = config.coalesce_changes.ms();
    let merged = match known.filter(|_| window > 0) {
        Some(last) if changes::renew(w.tx, last, &new.creator_uid, &details, w.now, window)? => Some(last),
        _ => None,
    };
    let change = match merged {
        Some(_) => None,
        None => {
            let subject = Subject::Uid(uid.clone(), Some(details.clone()));
            Some(w.record(mission, ChangeKind::AddContent, &new.creator_uid, subject, new.received)?)
        }
    };
    let change_id = merged.or(change.as_ref().map(|c| c.id)).unwrap_or(0);
    if known.is_some() {
        uids::renew(w.tx, mission.id, &uid, Some(&details), change_id)?;
    } else {
        uids::add(w.tx, mission.id, &uid, &new.creator_uid, Some(&details), (w.now, change_id))?;
        w.moves.came(&uid);
    }
    if let Some(path) = &new.path {
        layers::file_item(w.tx, mission.id, path, &uid, new.after.as_deref(), &new.creator_uid)?;
    }
    let stored = StoredCot {
        uid,
        received: new.received,
        creator_uid: new.creator_uid.clone(),
        path: new.path.clone(),
        change_id,
        journal: new.journal,
        xml: String::from_utf8_lossy(new.cot.text()).into_owned(),
    };
    cot::insert(w.tx, mission.id, &stored)?;
    Ok(match change {
        Some(change) => {
            w.notice(Notice::changed(mission, &change, false));
            Added::New(Box::new(change))
        }
        None => Added::Merged,
    })
}

/// Adds an item whose event has not come yet: item, layer (and the sibling it comes behind there), change, notice. The
/// reason when it may not come in.
///
/// # Errors
/// What SQLite says.
pub fn add_bare(
    w: &mut Write<'_, '_>,
    config: &Config,
    mission: &Mission,
    uid: &str,
    creator: &str,
    place: Option<(&str, Option<&str>)>,
) -> Result<Option<&'static str>, Refusal> {
    if !uids::holds(w.tx, mission.id, uid)?
        && let Some(why) = refused(w, config, mission, uid, creator)?
    {
        return Ok(Some(why));
    }
    let change = w.change(mission, ChangeKind::AddContent, creator, Subject::Uid(uid.to_owned(), None))?;
    if uids::put(w.tx, mission.id, uid, creator, None, (w.now, change.id))? {
        w.moves.came(uid);
    }
    if let Some((path, after)) = place {
        layers::file_item(w.tx, mission.id, path, uid, after, creator)?;
    }
    Ok(None)
}

/// Why a new uid may not come in. None: it comes in, and counts.
fn refused(
    w: &mut Write<'_, '_>,
    config: &Config,
    mission: &Mission,
    uid: &str,
    creator: &str,
) -> Result<Option<&'static str>, Refusal> {
    if config.strict_uid_membership && uids::missions_of(w.tx, uid)?.iter().any(|other| *other != mission.id) {
        return Ok(Some("it belongs to another mission (plugins.mission.strict_uid_membership)"));
    }
    let count = match w.counted.get(&mission.id) {
        Some(count) => *count,
        None => uids::count(w.tx, mission.id)?,
    };
    w.counted.insert(mission.id, count + usize::from(count < config.max_uids));
    if count >= config.max_uids {
        tracing::error!(
            event = "mission.limit", mission = %mission.guid, user = %w.user, uid = %creator, item = %uid, most = config.max_uids,
            "the mission is full (plugins.mission.max_uids): an item was not added"
        );
        return Ok(Some("the mission is full (plugins.mission.max_uids)"));
    }
    Ok(None)
}

/// Takes an item out: change and notice, also when it was not there (clients wait for the notice). Its events stay.
///
/// # Errors
/// What SQLite says.
pub fn remove_uid(w: &mut Write<'_, '_>, mission: &Mission, uid: &str, creator: &str) -> Result<Change, Refusal> {
    let details = uids::details(w.tx, mission.id, uid)?;
    if uids::remove(w.tx, mission.id, uid)? {
        w.moves.went(uid);
    }
    w.counted.remove(&mission.id);
    layers::drop_item(w.tx, mission.id, uid)?;
    w.change(mission, ChangeKind::RemoveContent, creator, Subject::Uid(uid.to_owned(), details))
}

/// Takes a file out, as [`remove_uid`] does. `said` makes of what the mission knows of it what the change says of it.
///
/// # Errors
/// What SQLite says.
pub fn remove_file(
    w: &mut Write<'_, '_>,
    mission: &Mission,
    hash: &str,
    creator: &str,
    said: impl FnOnce(Option<Resource>) -> Resource,
) -> Result<Change, Refusal> {
    let known = contents::find(w.tx, mission.id, hash)?.map(|item| item.resource);
    contents::remove(w.tx, mission.id, hash)?;
    layers::drop_item(w.tx, mission.id, hash)?;
    w.change(mission, ChangeKind::RemoveContent, creator, Subject::Content(said(known)))
}

/// What a change says of a file of which nothing is known any more: its hash.
pub fn known_or_gone(hash: &str) -> impl FnOnce(Option<Resource>) -> Resource {
    move |known| known.unwrap_or_else(|| Resource::gone(hash))
}
