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

/// How far the forwarding to one client and user has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Number of the last message it was sent.
    sent: i64,
    /// From when on it is owed messages, because it left before it had all of them, ms UTC.
    owed: Option<i64>,
}

/// A message somebody missed.
#[derive(Clone, Debug)]
pub struct Missed {
    /// For [`History::forwarded`].
    pub id: i64,
    /// Without `<marti>`.
    pub text: Vec<u8>,
}

impl History {
    /// The messages in the order they were received. `groups` = those it receives from. Each counts as missed until
    /// [`Self::forwarded`] is told that it was sent, and all of them until [`Self::all_forwarded`]: who leaves in between
    /// is given the rest next time.
    ///
    /// # Errors
    /// The database's.
    pub fn missed(&self, uid: &str, user: &str, groups: &[String]) -> Result<Vec<Missed>, StoreError> {
        // In the background: what is not stored yet would be passed over for ever.
        self.flush(PATIENCE);
        let Some(gone) = self.last_seen(uid, user)? else { return Ok(Vec::new()) };
        let whose = (uid.to_owned(), user.to_owned());
        let (since, sent) = {
            let mut all = self.forwarding.lock();
            if all.len() >= REMEMBERED {
                all.clear();
            }
            let progress = all.entry(whose).or_default();
            let since = progress.owed.map_or(gone - OVERLAP, |owed| owed.min(gone - OVERLAP));
            progress.owed = Some(since);
            (since, progress.sent)
        };
        let _timed = meters::timed("missed");
        let params = [
            self.sets.meeting(Some(groups)),
            Value::Text(uid.to_owned()),
            Value::Integer(since),
            Value::Integer(MOST),
            Value::Integer(sent),
        ];
        let rows = self.db.query(
            "SELECT c.id, e.xml FROM chat c JOIN cot_event e ON e.id = c.event_id WHERE c.server_ms >= ?3 AND c.id > ?5 AND c.type = 'b-t-f' \
             AND c.sender_uid <> ?2 AND (c.everyone = 1 OR c.dest_uid = ?2) AND c.groups IN (SELECT value FROM json_each(?1)) \
             ORDER BY c.server_ms DESC, c.id DESC LIMIT ?4",
            &params,
        )?;
        let message = |row: crate::store::rows::Row<'_>| {
            Some(Missed { id: row.int("id"), text: without_marti(row.text("xml"))? })
        };
        let mut all: Vec<Missed> = rows.iter().filter_map(message).collect();
        all.reverse();
        Ok(all)
    }

    /// This message was sent to it.
    pub fn forwarded(&self, uid: &str, user: &str, id: i64) {
        let mut all = self.forwarding.lock();
        let progress = all.entry((uid.to_owned(), user.to_owned())).or_default();
        progress.sent = progress.sent.max(id);
    }

    /// It was sent everything it missed.
    pub fn all_forwarded(&self, uid: &str, user: &str) {
        if let Some(progress) = self.forwarding.lock().get_mut(&(uid.to_owned(), user.to_owned())) {
            progress.owed = None;
        }
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
