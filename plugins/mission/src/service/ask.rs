//! What other plugins read: missions, rights of a caller, what is in a mission, changes.
use std::collections::HashMap;

use fts_plugin_api::sdk::{
    FileInfo, StoredEvent,
    missions::{Answer, ChangeInfo, External, Key, MissionInfo, Rights, Who},
};
use serde_bytes::ByteBuf;

use super::{Done, find, info};
use crate::{
    caller::Caller,
    desk::Desk,
    model::{Mission, Resource, Role},
    refusal::Refusal,
    store::{changes, contents, cot, externals, missions},
};

/// API version of callers of this service: what they may not read they are refused.
const VERSION: u32 = 2;
/// Changes of one answer.
const MOST: u32 = 10_000;
/// Events read at once.
const PAGE: i64 = 1_000;

/// All of a tool.
pub fn list(desk: &Desk, tool: &str) -> Done {
    let all = missions::of_tool(&desk.host.sql(), tool)?;
    let guids: HashMap<i64, String> =
        missions::of_tool(&desk.host.sql(), "")?.into_iter().map(|m| (m.id, m.guid)).collect();
    let shown = |m: &Mission| MissionInfo { parent: m.parent_id.and_then(|id| guids.get(&id).cloned()), ..info(m) };
    Ok(Answer { missions: all.iter().map(shown).collect(), ..Answer::default() })
}

/// One, with what is above it.
pub fn shown(desk: &Desk, mission: &Mission) -> Done {
    let above = mission.parent_id.map(|id| missions::by_id(&desk.host.sql(), id)).transpose()?.flatten();
    let info = MissionInfo { parent: above.map(|m| m.guid), ..info(mission) };
    Ok(Answer { missions: vec![info], ..Answer::default() })
}

/// What somebody may do. A right password counts as an ACCESS token.
pub fn rights(desk: &Desk, mission: &Mission, who: &Who) -> Done {
    let caller = Caller {
        user: who.user.clone(),
        admin: who.admin,
        groups: who.groups.clone(),
        version: VERSION,
        token: who.token.as_deref().and_then(|token| desk.key.verify(token)),
        uid: who.client_uid.clone(),
        // Whether a password may come this way was decided by who took the request.
        tls: true,
    };
    if !caller.sees(mission) {
        return Err(Refusal::none("mission", &mission.name));
    }
    let mut role = caller.role_in(&desk.host.sql(), mission)?;
    let password_right = match &who.password {
        Some(password) => caller.knows_password(desk, mission, password)?,
        None => false,
    };
    if password_right {
        role = role.max(Some(mission.default_role()));
    }
    let permissions = role.iter().flat_map(|role| role.permissions()).map(|p| p.name().to_owned()).collect();
    let role = role.map(Role::name).unwrap_or_default().to_owned();
    let rights = Some(Rights { role, permissions, password_right });
    Ok(Answer { missions: vec![info(mission)], rights, ..Answer::default() })
}

/// Newest events of its items, files, external data.
pub fn items(desk: &Desk, mission: &Mission) -> Done {
    let sql = desk.host.sql();
    let (mut events, mut after, upto) = (Vec::new(), 0, cot::last_item(&sql, mission.id)?);
    loop {
        let page = cot::latest_page(&sql, mission.id, (after, upto), None, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        events.extend(page.into_iter().map(|(_, event)| StoredEvent {
            uid: event.uid,
            text: ByteBuf::from(event.xml),
            received: event.received,
            groups: mission.groups.clone(),
        }));
    }
    let files = contents::of_mission(&sql, mission.id)?.into_iter().map(|item| file(item.resource)).collect();
    let externals = externals::of_mission(&sql, mission.id)?.into_iter().map(external).collect();
    Ok(Answer { missions: vec![info(mission)], events, files, externals, ..Answer::default() })
}

/// Changes with a higher number, oldest first.
pub fn changes(desk: &Desk, key: Option<&Key>, after: i64, limit: u32) -> Done {
    let mission = key.map(|key| find(desk, key)).transpose()?.map(|mission| mission.id);
    let all = changes::following(&desk.host.sql(), mission, after, limit.min(MOST))?;
    let mut told = Vec::with_capacity(all.len());
    for change in all {
        let json = serde_json::to_string(&change.view()).map_err(fts_plugin_api::sdk::Error::from)?;
        told.push(ChangeInfo { id: change.id, mission: change.mission_guid, federated: change.federated, json });
    }
    Ok(Answer { changes: told, ..Answer::default() })
}

/// Of a file that is gone only the hash is known.
fn file(resource: Resource) -> FileInfo {
    let sha256 = resource.hash;
    let Some(known) = resource.known else { return FileInfo { sha256, ..FileInfo::default() } };
    FileInfo {
        sha256,
        len: known.size,
        uid: known.uid,
        name: known.name,
        content_type: known.mime_type,
        keywords: known.keywords,
        tool: known.tool,
        submitter: known.submitter,
        time: known.submission_time.0,
        file_name: known.filename,
        creator_uid: known.creator_uid,
        expiration: known.expiration,
        latitude: known.latitude,
        longitude: known.longitude,
        altitude: known.altitude,
        ..FileInfo::default()
    }
}

fn external(e: crate::model::External) -> External {
    let crate::model::External { uid, name, tool, url_data, url_view, notes } = e;
    External { uid, name, tool, url_data, url_view, notes }
}
