//! Missions that other plugins make and end, and their members: a checklist is a mission, too.
use fts_plugin_api::{
    sdk::missions::{By, Key, NewMission},
    tracing,
};

use super::{Done, find, one, settings, sign};
use crate::{
    desk::Desk,
    model::{ChangeKind, Mission, Role, Subject, Subscription, check_name},
    refusal::Refusal,
    routes::{delete, hierarchy},
    store::{missions, subscriptions},
    write::{After, Write},
};

/// A new one; 409 when the name is taken.
pub fn create(desk: &Desk, new: NewMission, by: &By) -> Done {
    let name = check_name(&new.name)?;
    let default_role = match new.default_role.as_str() {
        "" => None,
        text => Some(role(text)?),
    };
    if new.groups.is_empty() {
        return Err(Refusal::Bad("a mission is in at least one group".into()));
    }
    let parent = new.parent.as_ref().map(|key| find(desk, key)).transpose()?;
    let mission = Mission {
        groups: new.groups,
        creator_uid: by.author.clone(),
        parent_id: parent.map(|p| p.id),
        ..Mission::new(desk.host.uuid(), name, desk.host.now())
    };
    let mission = settings::with(mission, &new.settings)?;
    let or = |new: String, before: String| if new.is_empty() { before } else { new };
    let mission = Mission {
        description: or(new.description, mission.description),
        tool: or(new.tool, mission.tool),
        keywords: if new.keywords.is_empty() { mission.keywords } else { new.keywords },
        default_role: default_role.or(mission.default_role),
        ..mission
    };
    let token_id = desk.host.uuid();
    let mission = desk.write(|w| {
        sign(w, by);
        if !missions::by_name(w.tx, &mission.name)?.is_empty() {
            return Err(Refusal::Conflict(format!("there is a mission {:?}", mission.name)));
        }
        let mission = Mission { id: missions::insert(w.tx, &mission)?, ..mission };
        w.then(After::Open(mission.id, mission.guid.clone(), mission.name.clone()));
        w.password(None, &mission, ("", &by.author));
        if let Some((client_uid, user)) = new.owner {
            join(w, &mission, client_uid, user, Role::Owner, token_id)?;
        }
        // As when a client makes one: who is not invited is not told.
        match mission.invite_only {
            true => w.record(&mission, ChangeKind::CreateMission, &by.author, Subject::Mission, w.now)?,
            false => w.change(&mission, ChangeKind::CreateMission, &by.author, Subject::Mission)?,
        };
        Ok(mission)
    })?;
    tracing::info!(event = "mission.created", mission = %mission.guid, uid = %by.author, "created by a plugin");
    Ok(one(&mission))
}

/// It ends for everybody.
pub fn delete(desk: &Desk, mission: &Mission, deep: bool, by: &By) -> Done {
    delete::end_as(desk, mission, &by.author, deep, by.federated, |_| true)?;
    tracing::info!(event = "mission.deleted", mission = %mission.guid, uid = %by.author, deep, "deleted by a plugin");
    Ok(one(mission))
}

/// A member, live at once; an existing one keeps its token, and its role when that is more.
pub fn subscribe(desk: &Desk, mission: &Mission, client_uid: String, user: String, named: &str) -> Done {
    let role = role(named)?;
    let token_id = desk.host.uuid();
    tracing::info!(event = "mission.subscribed", mission = %mission.guid, %user, uid = %client_uid, role = role.name(), "subscribed by a plugin");
    desk.write(|w| {
        let mission = w.fresh(mission)?;
        join(w, &mission, client_uid, user, role, token_id)?;
        Ok(one(&mission))
    })
}

fn join(
    w: &mut Write<'_, '_>,
    mission: &Mission,
    client_uid: String,
    username: String,
    role: Role,
    token_id: String,
) -> Result<(), Refusal> {
    let row = match subscriptions::find(w.tx, mission.id, &client_uid, &username)? {
        Some(before) => Subscription { role: role.max(before.role), active: true, ..before },
        None => {
            let (mission_id, create_time) = (mission.id, w.now);
            Subscription { mission_id, client_uid, username, token_id, role, create_time, active: true }
        }
    };
    subscriptions::put(w.tx, &row)?;
    w.then(After::Admit(mission.guid.clone(), row));
    Ok(())
}

/// Below another, or below none.
pub fn set_parent(desk: &Desk, mission: &Mission, parent: Option<&Key>, by: &By) -> Done {
    let parent = parent.map(|key| find(desk, key)).transpose()?;
    desk.write(|w| {
        sign(w, by);
        let parent = parent.as_ref().map(|parent| w.fresh(parent)).transpose()?;
        let child = hierarchy::move_below(w, mission, parent.as_ref(), &by.author)?;
        Ok(one(&child))
    })
}

/// By name.
///
/// # Errors
/// 400: there is none.
pub fn role(name: &str) -> Result<Role, Refusal> {
    Role::named(name).ok_or_else(|| Refusal::Bad(format!("there is no role {name:?}")))
}
