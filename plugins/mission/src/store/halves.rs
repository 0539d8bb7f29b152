//! Table `mission_half`: missions that are not whole yet ([`crate::backup::half`]). The row comes and goes in the same
//! transactions as the mission's own first and last step, so a crash leaves it exactly when it leaves half a mission.
use fts_plugin_api::{
    params,
    sdk::{Result, sql::Tx},
};

use super::column;

/// This one is begun.
///
/// # Errors
/// What SQLite says.
pub fn begin(tx: &Tx<'_>, mission: i64) -> Result<()> {
    tx.exec("INSERT INTO mission_half (mission_id) VALUES (?1)", params![mission]).map(drop)
}

/// It is whole.
///
/// # Errors
/// What SQLite says.
pub fn end(tx: &Tx<'_>, mission: i64) -> Result<()> {
    tx.exec("DELETE FROM mission_half WHERE mission_id = ?1", params![mission]).map(drop)
}

/// Those that were begun and are not whole.
///
/// # Errors
/// What SQLite says.
pub fn all(tx: &Tx<'_>) -> Result<Vec<i64>> {
    column(tx, "SELECT mission_id FROM mission_half", &[], "mission_id")
}
