//! Points of tracks (RULE-86): which events are one, and which are left out because little has changed.
//!
//! At most one point per second and uid; one that moved less than `storage.track_min_move` and is younger than
//! `storage.track_min_interval` is left out. What is remembered for that is forgotten when it no longer matters.
use std::collections::HashMap;

use fts_plugin_api::cot::{Attr, Millis, PointAttr};

use super::entry::Entry;
use crate::config::Storage;

/// At most one point in this time, ms.
const CLOSEST: Millis = 1_000;
/// A device's clock that is off by more is not believed: the point gets the time it was received, ms.
const CLOCK: Millis = 300_000;
/// Uids remembered before old ones are looked for.
const MANY: usize = 10_000;
/// Metres of a degree of latitude.
const DEGREE: f64 = 111_195.0;

/// A point that will be a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub uid: String,
    pub callsign: String,
    pub time: Millis,
    pub server: Millis,
    pub lat: f64,
    pub lon: f64,
    pub hae: Option<f64>,
    pub ce: Option<f64>,
    pub speed: Option<f64>,
    pub course: Option<f64>,
    pub battery: Option<f64>,
    pub kind: String,
    pub team: String,
    pub role: String,
}

/// The last point of each uid that moves.
#[derive(Debug, Default)]
pub(super) struct Thinning {
    last: HashMap<String, (Millis, f64, f64)>,
}

impl Thinning {
    /// The point of this event, if it is one that is kept.
    pub fn point(&mut self, entry: &Entry, keys: &Storage) -> Option<Point> {
        let cot = &entry.cot;
        let kind = cot.kind();
        let moves = cot.is_sa()
            || (kind.starts_with("a-") && cot.detail("track").is_some())
            || keys.track_types.iter().any(|t| kind.starts_with(t.as_str()));
        let (lat, lon) = (cot.point(PointAttr::Lat)?, cot.point(PointAttr::Lon)?);
        let nowhere = (lat == 0.0 && lon == 0.0) || !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lon);
        if !keys.record_tracks || !moves || nowhere {
            return None;
        }
        let uid = cot.uid().into_owned();
        let interval = keys.track_min_interval.as_millis() as Millis;
        if let Some((at, was_lat, was_lon)) = self.last.get(&uid) {
            let age = entry.received - at;
            let moved = metres(*was_lat, *was_lon, lat, lon);
            if (0..CLOSEST).contains(&age) || (moved < keys.track_min_move && age < interval) {
                return None;
            }
        }
        if self.last.len() >= MANY {
            let recent = entry.received - interval.max(CLOSEST);
            self.last.retain(|_, (at, ..)| *at >= recent);
        }
        self.last.insert(uid.clone(), (entry.received, lat, lon));
        let number = |element: &str, name: &str| {
            let value = cot.detail(element)?.attr(name)?.trim().parse::<f64>().ok()?;
            (value.is_finite() && value < 9_999_999.0).then_some(value)
        };
        let text =
            |element: &str, name: &str| cot.detail(element).and_then(|e| e.attr(name)).unwrap_or_default().into_owned();
        let said = cot.time(Attr::Time).filter(|t| (t - entry.received).abs() <= CLOCK);
        Some(Point {
            uid,
            callsign: entry.callsign(),
            time: said.unwrap_or(entry.received),
            server: entry.received,
            lat,
            lon,
            hae: entry.metres(PointAttr::Hae),
            ce: entry.metres(PointAttr::Ce),
            speed: number("track", "speed"),
            course: number("track", "course"),
            battery: number("status", "battery"),
            kind: kind.to_owned(),
            team: text("__group", "name"),
            role: text("__group", "role"),
        })
    }
}

/// Between two places that are near each other.
fn metres(lat: f64, lon: f64, to_lat: f64, to_lon: f64) -> f64 {
    let across = (to_lon - lon + 540.0).rem_euclid(360.0) - 180.0;
    let (north, east) = ((to_lat - lat) * DEGREE, across * DEGREE * lat.to_radians().cos());
    north.hypot(east)
}

#[cfg(test)]
#[path = "track_tests.rs"]
mod tests;
