//! RULE-86: what becomes a point.
use fts_plugin_api::cot::format_time;

use super::*;
use crate::store::history::{entry::From, tests::storage};

const NOW: Millis = 1_700_000_000_000;

fn entry(kind: &str, lat: f64, lon: f64, at: Millis, detail: &str) -> Entry {
    let time = format_time(at);
    let text = format!(
        r#"<event version="2.0" uid="U" type="{kind}" how="m-g" time="{time}" start="{time}" stale="{time}"><point lat="{lat}" lon="{lon}" hae="70.5" ce="9999999.0" le="9999999.0"/><detail>{detail}</detail></event>"#
    );
    let cot = fts_plugin_api::cot::Cot::parse(text).unwrap();
    let (groups, from) = (vec!["__ANON__".to_owned()], From::default());
    Entry { cot, received: at, journal: 0, groups, readers: None, from, dests: Vec::new() }
}

const SA: &str =
    r#"<contact callsign="A" endpoint="*:-1:stcp"/><track speed="1.5" course="90"/><status battery="87"/>"#;

#[test]
fn a_point_per_second_and_only_where_something_moved() {
    let mut thinning = Thinning::default();
    let keys = storage();
    let mut taken =
        |lat: f64, after: Millis| thinning.point(&entry("a-f-G-U-C", lat, 10.0, NOW + after, SA), &keys).is_some();
    assert!(taken(50.0, 0));
    assert!(!taken(50.1, 999), "within a second");
    assert!(taken(50.1, 1_000));
    assert!(!taken(50.100_01, 3_000), "one metre in two seconds");
    assert!(taken(50.100_03, 3_000), "three metres");
    assert!(!taken(50.100_03, 7_999));
    assert!(taken(50.100_03, 8_000), "five seconds later also where it stands");
}

#[test]
fn what_is_a_point_at_all() {
    let keys = storage();
    let point = |kind: &str, lat: f64, lon: f64, detail: &str| {
        Thinning::default().point(&entry(kind, lat, lon, NOW, detail), &keys)
    };
    let one = point("a-f-G-U-C", 50.0, 10.0, SA).unwrap();
    assert_eq!(
        (one.speed, one.course, one.battery, one.hae, one.ce),
        (Some(1.5), Some(90.0), Some(87.0), Some(70.5), None)
    );
    assert!(point("a-h-A", 50.0, 10.0, r#"<track speed="3"/>"#).is_some(), "an atom that moves");
    assert!(point("a-h-A", 50.0, 10.0, "").is_none(), "a marker does not");
    assert!(point("a-f-G-U-C", 0.0, 0.0, SA).is_none() && point("a-f-G-U-C", 9_999_999.0, 9_999_999.0, SA).is_none());
    assert!(point("b-m-p-s-p-i", 50.0, 10.0, "").is_none());
    let keys = Storage { track_types: vec!["b-m-p-s-p-i".into()], ..storage() };
    assert!(Thinning::default().point(&entry("b-m-p-s-p-i", 50.0, 10.0, NOW, ""), &keys).is_some());
    let off = Storage { record_tracks: false, ..storage() };
    assert!(Thinning::default().point(&entry("a-f-G-U-C", 50.0, 10.0, NOW, SA), &off).is_none());
}

#[test]
fn a_clock_that_is_wrong_is_not_believed() {
    let mut late = entry("a-f-G-U-C", 50.0, 10.0, NOW, SA);
    late.received = NOW + CLOCK + 1;
    assert_eq!(Thinning::default().point(&late, &storage()).unwrap().time, late.received);
    late.received = NOW + CLOCK;
    assert_eq!(Thinning::default().point(&late, &storage()).unwrap().time, NOW);
}

#[test]
fn distances_also_over_the_date_line() {
    assert!((metres(0.0, 179.999_99, 0.0, -179.999_99) - 2.2).abs() < 0.1);
    assert!((metres(60.0, 10.0, 60.0, 10.001) - 55.6).abs() < 0.5);
}
