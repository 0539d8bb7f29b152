//! Tables `mission_log` and those below it: log entries, each in one or more missions.
use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx},
    },
};

use super::{Db, texts};
use crate::{
    model::{LogEntry, Stamp},
    window::Window,
};

/// The columns [`entry`] reads; the table is `l`.
pub const SELECT: &str = "SELECT l.*,
    (SELECT json_group_array(name) FROM (SELECT m.name FROM mission m JOIN mission_log_mission lm ON lm.mission_id = m.id
        WHERE lm.log_seq = l.seq ORDER BY m.id)) AS mission_names,
    (SELECT json_group_array(hash) FROM (SELECT hash FROM mission_log_hash WHERE log_seq = l.seq ORDER BY id)) AS hashes,
    (SELECT json_group_array(keyword) FROM
        (SELECT keyword FROM mission_log_keyword WHERE log_seq = l.seq ORDER BY id)) AS keywords
    FROM mission_log l ";

/// Entries of a mission in the window, oldest first.
///
/// # Errors
/// What SQLite says.
pub fn of_mission(db: &impl Db, mission: i64, window: Window) -> Result<Vec<LogEntry>> {
    let sql = format!(
        "{SELECT} JOIN mission_log_mission x ON x.log_seq = l.seq
         WHERE x.mission_id = ?1 AND l.servertime BETWEEN ?2 AND ?3 ORDER BY l.servertime, l.seq"
    );
    db.all(&sql, params![mission, window.from, window.to], entry)
}

/// Reads a row of [`SELECT`].
///
/// # Errors
/// A column of another type.
pub fn entry(row: Row<'_>) -> Result<LogEntry> {
    Ok(LogEntry {
        id: row.get("id")?,
        content: row.get("content")?,
        creator_uid: row.get("creator_uid")?,
        entry_uid: row.get("entry_uid")?,
        mission_names: texts(&row, "mission_names")?,
        servertime: row.get::<Option<i64>>("servertime")?.map(Stamp),
        dtg: row.get::<Option<i64>>("dtg")?.map(Stamp),
        created: row.get::<Option<i64>>("created")?.map(Stamp),
        content_hashes: texts(&row, "hashes")?,
        keywords: texts(&row, "keywords")?,
    })
}

/// Every entry in the window, oldest first.
///
/// # Errors
/// What SQLite says.
pub fn all(db: &impl Db, window: Window) -> Result<Vec<LogEntry>> {
    let sql = format!("{SELECT} WHERE l.servertime BETWEEN ?1 AND ?2 ORDER BY l.servertime, l.seq");
    db.all(&sql, params![window.from, window.to], entry)
}

/// One entry.
///
/// # Errors
/// What SQLite says.
pub fn find(db: &impl Db, id: &str) -> Result<Option<LogEntry>> {
    db.one(&format!("{SELECT} WHERE l.id = ?1"), params![id], entry)
}

/// Rows of the missions an entry is in.
///
/// # Errors
/// What SQLite says.
pub fn missions_of(db: &impl Db, id: &str) -> Result<Vec<i64>> {
    let sql = "SELECT x.mission_id FROM mission_log_mission x JOIN mission_log l ON l.seq = x.log_seq
        WHERE l.id = ?1 ORDER BY x.mission_id";
    super::column(db, sql, params![id], "mission_id")
}

/// Writes an entry (its id, times and lists as they are) into these missions, in place of the one with its id.
///
/// # Errors
/// What SQLite says.
pub fn put(tx: &Tx<'_>, e: &LogEntry, missions: &[i64]) -> Result<()> {
    let time = |at: Option<Stamp>| at.map(|stamp| stamp.0);
    tx.exec(
        "INSERT INTO mission_log (id, content, creator_uid, entry_uid, servertime, dtg, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET content = excluded.content, creator_uid = excluded.creator_uid,
            entry_uid = excluded.entry_uid, servertime = excluded.servertime, dtg = excluded.dtg,
            created = excluded.created",
        params![
            e.id.as_ref(),
            &e.content,
            &e.creator_uid,
            e.entry_uid.as_ref(),
            time(e.servertime).unwrap_or(0),
            time(e.dtg),
            time(e.created).unwrap_or(0)
        ],
    )?;
    let seq = tx.number("SELECT seq AS n FROM mission_log WHERE id = ?1", params![e.id.as_ref()])?;
    for clear in [
        "DELETE FROM mission_log_mission WHERE log_seq = ?1",
        "DELETE FROM mission_log_hash WHERE log_seq = ?1",
        "DELETE FROM mission_log_keyword WHERE log_seq = ?1",
    ] {
        tx.exec(clear, params![seq])?;
    }
    for mission in missions {
        let sql = "INSERT OR IGNORE INTO mission_log_mission (log_seq, mission_id) VALUES (?1, ?2)";
        tx.exec(sql, params![seq, *mission])?;
    }
    for hash in &e.content_hashes {
        tx.exec("INSERT OR IGNORE INTO mission_log_hash (log_seq, hash) VALUES (?1, ?2)", params![seq, hash])?;
    }
    for keyword in &e.keywords {
        let sql = "INSERT OR IGNORE INTO mission_log_keyword (log_seq, keyword) VALUES (?1, ?2)";
        tx.exec(sql, params![seq, keyword])?;
    }
    Ok(())
}

/// Removes an entry; false when it was not there.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Tx<'_>, id: &str) -> Result<bool> {
    Ok(tx.exec("DELETE FROM mission_log WHERE id = ?1", params![id])? > 0)
}

/// Removes entries whose missions are all deleted: at most so many. How many.
///
/// # Errors
/// What SQLite says.
pub fn sweep(tx: &Tx<'_>, most: i64) -> Result<usize> {
    tx.exec(
        "DELETE FROM mission_log WHERE seq IN (SELECT seq FROM mission_log l WHERE NOT EXISTS
            (SELECT 1 FROM mission_log_mission x WHERE x.log_seq = l.seq) LIMIT ?1)",
        params![most],
    )
}
