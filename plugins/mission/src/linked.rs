//! Files that missions link to (mission.md 5.7): they stay while a mission has them, and what is said of them is what the
//! store of files says now.
use fts_plugin_api::{
    message,
    sdk::{Error, FileInfo, Result},
    tracing,
};

use crate::{desk::Desk, model::Resource, store::contents};

/// Why a file must stay; None = it may go. The name of the mission is not told: who deletes a file may not see it.
pub fn keeps(desk: &Desk, hash: &str) -> Option<String> {
    match contents::is_used(&desk.host.sql(), &hash.to_ascii_lowercase()) {
        Ok(false) => None,
        Ok(true) => Some("a mission has it: take it out of the mission first".to_owned()),
        Err(error) => {
            tracing::error!(event = "mission.failed", "whether a mission has a file is not known: it stays: {error}");
            Some("whether a mission has it cannot be found out now".to_owned())
        }
    }
}

/// Somebody changed what is said of a file.
///
/// # Errors
/// The database.
pub fn changed(desk: &Desk, bytes: &[u8]) -> Result<()> {
    let file: FileInfo = message::unpack(bytes).map_err(|e| Error::new(e.to_string()))?;
    let sql = desk.host.sql();
    if !contents::is_used(&sql, &file.sha256)? {
        return Ok(());
    }
    // Several rows may have this content; the newest is the one that missions show.
    let Some(newest) = desk.host.files().get(&file.sha256)? else { return Ok(()) };
    let _pen = desk.pen();
    sql.tx(|tx| contents::describe(tx, &Resource::from(&newest))).map(drop)
}
