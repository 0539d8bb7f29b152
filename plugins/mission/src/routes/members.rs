//! M-38 to M-41: who is a member, online or not. What must not happen: a token of somebody else in one of these.
use std::collections::{BTreeMap, HashMap, HashSet};

use fts_plugin_api::sdk::{GET, Request};

use crate::{
    answer::{self, Answer},
    book::Book,
    caller::Caller,
    desk::Desk,
    model::{Mission, Permission, Subscription},
    refusal::Refusal,
    store::{missions, subscriptions},
    visit::Visit,
};

/// Their paths.
pub fn register(book: &mut Book<'_, '_>) {
    book.on(GET, "/subscriptions", Permission::Read, uids);
    book.on(GET, "/subscriptions/roles", Permission::Read, roles);
    book.plain(GET, "/missions/all/subscriptions", everywhere);
    book.plain(GET, "/missions/all/subscriptions/guid", everywhere_by_guid);
}

/// M-38: client uids, each once.
pub fn uids(visit: &mut Visit<'_>) -> Answer {
    let rows = subscriptions::of_mission(&visit.desk.host.sql(), visit.mission.id)?;
    let mut uids: Vec<String> = Vec::with_capacity(rows.len());
    let mut seen = HashSet::new();
    uids.extend(rows.into_iter().map(|row| row.client_uid).filter(|uid| seen.insert(uid.clone())));
    Ok(answer::ok(visit.desk, answer::SUBSCRIPTIONS, uids))
}

/// M-39: with roles, without tokens.
pub fn roles(visit: &mut Visit<'_>) -> Answer {
    let rows = subscriptions::of_mission(&visit.desk.host.sql(), visit.mission.id)?;
    let views: Vec<_> = rows.iter().map(Subscription::view).collect();
    Ok(answer::ok(visit.desk, answer::SUBSCRIPTIONS, views))
}

/// M-40: of every mission, `{"name":"uid"}` each. For administrators.
pub fn everywhere(desk: &Desk, _: &mut Request, caller: &Caller) -> Answer {
    pairs(desk, caller, |mission| mission.name.clone())
}

/// M-41: the same, `{"guid=name":"uid"}`.
pub fn everywhere_by_guid(desk: &Desk, _: &mut Request, caller: &Caller) -> Answer {
    pairs(desk, caller, |mission| format!("{}={}", mission.guid, mission.name))
}

fn pairs(desk: &Desk, caller: &Caller, key: fn(&Mission) -> String) -> Answer {
    if !caller.admin {
        return Err(Refusal::forbidden("only administrators see the members of all missions"));
    }
    let sql = desk.host.sql();
    let missions: HashMap<i64, Mission> = missions::of_tool(&sql, "")?.into_iter().map(|m| (m.id, m)).collect();
    let rows = subscriptions::all(&sql)?;
    // A mission may have come between the two queries; its members are in the next answer.
    let named = rows.into_iter().filter_map(|row| Some((key(missions.get(&row.mission_id)?), row.client_uid)));
    let pairs: Vec<BTreeMap<String, String>> = named.map(|pair| BTreeMap::from([pair])).collect();
    Ok(answer::ok(desk, answer::SUBSCRIPTIONS, pairs))
}
