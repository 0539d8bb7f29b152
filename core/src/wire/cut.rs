//! [`Cutter`]: finds frames in a byte stream and recovers from broken ones (cot.md RULE-1..8, 25, 30).
//!
//! Order in XML: skip what may stand between frames, follow one frame to its matching end tag (`xml`), check it. A
//! frame that is broken, too long or too old is given up alone: its bytes are looked at once more by the plain rule
//! (first `</event>`, next `<event`), then the stream goes on (RULE-5). Positions are kept between calls, so a frame in
//! many pieces is not read anew with each piece. The same stream gives the same frames however it is cut.
use fts_plugin_api::cot::{Fault, Spans, Splices, check, scan};
use memchr::{memchr, memmem};

use super::{
    framed,
    xml::{Follow, Step, begins, skip},
};

/// Why bytes were not accepted: the `reason` label of `fts_cot_rejected_total`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Reject {
    Utf8,
    Xml,
    Oversize,
    Garbage,
    Schema,
    Doctype,
    Proto,
}

/// What [`Cutter::next`] found. Taken apart at once, so that a box around the spans would only cost an allocation.
#[derive(Debug)]
#[allow(missing_docs, clippy::large_enum_variant)]
pub enum Frame<'a> {
    /// A well-formed event that passes RULE-20.
    Event { text: &'a [u8], spans: Spans },
    /// `<auth>…</auth>` (RULE-14).
    Auth(&'a [u8]),
    /// Payload of one protobuf stream frame (not decoded yet).
    Message(&'a [u8]),
    /// Bytes given up; `head` is their beginning (at most 200 bytes), for the debug log. Garbage is reported once per
    /// run.
    Rejected { reason: Reject, head: &'a [u8], detail: &'static str },
}

/// Cuts one connection's byte stream. It keeps positions only, never bytes: the caller owns the buffer and drops what
/// `next` reports as used.
#[derive(Debug)]
pub struct Cutter {
    max: usize,
    proto: bool,
    /// Where the frame at the beginning of the buffer has been followed to.
    follow: Option<Follow>,
    /// Bytes before this have been looked at in a frame that was given up (RULE-5).
    again_until: usize,
    /// How many of them may still be followed with full knowledge; then the plain rule cuts, so that nobody can make
    /// the same bytes be read many times.
    budget: usize,
    /// So many bytes at the beginning of the buffer have been searched for the end of a comment or declaration.
    searched: usize,
    /// The bytes being skipped have been reported.
    in_garbage: bool,
    garbage: usize,
    waiting: bool,
}

/// Longest `<auth>` element (RULE-14).
const AUTH_MOST: usize = 4_096;
const END: &[u8] = b"</event>";

impl Cutter {
    /// A cutter that starts in XML (or protobuf with `proto`), with this size limit in bytes (RULE-6).
    pub fn new(max: usize, proto: bool) -> Self {
        Self {
            max,
            proto,
            follow: None,
            again_until: 0,
            budget: 0,
            searched: 0,
            in_garbage: false,
            garbage: 0,
            waiting: false,
        }
    }

    /// Changes the size limit (after identification).
    pub fn set_limit(&mut self, max: usize) {
        self.max = max;
    }

    /// From the next byte on the stream is protobuf (RULE-28).
    pub fn switch_to_proto(&mut self) {
        *self = Self::new(self.max, true);
    }

    /// True while an unfinished frame waits for more bytes (its age is the caller's to watch, RULE-4b).
    pub fn unfinished(&self) -> bool {
        self.waiting
    }

    /// Bytes of garbage between protobuf frames since the last good one (RULE-25).
    pub fn garbage_bytes(&self) -> usize {
        self.garbage
    }

    /// Looks for the next frame in `buf`, which begins where the last `used` ended and may have grown at its end.
    /// Returns how many bytes are used up and the frame that was in them; `None` = nothing complete (then call again
    /// with more bytes after the unused rest).
    pub fn next<'a>(&mut self, buf: &'a [u8]) -> (usize, Option<Frame<'a>>) {
        let (used, frame) = if self.proto { self.next_message(buf) } else { self.next_event(buf) };
        self.waiting = frame.is_none() && used < buf.len();
        self.again_until = self.again_until.saturating_sub(used);
        (used, frame)
    }

    /// Gives the unfinished frame up (RULE-4b: older than 10 s): resumes by RULE-5 inside `buf`.
    pub fn give_up<'a>(&mut self, buf: &'a [u8]) -> (usize, Option<Frame<'a>>) {
        (self.waiting, self.searched) = (false, 0);
        if buf.is_empty() {
            return (0, None);
        }
        if self.proto {
            self.garbage += 1;
            return (1, Some(rejected(Reject::Proto, &buf[..1], "unfinished for too long")));
        }
        let (used, frame) = self.refuse(buf, buf.len(), Reject::Xml, "unfinished for too long");
        self.again_until = self.again_until.saturating_sub(used);
        (used, frame)
    }

    fn next_message<'a>(&mut self, buf: &'a [u8]) -> (usize, Option<Frame<'a>>) {
        let mut at = 0;
        loop {
            match framed::next(&buf[at..], self.max) {
                framed::Next::Payload { from, to } => {
                    (self.garbage, self.in_garbage) = (0, false);
                    return (at + to, Some(Frame::Message(&buf[at + from..at + to])));
                }
                // Garbage known already is passed over: a whole frame behind it must not wait for the next read.
                framed::Next::Garbage(len) => {
                    self.garbage += len;
                    at += len;
                    let known = std::mem::replace(&mut self.in_garbage, true);
                    if !known || self.garbage > 64 * 1024 {
                        return (at, Some(rejected(Reject::Garbage, &buf[at - len..at], "no frame header")));
                    }
                }
                framed::Next::Wait => return (at, None),
            }
        }
    }

    fn next_event<'a>(&mut self, buf: &'a [u8]) -> (usize, Option<Frame<'a>>) {
        let mut at = 0_usize;
        while self.follow.is_none() {
            if self.in_garbage {
                // Up to the next `<` as if it had come in one piece, whatever it could be by itself (half a BOM).
                at += memchr(b'<', &buf[at..]).unwrap_or(buf.len() - at);
            }
            let window = buf.len().min(at.saturating_add(self.max));
            match skip(&buf[at..window], std::mem::take(&mut self.searched)) {
                begins::Is::Nothing(len) => {
                    at += len;
                    if at >= buf.len() {
                        return (buf.len(), None);
                    }
                }
                begins::Is::Garbage(len) => {
                    if !std::mem::replace(&mut self.in_garbage, true) {
                        return (at + len, Some(rejected(Reject::Garbage, &buf[at..at + len], "no event begins here")));
                    }
                    at += len;
                }
                begins::Is::Wait => {
                    // A declaration or comment without end must not eat the stream.
                    if window < buf.len() {
                        self.in_garbage = true;
                        return (
                            at + 1,
                            Some(rejected(Reject::Oversize, &buf[at..], "a declaration or comment without end")),
                        );
                    }
                    self.searched = buf.len() - at;
                    return (at, None);
                }
                begins::Is::Auth => return self.auth(buf, at),
                begins::Is::Event => {
                    self.in_garbage = false;
                    let again = self.again_until.saturating_sub(at);
                    if again > self.budget
                        && let Some(found) = self.plain(buf, at)
                    {
                        return found;
                    }
                    self.budget = self.budget.saturating_sub(again);
                    if at > 0 {
                        // The frame begins the buffer from now on.
                        self.follow = Some(Follow::default());
                        self.again_until = self.again_until.saturating_sub(at);
                        let (used, frame) = self.frame(&buf[at..]);
                        self.again_until += at;
                        return (at + used, frame);
                    }
                    self.follow = Some(Follow::default());
                }
            }
        }
        self.frame(buf)
    }

    /// Inside of bytes that were read too often a frame ends at the first `</event>`, whatever it stands in, and begins
    /// at the last `<event` before that.
    fn plain<'a>(&mut self, buf: &'a [u8], at: usize) -> Option<(usize, Option<Frame<'a>>)> {
        let until = self.again_until.min(buf.len());
        let found = memmem::find(buf.get(at..until)?, END)?;
        let (begin, len) = (at + last_begin(&buf[at..at + found]), found + END.len());
        let text = &buf[begin..at + len];
        let frame = match accept(text, self.max) {
            Ok(spans) => Frame::Event { text, spans },
            Err((reason, detail)) => {
                self.in_garbage = true;
                rejected(reason, text, detail)
            }
        };
        Some((at + len, Some(frame)))
    }

    /// Follows the frame that begins `buf`.
    fn frame<'a>(&mut self, buf: &'a [u8]) -> (usize, Option<Frame<'a>>) {
        let Some(follow) = &mut self.follow else { return (0, None) };
        // What lies beyond the limit must not decide anything: then it would matter how the stream is cut.
        let seen = &buf[..buf.len().min(self.max + 1)];
        match follow.follow(seen) {
            Step::Complete(len) if len <= self.max => {
                let text = &buf[..len];
                match accept(text, self.max) {
                    Ok(spans) => {
                        self.follow = None;
                        (len, Some(Frame::Event { text, spans }))
                    }
                    Err((reason, detail)) => self.refuse(buf, len, reason, detail),
                }
            }
            Step::Nested { from, to } => match accept(&buf[from..to], self.max) {
                // A complete event inside of an unfinished one: the outer one has lost its end (RULE-4b).
                Ok(_) => {
                    self.follow = None;
                    (from, Some(rejected(Reject::Xml, &buf[..from], "an event without end")))
                }
                Err(_) => self.frame(buf),
            },
            Step::Broken { at, doctype } => {
                let reason = if doctype { Reject::Doctype } else { Reject::Xml };
                self.refuse(
                    buf,
                    at,
                    reason,
                    if doctype { "DOCTYPE" } else { "a raw < inside of a tag, or a declaration inside of an event" },
                )
            }
            Step::Complete(_) | Step::Wait if buf.len() > self.max => {
                self.refuse(buf, self.max, Reject::Oversize, "over the size limit")
            }
            Step::Complete(_) | Step::Wait => (0, None),
        }
    }

    /// Gives the first `len` bytes up: goes on behind the first `</event>` in them, else behind them (RULE-5).
    fn refuse<'a>(
        &mut self,
        buf: &'a [u8],
        len: usize,
        reason: Reject,
        detail: &'static str,
    ) -> (usize, Option<Frame<'a>>) {
        self.follow = None;
        self.in_garbage = true;
        self.budget += 4 * len.saturating_sub(self.again_until);
        let again = memmem::find(&buf[..len], END).map(|n| n + END.len());
        let used = again.unwrap_or(len).max(1);
        self.again_until = self.again_until.max(len);
        (used, Some(rejected(reason, &buf[..used], detail)))
    }

    fn auth<'a>(&mut self, buf: &'a [u8], at: usize) -> (usize, Option<Frame<'a>>) {
        let text = &buf[at..];
        let window = &text[..text.len().min(AUTH_MOST)];
        let mut from = 0;
        while let Some(n) = memchr(b'<', &window[from..]) {
            from += n;
            if window[from..].get(..7).is_some_and(|t| t.eq_ignore_ascii_case(b"</auth>")) {
                self.in_garbage = false;
                return (at + from + 7, Some(Frame::Auth(&text[..from + 7])));
            }
            from += 1;
        }
        if text.len() >= AUTH_MOST {
            self.in_garbage = true;
            return (at + 5, Some(rejected(Reject::Garbage, window, "an <auth> over 4096 bytes")));
        }
        (at, None)
    }
}

/// Where the last `<event` begins; 0 is one.
fn last_begin(bytes: &[u8]) -> usize {
    let begins = memmem::find_iter(bytes, b"<event");
    begins
        .filter(|n| bytes.get(n + 6).is_some_and(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'>')))
        .last()
        .unwrap_or(0)
}

/// Well-formed, valid, not too long.
fn accept(text: &[u8], max: usize) -> Result<Spans, (Reject, &'static str)> {
    if text.len() > max {
        return Err((Reject::Oversize, "over the size limit"));
    }
    let spans = scan(text).map_err(|fault| match fault {
        Fault::Utf8 { .. } => (Reject::Utf8, "not UTF-8"),
        Fault::Doctype { .. } => (Reject::Doctype, "DOCTYPE"),
        Fault::Xml { what, .. } => (Reject::Xml, what),
    })?;
    check(text, &spans, 0, &mut Splices::new()).map_err(|invalid| (Reject::Schema, invalid.0))?;
    Ok(spans)
}

fn rejected<'a>(reason: Reject, bytes: &'a [u8], detail: &'static str) -> Frame<'a> {
    Frame::Rejected { reason, head: &bytes[..bytes.len().min(200)], detail }
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
