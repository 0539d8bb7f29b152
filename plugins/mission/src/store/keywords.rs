//! Keywords of items (tables `mission_uid_keyword`, `mission_content_keyword`); those of missions are in [`super::missions`].
use fts_plugin_api::{
    params,
    sdk::{Result, sql::Tx},
};

/// The keywords of a map item are these, in this order.
///
/// # Errors
/// What SQLite says.
pub fn set_of_uid(tx: &Tx<'_>, mission: i64, uid: &str, keywords: &[String]) -> Result<()> {
    tx.exec("DELETE FROM mission_uid_keyword WHERE mission_id = ?1 AND uid = ?2", params![mission, uid])?;
    keywords.iter().try_for_each(|keyword| {
        let sql = "INSERT OR IGNORE INTO mission_uid_keyword (mission_id, uid, keyword) VALUES (?1, ?2, ?3)";
        tx.exec(sql, params![mission, uid, keyword]).map(|_| ())
    })
}

/// The keywords of a file in this mission are these, in this order.
///
/// # Errors
/// What SQLite says.
pub fn set_of_content(tx: &Tx<'_>, mission: i64, hash: &str, keywords: &[String]) -> Result<()> {
    tx.exec("DELETE FROM mission_content_keyword WHERE mission_id = ?1 AND hash = ?2", params![mission, hash])?;
    keywords.iter().try_for_each(|keyword| {
        let sql = "INSERT OR IGNORE INTO mission_content_keyword (mission_id, hash, keyword) VALUES (?1, ?2, ?3)";
        tx.exec(sql, params![mission, hash, keyword]).map(|_| ())
    })
}
