//! Missions as a caller sees them: [`MissionView`] with what is in the other tables. Lists come from few queries, whatever
//! their length, and never read `details` or events (mission.md 7.2). What one answer holds comes from one snapshot.
use std::collections::HashSet;

use fts_plugin_api::sdk::Result;

use crate::{
    caller::Caller,
    desk::Desk,
    model::{Mission, MissionView},
    refusal::Refusal,
    store::{self, Db, changes, contents, externals, feeds, logs, maplayers, missions, uids},
    window::Window,
};

/// How much of a mission is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Depth {
    /// `details` on each uid.
    pub details: bool,
    /// Changes of this time, all of them (not squashed).
    pub changes: Option<Window>,
    /// Log entries of this time.
    pub logs: Option<Window>,
}

impl Depth {
    /// With `details`, as a single mission is shown.
    pub const WHOLE: Self = Self { details: true, changes: None, logs: None };
}

/// One mission.
///
/// # Errors
/// The database.
pub fn mission(desk: &Desk, mission: &Mission, caller: &Caller, depth: Depth) -> Result<MissionView> {
    desk.host.sql().read(|read| {
        let mut view = mission.view(caller.groups_of(mission));
        view.uids = uids::of_mission(read, mission.id, depth.details)?;
        view.contents = contents::of_mission(read, mission.id)?;
        attach(read, mission.id, &mut view)?;
        if let Some(window) = depth.changes {
            view.set_changes(&changes::of_mission(read, mission.id, window)?);
        }
        if let Some(window) = depth.logs {
            view.logs = Some(crate::routes::logs::visible(read, caller, logs::of_mission(read, mission.id, window)?)?);
        }
        Ok(view)
    })
}

/// The same, read again by guid: for answers behind a write.
///
/// # Errors
/// 410 when somebody has deleted it meanwhile; the database.
pub fn again(desk: &Desk, guid: &str, caller: &Caller, depth: Depth) -> Result<MissionView, Refusal> {
    let gone = || Refusal::Gone(format!("the mission {guid} was deleted"));
    desk.host.sql().read(|read| {
        let found = missions::by_guid(read, guid)?.ok_or_else(gone)?;
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
    let (mut uids, mut contents) = (uids::of_tool(db, tool)?, contents::of_tool(db, tool)?);
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
            view.uids = uids.remove(&mission.id).unwrap_or_default();
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
