//! The hierarchy of FTS, where a mission may have several parents; here it has one. The first of them it is.
use std::collections::HashMap;

use serde::Deserialize;

use super::{Report, Row};
use crate::{desk::Desk, model::Mission, refusal::Refusal, routes::hierarchy::move_below, store::missions};

const TABLE: &str = "mission_to_mission";

/// See the file's head.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rows {
    mission_to_mission: Vec<Row>,
    /// Guids of missions that are here, by their key in FTS.
    missions: HashMap<String, String>,
}

/// Puts missions below others.
///
/// # Errors
/// The database.
pub fn take(desk: &Desk, rows: &Rows, report: &mut Report) -> Result<(), Refusal> {
    for row in &rows.mission_to_mission {
        let (child, parent) = (row.text("child_mission_id"), row.text("parent_mission_id"));
        let pair = format!("{child} below {parent}");
        let (Some(child), Some(parent)) = (find(desk, rows, &child)?, find(desk, rows, &parent)?) else {
            report.failed(TABLE, pair, "one of them was not imported");
            continue;
        };
        match child.parent_id {
            Some(id) if id == parent.id => report.skipped(TABLE, 1),
            Some(_) => report.failed(TABLE, pair, "it is below another mission already, and can be below one only"),
            None => match desk.write(|w| move_below(w, &child, Some(&parent), "").map(drop)) {
                Ok(()) => report.imported(TABLE),
                Err(Refusal::Host(error)) => return Err(error.into()),
                Err(refusal) => report.failed(TABLE, pair, refusal),
            },
        }
    }
    Ok(())
}

fn find(desk: &Desk, rows: &Rows, key: &str) -> Result<Option<Mission>, Refusal> {
    let guid = rows.missions.get(key).map(String::as_str).unwrap_or_default();
    Ok(missions::by_guid(&desk.host.sql(), guid)?)
}
