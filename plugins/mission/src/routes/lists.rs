//! Lists of missions: M-01 to M-03, and `/MissionTable`. Invite-only missions are in none of them.
use fts_plugin_api::sdk::{Request, Result as HostResult};

use crate::{
    answer::{self, Answer},
    caller::Caller,
    desk::Desk,
    model::{Mission, MissionView, Role},
    params, present,
    refusal::Refusal,
    store::{Db, missions, uids},
};

/// What of all missions a caller asks for.
struct Wanted<'a> {
    protected: bool,
    any_role: bool,
    tool: &'a str,
}

impl<'a> Wanted<'a> {
    fn of(request: &'a Request, default: bool) -> Result<Self, Refusal> {
        Ok(Self {
            protected: params::flag(request, "passwordProtected", default)?,
            any_role: params::flag(request, "defaultRole", default)?,
            tool: params::filled(request, "tool").unwrap_or("public"),
        })
    }

    fn find(&self, db: &impl Db, caller: &Caller) -> HostResult<Vec<Mission>> {
        let mut all = missions::of_tool(db, self.tool)?;
        all.retain(|m| {
            let shown = caller.sees(m) && !m.invite_only && (self.protected || m.password.is_none());
            // Old clients know no other default role.
            shown && (self.any_role || m.default_role() == Role::Subscriber)
        });
        Ok(all)
    }
}

/// M-01.
pub fn list(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let wanted = Wanted::of(request, false)?;
    let views = desk.host.sql().read(|read| {
        let found = wanted.find(read, caller)?;
        present::list(desk, &found, caller, wanted.tool)
    })?;
    Ok(answer::ok(desk, answer::MISSION, views))
}

/// M-02: a page, sorted and filtered. One filter wins: tool, name, uid.
pub fn page(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let views = desk.host.sql().read(|read| page_in(desk, read, request, caller))?;
    Ok(answer::ok(desk, answer::MISSION, views))
}

fn page_in(desk: &Desk, db: &impl Db, request: &Request, caller: &Caller) -> Result<Vec<MissionView>, Refusal> {
    let mut wanted = Wanted::of(request, true)?;
    let no_tool = params::filled(request, "tool").is_none();
    let filter = |name| params::filled(request, name).filter(|_| no_tool);
    let (name, uid) = (filter("nameFilter").map(str::to_lowercase), filter("uidFilter"));
    // Whoever looks for a name or a uid does not mean those of one tool.
    if name.is_some() || uid.is_some() {
        wanted.tool = "";
    }
    let mut found = wanted.find(db, caller)?;
    if let Some(name) = name {
        found.retain(|m| m.name.to_lowercase().contains(&name));
    } else if let Some(uid) = uid {
        let holding = uids::holding(db, uid)?;
        found.retain(|m| holding.contains(&m.id));
    }
    if let Some(field) = params::filled(request, "sort") {
        sort(&mut found, field)?;
    }
    if !params::flag(request, "ascending", true)? {
        found.reverse();
    }
    let page = usize::try_from(params::number(request, "page")?.unwrap_or(0)).map_err(|_| below_zero("page"))?;
    let size =
        usize::try_from(params::number(request, "pagesize")?.unwrap_or(10)).map_err(|_| below_zero("pagesize"))?;
    let found: Vec<_> = found.into_iter().skip(page.saturating_mul(size)).take(size).collect();
    Ok(present::list(desk, &found, caller, wanted.tool)?)
}

fn below_zero(name: &str) -> Refusal {
    Refusal::Bad(format!("{name} is a number from 0"))
}

/// By a plain field of the mission object (1.3).
fn sort(found: &mut [Mission], field: &str) -> Result<(), Refusal> {
    match field {
        "createTime" => found.sort_by_key(|m| m.create_time),
        "lastEdited" => found.sort_by_key(|m| m.last_edited),
        "expiration" => found.sort_by_key(|m| m.expiration),
        _ => {
            let none = || Refusal::Bad(format!("missions cannot be sorted by {field:?}"));
            let text = text_of(field).ok_or_else(none)?;
            found.sort_by_cached_key(|m| text(m).to_lowercase());
        }
    }
    Ok(())
}

fn text_of(field: &str) -> Option<fn(&Mission) -> &str> {
    Some(match field {
        "name" => |m| &m.name,
        "description" => |m| &m.description,
        "chatRoom" => |m| &m.chat_room,
        "baseLayer" => |m| &m.base_layer,
        "bbox" => |m| &m.bbox,
        "boundingPolygon" => |m| m.bounding_polygon.as_deref().unwrap_or_default(),
        "path" => |m| &m.path,
        "classification" => |m| &m.classification,
        "tool" => |m| &m.tool,
        "creatorUid" => |m| &m.creator_uid,
        "guid" => |m| &m.guid,
        "serviceUri" => |m| m.service_uri.as_deref().unwrap_or_default(),
        _ => return None,
    })
}

/// M-03.
pub fn count(desk: &Desk, request: &mut Request, caller: &Caller) -> Answer {
    let found = Wanted::of(request, true)?.find(&desk.host.sql(), caller)?;
    Ok(answer::ok(desk, answer::MISSION, found.len()))
}
