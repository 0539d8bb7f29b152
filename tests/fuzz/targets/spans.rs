//! The span scanner against a strict parser, and edits against a new scan of their result.
//!
//! Input: three bytes that choose edits, then one frame. Oracle (RULE-8): roxmltree accepts exactly what `scan` accepts,
//! but for RULE-7's limits (nesting 64, attributes 256), "nothing outside of the root", character references over 64
//! bytes, and two places where roxmltree is laxer than XML 1.0 (`odd_…`). Where both accept, both see the same values.
//! What `apply` returns is what a scan of its result finds.
#![no_main]

use fts_fuzz::canonical::{extent, squeezed, strict, without_namespaces};
use fts_plugin_api::cot::{Attr, Cot, Element, PointAttr, Spans, Splices, check, scan, unescape};
use libfuzzer_sys::fuzz_target;
use roxmltree::{Document, Node};

fuzz_target!(|data: &[u8]| {
    let [first, second, third, text @ ..] = data else { return };
    let Some(plain) = without_namespaces(text) else {
        assert!(scan(text).is_err(), "not UTF-8");
        return;
    };
    let ours = scan(plain.as_bytes());
    // Different names may have become the same, never the other way round.
    assert!(scan(text).is_ok() || ours.is_err(), "a prefix matters: {:?}", scan(text));
    match (&ours, strict(&plain)) {
        (Ok(spans), Ok(document)) => {
            let (depth, attributes) = extent(&document);
            assert!(depth <= 64 && attributes <= 256, "accepted at depth {depth}, {attributes} attributes");
            agree(&plain, spans, &document);
            accessors(text);
            // `<event/>` has no place for edits and is never valid (RULE-20).
            if spans.point_insert != 0 {
                edits(plain.as_bytes(), spans, [*first, *second, *third]);
            }
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(theirs)) => panic!("we accept, they say {theirs}"),
        (Err(fault), Ok(document)) => {
            let (depth, attributes) = extent(&document);
            let whole = document.root_element().range() == (0..plain.len());
            let event = document.root_element().tag_name().name() == "event";
            let limits = depth > 64 || attributes > 256 || !whole || !event;
            let known = limits || odd_reference(&plain) || odd_instruction(&plain);
            assert!(known, "they accept, we say {fault}");
        }
    }
});

/// An instruction whose target is no name, or is `XML` in any case: XML 1.0 refuses both, roxmltree takes them.
fn odd_instruction(text: &str) -> bool {
    text.match_indices("<?").any(|(at, _)| {
        let rest = &text[at + 2..];
        let end = rest.find("?>").unwrap_or(rest.len());
        let target = rest[..end].split([' ', '\t', '\r', '\n']).next().unwrap_or("");
        target.eq_ignore_ascii_case("xml") || target.contains('/') || strict(&format!("<{target}/>")).is_err()
    })
}

/// A numeric reference with more zeros than anybody writes, or to no character at all, which roxmltree replaces.
fn odd_reference(text: &str) -> bool {
    text.match_indices("&#").any(|(at, _)| {
        let Some((number, _)) = text[at + 2..].split_once(';') else { return true };
        let digits = number.strip_prefix('x');
        let value = u32::from_str_radix(digits.unwrap_or(number), if digits.is_some() { 16 } else { 10 });
        number.len() > 60 || value.ok().and_then(char::from_u32).is_none()
    })
}

fn agree(text: &str, spans: &Spans, document: &Document<'_>) {
    let root = document.root_element();
    let cot = Cot::from_parts(text.as_bytes().to_vec().into(), spans.clone());
    let child = |name: &str| root.children().find(|n| n.is_element() && n.tag_name().name() == name);
    for (name, attr) in [("uid", Attr::Uid), ("type", Attr::Type), ("stale", Attr::Stale), ("caveat", Attr::Caveat)] {
        assert_eq!(cot.attr(attr).map(|v| squeezed(&v)), root.attribute(name).map(squeezed), "@{name}");
    }
    for (name, attr) in [("lat", PointAttr::Lat), ("le", PointAttr::Le)] {
        let span = spans.point[attr as usize];
        let value = span.is_some().then(|| squeezed(&unescape(&text[span.start as usize..span.end as usize])));
        assert_eq!(value, child("point").and_then(|p| p.attribute(name)).map(squeezed), "point/@{name}");
    }
    let detail = child("detail");
    assert_eq!(spans.detail.is_some(), detail.is_some());
    let theirs: Vec<Node<'_, '_>> = detail.iter().flat_map(|d| d.children().filter(Node::is_element)).collect();
    assert_eq!(spans.children.len(), theirs.len());
    for (child, node) in spans.children.iter().zip(theirs) {
        assert_eq!(child.whole.start as usize..child.whole.end as usize, node.range());
        same_element(Element::at(text.as_bytes(), child.whole), node);
    }
}

fn same_element(ours: Element<'_>, theirs: Node<'_, '_>) {
    assert_eq!(ours.name(), theirs.tag_name().name());
    let values: Vec<_> = ours.attributes().map(|(name, raw)| (name.to_owned(), squeezed(&unescape(raw)))).collect();
    let expected: Vec<_> = theirs.attributes().map(|a| (a.name().to_owned(), squeezed(a.value()))).collect();
    assert_eq!(values, expected);
    let text: String = theirs.descendants().filter(Node::is_text).filter_map(|t| t.text()).collect();
    assert_eq!(squeezed(&ours.inner_text()), squeezed(&text));
    let below: Vec<_> = theirs.children().filter(Node::is_element).collect();
    assert_eq!(ours.children().count(), below.len());
    ours.children().zip(below).for_each(|(o, t)| same_element(o, t));
}

/// Nothing panics on the text as it was, prefixes and all.
fn accessors(text: &[u8]) {
    let cot = Cot::parse(text.to_vec()).expect("accepted");
    let _ = (cot.is_sa(), cot.class(), cot.time(Attr::Time), cot.point(PointAttr::Hae), cot.uid());
}

fn edits(text: &[u8], spans: &Spans, [first, second, third]: [u8; 3]) {
    let mut splices = Splices::new();
    if first & 1 != 0 && check(text, spans, 1_700_000_000_000, &mut splices).is_err() {
        splices.clear();
    }
    let checked = !splices.is_empty();
    if first & 2 != 0 && !checked {
        splices.set_attr(spans, Attr::Uid, "new \"<uid>\"");
        splices.set_attr(spans, Attr::Opex, "");
        splices.set_point(spans, PointAttr::Lat, "1.5");
    }
    let removed = if first & 4 != 0 { "marti" } else { "b" };
    if first & 8 != 0 {
        splices.remove_detail(text, spans, removed);
    } else if let Some(child) = spans.children.get(usize::from(second)) {
        let inner = Element::at(text, child.whole).inner();
        if !inner.is_empty() && child.name.of(text) != b"_flow-tags_" {
            splices.replace(inner, "t&amp;<x/>");
        }
    }
    if third & 1 != 0 {
        splices.flow_tag(text, spans, "TAK-Server-fuzz", "2023-11-14T22:13:20Z");
    }
    if third & 2 != 0 && (spans.detail_inner.is_some() || third & 1 == 0) {
        splices.append_detail(spans, "<added a='1'>x</added>");
    }
    let mut out = b"before".to_vec();
    let moved = splices.apply(text, spans, &mut out);
    let result = &out[b"before".len()..];
    assert_eq!(scan(result).as_ref(), Ok(&moved), "{}", String::from_utf8_lossy(result));
    if checked {
        let again = check(result, &moved, 0, &mut Splices::new());
        assert!(again.is_ok_and(|r| !r.changed), "repairs need repair: {}", String::from_utf8_lossy(result));
    }
}
