//! Events for `fts plugin test`: of every type clients send, once as they send it and then in forms that are still events
//! but leave out, empty or break what a handler may rely on.
use bytes::Bytes;
use fts_plugin_api::cot::{Cot, Millis, Splices, check, format_time};

/// Type and what stands in `<detail>`.
const SAMPLES: &[(&str, &str)] = &[
    (
        "a-f-G-U-C",
        r#"<takv platform="ATAK-CIV" version="5.4" device="phone" os="34"/><contact callsign="ALICE" endpoint="*:-1:stcp"/><uid Droid="ALICE"/><__group name="Cyan" role="Team Member"/><status battery="80"/><track speed="1.2" course="90.0"/><precisionlocation altsrc="GPS" geopointsrc="GPS"/>"#,
    ),
    ("a-h-G", r#"<contact callsign="H.1"/><remarks/><usericon iconsetpath="COT_MAPPING_2525B/a-h/a-h-G"/>"#),
    (
        "b-t-f",
        r#"<__chat id="All Chat Rooms" chatroom="All Chat Rooms" senderCallsign="ALICE" groupOwner="false" parent="RootContactGroup" messageId="m1"><chatgrp id="All Chat Rooms" uid0="SAMPLE" uid1="All Chat Rooms"/></__chat><link uid="SAMPLE" type="a-f-G-U-C" relation="p-p"/><remarks source="BAO.F.ATAK.SAMPLE" to="All Chat Rooms" time="2026-01-01T00:00:00Z">ping</remarks>"#,
    ),
    ("b-t-f-d", r#"<__chatreceipt id="BOB" messageId="m1" parent="RootContactGroup"/><link uid="SAMPLE"/>"#),
    ("b-a-o-tbl", r#"<contact callsign="ALICE-Alert"/><emergency type="911 Alert">ALICE</emergency>"#),
    ("b-a-o-can", r#"<contact callsign="ALICE-Alert"/><emergency cancel="true">ALICE</emergency>"#),
    ("b-a-g", r#"<emergency type="Geo-fence Breached">ALICE</emergency><link uid="FENCE" relation="p-p"/>"#),
    ("b-m-p-s-m", r#"<contact callsign="spot"/><color argb="-1"/><archive/><usericon iconsetpath="x"/>"#),
    ("b-m-p-w", r#"<contact callsign="way"/><link uid="ROUTE" relation="c"/>"#),
    ("b-m-p-s-p-loc", r#"<contact callsign="cam"/><sensor azimuth="0" fov="45"/>"#),
    ("b-m-r", r#"<contact callsign="route"/><link uid="p1" point="45.1,7.1,0" type="b-m-p-w" relation="c"/>"#),
    (
        "u-d-f",
        r#"<link point="45.1,7.1"/><link point="45.2,7.2"/><contact callsign="shape"/><strokeColor value="-1"/>"#,
    ),
    ("u-d-r", r#"<link point="45.1,7.1"/><contact callsign="box"/>"#),
    ("u-d-c-c", r#"<shape><ellipse major="10" minor="10" angle="360"/></shape><contact callsign="ring"/>"#),
    ("u-rb-a", r#"<range value="10"/><bearing value="90"/><contact callsign="rb"/>"#),
    (
        "b-f-t-r",
        r#"<fileshare filename="a.zip" senderUrl="http://127.0.0.1/x" sizeInBytes="1" sha256="00" senderUid="SAMPLE" senderCallsign="ALICE" name="a"/><ackrequest uid="x" ackrequested="true" tag="a"/>"#,
    ),
    ("b-r-f-h-c", r#"<_medevac_ title="M" casevac="true" freq="0.0" urgent="1"/><contact callsign="med"/>"#),
    (
        "b-i-v",
        r#"<__video uid="v"><ConnectionEntry protocol="rtsp" address="127.0.0.1" port="554" path="/a"/></__video>"#,
    ),
    ("b-i-x-i", r#"<image url="x" mime="image/jpeg"/>"#),
    ("t-x-d-d", r#"<link uid="SAMPLE" type="a-f-G-U-C" relation="p-p"/>"#),
    ("t-x-m-c", r#"<mission type="CHANGE" name="m" authorUid="SAMPLE"/>"#),
    ("t-x-c-t", ""),
];

/// Elements that handlers look for, without anything a handler may rely on.
const HOLLOW: &[&str] = &[
    "__chat",
    "__chatreceipt",
    "__group",
    "chatgrp",
    "color",
    "contact",
    "emergency",
    "fileshare",
    "link",
    "marti",
    "mission",
    "precisionlocation",
    "remarks",
    "sensor",
    "shape",
    "status",
    "takv",
    "track",
    "uid",
    "__video",
];

/// One event.
#[derive(Clone, Debug)]
pub struct Sample {
    /// For people: `b-t-f without a detail`.
    pub label: String,
    /// The event.
    pub cot: Cot,
}

/// Events for a handler that asked for these types and elements.
pub fn of(types: &[String], details: &[String]) -> Vec<Sample> {
    let mut kinds: Vec<(String, String)> = Vec::new();
    for pattern in types {
        match pattern.strip_suffix('*') {
            Some(prefix) => {
                kinds.extend(SAMPLES.iter().filter(|(k, _)| k.starts_with(prefix)).map(own));
                // One that nobody knows.
                kinds.push((format!("{}-x", prefix.trim_end_matches('-')), String::new()));
            }
            None => {
                let known = SAMPLES.iter().find(|(k, _)| k == pattern).map(own);
                kinds.push(known.unwrap_or_else(|| (pattern.clone(), "<contact callsign=\"x\"/>".into())));
            }
        }
    }
    for element in details {
        let with: Vec<_> = SAMPLES.iter().filter(|(_, d)| d.contains(&format!("<{element}"))).map(own).collect();
        kinds.extend(with);
        kinds.push(("a-f-G".into(), format!("<{element}/>")));
        kinds.push(("a-f-G".into(), format!("<{element} x=\"\">&amp;<y/></{element}>")));
    }
    kinds.sort();
    kinds.dedup();
    kinds.iter().flat_map(|(kind, detail)| forms(kind, detail)).collect()
}

fn own((kind, detail): &(&str, &str)) -> (String, String) {
    ((*kind).to_owned(), (*detail).to_owned())
}

fn forms(kind: &str, detail: &str) -> Vec<Sample> {
    let kind = if kind.is_empty() || kind == "-x" { "x" } else { kind };
    let now = crate::observe::clock::now_ms();
    let times =
        format!(r#"time="{0}" start="{0}" stale="{1}" how="m-g""#, format_time(now), format_time(now + 300_000));
    let point = r#"<point lat="45.5" lon="-75.25" hae="70.5" ce="10.0" le="9999999.0"/>"#;
    let event = |uid: &str, times: &str, inner: &str| {
        format!(r#"<event version="2.0" uid="{uid}" type="{kind}" {times}>{inner}</event>"#)
    };
    let hollow: String = HOLLOW.iter().map(|e| format!("<{e}/>")).collect();
    let garbage: String =
        HOLLOW.iter().map(|e| format!(r#"<{e} id="" uid="&#9;" type="&lt;" name="NaN">é</{e}>"#)).collect();
    let long = "é&amp;".repeat(300);
    let all = [
        ("as sent", event("SAMPLE", &times, &format!("{point}<detail>{detail}</detail>"))),
        ("without a detail", event("SAMPLE", &times, point)),
        ("with an empty detail", event("SAMPLE", &times, &format!("{point}<detail/>"))),
        ("without times", event("SAMPLE", "", &format!("{point}<detail>{detail}</detail>"))),
        ("with hollow elements", event("SAMPLE", &times, &format!("{point}<detail>{hollow}</detail>"))),
        (
            "with garbage in its elements",
            event(" x\u{1F600}", &times, &format!("{point}<detail>{garbage}{detail}</detail>")),
        ),
        (
            "with broken numbers and times",
            event(
                "SAMPLE",
                r#"time="yesterday" start="" stale="9999-99-99T99:99:99Z" how="""#,
                &format!(r#"<point lat="90.00001" lon="1e1" hae="NaN" ce="-1" le="1e999"/><detail>{detail}</detail>"#),
            ),
        ),
        (
            "with a long uid and a CDATA",
            event(&long, &times, &format!("{point}<detail><![CDATA[<x>]]>{detail}</detail>")),
        ),
    ];
    let taken = |(label, text)| Some(Sample { label: format!("{kind} {label}"), cot: taken(text, now)? });
    all.into_iter().filter_map(taken).collect()
}

/// An event as the router hands it on: checked and repaired. What it refuses never reaches a handler.
fn taken(text: String, now: Millis) -> Option<Cot> {
    let (cot, mut splices) = (Cot::parse(Bytes::from(text)).ok()?, Splices::new());
    check(cot.text(), cot.spans(), now, &mut splices).ok()?;
    let mut repaired = Vec::new();
    splices.apply(cot.text(), cot.spans(), &mut repaired);
    Cot::parse(Bytes::from(repaired)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_good_form_and_several_broken_ones() {
        for (kind, _) in SAMPLES {
            let all = of(&[(*kind).to_owned()], &[]);
            assert!(all.iter().any(|s| s.label.ends_with("as sent")), "{kind}");
            let labels: Vec<_> = all.iter().map(|s| &s.label).collect();
            assert!(all.len() >= 8, "{kind}: {labels:?}");
            assert!(all.iter().all(|s| s.cot.kind() == *kind), "{kind}");
        }
    }

    #[test]
    fn patterns_and_elements_find_theirs() {
        let emergencies = of(&["b-a-*".to_owned()], &["emergency".to_owned()]);
        let kinds: std::collections::BTreeSet<_> = emergencies.iter().map(|s| s.cot.kind().to_owned()).collect();
        for kind in ["b-a-o-tbl", "b-a-o-can", "b-a-g", "b-a-x", "a-f-G"] {
            assert!(kinds.contains(kind), "{kind}: {kinds:?}");
        }
        assert!(of(&["*".to_owned()], &[]).len() > 100);
    }
}
