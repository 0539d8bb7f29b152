//! Store and forward of chat (RULE-64): what somebody missed. Only messages to a room of everybody and those to its uid,
//! and only for the user that had the uid before: who borrows a uid inherits nothing.
use std::time::Duration;

use fts_plugin_api::cot::{Cot, Splices};

use super::{History, meters};
use crate::store::{error::StoreError, rows::Value};

/// How long what was routed before is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages of one client at most; older ones are left out.
const MOST: i64 = 1_000;
/// Clients whose last forwarded message is remembered; without it the overlap may come twice.
const REMEMBERED: usize = 10_000;
/// A message this long before the end may have been on its way, ms.
const OVERLAP: i64 = 1_000;

impl History {
    /// The messages in the order they were received, without `<marti>`. `groups` = those it receives from.
    ///
    /// # Errors
    /// The database's.
    pub fn missed(&self, uid: &str, user: &str, groups: &[String]) -> Result<Vec<Vec<u8>>, StoreError> {
        // In the background: what is not stored yet would be passed over for ever.
        self.flush(PATIENCE);
        let whose = (uid.to_owned(), user.to_owned());
        let after = self.forwarded.lock().get(&whose).copied().unwrap_or(0);
        let Some(gone) = self.last_seen(uid, user)? else { return Ok(Vec::new()) };
        let _timed = meters::timed("missed");
        let params = [
            self.sets.meeting(Some(groups)),
            Value::Text(uid.to_owned()),
            Value::Integer(gone - OVERLAP),
            Value::Integer(MOST),
            Value::Integer(after),
        ];
        let rows = self.db.query(
            "SELECT c.id, e.xml FROM chat c JOIN cot_event e ON e.id = c.event_id WHERE c.server_ms >= ?3 AND c.id > ?5 AND c.type = 'b-t-f' \
             AND c.sender_uid <> ?2 AND (c.everyone = 1 OR c.dest_uid = ?2) AND c.groups IN (SELECT value FROM json_each(?1)) \
             ORDER BY c.server_ms DESC, c.id DESC LIMIT ?4",
            &params,
        )?;
        let mut all: Vec<Vec<u8>> = rows.iter().filter_map(|row| without_marti(row.text("xml"))).collect();
        all.reverse();
        if let Some(last) = rows.first() {
            let mut forwarded = self.forwarded.lock();
            if forwarded.len() >= REMEMBERED {
                forwarded.clear();
            }
            forwarded.insert(whose, last.int("id"));
        }
        Ok(all)
    }
}

/// As it was delivered.
pub(crate) fn without_marti(xml: &str) -> Option<Vec<u8>> {
    let cot = Cot::parse(xml.as_bytes().to_vec()).ok()?;
    let mut edit = Splices::new();
    edit.remove_detail(cot.text(), cot.spans(), "marti");
    if edit.is_empty() {
        return Some(cot.text().to_vec());
    }
    let mut out = Vec::with_capacity(xml.len());
    edit.apply(cot.text(), cot.spans(), &mut out);
    Some(out)
}
