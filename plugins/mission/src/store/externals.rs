//! Table `mission_external_data`.
use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx},
    },
};

use super::Db;
use crate::model::External;

/// All of a mission, in the order they were added.
///
/// # Errors
/// What SQLite says.
pub fn of_mission(db: &impl Db, mission: i64) -> Result<Vec<External>> {
    db.all("SELECT * FROM mission_external_data WHERE mission_id = ?1 ORDER BY id", params![mission], external)
}

/// One of a mission.
///
/// # Errors
/// What SQLite says.
pub fn find(db: &impl Db, mission: i64, uid: &str) -> Result<Option<External>> {
    let sql = "SELECT * FROM mission_external_data WHERE mission_id = ?1 AND uid = ?2";
    db.one(sql, params![mission, uid], external)
}

/// Writes one.
///
/// # Errors
/// What SQLite says.
pub fn put(tx: &Tx<'_>, mission: i64, e: &External, creator: &str) -> Result<()> {
    tx.exec(
        "INSERT INTO mission_external_data (mission_id, uid, name, tool, url_data, url_view, notes, creator_uid)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (mission_id, uid) DO UPDATE SET name = excluded.name, tool = excluded.tool,
            url_data = excluded.url_data, url_view = excluded.url_view, notes = excluded.notes,
            creator_uid = excluded.creator_uid",
        params![mission, &e.uid, &e.name, &e.tool, &e.url_data, &e.url_view, &e.notes, creator],
    )
    .map(|_| ())
}

/// Removes one; false when it was not there.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Tx<'_>, mission: i64, uid: &str) -> Result<bool> {
    let sql = "DELETE FROM mission_external_data WHERE mission_id = ?1 AND uid = ?2";
    Ok(tx.exec(sql, params![mission, uid])? > 0)
}

fn external(row: Row<'_>) -> Result<External> {
    Ok(External {
        uid: row.get("uid")?,
        name: row.get("name")?,
        tool: row.get("tool")?,
        url_data: row.get("url_data")?,
        url_view: row.get("url_view")?,
        notes: row.get("notes")?,
    })
}
