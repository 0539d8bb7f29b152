//! [`Event`]: an event while a handler looks at it, and [`Edit`], a change that keeps every byte it does not touch.
use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    abi::EventView,
    cot::{Attr, Child, Cot, Element, Millis, PointAttr, Span, Spans, Splices, parse_time, scan, unescape},
};

/// Borrowed for the length of one call. [`Event::to_cot`] keeps it.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    text: &'a [u8],
    attrs: &'a [Span],
    point: &'a [Span],
    children: &'a [Child],
    marks: [u32; 7],
}

impl<'a> Event<'a> {
    /// Looks at an event; None when its text is no event (the host never gives such a one).
    pub(crate) fn look<T>(view: EventView<'_>, f: impl FnOnce(&Event<'_>) -> T) -> Option<T> {
        let text = view.text.as_slice();
        if !view.attrs.is_empty() {
            let (attrs, point) = (view.attrs.as_slice(), view.point.as_slice());
            return Some(f(&Event { text, attrs, point, children: view.children.as_slice(), marks: view.marks }));
        }
        let spans = scan(text).ok()?;
        Some(f(&Event::of(text, &spans)))
    }

    /// Of text and spans that belong together.
    pub fn of(text: &'a [u8], spans: &'a Spans) -> Self {
        let marks = marks(spans);
        Self { text, attrs: &spans.attrs, point: &spans.point, children: &spans.children, marks }
    }

    /// The text of `<event>…</event>`, UTF-8.
    pub fn text(&self) -> &'a str {
        std::str::from_utf8(self.text).unwrap_or("")
    }

    /// An attribute as written; "" when absent.
    pub fn raw(&self, attr: Attr) -> &'a str {
        let span = self.attrs.get(attr as usize).copied().unwrap_or(Span::NONE);
        std::str::from_utf8(span.of(self.text)).unwrap_or("")
    }

    /// An attribute's value; None when absent.
    pub fn attr(&self, attr: Attr) -> Option<Cow<'a, str>> {
        self.attrs.get(attr as usize).is_some_and(|s| s.is_some()).then(|| unescape(self.raw(attr)))
    }

    /// The uid of the thing or message (not of its sender).
    pub fn uid(&self) -> Cow<'a, str> {
        unescape(self.raw(Attr::Uid))
    }

    /// The type, for example `a-f-G-U-C`.
    pub fn kind(&self) -> &'a str {
        self.raw(Attr::Type)
    }

    /// A time in ms UTC; None when absent or unreadable.
    pub fn time(&self, attr: Attr) -> Option<Millis> {
        parse_time(self.raw(attr)).map(|(ms, _)| ms)
    }

    /// A number of `<point>`: degrees or metres.
    pub fn point(&self, attr: PointAttr) -> Option<f64> {
        let span = self.point.get(attr as usize).copied().filter(|s| s.is_some())?;
        std::str::from_utf8(span.of(self.text)).ok()?.trim().parse().ok()
    }

    /// The first element of this name directly in `<detail>`.
    pub fn detail(&self, name: &str) -> Option<Element<'a>> {
        self.details(name).next()
    }

    /// All elements of this name directly in `<detail>`.
    pub fn details<'n>(&self, name: &'n str) -> impl Iterator<Item = Element<'a>> + use<'a, 'n> {
        let text = self.text;
        let named = self.children.iter().filter(move |c| c.name.of(text) == name.as_bytes());
        named.map(move |c| Element::at(text, c.whole))
    }

    /// Where things are.
    pub fn spans(&self) -> Spans {
        let mut spans = Spans::default();
        spans.attrs.iter_mut().zip(self.attrs).for_each(|(to, from)| *to = *from);
        spans.point.iter_mut().zip(self.point).for_each(|(to, from)| *to = *from);
        spans.children = self.children.into();
        let [event_insert, point_insert, end_tag, detail, detail_end, inner, inner_end] = self.marks;
        spans.event_insert = event_insert;
        spans.point_insert = point_insert;
        spans.end_tag = end_tag;
        spans.detail = Span { start: detail, end: detail_end };
        spans.detail_inner = Span { start: inner, end: inner_end };
        spans
    }

    /// A copy to keep.
    pub fn to_cot(&self) -> Cot {
        Cot::from_parts(Bytes::copy_from_slice(self.text), self.spans())
    }

    /// Begins a change.
    pub fn edit(&self) -> Edit<'a> {
        Edit { text: self.text, spans: self.spans(), splices: Splices::new() }
    }
}

/// [`EventView::marks`] of these spans.
pub(crate) fn marks(spans: &Spans) -> [u32; 7] {
    let Spans { event_insert, point_insert, end_tag, detail, detail_inner, .. } = *spans;
    [event_insert, point_insert, end_tag, detail.start, detail.end, detail_inner.start, detail_inner.end]
}

impl<'a> EventView<'a> {
    /// What the host shows of an event.
    pub fn new(text: &'a [u8], spans: &'a Spans) -> Self {
        Self {
            text: text.into(),
            attrs: (&spans.attrs[..]).into(),
            point: (&spans.point[..]).into(),
            children: (&spans.children[..]).into(),
            marks: marks(spans),
        }
    }

    /// An event that was not scanned.
    pub fn unscanned(text: &'a [u8]) -> Self {
        Self {
            text: text.into(),
            attrs: (&[][..]).into(),
            point: (&[][..]).into(),
            children: (&[][..]).into(),
            marks: [0; 7],
        }
    }
}

/// A changed copy of an event; what is not named stays byte for byte.
pub struct Edit<'a> {
    text: &'a [u8],
    spans: Spans,
    splices: Splices,
}

impl Edit<'_> {
    /// Sets an attribute of `<event>`.
    #[must_use]
    pub fn set(mut self, attr: Attr, value: &str) -> Self {
        self.splices.set_attr(&self.spans, attr, value);
        self
    }

    /// Sets a number of `<point>`: degrees or metres.
    #[must_use]
    pub fn set_point(mut self, attr: PointAttr, value: f64) -> Self {
        self.splices.set_point(&self.spans, attr, &value.to_string());
        self
    }

    /// Adds an element (well-formed XML) at the end of `<detail>`.
    #[must_use]
    pub fn append(mut self, element: &str) -> Self {
        self.splices.append_detail(&self.spans, element);
        self
    }

    /// Takes every element of this name out of `<detail>`.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        self.splices.remove_detail(self.text, &self.spans, name);
        self
    }

    /// The changed text.
    pub fn into_text(mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() + 128);
        self.splices.apply(self.text, &self.spans, &mut out);
        out
    }
}
