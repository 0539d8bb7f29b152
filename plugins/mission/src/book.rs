//! [`Book`]: the one way to register an endpoint. Each mission path is served twice, by name and by guid, by the same handler.
//!
//! Order of things before a handler runs: caller (user, groups, token), mission (bad guid 400, deleted 410, unknown or
//! invisible 404), role, permission (403). Handlers return a [`Refusal`] and never build an error answer: here it becomes
//! one, and every 403 is logged (mission.md 4.7).
use std::sync::Arc;

use fts_plugin_api::{
    sdk::{Auth, HttpError, Listeners, Method, Registrar, Request, Response},
    tracing,
};

use crate::{
    answer::Answer,
    caller::Caller,
    desk::Desk,
    model::{Mission, Permission, Role},
    refusal::Refusal,
    store::{
        changes::{self, By},
        missions,
    },
    visit::Visit,
};

/// Answers a request about one mission.
pub type Handler = fn(&mut Visit<'_>) -> Answer;
/// Answers a request that is about no mission, or about several.
pub type Plain = fn(&Desk, &mut Request, &Caller) -> Answer;

/// No permission is asked for: the handler decides.
pub const ANYBODY: Option<Permission> = None;

const BASE: &str = "/Marti/api";

/// See the file's head.
pub struct Book<'r, 'h> {
    reg: &'r mut Registrar<'h>,
    desk: Arc<Desk>,
}

impl<'r, 'h> Book<'r, 'h> {
    /// Writes into this registrar.
    pub fn new(reg: &'r mut Registrar<'h>, desk: &Arc<Desk>) -> Self {
        Self { reg, desk: desk.clone() }
    }

    /// `missions/{name}` + path, and `missions/guid/{guid}` + path.
    pub fn on(&mut self, method: Method, path: &str, need: impl Into<Option<Permission>>, handler: Handler) {
        let need = need.into();
        self.twins(method, [path, path], need, handler, false);
    }

    /// The same where the two differ: a path for names, and one for guids.
    pub fn on_each(&mut self, method: Method, paths: [&str; 2], need: impl Into<Option<Permission>>, handler: Handler) {
        let need = need.into();
        self.twins(method, paths, need, handler, false);
    }

    /// The same where `uid` or `clientUid` names whom it is about, not who asks.
    pub fn on_member(&mut self, method: Method, path: &str, need: impl Into<Option<Permission>>, handler: Handler) {
        let need = need.into();
        self.twins(method, [path, path], need, handler, true);
    }

    /// The guid form alone, where the name form is something else (PUT and POST of a mission).
    pub fn guid_only(&mut self, method: Method, path: &str, need: impl Into<Option<Permission>>, handler: Handler) {
        self.one(method, path, Find::Guid, need.into(), handler, false);
    }

    fn twins(&mut self, method: Method, paths: [&str; 2], need: Option<Permission>, handler: Handler, other: bool) {
        for (path, find) in paths.into_iter().zip([Find::Name, Find::Guid]) {
            self.one(method, path, find, need, handler, other);
        }
    }

    fn one(&mut self, method: Method, path: &str, find: Find, need: Option<Permission>, handler: Handler, other: bool) {
        let pattern = match find {
            Find::Name => format!("{BASE}/missions/{{name}}{path}"),
            Find::Guid => format!("{BASE}/missions/guid/{{guid}}{path}"),
        };
        let desk = self.desk.clone();
        self.reg.route(method, &pattern, Listeners::MARTI, Auth::User, move |request: &mut Request| {
            let caller = Caller::of(&desk, request);
            let caller = if other { caller.about_another(request) } else { caller };
            let answer = visit(&desk, request, find, need, handler, &caller);
            answered(answer, request, &caller)
        });
    }

    /// A path below `/Marti/api` that is about no one mission.
    pub fn plain(&mut self, method: Method, path: &str, handler: Plain) {
        self.at(method, &format!("{BASE}{path}"), Listeners::MARTI, Auth::User, handler);
    }

    /// Any path, any listener.
    pub fn at(&mut self, method: Method, path: &str, listeners: Listeners, auth: Auth, handler: Plain) {
        let desk = self.desk.clone();
        self.reg.route(method, path, listeners, auth, move |request: &mut Request| {
            let caller = Caller::of(&desk, request);
            let answer = handler(&desk, request, &caller);
            answered(answer, request, &caller)
        });
    }
}

#[derive(Clone, Copy)]
enum Find {
    Name,
    Guid,
}

fn visit(
    desk: &Desk,
    request: &mut Request,
    find: Find,
    need: Option<Permission>,
    handler: Handler,
    caller: &Caller,
) -> Answer {
    let mission = match find {
        Find::Name => by_name(desk, caller, request.param("name"))?,
        Find::Guid => by_guid(desk, caller, request.param("guid"))?,
    };
    let role = caller.role_in(&desk.host.sql(), &mission)?;
    let mut visit = Visit { desk, request, caller: caller.clone(), mission, role };
    let answer = need.map_or(Ok(()), |permission| visit.need(permission)).and_then(|()| handler(&mut visit));
    answer.map_err(|refusal| unless_gone(desk, &visit.mission, refusal).about(&visit.mission, visit.role))
}

/// A mission that is deleted while a request is on its way has no members any more: what the caller is refused for want of
/// a role is a 410 then.
pub fn unless_gone(desk: &Desk, mission: &Mission, refusal: Refusal) -> Refusal {
    match &refusal {
        Refusal::Forbidden(_) if missions::by_id(&desk.host.sql(), mission.id).is_ok_and(|m| m.is_none()) => {
            Refusal::Gone(format!("the mission {:?} was deleted", mission.name))
        }
        _ => refusal,
    }
}

/// The newest mission of this name that the caller sees (2.4).
///
/// # Errors
/// 410, 404.
pub fn by_name(desk: &Desk, caller: &Caller, name: &str) -> Result<Mission, Refusal> {
    let sql = desk.host.sql();
    if let Some(mission) = missions::by_name(&sql, name)?.into_iter().find(|m| caller.sees(m)) {
        return Ok(mission);
    }
    // Those that live are all hidden from the caller: the answer is the one it would get without them.
    absent(name, changes::is_gone(&sql, By::Name(name))?)
}

/// The mission with this guid, when the caller sees it (2.4).
///
/// # Errors
/// 400 for what is no guid; 410, 404.
pub fn by_guid(desk: &Desk, caller: &Caller, guid: &str) -> Result<Mission, Refusal> {
    if guid.len() != 36 || uuid::Uuid::try_parse(guid).is_err() {
        return Err(Refusal::Bad(format!("{guid:?} is no guid like 5d1f0c1e-4d36-4a0f-9c55-0a8f4b6c7d21")));
    }
    let sql = desk.host.sql();
    match missions::by_guid(&sql, guid)? {
        Some(mission) if caller.sees(&mission) => Ok(mission),
        Some(_) => absent(guid, false),
        None => absent(guid, changes::is_gone(&sql, By::Guid(guid))?),
    }
}

fn absent(what: &str, gone: bool) -> Result<Mission, Refusal> {
    if gone {
        return Err(Refusal::Gone(format!("the mission {what:?} was deleted")));
    }
    Err(Refusal::none("mission", what))
}

fn answered(answer: Answer, request: &Request, caller: &Caller) -> Result<Response, HttpError> {
    Ok(answer.unwrap_or_else(|refusal| {
        if let Refusal::Forbidden(denied) = &refusal {
            let (mission, user) = (denied.mission.as_deref().unwrap_or(""), &caller.user);
            let (uid, head) = (caller.uid.as_deref().unwrap_or(""), request.head());
            let (role, permission) = (denied.role.map(Role::name), denied.permission.map(Permission::name));
            // The path without its query, which may hold a password.
            tracing::warn!(event = "mission.denied", %mission, %user, %uid, method = %head.method, path = %head.path, role, permission, "{denied}");
        }
        refusal.response()
    }))
}
