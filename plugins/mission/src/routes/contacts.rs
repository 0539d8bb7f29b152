//! M-20: who of the mission's groups is connected. A bare array, without the envelope, as clients expect it.
//!
//! What must not happen: a caller is told of somebody in a group of the mission that is not its own.
use std::collections::HashMap;

use fts_plugin_api::{
    cot::Cot,
    sdk::{ClientInfo, Host, Response, Result},
};
use serde::Serialize;

use crate::{answer::Answer, visit::Visit};

/// One of them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Contact {
    callsign: String,
    client_uid: String,
    team: String,
    role: String,
    tak_client: String,
    tak_version: String,
    username: String,
    groups: Vec<String>,
    last_report_milliseconds: i64,
}

/// GET `{m}/contacts`.
pub fn list(visit: &mut Visit<'_>) -> Answer {
    let groups = visit.caller.groups_of(&visit.mission);
    let everywhere = visit.caller.admin && visit.mission.all_groups;
    let clients = visit.desk.host.clients().all()?;
    let mut told: Vec<(ClientInfo, Vec<String>)> = clients
        .into_iter()
        .filter(|client| !client.uid.is_empty())
        .filter_map(|client| {
            let common: Vec<String> = of(&client).filter(|g| everywhere || groups.contains(g)).collect();
            (!common.is_empty()).then_some((client, common))
        })
        .collect();
    let mut versions = versions(&visit.desk.host, told.iter().map(|(client, _)| client.uid.clone()))?;
    let mut contacts: Vec<Contact> = told
        .drain(..)
        .map(|(client, groups)| {
            let version = versions.remove(&client.uid).unwrap_or_default();
            shown(client, groups, version)
        })
        .collect();
    contacts.sort_by(|a, b| (&a.callsign, &a.client_uid).cmp(&(&b.callsign, &b.client_uid)));
    Ok(Response::json(&contacts))
}

/// The version of the software of each, as its newest position says: the directory does not keep it.
fn versions(host: &Host, uids: impl Iterator<Item = String>) -> Result<HashMap<String, String>> {
    let latest = host.history().latest_of(uids)?;
    let version = |text: Vec<u8>| Some(Cot::parse(text).ok()?.detail("takv")?.attr("version")?.into_owned());
    Ok(latest.into_iter().filter_map(|event| Some((event.uid, version(event.text.into_vec())?))).collect())
}

/// Groups of a client, each once.
fn of(client: &ClientInfo) -> impl Iterator<Item = String> + '_ {
    let more = client.groups_out.iter().filter(|g| !client.groups_in.contains(g));
    client.groups_in.iter().chain(more).cloned()
}

fn shown(client: ClientInfo, groups: Vec<String>, version: String) -> Contact {
    Contact {
        tak_client: client.platform,
        tak_version: version,
        callsign: client.callsign,
        client_uid: client.uid,
        team: client.team,
        role: client.role,
        username: if client.user.is_empty() { "anonymous".to_owned() } else { client.user },
        groups,
        last_report_milliseconds: client.position.map_or(client.connected, |p| p.time),
    }
}
