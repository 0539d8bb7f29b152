//! Tracks: where somebody was (RULE-86, 87), for the plugins that draw and export them.
use fts_plugin_api::{
    cot::Millis,
    message::{TrackPoint, TrackQuery},
};

use super::{History, meters, sets::Reach, track::Point, write};
use crate::{
    observe::clock,
    store::{error::StoreError, rows::Value},
};

/// What is looked at when nobody says since when.
const DAY: Millis = 86_400_000;
/// Points of one answer at most.
pub const MOST: u32 = 100_000;
/// Points of one transaction.
const SLICE: usize = 500;

impl History {
    /// Points by time. Without `from` the 24 hours before `to`, without `to` until now. Over `max_points` the newest.
    ///
    /// # Errors
    /// The database's.
    pub fn tracks(&self, query: &TrackQuery) -> Result<Vec<TrackPoint>, StoreError> {
        let _timed = meters::timed("tracks");
        let to = query.to.unwrap_or_else(clock::now_ms);
        let from = query.from.unwrap_or(to - DAY);
        let most = if query.max_points == 0 { MOST } else { query.max_points.min(MOST) };
        let reach = Reach { groups: query.groups.clone(), user: None };
        let area = query.bbox.map(|b| b.map(Value::Real)).unwrap_or([const { Value::Null }; 4]);
        let [left, bottom, right, top] = area;
        let maybe = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
        let of = if query.uid.is_some() { "p.uid = ?2" } else { "?2 IS NULL" };
        let sql = format!(
            "SELECT * FROM track_point p WHERE {of} AND (?3 IS NULL OR p.callsign = ?3) AND p.time_ms BETWEEN ?4 AND ?5 \
             AND (?6 IS NULL OR (p.lat BETWEEN ?7 AND ?9 AND CASE WHEN ?6 <= ?8 THEN p.lon BETWEEN ?6 AND ?8 \
                  ELSE p.lon >= ?6 OR p.lon <= ?8 END)) \
             AND p.groups IN (SELECT value FROM json_each(?1)) ORDER BY p.time_ms DESC, p.id DESC LIMIT ?10"
        );
        let params = [
            self.sets.seen_by(&reach),
            maybe(&query.uid),
            maybe(&query.callsign),
            from.into(),
            to.into(),
            left,
            bottom,
            right,
            top,
            Value::Integer(i64::from(most)),
        ];
        let rows = self.db.query(&sql, &params)?;
        let mut points: Vec<TrackPoint> = rows
            .iter()
            .map(|row| TrackPoint {
                uid: row.text("uid").to_owned(),
                callsign: row.text("callsign").to_owned(),
                time: row.int("time_ms"),
                lat: row.opt_real("lat").unwrap_or_default(),
                lon: row.opt_real("lon").unwrap_or_default(),
                hae: row.opt_real("hae"),
                ce: row.opt_real("ce"),
                speed: row.opt_real("speed"),
                course: row.opt_real("course"),
                battery: row.opt_real("battery"),
                cot_type: row.text("type").to_owned(),
                team: row.text("team").to_owned(),
                role: row.text("role").to_owned(),
                source: row.text("source").to_owned(),
                groups: self.sets.names(row.int("groups")),
            })
            .collect();
        points.reverse();
        Ok(points)
    }

    /// Adds points as they are, not thinned (TracksKML). A time that is there already for the uid stays as it is. How
    /// many are new.
    ///
    /// # Errors
    /// The database's; slices before the failed one are stored.
    pub fn append(&self, points: &[TrackPoint], source: &str) -> Result<usize, StoreError> {
        let now = clock::now_ms();
        let mut new = 0;
        for slice in points.chunks(SLICE) {
            let mut rows = Vec::with_capacity(slice.len());
            for p in slice {
                let mut groups = p.groups.clone();
                groups.sort();
                rows.push((point(p, now), self.sets.id(&self.db, &groups)?));
            }
            let tx = self.db.begin()?;
            for (point, groups) in &rows {
                new += write::track(&tx, point, *groups, source)?;
            }
            tx.commit()?;
        }
        Ok(new)
    }
}

fn point(p: &TrackPoint, server: Millis) -> Point {
    Point {
        uid: p.uid.clone(),
        callsign: p.callsign.clone(),
        time: p.time,
        server,
        lat: p.lat,
        lon: p.lon,
        hae: p.hae,
        ce: p.ce,
        speed: p.speed,
        course: p.course,
        battery: p.battery,
        kind: p.cot_type.clone(),
        team: p.team.clone(),
        role: p.role.clone(),
    }
}
