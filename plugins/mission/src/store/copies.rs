//! What one mission holds, written into another (M-10): few statements, whatever there is.
//!
//! Order: folders, map layers and feeds with their rows as they are; items with their newest event and files, each with a
//! change of the new mission; keywords; links of the log. The source is only read.
use fts_plugin_api::{
    params,
    sdk::{Result, sql::Tx},
};

use crate::model::{ChangeKind, Mission, name_key};

/// Tables whose rows are copied as they are: columns beside the mission.
const PLAIN: [&str; 4] = [
    "INSERT INTO mission_layer (mission_id, uid, name, type, parent_uid, after_uid, creator_uid)
        SELECT ?2, uid, name, type, parent_uid, after_uid, creator_uid FROM mission_layer WHERE mission_id = ?1 ORDER BY id",
    "INSERT INTO mission_uid_keyword (mission_id, uid, keyword)
        SELECT ?2, uid, keyword FROM mission_uid_keyword WHERE mission_id = ?1 ORDER BY id",
    "INSERT INTO mission_content_keyword (mission_id, hash, keyword)
        SELECT ?2, hash, keyword FROM mission_content_keyword WHERE mission_id = ?1 ORDER BY id",
    "INSERT INTO mission_log_mission (log_seq, mission_id)
        SELECT log_seq, ?2 FROM mission_log_mission WHERE mission_id = ?1",
];

/// Copies items, files, folders, their keywords, and the links of the log from `from` to the new mission `to`; each item
/// and file with a change by `creator` at `now`.
///
/// # Errors
/// What SQLite says.
pub fn all(tx: &Tx<'_>, from: i64, to: &Mission, creator: &str, now: i64) -> Result<()> {
    for sql in PLAIN {
        tx.exec(sql, params![from, to.id])?;
    }
    let add = ChangeKind::AddContent as i64;
    for (table, column, details) in [("mission_uid", "uid", "details_json"), ("mission_content", "hash", "NULL")] {
        // Names of our own, no values.
        let sql = format!(
            "INSERT INTO mission_change (mission_id, mission_guid, mission_name, mission_name_key, type, ts, server_ts,
                creator_uid, {column}, details_json)
             SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, {column}, {details} FROM {table} WHERE mission_id = ?1 ORDER BY id"
        );
        tx.exec(&sql, params![from, to.id, &to.guid, &to.name, name_key(&to.name), add, now, creator])?;
    }
    tx.exec(
        "INSERT INTO mission_uid (mission_id, uid, added, creator_uid, last_change_id, details_json)
         SELECT ?2, uid, ?3, ?4, (SELECT max(id) FROM mission_change c WHERE c.mission_id = ?2 AND c.type = 2 AND c.uid = u.uid),
            details_json FROM mission_uid u WHERE mission_id = ?1 ORDER BY id",
        params![from, to.id, now, creator],
    )?;
    tx.exec(
        "INSERT INTO mission_content (mission_id, hash, added, creator_uid, resource_json)
         SELECT ?2, hash, ?3, ?4, resource_json FROM mission_content WHERE mission_id = ?1 ORDER BY id",
        params![from, to.id, now, creator],
    )?;
    tx.exec(
        "INSERT INTO mission_cot (mission_id, uid, version, received, creator_uid, path, change_id, xml)
         SELECT ?2, c.uid, 1, c.received, c.creator_uid, c.path, n.last_change_id, c.xml
         FROM mission_uid n JOIN mission_cot c ON c.mission_id = ?1 AND c.uid = n.uid AND c.version =
            (SELECT max(version) FROM mission_cot v WHERE v.mission_id = ?1 AND v.uid = n.uid)
         WHERE n.mission_id = ?2 ORDER BY n.id",
        params![from, to.id],
    )
    .map(|_| ())
}
