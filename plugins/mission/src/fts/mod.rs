//! Missions of a FreeTAKServer (mission.md 6.1, 8.12; operations.md 7.3, 8): what the server read from its databases
//! becomes missions here. This is the plugin's import hook; files are in the store already, events are XML.
//!
//! Sections, each asked as often as there is something:
//! - `missions`: one mission ([`Rows`]), its row and those that point to it, columns by their names in FTS;
//! - `mission_to_mission`: pairs of parent and child, and under which guids they are here.
//!
//! `row` reads what SQLAlchemy wrote · `one` a mission, in this order: row, what was added (`acts`, by its time, which FTS's `history` says), log,
//! people (`people`); then it is visible · `tree` the hierarchy.
//! What must not happen: a mission comes twice (same name and time of creation: it is here, and gets only what could not be
//! read before); one that was closed opens;
//! a row that does not fit takes its mission with it: it is counted as failed, and named.
mod acts;
mod history;
mod one;
mod people;
mod row;
mod tree;

use std::collections::BTreeMap;

use fts_plugin_api::sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::row::Row;
use crate::{desk::Desk, refusal::Refusal};

/// A mission of FTS with what points to it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rows {
    mission: Row,
    /// Files that are in the store: `PrimaryKey` and `hash` as FTS calls them, `sha256` here.
    mission_content: Vec<Row>,
    /// `uid`, and `xml` when FTS has its event.
    #[serde(rename = "MissionCoT")]
    cot: Vec<Row>,
    mission_change: Vec<Row>,
    log: Vec<Row>,
    external_data: Vec<Row>,
    subscription: Vec<Row>,
    /// With `clientUid` of the subscription they made.
    #[serde(rename = "MissionInvitation")]
    invitation: Vec<Row>,
    /// The groups it will be in.
    groups: Vec<String>,
}

/// What became of the rows, by table of FTS.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Of the mission, as it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    guid: Option<String>,
    imported: BTreeMap<&'static str, u64>,
    /// They were here, or say nothing.
    skipped: BTreeMap<&'static str, u64>,
    failed: Vec<Failed>,
    notes: Vec<String>,
}

/// A row that could not be taken.
#[derive(Debug, Serialize)]
struct Failed {
    table: &'static str,
    key: String,
    why: String,
}

impl Report {
    fn imported(&mut self, table: &'static str) {
        *self.imported.entry(table).or_default() += 1;
    }

    fn skipped(&mut self, table: &'static str, rows: usize) {
        if rows > 0 {
            *self.skipped.entry(table).or_default() += rows as u64;
        }
    }

    fn failed(&mut self, table: &'static str, key: impl Into<String>, why: impl std::fmt::Display) {
        self.failed.push(Failed { table, key: key.into(), why: why.to_string() });
    }
}

/// The hook.
///
/// # Errors
/// A section that is not known; rows that are no rows; the database.
pub fn import(desk: &Desk, section: &str, rows: Value) -> Result<Value> {
    let mut report = Report::default();
    match section {
        "missions" => one::take(desk, &read::<Rows>(section, rows)?, &mut report),
        "mission_to_mission" => tree::take(desk, &read::<tree::Rows>(section, rows)?, &mut report),
        other => {
            let known = "missions, mission_to_mission";
            return Err(Error::new(format!("the section {other:?} is not known here; there are: {known}")));
        }
    }
    .map_err(|refusal| match refusal {
        Refusal::Host(error) => error,
        other => Error::new(other.to_string()),
    })?;
    Ok(serde_json::to_value(report)?)
}

fn read<T: serde::de::DeserializeOwned>(section: &str, rows: Value) -> Result<T> {
    serde_json::from_value(rows).map_err(|e| Error::new(format!("the rows of {section} cannot be read: {e}")))
}
