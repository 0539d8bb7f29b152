//! What the mock has stored: events as they are delivered or told by a test, and points of tracks.
use super::{MockHost, state::State};
use crate::{
    abi::{Failure, failure},
    cot::Cot,
    message::{EventQuery, StoredEvent, TrackPoint, TrackQuery},
    shim,
};

/// What is answered at most.
const EVENTS: u32 = 10_000;
const POINTS: u32 = 100_000;
const DAY_MS: i64 = 86_400_000;

fn inside(bbox: Option<[f64; 4]>, lat: f64, lon: f64) -> bool {
    bbox.is_none_or(|[left, bottom, right, top]| {
        let across = if left <= right { (left..=right).contains(&lon) } else { lon >= left || lon <= right };
        (bottom..=top).contains(&lat) && across
    })
}

fn most(asked: u32, most: u32) -> usize {
    (if asked == 0 { most } else { asked.min(most) }) as usize
}

fn shared(groups: Option<&[String]>, of: &[String]) -> bool {
    groups.is_none_or(|g| of.iter().any(|name| g.contains(name)))
}

impl State {
    /// Events, newest first.
    pub fn stored(&self, q: &EventQuery) -> Vec<StoredEvent> {
        let fits = |e: &&StoredEvent| {
            let Ok(cot) = Cot::parse(e.text.to_vec()) else { return false };
            let at = |attr| cot.point(attr).unwrap_or(0.0);
            let addressed = cot.details("marti").any(|m| m.child("dest").is_some());
            q.uid.as_ref().is_none_or(|uid| *uid == e.uid)
                && q.from.is_none_or(|from| e.received >= from)
                && q.to.is_none_or(|to| e.received <= to)
                && (q.types.is_empty() || q.types.iter().any(|t| cot.kind().starts_with(t.as_str())))
                && (q.addressed || !addressed)
                && inside(q.bbox, at(crate::cot::PointAttr::Lat), at(crate::cot::PointAttr::Lon))
                && shared(q.groups.as_deref(), &e.groups)
        };
        let mut all: Vec<StoredEvent> = self.stored.iter().filter(fits).cloned().collect();
        all.sort_by_key(|e| std::cmp::Reverse(e.received));
        all.truncate(most(q.limit, EVENTS));
        all
    }

    /// Points, by time.
    pub fn tracks(&self, q: &TrackQuery, now: i64) -> Vec<TrackPoint> {
        let to = q.to.unwrap_or(now);
        let from = q.from.unwrap_or(to - DAY_MS);
        let fits = |p: &&TrackPoint| {
            q.uid.as_ref().is_none_or(|uid| *uid == p.uid)
                && q.callsign.as_ref().is_none_or(|callsign| *callsign == p.callsign)
                && (from..=to).contains(&p.time)
                && inside(q.bbox, p.lat, p.lon)
                && shared(q.groups.as_deref(), &p.groups)
        };
        let mut all: Vec<TrackPoint> = self.points.iter().filter(fits).cloned().collect();
        all.sort_by_key(|p| p.time);
        let over = all.len().saturating_sub(most(q.max_points, POINTS));
        all.split_off(over)
    }

    /// Adds points; a time that is there for the uid stays. How many are new.
    pub fn append(&mut self, points: Vec<TrackPoint>, plugin: &str) -> Result<usize, Failure> {
        if let Some(bad) = points.iter().find(|p| !is_point(p)) {
            return Err(shim::failure(failure::INVALID, format!("this is no point of a track: {bad:?}")));
        }
        let before = self.points.len();
        for mut point in points {
            if !self.points.iter().any(|p| (&p.uid, p.time) == (&point.uid, point.time)) {
                point.source = plugin.to_owned();
                self.points.push(point);
            }
        }
        Ok(self.points.len() - before)
    }
}

/// A uid, a time and a place on earth.
fn is_point(p: &TrackPoint) -> bool {
    !p.uid.is_empty() && p.time > 0 && (-90.0..=90.0).contains(&p.lat) && (-180.0..=180.0).contains(&p.lon)
}

impl MockHost {
    /// The server has stored these events, too. Those that are delivered are stored by themselves.
    pub fn store(&self, events: impl IntoIterator<Item = StoredEvent>) {
        self.shared.lock().stored.extend(events);
    }

    /// The server has recorded these points.
    pub fn record(&self, points: impl IntoIterator<Item = TrackPoint>) {
        self.shared.lock().points.extend(points);
    }

    /// All points, those the plugin added among them.
    pub fn points(&self) -> Vec<TrackPoint> {
        self.shared.lock().points.clone()
    }
}
