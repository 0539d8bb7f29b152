//! [`Cot`]: text and spans of one event.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Attr, Element, Fault, Millis, PointAttr, Span, Spans, scan};

/// One event: the text of its `<event>…</event>` element and where things are in it. Cloning shares the text.
#[derive(Clone, Debug)]
pub struct Cot {
    text: Bytes,
    spans: Spans,
}

impl Cot {
    /// Scans a complete frame.
    ///
    /// # Errors
    /// As [`scan`].
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, Fault> {
        let text = text.into();
        let spans = scan(&text)?;
        Ok(Self { text, spans })
    }
    /// Text with the spans that belong to it (from [`scan`], moved along by [`super::Splices::apply`]).
    pub fn from_parts(text: Bytes, spans: Spans) -> Self {
        Self { text, spans }
    }
    /// The event's bytes (valid UTF-8).
    pub fn text(&self) -> &Bytes {
        &self.text
    }
    /// Where things are.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }
    /// An attribute's value as written (entities not resolved); "" when absent.
    pub fn raw(&self, attr: Attr) -> &str {
        std::str::from_utf8(self.spans.attrs[attr as usize].of(&self.text)).unwrap_or("")
    }
    /// An attribute's value with entities resolved; None when absent.
    pub fn attr(&self, attr: Attr) -> Option<Cow<'_, str>> {
        self.spans.attrs[attr as usize].is_some().then(|| super::unescape(self.raw(attr)))
    }
    /// The uid of the thing or message (not of its sender).
    pub fn uid(&self) -> Cow<'_, str> {
        super::unescape(self.raw(Attr::Uid))
    }
    /// The type, for example `a-f-G-U-C`.
    pub fn kind(&self) -> &str {
        self.raw(Attr::Type)
    }
    /// A time attribute ([`Attr::Time`], [`Attr::Start`], [`Attr::Stale`]) in ms UTC; None when absent or unreadable.
    pub fn time(&self, attr: Attr) -> Option<Millis> {
        super::parse_time(&self.attr(attr)?).map(|(ms, _)| ms)
    }
    /// A number of the point: degrees for lat and lon, metres for hae, ce and le (9999999 = unknown).
    pub fn point(&self, attr: PointAttr) -> Option<f64> {
        let span: Span = self.spans.point[attr as usize];
        std::str::from_utf8(span.of(&self.text)).ok()?.trim().parse().ok()
    }
    /// The first direct child of `<detail>` with this name.
    pub fn detail(&self, name: &str) -> Option<Element<'_>> {
        let child = self.spans.children.iter().find(|c| c.name.of(&self.text) == name.as_bytes())?;
        Some(Element::at(&self.text, child.whole))
    }
    /// All direct children of `<detail>` with this name, in document order.
    pub fn details<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Element<'a>> + 'a {
        self.spans
            .children
            .iter()
            .filter(move |c| c.name.of(&self.text) == name.as_bytes())
            .map(|c| Element::at(&self.text, c.whole))
    }

    /// Does this event say who and where its sender is (RULE-24)? Atoms with callsign and endpoint, or with callsign
    /// and takv.
    pub fn is_sa(&self) -> bool {
        let kind = self.kind();
        if kind.starts_with("b-")
            || kind.starts_with("t-")
            || kind.starts_with("u-")
            || self.detail("ackresponse").is_some()
        {
            return false;
        }
        let Some(contact) = self.detail("contact") else { return false };
        let filled = |name: &str| contact.attributes().any(|(n, v)| n == name && !v.is_empty());
        filled("callsign") && (filled("endpoint") || (kind.starts_with("a-") && self.detail("takv").is_some()))
    }

    /// State or reliable (decision 102).
    pub fn class(&self) -> Class {
        let moving = || self.raw(Attr::How).starts_with("m-") || self.is_sa();
        let named = || self.details("marti").any(|m| m.children().any(|d| d.attributes().next().is_some()));
        let state = self.kind().starts_with("a-") && moving() && self.detail("archive").is_none() && !named();
        if state { Class::State } else { Class::Reliable }
    }
}

/// How a queue treats an event that its receiver is too slow for (RULE-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A newer one of the same uid makes it worthless: positions that move by themselves.
    State,
    /// Sent once: never silently dropped.
    Reliable,
}
