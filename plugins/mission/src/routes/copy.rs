//! M-10: a mission is copied under a new name. The copy begins its own history; the source is not touched.
//!
//! Order: name and role are checked, the password is hashed; one transaction writes the copy with everything in it and its
//! first member; the others are told of a new mission. What must not happen: a copy is seen by groups that the caller may
//! not know of.
use fts_plugin_api::tracing;

use super::create::first_member;
use crate::{
    answer::{self, Answer},
    model::{ChangeKind, External, Mission, PasswordHash, Role, Seen, Subject, Subscription, check_name},
    params,
    present::{self, Depth},
    refusal::Refusal,
    store::{copies, externals, feeds, maplayers, missions, subscriptions},
    token::TokenKind,
    visit::Visit,
    write::{After, Write},
};

/// PUT `{m}/copy`.
pub fn put(visit: &mut Visit<'_>) -> Answer {
    let creator = params::required(visit.request, "creatorUid")?.to_owned();
    let name = check_name(params::required(visit.request, "copyName")?)?;
    let desk = visit.desk;
    let copy = planned(visit, name, &creator)?;
    let first = first_member(desk, &visit.caller, &copy);
    let sources = externals::of_mission(&desk.host.sql(), visit.mission.id)?;
    // Ids are made before: within the transaction only the database works. Some more, for what comes in meanwhile.
    let ids: Vec<String> = (0..sources.len() + 16).map(|_| desk.host.uuid()).collect();
    let seen = Seen::by(visit.request.identity());
    let copy = desk.write(|w| write(w, &visit.mission, copy, &first, &seen, ids))?;
    tracing::info!(event = "mission.created", mission = %copy.guid, user = %visit.caller.user, uid = %creator, from = %visit.mission.guid, "copied");
    let mut view = present::mission(desk, &copy, &visit.caller, Depth::WHOLE)?;
    let (id, at) = (&first.token_id, first.create_time);
    view.token = Some(desk.key.issue(TokenKind::Subscription, id, at, &copy.guid, &copy.name));
    view.owner_role = Some(Role::Owner);
    Ok(answer::created(desk, answer::MISSION, [view]))
}

fn planned(visit: &Visit<'_>, name: String, creator: &str) -> Result<Mission, Refusal> {
    let (desk, request, source) = (visit.desk, &*visit.request, &visit.mission);
    let default_role = params::role(request, "defaultRole")?;
    let password = match params::filled(request, "password") {
        None => None,
        Some(password) => {
            visit.caller.may_use_password(desk)?;
            Some(PasswordHash::of(&desk.host, password)?)
        }
    };
    let path = params::text(request, "copyPath").map_or_else(|| source.path.clone(), str::to_owned);
    Ok(Mission {
        id: 0,
        dup: false,
        all_groups: false,
        groups: visit.caller.groups_of(source),
        path,
        creator_uid: creator.to_owned(),
        default_role: default_role.or(source.default_role),
        // A copy of a closed mission is as closed as its source.
        password: password.or_else(|| source.password.clone()),
        expiration: -1,
        parent_id: None,
        create_time: desk.host.now(),
        last_edited: desk.host.now(),
        guid: desk.host.uuid(),
        name,
        ..source.clone()
    })
}

fn write(
    w: &mut Write<'_, '_>,
    source: &Mission,
    mut copy: Mission,
    first: &Subscription,
    seen: &Seen,
    ids: Vec<String>,
) -> Result<Mission, Refusal> {
    w.fresh(source)?;
    let creator = first.client_uid.as_str();
    // Whether the caller sees it or not: its name is taken.
    if !missions::by_name(w.tx, &copy.name)?.is_empty() {
        return Err(Refusal::Bad(format!("there is a mission {:?} already: choose another copyName", copy.name)));
    }
    copy.id = missions::insert(w.tx, &copy)?;
    let member = Subscription { mission_id: copy.id, ..first.clone() };
    subscriptions::put(w.tx, &member)?;
    w.then(After::Open(copy.id, copy.guid.clone(), copy.name.clone()));
    w.then(After::Admit(copy.guid.clone(), member));
    w.password(None, &copy, (&first.username, creator));
    if copy.invite_only {
        w.record(&copy, ChangeKind::CreateMission, creator, Subject::Mission, w.now)?;
    } else {
        w.change(&copy, ChangeKind::CreateMission, creator, Subject::Mission)?;
    }
    // Nobody is a member but who made it: what is in it from the beginning is told to nobody.
    for mut feed in feeds::of_mission(w.tx, source.id)? {
        feed.seen = common(&feed.seen, seen);
        feeds::put(w.tx, copy.id, &feed, creator)?;
        w.record(&copy, ChangeKind::CreateDataFeed, creator, Subject::Feed(feed), w.now)?;
    }
    for layer in maplayers::of_mission(w.tx, source.id)? {
        maplayers::put(w.tx, copy.id, &layer)?;
        w.record(&copy, ChangeKind::AddContent, creator, Subject::MapLayer(layer), w.now)?;
    }
    for (external, uid) in externals::of_mission(w.tx, source.id)?.into_iter().zip(ids) {
        let external = External { uid, ..external };
        externals::put(w.tx, copy.id, &external, creator)?;
        w.record(&copy, ChangeKind::AddContent, creator, Subject::External(external, String::new()), w.now)?;
    }
    copies::all(w.tx, source.id, &copy, creator, w.now)?;
    w.moves.all_came(w.tx, copy.id)?;
    Ok(copy)
}

/// A feed of a copy brings what both who attached it and who copies it receive: the copy has other members.
fn common(attached: &Seen, copies: &Seen) -> Seen {
    match (attached, copies) {
        (Seen::All, one) | (one, Seen::All) => one.clone(),
        (Seen::Groups(a), Seen::Groups(b)) => Seen::Groups(a.iter().filter(|g| b.contains(g)).cloned().collect()),
    }
}
