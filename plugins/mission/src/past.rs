//! What the host is told when somebody asks for the events of a uid (M-23, M-24): those that missions keep, and only of
//! missions that the asker may read. The host's own history may have let go of them.
use fts_plugin_api::sdk::{HistoryAsk, Result, StoredEvent};

use crate::{
    desk::Desk,
    model::{Mission, Permission},
    store::{Db, cot, missions, subscriptions},
};

/// Answers, newest first.
///
/// # Errors
/// The database.
pub fn answer(desk: &Desk, ask: &HistoryAsk) -> Result<Vec<StoredEvent>> {
    let mut all = desk.host.sql().read(|read| find(read, ask))?;
    all.sort_by_key(|e| std::cmp::Reverse(e.received));
    Ok(all)
}

fn find(db: &impl Db, ask: &HistoryAsk) -> Result<Vec<StoredEvent>> {
    let mut all = Vec::new();
    for id in cot::missions_of(db, &ask.uid)? {
        let Some(mission) = missions::by_id(db, id)? else { continue };
        if !may_read(db, ask, &mission)? {
            continue;
        }
        for stored in cot::of_uid(db, id, &ask.uid, (ask.from, ask.to))? {
            all.push(StoredEvent {
                uid: stored.uid,
                text: stored.xml.into_bytes().into(),
                received: stored.received,
                groups: mission.groups.clone(),
            });
        }
    }
    Ok(all)
}

/// The server itself may; others see the mission by their groups and read it by membership or because it is open.
fn may_read(db: &impl Db, ask: &HistoryAsk, mission: &Mission) -> Result<bool> {
    let (Some(groups), Some(user)) = (&ask.groups, &ask.user) else {
        return Ok(ask.groups.is_none() && ask.user.is_none());
    };
    if !mission.all_groups && !mission.groups.iter().any(|g| groups.contains(g)) {
        return Ok(false);
    }
    if !user.is_empty() {
        let rows = subscriptions::of_user(db, mission.id, user)?;
        if rows.iter().any(|row| row.role.allows(Permission::Read)) {
            return Ok(true);
        }
    }
    Ok(!mission.is_closed() && mission.default_role().allows(Permission::Read))
}
