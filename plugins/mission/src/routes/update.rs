//! The update half of M-05: what differs is written. Text fields that are absent become blank, as in TAK Server (clients
//! send all of them each time); what is dangerous to lose (role, password, groups, expiration, tool) is left alone then.
use fts_plugin_api::sdk::{PUT, Request};

use super::{attached, create};
use crate::{
    answer::{self, Answer},
    caller::Caller,
    desk::Desk,
    draft::Draft,
    edits,
    model::{Mission, PasswordHash, Permission, Role},
    notice::Notice,
    params,
    present::Depth,
    refusal::Refusal,
    store::missions,
    visit::Visit,
    write::Write,
};

/// PUT and POST `missions/guid/{guid}`: the mission is there, so it can only be an update.
pub fn put(visit: &mut Visit<'_>) -> Answer {
    let draft = attached::named(visit.desk, Draft::of(visit.request)?)?;
    update(visit, draft)
}

/// Of a mission that was found by name.
pub fn apply(desk: &Desk, request: &mut Request, caller: &Caller, mission: Mission, draft: Draft) -> Answer {
    let role = caller.role_in(&desk.host.sql(), &mission)?;
    update(&mut Visit { desk, request, caller: caller.clone(), mission, role }, draft)
}

fn update(visit: &mut Visit<'_>, draft: Draft) -> Answer {
    visit.need(Permission::Write)?;
    let role = visit.role;
    let groups = new_groups(visit, &draft)?;
    if let Some(new) = draft.default_role.filter(|new| *new != visit.mission.default_role()) {
        visit.need(Permission::SetRole)?;
        if !role.is_some_and(|own| own.covers(new)) {
            return Err(visit.deny(format!("{} is more than the caller's own role", new.name())));
        }
    }
    let password = match &draft.password {
        None => None,
        Some(password) => {
            visit.need(Permission::SetPassword)?;
            visit.caller.may_use_password(visit.desk)?;
            Some(PasswordHash::of(&visit.desk.host, password)?)
        }
    };
    let author = visit.creator();
    visit.desk.write(|w| write(w, visit, &draft, password, groups, &author))?;
    Ok(answer::ok(visit.desk, answer::MISSION, [visit.show(Depth::WHOLE)?]))
}

/// The groups it asks for instead of those it sees; None = they stay. Clients send all fields again, and of the groups a
/// caller is shown only its own: those it does not see are not meant ([`with_hidden`]).
fn new_groups(visit: &Visit<'_>, draft: &Draft) -> Result<Option<Vec<String>>, Refusal> {
    let Some(asked) = draft.groups.as_deref() else { return Ok(None) };
    let asked = sorted(create::groups(&visit.caller, Some(asked))?);
    if visit.mission.all_groups || asked == sorted(visit.caller.groups_of(&visit.mission)) {
        return Ok(None);
    }
    visit.need(Permission::UpdateGroups)?;
    // A POST says by itself that it means it.
    if visit.request.head().method == PUT {
        let owner = visit.role == Some(Role::Owner);
        let said = params::flag(visit.request, "allowGroupChange", false)?;
        if !owner || !(said || visit.desk.config.allow_group_change) {
            return Err(
                visit.deny("the groups of a mission change only by its owner, with allowGroupChange=true".into())
            );
        }
    }
    Ok(Some(asked))
}

/// These groups, and those of the mission that the caller does not see.
fn with_hidden(caller: &Caller, before: &Mission, groups: Vec<String>) -> Vec<String> {
    let hidden = before.groups.iter().filter(|group| !caller.is_in(group)).cloned();
    sorted(groups.into_iter().chain(hidden).collect())
}

fn sorted(mut groups: Vec<String>) -> Vec<String> {
    groups.sort();
    groups.dedup();
    groups
}

fn write(
    w: &mut Write<'_, '_>,
    visit: &Visit<'_>,
    draft: &Draft,
    password: Option<PasswordHash>,
    groups: Option<Vec<String>>,
    author: &str,
) -> Result<(), Refusal> {
    let (before, caller) = (w.fresh(&visit.mission)?, &visit.caller);
    let mut mission = Mission {
        description: draft.description.clone(),
        chat_room: draft.chat_room.clone(),
        base_layer: draft.base_layer.clone(),
        bbox: draft.bbox.clone(),
        bounding_polygon: draft.bounding_polygon.clone(),
        path: draft.path.clone(),
        classification: draft.classification.clone(),
        ..before.clone()
    };
    let Draft { tool, default_role, expiration, invite_only, service_uri, keywords, .. } = draft;
    set(&mut mission.tool, tool.clone().filter(|t| !t.is_empty()));
    // The default that is not written down stays so.
    if default_role.is_some_and(|role| role != before.default_role()) {
        mission.default_role = *default_role;
    }
    set(&mut mission.expiration, expiration.map(|e| e.max(-1)));
    set(&mut mission.invite_only, *invite_only);
    set(&mut mission.groups, groups.map(|groups| with_hidden(caller, &before, groups)));
    set(&mut mission.keywords, keywords.clone());
    if service_uri.is_some() {
        mission.service_uri.clone_from(service_uri);
    }
    if password.is_some() {
        mission.password = password;
    }
    let mut changed = mission != before;
    if changed {
        missions::update(w.tx, &mission)?;
        missions::set_groups(w.tx, mission.id, &mission.groups)?;
        missions::set_keywords(w.tx, mission.id, &mission.keywords)?;
        edits::settings(w, &before, &mission, author);
        w.password(before.password.as_ref(), &mission, (&caller.user, caller.uid.as_deref().unwrap_or_default()));
    }
    changed |= attached::equal(w, &mission, draft, author)?;
    if changed {
        w.notice(Notice::broadcast("t-x-m-c-m", &mission, author));
    }
    Ok(())
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
