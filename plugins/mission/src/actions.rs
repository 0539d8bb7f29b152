//! `/v2/mission/GetMissions` and `/v2/mission/GetMission` of the FTS REST API (rest-api.md 6.11): the lists of the Marti
//! API as text in a JSON object, for an administrator.
use fts_plugin_api::sdk::{Error, Result};
use serde_json::{Value, json};

use crate::{
    answer,
    caller::Caller,
    desk::Desk,
    model::Mission,
    present::{self, Depth},
    store::missions,
};

/// Every mission of the tool `public`, without `details`.
///
/// # Errors
/// The database.
pub fn list(desk: &Desk, _: &Value) -> Result<Value> {
    let all: Vec<Mission> = missions::of_tool(&desk.host.sql(), "public")?;
    let views = present::list(desk, &all, &Caller::server(), "public")?;
    Ok(json!({"missions": answer::text(desk, answer::MISSION, views)?}))
}

/// One mission, by `mission_id`: its name or guid.
///
/// # Errors
/// `NotFound`; the database.
pub fn get(desk: &Desk, arguments: &Value) -> Result<Value> {
    let id = arguments["mission_id"].as_str().unwrap_or_default();
    let sql = desk.host.sql();
    let found = match missions::by_guid(&sql, id)? {
        Some(mission) => Some(mission),
        None => missions::by_name(&sql, id)?.into_iter().next(),
    };
    let found = found.ok_or_else(|| Error::not_found(format!("no mission {id:?}")))?;
    let view = present::mission(desk, &found, &Caller::server(), Depth::WHOLE)?;
    Ok(json!({"mission": answer::text(desk, answer::MISSION, [view])?}))
}
