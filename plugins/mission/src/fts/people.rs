//! Members, invitations and the log of a mission of FTS.
//!
//! FTS knows a member by its device only: the row is here what it is for a client without a user. Who comes over TLS as a
//! user joins anew, and clients do so by themselves. What must not happen: a user inherits a role because they use a device's uid.
use std::collections::HashMap;

use super::{Report, Row, Rows};
use crate::{
    desk::Desk,
    model::{Invitation, InviteKind, LogEntry, Mission, Role, Stamp, Subscription},
    refusal::Refusal,
    store::{invitations, logs, subscriptions},
};

pub const LOG: &str = "log";
pub const SUBSCRIPTION: &str = "subscription";
pub const INVITATION: &str = "MissionInvitation";
/// What FTS calls somebody without a user.
const ANONYMOUS: &str = "anonymous";

/// The log. `hashes` = files by what FTS calls them. An entry of several missions comes with each of them.
///
/// # Errors
/// The database.
pub fn log(
    desk: &Desk,
    mission: &Mission,
    rows: &Rows,
    hashes: &HashMap<String, String>,
    report: &mut Report,
) -> Result<(), Refusal> {
    let entries: Vec<_> = rows.log.iter().map(|row| entry(desk, mission, row, hashes)).collect();
    desk.write_then(
        |w| {
            for entry in &entries {
                let id = entry.id.as_deref().unwrap_or_default();
                let mut missions = logs::missions_of(w.tx, id)?;
                missions.push(mission.id);
                // What is here already was imported with another mission, and may have been edited since.
                let entry = logs::find(w.tx, id)?.unwrap_or_else(|| entry.clone());
                logs::put(w.tx, &entry, &missions)?;
            }
            Ok(())
        },
        |(), _| entries.iter().for_each(|_| report.imported(LOG)),
    )
}

fn entry(desk: &Desk, mission: &Mission, row: &Row, hashes: &HashMap<String, String>) -> LogEntry {
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    let at = row.time("servertime").or_else(|| row.time("created")).unwrap_or(mission.create_time);
    let own = |hash: String| hashes.get(&hash).cloned().unwrap_or(hash);
    LogEntry {
        id: filled(row.text("id")).or_else(|| Some(desk.host.uuid())),
        content: row.verbatim("content").to_owned(),
        creator_uid: row.text("creatorUid"),
        entry_uid: filled(row.text("entryUid")),
        mission_names: Vec::new(),
        servertime: Some(Stamp(at)),
        dtg: row.time("dtg").map(Stamp),
        created: Some(Stamp(row.time("created").unwrap_or(at))),
        content_hashes: row.list("contentHashes").into_iter().map(own).collect(),
        keywords: row.list("keywords"),
    }
}

/// Members and invitations.
///
/// # Errors
/// The database.
pub fn members(desk: &Desk, mission: &Mission, rows: &Rows, report: &mut Report) -> Result<(), Refusal> {
    let mut members: Vec<Subscription> = Vec::new();
    for row in &rows.subscription {
        let member = member(desk, mission, row);
        // FTS writes another row each time a device subscribes.
        let known = members.iter_mut().find(|m| (&m.client_uid, &m.username) == (&member.client_uid, &member.username));
        match known {
            _ if member.client_uid.is_empty() => report.skipped(SUBSCRIPTION, 1),
            Some(known) => {
                known.role = known.role.max(member.role);
                report.skipped(SUBSCRIPTION, 1);
            }
            None => {
                members.push(member);
                report.imported(SUBSCRIPTION);
            }
        }
    }
    let mut invited = Vec::new();
    for row in &rows.invitation {
        match invitation(desk, mission, row) {
            Some(invitation) => {
                invited.push(invitation);
                report.imported(INVITATION);
            }
            None => report.failed(INVITATION, row.text("uid"), "it does not say who is invited"),
        }
    }
    let owners: Vec<_> = members.iter().filter(|m| m.username.is_empty() && m.role == Role::Owner).collect();
    if !owners.is_empty() {
        let uids: Vec<_> = owners.iter().map(|m| m.client_uid.as_str()).collect();
        report.notes.push(format!(
            "{:?} is owned by the device {}: over TLS its user joins with the mission's default role until an administrator makes them owner",
            mission.name,
            uids.join(", ")
        ));
    }
    desk.write_then(
        |w| {
            members.iter().try_for_each(|row| subscriptions::put(w.tx, row))?;
            Ok(invited.iter().try_for_each(|row| invitations::put(w.tx, row))?)
        },
        |(), _| (),
    )
}

fn member(desk: &Desk, mission: &Mission, row: &Row) -> Subscription {
    Subscription {
        mission_id: mission.id,
        client_uid: row.text("clientUid"),
        username: Some(row.text("username")).filter(|name| name != ANONYMOUS).unwrap_or_default(),
        // Tokens of FTS are signed with its key: clients get new ones when they subscribe.
        token_id: desk.host.uuid(),
        role: Role::named(&row.text("role_id")).unwrap_or_else(|| mission.default_role()),
        create_time: row.time("createTime").unwrap_or(mission.create_time),
        active: true,
    }
}

fn invitation(desk: &Desk, mission: &Mission, row: &Row) -> Option<Invitation> {
    let invitee = row.text("clientUid");
    (!invitee.is_empty()).then(|| Invitation {
        mission_id: mission.id,
        invitee,
        kind: InviteKind::ClientUid,
        creator_uid: row.text("author_uid"),
        create_time: desk.host.now(),
        token_id: desk.host.uuid(),
        role: Role::named(&row.text("role_id")).unwrap_or_else(|| mission.default_role()),
    })
}
