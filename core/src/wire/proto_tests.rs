use fts_plugin_api::cot::Builder;

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
