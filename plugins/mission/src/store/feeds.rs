//! Table `mission_feed`: data feeds attached to missions.
use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx},
    },
};

use super::Db;
use crate::model::{Feed, Seen};

/// All of a mission, in the order they were attached.
///
/// # Errors
/// What SQLite says.
pub fn of_mission(db: &impl Db, mission: i64) -> Result<Vec<Feed>> {
    db.all("SELECT * FROM mission_feed WHERE mission_id = ?1 ORDER BY id", params![mission], feed)
}

/// Every attached feed, with the guid of its mission.
///
/// # Errors
/// What SQLite says.
pub fn all(db: &impl Db) -> Result<Vec<(String, Feed)>> {
    let sql = "SELECT m.guid, f.* FROM mission_feed f JOIN mission m ON m.id = f.mission_id ORDER BY f.id";
    db.all(sql, &[], |row| Ok((row.get("guid")?, feed(row)?)))
}

/// Writes one.
///
/// # Errors
/// What SQLite says.
pub fn put(tx: &Tx<'_>, mission: i64, f: &Feed, creator: &str) -> Result<()> {
    let polygon = serde_json::to_string(&f.filter_polygon)?;
    let seen = match &f.seen {
        Seen::All => None,
        Seen::Groups(groups) => Some(serde_json::to_string(groups)?),
    };
    tx.exec(
        "INSERT INTO mission_feed (mission_id, uid, data_feed_uid, name, filter_polygon, filter_cot_types,
            filter_callsign, creator_uid, seen_groups) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (mission_id, uid) DO UPDATE SET data_feed_uid = excluded.data_feed_uid, name = excluded.name,
            filter_polygon = excluded.filter_polygon, filter_cot_types = excluded.filter_cot_types,
            filter_callsign = excluded.filter_callsign, seen_groups = excluded.seen_groups",
        params![
            mission,
            &f.uid,
            &f.data_feed_uid,
            &f.name,
            polygon,
            &f.filter_cot_types_serialized,
            &f.filter_callsign,
            creator,
            seen
        ],
    )
    .map(|_| ())
}

/// Detaches one; what it was.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Tx<'_>, mission: i64, uid: &str) -> Result<Option<Feed>> {
    let sql = "SELECT * FROM mission_feed WHERE mission_id = ?1 AND uid = ?2";
    let found = tx.one(sql, params![mission, uid], feed)?;
    tx.exec("DELETE FROM mission_feed WHERE mission_id = ?1 AND uid = ?2", params![mission, uid])?;
    Ok(found)
}

fn feed(row: Row<'_>) -> Result<Feed> {
    Ok(Feed {
        uid: row.get("uid")?,
        data_feed_uid: row.get("data_feed_uid")?,
        name: row.get("name")?,
        filter_polygon: super::texts(&row, "filter_polygon")?,
        filter_cot_types_serialized: row.get("filter_cot_types")?,
        filter_callsign: row.get("filter_callsign")?,
        seen: super::json(&row, "seen_groups")?.map_or(Seen::All, Seen::Groups),
    })
}
