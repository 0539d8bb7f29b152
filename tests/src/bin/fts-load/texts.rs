//! The XML texts of the generator: what ATAK sends for its position, for a chat to all rooms and for a dropped marker.
//!
//! Positions are padded in `remarks` to the wanted size, so that generator and server work with the length of real
//! traffic. Chats carry a fresh message id and markers a fresh uid each, as from real clients.

use super::event::{NUMBER, POSITION, RELIABLE, SERIAL, Template, blank_mark, callsign, uid};

const ATAK: &str =
    r#"<takv os="34" version="5.2.0.4 (b1c7cd7a).1709130512-CIV" device="SAMSUNG SM-G998B" platform="ATAK-CIV"/>"#;
const WHEN: &str =
    r#"time="2000-01-01T00:00:00.000Z" start="2000-01-01T00:00:00.000Z" stale="2000-01-01T00:00:00.000Z""#;

fn head(sender: usize, kind: u8, uid: &str, r#type: &str, how: &str) -> String {
    let mark = blank_mark(sender, kind);
    format!(r#"<event version="2.0" opex="{mark}" uid="{uid}" type="{type}" {WHEN} how="{how}">"#)
}

fn point(sender: usize) -> String {
    let (lat, lon) = (45.0 + sender as f64 / 1_000.0, -75.0 - sender as f64 / 1_000.0);
    format!(r#"<point lat="{lat:.6}" lon="{lon:.6}" hae="70.5" ce="9.9" le="9999999.0"/>"#)
}

/// A position report of about `size` bytes.
pub fn position(sender: usize, size: usize) -> Template {
    let callsign = callsign(sender);
    let begin = format!(
        r#"{head}{point}<detail>{ATAK}<contact endpoint="*:-1:stcp" callsign="{callsign}"/><uid Droid="{callsign}"/><precisionlocation altsrc="SRTM1" geopointsrc="GPS"/><__group role="Team Member" name="Cyan"/><status battery="87"/><track course="94.23817634" speed="1.52081370"/><remarks>"#,
        head = head(sender, POSITION, &uid(sender), "a-f-G-U-C", "m-g"),
        point = point(sender),
    );
    Template::of_xml(padded(begin, "</remarks></detail></event>", size))
}

/// A chat to everyone.
pub fn chat(sender: usize) -> Template {
    let (uid, callsign) = (uid(sender), callsign(sender));
    let message = format!("00000000-0000-4000-8000-{sender:04}{NUMBER}");
    Template::of_xml(format!(
        r#"{head}{point}<detail><__chat parent="RootContactGroup" groupOwner="false" messageId="{message}" chatroom="All Chat Rooms" id="All Chat Rooms" senderCallsign="{callsign}"><chatgrp uid0="{uid}" uid1="All Chat Rooms" id="All Chat Rooms"/></__chat><link uid="{uid}" type="a-f-G-U-C" relation="p-p"/><remarks source="BAO.F.ATAK.{uid}" to="All Chat Rooms">message {NUMBER} of {callsign}: are you there?</remarks></detail></event>"#,
        head = head(sender, RELIABLE, &format!("GeoChat.{uid}.All Chat Rooms.{message}"), "b-t-f", "h-g-i-g-o"),
        point = point(sender),
    ))
}

/// A marker somebody put on the map.
pub fn marker(sender: usize) -> Template {
    let (owner, callsign) = (uid(sender), callsign(sender));
    Template::of_xml(format!(
        r#"{head}{point}<detail><status readiness="true"/><archive/><link uid="{owner}" type="a-f-G-U-C" parent_callsign="{callsign}" relation="p-p"/><contact callsign="U.{NUMBER}"/><color argb="-1"/><usericon iconsetpath="COT_MAPPING_2525B/a-u/a-u-G"/><precisionlocation altsrc="???"/><remarks/></detail></event>"#,
        head = head(sender, RELIABLE, &format!("{sender:08}-0000-4000-8000-0000{NUMBER}"), "a-u-G", "h-g-i-g-o"),
        point = point(sender),
    ))
}

/// What stands in front of sender and number in the callsign of a mission's item: in the event, and in its notice.
pub const SERIAL_BEGIN: &str = " callsign=\"N.";

/// An item of a mission of about `size` bytes, one of `things` of this sender. Its callsign says sender and number, so
/// that a notice can be told from every other one.
pub fn mission_item(sender: usize, mission: &str, things: u32, size: usize) -> Template {
    let (owner, callsign) = (uid(sender), callsign(sender));
    let begin = format!(
        r#"{head}{point}<detail><status readiness="true"/><archive/><link uid="{owner}" type="a-f-G-U-C" parent_callsign="{callsign}" relation="p-p"/><contact{SERIAL_BEGIN}{sender:05}.{SERIAL}"/><color argb="-1"/><usericon iconsetpath="COT_MAPPING_2525B/a-u/a-u-G"/><precisionlocation altsrc="???"/><remarks>"#,
        head = head(sender, RELIABLE, &format!("{sender:08}-0000-4000-8000-0000{NUMBER}"), "a-u-G", "h-g-i-g-o"),
        point = point(sender),
    );
    let end = format!(r#"</remarks><marti><dest mission="{mission}"/></marti></detail></event>"#);
    Template::of_xml(padded(begin, &end, size)).of_things(things)
}

/// Asks for protobuf (cot.md 3.3).
pub fn ask_for_protobuf(sender: usize) -> Vec<u8> {
    format!(
        r#"<event version="2.0" uid="{}-takp" type="t-x-takp-q" {WHEN} how="m-g"><point lat="0.0" lon="0.0" hae="0.0" ce="999999" le="999999"/><detail><TakControl><TakRequest version="1"/></TakControl></detail></event>"#,
        uid(sender)
    )
    .into_bytes()
}

fn padded(mut begin: String, end: &str, size: usize) -> String {
    const FILLER: &str = "moving along the river, visibility good, no contact so far; ";
    while begin.len() + end.len() < size {
        let missing = size - begin.len() - end.len();
        begin.push_str(FILLER.get(..missing).unwrap_or(FILLER));
    }
    begin + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_has_the_wanted_size() {
        assert_eq!(position(3, 900).len(), 900);
        assert_eq!(position(99_999, 900).len(), 900);
    }
}
