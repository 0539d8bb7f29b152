//! What is old goes (RULE-84): in slices of at most 500 rows, each a transaction of its own, so that nobody waits long
//! for the writer. The newest event of a uid stays while it is not stale. Chat has its own time, as a message and as the
//! event it came in.
use std::time::Duration;

use fts_plugin_api::cot::Millis;

use super::History;
use crate::{
    config::Retention,
    store::{error::StoreError, rows::Value},
};

/// Rows of one transaction.
const SLICE: i64 = 500;
/// Where a database over its limit is brought to: this many percent of it.
const DOWN_TO: u64 = 95;

/// ?1 = before, ?2 = now, ?3 = rows. The newest rows that are still good are skipped by their number.
const OLD_EVENTS: &str = "DELETE FROM cot_event WHERE id IN (SELECT e.id FROM cot_event e LEFT JOIN cot_latest l ON l.uid = e.uid AND l.event_id = e.id \
     WHERE e.server_ms < ?1 AND (l.event_id IS NULL OR l.stale_ms < ?2) AND e.type NOT LIKE 'b-t-f%' ORDER BY e.server_ms LIMIT ?3)";
const OLD_CHAT_EVENTS: &str = "DELETE FROM cot_event WHERE id IN (SELECT id FROM cot_event \
     WHERE type >= 'b' AND type >= 'b-t-f' AND type < 'b-t-g' AND server_ms < ?1 ORDER BY server_ms LIMIT ?3 + 0 * ?2)";
const OLD_CHAT: &str =
    "DELETE FROM chat WHERE id IN (SELECT id FROM chat WHERE server_ms < ?1 ORDER BY server_ms LIMIT ?3 + 0 * ?2)";
const OLD_POINTS: &str = "DELETE FROM track_point WHERE id IN (SELECT id FROM track_point \
     WHERE time_ms < ?1 AND source = '' ORDER BY time_ms LIMIT ?3 + 0 * ?2)";
/// Uploaded ones may be of long ago: they are kept from when they came.
const OLD_ADDED_POINTS: &str = "DELETE FROM track_point WHERE id IN (SELECT id FROM track_point \
     WHERE server_ms < ?1 AND source <> '' ORDER BY server_ms LIMIT ?3 + 0 * ?2)";
const OLD_SESSIONS: &str = "DELETE FROM client_session WHERE id IN (SELECT id FROM client_session \
     WHERE disconnected_ms < ?1 ORDER BY disconnected_ms LIMIT ?3 + 0 * ?2)";
const OLD_AUDIT: &str =
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?3 + 0 * ?2)";
const OLD_ERROR_LOGS: &str =
    "DELETE FROM error_log WHERE id IN (SELECT id FROM error_log WHERE at < ?1 ORDER BY at LIMIT ?3 + 0 * ?2)";
/// The oldest positions, whatever their age.
const OLDEST_POSITIONS: &str = "DELETE FROM cot_event WHERE id IN (SELECT e.id FROM cot_event e LEFT JOIN cot_latest l ON l.uid = e.uid AND l.event_id = e.id \
     WHERE e.type >= 'a-' AND e.type < 'a.' AND (l.event_id IS NULL OR l.stale_ms < ?1) ORDER BY e.server_ms LIMIT ?2)";
const OLDEST_POINTS: &str =
    "DELETE FROM track_point WHERE id IN (SELECT id FROM track_point ORDER BY time_ms LIMIT ?2 + 0 * ?1)";

impl History {
    /// Deletes what is older than the keys say; how many rows. `go_on` is asked between slices.
    ///
    /// # Errors
    /// The database's; what was deleted before it is gone.
    pub fn retain(&self, keys: &Retention, now: Millis, mut go_on: impl FnMut() -> bool) -> Result<u64, StoreError> {
        let mut gone = 0;
        let kinds: [(&str, Duration); 8] = [
            (OLD_EVENTS, keys.cot),
            (OLD_CHAT, keys.chat),
            (OLD_CHAT_EVENTS, keys.chat),
            (OLD_POINTS, keys.tracks),
            (OLD_ADDED_POINTS, keys.tracks),
            (OLD_SESSIONS, keys.sessions),
            (OLD_ERROR_LOGS, keys.error_log),
            (OLD_AUDIT, keys.audit),
        ];
        for (sql, keep) in kinds.into_iter().filter(|(_, keep)| !keep.is_zero()) {
            let before = now.saturating_sub(keep.as_millis() as Millis);
            let params = [before.into(), now.into(), Value::Integer(SLICE)];
            loop {
                let n = self.db.exec(sql, &params)? as i64;
                gone += n as u64;
                if n < SLICE || !go_on() {
                    break;
                }
            }
        }
        Ok(gone)
    }

    /// Brings the database below `most` bytes: the oldest positions go, then the oldest points of tracks. How many rows.
    ///
    /// # Errors
    /// The database's.
    pub fn shrink(&self, most: u64, now: Millis, mut go_on: impl FnMut() -> bool) -> Result<u64, StoreError> {
        let mut gone = 0;
        if most == 0 || self.used()? <= most {
            return Ok(0);
        }
        let target = most / 100 * DOWN_TO;
        for sql in [OLDEST_POSITIONS, OLDEST_POINTS] {
            while self.used()? > target && go_on() {
                let n = self.db.exec(sql, &[now.into(), Value::Integer(SLICE)])?;
                gone += n as u64;
                if n == 0 {
                    break;
                }
            }
        }
        Ok(gone)
    }

    /// Bytes of pages that hold something.
    fn used(&self) -> Result<u64, StoreError> {
        let row = self.db.query(
            "SELECT (c.page_count - f.freelist_count) * s.page_size AS used FROM pragma_page_count c, pragma_freelist_count f, pragma_page_size s",
            &[],
        )?;
        Ok(row.first().map_or(0, |r| r.int("used") as u64))
    }
}
