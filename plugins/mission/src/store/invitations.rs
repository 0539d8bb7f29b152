//! Table `mission_invitation`. Invitees are compared without case.
use fts_plugin_api::{
    params,
    sdk::{
        Result,
        sql::{Row, Tx},
    },
};

use super::{Db, named};
use crate::model::{Invitation, InviteKind, Role};

/// The one a token names.
///
/// # Errors
/// What SQLite says.
pub fn by_token(db: &impl Db, token_id: &str) -> Result<Option<Invitation>> {
    db.one("SELECT * FROM mission_invitation WHERE token_id = ?1", params![token_id], invitation)
}

/// All of a mission, oldest first.
///
/// # Errors
/// What SQLite says.
pub fn of_mission(db: &impl Db, mission: i64) -> Result<Vec<Invitation>> {
    db.all("SELECT * FROM mission_invitation WHERE mission_id = ?1 ORDER BY id", params![mission], invitation)
}

/// All of an invitee, in every mission.
///
/// # Errors
/// What SQLite says.
pub fn of_invitee(db: &impl Db, kind: InviteKind, invitee: &str) -> Result<Vec<Invitation>> {
    let sql = "SELECT * FROM mission_invitation WHERE type = ?1 AND invitee_key = ?2 ORDER BY id";
    db.all(sql, params![kind.name(), invitee.to_lowercase()], invitation)
}

/// Writes one; inviting again refreshes author, time, token and role.
///
/// # Errors
/// What SQLite says.
pub fn put(tx: &Tx<'_>, i: &Invitation) -> Result<()> {
    tx.exec(
        "INSERT INTO mission_invitation (mission_id, invitee, invitee_key, type, creator_uid, create_time, token_id, role)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (mission_id, invitee_key, type) DO UPDATE SET invitee = excluded.invitee,
            creator_uid = excluded.creator_uid, create_time = excluded.create_time, token_id = excluded.token_id,
            role = excluded.role",
        params![
            i.mission_id,
            &i.invitee,
            i.invitee.to_lowercase(),
            i.kind.name(),
            &i.creator_uid,
            i.create_time,
            &i.token_id,
            i.role.name()
        ],
    )
    .map(|_| ())
}

/// Removes one; false when it was not there.
///
/// # Errors
/// What SQLite says.
pub fn remove(tx: &Tx<'_>, mission: i64, kind: InviteKind, invitee: &str) -> Result<bool> {
    let sql = "DELETE FROM mission_invitation WHERE mission_id = ?1 AND type = ?2 AND invitee_key = ?3";
    Ok(tx.exec(sql, params![mission, kind.name(), invitee.to_lowercase()])? > 0)
}

fn invitation(row: Row<'_>) -> Result<Invitation> {
    Ok(Invitation {
        mission_id: row.get("mission_id")?,
        invitee: row.get("invitee")?,
        kind: named(&row, "type", InviteKind::named)?,
        creator_uid: row.get("creator_uid")?,
        create_time: row.get("create_time")?,
        token_id: row.get("token_id")?,
        role: named(&row, "role", Role::named)?,
    })
}
