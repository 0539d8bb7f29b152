use fts_plugin_api::cot::{Builder, escape_text};
use proptest::prelude::*;

use super::*;

const V1: &str = "bf50124e0a07742d782d632d742a0e414e44524f49442d312d70696e673080d095ffbc313880d095ffbc3140909e96ffbc314a036d2d6761000000e0cf12634169000000e0cf12634171000000e0cf126341";
const V2: &str = "bfd70112d4010a09612d662d472d552d432a09414e44524f49442d313080d095ffbc313880d095ffbc3140d8c1acffbc314a036d2d67510000000000c04640590000000000d052c0610000000000a0514069000000000000244071000000e0cf1263417a750a143c7569642044726f69643d225649504552222f3e12120a092a3a2d313a73746370120556495045521a130a044379616e120b5465616d204d656d6265722a020857321c0a05504958454c12084154414b2d4349561a0233342205352e322e303a1209000000000000f83f110000000000805640";

const SA: &str = r#"<event version="2.0" uid="ANDROID-1" type="a-f-G-U-C" how="m-g" time="2023-11-14T22:13:20.000Z" start="2023-11-14T22:13:20.000Z" stale="2023-11-14T22:19:35.000Z"><point lat="45.5" lon="-75.25" hae="70.5" ce="10.0" le="9999999.0"/><detail><uid Droid="VIPER"/><contact endpoint="*:-1:stcp" callsign="VIPER"/><__group name="Cyan" role="Team Member"/><status battery="87"/><takv device="PIXEL" platform="ATAK-CIV" os="34" version="5.2.0"/><track speed="1.5" course="90.0"/></detail></event>"#;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect()
}

fn payload(frame: &[u8]) -> &[u8] {
    match framed::next(frame, MAX_PAYLOAD) {
        framed::Next::Payload { from, to } => &frame[from..to],
        other => panic!("{other:?}"),
    }
}

fn back(event: &str) -> String {
    let frame = encode_stream(&Cot::parse(event.as_bytes().to_vec()).unwrap()).unwrap();
    String::from_utf8(decode(payload(&frame)).unwrap().unwrap().0).unwrap()
}

#[test]
fn golden_v1_ping() {
    let (text, _) = decode(payload(&hex(V1))).unwrap().unwrap();
    let ping = Cot::parse(text).unwrap();
    assert_eq!(
        (ping.uid().as_ref(), ping.kind(), ping.raw(Attr::Stale)),
        ("ANDROID-1-ping", "t-x-c-t", "2023-11-14T22:13:30.000Z")
    );
    let bare = ping.text().to_vec();
    let bare = String::from_utf8(bare).unwrap().replace("<detail/>", "");
    assert_eq!(encode_stream(&Cot::parse(bare.into_bytes()).unwrap()).unwrap(), hex(V1));
}

#[test]
fn golden_v2_sa_both_ways() {
    assert_eq!(encode_stream(&Cot::parse(SA.as_bytes().to_vec()).unwrap()).unwrap(), hex(V2));
    let (text, spans) = decode(payload(&hex(V2))).unwrap().unwrap();
    let sa = Cot::from_parts(text.into(), spans);
    assert_eq!(sa.detail("status").unwrap().attr("battery").unwrap(), "87");
    assert_eq!(sa.detail("takv").unwrap().attributes().count(), 4);
    assert_eq!(encode_stream(&sa).unwrap(), hex(V2));
}

#[test]
fn an_element_that_does_not_fit_whole_stays_xml() {
    for part in [
        r#"<contact callsign="A" phone="1"/>"#,
        r#"<status readiness="true"/>"#,
        r#"<precisionlocation altsrc="???"/>"#,
        r#"<track speed="1" course="2" slope="3"/>"#,
        r#"<takv platform="x" os="y" version="z"/>"#,
        r#"<status battery="-1"/>"#,
        r#"<contact callsign="A">x</contact>"#,
        r#"<contact callsign="A"/><contact callsign="B"/>"#,
        r#"<x:y z='1'>t<![CDATA[</event>]]></x:y><a/>"#,
    ] {
        let event = SA
            .replace(r#"<uid Droid="VIPER"/>"#, "")
            .replace(&SA[SA.find("<contact").unwrap()..SA.find("</detail>").unwrap()], part);
        let message = to_message(&Cot::parse(event.clone().into_bytes()).unwrap());
        assert_eq!(message.cot_event.unwrap().detail.unwrap().xml_detail, part);
        assert!(back(&event).contains(part));
    }
}

#[test]
fn xml_wins_over_the_message_of_the_same_name() {
    let mut message = to_message(&Cot::parse(SA.as_bytes().to_vec()).unwrap());
    message.cot_event.as_mut().unwrap().detail.as_mut().unwrap().xml_detail =
        r#"<contact callsign="XML" phone="1"/>"#.into();
    let (text, _) = decode(&message.encode_to_vec()).unwrap().unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.matches("<contact").count() == 1 && text.contains(r#"callsign="XML""#) && text.contains("<__group"),
        "{text}"
    );
}

#[test]
fn bad_messages_are_faults() {
    let mut message = to_message(&Cot::parse(SA.as_bytes().to_vec()).unwrap());
    assert!(decode(b"\xff\xff").is_err());
    assert!(decode(b"").is_err());
    for bad in ["</detail><detail>", "<a>", "&x;"] {
        message.cot_event.as_mut().unwrap().detail.as_mut().unwrap().xml_detail = bad.into();
        assert!(decode(&message.encode_to_vec()).is_err(), "{bad}");
    }
    message.cot_event.as_mut().unwrap().uid = "a\u{1}".into();
    assert!(decode(&message.encode_to_vec()).is_err());
}

#[test]
fn too_big_says_so() {
    let big = Builder::new("u-d-f", 0).child("remarks", &[], &"x".repeat(70_000)).build().unwrap();
    assert_eq!(encode_stream(&big), Err(ProtoFault("over 65536 bytes")));
}

#[test]
fn only_mesh_version_1() {
    assert_eq!(mesh_payload(b"\xbf\x01\xbfx"), Some(&b"x"[..]));
    assert_eq!(mesh_payload(b"\xbf\x02\xbfx"), None);
}

/// Values as people and devices write them, and worse.
fn value() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,12}", "[a-zA-Zž漢🙂<>&\"' \t\n]{0,8}", Just(String::new())]
}

/// One child of detail: the six typed ones in and out of the form that fits, and others.
fn child() -> impl Strategy<Value = String> {
    let typed = prop_oneof![
        Just(("contact", vec!["callsign"])),
        Just(("contact", vec!["callsign", "endpoint"])),
        Just(("contact", vec!["callsign", "phone"])),
        Just(("__group", vec!["name", "role"])),
        Just(("__group", vec!["name"])),
        Just(("precisionlocation", vec!["altsrc", "geopointsrc"])),
        Just(("takv", vec!["device", "platform", "os", "version"])),
        Just(("takv", vec!["device", "platform", "os", "version", "more"])),
        Just(("remarks", vec!["source"])),
        Just(("x:y", vec![])),
    ];
    let inner = prop_oneof![4 => Just(String::new()), 1 => value().prop_map(|v| escape_text(&v).into_owned()), 1 => Just("<a/>".to_owned())];
    let attributes = (typed, prop::collection::vec(value(), 5), inner).prop_map(|((name, attrs), values, inner)| {
        let written: String = attrs.iter().zip(&values).map(|(a, v)| format!(" {a}=\"{}\"", escape_attr(v))).collect();
        if inner.is_empty() { format!("<{name}{written}/>") } else { format!("<{name}{written}>{inner}</{name}>") }
    });
    prop_oneof![
        4 => attributes,
        1 => any::<u32>().prop_map(|n| format!("<status battery='{n}'/>")),
        1 => value().prop_map(|v| format!("<status battery=\"{}\"/>", escape_attr(&v))),
        1 => any::<(f64, f64)>().prop_map(|(a, b)| format!("<track speed='{a:?}' course='{b:?}'/>")),
    ]
}

/// What an event says: attributes, point, and children of detail in any order with numbers as numbers.
fn meaning(cot: &Cot) -> (Vec<String>, Vec<Option<u64>>, Vec<String>) {
    let attrs =
        [Attr::Uid, Attr::Type, Attr::How, Attr::Access, Attr::Qos, Attr::Opex, Attr::Caveat, Attr::ReleasableTo];
    let times = [Attr::Time, Attr::Start, Attr::Stale].map(|a| format!("{:?}", cot.time(a)));
    let said = attrs.iter().map(|a| cot.attr(*a).unwrap_or_default().into_owned()).chain(times).collect();
    let points = [PointAttr::Lat, PointAttr::Lon, PointAttr::Hae, PointAttr::Ce, PointAttr::Le];
    let mut children: Vec<_> = cot.spans().children.iter().map(|c| one(Element::at(cot.text(), c.whole))).collect();
    children.sort();
    (said, points.iter().map(|p| cot.point(*p).map(|n| (n + 0.0).to_bits())).collect(), children)
}

fn one(element: Element<'_>) -> String {
    // -0 is 0: protobuf does not write either.
    let number = |v: &str| match element.name() {
        "status" => v.parse::<u32>().ok().map(|n| n.to_string()),
        "track" => v.parse::<f64>().ok().map(|n| format!("{:?}", n + 0.0)),
        _ => None,
    };
    let mut attributes: Vec<_> = element
        .attributes()
        .map(|(n, v)| (n, fts_plugin_api::cot::unescape(v)))
        .map(|(n, v)| format!("{n}={:?}", number(&v).unwrap_or(v.into_owned())))
        .collect();
    attributes.sort();
    let below: Vec<_> = element.children().map(one).collect();
    format!("<{} {attributes:?}>{:?}{below:?}", element.name(), element.inner_text())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn xml_to_protobuf_and_back_keeps_the_meaning(
        attrs in prop::collection::vec(value(), 5),
        times in prop::collection::vec(0..4_000_000_000_000_i64, 3),
        point in (-90.0..90.0_f64, -180.0..180.0_f64, -500.0..9e7_f64),
        children in prop::collection::vec(child(), 0..6),
    ) {
        let mut event = format!("<event version=\"2.0\" uid=\"u{}\" type=\"a-f-G\" how=\"m-g\"", escape_attr(&attrs[0]));
        for (name, value) in ["qos", "opex", "caveat", "releasableTo"].iter().zip(&attrs[1..]) {
            event += &format!(" {name}=\"{}\"", escape_attr(value));
        }
        for (name, ms) in ["time", "start", "stale"].iter().zip(&times) {
            event += &format!(" {name}=\"{}\"", fts_plugin_api::cot::format_time(*ms));
        }
        let (lat, lon, hae) = point;
        event += &format!("><point lat=\"{lat:?}\" lon=\"{lon:?}\" hae=\"{hae:?}\" ce=\"9999999.0\" le=\"1\"/><detail>{}</detail></event>", children.concat());
        let cot = Cot::parse(event.into_bytes()).unwrap();
        let frame = encode_stream(&cot).unwrap();
        let (text, spans) = decode(payload(&frame)).unwrap().unwrap();
        let back = Cot::from_parts(text.into(), spans);
        prop_assert_eq!(meaning(&back), meaning(&cot));
        // A second time nothing changes any more.
        prop_assert_eq!(encode_stream(&back).unwrap(), frame);
    }

    #[test]
    fn no_payload_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Some((text, spans))) = decode(&bytes) {
            prop_assert_eq!(scan(&text).unwrap(), spans);
        }
    }
}
