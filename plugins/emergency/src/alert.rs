//! [`Alert`]: one emergency as it is kept, and [`read`]: what an event says about one.
//!
//! A cancel is a `b-a-o-can`, or any event whose `emergency` element says `cancel="true"`. A start is a `b-a` event with
//! an `emergency` element (ATAK raises an alert for nothing else), or of a type in the table of b.1. A position that
//! merely carries an `emergency` element is no start: repeating it would fight with the positions that follow it.
use fts_plugin_api::{
    cot::{Attr, PointAttr, escape_text},
    sdk::Event,
};

use crate::{
    kind::{CANCEL, Kind, REMARK_911, TYPE_911},
    policy::Sender,
};

/// One emergency. Times are ms UTC, the position degrees and metres.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alert {
    /// Its row; given by the table, rising.
    pub id: i64,
    /// Uid of its events.
    pub uid: String,
    /// CoT type of its events.
    pub cot_type: String,
    /// `emergency@type`.
    pub kind: String,
    /// Text of the `emergency` element: who is in trouble.
    pub callsign: String,
    /// What lists call it (b.3): the name posted, or the contact's callsign.
    pub name: String,
    /// Uid of whom it is about: the event's `link`.
    pub origin: String,
    /// Who sent it.
    pub sender: Sender,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Metres above the ellipsoid; 9999999 = unknown.
    pub hae: f64,
    /// When it was raised.
    pub first: i64,
    /// When its sender was last heard.
    pub last: i64,
    /// Groups it was sent into.
    pub groups: Vec<String>,
    /// The event as it was relayed.
    pub text: String,
    /// When it ended; 0 = it is active.
    pub cancelled: i64,
    /// Who or what ended it.
    pub cancelled_by: String,
    /// Counts changes: an older one never overwrites a newer one.
    pub version: i64,
}

impl Alert {
    /// When it last changed.
    pub fn changed(&self) -> i64 {
        self.last.max(self.cancelled)
    }

    /// Whom its event names in `<marti>`: kind (`callsign`, `uid`, `group` …) and name. Empty = its groups.
    pub fn dests(&self) -> Vec<(String, String)> {
        crate::wire::parsed(&self.text).map_or_else(Vec::new, |cot| dests(&Event::of(cot.text(), cot.spans())))
    }

    /// Does it share one of these groups?
    pub fn shares(&self, groups: &[String]) -> bool {
        self.groups.iter().any(|g| groups.contains(g))
    }
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Nothing about an emergency.
    Nothing,
    /// There is one. Only what the event itself holds is filled in.
    Start(Box<Alert>),
    /// There is none any more.
    Cancel,
}

/// Reads an event.
pub fn read(event: &Event<'_>) -> Said {
    let element = event.detail("emergency");
    let cancels = element.is_some_and(|e| e.attr("cancel").is_some_and(|c| c == "true" || c == "1"));
    let cot_type = event.attr(Attr::Type).unwrap_or_default();
    if cancels || cot_type == CANCEL {
        return Said::Cancel;
    }
    let known = Kind::of(&cot_type);
    let alarming = cot_type == "b-a" || cot_type.starts_with("b-a-");
    if known.is_none() && !(alarming && element.is_some()) {
        return Said::Nothing;
    }
    let stated = element.and_then(|e| e.attr("type")).filter(|t| !t.is_empty());
    let kind = stated.map_or_else(|| known.map_or(&*cot_type, |k| k.text).to_owned(), |t| t.into_owned());
    let who = element.map_or_else(String::new, |e| e.inner_text().trim().to_owned());
    let contact = event.detail("contact").and_then(|c| c.attr("callsign")).unwrap_or_default();
    let callsign = match who.as_str() {
        "" => contact.strip_suffix("-Alert").unwrap_or(&contact).to_owned(),
        _ => who.clone(),
    };
    let origin = event.detail("link").and_then(|l| l.attr("uid")).unwrap_or_default();
    Said::Start(Box::new(Alert {
        uid: event.uid().into_owned(),
        cot_type: cot_type.into_owned(),
        kind,
        callsign,
        name: if contact.is_empty() { who } else { contact.into_owned() },
        origin: origin.into_owned(),
        lat: event.point(PointAttr::Lat).unwrap_or(0.0),
        lon: event.point(PointAttr::Lon).unwrap_or(0.0),
        hae: event.point(PointAttr::Hae).unwrap_or(crate::wire::UNKNOWN),
        text: event.text().to_owned(),
        ..Alert::default()
    }))
}

/// Whom an event names: attributes of its `<dest>` elements.
pub fn dests(event: &Event<'_>) -> Vec<(String, String)> {
    let named = event.details("marti").flat_map(|m| m.children()).filter(|c| c.name() == "dest");
    let each = named.flat_map(|d| d.attributes().filter(|(_, v)| !v.is_empty()).collect::<Vec<_>>());
    each.map(|(kind, name)| (kind.to_owned(), fts_plugin_api::cot::unescape(name).into_owned())).collect()
}

/// The text of a 911 alert with the remark FTS adds; None when it is no such, or has a remark of its own.
pub fn with_remark(event: &Event<'_>) -> Option<Vec<u8>> {
    let mute = |text: &str| text.trim().is_empty();
    let says = event.details("remarks").any(|r| !mute(&r.inner_text()));
    (event.raw(Attr::Type) == TYPE_911 && !says).then(|| {
        let remark = format!("<remarks>{}</remarks>", escape_text(REMARK_911));
        event.edit().remove("remarks").append(&remark).into_text()
    })
}

/// What an alert's event remarks; "" = nothing.
pub fn remarks(alert: &Alert) -> String {
    let cot = crate::wire::parsed(&alert.text);
    cot.and_then(|c| c.detail("remarks").map(|r| r.inner_text().into_owned())).unwrap_or_default()
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
