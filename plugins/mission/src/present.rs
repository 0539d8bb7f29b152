//! Missions as a caller sees them: [`MissionView`] with what is in the other tables. Lists never read `details` or events
//! (mission.md 7.2). What one answer holds comes from one snapshot, but for changes that are read while they are sent: those
//! up to the newest of that snapshot.
use std::collections::HashSet;

use fts_plugin_api::sdk::Result;

use crate::{
    caller::Caller,
    desk::Desk,
    model::{Mission, MissionView},
    part::{Filling, Part},
    refusal::Refusal,
    routes,
    store::{self, Db, changes, contents, externals, feeds, logs, maplayers, missions, uids},
    window::Window,
};

/// How much of a mission is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Depth {
    /// `details` on each uid.
    pub details: bool,
}

/// What else of a mission is shown, and of which time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Changes.
    pub changes: Option<Window>,
    /// Log entries.
    pub logs: Option<Window>,
}

impl Depth {
    /// With `details`, as a single mission is shown.
    pub const WHOLE: Self = Self { details: true };
}

/// One mission.
///
/// # Errors
/// The database.
pub fn mission(desk: &Desk, mission: &Mission, caller: &Caller, depth: Depth) -> Result<MissionView> {
    desk.host.sql().read(|read| {
        let mut view = mission.view(caller.groups_of(mission));
        view.uids = Part::text(&uids::told(read, mission.id, depth.details)?)?;
        view.contents = contents::of_mission(read, mission.id)?;
        attach(read, mission.id, &mut view)?;
        Ok(view)
    })
}

/// One mission, read again by guid, with the parts that are put in while the answer is sent ([`answer::filled`]): a long
/// list of items, and the changes and log entries of these times, all of them (not squashed).
///
/// # Errors
/// 410 when somebody has deleted it meanwhile; the database.
///
/// [`answer::filled`]: crate::answer::filled
pub fn whole(
    desk: &Desk,
    guid: &str,
    caller: &Caller,
    depth: Depth,
    times: Times,
) -> Result<(MissionView, Vec<Filling>), Refusal> {
    desk.host.sql().read(|read| {
        let mission = missions::by_guid(read, guid)?.ok_or_else(|| gone(guid))?;
        let mut view = mission.view(caller.groups_of(&mission));
        let (items, long) = Part::of(uids::told(read, mission.id, depth.details)?, desk.host.uuid())?;
        view.uids = items;
        view.contents = contents::of_mission(read, mission.id)?;
        attach(read, mission.id, &mut view)?;
        let mut fillings: Vec<Filling> = long.into_iter().collect();
        if let Some(window) = times.changes {
            let lines = routes::changes::whole(&desk.host, mission.id, window, changes::newest(read)?);
            let (part, filling) = Part::later(desk.host.uuid(), lines);
            view.mission_changes = Some(part);
            fillings.push(filling);
        }
        if let Some(window) = times.logs {
            view.logs = Some(routes::logs::visible(read, caller, logs::of_mission(read, mission.id, window)?)?);
        }
        Ok((view, fillings))
    })
}

fn gone(guid: &str) -> Refusal {
    Refusal::Gone(format!("the mission {guid} was deleted"))
}

/// The same, read again by guid: for answers behind a write.
///
/// # Errors
/// 410 when somebody has deleted it meanwhile; the database.
pub fn again(desk: &Desk, guid: &str, caller: &Caller, depth: Depth) -> Result<MissionView, Refusal> {
    desk.host.sql().read(|read| {
        let found = missions::by_guid(read, guid)?.ok_or_else(|| gone(guid))?;
        Ok(mission(desk, &found, caller, depth)?)
    })
}

/// Several missions of one tool ("" = of every tool), without `details`; protected ones are emptied.
///
/// # Errors
/// The database.
pub fn list(desk: &Desk, missions: &[Mission], caller: &Caller, tool: &str) -> Result<Vec<MissionView>> {
    desk.host.sql().read(|read| list_in(read, missions, caller, tool))
}

fn list_in(db: &impl Db, missions: &[Mission], caller: &Caller, tool: &str) -> Result<Vec<MissionView>> {
    let mut contents = contents::of_tool(db, tool)?;
    let attached: HashSet<i64> = store::column::<i64>(
        db,
        "SELECT mission_id FROM mission_external_data UNION SELECT mission_id FROM mission_feed
         UNION SELECT mission_id FROM map_layer",
        &[],
        "mission_id",
    )?
    .into_iter()
    .collect();
    let mut views = Vec::with_capacity(missions.len());
    for mission in missions {
        let mut view = mission.view(caller.groups_of(mission));
        if mission.password.is_none() {
            view.uids = Part::text(&uids::told(db, mission.id, false)?)?;
            view.contents = contents.remove(&mission.id).unwrap_or_default();
            if attached.contains(&mission.id) {
                attach(db, mission.id, &mut view)?;
            }
        }
        views.push(view);
    }
    Ok(views)
}

fn attach(db: &impl Db, mission: i64, view: &mut MissionView) -> Result<()> {
    view.external_data = externals::of_mission(db, mission)?;
    view.feeds = feeds::of_mission(db, mission)?;
    view.map_layers = maplayers::of_mission(db, mission)?;
    Ok(())
}
