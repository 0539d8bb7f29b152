//! Table `map_layer`: sources of map tiles.
use fts_plugin_api::{
    params,
    sdk::{Error, Result, sql::Tx},
};

use super::Db;
use crate::model::MapLayer;

/// All of a mission, in the order they were added.
///
/// # Errors
/// What SQLite says.
pub fn of_mission(db: &impl Db, mission: i64) -> Result<Vec<MapLayer>> {
    db.all("SELECT json FROM map_layer WHERE mission_id = ?1 ORDER BY id", params![mission], |row| {
        let json: String = row.get("json")?;
        serde_json::from_str(&json).map_err(Error::from)
    })
}

/// One of a mission.
///
/// # Errors
/// What SQLite says.
pub fn find(db: &impl Db, mission: i64, uid: &str) -> Result<Option<MapLayer>> {
    let sql = "SELECT json FROM map_layer WHERE mission_id = ?1 AND uid = ?2";
    Ok(db.one(sql, params![mission, uid], |row| super::json(&row, "json"))?.flatten())
}

/// Writes one.
///
/// # Errors
/// What SQLite says.
pub fn put(tx: &Tx<'_>, mission: i64, layer: &MapLayer) -> Result<()> {
    tx.exec(
        "INSERT INTO map_layer (mission_id, uid, json) VALUES (?1, ?2, ?3)
         ON CONFLICT (mission_id, uid) DO UPDATE SET json = excluded.json",
        params![mission, &layer.uid, serde_json::to_string(layer)?],
    )
    .map(|_| ())
}

/// Removes one; false when it was not there.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Tx<'_>, mission: i64, uid: &str) -> Result<bool> {
    Ok(tx.exec("DELETE FROM map_layer WHERE mission_id = ?1 AND uid = ?2", params![mission, uid])? > 0)
}
