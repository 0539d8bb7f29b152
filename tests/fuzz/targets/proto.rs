//! The TAK protocol: no payload panics, what decodes says the same after encoding and decoding again.
//!
//! Input: one byte for the form, then either a payload, or the text of an event (whose way through protobuf must keep
//! its meaning), or a stream of frames for the mesh and frame readers. The meaning is compared with another XML parser.
#![no_main]

use fts_fuzz::{
    canonical::{form, strict, without_namespaces},
    wire::proto::{self, TakMessage},
};
use fts_plugin_api::cot::{Attr, Cot, Splices, check, scan};
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|data: &[u8]| {
    let [kind, rest @ ..] = data else { return };
    match kind % 3 {
        0 => payload(rest),
        1 => text(rest),
        _ => {
            if let Some(inside) = proto::mesh_payload(rest) {
                payload(inside);
            }
            let frame = proto::frame_payload(rest);
            assert!(frame.ends_with(rest) && frame.len() <= rest.len() + 6);
        }
    }
});

fn payload(bytes: &[u8]) {
    let Ok(Some((xml, spans))) = proto::decode(bytes) else { return };
    assert_eq!(scan(&xml).as_ref(), Ok(&spans), "{}", String::from_utf8_lossy(&xml));
    let cot = Cot::from_parts(xml.into(), spans);
    let message = proto::to_message(&cot).encode_to_vec();
    let (again, _) = proto::decode(&message).expect("what we encode decodes").expect("with an event");
    let next = proto::to_message(&Cot::parse(again.clone()).expect("well-formed")).encode_to_vec();
    assert_eq!(message, next, "{}\n{}", String::from_utf8_lossy(cot.text()), String::from_utf8_lossy(&again));
    assert_eq!(meaning(cot.text()), meaning(&again));
}

/// An event that a client sent as XML, repaired, through protobuf to another.
fn text(bytes: &[u8]) {
    let Ok(spans) = scan(bytes) else { return };
    let mut splices = Splices::new();
    if check(bytes, &spans, 1_700_000_000_000, &mut splices).is_err() {
        return;
    }
    let mut repaired = Vec::new();
    let spans = splices.apply(bytes, &spans, &mut repaired);
    let cot = Cot::from_parts(repaired.into(), spans);
    let Ok(frame) = proto::encode_stream(&cot) else { return };
    assert_eq!(frame[0], 0xBF);
    let header = frame.len() - proto::to_message(&cot).encoded_len();
    let message = TakMessage::decode(&frame[header..]).expect("our own");
    let (back, _) = proto::decode(&frame[header..]).expect("our own").expect("with an event");
    let back = Cot::parse(back).expect("well-formed");
    for attr in
        [Attr::Uid, Attr::Type, Attr::How, Attr::Access, Attr::Qos, Attr::Opex, Attr::Caveat, Attr::ReleasableTo]
    {
        assert_eq!(cot.attr(attr).unwrap_or_default(), back.attr(attr).unwrap_or_default());
    }
    for attr in [Attr::Time, Attr::Start, Attr::Stale] {
        // Protobuf has no times before 1970.
        assert_eq!(cot.time(attr).map(|t| t.max(0)), back.time(attr));
    }
    assert_eq!(message.encode_to_vec(), frame[header..]);
    assert_eq!(meaning(cot.text()), meaning(back.text()));
}

/// The children of detail in one form, sorted: typed elements change their place (RULE-33) and numbers their spelling.
fn meaning(text: &[u8]) -> Option<Vec<String>> {
    let plain = without_namespaces(text)?;
    let document = strict(&plain).ok()?;
    let root = document.root_element();
    let detail = root.children().find(|n| n.is_element() && n.tag_name().name() == "detail");
    let mut children: Vec<_> =
        detail.iter().flat_map(|d| d.children().filter(roxmltree::Node::is_element)).map(|c| numbers(&c)).collect();
    children.sort();
    Some(children)
}

fn numbers(node: &roxmltree::Node<'_, '_>) -> String {
    // Protobuf leaves out a zero and with it the sign of -0.
    let number = |name: &str| node.attribute(name).and_then(|v| v.parse::<f64>().ok()).map(|n| n + 0.0);
    match node.tag_name().name() {
        "track" if number("speed").is_some() && number("course").is_some() && node.attributes().len() == 2 => {
            format!("track {:?} {:?}", number("speed"), number("course"))
        }
        "status" if number("battery").is_some() && node.attributes().len() == 1 => {
            format!("status {:?}", number("battery"))
        }
        _ => form(node),
    }
}
