//! M-37, M-42, M-43: what members may do (mission.md 3.6, 2.3).
//!
//! Roles change in one transaction: rows, then a look whether an owner is left, then audiences and `t-x-m-r`. What must not
//! happen: somebody gives away more than they have; a mission without an owner, unless an administrator wants it; a
//! notice to somebody who only borrows the member's uid.
use fts_plugin_api::{
    sdk::{GET, POST, PUT},
    tracing,
};
use serde::Deserialize;

use crate::{
    answer::{self, Answer},
    book::Book,
    invite::{self, Guest},
    model::{InviteKind, Mission, Permission, Role, Subscription},
    notice::{Notice, To},
    online::Online,
    params,
    refusal::Refusal,
    store::subscriptions,
    visit::Visit,
    write::{After, Write},
};

/// Their paths.
pub fn register(book: &mut Book<'_, '_>) {
    book.on(GET, "/role", Permission::Read, get);
    book.on_member(PUT, "/role", Permission::SetRole, put);
    book.on(POST, "/subscription", Permission::SetRole, post);
}

/// M-42: the role of this request.
pub fn get(visit: &mut Visit<'_>) -> Answer {
    Ok(answer::ok(visit.desk, answer::ROLE, visit.role))
}

/// M-43: a member by user, else by client uid; without `role` it is removed.
pub fn put(visit: &mut Visit<'_>) -> Answer {
    let who = Who {
        client_uid: params::filled(visit.request, "clientUid").map(str::to_owned),
        username: params::filled(visit.request, "username").map(str::to_owned),
    };
    // A user is meant with every device.
    let who = if who.username.is_some() { Who { client_uid: None, ..who } } else { who };
    who.check()?;
    let role = params::role(visit.request, "role")?;
    if let Some(role) = role {
        visit.may_grant(role)?;
    }
    let online = Online::now(&visit.desk.host)?;
    let rows = visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        let rows = who.rows(w, &mission)?;
        if rows.is_empty() {
            return Err(Refusal::none("member", who.name()));
        }
        change(w, &mission, &rows, role, &online)?;
        keeps_an_owner(w, &mission, &rows, visit.caller.admin)?;
        Ok(rows)
    })?;
    rows.iter().for_each(|row| log(visit, row, role));
    Ok(answer::empty())
}

/// One of M-37.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    client_uid: Option<String>,
    username: Option<String>,
    role: Option<Role>,
}

/// M-37: members get their role, others are invited.
pub fn post(visit: &mut Visit<'_>) -> Answer {
    let creator = params::required(visit.request, "creatorUid")?.to_owned();
    let mut wanted = Vec::new();
    for one in visit.body::<Vec<Wanted>>()? {
        let filled = |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let who = Who { client_uid: filled(one.client_uid), username: filled(one.username) };
        who.check()?;
        let role = one.role.unwrap_or_else(|| visit.mission.default_role());
        visit.may_grant(role)?;
        wanted.push((who, role));
    }
    let online = Online::now(&visit.desk.host)?;
    // Ids of tokens come from the host, so there is one for each before it is known who is a member.
    let wanted: Vec<_> =
        wanted.into_iter().map(|(who, role)| (Guest::new(visit.desk, who.guest(), role), who)).collect();
    let (set, invited) = visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        let (mut set, mut invited) = (Vec::new(), Vec::new());
        for (guest, who) in &wanted {
            let rows = who.rows(w, &mission)?;
            if rows.is_empty() {
                invite::put(w, visit.desk, &mission, guest, &creator, &online)?;
                invited.push(guest);
            } else {
                change(w, &mission, &rows, Some(guest.role), &online)?;
                keeps_an_owner(w, &mission, &rows, visit.caller.admin)?;
                set.extend(rows.into_iter().map(|row| (row, guest.role)));
            }
        }
        Ok((set, invited))
    })?;
    set.iter().for_each(|(row, role)| log(visit, row, Some(*role)));
    invited.into_iter().for_each(|guest| guest.log(visit));
    Ok(answer::empty())
}

/// Whom it is about: one of the two is there.
struct Who {
    client_uid: Option<String>,
    username: Option<String>,
}

impl Who {
    fn check(&self) -> Result<(), Refusal> {
        match (&self.client_uid, &self.username) {
            (None, None) => Err(Refusal::Bad("nobody is named: clientUid or username is missing".into())),
            _ => Ok(()),
        }
    }

    fn rows(&self, w: &Write<'_, '_>, mission: &Mission) -> Result<Vec<Subscription>, Refusal> {
        Ok(match (&self.client_uid, &self.username) {
            (Some(uid), Some(user)) => subscriptions::find(w.tx, mission.id, uid, user)?.into_iter().collect(),
            (None, Some(user)) => subscriptions::of_user(w.tx, mission.id, user)?,
            (Some(uid), None) => subscriptions::of_client(w.tx, mission.id, uid)?,
            (None, None) => Vec::new(),
        })
    }

    /// As somebody to be invited.
    fn guest(&self) -> (InviteKind, &str) {
        match &self.client_uid {
            Some(uid) => (InviteKind::ClientUid, uid),
            None => (InviteKind::UserName, self.name()),
        }
    }

    fn name(&self) -> &str {
        self.username.as_deref().or(self.client_uid.as_deref()).unwrap_or("")
    }
}

/// These members have this role; None = they are none any more.
fn change(
    w: &mut Write<'_, '_>,
    mission: &Mission,
    rows: &[Subscription],
    role: Option<Role>,
    online: &Online,
) -> Result<(), Refusal> {
    for row in rows {
        match role {
            Some(role) => {
                let row = Subscription { role, ..row.clone() };
                subscriptions::put(w.tx, &row)?;
                w.then(After::Admit(mission.guid.clone(), row));
            }
            None => {
                subscriptions::remove(w.tx, mission.id, &row.client_uid, &row.username)?;
                w.then(After::Expel(mission.guid.clone(), row.client_uid.clone(), row.username.clone()));
            }
        }
        let conns = online.member(row);
        if !conns.is_empty() {
            w.notice(Notice::role(mission, role, To::Conns(conns)));
        }
    }
    Ok(())
}

/// Behind a change of these rows: if one of them was an owner, there must be another now.
fn keeps_an_owner(w: &Write<'_, '_>, mission: &Mission, before: &[Subscription], admin: bool) -> Result<(), Refusal> {
    let owner = |row: &Subscription| row.role == Role::Owner;
    if admin || !before.iter().any(owner) || subscriptions::of_mission(w.tx, mission.id)?.iter().any(owner) {
        return Ok(());
    }
    Err(Refusal::Conflict(format!(
        "the mission {:?} would have no owner: make somebody else an owner first",
        mission.name
    )))
}

fn log(visit: &Visit<'_>, row: &Subscription, role: Option<Role>) {
    let (mission, user, by) = (&visit.mission.guid, &row.username, &visit.caller.user);
    let role = role.map_or("none", Role::name);
    tracing::info!(event = "mission.role", %mission, %user, uid = %row.client_uid, %by, role, "a role was changed");
}
