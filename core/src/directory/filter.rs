//! [`GeoFilter`]: what a client asked to see with `t-x-c-f` (cot.md 8, 9.3, 9.4). It applies to broadcasts only.

use fts_plugin_api::cot::{Cot, PointAttr};

use crate::config::GeoBox;

/// Boxes of interest of one connection.
#[derive(Clone, Debug, PartialEq)]
pub struct GeoFilter {
    /// Degrees; a point in any of them passes.
    pub boxes: Vec<GeoBox>,
    /// Other clients' positions are filtered, too.
    pub tak_clients: bool,
}

/// Never filtered by place: emergencies and chat (9.3).
const EXEMPT: [&str; 10] =
    ["b-a-o-tbl", "b-a-o-can", "b-a-g", "b-a-o-pan", "b-a-o-opn", "b-t-f", "b-t-f-d", "b-t-f-r", "b-t-f-p", "b-t-f-s"];

impl GeoFilter {
    /// Reads `subscription/geospatialFilter`; None = no boxes, which clears the filter.
    pub fn read(request: &Cot) -> Option<Self> {
        let filter = request.detail("subscription")?.child("geospatialFilter")?;
        let number = |e: &fts_plugin_api::cot::Element<'_>, name: &str| {
            e.attr(name)?.trim().parse::<f64>().ok().filter(|n| n.is_finite())
        };
        let boxes: Vec<_> = filter
            .children()
            .filter(|e| e.name() == "boundingBox")
            .filter_map(|e| {
                Some(GeoBox {
                    west: number(&e, "minLongitude")?,
                    south: number(&e, "minLatitude")?,
                    east: number(&e, "maxLongitude")?,
                    north: number(&e, "maxLatitude")?,
                })
            })
            .collect();
        let tak_clients = filter.attr("filterTAKClients").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        (!boxes.is_empty()).then_some(Self { boxes, tak_clients })
    }

    /// Does this event pass?
    pub fn passes(&self, event: &Place) -> bool {
        event.exempt || (event.tak_client && !self.tak_clients) || inside(&self.boxes, event.lat, event.lon)
    }
}

/// What a place filter looks at; taken from an event once, however many receivers have filters.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Place {
    pub lat: f64,
    pub lon: f64,
    pub exempt: bool,
    pub tak_client: bool,
}

impl Place {
    /// Of this event.
    pub fn of(cot: &Cot) -> Self {
        let lat = cot.point(PointAttr::Lat).unwrap_or(0.0);
        let lon = cot.point(PointAttr::Lon).unwrap_or(0.0);
        let group = cot.detail("__group");
        let tak_client = group.is_some_and(|g| {
            g.attr("name").is_some_and(|n| !n.is_empty()) && g.attr("role").is_some_and(|r| !r.is_empty())
        });
        let exempt = EXEMPT.contains(&cot.kind()) || (lat == 0.0 && lon == 0.0);
        Self { lat, lon, exempt, tak_client }
    }
}

/// Is the point in one of the boxes? A box whose west is east of its east crosses the date line.
pub fn inside(boxes: &[GeoBox], lat: f64, lon: f64) -> bool {
    boxes.iter().any(|b| {
        let east_west =
            if b.west <= b.east { (b.west..=b.east).contains(&lon) } else { lon >= b.west || lon <= b.east };
        east_west && (b.south..=b.north).contains(&lat)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_hold_points_and_cross_the_date_line() {
        let plain = GeoBox { west: -76.0, south: 45.0, east: -75.0, north: 46.0 };
        let pacific = GeoBox { west: 170.0, south: -10.0, east: -170.0, north: 10.0 };
        assert!(inside(&[plain], 45.5, -75.5));
        assert!(!inside(&[plain], 44.9, -75.5));
        assert!(
            inside(&[plain, pacific], 0.0, 175.0) && inside(&[pacific], 0.0, -175.0) && !inside(&[pacific], 0.0, 0.0)
        );
    }
}
