//! M-44 to M-49: invitations to a mission (mission.md 3.7). Writing and delivering them is [`crate::invite`].
//!
//! Who asks for invitations gets those of their user, their groups, and of a device that is provably theirs, by whole names.
//! What must not happen: a token for anybody but the invitee and those who may set roles anyway.
use fts_plugin_api::{
    sdk::{DELETE, GET, POST, PUT, Request},
    tracing,
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{self, Answer},
    book::{ANYBODY, Book},
    caller::Caller,
    desk::Desk,
    invite::{self, Guest},
    model::{Invitation, InviteKind, Mission, Permission, Role, Stamp},
    online::{Online, same},
    params,
    refusal::Refusal,
    store::{invitations, missions},
    token::TokenKind,
    visit::Visit,
};

/// Their paths.
pub fn register(book: &mut Book<'_, '_>) {
    book.on(PUT, "/invite/{type}/{invitee}", ANYBODY, put);
    book.on(DELETE, "/invite/{type}/{invitee}", ANYBODY, delete);
    book.on(POST, "/invite", ANYBODY, post);
    book.on(GET, "/invitations", Permission::Read, of_mission);
    book.plain(GET, "/missions/invitations", own);
    book.plain(GET, "/missions/all/invitations", names);
}

/// No name is longer.
const LONGEST: usize = 1_024;

/// As clients read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    mission_name: String,
    mission_guid: String,
    invitee: String,
    #[serde(rename = "type")]
    kind: &'static str,
    creator_uid: String,
    create_time: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    role: Role,
}

impl View {
    fn of(mission: &Mission, row: Invitation, token: Option<String>) -> Self {
        Self {
            mission_name: mission.name.clone(),
            mission_guid: mission.guid.clone(),
            invitee: row.invitee,
            kind: row.kind.name(),
            creator_uid: row.creator_uid,
            create_time: Stamp(row.create_time),
            token,
            role: row.role,
        }
    }
}

/// M-44.
pub fn put(visit: &mut Visit<'_>) -> Answer {
    params::required(visit.request, "creatorUid")?;
    let (kind, invitee) = named(visit.request)?;
    let role = params::role(visit.request, "role")?;
    invite_all(visit, vec![(kind, invitee, role)])
}

/// One of M-45.
#[derive(Deserialize)]
struct Wanted {
    invitee: String,
    #[serde(rename = "type")]
    kind: String,
    role: Option<Role>,
}

/// M-45: a JSON list, or `contacts` (client uids) in query or form. The body decides, whatever `API_VERSION` says.
pub fn post(visit: &mut Visit<'_>) -> Answer {
    let mut contacts = params::repeated(visit.request, "contacts");
    let form = params::form(visit.request)?;
    contacts.extend(form.into_iter().filter(|(name, _)| name == "contacts").map(|(_, value)| value));
    if !contacts.is_empty() {
        let guests: Result<Vec<_>, Refusal> =
            contacts.iter().map(|uid| Ok((InviteKind::ClientUid, checked(uid)?, None))).collect();
        return invite_all(visit, guests?);
    }
    if visit.request.body_len() == 0 {
        return Err(Refusal::Bad(
            "nobody is invited: a JSON list of invitations or contacts=CLIENT_UID is missing".into(),
        ));
    }
    let wanted = visit.body::<Vec<Wanted>>()?;
    let guests: Result<Vec<_>, Refusal> =
        wanted.iter().map(|w| Ok((kind(&w.kind)?, checked(&w.invitee)?, w.role))).collect();
    invite_all(visit, guests?)
}

/// All or none.
fn invite_all(visit: &Visit<'_>, guests: Vec<(InviteKind, String, Option<Role>)>) -> Answer {
    let mut ready = Vec::with_capacity(guests.len());
    for (kind, invitee, role) in guests {
        let role = role.unwrap_or_else(|| visit.mission.default_role());
        visit.may_grant(role)?;
        ready.push(Guest::new(visit.desk, (kind, &invitee), role));
    }
    let (creator, online) = (visit.creator(), Online::now(&visit.desk.host)?);
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        ready.iter().try_for_each(|guest| invite::put(w, visit.desk, &mission, guest, &creator, &online))
    })?;
    ready.iter().for_each(|guest| guest.log(visit));
    Ok(answer::empty())
}

/// M-46: by who may write, or by the invitee: with the token, or provably. Also when there is none.
pub fn delete(visit: &mut Visit<'_>) -> Answer {
    let (kind, invitee) = named(visit.request)?;
    if !may_withdraw(visit, kind, &invitee)? {
        return Err(visit.deny("an invitation is withdrawn by members who may write, or by who is invited".into()));
    }
    let removed = visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        Ok(invitations::remove(w.tx, mission.id, kind, &invitee)?)
    })?;
    if removed {
        let (mission, user, kind) = (&visit.mission.guid, &visit.caller.user, kind.name());
        tracing::info!(event = "mission.uninvited", %mission, %user, kind, %invitee, "an invitation was withdrawn");
    }
    Ok(answer::empty())
}

fn may_withdraw(visit: &Visit<'_>, kind: InviteKind, invitee: &str) -> Result<bool, Refusal> {
    let (caller, sql) = (&visit.caller, visit.desk.host.sql());
    // The token of this very invitation, not of another one.
    let own = caller.invitation(&sql, &visit.mission)?;
    if own.is_some_and(|row| row.kind == kind && same(&row.invitee, invitee)) {
        return Ok(true);
    }
    let online = Online::now(&visit.desk.host)?;
    if caller.is_invited(&online.devices(&caller.user), kind, invitee) {
        return Ok(true);
    }
    // A password alone makes nobody a member.
    let access = caller.token.as_ref().is_some_and(|claims| claims.kind == TokenKind::Access);
    if visit.mission.password.is_some()
        && access
        && caller.member_role(&sql, &visit.mission)?.is_none()
        && !caller.admin
    {
        return Ok(false);
    }
    Ok(visit.allows(Permission::Write))
}

/// M-47: the caller's own, with tokens.
pub fn own(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let uid = params::required(request, "clientUid")?.to_owned();
    let found = of_caller(desk, caller, Some(&uid))?;
    let views = found.into_iter().map(|(mission, row)| {
        let token = invite::token(desk, &mission, &row);
        View::of(&mission, row, Some(token))
    });
    Ok(answer::ok(desk, answer::INVITATION, views.collect::<Vec<_>>()))
}

/// M-48: names of missions the caller is invited to.
pub fn names(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let found = of_caller(desk, caller, params::filled(request, "clientUid"))?;
    let mut names: Vec<String> = Vec::new();
    for (mission, _) in found {
        if !names.contains(&mission.name) {
            names.push(mission.name);
        }
    }
    Ok(answer::ok(desk, answer::INVITATION, names))
}

/// M-49: all of a mission; tokens only for who may set roles.
pub fn of_mission(visit: &mut Visit<'_>) -> Answer {
    let rows = invitations::of_mission(&visit.desk.host.sql(), visit.mission.id)?;
    let with_token = visit.allows(Permission::SetRole);
    let views = rows.into_iter().map(|row| {
        let token = with_token.then(|| invite::token(visit.desk, &visit.mission, &row));
        View::of(&visit.mission, row, token)
    });
    Ok(answer::ok(visit.desk, answer::INVITATION, views.collect::<Vec<_>>()))
}

/// Invitations of a caller who says that this device is theirs, oldest of each kind first, with their missions.
fn of_caller(desk: &Desk, caller: &Caller, uid: Option<&str>) -> Result<Vec<(Mission, Invitation)>, Refusal> {
    let (sql, online) = (desk.host.sql(), Online::now(&desk.host)?);
    let mut names: Vec<(InviteKind, String)> = Vec::new();
    if let Some(uid) = uid {
        let device = online.device(uid, &caller.user);
        // A uid without a connection is nobody's: everybody could say it is theirs.
        if let Some(client) = device {
            names.push((InviteKind::ClientUid, uid.to_owned()));
            names.push((InviteKind::Callsign, client.callsign.clone()));
            names.push((InviteKind::Team, client.team.clone()));
        }
    }
    names.push((InviteKind::UserName, caller.user.clone()));
    names.extend(caller.groups.iter().map(|group| (InviteKind::Group, group.clone())));
    let mut found = Vec::new();
    for (kind, name) in names.into_iter().filter(|(_, name)| !name.is_empty()) {
        for row in invitations::of_invitee(&sql, kind, &name)? {
            let Some(mission) = missions::by_id(&sql, row.mission_id)? else { continue };
            if kind != InviteKind::Team || caller.sees(&mission) {
                found.push((mission, row));
            }
        }
    }
    Ok(found)
}

/// Of the path.
fn named(request: &Request) -> Result<(InviteKind, String), Refusal> {
    Ok((kind(request.param("type"))?, checked(request.param("invitee"))?))
}

fn kind(name: &str) -> Result<InviteKind, Refusal> {
    let unknown = || Refusal::Bad(format!("{name:?}: clientUid, callsign, userName, group or team is expected"));
    InviteKind::named(name).ok_or_else(unknown)
}

fn checked(invitee: &str) -> Result<String, Refusal> {
    let invitee = invitee.trim();
    if invitee.is_empty() || invitee.len() > LONGEST || invitee.chars().any(char::is_control) {
        return Err(Refusal::Bad(format!("an invitee has 1 to {LONGEST} bytes and no control characters")));
    }
    Ok(invitee.to_owned())
}
