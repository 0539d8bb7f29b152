//! M-07: one mission.
//!
//! Who may not read it gets 403 from API version 2 on down, and the mission without anything in it above. A right password
//! opens it for this answer and gives an ACCESS token.
use crate::{
    answer::{self, Answer},
    model::Permission,
    params,
    present::{self, Depth, Times},
    refusal::Refusal,
    token::TokenKind,
    visit::Visit,
    window::Window,
};

/// M-07.
pub fn get(visit: &mut Visit<'_>) -> Answer {
    let now = visit.desk.host.now();
    let window = Window::of(visit.request, now)?;
    let times = Times {
        changes: params::flag(visit.request, "changes", false)?.then_some(window),
        logs: params::flag(visit.request, "logs", false)?.then_some(window),
    };
    let mut readable = visit.allows(Permission::Read);
    let mut token = None;
    if let (Some(password), true) = (params::filled(visit.request, "password"), visit.mission.password.is_some()) {
        if visit.caller.knows_password(visit.desk, &visit.mission, password)? {
            token = Some(access_token(visit));
            readable |= visit.mission.default_role().allows(Permission::Read);
        } else if visit.caller.version <= 2 {
            return Err(visit.deny("wrong password".into()));
        } else {
            readable = false;
        }
    }
    if !readable && visit.caller.version <= 2 {
        visit.need(Permission::Read)?;
    }
    let (desk, mission) = (visit.desk, &visit.mission);
    // Read again with what is in it, so that all of it is of one moment.
    let (mut view, mut fillings) = present::whole(desk, &mission.guid, &visit.caller, Depth::WHOLE, times)?;
    if !readable {
        view.empty_out();
        fillings.clear();
    }
    view.token = token;
    answer::filled(visit.desk, answer::MISSION, [view], fillings)
}

/// M-16: a token for who knows the password, or needs none.
pub fn token(visit: &mut Visit<'_>) -> Answer {
    if visit.mission.password.is_some() {
        let password = params::filled(visit.request, "password").unwrap_or_default().to_owned();
        if !visit.caller.knows_password(visit.desk, &visit.mission, &password)? {
            return Err(visit.deny("wrong password".into()));
        }
    } else if visit.role.is_none() {
        return Err(Refusal::forbidden("the mission is for invited members only"));
    }
    Ok(answer::created(visit.desk, answer::STRING, access_token(visit)))
}

fn access_token(visit: &Visit<'_>) -> String {
    let (mission, host) = (&visit.mission, &visit.desk.host);
    visit.desk.key.issue(TokenKind::Access, &mission.way_in(), host.now(), &mission.guid, &mission.name)
}
