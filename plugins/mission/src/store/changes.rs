//! Table `mission_change`: the history (mission.md 1.5). [`crate::write::Write::change`] is the only one that adds to it.
use fts_plugin_api::{
    params,
    sdk::{
        Error, Result,
        sql::{Row, Tx, Value},
    },
};

use super::{Db, json};
use crate::{
    model::{Change, ChangeKind, Details, External, Resource, Subject, name_key},
    window::Window,
};

/// Adds one; the number it got. `mission` = its row.
///
/// # Errors
/// What SQLite says.
pub fn insert(tx: &Tx<'_>, mission: i64, change: &Change) -> Result<i64> {
    let mut values = params![
        mission,
        &change.mission_guid,
        &change.mission_name,
        name_key(&change.mission_name),
        change.kind as i64,
        change.timestamp,
        change.server_time,
        &change.creator_uid,
        change.federated,
    ]
    .to_vec();
    values.extend(subject_values(&change.subject)?);
    let sql =
        "INSERT INTO mission_change (mission_id, mission_guid, mission_name, mission_name_key, type, ts, server_ts,
            creator_uid, federated, uid, details_json, hash, external_uid, external_json, external_notes,
            external_token, feed_uid, feed_json, map_layer_uid, map_layer_json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
         RETURNING id AS n";
    tx.number(sql, &values)
}

/// The columns from `uid` to `map_layer_json`.
fn subject_values(subject: &Subject) -> Result<[Value; 11]> {
    let mut v: [Value; 11] = Default::default();
    match subject {
        Subject::Mission => {}
        Subject::Uid(uid, details) => {
            v[0] = Value::from(uid);
            v[1] = Value::from(details.as_ref().map(Details::to_json));
        }
        Subject::Content(resource) => v[2] = Value::from(&resource.hash),
        Subject::External(external, token) => {
            v[3] = Value::from(&external.uid);
            v[4] = Value::from(serde_json::to_string(external)?);
            v[5] = Value::from(&external.notes);
            v[6] = Value::from(token);
        }
        Subject::Feed(feed) => {
            v[7] = Value::from(&feed.uid);
            v[8] = Value::from(serde_json::to_string(feed)?);
        }
        Subject::MapLayer(layer) => {
            v[9] = Value::from(&layer.uid);
            v[10] = Value::from(serde_json::to_string(layer)?);
        }
    }
    Ok(v)
}

/// Does the last record of a mission's making and unmaking say that it was deleted? By guid or by name. Records of
/// missions that live do not count: whoever asks does not see them, and must not learn of them by what it is told of others.
///
/// # Errors
/// What SQLite says.
pub fn is_gone(db: &impl Db, column: By<'_>) -> Result<bool> {
    let (column, value) = match column {
        By::Guid(guid) => ("mission_guid", guid.to_lowercase()),
        By::Name(name) => ("mission_name_key", name_key(name)),
    };
    let sql = format!(
        "SELECT type AS n FROM mission_change c WHERE {column} = ?1 AND type < 2
            AND NOT EXISTS (SELECT 1 FROM mission m WHERE m.id = c.mission_id) ORDER BY id DESC LIMIT 1"
    );
    Ok(db.number(&sql, params![value])? == ChangeKind::DeleteMission as i64)
}

/// What a mission is looked for by.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// Its guid.
    Guid(&'a str),
    /// Its name.
    Name(&'a str),
}

/// What a change may be about.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// A map item, by uid.
    Uid(&'a str),
    /// A file, by hash.
    File(&'a str),
    /// External data, by uid.
    External(&'a str),
}

/// Was this ever in the mission?
///
/// # Errors
/// What SQLite says.
pub fn speaks_of(db: &impl Db, mission: i64, about: About<'_>) -> Result<bool> {
    // As the indexes have them.
    let (known, key) = match about {
        About::Uid(uid) => ("type IN (2, 3) AND uid = ?2", uid),
        About::File(hash) => ("hash = ?2", hash),
        About::External(uid) => ("external_uid IS NOT NULL AND external_uid = ?2", uid),
    };
    let sql = format!("SELECT EXISTS (SELECT 1 FROM mission_change WHERE mission_id = ?1 AND {known}) AS n");
    Ok(db.number(&sql, params![mission, key])? > 0)
}

/// The newest number there is; 0 = none.
///
/// # Errors
/// What SQLite says.
pub fn newest(db: &impl Db) -> Result<i64> {
    db.number("SELECT max(id) AS n FROM mission_change", &[])
}

/// Has this mission a change with a number above this one?
///
/// # Errors
/// What SQLite says.
pub fn is_behind(db: &impl Db, mission: i64, number: i64) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM mission_change WHERE mission_id = ?1 AND id > ?2) AS n";
    Ok(db.number(sql, params![mission, number])? > 0)
}

/// Changes of a mission in the window (server time decides) older than the number `before`, newest first, at most `limit`.
/// Files are hydrated from the mission, and items that had no event then.
///
/// # Errors
/// What SQLite says.
pub fn page(db: &impl Db, mission: i64, window: Window, before: i64, limit: i64) -> Result<Vec<Change>> {
    let sql = format!(
        "{SELECT} WHERE c.mission_id = ?1 AND c.id < ?4 AND c.server_ts BETWEEN ?2 AND ?3 ORDER BY c.id DESC LIMIT ?5"
    );
    db.all(&sql, params![mission, window.from, window.to, before, limit], change)
}

/// These changes, newest first.
///
/// # Errors
/// What SQLite says.
pub fn numbered(db: &impl Db, ids: &[i64]) -> Result<Vec<Change>> {
    let sql = format!("{SELECT} WHERE c.id IN (SELECT value FROM json_each(?1)) ORDER BY c.id DESC");
    db.all(&sql, params![serde_json::to_string(ids)?], change)
}

/// Numbers of the changes in the window that still say something (M-21): one query, newest first.
///
/// # Errors
/// What SQLite says.
pub fn squashed(db: &impl Db, mission: i64, window: Window) -> Result<Vec<i64>> {
    let found = db.one(SQUASH, params![mission, window.from, window.to], |row| row.get::<String>("ids"))?;
    let mut ids: Vec<i64> = found.map_or_else(|| Ok(Vec::new()), |json| serde_json::from_str(&json))?;
    ids.sort_unstable_by(|a, b| b.cmp(a));
    Ok(ids)
}

/// The last making or unmaking; per author the newest ADD of what is there, the newest REMOVE of what is not; the newest
/// of each external record, token and note; all of map layers and feeds. Each part has an index of its own, and grouping
/// comes before looking whether an item is there: a mission has ten changes to each.
const SQUASH: &str = "
    SELECT json_group_array(id) AS ids FROM (
        SELECT max(id) AS id FROM mission_change WHERE mission_id = ?1 AND server_ts BETWEEN ?2 AND ?3 AND type < 2
        UNION ALL SELECT id FROM (SELECT max(id) AS id, uid FROM mission_change
                WHERE mission_id = ?1 AND type = 2 AND uid IS NOT NULL AND server_ts BETWEEN ?2 AND ?3
                GROUP BY uid, creator_uid) c
            WHERE EXISTS (SELECT 1 FROM mission_uid u WHERE u.mission_id = ?1 AND u.uid = c.uid)
        UNION ALL SELECT id FROM (SELECT max(id) AS id, uid FROM mission_change
                WHERE mission_id = ?1 AND type = 3 AND uid IS NOT NULL AND server_ts BETWEEN ?2 AND ?3 GROUP BY uid) c
            WHERE NOT EXISTS (SELECT 1 FROM mission_uid u WHERE u.mission_id = ?1 AND u.uid = c.uid)
        UNION ALL SELECT id FROM (SELECT max(id) AS id, hash FROM mission_change
                WHERE mission_id = ?1 AND type = 2 AND hash IS NOT NULL AND server_ts BETWEEN ?2 AND ?3
                GROUP BY hash, creator_uid) c
            WHERE EXISTS (SELECT 1 FROM mission_content k WHERE k.mission_id = ?1 AND k.hash = c.hash)
        UNION ALL SELECT id FROM (SELECT max(id) AS id, hash FROM mission_change
                WHERE mission_id = ?1 AND type = 3 AND hash IS NOT NULL AND server_ts BETWEEN ?2 AND ?3 GROUP BY hash) c
            WHERE NOT EXISTS (SELECT 1 FROM mission_content k WHERE k.mission_id = ?1 AND k.hash = c.hash)
        UNION ALL SELECT max(id) FROM mission_change
            WHERE mission_id = ?1 AND external_uid IS NOT NULL AND server_ts BETWEEN ?2 AND ?3
            GROUP BY type, external_uid, external_token, external_notes
        UNION ALL SELECT id FROM mission_change
            WHERE mission_id = ?1 AND map_layer_uid IS NOT NULL AND server_ts BETWEEN ?2 AND ?3
        UNION ALL SELECT id FROM mission_change
            WHERE mission_id = ?1 AND feed_uid IS NOT NULL AND server_ts BETWEEN ?2 AND ?3
    ) WHERE id IS NOT NULL";

/// The columns [`change`] reads, and no more: each costs every line of a history. The table is `c`. An item that was added
/// before its event came has what the latest says (M-21); only lines without details cost a look.
pub const SELECT: &str = "SELECT c.id, c.type, c.mission_name, c.mission_guid, c.ts, c.server_ts, c.creator_uid,
        c.federated, c.uid, c.hash, c.external_json, c.external_token, c.feed_json, c.map_layer_json,
        CASE WHEN c.uid IS NOT NULL THEN coalesce(c.details_json, (SELECT u.details_json FROM mission_uid u
            WHERE u.mission_id = c.mission_id AND u.uid = c.uid)) END AS details_json,
        (SELECT resource_json FROM mission_content k
        WHERE k.mission_id = c.mission_id AND k.hash = c.hash) AS resource_json
    FROM mission_change c ";

/// Reads a row of [`SELECT`].
///
/// # Errors
/// A column of another type.
pub fn change(row: Row<'_>) -> Result<Change> {
    let number: i64 = row.get("type")?;
    let kind = ChangeKind::numbered(number)
        .ok_or_else(|| Error::new(format!("a change has the type {number}, which this version does not know")))?;
    Ok(Change {
        id: row.get("id")?,
        kind,
        mission_name: row.get("mission_name")?,
        mission_guid: row.get("mission_guid")?,
        timestamp: row.get("ts")?,
        server_time: row.get("server_ts")?,
        creator_uid: row.get("creator_uid")?,
        subject: subject(&row)?,
        federated: row.get("federated")?,
    })
}

fn subject(row: &Row<'_>) -> Result<Subject> {
    if let Some(uid) = row.get::<Option<String>>("uid")? {
        return Ok(Subject::Uid(uid, json(row, "details_json")?));
    }
    if let Some(hash) = row.get::<Option<String>>("hash")? {
        let known: Option<String> = row.get("resource_json")?;
        let resource = known.map_or_else(|| Resource::gone(&hash), |json| Resource::from_json(&hash, &json));
        return Ok(Subject::Content(resource));
    }
    if let Some(external) = json::<External>(row, "external_json")? {
        let token: Option<String> = row.get("external_token")?;
        return Ok(Subject::External(external, token.unwrap_or_default()));
    }
    if let Some(feed) = json(row, "feed_json")? {
        return Ok(Subject::Feed(feed));
    }
    Ok(json(row, "map_layer_json")?.map_or(Subject::Mission, Subject::MapLayer))
}

/// One by its number.
///
/// # Errors
/// What SQLite says.
pub fn by_id(db: &impl Db, id: i64) -> Result<Option<Change>> {
    db.one(&format!("{SELECT} WHERE c.id = ?1"), params![id], change)
}

/// Changes with a number above `after`, oldest first, at most `limit`; of one mission or (None) of all, with its guid.
///
/// # Errors
/// What SQLite says.
pub fn following(db: &impl Db, mission: Option<i64>, after: i64, limit: u32) -> Result<Vec<Change>> {
    let sql = format!("{SELECT} WHERE c.id > ?1 AND (?2 IS NULL OR c.mission_id = ?2) ORDER BY c.id LIMIT ?3");
    db.all(&sql, params![after, mission, limit], change)
}

/// Makes a newer state of a map item part of its last change, when that change is an ADD by the same author that was
/// recorded less than `window` ms ago. False = it is not.
///
/// # Errors
/// What SQLite says.
pub fn renew(tx: &Tx<'_>, id: i64, creator: &str, details: &Details, now: i64, window: i64) -> Result<bool> {
    let sql = "UPDATE mission_change SET server_ts = ?4, details_json = ?3
         WHERE id = ?1 AND creator_uid = ?2 AND type = ?6 AND uid IS NOT NULL AND ts > ?4 - ?5";
    let add = ChangeKind::AddContent as i64;
    Ok(tx.exec(sql, params![id, creator, details.to_json(), now, window, add])? > 0)
}

/// Forgets changes that were stored before this time and are not the newest of their sort, among the next `slice` rows
/// behind `from`. Where to go on; 0 = from the start again.
///
/// # Errors
/// What SQLite says.
pub fn prune(tx: &Tx<'_>, from: i64, before: i64, slice: i64) -> Result<i64> {
    let last = "SELECT max(id) AS n FROM (SELECT id FROM mission_change WHERE id > ?1 AND server_ts < ?2 ORDER BY id LIMIT ?3)";
    let last = tx.number(last, params![from, before, slice])?;
    if last == 0 {
        return Ok(0);
    }
    tx.exec(
        "DELETE FROM mission_change WHERE id IN (SELECT c.id FROM mission_change c
            WHERE c.id > ?1 AND c.id <= ?2 AND c.server_ts < ?3 AND c.type IN (2, 3) AND (
                (c.uid IS NOT NULL AND EXISTS (SELECT 1 FROM mission_change n WHERE n.mission_id = c.mission_id
                    AND n.uid = c.uid AND n.id > c.id AND n.creator_uid = c.creator_uid AND n.type = c.type))
                OR (c.hash IS NOT NULL AND EXISTS (SELECT 1 FROM mission_change n WHERE n.mission_id = c.mission_id
                    AND n.hash = c.hash AND n.id > c.id AND n.creator_uid = c.creator_uid AND n.type = c.type))
                OR (c.external_uid IS NOT NULL AND EXISTS (SELECT 1 FROM mission_change n
                    WHERE n.mission_id = c.mission_id AND n.id > c.id AND n.external_uid = c.external_uid
                    AND n.type = c.type AND n.external_token = c.external_token AND n.external_notes = c.external_notes))))",
        params![from, last, before],
    )?;
    Ok(last)
}
