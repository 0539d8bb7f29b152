//! Tables `mission`, `mission_group`, `mission_keyword`.
//!
//! A name is not unique (`dup`); a guid is. Deleting the row takes small tables with it (cascade); history and events of
//! a deleted mission go later, in slices ([`sweep`]).
use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx, Value},
    },
};

use super::{Db, texts};
use crate::{
    model::{Mission, PasswordHash, Role, name_key},
    seed,
};

const COLUMNS: &str = "SELECT m.*,
    (SELECT json_group_array(group_name) FROM mission_group WHERE mission_id = m.id) AS group_names,
    (SELECT json_group_array(keyword) FROM
        (SELECT keyword FROM mission_keyword WHERE mission_id = m.id ORDER BY id)) AS keywords
    FROM mission m ";

/// Rows of one slice of [`sweep`]: writers wait behind it.
const SLICE: i64 = 500;

/// By guid, in any case.
///
/// # Errors
/// What SQLite says.
pub fn by_guid(db: &impl Db, guid: &str) -> Result<Option<Mission>> {
    db.one(&format!("{COLUMNS} WHERE m.guid = ?1"), params![guid.to_lowercase()], mission)
}

/// By row.
///
/// # Errors
/// What SQLite says.
pub fn by_id(db: &impl Db, id: i64) -> Result<Option<Mission>> {
    db.one(&format!("{COLUMNS} WHERE m.id = ?1"), params![id], mission)
}

/// All of this name, newest first.
///
/// # Errors
/// What SQLite says.
pub fn by_name(db: &impl Db, name: &str) -> Result<Vec<Mission>> {
    db.all(&format!("{COLUMNS} WHERE m.name_key = ?1 ORDER BY m.id DESC"), params![name_key(name)], mission)
}

/// All of a tool ("" = of every tool), by name.
///
/// # Errors
/// What SQLite says.
pub fn of_tool(db: &impl Db, tool: &str) -> Result<Vec<Mission>> {
    let sql = format!("{COLUMNS} WHERE (?1 = '' OR m.tool = ?1) ORDER BY m.name_key, m.id");
    db.all(&sql, params![tool], mission)
}

/// Those below this one, by name.
///
/// # Errors
/// What SQLite says.
pub fn children(db: &impl Db, parent: i64) -> Result<Vec<Mission>> {
    db.all(&format!("{COLUMNS} WHERE m.parent_id = ?1 ORDER BY m.name_key, m.id"), params![parent], mission)
}

/// Those whose time has come: they expired by `now`, or were made at or before `made_by` (both ms UTC). Those with the
/// name of a seeded one are never among them, also when somebody has deleted that and made another.
///
/// # Errors
/// What SQLite says.
pub fn ended(db: &impl Db, now: i64, made_by: Option<i64>, limit: i64) -> Result<Vec<Mission>> {
    let [one, two] = seed::NAMES;
    let expired = "m.expiration BETWEEN 0 AND ?1 AND m.name_key NOT IN (?3, ?4) ORDER BY m.expiration, m.id LIMIT ?2";
    let second = now.div_euclid(1_000);
    let mut all = db.all(&format!("{COLUMNS} WHERE {expired}"), params![second, limit, one, two], mission)?;
    if let Some(made_by) = made_by {
        let old = "m.create_time <= ?1 AND m.name_key NOT IN (?3, ?4) ORDER BY m.create_time, m.id LIMIT ?2";
        all.extend(db.all(&format!("{COLUMNS} WHERE {old}"), params![made_by, limit, one, two], mission)?);
    }
    Ok(all)
}

/// Writes a new one (its `id` does not count); the id it got.
///
/// # Errors
/// `Constraint` when guid or name is taken; what SQLite says.
pub fn insert(tx: &Tx<'_>, mission: &Mission) -> Result<i64> {
    tx.exec(
        "INSERT INTO mission (guid, name, name_key, dup, all_groups, description, chat_room, base_layer, bbox,
            bounding_polygon, path, classification, tool, creator_uid, create_time, last_edited, default_role,
            password_hash, invite_only, expiration, parent_id, service_uri)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
        &values(mission),
    )?;
    let id = tx.number("SELECT last_insert_rowid() AS n", &[])?;
    set_groups(tx, id, &mission.groups)?;
    set_keywords(tx, id, &mission.keywords)?;
    Ok(id)
}

/// Writes everything of it again but groups, keywords, guid and name.
///
/// # Errors
/// What SQLite says.
pub fn update(tx: &Tx<'_>, mission: &Mission) -> Result<()> {
    let mut all = values(mission);
    all.push(Value::from(mission.id));
    tx.exec(
        "UPDATE mission SET guid = ?1, name = ?2, name_key = ?3, dup = ?4, all_groups = ?5, description = ?6,
            chat_room = ?7, base_layer = ?8, bbox = ?9, bounding_polygon = ?10, path = ?11, classification = ?12,
            tool = ?13, creator_uid = ?14, create_time = ?15, last_edited = ?16, default_role = ?17,
            password_hash = ?18, invite_only = ?19, expiration = ?20, parent_id = ?21, service_uri = ?22
         WHERE id = ?23",
        &all,
    )
    .map(|_| ())
}

/// When it was edited last.
///
/// # Errors
/// What SQLite says.
pub fn touch(tx: &Tx<'_>, id: i64, now: i64) -> Result<()> {
    tx.exec("UPDATE mission SET last_edited = max(last_edited, ?2) WHERE id = ?1", params![id, now]).map(|_| ())
}

/// Its groups are these.
///
/// # Errors
/// What SQLite says.
pub fn set_groups(tx: &Tx<'_>, id: i64, groups: &[String]) -> Result<()> {
    tx.exec("DELETE FROM mission_group WHERE mission_id = ?1", params![id])?;
    groups.iter().try_for_each(|group| {
        tx.exec("INSERT OR IGNORE INTO mission_group (mission_id, group_name) VALUES (?1, ?2)", params![id, group])
            .map(|_| ())
    })
}

/// Its keywords are these, in this order.
///
/// # Errors
/// What SQLite says.
pub fn set_keywords(tx: &Tx<'_>, id: i64, keywords: &[String]) -> Result<()> {
    tx.exec("DELETE FROM mission_keyword WHERE mission_id = ?1", params![id])?;
    keywords.iter().try_for_each(|keyword| {
        tx.exec("INSERT OR IGNORE INTO mission_keyword (mission_id, keyword) VALUES (?1, ?2)", params![id, keyword])
            .map(|_| ())
    })
}

/// Removes it with its small tables. The newest one of the same name that stays is the one found by name.
///
/// # Errors
/// What SQLite says.
pub fn delete(tx: &Tx<'_>, id: i64) -> Result<()> {
    tx.exec("DELETE FROM mission WHERE id = ?1", params![id]).map(|_| ())
}

/// Removes events and, but for what says that it is gone, changes of missions that are deleted: one slice. How many rows.
///
/// # Errors
/// What SQLite says.
pub fn sweep(tx: &Tx<'_>) -> Result<usize> {
    let gone = "mission_id IS NOT NULL AND mission_id NOT IN (SELECT id FROM mission)";
    let cot = format!("DELETE FROM mission_cot WHERE id IN (SELECT id FROM mission_cot WHERE {gone} LIMIT ?1)");
    let change = format!(
        "DELETE FROM mission_change WHERE id IN (SELECT id FROM mission_change WHERE {gone} AND type > 1 LIMIT ?1)"
    );
    Ok(tx.exec(&cot, params![SLICE])? + tx.exec(&change, params![SLICE])?)
}

fn values(mission: &Mission) -> Vec<Value> {
    params![
        mission.guid.to_lowercase(),
        &mission.name,
        name_key(&mission.name),
        mission.dup,
        mission.all_groups,
        &mission.description,
        &mission.chat_room,
        &mission.base_layer,
        &mission.bbox,
        mission.bounding_polygon.as_ref(),
        &mission.path,
        &mission.classification,
        &mission.tool,
        &mission.creator_uid,
        mission.create_time,
        mission.last_edited,
        mission.default_role.map(Role::name),
        mission.password.as_ref().map(PasswordHash::reveal),
        mission.invite_only,
        mission.expiration,
        mission.parent_id,
        mission.service_uri.as_ref(),
    ]
    .to_vec()
}

fn mission(row: Row<'_>) -> Result<Mission> {
    let default_role: Option<String> = row.get("default_role")?;
    Ok(Mission {
        id: row.get("id")?,
        guid: row.get("guid")?,
        name: row.get("name")?,
        dup: row.get("dup")?,
        all_groups: row.get("all_groups")?,
        groups: texts(&row, "group_names")?,
        description: row.get("description")?,
        chat_room: row.get("chat_room")?,
        base_layer: row.get("base_layer")?,
        bbox: row.get("bbox")?,
        bounding_polygon: row.get("bounding_polygon")?,
        path: row.get("path")?,
        classification: row.get("classification")?,
        tool: row.get("tool")?,
        keywords: texts(&row, "keywords")?,
        creator_uid: row.get("creator_uid")?,
        create_time: row.get("create_time")?,
        last_edited: row.get("last_edited")?,
        default_role: default_role.and_then(|name| Role::named(&name)),
        password: row.get::<Option<String>>("password_hash")?.map(PasswordHash::stored),
        invite_only: row.get("invite_only")?,
        expiration: row.get("expiration")?,
        parent_id: row.get("parent_id")?,
        service_uri: row.get("service_uri")?,
    })
}
