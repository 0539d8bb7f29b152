//! Who was here (marti-http.md 5.3): one line per uid, callsign, user, team and role with its latest coming or going.
//! Lines without a uid, a callsign or a time are never given: ATAK throws the whole list away for one of them.
use fts_plugin_api::cot::Millis;

use super::{History, meters, sets::Reach};
use crate::store::{error::StoreError, rows::Value};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Endpoint {
    pub callsign: String,
    pub uid: String,
    pub user: String,
    pub team: String,
    pub role: String,
    /// When it came or went, ms UTC.
    pub at: Millis,
    pub connected: bool,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct EndpointQuery {
    /// Only what happened since, ms UTC.
    pub since: Option<Millis>,
    /// Only who is there.
    pub connected: bool,
    /// Only the latest line of a callsign.
    pub latest_only: bool,
    /// Only who sends into one of these; empty = all the caller sees.
    pub groups: Vec<String>,
}

impl History {
    /// The lines, by callsign, uid, user, team and role.
    ///
    /// # Errors
    /// The database's.
    pub fn endpoints(&self, query: &EndpointQuery, reach: &Reach) -> Result<Vec<Endpoint>, StoreError> {
        let _timed = meters::timed("endpoints");
        let sets =
            if query.groups.is_empty() { self.sets.seen_by(reach) } else { self.sets.meeting(Some(&query.groups)) };
        // A session that is open counts more than a later end of another one: a phone that came back before its old
        // connection was noticed to be dead is there.
        let rows = self.db.query(
            "SELECT callsign, uid, user, team, role, max(disconnected_ms IS NULL) AS connected, \
             max(CASE WHEN disconnected_ms IS NULL THEN connected_ms END) AS came, max(disconnected_ms) AS went \
             FROM client_session WHERE groups IN (SELECT value FROM json_each(?1)) AND uid <> '' AND callsign <> '' \
             GROUP BY callsign, uid, user, team, role ORDER BY callsign, uid, user, team, role",
            &[sets],
        )?;
        let mut all: Vec<Endpoint> = rows
            .iter()
            .map(|row| {
                let text = |name: &str| row.text(name).to_owned();
                let connected = row.flag("connected");
                let at = if connected { row.int("came") } else { row.int("went") };
                let (callsign, uid, user) = (text("callsign"), text("uid"), text("user"));
                Endpoint { callsign, uid, user, team: text("team"), role: text("role"), at, connected }
            })
            .filter(|e| e.at > 0 && query.since.is_none_or(|since| e.at >= since) && (e.connected || !query.connected))
            .collect();
        if query.latest_only {
            let newest =
                |e: &Endpoint| all.iter().all(|o| o.callsign != e.callsign || (o.at, &o.uid) <= (e.at, &e.uid));
            let keep: Vec<bool> = all.iter().map(newest).collect();
            let mut keep = keep.into_iter();
            all.retain(|_| keep.next().unwrap_or(true));
            all.dedup_by(|a, b| a.callsign == b.callsign);
        }
        Ok(all)
    }

    /// When the last session of this client and user ended, ms UTC.
    pub(super) fn last_seen(&self, uid: &str, user: &str) -> Result<Option<Millis>, StoreError> {
        let params = [uid, user].map(|t| Value::Text(t.to_owned()));
        let sql = "SELECT max(disconnected_ms) AS at FROM client_session WHERE uid = ?1 AND user = ?2";
        Ok(self.db.query(sql, &params)?.first().and_then(|r| r.opt_int("at")))
    }
}
