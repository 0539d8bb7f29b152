//! Table `emergency` in the plugin's own database: one row per alert, active ones and, for a while, those that are over.
//!
//! A device uses the same event uid every time it calls for help, so a row is an alert, not a uid. Writing is idempotent:
//! a row is replaced only by a version that is not older. What must not happen: a query that shows somebody alerts of
//! groups it does not receive from.
use std::sync::Arc;

use fts_plugin_api::{
    params,
    sdk::{
        Error, Host, Result,
        sql::{Row, Value},
    },
};

use crate::{alert::Alert, policy::Sender};

const SCHEMA: &[(u32, &str)] = &[(
    1,
    "CREATE TABLE emergency (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL,
        cot_type TEXT NOT NULL,
        kind TEXT NOT NULL,
        callsign TEXT NOT NULL,
        name TEXT NOT NULL,
        origin_uid TEXT NOT NULL,
        sender_uid TEXT NOT NULL,
        sender_user TEXT NOT NULL,
        sender_via TEXT NOT NULL,
        lat REAL NOT NULL,
        lon REAL NOT NULL,
        hae REAL NOT NULL,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        groups TEXT NOT NULL,
        xml TEXT NOT NULL,
        cancelled_ms INTEGER NOT NULL DEFAULT 0,
        cancelled_by TEXT NOT NULL DEFAULT '',
        version INTEGER NOT NULL
     );
     CREATE INDEX emergency_uid ON emergency (uid);
     CREATE INDEX emergency_first ON emergency (first_ms);
     CREATE INDEX emergency_cancelled ON emergency (cancelled_ms);",
)];

const PUT: &str = "INSERT INTO emergency (id, uid, cot_type, kind, callsign, name, origin_uid, sender_uid, sender_user,
        sender_via, lat, lon, hae, first_ms, last_ms, groups, xml, cancelled_ms, cancelled_by, version)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
     ON CONFLICT (id) DO UPDATE SET uid = excluded.uid, cot_type = excluded.cot_type, kind = excluded.kind,
        callsign = excluded.callsign, name = excluded.name, origin_uid = excluded.origin_uid,
        sender_uid = excluded.sender_uid, sender_user = excluded.sender_user, sender_via = excluded.sender_via,
        lat = excluded.lat, lon = excluded.lon, hae = excluded.hae, first_ms = excluded.first_ms,
        last_ms = excluded.last_ms, groups = excluded.groups, xml = excluded.xml,
        cancelled_ms = excluded.cancelled_ms, cancelled_by = excluded.cancelled_by, version = excluded.version
     WHERE excluded.version >= emergency.version";

/// Rows of one deletion: the worker waits behind it.
const SLICE: i64 = 500;

/// What the table is asked for. Empty = no condition.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Event uid.
    pub uid: Option<String>,
    /// Active ones, or those that are over.
    pub active: Option<bool>,
    /// Raised not before, ms UTC.
    pub since: Option<i64>,
    /// Raised not after, ms UTC.
    pub until: Option<i64>,
    /// Only of these groups.
    pub groups: Option<Vec<String>>,
    /// Rows to leave out.
    pub offset: i64,
    /// Rows at most.
    pub limit: i64,
}

/// Brings the schema up to date.
///
/// # Errors
/// What SQLite says.
pub fn migrate(host: &Host) -> Result<()> {
    host.sql().migrate(SCHEMA).map(|_| ())
}

/// Active alerts, and the highest id there is.
///
/// # Errors
/// What SQLite says.
pub fn load(host: &Host) -> Result<(Vec<Alert>, i64)> {
    let rows = host.sql().query("SELECT * FROM emergency WHERE cancelled_ms = 0 ORDER BY id", &[])?;
    let active = rows.iter().map(alert).collect::<Result<_>>()?;
    let last = host.sql().query("SELECT coalesce(max(id), 0) AS last FROM emergency", &[])?;
    Ok((active, last.first().map_or(Ok(0), |row| row.get("last"))?))
}

/// Writes alerts, all or none.
///
/// # Errors
/// What SQLite says.
pub fn put(host: &Host, alerts: &[Arc<Alert>]) -> Result<()> {
    host.sql().tx(|tx| alerts.iter().try_for_each(|alert| tx.exec(PUT, &values(alert)).map(|_| ())))
}

/// When an alert with this uid last changed, ms UTC; 0 = there never was one.
///
/// # Errors
/// What SQLite says.
pub fn changed(host: &Host, uid: &str) -> Result<i64> {
    let sql = "SELECT coalesce(max(max(last_ms, cancelled_ms)), 0) AS changed FROM emergency WHERE uid = ?1";
    host.sql().query(sql, params![uid])?.first().map_or(Ok(0), |row| row.get("changed"))
}

/// When an alert with this uid was last cancelled, ms UTC; 0 = never.
///
/// # Errors
/// What SQLite says.
pub fn cancelled(host: &Host, uid: &str) -> Result<i64> {
    let sql = "SELECT coalesce(max(cancelled_ms), 0) AS cancelled FROM emergency WHERE uid = ?1";
    host.sql().query(sql, params![uid])?.first().map_or(Ok(0), |row| row.get("cancelled"))
}

/// Alerts, newest first, and how many there are in all.
///
/// # Errors
/// What SQLite says.
pub fn list(host: &Host, query: &Query) -> Result<(i64, Vec<Alert>)> {
    let (condition, mut values) = condition(query);
    let count = host.sql().query(&format!("SELECT count(*) AS n FROM emergency{condition}"), &values)?;
    let total = count.first().map_or(Ok(0), |row| row.get("n"))?;
    values.extend([Value::from(query.limit), Value::from(query.offset)]);
    let sql = format!("SELECT * FROM emergency{condition} ORDER BY first_ms DESC, id DESC LIMIT ? OFFSET ?");
    let rows = host.sql().query(&sql, &values)?;
    Ok((total, rows.iter().map(alert).collect::<Result<_>>()?))
}

/// Deletes what was over before this time, a slice; how many rows went.
///
/// # Errors
/// What SQLite says.
pub fn forget(host: &Host, before: i64) -> Result<usize> {
    let sql = "DELETE FROM emergency WHERE id IN
        (SELECT id FROM emergency WHERE cancelled_ms > 0 AND cancelled_ms < ?1 LIMIT ?2)";
    host.sql().exec(sql, params![before, SLICE])
}

/// Deletes everything that was over before this time.
///
/// # Errors
/// What SQLite says.
pub fn forget_all(host: &Host, before: i64) -> Result<usize> {
    let mut gone = 0;
    loop {
        let slice = forget(host, before)?;
        gone += slice;
        if (slice as i64) < SLICE {
            return Ok(gone);
        }
    }
}

fn condition(query: &Query) -> (String, Vec<Value>) {
    let mut all = Vec::new();
    let mut values = Vec::new();
    if let Some(uid) = &query.uid {
        all.push("uid = ?".to_owned());
        values.push(Value::from(uid));
    }
    if let Some(active) = query.active {
        all.push(if active { "cancelled_ms = 0" } else { "cancelled_ms > 0" }.to_owned());
    }
    for (bound, time) in [("first_ms >= ?", query.since), ("first_ms <= ?", query.until)] {
        if let Some(time) = time {
            all.push(bound.to_owned());
            values.push(Value::from(time));
        }
    }
    if let Some(groups) = &query.groups {
        let one = vec!["instr(groups, ?) > 0"; groups.len()].join(" OR ");
        all.push(format!("({})", if one.is_empty() { "0" } else { &one }));
        values.extend(groups.iter().map(|g| Value::from(format!("\n{g}\n"))));
    }
    let condition = if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) };
    (condition, values)
}

/// Names between line ends, so that one can be found by `instr`.
fn lines(groups: &[String]) -> String {
    groups.iter().fold("\n".to_owned(), |all, g| all + g + "\n")
}

fn values(alert: &Alert) -> Vec<Value> {
    let Sender { uid, user, via, .. } = &alert.sender;
    params![
        alert.id,
        &alert.uid,
        &alert.cot_type,
        &alert.kind,
        &alert.callsign,
        &alert.name,
        &alert.origin,
        uid,
        user,
        via,
        alert.lat,
        alert.lon,
        alert.hae,
        alert.first,
        alert.last,
        lines(&alert.groups),
        &alert.text,
        alert.cancelled,
        &alert.cancelled_by,
        alert.version
    ]
    .to_vec()
}

fn alert(row: Row<'_>) -> Result<Alert> {
    let groups: String = row.get("groups")?;
    Ok::<_, Error>(Alert {
        id: row.get("id")?,
        uid: row.get("uid")?,
        cot_type: row.get("cot_type")?,
        kind: row.get("kind")?,
        callsign: row.get("callsign")?,
        name: row.get("name")?,
        origin: row.get("origin_uid")?,
        // Connections have new numbers in each run of the server.
        sender: Sender {
            conn: 0,
            uid: row.get("sender_uid")?,
            user: row.get("sender_user")?,
            via: row.get("sender_via")?,
        },
        lat: row.get("lat")?,
        lon: row.get("lon")?,
        hae: row.get("hae")?,
        first: row.get("first_ms")?,
        last: row.get("last_ms")?,
        groups: groups.lines().filter(|g| !g.is_empty()).map(str::to_owned).collect(),
        text: row.get("xml")?,
        cancelled: row.get("cancelled_ms")?,
        cancelled_by: row.get("cancelled_by")?,
        version: row.get("version")?,
    })
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
