//! What was stored, asked by uid, time and place (cot.md 12.4). Every question names its [`Reach`].
//!
//! Rows come in pages, each a query of its own, so that no snapshot stays open while a client reads. An event that was
//! addressed to somebody is found by its uid by who sent or received it; lists show it to named users only.
use std::sync::Arc;

use fts_plugin_api::{cot::Millis, message::StoredEvent};
use serde_bytes::ByteBuf;

use super::{History, meters, sets::Reach};
use crate::store::{
    error::StoreError,
    rows::{Row, Value},
};

/// From and to, ms UTC, both inclusive: compared with when the server received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Window {
    pub from: Millis,
    pub to: Millis,
}

impl Window {
    /// Everything.
    pub const ALL: Self = Self { from: 0, to: 253_402_300_799_999 };
}

/// Degrees; `left` > `right` goes over the date line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Area {
    pub left: f64,
    pub bottom: f64,
    pub right: f64,
    pub top: f64,
}

/// What to look for; pages are newest first.
#[derive(Clone, Debug)]
pub struct Search {
    /// Of this uid.
    pub uid: Option<String>,
    /// When it was received.
    pub window: Window,
    /// Where.
    pub area: Option<Area>,
    /// Types that begin so; empty = all.
    pub types: Vec<String>,
    /// Chat counts whatever the types say.
    pub chat: bool,
    /// As a list: what was addressed to nobody in particular is not in it.
    pub listed: bool,
    /// Whose rows.
    pub reach: Reach,
}

/// Events of a page and bytes of its texts, about.
const PAGE: usize = 200;
/// May this row be seen: ?1 = numbers of sets of groups, ?2 = the user or NULL.
const SEEN: &str = "e.groups IN (SELECT value FROM json_each(?1)) AND (e.readers IS NULL OR ?2 IS NULL \
                    OR EXISTS (SELECT 1 FROM json_each(e.readers) r WHERE r.value = ?2))";
/// The same in lists: nobody in particular sees nothing that was addressed.
const LISTED: &str = "e.groups IN (SELECT value FROM json_each(?1)) AND (e.readers IS NULL OR ?2 IS NULL \
                      OR (?2 <> '' AND EXISTS (SELECT 1 FROM json_each(e.readers) r WHERE r.value = ?2)))";
const COLUMNS: &str = "e.id, e.uid, e.server_ms, e.groups, e.deleted, e.xml";

/// Uids `cot/matchUid` answers at most.
const MATCHES: i64 = 5;

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// Pages of a search, newest first.
pub struct Pages {
    history: Arc<History>,
    search: Search,
    below: Option<(Millis, i64)>,
}

impl History {
    fn stored(&self, row: Row<'_>) -> StoredEvent {
        StoredEvent {
            uid: row.text("uid").to_owned(),
            text: ByteBuf::from(row.text("xml").as_bytes().to_vec()),
            received: row.int("server_ms"),
            groups: self.sets.names(row.int("groups")),
        }
    }

    /// The newest event of a uid that this caller may see; None = there is none, or it was deleted (RULE-70).
    ///
    /// # Errors
    /// The database's.
    pub fn latest(&self, uid: &str, reach: &Reach) -> Result<Option<StoredEvent>, StoreError> {
        let _timed = meters::timed("latest");
        let sql = format!(
            "SELECT {COLUMNS} FROM cot_event e WHERE e.uid = ?3 AND {SEEN} ORDER BY e.server_ms DESC, e.id DESC LIMIT 1"
        );
        let rows = self.db.query(&sql, &[self.sets.seen_by(reach), reach.user(), text(uid)])?;
        Ok(rows.first().filter(|row| !row.flag("deleted")).map(|row| self.stored(row)))
    }

    /// The pages of a search.
    pub fn search(self: &Arc<Self>, search: Search) -> Pages {
        Pages { history: self.clone(), search, below: None }
    }

    /// How many events of a uid there are, counted up to `most`.
    ///
    /// # Errors
    /// The database's.
    pub fn count(&self, uid: &str, window: Window, reach: &Reach, most: usize) -> Result<usize, StoreError> {
        let _timed = meters::timed("all");
        let sql = format!(
            "SELECT count(*) AS n FROM (SELECT 1 FROM cot_event e WHERE e.uid = ?3 AND e.server_ms BETWEEN ?4 AND ?5 AND {SEEN} LIMIT ?6)"
        );
        let params = [
            self.sets.seen_by(reach),
            reach.user(),
            text(uid),
            window.from.into(),
            window.to.into(),
            Value::Integer(most as i64),
        ];
        Ok(self.db.query(&sql, &params)?.first().map_or(0, |r| r.int("n") as usize))
    }

    /// Up to five uids that contain the text, without regard to case.
    ///
    /// # Errors
    /// The database's.
    pub fn matching(&self, part: &str, reach: &Reach) -> Result<Vec<String>, StoreError> {
        let _timed = meters::timed("match");
        let sql = format!(
            "SELECT l.uid FROM cot_latest l WHERE l.deleted = 0 AND instr(lower(l.uid), lower(?3)) > 0 \
             AND EXISTS (SELECT 1 FROM cot_event e WHERE e.uid = l.uid AND {LISTED}) ORDER BY l.uid LIMIT ?4"
        );
        let params = [self.sets.seen_by(reach), reach.user(), text(part), Value::Integer(MATCHES)];
        Ok(self.db.query(&sql, &params)?.iter().map(|r| r.text("uid").to_owned()).collect())
    }
}

impl Pages {
    /// The next events; empty = no more.
    ///
    /// # Errors
    /// The database's.
    pub fn page(&mut self) -> Result<Vec<StoredEvent>, StoreError> {
        let _timed = meters::timed(if self.search.uid.is_some() { "all" } else { "search" });
        let (below, id) = self.below.unwrap_or((Millis::MAX, i64::MAX));
        let s = &self.search;
        let area = s.area.map(|a| [a.left, a.bottom, a.right, a.top].map(Value::Real));
        let [left, bottom, right, top] = area.unwrap_or([const { Value::Null }; 4]);
        let types = if s.types.is_empty() {
            Value::Null
        } else {
            Value::Text(serde_json::Value::from(s.types.clone()).to_string())
        };
        // By time where it is not by uid: the index over time and place decides without looking at rows.
        let (uid, index) = match &s.uid {
            Some(uid) => (text(uid), "cot_event_uid"),
            None => (Value::Null, "cot_event_time"),
        };
        let seen = if s.listed { LISTED } else { SEEN };
        let of = if s.uid.is_some() { "e.uid = ?3" } else { "?3 IS NULL" };
        let sql = format!(
            "SELECT {COLUMNS} FROM cot_event e INDEXED BY {index} WHERE {of} AND e.server_ms BETWEEN ?4 AND min(?5, ?6) \
             AND (e.server_ms < ?6 OR e.id < ?7) \
             AND (?8 IS NULL OR (e.lat BETWEEN ?9 AND ?11 AND CASE WHEN ?8 <= ?10 THEN e.lon BETWEEN ?8 AND ?10 \
                  ELSE e.lon >= ?8 OR e.lon <= ?10 END)) \
             AND (?12 IS NULL OR (?14 AND e.type LIKE 'b-t-f%') OR EXISTS (SELECT 1 FROM json_each(?12) t \
                  WHERE substr(e.type, 1, length(t.value)) = t.value)) \
             AND {seen} ORDER BY e.server_ms DESC, e.id DESC LIMIT ?13"
        );
        let params = [
            self.history.sets.seen_by(&s.reach),
            s.reach.user(),
            uid,
            s.window.from.into(),
            s.window.to.into(),
            below.into(),
            id.into(),
            left,
            bottom,
            right,
            top,
            types,
            Value::Integer(PAGE as i64),
            Value::Integer(i64::from(s.chat)),
        ];
        let rows = self.history.db.query(&sql, &params)?;
        if let Some(last) = rows.iter().last() {
            self.below = Some((last.int("server_ms"), last.int("id")));
        }
        Ok(rows.iter().map(|row| self.history.stored(row)).collect())
    }
}
