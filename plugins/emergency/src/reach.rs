//! Whom an alert reaches: members of its groups, and with a radius only those close enough (b.5, 4).
//!
//! An alert that names its receivers keeps them whatever the radius. A client that never told a position is included:
//! it may be next door. Cancels have no radius; they go to everybody in the groups. What must not happen: a question to
//! the host fails and so nobody gets the alert; then it goes to all.
use fts_plugin_api::sdk::{ClientInfo, Host, Position, Send, Target};

use crate::alert::Alert;

/// Mean radius of the earth, km (IUGG).
const EARTH_KM: f64 = 6_371.008_8;

/// Great-circle distance, km; degrees in (haversine).
pub fn distance_km((lat_a, lon_a): (f64, f64), (lat_b, lon_b): (f64, f64)) -> f64 {
    let (a, b) = (lat_a.to_radians(), lat_b.to_radians());
    let half = |d: f64| (d / 2.0).sin().powi(2);
    let h = half(b - a) + a.cos() * b.cos() * half((lon_b - lon_a).to_radians());
    2.0 * EARTH_KM * h.clamp(0.0, 1.0).sqrt().asin()
}

/// Is a receiver at this position close enough? 0 km = everybody is.
pub fn is_near(radius_km: f64, alert: (f64, f64), position: Option<Position>) -> bool {
    let Some(at) = position.filter(|_| radius_km > 0.0) else { return true };
    let distance = distance_km(alert, (at.lat, at.lon));
    // An impossible position is no position.
    distance.is_nan() || distance <= radius_km
}

/// Does this client get an alert at this point, sent into these groups?
pub fn reaches(radius_km: f64, alert: (f64, f64), groups: &[String], client: &ClientInfo) -> bool {
    client.groups_out.iter().any(|g| groups.contains(g)) && is_near(radius_km, alert, client.position)
}

/// The connections in reach; None when there is no radius, or the host cannot say.
pub fn conns(host: &Host, radius_km: f64, alert: (f64, f64), groups: &[String]) -> Option<Vec<u64>> {
    if radius_km <= 0.0 {
        return None;
    }
    let clients = host.clients().all().ok()?;
    let near = clients.iter().filter(|c| c.conn != 0 && reaches(radius_km, alert, groups, c));
    Some(near.map(|c| c.conn).collect())
}

/// Whom a kept alert is sent to, without its own sender.
pub fn aim(host: &Host, radius_km: f64, alert: &Alert) -> Send {
    let aim = if !alert.dests().is_empty() {
        Send::to(Target::Addressed).within(&alert.groups)
    } else if let Some(conns) = conns(host, radius_km, (alert.lat, alert.lon), &alert.groups) {
        Send::to(Target::Conns(conns)).within(&alert.groups)
    } else {
        Send::groups(&alert.groups)
    };
    let aim = if alert.sender.conn == 0 { aim } else { aim.but_conn(alert.sender.conn) };
    if alert.sender.uid.is_empty() { aim } else { aim.but_uid(&alert.sender.uid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELSINKI: (f64, f64) = (60.17, 24.94);

    fn at(lat: f64, lon: f64) -> Option<Position> {
        Some(Position { lat, lon, ..Position::default() })
    }

    #[test]
    fn distances_are_those_of_the_sphere() {
        assert!(distance_km(HELSINKI, HELSINKI) < 1e-9);
        // One degree of latitude.
        assert!((distance_km((60.0, 24.0), (61.0, 24.0)) - 111.195).abs() < 0.01);
        // Across the antimeridian, and to the other side of the earth.
        assert!((distance_km((0.0, 179.5), (0.0, -179.5)) - 111.195).abs() < 0.01);
        assert!((distance_km((90.0, 0.0), (-90.0, 0.0)) - 20_015.1).abs() < 0.1);
    }

    #[test]
    fn near_far_and_unknown() {
        assert!(is_near(5.0, HELSINKI, at(60.17 + 0.027, 24.94)), "3 km");
        assert!(!is_near(5.0, HELSINKI, at(60.17 + 0.18, 24.94)), "20 km");
        assert!(is_near(5.0, HELSINKI, None));
        assert!(is_near(5.0, HELSINKI, at(f64::NAN, 0.0)));
        assert!(is_near(0.0, HELSINKI, at(-60.0, 0.0)));
    }

    #[test]
    fn groups_come_first() {
        let client = |group: &str| ClientInfo { groups_out: vec![group.into()], ..ClientInfo::default() };
        let groups = ["red".to_owned()];
        assert!(reaches(5.0, HELSINKI, &groups, &client("red")));
        assert!(!reaches(0.0, HELSINKI, &groups, &client("blue")));
    }
}
