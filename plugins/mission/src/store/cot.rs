//! Table `mission_cot`: every stored event of a mission's items, newest version last. Written in the transaction of its
//! change, so that `uids`, `cot` and `changes` always agree.
use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx},
    },
};

use super::Db;

/// An event as it is stored: without `<marti>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCot {
    /// Its uid.
    pub uid: String,
    /// ms UTC.
    pub received: i64,
    /// Client uid of its sender.
    pub creator_uid: String,
    /// The layer it was sent into (`<dest path=…>`).
    pub path: Option<String>,
    /// Its change; 0 = none.
    pub change_id: i64,
    /// Its number in the host's journal; 0 = it did not come from there.
    pub journal: u64,
    /// The event.
    pub xml: String,
}

/// One more version.
///
/// # Errors
/// `Constraint` when this number of the journal is there already; what SQLite says.
pub fn insert(tx: &Tx<'_>, mission: i64, cot: &StoredCot) -> Result<()> {
    let journal = (cot.journal != 0).then_some(cot.journal);
    tx.exec(
        "INSERT INTO mission_cot (mission_id, uid, version, received, creator_uid, path, change_id, journal, xml)
         SELECT ?1, ?2, coalesce(max(version), 0) + 1, ?3, ?4, ?5, ?6, ?7, ?8
         FROM mission_cot WHERE mission_id = ?1 AND uid = ?2",
        params![mission, &cot.uid, cot.received, &cot.creator_uid, cot.path.as_ref(), cot.change_id, journal, &cot.xml],
    )
    .map(|_| ())
}

/// The change of an event that was stored before (it comes again after a crash).
///
/// # Errors
/// What SQLite says.
pub fn change_of_journal(db: &impl Db, mission: i64, journal: u64) -> Result<Option<i64>> {
    if journal == 0 {
        return Ok(None);
    }
    let sql = "SELECT change_id FROM mission_cot WHERE mission_id = ?1 AND journal = ?2";
    db.one(sql, params![mission, journal], |row| row.get("change_id"))
}

/// The newest number of the journal among the events of a mission; 0 = none came from there.
///
/// # Errors
/// What SQLite says.
pub fn newest_journal(db: &impl Db, mission: i64) -> Result<u64> {
    let sql = "SELECT max(journal) AS n FROM mission_cot WHERE mission_id = ?1 AND journal IS NOT NULL";
    Ok(u64::try_from(db.number(sql, params![mission])?).unwrap_or(0))
}

/// The newest event of an item of this mission.
///
/// # Errors
/// What SQLite says.
pub fn latest(db: &impl Db, mission: i64, uid: &str) -> Result<Option<StoredCot>> {
    let sql = "SELECT * FROM mission_cot WHERE mission_id = ?1 AND uid = ?2 ORDER BY version DESC LIMIT 1";
    db.one(sql, params![mission, uid], stored)
}

/// Missions (rows) that keep events of this uid, also when it was taken out since. Each mission is asked: an index by uid
/// alone would cost every event a page more.
///
/// # Errors
/// What SQLite says.
pub fn missions_of(db: &impl Db, uid: &str) -> Result<Vec<i64>> {
    let sql =
        "SELECT id FROM mission m WHERE EXISTS (SELECT 1 FROM mission_cot c WHERE c.mission_id = m.id AND c.uid = ?1)";
    super::column(db, sql, params![uid], "id")
}

/// Every version of an item that was received in this time (ms UTC, both ends), newest first.
///
/// # Errors
/// What SQLite says.
pub fn of_uid(db: &impl Db, mission: i64, uid: &str, (from, to): (i64, i64)) -> Result<Vec<StoredCot>> {
    let sql = "SELECT * FROM mission_cot WHERE mission_id = ?1 AND uid = ?2 AND received BETWEEN ?3 AND ?4
        ORDER BY version DESC LIMIT 10000";
    db.all(sql, params![mission, uid, from, to], stored)
}

/// The newest events of items of this mission, in the order the items were added: those behind the row `after` of
/// `mission_uid` up to the row `upto`, at most `limit` of them. With each its row. `path` = only what was sent into this
/// layer.
///
/// # Errors
/// What SQLite says.
pub fn latest_page(
    db: &impl Db,
    mission: i64,
    (after, upto): (i64, i64),
    path: Option<&str>,
    limit: i64,
) -> Result<Vec<(i64, StoredCot)>> {
    let sql = "SELECT c.*, u.id AS item FROM mission_uid u INDEXED BY mission_uid_order CROSS JOIN mission_cot c
            ON c.mission_id = u.mission_id AND c.uid = u.uid AND c.version =
                (SELECT max(version) FROM mission_cot v WHERE v.mission_id = u.mission_id AND v.uid = u.uid)
        WHERE u.mission_id = ?1 AND u.id > ?2 AND u.id <= ?3 AND (?4 IS NULL OR c.path = ?4) ORDER BY u.id LIMIT ?5";
    db.all(sql, params![mission, after, upto, path, limit], |row| Ok((row.get("item")?, stored(row)?)))
}

/// The last row of `mission_uid` of a mission; 0 = it holds no item.
///
/// # Errors
/// What SQLite says.
pub fn last_item(db: &impl Db, mission: i64) -> Result<i64> {
    db.number("SELECT max(id) AS n FROM mission_uid WHERE mission_id = ?1", params![mission])
}

/// The newest row there is; 0 = none. Numbers are never used twice.
///
/// # Errors
/// What SQLite says.
pub fn newest(db: &impl Db) -> Result<i64> {
    db.number("SELECT max(id) AS n FROM mission_cot", &[])
}

/// Has this mission an event with a row above this one? Looks at what was stored since, in any mission: the index of a
/// mission has its events by uid.
///
/// # Errors
/// What SQLite says.
pub fn is_behind(db: &impl Db, mission: i64, row: i64) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM mission_cot NOT INDEXED WHERE id > ?2 AND mission_id = ?1) AS n";
    Ok(db.number(sql, params![mission, row])? > 0)
}

/// Reads a row of the table.
///
/// # Errors
/// A column of another type.
pub fn stored(row: Row<'_>) -> Result<StoredCot> {
    let journal: Option<i64> = row.get("journal")?;
    Ok(StoredCot {
        uid: row.get("uid")?,
        received: row.get("received")?,
        creator_uid: row.get("creator_uid")?,
        path: row.get("path")?,
        change_id: row.get("change_id")?,
        journal: journal.and_then(|j| u64::try_from(j).ok()).unwrap_or(0),
        xml: row.get("xml")?,
    })
}

/// Forgets events that were received before this time and are not the newest of their item, among the next `slice` rows
/// behind `from`. Where to go on; 0 = from the start again.
///
/// # Errors
/// What SQLite says.
pub fn prune(tx: &Tx<'_>, from: i64, before: i64, slice: i64) -> Result<i64> {
    let last =
        "SELECT max(id) AS n FROM (SELECT id FROM mission_cot WHERE id > ?1 AND received < ?2 ORDER BY id LIMIT ?3)";
    let last = tx.number(last, params![from, before, slice])?;
    if last == 0 {
        return Ok(0);
    }
    tx.exec(
        "DELETE FROM mission_cot WHERE id IN (SELECT c.id FROM mission_cot c
            WHERE c.id > ?1 AND c.id <= ?2 AND c.received < ?3 AND EXISTS (SELECT 1 FROM mission_cot n
                WHERE n.mission_id = c.mission_id AND n.uid = c.uid AND n.version > c.version))",
        params![from, last, before],
    )?;
    Ok(last)
}
