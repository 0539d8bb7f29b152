//! Table `mission_subscription`: members, online or not.
use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx},
    },
};

use super::{Db, named};
use crate::model::{Role, Subscription};

/// Of this client uid and user in a mission.
///
/// # Errors
/// What SQLite says.
pub fn find(db: &impl Db, mission: i64, client_uid: &str, username: &str) -> Result<Option<Subscription>> {
    let sql = "SELECT * FROM mission_subscription WHERE mission_id = ?1 AND client_uid = ?2 AND username = ?3";
    db.one(sql, params![mission, client_uid, username], subscription)
}

/// The one a token names.
///
/// # Errors
/// What SQLite says.
pub fn by_token(db: &impl Db, token_id: &str) -> Result<Option<Subscription>> {
    db.one("SELECT * FROM mission_subscription WHERE token_id = ?1", params![token_id], subscription)
}

/// All of a user in a mission.
///
/// # Errors
/// What SQLite says.
pub fn of_user(db: &impl Db, mission: i64, username: &str) -> Result<Vec<Subscription>> {
    let sql = "SELECT * FROM mission_subscription WHERE mission_id = ?1 AND username = ?2 ORDER BY id";
    db.all(sql, params![mission, username], subscription)
}

/// All of a client uid in a mission, whoever used it.
///
/// # Errors
/// What SQLite says.
pub fn of_client(db: &impl Db, mission: i64, client_uid: &str) -> Result<Vec<Subscription>> {
    let sql = "SELECT * FROM mission_subscription WHERE mission_id = ?1 AND client_uid = ?2 ORDER BY id";
    db.all(sql, params![mission, client_uid], subscription)
}

/// All of a mission, oldest first.
///
/// # Errors
/// What SQLite says.
pub fn of_mission(db: &impl Db, mission: i64) -> Result<Vec<Subscription>> {
    db.all("SELECT * FROM mission_subscription WHERE mission_id = ?1 ORDER BY id", params![mission], subscription)
}

/// Every row there is, by mission.
///
/// # Errors
/// What SQLite says.
pub fn all(db: &impl Db) -> Result<Vec<Subscription>> {
    db.all("SELECT * FROM mission_subscription ORDER BY mission_id, id", &[], subscription)
}

/// Writes one: a new row, or role and `active` of the row that is there (which keeps its token and time).
///
/// # Errors
/// What SQLite says.
pub fn put(tx: &Tx<'_>, s: &Subscription) -> Result<()> {
    tx.exec(
        "INSERT INTO mission_subscription (mission_id, client_uid, username, token_id, role, create_time, active)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (mission_id, client_uid, username) DO UPDATE SET role = excluded.role, active = excluded.active",
        params![s.mission_id, &s.client_uid, &s.username, &s.token_id, s.role.name(), s.create_time, s.active],
    )
    .map(|_| ())
}

/// Removes one; false when it was not there.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Tx<'_>, mission: i64, client_uid: &str, username: &str) -> Result<bool> {
    let sql = "DELETE FROM mission_subscription WHERE mission_id = ?1 AND client_uid = ?2 AND username = ?3";
    Ok(tx.exec(sql, params![mission, client_uid, username])? > 0)
}

fn subscription(row: Row<'_>) -> Result<Subscription> {
    Ok(Subscription {
        mission_id: row.get("mission_id")?,
        client_uid: row.get("client_uid")?,
        username: row.get("username")?,
        token_id: row.get("token_id")?,
        role: named(&row, "role", Role::named)?,
        create_time: row.get("create_time")?,
        active: row.get("active")?,
    })
}
