//! Edits of an event as splices: collected first, applied in one copy, spans moved along.
//!
//! What is not edited stays byte for byte (RULE-10). The returned spans are those a new scan of the result would find.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{Attr, Child, Element, PointAttr, Span, Spans};

/// New text of one edit; short ones (attribute values, flow tags) are kept in place.
type Text = SmallVec<[u8; 112]>;

/// What an edit means for the spans beyond moving them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    Text,
    Attr(Attr),
    Point(PointAttr),
    /// A new last child of detail; name length.
    Child(u32),
    /// The whole new detail element with one child; name length of that.
    Detail(u32),
    Remove,
}

/// Replacements to be made in one event's text. Each replaces `at` (empty = insertion) with new text; they must not
/// overlap. Order of calls does not matter.
#[derive(Clone, Debug, Default)]
pub struct Splices {
    edits: SmallVec<[(Span, Text, Means); 2]>,
}

impl Splices {
    /// No edits yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// How many edits there are.
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Forgets all edits.
    pub fn clear(&mut self) {
        self.edits.clear();
    }

    fn push(&mut self, at: Span, parts: &[&str], means: Means) {
        let mut text = Text::new();
        parts.iter().for_each(|p| text.extend_from_slice(p.as_bytes()));
        self.edits.push((at, text, means));
    }

    /// Replaces a span with text that is already escaped. It must stay within one attribute value, one text or whole
    /// elements below the children of detail; removing a whole child of detail is fine, too.
    pub fn replace(&mut self, at: Span, with: &str) {
        self.push(at, &[with], if with.is_empty() { Means::Remove } else { Means::Text });
    }

    /// Sets an attribute of `<event>`; `value` is plain text and gets escaped.
    pub fn set_attr(&mut self, spans: &Spans, attr: Attr, value: &str) {
        let (there, value) = (spans.attrs[attr as usize], escape_attr(value));
        if there.is_some() {
            self.push(there, &[&value], Means::Attr(attr));
        } else {
            let at = Span { start: spans.event_insert, end: spans.event_insert };
            self.push(at, &[" ", EVENT_ATTRS[attr as usize], "=\"", &value, "\""], Means::Attr(attr));
        }
    }

    /// Sets an attribute of `<point>`; numbers as text.
    pub fn set_point(&mut self, spans: &Spans, attr: PointAttr, value: &str) {
        let there = spans.point[attr as usize];
        if there.is_some() {
            self.push(there, &[value], Means::Point(attr));
        } else if spans.point_insert != 0 {
            let at = Span { start: spans.point_insert, end: spans.point_insert };
            self.push(at, &[" ", POINT_ATTRS[attr as usize], "=\"", value, "\""], Means::Point(attr));
        }
    }

    /// Appends one element (already serialised) as last child of `<detail>`, making the detail when there is none (the
    /// event must have a point, as every checked one has: `<event/>` has no inside where a detail could go).
    /// At most one such edit together with [`Self::flow_tag`] on an event that has no detail or an empty one.
    pub fn append_detail(&mut self, spans: &Spans, element: &str) {
        let is_end = |b: u8| super::chars::is_space(b) || b == b'>' || b == b'/';
        let name = element.bytes().skip(1).position(is_end).unwrap_or(0) as u32;
        self.append(spans, &[element], name);
    }

    fn append(&mut self, spans: &Spans, parts: &[&str], name: u32) {
        if spans.detail_inner.is_some() {
            let at = Span { start: spans.detail_inner.end, end: spans.detail_inner.end };
            self.push(at, parts, Means::Child(name));
            return;
        }
        let (at, before) = if spans.detail.is_some() {
            // `<detail/>`, possibly with attributes: its `/>` becomes `>…</detail>`.
            (Span { start: spans.detail.end - 2, end: spans.detail.end }, ">")
        } else {
            (Span { start: spans.end_tag, end: spans.end_tag }, "<detail>")
        };
        let mut all: SmallVec<[&str; 8]> = SmallVec::from_slice(&[before]);
        all.extend_from_slice(parts);
        all.push("</detail>");
        self.push(at, &all, Means::Detail(name));
    }

    /// Adds `name="value"` to the first `_flow-tags_` or appends a new one (decision 105). `value` needs no escaping.
    pub fn flow_tag(&mut self, text: &[u8], spans: &Spans, name: &str, value: &str) {
        let tags = spans.children.iter().find(|c| c.name.of(text) == b"_flow-tags_");
        let Some(tags) = tags else {
            return self.append(spans, &["<_flow-tags_ ", name, "=\"", value, "\"/>"], 11);
        };
        let there = Element::at(text, tags.whole).attr_span(name);
        if there.is_some() {
            self.push(there, &[value], Means::Text);
        } else {
            let at = Span { start: tags.name.end, end: tags.name.end };
            self.push(at, &[" ", name, "=\"", value, "\""], Means::Text);
        }
    }

    /// Removes every direct child of detail with this name (RULE-55: `marti`).
    pub fn remove_detail(&mut self, text: &[u8], spans: &Spans, name: &str) {
        for child in spans.children.iter().filter(|c| c.name.of(text) == name.as_bytes()) {
            self.push(child.whole, &[], Means::Remove);
        }
    }

    /// Writes the edited text to the end of `out` and returns the spans of the result (relative to its own start).
    pub fn apply(&mut self, text: &[u8], spans: &Spans, out: &mut Vec<u8>) -> Spans {
        if self.edits.is_empty() {
            out.extend_from_slice(text);
            return spans.clone();
        }
        // Stable: insertions at one place keep the order of the calls.
        self.edits.sort_by_key(|(at, _, _)| at.start);
        let mut from = 0;
        for (at, with, _) in &self.edits {
            out.extend_from_slice(text.get(from..at.start as usize).unwrap_or(&[]));
            out.extend_from_slice(with);
            from = at.end as usize;
        }
        out.extend_from_slice(text.get(from..).unwrap_or(&[]));
        self.moved(text, spans)
    }

    fn moved(&self, text: &[u8], spans: &Spans) -> Spans {
        let mut new = spans.clone();
        new.attrs.iter_mut().chain(&mut new.point).for_each(|s| *s = self.span(*s));
        new.point_insert = if spans.point_insert == 0 { 0 } else { self.end(spans.point_insert) };
        new.event_insert = self.end(spans.event_insert);
        new.detail = self.span(spans.detail);
        new.detail_inner = self.span(spans.detail_inner);
        if spans.detail_inner.is_some() {
            // What is inserted into an empty inside lies in it, not before it.
            new.detail_inner.start = self.end(spans.detail_inner.start);
        }
        new.end_tag = self.start(spans.end_tag);
        let removed = |c: &Child| {
            self.edits
                .iter()
                .any(|(at, _, means)| *means == Means::Remove && at.start <= c.whole.start && c.whole.end <= at.end)
        };
        new.children = spans
            .children
            .iter()
            .filter(|c| !removed(c))
            .map(|c| Child { name: self.span(c.name), whole: self.span(c.whole) })
            .collect();
        let mut delta = 0_i64;
        for (at, with, means) in &self.edits {
            let begin = (i64::from(at.start) + delta) as u32;
            let len = with.len() as u32;
            delta += i64::from(len) - i64::from(at.end - at.start);
            match *means {
                Means::Attr(attr) => {
                    new.attrs[attr as usize] = value(begin, with, at.start == at.end, EVENT_ATTRS[attr as usize])
                }
                Means::Point(attr) => {
                    new.point[attr as usize] = value(begin, with, at.start == at.end, POINT_ATTRS[attr as usize])
                }
                Means::Child(name) => {
                    new.children.push(child(begin, len, name));
                    new.detail_inner.end = begin + len;
                }
                Means::Detail(name) => {
                    let opened = if spans.detail.is_some() { 1 } else { "<detail>".len() as u32 };
                    let inner = len - opened - "</detail>".len() as u32;
                    new.detail_inner = Span { start: begin + opened, end: begin + opened + inner };
                    new.detail = Span {
                        start: if spans.detail.is_some() { self.start(spans.detail.start) } else { begin },
                        end: begin + len,
                    };
                    new.children.push(child(begin + opened, inner, name));
                }
                Means::Text | Means::Remove => {}
            }
        }
        let _ = text;
        new
    }

    fn span(&self, span: Span) -> Span {
        if span.is_some() { Span { start: self.start(span.start), end: self.end(span.end) } } else { span }
    }

    /// Where a thing that began at `at` begins now: behind what is inserted right before it.
    fn start(&self, at: u32) -> u32 {
        self.shift(at, |edit| at >= edit.end)
    }

    /// Where a thing that ended at `at` ends now: before what is inserted right behind it.
    fn end(&self, at: u32) -> u32 {
        self.shift(at, |edit| at >= edit.end && at > edit.start)
    }

    fn shift(&self, at: u32, before: impl Fn(&Span) -> bool) -> u32 {
        let change: i64 = self
            .edits
            .iter()
            .filter(|(e, _, _)| before(e))
            .map(|(e, with, _)| with.len() as i64 - i64::from(e.end - e.start))
            .sum();
        (i64::from(at) + change) as u32
    }
}

const EVENT_ATTRS: [&str; 12] =
    ["version", "uid", "type", "how", "time", "start", "stale", "access", "qos", "opex", "caveat", "releasableTo"];
const POINT_ATTRS: [&str; 5] = ["lat", "lon", "hae", "ce", "le"];

/// The value's place in an edit that is either the value alone or ` name="value"`.
fn value(begin: u32, with: &[u8], inserted: bool, name: &str) -> Span {
    let len = with.len() as u32;
    if inserted && with.first() == Some(&b' ') {
        let start = begin + name.len() as u32 + 3;
        Span { start, end: begin + len - 1 }
    } else {
        Span { start: begin, end: begin + len }
    }
}

fn child(begin: u32, len: u32, name: u32) -> Child {
    Child { name: Span { start: begin + 1, end: begin + 1 + name }, whole: Span { start: begin, end: begin + len } }
}

/// Escapes `& < > " '` and white space other than blanks for an attribute value in either quotes. Characters XML does
/// not allow are left out.
pub fn escape_attr(plain: &str) -> Cow<'_, str> {
    escape(plain, true)
}

/// Escapes `& < >` for element text. Characters XML does not allow are left out.
pub fn escape_text(plain: &str) -> Cow<'_, str> {
    escape(plain, false)
}

fn escape(plain: &str, attribute: bool) -> Cow<'_, str> {
    let special = |c: char| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' if attribute => Some("&quot;"),
        '\'' if attribute => Some("&apos;"),
        '\n' if attribute => Some("&#10;"),
        '\r' => Some("&#13;"),
        '\t' if attribute => Some("&#9;"),
        '\n' | '\t' => None,
        '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => Some(""),
        _ => None,
    };
    if !plain.chars().any(|c| special(c).is_some()) {
        return Cow::Borrowed(plain);
    }
    let mut out = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        match special(c) {
            Some(entity) => out.push_str(entity),
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}
