//! Reading elements of text that [`super::scan`] has accepted: attributes, text, children. No allocation unless an
//! entity has to be resolved. Because the text was accepted, nothing here checks well-formedness again; on other text
//! the answers are empty or cut short, never a panic.

use std::borrow::Cow;

use super::{Span, chars::is_space};

/// One element of an accepted event.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    text: &'a [u8],
    whole: Span,
}

/// The attributes of an element as written, in order: (name, raw value).
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    text: &'a [u8],
    at: usize,
    end: usize,
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

    /// Its text as written.
    pub fn xml(&self) -> &'a str {
        str_of(self.whole.of(self.text))
    }

    fn name_end(&self) -> usize {
        let from = self.whole.start as usize + 1;
        let end = |b: &u8| is_space(*b) || *b == b'>' || *b == b'/';
        from + self.text.get(from..).and_then(|t| t.iter().position(end)).unwrap_or(0)
    }

    /// Name as written.
    pub fn name(&self) -> &'a str {
        str_of(self.text.get(self.whole.start as usize + 1..self.name_end()).unwrap_or(&[]))
    }

    /// Attributes in order, raw values.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { text: self.text, at: self.name_end(), end: self.whole.end as usize }
    }

    /// One attribute with entities resolved.
    pub fn attr(&self, name: &str) -> Option<Cow<'a, str>> {
        self.attributes().find(|(n, _)| *n == name).map(|(_, v)| unescape(v))
    }

    /// Span of one attribute's raw value in the event's text; NONE when absent.
    pub fn attr_span(&self, name: &str) -> Span {
        let mut attributes = self.attributes();
        while let Some((found, value)) = attributes.next_spans() {
            if found.of(self.text) == name.as_bytes() {
                return value;
            }
        }
        Span::NONE
    }

    /// One past the `>` of the start tag.
    fn tag_end(&self) -> usize {
        let mut attributes = self.attributes();
        while attributes.next_spans().is_some() {}
        let close = self.text.get(attributes.at..).and_then(|t| memchr::memchr(b'>', t)).unwrap_or(0);
        attributes.at + close + 1
    }

    /// Span of what is between start and end tag; NONE for `<x/>`.
    pub fn inner(&self) -> Span {
        let start = self.tag_end();
        if start < 2 || self.text.get(start - 2) == Some(&b'/') || start >= self.whole.end as usize {
            return Span::NONE;
        }
        let inside = self.text.get(start..self.whole.end as usize).unwrap_or(&[]);
        let end = memchr::memrchr(b'<', inside).unwrap_or(0);
        Span { start: start as u32, end: (start + end) as u32 }
    }

    /// All text below this element (CDATA included), entities resolved; comments and instructions left out.
    pub fn inner_text(&self) -> Cow<'a, str> {
        let inner = self.inner();
        let bytes = inner.of(self.text);
        if memchr::memchr(b'<', bytes).is_none() {
            return unescape(str_of(bytes));
        }
        let mut out = String::new();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if rest.starts_with(b"<![CDATA[") {
                let end = memchr::memmem::find(rest, b"]]>").unwrap_or(rest.len());
                out.push_str(str_of(rest.get(9..end).unwrap_or(&[])));
                at += end + 3;
            } else if rest[0] == b'<' {
                at += markup(rest);
            } else {
                let end = memchr::memchr(b'<', rest).unwrap_or(rest.len());
                out.push_str(&unescape(str_of(&rest[..end])));
                at += end;
            }
        }
        Cow::Owned(out)
    }

    /// Direct child elements, in order.
    pub fn children(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let (text, inner) = (self.text, self.inner());
        let mut at = inner.start as usize;
        std::iter::from_fn(move || {
            while at < inner.end as usize {
                at += memchr::memchr(b'<', text.get(at..inner.end as usize)?)?;
                let rest = text.get(at..inner.end as usize)?;
                match rest.get(1) {
                    Some(b'!' | b'?') => at += markup(rest),
                    Some(b'/') | None => return None,
                    _ => {
                        let whole = Span { start: at as u32, end: (at + element(rest)) as u32 };
                        at = whole.end as usize;
                        return Some(Element { text, whole });
                    }
                }
            }
            None
        })
    }

    /// The first direct child element with this name.
    pub fn child(&self, name: &str) -> Option<Element<'a>> {
        self.children().find(|c| c.name() == name)
    }
}

impl<'a> Attributes<'a> {
    /// (name, value) of the next attribute; None behind the last one.
    fn next_spans(&mut self) -> Option<(Span, Span)> {
        let byte = |at: usize| self.text.get(at).copied().filter(|_| at < self.end);
        let mut at = self.at;
        while byte(at).is_some_and(is_space) {
            at += 1;
        }
        if matches!(byte(at), None | Some(b'>' | b'/')) {
            self.at = at;
            return None;
        }
        let start = at;
        while byte(at).is_some_and(|b| !is_space(b) && b != b'=') {
            at += 1;
        }
        let name = Span { start: start as u32, end: at as u32 };
        while byte(at).is_some_and(|b| is_space(b) || b == b'=') {
            at += 1;
        }
        let quote = byte(at)?;
        let from = at + 1;
        let len = memchr::memchr(quote, self.text.get(from..self.end)?)?;
        self.at = from + len + 1;
        Some((name, Span { start: from as u32, end: (from + len) as u32 }))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.next_spans()?;
        Some((str_of(name.of(self.text)), str_of(value.of(self.text))))
    }
}

fn str_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

/// Length of the tag, comment, CDATA section or instruction at the beginning of `rest`.
fn markup(rest: &[u8]) -> usize {
    // The end is looked for behind the beginning: `<!-->` has only begun.
    let until = |begin: &[u8], end: &[u8]| {
        memchr::memmem::find(&rest[begin.len()..], end).map_or(rest.len(), |n| begin.len() + n + end.len())
    };
    if rest.starts_with(b"<!--") {
        until(b"<!--", b"-->")
    } else if rest.starts_with(b"<![CDATA[") {
        until(b"<![CDATA[", b"]]>")
    } else if rest.starts_with(b"<?") {
        until(b"<?", b"?>")
    } else {
        let mut at = 1;
        while let Some(n) = rest.get(at..).and_then(|t| memchr::memchr3(b'>', b'"', b'\'', t)) {
            at += n;
            if rest[at] == b'>' {
                return at + 1;
            }
            at += 1 + memchr::memchr(rest[at], &rest[at + 1..]).unwrap_or(rest.len()) + 1;
        }
        rest.len()
    }
}

/// Length of the whole element at the beginning of `rest`.
fn element(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        let Some(n) = memchr::memchr(b'<', &rest[at..]) else { return rest.len() };
        at += n;
        let tag = &rest[at..];
        let len = markup(tag);
        match tag.get(1) {
            Some(b'!' | b'?') => {}
            Some(b'/') => depth = depth.saturating_sub(1),
            _ if len >= 2 && tag.get(len - 2) == Some(&b'/') => {}
            _ => depth += 1,
        }
        at += len;
        if depth == 0 && !matches!(tag.get(1), Some(b'!' | b'?')) {
            return at.min(rest.len());
        }
    }
    rest.len()
}

/// The character an entity's name (without `&` and `;`) stands for; None when XML does not know it.
pub(super) fn resolve(name: &str) -> Option<char> {
    let number = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let digits = number.strip_prefix('x');
    let (digits, radix) = digits.map_or((number, 10), |hex| (hex, 16));
    // `from_str_radix` would take a sign.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let c = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    let allowed = matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    allowed.then_some(c)
}

/// Resolves the five predefined entities and numeric references (text comes from an accepted event, so all are known;
/// an unknown one stays as it is).
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        match after.split_once(';').and_then(|(name, tail)| Some((resolve(name)?, tail))) {
            Some((c, tail)) => {
                out.push(c);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}
