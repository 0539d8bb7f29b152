//! Table `mission_layer`: the folder tree. The order of siblings is in the rows (`after`); who reads them sorts them.
use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx},
    },
};

use super::{Db, named};
use crate::model::{Layer, LayerKind};

/// All rows of a mission, folders and items.
///
/// # Errors
/// What SQLite says.
pub fn of_mission(db: &impl Db, mission: i64) -> Result<Vec<Layer>> {
    db.all("SELECT * FROM mission_layer WHERE mission_id = ?1 ORDER BY id", params![mission], layer)
}

/// Adds a row as it is; neighbours are not touched.
///
/// # Errors
/// `Constraint` when it is there; what SQLite says.
pub fn insert(tx: &Tx<'_>, mission: i64, l: &Layer, creator: &str) -> Result<()> {
    tx.exec(
        "INSERT INTO mission_layer (mission_id, uid, name, type, parent_uid, after_uid, creator_uid)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![mission, &l.uid, l.name.as_ref(), l.kind.name(), l.parent_uid.as_ref(), l.after.as_ref(), creator],
    )
    .map(|_| ())
}

/// An item is in this folder, last unless `after` says where; nothing happens when it is there already.
///
/// # Errors
/// What SQLite says.
pub fn file_item(tx: &Tx<'_>, mission: i64, folder: &str, uid: &str, after: Option<&str>, creator: &str) -> Result<()> {
    let there = "SELECT count(*) AS n FROM mission_layer
        WHERE mission_id = ?1 AND parent_uid = ?2 AND uid = ?3 AND type = 'ITEM'";
    if tx.number(there, params![mission, folder, uid])? > 0 {
        return Ok(());
    }
    let after = match after {
        Some(after) => Some(after.to_owned()),
        None => last_child(tx, mission, folder)?,
    };
    // Who came behind that sibling comes behind this one now.
    tx.exec(
        "UPDATE mission_layer SET after_uid = ?4 WHERE mission_id = ?1 AND parent_uid = ?2 AND after_uid IS ?3",
        params![mission, folder, after.clone(), uid],
    )?;
    let (parent_uid, kind) = (Some(folder.to_owned()), LayerKind::Item);
    insert(tx, mission, &Layer { uid: uid.to_owned(), name: None, kind, parent_uid, after }, creator)
}

/// An item is in no folder any more; its neighbours close up.
///
/// # Errors
/// What SQLite says.
pub fn drop_item(tx: &Tx<'_>, mission: i64, uid: &str) -> Result<()> {
    let items = "SELECT * FROM mission_layer WHERE mission_id = ?1 AND uid = ?2 AND type = 'ITEM'";
    for item in tx.all(items, params![mission, uid], layer)? {
        tx.exec(
            "UPDATE mission_layer SET after_uid = ?4 WHERE mission_id = ?1 AND parent_uid IS ?2 AND after_uid = ?3",
            params![mission, item.parent_uid.as_ref(), uid, item.after.as_ref()],
        )?;
    }
    tx.exec("DELETE FROM mission_layer WHERE mission_id = ?1 AND uid = ?2 AND type = 'ITEM'", params![mission, uid])
        .map(|_| ())
}

fn last_child(db: &impl Db, mission: i64, folder: &str) -> Result<Option<String>> {
    let sql = "SELECT uid FROM mission_layer l WHERE mission_id = ?1 AND parent_uid = ?2 AND NOT EXISTS
        (SELECT 1 FROM mission_layer n WHERE n.mission_id = ?1 AND n.parent_uid = ?2 AND n.after_uid = l.uid)
        ORDER BY id DESC LIMIT 1";
    db.one(sql, params![mission, folder], |row| row.get("uid"))
}

/// Reads a row of the table.
///
/// # Errors
/// A column of another type.
pub fn layer(row: Row<'_>) -> Result<Layer> {
    Ok(Layer {
        uid: row.get("uid")?,
        name: row.get("name")?,
        kind: named(&row, "type", LayerKind::named)?,
        parent_uid: row.get("parent_uid")?,
        after: row.get("after_uid")?,
    })
}

/// The row with this uid: a folder before an item.
///
/// # Errors
/// What SQLite says.
pub fn find(db: &impl Db, mission: i64, uid: &str) -> Result<Option<Layer>> {
    let sql = "SELECT * FROM mission_layer WHERE mission_id = ?1 AND uid = ?2 ORDER BY type = 'ITEM', id LIMIT 1";
    db.one(sql, params![mission, uid], layer)
}

/// Is there a folder with this uid?
///
/// # Errors
/// What SQLite says.
pub fn is_folder(db: &impl Db, mission: i64, uid: &str) -> Result<bool> {
    let sql = "SELECT count(*) AS n FROM mission_layer WHERE mission_id = ?1 AND uid = ?2 AND type <> 'ITEM'";
    Ok(db.number(sql, params![mission, uid])? > 0)
}

/// Has this folder (None = the root) a row with this uid?
///
/// # Errors
/// What SQLite says.
pub fn is_child(db: &impl Db, mission: i64, parent: Option<&str>, uid: &str) -> Result<bool> {
    let sql = "SELECT count(*) AS n FROM mission_layer WHERE mission_id = ?1 AND parent_uid IS ?2 AND uid = ?3";
    Ok(db.number(sql, params![mission, parent, uid])? > 0)
}

/// Is the folder `uid` this one, or somewhere above it?
///
/// # Errors
/// What SQLite says.
pub fn is_above(db: &impl Db, mission: i64, uid: &str, below: &str) -> Result<bool> {
    let sql = "WITH RECURSIVE up (uid) AS (SELECT ?3 UNION
            SELECT l.parent_uid FROM mission_layer l JOIN up ON l.uid = up.uid
            WHERE l.mission_id = ?1 AND l.type <> 'ITEM' AND l.parent_uid IS NOT NULL)
        SELECT count(*) AS n FROM up WHERE uid = ?2";
    Ok(db.number(sql, params![mission, uid, below])? > 0)
}

/// How many levels there are from the root to the deepest folder below `uid` (itself counted), when it stands in `parent`.
///
/// # Errors
/// What SQLite says.
pub fn levels(db: &impl Db, mission: i64, uid: &str, parent: Option<&str>) -> Result<i64> {
    // The counter ends it in a ring, too.
    let sql = "WITH RECURSIVE up (uid, n) AS (SELECT ?3, 1 WHERE ?3 IS NOT NULL UNION ALL
            SELECT l.parent_uid, up.n + 1 FROM mission_layer l JOIN up ON l.uid = up.uid
            WHERE l.mission_id = ?1 AND l.type <> 'ITEM' AND l.parent_uid IS NOT NULL AND up.n < 200),
        down (uid, n) AS (SELECT ?2, 1 UNION ALL
            SELECT l.uid, down.n + 1 FROM mission_layer l JOIN down ON l.parent_uid = down.uid
            WHERE l.mission_id = ?1 AND l.type <> 'ITEM' AND down.n < 200)
        SELECT coalesce((SELECT max(n) FROM up), 0) + (SELECT max(n) FROM down) AS n";
    db.number(sql, params![mission, uid, parent])
}

/// Takes a row out of its place: who came behind it comes behind who was before it. The row itself stays as it is.
///
/// # Errors
/// What SQLite says.
pub fn close_up(tx: &Tx<'_>, mission: i64, l: &Layer) -> Result<()> {
    tx.exec(
        "UPDATE mission_layer SET after_uid = ?4 WHERE mission_id = ?1 AND parent_uid IS ?2 AND after_uid = ?3",
        params![mission, l.parent_uid.as_ref(), &l.uid, l.after.as_ref()],
    )
    .map(|_| ())
}

/// Makes room behind `l.after` in `l.parent_uid`: who was there comes behind `l`.
///
/// # Errors
/// What SQLite says.
pub fn make_room(tx: &Tx<'_>, mission: i64, l: &Layer) -> Result<()> {
    tx.exec(
        "UPDATE mission_layer SET after_uid = ?4
         WHERE mission_id = ?1 AND parent_uid IS ?2 AND after_uid IS ?3 AND uid <> ?4",
        params![mission, l.parent_uid.as_ref(), l.after.as_ref(), &l.uid],
    )
    .map(|_| ())
}

/// Moves the row `before` to where `l` says, with its name.
///
/// # Errors
/// What SQLite says.
pub fn update(tx: &Tx<'_>, mission: i64, before: &Layer, l: &Layer) -> Result<()> {
    tx.exec(
        "UPDATE mission_layer SET parent_uid = ?5, after_uid = ?6, name = ?7
         WHERE mission_id = ?1 AND uid = ?2 AND type = ?3 AND parent_uid IS ?4",
        params![
            mission,
            &before.uid,
            before.kind.name(),
            before.parent_uid.as_ref(),
            l.parent_uid.as_ref(),
            l.after.as_ref(),
            l.name.as_ref()
        ],
    )
    .map(|_| ())
}

/// Removes a row alone.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Tx<'_>, mission: i64, l: &Layer) -> Result<()> {
    tx.exec(
        "DELETE FROM mission_layer WHERE mission_id = ?1 AND uid = ?2 AND type = ?3 AND parent_uid IS ?4",
        params![mission, &l.uid, l.kind.name(), l.parent_uid.as_ref()],
    )
    .map(|_| ())
}
