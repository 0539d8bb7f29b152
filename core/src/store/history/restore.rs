//! Last positions, for newcomers after a restart (`storage.restore_positions`): what was on the map when the server
//! stopped and is not stale. Who said goodbye, or was deleted, does not come back.
use fts_plugin_api::cot::Millis;

use super::{History, meters};
use crate::store::error::StoreError;

/// The newest event of a uid.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Position {
    pub uid: String,
    pub kind: String,
    pub xml: String,
    pub groups: Vec<String>,
    /// It says who and where its sender is; else it is an item of the map.
    pub is_sa: bool,
    /// ms UTC.
    pub time: Millis,
    pub stale: Millis,
    pub received: Millis,
}

impl History {
    /// Those that are not stale at `now`, in the order they were received; what was addressed to somebody is left out.
    ///
    /// # Errors
    /// The database's.
    pub fn positions(&self, now: Millis) -> Result<Vec<Position>, StoreError> {
        let _timed = meters::timed("restore");
        let rows = self.db.query(
            "SELECT e.uid, e.type, e.xml, e.groups, e.time_ms, e.stale_ms, e.server_ms, l.is_sa FROM cot_latest l \
             JOIN cot_event e ON e.id = l.event_id WHERE l.stale_ms > ?1 AND l.gone = 0 AND l.deleted = 0 \
             AND e.readers IS NULL AND e.dest IS NULL ORDER BY e.server_ms, e.id",
            &[now.into()],
        )?;
        let position = |row: crate::store::rows::Row<'_>| Position {
            uid: row.text("uid").to_owned(),
            kind: row.text("type").to_owned(),
            xml: row.text("xml").to_owned(),
            groups: self.sets.names(row.int("groups")),
            is_sa: row.flag("is_sa"),
            time: row.int("time_ms"),
            stale: row.int("stale_ms"),
            received: row.int("server_ms"),
        };
        Ok(rows.iter().map(position).collect())
    }
}
