//! Events this plugin sends: a kept alert with new times, a cancel, and an alert raised on the server.
//!
//! Times are UTC with three digits (decision 22). A repeat is the relayed text with `time` and `stale` changed and
//! nothing else; `start` stays. What must not happen: a repeat carries our own flow tag, which the router would take
//! for a loop (RULE-72), or a newcomer sees whom somebody else's `<marti>` named.
use fts_plugin_api::{
    cot::{Attr, Builder, Cot, PointAttr, escape_text, format_time},
    sdk::{Error, Event, Result},
};

use crate::{alert::Alert, kind::CANCEL};

/// Unknown height or error, metres.
pub const UNKNOWN: f64 = 9_999_999.0;
/// Life of a cancel, ms (b.1).
const CANCEL_STALE: i64 = 10_000;
/// Life of an alert raised on the server until its first repeat, ms (b.3).
const RAISED_STALE: i64 = 60_000;

/// A kept text; None when it is no event (nothing that is kept is).
pub fn parsed(text: &str) -> Option<Cot> {
    Cot::parse(text.as_bytes().to_vec()).ok()
}

/// Who gets a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// Everybody in reach: `<marti>` stays, the router needs it.
    Repeat,
    /// One newcomer.
    Newcomer,
}

/// The alert as last sent, with `time` now and `stale` after this many ms.
///
/// # Errors
/// The kept text is no event.
pub fn refreshed(alert: &Alert, now: i64, stale: i64, copy: Copy) -> Result<Cot> {
    let cot = Cot::parse(alert.text.as_bytes().to_vec()).map_err(|e| unsound(alert, &e))?;
    let edit = Event::of(cot.text(), cot.spans())
        .edit()
        .set(Attr::Time, &format_time(now))
        .set(Attr::Stale, &format_time(now.saturating_add(stale)))
        .remove("_flow-tags_");
    let edit = if copy == Copy::Newcomer { edit.remove("marti") } else { edit };
    Cot::parse(edit.into_text()).map_err(|e| unsound(alert, &e))
}

fn unsound(alert: &Alert, why: &dyn std::fmt::Display) -> Error {
    Error::new(format!("the kept text of alert {:?} is no event: {why}; cancel it by its uid", alert.uid))
}

/// The cancel of an alert, made by the server, at the alert's point.
///
/// # Errors
/// None in practice: everything in it is escaped.
pub fn cancel(alert: &Alert, now: i64) -> Result<Cot> {
    let error = |attr| parsed(&alert.text).and_then(|c| c.point(attr)).unwrap_or(UNKNOWN);
    let point = [alert.lat, alert.lon, alert.hae, error(PointAttr::Ce), error(PointAttr::Le)];
    cancel_of(&alert.uid, &alert.callsign, point, now)
}

/// A cancel of something that is not known here.
///
/// # Errors
/// As [`cancel`].
pub fn cancel_unknown(uid: &str, now: i64) -> Result<Cot> {
    cancel_of(uid, "", [0.0, 0.0, UNKNOWN, UNKNOWN, UNKNOWN], now)
}

fn cancel_of(uid: &str, callsign: &str, [lat, lon, hae, ce, le]: [f64; 5], now: i64) -> Result<Cot> {
    let event = Builder::new(CANCEL, now).uid(uid).how("h-e").point(lat, lon, hae, ce, le).stale_after(CANCEL_STALE);
    let event = event.child("emergency", &[("cancel", "true")], &escape_text(callsign));
    event.build().map_err(|e| Error::new(e.to_string()))
}

/// The event of an alert raised on the server (b.3): everything ATAK needs to show it, no empty elements.
///
/// # Errors
/// As [`cancel`].
pub fn raised(alert: &Alert, remarks: &str, now: i64) -> Result<Cot> {
    let contact = format!("{}-Alert", alert.name);
    let event = Builder::new(&alert.cot_type, now)
        .uid(&alert.uid)
        .how("h-e")
        .point(alert.lat, alert.lon, alert.hae, UNKNOWN, UNKNOWN)
        .stale_after(RAISED_STALE)
        .child("link", &[("uid", &alert.origin), ("type", "a-f-G-U-C"), ("relation", "p-p")], "")
        .child("contact", &[("callsign", &contact)], "")
        .child("emergency", &[("type", &alert.kind)], &escape_text(&alert.callsign));
    let event = if remarks.is_empty() { event } else { event.child("remarks", &[], &escape_text(remarks)) };
    event.build().map_err(|e| Error::new(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{START_A, alert_a};

    /// 2026-02-01T10:00:30.000Z
    const NOW: i64 = 1_769_940_030_000;

    fn text(cot: &Cot) -> &str {
        std::str::from_utf8(cot.text()).unwrap()
    }

    #[test]
    fn a_repeat_changes_time_and_stale_and_nothing_else() {
        let cot = refreshed(&alert_a(&["red"], 0), NOW, 15_000, Copy::Repeat).unwrap();
        let wanted = START_A
            .replacen("time=\"2026-02-01T10:00:00.000Z\"", "time=\"2026-02-01T10:00:30.000Z\"", 1)
            .replace("stale=\"2026-02-01T10:00:10.000Z\"", "stale=\"2026-02-01T10:00:45.000Z\"");
        assert_eq!(text(&cot), wanted);
    }

    #[test]
    fn flow_tags_go_and_destinations_stay_only_where_the_router_needs_them() {
        let marti = r#"<marti><dest uid="B"/></marti>"#;
        let tagged = format!(r#"<_flow-tags_ TAK-Server-1="2026-02-01T10:00:00.000Z"/>{marti}</detail>"#);
        let alert = Alert { text: START_A.replace("</detail>", &tagged), ..alert_a(&["red"], 0) };
        let repeat = refreshed(&alert, NOW, 15_000, Copy::Repeat).unwrap();
        assert!(text(&repeat).ends_with(&format!("</emergency>{marti}</detail></event>")), "{}", text(&repeat));
        let newcomer = refreshed(&alert, NOW, 15_000, Copy::Newcomer).unwrap();
        assert!(text(&newcomer).ends_with("</emergency></detail></event>"), "{}", text(&newcomer));
    }

    #[test]
    fn a_cancel_is_that_of_the_book_at_the_alerts_point() {
        let cot = cancel(&alert_a(&["red"], 0), NOW).unwrap();
        assert_eq!(
            text(&cot),
            "<event version=\"2.0\" uid=\"ANDROID-11aa-9-1-1\" type=\"b-a-o-can\" how=\"h-e\" \
             time=\"2026-02-01T10:00:30.000Z\" start=\"2026-02-01T10:00:30.000Z\" stale=\"2026-02-01T10:00:40.000Z\">\
             <point lat=\"60.17\" lon=\"24.94\" hae=\"12.0\" ce=\"9.0\" le=\"9999999.0\"/>\
             <detail><emergency cancel=\"true\">LIMA1</emergency></detail></event>"
        );
        let unknown = cancel_unknown("u<", NOW).unwrap();
        assert_eq!((unknown.uid().as_ref(), unknown.point(PointAttr::Lat)), ("u<", Some(0.0)));
    }

    #[test]
    fn a_raised_alert_has_what_atak_needs() {
        let alert = Alert {
            uid: "u".into(),
            cot_type: "b-a-o-opn".into(),
            kind: "In Contact".into(),
            name: "Web & Co".into(),
            callsign: "Web & Co".into(),
            origin: "node".into(),
            lat: 60.0,
            lon: 24.0,
            hae: UNKNOWN,
            ..Alert::default()
        };
        let cot = raised(&alert, "", NOW).unwrap();
        assert_eq!(
            text(&cot),
            "<event version=\"2.0\" uid=\"u\" type=\"b-a-o-opn\" how=\"h-e\" \
             time=\"2026-02-01T10:00:30.000Z\" start=\"2026-02-01T10:00:30.000Z\" stale=\"2026-02-01T10:01:30.000Z\">\
             <point lat=\"60.0\" lon=\"24.0\" hae=\"9999999.0\" ce=\"9999999.0\" le=\"9999999.0\"/>\
             <detail><link uid=\"node\" type=\"a-f-G-U-C\" relation=\"p-p\"/><contact callsign=\"Web &amp; Co-Alert\"/>\
             <emergency type=\"In Contact\">Web &amp; Co</emergency></detail></event>"
        );
        assert!(text(&raised(&alert, "a<b", NOW).unwrap()).contains("<remarks>a&lt;b</remarks></detail>"));
    }
}
