//! Tables `mission_content` and `mission_content_keyword`: the files of a mission. Their bytes are in the host's store.
use std::collections::HashMap;

use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx},
    },
};

use super::{Db, column, texts};
use crate::model::{ContentItem, Resource, Stamp};

const COLUMNS: &str = "SELECT c.mission_id, c.hash, c.added, c.creator_uid, c.resource_json,
    (SELECT json_group_array(keyword) FROM (SELECT keyword FROM mission_content_keyword k
        WHERE k.mission_id = c.mission_id AND k.hash = c.hash ORDER BY id)) AS keywords
    FROM mission_content c ";

/// One more file, or newer metadata of one that is there. True when it is new.
///
/// # Errors
/// What SQLite says.
pub fn put(tx: &Tx<'_>, mission: i64, resource: &Resource, creator: &str, now: i64) -> Result<bool> {
    let (hash, json) = (&resource.hash, resource.to_json());
    let known = tx.exec(
        "UPDATE mission_content SET resource_json = ?3 WHERE mission_id = ?1 AND hash = ?2",
        params![mission, hash, &json],
    )?;
    if known > 0 {
        return Ok(false);
    }
    tx.exec(
        "INSERT INTO mission_content (mission_id, hash, added, creator_uid, resource_json) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![mission, hash, now, creator, &json],
    )?;
    Ok(true)
}

/// Takes one out, with its keywords. False when it was not there.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Tx<'_>, mission: i64, hash: &str) -> Result<bool> {
    tx.exec("DELETE FROM mission_content_keyword WHERE mission_id = ?1 AND hash = ?2", params![mission, hash])?;
    Ok(tx.exec("DELETE FROM mission_content WHERE mission_id = ?1 AND hash = ?2", params![mission, hash])? > 0)
}

/// One file of a mission; None = it is not in it.
///
/// # Errors
/// What SQLite says.
pub fn find(db: &impl Db, mission: i64, hash: &str) -> Result<Option<ContentItem>> {
    db.one(&format!("{COLUMNS} WHERE c.mission_id = ?1 AND c.hash = ?2"), params![mission, hash], item)
}

/// Is it in the mission?
///
/// # Errors
/// What SQLite says.
pub fn holds(db: &impl Db, mission: i64, hash: &str) -> Result<bool> {
    let sql = "SELECT count(*) AS n FROM mission_content WHERE mission_id = ?1 AND hash = ?2";
    Ok(db.number(sql, params![mission, hash])? > 0)
}

/// How many there are.
///
/// # Errors
/// What SQLite says.
pub fn count(db: &impl Db, mission: i64) -> Result<usize> {
    let n = db.number("SELECT count(*) AS n FROM mission_content WHERE mission_id = ?1", params![mission])?;
    Ok(usize::try_from(n).unwrap_or(0))
}

/// The metadata of a file everywhere it is, because the file changed or is gone.
///
/// # Errors
/// What SQLite says.
pub fn describe(tx: &Tx<'_>, resource: &Resource) -> Result<usize> {
    let sql = "UPDATE mission_content SET resource_json = ?2 WHERE hash = ?1";
    tx.exec(sql, params![&resource.hash, resource.to_json()])
}

/// All of a mission, in the order they were added.
///
/// # Errors
/// What SQLite says.
pub fn of_mission(db: &impl Db, mission: i64) -> Result<Vec<ContentItem>> {
    db.all(&format!("{COLUMNS} WHERE c.mission_id = ?1 ORDER BY c.id"), params![mission], item)
}

/// Those of every mission of a tool ("" = every tool), by mission.
///
/// # Errors
/// What SQLite says.
pub fn of_tool(db: &impl Db, tool: &str) -> Result<HashMap<i64, Vec<ContentItem>>> {
    let sql = format!(
        "{COLUMNS} JOIN mission m ON m.id = c.mission_id WHERE (?1 = '' OR m.tool = ?1) ORDER BY c.mission_id, c.id"
    );
    let all = db.all(&sql, params![tool], |row| Ok((row.get::<i64>("mission_id")?, item(row)?)))?;
    let mut by_mission: HashMap<i64, Vec<ContentItem>> = HashMap::new();
    all.into_iter().for_each(|(mission, item)| by_mission.entry(mission).or_default().push(item));
    Ok(by_mission)
}

fn item(row: Row<'_>) -> Result<ContentItem> {
    let hash: String = row.get("hash")?;
    let json: Option<String> = row.get("resource_json")?;
    Ok(ContentItem {
        resource: json.map_or_else(|| Resource::gone(&hash), |json| Resource::from_json(&hash, &json)),
        timestamp: Stamp(row.get("added")?),
        creator_uid: row.get("creator_uid")?,
        keywords: texts(&row, "keywords")?,
    })
}

/// Missions that a file is in.
///
/// # Errors
/// What SQLite says.
pub fn missions_of(db: &impl Db, hash: &str) -> Result<Vec<i64>> {
    let sql = "SELECT mission_id FROM mission_content WHERE hash = ?1 ORDER BY mission_id";
    column(db, sql, params![hash], "mission_id")
}

/// Is a file in any mission?
///
/// # Errors
/// What SQLite says.
pub fn is_used(db: &impl Db, hash: &str) -> Result<bool> {
    Ok(db.number("SELECT count(*) AS n FROM mission_content WHERE hash = ?1", params![hash])? > 0)
}
