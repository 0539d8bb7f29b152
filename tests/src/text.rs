//! Texts clients send, with values of their own. Times are now unless a test says otherwise.
use time::{OffsetDateTime, macros::format_description};

/// A time this many milliseconds from now, as clients write it.
pub fn at(ms: i64) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let time = OffsetDateTime::now_utc() + time::Duration::milliseconds(ms);
    time.format(form).expect("a time has a text")
}

/// Any event: attributes of a position that moves by itself, this detail.
pub fn event(uid: &str, kind: &str, detail: &str) -> String {
    let (now, stale) = (at(0), at(300_000));
    format!(
        r#"<event version="2.0" uid="{uid}" type="{kind}" how="m-g" time="{now}" start="{now}" stale="{stale}"><point lat="45.5" lon="-75.25" hae="70.5" ce="10.0" le="9999999.0"/><detail>{detail}</detail></event>"#
    )
}

/// The position by which a client says who it is.
pub fn sa(uid: &str, callsign: &str) -> String {
    event(uid, "a-f-G-U-C", &format!(r#"<contact callsign="{callsign}" endpoint="*:-1:stcp"/>"#))
}

/// The same with a team and a role.
pub fn sa_team(uid: &str, callsign: &str, team: &str, role: &str) -> String {
    let detail =
        format!(r#"<contact callsign="{callsign}" endpoint="*:-1:stcp"/><__group name="{team}" role="{role}"/>"#);
    event(uid, "a-f-G-U-C", &detail)
}

/// A spot marker: sent once, never replaced silently.
pub fn marker(uid: &str) -> String {
    event(uid, "b-m-p-s-m", r#"<contact callsign="spot"/>"#)
}

/// A marker for somebody: `dest` is what stands inside of `<marti>`.
pub fn marker_to(uid: &str, dest: &str) -> String {
    event(uid, "b-m-p-s-m", &format!("<contact callsign=\"spot\"/><marti>{dest}</marti>"))
}

/// A chat message of `from` (uid, callsign) in a conversation: `id` and `room` name it, `marti` is what stands in
/// `<marti>` ("" = none). Its uid is `GeoChat.<from>.<id>.<message>`.
pub fn chat(from: (&str, &str), id: &str, room: &str, parent: &str, message: &str, marti: &str) -> String {
    let (uid, callsign) = from;
    let (now, stale) = (at(0), at(86_400_000));
    let marti = if marti.is_empty() { String::new() } else { format!("<marti>{marti}</marti>") };
    format!(
        r#"<event version="2.0" uid="GeoChat.{uid}.{id}.{message}" type="b-t-f" time="{now}" start="{now}" stale="{stale}" how="h-g-i-g-o"><point lat="45.5" lon="-75.25" hae="70.5" ce="10.0" le="9999999.0"/><detail><__chat id="{id}" messageId="{message}" senderCallsign="{callsign}" chatroom="{room}" parent="{parent}" groupOwner="false"><chatgrp id="{id}" uid0="{uid}" uid1="{id}"/></__chat><link uid="{uid}" type="a-f-G-U-C" relation="p-p"/><remarks source="BAO.F.ATAK.{uid}" to="{id}" time="{now}">text of {message}</remarks>{marti}</detail></event>"#
    )
}

/// ATAK's ping.
pub fn ping(uid: &str) -> String {
    let (now, stale) = (at(0), at(10_000));
    format!(
        r#"<event version="2.0" uid="{uid}-ping" type="t-x-c-t" time="{now}" start="{now}" stale="{stale}" how="m-g"><point lat="0" lon="0" hae="9999999" ce="9999999" le="9999999"/><detail/></event>"#
    )
}

/// A request for this version of the TAK protocol.
pub fn takp_q(uid: &str, version: &str) -> String {
    let detail = format!(r#"<TakControl><TakRequest version="{version}"/></TakControl>"#);
    event(uid, "t-x-takp-q", &detail)
}

/// A stream frame around a payload.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0xBF];
    prost::encode_length_delimiter(payload.len(), &mut out).expect("a vector grows");
    out.extend_from_slice(payload);
    out
}

/// A message for a text: attributes and point as fields, the whole detail as `xmlDetail`.
pub fn event_to_message(xml: &str) -> crate::proto::TakMessage {
    use crate::proto::{CotEvent, Detail, TakMessage};
    let tree = crate::parse(xml).expect("a test's own text");
    let point = tree.child("point").expect("a point").clone();
    let number = |name: &str| point.attr(name).parse().expect("a number");
    let millis = |name: &str| {
        let format = &time::format_description::well_known::Rfc3339;
        let time = OffsetDateTime::parse(tree.attr(name), format).expect("a time");
        (time.unix_timestamp_nanos() / 1_000_000) as u64
    };
    let inner = match (xml.find("<detail>"), xml.rfind("</detail>")) {
        (Some(from), Some(to)) => xml[from + "<detail>".len()..to].to_owned(),
        _ => String::new(),
    };
    let cot = CotEvent {
        r#type: tree.attr("type").to_owned(),
        uid: tree.attr("uid").to_owned(),
        how: tree.attr("how").to_owned(),
        send_time: millis("time"),
        start_time: millis("start"),
        stale_time: millis("stale"),
        lat: number("lat"),
        lon: number("lon"),
        hae: number("hae"),
        ce: number("ce"),
        le: number("le"),
        detail: Some(Detail { xml_detail: inner, ..Detail::default() }),
        ..CotEvent::default()
    };
    TakMessage { cot_event: Some(cot), ..TakMessage::default() }
}
