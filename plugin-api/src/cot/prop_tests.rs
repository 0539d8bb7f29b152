//! Properties of the event model over generated events: edits move spans as a new scan would find them, what is not
//! edited stays byte for byte (RULE-10), values survive escaping, and no bytes panic.
//!
//! Events are generated well-formed, with everything that shifts offsets: quotes of both kinds, comments, CDATA, detail
//! before point, empty details, repeated children. Arbitrary bytes are the fuzz targets' (tests/fuzz).
use proptest::prelude::*;

use super::*;

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9 ._-]{0,8}", "[ž漢<>&\"']{0,4}"]
}

/// An attribute in one of the ways it may be written.
fn attribute(name: &'static str) -> impl Strategy<Value = String> {
    (word(), any::<bool>(), prop_oneof![Just(" "), Just("\n\t")]).prop_map(move |(value, single, space)| {
        let quote = if single { '\'' } else { '"' };
        format!("{space}{name}={quote}{}{quote}", escape_attr(&value))
    })
}

fn child() -> impl Strategy<Value = String> {
    prop_oneof![
        attribute("callsign").prop_map(|a| format!("<contact{a}/>")),
        attribute("a").prop_map(|a| format!("<_flow-tags_{a} />")),
        Just("<marti><dest callsign='A'/><dest/></marti>".to_owned()),
        Just("<marti/>".to_owned()),
        word().prop_map(|w| format!("<remarks>{}<![CDATA[</event>]]></remarks>", escape_text(&w))),
        Just("<!-- <marti/> -->".to_owned()),
        Just("<?pi <marti/>?>".to_owned()),
        Just("\n ".to_owned()),
        Just("<b><b><marti/></b></b>".to_owned()),
    ]
}

fn event() -> impl Strategy<Value = String> {
    let optional = |name| prop::option::of(attribute(name)).prop_map(Option::unwrap_or_default);
    let attrs = (optional("how"), optional("stale"), optional("opex"), optional("other"));
    let detail = prop_oneof![
        1 => Just(None),
        1 => optional("x").prop_map(|a| Some(format!("<detail{a}/>"))),
        6 => (optional("x"), prop::collection::vec(child(), 0..6)).prop_map(|(a, c)| Some(format!("<detail{a}>{}</detail>", c.concat()))),
    ];
    (attrs, optional("hae"), detail, any::<bool>(), prop_oneof![Just(""), Just(" "), Just("\n")]).prop_map(
        |((how, stale, opex, other), hae, detail, detail_first, end)| {
            let point = format!("<point lat='1.5'{hae} lon=\"2\"/>");
            let detail = detail.unwrap_or_default();
            let inside = if detail_first { detail + &point } else { point + &detail };
            format!("<event{how} uid='u'{stale} type=\"a-f\"{opex}{other}>\n{inside}</event{end}>")
        },
    )
}

/// One kind of edit each; the order of calls must not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Repair,
    How,
    Hae,
    Flow,
    Append,
    NoMarti,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    use Edit::{Append, Flow, Hae, How, NoMarti, Repair};
    prop::sample::subsequence(vec![Repair, How, Hae, Flow, Append, NoMarti], 0..=6).prop_shuffle()
}

fn splices(text: &[u8], spans: &Spans, edits: &[Edit]) -> Splices {
    let mut splices = Splices::new();
    let repaired = edits.contains(&Edit::Repair);
    for edit in edits {
        match edit {
            Edit::Repair => drop(check(text, spans, 1_700_000_000_000, &mut splices).unwrap()),
            // A repair may have edited these already.
            Edit::How if !repaired => splices.set_attr(spans, Attr::How, "<h>"),
            Edit::Hae if !repaired => splices.set_point(spans, PointAttr::Hae, "7"),
            Edit::Flow => splices.flow_tag(text, spans, "TAK-Server-x", "now"),
            // Both together need a detail with an inside, as `append_detail` says.
            Edit::Append if spans.detail_inner.is_some() || !edits.contains(&Edit::Flow) => {
                splices.append_detail(spans, "<added a='1'>x</added>");
            }
            Edit::NoMarti => splices.remove_detail(text, spans, "marti"),
            Edit::How | Edit::Hae | Edit::Append => {}
        }
    }
    splices
}

#[test]
fn a_comment_does_not_end_in_its_own_beginning() {
    let text = b"<event><a><!--> <b/> -->t<c/></a></event>";
    scan(text).unwrap();
    let a = Element::at(text, Span { start: 7, end: 33 });
    assert_eq!((a.name(), &*a.inner_text()), ("a", "t"));
    assert_eq!(a.children().map(|e| e.name()).collect::<Vec<_>>(), ["c"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn edits_move_spans_as_a_new_scan_would_find_them(text in event(), edits in edits()) {
        let spans = scan(text.as_bytes()).unwrap();
        let mut out = b"before".to_vec();
        let moved = splices(text.as_bytes(), &spans, &edits).apply(text.as_bytes(), &spans, &mut out);
        let result = &out[6..];
        prop_assert_eq!(scan(result).unwrap(), moved, "{}", String::from_utf8_lossy(result));
        if edits.contains(&Edit::NoMarti) {
            let cot = Cot::parse(result.to_vec()).unwrap();
            prop_assert!(cot.detail("marti").is_none());
            prop_assert_eq!(cot.details("b").count(), Cot::parse(text.into_bytes()).unwrap().details("b").count());
        }
    }

    #[test]
    fn what_is_not_edited_stays_byte_for_byte(text in event(), edits in edits()) {
        let spans = scan(text.as_bytes()).unwrap();
        let mut edit = splices(text.as_bytes(), &spans, &edits);
        let unchanged = edit.is_empty();
        let mut out = Vec::new();
        let moved = edit.apply(text.as_bytes(), &spans, &mut out);
        prop_assert!(!unchanged || out == text.as_bytes());
        let kept = |c: &&Child| !matches!(c.name.of(text.as_bytes()), b"marti" | b"_flow-tags_");
        for child in spans.children.iter().filter(kept) {
            let whole = child.whole.of(text.as_bytes());
            prop_assert!(moved.children.iter().any(|c| c.whole.of(&out) == whole));
        }
    }

    #[test]
    fn values_survive_escaping(value in "[^\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}\u{fffe}\u{ffff}]{0,20}") {
        let text = format!("<event a='{}' b=\"{}\">{}</event>", escape_attr(&value), escape_attr(&value), escape_text(&value));
        let spans = scan(text.as_bytes()).unwrap();
        let root = Element::at(text.as_bytes(), Span { start: 0, end: text.len() as u32 });
        prop_assert_eq!(root.attr("a").unwrap(), value.as_str());
        prop_assert_eq!(root.attr("b").unwrap(), value.as_str());
        prop_assert_eq!(root.inner_text(), value.as_str());
        prop_assert!(!spans.detail.is_some());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = scan(&bytes);
        let _ = scan(&[b"<event ", &bytes[..], b"</event>"].concat());
    }
}
