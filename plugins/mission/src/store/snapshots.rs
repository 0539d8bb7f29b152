//! Table `mission_snapshot`, and what the history says of a mission at an earlier moment.
use std::collections::HashMap;

use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx},
    },
};
use serde::Serialize;

use super::Db;
use crate::model::{ChangeKind, External, Layer, LayerKind, MapLayer};

/// A moment: changes up to this number, of events those received up to this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Number of the last change.
    pub change: i64,
    /// ms UTC.
    pub received: i64,
}

/// A named moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// ms UTC.
    pub taken: i64,
    /// Number of the last change then.
    #[serde(rename = "change")]
    pub change_id: i64,
    /// The folders then.
    #[serde(skip)]
    pub layers: Vec<Layer>,
}

/// Notes one; a name may be used again.
///
/// # Errors
/// What SQLite says.
pub fn put(tx: &Tx<'_>, mission: i64, s: &Snapshot) -> Result<()> {
    let rows: Vec<_> = s.layers.iter().map(|l| (&l.uid, &l.name, l.kind.name(), &l.parent_uid, &l.after)).collect();
    tx.exec(
        "INSERT INTO mission_snapshot (mission_id, name, taken, change_id, layers_json) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (mission_id, name) DO UPDATE SET taken = excluded.taken, change_id = excluded.change_id,
            layers_json = excluded.layers_json",
        params![mission, &s.name, s.taken, s.change_id, serde_json::to_string(&rows)?],
    )
    .map(|_| ())
}

/// Those of a mission, oldest first.
///
/// # Errors
/// What SQLite says.
pub fn of_mission(db: &impl Db, mission: i64) -> Result<Vec<Snapshot>> {
    db.all("SELECT * FROM mission_snapshot WHERE mission_id = ?1 ORDER BY taken, id", params![mission], snapshot)
}

/// By name.
///
/// # Errors
/// What SQLite says.
pub fn find(db: &impl Db, mission: i64, name: &str) -> Result<Option<Snapshot>> {
    let sql = "SELECT * FROM mission_snapshot WHERE mission_id = ?1 AND name = ?2";
    db.one(sql, params![mission, name], snapshot)
}

/// Forgets one; false when it was not there.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Tx<'_>, mission: i64, name: &str) -> Result<bool> {
    let sql = "DELETE FROM mission_snapshot WHERE mission_id = ?1 AND name = ?2";
    Ok(tx.exec(sql, params![mission, name])? > 0)
}

fn snapshot(row: Row<'_>) -> Result<Snapshot> {
    type Saved = (String, Option<String>, String, Option<String>, Option<String>);
    let rows: Vec<Saved> = super::json(&row, "layers_json")?.unwrap_or_default();
    let layer = |(uid, name, kind, parent_uid, after): Saved| {
        Some(Layer { uid, name, kind: LayerKind::named(&kind)?, parent_uid, after })
    };
    Ok(Snapshot {
        name: row.get("name")?,
        taken: row.get("taken")?,
        change_id: row.get("change_id")?,
        layers: rows.into_iter().filter_map(layer).collect(),
    })
}

/// The number of the last change of a mission that was stored at this time or before (ms UTC); 0 = there was none.
///
/// # Errors
/// What SQLite says.
pub fn change_at(db: &impl Db, mission: i64, time: i64) -> Result<i64> {
    let sql = "SELECT max(id) AS n FROM mission_change WHERE mission_id = ?1 AND server_ts <= ?2";
    db.number(sql, params![mission, time])
}

/// What was in the mission, by uid, hash, external uid or uid of a map layer.
#[derive(Debug, Default)]
pub struct State {
    /// Map items, and the version of their event (None = it had none).
    pub uids: HashMap<String, Option<i64>>,
    /// Files.
    pub hashes: Vec<String>,
    /// External data.
    pub externals: Vec<External>,
    /// Map layers.
    pub maplayers: Vec<MapLayer>,
}

/// What the history says of this moment.
///
/// # Errors
/// What SQLite says.
pub fn state(db: &impl Db, mission: i64, at: Moment) -> Result<State> {
    let add = ChangeKind::AddContent as i64;
    let values = params![mission, at.change, add];
    // With a bare column beside max(id) SQLite takes it from the row with that id.
    let uids = "SELECT uid, max(id), type,
            (SELECT max(version) FROM mission_cot v WHERE v.mission_id = c.mission_id AND v.uid = c.uid
                AND v.change_id <= ?2 AND v.received <= ?4) AS version
        FROM mission_change c WHERE mission_id = ?1 AND uid IS NOT NULL AND id <= ?2 GROUP BY uid HAVING type = ?3";
    let uids =
        db.all(uids, params![mission, at.change, add, at.received], |row| Ok((row.get("uid")?, row.get("version")?)))?;
    let hashes = "SELECT hash, max(id), type FROM mission_change
        WHERE mission_id = ?1 AND hash IS NOT NULL AND id <= ?2 GROUP BY hash HAVING type = ?3 ORDER BY max(id)";
    // A change that tells of news elsewhere (it has a token) is no state of the record.
    let externals = "SELECT external_json, max(id), type FROM mission_change
        WHERE mission_id = ?1 AND external_uid IS NOT NULL AND coalesce(external_token, '') = '' AND id <= ?2
        GROUP BY external_uid HAVING type = ?3 ORDER BY max(id)";
    let maplayers = "SELECT map_layer_json, max(id), type FROM mission_change
        WHERE mission_id = ?1 AND map_layer_uid IS NOT NULL AND id <= ?2 GROUP BY map_layer_uid HAVING type = ?3
        ORDER BY max(id)";
    Ok(State {
        uids: uids.into_iter().collect(),
        hashes: super::column(db, hashes, values, "hash")?,
        externals: db.all(externals, values, |row| super::json(&row, "external_json"))?.into_iter().flatten().collect(),
        maplayers: db
            .all(maplayers, values, |row| super::json(&row, "map_layer_json"))?
            .into_iter()
            .flatten()
            .collect(),
    })
}

/// Newest versions of the events of a mission's items now; None = it has no event.
///
/// # Errors
/// What SQLite says.
pub fn versions(db: &impl Db, mission: i64) -> Result<HashMap<String, Option<i64>>> {
    let sql = "SELECT u.uid, (SELECT max(version) FROM mission_cot v
            WHERE v.mission_id = u.mission_id AND v.uid = u.uid) AS version
        FROM mission_uid u WHERE u.mission_id = ?1";
    Ok(db.all(sql, params![mission], |row| Ok((row.get("uid")?, row.get("version")?)))?.into_iter().collect())
}

/// One version of an event; None when it was pruned.
///
/// # Errors
/// What SQLite says.
pub fn event(db: &impl Db, mission: i64, uid: &str, version: i64) -> Result<Option<String>> {
    let sql = "SELECT xml FROM mission_cot WHERE mission_id = ?1 AND uid = ?2 AND version = ?3";
    db.one(sql, params![mission, uid, version], |row| row.get("xml"))
}
