//! The same events as TAK protocol frames: `0xBF`, varint length, TakMessage (cot.md 3.1, 3.4), written by hand so that
//! the places of mark and times are known and the generator shares no code with the server it tests.
//!
//! Typed elements go into their messages; the rest of the detail is taken from the XML text as it stands.

use super::{
    event::{NUMBER, POSITION, RELIABLE, Template, blank_mark, callsign, uid, varint6},
    texts,
};

/// A position report of about the size that `texts::position(sender, size)` has as protobuf.
pub fn position(sender: usize, size: usize) -> Template {
    let name = callsign(sender);
    let xml = texts::position(sender, size);
    let remarks = between(&xml.bytes, "<remarks>", "</remarks>");
    let mut detail = Vec::new();
    string(&mut detail, 1, &format!(r#"<uid Droid="{name}"/><remarks>{remarks}</remarks>"#));
    message(&mut detail, 2, |m| {
        string(m, 1, "*:-1:stcp");
        string(m, 2, &name);
    });
    message(&mut detail, 3, |m| {
        string(m, 1, "Cyan");
        string(m, 2, "Team Member");
    });
    message(&mut detail, 4, |m| {
        string(m, 1, "GPS");
        string(m, 2, "SRTM1");
    });
    message(&mut detail, 5, |m| m.extend([0x08, 87]));
    message(&mut detail, 6, |m| {
        string(m, 1, "SAMSUNG SM-G998B");
        string(m, 2, "ATAK-CIV");
        string(m, 3, "34");
        string(m, 4, "5.2.0.4 (b1c7cd7a).1709130512-CIV");
    });
    message(&mut detail, 7, |m| {
        double(m, 1, 1.520_813_7);
        double(m, 2, 94.238_176_34);
    });
    frame(sender, POSITION, &uid(sender), "a-f-G-U-C", "m-g", &detail)
}

/// A chat to everyone.
pub fn chat(sender: usize) -> Template {
    reliable(sender, &texts::chat(sender), "b-t-f")
}

/// A marker somebody put on the map.
pub fn marker(sender: usize) -> Template {
    reliable(sender, &texts::marker(sender), "a-u-G")
}

/// Reliable events keep their whole detail as XML.
fn reliable(sender: usize, xml: &Template, r#type: &str) -> Template {
    let uid = between(&xml.bytes, " uid=\"", "\"");
    let mut detail = Vec::new();
    string(&mut detail, 1, &between(&xml.bytes, "<detail>", "</detail>"));
    frame(sender, RELIABLE, &uid, r#type, "h-g-i-g-o", &detail)
}

fn frame(sender: usize, kind: u8, uid: &str, r#type: &str, how: &str, detail: &[u8]) -> Template {
    let mut event = Vec::new();
    string(&mut event, 1, r#type);
    string(&mut event, 4, &blank_mark(sender, kind));
    string(&mut event, 5, uid);
    for field in [6, 7, 8] {
        event.push(field << 3);
        event.extend(varint6(1_700_000_000_000));
    }
    string(&mut event, 9, how);
    let shift = sender as f64 / 1_000.0;
    for (field, value) in [(10, 45.0 + shift), (11, -75.0 - shift), (12, 70.5), (13, 9.9), (14, 9_999_999.0)] {
        double(&mut event, field, value);
    }
    bytes(&mut event, 15, detail);
    let mut payload = Vec::new();
    bytes(&mut payload, 2, &event);
    let mut out = vec![0xBF];
    varint(&mut out, payload.len() as u64);
    out.extend(payload);
    let find = |what: &[u8]| memchr::memmem::find(&out, what).unwrap_or(0);
    let mark = find(super::event::BEGIN);
    // Three fields in a row of one key byte and six value bytes each.
    let first = find(&[&[6 << 3][..], &varint6(1_700_000_000_000)].concat()) + 1;
    let numbers = memchr::memmem::find_iter(&out, NUMBER).collect();
    let times = [first, first + 7, first + 14];
    Template { times, mark, varints: true, numbers, things: u32::MAX, serials: Vec::new(), bytes: out }
}

fn between(text: &[u8], from: &str, to: &str) -> String {
    let text = String::from_utf8_lossy(text);
    text.split_once(from).and_then(|(_, rest)| Some(rest.split_once(to)?.0.to_owned())).unwrap_or_default()
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend(value);
}

fn string(out: &mut Vec<u8>, field: u8, value: &str) {
    bytes(out, field, value.as_bytes());
}

fn double(out: &mut Vec<u8>, field: u8, value: f64) {
    out.push(field << 3 | 1);
    out.extend(value.to_le_bytes());
}

fn message(out: &mut Vec<u8>, field: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    bytes(out, field, &inner);
}
