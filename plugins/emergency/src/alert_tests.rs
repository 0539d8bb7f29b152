//! What events of clients say, on the forms of kml-emergency-reports.md b.1.
use fts_plugin_api::cot::Cot;

use super::*;
use crate::samples::{CANCEL_A, START_A};

fn said(text: &str) -> Said {
    let cot = Cot::parse(text.as_bytes().to_vec()).unwrap();
    read(&Event::of(cot.text(), cot.spans()))
}

fn start(text: &str) -> Alert {
    match said(text) {
        Said::Start(alert) => *alert,
        other => panic!("{other:?}"),
    }
}

fn remarked(text: &str) -> Option<String> {
    let cot = Cot::parse(text.as_bytes().to_vec()).unwrap();
    with_remark(&Event::of(cot.text(), cot.spans())).map(|t| String::from_utf8(t).unwrap())
}

#[test]
fn a_start_of_atak_is_read() {
    let alert = start(START_A);
    assert_eq!((alert.uid.as_str(), alert.cot_type.as_str()), ("ANDROID-11aa-9-1-1", "b-a-o-tbl"));
    assert_eq!((alert.kind.as_str(), alert.callsign.as_str()), ("911 Alert", "LIMA1"));
    assert_eq!((alert.name.as_str(), alert.origin.as_str()), ("LIMA1-Alert", "ANDROID-11aa"));
    assert_eq!((alert.lat, alert.lon, alert.hae), (60.17, 24.94, 12.0));
    assert_eq!(alert.text, START_A);
    assert!(alert.dests().is_empty());
}

#[test]
fn cancels_are_known_by_type_or_by_attribute() {
    assert_eq!(said(CANCEL_A), Said::Cancel);
    let typed = r#"<event uid="u" type="b-a-o-can"><point lat="1" lon="2"/></event>"#;
    assert_eq!(said(typed), Said::Cancel);
    let marked = r#"<event uid="u" type="b-a-o-tbl"><point lat="1" lon="2"/><detail><emergency cancel="true"/></detail></event>"#;
    assert_eq!(said(marked), Said::Cancel);
    let kept = marked.replace("true", "false");
    assert!(matches!(said(&kept), Said::Start(_)));
}

#[test]
fn what_is_no_alert_is_left_alone() {
    let event = |kind: &str, detail: &str| {
        format!(r#"<event uid="u" type="{kind}"><point lat="1" lon="2"/><detail>{detail}</detail></event>"#)
    };
    assert_eq!(said(&event("b-a-x", "")), Said::Nothing);
    assert_eq!(said(&event("a-f-G-U-C", r#"<emergency type="911 Alert">X</emergency>"#)), Said::Nothing);
    assert_eq!(said(&event("b-attack", "<emergency/>")), Said::Nothing);
    assert!(matches!(said(&event("b-a-x", "<emergency/>")), Said::Start(_)));
    assert!(matches!(said(&event("b-a-g", "")), Said::Start(_)));
}

#[test]
fn names_fall_back_on_what_there_is() {
    let event = |detail: &str| {
        start(&format!(r#"<event uid="u" type="b-a-o-pan"><point lat="1" lon="2"/><detail>{detail}</detail></event>"#))
    };
    let bare = event("<emergency>A&amp;B</emergency>");
    assert_eq!((bare.kind.as_str(), bare.callsign.as_str(), bare.name.as_str()), ("Ring The Bell", "A&B", "A&B"));
    let contact = event(r#"<contact callsign="K9-Alert"/><emergency/>"#);
    assert_eq!((contact.callsign.as_str(), contact.name.as_str()), ("K9", "K9-Alert"));
    let free = event(r#"<emergency type="Snake bite"/>"#);
    assert_eq!((free.kind.as_str(), free.callsign.as_str(), free.hae), ("Snake bite", "", 9_999_999.0));
}

#[test]
fn destinations_are_read() {
    let to = |marti: &str| start(&START_A.replace("</detail>", &format!("{marti}</detail>"))).dests();
    let pair = |k: &str, n: &str| (k.to_owned(), n.to_owned());
    assert_eq!(
        to(r#"<marti><dest callsign="B&amp;C"/><dest uid="U"/></marti>"#),
        [pair("callsign", "B&C"), pair("uid", "U")]
    );
    assert_eq!(to(r#"<marti><dest/></marti>"#), []);
}

#[test]
fn only_a_silent_911_gets_the_remark() {
    let added = remarked(START_A).unwrap();
    assert_eq!(added, START_A.replace("</detail>", "<remarks>CALL 911 NOW</remarks></detail>"));
    let empty = START_A.replace("</detail>", "<remarks/></detail>");
    assert_eq!(remarked(&empty).unwrap(), added);
    assert_eq!(remarked(&START_A.replace("</detail>", "<remarks>hurt</remarks></detail>")), None);
    assert_eq!(remarked(&START_A.replace("b-a-o-tbl", "b-a-o-pan")), None);
    let bare = r#"<event uid="u" type="b-a-o-tbl"><point lat="1" lon="2"/></event>"#;
    assert!(remarked(bare).unwrap().contains("<detail><remarks>CALL 911 NOW</remarks></detail>"));
    assert_eq!(remarks(&start(&added)), "CALL 911 NOW");
}
