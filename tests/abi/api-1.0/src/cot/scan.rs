//! One pass over a complete `<event …>…</event>` frame: strict well-formedness (cot.md RULE-7, 8, 9) and spans.

use smallvec::SmallVec;

use super::{
    Attr, Child, PointAttr, Span, Spans,
    chars::{AMP, BRACKET, CLASS, LT, NAME, OTHER, PLAIN, is_space, name_char},
};

/// Why a frame is refused; `at` is the byte offset in the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Not UTF-8 (reason `utf8`).
    #[error("not UTF-8 at byte {at}")]
    Utf8 { at: usize },
    /// A DTD (reason `doctype`).
    #[error("DOCTYPE at byte {at}")]
    Doctype { at: usize },
    /// Not well-formed XML 1.0 or no `event` root (reason `xml`); `what` names the rule broken.
    #[error("{what} at byte {at}")]
    Xml { at: usize, what: &'static str },
}

/// Elements may be nested this deep (RULE-7).
const DEPTH: usize = 64;
/// Attributes an element may have (RULE-7).
const ATTRIBUTES: usize = 256;

/// Checks one complete frame and notes where things are. The frame starts at `<event` and ends with its end tag.
///
/// # Errors
/// [`Fault`] naming the first thing that is not well-formed (cot.md RULE-7, 8).
pub fn scan(text: &[u8]) -> Result<Spans, Fault> {
    if text.len() >= u32::MAX as usize {
        return Err(Fault::Xml { at: 0, what: "longer than 4 GiB" });
    }
    if let Err(error) = std::str::from_utf8(text) {
        return Err(Fault::Utf8 { at: error.valid_up_to() });
    }
    let mut scanner = Scanner {
        text,
        at: 0,
        open: SmallVec::new(),
        names: SmallVec::new(),
        spans: Spans::default(),
        in_detail: false,
    };
    scanner.document()?;
    Ok(scanner.spans)
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// Names of the open elements and where each began.
    open: SmallVec<[(Span, u32); 8]>,
    /// Attribute names of the element being read.
    names: SmallVec<[Span; 16]>,
    spans: Spans,
    in_detail: bool,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), Fault> {
        if !self.text.starts_with(b"<event") {
            return Err(self.fault("no event root"));
        }
        self.start_tag()?;
        while !self.open.is_empty() {
            self.characters()?;
            match self.text.get(self.at + 1) {
                Some(b'/') => self.end_tag()?,
                Some(b'!') => self.declaration()?,
                Some(b'?') => self.instruction()?,
                Some(_) => self.start_tag()?,
                None => return Err(self.fault("ends inside of an element")),
            }
        }
        if self.at == self.text.len() { Ok(()) } else { Err(self.fault("something behind the end of the event")) }
    }

    /// Text up to the next `<`.
    fn characters(&mut self) -> Result<(), Fault> {
        while let Some(&byte) = self.text.get(self.at) {
            match CLASS[byte as usize] {
                PLAIN => self.at += 1,
                LT => return Ok(()),
                AMP => self.reference()?,
                BRACKET => {
                    if self.text[self.at..].starts_with(b"]]>") {
                        return Err(self.fault("]]> in text"));
                    }
                    self.at += 1;
                }
                _ => self.character(byte)?,
            }
        }
        Err(self.fault("ends inside of an element"))
    }

    /// A byte that is not plainly allowed: control characters, U+FFFE and U+FFFF are not.
    fn character(&mut self, byte: u8) -> Result<(), Fault> {
        if byte < 0x20 || (byte == 0xEF && matches!(self.text.get(self.at + 1..self.at + 3), Some([0xBF, 0xBE | 0xBF])))
        {
            return Err(self.fault("a character XML does not allow"));
        }
        self.at += 1;
        Ok(())
    }

    fn start_tag(&mut self) -> Result<(), Fault> {
        let began = self.at;
        self.at += 1;
        let name = self.name("an element name")?;
        let depth = self.open.len();
        if depth == DEPTH {
            return Err(self.fault("nested deeper than 64"));
        }
        let place = self.place(depth, name)?;
        self.names.clear();
        loop {
            let spaced = self.space();
            match self.text.get(self.at) {
                Some(b'>') => {
                    self.at += 1;
                    self.open.push((name, began as u32));
                    if let Place::Detail = place {
                        self.spans.detail_inner = Span { start: self.at as u32, end: 0 };
                        self.in_detail = true;
                    }
                    return Ok(());
                }
                Some(b'/') => {
                    if self.text.get(self.at + 1) != Some(&b'>') {
                        return Err(self.fault("/ inside of a tag"));
                    }
                    if depth == 0 {
                        self.spans.end_tag = self.at as u32;
                    }
                    self.at += 2;
                    self.ended(depth, began, name);
                    return Ok(());
                }
                Some(_) if spaced => self.attribute(&place)?,
                Some(_) => return Err(self.fault("no white space before an attribute")),
                None => return Err(self.fault("ends inside of a tag")),
            }
        }
    }

    fn place(&mut self, depth: usize, name: Span) -> Result<Place, Fault> {
        let place = match (depth, name.of(self.text)) {
            (0, b"event") => {
                self.spans.event_insert = name.end;
                Place::Event
            }
            (0, _) => return Err(self.fault("no event root")),
            (1, b"point") if self.spans.point_insert == 0 => {
                self.spans.point_insert = name.end;
                Place::Point
            }
            (1, b"detail") if !self.spans.detail.is_some() => {
                // Marked as seen; the end comes with the end tag.
                self.spans.detail = Span { start: name.start - 1, end: name.end };
                Place::Detail
            }
            _ => Place::Other,
        };
        Ok(place)
    }

    fn attribute(&mut self, place: &Place) -> Result<(), Fault> {
        let name = self.name("an attribute name")?;
        let bytes = name.of(self.text);
        if self.names.iter().any(|n| n.of(self.text) == bytes) {
            return Err(self.fault("an attribute twice"));
        }
        if self.names.len() == ATTRIBUTES {
            return Err(self.fault("more than 256 attributes"));
        }
        self.names.push(name);
        self.space();
        if self.text.get(self.at) != Some(&b'=') {
            return Err(self.fault("an attribute without ="));
        }
        self.at += 1;
        self.space();
        let quote = match self.text.get(self.at) {
            Some(&quote @ (b'"' | b'\'')) => quote,
            _ => return Err(self.fault("an attribute without quotes")),
        };
        self.at += 1;
        let start = self.at as u32;
        self.value(quote)?;
        let value = Span { start, end: self.at as u32 };
        self.at += 1;
        match place {
            Place::Event => {
                if let Some(attr) = Attr::named(bytes) {
                    self.spans.attrs[attr as usize] = value;
                }
            }
            Place::Point => {
                if let Some(attr) = PointAttr::named(bytes) {
                    self.spans.point[attr as usize] = value;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn value(&mut self, quote: u8) -> Result<(), Fault> {
        while let Some(&byte) = self.text.get(self.at) {
            if byte == quote {
                return Ok(());
            }
            match CLASS[byte as usize] {
                PLAIN | BRACKET => self.at += 1,
                LT => return Err(self.fault("< in an attribute value")),
                AMP => self.reference()?,
                _ => self.character(byte)?,
            }
        }
        Err(self.fault("an attribute value without end"))
    }

    fn end_tag(&mut self) -> Result<(), Fault> {
        let tag = self.at;
        self.at += 2;
        let name = self.name("an element name")?;
        self.space();
        if self.text.get(self.at) != Some(&b'>') {
            return Err(self.fault("an end tag without >"));
        }
        let Some((opened, began)) = self.open.pop() else { return Err(self.fault("an end tag too many")) };
        if opened.of(self.text) != name.of(self.text) {
            return Err(self.fault("an end tag of another element"));
        }
        self.at += 1;
        let depth = self.open.len();
        if depth == 0 {
            self.spans.end_tag = tag as u32;
        } else if depth == 1 && self.spans.detail.start == began {
            self.spans.detail_inner.end = tag as u32;
        }
        self.ended(depth, began as usize, opened);
        Ok(())
    }

    /// An element at this depth is complete.
    fn ended(&mut self, depth: usize, began: usize, name: Span) {
        let whole = Span { start: began as u32, end: self.at as u32 };
        if depth == 1 && self.spans.detail.start == whole.start {
            self.spans.detail = whole;
            self.in_detail = false;
        } else if depth == 2 && self.in_detail {
            self.spans.children.push(Child { name, whole });
        }
    }

    /// `<!--…-->`, `<![CDATA[…]]>`; a DOCTYPE is refused.
    fn declaration(&mut self) -> Result<(), Fault> {
        let rest = &self.text[self.at..];
        if rest.starts_with(b"<!--") {
            let body = self.at + 4;
            let Some(end) = memchr::memmem::find(&self.text[body..], b"--") else {
                return Err(self.fault("a comment without end"));
            };
            if self.text.get(body + end + 2) != Some(&b'>') {
                return Err(self.fault("-- in a comment"));
            }
            self.allowed(body, body + end)?;
            self.at = body + end + 3;
            Ok(())
        } else if rest.starts_with(b"<![CDATA[") {
            let body = self.at + 9;
            let Some(end) = memchr::memmem::find(&self.text[body..], b"]]>") else {
                return Err(self.fault("CDATA without end"));
            };
            self.allowed(body, body + end)?;
            self.at = body + end + 3;
            Ok(())
        } else if rest.get(..9).is_some_and(|d| d.eq_ignore_ascii_case(b"<!DOCTYPE")) {
            Err(Fault::Doctype { at: self.at })
        } else {
            Err(self.fault("<! inside of an element"))
        }
    }

    fn instruction(&mut self) -> Result<(), Fault> {
        self.at += 2;
        let target = self.name("a processing instruction's name")?;
        if target.of(self.text).eq_ignore_ascii_case(b"xml") {
            return Err(self.fault("an XML declaration inside of the event"));
        }
        let body = self.at;
        let Some(end) = memchr::memmem::find(&self.text[body..], b"?>") else {
            return Err(self.fault("an instruction without end"));
        };
        if end > 0 && !is_space(self.text[body]) {
            return Err(self.fault("a processing instruction's name"));
        }
        self.allowed(body, body + end)?;
        self.at = body + end + 2;
        Ok(())
    }

    fn allowed(&mut self, from: usize, to: usize) -> Result<(), Fault> {
        self.at = from;
        while self.at < to {
            let byte = self.text[self.at];
            if CLASS[byte as usize] == OTHER {
                self.character(byte)?;
            } else {
                self.at += 1;
            }
        }
        Ok(())
    }

    /// `&…;`: one of five names or the number of an allowed character.
    fn reference(&mut self) -> Result<(), Fault> {
        let rest = &self.text[self.at..];
        // Numbers may have leading zeros, yet nobody writes this many.
        let Some(len) = memchr::memchr(b';', &rest[..rest.len().min(64)]) else { return Err(self.fault("a bare &")) };
        let name = std::str::from_utf8(&self.text[self.at + 1..self.at + len]).unwrap_or("");
        if super::detail::resolve(name).is_none() {
            return Err(self.fault("an unknown entity"));
        }
        self.at += len + 1;
        Ok(())
    }

    fn name(&mut self, what: &'static str) -> Result<Span, Fault> {
        let start = self.at;
        while let Some(&byte) = self.text.get(self.at) {
            let class = NAME[byte as usize];
            if class == 0 {
                break;
            }
            if class == 1 && self.at == start {
                return Err(self.fault(what));
            }
            if class == 3 {
                // Checked as UTF-8 above, so a character begins here. Only its bytes are decoded: a name may be long.
                let next = &self.text[self.at..self.text.len().min(self.at + 4)];
                let letter = next.utf8_chunks().next().and_then(|c| c.valid().chars().next()).unwrap_or(' ');
                if !name_char(letter, self.at == start) {
                    return Err(self.fault(what));
                }
                self.at += letter.len_utf8();
            } else {
                self.at += 1;
            }
        }
        if self.at == start { Err(self.fault(what)) } else { Ok(Span { start: start as u32, end: self.at as u32 }) }
    }

    /// Skips white space; was there some?
    fn space(&mut self) -> bool {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|b| is_space(*b)) {
            self.at += 1;
        }
        self.at > start
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault::Xml { at: self.at, what }
    }
}

/// Which element's attributes are being read.
enum Place {
    Event,
    Point,
    Detail,
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_of_foreign_letters_costs_what_its_bytes_cost() {
        // Decoding all that follows at each letter made this take minutes.
        let name = "漢".repeat(300_000);
        let text = format!("<event><{name}/></event>");
        assert!(scan(text.as_bytes()).is_ok());
        assert!(scan("<event><×/></event>".as_bytes()).is_err());
    }
}
