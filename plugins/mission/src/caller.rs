//! [`Caller`]: who asks, and with what role (mission.md 2.1 to 2.7).
//!
//! Order of a role: administrator; token; membership row of an authenticated user (iTAK sends no tokens); nothing on a
//! closed mission; the default role. A token that does not verify, is of another mission or names a row that is gone
//! counts as none: it is no error by itself. What must not happen: the text of a token kept longer than this file.
use fts_plugin_api::sdk::{ClientInfo, Request, Role as Account};

use crate::{
    desk::Desk,
    model::{Invitation, InviteKind, Mission, Role},
    online::same,
    params,
    refusal::Refusal,
    store::{Db, invitations, subscriptions},
    token::{Claims, TokenKind},
};

/// API version when the header is absent or unreadable.
const DEFAULT_VERSION: u32 = 2;
/// Query parameters that may name the caller's own device.
const OWN_UID: [&str; 3] = ["creatorUid", "uid", "clientUid"];

/// See the file's head.
#[derive(Clone, Debug)]
pub struct Caller {
    /// "" = anonymous (plain HTTP).
    pub user: String,
    /// Acts as owner everywhere and is in every group.
    pub admin: bool,
    /// Groups it sends into or receives from.
    pub groups: Vec<String>,
    /// `API_VERSION`.
    pub version: u32,
    /// A mission token that verified.
    pub token: Option<Claims>,
    /// The device it says it speaks for.
    pub uid: Option<String>,
    /// It came over TLS.
    pub tls: bool,
}

impl Caller {
    /// Of a request.
    pub fn of(desk: &Desk, request: &Request) -> Self {
        let identity = request.identity();
        let mut groups = identity.groups_in.clone();
        groups.extend(identity.groups_out.iter().filter(|g| !identity.groups_in.contains(g)).cloned());
        Self {
            user: identity.user.clone(),
            admin: identity.role == Account::Admin,
            groups,
            version: request.header("api_version").and_then(|v| v.trim().parse().ok()).unwrap_or(DEFAULT_VERSION),
            token: token(desk, request),
            uid: OWN_UID.iter().find_map(|name| params::filled(request, name)).map(str::to_owned),
            tls: request.head().scheme == "https",
        }
    }

    /// The server itself, or an administrator without a request.
    pub fn server() -> Self {
        Self {
            user: String::new(),
            admin: true,
            groups: Vec::new(),
            version: DEFAULT_VERSION,
            token: None,
            uid: None,
            tls: true,
        }
    }

    /// The same, when `uid` and `clientUid` of the request name somebody or something else: only `creatorUid` is its own.
    #[must_use]
    pub fn about_another(mut self, request: &Request) -> Self {
        self.uid = params::filled(request, "creatorUid").map(str::to_owned);
        self
    }

    /// Is it in this group?
    pub fn is_in(&self, group: &str) -> bool {
        self.admin || self.groups.iter().any(|g| g == group)
    }

    /// Is the mission visible to it (2.6)?
    pub fn sees(&self, mission: &Mission) -> bool {
        self.admin || mission.all_groups || mission.groups.iter().any(|g| self.groups.contains(g))
    }

    /// Groups of a mission that it may be told.
    pub fn groups_of(&self, mission: &Mission) -> Vec<String> {
        if mission.all_groups {
            return self.groups.clone();
        }
        mission.groups.iter().filter(|g| self.is_in(g)).cloned().collect()
    }

    /// Its role in a mission (2.3); None = every permission is refused.
    ///
    /// # Errors
    /// The database.
    pub fn role_in(&self, db: &impl Db, mission: &Mission) -> Result<Option<Role>, Refusal> {
        if self.admin {
            return Ok(Some(Role::Owner));
        }
        if let Some(role) = self.token_role(db, mission)? {
            return Ok(Some(role));
        }
        if let Some(role) = self.member_role(db, mission)? {
            return Ok(Some(role));
        }
        Ok((!mission.is_closed()).then(|| mission.default_role()))
    }

    /// What its SUBSCRIPTION or ACCESS token is worth in this mission.
    ///
    /// # Errors
    /// The database.
    pub fn token_role(&self, db: &impl Db, mission: &Mission) -> Result<Option<Role>, Refusal> {
        let Some(claims) = self.claims(mission) else { return Ok(None) };
        match claims.kind {
            TokenKind::Access => Ok((claims.id == mission.way_in()).then(|| mission.default_role())),
            TokenKind::Invitation => Ok(None),
            TokenKind::Subscription => {
                let row = subscriptions::by_token(db, &claims.id)?;
                Ok(row.filter(|row| row.mission_id == mission.id).map(|row| row.role))
            }
        }
    }

    /// What its INVITATION token is worth in this mission; only subscribing and declining ask for it.
    ///
    /// # Errors
    /// The database.
    pub fn invited_role(&self, db: &impl Db, mission: &Mission) -> Result<Option<Role>, Refusal> {
        Ok(self.invitation(db, mission)?.map(|row| row.role))
    }

    /// The invitation its INVITATION token names in this mission.
    ///
    /// # Errors
    /// The database.
    pub fn invitation(&self, db: &impl Db, mission: &Mission) -> Result<Option<Invitation>, Refusal> {
        let Some(claims) = self.claims(mission).filter(|c| c.kind == TokenKind::Invitation) else { return Ok(None) };
        Ok(invitations::by_token(db, &claims.id)?.filter(|row| row.mission_id == mission.id))
    }

    /// Is somebody who is invited so provably the caller: by user, by group, or by one of these devices, which are its own?
    pub fn is_invited(&self, devices: &[&ClientInfo], kind: InviteKind, invitee: &str) -> bool {
        let any = |is: fn(&ClientInfo) -> &str| devices.iter().any(|device| same(is(device), invitee));
        match kind {
            InviteKind::UserName => !self.user.is_empty() && same(invitee, &self.user),
            InviteKind::Group => self.groups.iter().any(|group| same(group, invitee)),
            InviteKind::ClientUid => any(|device| &device.uid),
            InviteKind::Callsign => any(|device| &device.callsign),
            InviteKind::Team => any(|device| &device.team),
        }
    }

    /// The role of its membership row; never of an anonymous caller (2.3, 3).
    ///
    /// # Errors
    /// The database.
    pub fn member_role(&self, db: &impl Db, mission: &Mission) -> Result<Option<Role>, Refusal> {
        if self.user.is_empty() {
            return Ok(None);
        }
        Ok(match &self.uid {
            Some(uid) => subscriptions::find(db, mission.id, uid, &self.user)?.map(|row| row.role),
            None => subscriptions::of_user(db, mission.id, &self.user)?.into_iter().map(|row| row.role).max(),
        })
    }

    fn claims(&self, mission: &Mission) -> Option<&Claims> {
        self.token.as_ref().filter(|claims| claims.is_for(&mission.guid, &mission.name))
    }

    /// Does the password open the mission? Takes tens of milliseconds.
    ///
    /// # Errors
    /// 403 over plain HTTP when the configuration wants TLS for passwords.
    pub fn knows_password(&self, desk: &Desk, mission: &Mission, password: &str) -> Result<bool, Refusal> {
        self.may_use_password(desk)?;
        match &mission.password {
            Some(hash) => Ok(hash.verify(&desk.host, password)?),
            None => Ok(false),
        }
    }

    /// May it send a password at all (2.5)?
    ///
    /// # Errors
    /// 403 over plain HTTP when the configuration wants TLS for passwords.
    pub fn may_use_password(&self, desk: &Desk) -> Result<(), Refusal> {
        if desk.config.password_requires_tls && !self.tls {
            return Err(Refusal::forbidden("passwords of missions are taken over HTTPS only on this server"));
        }
        Ok(())
    }
}

/// The first of the two headers that is there decides.
fn token(desk: &Desk, request: &Request) -> Option<Claims> {
    let header = request.header("missionauthorization").or_else(|| request.header("authorization"))?;
    desk.key.verify(header.strip_prefix("Bearer ")?.trim())
}
