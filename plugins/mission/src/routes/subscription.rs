//! M-34 to M-36: a client becomes a member, asks for its membership, leaves (mission.md 3.6).
//!
//! Subscribing is an upsert: the same row, the same token, a role that only grows. The audiences follow the commit, so the
//! new member misses nothing that is stored behind its row.
use fts_plugin_api::{sdk::Request, tracing};

use crate::{
    answer::{self, Answer},
    desk::Desk,
    model::{InviteKind, Mission, Permission, Role, Subscription, SubscriptionView},
    online::Online,
    params,
    present::{self, Depth, Times},
    refusal::Refusal,
    store::{Db, invitations, subscriptions},
    token::TokenKind,
    visit::Visit,
    window::Window,
    write::After,
};

/// M-34.
pub fn put(visit: &mut Visit<'_>) -> Answer {
    let client_uid = member_uid(visit.request)?;
    let window = Window::of(visit.request, visit.desk.host.now())?;
    let role = joining_role(visit, &client_uid)?;
    let row = join(visit, &client_uid, role)?;
    if let Err(error) = visit.desk.feeds.greet(visit.desk, &visit.mission.guid, &client_uid, &visit.caller.user) {
        tracing::warn!(event = "mission.undone", "a new member did not get what feeds showed last: {error}");
    }
    let (mission, user) = (&visit.mission.guid, &visit.caller.user);
    tracing::info!(event = "mission.subscribed", %mission, %user, uid = %client_uid, role = row.role.name(), "subscribed");
    let mut view = with_token(visit.desk, &visit.mission, &row);
    let mut fillings = Vec::new();
    if visit.caller.version >= 3 {
        let depth = Depth { details: visit.caller.version >= 4 };
        let times = Times { changes: Some(window), logs: Some(window) };
        let (shown, parts) = present::whole(visit.desk, &visit.mission.guid, &visit.caller, depth, times)?;
        (view.mission, fillings) = (Some(shown), parts);
    }
    Ok(answer::filled(visit.desk, answer::SUBSCRIPTION, view, fillings)?.status(201))
}

/// M-35.
pub fn get(visit: &mut Visit<'_>) -> Answer {
    let client_uid = member_uid(visit.request)?;
    let sql = visit.desk.host.sql();
    let row = subscriptions::find(&sql, visit.mission.id, &client_uid, &visit.caller.user)?;
    let row = row.ok_or_else(|| Refusal::none("subscription of", &client_uid))?;
    Ok(answer::ok(visit.desk, answer::SUBSCRIPTION, with_token(visit.desk, &visit.mission, &row)))
}

/// M-36: only one's own, unless the role allows to set others'.
pub fn delete(visit: &mut Visit<'_>) -> Answer {
    let client_uid = member_uid(visit.request)?;
    let only_disconnect = params::flag(visit.request, "disconnectOnly", true)?;
    let sql = visit.desk.host.sql();
    let mut rows = subscriptions::of_client(&sql, visit.mission.id, &client_uid)?;
    let (own, others): (Vec<_>, Vec<_>) = rows.drain(..).partition(|row| row.username == visit.caller.user);
    let rows = if own.is_empty() { others } else { own };
    if rows.iter().any(|row| row.username != visit.caller.user) {
        visit.need(Permission::SetRole)?;
    }
    let guid = visit.mission.guid.clone();
    visit.desk.write(|w| {
        for row in &rows {
            if only_disconnect {
                let row = Subscription { active: false, ..row.clone() };
                subscriptions::put(w.tx, &row)?;
                w.then(After::Admit(guid.clone(), row));
            } else {
                subscriptions::remove(w.tx, row.mission_id, &row.client_uid, &row.username)?;
                w.then(After::Expel(guid.clone(), row.client_uid.clone(), row.username.clone()));
            }
        }
        Ok(())
    })?;
    let (mission, user) = (&visit.mission.guid, &visit.caller.user);
    tracing::info!(event = "mission.unsubscribed", %mission, %user, uid = %client_uid, only_disconnect, "unsubscribed");
    Ok(answer::empty())
}

/// Of `uid`, or of a web-socket topic.
fn member_uid(request: &Request) -> Result<String, Refusal> {
    if let Some(uid) = params::filled(request, "uid") {
        return Ok(uid.to_owned());
    }
    let topic = params::filled(request, "topic").map(|topic| format!("topic:{topic}"));
    topic.ok_or_else(|| Refusal::Bad("the parameter uid (or topic) is missing".into()))
}

/// The subscription as its own member sees it.
pub fn with_token(desk: &Desk, mission: &Mission, row: &Subscription) -> SubscriptionView {
    let token = desk.key.issue(TokenKind::Subscription, &row.token_id, row.create_time, &mission.guid, &mission.name);
    SubscriptionView { token: Some(token), ..row.view() }
}

/// The checks of M-34, in their order: token, membership, password, invitation.
fn joining_role(visit: &Visit<'_>, client_uid: &str) -> Result<Role, Refusal> {
    let (caller, mission, sql) = (&visit.caller, &visit.mission, visit.desk.host.sql());
    if let Some(role) = caller.invited_role(&sql, mission)? {
        return Ok(role);
    }
    if let Some(role) = caller.token_role(&sql, mission)? {
        return Ok(role);
    }
    // A member that comes back without its token, as iTAK does.
    if let Some(row) =
        subscriptions::find(&sql, mission.id, client_uid, &caller.user)?.filter(|_| !caller.user.is_empty())
    {
        return Ok(row.role);
    }
    if mission.password.is_some() && !caller.admin {
        let password = params::filled(visit.request, "password").unwrap_or_default();
        if !caller.knows_password(visit.desk, mission, password)? {
            return Err(visit.deny("wrong password".into()));
        }
    }
    if mission.invite_only && !caller.admin {
        let invited = invitation_of(visit, &sql, client_uid)?;
        return invited.ok_or_else(|| visit.deny("the mission is for invited members only".into()));
    }
    Ok(mission.default_role())
}

/// The best role of an invitation that is provably the caller's, with this device.
fn invitation_of(visit: &Visit<'_>, db: &impl Db, client_uid: &str) -> Result<Option<Role>, Refusal> {
    let (caller, online) = (&visit.caller, Online::now(&visit.desk.host)?);
    // Others may have borrowed the uid.
    let mut devices = online.devices(&caller.user);
    devices.retain(|device| device.uid == client_uid);
    let all = invitations::of_mission(db, visit.mission.id)?;
    Ok(all.into_iter().filter(|i| caller.is_invited(&devices, i.kind, &i.invitee)).map(|i| i.role).max())
}

/// Row and audiences; invitations of this device are used up.
fn join(visit: &Visit<'_>, client_uid: &str, role: Role) -> Result<Subscription, Refusal> {
    let (desk, caller, mission) = (visit.desk, &visit.caller, &visit.mission);
    let token_id = desk.host.uuid();
    let callsign = Online::now(&desk.host)?.device(client_uid, &caller.user).map(|c| c.callsign.clone());
    let used = caller.invitation(&desk.host.sql(), mission)?;
    desk.write(|w| {
        let mission = w.fresh(mission)?;
        let before = subscriptions::find(w.tx, mission.id, client_uid, &caller.user)?;
        let row = match before {
            Some(before) => {
                let role = if role.covers(before.role) { role } else { before.role };
                Subscription { role, active: true, ..before }
            }
            None => Subscription {
                mission_id: mission.id,
                client_uid: client_uid.to_owned(),
                username: caller.user.clone(),
                token_id,
                role,
                create_time: w.now,
                active: true,
            },
        };
        subscriptions::put(w.tx, &row)?;
        // Only of a device that is theirs: another's invitation is not to be used up.
        if let Some(callsign) = &callsign {
            invitations::remove(w.tx, mission.id, InviteKind::ClientUid, client_uid)?;
            invitations::remove(w.tx, mission.id, InviteKind::Callsign, callsign)?;
        }
        if let Some(used) = used.filter(|i| matches!(i.kind, InviteKind::ClientUid | InviteKind::Callsign)) {
            invitations::remove(w.tx, mission.id, used.kind, &used.invitee)?;
        }
        w.then(After::Admit(mission.guid.clone(), row.clone()));
        Ok(row)
    })
}
