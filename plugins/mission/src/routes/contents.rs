//! M-17 and M-18: items and files go into a mission by name, and out of it.
use std::collections::HashSet;

use fts_plugin_api::tracing;
use serde::Deserialize;

use crate::{
    adding::{self, Item, What},
    answer::{self, Answer},
    arrival::Eyes,
    items,
    model::Resource,
    params,
    present::Depth,
    refusal::Refusal,
    visit::Visit,
};

/// The body of M-17.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    hashes: Option<Vec<String>>,
    uids: Option<Vec<String>>,
    /// By uid of a layer, in the order of the body.
    paths: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What goes into one layer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filed {
    hashes: Option<Vec<String>>,
    uids: Option<Vec<String>>,
    after: Option<String>,
}

impl Body {
    fn items(self) -> Result<Vec<Item>, Refusal> {
        let loose = Filed { hashes: self.hashes, uids: self.uids, after: None };
        let mut items = listed(None, loose)?;
        for (layer, filed) in self.paths.into_iter().flatten() {
            let wrong = |e: serde_json::Error| Refusal::Bad(format!("Invalid Request Body: paths.{layer}: {e}"));
            let filed: Vec<Filed> = serde_json::from_value(filed).map_err(wrong)?;
            for one in filed {
                items.extend(listed(Some(&layer), one)?);
            }
        }
        // What is filed is added by that; what is said twice is added once.
        let filed: HashSet<What> = items.iter().filter(|i| i.path.is_some()).map(|i| i.what.clone()).collect();
        let mut seen = HashSet::new();
        items.retain(|item| {
            let once = item.path.is_some() || !filed.contains(&item.what);
            once && seen.insert((item.what.clone(), item.path.clone()))
        });
        if items.is_empty() {
            return Err(Refusal::Bad("Invalid Request Body: neither hashes nor uids in it".into()));
        }
        Ok(items)
    }
}

/// In a layer each comes behind the one before it.
fn listed(path: Option<&str>, filed: Filed) -> Result<Vec<Item>, Refusal> {
    let uids = filed.uids.into_iter().flatten().map(What::Uid);
    let files = filed.hashes.into_iter().flatten().map(|hash| What::File(hash.to_ascii_lowercase()));
    let mut after = filed.after.filter(|after| !after.is_empty());
    let mut items = Vec::new();
    for what in uids.chain(files) {
        let (What::Uid(name) | What::File(name)) = &what;
        if name.trim().is_empty() {
            return Err(Refusal::Bad("Invalid Request Body: an empty uid or hash".into()));
        }
        let behind = after.replace(name.clone()).filter(|_| path.is_some());
        items.push(Item { what, path: path.map(str::to_owned), after: behind });
    }
    Ok(items)
}

/// PUT `{m}/contents`.
pub fn put(visit: &mut Visit<'_>) -> Answer {
    let items = visit.body::<Body>()?.items()?;
    let creator = visit.creator();
    let receives = visit.request.identity().groups_out.clone();
    let eyes = Eyes::of(visit.desk, &visit.caller, &receives, &creator)?;
    let outcome = adding::add(visit.desk, &visit.mission, &creator, &eyes, &items)?;
    if outcome.added == 0 && outcome.refused == 0 {
        return Err(Refusal::NotFound(outcome.messages.join("; ")));
    }
    let view = visit.show(Depth::WHOLE)?;
    Ok(answer::with_messages(visit.desk, answer::MISSION, [view], &outcome.messages))
}

/// DELETE `{m}/contents`.
pub fn delete(visit: &mut Visit<'_>) -> Answer {
    let named = |name| params::filled(visit.request, name).map(str::to_owned);
    let what = match (named("uid"), named("hash")) {
        (Some(uid), None) => What::Uid(uid),
        (None, Some(hash)) => What::File(hash.to_ascii_lowercase()),
        _ => return Err(Refusal::Bad("one of the parameters hash and uid is needed, not both".into())),
    };
    let creator = visit.creator();
    let desk = visit.desk;
    // What is said of a file that was not in the mission.
    let stored = match &what {
        What::File(hash) => desk.host.files().get(hash)?.map(|file| Resource::from(&file)),
        What::Uid(_) => None,
    };
    desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        match &what {
            What::Uid(uid) => items::remove_uid(w, &mission, uid, &creator).map(drop),
            What::File(hash) => {
                // The caller may not learn of a file what is not in the mission.
                let said = |known: Option<Resource>| match known {
                    Some(known) => stored.unwrap_or(known),
                    None => Resource::gone(hash),
                };
                items::remove_file(w, &mission, hash, &creator, said).map(drop)
            }
        }
    })?;
    let (mission, user) = (&visit.mission.guid, &visit.caller.user);
    tracing::debug!(event = "mission.removed", %mission, %user, uid = %creator, "an item or file was taken out");
    Ok(answer::ok(desk, answer::MISSION, [visit.show(Depth::WHOLE)?]))
}
