//! M-05 and M-06: a mission is made, or changed when the caller sees one of that name (mission.md 3.2.1).
//!
//! Order: name, groups and body are checked; the password is hashed; one transaction decides whether it is a new one and
//! writes it with its change and its first member. Of two that make the same name at once one comes second, and is an update.
use fts_plugin_api::{
    sdk::{POST, Request},
    tracing,
};

use super::{attached, update};
use crate::{
    answer::{self, Answer},
    caller::Caller,
    desk::Desk,
    draft::Draft,
    model::{ANONYMOUS_GROUP, ChangeKind, Mission, PasswordHash, Role, Subject, Subscription, check_name},
    package::{self, Loaded, Loader},
    params,
    present::{self, Depth},
    refusal::Refusal,
    store::{missions, subscriptions},
    token::TokenKind,
    write::{After, Write},
};

/// PUT and POST `missions/{name}`.
pub fn put(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let name = check_name(request.param("name"))?;
    let again = request.head().method == POST && params::flag(request, "allowDupe", false)?;
    let package = Draft::has_package(request);
    let there = || {
        Refusal::Bad(
            "the body is not JSON, and the mission is there: PUT contents/missionpackage loads a package".into(),
        )
    };
    let draft = attached::named(desk, Draft::of(request)?)?;
    if !again {
        let named = missions::by_name(&desk.host.sql(), &name)?;
        if let Some(mission) = named.into_iter().find(|m| caller.sees(m)) {
            if package {
                return Err(there());
            }
            return update::apply(desk, request, caller, mission, draft);
        }
    }
    let mission = new_mission(desk, request, caller, name, &draft)?;
    let first = first_member(desk, caller, &mission);
    match desk.write(|w| insert(w, caller, &mission, &first, &draft, again))? {
        Made::New(mission) => {
            tracing::info!(event = "mission.created", mission = %mission.guid, user = %caller.user, uid = %first.client_uid, "created");
            let messages = if package { load(desk, request, caller, &mission) } else { Vec::new() };
            let mut view = present::mission(desk, &mission, caller, Depth::WHOLE)?;
            view.token = Some(desk.key.issue(
                TokenKind::Subscription,
                &first.token_id,
                first.create_time,
                &mission.guid,
                &mission.name,
            ));
            view.owner_role = Some(Role::Owner);
            Ok(answer::with_messages(desk, answer::MISSION, [view], &messages).status(201))
        }
        Made::Found(_) if package => Err(there()),
        Made::Found(mission) => update::apply(desk, request, caller, *mission, draft),
    }
}

/// Loads the package that came with a new mission. The mission is there whatever becomes of it; what was left out is said.
fn load(desk: &Desk, request: &mut Request, caller: &Caller, mission: &Mission) -> Vec<String> {
    let loader = Loader { desk, mission, caller, creator: &mission.creator_uid };
    match package::load(&loader, request) {
        Ok(Loaded::Done(messages)) => messages,
        Ok(Loaded::Conflict(changes)) => {
            vec![format!("the package was not loaded: {} of its changes are older than the mission", changes.len())]
        }
        Err(refusal) => {
            tracing::warn!(event = "mission.package_refused", mission = %mission.guid, "a new mission stays without its package: {refusal}");
            let why = if matches!(refusal, Refusal::Host(_)) { String::new() } else { format!(": {refusal}") };
            vec![format!("the package was not loaded{why}")]
        }
    }
}

enum Made {
    New(Box<Mission>),
    Found(Box<Mission>),
}

fn insert(
    w: &mut Write<'_, '_>,
    caller: &Caller,
    mission: &Mission,
    first: &Subscription,
    draft: &Draft,
    again: bool,
) -> Result<Made, Refusal> {
    let named = missions::by_name(w.tx, &mission.name)?;
    let dup = !named.is_empty();
    if let Some(found) = named.into_iter().find(|m| !again && caller.sees(m)) {
        return Ok(Made::Found(Box::new(found)));
    }
    let mut mission = Mission { dup, ..mission.clone() };
    mission.id = missions::insert(w.tx, &mission)?;
    let first = Subscription { mission_id: mission.id, ..first.clone() };
    subscriptions::put(w.tx, &first)?;
    w.then(After::Open(mission.id, mission.guid.clone(), mission.name.clone()));
    w.password(None, &mission, (&first.username, &first.client_uid));
    w.then(After::Admit(mission.guid.clone(), first));
    let creator = mission.creator_uid.clone();
    if mission.invite_only {
        w.record(&mission, ChangeKind::CreateMission, &creator, Subject::Mission, w.now)?;
    } else {
        w.change(&mission, ChangeKind::CreateMission, &creator, Subject::Mission)?;
    }
    attached::equal(w, &mission, draft, &creator)?;
    Ok(Made::New(Box::new(mission)))
}

fn new_mission(
    desk: &Desk,
    request: &Request,
    caller: &Caller,
    name: String,
    draft: &Draft,
) -> Result<Mission, Refusal> {
    let password = draft.password.as_deref().map(|password| {
        caller.may_use_password(desk)?;
        PasswordHash::of(&desk.host, password)
    });
    let creator_uid = match params::creator(request) {
        "" => own_uid(desk, caller),
        creator => creator.to_owned(),
    };
    Ok(Mission {
        groups: groups(caller, draft.groups.as_deref())?,
        description: draft.description.clone(),
        chat_room: draft.chat_room.clone(),
        base_layer: draft.base_layer.clone(),
        bbox: draft.bbox.clone(),
        bounding_polygon: draft.bounding_polygon.clone(),
        path: draft.path.clone(),
        classification: draft.classification.clone(),
        tool: draft.tool.clone().filter(|t| !t.is_empty()).unwrap_or_else(|| "public".to_owned()),
        keywords: draft.keywords.clone().unwrap_or_default(),
        creator_uid,
        default_role: draft.default_role,
        password: password.transpose()?,
        invite_only: draft.invite_only.unwrap_or(false),
        expiration: draft.expiration.unwrap_or(-1).max(-1),
        service_uri: draft.service_uri.clone(),
        ..Mission::new(desk.host.uuid(), name, desk.host.now())
    })
}

/// The groups a caller may put a mission into (2.6); None = it names none.
///
/// # Errors
/// 403: one that is not the caller's; none at all.
pub fn groups(caller: &Caller, asked: Option<&[String]>) -> Result<Vec<String>, Refusal> {
    let anonymous = [ANONYMOUS_GROUP.to_owned()];
    let asked = asked.unwrap_or(&anonymous);
    if asked == anonymous && !caller.is_in(ANONYMOUS_GROUP) {
        if caller.groups.is_empty() {
            return Err(Refusal::forbidden("the caller is in no group that the mission could be in"));
        }
        return Ok(caller.groups.clone());
    }
    match asked.iter().find(|g| !caller.is_in(g)) {
        Some(group) => Err(Refusal::forbidden(format!("the caller is not in the group {group:?}"))),
        None => Ok(asked.to_vec()),
    }
}

/// The creator's own row.
pub fn first_member(desk: &Desk, caller: &Caller, mission: &Mission) -> Subscription {
    Subscription {
        mission_id: 0,
        client_uid: mission.creator_uid.clone(),
        username: caller.user.clone(),
        token_id: desk.host.uuid(),
        role: Role::Owner,
        create_time: mission.create_time,
        active: true,
    }
}

/// A caller that names no device: its connected one, else its user's name.
fn own_uid(desk: &Desk, caller: &Caller) -> String {
    if caller.user.is_empty() {
        return "anonymous".to_owned();
    }
    let connected = desk.host.clients().user(&caller.user).unwrap_or_default();
    connected.into_iter().map(|c| c.uid).find(|uid| !uid.is_empty()).unwrap_or_else(|| caller.user.clone())
}
