//! Tables `mission_uid` and `mission_uid_keyword`: the map items of a mission. Their events are in [`super::cot`].
use std::collections::HashSet;

use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx},
    },
};

use super::{Db, texts};
use crate::{
    model::{Details, Stamp, UidItem},
    part,
};

/// Items of one page.
const PAGE: i64 = 200;

const COLUMNS: &str = "SELECT u.id, u.uid, u.added, u.creator_uid, u.details_json,
    (SELECT json_group_array(keyword) FROM (SELECT keyword FROM mission_uid_keyword k
        WHERE k.mission_id = u.mission_id AND k.uid = u.uid ORDER BY id)) AS keywords
    FROM mission_uid u ";

/// One more item, or a newer state of one that is there. True when it is new.
///
/// # Errors
/// What SQLite says.
pub fn put(
    tx: &Tx<'_>,
    mission: i64,
    uid: &str,
    creator: &str,
    details: Option<&Details>,
    at: (i64, i64),
) -> Result<bool> {
    if renew(tx, mission, uid, details, at.1)? {
        return Ok(false);
    }
    add(tx, mission, uid, creator, details, at)?;
    Ok(true)
}

/// A newer state of an item. False when it is not there.
///
/// # Errors
/// What SQLite says.
pub fn renew(tx: &Tx<'_>, mission: i64, uid: &str, details: Option<&Details>, change: i64) -> Result<bool> {
    let sql = "UPDATE mission_uid SET last_change_id = ?3, details_json = coalesce(?4, details_json)
         WHERE mission_id = ?1 AND uid = ?2";
    Ok(tx.exec(sql, params![mission, uid, change, details.map(Details::to_json)])? > 0)
}

/// An item that is not there; `at` = when (ms UTC), and the number of its change.
///
/// # Errors
/// `Constraint` when it is there; what SQLite says.
pub fn add(
    tx: &Tx<'_>,
    mission: i64,
    uid: &str,
    creator: &str,
    details: Option<&Details>,
    (now, change): (i64, i64),
) -> Result<()> {
    tx.exec(
        "INSERT INTO mission_uid (mission_id, uid, added, creator_uid, last_change_id, details_json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![mission, uid, now, creator, change, details.map(Details::to_json)],
    )
    .map(|_| ())
}

/// Takes one out, with its keywords. False when it was not there.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Tx<'_>, mission: i64, uid: &str) -> Result<bool> {
    tx.exec("DELETE FROM mission_uid_keyword WHERE mission_id = ?1 AND uid = ?2", params![mission, uid])?;
    Ok(tx.exec("DELETE FROM mission_uid WHERE mission_id = ?1 AND uid = ?2", params![mission, uid])? > 0)
}

/// The number of the last change of an item; None when it is not in the mission.
///
/// # Errors
/// What SQLite says.
pub fn last(db: &impl Db, mission: i64, uid: &str) -> Result<Option<i64>> {
    let sql = "SELECT last_change_id FROM mission_uid WHERE mission_id = ?1 AND uid = ?2";
    db.one(sql, params![mission, uid], |row| row.get("last_change_id"))
}

/// Is it in the mission?
///
/// # Errors
/// What SQLite says.
pub fn holds(db: &impl Db, mission: i64, uid: &str) -> Result<bool> {
    let sql = "SELECT count(*) AS n FROM mission_uid WHERE mission_id = ?1 AND uid = ?2";
    Ok(db.number(sql, params![mission, uid])? > 0)
}

/// How many there are.
///
/// # Errors
/// What SQLite says.
pub fn count(db: &impl Db, mission: i64) -> Result<usize> {
    let n = db.number("SELECT count(*) AS n FROM mission_uid WHERE mission_id = ?1", params![mission])?;
    Ok(usize::try_from(n).unwrap_or(0))
}

/// Missions that hold this item (rows).
///
/// # Errors
/// What SQLite says.
pub fn missions_of(db: &impl Db, uid: &str) -> Result<Vec<i64>> {
    super::column(db, "SELECT mission_id FROM mission_uid WHERE uid = ?1", params![uid], "mission_id")
}

/// Uids behind this one, in order, each with the number of missions that hold it; at most `limit`.
///
/// # Errors
/// What SQLite says.
pub fn counts(db: &impl Db, after: &str, limit: i64) -> Result<Vec<(String, usize)>> {
    let sql = "SELECT uid, count(*) AS n FROM mission_uid WHERE uid > ?1 GROUP BY uid ORDER BY uid LIMIT ?2";
    db.all(sql, params![after, limit], |row| Ok((row.get("uid")?, usize::try_from(row.get::<i64>("n")?).unwrap_or(1))))
}

/// Uids of a mission.
///
/// # Errors
/// What SQLite says.
pub fn names(db: &impl Db, mission: i64) -> Result<Vec<String>> {
    super::column(db, "SELECT uid FROM mission_uid WHERE mission_id = ?1", params![mission], "uid")
}

/// Missions that hold an item with this in its uid, whatever the case of ASCII letters (rows).
///
/// # Errors
/// What SQLite says.
pub fn holding(db: &impl Db, part: &str) -> Result<HashSet<i64>> {
    let sql = "SELECT DISTINCT mission_id FROM mission_uid WHERE instr(lower(uid), lower(?1)) > 0";
    Ok(super::column(db, sql, params![part], "mission_id")?.into_iter().collect())
}

/// What the last event of an item said; None when it is not there or had none.
///
/// # Errors
/// What SQLite says.
pub fn details(db: &impl Db, mission: i64, uid: &str) -> Result<Option<Details>> {
    let sql = "SELECT details_json FROM mission_uid WHERE mission_id = ?1 AND uid = ?2";
    Ok(db.one(sql, params![mission, uid], |row| super::json(&row, "details_json"))?.flatten())
}

/// All of a mission, in the order they were added.
///
/// # Errors
/// What SQLite says.
pub fn of_mission(db: &impl Db, mission: i64, with_details: bool) -> Result<Vec<UidItem>> {
    db.all(&format!("{COLUMNS} WHERE u.mission_id = ?1 ORDER BY u.id"), params![mission], |row| item(row, with_details))
}

/// Those behind the row `after`, at most [`PAGE`], each with its row.
fn page(db: &impl Db, mission: i64, after: i64, with_details: bool) -> Result<Vec<(i64, UidItem)>> {
    let sql = format!("{COLUMNS} WHERE u.mission_id = ?1 AND u.id > ?2 ORDER BY u.id LIMIT ?3");
    db.all(&sql, params![mission, after, PAGE], |row| Ok((row.get("id")?, item(row, with_details)?)))
}

/// All of a mission as pieces of JSON, with commas between the items: ten thousand of them are never there as more than text.
///
/// # Errors
/// What SQLite says.
pub fn told(db: &impl Db, mission: i64, with_details: bool) -> Result<Vec<Vec<u8>>> {
    let mut after = i64::MIN;
    let pages = std::iter::from_fn(|| {
        let page = match page(db, mission, after, with_details) {
            Ok(page) => page,
            // The error ends it.
            Err(error) => return Some(Err(error.to_string())),
        };
        after = page.last()?.0;
        Some(Ok(page.into_iter().map(|(_, item)| item).collect()))
    });
    Ok(part::gathered(part::joined::<UidItem>(pages))?)
}

fn item(row: Row<'_>, with_details: bool) -> Result<UidItem> {
    Ok(UidItem {
        uid: row.get("uid")?,
        timestamp: Stamp(row.get("added")?),
        creator_uid: row.get("creator_uid")?,
        keywords: texts(&row, "keywords")?,
        details: if with_details { super::json(&row, "details_json")? } else { None },
    })
}
