//! What the splitter knows of XML: what may stand between frames ([`skip`]), and where a frame that began ends
//! ([`Follow`]): tags with quoted attributes, comments, CDATA, instructions, nested `event` elements (RULE-2..4b).
//!
//! Nothing here checks well-formedness beyond what cutting needs; that is `scan`'s.
use memchr::{memchr, memchr2, memmem};

/// What the beginning of the bytes is.
pub mod begins {
    /// See the module.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs)]
    pub enum Is {
        /// White space, declarations, comments of this length.
        Nothing(usize),
        Garbage(usize),
        Event,
        Auth,
        /// Could become something with more bytes.
        Wait,
    }
}

use begins::Is;

const BOM: &[u8] = &[0xEF, 0xBB, 0xBF];

/// Looks at what stands between frames. The first `searched` bytes were looked at before and did not suffice.
pub fn skip(buf: &[u8], searched: usize) -> Is {
    let Some(&first) = buf.first() else { return Is::Nothing(0) };
    if is_blank(first) {
        return Is::Nothing(buf.iter().position(|b| !is_blank(*b)).unwrap_or(buf.len()));
    }
    if first == BOM[0] {
        return match buf.len() {
            0..3 if BOM.starts_with(buf) => Is::Wait,
            _ if buf.starts_with(BOM) => Is::Nothing(3),
            _ => garbage(buf),
        };
    }
    if first != b'<' {
        return garbage(buf);
    }
    match buf.get(1) {
        None => Is::Wait,
        Some(b'?') => closed(buf, 2, searched, b"?>"),
        Some(b'!') => match buf.len() {
            0..4 if b"<!--".starts_with(buf) => Is::Wait,
            _ if buf.starts_with(b"<!--") => closed(buf, 4, searched, b"-->"),
            _ => garbage(buf),
        },
        Some(_) => match (element(buf, b"<event"), element(buf, b"<auth")) {
            (Some(true), _) => Is::Event,
            (_, Some(true)) => Is::Auth,
            (None, _) | (_, None) => Is::Wait,
            _ => garbage(buf),
        },
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0)
}

fn garbage(buf: &[u8]) -> Is {
    Is::Garbage(1 + memchr(b'<', &buf[1..]).unwrap_or(buf.len() - 1))
}

/// A declaration or comment; a new event inside of a declaration means that it has lost its end. Comments may speak of
/// events.
fn closed(buf: &[u8], from: usize, searched: usize, end: &[u8]) -> Is {
    const EVENT: &[u8] = b"<event";
    // What is looked for may have been cut at the end of what was searched.
    let from = from.max(searched.saturating_sub(EVENT.len()));
    let close = memmem::find(&buf[from..], end).map(|n| from + n + end.len());
    if end == b"?>"
        && let Some(event) = memmem::find(&buf[from..close.unwrap_or(buf.len())], EVENT)
    {
        return Is::Garbage(from + event);
    }
    close.map_or(Is::Wait, Is::Nothing)
}

/// Does this element begin here? None = not enough bytes to know.
fn element(buf: &[u8], tag: &[u8]) -> Option<bool> {
    if buf.len() <= tag.len() {
        return if tag.starts_with(buf) { None } else { Some(false) };
    }
    Some(buf.starts_with(tag) && is_boundary(buf[tag.len()]))
}

fn is_boundary(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>')
}

/// What following a frame found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The frame is this long.
    Complete(usize),
    /// An event inside of the frame is complete.
    Nested {
        /// Its `<`.
        from: usize,
        /// One past its `>`.
        to: usize,
    },
    /// Cannot become well-formed; the stream goes on at `at`.
    Broken {
        /// Where.
        at: usize,
        /// A DTD.
        doctype: bool,
    },
    /// Not complete yet.
    Wait,
}

/// How far a frame has been followed. Positions are relative to its first byte.
#[derive(Debug, Default)]
pub struct Follow {
    at: usize,
    inside: Inside,
    /// Open `event` elements.
    depth: usize,
    /// Where the outermost nested event began.
    nested: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Content,
    /// In a tag that began at `from`, perhaps in a quoted value.
    Tag { from: usize, quote: Option<u8> },
    /// Looking for `-->`, `]]>` or `?>`.
    Until(&'static [u8]),
}

impl Follow {
    /// Follows the frame in `buf`, which begins with it and may have grown.
    pub fn follow(&mut self, buf: &[u8]) -> Step {
        loop {
            let step = match self.inside {
                Inside::Content => self.content(buf),
                Inside::Tag { from, quote } => self.tag(buf, from, quote),
                Inside::Until(end) => self.until(buf, end),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn content(&mut self, buf: &[u8]) -> Option<Step> {
        let Some(n) = memchr(b'<', &buf[self.at..]) else {
            self.at = buf.len();
            return Some(Step::Wait);
        };
        self.at += n;
        let rest = &buf[self.at..];
        match rest.get(1) {
            None => return Some(Step::Wait),
            Some(b'?') => {
                if rest.len() < 6 && b"<?xml ".starts_with(rest) {
                    return Some(Step::Wait);
                }
                if rest.starts_with(b"<?xml ") {
                    return Some(Step::Broken { at: self.at, doctype: false });
                }
                self.at += 2;
                self.inside = Inside::Until(b"?>");
            }
            Some(b'!') => {
                const CDATA: &[u8] = b"<![CDATA[";
                if rest.starts_with(b"<!--") {
                    self.at += 4;
                    self.inside = Inside::Until(b"-->");
                } else if rest.starts_with(CDATA) {
                    self.at += CDATA.len();
                    self.inside = Inside::Until(b"]]>");
                } else if b"<!--".starts_with(rest) || CDATA.starts_with(rest) {
                    return Some(Step::Wait);
                } else {
                    let doctype = rest.get(2).is_some_and(|b| b.eq_ignore_ascii_case(&b'D'));
                    return Some(Step::Broken { at: self.at + 1, doctype });
                }
            }
            Some(_) => {
                self.inside = Inside::Tag { from: self.at, quote: None };
                self.at += 1;
            }
        }
        None
    }

    fn until(&mut self, buf: &[u8], end: &'static [u8]) -> Option<Step> {
        match memmem::find(&buf[self.at..], end) {
            Some(n) => {
                self.at += n + end.len();
                self.inside = Inside::Content;
                None
            }
            None => {
                // The end itself may be cut: keep what could be its beginning.
                self.at = self.at.max(buf.len().saturating_sub(end.len() - 1));
                Some(Step::Wait)
            }
        }
    }

    fn tag(&mut self, buf: &[u8], from: usize, quote: Option<u8>) -> Option<Step> {
        if let Some(quote) = quote {
            let Some(n) = memchr2(quote, b'<', &buf[self.at..]) else {
                self.at = buf.len();
                return Some(Step::Wait);
            };
            self.at += n;
            if buf[self.at] == b'<' {
                return Some(Step::Broken { at: self.at, doctype: false });
            }
            self.at += 1;
            self.inside = Inside::Tag { from, quote: None };
            return None;
        }
        while let Some(&byte) = buf.get(self.at) {
            match byte {
                b'"' | b'\'' => {
                    self.at += 1;
                    self.inside = Inside::Tag { from, quote: Some(byte) };
                    return None;
                }
                b'<' => return Some(Step::Broken { at: self.at, doctype: false }),
                b'>' => {
                    self.at += 1;
                    self.inside = Inside::Content;
                    return self.ended(&buf[from..self.at], from);
                }
                _ => self.at += 1,
            }
        }
        Some(Step::Wait)
    }

    /// A tag is complete: does it open or close an event?
    fn ended(&mut self, tag: &[u8], from: usize) -> Option<Step> {
        if let Some(name) = tag.strip_prefix(b"</") {
            let name = name.strip_prefix(b"event")?;
            if !name[..name.len() - 1].iter().all(u8::is_ascii_whitespace) {
                return None;
            }
            self.depth = self.depth.saturating_sub(1);
            return self.closed();
        }
        if !(tag.starts_with(b"<event") && tag.get(6).is_some_and(|b| is_boundary(*b))) {
            return None;
        }
        if self.depth == 1 {
            self.nested = from;
        }
        if tag.ends_with(b"/>") {
            return if self.depth == 0 { Some(Step::Complete(self.at)) } else { None };
        }
        self.depth += 1;
        None
    }

    fn closed(&mut self) -> Option<Step> {
        match self.depth {
            0 => Some(Step::Complete(self.at)),
            1 => Some(Step::Nested { from: self.nested, to: self.at }),
            _ => None,
        }
    }
}
