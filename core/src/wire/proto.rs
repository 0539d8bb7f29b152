//! TAK Protocol version 1: XML to protobuf and back (cot.md 3.4, 3.5), stream and mesh frames.
//!
//! A typed element moves into its message only if the whole of it fits there; everything else stays XML, byte for byte.
//! On the way back the XML wins where both are present. Milliseconds are kept both ways (RULE-32).
use bytes::Bytes;
use fts_plugin_api::cot::{Attr, Cot, Element, Millis, PointAttr, Spans, escape_attr, scan, write_time};
use prost::Message;

use super::framed;

mod messages {
    #![allow(missing_docs, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/atakmap.commoncommo.protobuf.v1.rs"));
}

pub use messages::{Contact, CotEvent, Detail, Group, PrecisionLocation, Status, TakMessage, Takv, Track};

/// Why a message could not be converted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProtoFault(pub &'static str);

/// Largest frame payload a stream client takes (RULE-12).
pub const MAX_PAYLOAD: usize = 65_536;

/// One stream frame `0xBF` + varint length + TakMessage for an event.
///
/// # Errors
/// [`ProtoFault`] when the payload would be over [`MAX_PAYLOAD`].
pub fn encode_stream(cot: &Cot) -> Result<Bytes, ProtoFault> {
    let message = to_message(cot);
    let len = message.encoded_len();
    if len > MAX_PAYLOAD {
        return Err(ProtoFault("over 65536 bytes"));
    }
    let mut out = Vec::with_capacity(len + 5);
    out.extend(framed::header(len));
    message.encode(&mut out).map_err(|_| ProtoFault("no room"))?;
    Ok(out.into())
}

/// The message of an event; attributes of `event` that protobuf does not know are lost.
pub fn to_message(cot: &Cot) -> TakMessage {
    let text = |attr: Attr| cot.attr(attr).unwrap_or_default().into_owned();
    let time = |attr: Attr| cot.time(attr).and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
    let point = |attr: PointAttr| cot.point(attr).unwrap_or(UNKNOWN);
    let event = CotEvent {
        r#type: text(Attr::Type),
        access: text(Attr::Access),
        qos: text(Attr::Qos),
        opex: text(Attr::Opex),
        uid: text(Attr::Uid),
        send_time: time(Attr::Time),
        start_time: time(Attr::Start),
        stale_time: time(Attr::Stale),
        how: text(Attr::How),
        lat: point(PointAttr::Lat),
        lon: point(PointAttr::Lon),
        hae: point(PointAttr::Hae),
        ce: point(PointAttr::Ce),
        le: point(PointAttr::Le),
        detail: to_detail(cot),
        caveat: text(Attr::Caveat),
        releaseable_to: text(Attr::ReleasableTo),
    };
    TakMessage { cot_event: Some(event), ..TakMessage::default() }
}

const UNKNOWN: f64 = 9_999_999.0;

fn to_detail(cot: &Cot) -> Option<Detail> {
    let mut detail = Detail::default();
    let children = &cot.spans().children;
    for child in children {
        let element = Element::at(cot.text(), child.whole);
        let name = child.name.of(cot.text());
        let once = || children.iter().filter(|c| c.name.of(cot.text()) == name).count() == 1;
        if !(is_typed(name) && once() && fits(&mut detail, name, &element)) {
            detail.xml_detail.push_str(element.xml());
        }
    }
    (detail != Detail::default()).then_some(detail)
}

fn is_typed(name: &[u8]) -> bool {
    matches!(name, b"contact" | b"__group" | b"precisionlocation" | b"status" | b"takv" | b"track")
}

/// Moves a typed element into its message if exactly the mapped attributes are there and nothing else.
fn fits(detail: &mut Detail, name: &[u8], element: &Element<'_>) -> bool {
    move_typed(detail, name, element).is_some()
}

fn move_typed(detail: &mut Detail, name: &[u8], element: &Element<'_>) -> Option<()> {
    let attributes = element.attributes().count();
    if !element.inner().is_empty() {
        return None;
    }
    let attr = |name: &str| element.attr(name).map(|v| v.into_owned());
    let exactly = |n: usize| (attributes == n).then_some(());
    match name {
        b"contact" => {
            let endpoint = attr("endpoint");
            exactly(1 + usize::from(endpoint.is_some()))?;
            // An empty endpoint would not come back.
            let endpoint = if endpoint.as_deref() == Some("") { return None } else { endpoint.unwrap_or_default() };
            detail.contact = Some(Contact { callsign: attr("callsign")?, endpoint });
        }
        b"__group" => {
            exactly(2)?;
            detail.group = Some(Group { name: attr("name")?, role: attr("role")? });
        }
        b"precisionlocation" => {
            exactly(2)?;
            detail.precision_location =
                Some(PrecisionLocation { geopointsrc: attr("geopointsrc")?, altsrc: attr("altsrc")? });
        }
        b"status" => {
            exactly(1)?;
            detail.status = Some(Status { battery: attr("battery")?.parse().ok()? });
        }
        b"takv" => {
            exactly(4)?;
            detail.takv = Some(Takv {
                device: attr("device")?,
                platform: attr("platform")?,
                os: attr("os")?,
                version: attr("version")?,
            });
        }
        _ => {
            exactly(2)?;
            let number = |name: &str| attr(name)?.parse().ok().filter(|n: &f64| n.is_finite());
            detail.track = Some(Track { speed: number("speed")?, course: number("course")? });
        }
    }
    Some(())
}

/// A decoded payload as XML text of one event (no declaration) with its spans. `Ok(None)`: only a takControl.
///
/// # Errors
/// [`ProtoFault`] when it is no TakMessage, has no event, or its xmlDetail does not parse.
pub fn decode(payload: &[u8]) -> Result<Option<(Vec<u8>, Spans)>, ProtoFault> {
    let message = TakMessage::decode(payload).map_err(|_| ProtoFault("no TakMessage"))?;
    let Some(event) = message.cot_event else {
        return if message.tak_control.is_some() { Ok(None) } else { Err(ProtoFault("no event in the message")) };
    };
    let text = to_xml(&event, |_| true)?;
    let spans = whole(&text)?;
    // The XML of a typed element wins over its message.
    let twice = |name: &str| spans.children.iter().filter(|c| c.name.of(&text) == name.as_bytes()).count() > 1;
    if !TYPED.iter().any(|name| twice(name)) {
        return Ok(Some((text, spans)));
    }
    let again = to_xml(&event, |name| !in_xml(&event, name))?;
    let spans = whole(&again)?;
    Ok(Some((again, spans)))
}

const TYPED: [&str; 6] = ["contact", "__group", "precisionlocation", "status", "takv", "track"];

/// Is there an element of this name directly in the xmlDetail?
fn in_xml(event: &CotEvent, name: &str) -> bool {
    to_xml(event, |_| false).is_ok_and(|text| {
        scan(&text).is_ok_and(|spans| spans.children.iter().any(|c| c.name.of(&text) == name.as_bytes()))
    })
}

/// Scans; the xmlDetail must not have closed the detail itself.
fn whole(text: &[u8]) -> Result<Spans, ProtoFault> {
    let spans = scan(text).map_err(|_| ProtoFault("xmlDetail does not parse"))?;
    if spans.detail.is_some() && spans.detail.end != spans.end_tag {
        return Err(ProtoFault("xmlDetail closes the detail"));
    }
    Ok(spans)
}

fn to_xml(event: &CotEvent, typed: impl Fn(&str) -> bool) -> Result<Vec<u8>, ProtoFault> {
    let mut out = Text { bytes: Vec::with_capacity(768) };
    out.raw("<event version=\"2.0\"");
    out.attr("uid", &event.uid)?;
    out.attr("type", &event.r#type)?;
    if !event.how.is_empty() {
        out.attr("how", &event.how)?;
    }
    for (name, ms) in [("time", event.send_time), ("start", event.start_time), ("stale", event.stale_time)] {
        out.raw(" ");
        out.raw(name);
        out.raw("=\"");
        write_time(Millis::try_from(ms).unwrap_or(Millis::MAX), &mut out.bytes);
        out.raw("\"");
    }
    let optional = [
        ("access", &event.access),
        ("qos", &event.qos),
        ("opex", &event.opex),
        ("caveat", &event.caveat),
        ("releasableTo", &event.releaseable_to),
    ];
    for (name, value) in optional.into_iter().filter(|(_, v)| !v.is_empty()) {
        out.attr(name, value)?;
    }
    out.raw("><point");
    for (name, value) in
        [("lat", event.lat), ("lon", event.lon), ("hae", event.hae), ("ce", event.ce), ("le", event.le)]
    {
        out.number(name, value);
    }
    out.raw("/>");
    match &event.detail {
        None => out.raw("<detail/>"),
        Some(detail) => {
            out.raw("<detail>");
            out.typed(detail, typed)?;
            out.raw(&detail.xml_detail);
            out.raw("</detail>");
        }
    }
    out.raw("</event>");
    Ok(out.bytes)
}

struct Text {
    bytes: Vec<u8>,
}

impl Text {
    fn raw(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn attr(&mut self, name: &str, value: &str) -> Result<(), ProtoFault> {
        let illegal =
            |c: char| matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
        if value.contains(illegal) {
            return Err(ProtoFault("a character XML does not allow"));
        }
        for part in [" ", name, "=\"", &escape_attr(value), "\""] {
            self.raw(part);
        }
        Ok(())
    }

    /// Shortest decimal that reads back as the same number.
    fn number(&mut self, name: &str, value: f64) {
        use std::io::Write;
        // Writing to memory does not fail.
        let _ = write!(self.bytes, " {name}=\"{value:?}\"");
    }

    /// Typed elements in TAK Server's order (RULE-33).
    fn typed(&mut self, detail: &Detail, wanted: impl Fn(&str) -> bool) -> Result<(), ProtoFault> {
        if let Some(contact) = detail.contact.as_ref().filter(|_| wanted("contact")) {
            self.raw("<contact");
            if !contact.endpoint.is_empty() {
                self.attr("endpoint", &contact.endpoint)?;
            }
            self.attr("callsign", &contact.callsign)?;
            self.raw("/>");
        }
        let mut element = |name: &str, attrs: &[(&str, &str)]| -> Result<(), ProtoFault> {
            self.raw("<");
            self.raw(name);
            attrs.iter().try_for_each(|(n, v)| self.attr(n, v))?;
            self.raw("/>");
            Ok(())
        };
        if let Some(group) = detail.group.as_ref().filter(|_| wanted("__group")) {
            element("__group", &[("name", &group.name), ("role", &group.role)])?;
        }
        if let Some(place) = detail.precision_location.as_ref().filter(|_| wanted("precisionlocation")) {
            element("precisionlocation", &[("geopointsrc", &place.geopointsrc), ("altsrc", &place.altsrc)])?;
        }
        if let Some(status) = detail.status.as_ref().filter(|_| wanted("status")) {
            element("status", &[("battery", &status.battery.to_string())])?;
        }
        if let Some(takv) = detail.takv.as_ref().filter(|_| wanted("takv")) {
            element(
                "takv",
                &[("device", &takv.device), ("platform", &takv.platform), ("os", &takv.os), ("version", &takv.version)],
            )?;
        }
        if let Some(track) = detail.track.as_ref().filter(|_| wanted("track")) {
            self.raw("<track");
            self.number("speed", track.speed);
            self.number("course", track.course);
            self.raw("/>");
        }
        Ok(())
    }
}

/// The payload of a mesh datagram `BF 01 BF …`; None when it is not one of version 1 (RULE-16).
pub fn mesh_payload(datagram: &[u8]) -> Option<&[u8]> {
    datagram.strip_prefix(&[0xBF, 0x01, 0xBF])
}

/// Frames a payload that is forwarded as received (RULE-31).
pub fn frame_payload(payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + 5);
    out.extend(framed::header(payload.len()));
    out.extend_from_slice(payload);
    out.into()
}

#[cfg(test)]
#[path = "proto_tests.rs"]
mod tests;
