//! The rows of one mission, as the plugin takes them: columns as they are, files by their hash here, events as XML.
use serde_json::{Value, json};

use super::{
    Refused, Report, event,
    file::{Filed, Shelf},
    source::{Source, text},
};
use crate::{files::Files, store::foreign::Fields};

const CONTENT: &str = "mission_content";
const COT: &str = "MissionCoT";
const INVITATION: &str = "MissionInvitation";
/// Tables whose rows go over as they are.
const PLAIN: [&str; 2] = ["external_data", "subscription"];

/// Reads them, and stores its files. Rows that cannot go over are in the report.
///
/// # Errors
/// A database; the store of files.
pub fn rows(
    source: &Source,
    files: &Files,
    key: &str,
    groups: &[String],
    report: &mut Report,
) -> Result<Value, Refused> {
    let mission = source.missions.query("SELECT * FROM mission WHERE PrimaryKey = ?1", &[key])?;
    report.read("mission", mission.len());
    let mut all = json!({"mission": mission.into_iter().next().unwrap_or_default(), "groups": groups});
    for table in PLAIN {
        let rows = source.of_mission(table, key)?;
        report.read(table, rows.len());
        all[table] = json!(rows);
    }
    all["mission_change"] = json!(source.of_mission("mission_change", key)?);
    all[CONTENT] = json!(contents(source, files, key, groups, report)?);
    all[COT] = json!(events(source, key, report)?);
    all["log"] = json!(log(source, key, report)?);
    all[INVITATION] = json!(invitations(source, key, report)?);
    Ok(all)
}

fn contents(
    source: &Source,
    files: &Files,
    key: &str,
    groups: &[String],
    report: &mut Report,
) -> Result<Vec<Fields>, Refused> {
    let mut rows = source.of_mission(CONTENT, key)?;
    report.read(CONTENT, rows.len());
    let shelf = Shelf { source, files, groups };
    let mut there = Vec::new();
    for mut row in rows.drain(..) {
        let name = text(&row, "PrimaryKey").to_owned();
        match shelf.take(&name, report)? {
            Ok(Filed { sha256, hash, new }) => {
                row.insert("sha256".into(), sha256.into());
                row.insert("hash".into(), hash.into());
                row.insert("new".into(), new.into());
                there.push(row);
            }
            Err(why) => report.failed(CONTENT, &name, why),
        }
    }
    Ok(there)
}

fn events(source: &Source, key: &str, report: &mut Report) -> Result<Vec<Fields>, Refused> {
    let mut rows = source.of_mission(COT, key)?;
    report.read(COT, rows.len());
    for row in &mut rows {
        if let Some(xml) = event::of(source, row)? {
            row.insert("xml".into(), xml.into());
        }
    }
    Ok(rows)
}

/// An entry may be in several missions.
fn log(source: &Source, key: &str, report: &mut Report) -> Result<Vec<Fields>, Refused> {
    if !source.missions.has("mission_log")? || !source.missions.has("log")? {
        return Ok(Vec::new());
    }
    let sql = "SELECT * FROM log WHERE id IN (SELECT log_id FROM mission_log WHERE mission_uid = ?1) ORDER BY rowid";
    let rows = source.missions.query(sql, &[key])?;
    report.read("log", rows.len());
    Ok(rows)
}

/// Who is invited is in the subscription that FTS makes with the invitation.
fn invitations(source: &Source, key: &str, report: &mut Report) -> Result<Vec<Fields>, Refused> {
    let mut rows = source.of_mission(INVITATION, key)?;
    report.read(INVITATION, rows.len());
    if !source.missions.has("subscription")? {
        return Ok(rows);
    }
    for row in &mut rows {
        let made = match row.get("subscription_uid") {
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            _ => continue,
        };
        let sql = "SELECT * FROM subscription WHERE CAST(PrimaryKey AS TEXT) = ?1 AND mission_uid = ?2";
        if let Some(member) = source.missions.query(sql, &[&made, key])?.into_iter().next() {
            for column in ["clientUid", "role_id"] {
                if let Some(value) = member.get(column) {
                    row.insert(column.to_owned(), value.clone());
                }
            }
        }
    }
    Ok(rows)
}
