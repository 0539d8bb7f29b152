//! Which changes of a package conflict with what was done meanwhile (mission.md 3.4.1): somebody committed a later change to
//! the same item, file name, external record or log entry, or the mission is younger than the change.
use std::collections::HashMap;

use fts_plugin_api::{
    params,
    sdk::{Host, Result},
};

use super::merge::Pending;
use crate::{
    model::{Mission, Resource},
    store::{Db, logs},
};

/// When each thing was changed last, as the changes say it; keys in lower case.
#[derive(Default)]
pub struct Latest {
    uids: HashMap<String, i64>,
    names: HashMap<String, i64>,
    externals: HashMap<String, i64>,
}

impl Latest {
    /// Of a mission. `known` has the names of files that are in it no more.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn of(db: &impl Db, mission: i64, known: &HashMap<String, String>) -> Result<Self> {
        let sql = "SELECT uid, hash, external_uid, max(ts) AS ts, (SELECT resource_json FROM mission_content k
                WHERE k.mission_id = c.mission_id AND k.hash = c.hash) AS resource_json
            FROM mission_change c WHERE mission_id = ?1 AND type IN (2, 3) GROUP BY uid, hash, external_uid";
        let mut latest = Self::default();
        db.all(sql, params![mission], |row| {
            let at: i64 = row.get("ts")?;
            let mut note = |map: fn(&mut Self) -> &mut HashMap<String, i64>, key: &str| {
                let last = map(&mut latest).entry(key.to_lowercase()).or_insert(at);
                *last = at.max(*last);
            };
            if let Some(uid) = row.get::<Option<String>>("uid")? {
                note(|l| &mut l.uids, &uid);
            }
            if let Some(uid) = row.get::<Option<String>>("external_uid")? {
                note(|l| &mut l.externals, &uid);
            }
            if let Some(hash) = row.get::<Option<String>>("hash")? {
                let json: Option<String> = row.get("resource_json")?;
                let said = json.and_then(|json| Resource::from_json(&hash, &json).known).map(|known| known.name);
                if let Some(name) = said.as_ref().or_else(|| known.get(&hash)) {
                    note(|l| &mut l.names, name);
                }
            }
            Ok(())
        })?;
        Ok(latest)
    }

    /// Does this change come too late?
    ///
    /// # Errors
    /// What SQLite says.
    pub fn conflicts(&self, db: &impl Db, mission: &Mission, change: &Pending) -> Result<bool> {
        let at = change.timestamp.0;
        let later = |map: &HashMap<String, i64>, key: Option<&str>| {
            key.and_then(|key| map.get(&key.to_lowercase())).is_some_and(|last| *last > at)
        };
        if at < mission.create_time
            || later(&self.uids, change.content_uid.as_deref())
            || later(&self.names, change.file_name())
            || later(&self.externals, change.external_data.as_ref().map(|e| e.uid.as_str()))
        {
            return Ok(true);
        }
        let entry = match change.log_entry.as_ref().and_then(|entry| entry.id.as_deref()) {
            Some(id) => logs::find(db, id)?,
            None => None,
        };
        Ok(entry.and_then(|entry| entry.servertime).is_some_and(|time| time.0 > at))
    }
}

/// Names of files that changes of the mission are about, as the store of files knows them. Not within a transaction.
///
/// # Errors
/// The host.
pub fn names(host: &Host, mission: i64) -> Result<HashMap<String, String>> {
    let sql = "SELECT DISTINCT hash FROM mission_change WHERE mission_id = ?1 AND hash IS NOT NULL";
    let hashes = host.sql().all(sql, params![mission], |row| row.get::<String>("hash"))?;
    let mut names = HashMap::new();
    for hash in hashes {
        if let Some(file) = host.files().get(&hash)? {
            names.insert(hash, file.name);
        }
    }
    Ok(names)
}
