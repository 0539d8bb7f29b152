//! [`Visit`]: a request about one mission, as a handler gets it: the mission was looked up, the caller's role is known, and
//! the permission its route names was checked ([`crate::book`]).
use fts_plugin_api::sdk::{HttpError, Request};
use serde::de::DeserializeOwned;

use crate::{
    caller::Caller,
    desk::Desk,
    model::{Mission, MissionView, Permission, Role},
    params,
    present::{self, Depth},
    refusal::Refusal,
};

/// See the file's head.
pub struct Visit<'a> {
    /// Everything else.
    pub desk: &'a Desk,
    /// The request.
    pub request: &'a mut Request,
    /// Who asks.
    pub caller: Caller,
    /// As it was when the request came; read it again inside a transaction that depends on it.
    pub mission: Mission,
    /// None = every permission is refused.
    pub role: Option<Role>,
}

impl Visit<'_> {
    /// Does its role allow this?
    pub fn allows(&self, permission: Permission) -> bool {
        self.role.is_some_and(|role| role.allows(permission))
    }

    /// Must its role allow this.
    ///
    /// # Errors
    /// 403.
    pub fn need(&self, permission: Permission) -> Result<(), Refusal> {
        if self.allows(permission) {
            return Ok(());
        }
        Err(Refusal::needs(permission, &self.mission).about(&self.mission, self.role))
    }

    /// A 403 that names mission and role in the log.
    pub fn deny(&self, why: String) -> Refusal {
        Refusal::forbidden(why).about(&self.mission, self.role)
    }

    /// May the caller give this role away (2.3, role grants)?
    ///
    /// # Errors
    /// 403.
    pub fn may_grant(&self, role: Role) -> Result<(), Refusal> {
        if !self.role.is_some_and(|own| own.covers(role)) {
            return Err(self.deny(format!("{} is more than the caller's own role", role.name())));
        }
        if self.mission.password.is_none() && !role.covers(self.mission.default_role()) {
            return Err(self.deny(format!("{} is less than everybody has in this mission", role.name())));
        }
        Ok(())
    }

    /// `creatorUid` of the request: the author of the change and `authorUid` of its notice.
    pub fn creator(&self) -> String {
        params::creator(self.request).to_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// 400, 413.
    pub fn body<T: DeserializeOwned>(&mut self) -> Result<T, Refusal> {
        self.request.json().map_err(|e: HttpError| e.into())
    }

    /// The mission as it is now, as the caller sees it; for answers behind a write.
    ///
    /// # Errors
    /// 410 when somebody has deleted it meanwhile; the database.
    pub fn show(&self, depth: Depth) -> Result<MissionView, Refusal> {
        present::again(self.desk, &self.mission.guid, &self.caller, depth)
    }
}
